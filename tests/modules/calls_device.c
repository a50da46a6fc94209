// SPDX-License-Identifier: GPL-2.0
/*
 * A client that calls one function of the API at a time, as the selftests tell it over
 * /dev/relayfs_calls. What an open file made goes with it.
 */

#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "calls.h"

/* What the last CALLS_READ and CALLS_WRITE_WAIT came to, also if who called is dead. */
static long last_read, last_write;
module_param(last_read, long, 0444);
module_param(last_write, long, 0444);

static int do_open(struct session *s, struct calls_open *o)
{
	struct rchan_attr attr = {
		.size = sizeof(attr),
		.flags = o->flags,
		.subbuf_size = o->subbuf_size,
		.n_subbufs = o->n_subbufs,
		.flush_interval_ms = o->flush_interval_ms,
		.start_reserve = o->start_reserve,
		.end_reserve = o->end_reserve,
		.watermark = o->watermark,
		.watermark_unit = o->watermark_unit,
		.node = o->node,
		.mode = o->mode,
		.private_data = s,
	};
	struct rchan *chan;
	char *path;
	u32 id;

	for (id = 0; id < CALLS_MAX && s->chans[id]; id++)
		;
	if (id == CALLS_MAX)
		return -EMFILE;
	path = strndup_user(u64_to_user_ptr(o->path), PATH_MAX);
	if (IS_ERR(path))
		return PTR_ERR(path);
	chan = relay_open(path, &attr);
	kfree(path);
	if (IS_ERR(chan))
		return PTR_ERR(chan);
	s->chans[id] = chan;
	s->closed[id] = false;
	o->id = id;
	return 0;
}

/* Closes and forgets, as far as there is something to. */
static void drop_reader(struct session *s, u32 id)
{
	if (s->readers[id] && s->maps[id])
		remove_map_reader(s->readers[id]);
	else if (s->readers[id])
		remove_rchan_reader(s->readers[id]);
	s->readers[id] = NULL;
}

static long add_reader(struct session *s, struct rchan *chan, struct calls_call *c)
{
	struct rchan_reader *reader;
	u32 id;

	for (id = 0; id < CALLS_MAX && s->readers[id]; id++)
		;
	if (id == CALLS_MAX)
		return -EMFILE;
	s->maps[id] = c->op == CALLS_ADD_MAP_READER;
	if (s->maps[id])
		reader = add_map_reader(chan, c->cpu);
	else if (c->cpu == RELAY_CPU_ALL)
		reader = add_rchan_reader(chan, c->flag);
	else
		reader = add_rchan_cpu_reader(chan, c->cpu, c->flag);
	if (IS_ERR(reader))
		return PTR_ERR(reader);
	s->readers[id] = reader;
	c->value = id;
	return 0;
}

/* What makes and ends channels and readers; or -ENOTTY. */
static long change(struct session *s, struct calls_call *c)
{
	struct rchan *chan = s->chans[c->id];
	struct rchan_reader *reader = s->readers[c->id];
	long ret;

	switch (c->op) {
	case CALLS_CLOSE:
		if (!chan || s->closed[c->id])
			return -EBADF;
		relay_close(chan);
		s->closed[c->id] = true;
		if (!s->kept[c->id])
			s->chans[c->id] = NULL;
		return 0;
	case CALLS_GET:
		if (!chan)
			return -EBADF;
		s->kept[c->id]++;
		return rchan_get(chan) == chan ? 0 : -EBADMSG;
	case CALLS_PUT:
		if (!chan || !s->kept[c->id])
			return -EBADF;
		rchan_put(chan);
		if (!--s->kept[c->id] && s->closed[c->id])
			s->chans[c->id] = NULL;
		return 0;
	case CALLS_ADD_READER:
	case CALLS_ADD_MAP_READER:
		return chan ? add_reader(s, chan, c) : -EBADF;
	case CALLS_REMOVE_READER:
	case CALLS_REMOVE_MAP_READER:
		if (!reader)
			return -EBADF;
		ret = c->op == CALLS_REMOVE_READER ? remove_rchan_reader(reader) :
						     remove_map_reader(reader);
		if (!ret)
			s->readers[c->id] = NULL;
		return ret;
	default:
		return -ENOTTY;
	}
}

