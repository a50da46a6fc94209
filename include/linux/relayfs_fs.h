/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _LINUX_RELAYFS_FS_H
#define _LINUX_RELAYFS_FS_H

/**
 * DOC: relayfs for kernel clients
 *
 * A *channel* carries data from kernel code to files in a relayfs mount. It has one *buffer* per
 * CPU that runs, or one for all; a buffer is a ring of *sub-buffers*. Opening channel "net/rx"
 * makes the file "net/rx", which gives the data of all CPUs, and "net/rx.d/cpu0" and so on, one per
 * buffer.
 *
 * The exported symbols are relayfs_*(), as the kernel has a relay_open() of its own.
 */

#ifdef _LINUX_RELAY_H
#error "<linux/relayfs_fs.h> and <linux/relay.h> declare the same names: include only one"
#endif

#include <linux/types.h>

struct rchan;

/* Delivery: when waiting readers are told. */
#define RELAY_DELIVERY_BULK	0x00000001	/* at the watermark, or after flush_interval_ms */
#define RELAY_DELIVERY_PACKET	0x00000002	/* per write */
/* Scheme: how writers are kept apart. */
#define RELAY_SCHEME_LOCKLESS	0x00000004	/* lock-free, any context including NMI */
#define RELAY_SCHEME_LOCKING	0x00000008	/* interrupts off, a lock if global; not in NMI */
#define RELAY_SCHEME_ANY	0x0000000c	/* same as RELAY_SCHEME_LOCKLESS */
/* Timestamps: by which clock the begin and end of sub-buffers are told. */
#define RELAY_TIMESTAMP_TSC	0x00000010	/* cycles of the CPU; x86-64 only */
#define RELAY_TIMESTAMP_MONO	0x00000020	/* CLOCK_MONOTONIC, ns */
#define RELAY_TIMESTAMP_ANY	0x00000030	/* same as RELAY_TIMESTAMP_MONO */
#define RELAY_TIMESTAMP_NONE	0x00000800	/* none: CPUs are merged in no particular order */
/* Usage. */
#define RELAY_USAGE_SMP		0x00000040	/* a buffer per CPU */
#define RELAY_USAGE_GLOBAL	0x00000080	/* one buffer, written from all CPUs */
/* Mode: what gives way when the ring is full. */
#define RELAY_MODE_CONTINUOUS	0x00000100	/* the oldest data is overwritten */
#define RELAY_MODE_NO_OVERWRITE	0x00000200	/* the new record is refused and counted */

/* Watermark: how much unread data of a buffer wakes readers that wait. */
#define RELAY_WATERMARK_DEFAULT	0	/* one sub-buffer; RELAY_DELIVERY_PACKET: each write */
#define RELAY_WATERMARK_BYTES	1	/* at most as many as the buffer has */
#define RELAY_WATERMARK_PERCENT	2	/* of the buffer, from 1 to 100 */
#define RELAY_WATERMARK_SUBBUFS	3	/* complete sub-buffers, at most as many as there are */
#define RELAY_WATERMARK_WRITE	4	/* each write */

/**
 * struct rchan_attr - what a channel is to be like
 * @size: sizeof(struct rchan_attr), so that the structure can grow
 * @flags: at most one of each group of RELAY_* flags; a group left out takes its first member
 *	(timestamps: %RELAY_TIMESTAMP_MONO)
 * @subbuf_size: bytes in a sub-buffer: a power of two, from PAGE_SIZE to 512 MiB; 0: 64 KiB. The
 *	longest record is as long, less the reserves
 * @n_subbufs: sub-buffers per buffer: a power of two, at least 2; 0: 8. A buffer is at most 1 GiB
 * @mode: permission bits of the files, a subset of 0444; 0: the read bits of the mount's mode. Who
 *	may read them may also enter "<path>.d"; the directories above follow the mount
 * @uid: owner of the files; 0: the mount's
 * @gid: group of the files; 0: the mount's
 * @flush_interval_ms: while a reader waits: how long data below the watermark may stay
 *	before the reader is told, from 1 to 60000; 0: 100. Readers can set their own
 * @reserved: must be 0
 * @private_data: the client's own
 * @start_reserve: bytes at the start of each sub-buffer that records leave free. Readers get them,
 *	as zeroes
 * @end_reserve: the same at the end of each
 * @channel_start_reserve: further bytes at the start of the first sub-buffer, and of the first
 *	after relay_reset(). The reserves together must be shorter than a sub-buffer
 * @watermark: how much of @watermark_unit wakes readers that wait. Readers can set their own. A
 *	watermark below one sub-buffer costs each write a call. One of more is looked at when a
 *	sub-buffer is complete
 * @watermark_unit: one of RELAY_WATERMARK_*; with %RELAY_WATERMARK_DEFAULT and
 *	%RELAY_WATERMARK_WRITE, @watermark must be 0
 * @reserved2: must be 0
 *
 * A field of 0 means the default named.
 */
