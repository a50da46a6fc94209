// SPDX-License-Identifier: GPL-2.0

//! Readers: where one stands, what it may look at, what it missed.
//!
//! A reader walks the sub-buffers in order. It takes a *run* at a time: all of a delivered
//! sub-buffer, or what is committed of the current one when nothing before it is still being
//! written. A run ends between two records, and while a reader is inside one it holds the slot, so
//! a record of which a reader has seen one byte stays readable to its end. Between runs the reader
//! holds nothing and may be overtaken; how much it missed follows from the counts of records and
//! bytes before each sub-buffer.

use crate::ring::{
    claim::Decision,
    sync::{self, Ordering, Rmw},
    Ring, //
};

/// A reader's place in a ring.
///
/// # Invariants
///
/// * If `held`, the slot of `seq` is held by this cursor, and bytes `off .. end` of the sub-buffer
///   are committed. If not, `end == off`.
/// * A cursor is used with one ring only.
#[derive(Default)]
pub(crate) struct Cursor {
    pub(crate) seq: u64,
    off: u64,
    end: u64,
    held: bool,
    /// The run goes to the end of the sub-buffer's data.
    whole: bool,
    /// Records in this sub-buffer up to the run's end, and the payload bytes.
    run: Count,
    /// Of these, what came before the run.
    done: Count,
    /// Everything before the run: consumed or missed.
    ordinal: Count,
    /// Bytes consumed of a run that is not finished.
    partly: u64,
    /// Whether the records missed before this sub-buffer are accounted for.
    entered: bool,
    /// When the cursor had last read all of this sub-buffer that there was; 0: never.
    since: u64,
    /// Consumed so far; a record counts when its run is finished.
    pub(crate) read: Count,
    /// Missed so far: overwritten before this reader came.
    pub(crate) missed: Count,
}

/// Records, and their payload bytes.
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq)]
pub(crate) struct Count {
    pub(crate) records: u64,
    pub(crate) bytes: u64,
}

impl Count {
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

/// What a look at the sub-buffer of a cursor found.
enum Look {
    Run,
    /// All of it was consumed before: go on to the next.
    Done,
    /// Nothing to read yet.
    Wait,
}

impl<R: Rmw> Ring<R> {
    /// Brings the cursor to the next byte that can be read; `false` if there is none now.
    pub(crate) fn advance(&self, c: &mut Cursor) -> bool {
        loop {
            if c.held {
                self.skip_holes(c);
                if c.off < c.end {
                    return true;
                }
                self.finish_run(c);
            }
            if !self.hold_next(c) {
                return false;
            }
            match self.look(c) {
                Look::Run => {}
                Look::Done => {
                    c.whole = true;
                    self.finish_run(c);
                }
                Look::Wait => {
                    self.detach(c);
                    return false;
                }
            }
        }
    }

    /// The bytes at the cursor, up to the next hole or the end of the run.
    pub(crate) fn peek<'a>(&'a self, c: &'a Cursor) -> &'a [u8] {
        if !c.held || c.off >= c.end {
            return &[];
        }
        let mut end = c.end;
        // SAFETY: The cursor holds the slot, so it is not opened again.
        unsafe {
            self.for_each_hole(c.seq, |hole| {
                if hole.start >= c.off && hole.start < end {
                    end = hole.start;
                }
            })
        };
        let pos = self.geo.start(c.seq).wrapping_add(c.off);
        // SAFETY: By the invariants of `Cursor` the bytes are committed and the slot is held for
        // as long as the cursor is borrowed, so nobody writes them.
        unsafe { self.bytes(pos, end.wrapping_sub(c.off)) }
    }

    /// Consumes `n` bytes of what [`Ring::peek`] gave.
    pub(crate) fn consume(&self, c: &mut Cursor, n: u64) {
        let n = n.min(c.end.wrapping_sub(c.off));
        c.off = c.off.wrapping_add(n);
        c.read.bytes = c.read.bytes.wrapping_add(n);
        c.partly = c.partly.wrapping_add(n);
        self.skip_holes(c);
        if c.held && c.off >= c.end {
            self.finish_run(c);
        }
    }

    /// Lets go of the slot, wherever the cursor stands. What is left of its run may be overwritten.
    pub(crate) fn detach(&self, c: &mut Cursor) {
        if c.held {
            self.claim(c.seq).release();
            c.held = false;
        }
        c.end = c.off;
    }

    /// The position below which the cursor has consumed everything.
    pub(crate) fn consumed_pos(&self, c: &Cursor) -> u64 {
        self.geo.start(c.seq).wrapping_add(c.off)
    }

    /// A time not after the first record of the run a cursor is in, and close to it: when its
    /// sub-buffer was opened, or when the cursor had last read all there was of it.
    pub(crate) fn run_time(&self, c: &Cursor) -> u64 {
        let begin = self.subbuf(c.seq).begin.load(Ordering::Relaxed);
        begin.max(c.since)
    }

    /// Whether there seems to be something to read after what the consumer has published. May be
    /// wrong while a writer or the consumer is at work.
    pub(crate) fn has_data(&self) -> bool {
        let consumed = self.head().consumer.pos.load(Ordering::Acquire);
        let (seq, off) = (self.geo.seq(consumed), self.geo.offset(consumed));
        let delivered = self.head().deliver.seq.load(Ordering::Acquire);
        if delivered > seq {
            let data_len = self.subbuf(seq).data_len.load(Ordering::Relaxed);
            if delivered > seq.wrapping_add(1) || data_len > off {
                return true;
            }
        }
        // What is left is the current sub-buffer: all that is reserved in it must be committed.
        let (current, off) = if delivered > seq {
            (delivered, 0)
        } else {
            (seq, off)
        };
        let Some((bytes, _)) = self.committed(self.subbuf(current), current) else {
            return false;
        };
        let pos = self.head().writer.pos.load(Ordering::Acquire);
        bytes > off && pos == self.geo.start(current).wrapping_add(bytes)
    }

