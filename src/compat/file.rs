// SPDX-License-Identifier: GPL-2.0

//! The files clients make of their buffers, in whatever file system.

use super::buf::Buf;
use crate::vfs::{self, FileOperations};
use kernel::bindings;
use kernel::prelude::*;

/// What clients give them.
#[export_name = "relayfs_compat_file_operations"]
static OPERATIONS: FileOperations = FileOperations::foreign(open, vfs::mmap_or_data);

/// Names the module in them. Called once, before any file.
///
/// # Safety
///
/// They must not be in use yet.
pub(super) unsafe fn set_owner(module: &'static ThisModule) {
    // SAFETY: As the caller promises.
    unsafe { OPERATIONS.set_owner(module) };
}

/// # Safety
///
/// As the kernel calls it: valid pointers. The inode's private data must be what the client was told.
unsafe extern "C" fn open(inode: *mut bindings::inode, file: *mut bindings::file) -> i32 {
    // SAFETY: As the caller promises. The client has its file removed before the buffer goes.
    let buf = unsafe { Buf::from_ptr((*inode).i_private.cast()) };
    let Some(inner) = buf.inner() else {
        // The channel is not open yet.
        return EAGAIN.to_errno();
    };
    let (channel, buffer) = (inner.channel.clone(), inner.buffer.clone());
    // SAFETY: As the caller promises.
    let result = unsafe { vfs::begin(inode, file, channel, Some(buffer)) };
    result.err().map_or(0, |error| error.to_errno())
}
