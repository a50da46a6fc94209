// SPDX-License-Identifier: GPL-2.0

//! What must be done where a buffer's writers run: end the current sub-buffers, or throw away what
//! was written.

use super::Channel;
use crate::buffer::{Buffer, Store};
use crate::ring;
use kernel::bindings;
use kernel::ffi::c_void;

impl Channel {
    /// Ends and delivers the current sub-buffers. Process context, interrupts on. Returns the
    /// monotonic time before which everything committed is visible.
    pub(crate) fn flush(&self) -> u64 {
        let now = ring::now();
        for buffer in self.buffers().iter() {
            on_owner(&buffer.current(), Store::flush_here);
        }
        now
    }

    /// Throws away what was written so far. Process context, interrupts on.
    pub(crate) fn reset(&self) {
        for buffer in self.buffers().iter() {
            // Locked, as resets of one buffer must not overlap.
            buffer.while_nobody_consumes(|store| on_owner(store, Store::reset_here));
        }
    }
}

/// Ends a sub-buffer of which those who read at intervals would otherwise see nothing. Process context,
/// interrupts on.
pub(crate) fn show_partial(buffer: &Buffer) {
    let store = buffer.current();
    if store.holds_back() {
        on_owner(&store, Store::switch_here);
    }
}

/// What to do, and with which store.
struct Errand<'a> {
    store: &'a Store,
    run: fn(&Store),
}

/// Does `run` on the CPU whose store it is, or here if that is not running: then nobody writes the
/// store. CPU hotplug is kept away meanwhile, so "not running" stays true.
pub(super) fn on_owner(store: &Store, run: fn(&Store)) {
    let Some(cpu) = store.cpu() else {
        return run(store);
    };
    let mut errand = Errand { store, run };
    let info = (&raw mut errand).cast();
    // SAFETY: Process context.
    unsafe { bindings::cpus_read_lock() };
    // SAFETY: `perform` gets the errand it expects, and has returned before this call does.
    let absent =
        unsafe { bindings::smp_call_function_single(cpu as i32, Some(perform), info, true) };
    if absent != 0 {
        run(store);
    }
    // SAFETY: Locked above.
    unsafe { bindings::cpus_read_unlock() };
}

/// # Safety
///
/// `errand` must point to an `Errand` for a store of the CPU this runs on.
unsafe extern "C" fn perform(errand: *mut c_void) {
    // SAFETY: As the caller promises.
    let errand = unsafe { &*errand.cast::<Errand<'_>>() };
    (errand.run)(errand.store);
}
