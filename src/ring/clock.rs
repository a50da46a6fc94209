// SPDX-License-Identifier: GPL-2.0

//! The clock of a channel: what begin and end of its sub-buffers are told in.

use crate::ring::{
    sync::{self, Ordering, Rmw},
    Ring, //
};

/// Which clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Clock {
    /// Monotonic time in nanoseconds. The kernel's goes back, by little and seldom, after who has read
    /// it in the middle of its update, as an NMI may; a ring's does not, see [`Ring::next_time`].
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

impl<R: Rmw> Ring<R> {
    /// The time, for who is about to move the position from where he has found it: not before that of
    /// anybody who moved it before. Where writers run; an acquire load must have found the position.
    #[inline(always)]
    pub(super) fn next_time(&self) -> u64 {
        match self.clock {
            Clock::Mono => self.not_back(sync::now()),
            Clock::Tsc => sync::cycles(),
            Clock::None => 0,
        }
    }

    /// Moves the latest time on to `now`, unless it is there: it is never moved back. Done before the
    /// position is moved: who finds that moved finds this, too. If the position is not moved after all,
    /// times are a little later than they need be.
    #[inline(always)]
    fn not_back(&self, now: u64) -> u64 {
        let latest = &self.head().writer.time;
        let before = latest.load(Ordering::Relaxed);
        if now > before {
            nesting_point!(P);
            if R::cmpxchg(latest, before, now) {
                return now;
            }
            return self.not_back_again(now);
        }
        before
    }

    /// Somebody has moved it meanwhile.
    #[cold]
    #[inline(never)]
    fn not_back_again(&self, now: u64) -> u64 {
        let latest = &self.head().writer.time;
        loop {
            let before = latest.load(Ordering::Relaxed);
            if now <= before {
                return before;
            }
            if R::cmpxchg(latest, before, now) {
                return now;
            }
        }
    }
}
