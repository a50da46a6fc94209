// SPDX-License-Identifier: GPL-2.0

//! The end of a ring, and the beginning of the one that follows it.
//!
//! A ring is *retired* by one exchange of its position: from then on nothing is reserved in it, and
//! whoever tries is refused as if it were closed. What was reserved before is committed, delivered and
//! read as ever. Its successor counts positions on from there, so that positions of both can be
//! compared; records and bytes it counts from 0.

use crate::ring::{
    cursor::{Count, Cursor},
    reserve::Committed,
    sync::{Ordering, Rmw},
    Hooks,
    Ring, //
};

/// In the word of the position: nothing will be reserved any more. The position is at the start of a
/// sub-buffer then.
pub(super) const RETIRED: u64 = 1 << 63;

impl<R: Rmw> Ring<R> {
    /// The position.
    #[inline]
    pub(super) fn pos(&self, order: Ordering) -> u64 {
        self.head().writer.pos.load(order) & !RETIRED
    }

    /// Begins at the first sub-buffer from `pos` on instead of 0. Nobody may use the ring yet.
    pub(crate) fn start_at(&self, pos: u64) {
        let last = self.geo.subbuf_size().wrapping_sub(1);
        let seq = self.geo.seq(pos.wrapping_add(last));
        let start = self.geo.start(seq);
        let head = self.head();
        head.writer.pos.store(start, Ordering::Relaxed);
        head.deliver.seq.store(seq, Ordering::Relaxed);
        head.consumer.pos.store(start, Ordering::Relaxed);
        self.first.store(seq, Ordering::Relaxed);
        // It is not the channel's first sub-buffer.
        self.continued.store(seq.wrapping_add(1), Ordering::Relaxed);
    }

    /// Number of the sub-buffer with which it began.
    pub(super) fn started(&self) -> u64 {
        let continued = self.continued.load(Ordering::Relaxed);
        continued.saturating_sub(1)
    }

    /// Ends the ring. `before` gets the position at which it will end, perhaps several times with one
    /// after the other; the last is true. When it has returned from that, writers may find the ring
    /// retired.
    ///
    /// Must run where writers run: on the owning CPU, if the ring has one.
    pub(crate) fn retire<H: Hooks>(&self, hooks: &H, mut before: impl FnMut(u64)) -> Committed {
        loop {
            // ORDERING: reserve:B
            let pos = self.head().writer.pos.load(Ordering::Acquire);
            if pos & RETIRED != 0 {
                return Committed::Quietly;
            }
            let rests = self.geo.offset(pos) == 0;
            let end = if rests {
                pos
            } else {
                self.geo.start(self.geo.seq(pos).wrapping_add(1))
            };
            before(end);
            if rests {
                // ORDERING: reserve:A
                if R::cmpxchg(&self.head().writer.pos, pos, end | RETIRED) {
                    return Committed::Quietly;
                }
            } else if let Some(committed) = self.leave_to(pos, end | RETIRED, hooks) {
                return committed;
            }
        }
    }

    /// Where the ring ends, if it is retired.
    fn end(&self) -> Option<u64> {
        // ORDERING: reserve:B
        let pos = self.head().writer.pos.load(Ordering::Acquire);
        (pos & RETIRED != 0).then_some(pos & !RETIRED)
    }

    /// Whether a reader at `c` will find nothing in the ring any more.
    pub(crate) fn is_drained(&self, c: &Cursor) -> bool {
        self.end().is_some_and(|end| c.seq >= self.geo.seq(end))
    }

    /// Whether the ring is retired, and a reader that has come to `pos` has left it.
    pub(crate) fn ends_before(&self, pos: u64) -> bool {
        self.end().is_some_and(|end| end <= pos)
    }

    /// Takes a reader that is in no run to the beginning of this ring, before which `before` was
    /// written to others: what it has not read of that it has missed.
    pub(crate) fn begin(&self, c: &mut Cursor, before: Count) {
        c.begin(before, self.first.load(Ordering::Relaxed));
    }
}
