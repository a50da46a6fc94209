// SPDX-License-Identifier: GPL-2.0

//! Events: `include/linux/relayfs/events.h`.

use super::channel;
use super::write::hand_out;
use crate::bindings as local;
use crate::percpu::Pinned;
use core::mem;
use kernel::ffi::{c_char, c_void};
use kernel::prelude::*;

/// # Safety
///
/// `chan` must be open, `data` valid for reads of `len` bytes unless that is more than a sub-buffer.
#[no_mangle]
pub(crate) unsafe extern "C" fn relayfs_write_event(
    chan: *mut local::rchan,
    id: u32,
    data: *const c_void,
    len: usize,
) -> isize {
    // SAFETY: As the caller promises.
    unsafe { channel(chan).write_event(id, data.cast(), len) }
}

/// # Safety
///
/// `chan` must be open, `slot` valid for writes.
#[no_mangle]
pub(crate) unsafe extern "C" fn relayfs_reserve_event(
    chan: *mut local::rchan,
    id: u32,
    len: usize,
    slot: *mut local::relay_slot,
) -> i32 {
    let pinned = Pinned::new();
    // SAFETY: As the caller promises.
    match unsafe { channel(chan) }.reserve_event(&pinned, id, len) {
        // SAFETY: As the caller promises.
        Ok(reserved) => unsafe {
            let at = reserved.store.ring().payload(&reserved.slot, len as u64);
            hand_out(slot, at, len, reserved);
        },
        Err(error) => return error.to_errno(),
    }
    // Preemption stays off until the slot is ended.
    mem::forget(pinned);
    0
}

/// # Safety
///
/// `chan` must be open, or kept by a reference.
#[no_mangle]
pub(crate) unsafe extern "C" fn relayfs_metadata(chan: *const local::rchan) -> *const c_char {
    // SAFETY: As the caller promises.
    let metadata = unsafe { channel(chan) }.metadata();
    metadata.map_or(core::ptr::null(), CStr::as_char_ptr)
}
