// SPDX-License-Identifier: GPL-2.0

//! Flushing: end the current sub-buffers, each where its writers run.

use super::Channel;
use crate::buffer::Buffer;
use crate::ring;
use kernel::bindings;
use kernel::ffi::c_void;

impl Channel {
    /// Ends and delivers the current sub-buffers. Process context, interrupts on. Returns the
    /// monotonic time before which everything committed is visible.
    pub(crate) fn flush(&self) -> u64 {
        let now = ring::now();
        for buffer in self.buffers() {
            match buffer.place().cpu {
                Some(cpu) => flush_on(cpu, buffer),
                None => buffer.flush_here(),
            }
        }
        now
    }
}

/// Flushes a CPU's buffer on that CPU, or here if it is not running: then nobody writes it. CPU
/// hotplug is kept away meanwhile, so "not running" stays true.
fn flush_on(cpu: u32, buffer: &Buffer) {
    let info = core::ptr::from_ref(buffer).cast_mut().cast();
    // SAFETY: Process context.
    unsafe { bindings::cpus_read_lock() };
    // SAFETY: `run` gets the buffer it expects, and has returned before this call does.
    let absent = unsafe { bindings::smp_call_function_single(cpu as i32, Some(run), info, true) };
    if absent != 0 {
        buffer.flush_here();
    }
    // SAFETY: Locked above.
    unsafe { bindings::cpus_read_unlock() };
}

/// # Safety
///
/// `info` must point to a `Buffer` of the CPU this runs on.
unsafe extern "C" fn run(info: *mut c_void) {
    // SAFETY: As the caller promises.
    unsafe { &*info.cast::<Buffer>() }.flush_here();
}
