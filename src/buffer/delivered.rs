// SPDX-License-Identifier: GPL-2.0

//! When data was last delivered: the time of modification of a buffer's file.
//!
//! A complete sub-buffer is delivered when it is complete, whatever the channel's clock. What is
//! committed of the current one is there for who asks, and nobody is told: so that is delivered to the
//! first who reads it, or looks at the file. Writers of single records have no part in this.

use core::sync::atomic::{AtomicU64, Ordering};
use kernel::bindings;

/// How far data was delivered, and when that was.
pub(crate) struct Delivered {
    pos: AtomicU64,
    /// Real time, in ns; 0: nothing was yet.
    at: AtomicU64,
}

impl Delivered {
    pub(super) fn new() -> Self {
        Self {
            pos: AtomicU64::new(0),
            at: AtomicU64::new(0),
        }
    }

    /// All before `pos` is delivered now, if it was not before. Any context.
    pub(crate) fn up_to(&self, pos: u64) {
        // Looked at first, as most who come have nothing new.
        if self.pos.load(Ordering::Relaxed) < pos
            && self.pos.fetch_max(pos, Ordering::Relaxed) < pos
        {
            // SAFETY: May be called in any context.
            let now = unsafe { bindings::ktime_get_real_fast_ns() };
            self.at.fetch_max(now, Ordering::Relaxed);
        }
    }

    /// When that was last, in ns of real time; 0: never.
    pub(crate) fn at(&self) -> u64 {
        self.at.load(Ordering::Relaxed)
    }
}
