// SPDX-License-Identifier: GPL-2.0

//! The end of a ring, and the beginning of the one that follows it.
//!
//! A ring is *retired* by one exchange of its position: from then on nothing is reserved in it, and
//! whoever tries is refused as if it were closed. What was reserved before is committed, delivered and
//! read as ever. Its successor counts positions on from there, so that positions of both can be
//! compared; records and bytes it counts from 0.

use crate::ring::{
    cursor::{Count, Cursor},
    layout::{Head, Subbuf},
    reserve::Committed,
    sync::{AtomicU64, Ordering, Rmw},
    Hooks,
    Ring, //
};
use core::ptr::NonNull;

/// In the word of the position: nothing will be reserved any more. The position is at the start of a
/// sub-buffer then.
pub(super) const RETIRED: u64 = 1 << 63;

/// Where a ring ends.
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq)]
pub(crate) struct End {
    /// Nothing is reserved from this position on.
    pub(crate) pos: u64,
    /// Nothing was written since the beginning or the last reset: the channel's start reserve is still
    /// to come.
    pub(crate) fresh: bool,
    /// Of a ring of events: packets that came before, at most, and records that were refused.
    pub(crate) packets: u64,
    pub(crate) refused: u64,
    /// The latest time there is in it.
    pub(crate) time: u64,
}

fn copy_word(from: &AtomicU64, to: &AtomicU64) {
    to.store(from.load(Ordering::Relaxed), Ordering::Relaxed);
}

impl<R: Rmw> Ring<R> {
    /// The position.
    #[inline]
    #[cfg_attr(loom, track_caller)]
    pub(super) fn pos(&self, order: Ordering) -> u64 {
        self.head().writer.pos.load(order) & !RETIRED
    }

    /// Begins at the first sub-buffer from `end` of another ring on instead of 0. Nobody may use the ring
    /// yet.
    pub(crate) fn start_at(&self, end: End) {
        let last = self.geo.subbuf_size().wrapping_sub(1);
        let seq = self.geo.seq(end.pos.wrapping_add(last));
        let start = self.geo.start(seq);
        let head = self.head();
        head.writer.pos.store(start, Ordering::Relaxed);
        head.writer.time.store(end.time, Ordering::Relaxed);
        head.deliver.seq.store(seq, Ordering::Relaxed);
        head.consumer.pos.store(start, Ordering::Relaxed);
        self.first.store(seq, Ordering::Relaxed);
        self.continued.store(seq.wrapping_add(1), Ordering::Relaxed);
        let channel_start = if end.fresh { seq } else { u64::MAX };
        self.channel_start.store(channel_start, Ordering::Relaxed);
        self.packets.store(end.packets, Ordering::Relaxed);
        self.refused_before.store(end.refused, Ordering::Relaxed);
    }

    /// Number of the sub-buffer with which it began.
    pub(super) fn started(&self) -> u64 {
        let continued = self.continued.load(Ordering::Relaxed);
        continued.saturating_sub(1)
    }

    /// Ends the ring. `before` gets where it will end, perhaps several times with one after the other; the
    /// last is true. When it has returned from that, writers may find the ring
    /// retired.
    ///
    /// Must run where writers run: on the owning CPU, if the ring has one; while nobody else ends or
    /// resets it.
    pub(crate) fn retire<H: Hooks>(&self, hooks: &H, mut before: impl FnMut(End)) -> Committed {
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
            let time = self.next_time();
            before(End {
                pos: end,
                fresh: self.channel_start.load(Ordering::Relaxed) == self.geo.seq(end),
                packets: self.packets_before(end),
                refused: self.refused(),
                time,
            });
            if rests {
                // ORDERING: reserve:A
                if R::cmpxchg(&self.head().writer.pos, pos, end | RETIRED) {
                    return Committed::Quietly;
                }
            } else if let Some(committed) = self.leave_to(pos, end | RETIRED, time, hooks) {
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

    /// Where the ring ended, once all that was reserved in it is delivered.
    fn delivered_end(&self) -> Option<u64> {
        let end = self.end()?;
        // ORDERING: deliver:B
        let delivered = self.head().deliver.seq.load(Ordering::Acquire);
        (delivered >= self.geo.seq(end)).then_some(end)
    }

    /// Whether a reader at `c` will find nothing in the ring any more.
    pub(crate) fn is_drained(&self, c: &Cursor) -> bool {
        self.delivered_end()
            .is_some_and(|end| c.seq >= self.geo.seq(end))
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

    /// Makes a ring over other memory that goes on where `old` stopped, its readers' holds included,
    /// and takes records again. `None`: `old` is not retired, or somebody still has to commit. What
    /// the ring is [about](crate::ring::About) is not copied.
    ///
    /// # Safety
    ///
    /// As for [`Ring::new`], but that the memory need not be zeroed; nobody may be at work in `old`, nor
    /// use it afterwards.
    pub(crate) unsafe fn copy_of(
        old: &Self,
        head: NonNull<Head>,
        subbufs: NonNull<Subbuf>,
        data: NonNull<u8>,
    ) -> Option<Self> {
        let end = old.delivered_end()?;
        // SAFETY: As the caller promises. What was written by rings may be taken over by one.
        let new = unsafe { Self::new(head, subbufs, data, old.spec()) };
        for (from, to) in [
            (&old.notify_mask, &new.notify_mask),
            (&old.first, &new.first),
            (&old.continued, &new.continued),
            (&old.channel_start, &new.channel_start),
            (&old.packets, &new.packets),
            (&old.refused_before, &new.refused_before),
        ] {
            copy_word(from, to);
        }
        new.head().take_over(old.head(), copy_word);
        for slot in 0..old.geo.n_subbufs() {
            new.subbuf(slot).take_over(old.subbuf(slot), copy_word);
        }
        let len = old.geo.ring_size() as usize;
        // SAFETY: Both are as long, and no two rings share memory.
        unsafe { core::ptr::copy_nonoverlapping(old.data.as_ptr(), new.data.as_ptr(), len) };
        new.head().writer.pos.store(end, Ordering::Relaxed);
        Some(new)
    }

    /// Becomes a copy of `old`, retired as that is. Says whether it did; see [`Ring::copy_of`].
    ///
    /// # Safety
    ///
    /// As for [`Ring::copy_of`]; nobody uses this ring yet.
    pub(crate) unsafe fn become_copy_of(&mut self, old: &Self) -> bool {
        // SAFETY: As the caller promises; the memory is this ring's, whose place the copy takes.
        let copy = unsafe { Self::copy_of(old, self.head, self.subbufs, self.data) };
        let Some(copy) = copy else {
            return false;
        };
        // It rests at the start of a sub-buffer, so this commits nothing.
        let _ = copy.retire(&(), |_| ());
        *self = copy;
        true
    }
}
