/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
#ifndef _UAPI_LINUX_RELAYFS_H
#define _UAPI_LINUX_RELAYFS_H

/**
 * DOC: relayfs as user space sees it
 *
 * A channel's CPU files can be mapped read-only, from offset 0: either the first page alone (to
 * learn the geometry) or the whole, &relayfs_meta.data_offset bytes of meta pages followed by
 * &relayfs_meta.subbuf_size * &relayfs_meta.n_subbufs bytes of data. The meta pages begin with one
 * struct relayfs_meta; the struct relayfs_subbuf of slot i follows at
 * sizeof(struct relayfs_meta) + i * &relayfs_meta.desc_size.
 *
 * All words change under the reader. A sub-buffer with sequence number n lives in slot
 * n % n_subbufs; it is readable as long as &relayfs_subbuf.claim >> 17 is n + 1 and bit 16 of
 * it is clear. In overwrite mode check that before and after copying.
 */

#include <linux/ioctl.h>
#include <linux/types.h>

/**
 * define RELAYFS_MAGIC - statfs(2) f_type of a relayfs mount
 */
#define RELAYFS_MAGIC		0x26F82121

/**
 * define RELAYFS_META_RECORDS - in &relayfs_meta.flags: sub-buffers are packets
 *
 * See struct relayfs_packet.
 */
#define RELAYFS_META_RECORDS	0x00002000

/**
 * define RELAYFS_META_VERSION - version of the mapped layout
 */
#define RELAYFS_META_VERSION	1

/**
 * DOC: why a record was not written
 *
 * Index into &relayfs_meta.lost.
 *
 * * %RELAYFS_LOST_FULL: no free sub-buffer, in no-overwrite mode
 * * %RELAYFS_LOST_TOO_BIG: larger than a sub-buffer holds
 * * %RELAYFS_LOST_NESTED: nested too deep: unfinished writers in all sub-buffers
 * * %RELAYFS_LOST_CLOSED: the channel is closed
 * * %RELAYFS_LOST_HELD: readers are in all sub-buffers
 * * %RELAYFS_LOST_NO_BUFFER: by the CPU before it got this buffer
 * * %RELAYFS_LOST_NMI: locking scheme, and the writer was an NMI
 */
#define RELAYFS_LOST_FULL	0
#define RELAYFS_LOST_TOO_BIG	1
#define RELAYFS_LOST_NESTED	2
#define RELAYFS_LOST_CLOSED	3
#define RELAYFS_LOST_HELD	4
#define RELAYFS_LOST_NO_BUFFER	5
#define RELAYFS_LOST_NMI	6
#define RELAYFS_LOST_CAUSES	7

/**
 * DOC: in place of the number of a CPU
 *
 * * %RELAYFS_CPU_NONE: of a global buffer
 * * %RELAYFS_CPU_ALL: of all buffers
 */
#define RELAYFS_CPU_NONE	0xffffffff
#define RELAYFS_CPU_ALL		0xfffffffe

/**
 * struct relayfs_lost - what was lost for one cause
 * @records: number of records
 * @bytes: their payload, in bytes
 */
struct relayfs_lost {
	__u64 records;
	__u64 bytes;
};

/**
 * struct relayfs_count - a number of records
 * @records: number of records
 * @bytes: their payload, in bytes
 */
struct relayfs_count {
	__u64 records;
	__u64 bytes;
};

