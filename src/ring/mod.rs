// SPDX-License-Identifier: GPL-2.0

//! The ring: lock-free, written from any context, read without being torn.
//!
//! # Glossary
//!
//! *Ring*: a power of two of *sub-buffers* of equal size. *Position*: free-running count of bytes;
//! its high part is the *sequence number* of a sub-buffer, its low part the *offset* in it. *Slot*
//! (of the ring): where a sub-buffer lives, its sequence number modulo their count; one trip round
//! the ring is a *lap*. *Reserve*: move the position past a record. *Commit*: add the record's
//! length to the sub-buffer's commit word. A sub-buffer is *whole* when as much was committed as it
//! is long, and *delivered* when all before it are delivered too. *Claim*: decide that a slot will
//! be used for a sequence number. *Hold*: keep a slot from being claimed while reading it. *Run*:
//! what a reader takes at a time. *Hole*: discarded bytes.
//!
//! # States of a sub-buffer
//!
//! ```text
//!            decide             first reserve            flush, or no room
//! (free) ───────────▶ claimed ────────────────▶ open ───────────────────────▶ closed
//!    │                                            │ last byte reserved            │
//!    │ held by a reader                           ▼                               │ last commit
//!    └──────────────▶ skipped                   full ──────── last commit ────────┤
//!                        │                                                        ▼
//!                        └────────────── in order ──────────▶ delivered ◀─────── whole
//! ```
//!
//! A delivered slot is free again: at once in overwrite mode, when consumed otherwise.
//!
//! # One picture
//!
//! ```text
//!   seq:   8           9           10          11        (12)
//!        ┌───────────┬───────────┬───────────┬───────────┐
//!        │AAAABBBBCC.│DDDDDDDDDDD│EEE--EEEE..│FFFF░░     │     . padding   - hole   ░ reserved
//!        └───────────┴───────────┴───────────┴───────────┘
//!              ▲ consumer                          ▲ position
//!          held: not claimed for 12 before the consumer has left
//! ```
//!
//! # Use
//!
//! ```ignore
//! if let Some(slot) = ring.try_reserve(len) { /* fill */ ring.commit(slot, &()); }
//! while ring.advance(&mut cursor) { let n = ring.peek(&cursor).len(); ring.consume(&mut cursor, n); }
//! ```
//!
//! Orderings carry labels (`ORDERING: commit:A`); `Documentation/design/ordering.rst` lists them
//! with their partners. The ring allocates nothing, calls nobody but the [`Hooks`] it is given, and
//! knows nothing of waiting: what must be told to readers is returned ([`Committed::Notify`]).

/// A place where an interrupt may bring another writer; the tests do, at each. The places:
///
/// | | |
/// |---|---|
/// | A | nothing read yet |
/// | B | a position was read and may grow old |
/// | C | reserved, not filled |
/// | D | filled, not committed |
/// | E | committed, not delivered |
/// | F | the slot is decided, the position not moved |
/// | G | the position moved into a sub-buffer that is not described yet |
/// | H | the position moved out of a sub-buffer whose padding is not committed |
/// | I | the slot is free and not decided |
/// | J | a sub-buffer is whole, nobody delivers it yet |
/// | K | nothing more to deliver, but still delivering |
/// | L | counted, not delivered |
/// | M | a hole is described, not in the list |
/// | P | the time is later than the latest there was, and is not told yet |
/// | Q | a sub-buffer is whole, and not written down when |
///
/// Two more are the hooks': N, a sub-buffer was opened, and O, it is whole and nobody can read it.
macro_rules! nesting_point {
    ($label:ident) => {
        #[cfg(test)]
        crate::ring::tests::at(stringify!($label));
    };
}

mod claim;
mod clock;
mod consume;
mod copy;
mod cursor;
mod deliver;
mod event;
mod hole;
mod hooks;
mod layout;
mod mapped;
mod pos;
mod reserve;
mod retire;
mod spec;
mod stats;
mod switch;
pub(crate) mod sync;
mod unpack;

#[cfg(any(test, fuzzing))]
pub(crate) mod tests;

