// SPDX-License-Identifier: GPL-2.0
/* Files of the client's, of every kind; each operation sees whether it comes after the removal. */

#include <linux/fadvise.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/poll.h>
#include <linux/seq_file.h>
#include <linux/uio.h>
#include <linux/wait.h>

#include "files.h"

static atomic_t late, inside, open_files;
static atomic_t wakes, async;
static DECLARE_WAIT_QUEUE_HEAD(sleepers);

static struct files_item *begin(struct file *file)
{
	struct files_item *item = file_inode(file)->i_private;

	atomic_inc(&inside);
	if (READ_ONCE(item->removed))
		atomic_inc(&late);
	return item;
}

static void end(void)
{
	atomic_dec(&inside);
}

static int item_open(struct inode *inode, struct file *file)
{
	begin(file);
	atomic_inc(&open_files);
	end();
	return 0;
}

static int item_release(struct inode *inode, struct file *file)
{
	atomic_dec(&open_files);
	return 0;
}

static ssize_t text_read(struct file *file, char __user *to, size_t len, loff_t *at)
{
	struct files_item *item = begin(file);
	ssize_t ret = simple_read_from_buffer(to, len, at, item->text, item->len);

	end();
	return ret;
}

static ssize_t text_write(struct file *file, const char __user *from, size_t len, loff_t *at)
{
	struct files_item *item = begin(file);
	ssize_t ret = simple_write_to_buffer(item->text, sizeof(item->text), at, from, len);

	item->len = ret < 0 ? 0 : *at;
	end();
	return ret;
}

static long text_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct files_item *item = begin(file);
	long ret = cmd == FILES_TEXT_LENGTH ? item->len : -ENOTTY;

	end();
	return ret;
}

static __poll_t text_poll(struct file *file, struct poll_table_struct *table)
{
	struct files_item *item = begin(file);
	__poll_t ret;

	poll_wait(file, &sleepers, table);
	ret = item->len ? EPOLLIN : 0;
	end();
	return ret;
}

static int text_fsync(struct file *file, loff_t from, loff_t to, int datasync)
{
	begin(file);
	end();
	return 0;
}

static const struct file_operations text_operations = {
	.owner = THIS_MODULE,
	.open = item_open,
	.release = item_release,
	.read = text_read,
	.write = text_write,
	.llseek = default_llseek,
	.poll = text_poll,
	.unlocked_ioctl = text_ioctl,
	.compat_ioctl = text_ioctl,
	.fsync = text_fsync,
};

static ssize_t iter_read(struct kiocb *iocb, struct iov_iter *to)
{
	struct files_item *item = begin(iocb->ki_filp);
	size_t n = 0;

	if (iocb->ki_pos < item->len)
		n = copy_to_iter(item->text + iocb->ki_pos, item->len - iocb->ki_pos, to);
	iocb->ki_pos += n;
	end();
	return n;
}

static ssize_t iter_write(struct kiocb *iocb, struct iov_iter *from)
{
	struct files_item *item = begin(iocb->ki_filp);

	item->len = copy_from_iter(item->text, sizeof(item->text), from);
	end();
	return item->len;
}

static const struct file_operations iter_operations = {
	.owner = THIS_MODULE,
	.open = item_open,
	.release = item_release,
	.read_iter = iter_read,
	.write_iter = iter_write,
	.splice_read = copy_splice_read,
	.splice_write = iter_file_splice_write,
};

static int seq_show_item(struct seq_file *seq, void *v)
{
	struct files_item *item = seq->private;

	seq_printf(seq, "%.*s\n", (int)item->len, item->text);
	return 0;
}

static int seq_open_item(struct inode *inode, struct file *file)
{
	return single_open(file, seq_show_item, inode->i_private);
}

static const struct file_operations seq_operations = {
	.owner = THIS_MODULE,
	.open = seq_open_item,
	.release = single_release,
	.read = seq_read,
	.llseek = seq_lseek,
};

static ssize_t sleep_read(struct file *file, char __user *to, size_t len, loff_t *at)
{
	int before = atomic_read(&wakes);
	struct files_item *item = begin(file);
	int ret = wait_event_interruptible(sleepers, atomic_read(&wakes) != before);

	/* The removal has waited for this. */
	if (READ_ONCE(item->removed))
		atomic_inc(&late);
	end();
	return ret;
}

