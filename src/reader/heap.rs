// SPDX-License-Identifier: GPL-2.0

//! A heap: whose turn is next, without looking at all.

use kernel::prelude::*;

/// A buffer waits for its turn.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Turn {
    /// Nothing of it is before this time.
    pub(super) time: u64,
    /// Of equals, who came first.
    pub(super) stamp: u64,
    /// The buffer.
    pub(super) number: u32,
    /// There is something of this time, unless somebody else was quicker.
    pub(super) ready: bool,
}

/// Those who wait, the first to come on top.
///
/// # Invariants
///
/// None is before the one at half its index.
#[derive(Default)]
pub(super) struct Heap(KVVec<Turn>);

impl Heap {
    /// From now on has room for `count`.
    pub(super) fn make_room(&mut self, count: usize) -> Result {
        if self.0.capacity() < count {
            self.0 = KVVec::with_capacity(count, GFP_KERNEL)?;
        }
        Ok(())
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    pub(super) fn peek(&self) -> Option<&Turn> {
        self.0.first()
    }

    pub(super) fn any(&self, f: impl FnMut(&Turn) -> bool) -> bool {
        self.0.iter().any(f)
    }

    /// Adds one; there must be room.
    pub(super) fn push(&mut self, turn: Turn) {
        if self.0.push_within_capacity(turn).is_err() {
            return;
        }
        let mut at = self.0.len().wrapping_sub(1);
        while at != 0 {
            let above = at.wrapping_sub(1) / 2;
            // INVARIANT: Who is before the one above changes places with that.
            if !self.swap_if_before(at, above) {
                break;
            }
            at = above;
        }
    }

    pub(super) fn pop(&mut self) -> Option<Turn> {
        let first = *self.0.first()?;
        let last = self.0.pop()?;
        if let Some(top) = self.0.first_mut() {
            *top = last;
        }
        let mut at = 0usize;
        loop {
            let left = at.wrapping_mul(2).wrapping_add(1);
            let right = left.wrapping_add(1);
            let is_right = match (self.0.get(left), self.0.get(right)) {
                (Some(left), Some(right)) => right < left,
                _ => false,
            };
            let below = if is_right { right } else { left };
            // INVARIANT: The first of the two below changes places with one that is behind it.
            if !self.swap_if_before(below, at) {
                return Some(first);
            }
            at = below;
        }
    }

    /// Changes places if the one at `a` is before the one at `b`; says whether it did.
    fn swap_if_before(&mut self, a: usize, b: usize) -> bool {
        match (self.0.get(a), self.0.get(b)) {
            (Some(first), Some(second)) if first < second => {
                self.0.swap(a, b);
                true
            }
            _ => false,
        }
    }
}