    /// Whether the cursor is in the middle of a run.
    pub(crate) fn mid_run(&self, c: &Cursor) -> bool {
        c.held && c.off < c.end
    }

    /// Finds the next sub-buffer that still is what it was and holds it.
    fn hold_next(&self, c: &mut Cursor) -> bool {
        loop {
            // ORDERING: reserve:B
            let pos = self.head().writer.pos.load(Ordering::Acquire);
            let newest = self.geo.seq(pos);
            if c.seq > newest || (c.seq == newest && self.geo.offset(pos) <= c.off) {
                return false;
            }
            if newest.wrapping_sub(c.seq) > self.geo.n_subbufs() {
                c.go_to(newest.wrapping_sub(self.geo.n_subbufs()));
            }
            match self.claim(c.seq).hold(c.seq) {
                Ok(()) => {
                    // INVARIANT: The slot is held; the run is empty.
                    c.held = true;
                    return true;
                }
                Err(Decision::Skipped | Decision::Later) => c.go_to(c.seq.wrapping_add(1)),
                // As many readers as a claim word can count hold it, or it is not decided.
                Err(_) => return false,
            }
        }
    }

    /// Looks for a run in the sub-buffer the cursor holds.
    fn look(&self, c: &mut Cursor) -> Look {
        let subbuf = self.subbuf(c.seq);
        let line = &self.head().deliver;
        // ORDERING: deliver:B
        let delivered = line.seq.load(Ordering::Acquire);
        if delivered > c.seq {
            let before = Count {
                records: subbuf.first_record.load(Ordering::Relaxed),
                bytes: subbuf.first_byte.load(Ordering::Relaxed),
            };
            let run = Count {
                records: subbuf.records.load(Ordering::Relaxed),
                bytes: subbuf.bytes.load(Ordering::Relaxed),
            };
            let end = subbuf.data_len.load(Ordering::Relaxed);
            c.begin_run(before, run, end, true);
            return if end > c.off { Look::Run } else { Look::Done };
        }
        if delivered < c.seq {
            return Look::Wait;
        }
        let Some((bytes, records)) = self.committed(subbuf, c.seq) else {
            return Look::Wait;
        };
        // Read after the commit word: if no more is reserved now than was committed then, all that
        // was reserved then was committed.
        // ORDERING: reserve:B
        let pos = self.head().writer.pos.load(Ordering::Acquire);
        let whole = bytes == self.geo.subbuf_size();
        if whole || bytes <= c.off || pos != self.geo.start(c.seq).wrapping_add(bytes) {
            return Look::Wait;
        }
        // ORDERING: finish:B
        let before = Count {
            records: line.records.load(Ordering::Acquire),
            bytes: line.bytes.load(Ordering::Acquire),
        };
        // The counts are those before this sub-buffer only if it is not delivered by now.
        if self.committed(subbuf, c.seq) != Some((bytes, records)) {
            return Look::Wait;
        }
        let mut payload = bytes;
        // SAFETY: The cursor holds the slot, so it is not opened again.
        unsafe {
            self.for_each_hole(c.seq, |hole| {
                if hole.start < bytes {
                    payload = payload.wrapping_sub(hole.len);
                }
            })
        };
        let run = Count {
            records,
            bytes: payload,
        };
        c.begin_run(before, run, bytes, false);
        Look::Run
    }

    fn skip_holes(&self, c: &mut Cursor) {
        if !c.held {
            return;
        }
        let mut again = true;
        while again && c.off < c.end {
            again = false;
            let mut off = c.off;
            // SAFETY: The cursor holds the slot, so it is not opened again.
            unsafe {
                self.for_each_hole(c.seq, |hole| {
                    if hole.start == off {
                        off = off.wrapping_add(hole.len);
                        again = true;
                    }
                })
            };
            c.off = off;
        }
    }

    /// Ends a run that is consumed.
    fn finish_run(&self, c: &mut Cursor) {
        let step = c.run.minus(c.done);
        c.read.records = c.read.records.wrapping_add(step.records);
        c.ordinal = c.ordinal.plus(step);
        c.done = c.run;
        c.partly = 0;
        self.detach(c);
        if c.whole {
            c.go_to(c.seq.wrapping_add(1));
        } else {
            c.since = sync::now();
        }
    }
}

impl Cursor {
    /// Whether anything was left out before or inside what was consumed so far is in `missed`.
    fn begin_run(&mut self, before: Count, run: Count, end: u64, whole: bool) {
        if !self.entered {
            self.missed = self.missed.plus(before.minus(self.ordinal));
            // A run that was given up half read counts as missed, but not what was read of it.
            self.missed.bytes = self.missed.bytes.wrapping_sub(self.partly);
            self.partly = 0;
            self.ordinal = before;
            self.entered = true;
        }
        self.run = run;
        self.whole = whole;
        // INVARIANT: The caller found the bytes below `end` committed.
        self.end = end.max(self.off);
    }

    /// Leaves the sub-buffer for the start of another.
    fn go_to(&mut self, seq: u64) {
        self.seq = seq;
        self.off = 0;
        self.end = 0;
        self.whole = false;
        self.entered = false;
        self.since = 0;
        self.run = Count::default();
        self.done = Count::default();
    }
}