/**
 * struct relayfs_meta - head of the mapped meta pages
 * @magic: RELAYFS_MAGIC
 * @version: RELAYFS_META_VERSION
 * @data_offset: bytes from the start of the mapping to the first sub-buffer
 * @subbuf_size: bytes in a sub-buffer, a power of two
 * @n_subbufs: sub-buffers, a power of two
 * @desc_size: bytes in a struct relayfs_subbuf
 * @cpu: the CPU whose buffer this is, 0xffffffff for a global buffer
 * @flags: the channel's RELAY_* flags
 * @generation: number of this buffer among those the file has had. Changes to the number of the
 *	present one when that is another and all is in place that was ever written to this: read
 *	what is left, then map again. Positions of the next buffer go on from @write_pos, its counts
 *	begin at 0. Who consumes is given the buffer it is to read next, which may be one that has
 *	ended: see @write_pos
 * @start_reserve: bytes at the start of each sub-buffer that are the client's
 * @end_reserve: bytes at the end of each sub-buffer that are the client's
 * @reserved: zero
 * @write_pos: position of the next record: free-running bytes; write_pos / subbuf_size is the
 *	sequence number of the current sub-buffer. Bit 63: nothing more will be written here, and
 *	the buffer behind the file is another; when all before this position is delivered, too, map
 *	again
 * @writer_time: internal
 * @pad0: zero
 * @delivered: sub-buffers with a lower sequence number are complete
 * @delivered_records: records in them; those of the next may be among them already
 * @delivered_bytes: their payload, in bytes; as @delivered_records
 * @deliver_state: internal
 * @before: what is in them exactly: entry @delivered % 2, if @delivered is the same before and
 *	after
 * @lost: records that could not be written, by RELAYFS_LOST_*; the rest is zero
 * @consumed: the consumer has read everything below this position
 * @read_records: records the consumer has read
 * @read_bytes: their payload, in bytes
 * @overwritten_records: records the consumer has noticed to be overwritten before it read them
 * @overwritten_bytes: their payload, in bytes
 * @pad2: zero
 *
 * All counts are of this buffer alone, not of those the file had before. None goes back. They are
 * stored one after the other, so no two are of one moment, but for: @before, as said; the counts of
 * the consumer, which are at least as new as a @consumed that was loaded before them, with acquire;
 * and those of a struct relayfs_subbuf, as long as it is readable. RELAY_IOC_GET_INFO gives counts
 * that go together.
 */
struct relayfs_meta {
	__u32 magic;
	__u32 version;
	__u64 data_offset;
	__u64 subbuf_size;
	__u32 n_subbufs;
	__u32 desc_size;
	__u32 cpu;
	__u32 flags;
	__u64 generation;
	__u32 start_reserve;
	__u32 end_reserve;
	__u64 reserved[9];
	__u64 write_pos;
	__u64 writer_time;
	__u64 pad0[6];
	__u64 delivered;
	__u64 delivered_records;
	__u64 delivered_bytes;
	__u64 deliver_state;
	struct relayfs_count before[2];
	struct relayfs_lost lost[8];
	__u64 consumed;
	__u64 read_records;
	__u64 read_bytes;
	__u64 overwritten_records;
	__u64 overwritten_bytes;
	__u64 pad2[11];
};

/**
 * struct relayfs_subbuf - one slot of the ring, as mapped
 * @commit: committed bytes in the low half, records in the high half, both free-running; the
 *	difference to @base is what is committed to the present sub-buffer
 * @base: see @commit
 * @seq: sequence number of the sub-buffer opened last in this slot, plus 1
 * @closed_at: position at which a sub-buffer was closed before it was full
 * @holes: position + 1 of the newest hole (discarded bytes), if that lies in the sub-buffer.
 *	A hole's first 8 bytes are its length and the offset + 1 of the hole before it (0: none), 32
 *	bits each. Of packets (RELAY_FORMAT_RECORDS) a length is a multiple of 8, the bits below are
 *	internal, and those discarded behind the last event are in the list, but behind @data_len
 * @begin: when the sub-buffer was opened, by the channel's clock (RELAY_TIMESTAMP_* in
 *	&relayfs_meta.flags; usually ns of CLOCK_MONOTONIC)
 * @end: when the last of it was written; of packets (RELAY_FORMAT_RECORDS) when it was closed
 * @data_len: once delivered: offset of the end of the data, holes included; padding follows, and
 *	the end reserve
 * @records: once delivered: records
 * @bytes: once delivered: payload, in bytes
 * @first_record: once delivered: records in all sub-buffers before
 * @first_byte: once delivered: payload bytes in all sub-buffers before
 * @claim: sequence number the slot belongs to, plus 1 (from bit 17), bit 16: skipped
 * @data_start: offset of the first record
 * @reserved: zero
 */
