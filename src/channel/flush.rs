// SPDX-License-Identifier: GPL-2.0

//! What must be done where a buffer's writers run: end the current sub-buffers, or throw away what
//! was written.

use super::Channel;
use crate::buffer::{Buffer, Store, Teller};
use crate::ring;
use kernel::bindings;
use kernel::ffi::c_void;
use kernel::prelude::*;
use kernel::sync::global_lock;
use kernel::types::NotThreadSafe;

impl Channel {
    /// Ends and delivers the current sub-buffers. Process context, interrupts on. Returns the
    /// monotonic time before which everything committed is visible.
    pub(crate) fn flush(&self) -> u64 {
        let now = ring::now();
        self.flush_some(None);
        now
    }

    /// Ends and delivers the current sub-buffer of one buffer, or of all. Process context, interrupts on.
    pub(crate) fn flush_some(&self, only: Option<&Buffer>) {
        let _stores = self.keep_stores();
        self.for_some(only, |buffer| {
            on_owner(&buffer.current(), Store::switch_here);
            buffer.urge();
        });
    }

    /// Calls `f` for one buffer, or for all.
    fn for_some(&self, only: Option<&Buffer>, f: impl Fn(&Buffer)) {
        match only {
            Some(buffer) => f(buffer),
            None => self.buffers().iter().for_each(|buffer| f(buffer)),
        }
    }

    /// Waits until the client was told of all there is. Nobody writes any more. Process context.
    pub(super) fn tell_the_rest(&self) {
        let tellers = || {
            self.buffers()
                .iter()
                .filter_map(|buffer| buffer.bell().teller())
        };
        while tellers().next().is_some() {
            tellers().for_each(Teller::hurry);
            // SAFETY: Process context.
            unsafe { bindings::synchronize_rcu() };
            if tellers().all(Teller::is_idle) {
                return;
            }
        }
    }

    /// Throws away what was written so far. Waits for a consumer that is reading. Process context,
    /// interrupts on.
    pub(crate) fn reset(&self) {
        self.reset_some(None);
    }

    /// The same of one buffer, or of all.
    pub(crate) fn reset_some(&self, only: Option<&Buffer>) {
        self.for_some(only, |buffer| {
            let stores = || self.keep_stores();
            buffer.while_nobody_consumes(stores, |store| on_owner(store, Store::reset_here));
        });
    }
}

/// Shows those who read at intervals what they would otherwise not see: of a sub-buffer that has not
/// ended, or that its owner has not settled. Process context, interrupts on.
pub(crate) fn show_partial(buffer: &Buffer) {
    let store = buffer.current();
    store.settle();
    if store.holds_back() {
        on_owner(&store, Store::switch_here);
    }
}

/// Keeps CPU hotplug away as long as it lives.
pub(super) struct CpusLocked(NotThreadSafe);

impl CpusLocked {
    /// Process context.
    pub(super) fn new() -> Self {
        // SAFETY: Process context.
        unsafe { bindings::cpus_read_lock() };
        Self(NotThreadSafe)
    }
}

impl Drop for CpusLocked {
    fn drop(&mut self) {
        // SAFETY: Locked in `new()`.
        unsafe { bindings::cpus_read_unlock() };
    }
}

/// Does `run` on the CPU whose store it is, or here if that is not running: then nobody writes the
/// store but who comes this way. Process context, unless all CPUs write it.
pub(crate) fn on_owner(store: &Store, run: impl Fn(&Store)) {
    match store.cpu() {
        None => run(store),
        cpu => on_cpu(cpu, &CpusLocked::new(), &|| run(store)),
    }
}

/// What to do.
type Errand<'a> = &'a dyn Fn();

global_lock! {
    // SAFETY: Initialised when the module is loaded, before any channel.
    unsafe(uninit) static ABSENT: Mutex<()> = ();
}

/// Called once, before any channel.
pub(super) fn init() {
    // SAFETY: Called exactly once, when the module is loaded.
    unsafe { ABSENT.init() };
}

/// Does `run` on `cpu`, or here if that is not running or there is none.
pub(super) fn on_cpu(cpu: Option<u32>, _locked: &CpusLocked, run: Errand<'_>) {
    let Some(cpu) = cpu else {
        return run();
    };
    let mut errand = run;
    let info = (&raw mut errand).cast();
    // SAFETY: `perform` gets the errand it expects, and has returned before this call does.
    let absent =
        unsafe { bindings::smp_call_function_single(cpu as i32, Some(perform), info, true) };
    if absent != 0 {
        // One at a time, as it would be there: what a CPU writes alone is not locked.
        let _alone = ABSENT.lock();
        run();
    }
}

/// # Safety
///
/// `errand` must point to an `Errand`.
unsafe extern "C" fn perform(errand: *mut c_void) {
    // SAFETY: As the caller promises.
    let run = unsafe { *errand.cast::<Errand<'_>>() };
    run();
}
