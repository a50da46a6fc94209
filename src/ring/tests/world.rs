// SPDX-License-Identifier: GPL-2.0

//! A ring on the host, and the small vocabulary the tests share.

use crate::ring::{
    sync, Cause, Clock, Committed, Count, Cursor, Delivery, End, Geometry, Head, Hooks, Mapped,
    Opened, Packet, Reserve, Reserves, Ring, Rmw, Slot, Spec, Subbuf, Whole,
};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering};

/// What the hooks write into reserves.
pub(crate) const STARTED: u8 = 0xb0;
pub(crate) const ENDED: u8 = 0xb1;

/// Who decides whether a sub-buffer may be entered.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Entrance {
    /// The mode.
    Usual,
    /// Nobody is refused.
    Open,
    /// Every other is refused, whether the ring is full or not.
    Turnstile,
}

/// What is done at the turns of sub-buffers.
pub(crate) struct Turns {
    pub(crate) entrance: Entrance,
    /// Fills reserves, rather than leave them zero.
    pub(crate) marks: bool,
    whole_only: bool,
    asked: AtomicU64,
    pub(crate) opened: AtomicU64,
    pub(crate) whole: AtomicU64,
    /// When the last one began that was whole.
    begun: AtomicU64,
}

impl Turns {
    fn mark(&self, reserve: Reserve, with: u8) {
        if self.marks {
            sync::writes(reserve.at, reserve.len as usize);
            // SAFETY: It is the hook's to fill.
            unsafe { reserve.at.write_bytes(with, reserve.len as usize) };
        }
    }
}

impl Hooks for Turns {
    fn may_enter(&self, _seq: u64, full: bool) -> bool {
        let asked = self.asked.fetch_add(1, Ordering::Relaxed);
        match self.entrance {
            Entrance::Usual => !full,
            Entrance::Open => true,
            Entrance::Turnstile => asked.is_multiple_of(2),
        }
    }

    fn opened(&self, opened: &Opened) {
        self.opened.fetch_add(1, Ordering::Relaxed);
        #[cfg(test)]
        super::at("N");
        self.mark(opened.start, STARTED);
    }

    fn whole(&self, whole: &Whole) {
        assert!(whole.begin <= whole.end);
        let last = self.begun.swap(whole.begin, Ordering::Relaxed);
        assert!(last <= whole.begin, "times go back");
        let start = whole.start.len;
        assert!(start <= whole.data_len && whole.bytes <= whole.data_len - start);
        assert!((whole.records == 0) == (whole.bytes == 0));
        self.whole.fetch_add(1, Ordering::Relaxed);
        #[cfg(test)]
        super::at("O");
        self.mark(whole.tail, ENDED);
        if self.whole_only {
            self.mark(whole.start, ENDED);
        }
    }
}

/// Memory for a ring; leaked from boxes.
struct Memory {
    head: NonNull<Head>,
    subbufs: NonNull<[Subbuf]>,
    data: NonNull<[u8]>,
}

// SAFETY: The pointers are only used to free the memory, by whoever owns it.
unsafe impl Send for Memory {}
// SAFETY: As above.
unsafe impl Sync for Memory {}

/// A ring and the memory it lives in, which goes after it.
pub(crate) struct World<R: Rmw> {
    ring: Ring<R>,
    _memory: Memory,
    pub(crate) turns: Turns,
    page: Box<Mapped>,
}

/// What is in the box, to be put back into one.
fn leak<T: ?Sized>(from: Box<T>) -> NonNull<T> {
    NonNull::from(Box::leak(from))
}

/// A ring of events.
pub(crate) const PACKET: Packet = Packet {
    uuid: super::packets::UUID,
    stream_id: super::packets::STREAM,
    cpu: super::packets::CPU,
};

pub(crate) fn records(geo: Geometry, overwrite: bool) -> Spec {
    let spec = Spec::new(
        geo,
        overwrite,
        Delivery::Bulk,
        Reserves::default(),
        Clock::Mono,
    );
    spec.unwrap().records(PACKET).expect("a ring large enough")
}

/// What most rings tell times by. A model checker has enough to do without them.
const CLOCK: Clock = if cfg!(loom) { Clock::None } else { Clock::Mono };

impl Memory {
    /// Zeroed.
    fn new(geo: Geometry) -> Self {
        let head = leak(Box::<Head>::default());
        let subbufs = leak((0..geo.n_subbufs()).map(|_| Subbuf::default()).collect());
        let data = leak(vec![0u8; geo.ring_size() as usize].into_boxed_slice());
        #[cfg(loom)]
        crate::checker::track(data.cast().as_ptr(), data.len());
        Self {
            head,
            subbufs,
            data,
        }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        #[cfg(loom)]
        crate::checker::forget(self.data.cast().as_ptr());
        // SAFETY: Leaked in `new`; who made a ring of it dropped that before.
        unsafe {
            drop(Box::from_raw(self.head.as_ptr()));
            drop(Box::from_raw(self.subbufs.as_ptr()));
            drop(Box::from_raw(self.data.as_ptr()));
        }
    }
}

