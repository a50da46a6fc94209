// SPDX-License-Identifier: GPL-2.0
/* What a life is told, and a file of its own beside its channel's. */

#include <linux/fs.h>
#include <linux/module.h>
#include <linux/uaccess.h>

#include "storm.h"

/* Begins a callback: there must still be a channel. */
static struct storm_life *enter(struct rchan *chan)
{
	struct storm_life *life = relay_private_data(chan);

	WARN(READ_ONCE(life->over), "storm: told something after the end\n");
	atomic_long_inc(&storm_told);
	return life;
}

static void buffer_start(struct rchan *chan, const struct relay_subbuf *s)
{
	enter(chan);
	memset(s->start, 0x11, s->start_len);
}

static void buffer_end(struct rchan *chan, const struct relay_subbuf *s)
{
	enter(chan);
	memset(s->end_reserve, 0x22, s->end_len);
}

static void deliver(struct rchan *chan, const struct relay_delivery *d)
{
	struct storm_life *life = enter(chan);

	WARN_ON(!in_hardirq());
	atomic64_add(d->len, &life->delivered);
	if (d->lost)
		WRITE_ONCE(life->missed, true);
}

static void user_deliver(struct rchan *chan, const void *data, size_t len)
{
	struct storm_life *life = enter(chan);

	atomic64_inc(&life->from_users);
	atomic64_add(len, &life->user_bytes);
	atomic_long_inc(&storm_from_users);
}

static void buffers_full(struct rchan *chan, u32 cpu)
{
	enter(chan);
	WARN_ON(!in_hardirq());
}

/* Mostly follows. Somebody else may be quicker, or there be no memory. */
static void needs_resize(struct rchan *chan, int type, u64 subbuf_size, u32 n_subbufs)
{
	struct storm_life *life = enter(chan);
	int ret = 0;

	if (atomic_inc_return(&life->sized) % 4 == 0)
		return;
	if (type == RELAY_RESIZE_EXPAND || type == RELAY_RESIZE_SHRINK)
		ret = relay_realloc_buffer(chan, subbuf_size, n_subbufs);
	else if (type == RELAY_RESIZE_REPLACE)
		ret = relay_replace_buffer(chan);
	WARN(ret && ret != -ENOMEM && ret != -EBUSY && ret != -EAGAIN && ret != -ESHUTDOWN &&
	     ret != -EINTR, "storm: told %d: %d\n", type, ret);
}

static int fileop_notify(struct rchan *chan, struct file *file, enum relay_fileop op)
{
	struct storm_life *life = enter(chan);

	if (op != RELAY_FILE_OPEN && op != RELAY_FILE_MAP)
		return 0;
	return atomic_inc_return(&life->fileops) % 16 ? 0 : -EACCES;
}

static long ioctl(struct rchan *chan, struct file *file, unsigned int cmd, unsigned long arg)
{
	enter(chan);
	return 42;
}

const struct rchan_callbacks *storm_draw_callbacks(struct storm_life *life)
{
	u32 which = storm_draw(&life->rnd, 4) ? storm_draw(&life->rnd, 256) : 0;

	/* What users write must be counted. */
	if (life->users_write)
		which |= 8;
	life->callbacks = (struct rchan_callbacks){
		.buffer_start = which & 1 ? buffer_start : NULL,
		.buffer_end = which & 2 ? buffer_end : NULL,
		.deliver = which & 4 ? deliver : NULL,
		.user_deliver = which & 8 ? user_deliver : NULL,
		.buffers_full = which & 16 ? buffers_full : NULL,
		.needs_resize = which & 32 ? needs_resize : NULL,
		.fileop_notify = which & 64 ? fileop_notify : NULL,
		.ioctl = which & 128 ? ioctl : NULL,
	};
	return which ? &life->callbacks : NULL;
}

static ssize_t control_read(struct file *file, char __user *to, size_t size, loff_t *pos)
{
	struct storm_life *life = file_inode(file)->i_private;
	char text[32];
	int len = snprintf(text, sizeof(text), "%lld written\n",
			   (long long)atomic64_read(&life->written));

	WARN(READ_ONCE(life->over), "storm: a file after the end\n");
	return simple_read_from_buffer(to, size, pos, text, len);
}

/* Whatever is written: users can have the channel flushed. */
static ssize_t control_write(struct file *file, const char __user *from, size_t size, loff_t *pos)
{
	struct storm_life *life = file_inode(file)->i_private;
	struct rchan *chan = storm_enter(life);

	WARN(READ_ONCE(life->over), "storm: a file after the end\n");
	if (chan) {
		relay_flush(chan);
		storm_leave(life);
	}
	return size;
}

static const struct file_operations control_fops = {
	.owner = THIS_MODULE,
	.read = control_read,
	.write = control_write,
	.llseek = default_llseek,
};

void storm_make_control(struct storm_life *life, struct rchan *chan)
{
	struct relay_entry *file = relay_create_file("control", 0666, relay_channel_dir(chan), life,
						     &control_fops);

	WARN_ON(IS_ERR(file) && PTR_ERR(file) != -ENOMEM);
	/* Now and then it goes before its channel. */
	if (!storm_draw(&life->rnd, 8))
		relay_remove(file);
}
