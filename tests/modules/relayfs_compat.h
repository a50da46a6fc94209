/* SPDX-License-Identifier: GPL-2.0 */
/* What the client of the kernel's relay interface and its test say to each other. */
#ifndef RELAYFS_COMPAT_TEST_H
#define RELAYFS_COMPAT_TEST_H

#include <linux/ioctl.h>
#include <linux/types.h>

/* In debugfs: where the client makes its files. */
#define COMPAT_DIR	"relayfs_compat"

#define COMPAT_GLOBAL		0x01	/* one buffer */
#define COMPAT_SUBBUF_START	0x02	/* has that callback */
#define COMPAT_OVERWRITE	0x04	/* which never refuses */
#define COMPAT_UNSAFE		0x08	/* files without debugfs' protection */
#define COMPAT_NAMELESS		0x10	/* no base filename */
#define COMPAT_WRITES_IN_START	0x20	/* writes to the channel in subbuf_start() */
#define COMPAT_OTHER_RESERVE	0x40	/* reserves more from the third sub-buffer on */
#define COMPAT_OPENS_EARLY	0x80	/* opens a file before relay_open() is done */

struct compat_open {
	__u64 name;
	__u64 subbuf_size;
	__u64 n_subbufs;
	__u32 flags;
	__u32 reserve;		/* bytes; 0: none, else a struct compat_head fits */
	__u32 fail_at;		/* the so manieth create_buf_file() fails; 0: none */
	__u32 pad;
};

/* At the start of each sub-buffer, if there is a reserve. */
struct compat_head {
	__u32 magic;
	__u32 number;
	__u32 padding;		/* filled in when it has ended */
	__u32 ended;		/* how often that was said */
};

#define COMPAT_MAGIC	0x5ead0f05u

/* How records are written. */
#define COMPAT_WRITE		0
#define COMPAT_WRITE_IRQ	1	/* in a hard interrupt */
#define COMPAT_RESERVE		2	/* relay_reserve(), filled at once */
#define COMPAT_RESERVE_IRQ_OFF	3	/* the same with interrupts off */
#define COMPAT_WRITE_FIRST	4	/* filled, then reserved */

/* Records of struct relaytest_record, on this CPU. */
struct compat_write {
	__u32 how;
	__u32 count;
	__u32 len;
	__u32 first;		/* number of the first */
};

/*
 * Reserves a record of @len bytes, writes another in an interrupt if @nested, and waits until told
 * to go on (COMPAT_GO) without sleeping; then fills it.
 */
struct compat_hold {
	__u32 len;
	__u32 number;
	__u32 nested;		/* number of the nested record; 0: none */
	__u32 pad;
};

struct compat_state {
	__u32 created;		/* calls of create_buf_file() */
	__u32 removed;
	__u32 starts;		/* calls of subbuf_start() */
	__u32 begins;		/* those without prev_subbuf */
	__u32 refused;		/* those that said no */
	__u32 wrong;		/* arguments that were not as they are to be */
	__s32 early;		/* what opening early gave */
	__u32 held;		/* a record is being held */
	__u64 subbuf_size;
	__u64 n_subbufs;
	__u64 alloc_size;
	__u32 is_global;
	__u32 version;
	/* Of the buffer of a CPU. */
	__u32 cpu;		/* in: which */
	__u32 exists;
	__u64 offset;
	__u64 produced;
	__u64 consumed;
	__u64 data;		/* bytes from the start of the buffer */
	__u32 full_count;
	__u32 big_count;
	__u32 lost_count;
	__u32 its_cpu;
	__u32 full;		/* relay_buf_full() */
	__u32 finalized;
};

struct compat_consumed {
	__u32 cpu;
	__u32 pad;
	__u64 n;
};

#define COMPAT_OPEN	_IOW('c', 1, struct compat_open)
#define COMPAT_CLOSE	_IO('c', 2)
#define COMPAT_FLUSH	_IO('c', 3)
#define COMPAT_RESET	_IO('c', 4)
#define COMPAT_WRITES	_IOW('c', 5, struct compat_write)
#define COMPAT_STATE	_IOWR('c', 6, struct compat_state)
#define COMPAT_CONSUMED	_IOW('c', 7, struct compat_consumed)
#define COMPAT_STATS	_IO('c', 8)	/* argument: RELAY_STATS_* */
#define COMPAT_HOLD	_IOW('c', 9, struct compat_hold)
#define COMPAT_GO	_IO('c', 10)
#define COMPAT_SWITCH	_IO('c', 11)	/* argument: length */

#endif
