/* SPDX-License-Identifier: GPL-2.0 */
/* What a channel is to be like; opening and closing. Clients include <linux/relayfs_fs.h>. */
#ifndef _LINUX_RELAYFS_ATTR_H
#define _LINUX_RELAYFS_ATTR_H

#include <linux/types.h>

struct rchan;
struct rchan_callbacks;
struct relay_schema;

/**
 * DOC: flags of a channel
 *
 * In &rchan_attr.flags, at most one of each group; a group that is left out takes its first member
 * (timestamps: %RELAY_TIMESTAMP_MONO).
 *
 * Delivery: when waiting readers are told.
 *
 * * %RELAY_DELIVERY_BULK: at the watermark, or after &rchan_attr.flush_interval_ms
 * * %RELAY_DELIVERY_PACKET: per write
 *
 * Scheme: how writers are kept apart.
 *
 * * %RELAY_SCHEME_LOCKLESS: lock-free, in any context including NMI
 * * %RELAY_SCHEME_LOCKING: interrupts are off meanwhile, and a lock is held if the channel is
 *   global; not in NMI
 * * %RELAY_SCHEME_ANY: the same as %RELAY_SCHEME_LOCKLESS
 *
 * Timestamps: by which clock the begin and end of sub-buffers are told.
 *
 * * %RELAY_TIMESTAMP_TSC: cycles of the CPU; x86-64 only
 * * %RELAY_TIMESTAMP_MONO: CLOCK_MONOTONIC, in ns
 * * %RELAY_TIMESTAMP_ANY: the same as %RELAY_TIMESTAMP_MONO
 * * %RELAY_TIMESTAMP_NONE: none: CPUs are merged in no particular order
 *
 * Usage: which buffers there are.
 *
 * * %RELAY_USAGE_SMP: a buffer per CPU
 * * %RELAY_USAGE_GLOBAL: one buffer, written from all CPUs
 *
 * Mode: what gives way when the ring is full.
 *
 * * %RELAY_MODE_CONTINUOUS: the oldest data is overwritten
 * * %RELAY_MODE_NO_OVERWRITE: the new record is refused and counted
 *
 * Format: what the stream consists of.
 *
 * * %RELAY_FORMAT_RAW: bytes, as they were written
 * * %RELAY_FORMAT_RECORDS: events: sub-buffers are CTF 1.8 packets
 *
 * And, by itself:
 *
 * * %RELAY_DUPLEX: what users write does not join the stream but goes to readers in the kernel
 */
#define RELAY_DELIVERY_BULK	0x00000001
#define RELAY_DELIVERY_PACKET	0x00000002
#define RELAY_SCHEME_LOCKLESS	0x00000004
#define RELAY_SCHEME_LOCKING	0x00000008
#define RELAY_SCHEME_ANY	0x0000000c
#define RELAY_TIMESTAMP_TSC	0x00000010
#define RELAY_TIMESTAMP_MONO	0x00000020
#define RELAY_TIMESTAMP_ANY	0x00000030
#define RELAY_TIMESTAMP_NONE	0x00000800
#define RELAY_USAGE_SMP		0x00000040
#define RELAY_USAGE_GLOBAL	0x00000080
#define RELAY_MODE_CONTINUOUS	0x00000100
#define RELAY_MODE_NO_OVERWRITE	0x00000200
#define RELAY_FORMAT_RAW	0x00001000
#define RELAY_FORMAT_RECORDS	0x00002000
#define RELAY_DUPLEX		0x00004000

/**
 * DOC: where buffers come from
 *
 * In &rchan_attr.node.
 *
 * * %RELAY_NODE_LOCAL: the node of the CPU that writes the buffer
 * * %RELAY_NODE_ANY: whichever has memory
 * * RELAY_NODE(n): node n
 */
#define RELAY_NODE_LOCAL	0
#define RELAY_NODE_ANY		1
#define RELAY_NODE(n)		((n) + 2)

/**
 * DOC: in place of the number of a CPU
 *
 * * %RELAY_CPU_NONE: of no CPU, so of a global channel's buffer
 * * %RELAY_CPU_ALL: all of a channel's buffers, in order of time
 */
#define RELAY_CPU_NONE		0xffffffff
#define RELAY_CPU_ALL		0xfffffffe

/**
 * DOC: watermarks
 *
 * How much unread data of a buffer wakes readers that wait: &rchan_attr.watermark is so many of
 * what &rchan_attr.watermark_unit says.
 *
 * * %RELAY_WATERMARK_DEFAULT: one sub-buffer; with %RELAY_DELIVERY_PACKET, each write
 * * %RELAY_WATERMARK_BYTES: bytes, at most as many as the buffer has
 * * %RELAY_WATERMARK_PERCENT: of the buffer, from 1 to 100
 * * %RELAY_WATERMARK_SUBBUFS: complete sub-buffers, at most as many as there are
 * * %RELAY_WATERMARK_WRITE: each write
 */
#define RELAY_WATERMARK_DEFAULT	0
#define RELAY_WATERMARK_BYTES	1
#define RELAY_WATERMARK_PERCENT	2
#define RELAY_WATERMARK_SUBBUFS	3
#define RELAY_WATERMARK_WRITE	4

