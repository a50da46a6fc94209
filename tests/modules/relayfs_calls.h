/* SPDX-License-Identifier: GPL-2.0 */
/* What the client that calls one function at a time is told over /dev/relayfs_calls. */
#ifndef RELAYFS_CALLS_H
#define RELAYFS_CALLS_H

#include <linux/ioctl.h>
#include <linux/types.h>

struct calls_open {
	__u64 path;		/* string in user space */
	__u64 subbuf_size;
	__u32 n_subbufs;
	__u32 flags;
	__u32 start_reserve;
	__u32 end_reserve;
	__u32 flush_interval_ms;
	__u32 watermark;
	__u32 watermark_unit;
	__u32 node;
	__u32 id;		/* out */
	__u32 mode;
};

enum calls_op {
	/* Of a channel. */
	CALLS_CLOSE,		/* leaves the handle, which is only good if it was got before */
	CALLS_GET,
	CALLS_PUT,		/* forgets the handle */
	CALLS_FLUSH,
	CALLS_RESET,
	CALLS_INFO,		/* data, len: the structure; its size is taken from it */
	CALLS_CPU_INFO,		/* the same, of cpu */
	CALLS_WRITE,		/* data, len */
	CALLS_WRITE_WAIT,	/* data, len, flag: milliseconds, -1: for ever */
	CALLS_RESERVE,		/* len; committed if it succeeds, filled with flag */
	CALLS_WRITEV,		/* data, len: of an array of struct calls_part */
	CALLS_WRITE_DELTA,	/* data, len, flag: td_offset; value: what is at wrote_pos */
	/*
	 * Records as of struct relaytest_record, of len bytes, cpu of them, numbered from value on
	 * by writer flag; hardirq: waits for room instead of losing one. Returns how many it was.
	 */
	CALLS_PATTERN,
	/*
	 * data, len: reserved and filled; then the parameter hold becomes 1; when it is set to 2,
	 * and flag microseconds have passed, it is committed.
	 */
	CALLS_HOLD,
	CALLS_READ_LAST,	/* cpu, data, len */
	CALLS_FILE_DATA,	/* cpu; 0: there is some */
	CALLS_ADD_READER,	/* cpu, flag: auto_consume; value: the reader */
	CALLS_ADD_MAP_READER,	/* cpu; value: the reader */
	/* Of a reader. */
	CALLS_REMOVE_READER,
	CALLS_REMOVE_MAP_READER,
	CALLS_READ,		/* data, len, flag: wait */
	CALLS_BYTES_AVAIL,
	CALLS_LOST,
	CALLS_BUFFERS_CONSUMED,	/* len */
	CALLS_BYTES_CONSUMED,	/* len */
	CALLS_EMPTY,
	CALLS_FULL,
};

/* Calls a function, in process context, or in a hard interrupt of this CPU. */
struct calls_call {
	__u32 op;
	__u32 id;		/* of the channel or the reader */
	__u32 cpu;
	__s32 flag;
	__u64 data;
	__u64 len;
	__u32 hardirq;
	__u32 pad;
	__s64 ret;		/* out */
	__u64 value;		/* out */
};

struct calls_part {
	__u64 data;		/* in user space; 0: no such memory */
	__u64 len;
};

#define CALLS_OPEN	_IOWR('c', 1, struct calls_open)
#define CALLS_CALL	_IOWR('c', 2, struct calls_call)

#endif
