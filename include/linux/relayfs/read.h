/* SPDX-License-Identifier: GPL-2.0 */
/* Reading in the kernel. Clients include <linux/relayfs_fs.h>. */
#ifndef _LINUX_RELAYFS_READ_H
#define _LINUX_RELAYFS_READ_H

#include <linux/relayfs/attr.h>
#include <linux/types.h>

struct rchan;
struct rchan_reader;

struct rchan_reader *relayfs_add_reader(struct rchan *chan, u32 cpu, int auto_consume);
struct rchan_reader *relayfs_add_map_reader(struct rchan *chan, u32 cpu);
int relayfs_remove_reader(struct rchan_reader *reader, int map);
ssize_t relayfs_read(struct rchan_reader *reader, void *buf, size_t count, int wait);
ssize_t relayfs_read_last(struct rchan *chan, u32 cpu, void *buf, size_t count);
ssize_t relayfs_bytes_avail(struct rchan_reader *reader);
u64 relayfs_reader_lost(struct rchan_reader *reader);
void relayfs_buffers_consumed(struct rchan_reader *reader, u32 n_subbufs);
void relayfs_bytes_consumed(struct rchan_reader *reader, size_t bytes);
int relayfs_empty(struct rchan_reader *reader);
int relayfs_full(struct rchan_reader *reader);

/**
 * add_rchan_reader() - begin to read a channel in the kernel
 * @chan: the channel; with %RELAY_DUPLEX, what users write to it is read
 * @auto_consume: not 0: what is read is consumed, as by users who read the files, with whom the
 *	position is shared. 0: the reader has a position of its own, begins with the oldest data,
 *	and consumes only what it says it has, by relay_bytes_consumed() and
 *	relay_buffers_consumed()
 *
 * There may be several. The channel's files need not be open. After relay_close() a reader can
 * still read what is left, and must still be removed.
 *
 * Context: process; sleeps.
 * Return: the reader, or ERR_PTR() of -EBUSY: a user consumes it alone (O_EXCL); -ENOMEM;
 * -ESHUTDOWN: the channel is closed.
 */
static inline struct rchan_reader *add_rchan_reader(struct rchan *chan, int auto_consume)
{
	return relayfs_add_reader(chan, RELAY_CPU_ALL, auto_consume);
}

/**
 * add_rchan_cpu_reader() - begin to read one buffer of a channel in the kernel
 * @chan: the channel
 * @cpu: whose
 * @auto_consume: as for add_rchan_reader()
 *
 * Context: process; sleeps.
 * Return: as add_rchan_reader(); -ENXIO: there is no such buffer.
 */
static inline struct rchan_reader *add_rchan_cpu_reader(struct rchan *chan, u32 cpu,
							int auto_consume)
{
	return relayfs_add_reader(chan, cpu, auto_consume);
}

/**
 * remove_rchan_reader() - end to read
 * @reader: the reader; nobody uses it any more
 *
 * Context: process; sleeps.
 * Return: 0, or -EINVAL: it is from add_map_reader().
 */
static inline int remove_rchan_reader(struct rchan_reader *reader)
{
	return relayfs_remove_reader(reader, 0);
}

/**
 * add_map_reader() - speak for somebody who reads a mapping
 * @chan: the channel
 * @cpu: whose buffer is mapped; of a global channel %RELAY_CPU_NONE
 *
 * Nothing tells relayfs how far the reader of a mapping has come. The client hears of it, by a
 * write to the channel perhaps, and says so with relay_bytes_consumed() and
 * relay_buffers_consumed().
 *
 * Context: process; sleeps.
 * Return: as add_rchan_cpu_reader().
 */
static inline struct rchan_reader *add_map_reader(struct rchan *chan, u32 cpu)
{
	return relayfs_add_map_reader(chan, cpu);
}

/**
 * remove_map_reader() - end to speak for it
 * @reader: from add_map_reader()
 *
 * Context: process; sleeps.
 * Return: 0, or -EINVAL: it is not from add_map_reader().
 */
static inline int remove_map_reader(struct rchan_reader *reader)
{
	return relayfs_remove_reader(reader, 1);
}

