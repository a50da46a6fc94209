// SPDX-License-Identifier: GPL-2.0

//! What stands for a wait queue of the kernel's.

use crate::ring::sync::{full_barrier, AtomicU64, Ordering};

/// A list behind a lock, at which one may look without it. Who waits has a bit.
#[derive(Default)]
pub(super) struct Queue {
    queued: AtomicU64,
    woken: AtomicU64,
}

impl Queue {
    /// As `prepare_to_wait_event()`.
    pub(super) fn enqueue(&self, who: u64) {
        self.queued.fetch_or(who, Ordering::AcqRel);
        // ORDERING: queue:B
        full_barrier();
    }

    /// As `wq_has_sleeper()`.
    pub(super) fn has_sleeper(&self) -> bool {
        // ORDERING: queue:A
        full_barrier();
        self.queued.load(Ordering::Relaxed) != 0
    }

    /// As `wake_up_all()`.
    pub(super) fn wake_all(&self) {
        let who = self.queued.swap(0, Ordering::AcqRel);
        self.woken.fetch_or(who, Ordering::AcqRel);
    }

    /// When all is over.
    pub(super) fn was_woken(&self, who: u64) -> bool {
        self.woken.load(Ordering::Relaxed) & who != 0
    }
}
