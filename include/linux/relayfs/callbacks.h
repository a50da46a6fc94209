/* SPDX-License-Identifier: GPL-2.0 */
/* What clients are told. Clients include <linux/relayfs_fs.h>. */
#ifndef _LINUX_RELAYFS_CALLBACKS_H
#define _LINUX_RELAYFS_CALLBACKS_H

#include <linux/types.h>

struct file;
struct rchan;

/**
 * struct relay_subbuf - a sub-buffer at its start or end
 * @seq: its number in its buffer, from 0; those that were passed by, as readers held the memory,
 *	are missing
 * @begin: when it was begun, by the channel's clock
 * @end: when its last record was committed; 0 at the start
 * @start: the space kept at its start, zeroed
 * @start_len: bytes in that; in the first sub-buffer also the channel's
 * @end_len: bytes kept at its end
 * @end_reserve: the space kept at its end, zeroed; NULL at the start
 * @len: bytes up to the end of the last record, the start reserve included; 0 at the start
 * @records: records in it; 0 at the start
 * @cpu: the CPU whose buffer it is in, or %RELAY_CPU_NONE
 * @padding: bytes between the last record and the end reserve that nobody uses; 0 at the start
 */
struct relay_subbuf {
	u64 seq;
	u64 begin;
	u64 end;
	void *start;
	u32 start_len;
	u32 end_len;
	void *end_reserve;
	u32 len;
	u32 records;
	u32 cpu;
	u32 padding;
};

/**
 * struct relay_delivery - data that has become readable
 * @data: where it is; whole records, nothing in it changes as long as the callback runs
 * @len: bytes
 * @seq: number of the sub-buffer it is from
 * @lost: records of this buffer that were overwritten before this callback could be told of them,
 *	so far
 * @cpu: the CPU in whose buffer it is, or %RELAY_CPU_NONE
 * @last: it goes to the end of its sub-buffer; 0 if that was not known, as it had not ended
 */
struct relay_delivery {
	const void *data;
	size_t len;
	u64 seq;
	u64 lost;
	u32 cpu;
	u32 last;
};

/**
 * enum relay_fileop - what a user does with a file of a channel
 * @RELAY_FILE_OPEN: opens it; not 0 refuses
 * @RELAY_FILE_CLOSE: the last descriptor of an open file is closed; the result is ignored
 * @RELAY_FILE_MAP: maps it; not 0 refuses
 * @RELAY_FILE_UNMAP: a mapping goes, one for each that was made; the result is ignored
 */
enum relay_fileop {
	RELAY_FILE_OPEN,
	RELAY_FILE_CLOSE,
	RELAY_FILE_MAP,
	RELAY_FILE_UNMAP,
};

/* What &rchan_callbacks.needs_resize says. */
#define RELAY_RESIZE_NONE	0	/* relay_realloc_buffer(), or a worker, failed */
#define RELAY_RESIZE_EXPAND	1	/* a buffer is 3/4 full: what is suggested is larger */
#define RELAY_RESIZE_SHRINK	2	/* all have been empty for a while: it is smaller */
#define RELAY_RESIZE_REPLACE	4	/* relay_replace_buffer() can be called */
#define RELAY_RESIZE_REPLACED	8	/* from now on the sizes are these */