struct rchan_attr {
	u32 size;
	u32 flags;
	u64 subbuf_size;
	u32 n_subbufs;
	u32 mode;
	u32 uid;
	u32 gid;
	u32 flush_interval_ms;
	u32 reserved;
	void *private_data;
	u32 start_reserve;
	u32 end_reserve;
	u32 channel_start_reserve;
	u32 watermark;
	u32 watermark_unit;
	u32 reserved2;
};

/**
 * struct relay_slot - space reserved in a channel, between relay_reserve() and its end
 * @data: where to write
 * @len: how much, in bytes; to be read only
 * @buf: internal
 * @pos: internal
 * @reserved_len: internal
 */
struct relay_slot {
	void *data;
	size_t len;
	void *buf;
	u64 pos;
	u64 reserved_len;
};

struct rchan *relayfs_open(const char *path, const struct rchan_attr *attr);
void relayfs_close(struct rchan *chan);
ssize_t relayfs_write(struct rchan *chan, const void *data, size_t len);
ssize_t relayfs_write_wait(struct rchan *chan, const void *data, size_t len, long timeout);
int relayfs_reserve(struct rchan *chan, size_t len, struct relay_slot *slot);
void relayfs_commit(struct relay_slot *slot);
void relayfs_discard(struct relay_slot *slot);
u64 relayfs_flush(struct rchan *chan);
void relayfs_reset(struct rchan *chan);
void *relayfs_private_data(const struct rchan *chan);

/**
 * relay_open() - make a channel and its files
 * @path: where, relative to the mount's root: "name" or "dir/name". Components are at most 255
 *	bytes and not empty, "." or ".."; all of it at most 1023 bytes. Directories that are missing
 *	are made and vanish with their last channel
 * @attr: what it is to be like, or NULL for a default channel
 *
 * The channel works whether or not relayfs is mounted. CPUs that come up later get their buffers
 * then.
 *
 * Context: process; sleeps. Not with cpus_read_lock() held, so not from a CPU hotplug callback.
 * Return: the channel, or ERR_PTR() of
 *
 * * -EINVAL: a bad path, an unknown flag, two flags of one group, a size that is no power of two or
 *   too small, reserves that leave no room, a mode beyond 0444, a reserved field set,
 *   &rchan_attr.size of an unknown version
 * * -E2BIG: a sub-buffer or buffer of more than 1 GiB
 * * -ENAMETOOLONG: a path or a component of it is too long
 * * -EOPNOTSUPP: %RELAY_TIMESTAMP_TSC on a machine that has none
 * * -EEXIST: the path, or "<path>.d", exists
 * * -ENOTDIR: a directory of the path is a file, or a channel's own directory
 * * -ENOMEM: no memory, or more than the module's parameter max_bytes allows; nothing is left
 *   behind
 * * -EINTR: the task is being killed; nothing is left behind
 */
static inline struct rchan *relay_open(const char *path, const struct rchan_attr *attr)
{
	return relayfs_open(path, attr);
}

/**
 * relay_close() - end a channel
 * @chan: the channel; NULL and ERR_PTR() are ignored
 *
 * Waits for writers in flight, never for readers. The files leave the tree; who has them open can
 * read what is left and then gets end of file. The caller sees to it that no write starts after.
 *
 * Context: process; sleeps. Not with cpus_read_lock() held.
 */
static inline void relay_close(struct rchan *chan)
{
	relayfs_close(chan);
}

