// SPDX-License-Identifier: GPL-2.0

//! Delivery: whole sub-buffers, in order, each counted once.
//!
//! Sub-buffers may become whole out of order: an interrupted writer holds its own back while
//! nested ones finish later ones. They are delivered in order all the same, so that each knows
//! how many records came before it: that is how readers count exactly what they missed. Whoever
//! makes a sub-buffer whole delivers, unless a context it interrupted is just doing so; then it
//! leaves a note and that context looks again.

use crate::ring::{
    claim::Decision,
    cursor::Count,
    event::Facts,
    hooks::{Hooks, Reserve, Whole},
    layout::Subbuf,
    reserve::Committed,
    spec::Format,
    sync::{Ordering, Rmw},
    Ring, //
};

const IDLE: u64 = 0;
const BUSY: u64 = 1;
const AGAIN: u64 = 2;

impl<R: Rmw> Ring<R> {
    /// Continues a commit after which the commit word of `pos` was `now`.
    #[cold]
    #[inline(never)]
    pub(crate) fn committed_slow<H: Hooks>(&self, now: u64, pos: u64, hooks: &H) -> Committed {
        if now & self.geo.subbuf_size().wrapping_sub(1) == 0 {
            self.note_end(self.geo.seq(pos));
            self.deliver(hooks);
        }
        Committed::Notify
    }

    /// Delivers all that is whole, in order. Says whether this call delivered anything.
    pub(crate) fn deliver<H: Hooks>(&self, hooks: &H) -> bool {
        let state = &self.head().deliver.state;
        nesting_point!(J);
        loop {
            // ORDERING: note:A
            if R::cmpxchg(state, IDLE, BUSY) {
                break;
            }
            // The exchange also from AGAIN to AGAIN: it hands our commit to the delivering
            // context even if another one left the note first.
            // ORDERING: note:A
            let noted = R::cmpxchg(state, BUSY, AGAIN)
                // ORDERING: note:A
                || R::cmpxchg(state, AGAIN, AGAIN);
            if noted {
                return false;
            }
        }
        let mut any = false;
        loop {
            while self.deliver_next(hooks) {
                any = true;
            }
            nesting_point!(K);
            // ORDERING: note:A
            if R::cmpxchg(state, BUSY, IDLE) {
                return any;
            }
            // Only AGAIN is left; take the note.
            // ORDERING: note:A
            R::cmpxchg(state, AGAIN, BUSY);
        }
    }

    /// Delivers the next sub-buffer if it is whole. Runs in one context at a time.
    fn deliver_next<H: Hooks>(&self, hooks: &H) -> bool {
        let line = &self.head().deliver;
        let seq = line.seq.load(Ordering::Relaxed);
        // ORDERING: reserve:B
        let pos = self.pos(Ordering::Acquire);
        if seq >= self.geo.seq(pos) {
            return false;
        }
        if !self.is_skipped(seq) {
            let subbuf = self.subbuf(seq);
            let Some((bytes, records)) = self.committed(subbuf, seq) else {
                return false;
            };
            if bytes != self.geo.subbuf_size() {
                return false;
            }
            self.finish(subbuf, seq, records, hooks);
        }
        let next = seq.wrapping_add(1);
        let (before, records) = (line.before(next), line.records.load(Ordering::Relaxed));
        // In the place of what came before the last one.
        // ORDERING: before:A
        before.records.store(records, Ordering::Release);
        // ORDERING: before:A
        before
            .bytes
            .store(line.bytes.load(Ordering::Relaxed), Ordering::Release);
        nesting_point!(L);
        // ORDERING: deliver:A
        line.seq.store(next, Ordering::Release);
        true
    }

    /// How many sub-buffers are delivered, and what is in these, no more and no less.
    pub(super) fn delivered(&self) -> (u64, Count) {
        let line = &self.head().deliver;
        loop {
            // ORDERING: deliver:B
            let seq = line.seq.load(Ordering::Acquire);
            let before = line.before(seq);
            let count = Count {
                // ORDERING: before:B
                records: before.records.load(Ordering::Acquire),
                // ORDERING: before:B
                bytes: before.bytes.load(Ordering::Acquire),
            };
            // Another round only if a writer has filled a whole sub-buffer since.
            if line.seq.load(Ordering::Relaxed) == seq {
                return (seq, count);
            }
        }
    }