/* Calls with the session unlocked: it may take long. */
static long use(struct session *s, struct calls_call *c, void *buffer)
{
	struct rchan *chan = READ_ONCE(s->chans[c->id]);
	struct rchan_reader *reader = READ_ONCE(s->readers[c->id]);
	long ret = -ENOTTY;

	if (c->op < CALLS_REMOVE_READER)
		ret = chan ? calls_of_channel(chan, c, buffer) : -EBADF;
	else
		ret = reader ? calls_of_reader(reader, c, buffer) : -EBADF;
	return ret;
}

static bool has_buffer(const struct calls_call *c)
{
	return c->data;
}

static bool gives_data(u32 op)
{
	return op == CALLS_INFO || op == CALLS_CPU_INFO || op == CALLS_READ ||
	       op == CALLS_READ_LAST;
}

static int do_call(struct session *s, struct calls_call *c)
{
	void *buffer = NULL;

	if (c->id >= CALLS_MAX)
		return -EBADF;
	scoped_guard(mutex, &s->lock)
		c->ret = change(s, c);
	if (c->ret != -ENOTTY)
		return 0;
	if (has_buffer(c)) {
		if (c->len > CALLS_MAX_LEN)
			return -EINVAL;
		buffer = vmemdup_user(u64_to_user_ptr(c->data), c->len);
		if (IS_ERR(buffer))
			return PTR_ERR(buffer);
	}
	c->ret = use(s, c, buffer);
	if (c->op == CALLS_READ)
		last_read = c->ret;
	if (c->op == CALLS_WRITE_WAIT)
		last_write = c->ret;
	if (buffer && gives_data(c->op) && copy_to_user(u64_to_user_ptr(c->data), buffer, c->len))
		c->ret = -EFAULT;
	kvfree(buffer);
	return 0;
}

static int calls_device_open(struct inode *inode, struct file *file)
{
	struct session *s = kzalloc(sizeof(*s), GFP_KERNEL);

	if (!s)
		return -ENOMEM;
	mutex_init(&s->lock);
	file->private_data = s;
	return 0;
}

static int calls_device_release(struct inode *inode, struct file *file)
{
	struct session *s = file->private_data;
	u32 id;

	for (id = 0; id < CALLS_MAX; id++) {
		if (s->chans[id] && !s->closed[id])
			relay_close(s->chans[id]);
		drop_reader(s, id);
		for (; s->kept[id]; s->kept[id]--)
			rchan_put(s->chans[id]);
	}
	kfree(s);
	return 0;
}

static long calls_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	void __user *user = (void __user *)arg;
	struct session *s = file->private_data;
	union {
		struct calls_open open;
		struct calls_call call;
	} u;
	long ret;

	if (_IOC_SIZE(cmd) > sizeof(u))
		return -ENOTTY;
	if (copy_from_user(&u, user, _IOC_SIZE(cmd)))
		return -EFAULT;
	switch (cmd) {
	case CALLS_OPEN:
		scoped_guard(mutex, &s->lock)
			ret = do_open(s, &u.open);
		break;
	case CALLS_CALL:
		ret = do_call(s, &u.call);
		break;
	default:
		return -ENOTTY;
	}
	if (!ret && copy_to_user(user, &u, _IOC_SIZE(cmd)))
		return -EFAULT;
	return ret;
}

static const struct file_operations calls_fops = {
	.owner = THIS_MODULE,
	.open = calls_device_open,
	.release = calls_device_release,
	.unlocked_ioctl = calls_ioctl,
};

static struct miscdevice calls_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "relayfs_calls",
	.fops = &calls_fops,
};
module_misc_device(calls_device);

MODULE_DESCRIPTION("relayfs: calls one function at a time, for the selftests");
MODULE_LICENSE("GPL");