struct relayfs_subbuf {
	__u64 commit;
	__u64 base;
	__u64 seq;
	__u64 closed_at;
	__u64 holes;
	__u64 begin;
	__u64 end;
	__u64 data_len;
	__u64 records;
	__u64 bytes;
	__u64 first_record;
	__u64 first_byte;
	__u64 claim;
	__u64 data_start;
	__u64 reserved[2];
};

/**
 * define RELAYFS_OFF_CONSUMER - offset at which the consumer page of a CPU file is mapped
 */
#define RELAYFS_OFF_CONSUMER	(1ULL << 40)

/**
 * struct relayfs_consumer - the consumer page: how far a consumer has come that reads a mapping
 * @position: everything before was consumed
 * @lost_records: records it has found missing before that
 * @lost_bytes: their payload, in bytes
 * @reserved: zero
 *
 * One page at RELAYFS_OFF_CONSUMER, for a descriptor that consumes a CPU file alone (O_RDWR |
 * O_EXCL, else EPERM or EACCES): PROT_READ | PROT_WRITE, MAP_SHARED (else EINVAL). All zero when
 * it is mapped first; further mappings by the same open file description are the same page.
 *
 * The user writes it, the kernel only reads it. Who has read the data stores @position with
 * release; then what is before is consumed, as if read(2) had given it: writers of a no-overwrite
 * channel get the room when they need it, without a system call of anybody's. It is a position as
 * &relayfs_meta.write_pos is, of any byte: room is made when all of a sub-buffer is consumed, and
 * read(2) goes on at that byte; of packets only whole ones are consumed. A position that is below
 * &relayfs_meta.consumed says nothing: so read(2), RELAY_IOC_CONSUME and a reset may go ahead of
 * it, and positions that go backwards consume nothing twice. One that is beyond what can be read
 * consumes all that can. Whatever is stored there, only who stores it can lose data by it.
 *
 * poll(2), read(2), RELAY_IOC_GET_INFO and all others who ask take the consumer to be at
 * @position; the words of &relayfs_meta from @consumed on follow when somebody asks, and at
 * intervals.
 *
 * In overwrite mode writers do not look at it: check the sub-buffers as for any mapping. What was
 * found to be gone is added to @lost_records and @lost_bytes before @position is stored: it counts
 * as overwritten, and all else before @position as read. In no-overwrite mode nothing is gone but
 * by a reset.
 *
 * After a resize positions go on in the next buffer, and so does the page. Unmapping it changes
 * nothing: the last position counts. When the last descriptor and all its mappings are gone, who
 * consumes next goes on from there.
 */
struct relayfs_consumer {
	__u64 position;
	__u64 lost_records;
	__u64 lost_bytes;
	__u64 reserved[5];
};

/**
 * define RELAYFS_PACKET_MAGIC - of struct relayfs_packet
 */
#define RELAYFS_PACKET_MAGIC	0xC1FC1FC1

/**
 * define RELAYFS_PACKET_VERSION - version of packets and events
 */
#define RELAYFS_PACKET_VERSION	1

