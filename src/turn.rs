// SPDX-License-Identifier: GPL-2.0

//! Whose turn it is with work that anybody may bring, and how far it has come. Pure, as the ring: a
//! model checker tries it.

use crate::ring::sync::{AtomicU64, Ordering};

/// Nothing to be done.
const IDLE: u64 = 0;
/// Somebody is at work.
const BUSY: u64 = 1;
/// Somebody is at work, or will be, and has to look again.
const AGAIN: u64 = 2;
/// There was more than is to be done at once; somebody will come again.
const MORE: u64 = 3;

/// One is at work; who comes meanwhile leaves a note, and the first one looks again.
pub(crate) struct Turn(AtomicU64);

impl Turn {
    pub(crate) fn new() -> Self {
        Self(AtomicU64::new(IDLE))
    }

    /// There is something to be done: does `work`, alone, until there is nothing, or has another do it who
    /// is at work. `work` says whether it stopped before it was done. So does this: then the caller must see
    /// to it that somebody comes again.
    pub(crate) fn take(&self, mut work: impl FnMut() -> bool) -> bool {
        // ORDERING: turn:A
        let before = self.0.swap(AGAIN, Ordering::AcqRel);
        if before == BUSY || before == AGAIN {
            return false;
        }
        loop {
            // Takes all notes left so far.
            // ORDERING: turn:B
            self.0.swap(BUSY, Ordering::Acquire);
            if work() {
                // Whoever comes from now on goes on here.
                // ORDERING: turn:C
                self.0.swap(MORE, Ordering::Release);
                return true;
            }
            // ORDERING: turn:C
            let done = self
                .0
                .compare_exchange(BUSY, IDLE, Ordering::Release, Ordering::Relaxed);
            if done.is_ok() {
                return false;
            }
        }
    }

    /// Whether nothing is left of what was to be done, but for what others are about to bring.
    pub(crate) fn is_idle(&self) -> bool {
        // ORDERING: turn:D
        self.0.load(Ordering::Acquire) == IDLE
    }
}

/// How far one has come who walks along a row of numbered things, and leaves each for good.
pub(crate) struct Reached(AtomicU64);

impl Reached {
    pub(crate) fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    /// Everything before `number` was left.
    pub(crate) fn set(&self, number: u64) {
        // ORDERING: leave:A
        self.0.store(number, Ordering::Release);
    }

    /// Whether `number` was left.
    pub(crate) fn is_behind(&self, number: u64) -> bool {
        // ORDERING: leave:B
        self.0.load(Ordering::Acquire) > number
    }
}