/**
 * relay_write() - write one record
 * @chan: the channel
 * @data: the record
 * @len: its length in bytes; 0 is allowed and writes nothing
 *
 * Readers see the record whole or not at all. Failures are counted per CPU.
 *
 * Context: any, including NMI; does not sleep. Takes no lock, but with %RELAY_SCHEME_LOCKING: then
 * interrupts are off meanwhile, and NMIs are refused.
 * Return: @len, or
 *
 * * -ENOSPC: no room (%RELAY_MODE_NO_OVERWRITE)
 * * -EMSGSIZE: longer than a sub-buffer
 * * -EBUSY: all sub-buffers are held by readers, or by writers that have not committed yet: this
 *   one interrupted them, or (%RELAY_USAGE_GLOBAL) they run on other CPUs
 * * -EAGAIN: in an NMI (%RELAY_SCHEME_LOCKING)
 * * -ESHUTDOWN: the channel is closed
 * * -ENOBUFS: this CPU has no buffer, as there was no memory for one when it came up
 */
static inline ssize_t relay_write(struct rchan *chan, const void *data, size_t len)
{
	return relayfs_write(chan, data, len);
}

/**
 * relay_write_wait() - write one record, waiting for room
 * @chan: the channel
 * @data: the record
 * @len: its length in bytes; 0 is allowed and writes nothing
 * @timeout: how long to wait at most, in jiffies; 0: not at all; MAX_SCHEDULE_TIMEOUT: for ever
 *
 * Instead of refusing the record when there is no room, waits until readers have made some. A
 * record that is given up counts as relay_write() counts it.
 *
 * relay_close() ends the wait, and waits for that.
 *
 * Context: process; may sleep.
 * Return: @len, or
 *
 * * -ETIMEDOUT: there was no room within @timeout
 * * -EINTR: the task is being killed
 * * -EMSGSIZE, -ESHUTDOWN: as relay_write()
 */
static inline ssize_t relay_write_wait(struct rchan *chan, const void *data, size_t len,
				       long timeout)
{
	return relayfs_write_wait(chan, data, len, timeout);
}

/**
 * relay_reserve() - reserve space for a record, to be filled in place
 * @chan: the channel
 * @len: bytes; 0 gives a slot of no bytes, which must be ended all the same
 * @slot: where to write is stored here; the caller's, in kernel memory
 *
 * On success preemption is off until relay_commit() or relay_discard(), one of which must follow on
 * the same CPU.
 *
 * Context: as relay_write().
 * Return: 0, or an error as of relay_write(); then there is nothing to end.
 */
static inline int relay_reserve(struct rchan *chan, size_t len, struct relay_slot *slot)
{
	return relayfs_reserve(chan, len, slot);
}

/**
 * relay_commit() - make a reserved record visible
 * @slot: from relay_reserve(); all its bytes must have been written
 *
 * Context: the one of relay_reserve().
 */
static inline void relay_commit(struct relay_slot *slot)
{
	relayfs_commit(slot);
}

/**
 * relay_discard() - give reserved space back; no reader will see it
 * @slot: from relay_reserve()
 *
 * Context: the one of relay_reserve().
 */
static inline void relay_discard(struct relay_slot *slot)
{
	relayfs_discard(slot);
}

/**
 * relay_flush() - end the current sub-buffers and tell readers
 * @chan: the channel
 *
 * Context: process, interrupts on; sleeps. Not from a CPU hotplug callback.
 * Return: CLOCK_MONOTONIC in ns: what was written before is visible to readers, but for sub-buffers
 * in which a writer has reserved and not committed yet: those follow when it does.
 */
static inline u64 relay_flush(struct rchan *chan)
{
	return relayfs_flush(chan);
}

/**
 * relay_reset() - throw away what was written so far
 * @chan: the channel
 *
 * All readers go on with what is written from now on, at the start of a sub-buffer, also one that
 * had read half a record. Writers may run meanwhile: a record is thrown away or kept as a whole.
 * Counters go on; what was thrown away and not consumed counts as overwritten.
 *
 * Context: process, interrupts on; sleeps. Not from a CPU hotplug callback.
 */
static inline void relay_reset(struct rchan *chan)
{
	relayfs_reset(chan);
}

/**
 * relay_private_data() - the client's pointer
 * @chan: the channel
 *
 * Context: any.
 * Return: &rchan_attr.private_data.
 */
static inline void *relay_private_data(const struct rchan *chan)
{
	return relayfs_private_data(chan);
}

#endif /* _LINUX_RELAYFS_FS_H */