pub(crate) use self::clock::Clock;
pub(crate) use self::copy::{LONG_COPY, WORD};
pub(crate) use self::cursor::{Count, Cursor};
#[allow(unused_imports)]
pub(crate) use self::event::{packet_in, Packet, EVENT_HEADER, PACKET_HEADER};
#[allow(unused_imports)]
pub(crate) use self::hooks::Reserve;
pub(crate) use self::hooks::{Hooks, Opened, Whole};
pub(crate) use self::layout::{About, Cause, Head, Subbuf};
pub(crate) use self::mapped::Mapped;
pub(crate) use self::pos::Geometry;
pub(crate) use self::reserve::{Added, Committed, Slot};
#[cfg(not(MODULE))]
pub(crate) use self::retire::End;
use self::spec::Format;
pub(crate) use self::spec::{Delivery, Reserves, Spec};
pub(crate) use self::stats::{Progress, Said, Stats};
pub(crate) use self::sync::{now, Locked, Owner, Rmw, Shared};
#[allow(unused_imports)]
pub(crate) use self::unpack::{left_behind, Made};

use self::claim::Claim;
use self::event::SPARE;
use self::sync::{AtomicU64, Ordering};
use core::marker::PhantomData;
use core::ptr::NonNull;
use core::sync::atomic::AtomicPtr;

/// A ring over memory somebody else owns.
///
/// # Invariants
///
/// * `head` is valid, and `subbufs` points to `geo.n_subbufs()` valid descriptors, all zeroed when
///   the ring was made and since then changed by rings only.
/// * `data` is valid for reads and writes of `geo.ring_size()` bytes.
/// * Both stay so as long as the ring.
/// * With `R = Owner`, the methods of writers are called on one CPU only, not preempted.
#[repr(C, align(64))]
pub(crate) struct Ring<R> {
    head: NonNull<Head>,
    subbufs: NonNull<Subbuf>,
    data: NonNull<u8>,
    geo: Geometry,
    /// Usable size of a sub-buffer - 1, or 0 when the ring is closed.
    room: AtomicU64,
    /// A commit after which these bits of the commit word are 0 is worth a look.
    notify_mask: AtomicU64,
    overwrite: bool,
    clock: Clock,
    reserves: Reserves,
    /// Readers take no part of a sub-buffer.
    whole_only: bool,
    /// Bytes of a sub-buffer that are used; what is behind them counts as padding.
    limit: u64,
    /// Sub-buffers with a lower sequence number were thrown away by a reset.
    first: AtomicU64,
    /// Number of the sub-buffer with which it follows another ring, plus 1.
    continued: AtomicU64,
    /// The sub-buffer that begins with the channel's start reserve.
    channel_start: AtomicU64,
    format: Format,
    /// As `room`, of a ring of events, whose `room` is 0: so nothing else gets in.
    event_room: AtomicU64,
    /// Number of the next packet.
    packets: AtomicU64,
    /// Records refused in the rings before.
    refused_before: AtomicU64,
    /// What a consumer says that has mapped it, or null.
    mapped: AtomicPtr<Mapped>,
    _rmw: PhantomData<R>,
}

#[cfg(not(loom))]
const _: () = {
    // All that a common write needs to know is in one cache line.
    assert!(core::mem::offset_of!(Ring<Owner>, notify_mask) == 56);
};

// SAFETY: All shared state is in atomics; bytes are written by the one owner of a reservation and
// read only once committed and while held, as the modules above argue.
unsafe impl<R> Send for Ring<R> {}
// SAFETY: As above.
unsafe impl<R> Sync for Ring<R> {}