    pub(super) fn is_skipped(&self, seq: u64) -> bool {
        self.claim(seq).decision(seq) == Decision::Skipped
    }

    /// Bytes and records committed in this lap of `seq`'s sub-buffer; `None` if it is not open.
    pub(crate) fn committed(&self, subbuf: &Subbuf, seq: u64) -> Option<(u64, u64)> {
        // ORDERING: open:B
        if subbuf.seq.load(Ordering::Acquire) != seq.wrapping_add(1) {
            return None;
        }
        // ORDERING: commit:B
        let now = subbuf.commit.load(Ordering::Acquire);
        let lap = now.wrapping_sub(subbuf.base.load(Ordering::Relaxed));
        Some((lap & 0xffff_ffff, lap >> 32))
    }

    /// Writes down what a whole sub-buffer holds.
    fn finish<H: Hooks>(&self, subbuf: &Subbuf, seq: u64, records: u64, hooks: &H) {
        let line = &self.head().deliver;
        let mut data_len = self.closed_end(subbuf, seq);
        if self.is_records() {
            data_len = self.last_event_end(seq, data_len);
        }
        let data_start = subbuf.data_start.load(Ordering::Relaxed);
        let bytes = self.without_holes(seq, data_start, data_len);
        let begin = subbuf.begin.load(Ordering::Relaxed);
        let end = self.end_time(subbuf, begin);
        if let Format::Records(packet) = &self.format {
            if bytes != 0 {
                let len = data_start.wrapping_add(bytes);
                self.finish_packet(seq, packet, &Facts { begin, end, len });
            } else {
                // There are no packets without events.
                data_len = 0;
            }
        }
        let usable = self.usable();
        // Before anything is counted: who looks at the counters from there finds them right.
        hooks.whole(&Whole {
            seq,
            begin,
            end,
            start: self.reserve_at(seq, 0, self.clients(data_start)),
            tail: self.reserve_at(seq, usable, self.reserves.end.into()),
            data_len,
            padding: usable.saturating_sub(data_len),
            records,
            bytes,
        });

        let first_record = line.records.load(Ordering::Relaxed);
        let first_byte = line.bytes.load(Ordering::Relaxed);
        subbuf.end.store(end, Ordering::Relaxed);
        subbuf.data_len.store(data_len, Ordering::Relaxed);
        subbuf.records.store(records, Ordering::Relaxed);
        subbuf.bytes.store(bytes, Ordering::Relaxed);
        // ORDERING: count:A
        subbuf.first_record.store(first_record, Ordering::Release);
        // ORDERING: count:A
        subbuf.first_byte.store(first_byte, Ordering::Release);
        let (records, bytes) = (
            first_record.wrapping_add(records),
            first_byte.wrapping_add(bytes),
        );
        line.records.store(records, Ordering::Relaxed);
        line.bytes.store(bytes, Ordering::Relaxed);
    }

    /// Where the slots of a sub-buffer end that the position has left.
    pub(super) fn closed_end(&self, subbuf: &Subbuf, seq: u64) -> u64 {
        let closed_at = subbuf.closed_at.load(Ordering::Relaxed);
        if self.geo.seq(closed_at) == seq && self.geo.offset(closed_at) != 0 {
            self.geo.offset(closed_at)
        } else {
            self.geo.subbuf_size()
        }
    }

    /// Payload of a whole sub-buffer between `start` and `end`.
    fn without_holes(&self, seq: u64, start: u64, end: u64) -> u64 {
        let mut bytes = end.wrapping_sub(start);
        // SAFETY: A slot is not opened again before its sub-buffer is delivered.
        unsafe {
            self.for_each_hole(seq, |hole| {
                if hole.start < end {
                    bytes = bytes.wrapping_sub(hole.len);
                }
            })
        };
        bytes
    }

    /// `len` bytes of the client's at `offset` in sub-buffer `seq`.
    pub(super) fn reserve_at(&self, seq: u64, offset: u64, len: u64) -> Reserve {
        Reserve {
            at: self.address(self.geo.start(seq).wrapping_add(offset)),
            len,
        }
    }
}
