// SPDX-License-Identifier: GPL-2.0

//! The clock of a channel: what begin and end of its sub-buffers are told in.

use crate::ring::sync;

/// Which clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Clock {
    /// Monotonic time in nanoseconds; on one CPU, and between CPUs, never backwards.
    Mono,
    /// Cycles of the CPU's time stamp counter.
    Tsc,
    /// Always 0.
    None,
}

impl Clock {
    /// Any context, including NMI. A reading is not moved before what comes before it.
    pub(crate) fn read(self) -> u64 {
        match self {
            Self::Mono => sync::now(),
            Self::Tsc => sync::cycles(),
            Self::None => 0,
        }
    }
}
