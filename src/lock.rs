// SPDX-License-Identifier: GPL-2.0

//! Raw spinlocks: of global buffers whose scheme is locking, and around what readers look up in any
//! context.
//!
//! Raw, so that they may be taken in hard-irq context on a real-time kernel, too: the kernel crate's
//! own spinlock sleeps there.

use crate::bindings as local;
use crate::holder::Holder;
use core::cell::UnsafeCell;
use kernel::bindings;
use kernel::cpu::CpuId;
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

/// Keeps all CPUs but one from writing. That one may come again, from what it does meanwhile: a ring lets
/// writers nest where it calls its owner.
///
/// # Invariants
///
/// The lock is that of `holder`, to which a CPU is one more than its number.
// The lock is first, so that a writer need not reckon where it is.
#[pin_data]
#[repr(C)]
pub(crate) struct SectionLock {
    #[pin]
    lock: RawLock,
    holder: Holder,
}

impl SectionLock {
    pub(crate) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            lock <- RawLock::new(),
            holder: Holder::new(),
        })
    }

    /// Keeps out all other CPUs until the guard is dropped. Any context but NMI.
    pub(crate) fn lock<'a>(&'a self, irqs_off: &'a LocalInterruptDisabled) -> Section<'a> {
        self.enter(irqs_off);
        Section(self, NotThreadSafe)
    }

    /// The same, until `leave()`. Interrupts must stay off until then.
    pub(crate) fn enter(&self, irqs_off: &LocalInterruptDisabled) {
        let me = u64::from(CpuId::current().as_u32()).wrapping_add(1);
        // Unlocked in `leave()`.
        self.holder
            .enter(me, || core::mem::forget(self.lock.lock(irqs_off)));
    }

    /// Undoes `enter()`.
    ///
    /// # Safety
    ///
    /// Entered on this CPU, and not undone; interrupts off since.
    pub(crate) unsafe fn leave(&self) {
        self.holder
            .leave(|| drop(RawGuard(&self.lock, NotThreadSafe)));
    }
}

/// A section that is entered.
pub(crate) struct Section<'a>(&'a SectionLock, NotThreadSafe);

impl Drop for Section<'_> {
    fn drop(&mut self) {
        // SAFETY: Entered by `lock()`, whose caller keeps interrupts off.
        unsafe { self.0.leave() };
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
