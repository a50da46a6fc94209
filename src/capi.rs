// SPDX-License-Identifier: GPL-2.0

//! What C clients call: pointers become references here, results errnos, and nothing else happens.
//! The contract of each function is in `include/linux/relayfs_fs.h`.

use crate::bindings as local;
use crate::buffer::Buffer;
use crate::channel::{config::Config, Channel, Reserved};
use crate::kind::{with_ring, Kind};
use crate::percpu::Pinned;
use crate::ring::{Added, Slot};
use core::mem;
use kernel::ffi::{c_char, c_void};
use kernel::prelude::*;
use kernel::sync::{Arc, ArcBorrow};

/// # Safety
///
/// `chan` must come from [`relayfs_open`] and not have been closed.
#[inline(always)]
unsafe fn channel<'a>(chan: *const local::rchan) -> &'a Channel {
    // SAFETY: As the caller promises.
    unsafe { &*chan.cast::<Channel>() }
}

/// # Safety
///
/// `path` must be a string, `attr` null or valid.
#[no_mangle]
pub(crate) unsafe extern "C" fn relayfs_open(
    path: *const c_char,
    attr: *const local::rchan_attr,
) -> *mut local::rchan {
    let default = local::rchan_attr {
        size: size_of::<local::rchan_attr>() as u32,
        ..Default::default()
    };
    if path.is_null() {
        return EINVAL.to_ptr();
    }
    // SAFETY: As the caller promises.
    let (path, attr) = unsafe { (CStr::from_char_ptr(path), attr.as_ref().unwrap_or(&default)) };
    match Config::validate(attr).and_then(|config| Channel::open(path, config)) {
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
/// `chan` must be open, `data` valid for reads of `len` bytes unless that is more than a sub-buffer.
#[no_mangle]
pub(crate) unsafe extern "C" fn relayfs_write(
    chan: *mut local::rchan,
    data: *const c_void,
    len: usize,
) -> isize {
    // SAFETY: As the caller promises.
    unsafe { channel(chan).write(data.cast(), len) }
}

/// # Safety
///
/// As for [`relayfs_write`]; process context.
#[no_mangle]
pub(crate) unsafe extern "C" fn relayfs_write_wait(
    chan: *mut local::rchan,
    data: *const c_void,
    len: usize,
    timeout: isize,
) -> isize {
    // SAFETY: As the caller promises.
    let result = unsafe {
        let channel = ArcBorrow::from_raw(chan.cast_const().cast::<Channel>());
        channel.write_wait(data.cast(), len, timeout.max(0) as usize)
    };
    match result {
        Ok(len) => len as isize,
        Err(error) => error.to_errno() as isize,
    }
}

/// # Safety
///
/// `chan` must be open, `slot` valid for writes.
#[no_mangle]
pub(crate) unsafe extern "C" fn relayfs_reserve(
    chan: *mut local::rchan,
    len: usize,
    slot: *mut local::relay_slot,
) -> i32 {
    let pinned = Pinned::new();
    // SAFETY: As the caller promises.
    let channel = unsafe { channel(chan) };
    let Some(reserved) = channel.try_reserve_fast(&pinned, len) else {
        // SAFETY: As the caller promises.
        return unsafe { reserve_slow(channel, pinned, len, slot) };
    };
    // SAFETY: As the caller promises.
    unsafe { hand_out(slot, len, reserved) };
    // Preemption stays off until the slot is ended.
    mem::forget(pinned);
    0
}

/// # Safety
///
/// `slot` must be valid for writes.
#[inline(never)]
unsafe fn reserve_slow(
    channel: &Channel,
    pinned: Pinned,
    len: usize,
    slot: *mut local::relay_slot,
) -> i32 {
    if len == 0 {
        // SAFETY: As the caller promises.
        unsafe { slot.write(Default::default()) };
    } else {
        match channel.reserve(&pinned, len) {
            // SAFETY: As the caller promises.
            Ok(reserved) => unsafe { hand_out(slot, len, reserved) },
            Err(error) => return error.to_errno(),
        }
    }
    mem::forget(pinned);
    0
}

/// Tells the client where to write, and the end of the slot what to end.
///
/// # Safety
///
/// `slot` must be valid for writes.
#[inline(always)]
unsafe fn hand_out(slot: *mut local::relay_slot, len: usize, reserved: Reserved<'_>) {
    let Reserved { buffer, slot: own } = reserved;
    let out = local::relay_slot {
        data: buffer.ring().address(own.pos).cast(),
        len,
        buf: core::ptr::from_ref(buffer).cast_mut().cast(),
        pos: own.pos,
        reserved_len: own.len,
    };
    // SAFETY: As the caller promises.
    unsafe { slot.write(out) };
}

/// Takes apart what [`relayfs_reserve`] filled in: the guard, and buffer and slot unless it is empty.
///
/// # Safety
///
/// `slot` must be from a successful [`relayfs_reserve`] in this context, and not have been ended.
#[inline(always)]
unsafe fn end<'a>(slot: *mut local::relay_slot) -> (Pinned, Option<(&'a Buffer, Slot)>) {
    // SAFETY: As the caller promises. The buffer lives as long as the channel, which its client
    // keeps open while it has a slot.
    unsafe {
        let pinned = Pinned::taken_over();
        let slot = &*slot;
        let buffer = slot.buf.cast::<Buffer>().as_ref();
        // INVARIANT: The slot is the one reserved.
        let inner = buffer.map(|buffer| {
            let slot = Slot {
                pos: slot.pos,
                len: slot.reserved_len,
            };
            (buffer, slot)
        });
        (pinned, inner)
    }
}

