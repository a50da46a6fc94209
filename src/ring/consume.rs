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
    cursor::{Count, Cursor, Run},
    sync::{Ordering, Rmw},
    Ring, //
};

/// What a look at the sub-buffer of a cursor found.
enum Look {
    Run,
    /// Nothing in it, or consumed before.
    Done,
    /// Nothing to read yet.
    Wait,
}

impl<R: Rmw> Ring<R> {
    /// Brings the cursor to the next byte that can be read; `false` if there is none now.
    pub(crate) fn advance(&self, c: &mut Cursor) -> bool {
        // In the middle of a run the next read heeds it: so that no read cuts a record.
        if !self.mid_run(c) {
            self.heed_reset(c);
        }
        loop {
            if c.held {
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
                Look::Done => self.finish_run(c),
                Look::Wait => {
                    self.detach(c);
                    return false;
                }
            }
        }
    }

    /// A reset throws away all before a sub-buffer: a reader that is not there yet goes there.
    pub(crate) fn heed_reset(&self, c: &mut Cursor) {
        // ORDERING: reset:B
        let first = self.first.load(Ordering::Acquire);
        if c.seq < first {
            self.detach(c);
            c.go_to(first);
        }
    }

    /// The bytes at the cursor, up to the next hole or the end of the run.
    pub(crate) fn peek<'a>(&'a self, c: &'a Cursor) -> &'a [u8] {
        if !c.held {
            return &[];
        }
        let pos = self.geo.start(c.seq).wrapping_add(c.off);
        // SAFETY: By the invariants of `Cursor` the bytes are committed and the slot is held for
        // as long as the cursor is borrowed, so nobody writes them.
        unsafe { self.bytes(pos, c.stop.wrapping_sub(c.off)) }
    }

    /// Whether nothing of its sub-buffer comes after what [`Ring::peek`] gives. Not known of one that has
    /// not ended.
    pub(crate) fn is_last(&self, c: &mut Cursor) -> bool {
        let (off, stop) = (c.off, c.stop);
        c.off = stop;
        self.settle(c);
        let last = c.held && c.whole && c.off >= c.end;
        (c.off, c.stop) = (off, stop);
        last
    }

    /// Consumes `n` bytes of what [`Ring::peek`] gave.
    pub(crate) fn consume(&self, c: &mut Cursor, n: u64) {
        c.step(n.min(c.stop.wrapping_sub(c.off)));
        self.settle(c);
        if c.held && c.off >= c.end {
            self.finish_run(c);
        }
    }

    /// Steps over holes and padding, and finds how far the bytes go on from there.
    pub(super) fn settle(&self, c: &mut Cursor) {
        while c.off == c.stop && c.off < c.end {
            let data_end = c.data.1;
            if c.off >= data_end {
                // Only a whole sub-buffer goes on behind its data: with the end reserve.
                c.off = c.off.max(self.usable());
                c.stop = c.end;
                return;
            }
            let hole = self.next_hole(c);
            if hole.start > c.off {
                // INVARIANT: Committed, as below the run's end and neither hole nor padding.
                c.stop = hole.start.min(data_end);
                return;
            }
            c.off = c.off.wrapping_add(hole.len);
            c.stop = c.off;
        }
    }

    /// Lets go of the slot, wherever the cursor stands. What is left of its run may be overwritten.
    pub(crate) fn detach(&self, c: &mut Cursor) {
        if c.held {
            self.claim(c.seq).release();
            c.held = false;
        }
        c.end = c.off;
        c.stop = c.off;
    }

    /// The position below which the cursor has consumed everything.
    pub(crate) fn consumed_pos(&self, c: &Cursor) -> u64 {
        self.geo.start(c.seq).wrapping_add(c.off)
    }

    /// The position below which a reader at the cursor was given everything: that, or the end of its run.
    pub(crate) fn given_pos(&self, c: &Cursor) -> u64 {
        self.geo.start(c.seq).wrapping_add(c.end.max(c.off))
    }

    /// Takes a cursor that holds nothing to `pos`.
    pub(crate) fn place(&self, c: &mut Cursor, pos: u64) {
        c.go_to(self.geo.seq(pos));
        c.off = self.geo.offset(pos);
        c.stop = c.off;
        // INVARIANT: It holds nothing.
        c.end = c.off;
    }

