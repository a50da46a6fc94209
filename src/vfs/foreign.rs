// SPDX-License-Identifier: GPL-2.0

//! A channel's data in files of other file systems. What a client puts into such an inode is a
//! handle, so a file that was not removed in time finds nothing instead of a channel that is gone.

use super::{file, mmap, StaticOps};
use crate::bindings as local;
use crate::buffer::Buffer;
use crate::channel::Channel;
use crate::handles::{Handle, Handles};
use core::mem::MaybeUninit;
use kernel::bindings;
use kernel::ffi::{c_char, c_void};
use kernel::iov::{IovIterDest, IovIterSource};
use kernel::prelude::*;
use kernel::sync::{global_lock, Arc};

/// Whose data a file gives; `None`: all of the channel's.
struct Source(Arc<Channel>, Option<Arc<Buffer>>);

global_lock! {
    // SAFETY: Initialised when the module is loaded, before any channel.
    unsafe(uninit) static SOURCES: Mutex<Handles<Source>> = Handles::new();
}

/// Makes the table usable. Called once, before any channel.
pub(super) fn init() {
    // SAFETY: Called exactly once, when the module is loaded.
    unsafe { SOURCES.init() };
}

/// The handle of the data of `cpu`, or of all CPUs.
pub(crate) fn data(channel: &Arc<Channel>, cpu: u32) -> Result<*mut c_void> {
    let buffer = match cpu {
        local::RELAY_CPU_ALL => None,
        cpu => Some(channel.buffer_of(cpu).ok_or(ENXIO)?.clone()),
    };
    let number = buffer.as_ref().map(|buffer| buffer.number());
    let mut sources = SOURCES.lock();
    // A look with the lock: what is closed is forgotten, or was here first.
    if channel.hub().is_closed() {
        return Err(ESHUTDOWN);
    }
    let same = |Source(other, buffer): &Source| {
        Arc::ptr_eq(other, channel) && buffer.as_ref().map(|buffer| buffer.number()) == number
    };
    let handle = match sources.find(same) {
        Some(handle) => handle,
        None => sources.insert(Source(channel.clone(), buffer))?,
    };
    Ok(handle.to_client())
}

/// No file finds this channel, which is closed, from now on.
pub(crate) fn forget(channel: &Channel) {
    SOURCES
        .lock()
        .retain(|Source(other, _)| !core::ptr::eq(&**other, channel));
}

/// Of all data files elsewhere. What wraps them there may know only `read`.
#[export_name = "relayfs_file_operations"]
static OPERATIONS: FileOperations = FileOperations::foreign(open, mmap::mmap);

/// Operations of files that are not in the mount.
#[repr(transparent)]
pub(crate) struct FileOperations(StaticOps<bindings::file_operations>);

impl FileOperations {
    /// `open` begins with [`file::begin`]. What wraps the files there may know only `read` and `write`.
    pub(crate) const fn foreign(open: file::Open, mmap: file::Mmap) -> Self {
        Self(StaticOps::new(bindings::file_operations {
            read: Some(read),
            write: Some(write),
            write_iter: Some(file::write_iter),
            ..file::data_operations(open, Some(mmap))
        }))
    }

    /// Names the module in them, so that an open file keeps it loaded.
    ///
    /// # Safety
    ///
    /// They must not be in use yet.
    pub(crate) unsafe fn set_owner(&self, module: &'static ThisModule) {
        // SAFETY: As the caller promises.
        unsafe { self.0.edit(|ops| ops.owner = module.as_ptr()) };
    }
}

/// Names the module in the operations. Called once, before any file.
pub(super) fn set_owner(module: &'static ThisModule) {
    // SAFETY: There is no file yet.
    unsafe { OPERATIONS.set_owner(module) };
}

/// # Safety
///
/// As the kernel calls it: valid pointers.
unsafe extern "C" fn open(inode: *mut bindings::inode, file: *mut bindings::file) -> i32 {
    let begin = || {
        // SAFETY: As the caller promises. A number at most; what it stands for is looked up.
        let handle = Handle::from_client(unsafe { (*inode).i_private });
        let found = SOURCES.lock().get(handle).map(|Source(channel, buffer)| {
            // Counted, so they stay without the lock.
            (channel.clone(), buffer.clone())
        });
        let (channel, buffer) = found.ok_or(ENXIO)?;
        // SAFETY: As the caller promises.
        unsafe { file::begin(inode, file, channel, buffer) }
    };
    begin().map_or_else(|error: Error| error.to_errno(), |()| 0)
}

/// # Safety
///
/// As the kernel calls it: a file opened by [`open`], `to` of the user's.
unsafe extern "C" fn read(
    file: *mut bindings::file,
    to: *mut c_char,
    count: usize,
    _at: *mut bindings::loff_t,
) -> isize {
    const ITER_DEST: i32 = 0;

    with_iter(ITER_DEST, to, count, |iter| {
        // SAFETY: It was just made; the file is as the caller promises.
        unsafe { file::read(file, IovIterDest::from_raw(iter), false) }
    })
}

/// # Safety
///
/// As the kernel calls it: a file opened by [`open`], `from` of the user's.
unsafe extern "C" fn write(
    file: *mut bindings::file,
    from: *const c_char,
    count: usize,
    _at: *mut bindings::loff_t,
) -> isize {
    const ITER_SOURCE: i32 = 1;

    with_iter(ITER_SOURCE, from.cast_mut(), count, |iter| {
        // SAFETY: It was just made; the file is as the caller promises.
        unsafe { file::write(file, IovIterSource::from_raw(iter), false) }
    })
}

/// Does it with an iterator over the user's memory, which is checked; in which direction says `how`.
fn with_iter(
    how: i32,
    user: *mut c_char,
    count: usize,
    run: impl FnOnce(*mut bindings::iov_iter) -> isize,
) -> isize {
    let mut iter = MaybeUninit::<bindings::iov_iter>::uninit();
    // SAFETY: `iter` is valid for writes; the user's address is checked.
    let error = unsafe { bindings::import_ubuf(how, user.cast(), count, iter.as_mut_ptr()) };
    if error != 0 {
        return error as isize;
    }
    run(iter.as_mut_ptr())
}
