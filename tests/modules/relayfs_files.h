/* SPDX-License-Identifier: GPL-2.0 */
/* What the client with files of its own and the selftests say over /dev/relayfs_files. */
#ifndef RELAYFS_FILES_H
#define RELAYFS_FILES_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define FILES_CHANNELS		8
#define FILES_ENTRIES		64

/* Of a channel without files: its path. */
#define FILES_NO_PATH		0

struct files_open {
	__u64 path;		/* string in user space, or FILES_NO_PATH */
	__u32 channel;		/* under which number it is known here */
	__u32 flags;
	__u32 mode;
	__u32 pad;
};

/* One record, written on the CPU of the caller. */
struct files_write {
	__u64 data;
	__u64 len;
	__u32 channel;
	__u32 pad;
};

/* What relay_file_data() goes into. */
#define FILES_ELSEWHERE_FULL	0	/* debugfs_create_file() */
#define FILES_ELSEWHERE_UNSAFE	1	/* debugfs_create_file_unsafe() */
#define FILES_ELSEWHERE_OWN	2	/* the same, with operations that count ioctls */
#define FILES_ELSEWHERE_ASK	3	/* nothing: only asked for */

/* The file is FILES_DEBUGFS "/" name. */
struct files_elsewhere {
	__u64 name;
	__u32 channel;
	__u32 cpu;
	__u32 how;
	__u32 pad;
};

/* Of the operations in FILES_ELSEWHERE_OWN files: says how often it was called. */
#define FILES_OWN_IOCTL		_IO('f', 64)

#define FILES_OPEN		_IOW('f', 1, struct files_open)
#define FILES_CLOSE		_IOW('f', 2, __u32)
#define FILES_WRITE		_IOW('f', 3, struct files_write)
#define FILES_ELSEWHERE		_IOW('f', 4, struct files_elsewhere)
/* Removes all files elsewhere. */
#define FILES_ELSEWHERE_REMOVE	_IO('f', 5)

/* In place of an entry's number, where another is made. */
#define FILES_IN_ROOT		(-1)
#define FILES_IN_DENTRY		(-2)	/* a dentry of debugfs in place of a handle */
#define FILES_IN_ERROR		(-3)
#define FILES_IN_CHANNEL(n)	(-16 - (n))

#define FILES_DIR		0
#define FILES_TEXT		1	/* read, write, llseek, poll, ioctl */
#define FILES_ITER		2	/* read_iter, write_iter, splice */
#define FILES_SEQ		3	/* single_open() */
#define FILES_SLEEP		4	/* read sleeps until FILES_WAKE */
#define FILES_MAP		5	/* mmap of a page with its name */
#define FILES_REFUSE		6	/* open gives -EXDEV */
#define FILES_SWAP		7	/* open puts other operations in */
#define FILES_NOTHING		8	/* no operations */
#define FILES_RARE		9	/* fasync, fadvise, fallocate, fdinfo, where it is mapped */
#define FILES_FOREIGN		10	/* operations relayfs does not have */

/* A file contains its name. */
struct files_make {
	__u64 name;
	__s32 parent;
	__u32 entry;		/* under which number it is known here */
	__u32 mode;
	__u32 kind;
};

/* Of FILES_TEXT files. */
#define FILES_TEXT_LENGTH	_IO('f', 65)

#define FILES_COUNT_LATE	0	/* operations after the removal */
#define FILES_COUNT_INSIDE	1	/* that run now */
#define FILES_COUNT_OPEN	2	/* files that are open */
#define FILES_COUNT_ASYNC	3	/* files whose users want signals */

#define FILES_MAKE		_IOW('f', 6, struct files_make)
#define FILES_REMOVE		_IOW('f', 7, __u32)
#define FILES_WAKE		_IO('f', 8)
#define FILES_COUNT		_IOW('f', 9, __u32)
/* An entry that was removed: its number can be used again. */
#define FILES_FORGET		_IOW('f', 10, __u32)

#define FILES_DEBUGFS		"/sys/kernel/debug/relayfs_files"

#endif