impl<R: Rmw> World<R> {
    pub(crate) fn new(subbuf_size: u64, n_subbufs: u64, overwrite: bool) -> Self {
        Self::with_delivery(subbuf_size, n_subbufs, overwrite, Delivery::Bulk)
    }

    pub(crate) fn with_reserves(
        subbuf_size: u64,
        n_subbufs: u64,
        overwrite: bool,
        reserves: Reserves,
    ) -> Self {
        let geo = Geometry::new(subbuf_size, n_subbufs).unwrap();
        let spec = Spec::new(geo, overwrite, Delivery::Bulk, reserves, CLOCK);
        Self::with_spec(spec.unwrap())
    }

    pub(crate) fn with_delivery(
        subbuf_size: u64,
        n_subbufs: u64,
        overwrite: bool,
        delivery: Delivery,
    ) -> Self {
        let geo = Geometry::new(subbuf_size, n_subbufs).unwrap();
        let none = Reserves::default();
        Self::with_spec(Spec::new(geo, overwrite, delivery, none, CLOCK).unwrap())
    }

    pub(crate) fn with_spec(spec: Spec) -> Self {
        let memory = Memory::new(spec.geo());
        let (subbufs, data) = (memory.subbufs.cast(), memory.data.cast());
        // SAFETY: The memory is zeroed, large enough and lives as long as the ring. Tests write
        // from one thread unless `R` is `Shared`.
        let ring = unsafe { Ring::new(memory.head, subbufs, data, spec) };
        Self::over(ring, memory, spec.is_whole_only())
    }

    /// The same ring in other memory.
    pub(crate) fn copy(&self) -> Option<Self> {
        let memory = Memory::new(self.geometry());
        let (subbufs, data) = (memory.subbufs.cast(), memory.data.cast());
        // SAFETY: As above; tests go on with the copy.
        let ring = unsafe { Ring::copy_of(&self.ring, memory.head, subbufs, data) };
        let mut new = Self::over(ring?, memory, self.turns.whole_only);
        new.turns.marks = self.turns.marks;
        new.turns.entrance = self.turns.entrance;
        Some(new)
    }

    fn over(ring: Ring<R>, memory: Memory, whole_only: bool) -> Self {
        Self {
            ring,
            _memory: memory,
            page: Box::default(),
            turns: Turns {
                entrance: Entrance::Usual,
                marks: false,
                whole_only,
                asked: AtomicU64::new(0),
                opened: AtomicU64::new(0),
                whole: AtomicU64::new(0),
                begun: AtomicU64::new(0),
            },
        }
    }

    pub(crate) fn reserve_slow(&self, len: u64) -> (Result<Slot, Cause>, Committed) {
        self.ring.reserve_slow(len, &self.turns)
    }

    pub(crate) fn commit(&self, slot: Slot) -> Committed {
        self.ring.commit(slot, &self.turns)
    }

    pub(crate) fn commit_discardable(&self, slot: Slot, len: u64) -> Committed {
        self.ring.commit_discardable(slot, len, &self.turns)
    }

    pub(crate) fn discard(&self, slot: Slot) -> Committed {
        self.ring.discard(slot, &self.turns)
    }

    pub(crate) fn flush(&self) -> Committed {
        self.ring.flush(&self.turns)
    }

    pub(crate) fn retire(&self, before: impl FnMut(End)) -> Committed {
        self.ring.retire(&self.turns, before)
    }

    pub(crate) fn reset(&self) -> Committed {
        self.ring.reset(&self.turns)
    }

    /// Reserves, counting failures, as a channel does.
    pub(crate) fn reserve(&self, len: u64) -> Result<Slot, Cause> {
        let result = self.reserve_uncounted(len);
        if let Err(cause) = result {
            self.count_lost(cause, len);
        }
        result
    }

    pub(crate) fn reserve_uncounted(&self, len: u64) -> Result<Slot, Cause> {
        if self.is_records() {
            return self.reserve_event_uncounted(0, len);
        }
        match self.try_reserve(len) {
            Some(slot) => Ok(slot),
            None => self.reserve_slow(len).0,
        }
    }

    fn reserve_event_uncounted(&self, id: u32, len: u64) -> Result<Slot, Cause> {
        match self.try_reserve_event(id, len) {
            Some(slot) => Ok(slot),
            None => self.ring.reserve_event_slow(id, len, &self.turns).0,
        }
    }

    pub(crate) fn reserve_event(&self, id: u32, len: u64) -> Result<Slot, Cause> {
        let result = self.reserve_event_uncounted(id, len);
        if let Err(cause) = result {
            self.count_lost(cause, len);
        }
        result
    }

