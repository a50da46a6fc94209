// SPDX-License-Identifier: GPL-2.0

//! The cold path of writers: leave a sub-buffer, enter the next.
//!
//! A sub-buffer is *closed* when the position moves from inside it to its end (the rest becomes
//! padding) and *opened* when the position moves from its very start by the first reservation.
//! Between the two the position rests at the start of a sub-buffer that is not open; so a flush
//! claims nothing, and a full ring keeps its newest sub-buffer open for what still fits.

use crate::ring::{
    claim::Decision,
    hooks::{Hooks, Opened},
    layout::{Cause, Subbuf},
    reserve::{Committed, Slot},
    retire::RETIRED,
    sync::{Ordering, Rmw},
    Ring, //
};

/// A sub-buffer as it is opened.
struct Opening {
    seq: u64,
    /// The commit word before anything is committed.
    base: u64,
    begin: u64,
    data_start: u64,
}

/// What came of an attempt to enter a sub-buffer.
enum Entry {
    /// And when.
    Reserved(Slot, u64),
    /// Readers hold its slot: it was passed by.
    Skipped,
    /// Somebody was quicker: look again.
    Raced,
}

impl<R: Rmw> Ring<R> {
    /// Reserves when the current sub-buffer has no room, is not open or is no more. A failure is for
    /// the caller to count. The second value says whether a sub-buffer was delivered on the way.
    #[cold]
    #[inline(never)]
    pub(crate) fn reserve_slow<H: Hooks>(
        &self,
        len: u64,
        hooks: &H,
    ) -> (Result<Slot, Cause>, Committed) {
        self.reserve_event_slow(0, len, hooks)
    }

    /// The same for an event of type `id`, if the ring is one of events. The length is that of the fields.
    #[cold]
    #[inline(never)]
    pub(crate) fn reserve_event_slow<H: Hooks>(
        &self,
        id: u32,
        len: u64,
        hooks: &H,
    ) -> (Result<Slot, Cause>, Committed) {
        let mut committed = Committed::Quietly;
        let found = self.find_room(len, &mut committed, hooks);
        let slot = found.map(|(slot, time)| {
            if self.is_records() {
                self.begin_event(&slot, id, len, time);
                nesting_point!(C);
            }
            slot
        });
        (slot, committed)
    }

    fn find_room<H: Hooks>(
        &self,
        len: u64,
        committed: &mut Committed,
        hooks: &H,
    ) -> Result<(Slot, u64), Cause> {
        if self.used_room().load(Ordering::Relaxed) == 0 {
            return Err(Cause::Closed);
        }
        if len > self.max_record() {
            return Err(Cause::TooBig);
        }
        // Each turn moves the position or finds that a nested or concurrent writer moved it. Only
        // a writer that finds slot after slot held by readers goes on by itself; it may do so for
        // one lap.
        let mut skips = 0u64;
        let mut allowed = None;
        while skips <= self.geo.n_subbufs() {
            // ORDERING: reserve:B
            let pos = self.head().writer.pos.load(Ordering::Acquire);
            if pos & RETIRED != 0 {
                return Err(Cause::Closed);
            }
            let offset = self.geo.offset(pos);
            let slot = self.slot_at(pos, len);
            if offset == 0 {
                if !self.may_enter(self.geo.seq(pos), &mut allowed, hooks) {
                    // Readers may have consumed all there is and only not left the sub-buffer.
                    *committed = Committed::Notify;
                    return Err(Cause::Full);
                }
                match self.enter(pos, slot.len, committed, hooks)? {
                    Entry::Reserved(slot, time) => return Ok((slot, time)),
                    Entry::Skipped => skips = skips.wrapping_add(1),
                    Entry::Raced => {}
                }
            } else if offset.wrapping_add(slot.len) <= self.usable() {
                let time = self.event_time();
                if R::cmpxchg(&self.head().writer.pos, pos, pos.wrapping_add(slot.len)) {
                    // INVARIANT: As in `try_reserve`.
                    return Ok((slot, time));
                }
            } else {
                let next = self.geo.seq(pos).wrapping_add(1);
                if !self.may_enter(next, &mut allowed, hooks) {
                    *committed = Committed::Notify;
                    return Err(Cause::Full);
                }
                if let Some(Committed::Notify) = self.leave(pos, hooks) {
                    *committed = Committed::Notify;
                }
            }
        }
        Err(Cause::Held)
    }

