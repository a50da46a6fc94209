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
        loop {
            let word = holes.load(Ordering::Relaxed);
            let mut node = [0u8; MIN as usize];
            node[..4].copy_from_slice(&(len as u32).to_ne_bytes());
            node[4..].copy_from_slice(&(self.newest_hole(word, seq) as u32).to_ne_bytes());
            // SAFETY: The caller owns `pos .. pos + len` and `len >= MIN`.
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
            let pos = self.geo.start(seq).wrapping_add(start);
            let mut node = [0u8; MIN as usize];
            // SAFETY: The bytes of a hole that is in the list are not written until the sub-buffer
            // is opened again, which the caller excludes.
            unsafe { self.read_bytes(pos, &mut node) };
            let len = u32::from_ne_bytes([node[0], node[1], node[2], node[3]]);
            next = u64::from(u32::from_ne_bytes([node[4], node[5], node[6], node[7]]));
            f(Hole {
                start,
                len: u64::from(len),
            });
        }
    }
}
