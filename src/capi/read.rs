// SPDX-License-Identifier: GPL-2.0

//! Reading in the kernel: `include/linux/relayfs/read.h`.

use super::{channel, length};
use crate::bindings as local;
use crate::channel::Channel;
use crate::reader::inside::{Purpose, Reader, Unit};
use core::ptr::NonNull;
use kernel::ffi::c_void;
use kernel::prelude::*;
use kernel::sync::{Arc, ArcBorrow};

/// # Safety
///
/// `reader` must come from [`relayfs_add_reader`] or [`relayfs_add_map_reader`] and not have been
/// removed.
unsafe fn reader<'a>(reader: *const local::rchan_reader) -> &'a Reader {
    // SAFETY: As the caller promises.
    unsafe { &*reader.cast::<Reader>() }
}

/// # Safety
///
/// `chan` must be open or kept.
unsafe fn add(chan: *mut local::rchan, cpu: u32, purpose: Purpose) -> *mut local::rchan_reader {
    // SAFETY: As the caller promises.
    let channel = unsafe { ArcBorrow::from_raw(chan.cast::<Channel>().cast_const()) };
    let channel = Arc::from(channel);
    let reader = match cpu {
        local::RELAY_CPU_ALL if purpose != Purpose::Report => {
            let all = channel.inbound().cloned().unwrap_or(channel);
            Reader::new(all, None, purpose)
        }
        cpu => {
            let buffer = channel.buffer_of(cpu).cloned().ok_or(ENXIO);
            buffer.and_then(|buffer| Reader::new(channel, Some(buffer), purpose))
        }
    };
    match reader {
        // SAFETY: It is not moved before it is dropped, by `relayfs_remove_reader()`.
        Ok(reader) => KBox::into_raw(unsafe { Pin::into_inner_unchecked(reader) }).cast(),
        Err(error) => error.to_ptr(),
    }
}

/// # Safety
///
/// `chan` must be open or kept; process context.
#[no_mangle]
pub(crate) unsafe extern "C" fn relayfs_add_reader(
    chan: *mut local::rchan,
    cpu: u32,
    auto_consume: i32,
) -> *mut local::rchan_reader {
    let purpose = match auto_consume {
        0 => Purpose::Observe,
        _ => Purpose::Consume,
    };
    // SAFETY: As the caller promises.
    unsafe { add(chan, cpu, purpose) }
}

/// # Safety
///
/// As for [`relayfs_add_reader`].
#[no_mangle]
pub(crate) unsafe extern "C" fn relayfs_add_map_reader(
    chan: *mut local::rchan,
    cpu: u32,
) -> *mut local::rchan_reader {
    // SAFETY: As the caller promises.
    unsafe { add(chan, cpu, Purpose::Report) }
}

/// # Safety
///
/// `reader` must have been added, and not be used any more if this succeeds; process context.
#[no_mangle]
pub(crate) unsafe extern "C" fn relayfs_remove_reader(
    reader: *mut local::rchan_reader,
    map: i32,
) -> i32 {
    let reader = reader.cast::<Reader>();
    // SAFETY: As the caller promises.
    if (unsafe { (*reader).purpose() } == Purpose::Report) != (map != 0) {
        return EINVAL.to_errno();
    }
    // SAFETY: As the caller promises, nobody uses it any more, and `add()` made it.
    drop(unsafe { KBox::from_raw(reader) });
    0
}

/// # Safety
///
/// `reader` must have been added, `buf` be null or valid for writes of `count` bytes; process context.
#[no_mangle]
pub(crate) unsafe extern "C" fn relayfs_read(
    reader: *mut local::rchan_reader,
    buf: *mut c_void,
    count: usize,
    wait: i32,
) -> isize {
    // SAFETY: As the caller promises.
    length(unsafe { self::reader(reader).read(NonNull::new(buf.cast()), count, wait != 0) })
}

/// # Safety
///
/// `chan` must be open or kept, `buf` valid for writes of `count` bytes; process context.
#[no_mangle]
pub(crate) unsafe extern "C" fn relayfs_read_last(
    chan: *mut local::rchan,
    cpu: u32,
    buf: *mut c_void,
    count: usize,
) -> isize {
    // SAFETY: As the caller promises.
    let buffer = unsafe { channel(chan) }.buffer_of(cpu).ok_or(ENXIO);
    length(buffer.map(|buffer| match NonNull::new(buf.cast()) {
        // SAFETY: As the caller promises.
        Some(to) => unsafe { buffer.read_last(to, count) },
        None => 0,
    }))
}

/// # Safety
///
/// `reader` must have been added; process context.
#[no_mangle]
pub(crate) unsafe extern "C" fn relayfs_bytes_avail(reader: *mut local::rchan_reader) -> isize {
    // SAFETY: As the caller promises.
    unsafe { self::reader(reader) }.available() as isize
}

/// # Safety
///
/// `reader` must have been added; process context.
#[no_mangle]
pub(crate) unsafe extern "C" fn relayfs_reader_lost(reader: *mut local::rchan_reader) -> u64 {
    // SAFETY: As the caller promises.
    unsafe { self::reader(reader) }.lost()
}

/// # Safety
///
/// `reader` must have been added; process context.
#[no_mangle]
pub(crate) unsafe extern "C" fn relayfs_buffers_consumed(
    reader: *mut local::rchan_reader,
    n_subbufs: u32,
) {
    // SAFETY: As the caller promises.
    unsafe { self::reader(reader) }.consumed(n_subbufs.into(), Unit::Subbufs);
}

/// # Safety
///
/// `reader` must have been added; process context.
#[no_mangle]
pub(crate) unsafe extern "C" fn relayfs_bytes_consumed(
    reader: *mut local::rchan_reader,
    bytes: usize,
) {
    // SAFETY: As the caller promises.
    unsafe { self::reader(reader) }.consumed(bytes as u64, Unit::Bytes);
}

/// # Safety
///
/// `reader` must have been added; not in an NMI.
#[no_mangle]
pub(crate) unsafe extern "C" fn relayfs_empty(reader: *mut local::rchan_reader) -> i32 {
    // SAFETY: As the caller promises.
    unsafe { self::reader(reader) }.is_empty().into()
}

/// # Safety
///
/// `reader` must have been added; not in an NMI.
#[no_mangle]
pub(crate) unsafe extern "C" fn relayfs_full(reader: *mut local::rchan_reader) -> i32 {
    // SAFETY: As the caller promises.
    unsafe { self::reader(reader) }.is_full().into()
}