    /// Tries to open the sub-buffer at whose start `pos` rests and to reserve `len` bytes in it.
    fn enter<H: Hooks>(
        &self,
        pos: u64,
        len: u64,
        committed: &mut Committed,
        hooks: &H,
    ) -> Result<Entry, Cause> {
        match self.decide(pos, committed, hooks)? {
            Decision::Skipped => Ok(Entry::Skipped),
            Decision::Claimed => {
                let seq = self.geo.seq(pos);
                let subbuf = self.subbuf(seq);
                // Sampled before the sub-buffer can hold anything: nobody commits before the
                // position has moved into it.
                let base = subbuf.commit.load(Ordering::Relaxed);
                let data_start = self.data_start(seq);
                let slot = pos.wrapping_add(data_start);
                let opening = Opening {
                    seq,
                    base,
                    // Behind the load of the position, before its exchange: so times do not go
                    // back.
                    begin: self.next_time(),
                    data_start,
                };
                nesting_point!(F);
                // ORDERING: reserve:A
                if !R::cmpxchg(&self.head().writer.pos, pos, slot.wrapping_add(len)) {
                    return Ok(Entry::Raced);
                }
                nesting_point!(G);
                if self.open(subbuf, &opening, hooks) == Committed::Notify {
                    *committed = Committed::Notify;
                }
                // INVARIANT: As in `try_reserve`; `len <= max_record()` fits an empty sub-buffer.
                Ok(Entry::Reserved(Slot { pos: slot, len }, opening.begin))
            }
            Decision::None { .. } | Decision::Later => Ok(Entry::Raced),
        }
    }

    /// Decides about the slot of the sub-buffer at whose start `pos` rests; passes it by if readers hold
    /// it.
    fn decide<H: Hooks>(
        &self,
        pos: u64,
        committed: &mut Committed,
        hooks: &H,
    ) -> Result<Decision, Cause> {
        let seq = self.geo.seq(pos);
        // ORDERING: deliver:B
        let delivered = self.head().deliver.seq.load(Ordering::Acquire);
        if delivered.wrapping_add(self.geo.n_subbufs()) <= seq {
            // A writer this one interrupted has not committed in the slot's last lap yet.
            return Err(Cause::Nested);
        }
        nesting_point!(I);
        let decision = self.claim(seq).decide(seq);
        if decision == Decision::Skipped {
            // Whether this exchange or another's moves on is all the same.
            let next = self.geo.start(seq.wrapping_add(1));
            R::cmpxchg(&self.head().writer.pos, pos, next);
            // Nobody commits to a skipped sub-buffer, so it is passed here.
            if self.deliver(hooks) {
                *committed = Committed::Notify;
            }
        }
        Ok(decision)
    }

    /// The position of the next record if that fits its sub-buffer, and how many bytes are free there:
    /// they are the caller's to write until somebody reserves. Must run where writers run.
    pub(crate) fn next_record<H: Hooks>(
        &self,
        hooks: &H,
    ) -> (Result<(u64, u64), Cause>, Committed) {
        let mut committed = Committed::Quietly;
        let mut skips = 0u64;
        while skips <= self.geo.n_subbufs() {
            if self.room.load(Ordering::Relaxed) == 0 {
                return (Err(Cause::Closed), committed);
            }
            // ORDERING: reserve:B
            let pos = self.head().writer.pos.load(Ordering::Acquire);
            let (seq, offset) = (self.geo.seq(pos), self.geo.offset(pos));
            if offset != 0 {
                return (Ok((pos, self.usable().saturating_sub(offset))), committed);
            }
            if !hooks.may_enter(seq, self.is_full(seq)) {
                return (Err(Cause::Full), Committed::Notify);
            }
            match self.decide(pos, &mut committed, hooks) {
                Err(cause) => return (Err(cause), committed),
                Ok(Decision::Claimed) => {
                    let start = self.data_start(seq);
                    let free = self.usable().wrapping_sub(start);
                    return (Ok((pos.wrapping_add(start), free)), committed);
                }
                Ok(_) => skips = skips.wrapping_add(1),
            }
        }
        (Err(Cause::Held), committed)
    }

