// SPDX-License-Identifier: GPL-2.0

//! When waiting readers are due: how much unread data is worth a wake-up.
//!
//! Writers know nothing of readers. Who is about to wait puts down in each buffer how far it has
//! come, and the position at which it wants to be woken; only the lowest are kept. A writer whose
//! commit is worth a look compares its position with that, and who finds it reached clears it and
//! wakes all that wait. They look for themselves: who is not served puts down its wish again. So
//! there is at most one wake-up each time a watermark is reached.
//!
//! *Who clears a wish wakes all that wait, after clearing.* So a wish that is lost in a race, by
//! clearing one word after the other, is made again.

use crate::ring::sync::{full_barrier, AtomicU64, Ordering};
use crate::ring::{Delivery, Geometry};

/// How much unread data is worth a wake-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Watermark {
    /// Bytes of the ring.
    Bytes(u64),
    /// Complete sub-buffers.
    Subbufs(u64),
}

impl Watermark {
    /// The position at which a reader that has come to `from` is due.
    pub(crate) fn target(self, from: u64, geo: Geometry) -> u64 {
        match self {
            Self::Bytes(n) => from.wrapping_add(n),
            Self::Subbufs(n) => geo.start(geo.seq(from).wrapping_add(n)),
        }
    }

    /// The same, if a ring of this shape has so much.
    pub(crate) fn within(self, geo: Geometry) -> Self {
        match self {
            Self::Bytes(n) => Self::Bytes(n.min(geo.ring_size())),
            Self::Subbufs(n) => Self::Subbufs(n.min(geo.n_subbufs())),
        }
    }

    /// Which commits are worth a look.
    pub(crate) fn delivery(self, geo: Geometry) -> Delivery {
        match self {
            Self::Bytes(n) if n < geo.subbuf_size() => Delivery::Packet,
            _ => Delivery::Bulk,
        }
    }
}

/// What the waiting readers of a buffer wish for.
pub(crate) struct Wish {
    /// The lowest position a waiting reader has come to.
    from: AtomicU64,
    /// The lowest position at which one wants to be woken.
    at: AtomicU64,
    /// How often readers were woken whatever their watermark.
    urged: AtomicU64,
    /// How often readers were woken.
    wakeups: AtomicU64,
}

/// Nobody wishes anything.
const NOBODY: u64 = u64::MAX;

impl Wish {
    /// A position no writer comes to: only that a record is refused, or a look at intervals, serves who
    /// wants to be woken there.
    pub(crate) const WHEN_FULL: u64 = NOBODY - 1;

    pub(crate) fn new() -> Self {
        Self {
            from: AtomicU64::new(NOBODY),
            at: AtomicU64::new(NOBODY),
            urged: AtomicU64::new(0),
            wakeups: AtomicU64::new(0),
        }
    }

    /// A reader that has queued itself and has come to `from` wants to be woken at `at`. It must
    /// look for data after this.
    pub(crate) fn put(&self, from: u64, at: u64) {
        self.from.fetch_min(from, Ordering::Relaxed);
        // ORDERING: wish:A
        self.at.fetch_min(at, Ordering::Release);
        // ORDERING: wake:B
        full_barrier();
    }

    /// A writer has committed and stands at `pos()`: whether it must wake the readers.
    pub(crate) fn take_if_reached(&self, pos: impl Fn() -> u64) -> bool {
        // ORDERING: wake:A
        full_barrier();
        let at = self.at.load(Ordering::Relaxed);
        at != NOBODY && at <= pos() && self.take()
    }

    /// Takes the wish if it is one for data of which there is some. Says whether the caller must
    /// wake the readers.
    pub(crate) fn take_if(&self, has_data_after: impl Fn(u64) -> bool) -> bool {
        // ORDERING: wake:A
        full_barrier();
        let from = self.from.load(Ordering::Relaxed);
        from != NOBODY && has_data_after(from) && self.take()
    }

    /// One of all that want to take it succeeds. If `from` is of a reader that has not come to put
    /// `at`, that reader is queued by now, and will be woken.
    fn take(&self) -> bool {
        // ORDERING: wish:B
        let taken = self.at.swap(NOBODY, Ordering::Acquire) != NOBODY;
        if taken {
            self.from.swap(NOBODY, Ordering::Relaxed);
        }
        taken
    }

    /// Whether somebody may wait.
    pub(crate) fn is_there(&self) -> bool {
        self.at.load(Ordering::Relaxed) != NOBODY
    }

    /// Forgets what those who left wished for, if nobody is queued. `is_queued` looks after a full barrier.
    /// Says whether the caller must wake the readers, as somebody is now.
    pub(crate) fn forget_if_nobody(&self, is_queued: impl Fn() -> bool) -> bool {
        if !self.is_there() || is_queued() {
            return false;
        }
        self.take();
        is_queued()
    }

    /// From now on waiting readers are served whatever their watermark.
    pub(crate) fn urge(&self) {
        // ORDERING: urge:A
        self.urged.fetch_add(1, Ordering::Release);
    }

    pub(crate) fn urged(&self) -> u64 {
        // ORDERING: urge:B
        self.urged.load(Ordering::Acquire)
    }

    pub(crate) fn count_wakeup(&self) {
        self.wakeups.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn wakeups(&self) -> u64 {
        self.wakeups.load(Ordering::Relaxed)
    }
}
