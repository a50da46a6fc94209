/* SPDX-License-Identifier: GPL-2.0 */
/* What the test client and the selftests say to each other over /dev/relayfs_test. */
#ifndef RELAYFS_TEST_H
#define RELAYFS_TEST_H

#include <linux/ioctl.h>
#include <linux/types.h>

/* Where a record is written from. */
#define RELAYTEST_PROCESS	0
#define RELAYTEST_HARDIRQ	1

struct relaytest_open {
	__u64 path;		/* string in user space; 0: NULL */
	__u64 subbuf_size;
	__u32 n_subbufs;
	__u32 flags;
	__u32 mode;
	__u32 uid;
	__u32 gid;
	__u32 flush_interval_ms;
	__u32 attr_size;	/* 0: the right one; ~0: open with attr == NULL */
	__u32 reserved;
	__u32 watermark;
	__u32 watermark_unit;
	__u32 id;		/* out */
	__u32 start_reserve;
	__u32 end_reserve;
	__u32 channel_start_reserve;
	__u32 attr_more;	/* what stands behind the attributes we know */
	__u32 with;		/* RELAYTEST_* */
	__u32 resize_min;
	__u32 resize_max;
};

/* What a channel can be opened with: a schema of two events; all callbacks, which do nothing. */
#define RELAYTEST_SCHEMA	1
#define RELAYTEST_CALLBACKS	2

/* sizeof(struct rchan_attr); the module asserts it. */
#define RELAYTEST_ATTR_SIZE	120

/* Bytes as they are, one record. */
struct relaytest_write {
	__u64 data;
	__u64 len;
	__u32 id;
	__s32 timeout_ms;	/* of RELAYTEST_WRITE_WAIT; -1: none */
};

/*
 * Records that prove themselves: struct relaytest_record and len - sizeof() bytes of
 * relaytest_byte(). With nested_len != 0 each is reserved, then a second one of that length is
 * written, and then it is committed, or discarded if it is the discard_every'th. With discard_every
 * alone each is reserved and then committed or discarded.
 */
struct relaytest_pattern {
	__u32 id;
	__s32 cpu;		/* -1: wherever the caller runs */
	__u32 context;
	__u32 count;
	__u32 len;
	__u32 nested_len;
	__u32 discard_every;
	__u32 writer;
	__u32 first;		/* number of the first record */
	__u32 written;		/* out: records committed */
	__u32 failed;		/* out: records refused */
	__s32 error;		/* out: errno of the last refusal, or 0 */
};

struct relaytest_record {
	__u32 magic;
	__u32 len;
	__u32 writer;
	__u32 number;
};

#define RELAYTEST_MAGIC		0x7e1a7f5u

static inline unsigned char relaytest_byte(__u32 writer, __u32 number)
{
	return (unsigned char)(writer * 31 + number * 7 + 3);
}

#define RELAYTEST_OPEN		_IOWR('r', 1, struct relaytest_open)
#define RELAYTEST_CLOSE		_IOW('r', 2, __u32)
#define RELAYTEST_WRITE		_IOW('r', 3, struct relaytest_write)
#define RELAYTEST_PATTERN	_IOWR('r', 4, struct relaytest_pattern)
#define RELAYTEST_FLUSH		_IOW('r', 5, __u32)
#define RELAYTEST_RESET		_IOW('r', 6, __u32)
#define RELAYTEST_WRITE_WAIT	_IOW('r', 7, struct relaytest_write)

#endif
