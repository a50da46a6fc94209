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

struct entry {
	struct relay_entry *handle;
	struct files_item *item;
	s32 parent;
};

struct session {
	struct mutex lock;	/* one order at a time, but for removals */
	struct rchan *channels[FILES_CHANNELS];
	struct entry entries[FILES_ENTRIES];
};

/* What the module has while it is loaded, whoever has the device open. */
static bool stays;
module_param(stays, bool, 0444);
static struct relay_entry *stay;
static struct files_item stay_item = { .text = "stays", .len = 5 };

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

static struct relay_entry *find_parent(struct session *s, s32 parent)
{
	if (parent == FILES_IN_ROOT)
		return NULL;
	if (parent == FILES_IN_DENTRY)
		return (struct relay_entry *)files_some_dentry();
	if (parent <= FILES_IN_CHANNEL(0) && parent > FILES_IN_CHANNEL(FILES_CHANNELS))
		return relay_channel_dir(s->channels[FILES_IN_CHANNEL(parent)]);
	if (parent < 0 || parent >= FILES_ENTRIES)
		return ERR_PTR(-EBADF);
	return s->entries[parent].handle;
}

static void free_item(struct files_item *item)
{
	if (item)
		free_page(item->page);
	kfree(item);
}

static struct files_item *new_item(const char *name)
{
	struct files_item *item = kzalloc(sizeof(*item), GFP_KERNEL);

	if (!item)
		return NULL;
	item->len = min(strlen(name), sizeof(item->text));
	memcpy(item->text, name, item->len);
	item->page = get_zeroed_page(GFP_KERNEL);
	if (!item->page) {
		kfree(item);
		return NULL;
	}
	memcpy((void *)item->page, item->text, item->len);
	return item;
}

/* What was in a directory has gone with it. */
static void mark_removed(struct session *s, s32 parent)
{
	for (s32 i = 0; i < FILES_ENTRIES; i++) {
		struct entry *e = &s->entries[i];

		if (e->item && e->parent == parent && !e->item->removed) {
			WRITE_ONCE(e->item->removed, true);
			mark_removed(s, i);
		}
	}
}

static int do_close(struct session *s, u32 channel)
{
	struct rchan *chan;

	if (channel >= FILES_CHANNELS || !s->channels[channel])
		return -EBADF;
	chan = s->channels[channel];
	s->channels[channel] = NULL;
	relay_close(chan);
	mark_removed(s, FILES_IN_CHANNEL((s32)channel));
	return 0;
}

static int do_make(struct session *s, const struct files_make *m)
{
	struct relay_entry *parent, *made;
	struct files_item *item;
	struct entry *e;
	char *name;

	if (m->entry >= FILES_ENTRIES || s->entries[m->entry].handle)
		return -EBADF;
	e = &s->entries[m->entry];
	parent = find_parent(s, m->parent);
	name = strndup_user(u64_to_user_ptr(m->name), PATH_MAX);
	if (IS_ERR(name))
		return PTR_ERR(name);
	item = new_item(name);
	if (!item)
		made = ERR_PTR(-ENOMEM);
	else if (m->kind == FILES_DIR)
		made = relay_create_dir(name, parent);
	else
		made = relay_create_file(name, m->mode, parent, item,
					 files_operations_of(m->kind));
	kfree(name);
	if (IS_ERR(made)) {
		free_item(item);
		return PTR_ERR(made);
	}
	*e = (struct entry){ .handle = made, .item = item, .parent = m->parent };
	return 0;
}

/* Also of what was removed before. */
static int do_remove(struct session *s, u32 entry)
{
	if (entry >= FILES_ENTRIES)
		return -EBADF;
	relay_remove(s->entries[entry].handle);
	if (s->entries[entry].item)
		WRITE_ONCE(s->entries[entry].item->removed, true);
	mark_removed(s, entry);
	return 0;
}

static void forget(struct session *s, u32 entry)
{
	free_item(s->entries[entry].item);
	s->entries[entry] = (struct entry){ };
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
	struct files_make make;
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
	case FILES_MAKE:
		return do_make(s, &a->make);
	case FILES_FORGET:
		if (a->number >= FILES_ENTRIES)
			return -EBADF;
		forget(s, a->number);
		return 0;
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
	/* Also while a removal waits. */
	if (cmd == FILES_WAKE) {
		files_wake();
		return 0;
	}
	if (cmd == FILES_COUNT)
		return files_count(a.number);
	if (cmd == FILES_REMOVE)
		return do_remove(s, a.number);
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
	for (int i = 0; i < FILES_ENTRIES; i++)
		do_remove(s, i);
	for (int i = 0; i < FILES_ENTRIES; i++)
		forget(s, i);
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
	if (stays) {
		stay = relay_create_dir("files_stay", NULL);
		relay_create_file("own", 0644, stay, &stay_item, files_operations_of(FILES_TEXT));
		relay_create_file("default", 0, stay, &stay_item, files_operations_of(FILES_TEXT));
	}
	ret = misc_register(&files_device);
	if (ret)
		files_elsewhere_exit();
	return ret;
}
module_init(client_init);

static void __exit client_exit(void)
{
	misc_deregister(&files_device);
	relay_remove(stay);
	files_elsewhere_exit();
}
module_exit(client_exit);

MODULE_AUTHOR("The relayfs developers");
MODULE_DESCRIPTION("relayfs: the selftests' client with files of its own");
MODULE_LICENSE("GPL");
