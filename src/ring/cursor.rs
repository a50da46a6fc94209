// SPDX-License-Identifier: GPL-2.0

//! A reader's place in a ring, and what it has read and missed so far.

use crate::ring::hole::Window;

/// A reader's place in a ring.
///
/// # Invariants
///
/// * If `held`, the slot of `seq` is held by this cursor, and bytes `off .. end` of the sub-buffer
///   are committed or padding, `off .. stop` committed. If not, `end == off`.
/// * `off <= stop <= end`.
/// * A cursor is used with one ring only, until [`Ring::begin`](crate::ring::Ring::begin).
#[derive(Default)]
pub(crate) struct Cursor {
    pub(crate) seq: u64,
    pub(super) off: u64,
    /// How far the bytes at `off` go on without a hole or padding.
    pub(super) stop: u64,
    pub(super) end: u64,
    pub(super) held: bool,
    /// The run goes to the end of the sub-buffer.
    pub(super) whole: bool,
    /// Where the run's payload begins and ends: before and behind it are reserves.
    pub(super) data: (u64, u64),
    /// Records in this sub-buffer up to the run's end, and the payload bytes.
    run: Count,
    /// Of these, what came before the run.
    done: Count,
    /// Everything before the run: consumed or missed.
    ordinal: Count,
    /// Payload bytes consumed of a run that is not finished.
    partly: u64,
    /// Whether the records missed before this sub-buffer are accounted for.
    entered: bool,
    /// When the cursor had last read all of this sub-buffer that there was; 0: never.
    pub(super) since: u64,
    /// Consumed so far; a record counts when its run is finished.
    pub(crate) read: Count,
    /// Missed so far: gone before this reader came.
    pub(crate) missed: Count,
    /// What of both was in the rings before.
    begun: (Count, Count),
    /// Sub-buffers left behind so far with all read that was in them.
    pub(crate) ended: u64,
    pub(super) holes: Window,
    /// It takes no part of a sub-buffer.
    pub(super) whole_only: bool,
    /// It takes parts, too, of a ring whose readers do not.
    pub(crate) parts: bool,
}

/// Records, and their payload bytes.
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq)]
pub(crate) struct Count {
    pub(crate) records: u64,
    pub(crate) bytes: u64,
}

impl Count {
    /// Not less than `other`, in records nor in bytes.
    pub(crate) fn at_least(self, other: Self) -> Self {
        Self {
            records: self.records.max(other.records),
            bytes: self.bytes.max(other.bytes),
        }
    }

    /// Not more than `other`, in records nor in bytes.
    pub(crate) fn at_most(self, other: Self) -> Self {
        Self {
            records: self.records.min(other.records),
            bytes: self.bytes.min(other.bytes),
        }
    }

    pub(crate) fn plus(self, other: Self) -> Self {
        Self {
            records: self.records.wrapping_add(other.records),
            bytes: self.bytes.wrapping_add(other.bytes),
        }
    }

    pub(crate) fn minus(self, other: Self) -> Self {
        Self {
            records: self.records.wrapping_sub(other.records),
            bytes: self.bytes.wrapping_sub(other.bytes),
        }
    }
}

/// A place in a cursor's run.
pub(crate) struct Bookmark {
    off: u64,
    stop: u64,
    partly: u64,
}

/// What a sub-buffer, or the part of it that is committed, has for a reader.
pub(super) struct Run {
    /// Everything before the sub-buffer.
    pub(super) before: Count,
    /// Records and payload up to the end.
    pub(super) count: Count,
    /// Where the payload begins and ends.
    pub(super) data: (u64, u64),
    /// Where the run ends; behind the payload if there is an end reserve.
    pub(super) end: u64,
    pub(super) whole: bool,
}

impl Cursor {
    /// At the beginning. `whole_only`: it waits for the end of each sub-buffer.
    pub(crate) fn new(whole_only: bool) -> Self {
        Self {
            whole_only,
            ..Self::default()
        }
    }

    /// As one that has come to `seq` and is in a run of which `left` is left, for counting only. `before`:
    /// what came before this ring.
    #[cfg(MODULE)]
    pub(crate) fn seen(seq: u64, read: Count, missed: Count, left: Count, before: Count) -> Self {
        Self {
            seq,
            read,
            missed,
            run: left,
            // Somebody else holds it.
            held: true,
            // What is before a run was read or missed, here or in other rings.
            ordinal: read.plus(missed).minus(before),
            ..Self::default()
        }
    }

    /// Starts a run in the sub-buffer the cursor is in. The caller found its bytes committed.
    pub(super) fn begin_run(&mut self, run: &Run) {
        if !self.entered {
            self.missed = self.missed.plus(run.before.minus(self.ordinal));
            // A run that was given up half read counts as missed, but not what was read of it.
            self.missed.bytes = self.missed.bytes.wrapping_sub(self.partly);
            self.partly = 0;
            self.ordinal = run.before;
            self.entered = true;
        }
        self.run = run.count;
        self.whole = run.whole;
        self.data = run.data;
        // INVARIANT: By the caller.
        self.end = run.end.max(self.off);
        self.stop = self.off;
        self.holes.forget();
    }