    /// Describes a sub-buffer that was just entered. Runs once per lap, in the context that moved
    /// the position; nothing laps the sub-buffer meanwhile as that context has yet to commit.
    fn open<H: Hooks>(&self, subbuf: &Subbuf, opening: &Opening, hooks: &H) -> Committed {
        let &Opening {
            seq,
            base,
            begin,
            data_start,
        } = opening;
        subbuf.base.store(base, Ordering::Relaxed);
        subbuf.begin.store(begin, Ordering::Relaxed);
        if !self.is_records() {
            subbuf.end.store(0, Ordering::Relaxed);
        }
        subbuf.data_start.store(data_start, Ordering::Relaxed);
        // ORDERING: open:A
        subbuf.seq.store(seq.wrapping_add(1), Ordering::Release);
        let start = self.geo.start(seq);
        // SAFETY: Reserved with the record behind them, and not committed yet.
        unsafe { self.zero_bytes(start, data_start) };
        hooks.opened(&Opened {
            seq,
            begin,
            start: self.reserve_at(seq, 0, self.clients(data_start)),
        });
        if data_start == 0 {
            return Committed::Quietly;
        }
        self.add_committed(start, data_start, hooks)
    }

    /// How long ago, by the ring's clock, the sub-buffer in which the caller's `slot` lies was entered.
    /// 0 if who entered it has yet to say when: a writer this one interrupted, or on another CPU.
    pub(crate) fn age(&self, slot: &Slot) -> u64 {
        let seq = self.geo.seq(slot.pos);
        let subbuf = self.subbuf(seq);
        if self.committed(subbuf, seq).is_none() {
            return 0;
        }
        // Stays what it is until the slot is committed. Clocks of CPUs may differ: not below 0.
        let begin = subbuf.begin.load(Ordering::Relaxed);
        self.clock.read().saturating_sub(begin)
    }

    /// Closes the sub-buffer `pos` lies in: what is left of it becomes padding. `None`: somebody
    /// moved the position.
    fn leave<H: Hooks>(&self, pos: u64, hooks: &H) -> Option<Committed> {
        let next = self.geo.start(self.geo.seq(pos).wrapping_add(1));
        self.leave_to(pos, next, self.event_time(), hooks)
    }

    /// The same at `time`; `word` is to stand for the start of the next.
    pub(super) fn leave_to<H: Hooks>(
        &self,
        pos: u64,
        word: u64,
        time: u64,
        hooks: &H,
    ) -> Option<Committed> {
        let seq = self.geo.seq(pos);
        let next = self.geo.start(seq.wrapping_add(1));
        // ORDERING: reserve:A
        if !R::cmpxchg(&self.head().writer.pos, pos, word) {
            return None;
        }
        nesting_point!(H);
        if self.is_records() {
            self.subbuf(seq).end.store(time, Ordering::Relaxed);
        }
        // The padding is not committed yet, so the slot cannot be used again before this store.
        self.subbuf(seq).closed_at.store(pos, Ordering::Relaxed);
        let end_reserve = self.reserves.end.into();
        // SAFETY: All behind `pos` was free, and is this context's since the exchange.
        unsafe { self.zero_bytes(next.wrapping_sub(end_reserve), end_reserve) };
        Some(self.add_committed(pos, next.wrapping_sub(pos), hooks))
    }

    /// Ends the current sub-buffer, so that what is in it can be delivered.
    ///
    /// Must run where writers run: on the owning CPU, if the ring has one.
    pub(crate) fn flush<H: Hooks>(&self, hooks: &H) -> Committed {
        loop {
            // ORDERING: reserve:B
            let pos = self.head().writer.pos.load(Ordering::Acquire);
            if !self.has_begun(pos) {
                return Committed::Quietly;
            }
            if let Some(committed) = self.leave(pos, hooks) {
                return committed;
            }
        }
    }

