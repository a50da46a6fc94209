/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _LINUX_RELAY_COMPAT_H
#define _LINUX_RELAY_COMPAT_H

/**
 * DOC: the kernel's relay interface, on relayfs
 *
 * For code written for <linux/relay.h>: include this instead. The functions, structures and
 * callbacks are the same, and do what Documentation/filesystems/relay.rst of the kernel says. What
 * is different is in relayfs' Documentation/compat.rst.
 *
 * Behind a channel is one of relayfs' own that has no files in its mount. Sub-buffers and their
 * number are rounded up to powers of two, and sub-buffers to whole pages: a sub-buffer still takes
 * &rchan.subbuf_size bytes, and a buffer is full with &rchan.n_subbufs of them.
 */

#if defined(_LINUX_RELAYFS_FS_H) && !defined(RELAYFS_NO_SHORT_NAMES)
#error "With <linux/relayfs_fs.h> in the same file, define RELAYFS_NO_SHORT_NAMES"
#elif defined(_LINUX_RELAY_H)
#error "<linux/relay_compat.h> replaces <linux/relay.h>: include only one, this one first"
#endif
/* What includes <linux/relay.h> later gets this. */
#define _LINUX_RELAY_H

#include <linux/bug.h>
#include <linux/fs.h>
#include <linux/irq_work.h>
#include <linux/kref.h>
#include <linux/limits.h>
#include <linux/list.h>
#include <linux/percpu.h>
#include <linux/poll.h>
#include <linux/sched.h>
#include <linux/timer.h>
#include <linux/types.h>
#include <linux/wait.h>

/**
 * define RELAYFS_CHANNEL_VERSION - &rchan.version
 */
#define RELAYFS_CHANNEL_VERSION		7

/**
 * DOC: what relay_stats() counts
 *
 * Records that were not written.
 *
 * * %RELAY_STATS_BUF_FULL: no room, or subbuf_start() said no
 * * %RELAY_STATS_WRT_BIG: longer than a sub-buffer has room for
 * * %RELAY_STATS_WRT_LOST: for another cause, see relay_write()
 */
enum {
	RELAY_STATS_BUF_FULL = (1 << 0),
	RELAY_STATS_WRT_BIG = (1 << 1),
	RELAY_STATS_WRT_LOST = (1 << 2),

	RELAY_STATS_LAST = RELAY_STATS_WRT_LOST,
};

/**
 * struct rchan_buf_stats - records of one buffer that were not written
 * @full_count: see %RELAY_STATS_BUF_FULL
 * @big_count: see %RELAY_STATS_WRT_BIG
 * @lost_count: see %RELAY_STATS_WRT_LOST
 */
struct rchan_buf_stats {
	unsigned int full_count;
	unsigned int big_count;
	unsigned int lost_count;
};

struct rchan;

/**
 * struct rchan_buf - the buffer of a CPU, or of all; to be read only
 * @start: where its memory begins
 * @data: where the current sub-buffer begins
 * @offset: bytes in that, those reserved by subbuf_start() included; &rchan.subbuf_size + 1 when
 *	subbuf_start() has refused the next one
 * @subbufs_produced: sub-buffers that were ended
 * @subbufs_consumed: those that were read, or reported by relay_subbufs_consumed(); this and
 *	@subbufs_produced are brought up to date before subbuf_start() and by relay_buf_full()
 * @chan: the channel
 * @dentry: what create_buf_file() returned; NULL if the channel has no base filename
 * @stats: what was not written
 * @finalized: the channel is closed
 * @padding: unused bytes at the end of sub-buffer (number % &rchan.n_subbufs), once that has ended
 * @early_bytes: always 0
 * @cpu: whose it is; 0 if the channel has but one
 *
 * Sub-buffer k lies at @start + (k % n) * s, with s and n being &rchan.subbuf_size and
 * &rchan.n_subbufs as rounded up, unless readers were in the way: then one is passed by.
 */
struct rchan_buf {
	void *start;
	void *data;
	size_t offset;
	size_t subbufs_produced;
	size_t subbufs_consumed;
	struct rchan *chan;
	struct dentry *dentry;
	struct rchan_buf_stats stats;
	unsigned int finalized;
	size_t *padding;
	size_t early_bytes;
	unsigned int cpu;
};

struct rchan_callbacks;

/**
 * struct rchan - a channel; to be read only, but for @private_data
 * @version: %RELAYFS_CHANNEL_VERSION
 * @subbuf_size: bytes a sub-buffer takes
 * @n_subbufs: sub-buffers with which a buffer is full
 * @alloc_size: bytes of a buffer's data in memory
 * @cb: the client's
 * @private_data: the client's
 * @buf: the buffers, by CPU; NULL for a CPU that never ran. One for all if @is_global
 * @is_global: create_buf_file() asked for one buffer
 * @parent: as given to relay_open()
 * @has_base_filename: relay_open() was given a name
 * @base_filename: that name
 */
