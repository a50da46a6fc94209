// SPDX-License-Identifier: GPL-2.0

//! The client's own files, and a channel's files elsewhere: `include/linux/relayfs/files.h`.

use crate::bindings as local;
use crate::channel::Channel;
use crate::vfs;
use kernel::ffi::c_void;
use kernel::prelude::*;
use kernel::sync::{Arc, ArcBorrow};

/// # Safety
///
/// `chan` must be open; process context.
#[no_mangle]
pub(crate) unsafe extern "C" fn relayfs_file_data(
    chan: *mut local::rchan,
    cpu: u32,
) -> *mut c_void {
    // SAFETY: As the caller promises: what `relayfs_open()` gave has a count of the channel.
    let channel = unsafe { ArcBorrow::from_raw(chan.cast::<Channel>().cast_const()) };
    vfs::file_data(&Arc::from(channel), cpu).unwrap_or_else(|error: Error| error.to_ptr())
}
