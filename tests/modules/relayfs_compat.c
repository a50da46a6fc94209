// SPDX-License-Identifier: GPL-2.0
/*
 * A client written for the kernel's relay interface, on relayfs. The selftest tells it what to do
 * over
 * /dev/relayfs_compat; an open file has one channel.
 */

#include <linux/debugfs.h>
#include <linux/irq_work.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/relay_compat.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "relayfs_compat.h"
#include "relayfs_test.h"

struct session {
	struct rchan *chan;
	struct mutex lock;	/* guards the life of the channel */
	struct compat_open open;
	struct compat_state state;
	u32 number[NR_CPUS];	/* of the next sub-buffer */
	struct irq_work irq;
	struct compat_write *irq_write;
	bool go;
	void *record;
};

#define MAX_RECORD	(256u << 10)

static struct dentry *dir;

static void fill(void *to, u32 number, u32 len)
{
	struct relaytest_record r = { RELAYTEST_MAGIC, len, 0, number };

	memcpy(to, &r, sizeof(r));
	memset(to + sizeof(r), relaytest_byte(0, number), len - sizeof(r));
}

static void expect(struct session *s, bool right)
{
	if (!right)
		s->state.wrong++;
}

/* As Documentation/filesystems/relay.rst has it. */
static int subbuf_start(struct rchan_buf *buf, void *subbuf, void *prev_subbuf)
{
	struct session *s = buf->chan->private_data;
	struct compat_head *prev = prev_subbuf, *head = subbuf;
	u32 reserve = s->open.reserve;

	s->state.starts++;
	expect(s, subbuf && buf->chan->cb->subbuf_start == subbuf_start);
	expect(s, !in_nmi() && buf->offset == 0);
	if (!prev) {
		s->state.begins++;
		s->number[buf->cpu] = 0;
	} else if (reserve) {
		size_t ended = buf->subbufs_produced - 1;

		expect(s, prev->magic == COMPAT_MAGIC && prev->number == ended);
		prev->padding = buf->padding[ended % buf->chan->n_subbufs];
		prev->ended++;
	}
	if (s->open.flags & COMPAT_WRITES_IN_START)
		relay_write(buf->chan, "to itself", 9);
	if (!(s->open.flags & COMPAT_OVERWRITE) && relay_buf_full(buf)) {
		s->state.refused++;
		return 0;
	}
	if (reserve) {
		/* All of it is the client's until it returns. */
		memset(subbuf, 0xee, buf->chan->subbuf_size);
		*head = (struct compat_head){ COMPAT_MAGIC, s->number[buf->cpu]++ };
		if (s->open.flags & COMPAT_OTHER_RESERVE && s->state.starts > 2)
			reserve += 8;
		subbuf_start_reserve(buf, reserve);
	}
	return 1;
}

static struct dentry *create_buf_file(const char *filename, struct dentry *parent, umode_t mode,
				      struct rchan_buf *buf, int *is_global)
{
	struct session *s = buf->chan->private_data;
	struct dentry *file;

	s->state.created++;
	expect(s, mode == 0400 && buf->chan->base_filename[0] != '/');
	if (s->state.created == s->open.fail_at)
		return ERR_PTR(-EIO);
	if (s->open.flags & COMPAT_GLOBAL)
		*is_global = 1;
	if (s->open.flags & COMPAT_NAMELESS) {
		expect(s, !filename && !parent);
		return dir;
	}
	expect(s, parent == dir);
	if (s->open.flags & COMPAT_UNSAFE)
		file = debugfs_create_file_unsafe(filename, mode, parent, buf,
						  &relay_file_operations);
	else
		file = debugfs_create_file(filename, mode, parent, buf, &relay_file_operations);
	if (s->open.flags & COMPAT_OPENS_EARLY) {
		char *path = kasprintf(GFP_KERNEL, "/sys/kernel/debug/" COMPAT_DIR "/%s", filename);
		struct file *early = path ? filp_open(path, O_RDONLY, 0) : ERR_PTR(-ENOMEM);

		s->state.early = PTR_ERR_OR_ZERO(early);
		if (!IS_ERR(early))
			filp_close(early, NULL);
		kfree(path);
	}
	return file;
}

/* A dentry does not tell whose it is: so the calls are counted. */
static atomic_t removed;

static int remove_buf_file(struct dentry *dentry)
{
	atomic_inc(&removed);
	debugfs_remove(dentry);
	return 0;
}