    /// Throws away all that was written so far: readers go on where the position is now. Counts go
    /// on, and what nobody had read counts as gone before it was read.
    ///
    /// Must run where writers run, and no two at a time. Who can be interrupted in the middle of a
    /// write may still commit, to no effect.
    pub(crate) fn reset<H: Hooks>(&self, hooks: &H) -> Committed {
        let mut committed = Committed::Quietly;
        let mut skips = 0u64;
        loop {
            // ORDERING: reserve:B
            let pos = self.head().writer.pos.load(Ordering::Acquire);
            let retired = pos & RETIRED != 0;
            let pos = pos & !RETIRED;
            let rests = self.geo.offset(pos) == 0;
            let first = self.geo.seq(pos).wrapping_add(u64::from(!rests));
            // Before the position moves: who opens that sub-buffer leaves room for the channel's
            // start reserve.
            if !retired {
                self.channel_start.store(first, Ordering::Relaxed);
            }
            // ORDERING: reset:A
            self.first.store(first, Ordering::Release);
            if retired {
                return committed;
            }
            if !rests {
                if let Some(committed) = self.leave(pos, hooks) {
                    return committed;
                }
            } else if self.reserves.channel_start == 0 || skips > self.geo.n_subbufs() {
                return committed;
            } else {
                // A writer may be about to open the sub-buffer as it was to be before. So it is
                // opened here, with nothing in it: the position moves, and the writer looks again.
                // Whether its slot was consumed does not matter, as that is thrown away.
                match self.enter(pos, 0, &mut committed, hooks) {
                    Ok(Entry::Skipped) => skips = skips.wrapping_add(1),
                    Ok(Entry::Raced) => {}
                    Ok(Entry::Reserved(..)) | Err(_) => return committed,
                }
            }
        }
    }

    /// When, for an event or a packet, which lie between the load of the position and its exchange.
    fn event_time(&self) -> u64 {
        if self.is_records() {
            self.next_time()
        } else {
            0
        }
    }

    /// How much of a start reserve is the client's.
    pub(super) fn clients(&self, data_start: u64) -> u64 {
        if self.is_records() {
            0
        } else {
            data_start
        }
    }

    /// Whether there is more before `pos` in its sub-buffer than the start reserve.
    fn has_begun(&self, pos: u64) -> bool {
        let offset = self.geo.offset(pos);
        offset != 0 && offset != self.data_start(self.geo.seq(pos))
    }

    /// Whether a flush would end the current sub-buffer.
    pub(crate) fn needs_flush(&self) -> bool {
        self.has_begun(self.written_pos())
    }

    /// Whether this writer may enter `seq`. `allowed`: what it was told it may.
    fn may_enter<H: Hooks>(&self, seq: u64, allowed: &mut Option<u64>, hooks: &H) -> bool {
        if *allowed == Some(seq) {
            return true;
        }
        let may = hooks.may_enter(seq, self.is_full(seq));
        if may {
            *allowed = Some(seq);
        }
        may
    }

    /// Whether a record that does not fit the current sub-buffer would be refused.
    pub(crate) fn has_no_room(&self) -> bool {
        let pos = self.pos(Ordering::Relaxed);
        let inside = self.geo.offset(pos) != 0;
        self.is_full(self.geo.seq(pos).wrapping_add(u64::from(inside)))
    }

    /// Whether the consumer, as far as it has said where it is, has complete sub-buffers to read that are
    /// half of the ring; in no-overwrite mode.
    pub(crate) fn is_crowded(&self) -> bool {
        // ORDERING: deliver:B
        let delivered = self.head().deliver.seq.load(Ordering::Acquire);
        let next = self.geo.seq(self.after_padding(self.consumer_pos()));
        let behind = delivered.saturating_sub(next);
        let has_records =
            |seq| !self.is_skipped(seq) && self.subbuf(seq).records.load(Ordering::Relaxed) != 0;
        // Others it may pass by without a word.
        !self.overwrite && behind >= self.geo.n_subbufs() / 2 && (next..delivered).any(has_records)
    }

    /// How many sub-buffers there are from the one the consumer is in to `seq`.
    pub(crate) fn unread_subbufs(&self, seq: u64) -> u64 {
        let unread = seq.wrapping_add(1).wrapping_sub(self.consumed_seq());
        unread.min(self.geo.n_subbufs())
    }

    /// Whether no-overwrite mode forbids to open sub-buffer `seq`: its slot is not consumed.
    pub(crate) fn is_full(&self, seq: u64) -> bool {
        if self.overwrite {
            return false;
        }
        // Signed: a position that has grown old may lie behind the consumer.
        let ahead = seq.wrapping_sub(self.consumed_seq()) as i64;
        ahead >= self.geo.n_subbufs() as i64
    }
}