impl<R: Rmw> Ring<R> {
    /// Makes a ring.
    ///
    /// # Safety
    ///
    /// The memory must satisfy the type invariants, and with `R = Owner` so must all callers.
    pub(crate) unsafe fn new(
        head: NonNull<Head>,
        subbufs: NonNull<Subbuf>,
        data: NonNull<u8>,
        spec: Spec,
    ) -> Self {
        let geo = spec.geo;
        // INVARIANT: By the safety requirements.
        let ring = Self {
            head,
            subbufs,
            data,
            geo,
            room: AtomicU64::new(0),
            notify_mask: AtomicU64::new(Spec::mask(geo, spec.whole_only, spec.delivery)),
            overwrite: spec.overwrite,
            clock: spec.clock,
            reserves: spec.reserves,
            whole_only: spec.whole_only,
            limit: spec.limit,
            first: AtomicU64::new(0),
            continued: AtomicU64::new(0),
            channel_start: AtomicU64::new(0),
            format: spec.format,
            event_room: AtomicU64::new(0),
            packets: AtomicU64::new(0),
            refused_before: AtomicU64::new(0),
            mapped: AtomicPtr::new(core::ptr::null_mut()),
            _rmw: PhantomData,
        };
        let room = ring.usable().wrapping_sub(1);
        ring.used_room().store(room, Ordering::Relaxed);
        ring
    }

    /// What it is like, but for its delivery, which may have changed.
    fn spec(&self) -> Spec {
        Spec {
            geo: self.geo,
            overwrite: self.overwrite,
            delivery: Delivery::Bulk,
            reserves: self.reserves,
            clock: self.clock,
            whole_only: self.whole_only,
            format: self.format,
            limit: self.limit,
        }
    }

    /// The room for what the ring is made for.
    fn used_room(&self) -> &AtomicU64 {
        if self.is_records() {
            &self.event_room
        } else {
            &self.room
        }
    }

    /// Bytes at the end of each sub-buffer that are the client's.
    pub(crate) fn end_reserve(&self) -> u32 {
        self.reserves.end
    }

    /// The longest record: as long as the sub-buffer with the largest reserves has room for.
    pub(crate) fn max_record(&self) -> u64 {
        let most = self
            .usable()
            .wrapping_sub(self.reserves.start.into())
            .wrapping_sub(self.reserves.channel_start.into());
        // The reserves leave room for an event's header.
        most.wrapping_sub(self.slot_at(0, 0).len)
    }

    pub(crate) fn overwrites(&self) -> bool {
        self.overwrite
    }

    /// Whether what is in the current sub-buffer reaches readers only when that has ended.
    pub(crate) fn is_whole_only(&self) -> bool {
        self.whole_only
    }

    /// The position at which readers can read what lies before `pos`.
    pub(crate) fn readable_at(&self, pos: u64) -> u64 {
        if !self.whole_only {
            return pos;
        }
        let last = self.geo.subbuf_size().wrapping_sub(1);
        self.geo.start(self.geo.seq(pos.wrapping_add(last)))
    }

    /// Bytes of a sub-buffer before its end reserve, or before what is not used.
    pub(crate) fn usable(&self) -> u64 {
        let spare = if self.is_records() { SPARE } else { 0 };
        self.limit
            .wrapping_sub(self.reserves.end.into())
            .wrapping_sub(spare)
    }

    /// Where the first record of sub-buffer `seq` is to begin.
    fn data_start(&self, seq: u64) -> u64 {
        let start = u64::from(self.reserves.start);
        if seq == self.channel_start.load(Ordering::Relaxed) {
            start.wrapping_add(self.reserves.channel_start.into())
        } else {
            start
        }
    }

    /// From now on refuses to reserve. Writers that reserved before may still commit.
    pub(crate) fn close(&self) {
        self.used_room().store(0, Ordering::Relaxed);
    }

    /// Changes which commits are worth a look. Writers that are at work may not know it yet.
    pub(crate) fn set_delivery(&self, delivery: Delivery) {
        let mask = Spec::mask(self.geo, self.whole_only, delivery);
        self.notify_mask.store(mask, Ordering::Relaxed);
    }

    pub(crate) fn geometry(&self) -> Geometry {
        self.geo
    }

    /// Where the next record will be reserved.
    pub(crate) fn written_pos(&self) -> u64 {
        // ORDERING: reserve:B
        self.pos(Ordering::Acquire)
    }

