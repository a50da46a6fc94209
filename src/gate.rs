// SPDX-License-Identifier: GPL-2.0

//! What is between us and code of a client that may go: who is inside may call it; when the gate is
//! shut and empty nobody does, and nobody will.

use crate::headcount::Headcount;
use crate::wake::WaitQueue;
use kernel::prelude::*;

#[pin_data]
pub(crate) struct Gate {
    inside: Headcount,
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
            inside: Headcount::new(),
            waiting <- WaitQueue::new(),
        })
    }

    /// Process context.
    pub(crate) fn enter(&self) -> Option<Inside<'_>> {
        let is_let_in = self.inside.enter();
        let inside = Inside(self);
        is_let_in.then_some(inside)
    }

    /// Whether it is open. With preemption off it stays so: what is done without turning it on is done
    /// before the gate is shut.
    pub(crate) fn is_open(&self) -> bool {
        !self.inside.is_shut()
    }

    /// Lets nobody in from now on.
    pub(crate) fn shut(&self) {
        self.inside.shut();
    }

    /// Waits until nobody is inside. Process context; the gate is shut.
    pub(crate) fn wait_empty(&self) {
        self.waiting.wait_all_over(|| self.inside.is_empty());
    }
}

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        if self.0.inside.leave() {
            self.0.waiting.wake_all();
        }
    }
}