/**
 * struct rchan_callbacks - what a client wants to be told; each may be NULL
 *
 * @buffer_start: A sub-buffer was begun. May write into its start reserve. Readers see that as it
 *	is when this returns.
 *
 *	Context: that of the writer whose record is the first in it, so any context, including NMI;
 *	preemption is off. With %RELAY_SCHEME_LOCKING interrupts are off, and if the channel is
 *	global, its lock is held. May write to the channel: that comes behind the record.
 *
 * @buffer_end: All of a sub-buffer is committed, and no reader has seen its end. May write into its
 *	end reserve. Sub-buffers of a buffer come in order, one at a time.
 *
 *	Context: that of the writer whose commit was the last, or of who ends the sub-buffer
 *	(relay_flush(), relay_reset(), relay_close(), a timer: then an interrupt). The rest as for
 *	@buffer_start. May write to the channel.
 *
 * @deliver: Data can be read: a complete sub-buffer; with %RELAY_DELIVERY_PACKET, also the
 *	records so far of one that is not complete, as often as there are new ones. Each byte of a
 *	buffer is delivered once, in order, whatever others read; it consumes nothing.
 *	Writes in quick succession can come in one call. What was overwritten before it could be
 *	delivered is counted in &relay_delivery.lost. What is in the stream when the channel is
 *	closed is delivered before relay_close() returns.
 *
 *	Context: hard interrupt, one call at a time for each buffer; none of relayfs' locks is held.
 *	May write to the channel: from a channel with %RELAY_DELIVERY_PACKET to itself, for ever.
 *
 * @user_deliver: A user has written @len bytes with write(2). They were appended to the stream
 *	as one record; or, with %RELAY_DUPLEX, to what kernel readers of the channel read.
 *	@data is a copy that stays as long as the callback runs.
 *
 *	Context: process, the writing task; may sleep, and no lock is held.
 *
 * @buffers_full: A buffer has become full: a record was refused as there was no room
 *	(%RELAY_MODE_NO_OVERWRITE). However many are refused, said again only after a sub-buffer was
 *	begun since. Writers that wait for room do not count before they give up.
 *
 *	Context: hard interrupt; none of relayfs' locks is held.
 *
 * @needs_resize: See RELAY_RESIZE_*. @subbuf_size and @n_subbufs are what is suggested, or what the
 *	sizes are now. With %RELAY_RESIZE_EXPAND and %RELAY_RESIZE_SHRINK, the client may call
 *	relay_realloc_buffer() from here. A buffer that stays 3/4 full is told of once. What is
 *	called from here may tell its own end inside. Channels without this callback are resized
 *	by themselves between &rchan_attr.resize_min and &rchan_attr.resize_max.
 *
 *	Context: process, a kernel worker, or the caller of relay_replace_buffer(); may sleep.
 *
 * @fileop_notify: A user does something with a file of the channel. What is returned for
 *	%RELAY_FILE_OPEN and %RELAY_FILE_MAP, if not 0, is the errno the user gets.
 *
 *	Context: process, the user's task; may sleep. With %RELAY_FILE_MAP and %RELAY_FILE_UNMAP the
 *	task's memory map is locked: must not access user memory.
 *
 * @ioctl: An ioctl(2) that is not one of relayfs' own (type 0xE1). What is returned is what the
 *	user gets. Without this callback that is -ENOTTY. From a 32-bit program @arg comes as
 *	compat_ptr() makes it; where structures differ, in_compat_syscall() tells.
 *
 *	Context: process, the user's task; may sleep.
 *
 * None of them is called when relay_close() has returned, which waits for those that run: do not
 * call it from one. A user may find the files, and so open one, before relay_open() has returned.
 * As long as a file of the channel is open after that, its users get -ENOTTY for ioctls, and -EPIPE
 * for writes.
 */
struct rchan_callbacks {
	void (*buffer_start)(struct rchan *chan, const struct relay_subbuf *subbuf);
	void (*buffer_end)(struct rchan *chan, const struct relay_subbuf *subbuf);
	void (*deliver)(struct rchan *chan, const struct relay_delivery *delivery);
	void (*user_deliver)(struct rchan *chan, const void *data, size_t len);
	void (*buffers_full)(struct rchan *chan, u32 cpu);
	void (*needs_resize)(struct rchan *chan, int resize_type, u64 subbuf_size, u32 n_subbufs);
	int (*fileop_notify)(struct rchan *chan, struct file *file, enum relay_fileop fileop);
	long (*ioctl)(struct rchan *chan, struct file *file, unsigned int cmd, unsigned long arg);
};

#endif /* _LINUX_RELAYFS_CALLBACKS_H */