/**
 * struct rchan_attr - what a channel is to be like
 * @size: sizeof(struct rchan_attr), so that the structure can grow
 * @flags: see `flags of a channel`
 * @subbuf_size: bytes in a sub-buffer: a power of two, from PAGE_SIZE to 512 MiB; 0: 64 KiB. The
 *	longest record is as long, less the reserves
 * @n_subbufs: sub-buffers per buffer: a power of two, at least 2; 0: 8. A buffer is at most 1 GiB
 * @mode: permission bits of the files, a subset of 0666; 0: the read bits of the mount's mode. Who
 *	may read them may also enter "<path>.d"; the directories above follow the mount. The write
 *	bits are those of "<path>" only: see &rchan_callbacks.user_deliver. The files of CPUs get
 *	write permission by chmod(2), for readers who map the consumer page
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
 * @resize_min: sub-buffers per buffer to which the channel shrinks when it is idle; a power of two,
 *	at least 2, at most @n_subbufs. 0 in this and @resize_max: it is not resized by itself; in
 *	one of them: @n_subbufs
 * @resize_max: sub-buffers per buffer up to which it grows when the consumer has not read 3/4 of
 *	one, in overwrite mode, too; a power of two, at least @n_subbufs. What is unread stays where
 *	it is meanwhile, so that there may be as much memory again. See
 *	&rchan_callbacks.needs_resize
 * @shrink_idle_ms: how long all buffers must have been empty before it shrinks; 0: 60000
 * @node: from which NUMA node the buffers are: %RELAY_NODE_LOCAL, %RELAY_NODE_ANY or
 *	RELAY_NODE(number). What that node has no memory for comes from others
 * @init_buf: memory of the client's the channel starts with, instead of some of its own; aligned to
 *	64 bytes. %RELAY_USAGE_GLOBAL only. It must stay until relay_discard_init_buf() has
 *	returned 0, or relay_close() has returned, whoever has the channel open then; meanwhile the
 *	buffer cannot be mapped and is not resized, by itself neither
 * @init_buf_size: bytes in @init_buf: those of a buffer
 * @callbacks: what the client wants to be told; NULL: nothing. Must stay until relay_close() has
 *	returned
 * @schema: the events of a %RELAY_FORMAT_RECORDS channel; NULL: events are blobs of bytes. Must
 *	stay until relay_close() has returned
 *
 * A field of 0 means the default named. The structure has grown, and may grow: a client built with
 * an older one gets the defaults for what it does not know.
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
	u32 resize_min;
	u32 resize_max;
	u32 shrink_idle_ms;
	u32 node;
	void *init_buf;
	u64 init_buf_size;
	const struct rchan_callbacks *callbacks;
	const struct relay_schema *schema;
};

struct rchan *relayfs_open(const char *path, const struct rchan_attr *attr);
void relayfs_close(struct rchan *chan);
struct rchan *relayfs_get(struct rchan *chan);
void relayfs_put(struct rchan *chan);
void *relayfs_private_data(const struct rchan *chan);

/**
 * relay_open() - make a channel and its files
 * @path: where, relative to the mount's root: "name" or "dir/name". Components are at most 255
 *	bytes and not empty, "." or ".."; all of it at most 1023 bytes. Directories that are missing
 *	are made and vanish with their last channel. NULL: no files, see &relayfs_file_operations
 * @attr: what it is to be like, or NULL for a default channel
 *
 * The channel works whether or not relayfs is mounted. CPUs that come up later get their buffers
 * then.
 *
 * Context: process; sleeps. Not with cpus_read_lock() held, so not from a CPU hotplug callback.
 * Return: the channel, or ERR_PTR() of
 *
 * * -EINVAL: a bad path, an unknown flag, two flags of one group, a size that is no power of two or
 *   too small, reserves that leave no room, a mode beyond 0666, a reserved field set,
 *   &rchan_attr.size of no version, a node that is not there, attributes that do not go together
 * * -E2BIG: a sub-buffer or buffer of more than 1 GiB, or an attribute or callback set that this
 *   version of relayfs does not know
 * * -ENAMETOOLONG: a path or a component of it is too long
 * * -EOPNOTSUPP: %RELAY_TIMESTAMP_TSC on a machine that has none, or where the kernel does not know
 *   its frequency (%RELAY_FORMAT_RECORDS)
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
 * Waits for writers in flight, for callbacks that run, and for operations that run on files of the
 * client's own in the channel's directory; never for readers. When it has returned no callback runs
 * and none will. The files leave the tree, the client's with them; who has the channel's open can
 * read what is left and then gets end of file. The caller sees to it that no write starts after.
 *
 * A channel that is still on its &rchan_attr.init_buf leaves that, as by relay_discard_init_buf().
 * If there is no memory for what is unread, that is thrown away and counts as overwritten. Both
 * wait for users who are just copying from there.
 *
 * Context: process; sleeps. Not with cpus_read_lock() held.
 */
static inline void relay_close(struct rchan *chan)
{
	relayfs_close(chan);
}

/**
 * rchan_get() - keep a channel's handle valid
 * @chan: the channel; not closed, or kept by somebody else
 *
 * Also after relay_close() then, until rchan_put(): what is called with it fails with -ESHUTDOWN.
 *
 * Context: any.
 * Return: @chan.
 */
static inline struct rchan *rchan_get(struct rchan *chan)
{
	return relayfs_get(chan);
}

/**
 * rchan_put() - undo rchan_get()
 * @chan: the channel
 *
 * Context: process; sleeps.
 */
static inline void rchan_put(struct rchan *chan)
{
	relayfs_put(chan);
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

#endif /* _LINUX_RELAYFS_ATTR_H */
