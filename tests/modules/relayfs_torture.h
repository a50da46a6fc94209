/* SPDX-License-Identifier: GPL-2.0 */
/* What the torture client and its selftest say to each other over /dev/relayfs_torture. */
#ifndef RELAYFS_TORTURE_H
#define RELAYFS_TORTURE_H

#include <linux/ioctl.h>
#include <linux/types.h>
#ifdef __KERNEL__
#include <linux/string.h>
#else
#include <string.h>
#endif

/* Contexts that write. Each of a CPU's may interrupt those before it. */
#define TORTURE_PROCESS		0	/* a kthread */
#define TORTURE_SOFTIRQ		1	/* a tasklet */
#define TORTURE_IPI		2	/* hard irq: a call from another CPU */
#define TORTURE_IRQ_WORK	3	/* hard irq: raised by what it interrupts */
#define TORTURE_HRTIMER		4	/* hard irq: a timer */
#define TORTURE_NMI		5	/* from this CPU or another */
#define TORTURE_CONTEXTS	6

struct torture_open {
	__u64 path;		/* string in user space */
	__u64 subbuf_size;
	__u32 n_subbufs;
	__u32 flags;
	__u32 flush_interval_ms;
	__u32 init_buf;		/* begins with memory of the client's */
};

/* How to write, from TORTURE_START to TORTURE_STOP. */
struct torture_start {
	__u32 contexts;		/* bit mask; out: without those this machine cannot do */
	__u32 min_len;		/* of a record: at least sizeof(struct torture_record) */
	__u32 max_len;		/* equal to min_len: all records are as long, and none is odd */
	__u32 timer_us;		/* mean period of the timers */
	__u32 burst;		/* mean number of records a kthread writes between two pauses */
	__u32 pause_us;		/* mean pause of a kthread; 0: none */
	__s32 cpu;		/* only on this CPU; -1: on all */
	__u32 seed;
};

struct torture_sum {
	__u64 records;
	__u64 bytes;
};

/* Sizes of buffers to go over to; sub-buffers no larger than those the channel was opened with. */
struct torture_resize {
	__u64 subbuf_size;
	__u32 n_subbufs;
	__u32 pad;
};

/* Why a record was refused. */
#define TORTURE_ENOSPC		0
#define TORTURE_EMSGSIZE	1
#define TORTURE_EBUSY		2
#define TORTURE_EAGAIN		3
#define TORTURE_OTHER		4	/* anything else: a fault */
#define TORTURE_ERRORS		5

/* What a context of a CPU did since the channel was opened; exact after TORTURE_STOP. */
struct torture_counts {
	__u32 cpu;		/* in */
	__u32 context;		/* in */
	struct torture_sum accepted;
	struct torture_sum refused[TORTURE_ERRORS];
	__u64 discarded;	/* records reserved and given back */
	__u64 tiny;		/* accepted records that are struct torture_tiny */
	__u64 nested;		/* records begun while this CPU had slots open */
	__u64 deepest;		/* most slots open on this CPU when one began */
};

/* A reader in the kernel, which stays until the device is closed or a channel is opened. */
#define TORTURE_CONSUMES	0
#define TORTURE_OBSERVES	1
#define TORTURE_SAYS		2	/* observes, and says that what it was given is consumed */
#define TORTURE_READERS		256

struct torture_reader {
	__s32 cpu;		/* whose buffer; -1: all of them */
	__u32 how;
	__u32 id;		/* out */
	__u32 pad;
};

struct torture_read {
	__u32 id;
	__u32 wait;
	__u64 data;
	__u64 len;
	__s64 ret;		/* out: bytes; 0: the end */
	__u64 lost;		/* out: records this reader has missed */
};

/*
 * The head of a record; it is followed by torture_word()s. Tickets are drawn from one counter per
 * buffer, so of two records, one with .after lower than the other's .before, the first was reserved
 * first and must be read first.
 */
struct torture_record {
	__u32 magic;
	__u32 len;		/* of all of it */
	__u16 cpu;
	__u16 context;
	__u32 pad;
	__u64 number;		/* rises with each record of a context of a CPU */
	__u64 before;		/* ticket drawn before the reservation */
	__u64 after;		/* ticket drawn after it; 0: unknown */
};

#define TORTURE_MAGIC		0x70a7e57au

/*
 * Records too short for a head, 2 to 7 bytes, so that reservations get and lose a tail: the first
 * byte tells the length, the second the CPU, the others are torture_tiny_byte().
 */
#define TORTURE_TINY		0xe0
#define TORTURE_TINY_MIN	2
#define TORTURE_TINY_MAX	7

static inline unsigned char torture_tiny_byte(unsigned int len, unsigned int cpu, unsigned int i)
{
	if (i == 0)
		return TORTURE_TINY | len;
	return i == 1 ? cpu : (unsigned char)(0x50 + len * 16 + i + cpu);
}

static inline __u64 torture_word(const struct torture_record *head, __u64 i)
{
	__u64 n = head->number * TORTURE_CONTEXTS + head->context + ((__u64)head->cpu << 40) + i;

	return (n + 1) * 0x9e3779b97f4a7c15ull;
}

/* Writes a record of head->len bytes. */
static inline void torture_fill(void *to, const struct torture_record *head)
{
	unsigned char *at = to;
	__u32 left = head->len - sizeof(*head);
	__u64 i, word;

	memcpy(at, head, sizeof(*head));
	at += sizeof(*head);
	for (i = 0; left; i++) {
		__u32 n = left < sizeof(word) ? left : sizeof(word);

		word = torture_word(head, i);
		memcpy(at, &word, n);
		at += n;
		left -= n;
	}
}

#define TORTURE_OPEN		_IOW('t', 1, struct torture_open)
#define TORTURE_CLOSE		_IO('t', 2)
#define TORTURE_START		_IOWR('t', 3, struct torture_start)
#define TORTURE_STOP		_IO('t', 4)
#define TORTURE_COUNTS		_IOWR('t', 5, struct torture_counts)
#define TORTURE_FLUSH		_IO('t', 6)
#define TORTURE_RESET		_IO('t', 7)
#define TORTURE_RESIZE		_IOW('t', 8, struct torture_resize)
#define TORTURE_DISCARD		_IO('t', 9)	/* the memory it began with, and spoils that */
#define TORTURE_READER		_IOWR('t', 10, struct torture_reader)
#define TORTURE_READ		_IOWR('t', 11, struct torture_read)

#endif