/**
 * relay_read() - read
 * @reader: the reader
 * @buf: where to put it; NULL: only says how much there is, at most @count, and stays where it is
 * @count: how many bytes at most; 0 gives 0
 * @wait: not 0: waits until there is something; killable
 *
 * Gives the bytes users get who read(2) the file: no padding, whole packets of
 * %RELAY_FORMAT_RECORDS.
 *
 * Context: process; sleeps.
 * Return: bytes; 0: the channel is closed and all was read; or
 *
 * * -EAGAIN: there is nothing now, and @wait is 0
 * * -EINTR: the task is being killed
 * * -EINVAL: the reader is one of a mapping
 * * -EMSGSIZE: the next packet of %RELAY_FORMAT_RECORDS is longer than @count
 */
static inline ssize_t relay_read(struct rchan_reader *reader, void *buf, size_t count, int wait)
{
	return relayfs_read(reader, buf, count, wait);
}

/**
 * relay_read_last() - the newest bytes of a buffer
 * @chan: the channel
 * @cpu: whose; of a global channel %RELAY_CPU_NONE
 * @buf: where to put them, oldest first
 * @count: how many bytes at most
 *
 * Consumes nothing, and does not care what was consumed. May begin in the middle of a record. What
 * is in the current sub-buffer is left out if a writer is in the middle of a record there.
 * Works after relay_close(), too.
 *
 * Context: process; sleeps.
 * Return: bytes, as many as there are up to @count, without gaps; -ENXIO: there is no such buffer.
 */
static inline ssize_t relay_read_last(struct rchan *chan, u32 cpu, void *buf, size_t count)
{
	return relayfs_read_last(chan, cpu, buf, count);
}

/**
 * relay_bytes_avail() - how much there is to read
 * @reader: the reader
 *
 * Context: process; sleeps.
 * Return: bytes, also beyond the current sub-buffer.
 */
static inline ssize_t relay_bytes_avail(struct rchan_reader *reader)
{
	return relayfs_bytes_avail(reader);
}

/**
 * relay_reader_lost() - what was overwritten before a reader could read it
 * @reader: the reader
 *
 * Context: process; sleeps.
 * Return: records.
 */
static inline u64 relay_reader_lost(struct rchan_reader *reader)
{
	return relayfs_reader_lost(reader);
}

/**
 * relay_buffers_consumed() - sub-buffers need not be kept any longer
 * @reader: of one that consumes by itself nothing happens
 * @n_subbufs: how many more, of those it has read to the end; of one for a mapping: of those that
 *	there are since it was added
 *
 * Makes room for writers of a %RELAY_MODE_NO_OVERWRITE channel. No more is consumed than there is;
 * and of a reader that reads, than it has read. Of a reader of all buffers: what it has read of
 * each, the oldest first. Readers count each for itself, and the one that has come furthest counts.
 * What was overwritten before this call counts as overwritten.
 *
 * Context: process; sleeps.
 */
static inline void relay_buffers_consumed(struct rchan_reader *reader, u32 n_subbufs)
{
	relayfs_buffers_consumed(reader, n_subbufs);
}

/**
 * relay_bytes_consumed() - bytes need not be kept any longer
 * @reader: as for relay_buffers_consumed()
 * @bytes: how many more, as relay_read() counts
 *
 * As relay_buffers_consumed(). There is room when a whole sub-buffer was consumed. What it took of
 * old as third argument, an offset, may still be there and is ignored.
 *
 * Context: process; sleeps.
 */
static inline void relay_bytes_consumed(struct rchan_reader *reader, size_t bytes)
{
	relayfs_bytes_consumed(reader, bytes);
}

/**
 * rchan_empty() - is there nothing to read?
 * @reader: the reader
 *
 * Context: any but NMI; does not sleep.
 * Return: 1: nothing now, 0: something.
 */
static inline int rchan_empty(struct rchan_reader *reader)
{
	return relayfs_empty(reader);
}

/**
 * rchan_full() - would a record be refused that does not fit the current sub-buffer?
 * @reader: the reader
 *
 * Context: any but NMI; does not sleep.
 * Return: 1: yes, there is no room (%RELAY_MODE_NO_OVERWRITE) in a buffer that is read; 0: no.
 */
static inline int rchan_full(struct rchan_reader *reader)
{
	return relayfs_full(reader);
}

#endif /* _LINUX_RELAYFS_READ_H */