    /// A time not after the first record of the run a cursor is in, and close to it: when its
    /// sub-buffer was opened, or when the cursor had last read all there was of it.
    pub(crate) fn run_time(&self, c: &Cursor) -> u64 {
        let begin = self.subbuf(c.seq).begin.load(Ordering::Relaxed);
        begin.max(c.since)
    }

    /// Whether there seems to be something to read from position `consumed` on. May be wrong while a
    /// writer is at work, or the reader that has come to `consumed`.
    pub(crate) fn has_data_after(&self, consumed: u64) -> bool {
        self.has_after(consumed, !self.whole_only)
    }

    /// The same for a reader that also takes parts of sub-buffers, or only then.
    pub(crate) fn has_after(&self, consumed: u64, parts: bool) -> bool {
        let consumed = consumed.max(self.first_pos());
        let (seq, off) = (self.geo.seq(consumed), self.geo.offset(consumed));
        // ORDERING: deliver:B
        let delivered = self.head().deliver.seq.load(Ordering::Acquire);
        if delivered > seq {
            let data_len = self.subbuf(seq).data_len.load(Ordering::Relaxed);
            if delivered > seq.wrapping_add(1) || self.run_end(data_len) > off {
                return true;
            }
        }
        if delivered < seq {
            // The consumer was moved on by a reset, and what it passed has a writer in it.
            return false;
        }
        if !parts {
            return false;
        }
        // What is left is the current sub-buffer: all that is reserved in it must be committed.
        let (current, off) = if delivered > seq {
            (delivered, 0)
        } else {
            (seq, off)
        };
        let subbuf = self.subbuf(current);
        let Some((bytes, _)) = self.committed(subbuf, current) else {
            return false;
        };
        // ORDERING: reserve:B
        let pos = self.pos(Ordering::Acquire);
        bytes > off.max(subbuf.data_start.load(Ordering::Relaxed))
            && pos == self.geo.start(current).wrapping_add(bytes)
    }

    /// All before this position can be read, as far as it is still there: that of the writers, unless
    /// one of them is not done, or readers are given whole sub-buffers only.
    pub(crate) fn settled_pos(&self) -> u64 {
        // ORDERING: deliver:B
        let seq = self.head().deliver.seq.load(Ordering::Acquire);
        let start = self.geo.start(seq);
        if self.whole_only {
            return start;
        }
        match self.committed(self.subbuf(seq), seq) {
            // ORDERING: reserve:B
            Some((bytes, _)) if self.pos(Ordering::Acquire) == start.wrapping_add(bytes) => {
                start.wrapping_add(bytes)
            }
            _ => start,
        }
    }

    /// Where readers of a whole sub-buffer with data up to `data_len` have read all of it.
    fn run_end(&self, data_len: u64) -> u64 {
        if self.reserves.end != 0 {
            self.geo.subbuf_size()
        } else {
            data_len
        }
    }

    /// What was written before was thrown away.
    pub(crate) fn first_pos(&self) -> u64 {
        // ORDERING: reset:B
        self.geo.start(self.first.load(Ordering::Acquire))
    }

    /// Where a reader that has come to `pos` goes on, if it is at the end of a sub-buffer's data.
    pub(crate) fn after_padding(&self, pos: u64) -> u64 {
        let pos = pos.max(self.first_pos());
        let seq = self.geo.seq(pos);
        // ORDERING: deliver:B
        let delivered = self.head().deliver.seq.load(Ordering::Acquire) > seq;
        let data_len = self.subbuf(seq).data_len.load(Ordering::Relaxed);
        if delivered && self.run_end(data_len) <= self.geo.offset(pos) {
            return self.geo.start(seq.wrapping_add(1));
        }
        pos
    }

    /// How many bytes the run the cursor is in still has, of a ring of events: of the packet, if it is
    /// at its beginning.
    pub(crate) fn left_in_packet(&self, c: &Cursor) -> u64 {
        c.left_before_end()
    }

    /// Whether the cursor is in the middle of a run.
    pub(crate) fn mid_run(&self, c: &Cursor) -> bool {
        c.held && c.off < c.end
    }

