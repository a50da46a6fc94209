// SPDX-License-Identifier: GPL-2.0

//! A consumer that reads a mapping: what it says in a page it writes, and how far that is believed.
//!
//! The page is the user's, so nothing in it can be relied on. What is there is brought between what
//! the ring knows itself, and says how much may be overwritten; it is never a place. Who writes
//! nonsense there loses data of its own, and nobody else's.

use crate::ring::{
    claim::Decision,
    cursor::{Count, Cursor},
    sync::{AtomicU64, Ordering, Rmw},
    Ring, //
};

/// The words of the page: `struct relayfs_consumer`.
#[derive(Default)]
#[repr(C)]
pub(crate) struct Mapped {
    /// Everything before was consumed.
    position: AtomicU64,
    /// What was missed before that.
    lost_records: AtomicU64,
    lost_bytes: AtomicU64,
}

impl Mapped {
    /// What it has consumed is before this, so it says.
    pub(crate) fn position(&self) -> u64 {
        // ORDERING: mapped:B
        self.position.load(Ordering::Acquire)
    }

    /// What it says it has missed.
    pub(crate) fn lost(&self) -> Count {
        Count {
            records: self.lost_records.load(Ordering::Relaxed),
            bytes: self.lost_bytes.load(Ordering::Relaxed),
        }
    }

    /// As users do.
    #[cfg(not(MODULE))]
    pub(crate) fn say(&self, position: u64, lost: Count) {
        self.lost_records.store(lost.records, Ordering::Relaxed);
        self.lost_bytes.store(lost.bytes, Ordering::Relaxed);
        // ORDERING: mapped:A
        self.position.store(position, Ordering::Release);
    }
}

impl<R: Rmw> Ring<R> {
    /// From now on writers look there for room; null: nowhere.
    ///
    /// # Safety
    ///
    /// What it points to must stay valid until another was set, and writers that were at work then are
    /// no longer.
    pub(crate) unsafe fn set_mapped(&self, mapped: *const Mapped) {
        // ORDERING: page:A
        self.mapped.store(mapped.cast_mut(), Ordering::Release);
    }

    /// The sub-buffer the consumer is in, as far as writers care. A mapped one is believed that it has
    /// consumed what is complete, and no more.
    pub(super) fn consumed_seq(&self) -> u64 {
        let consumed = self.geo.seq(self.consumer_pos());
        // ORDERING: page:B
        // SAFETY: As promised to `set_mapped()`.
        match unsafe { self.mapped.load(Ordering::Acquire).as_ref() } {
            None => consumed,
            Some(mapped) => {
                let delivered = self.head().deliver.seq.load(Ordering::Relaxed);
                let said = self.geo.seq(mapped.position());
                said.min(delivered).max(consumed)
            }
        }
    }

    /// Consumes what the cursor is at, as far as it is before `pos`; of packets only whole ones. Says
    /// whether that was something.
    pub(crate) fn consume_before(&self, c: &mut Cursor, pos: u64) -> bool {
        let left = pos.saturating_sub(self.consumed_pos(c));
        if self.is_records() && self.left_in_packet(c) > left {
            return false;
        }
        self.consume(c, left.min(self.peek(c).len() as u64));
        left != 0
    }

    /// Takes the consumer to `pos`, which lies in this ring or behind it, as far as there is something
    /// to consume: over complete sub-buffers, also those that writers have come round to again, and
    /// then inside of the one `pos` lies in, which it does not leave: who says that it is in there is
    /// to find it unchanged. Of what is passed as much was missed as `lost` says, which is taken from
    /// there, and the rest was read. Of packets only whole ones are passed.
    pub(crate) fn follow(&self, c: &mut Cursor, pos: u64, lost: &mut Count) {
        // ORDERING: deliver:B
        let delivered = self.head().deliver.seq.load(Ordering::Acquire);
        let to = self.geo.seq(pos).min(delivered);
        if to > c.seq {
            self.pass(c, to, lost);
        }
        if c.seq == self.geo.seq(pos) {
            while self.consumed_pos(c) < pos && self.consume_here(c, pos) {}
            self.detach(c);
        }
    }

    /// Consumes a run of the sub-buffer the cursor is in, up to `pos`. Says whether there was one.
    fn consume_here(&self, c: &mut Cursor, pos: u64) -> bool {
        if !self.mid_run(c) && !self.begin_here(c) {
            return false;
        }
        let left = pos.saturating_sub(self.consumed_pos(c));
        if self.is_records() && self.left_in_packet(c) > left {
            return false;
        }
        c.step(left.min(self.peek(c).len() as u64));
        self.settle(c);
        if c.off >= c.end {
            c.end_run();
            self.detach(c);
        }
        true
    }

    /// Counts as missed what a reset has thrown away before the consumer came to it.
    pub(crate) fn miss_what_was_reset(&self, c: &mut Cursor) {
        let first = self.first.load(Ordering::Relaxed);
        // ORDERING: deliver:B
        let delivered = self.head().deliver.seq.load(Ordering::Acquire);
        if c.seq <= first && first <= delivered {
            let mut all = Count {
                records: u64::MAX,
                bytes: u64::MAX,
            };
            self.pass(c, first, &mut all);
        }
    }

    /// Goes to sub-buffer `to`, before which all is complete.
    fn pass(&self, c: &mut Cursor, to: u64, lost: &mut Count) {
        self.detach(c);
        match self.count_before(to) {
            Some(before) => c.pass(to, before, lost),
            // It is gone: counted when one is looked for that is not.
            None => c.go_to(to),
        }
    }

    /// What came before sub-buffer `seq`, before which all is complete. `None`: it is gone.
    fn count_before(&self, mut seq: u64) -> Option<Count> {
        let (delivered, before) = self.delivered();
        while seq < delivered && self.is_skipped(seq) {
            seq = seq.wrapping_add(1);
        }
        if seq < delivered {
            return self.count_before_complete(seq);
        }
        Some(before)
    }

    fn count_before_complete(&self, seq: u64) -> Option<Count> {
        let subbuf = self.subbuf(seq);
        let before = Count {
            // ORDERING: count:B
            records: subbuf.first_record.load(Ordering::Acquire),
            // ORDERING: count:B
            bytes: subbuf.first_byte.load(Ordering::Acquire),
        };
        (self.claim(seq).decision(seq) == Decision::Claimed).then_some(before)
    }
}
