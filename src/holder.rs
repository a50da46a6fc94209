// SPDX-License-Identifier: GPL-2.0

//! Who holds a lock that its holder may take again. Pure, as the ring: a model checker tries it.

use crate::ring::sync::{AtomicU64, Ordering};

/// # Invariants
///
/// The lock is held if `depth` is not 0, by `owner`, who alone changes the two then.
pub(crate) struct Holder {
    owner: AtomicU64,
    depth: AtomicU64,
}

/// Of a lock that is free.
const NOBODY: u64 = 0;

impl Holder {
    pub(crate) fn new() -> Self {
        Self {
            owner: AtomicU64::new(NOBODY),
            depth: AtomicU64::new(0),
        }
    }

    /// `me`, which is not 0 and no other's number, enters; `lock` takes the lock, if it does not hold it yet.
    pub(crate) fn enter(&self, me: u64, lock: impl FnOnce()) {
        // Another's number may come and go meanwhile; this one's is only stored here.
        if self.owner.load(Ordering::Relaxed) != me {
            lock();
            self.owner.store(me, Ordering::Relaxed);
        }
        let depth = self.depth.load(Ordering::Relaxed);
        self.depth.store(depth.wrapping_add(1), Ordering::Relaxed);
    }

    /// Undoes `enter()`, of who has entered: does `unlock` if it was the first.
    pub(crate) fn leave(&self, unlock: impl FnOnce()) {
        let depth = self.depth.load(Ordering::Relaxed).wrapping_sub(1);
        self.depth.store(depth, Ordering::Relaxed);
        if depth == 0 {
            self.owner.store(NOBODY, Ordering::Relaxed);
            unlock();
        }
    }
}
