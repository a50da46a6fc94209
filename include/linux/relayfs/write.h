/* SPDX-License-Identifier: GPL-2.0 */
/* Writing. Clients include <linux/relayfs_fs.h>. */
#ifndef _LINUX_RELAYFS_WRITE_H
#define _LINUX_RELAYFS_WRITE_H

#include <linux/types.h>

struct kvec;
struct rchan;

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

ssize_t relayfs_write(struct rchan *chan, const void *data, size_t len);
ssize_t relayfs_writev(struct rchan *chan, const struct kvec *parts, unsigned int n_parts);
ssize_t relayfs_write_delta(struct rchan *chan, const void *data, size_t len, int td_offset,
			    void **wrote_pos);
ssize_t relayfs_write_wait(struct rchan *chan, const void *data, size_t len, long timeout);
int relayfs_reserve(struct rchan *chan, size_t len, struct relay_slot *slot);
void relayfs_commit(struct relay_slot *slot);
void relayfs_discard(struct relay_slot *slot);
unsigned long relayfs_lock(struct rchan *chan);
void relayfs_unlock(struct rchan *chan, unsigned long flags);

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
 * * -EINVAL, which counts nowhere: the channel has a schema, and so takes relay_write_event() only
 */
static inline ssize_t relay_write(struct rchan *chan, const void *data, size_t len)
{
	return relayfs_write(chan, data, len);
}

/**
 * relay_writev() - write one record, gathered from parts
 * @chan: the channel
 * @parts: where they are
 * @n_parts: how many
 *
 * The record is never split: readers see all parts or none.
 *
 * Context: as relay_write().
 * Return: the length of all parts together, or an error as of relay_write(); -EMSGSIZE also if they
 * are longer together than can be said.
 */
static inline ssize_t relay_writev(struct rchan *chan, const struct kvec *parts,
				   unsigned int n_parts)
{
	return relayfs_writev(chan, parts, n_parts);
}

/**
 * relay_write_delta() - write one record with its time in it
 * @chan: the channel
 * @data: the record
 * @len: its length in bytes
 * @td_offset: where in the record, in bytes, its time is stored, as a u32 in the machine's order:
 *	how long after the begin of its sub-buffer it was written, by the channel's clock (ns or
 *	cycles; the low 32 bits). 0 if it is written while another writer is just about to begin
 *	the sub-buffer. Negative: nowhere
 * @wrote_pos: where to store the address the record was written to; may be NULL. Good for looking
 *	at until the sub-buffer may be overwritten. Left as it is if nothing was written
 *
 * relay_write() as it was in 2003; with its five arguments, that still is this.
 *
 * Context: as relay_write().
 * Return: @len, or an error as of relay_write(); -EINVAL also: there are no 4 bytes at @td_offset,
 * or the channel has no clock.
 */
static inline ssize_t relay_write_delta(struct rchan *chan, const void *data, size_t len,
					int td_offset, void **wrote_pos)
{
	return relayfs_write_delta(chan, data, len, td_offset, wrote_pos);
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
 * * -EMSGSIZE, -ESHUTDOWN, -ENOBUFS, -EINVAL: as relay_write()
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
 * relay_lock_channel() - keep others from writing
 * @chan: the channel
 * @flags: an unsigned long, for relay_unlock_channel()
 *
 * Nothing with %RELAY_SCHEME_LOCKLESS. With %RELAY_SCHEME_LOCKING interrupts are off from here on;
 * if the channel is global, no other CPU writes to it. What is written in between lies together.
 * The calls nest.
 *
 * Context: any but NMI.
 */
#define relay_lock_channel(chan, flags)		((flags) = relayfs_lock(chan))

/**
 * relay_unlock_channel() - let others write again
 * @chan: the channel
 * @flags: from relay_lock_channel()
 *
 * Context: that of relay_lock_channel().
 */
#define relay_unlock_channel(chan, flags)	relayfs_unlock(chan, flags)

#endif /* _LINUX_RELAYFS_WRITE_H */
