/* SPDX-License-Identifier: GPL-2.0 */
/* What the client that is resized and its selftest say to each other over /dev/relayfs_resize. */
#ifndef RELAYFS_RESIZE_H
#define RELAYFS_RESIZE_H

#include <linux/ioctl.h>
#include <linux/types.h>

/* Where something is asked for. */
#define RESIZE_PROCESS	0
#define RESIZE_ATOMIC	1	/* with interrupts off */
#define RESIZE_HARDIRQ	2
#define RESIZE_NMI	3

/* Which callbacks the client has. */
#define RESIZE_HAS_RESIZE	1
#define RESIZE_HAS_FULL		2
#define RESIZE_HAS_DELIVER	4
#define RESIZE_HAS_START	8
#define RESIZE_HAS_END		16
#define RESIZE_HAS_ALL		31

/* What the client does when it is told something. */
#define RESIZE_FOLLOW	1	/* what is suggested, and replaces what is ready */
/*
 * When a sub-buffer ends, and the parameter hold is 0, that becomes 1; until it is something else
 * the client stays there, without sleeping.
 */
#define RESIZE_HOLD	2

struct resize_open {
	__u64 path;		/* string in user space */
	__u64 subbuf_size;
	__u32 n_subbufs;
	__u32 flags;
	__u32 resize_min;
	__u32 resize_max;
	__u32 shrink_idle_ms;
	__u32 callbacks;	/* RESIZE_HAS_*: which there are */
	__u32 behaviour;	/* RESIZE_FOLLOW, RESIZE_HOLD */
	__u32 init_buf;		/* begins with memory of the client's */
	__u64 init_buf_size;	/* if not 0: what is said of it */
	__u64 init_buf_skew;	/* how far from its alignment */
};

/* One call; the result is that of the ioctl. */
struct resize_call {
	__u64 subbuf_size;
	__u32 n_subbufs;
	__u32 context;
};

/* Records of @len bytes, numbered from @first; the rest of each is resize_byte(). */
struct resize_write {
	__u32 first;
	__u32 count;
	__u32 len;
	__s32 cpu;
	__u32 written;		/* out */
	__s32 error;		/* out: of the first that was refused */
};

struct resize_record {
	__u32 len;
	__u32 number;
};

static inline unsigned char resize_byte(__u32 number)
{
	return (unsigned char)(number * 13 + 5);
}

/* What the client was told. */
#define RESIZE_EVENTS	64

struct resize_event {
	__u64 subbuf_size;
	__u32 n_subbufs;
	__u32 type;
	__u32 wrong;		/* called where it may not sleep, or with another channel */
	__s32 followed;		/* what the call that followed it came to */
};

struct resize_events {
	__u32 count;		/* also of those there was no room for */
	__u32 others;		/* how often it was told something else */
	struct resize_event events[RESIZE_EVENTS];
};

struct resize_state {
	__u64 subbuf_size;
	__u32 n_subbufs;
	__u32 n_buffers;
	__u64 generation;
	__u64 produced, read, overwritten, unread;
	__u64 produced_bytes, read_bytes, overwritten_bytes, unread_bytes;
	__u64 subbufs_produced, subbufs_consumed;
};

#define RESIZE_OPEN	_IOW('z', 1, struct resize_open)
#define RESIZE_CLOSE	_IO('z', 2)
#define RESIZE_REALLOC	_IOW('z', 3, struct resize_call)
#define RESIZE_REPLACE	_IOW('z', 4, struct resize_call)
#define RESIZE_DISCARD	_IO('z', 5)	/* and spoils what was given back */
#define RESIZE_WRITE	_IOWR('z', 6, struct resize_write)
#define RESIZE_TOLD	_IOR('z', 7, struct resize_events)
#define RESIZE_STATE	_IOR('z', 8, struct resize_state)
#define RESIZE_FLUSH	_IO('z', 9)
#define RESIZE_KEEP	_IO('z', 10)	/* the handle, beyond the channel's end */

#endif
