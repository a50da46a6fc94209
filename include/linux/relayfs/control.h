/* SPDX-License-Identifier: GPL-2.0 */
/* Flush, reset, resize, look. Clients include <linux/relayfs_fs.h>. */
#ifndef _LINUX_RELAYFS_CONTROL_H
#define _LINUX_RELAYFS_CONTROL_H

#include <linux/types.h>

struct rchan;

/**
 * struct rchan_count - records and their bytes
 * @records: number of records
 * @bytes: their payload
 */
struct rchan_count {
	u64 records;
	u64 bytes;
};

/**
 * struct rchan_info - what a channel, or one buffer of it, is like now
 * @size: sizeof(struct rchan_info), set by the caller; to how much of it relayfs knows, by the call
 * @flags: the channel's, with the defaults filled in
 * @subbuf_size: bytes in a sub-buffer
 * @n_subbufs: sub-buffers in a buffer
 * @n_buffers: buffers it has
 * @generation: how often it was resized
 * @current_seq: number of the sub-buffer that is written; of one buffer only
 * @subbufs_produced: sub-buffers that were completed
 * @subbufs_consumed: those that were consumed, or overwritten before
 * @produced: what was written
 * @read: what the consumer has read
 * @overwritten: what was overwritten before it was read
 * @unread: what is still there to be read
 * @full: refused, as there was no room
 * @too_big: refused, as longer than a sub-buffer has room for
 * @nested: refused, as writers that have not committed were in all sub-buffers
 * @closed: refused, as the channel was closed
 * @held: refused, as readers were in all sub-buffers
 * @no_buffer: refused, as the CPU had no buffer
 * @nmi: refused, as the writer was an NMI and the scheme locking
 * @wakeups: how often readers were woken
 * @open_files: descriptors users have open; 0 of one buffer
 * @reserved: 0
 *
 * Always @produced = @read + @overwritten + @unread, of which none is more than there really was,
 * and @unread no more than the buffers hold. What is done before is counted; what is done at the
 * same time may not be. From one call to the next only @unread falls.
 *
 * The structure may grow: a client built with an older one gets what it knows, one built with a
 * newer one zeroes for what relayfs does not know.
 */
struct rchan_info {
	u32 size;
	u32 flags;
	u64 subbuf_size;
	u32 n_subbufs;
	u32 n_buffers;
	u64 generation;
	u64 current_seq;
	u64 subbufs_produced;
	u64 subbufs_consumed;
	struct rchan_count produced;
	struct rchan_count read;
	struct rchan_count overwritten;
	struct rchan_count unread;
	struct rchan_count full;
	struct rchan_count too_big;
	struct rchan_count nested;
	struct rchan_count closed;
	struct rchan_count held;
	struct rchan_count no_buffer;
	struct rchan_count nmi;
	u64 wakeups;
	u32 open_files;
	u32 reserved;
};

u64 relayfs_flush(struct rchan *chan);
void relayfs_reset(struct rchan *chan);
int relayfs_info(struct rchan *chan, struct rchan_info *info);
int relayfs_cpu_info(struct rchan *chan, u32 cpu, struct rchan_info *info);
int relayfs_realloc_buffer(struct rchan *chan, u64 subbuf_size, u32 n_subbufs);
int relayfs_replace_buffer(struct rchan *chan);
int relayfs_discard_init_buf(struct rchan *chan);

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
 * It waits for a consumer that is reading just now, and that ends when its user's memory has taken
 * what it is given. relay_flush() waits for no reader, and nor does relay_close(), but for those of
 * &rchan_attr.init_buf.
 *
 * Context: process, interrupts on; sleeps. Not from a CPU hotplug callback.
 */
static inline void relay_reset(struct rchan *chan)
{
	relayfs_reset(chan);
}

/**
 * relay_info() - what a channel is like now
 * @chan: the channel
 * @info: where to put it, with &rchan_info.size set; the sum of all buffers
 *
 * Context: process; sleeps.
 * Return: 0, or -EINVAL: &rchan_info.size is of no version.
 */
