// SPDX-License-Identifier: GPL-2.0

//! Flush, reset, resize, look: `include/linux/relayfs/control.h`.

use super::channel;
use crate::bindings as local;

/// # Safety
///
/// `chan` must be open; process context.
#[no_mangle]
pub(crate) unsafe extern "C" fn relayfs_flush(chan: *mut local::rchan) -> u64 {
    // SAFETY: As the caller promises.
    unsafe { channel(chan) }.flush()
}

/// # Safety
///
/// `chan` must be open; process context.
#[no_mangle]
pub(crate) unsafe extern "C" fn relayfs_reset(chan: *mut local::rchan) {
    // SAFETY: As the caller promises.
    unsafe { channel(chan) }.reset();
}
