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

#define FILES_DEBUGFS		"/sys/kernel/debug/relayfs_files"

#endif