static const struct rchan_callbacks plain_callbacks = {
	.create_buf_file = create_buf_file,
	.remove_buf_file = remove_buf_file,
};

static const struct rchan_callbacks callbacks = {
	.subbuf_start = subbuf_start,
	.create_buf_file = create_buf_file,
	.remove_buf_file = remove_buf_file,
};

static long do_open(struct session *s, const struct compat_open *o)
{
	char *name;

	if (s->chan)
		return -EBUSY;
	name = strndup_user(u64_to_user_ptr(o->name), PATH_MAX);
	if (IS_ERR(name))
		return PTR_ERR(name);
	s->open = *o;
	memset(&s->state, 0, sizeof(s->state));
	atomic_set(&removed, 0);
	s->chan = relay_open(o->flags & COMPAT_NAMELESS ? NULL : name, dir, o->subbuf_size,
			     o->n_subbufs, o->flags & COMPAT_SUBBUF_START ? &callbacks :
			     &plain_callbacks, s);
	kfree(name);
	return s->chan ? 0 : -ENOMEM;
}

/* What is written before it is reserved must fit the sub-buffer: or that is ended. */
static void write_first(struct session *s, u32 number, u32 len)
{
	struct rchan_buf *buf = *this_cpu_ptr(s->chan->buf);
	void *at = relay_reserve(s->chan, 0);

	if (at && buf->offset != s->chan->subbuf_size + 1 && buf->data &&
	    buf->offset + len > s->chan->subbuf_size) {
		relay_switch_subbuf(buf, len);
		at = relay_reserve(s->chan, 0);
	}
	if (at)
		fill(at, number, len);
	expect(s, relay_reserve(s->chan, len) == at);
}

static void write_one(struct session *s, const struct compat_write *w, u32 number)
{
	unsigned long flags;
	void *at;

	switch (w->how) {
	case COMPAT_RESERVE:
	case COMPAT_RESERVE_IRQ_OFF:
		if (w->how == COMPAT_RESERVE)
			preempt_disable();
		else
			local_irq_save(flags);
		at = relay_reserve(s->chan, w->len);
		if (at)
			fill(at, number, w->len);
		if (w->how == COMPAT_RESERVE)
			preempt_enable();
		else
			local_irq_restore(flags);
		break;
	case COMPAT_WRITE_FIRST:
		preempt_disable();
		write_first(s, number, w->len);
		preempt_enable();
		break;
	default:
		fill(s->record, number, w->len);
		if (number % 2)
			relay_write(s->chan, s->record, w->len);
		else
			__relay_write(s->chan, s->record, w->len);
	}
}

static void write_in_irq(struct irq_work *work)
{
	struct session *s = container_of(work, struct session, irq);
	u32 i;

	expect(s, in_hardirq());
	for (i = 0; i < s->irq_write->count; i++)
		write_one(s, s->irq_write, s->irq_write->first + i);
}

static void interrupt(struct session *s, struct compat_write *w)
{
	s->irq_write = w;
	irq_work_queue(&s->irq);
	irq_work_sync(&s->irq);
}

static long do_write(struct session *s, struct compat_write *w)
{
	u32 i;

	if (w->len < sizeof(struct relaytest_record) || w->len > MAX_RECORD)
		return -EINVAL;
	if (w->how == COMPAT_WRITE_IRQ)
		interrupt(s, w);
	else
		for (i = 0; i < w->count; i++)
			write_one(s, w, w->first + i);
	return 0;
}

static long do_hold(struct session *s, const struct compat_hold *h)
{
	const u32 len = sizeof(struct relaytest_record);
	struct compat_write nested = { COMPAT_WRITE, 1, len, h->nested };
	void *at = relay_reserve(s->chan, h->len);

	if (!at)
		return -ENOSPC;
	if (h->nested)
		interrupt(s, &nested);
	WRITE_ONCE(s->state.held, 1);
	while (!READ_ONCE(s->go) && !signal_pending(current))
		cpu_relax();
	fill(at, h->number, h->len);
	s->state.held = 0;
	s->go = false;
	return 0;
}