struct rchan {
	u32 version;
	size_t subbuf_size;
	size_t n_subbufs;
	size_t alloc_size;
	const struct rchan_callbacks *cb;
	void *private_data;
	struct rchan_buf * __percpu *buf;
	int is_global;
	struct dentry *parent;
	int has_base_filename;
	char base_filename[NAME_MAX];
};

/**
 * struct rchan_callbacks - what a client does itself
 *
 * @subbuf_start: A sub-buffer has ended (@prev_subbuf; NULL when the channel is opened or reset),
 *	and another is to begin. Returns 1 to go on, 0 to refuse: then the record that needed it is
 *	not written, and the next one asks again. So a client decides whether what was not consumed
 *	is overwritten. Without this callback it is not.
 *
 *	May call subbuf_start_reserve(), always with the same length, and write so many bytes to
 *	@subbuf, and as many, reserved when that began, to @prev_subbuf. What it writes to
 *	@prev_subbuf when that has just ended is there before readers see any of it. When a refused
 *	question is asked again, readers may have seen it; @prev_subbuf is a copy of those bytes
 *	then.
 *
 *	@subbuf is not where the sub-buffer will lie: what was reserved is copied there.
 *	&rchan_buf.padding[(&rchan_buf.subbufs_produced - 1) % &rchan.n_subbufs] is the padding of
 *	@prev_subbuf.
 *
 *	Runs in any context but NMI, interrupts off; one call at a time for each buffer. If the
 *	channel is global, its lock is held. Must not write to the channel: that is refused.
 *
 * @create_buf_file: Makes the file of a buffer, usually by debugfs_create_file(@filename, @mode,
 *	@parent, @buf, &relay_file_operations). What is in inode->i_private must be @buf. Sets
 *	*@is_global to have but one buffer. Returns the file, or NULL or ERR_PTR(): then
 *	relay_open() fails. Of a channel without base filename, @filename and @parent are NULL, and
 *	what is returned must only not be an error. Whoever opens the file before relay_open() has
 *	returned may get -EAGAIN.
 *
 *	Runs in process context; may sleep. Also when a CPU comes up, with the kernel's hotplug
 *	lock held.
 *
 * @remove_buf_file: Removes it. When it has returned, nobody may open the file any more.
 *
 *	Runs in process context; may sleep.
 */
struct rchan_callbacks {
	int (*subbuf_start)(struct rchan_buf *buf, void *subbuf, void *prev_subbuf);
	struct dentry *(*create_buf_file)(const char *filename, struct dentry *parent, umode_t mode,
					  struct rchan_buf *buf, int *is_global);
	int (*remove_buf_file)(struct dentry *dentry);
};

struct rchan *relayfs_compat_open(const char *base_filename, struct dentry *parent,
				  size_t subbuf_size, size_t n_subbufs,
				  const struct rchan_callbacks *cb, void *private_data);
void relayfs_compat_close(struct rchan *chan);
void relayfs_compat_flush(struct rchan *chan);
void relayfs_compat_reset(struct rchan *chan);
void relayfs_compat_write(struct rchan *chan, const void *data, size_t length);
void *relayfs_compat_reserve(struct rchan *chan, size_t length);
size_t relayfs_compat_switch_subbuf(struct rchan_buf *buf, size_t length);
void relayfs_compat_subbufs_consumed(struct rchan *chan, unsigned int cpu, size_t consumed);
int relayfs_compat_buf_full(struct rchan_buf *buf);
size_t relayfs_compat_stats(struct rchan *chan, int flags);

extern const struct file_operations relayfs_compat_file_operations;

/**
 * define relay_file_operations - what create_buf_file() gives its files
 *
 * They know nothing of the client's module: that must not go before relay_close(), as ever.
 * mmap(2) of &rchan.alloc_size bytes at offset 0 gives the data, read-only; other lengths there
 * are for what <linux/relayfs.h> describes.
 */
#define relay_file_operations	relayfs_compat_file_operations

/**
 * relay_open() - make a channel
 * @base_filename: of its files: the number of the CPU follows; NULL: none
 * @parent: passed on to create_buf_file()
 * @subbuf_size: bytes in a sub-buffer
 * @n_subbufs: sub-buffers in a buffer
 * @cb: the client's callbacks; create_buf_file() and remove_buf_file() must be there. Must stay
 *	until relay_close() has returned
 * @private_data: the client's own
 *
 * Context: process; sleeps. Not with cpus_read_lock() held.
 * Return: the channel, or NULL: why is in the kernel log.
 */
static inline struct rchan *relay_open(const char *base_filename, struct dentry *parent,
				       size_t subbuf_size, size_t n_subbufs,
				       const struct rchan_callbacks *cb, void *private_data)
{
	return relayfs_compat_open(base_filename, parent, subbuf_size, n_subbufs, cb,
				   private_data);
}

