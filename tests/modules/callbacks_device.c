// SPDX-License-Identifier: GPL-2.0
/*
 * A client that has all callbacks, or those it is told to have over /dev/relayfs_callbacks. Each
 * open file has a channel, which goes with it.
 */

#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>

#include "callbacks.h"

static DEFINE_MUTEX(opening);

static long do_open(struct client *client, const struct cb_open *o)
{
	struct rchan_attr attr = {
		.size = sizeof(attr),
		.flags = o->flags,
		.subbuf_size = o->subbuf_size,
		.n_subbufs = o->n_subbufs,
		.mode = o->mode,
		.start_reserve = o->start_reserve,
		.end_reserve = o->end_reserve,
		.channel_start_reserve = o->channel_start_reserve,
		.watermark = o->watermark,
		.watermark_unit = o->watermark_unit,
		.private_data = client,
		.callbacks = o->wanted ? &client->callbacks : NULL,
	};
	struct rchan *chan;
	char *path;

	if (client->chan)
		return -EBUSY;
	client->callbacks = callbacks_of(o->wanted);
	path = strndup_user(u64_to_user_ptr(o->path), PATH_MAX);
	if (IS_ERR(path))
		return PTR_ERR(path);
	chan = relay_open(path, &attr);
	kfree(path);
	if (IS_ERR(chan))
		return PTR_ERR(chan);
	WRITE_ONCE(client->chan, chan);
	return 0;
}

static long give(const struct cb_call *call, const void *from, size_t have)
{
	size_t len = min_t(size_t, call->len, have);

	return copy_to_user(u64_to_user_ptr(call->data), from, len) ? -EFAULT : len;
}

static long give_events(const struct client *client, const struct cb_call *call)
{
	u32 count = min_t(u32, atomic_read(&client->n_events), CB_MAX_EVENTS);
	long len = give(call, client->events, count * sizeof(*client->events));

	return len < 0 ? len : len / (long)sizeof(*client->events);
}

static long do_call(struct client *client, const struct cb_call *call)
{
	struct rchan *chan = READ_ONCE(client->chan);
	long ret;

	switch (call->op) {
	case CB_INSIDE:
		return atomic_read(&client->inside);
	case CB_COUNT:
		atomic_set(&client->data_len, 0);
		return atomic_xchg(&client->n_events, 0);
	case CB_EVENTS:
		return give_events(client, call);
	case CB_DELIVERED:
		return give(call, client->data,
			    min_t(u32, atomic_read(&client->data_len), CB_MAX_DATA));
	}
	if (!chan)
		return -EBADF;
	switch (call->op) {
	case CB_CLOSE:
		relay_close(chan);
		WRITE_ONCE(client->chan, NULL);
		return 0;
	case CB_FLUSH:
		relay_flush(chan);
		return 0;
	case CB_RESET:
		relay_reset(chan);
		return 0;
	case CB_RESIZE:
		ret = relay_realloc_buffer(chan, call->len, call->count);
		return ret ?: relay_replace_buffer(chan);
	case CB_WRITE:
	case CB_LOCK_WRITE:
		return callbacks_write(client, call);
	default:
		return -ENOTTY;
	}
}

static long callbacks_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct client *client = file->private_data;
	void __user *user = (void __user *)arg;
	union {
		struct cb_open open;
		struct cb_behave behave;
		struct cb_call call;
	} u;
	long ret;

	if (_IOC_SIZE(cmd) > sizeof(u))
		return -ENOTTY;
	if (copy_from_user(&u, user, _IOC_SIZE(cmd)))
		return -EFAULT;
	switch (cmd) {
	case CB_IOC_OPEN:
		mutex_lock(&opening);
		ret = do_open(client, &u.open);
		mutex_unlock(&opening);
		return ret;
	case CB_IOC_BEHAVE:
		client->behave = u.behave;
		wake_up_all(&client->released);
		return 0;
	case CB_IOC_CALL:
		u.call.ret = do_call(client, &u.call);
		return copy_to_user(user, &u, sizeof(u.call)) ? -EFAULT : 0;
	default:
		return -ENOTTY;
	}
}

static void client_free(struct client *client)
{
	vfree(client->events);
	vfree(client->data);
	kfree(client);
}

static int callbacks_open(struct inode *inode, struct file *file)
{
	struct client *client = kzalloc(sizeof(*client), GFP_KERNEL);

	if (!client)
		return -ENOMEM;
	init_waitqueue_head(&client->released);
	client->events = vmalloc_array(CB_MAX_EVENTS, sizeof(*client->events));
	client->data = vmalloc(CB_MAX_DATA);
	if (!client->events || !client->data) {
		client_free(client);
		return -ENOMEM;
	}
	file->private_data = client;
	return 0;
}

static int callbacks_release(struct inode *inode, struct file *file)
{
	struct client *client = file->private_data;

	client->behave.hold = 0;
	wake_up_all(&client->released);
	relay_close(client->chan);
	/* A callback that came later would find its client gone. */
	client_free(client);
	return 0;
}

static const struct file_operations callbacks_fops = {
	.owner = THIS_MODULE,
	.open = callbacks_open,
	.release = callbacks_release,
	.unlocked_ioctl = callbacks_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
};

static struct miscdevice callbacks_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "relayfs_callbacks",
	.fops = &callbacks_fops,
};

static int __init callbacks_init(void)
{
	int error = callbacks_write_init();

	if (error)
		return error;
	error = misc_register(&callbacks_device);
	if (error)
		callbacks_write_exit();
	return error;
}
module_init(callbacks_init);

static void __exit callbacks_exit(void)
{
	misc_deregister(&callbacks_device);
	callbacks_write_exit();
}
module_exit(callbacks_exit);

MODULE_DESCRIPTION("relayfs: has all callbacks, for the selftests");
MODULE_LICENSE("GPL");
