// SPDX-License-Identifier: GPL-2.0
/*
 * A client with files of its own, which does what the selftests tell it over /dev/relayfs_files.
 * What it makes belongs to the open file over which it was told, and goes with that.
 */

#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "files.h"

struct session {
	struct mutex lock;	/* one order at a time */
	struct rchan *channels[FILES_CHANNELS];
};

static int do_open(struct session *s, const struct files_open *o)
{
	struct rchan_attr attr = { .size = sizeof(attr), .flags = o->flags, .mode = o->mode };
	struct rchan *chan;
	char *path = NULL;

	if (o->channel >= FILES_CHANNELS || s->channels[o->channel])
		return -EBADF;
	if (o->path != FILES_NO_PATH) {
		path = strndup_user(u64_to_user_ptr(o->path), PATH_MAX);
		if (IS_ERR(path))
			return PTR_ERR(path);
	}
	chan = relay_open(path, &attr);
	kfree(path);
	if (IS_ERR(chan))
		return PTR_ERR(chan);
	s->channels[o->channel] = chan;
	return 0;
}

static int do_close(struct session *s, u32 channel)
{
	struct rchan *chan;

	if (channel >= FILES_CHANNELS || !s->channels[channel])
		return -EBADF;
	chan = s->channels[channel];
	s->channels[channel] = NULL;
	relay_close(chan);
	return 0;
}

static long do_write(struct session *s, const struct files_write *w)
{
	void *data;
	long ret;

	if (w->channel >= FILES_CHANNELS || !s->channels[w->channel])
		return -EBADF;
	data = vmemdup_user(u64_to_user_ptr(w->data), w->len);
	if (IS_ERR(data))
		return PTR_ERR(data);
	ret = relay_write(s->channels[w->channel], data, w->len);
	kvfree(data);
	return ret;
}

static int do_elsewhere(struct session *s, const struct files_elsewhere *e)
{
	char *name;
	int ret;

	if (e->channel >= FILES_CHANNELS || !s->channels[e->channel])
		return -EBADF;
	name = strndup_user(u64_to_user_ptr(e->name), NAME_MAX);
	if (IS_ERR(name))
		return PTR_ERR(name);
	ret = files_elsewhere_make(s->channels[e->channel], name, e);
	kfree(name);
	return ret;
}

union argument {
	u32 number;
	struct files_open open;
	struct files_write write;
	struct files_elsewhere elsewhere;
};

static long obey(struct session *s, unsigned int cmd, const union argument *a)
{
	switch (cmd) {
	case FILES_OPEN:
		return do_open(s, &a->open);
	case FILES_CLOSE:
		return do_close(s, a->number);
	case FILES_WRITE:
		return do_write(s, &a->write);
	case FILES_ELSEWHERE:
		return do_elsewhere(s, &a->elsewhere);
	case FILES_ELSEWHERE_REMOVE:
		files_elsewhere_remove();
		return 0;
	default:
		return -ENOTTY;
	}
}

static long files_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct session *s = file->private_data;
	union argument a;
	long ret;

	if (_IOC_SIZE(cmd) > sizeof(a))
		return -ENOTTY;
	if (copy_from_user(&a, (void __user *)arg, _IOC_SIZE(cmd)))
		return -EFAULT;
	mutex_lock(&s->lock);
	ret = obey(s, cmd, &a);
	mutex_unlock(&s->lock);
	return ret;
}

static int files_open(struct inode *inode, struct file *file)
{
	struct session *s = kzalloc(sizeof(*s), GFP_KERNEL);

	if (!s)
		return -ENOMEM;
	mutex_init(&s->lock);
	file->private_data = s;
	return 0;
}

static int files_release(struct inode *inode, struct file *file)
{
	struct session *s = file->private_data;

	for (int i = 0; i < FILES_CHANNELS; i++)
		do_close(s, i);
	files_elsewhere_remove();
	kfree(s);
	return 0;
}

static const struct file_operations files_operations = {
	.owner = THIS_MODULE,
	.open = files_open,
	.release = files_release,
	.unlocked_ioctl = files_ioctl,
};

static struct miscdevice files_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "relayfs_files",
	.fops = &files_operations,
};

static int __init client_init(void)
{
	int ret = files_elsewhere_init();

	if (ret)
		return ret;
	ret = misc_register(&files_device);
	if (ret)
		files_elsewhere_exit();
	return ret;
}
module_init(client_init);

static void __exit client_exit(void)
{
	misc_deregister(&files_device);
	files_elsewhere_exit();
}
module_exit(client_exit);

MODULE_AUTHOR("The relayfs developers");
MODULE_DESCRIPTION("relayfs: the selftests' client with files of its own");
MODULE_LICENSE("GPL");
