// SPDX-License-Identifier: GPL-2.0

//! The lock of global channels whose scheme is locking.
//!
//! A raw spinlock, so that writers may be in hard-irq context and hold it on a real-time kernel, too:
//! the kernel crate's own spinlock sleeps there.

use crate::bindings as local;
use kernel::bindings;
use kernel::interrupt::LocalInterruptDisabled;
use kernel::prelude::*;
use kernel::types::{NotThreadSafe, Opaque};

/// A raw spinlock that guards no data of its own.
#[pin_data]
pub(crate) struct RawLock {
    #[pin]
    lock: Opaque<bindings::raw_spinlock_t>,
}

// SAFETY: A lock may be taken on every CPU.
unsafe impl Send for RawLock {}
// SAFETY: As above.
unsafe impl Sync for RawLock {}

impl RawLock {
    pub(crate) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            lock <- Opaque::ffi_init(|lock| {
                // SAFETY: `lock` is valid for writes.
                unsafe { local::relayfs_helper_raw_spin_lock_init(lock) }
            }),
        })
    }

    /// Keeps out all other CPUs until the guard is dropped. Any context but NMI.
    pub(crate) fn lock<'a>(&'a self, _irqs_off: &'a LocalInterruptDisabled) -> RawGuard<'a> {
        // SAFETY: Initialised in `new()`; no interrupt of this CPU can want it meanwhile.
        unsafe { local::relayfs_helper_raw_spin_lock(self.lock.get()) };
        RawGuard(self, NotThreadSafe)
    }
}

/// A lock that is held.
pub(crate) struct RawGuard<'a>(&'a RawLock, NotThreadSafe);

impl Drop for RawGuard<'_> {
    fn drop(&mut self) {
        // SAFETY: Locked, on this CPU.
        unsafe { local::relayfs_helper_raw_spin_unlock(self.0.lock.get()) };
    }
}

/// Whether this runs in an NMI.
pub(crate) fn in_nmi() -> bool {
    // SAFETY: No conditions.
    unsafe { local::relayfs_helper_in_nmi() }
}