    /// How far the consumer has come, as it has published it.
    pub(crate) fn consumer_pos(&self) -> u64 {
        // ORDERING: consume:B
        self.head().consumer.pos.load(Ordering::Acquire)
    }

    /// Whether readers may have seen sub-buffer `seq` as delivered.
    pub(crate) fn is_delivered(&self, seq: u64) -> bool {
        self.head().deliver.seq.load(Ordering::Relaxed) > seq
    }

    /// Publishes how far the consumer has come, and what it has read and missed here.
    pub(crate) fn publish_consumer(&self, c: &Cursor) {
        let (line, (read, missed)) = (&self.head().consumer, c.of_this_ring());
        line.records.store(read.records, Ordering::Relaxed);
        line.bytes.store(read.bytes, Ordering::Relaxed);
        line.lost_records.store(missed.records, Ordering::Relaxed);
        line.lost_bytes.store(missed.bytes, Ordering::Relaxed);
        // ORDERING: consume:A
        line.pos.store(self.consumed_pos(c), Ordering::Release);
    }

    #[inline(always)]
    fn head(&self) -> &Head {
        // SAFETY: By the type invariants.
        unsafe { self.head.as_ref() }
    }

    #[inline(always)]
    fn subbuf(&self, seq: u64) -> &Subbuf {
        // SAFETY: By the type invariants; `slot()` is below the number of sub-buffers.
        unsafe { self.subbufs.add(self.geo.slot(seq)).as_ref() }
    }

    /// The descriptor of the sub-buffer the byte at `index` lies in.
    #[inline(always)]
    fn subbuf_at(&self, index: usize) -> &Subbuf {
        // SAFETY: As above; `index` is below the size of the ring.
        unsafe { self.subbufs.add(self.geo.slot_at(index)).as_ref() }
    }

    fn claim(&self, seq: u64) -> Claim<'_> {
        Claim(&self.subbuf(seq).claim)
    }

    /// Where the byte at `pos` lives.
    #[inline(always)]
    pub(crate) fn address(&self, pos: u64) -> *mut u8 {
        // SAFETY: By the type invariants; `index()` is below the size of the ring.
        unsafe { self.data.add(self.geo.index(pos)).as_ptr() }
    }

    /// Copies `from` to `pos`.
    ///
    /// # Safety
    ///
    /// `pos .. pos + from.len()` must be inside a slot the caller owns.
    #[inline(always)]
    pub(crate) unsafe fn write_bytes(&self, pos: u64, from: &[u8]) {
        sync::writes(self.address(pos), from.len());
        // SAFETY: The range is inside one sub-buffer, so contiguous, and the caller's alone.
        unsafe { core::ptr::copy_nonoverlapping(from.as_ptr(), self.address(pos), from.len()) };
    }

    /// Makes `len` bytes at `pos` zero.
    ///
    /// # Safety
    ///
    /// They must lie in one sub-buffer and be the caller's alone.
    unsafe fn zero_bytes(&self, pos: u64, len: u64) {
        sync::writes(self.address(pos), len as usize);
        // SAFETY: As the caller promises.
        unsafe { core::ptr::write_bytes(self.address(pos), 0, len as usize) };
    }

    /// Copies from `pos`.
    ///
    /// # Safety
    ///
    /// The bytes must lie in one sub-buffer and not be written meanwhile.
    unsafe fn read_bytes(&self, pos: u64, to: &mut [u8]) {
        sync::reads(self.address(pos), to.len());
        // SAFETY: As the caller promises.
        unsafe { core::ptr::copy_nonoverlapping(self.address(pos), to.as_mut_ptr(), to.len()) };
    }

    /// `len` bytes at `pos`.
    ///
    /// # Safety
    ///
    /// The bytes must lie in one sub-buffer and not be written as long as the result lives.
    unsafe fn bytes(&self, pos: u64, len: u64) -> &[u8] {
        sync::reads(self.address(pos), len as usize);
        // SAFETY: As the caller promises.
        unsafe { core::slice::from_raw_parts(self.address(pos), len as usize) }
    }
}
