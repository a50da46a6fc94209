// SPDX-License-Identifier: GPL-2.0

//! Holes: discarded space inside a sub-buffer of a byte stream.
//!
//! A byte stream has no record headers in which to mark a record as discarded. A hole describes
//! itself in the bytes nobody will read: its first eight bytes are its length and the offset + 1 of
//! the hole discarded before it (0: none), both 32 bits in native order. The slot's `holes` word is
//! the newest hole's position plus 1, and counts if that lies in the sub-buffer asked for. A hole
//! is pushed before its bytes are committed, so a reader that sees the bytes as committed also
//! sees the hole.

use crate::ring::{
    cursor::Cursor,
    sync::{Ordering, Rmw},
    Ring, //
};

/// The shortest hole: room for its description.
pub(crate) const MIN: u64 = 8;

/// A hole's place in its sub-buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hole {
    pub(crate) start: u64,
    pub(crate) len: u64,
    /// Bytes before it that belong to it if nothing follows.
    pub(crate) pad: u64,
}

/// Bytes of a sub-buffer that a [`Window`] covers.
const SPAN: u64 = 4096;
/// One for each place in it where at most one hole can begin.
const CELLS: usize = (SPAN / MIN) as usize;

/// The holes of a part of a sub-buffer, in order, so that a reader which goes from hole to hole does
/// not walk the list each time.
pub(crate) struct Window {
    /// What it covers; empty if it is not filled.
    from: u64,
    to: u64,
    /// Where the next hole behind that begins.
    beyond: u64,
    /// 0, or 1 more than how far into the cell a hole begins.
    cells: [u8; CELLS],
}

impl Default for Window {
    fn default() -> Self {
        Self {
            from: 0,
            to: 0,
            beyond: 0,
            cells: [0; CELLS],
        }
    }
}

impl Window {
    /// The list may have changed.
    pub(super) fn forget(&mut self) {
        self.to = self.from;
    }

    /// Becomes empty, for the part in which `off` lies.
    fn clear(&mut self, off: u64) {
        self.from = off & !SPAN.wrapping_sub(1);
        self.to = self.from.wrapping_add(SPAN);
        self.beyond = u64::MAX;
        self.cells = [0; CELLS];
    }

    fn add(&mut self, start: u64) {
        if (self.from..self.to).contains(&start) {
            let within = start.wrapping_sub(self.from);
            if let Some(cell) = self.cells.get_mut((within / MIN) as usize) {
                *cell = (within % MIN).wrapping_add(1) as u8;
            }
        } else if start >= self.to {
            self.beyond = self.beyond.min(start);
        }
    }

    /// Where the first hole at or behind `off`, which it covers, begins.
    fn first_from(&self, off: u64) -> u64 {
        let first = off.wrapping_sub(self.from) / MIN;
        let mut cell_start = self.from.wrapping_add(first.wrapping_mul(MIN));
        for &cell in self.cells.get(first as usize..).unwrap_or_default() {
            let start = cell_start.wrapping_add(u64::from(cell)).wrapping_sub(1);
            if cell != 0 && start >= off {
                return start;
            }
            cell_start = cell_start.wrapping_add(MIN);
        }
        self.beyond
    }
}

impl<R: Rmw> Ring<R> {
    /// The offset + 1 of the hole a `holes` word names, if that is in sub-buffer `seq`; else 0.
    fn newest_hole(&self, word: u64, seq: u64) -> u64 {
        let pos = word.wrapping_sub(1);
        if word != 0 && self.geo.seq(pos) == seq {
            self.geo.offset(pos).wrapping_add(1)
        } else {
            0
        }
    }

    /// Makes `pos .. pos + len`, reserved by the caller, a hole.
    pub(crate) fn punch_hole(&self, pos: u64, len: u64) {
        let seq = self.geo.seq(pos);
        let holes = &self.subbuf(seq).holes;
        let (pos, len) = if self.is_records() {
            let hole = self.event_hole(pos, len);
            // The length is a multiple of 8, the padding less than that.
            (pos.wrapping_add(hole.pad), hole.len | hole.pad)
        } else {
            (pos, len)
        };
        loop {
            let word = holes.load(Ordering::Relaxed);
            let mut node = [0u8; MIN as usize];
            node[..4].copy_from_slice(&(len as u32).to_ne_bytes());
            node[4..].copy_from_slice(&(self.newest_hole(word, seq) as u32).to_ne_bytes());
            // SAFETY: The caller owns so much from there, also of an event.
            unsafe { self.write_bytes(pos, &node) };
            nesting_point!(M);
            // ORDERING: hole:A
            if R::cmpxchg(holes, word, pos.wrapping_add(1)) {
                return;
            }
        }
    }

    /// Calls `f` with each hole of sub-buffer `seq`, newest first.
    ///
    /// # Safety
    ///
    /// The sub-buffer must not be opened again meanwhile.
    pub(crate) unsafe fn for_each_hole(&self, seq: u64, mut f: impl FnMut(Hole)) {
        // ORDERING: hole:B
        let word = self.subbuf(seq).holes.load(Ordering::Acquire);
        let mut next = self.newest_hole(word, seq);
        while next != 0 {
            let start = next.wrapping_sub(1);
            // SAFETY: It is in the list; for the rest the caller vouches.
            let (hole, before) = unsafe { self.hole_node(seq, start) };
            next = before;
            f(hole);
        }
    }

    /// The first hole at or behind the cursor, which holds the slot; `u64::MAX`: there is none.
    pub(crate) fn next_hole(&self, c: &mut Cursor) -> Hole {
        let off = c.off;
        if !(c.holes.from..c.holes.to).contains(&off) {
            // ORDERING: hole:B
            let word = self.subbuf(c.seq).holes.load(Ordering::Acquire);
            if self.newest_hole(word, c.seq) == 0 {
                return Hole {
                    start: u64::MAX,
                    len: 0,
                    pad: 0,
                };
            }
            c.holes.clear(off);
            // SAFETY: The cursor holds the slot, so it is not opened again.
            unsafe { self.for_each_hole(c.seq, |hole| c.holes.add(hole.start)) };
        }
        let start = c.holes.first_from(off);
        if start == off {
            // SAFETY: As above, and that is the start of a hole.
            return unsafe { self.hole_node(c.seq, start) }.0;
        }
        Hole {
            start,
            len: 0,
            pad: 0,
        }
    }

    /// The hole at `start`, and offset + 1 of the one discarded before it.
    ///
    /// # Safety
    ///
    /// A hole of `seq` that is in the list must begin there, and the sub-buffer must not be opened
    /// again meanwhile.
    unsafe fn hole_node(&self, seq: u64, start: u64) -> (Hole, u64) {
        let mut node = [0u8; MIN as usize];
        // SAFETY: The bytes of a hole that is in the list are not written until the sub-buffer is
        // opened again, which the caller excludes.
        unsafe { self.read_bytes(self.geo.start(seq).wrapping_add(start), &mut node) };
        let [a, b, c, d, e, f, g, h] = node;
        let half = |bytes| u64::from(u32::from_ne_bytes(bytes));
        let len = half([a, b, c, d]);
        let pad = if self.is_records() { len % MIN } else { 0 };
        let hole = Hole {
            start,
            len: len.wrapping_sub(pad),
            pad,
        };
        (hole, half([e, f, g, h]))
    }
}
