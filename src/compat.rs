// SPDX-License-Identifier: GPL-2.0

//! The kernel's own relay interface, as `include/linux/relay_compat.h` gives it to clients that were
//! written for it.
//!
//! A client's channel is one of ours that has no files in the mount: those are the client's. Writers are
//! kept apart as in the kernel, by interrupts being off, and a lock if there is one buffer only.
//!
//! * [`channel`]: its life, its files. * [`buf`]: its buffers, and writing. * [`starter`]: the client has
//!   a say when sub-buffers begin. * [`pending`]: what was reserved. * [`view`]: what clients see.
//! * [`file`]: the files. * [`hotplug`]: CPUs come up.

use crate::percpu::Pinned;
use core::ptr::NonNull;
use kernel::bindings as k;
use kernel::ffi::{c_char, c_void};
use kernel::prelude::*;

mod bindings;
mod buf;
mod channel;
mod file;
mod hotplug;
mod pending;
mod starter;
mod view;

use bindings as c;
use buf::Buf;
use channel::{Chan, Wanted};

/// What is registered with the kernel.
pub(crate) struct Registration {
    _hotplug: hotplug::Registration,
}

impl Registration {
    /// Called once, before any channel, and after our own channels have registered.
    pub(crate) fn new(module: &'static ThisModule) -> Result<Self> {
        // SAFETY: There is no file yet.
        unsafe { file::set_owner(module) };
        Ok(Self {
            _hotplug: hotplug::Registration::new()?,
        })
    }
}

/// # Safety
///
/// `name` must be null or a string, `cb` null or valid until the channel is closed.
#[no_mangle]
unsafe extern "C" fn relayfs_compat_open(
    name: *const c_char,
    parent: *mut k::dentry,
    subbuf_size: usize,
    n_subbufs: usize,
    cb: *const c::rchan_callbacks,
    private_data: *mut c_void,
) -> *mut c::rchan {
    // SAFETY: As the caller promises.
    let (name, cb) = unsafe {
        let name = NonNull::new(name.cast_mut()).map(|name| CStr::from_char_ptr(name.as_ptr()));
        (name, cb.as_ref())
    };
    let cb = cb.filter(|cb| cb.create_buf_file.is_some() && cb.remove_buf_file.is_some());
    let result = cb.ok_or(EINVAL).and_then(|cb| {
        let wanted = Wanted {
            name,
            parent,
            subbuf_size,
            n_subbufs,
            cb,
            private_data,
        };
        // SAFETY: As the caller promises.
        unsafe { Chan::open(&wanted) }
    });
    match result {
        Ok(chan) => KBox::into_raw(chan).cast(),
        Err(error) => {
            let name = name.unwrap_or(c"(without a name)");
            let error = error.to_errno();
            pr_err!("no relay channel {name}: error {error}\n");
            core::ptr::null_mut()
        }
    }
}

/// # Safety
///
/// `chan` must be null, or come from [`relayfs_compat_open`] and not be used any more.
#[no_mangle]
unsafe extern "C" fn relayfs_compat_close(chan: *mut c::rchan) {
    if !chan.is_null() {
        // SAFETY: As the caller promises.
        let chan = unsafe { KBox::from_raw(chan.cast::<Chan>()) };
        chan.close();
    }
}

/// # Safety
///
/// `chan` must be null or open; process context, unless it is global.
#[no_mangle]
unsafe extern "C" fn relayfs_compat_flush(chan: *mut c::rchan) {
    if !chan.is_null() {
        // SAFETY: As the caller promises.
        unsafe { Chan::from_ptr(chan) }.flush();
    }
}

/// # Safety
///
/// `chan` must be null or open; process context.
#[no_mangle]
unsafe extern "C" fn relayfs_compat_reset(chan: *mut c::rchan) {
    if !chan.is_null() {
        // SAFETY: As the caller promises.
        unsafe { Chan::from_ptr(chan) }.reset();
    }
}

/// # Safety
///
/// `chan` must be open, `data` valid for reads of `len` bytes unless that is more than a sub-buffer.
#[no_mangle]
unsafe extern "C" fn relayfs_compat_write(chan: *mut c::rchan, data: *const c_void, len: usize) {
    if len == 0 {
        return;
    }
    let pinned = Pinned::new();
    // SAFETY: As the caller promises.
    let chan = unsafe { Chan::from_ptr(chan) };
    if let Some(buf) = chan.here(&pinned) {
        // SAFETY: As the caller promises.
        unsafe { buf.write(&pinned, data.cast(), len) };
    }
}

/// # Safety
///
/// `chan` must be open.
#[no_mangle]
unsafe extern "C" fn relayfs_compat_reserve(chan: *mut c::rchan, len: usize) -> *mut c_void {
    let pinned = Pinned::new();
    // SAFETY: As the caller promises.
    let chan = unsafe { Chan::from_ptr(chan) };
    match chan.here(&pinned) {
        Some(buf) => buf.reserve(&pinned, len).cast(),
        None => core::ptr::null_mut(),
    }
}

/// # Safety
///
/// `buf` must be of an open channel; called where that is written.
#[no_mangle]
unsafe extern "C" fn relayfs_compat_switch_subbuf(buf: *mut c::rchan_buf, len: usize) -> usize {
    let pinned = Pinned::new();
    // SAFETY: As the caller promises.
    let yes = unsafe { Buf::from_ptr(buf) }.switch(&pinned, len);
    if yes {
        len
    } else {
        0
    }
}

/// # Safety
///
/// `chan` must be null or open.
#[no_mangle]
unsafe extern "C" fn relayfs_compat_subbufs_consumed(chan: *mut c::rchan, cpu: u32, n: usize) {
    if chan.is_null() {
        return;
    }
    // SAFETY: As the caller promises.
    if let Some(buf) = unsafe { Chan::from_ptr(chan) }.buf(cpu) {
        buf.report_consumed(n);
    }
}

/// # Safety
///
/// `buf` must be of an open channel, or one that is being opened.
#[no_mangle]
unsafe extern "C" fn relayfs_compat_buf_full(buf: *mut c::rchan_buf) -> i32 {
    // SAFETY: As the caller promises.
    unsafe { Buf::from_ptr(buf) }.is_full().into()
}

/// # Safety
///
/// `chan` must be null or open.
#[no_mangle]
unsafe extern "C" fn relayfs_compat_stats(chan: *mut c::rchan, flags: i32) -> usize {
    if chan.is_null() {
        return 0;
    }
    // SAFETY: As the caller promises.
    let counts = unsafe { Chan::from_ptr(chan) }.stats();
    let all = [
        c::RELAY_STATS_BUF_FULL,
        c::RELAY_STATS_WRT_BIG,
        c::RELAY_STATS_WRT_LOST,
    ];
    let wanted = counts
        .iter()
        .zip(all)
        .filter(|(_, flag)| flags as u32 & flag != 0);
    wanted.fold(0, |sum: u64, (count, _)| sum.wrapping_add(*count)) as usize
}

/// Each function has the very type the C header declares, or this does not compile.
const _: () = {
    macro_rules! same_type {
        ($($name:ident),*) => {
            $( let _ = if true { $name } else { c::$name }; )*
        };
    }
    same_type!(
        relayfs_compat_buf_full,
        relayfs_compat_close,
        relayfs_compat_flush,
        relayfs_compat_open,
        relayfs_compat_reserve,
        relayfs_compat_reset,
        relayfs_compat_stats,
        relayfs_compat_subbufs_consumed,
        relayfs_compat_switch_subbuf,
        relayfs_compat_write
    );
};