static inline int relay_info(struct rchan *chan, struct rchan_info *info)
{
	return relayfs_info(chan, info);
}

/**
 * relay_cpu_info() - what one buffer of a channel is like now
 * @chan: the channel
 * @cpu: whose; %RELAY_CPU_NONE of a global channel
 * @info: as for relay_info()
 *
 * Context: process; sleeps.
 * Return: 0, -EINVAL: as relay_info(), -ENXIO: there is no such buffer.
 */
static inline int relay_cpu_info(struct rchan *chan, u32 cpu, struct rchan_info *info)
{
	return relayfs_cpu_info(chan, cpu, info);
}

/**
 * relay_realloc_buffer() - get buffers of another size ready
 * @chan: the channel
 * @subbuf_size: bytes in a sub-buffer, as of &rchan_attr.subbuf_size; 0: as now
 * @n_subbufs: sub-buffers in a buffer, as of &rchan_attr.n_subbufs; 0: as now
 *
 * They are used after relay_replace_buffer() only. A second call replaces what the first got ready.
 *
 * Where it may not sleep, a worker does it, and &rchan_callbacks.needs_resize tells the end:
 * %RELAY_RESIZE_REPLACE, or %RELAY_RESIZE_NONE if there was no memory. So it does after a call that
 * may sleep, too, before that returns.
 *
 * Context: any, including NMI.
 * Return: 0: they are ready; or
 *
 * * -EINPROGRESS: a worker will do it
 * * -EBUSY: a resize is in progress
 * * -EPERM: the channel is still on its &rchan_attr.init_buf
 * * -EINVAL, -E2BIG, -ENOMEM, -EINTR: as relay_open(); all is as before
 * * -ESHUTDOWN: the channel is closed
 */
static inline int relay_realloc_buffer(struct rchan *chan, u64 subbuf_size, u32 n_subbufs)
{
	return relayfs_realloc_buffer(chan, subbuf_size, n_subbufs);
}

/**
 * relay_replace_buffer() - go over to the buffers that relay_realloc_buffer() got ready
 * @chan: the channel
 *
 * Writers and readers may be at work. What is unread is kept, and read first, also if buffers are
 * replaced several times before it is read: up to 17 are kept besides the present one, and count
 * as memory. In overwrite mode what is older than something that was overwritten gives way then,
 * and else, if there are 17, the oldest; it counts as overwritten.
 *
 * Mappings of the old buffers stay as they are until they are unmapped; &relayfs_meta.generation in
 * them changes: their users read what is left and map again.
 *
 * When it is done, &rchan_callbacks.needs_resize is told %RELAY_RESIZE_REPLACED.
 *
 * Context: any, including NMI; where it may not sleep, a worker does it.
 * Return: 0; or
 *
 * * -EINPROGRESS: a worker will do it
 * * -EAGAIN: nothing is ready
 * * -EBUSY: a resize is in progress, or (%RELAY_MODE_NO_OVERWRITE) the consumer has not yet come
 *   to the end of the oldest of 17 buffers that are kept for it
 * * -EPERM: as relay_realloc_buffer()
 * * -ESHUTDOWN: the channel is closed
 */
static inline int relay_replace_buffer(struct rchan *chan)
{
	return relayfs_replace_buffer(chan);
}

/**
 * relay_discard_init_buf() - go over from the client's memory to some of relayfs' own
 * @chan: the channel
 *
 * All that is unread is kept. When this has returned 0, &rchan_attr.init_buf is the client's again.
 * It waits for who reads just now, as relay_reset() does.
 *
 * Context: process; sleeps.
 * Return: 0; -EINVAL: it has none, or no more; -EBUSY, -ENOMEM, -EINTR, -ESHUTDOWN: as
 * relay_realloc_buffer(), and all is as before.
 */
static inline int relay_discard_init_buf(struct rchan *chan)
{
	return relayfs_discard_init_buf(chan);
}

#endif /* _LINUX_RELAYFS_CONTROL_H */