/**
 * relay_close() - end a channel
 * @chan: the channel; NULL is ignored
 *
 * Readers that wait get what is left, and then end of file. Then the files are removed. No callback
 * is called when this has returned. The caller sees to it that no write starts after.
 *
 * Context: process; sleeps. Not with cpus_read_lock() held.
 */
static inline void relay_close(struct rchan *chan)
{
	relayfs_compat_close(chan);
}

/**
 * relay_flush() - end the current sub-buffers
 * @chan: the channel; NULL is ignored
 *
 * Those that nothing was written to since they began are not ended.
 *
 * Context: of a global channel: any but NMI, does not sleep. Else process, interrupts on; sleeps.
 */
static inline void relay_flush(struct rchan *chan)
{
	relayfs_compat_flush(chan);
}

/**
 * relay_reset() - throw away what was written so far
 * @chan: the channel; NULL is ignored
 *
 * Writers may run meanwhile. The counts of relay_stats() begin anew.
 *
 * Context: process, interrupts on; sleeps.
 */
static inline void relay_reset(struct rchan *chan)
{
	relayfs_compat_reset(chan);
}

/**
 * relay_write() - write one record
 * @chan: the channel
 * @data: the record
 * @length: bytes
 *
 * Failures are counted, see relay_stats(). As lost for other causes count those from an NMI, from
 * subbuf_start(), after relay_close(), on a CPU that has no buffer, and those for which all
 * sub-buffers were held by readers, or by reservations.
 *
 * Context: any; from an NMI, nothing is written. Interrupts are off meanwhile, and the lock of a
 * global channel is held.
 */
static inline void relay_write(struct rchan *chan, const void *data, size_t length)
{
	relayfs_compat_write(chan, data, length);
}

/**
 * __relay_write() - write one record
 * @chan: the channel
 * @data: the record
 * @length: bytes
 *
 * The same as relay_write().
 */
static inline void __relay_write(struct rchan *chan, const void *data, size_t length)
{
	relayfs_compat_write(chan, data, length);
}

/**
 * relay_reserve() - reserve space for a record
 * @chan: the channel
 * @length: bytes; 0: says only where the next record will be, with as many bytes free behind as the
 *	sub-buffer has, for those who write first and reserve then
 *
 * Readers see the record, and what is written behind it, when it is sure to be filled: when the
 * task writes again to the buffer, or another one or an interrupt on the CPU it was reserved on;
 * with relay_flush(); or when all tasks of the machine have slept meanwhile. So it must be filled
 * before the caller sleeps. (It may be preempted then, if it keeps others from writing on that
 * CPU.)
 *
 * Context: any but NMI.
 * Return: where to write; NULL: counted as by relay_write().
 */
static inline void *relay_reserve(struct rchan *chan, size_t length)
{
	return relayfs_compat_reserve(chan, length);
}

/**
 * relay_switch_subbuf() - end the current sub-buffer
 * @buf: the buffer
 * @length: bytes of the record for which there is no room
 *
 * Context: where @buf is written: on its CPU, with preemption off. Not NMI.
 * Return: @length; 0: there is no room for so much in the next, or no next.
 */
static inline size_t relay_switch_subbuf(struct rchan_buf *buf, size_t length)
{
	return relayfs_compat_switch_subbuf(buf, length);
}

/**
 * relay_subbufs_consumed() - a user has consumed sub-buffers that are mapped
 * @chan: the channel
 * @cpu: whose buffer; 0 if the channel has but one
 * @consumed: how many more; no more count than there are
 *
 * Context: any but NMI.
 */
static inline void relay_subbufs_consumed(struct rchan *chan, unsigned int cpu, size_t consumed)
{
	relayfs_compat_subbufs_consumed(chan, cpu, consumed);
}

/**
 * relay_buf_full() - are all sub-buffers produced and not consumed?
 * @buf: the buffer
 *
 * Context: any.
 * Return: 1: yes, 0: no.
 */
static inline int relay_buf_full(struct rchan_buf *buf)
{
	return relayfs_compat_buf_full(buf);
}

/**
 * relay_stats() - count records that were not written
 * @chan: the channel
 * @flags: RELAY_STATS_*: which; of several, the sum
 *
 * Since the channel was opened, or reset, on all CPUs.
 *
 * Context: any.
 * Return: their number.
 */
static inline size_t relay_stats(struct rchan *chan, int flags)
{
	return relayfs_compat_stats(chan, flags);
}

/**
 * subbuf_start_reserve() - keep bytes at the start of a sub-buffer
 * @buf: the buffer
 * @length: how many, the same each time
 *
 * Context: subbuf_start().
 */
static inline void subbuf_start_reserve(struct rchan_buf *buf, size_t length)
{
	if (!WARN_ON_ONCE(length >= buf->chan->subbuf_size))
		buf->offset = length;
}

#endif /* _LINUX_RELAY_COMPAT_H */