/// # Safety
///
/// `slot` must be from a successful [`relayfs_reserve`] in this context, and not have been ended.
#[no_mangle]
pub(crate) unsafe extern "C" fn relayfs_commit(slot: *mut local::relay_slot) {
    // SAFETY: As the caller promises.
    let (pinned, inner) = unsafe { end(slot) };
    // SAFETY: As the caller promises.
    let len = unsafe { (*slot).len } as u64;
    if let Some((buffer, slot)) = inner {
        // The straight line; all else is called last, so that nothing need be saved for it.
        if buffer.kind() != Kind::PerCpu || slot.len != len {
            return commit_slow(pinned, buffer, slot, len);
        }
        if let Added::Look(now) = buffer.ring().commit_quietly(slot) {
            return committed_loudly(pinned, buffer, now);
        }
    }
    pinned.release_and_return(0);
}

#[inline(never)]
fn commit_slow(_pinned: Pinned, buffer: &Buffer, slot: Slot, len: u64) {
    let committed = with_ring!(buffer, |ring| ring.commit_discardable(slot, len));
    buffer.notify(committed);
}

#[cold]
#[inline(never)]
fn committed_loudly(_pinned: Pinned, buffer: &Buffer, now: u64) {
    buffer.notify(buffer.ring().added(Added::Look(now)));
}

/// # Safety
///
/// `slot` must be from a successful [`relayfs_reserve`] in this context, and not have been ended.
#[no_mangle]
pub(crate) unsafe extern "C" fn relayfs_discard(slot: *mut local::relay_slot) {
    // SAFETY: As the caller promises.
    let (_pinned, inner) = unsafe { end(slot) };
    if let Some((buffer, slot)) = inner {
        let committed = with_ring!(buffer, |ring| ring.discard(slot));
        buffer.notify(committed);
    }
}

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
/// `chan` must be open.
#[no_mangle]
pub(crate) unsafe extern "C" fn relayfs_private_data(chan: *const local::rchan) -> *mut c_void {
    // SAFETY: As the caller promises.
    let private = unsafe { channel(chan) }.config().private;
    core::ptr::with_exposed_provenance_mut(private)
}

/// Each function has the very type the C header declares, or this does not compile.
const _: () = {
    macro_rules! same_type {
        ($($name:ident),*) => {
            $( let _ = if true { $name } else { local::$name }; )*
        };
    }
    same_type!(
        relayfs_close,
        relayfs_commit,
        relayfs_discard,
        relayfs_flush,
        relayfs_open,
        relayfs_private_data,
        relayfs_reserve,
        relayfs_reset,
        relayfs_write,
        relayfs_write_wait
    );
};