/**
 * struct relayfs_packet - begins a sub-buffer of a channel of records
 * @magic: RELAYFS_PACKET_MAGIC
 * @uuid: of the trace, as in the metadata
 * @stream_id: 0
 * @packet_size: bits in the packet as it is read
 * @content_size: bits of it up to the end of the last event
 * @timestamp_begin: when the sub-buffer was entered, by the channel's clock
 * @timestamp_end: when it was complete
 * @events_discarded: events this buffer has refused so far; free-running
 * @packet_seq_num: sequence number of the sub-buffer
 * @cpu_id: the CPU, 0xffffffff for a global buffer
 * @reserved: zero
 *
 * A packet of CTF 1.8, in the byte order of the machine; what is in it is aligned to its start, and
 * read(2) gives one right behind the other. "<path>.d/metadata" says the same to readers of CTF.
 * All of it is valid once the sub-buffer is delivered.
 */
struct relayfs_packet {
	__u32 magic;
	__u8 uuid[16];
	__u32 stream_id;
	__u64 packet_size;
	__u64 content_size;
	__u64 timestamp_begin;
	__u64 timestamp_end;
	__u64 events_discarded;
	__u64 packet_seq_num;
	__u32 cpu_id;
	__u32 reserved;
};

/**
 * struct relayfs_event - begins an event
 * @timestamp: when it was reserved, by the channel's clock
 * @id: which event of the schema
 * @len: bytes of its fields, which follow
 *
 * Events begin at multiples of 8.
 */
struct relayfs_event {
	__u64 timestamp;
	__u32 id;
	__u32 len;
};

/*
 * ioctls of "<path>" and of the CPU files. Others of this type fail with ENOTTY; those of other
 * types are the channel's client's. They belong to the open file description: descriptors from
 * dup(2) and fork(2) share them. All structures are the same for 32-bit programs.
 *
 * What is written to "<path>", if the channel allows that, is one record per write(2): at most as
 * long as a sub-buffer has room for (else EMSGSIZE), all of it or nothing.
 */
#define RELAY_IOC_MAGIC			0xE1

/*
 * From now on read without consuming, from positions of one's own, beginning with the oldest data
 * there is. Only before the first read and only once: else EBUSY, as with O_EXCL.
 */
#define RELAY_IOC_OBSERVE		_IO(RELAY_IOC_MAGIC, 0)

/*
 * What was overwritten before this descriptor read it, since the channel was opened; for those who
 * consume the count is the one they share.
 */
#define RELAY_IOC_GET_LOST		_IOR(RELAY_IOC_MAGIC, 1, struct relayfs_lost)

/*
 * How many unread bytes of a buffer wake this descriptor when it waits: at most as many as the
 * buffer has (else EINVAL), padding and discarded space included. 0: as the channel has it.
 */
#define RELAY_IOC_SET_WATERMARK		_IOW(RELAY_IOC_MAGIC, 2, __u64)

/*
 * How many milliseconds this descriptor may wait while there is less than the watermark: at most
 * 60000 (else EINVAL). 0: as the channel has it.
 */
#define RELAY_IOC_SET_FLUSH_INTERVAL	_IOW(RELAY_IOC_MAGIC, 3, __u32)

/*
 * Ends the current sub-buffer of the CPU file's buffer, of "<path>" those of all buffers, and wakes
 * who waits. Gives a time by the channel's clock (0: it has none): what was written before can be
 * read now, and by those who map, but for sub-buffers with a record that was reserved and is not
 * committed: those follow when it is. A sub-buffer in which nothing was written is not ended.
 */
#define RELAY_IOC_FLUSH			_IOR(RELAY_IOC_MAGIC, 4, __u64)

/*
 * Throws away what was written so far to the CPU file's buffer, of "<path>" to all: readers of all
 * kinds go on with what is written from now on. Counters go on; what was thrown away before it was
 * read counts as overwritten. For descriptors that consume; one that has not read yet does so from
 * now on. EPERM: it observes. EBUSY: somebody else consumes alone.
 */
#define RELAY_IOC_RESET			_IO(RELAY_IOC_MAGIC, 5)

/**
 * define RELAYFS_STATE_CLOSED - in &relayfs_info.state: nothing will be written any more
 */
#define RELAYFS_STATE_CLOSED	0x1

