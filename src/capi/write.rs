// SPDX-License-Identifier: GPL-2.0

//! Writing: `include/linux/relayfs/write.h`.

use super::{channel, length};
use crate::bindings as local;
use crate::buffer::Store;
use crate::channel::{Channel, Reserved};
use crate::kind::{with_ring, Kind};
use crate::percpu::Pinned;
use crate::ring::{Added, Slot};
use core::mem;
use kernel::bindings;
use kernel::ffi::c_void;
use kernel::sync::ArcBorrow;

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
    length(result)
}

/// # Safety
///
/// `chan` must be open, `parts` valid for reads of `n_parts` parts, and each of those as `data` for
/// [`relayfs_write`].
#[no_mangle]
pub(crate) unsafe extern "C" fn relayfs_writev(
    chan: *mut local::rchan,
    parts: *const bindings::kvec,
    n_parts: u32,
) -> isize {
    let parts = match n_parts {
        0 => &[],
        // SAFETY: As the caller promises.
        n => unsafe { core::slice::from_raw_parts(parts, n as usize) },
    };
    // SAFETY: As the caller promises.
    length(unsafe { channel(chan).write_parts(parts) })
}

/// # Safety
///
/// As for [`relayfs_write`]; `wrote_pos` must be null or valid for writes.
#[no_mangle]
pub(crate) unsafe extern "C" fn relayfs_write_delta(
    chan: *mut local::rchan,
    data: *const c_void,
    len: usize,
    td_offset: i32,
    wrote_pos: *mut *mut c_void,
) -> isize {
    // SAFETY: As the caller promises.
    let written =
        unsafe { channel(chan).write_timed(data.cast(), len, usize::try_from(td_offset).ok()) };
    length(written.map(|(len, place)| {
        if let (Some(place), false) = (place, wrote_pos.is_null()) {
            // SAFETY: As the caller promises.
            unsafe { wrote_pos.write(place.cast()) };
        }
        len
    }))
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
    unsafe { hand_out(slot, reserved.slot.pos, len, reserved) };
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
            Ok(reserved) => unsafe {
                let at = reserved.store.ring().payload(&reserved.slot, len as u64);
                hand_out(slot, at, len, reserved)
            },
            Err(error) => return error.to_errno(),
        }
    }
    mem::forget(pinned);
    0
}

/// Tells the client where to write, which is at `at`, and the end of the slot what to end.
///
/// # Safety
///
/// `slot` must be valid for writes.
#[inline(always)]
pub(super) unsafe fn hand_out(
    slot: *mut local::relay_slot,
    at: u64,
    len: usize,
    reserved: Reserved<'_>,
) {
    let Reserved { store, slot: own } = reserved;
    let out = local::relay_slot {
        data: store.ring().address(at).cast(),
        len,
        buf: core::ptr::from_ref(store).cast_mut().cast(),
        pos: own.pos,
        reserved_len: own.len,
    };
    // SAFETY: As the caller promises.
    unsafe { slot.write(out) };
}

/// Takes apart what [`relayfs_reserve`] filled in: the guard, and store and slot unless it is empty.
///
/// # Safety
///
/// `slot` must be from a successful [`relayfs_reserve`] in this context, and not have been ended.
#[inline(always)]
unsafe fn end<'a>(slot: *mut local::relay_slot) -> (Pinned, Option<(&'a Store, Slot)>) {
    // SAFETY: As the caller promises. The store lives as long as the channel, which its client
    // keeps open while it has a slot.
    unsafe {
        let pinned = Pinned::taken_over();
        let slot = &*slot;
        let store = slot.buf.cast::<Store>().as_ref();
        // INVARIANT: The slot is the one reserved.
        let inner = store.map(|store| {
            let slot = Slot {
                pos: slot.pos,
                len: slot.reserved_len,
            };
            (store, slot)
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
    if let Some((store, slot)) = inner {
        // The straight line; all else is called last, so that nothing need be saved for it.
        if store.kind() != Kind::PerCpu || slot.len != len {
            return commit_slow(pinned, store, slot, len);
        }
        if let Added::Look(now, pos) = store.ring().commit_quietly(slot) {
            return committed_loudly(pinned, store, now, pos);
        }
    }
    pinned.release_and_return(0);
}

#[inline(never)]
fn commit_slow(_pinned: Pinned, store: &Store, slot: Slot, len: u64) {
    let committed = with_ring!(store, |ring| ring.commit_discardable(slot, len, store));
    store.notify(committed);
}

#[cold]
#[inline(never)]
fn committed_loudly(_pinned: Pinned, store: &Store, now: u64, pos: u64) {
    store.notify(store.ring().added(Added::Look(now, pos), store));
}

/// # Safety
///
/// `slot` must be from a successful [`relayfs_reserve`] in this context, and not have been ended.
#[no_mangle]
pub(crate) unsafe extern "C" fn relayfs_discard(slot: *mut local::relay_slot) {
    // SAFETY: As the caller promises.
    let (_pinned, inner) = unsafe { end(slot) };
    if let Some((store, slot)) = inner {
        let committed = with_ring!(store, |ring| ring.discard(slot, store));
        store.notify(committed);
    }
}

/// # Safety
///
/// `chan` must be open or kept; any context but NMI.
#[no_mangle]
pub(crate) unsafe extern "C" fn relayfs_lock(chan: *mut local::rchan) -> usize {
    // SAFETY: As the caller promises.
    unsafe { channel(chan) }.lock();
    // Interrupts are counted off, not saved.
    0
}

/// # Safety
///
/// There must have been a [`relayfs_lock`] of `chan` in this context that was not undone.
#[no_mangle]
pub(crate) unsafe extern "C" fn relayfs_unlock(chan: *mut local::rchan, _flags: usize) {
    // SAFETY: As the caller promises.
    unsafe { channel(chan).unlock() };
}
