// SPDX-License-Identifier: GPL-2.0

//! Being on a CPU: the guard that keeps a writer there, and a pointer per CPU.

use crate::bindings as local;
use core::marker::PhantomData;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicPtr, Ordering};
use kernel::bindings;
use kernel::prelude::*;
use kernel::types::NotThreadSafe;

/// Preemption is off as long as this lives.
pub(crate) struct Pinned(NotThreadSafe);

impl Pinned {
    /// Turns preemption off. Any context.
    #[inline(always)]
    pub(crate) fn new() -> Self {
        preempt::disable();
        Self(NotThreadSafe)
    }

    /// Takes over a count of disabled preemption that [`core::mem::forget`] left behind.
    ///
    /// # Safety
    ///
    /// A `Pinned` must have been forgotten in this context, on this CPU, and not been taken over.
    #[inline(always)]
    pub(crate) unsafe fn taken_over() -> Self {
        Self(NotThreadSafe)
    }
}

impl Pinned {
    /// Ends the section and gives `value` back: a due reschedule is called last, so that the
    /// compiler need not keep anything over it.
    #[inline(always)]
    pub(crate) fn release_and_return(self, value: isize) -> isize {
        core::mem::forget(self);
        preempt::enable_and_return(value)
    }
}

impl Drop for Pinned {
    #[inline(always)]
    fn drop(&mut self) {
        preempt::enable();
    }
}

/// A pointer to a `T` for each possible CPU.
///
/// # Invariants
///
/// `slots` is a per-CPU allocation of one pointer, which is null or valid as long as `self` and as who has
/// found it stays pinned.
pub(crate) struct PerCpu<T> {
    slots: NonNull<*const T>,
    _owns: PhantomData<*const T>,
}

// SAFETY: It only hands out `&T`.
unsafe impl<T: Sync> Send for PerCpu<T> {}
// SAFETY: As above; a slot is read and written in one piece.
unsafe impl<T: Sync> Sync for PerCpu<T> {}

impl<T> PerCpu<T> {
    /// One null pointer per CPU.
    pub(crate) fn new() -> Result<Self> {
        let size = size_of::<*const T>();
        // SAFETY: May sleep, no other conditions.
        let slots = unsafe { bindings::pcpu_alloc_noprof(size, size, false, bindings::GFP_KERNEL) };
        // INVARIANT: The kernel zeroes per-CPU memory.
        Ok(Self {
            slots: NonNull::new(slots.cast()).ok_or(ENOMEM)?,
            _owns: PhantomData,
        })
    }

    /// The allocation, for C.
    pub(crate) fn as_ptr(&self) -> *mut *const T {
        self.slots.as_ptr()
    }

    /// Sets the pointer of `cpu`, which finds what it points to as it is now, or later.
    ///
    /// # Safety
    ///
    /// `cpu` must be possible, and `value` be valid as long as `self`, or until another was published
    /// and all who were pinned then are no longer.
    pub(crate) unsafe fn publish(&self, cpu: u32, value: *const T) {
        // SAFETY: A per-CPU allocation has memory for each possible CPU.
        let slot = unsafe {
            local::relayfs_helper_per_cpu_ptr(self.slots.as_ptr().expose_provenance(), cpu)
        };
        // SAFETY: `slot` is valid and aligned.
        let slot = unsafe { AtomicPtr::from_ptr(slot.cast::<*mut T>()) };
        // ORDERING: cpu:A
        // INVARIANT: `value` is valid as the caller promises.
        slot.store(value.cast_mut(), Ordering::Release);
    }

    /// What belongs to the CPU the guard pins.
    #[inline(always)]
    pub(crate) fn here<'a>(&'a self, _pinned: &'a Pinned) -> Option<&'a T> {
        // SAFETY: By the type invariants it is null or valid as long as `self`.
        unsafe { preempt::read(self.slots.as_ptr()).as_ref() }
    }
}

impl<T> Drop for PerCpu<T> {
    fn drop(&mut self) {
        // SAFETY: By the type invariants; nobody uses it any more.
        unsafe { bindings::free_percpu(self.slots.as_ptr().cast()) };
    }
}

/// The CPUs that run, if hotplug is kept away; else what is found may be outdated.
pub(crate) fn online_cpus() -> impl Iterator<Item = u32> {
    // SAFETY: The CPU is possible.
    possible_cpus().filter(|&cpu| unsafe { local::relayfs_helper_cpu_online(cpu) })
}

