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
 * @start: the space kept at its start, zeroed. At the end only to be looked at: readers may be
 *	copying it, if they have the beginning of the sub-buffer already
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

/**
 * DOC: what &rchan_callbacks.needs_resize says
 *
 * * %RELAY_RESIZE_NONE: relay_realloc_buffer(), or a worker, failed
 * * %RELAY_RESIZE_EXPAND: a buffer is 3/4 full: what is suggested is larger
 * * %RELAY_RESIZE_SHRINK: all have been empty for a while: what is suggested is smaller
 * * %RELAY_RESIZE_REPLACE: relay_replace_buffer() can be called
 * * %RELAY_RESIZE_REPLACED: from now on the sizes are these
 */
#define RELAY_RESIZE_NONE	0
#define RELAY_RESIZE_EXPAND	1
#define RELAY_RESIZE_SHRINK	2
#define RELAY_RESIZE_REPLACE	4
#define RELAY_RESIZE_REPLACED	8

/**
 * struct rchan_callbacks - what a client wants to be told; each may be NULL
 *
 * @buffer_start: A sub-buffer was begun. May write into its start reserve. Readers see that as it
 *	is when this returns. May write to the channel: that comes behind the record.
 *
 *	Runs in the context of the writer whose record is the first in it, so in any context,
 *	including NMI; where &rchan_attr.channel_start_reserve is set, also in that of
 *	relay_reset(), which begins a sub-buffer then. Preemption is off. With
 *	%RELAY_SCHEME_LOCKING interrupts are off, and if the channel is global, its lock is held.
 *
 * @buffer_end: All of a sub-buffer is committed, and no reader has seen its end. May write into its
 *	end reserve, but not into the start's any more. Sub-buffers of a buffer come in order, one
 *	at a time. May write to the channel.
 *
 *	Runs in the context of the writer whose commit was the last, or of who ends the sub-buffer
 *	(relay_flush(), relay_reset(), relay_close(), a resize, a timer: then an interrupt). The
 *	rest as for @buffer_start. Who flushes, resets, resizes or closes holds a lock meanwhile
 *	that these wait for.
 *
 * @deliver: Data can be read: a sub-buffer that is complete, whole or, where records were
 *	discarded, or padding lies between the last one and the end reserve, in the pieces there
 *	are, one call for each; with %RELAY_DELIVERY_PACKET, also the records so far of one that is
 *	not complete, as often as there are new ones. Each byte of a buffer is delivered once, in
 *	order, whatever others read; it consumes nothing. Writes in quick succession can come in
 *	one call. What was overwritten before it could be delivered is counted in
 *	&relay_delivery.lost. What is in the stream when the channel is closed is delivered before
 *	relay_close() returns. May write to the channel: from a channel with
 *	%RELAY_DELIVERY_PACKET to itself, for ever.
 *
 *	Runs in a hard interrupt, one call at a time for each buffer; none of relayfs' locks is
 *	held.
 *
 * @user_deliver: A user has written @len bytes with write(2). They were appended to the stream
 *	as one record; or, with %RELAY_DUPLEX, to what kernel readers of the channel read.
 *	@data is a copy that stays as long as the callback runs.
 *
 *	Runs in process context, in the writing task; may sleep, and no lock is held.
 *
 * @buffers_full: A buffer has become full: a record was refused as there was no room
 *	(%RELAY_MODE_NO_OVERWRITE). However many are refused, said again only after a sub-buffer was
 *	begun since. Writers that wait for room do not count before they give up.
 *
 *	Runs in a hard interrupt; none of relayfs' locks is held.
 *
 * @needs_resize: See RELAY_RESIZE_*. @subbuf_size and @n_subbufs are what is suggested, or what the
 *	sizes are now. With %RELAY_RESIZE_EXPAND and %RELAY_RESIZE_SHRINK, the client may call
 *	relay_realloc_buffer() from here. A buffer that stays 3/4 full is told of once. What is
 *	called from here may tell its own end inside. Channels without this callback are resized
 *	by themselves between &rchan_attr.resize_min and &rchan_attr.resize_max.
 *
 *	Runs in process context, in a kernel worker or the caller of relay_realloc_buffer() or
 *	relay_replace_buffer(); may sleep.
 *
 * @fileop_notify: A user does something with a file of the channel. What is returned for
 *	%RELAY_FILE_OPEN and %RELAY_FILE_MAP, if not 0, is the errno the user gets.
 *
 *	Runs in process context, in the user's task; may sleep. With %RELAY_FILE_MAP and
 *	%RELAY_FILE_UNMAP the task's memory map is locked: must not access user memory.
 *
 * @ioctl: An ioctl(2) that is not one of relayfs' own (type 0xE1). What is returned is what the
 *	user gets. Without this callback that is -ENOTTY. From a 32-bit program @arg comes as
 *	compat_ptr() makes it; where structures differ, in_compat_syscall() tells.
 *
 *	Runs in process context, in the user's task; may sleep.
 *
 * @reserved: Must be NULL: for callbacks there may be once. So a client that was built before knows
 *	that it does not want them, and one that is newer than relayfs that it cannot have them:
 *	relay_open() gives -E2BIG.
 *
 * None of them is called when relay_close() has returned, which waits for those that run: do not
 * call it from one. A user may find the files, and so open one, before relay_open() has returned;
 * and a channel may be idle before that.
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
	void (*reserved[8])(void);
};

#endif /* _LINUX_RELAYFS_CALLBACKS_H */