    /// Goes over `n` bytes that were read.
    pub(super) fn step(&mut self, n: u64) {
        let (from, to) = (self.off, self.off.wrapping_add(n));
        let payload = to.min(self.data.1).saturating_sub(from.max(self.data.0));
        self.off = to;
        self.read.bytes = self.read.bytes.wrapping_add(payload);
        self.partly = self.partly.wrapping_add(payload);
    }

    /// Where it is in its run, to go back to.
    pub(crate) fn bookmark(&self) -> Bookmark {
        Bookmark {
            off: self.off,
            stop: self.stop,
            partly: self.partly,
        }
    }

    /// Goes back to where it was in the run, which is not finished: nothing was read from there on.
    pub(crate) fn back_to(&mut self, mark: &Bookmark) {
        let over = self.partly.wrapping_sub(mark.partly);
        self.read.bytes = self.read.bytes.wrapping_sub(over);
        self.partly = mark.partly;
        // INVARIANT: It was there before, with the slot held as it is.
        (self.off, self.stop) = (mark.off, mark.stop);
    }

    /// Of what it has read `count` never came to a user.
    #[cfg(MODULE)]
    pub(crate) fn miss(&mut self, count: Count) {
        self.read = self.read.minus(count);
        self.missed = self.missed.plus(count);
    }

    /// Counts the records of a run that was read to its end.
    pub(super) fn end_run(&mut self) {
        let step = self.run.minus(self.done);
        self.read.records = self.read.records.wrapping_add(step.records);
        // Between events there is padding, which counts if something follows.
        let uncounted = step.bytes.wrapping_sub(self.partly);
        self.read.bytes = self.read.bytes.wrapping_add(uncounted);
        self.ordinal = self.ordinal.plus(step);
        self.done = self.run;
        self.partly = 0;
    }

    /// Goes to sub-buffer `seq`, before which there were `before`, over what somebody else has read or,
    /// as much as `lost` says, missed. The cursor holds nothing.
    pub(super) fn pass(&mut self, seq: u64, before: Count, lost: &mut Count) {
        let over = before.minus(self.passed());
        let missed = Count {
            records: lost.records.min(over.records),
            bytes: lost.bytes.min(over.bytes),
        };
        *lost = lost.minus(missed);
        self.missed = self.missed.plus(missed);
        self.read = self.read.plus(over.minus(missed));
        self.ordinal = before;
        self.partly = 0;
        self.ended = self.ended.wrapping_add(seq.wrapping_sub(self.seq));
        self.go_to(seq);
    }

    /// Counts `records` at the beginning of a run that goes on.
    pub(super) fn end_part(&mut self, records: u64) {
        let bytes = core::mem::take(&mut self.partly);
        let step = Count { records, bytes };
        self.read.records = self.read.records.wrapping_add(records);
        self.ordinal = self.ordinal.plus(step);
        self.done = self.done.plus(step);
    }

    /// Everything of this ring before the cursor.
    pub(super) fn passed(&self) -> Count {
        let mut passed = self.ordinal;
        passed.bytes = passed.bytes.wrapping_add(self.partly);
        passed
    }

    /// Leaves a ring for sub-buffer `seq` of another, before which there were `before`.
    pub(super) fn begin(&mut self, before: Count, seq: u64) {
        self.missed = before.minus(self.read);
        self.begun = (self.read, self.missed);
        self.ordinal = Count::default();
        self.partly = 0;
        self.go_to(seq);
    }

    /// What it has read and missed of this ring.
    pub(super) fn of_this_ring(&self) -> (Count, Count) {
        let (read, missed) = self.begun;
        (self.read.minus(read), self.missed.minus(missed))
    }

    /// What was missed of `all` there ever was, if that is gone but for the run the cursor is in.
    pub(crate) fn missed_of(&self, all: Count) -> Count {
        all.minus(self.read).minus(self.unread())
    }

    /// Bytes of the run the reader is in that it has not read, the start reserve included.
    pub(super) fn left_before_end(&self) -> u64 {
        let start = self.data.0.saturating_sub(self.off);
        if self.held {
            start.wrapping_add(self.unread().bytes)
        } else {
            0
        }
    }

    /// What is left of the run the reader is in.
    pub(crate) fn unread(&self) -> Count {
        if !self.held {
            return Count::default();
        }
        let mut left = self.run.minus(self.done);
        left.bytes = left.bytes.wrapping_sub(self.partly);
        left
    }

    /// Leaves the sub-buffer for the start of another.
    pub(super) fn go_to(&mut self, seq: u64) {
        self.seq = seq;
        self.off = 0;
        self.stop = 0;
        self.end = 0;
        self.whole = false;
        self.entered = false;
        self.since = 0;
        self.run = Count::default();
        self.done = Count::default();
    }
}
