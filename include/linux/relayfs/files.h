/* SPDX-License-Identifier: GPL-2.0 */
/* The client's own files, and a channel's files elsewhere. Clients include <linux/relayfs_fs.h>. */
#ifndef _LINUX_RELAYFS_FILES_H
#define _LINUX_RELAYFS_FILES_H

#include <linux/types.h>

struct file_operations;
struct rchan;
struct relay_entry;

/**
 * var relayfs_file_operations - what a channel's files do, for files elsewhere
 *
 * See relay_file_data(). A client may copy it and change members, also call those it replaces, but
 * has to set the owner then. The open operation wants inode->i_private, and file->private_data is
 * not the client's.
 */
extern const struct file_operations relayfs_file_operations;

struct relay_entry *relayfs_create_dir(const char *name, struct relay_entry *parent);
struct relay_entry *relayfs_create_file(const char *name, umode_t mode,
					struct relay_entry *parent, void *data,
					const struct file_operations *fops);
void relayfs_remove(struct relay_entry *entry);
struct relay_entry *relayfs_channel_dir(struct rchan *chan);
void *relayfs_file_data(struct rchan *chan, u32 cpu);

/**
 * DOC: a client's own files
 *
 * A client makes them beside its channels, or in a channel's own directory. What it gets for one is
 * a handle, not a pointer to anything: of something that is gone it finds nothing, never something
 * else. They are there whether or not relayfs is mounted, and keep its module. Owners and modes
 * follow the mount, users can neither make nor remove nor rename anything.
 *
 * A client removes them before its module goes. That is refused as long as one is open, if
 * &file_operations.owner is set.
 */

/**
 * relay_create_dir() - make a directory of the client's
 * @name: its name, at most 255 bytes, without "/", not "." or ".."
 * @parent: where: a directory made by this, a channel's own from relay_channel_dir(), or NULL: the
 *	root
 *
 * It stays until relay_remove(), or until the channel is closed in whose directory it is. Channels
 * can be opened in it, by their path, unless it is in a channel's directory.
 *
 * Context: process; sleeps.
 * Return: the directory, or ERR_PTR() of -EINVAL: a bad name; -ENAMETOOLONG; -EEXIST; -ENOTDIR:
 * @parent is none, or gone; -ENOMEM.
 */
static inline struct relay_entry *relay_create_dir(const char *name, struct relay_entry *parent)
{
	return relayfs_create_dir(name, parent);
}

/**
 * relay_create_file() - make a file of the client's
 * @name: as for relay_create_dir()
 * @mode: its permission bits, a subset of 0666; 0: the read bits of the mount's mode
 * @parent: as for relay_create_dir()
 * @data: becomes inode->i_private, as with debugfs
 * @fops: what it does, with its owner set; it is copied
 *
 * It stays until relay_remove(), or until the channel is closed in whose directory it is. After
 * that no file operation of it begins but release, for files that are open; those that run are
 * waited for, so a client first lets go who sleeps in one. Who has it open then gets -EIO, and
 * EPOLLHUP and EPOLLERR from poll(2).
 *
 * These operations may be there: open, release, flush, llseek, read, write, read_iter, write_iter,
 * splice_read, splice_write, poll, fasync, unlocked_ioctl, compat_ioctl, fsync, fadvise, fallocate,
 * mmap, mmap_prepare, get_unmapped_area, show_fdinfo; and any fop_flags. Others are refused: those
 * of directories and of locks, and what goes on when the operation has returned, as uring_cmd
 * does. What they leave behind is the client's to keep as long as the file is open: wait queues for
 * poll_wait(), what fasync_helper() has put into its list (fasync is called to take it out after
 * the removal, too, before release), the operations of mappings. An open operation that replaces
 * file->f_op fails with -EINVAL. With the kernel locked down, opening fails as for files of
 * channels.
 *
 * Context: process; sleeps.
 * Return: the file, or an ERR_PTR() as of relay_create_dir(); also -EINVAL: a bad mode, no @fops,
 * an operation in them that is not among those above.
 */
static inline struct relay_entry *relay_create_file(const char *name, umode_t mode,
						    struct relay_entry *parent, void *data,
						    const struct file_operations *fops)
{
	return relayfs_create_file(name, mode, parent, data, fops);
}

/**
 * relay_remove() - remove a file or directory of the client's, and all of the kind below
 * @entry: from relay_create_file() or relay_create_dir(). What is gone is ignored, maybe with a
 *	directory above or with its channel; so are NULL, ERR_PTR() and a channel's own directory
 *
 * Channels below stay, with what is in their directories, and a directory that leads to one
 * vanishes with the last of them. When it has returned nothing runs any more of what it removed,
 * nor of what was on its way out there already, whoever else removes that.
 *
 * Context: process; sleeps. Not from a file operation of what is removed.
 */
static inline void relay_remove(struct relay_entry *entry)
{
	relayfs_remove(entry);
}

/**
 * relay_channel_dir() - a channel's own directory, "<path>.d"
 * @chan: the channel
 *
 * Context: any.
 * Return: the directory, good until the channel is closed; NULL if the channel has no files.
 */
static inline struct relay_entry *relay_channel_dir(struct rchan *chan)
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