static long do_state(struct session *s, struct compat_state *u)
{
	struct rchan *chan = s->chan;
	struct rchan_buf *buf;
	u32 cpu = u->cpu;

	if (cpu >= nr_cpu_ids)
		return -EINVAL;
	*u = s->state;
	u->removed = atomic_read(&removed);
	u->cpu = cpu;
	if (!chan)
		return 0;
	u->subbuf_size = chan->subbuf_size;
	u->n_subbufs = chan->n_subbufs;
	u->alloc_size = chan->alloc_size;
	u->is_global = chan->is_global;
	u->version = chan->version;
	buf = *per_cpu_ptr(chan->buf, cpu);
	if (!buf)
		return 0;
	u->exists = 1;
	u->full = relay_buf_full(buf);
	u->offset = buf->offset;
	u->produced = buf->subbufs_produced;
	u->consumed = buf->subbufs_consumed;
	u->data = buf->data - buf->start;
	u->full_count = buf->stats.full_count;
	u->big_count = buf->stats.big_count;
	u->lost_count = buf->stats.lost_count;
	u->its_cpu = buf->cpu;
	u->finalized = buf->finalized;
	return 0;
}

static long do_switch(struct session *s, size_t len)
{
	long ret;

	preempt_disable();
	ret = relay_switch_subbuf(*this_cpu_ptr(s->chan->buf), len);
	preempt_enable();
	return ret;
}

static long compat_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct session *s = file->private_data;
	union {
		struct compat_open open;
		struct compat_write write;
		struct compat_state state;
		struct compat_consumed consumed;
		struct compat_hold hold;
	} u;
	long ret = 0;

	if (_IOC_SIZE(cmd) > sizeof(u))
		return -ENOTTY;
	if (_IOC_SIZE(cmd) && copy_from_user(&u, (void __user *)arg, _IOC_SIZE(cmd)))
		return -EFAULT;
	if (cmd == COMPAT_OPEN)
		return do_open(s, &u.open);
	if (cmd == COMPAT_GO) {
		WRITE_ONCE(s->go, true);
		return 0;
	}
	if (cmd == COMPAT_STATE) {
		ret = do_state(s, &u.state);
		if (!ret && copy_to_user((void __user *)arg, &u, sizeof(u.state)))
			ret = -EFAULT;
		return ret;
	}
	if (!s->chan)
		return -EBADF;
	switch (cmd) {
	case COMPAT_CLOSE:
		relay_close(s->chan);
		s->chan = NULL;
		return 0;
	case COMPAT_FLUSH:
		relay_flush(s->chan);
		return 0;
	case COMPAT_RESET:
		relay_reset(s->chan);
		return 0;
	case COMPAT_WRITES:
		return do_write(s, &u.write);
	case COMPAT_CONSUMED:
		relay_subbufs_consumed(s->chan, u.consumed.cpu, u.consumed.n);
		return 0;
	case COMPAT_STATS:
		return relay_stats(s->chan, arg);
	case COMPAT_HOLD:
		return do_hold(s, &u.hold);
	case COMPAT_SWITCH:
		return do_switch(s, arg);
	}
	return -ENOTTY;
}

static int compat_fopen(struct inode *inode, struct file *file)
{
	struct session *s = kzalloc(sizeof(*s), GFP_KERNEL);

	if (!s)
		return -ENOMEM;
	s->record = kvmalloc(MAX_RECORD, GFP_KERNEL);
	if (!s->record) {
		kfree(s);
		return -ENOMEM;
	}
	mutex_init(&s->lock);
	init_irq_work(&s->irq, write_in_irq);
	file->private_data = s;
	return 0;
}

static int compat_release(struct inode *inode, struct file *file)
{
	struct session *s = file->private_data;

	relay_close(s->chan);
	kvfree(s->record);
	kfree(s);
	return 0;
}

static const struct file_operations fops = {
	.owner = THIS_MODULE,
	.open = compat_fopen,
	.release = compat_release,
	.unlocked_ioctl = compat_ioctl,
};

static struct miscdevice device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "relayfs_compat",
	.fops = &fops,
};

static int __init compat_init(void)
{
	int ret;

	dir = debugfs_create_dir(COMPAT_DIR, NULL);
	ret = misc_register(&device);
	if (ret)
		debugfs_remove(dir);
	return ret;
}
module_init(compat_init);

static void __exit compat_exit(void)
{
	misc_deregister(&device);
	debugfs_remove(dir);
}
module_exit(compat_exit);

MODULE_DESCRIPTION("relayfs: client of the kernel's relay interface");
MODULE_LICENSE("GPL");
