// SPDX-License-Identifier: GPL-2.0

//! Flush, reset, resize, look: `include/linux/relayfs/control.h`.

use super::channel;
use crate::bindings as local;
use crate::channel::{info::Info, Channel};
use crate::ring::Count;
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
    let channel = unsafe { channel(chan) };
    let open_files = channel.hub().readers.lock().open_files();
    let about = local::rchan_info {
        n_buffers: channel.buffers().iter().count() as u32,
        open_files,
        ..Default::default()
    };
    // SAFETY: As the caller promises.
    unsafe { tell(info, channel, &channel.info(), about) }
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
    let Some(buffer) = channel.buffer_of(cpu) else {
        return ENXIO.to_errno();
    };
    let one = Info::of(buffer);
    let about = local::rchan_info {
        n_buffers: 1,
        current_seq: one.progress.current,
        ..Default::default()
    };
    // SAFETY: As the caller promises.
    unsafe { tell(info, channel, &one, about) }
}

/// Size of the first version of the structure.
const FIRST_INFO: usize = offset_of!(local::rchan_info, reserved) + size_of::<u32>();
/// No version is larger.
const MAX_INFO: usize = PAGE_SIZE;

/// Completes `about` and hands out as much of it as the client knows.
///
/// # Safety
///
/// `to` must be valid for as many bytes as its size says.
unsafe fn tell(
    to: *mut local::rchan_info,
    channel: &Channel,
    info: &Info,
    about: local::rchan_info,
) -> i32 {
    // SAFETY: As the caller promises.
    let size = unsafe { (&raw const (*to).size).read() } as usize;
    if !(FIRST_INFO..=MAX_INFO).contains(&size) || size % align_of::<u64>() != 0 {
        return EINVAL.to_errno();
    }
    let known = size.min(size_of::<local::rchan_info>());
    let (shape, stats) = (channel.shape(), &info.stats);
    let [full, too_big, nested, closed, held, no_buffer, nmi] = stats.refused.map(count);
    let all = local::rchan_info {
        size: known as u32,
        flags: shape.flags,
        subbuf_size: shape.spec.geo().subbuf_size(),
        n_subbufs: shape.spec.geo().n_subbufs() as u32,
        generation: channel.generation(),
        subbufs_produced: info.progress.produced,
        subbufs_consumed: info.progress.consumed,
        produced: count(stats.produced),
        read: count(stats.read),
        overwritten: count(stats.overwritten),
        unread: count(stats.unread()),
        full,
        too_big,
        nested,
        closed,
        held,
        no_buffer,
        nmi,
        wakeups: info.wakeups,
        ..about
    };
    let to = to.cast::<u8>();
    // SAFETY: As the caller promises: both together are `size` bytes.
    unsafe {
        to.copy_from_nonoverlapping((&raw const all).cast(), known);
        to.add(known).write_bytes(0, size.wrapping_sub(known));
    }
    0
}

fn count(count: Count) -> local::rchan_count {
    local::rchan_count {
        records: count.records,
        bytes: count.bytes,
    }
}
