// SPDX-License-Identifier: GPL-2.0

//! The words writers and readers share, laid out as user space maps them.
//!
//! A buffer's meta pages hold one [`Head`], then one [`Subbuf`] per sub-buffer; the data pages
//! follow. User space may map all of it, read-only, so nothing here is ever written from outside
//! the kernel. The same layout is `struct relayfs_meta` and `struct relayfs_subbuf` in
//! `include/uapi/linux/relayfs.h`; the assertions below and in that header's user keep both equal.
//! All of it begins as zeroes, which is what `Default` gives.

use crate::ring::sync::AtomicU64;
#[cfg(not(loom))]
use core::mem::{offset_of, size_of};

/// What the buffer is; written once, before anyone else can see it.
#[derive(Default)]
#[repr(C)]
pub(crate) struct About {
    pub(crate) magic: u32,
    pub(crate) version: u32,
    /// Bytes from the start of the mapping to the data.
    pub(crate) data_offset: u64,
    pub(crate) subbuf_size: u64,
    pub(crate) n_subbufs: u32,
    /// Size of one [`Subbuf`].
    pub(crate) desc_size: u32,
    /// The owning CPU, or `u32::MAX` for a global buffer.
    pub(crate) cpu: u32,
    /// The channel's attribute flags.
    pub(crate) flags: u32,
    /// Changes when the buffer behind the file is replaced.
    pub(crate) generation: u64,
    /// Bytes of the client's at the start and the end of each sub-buffer.
    pub(crate) start_reserve: u32,
    pub(crate) end_reserve: u32,
    pub(crate) reserved: [u64; 9],
}

/// Why a record was not written. The order is that of `lost[]` in the mapped head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Cause {
    /// No free sub-buffer, in no-overwrite mode.
    Full = 0,
    /// Larger than a sub-buffer can hold.
    TooBig = 1,
    /// Nested too deep: the next sub-buffer is in use by a writer this one interrupted.
    Nested = 2,
    /// The channel is closed.
    Closed = 3,
    /// Readers are in all sub-buffers.
    Held = 4,
    /// The CPU has no buffer; nothing a ring finds, but counted in it when it comes later.
    NoBuffer = 5,
    /// The scheme is locking, and the writer an NMI.
    Nmi = 6,
}

/// Number of [`Cause`]s.
pub(crate) const CAUSES: usize = 7;

/// Places for them in the mapped head.
const LOST: usize = 8;

/// Records and bytes lost for one cause.
#[derive(Default)]
#[repr(C)]
pub(crate) struct Lost {
    pub(crate) records: AtomicU64,
    pub(crate) bytes: AtomicU64,
}

/// The writers' cache line.
#[derive(Default)]
#[repr(C, align(64))]
pub(crate) struct WriterLine {
    /// Where the next record will be reserved. Written by writers on the owning CPU (on any CPU
    /// for a shared ring), read by all. Never stale for its writers.
    pub(crate) pos: AtomicU64,
    /// The latest time a writer was given.
    pub(crate) time: AtomicU64,
}

/// Changed once per sub-buffer, by the context that delivers.
#[derive(Default)]
#[repr(C, align(64))]
pub(crate) struct DeliverLine {
    /// Sub-buffers below this sequence number are delivered (or were skipped).
    pub(crate) seq: AtomicU64,
    /// Records in all delivered sub-buffers.
    pub(crate) records: AtomicU64,
    /// Their payload bytes: no padding, nothing discarded.
    pub(crate) bytes: AtomicU64,
    /// 0 nobody delivers, 1 somebody does, 2 somebody does and must look again.
    pub(crate) state: AtomicU64,
    /// What came before sub-buffer `seq`, in place `seq % 2`; in the other one what comes before the
    /// next is put down while `seq` is delivered.
    pub(crate) before: [Before; 2],
}

/// What came before a sub-buffer.
#[derive(Default)]
#[repr(C)]
pub(crate) struct Before {
    pub(crate) records: AtomicU64,
    pub(crate) bytes: AtomicU64,
}

impl DeliverLine {
    /// Where what comes before sub-buffer `seq` is put down.
    pub(super) fn before(&self, seq: u64) -> &Before {
        let [even, odd] = &self.before;
        if seq & 1 == 0 {
            even
        } else {
            odd
        }
    }
}

/// Changed by the consumer.
#[derive(Default)]
#[repr(C, align(64))]
pub(crate) struct ConsumerLine {
    /// Everything below this position was consumed. In no-overwrite mode writers stop here.
    pub(crate) pos: AtomicU64,
    /// Records consumed.
    pub(crate) records: AtomicU64,
    /// Payload bytes consumed.
    pub(crate) bytes: AtomicU64,
    /// Records overwritten before the consumer reached them, as far as it has noticed.
    pub(crate) lost_records: AtomicU64,
    /// Their payload bytes.
    pub(crate) lost_bytes: AtomicU64,
}