/// All CPUs that may ever run.
pub(crate) fn possible_cpus() -> impl Iterator<Item = u32> {
    // SAFETY: Any number may be asked.
    (0..kernel::cpu::nr_cpu_ids()).filter(|&cpu| unsafe { local::relayfs_helper_cpu_possible(cpu) })
}

/// x86-64: one instruction each, as the C inlines are. Calls into C helpers would cost a write some
/// 20 instructions more.
#[cfg(all(
    CONFIG_X86_64,
    CONFIG_PREEMPTION,
    CONFIG_HAS_SEPARATE_PREEMPT_RESCHED_BITS,
    not(CONFIG_DEBUG_PREEMPT),
    not(CONFIG_TRACE_PREEMPT_TOGGLE)
))]
mod preempt {
    use core::arch::asm;

    extern "C" {
        static mut __preempt_count: u64;
        fn preempt_schedule();
    }

    #[inline(always)]
    pub(super) fn disable() {
        // SAFETY: Adds to this CPU's count, as `preempt_disable()` does. The asm clobbers memory,
        // so nothing moves out of the section.
        unsafe { asm!("inc qword ptr gs:[rip + {}]", sym __preempt_count, options(nostack)) };
    }

    #[inline(always)]
    pub(super) fn enable() {
        enable_and_return(0);
    }

    /// Undoes `disable()`. A due reschedule is called last.
    #[inline(always)]
    pub(super) fn enable_and_return(value: isize) -> isize {
        // SAFETY: Undoes `disable()`. The count is 64 bits wide; it reaches 0 when nothing keeps
        // preemption off and a reschedule is due, as that bit is kept inverted in it.
        unsafe {
            asm!(
                "dec qword ptr gs:[rip + {}]",
                "jz {}",
                sym __preempt_count,
                label { return reschedule(value) },
                options(nostack)
            )
        };
        value
    }

    #[cold]
    #[inline(never)]
    fn reschedule(value: isize) -> isize {
        // SAFETY: Preemption is on; the function itself returns at once where it may not act.
        unsafe { preempt_schedule() };
        // Or the compiler finds that this returns its argument, and keeps it itself over the call.
        core::hint::black_box(value)
    }

    /// Reads this CPU's pointer.
    ///
    /// # Safety
    ///
    /// `slots` must be a per-CPU allocation of one pointer.
    #[inline(always)]
    pub(super) unsafe fn read<T>(slots: *const *const T) -> *const T {
        let value: *const T;
        // SAFETY: The base of `gs` is what has to be added to the address of a per-CPU allocation
        // to get to this CPU's part of it.
        unsafe {
            asm!(
                "mov {}, qword ptr gs:[{}]",
                out(reg) value,
                in(reg) slots,
                options(nostack, readonly, preserves_flags)
            )
        };
        value
    }
}

#[cfg(not(all(
    CONFIG_X86_64,
    CONFIG_PREEMPTION,
    CONFIG_HAS_SEPARATE_PREEMPT_RESCHED_BITS,
    not(CONFIG_DEBUG_PREEMPT),
    not(CONFIG_TRACE_PREEMPT_TOGGLE)
)))]
mod preempt {
    use crate::bindings;
    use core::sync::atomic::{AtomicPtr, Ordering};

    pub(super) fn disable() {
        // SAFETY: May be called in any context.
        unsafe { bindings::relayfs_helper_preempt_disable() };
    }

    pub(super) fn enable() {
        // SAFETY: Undoes `disable()`.
        unsafe { bindings::relayfs_helper_preempt_enable() };
    }

    pub(super) fn enable_and_return(value: isize) -> isize {
        enable();
        value
    }

    /// Reads this CPU's pointer.
    ///
    /// # Safety
    ///
    /// `slots` must be a per-CPU allocation of one pointer.
    pub(super) unsafe fn read<T>(slots: *const *const T) -> *const T {
        // SAFETY: `slots` has a part for this CPU, as the caller promises.
        unsafe {
            let slot = bindings::relayfs_helper_this_cpu_ptr(slots.expose_provenance());
            // ORDERING: cpu:B
            AtomicPtr::from_ptr(slot.cast::<*mut T>()).load(Ordering::Acquire)
        }
    }
}
