// SPDX-License-Identifier: GPL-2.0

//! The client's own files, and a channel's files elsewhere: `include/linux/relayfs/files.h`.

use super::channel;
use crate::bindings as local;
use crate::channel::Channel;
use crate::handles::Handle;
use crate::vfs;
use kernel::bindings;
use kernel::ffi::{c_char, c_void};
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

/// What C clients get: a handle as a pointer, or an error.
fn entry(result: Result<Handle>) -> *mut local::relay_entry {
    result.map_or_else(|error| error.to_ptr(), Handle::to_client)
}

fn parent(given: *mut local::relay_entry) -> vfs::Parent {
    if given.is_null() {
        vfs::Parent::Root
    } else {
        vfs::Parent::In(Handle::from_client(given))
    }
}

/// # Safety
///
/// `name` must be a string; process context.
#[no_mangle]
pub(crate) unsafe extern "C" fn relayfs_create_dir(
    name: *const c_char,
    within: *mut local::relay_entry,
) -> *mut local::relay_entry {
    // SAFETY: As the caller promises.
    let name = unsafe { CStr::from_char_ptr(name) };
    entry(vfs::create_dir(name, parent(within)))
}

/// # Safety
///
/// `name` must be a string, `fops` null or valid, and what they name be callable with `data` until the
/// file is removed; process context.
#[no_mangle]
pub(crate) unsafe extern "C" fn relayfs_create_file(
    name: *const c_char,
    mode: bindings::umode_t,
    within: *mut local::relay_entry,
    data: *mut c_void,
    fops: *const bindings::file_operations,
) -> *mut local::relay_entry {
    if fops.is_null() {
        return EINVAL.to_ptr();
    }
    // SAFETY: As the caller promises.
    entry(unsafe {
        let name = CStr::from_char_ptr(name);
        vfs::create_file(name, mode, parent(within), data, fops.read())
    })
}

/// # Safety
///
/// Process context; not from an operation of what is removed.
#[no_mangle]
pub(crate) unsafe extern "C" fn relayfs_remove(given: *mut local::relay_entry) {
    vfs::remove(Handle::from_client(given));
}

/// # Safety
///
/// `chan` must be open.
#[no_mangle]
pub(crate) unsafe extern "C" fn relayfs_channel_dir(
    chan: *mut local::rchan,
) -> *mut local::relay_entry {
    // SAFETY: As the caller promises.
    let directory = unsafe { channel(chan) }.directory.copy();
    directory.map_or(core::ptr::null_mut(), Handle::to_client)
}