/**
 * struct relayfs_info - what a channel, or one buffer of it, is like now
 * @size: sizeof(struct relayfs_info), set by the caller; how much of it was filled in, by the call
 * @flags: the channel's RELAY_* flags, with the defaults filled in
 * @subbuf_size: bytes in a sub-buffer
 * @n_subbufs: sub-buffers in a buffer
 * @n_buffers: buffers it has; 1 of a CPU file
 * @cpu: of a CPU file: the CPU, or RELAYFS_CPU_NONE of a global buffer; of "<path>" RELAYFS_CPU_ALL
 * @state: RELAYFS_STATE_*
 * @generation: how often it was resized
 * @start_reserve: bytes at the start of each sub-buffer that are the client's
 * @end_reserve: bytes at the end of each sub-buffer that are the client's
 * @channel_start_reserve: bytes more that are the client's at the start of the first
 * @flush_interval_ms: how long data may wait for the watermark, unless a descriptor says otherwise
 * @watermark: how many unread bytes wake who waits, unless a descriptor says otherwise; if the
 *	channel's is one in sub-buffers, as long as so many are
 * @readers: open descriptors of the channel's data files
 * @observers: those of them that observe
 * @current_seq: of a CPU file: sequence number of the sub-buffer that is written; else 0
 * @subbufs_produced: sub-buffers that were completed
 * @subbufs_consumed: those that were consumed, or overwritten before
 * @wakeups: how often readers were woken
 * @produced: what was written
 * @read: what was consumed
 * @overwritten: what was overwritten, or thrown away, before it was consumed
 * @unread: what is still there to be consumed
 * @lost: what could not be written, by RELAYFS_LOST_*; the rest is zero
 *
 * Always @produced = @read + @overwritten + @unread, of which none is more than there really was,
 * and @unread no more than the buffers hold. What is done before is counted; what is done at the
 * same time may not be. From one call to the next only @unread falls. Of a piece of a stream that
 * is read bit by bit the bytes count as read at once, its records when all of it is.
 */
struct relayfs_info {
	__u32 size;
	__u32 flags;
	__u64 subbuf_size;
	__u32 n_subbufs;
	__u32 n_buffers;
	__u32 cpu;
	__u32 state;
	__u64 generation;
	__u32 start_reserve;
	__u32 end_reserve;
	__u32 channel_start_reserve;
	__u32 flush_interval_ms;
	__u64 watermark;
	__u32 readers;
	__u32 observers;
	__u64 current_seq;
	__u64 subbufs_produced;
	__u64 subbufs_consumed;
	__u64 wakeups;
	struct relayfs_count produced;
	struct relayfs_count read;
	struct relayfs_count overwritten;
	struct relayfs_count unread;
	struct relayfs_lost lost[8];
};

/*
 * Fills in the structure, whose size the caller sets; all else in it is zero before the call. The
 * structure may grow: of an older, smaller one as much is filled in as it has; of a newer one as
 * much as this kernel knows, and &relayfs_info.size says how much that was. The number of the ioctl
 * may be that of any version. EINVAL: the size is less than that of the first version, or no
 * multiple of 8. E2BIG: it is more than 4096, or something is not zero that this kernel does not
 * know.
 */
#define RELAY_IOC_GET_INFO		_IOWR(RELAY_IOC_MAGIC, 6, struct relayfs_info)

/*
 * Of a CPU file: all before this position is consumed, as if it were read. For who reads a mapping
 * and did not open the file with O_EXCL, or has no consumer page: in no-overwrite mode writers get
 * the room. Positions are those of the mapping. No more is consumed than can be read, and a
 * position that was passed changes nothing. Errors as of RELAY_IOC_RESET; EINVAL: of "<path>".
 */
#define RELAY_IOC_CONSUME		_IOW(RELAY_IOC_MAGIC, 7, __u64)

#endif /* _UAPI_LINUX_RELAYFS_H */
