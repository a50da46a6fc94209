// SPDX-License-Identifier: GPL-2.0

//! How many are inside, and whether anybody is let in, in one word. Pure, as the ring: a model checker
//! tries it.

use crate::ring::sync::{AtomicU64, Ordering};

/// In the word: nobody is let in any more. The rest is how many are inside.
const SHUT: u64 = 1;
const ONE: u64 = 2;

pub(crate) struct Headcount(AtomicU64);

impl Headcount {
    pub(crate) fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    /// One more. Says whether it is let in; it must [leave](Self::leave) in any case.
    pub(crate) fn enter(&self) -> bool {
        self.0.fetch_add(ONE, Ordering::Relaxed) & SHUT == 0
    }

    /// One less. Says whether somebody may wait for that.
    pub(crate) fn leave(&self) -> bool {
        // ORDERING: inside:A
        let before = self.0.fetch_sub(ONE, Ordering::Release);
        before & SHUT != 0
    }

    /// Lets nobody in from now on.
    pub(crate) fn shut(&self) {
        self.0.fetch_or(SHUT, Ordering::Relaxed);
    }

    pub(crate) fn is_shut(&self) -> bool {
        self.0.load(Ordering::Relaxed) & SHUT != 0
    }

    /// Whether nobody is inside; what those did who were is seen then.
    pub(crate) fn is_empty(&self) -> bool {
        // ORDERING: inside:B
        self.0.load(Ordering::Acquire) < ONE
    }
}
