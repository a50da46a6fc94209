/* SPDX-License-Identifier: GPL-2.0 */
/* What the wake-up client and its selftest say to each other over /dev/relayfs_wakeup. */
#ifndef RELAYFS_WAKEUP_H
#define RELAYFS_WAKEUP_H

#include <linux/ioctl.h>
#include <linux/types.h>

/* Opens the channels "ping" and "pong": 4 sub-buffers of 4 KiB, flushed once a minute. */
struct wakeup_open {
	__u32 flags;
	__u32 pad;
};

/*
 * Two kthreads, each on a CPU: the first writes to "ping" and reads "pong", the second the other
 * way round, with kernel_read() on the descriptors given. A batch is as many records as make
 * batch_bytes. Ends when all is done or a reader sleeps although its file is readable.
 */
struct wakeup_rounds {
	__s32 ping_fd;		/* of the buffer the first thread writes */
	__s32 pong_fd;		/* of the second's */
	__u32 cpu[2];
	__u32 rounds;
	__u32 len;		/* of a record, at least 8 */
	__u32 batch_bytes;
	__u32 ms;		/* after which no round begins; 0: all rounds are played */
	__u32 lost;		/* out: 1: a reader slept for good beside its data; 2: stuck */
	__u32 wrong;		/* out: batches that were not what was written */
	__u64 done;		/* out */
	__u64 sleeps[2];	/* out: how often each thread slept */
};

/* Writes records to "ping" from this CPU and counts how often somebody queued there is woken. */
struct wakeup_count {
	__s32 fd;
	__u32 records;
	__u32 len;
	__u32 woken;		/* out */
};

#define WAKEUP_OPEN		_IOW('w', 1, struct wakeup_open)
#define WAKEUP_ROUNDS		_IOWR('w', 2, struct wakeup_rounds)
#define WAKEUP_COUNT		_IOWR('w', 3, struct wakeup_count)

#endif