    /// Finds the next sub-buffer that still is what it was and holds it.
    fn hold_next(&self, c: &mut Cursor) -> bool {
        loop {
            // ORDERING: reserve:B
            let pos = self.pos(Ordering::Acquire);
            let newest = self.geo.seq(pos);
            if c.seq > newest || (c.seq == newest && self.geo.offset(pos) <= c.off) {
                return false;
            }
            if newest.wrapping_sub(c.seq) > self.geo.n_subbufs() {
                c.go_to(newest.wrapping_sub(self.geo.n_subbufs()));
            }
            // Once delivered it stays so: what comes after the hold finds it at least as far.
            let whole_only = (self.whole_only && !c.parts) || c.whole_only;
            if whole_only && self.head().deliver.seq.load(Ordering::Relaxed) <= c.seq {
                return false;
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

    /// Begins a run in the sub-buffer the cursor is in, and in no other. Says whether there is one.
    pub(super) fn begin_here(&self, c: &mut Cursor) -> bool {
        self.detach(c);
        let whole_only = self.whole_only || c.whole_only;
        if whole_only && self.head().deliver.seq.load(Ordering::Relaxed) <= c.seq {
            return false;
        }
        // INVARIANT: The slot is held; the run is empty.
        c.held = self.claim(c.seq).hold(c.seq).is_ok();
        c.held && matches!(self.look(c), Look::Run)
    }

    /// Looks for a run in the sub-buffer the cursor holds.
    fn look(&self, c: &mut Cursor) -> Look {
        let subbuf = self.subbuf(c.seq);
        // ORDERING: deliver:B
        let delivered = self.head().deliver.seq.load(Ordering::Acquire);
        if delivered > c.seq {
            let data_len = subbuf.data_len.load(Ordering::Relaxed);
            let run = Run {
                before: Count {
                    records: subbuf.first_record.load(Ordering::Relaxed),
                    bytes: subbuf.first_byte.load(Ordering::Relaxed),
                },
                count: Count {
                    records: subbuf.records.load(Ordering::Relaxed),
                    bytes: subbuf.bytes.load(Ordering::Relaxed),
                },
                data: (subbuf.data_start.load(Ordering::Relaxed), data_len),
                end: self.run_end(data_len),
                whole: true,
            };
            return self.start(c, &run);
        }
        if delivered < c.seq {
            return Look::Wait;
        }
        match self.look_at_part(c) {
            Some(run) => self.start(c, &run),
            None => Look::Wait,
        }
    }

    fn start(&self, c: &mut Cursor, run: &Run) -> Look {
        c.begin_run(run);
        self.settle(c);
        if c.off < c.end {
            Look::Run
        } else {
            Look::Done
        }
    }

    /// What is committed of the current sub-buffer, if that is all that is reserved in it.
    fn look_at_part(&self, c: &Cursor) -> Option<Run> {
        let subbuf = self.subbuf(c.seq);
        let (bytes, records) = self.committed(subbuf, c.seq)?;
        let data_start = subbuf.data_start.load(Ordering::Relaxed);
        // Read after the commit word: if no more is reserved now than was committed then, all that
        // was reserved then was committed.
        // ORDERING: reserve:B
        let pos = self.pos(Ordering::Acquire);
        if bytes == self.geo.subbuf_size()
            || bytes <= c.off.max(data_start)
            || pos != self.geo.start(c.seq).wrapping_add(bytes)
        {
            return None;
        }
        let (delivered, before) = self.delivered();
        if delivered != c.seq {
            return None;
        }
        // SAFETY: The cursor holds the slot, so it is not opened again.
        let payload = unsafe { self.payload_before(c.seq, bytes, 0) };
        Some(Run {
            before,
            count: Count {
                records,
                bytes: payload,
            },
            data: (data_start, bytes),
            end: bytes,
            whole: false,
        })
    }

    /// Ends a run that is consumed.
    fn finish_run(&self, c: &mut Cursor) {
        c.end_run();
        self.detach(c);
        if c.whole {
            c.ended = c.ended.wrapping_add(1);
            c.go_to(c.seq.wrapping_add(1));
        } else {
            c.since = self.clock.read();
        }
    }
}