    /// Writes one event.
    pub(crate) fn event(&self, data: &[u8]) -> Result<Committed, Cause> {
        let slot = self.reserve_event(7, data.len() as u64)?;
        // SAFETY: The slot is for so many bytes.
        let added = unsafe { self.publish_record(slot, data.as_ptr(), data.len() as u64) };
        Ok(self.ring.added(added, &self.turns))
    }

    /// Writes one record.
    pub(crate) fn write(&self, data: &[u8]) -> Result<Committed, Cause> {
        let slot = self.reserve(data.len() as u64)?;
        self.fill(&slot, data);
        Ok(self.commit(slot))
    }

    pub(crate) fn fill(&self, slot: &Slot, data: &[u8]) {
        // SAFETY: The slot is ours and at least as long as `data`.
        unsafe { self.write_bytes(self.payload(slot, data.len() as u64), data) };
    }

    /// Consumes up to `max` bytes of all that can be read, as the consumer.
    pub(crate) fn read(&self, c: &mut Cursor, max: usize) -> Vec<u8> {
        let out = self.observe(c, max);
        self.publish_consumer(c);
        out
    }

    /// The page of a consumer that has mapped the ring, at which writers look from now on.
    pub(crate) fn page(&self) -> &Mapped {
        // SAFETY: It lives as long as the ring.
        unsafe { self.set_mapped(&*self.page) };
        &self.page
    }

    /// Takes the consumer to where that says it is. `counted`: what was counted of what it has missed.
    pub(crate) fn follow(&self, c: &mut Cursor, counted: &mut Count) {
        let (pos, said) = (self.page.position(), self.page.lost());
        self.heed_reset(c);
        if pos <= self.consumed_pos(c) {
            return;
        }
        let mut lost = said.minus(*counted);
        self.ring.follow(c, pos, &mut lost);
        *counted = said.minus(lost);
        self.publish_consumer(c);
    }

    /// Reads as somebody for whom nobody waits.
    pub(crate) fn observe(&self, c: &mut Cursor, max: usize) -> Vec<u8> {
        let mut out = Vec::new();
        self.heed_reset(c);
        while out.len() < max && self.advance(c) {
            let n = {
                let bytes = self.peek(c);
                let n = bytes.len().min(max - out.len());
                assert!(n > 0, "a run without bytes");
                out.extend_from_slice(&bytes[..n]);
                sync::reads(bytes.as_ptr(), n);
                n
            };
            self.consume(c, n as u64);
        }
        out
    }
}

impl<R: Rmw> std::ops::Deref for World<R> {
    type Target = Ring<R>;

    fn deref(&self) -> &Ring<R> {
        &self.ring
    }
}

/// Whether the `n`-th of many is tried; by miri, which is slow, one in `of`, a prime.
pub(crate) fn is_tried(n: &mut u32, of: u32) -> bool {
    *n += 1;
    !cfg!(miri) || n.is_multiple_of(of)
}

/// A record that proves itself: writer, number, length, and a pattern made from them.
pub(crate) fn record(writer: u8, number: u32, len: usize) -> Vec<u8> {
    assert!((8..=u16::MAX as usize).contains(&len));
    let mut r = vec![writer ^ number as u8; len];
    r[0] = 0xa5;
    r[1] = writer;
    r[2..4].copy_from_slice(&(len as u16).to_le_bytes());
    r[4..8].copy_from_slice(&number.to_le_bytes());
    r
}

/// Splits a stream into records, checking every byte: `(writer, number)` in order of appearance.
pub(crate) fn parse(bytes: &[u8]) -> Vec<(u8, u32)> {
    let (found, zeros) = parse_with_reserves(bytes);
    assert_eq!(zeros, 0, "bytes that nobody wrote");
    found
}

/// The same where reserves lie between records; their bytes, all zero, are counted.
pub(crate) fn parse_with_reserves(mut bytes: &[u8]) -> (Vec<(u8, u32)>, usize) {
    let (mut found, mut zeros) = (Vec::new(), 0);
    while !bytes.is_empty() {
        if bytes[0] == 0 {
            zeros += 1;
            bytes = &bytes[1..];
            continue;
        }
        assert!(bytes.len() >= 8, "a torn record: {bytes:02x?}");
        assert_eq!(bytes[0], 0xa5, "out of step");
        let len = usize::from(u16::from_le_bytes([bytes[2], bytes[3]]));
        let number = u32::from_le_bytes(bytes[4..8].try_into().unwrap());
        assert!(bytes.len() >= len, "a torn record");
        assert_eq!(&bytes[..len], record(bytes[1], number, len));
        found.push((bytes[1], number));
        bytes = &bytes[len..];
    }
    (found, zeros)
}
