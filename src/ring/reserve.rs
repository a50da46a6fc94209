// SPDX-License-Identifier: GPL-2.0

//! Writers: reserve a slot, fill it, commit or discard it.
//!
//! The fast path is [`Ring::try_reserve`] and [`Ring::publish`], or the caller's copy and
//! [`Ring::commit`]; all that happens once per sub-buffer is in `switch.rs` and `deliver.rs`.

use crate::ring::{
    copy::copy_to_slot,
    hole,
    hooks::Hooks,
    pos::MAX_SUBBUF_SHIFT,
    sync::{self, Ordering, Rmw},
    Ring, //
};

/// One record in the commit word: bytes are counted in the low half, records in the high half.
pub(crate) const ONE_RECORD: u64 = 1 << 32;

/// The bytes in it.
const BYTES: u64 = ONE_RECORD.wrapping_sub(1);

/// No record is longer than this: the largest sub-buffer. An offset and this do not wrap.
pub(super) const LONGEST: u64 = 1 << MAX_SUBBUF_SHIFT;

/// Space in a ring that belongs to its writer until it is committed or discarded.
///
/// # Invariants
///
/// `pos .. pos + len` lies in one sub-buffer, was reserved and is neither committed nor discarded.
#[must_use = "a slot that is neither committed nor discarded holds its sub-buffer back for ever"]
#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) pos: u64,
    pub(crate) len: u64,
}

/// What a commit brought about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Committed {
    /// Nothing readers must be told.
    Quietly,
    /// Readers may want to wake up.
    Notify,
}

/// What adding to a commit word brought about.
#[derive(Clone, Copy)]
#[must_use]
pub(crate) enum Added {
    /// Nothing.
    Nothing,
    /// Something to look at, by [`Ring::added`]: the commit word, true in its bytes, and a position in
    /// its sub-buffer.
    Look(u64, u64),
}

impl<R: Rmw> Ring<R> {
    /// Reserves `len` bytes in the current sub-buffer. `None`: call [`Ring::reserve_slow`].
    ///
    /// May be called in any context.
    #[inline(always)]
    pub(crate) fn try_reserve(&self, len: u64) -> Option<Slot> {
        nesting_point!(A);
        let pos = self.head().writer.pos.load(Ordering::Relaxed);
        // One less than the offset, and all of the sub-buffer if it is not open yet; the room is
        // one less than what is usable, or 0 if the ring is closed. So an unopened, a full and a
        // closed one are all refused by the same comparison. Of lengths, 0 and those that would
        // wrap are refused by the other, which is not made where the caller knows better.
        let before = self.geo.offset(pos.wrapping_sub(1));
        nesting_point!(B);
        if len.wrapping_sub(1) < LONGEST
            && before.wrapping_add(len) <= self.room.load(Ordering::Relaxed)
            // ORDERING: reserve:A
            && R::cmpxchg(&self.head().writer.pos, pos, pos.wrapping_add(len))
        {
            nesting_point!(C);
            // INVARIANT: The exchange moved the position from `pos` by `len`, so the range is
            // ours alone; it ends at or before the end of what is usable of the sub-buffer, as
            // `offset(pos) + len <= room + 1`.
            return Some(Slot { pos, len });
        }
        None
    }

    /// Publishes a filled slot as one record.
    #[inline(always)]
    pub(crate) fn commit<H: Hooks>(&self, slot: Slot, hooks: &H) -> Committed {
        let added = self.commit_quietly(slot);
        self.added(added, hooks)
    }

    /// The same, but for what may be to be done then.
    #[inline(always)]
    pub(crate) fn commit_quietly(&self, slot: Slot) -> Added {
        self.add_to(slot.pos, self.geo.index(slot.pos), ONE_RECORD, slot.len)
    }

    /// Fills a slot from `data` and publishes it as one record.
    ///
    /// # Safety
    ///
    /// `data` must be valid for reads of the slot's length.
    #[inline(always)]
    pub(crate) unsafe fn publish(&self, slot: Slot, data: *const u8) -> Added {
        let (pos, len) = (slot.pos, slot.len);
        // SAFETY: As the caller promises.
        unsafe { self.publish_at(slot, pos, data, len) }
    }

    /// The same with `len` bytes, which are only a part of the slot if that is an event.
    ///
    /// # Safety
    ///
    /// The slot must be for `len` bytes, and `data` valid for reads of that many.
    #[inline(always)]
    pub(crate) unsafe fn publish_record(&self, slot: Slot, data: *const u8, len: u64) -> Added {
        let pos = self.payload(&slot, len);
        // SAFETY: As the caller promises.
        unsafe { self.publish_at(slot, pos, data, len) }
    }

