// SPDX-License-Identifier: GPL-2.0

//! Raw spinlocks: of global channels whose scheme is locking, and around what readers look up in any
//! context.
//!
//! Raw, so that they may be taken in hard-irq context on a real-time kernel, too: the kernel crate's
//! own spinlock sleeps there.

use crate::bindings as local;
use core::cell::UnsafeCell;
use kernel::bindings;
use kernel::interrupt::{local_interrupt_disable, LocalInterruptDisabled};
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

/// Data that is looked at with interrupts off, by one CPU at a time.
#[pin_data]
pub(crate) struct Guarded<T> {
    #[pin]
    lock: RawLock,
    data: UnsafeCell<T>,
}

// SAFETY: The data goes with it.
unsafe impl<T: Send> Send for Guarded<T> {}
// SAFETY: One CPU at a time has access to the data.
unsafe impl<T: Send> Sync for Guarded<T> {}

impl<T> Guarded<T> {
    pub(crate) fn new(data: T) -> impl PinInit<Self> {
        pin_init!(Self {
            lock <- RawLock::new(),
            data: UnsafeCell::new(data),
        })
    }

    /// Does `f` with the data, alone. `f` must be short and not come back here. Any context but NMI.
    pub(crate) fn with<R>(&self, f: impl FnOnce(&mut T) -> R) -> R {
        let irqs_off = local_interrupt_disable();
        let _locked = self.lock.lock(&irqs_off);
        // SAFETY: The lock is held, and everybody takes it.
        f(unsafe { &mut *self.data.get() })
    }
}

/// Whether this runs in an NMI.
pub(crate) fn in_nmi() -> bool {
    // SAFETY: No conditions.
    unsafe { local::relayfs_helper_in_nmi() }
}
