// SPDX-License-Identifier: GPL-2.0

//! Opening and closing: `include/linux/relayfs/attr.h`.

use super::channel;
use crate::bindings as local;
use crate::channel::{config::Config, Channel};
use core::mem::offset_of;
use kernel::ffi::{c_char, c_void};
use kernel::page::PAGE_SIZE;
use kernel::prelude::*;
use kernel::sync::{Arc, ArcBorrow};

/// # Safety
///
/// `path` must be null or a string, `attr` null or valid, and so what it points to.
#[no_mangle]
pub(crate) unsafe extern "C" fn relayfs_open(
    path: *const c_char,
    attr: *const local::rchan_attr,
) -> *mut local::rchan {
    // SAFETY: As the caller promises.
    let path = (!path.is_null()).then(|| unsafe { CStr::from_char_ptr(path) });
    // SAFETY: As the caller promises.
    let attr = unsafe { known_attr(attr) };
    let config = attr.and_then(|attr| {
        // SAFETY: As the caller promises.
        let callbacks = unsafe { attr.callbacks.as_ref() };
        let callbacks = callbacks.copied().unwrap_or_default();
        if callbacks.reserved.iter().any(Option::is_some) {
            return Err(E2BIG);
        }
        // SAFETY: As the caller promises.
        unsafe { Config::validate(path, &attr, callbacks) }
    });
    match config.and_then(|config| Channel::open(path, config)) {
        Ok(channel) => Arc::into_raw(channel).cast_mut().cast(),
        Err(error) => error.to_ptr(),
    }
}

/// # Safety
///
/// `chan` must be null, an error pointer, or come from [`relayfs_open`] and not be used any more.
#[no_mangle]
pub(crate) unsafe extern "C" fn relayfs_close(chan: *mut local::rchan) {
    if chan.is_null() || kernel::error::from_err_ptr(chan).is_err() {
        return;
    }
    // SAFETY: As the caller promises.
    let channel = unsafe { Arc::from_raw(chan.cast::<Channel>().cast_const()) };
    channel.close();
}

/// # Safety
///
/// `chan` must come from [`relayfs_open`], and be open or kept by [`relayfs_get`].
#[no_mangle]
pub(crate) unsafe extern "C" fn relayfs_get(chan: *mut local::rchan) -> *mut local::rchan {
    // SAFETY: As the caller promises.
    let channel = unsafe { ArcBorrow::from_raw(chan.cast::<Channel>().cast_const()) };
    // The reference is the caller's from now on.
    let _ = Arc::into_raw(Arc::from(channel));
    chan
}

/// # Safety
///
/// `chan` must be kept by a [`relayfs_get`] that was not undone; process context.
#[no_mangle]
pub(crate) unsafe extern "C" fn relayfs_put(chan: *mut local::rchan) {
    // SAFETY: As the caller promises.
    drop(unsafe { Arc::from_raw(chan.cast::<Channel>().cast_const()) });
}

/// # Safety
///
/// `chan` must be open.
#[no_mangle]
pub(crate) unsafe extern "C" fn relayfs_private_data(chan: *const local::rchan) -> *mut c_void {
    // SAFETY: As the caller promises.
    let private = unsafe { channel(chan) }.config().private;
    core::ptr::with_exposed_provenance_mut(private)
}

/// Size of the first version of the attributes.
const FIRST_ATTR: usize = offset_of!(local::rchan_attr, start_reserve);
/// No version is larger.
const MAX_ATTR: usize = PAGE_SIZE;

/// The attributes as we know them, from a client that may know fewer, or more and does not use those.
///
/// # Safety
///
/// `attr` must be null, or valid for reads of as many bytes as its size says.
unsafe fn known_attr(attr: *const local::rchan_attr) -> Result<local::rchan_attr> {
    let mut known = local::rchan_attr::default();
    if attr.is_null() {
        return Ok(known);
    }
    // SAFETY: As the caller promises.
    let size = unsafe { (&raw const (*attr).size).read() } as usize;
    if !(FIRST_ATTR..=MAX_ATTR).contains(&size) || size % align_of::<u64>() != 0 {
        return Err(EINVAL);
    }
    // SAFETY: As the caller promises.
    let given = unsafe { core::slice::from_raw_parts(attr.cast::<u8>(), size) };
    let (ours, more) = given.split_at(size.min(size_of_val(&known)));
    if more.iter().any(|&byte| byte != 0) {
        return Err(E2BIG);
    }
    // SAFETY: At most as long as `known`, of which any bytes are a value.
    unsafe {
        (&raw mut known)
            .cast::<u8>()
            .copy_from_nonoverlapping(ours.as_ptr(), ours.len())
    };
    Ok(known)
}
