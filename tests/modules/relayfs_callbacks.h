/* SPDX-License-Identifier: GPL-2.0 */
/* What the client that has all callbacks is told over /dev/relayfs_callbacks, and what it tells. */
#ifndef RELAYFS_CALLBACKS_H
#define RELAYFS_CALLBACKS_H

#include <linux/ioctl.h>
#include <linux/types.h>

/* The callbacks. */
enum cb_what {
	CB_BUFFER_START,	/* seq, begin, start_len, end_len, cpu, 1 if all else is right */
	CB_BUFFER_END,		/* seq, len, records, padding, cpu, the same */
	CB_DELIVER,		/* seq, where CB_DELIVERED has it, len, lost, cpu, last */
	CB_USER_DELIVER,	/* -, where it is there, len */
	CB_BUFFERS_FULL,	/* cpu */
	CB_NEEDS_RESIZE,	/* type, subbuf_size, n_subbufs */
	CB_FILEOP,		/* op, number of the file, from 1 */
	CB_IOCTL,		/* cmd, arg */
	CB_WHATS,
};

/* In what context one runs. */
#define CB_IN_TASK	1
#define CB_IN_HARDIRQ	2
#define CB_IN_NMI	4
#define CB_IRQS_OFF	8
#define CB_MAY_SLEEP	16
#define CB_OVERLAP	32	/* another deliver of the same buffer runs */

struct cb_event {
	__u32 what;
	__u32 context;
	__u32 cpu;		/* where it ran */
	__u32 chan;		/* 1: it was given the handle that the channel had */
	__u64 arg[6];
};

struct cb_open {
	__u64 path;		/* string in user space */
	__u64 subbuf_size;
	__u32 n_subbufs;
	__u32 flags;
	__u32 mode;
	__u32 start_reserve;
	__u32 end_reserve;
	__u32 channel_start_reserve;
	__u32 watermark;
	__u32 watermark_unit;
	__u32 wanted;		/* 1 << CB_...: which callbacks it has */
	__u32 pad;
};

/* How the callbacks behave from now on. */
struct cb_behave {
	__s32 refuse_open;
	__s32 refuse_map;
	__u32 hold;		/* 1 << CB_...: which wait until this is called again without; */
				/* 10 s, where they may not sleep */
	__u32 write;		/* which write one record of 8 bytes */
	__u32 mark;		/* what hooks put into all of the reserves */
	__s32 answer;		/* to an ioctl */
};

enum cb_op {
	CB_CLOSE,
	CB_FLUSH,
	CB_RESET,
	CB_RESIZE,		/* len: of sub-buffers, count: of them */
	CB_LOCK_WRITE,		/* as CB_WRITE, with the channel locked */
	CB_WRITE,		/* count, len, byte, context: that many records; ret: of the last */
	CB_INSIDE,		/* ret: callbacks that run now */
	CB_COUNT,		/* ret: how many events there were; clears them */
	CB_EVENTS,		/* data, len: of an array of struct cb_event; ret: how many */
	CB_DELIVERED,		/* data, len: what was delivered, in order; ret: how much */
};

/* Where CB_WRITE writes. */
enum cb_context {
	CB_TASK,
	CB_HARDIRQ,		/* a hard interrupt of this CPU */
	CB_NMI,			/* of this CPU */
};

struct cb_call {
	__u32 op;
	__u32 count;
	__u32 len;
	__u32 byte;
	__u32 context;
	__u32 pad;
	__u64 data;
	__s64 ret;		/* out */
};

/* One channel for each open file. */
#define CB_IOC_OPEN	_IOW('k', 1, struct cb_open)
#define CB_IOC_BEHAVE	_IOW('k', 2, struct cb_behave)
#define CB_IOC_CALL	_IOWR('k', 3, struct cb_call)

#endif
