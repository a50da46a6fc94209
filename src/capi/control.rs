// SPDX-License-Identifier: GPL-2.0

//! Flush, reset, resize, look: `include/linux/relayfs/control.h`.

use super::channel;
use crate::bindings as local;
use core::mem::offset_of;
use kernel::page::PAGE_SIZE;
use kernel::prelude::*;

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

/// # Safety
///
/// `chan` must be open or kept.
#[no_mangle]
pub(crate) unsafe extern "C" fn relayfs_realloc_buffer(
    chan: *mut local::rchan,
    subbuf_size: u64,
    n_subbufs: u32,
) -> i32 {
    // SAFETY: As the caller promises.
    let result = unsafe { channel(chan) }.realloc_buffer(subbuf_size, n_subbufs);
    result.err().map_or(0, |error| error.to_errno())
}

/// # Safety
///
/// `chan` must be open or kept.
#[no_mangle]
pub(crate) unsafe extern "C" fn relayfs_replace_buffer(chan: *mut local::rchan) -> i32 {
    // SAFETY: As the caller promises.
    let result = unsafe { channel(chan) }.replace_buffer();
    result.err().map_or(0, |error| error.to_errno())
}

/// # Safety
///
/// `chan` must be open or kept; process context.
#[no_mangle]
pub(crate) unsafe extern "C" fn relayfs_discard_init_buf(chan: *mut local::rchan) -> i32 {
    // SAFETY: As the caller promises.
    let result = unsafe { channel(chan) }.discard_init_buf();
    result.err().map_or(0, |error| error.to_errno())
}

/// # Safety
///
/// `chan` must be open or kept, `info` valid for as many bytes as its size says; process context.
#[no_mangle]
pub(crate) unsafe extern "C" fn relayfs_info(
    chan: *mut local::rchan,
    info: *mut local::rchan_info,
) -> i32 {
    // SAFETY: As the caller promises.
    unsafe { tell(info, &channel(chan).describe(None)) }
}

/// # Safety
///
/// As for [`relayfs_info`].
#[no_mangle]
pub(crate) unsafe extern "C" fn relayfs_cpu_info(
    chan: *mut local::rchan,
    cpu: u32,
    info: *mut local::rchan_info,
) -> i32 {
    // SAFETY: As the caller promises.
    let channel = unsafe { channel(chan) };
    match channel.buffer_of(cpu) {
        // SAFETY: As the caller promises.
        Some(buffer) => unsafe { tell(info, &channel.describe(Some(buffer))) },
        None => ENXIO.to_errno(),
    }
}

/// Size of the first version of the structure.
const FIRST_INFO: usize = offset_of!(local::rchan_info, reserved) + size_of::<u32>();
/// No version is larger.
const MAX_INFO: usize = PAGE_SIZE;

/// Hands out as much of `all` as the client knows.
///
/// # Safety
///
/// `to` must be valid for as many bytes as its size says.
unsafe fn tell(to: *mut local::rchan_info, all: &local::rchan_info) -> i32 {
    // SAFETY: As the caller promises.
    let size = unsafe { (&raw const (*to).size).read() } as usize;
    if !(FIRST_INFO..=MAX_INFO).contains(&size) || size % align_of::<u64>() != 0 {
        return EINVAL.to_errno();
    }
    let known = size.min(size_of::<local::rchan_info>());
    let bytes = to.cast::<u8>();
    // SAFETY: As the caller promises: both together are `size` bytes.
    unsafe {
        bytes.copy_from_nonoverlapping(core::ptr::from_ref(all).cast(), known);
        bytes.add(known).write_bytes(0, size.wrapping_sub(known));
        (&raw mut (*to).size).write(known as u32);
    }
    0
}