static const struct file_operations sleep_operations = {
	.owner = THIS_MODULE,
	.open = item_open,
	.release = item_release,
	.read = sleep_read,
};

static int map_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct files_item *item = begin(file);
	int ret = vm_insert_page(vma, vma->vm_start, virt_to_page(item->page));

	end();
	return ret;
}

static const struct file_operations map_operations = {
	.owner = THIS_MODULE,
	.open = item_open,
	.release = item_release,
	.mmap = map_mmap,
};

static struct fasync_struct *async_users;

static int rare_fasync(int fd, struct file *file, int on)
{
	int changed;

	/* To end it, after the removal, too. */
	if (on)
		begin(file);
	changed = fasync_helper(fd, file, on, &async_users);
	if (changed > 0)
		atomic_add(on ? 1 : -1, &async);
	if (on)
		end();
	return changed;
}

static int rare_fadvise(struct file *file, loff_t at, loff_t len, int advice)
{
	begin(file);
	end();
	return advice == POSIX_FADV_RANDOM ? 0 : -EDOM;
}

static long rare_fallocate(struct file *file, int mode, loff_t at, loff_t len)
{
	begin(file);
	end();
	return len == 7 ? 0 : -EXDEV;
}

static unsigned long rare_get_unmapped_area(struct file *file, unsigned long at, unsigned long len,
					    unsigned long page, unsigned long flags)
{
	begin(file);
	end();
	return -EXFULL;
}

static void rare_show_fdinfo(struct seq_file *seq, struct file *file)
{
	struct files_item *item = begin(file);

	seq_printf(seq, "item:\t%.*s\n", (int)item->len, item->text);
	end();
}

static const struct file_operations rare_operations = {
	.owner = THIS_MODULE,
	.fop_flags = FOP_UNSIGNED_OFFSET,
	.open = item_open,
	.release = item_release,
	.write = text_write,
	.llseek = default_llseek,
	.mmap = map_mmap,
	.fasync = rare_fasync,
	.fadvise = rare_fadvise,
	.fallocate = rare_fallocate,
	.get_unmapped_area = rare_get_unmapped_area,
	.show_fdinfo = rare_show_fdinfo,
};

static int foreign_flock(struct file *file, int cmd, struct file_lock *lock)
{
	return 0;
}

static const struct file_operations foreign_operations = {
	.owner = THIS_MODULE,
	.read = text_read,
	.flock = foreign_flock,
};

static int refuse_open(struct inode *inode, struct file *file)
{
	return -EXDEV;
}

static const struct file_operations refuse_operations = {
	.owner = THIS_MODULE,
	.open = refuse_open,
};

static int swap_open(struct inode *inode, struct file *file)
{
	replace_fops(file, fops_get(&text_operations));
	return item_open(inode, file);
}

static const struct file_operations swap_operations = {
	.owner = THIS_MODULE,
	.open = swap_open,
};

const struct file_operations *files_operations_of(u32 kind)
{
	static const struct file_operations *const kinds[] = {
		[FILES_TEXT] = &text_operations,
		[FILES_ITER] = &iter_operations,
		[FILES_SEQ] = &seq_operations,
		[FILES_SLEEP] = &sleep_operations,
		[FILES_MAP] = &map_operations,
		[FILES_REFUSE] = &refuse_operations,
		[FILES_SWAP] = &swap_operations,
		[FILES_RARE] = &rare_operations,
		[FILES_FOREIGN] = &foreign_operations,
	};

	return kind < ARRAY_SIZE(kinds) ? kinds[kind] : NULL;
}

int files_count(u32 what)
{
	switch (what) {
	case FILES_COUNT_LATE:
		return atomic_read(&late);
	case FILES_COUNT_INSIDE:
		return atomic_read(&inside);
	case FILES_COUNT_ASYNC:
		return atomic_read(&async);
	default:
		return atomic_read(&open_files);
	}
}

void files_wake(void)
{
	atomic_inc(&wakes);
	wake_up_all(&sleepers);
}
