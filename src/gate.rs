// SPDX-License-Identifier: GPL-2.0

//! What is between us and code of a client that may go: who is inside may call it; when the gate is
//! shut and empty nobody does, and nobody will.

use crate::wake::WaitQueue;
use core::sync::atomic::{AtomicUsize, Ordering};
use kernel::prelude::*;

/// In the gate's word: nobody is let in any more. The rest is how many are inside.
const SHUT: usize = 1;
const ONE: usize = 2;

#[pin_data]
pub(crate) struct Gate {
    word: AtomicUsize,
    /// Who waits for it to be empty.
    #[pin]
    waiting: WaitQueue,
}

/// Inside a gate: it is not empty before this is dropped.
#[must_use]
pub(crate) struct Inside<'a>(&'a Gate);

impl Gate {
    pub(crate) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            word: AtomicUsize::new(0),
            waiting <- WaitQueue::new(),
        })
    }

    /// Process context.
    pub(crate) fn enter(&self) -> Option<Inside<'_>> {
        // ORDERING: gate:A
        let before = self.word.fetch_add(ONE, Ordering::AcqRel);
        let inside = Inside(self);
        (before & SHUT == 0).then_some(inside)
    }

    /// Whether it is open. With preemption off it stays so: what is done without turning it on is done
    /// before the gate is shut.
    pub(crate) fn is_open(&self) -> bool {
        self.word.load(Ordering::Acquire) & SHUT == 0
    }

    /// Lets nobody in from now on.
    pub(crate) fn shut(&self) {
        // ORDERING: gate:A
        self.word.fetch_or(SHUT, Ordering::AcqRel);
    }

    /// Waits until nobody is inside. Process context; the gate is shut.
    pub(crate) fn wait_empty(&self) {
        // ORDERING: gate:B
        let inside = || self.word.load(Ordering::Acquire) / ONE;
        self.waiting.wait_all_over(|| inside() == 0);
    }
}

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        // ORDERING: gate:B
        let before = self.0.word.fetch_sub(ONE, Ordering::AcqRel);
        if before & SHUT != 0 {
            self.0.waiting.wake_all();
        }
    }
}