/// The head of the meta pages.
#[derive(Default)]
#[repr(C)]
pub(crate) struct Head {
    pub(crate) about: About,
    pub(crate) writer: WriterLine,
    pub(crate) deliver: DeliverLine,
    pub(crate) lost: [Lost; LOST],
    pub(crate) consumer: ConsumerLine,
    pub(crate) reserved: [u64; 8],
}

impl Head {
    /// Takes over all but what the buffer is, by `copy(from, to)`.
    pub(super) fn take_over(&self, old: &Self, copy: impl Fn(&AtomicU64, &AtomicU64)) {
        copy(&old.writer.pos, &self.writer.pos);
        copy(&old.writer.time, &self.writer.time);
        let (from, to) = (&old.deliver, &self.deliver);
        copy(&from.seq, &to.seq);
        copy(&from.records, &to.records);
        copy(&from.bytes, &to.bytes);
        copy(&from.state, &to.state);
        for (from, to) in from.before.iter().zip(&to.before) {
            copy(&from.records, &to.records);
            copy(&from.bytes, &to.bytes);
        }
        for (from, to) in old.lost.iter().zip(&self.lost) {
            copy(&from.records, &to.records);
            copy(&from.bytes, &to.bytes);
        }
        let (from, to) = (&old.consumer, &self.consumer);
        copy(&from.pos, &to.pos);
        copy(&from.records, &to.records);
        copy(&from.bytes, &to.bytes);
        copy(&from.lost_records, &to.lost_records);
        copy(&from.lost_bytes, &to.lost_bytes);
    }
}

/// One sub-buffer's state. A word tagged with a sequence number needs no reset when the slot is
/// used again: a tag that does not match means "not set in this lap".
#[derive(Default)]
#[repr(C, align(64))]
pub(crate) struct Subbuf {
    /// Committed bytes in the low half, committed records in the high half, both free-running;
    /// the difference to `base` is what was committed in this lap. Written by writers.
    pub(crate) commit: AtomicU64,
    /// `commit` when this lap was opened. Written by the opener before it sets `seq`.
    pub(crate) base: AtomicU64,
    /// Sequence number the slot was last opened for, plus 1. Written by the opener.
    pub(crate) seq: AtomicU64,
    /// Position at which the sub-buffer was closed before it was full, if that lies in this lap.
    pub(crate) closed_at: AtomicU64,
    /// Position + 1 of the newest hole, if that lies in this lap.
    pub(crate) holes: AtomicU64,
    /// When the sub-buffer was opened and, once delivered, when its last commit had landed, by the
    /// channel's clock. The latter is 0 until it is known.
    pub(crate) begin: AtomicU64,
    /// See `begin`.
    pub(crate) end: AtomicU64,
    /// Once delivered: offset of the end of the data.
    pub(crate) data_len: AtomicU64,
    /// Once delivered: records in this sub-buffer.
    pub(crate) records: AtomicU64,
    /// Once delivered: payload bytes in this sub-buffer.
    pub(crate) bytes: AtomicU64,
    /// Once delivered: records in all sub-buffers before this one.
    pub(crate) first_record: AtomicU64,
    /// Once delivered: payload bytes in all sub-buffers before this one.
    pub(crate) first_byte: AtomicU64,
    /// Who may use the slot: see `ring::claim`. Written by writers and readers of any CPU.
    pub(crate) claim: AtomicU64,
    /// Offset of the first record: what is before is the client's. Written by the opener.
    pub(crate) data_start: AtomicU64,
    pub(crate) reserved: [u64; 2],
}

impl Subbuf {
    /// Takes over all of it, by `copy(from, to)`.
    pub(super) fn take_over(&self, old: &Self, copy: impl Fn(&AtomicU64, &AtomicU64)) {
        copy(&old.commit, &self.commit);
        copy(&old.base, &self.base);
        copy(&old.seq, &self.seq);
        copy(&old.closed_at, &self.closed_at);
        copy(&old.holes, &self.holes);
        copy(&old.begin, &self.begin);
        copy(&old.end, &self.end);
        copy(&old.data_len, &self.data_len);
        copy(&old.records, &self.records);
        copy(&old.bytes, &self.bytes);
        copy(&old.first_record, &self.first_record);
        copy(&old.first_byte, &self.first_byte);
        copy(&old.claim, &self.claim);
        copy(&old.data_start, &self.data_start);
    }
}

// A model checker's atomics are larger.
#[cfg(not(loom))]
const _: () = {
    assert!(size_of::<About>() == 128);
    assert!(offset_of!(Head, writer) == 128);
    assert!(offset_of!(Head, deliver) == 192);
    assert!(offset_of!(Head, lost) == 256);
    assert!(offset_of!(Head, consumer) == 384);
    assert!(size_of::<Head>() == 512);
    assert!(size_of::<Subbuf>() == 128);
    // What readers write is not in the line of what writers write all the time.
    assert!(offset_of!(Subbuf, commit) == 0);
    assert!(offset_of!(Subbuf, claim) >= 64);
};
