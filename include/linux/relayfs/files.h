/* SPDX-License-Identifier: GPL-2.0 */
/* The client's own files, and a channel's files elsewhere. Clients include <linux/relayfs_fs.h>. */
#ifndef _LINUX_RELAYFS_FILES_H
#define _LINUX_RELAYFS_FILES_H

#include <linux/types.h>

struct dentry;
struct file_operations;
struct rchan;

/*
 * What a channel's files do, for files elsewhere: see relay_file_data(). A client may copy it and
 * change members, also call those it replaces, but has to set the owner then. The open operation
 * wants inode->i_private, and file->private_data is not the client's.
 */
extern const struct file_operations relayfs_file_operations;

struct dentry *relayfs_create_dir(const char *name, struct dentry *parent);
struct dentry *relayfs_create_file(const char *name, umode_t mode, struct dentry *parent,
				   void *data, const struct file_operations *fops);
void relayfs_remove(struct dentry *dentry);
struct dentry *relayfs_channel_dir(struct rchan *chan);
void *relayfs_file_data(struct rchan *chan, u32 cpu);

/**
 * relay_create_dir() - make a directory of the client's
 * @name: its name, at most 255 bytes, without "/"
 * @parent: where: a directory made by this, a channel's own from relay_channel_dir(), or NULL: the
 *	root
 *
 * It stays until relay_remove(), or until the channel is closed in whose directory it is.
 *
 * Context: process; sleeps.
 * Return: the directory, or ERR_PTR() of -EINVAL: a bad name; -ENAMETOOLONG; -EEXIST; -ENOTDIR:
 * @parent is none, or not the client's; -ENOMEM.
 */
static inline struct dentry *relay_create_dir(const char *name, struct dentry *parent)
{
	return relayfs_create_dir(name, parent);
}

/**
 * relay_create_file() - make a file of the client's
 * @name: as for relay_create_dir()
 * @mode: its permission bits; 0: the read bits of the mount's mode
 * @parent: as for relay_create_dir()
 * @data: becomes inode->i_private, as with debugfs
 * @fops: what it does; with its owner set, so that who has it open keeps the client's module
 *
 * It stays until relay_remove(), or until the channel is closed in whose directory it is. After
 * that no file operation of it begins but the release of files that are open; those that run are
 * waited for.
 *
 * Context: process; sleeps.
 * Return: the file, or an ERR_PTR() as of relay_create_dir().
 */
static inline struct dentry *relay_create_file(const char *name, umode_t mode,
					       struct dentry *parent, void *data,
					       const struct file_operations *fops)
{
	return relayfs_create_file(name, mode, parent, data, fops);
}

/**
 * relay_remove() - remove a file or directory of the client's, and all below
 * @dentry: from relay_create_file() or relay_create_dir(); NULL and ERR_PTR() are ignored
 *
 * Context: process; sleeps.
 */
static inline void relay_remove(struct dentry *dentry)
{
	relayfs_remove(dentry);
}

/**
 * relay_channel_dir() - a channel's own directory, "<path>.d"
 * @chan: the channel
 *
 * Context: any.
 * Return: the directory, good until the channel is closed; NULL if the channel has no files.
 */
static inline struct dentry *relay_channel_dir(struct rchan *chan)
{
	return relayfs_channel_dir(chan);
}

/**
 * relay_file_data() - what a file of a channel in another file system needs
 * @chan: the channel
 * @cpu: whose buffer it is to give; %RELAY_CPU_ALL: all of them, %RELAY_CPU_NONE: the global one
 *
 * For a file with &relayfs_file_operations, or operations made from them, in debugfs, tracefs or
 * another file system that keeps it in inode->i_private: debugfs_create_file("cpu0", 0400, dir,
 * relay_file_data(chan, 0), &relayfs_file_operations). The file is then read, polled and so on as
 * the channel's own are. It is no pointer to anything, only looked up when such a file is opened.
 *
 * debugfs_create_file() passes on neither mmap(2) nor splice(2), and does not remove a file while a
 * read(2) of it waits: remove such a file after relay_close(), which lets go who waits.
 * debugfs_create_file_unsafe() passes on everything, and is safe with these operations; with a
 * client's own, if debugfs_file_get() guards what they use.
 *
 * Context: process; sleeps.
 * Return: the value, the same each time; or ERR_PTR() of -ENXIO: there is no such buffer, maybe as
 * its CPU never came up; -ENOMEM; -ESHUTDOWN. After relay_close() it is of no use: a file that
 * still has it cannot be opened, which gives -ENXIO, and one that is open can be read to its end.
 */
static inline void *relay_file_data(struct rchan *chan, u32 cpu)
{
	return relayfs_file_data(chan, cpu);
}

#endif /* _LINUX_RELAYFS_FILES_H */
