// SPDX-License-Identifier: GPL-2.0
/* Files of channels in debugfs: with the operations as they are, or with some of the client's. */

#include <linux/atomic.h>
#include <linux/debugfs.h>
#include <linux/module.h>

#include "files.h"

static struct dentry *root;
static TYPEOF_UNQUAL(relayfs_file_operations) own_operations;
static atomic_t own_ioctls;

static long own_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	if (cmd == FILES_OWN_IOCTL)
		return atomic_inc_return(&own_ioctls);
	return relayfs_file_operations.unlocked_ioctl(file, cmd, arg);
}

int files_elsewhere_init(void)
{
	own_operations = relayfs_file_operations;
	own_operations.owner = THIS_MODULE;
	own_operations.unlocked_ioctl = own_ioctl;
	root = debugfs_create_dir("relayfs_files", NULL);
	return PTR_ERR_OR_ZERO(root);
}

void files_elsewhere_exit(void)
{
	debugfs_remove(root);
}

struct dentry *files_some_dentry(void)
{
	return root;
}

void files_elsewhere_remove(void)
{
	debugfs_remove(root);
	root = debugfs_create_dir("relayfs_files", NULL);
}

int files_elsewhere_make(struct rchan *chan, const char *name, const struct files_elsewhere *e)
{
	void *data = relay_file_data(chan, e->cpu);
	struct dentry *file;

	if (IS_ERR(data))
		return PTR_ERR(data);
	if (WARN_ON(!data || data != relay_file_data(chan, e->cpu)))
		return -EBADMSG;
	switch (e->how) {
	case FILES_ELSEWHERE_FULL:
		file = debugfs_create_file(name, 0600, root, data, &relayfs_file_operations);
		break;
	case FILES_ELSEWHERE_UNSAFE:
		file = debugfs_create_file_unsafe(name, 0600, root, data,
						  &relayfs_file_operations);
		break;
	case FILES_ELSEWHERE_OWN:
		file = debugfs_create_file_unsafe(name, 0600, root, data, &own_operations);
		break;
	default:
		return 0;
	}
	return PTR_ERR_OR_ZERO(file);
}
