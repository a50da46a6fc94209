// SPDX-License-Identifier: GPL-2.0

//! The newest bytes of a buffer, whoever has read what.

use super::position::Mark;
use crate::buffer::{Buffer, Store};
use core::ptr::NonNull;

/// The newest of the bytes it is given, in the order of a ring until it is finished.
struct Tail {
    to: NonNull<u8>,
    size: usize,
    /// How many it was given.
    given: usize,
}

impl Tail {
    /// # Safety
    ///
    /// `to` must be valid for writes of `size` bytes as long as the result is used.
    unsafe fn new(to: NonNull<u8>, size: usize) -> Self {
        Self { to, size, given: 0 }
    }

    fn push(&mut self, bytes: &[u8]) {
        let mut from = bytes.len().saturating_sub(self.size);
        self.given = self.given.wrapping_add(from);
        while from < bytes.len() {
            let at = self.place();
            let left = bytes.len().wrapping_sub(from);
            let n = left.min(self.size.wrapping_sub(at));
            // SAFETY: `from + n <= bytes.len()` and `at + n <= size`; nobody else has the memory.
            unsafe {
                let to = self.to.as_ptr().add(at);
                to.copy_from_nonoverlapping(bytes.as_ptr().add(from), n);
            }
            self.given = self.given.wrapping_add(n);
            from = from.wrapping_add(n);
        }
    }

    /// Where the next byte goes.
    fn place(&self) -> usize {
        self.given.checked_rem(self.size).unwrap_or(0)
    }

    fn is_full(&self) -> bool {
        self.given >= self.size
    }

    fn clear(&mut self) {
        self.given = 0;
    }

    /// Puts the bytes in order; how many there are.
    fn finish(self) -> usize {
        if !self.is_full() {
            return self.given;
        }
        // SAFETY: All `size` bytes were written; nobody else has the memory.
        let all = unsafe { core::slice::from_raw_parts_mut(self.to.as_ptr(), self.size) };
        // Both parts, each turned round, and then all of it: what came later comes later.
        if let Some((later, sooner)) = all.split_at_mut_checked(self.place()) {
            later.reverse();
            sooner.reverse();
            all.reverse();
        }
        self.size
    }
}

impl Buffer {
    /// Copies the newest `size` bytes, or as many as there are, to `to`, oldest first. What it gives
    /// follows one on the other.
    ///
    /// # Safety
    ///
    /// `to` must be valid for writes of `size` bytes.
    pub(crate) unsafe fn read_last(&self, to: NonNull<u8>, size: usize) -> usize {
        if size == 0 {
            return 0;
        }
        let geo = self.with_current(Store::geo);
        let mut subbufs = geo.seq(size as u64).wrapping_add(1);
        loop {
            // SAFETY: As the caller promises.
            let mut tail = unsafe { Tail::new(to, size) };
            let all = subbufs > geo.n_subbufs();
            let from = if all {
                // Also what was written before the last resize, if it is still there.
                Mark::default()
            } else {
                self.back_by(subbufs)
            };
            self.read_from(from, &mut tail);
            // Padding and gaps may have made it less than was expected.
            if tail.is_full() || all {
                return tail.finish();
            }
            subbufs = subbufs.wrapping_mul(2);
        }
    }

    /// So many sub-buffers before the one that is written.
    fn back_by(&self, subbufs: u64) -> Mark {
        self.with_current(|store| {
            let (geo, newest) = (store.geo(), store.ring().written_pos());
            let seq = geo.seq(newest).saturating_sub(subbufs);
            Mark::new(store, geo.start(seq))
        })
    }

    /// Gives `tail` what can be read from `from` on to where writers are now, but nothing before a gap.
    fn read_from(&self, from: Mark, tail: &mut Tail) {
        let end = self.written_pos();
        let _guest = self.be_guest();
        let (mut place, mut store) = self.place_at(from);
        let mut missed = None;
        while self.look_ahead(&mut place, &mut store) {
            let now = place.cursor.missed;
            // What came before the first run does not matter; what is missed later was lapped.
            if missed.replace(now).is_some_and(|before| before != now) {
                tail.clear();
            }
            // After a gap at least one run, however fast the writers are.
            if place.mark(&store).pos >= end && tail.given != 0 {
                break;
            }
            let bytes = store.ring().peek(&place.cursor);
            tail.push(bytes);
            let n = bytes.len() as u64;
            store.ring().consume(&mut place.cursor, n);
        }
        store.ring().detach(&mut place.cursor);
    }
}