    /// # Safety
    ///
    /// `pos .. pos + len` must lie in the slot, and `data` be valid for reads of that many.
    #[inline(always)]
    unsafe fn publish_at(&self, slot: Slot, pos: u64, data: *const u8, len: u64) -> Added {
        let index = self.geo.index(pos);
        // SAFETY: By the type invariants; `index` is below the size of the ring.
        let to = unsafe { self.data.add(index).as_ptr() };
        sync::writes(to, len as usize);
        // SAFETY: By the invariants of `Slot` the range at `to` is the caller's alone.
        unsafe { copy_to_slot(data, to, len as usize) };
        // Also `pos` of an event without fields is in its sub-buffer, which has bytes to spare.
        self.add_to(pos, index, ONE_RECORD, slot.len)
    }

    /// Adds to the commit word of `pos`'s sub-buffer; delivers when that made it whole.
    #[inline(always)]
    pub(crate) fn add_committed<H: Hooks>(&self, pos: u64, n: u64, hooks: &H) -> Committed {
        let added = self.add_to(pos, self.geo.index(pos), n & !BYTES, n & BYTES);
        self.added(added, hooks)
    }

    /// Adds records and bytes to the commit word of `pos`, a byte at `index`.
    #[inline(always)]
    fn add_to(&self, pos: u64, index: usize, records: u64, bytes: u64) -> Added {
        nesting_point!(D);
        let commit = &self.subbuf_at(index).commit;
        // ORDERING: commit:A
        let before = R::fetch_add(commit, records.wrapping_add(bytes));
        nesting_point!(E);
        // The mask covers bytes only: what carries into the records does not matter.
        let bytes_now = before.wrapping_add(bytes);
        if bytes_now & self.notify_mask.load(Ordering::Relaxed) == 0 {
            Added::Look(bytes_now, pos)
        } else {
            Added::Nothing
        }
    }

    /// Delivers if something was added that made its sub-buffer whole.
    #[inline(always)]
    pub(crate) fn added<H: Hooks>(&self, added: Added, hooks: &H) -> Committed {
        match added {
            Added::Nothing => Committed::Quietly,
            Added::Look(now, pos) => self.committed_slow(now, pos, hooks),
        }
    }

    /// Gives a slot back: no reader will see its bytes.
    ///
    /// The newest slot is simply unreserved. Any other becomes a hole that readers skip; it is
    /// therefore at least [`hole::MIN`] bytes long.
    #[cold]
    pub(crate) fn discard<H: Hooks>(&self, slot: Slot, hooks: &H) -> Committed {
        // An event is not unreserved where other CPUs write: one that has found the position behind it,
        // and has read the clock, could find it there again, behind a later event.
        let may_return = !(R::SHARED && self.is_records());
        if may_return && self.unreserve(slot.pos, slot.pos.wrapping_add(slot.len)) {
            // What was committed before the slot may have become readable just now.
            return if self.notify_mask.load(Ordering::Relaxed) == 0 {
                Committed::Notify
            } else {
                Committed::Quietly
            };
        }
        self.punch_hole(slot.pos, slot.len);
        self.add_committed(slot.pos, slot.len, hooks)
    }

    /// How much to reserve for `len` bytes that may have to be discarded: a short slot gets a
    /// tail, which [`Ring::commit_discardable`] cuts off again.
    pub(crate) fn discardable_len(&self, len: u64) -> u64 {
        if (1..hole::MIN).contains(&len) {
            len.wrapping_add(hole::MIN)
        } else {
            len
        }
    }

    /// The same; events are long enough, whatever their fields.
    pub(crate) fn discardable_record_len(&self, len: u64) -> u64 {
        if self.is_records() {
            len
        } else {
            self.discardable_len(len)
        }
    }

    /// Commits the first `len` bytes of a slot of [`Ring::discardable_len`] bytes. A rest too short
    /// for a hole is committed, too.
    #[inline]
    pub(crate) fn commit_discardable<H: Hooks>(
        &self,
        slot: Slot,
        len: u64,
        hooks: &H,
    ) -> Committed {
        if slot.len.saturating_sub(len) >= hole::MIN && !self.is_records() {
            return self.commit_cutting_tail(slot, len, hooks);
        }
        self.commit(slot, hooks)
    }

    #[cold]
    fn commit_cutting_tail<H: Hooks>(&self, slot: Slot, len: u64, hooks: &H) -> Committed {
        let cut = slot.pos.wrapping_add(len);
        if self.unreserve(cut, slot.pos.wrapping_add(slot.len)) {
            return self.add_committed(slot.pos, ONE_RECORD.wrapping_add(len), hooks);
        }
        self.punch_hole(cut, slot.len.wrapping_sub(len));
        self.commit(slot, hooks)
    }

    /// Moves the position back from `end` to `start` if nothing was reserved since. The position
    /// never goes back to the very start of a sub-buffer: there it would mean "not open yet".
    fn unreserve(&self, start: u64, end: u64) -> bool {
        // ORDERING: reserve:A
        self.geo.offset(start) != 0 && R::cmpxchg(&self.head().writer.pos, end, start)
    }
}
