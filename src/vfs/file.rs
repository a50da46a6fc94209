// SPDX-License-Identifier: GPL-2.0

//! Open files: the kernel's operations, converted; what they do is in `reader/descriptor.rs`.

use super::inode::{self, Node};
use super::{channels, foreign, info, ioctl, metadata, mmap, splice, StaticOps};
use crate::bindings as local;
use crate::buffer::Buffer;
use crate::channel::Channel;
use crate::reader::descriptor::Descriptor;
use crate::reader::poll::Wants;
use crate::reader::waiting::Wait;
use kernel::bindings;
use kernel::error::to_result;
use kernel::iov::{IovIterDest, IovIterSource};
use kernel::prelude::*;
use kernel::sync::Arc;

/// Of the whole channel.
static WHOLE: StaticOps<bindings::file_operations> = StaticOps::new(data_operations(open, None));
/// Of the whole channel, if users may write.
static WRITABLE: StaticOps<bindings::file_operations> = StaticOps::new(bindings::file_operations {
    write_iter: Some(write_iter),
    ..data_operations(open, None)
});
/// Of one buffer.
static BUFFER: StaticOps<bindings::file_operations> =
    StaticOps::new(data_operations(open, Some(mmap::mmap)));

pub(super) type Open = unsafe extern "C" fn(*mut bindings::inode, *mut bindings::file) -> i32;
pub(super) type Mmap =
    unsafe extern "C" fn(*mut bindings::file, *mut bindings::vm_area_struct) -> i32;

pub(super) const fn data_operations(open: Open, mmap: Option<Mmap>) -> bindings::file_operations {
    // SAFETY: All zeroes is a set of operations.
    unsafe {
        bindings::file_operations {
            open: Some(open),
            release: Some(release),
            read_iter: Some(read_iter),
            poll: Some(poll),
            llseek: Some(llseek),
            splice_read: Some(splice::splice_read),
            fasync: Some(fasync),
            unlocked_ioctl: Some(ioctl::ioctl),
            // The structures are the same for 32-bit programs, and arguments are pointers.
            #[cfg(CONFIG_COMPAT)]
            compat_ioctl: bindings::compat_ptr_ioctl,
            mmap,
            ..core::mem::zeroed()
        }
    }
}

/// Names the module in all operations, so that an open file keeps it loaded.
pub(super) fn set_owner(module: &'static ThisModule) {
    foreign::set_owner(module);
    for ops in [
        &WHOLE,
        &WRITABLE,
        &BUFFER,
        &info::OPERATIONS,
        &metadata::OPERATIONS,
        &channels::OPERATIONS,
    ] {
        // SAFETY: Called before any file exists.
        unsafe { ops.edit(|ops| ops.owner = module.as_ptr()) };
    }
}

/// The module.
pub(super) fn owner() -> *mut bindings::module {
    // SAFETY: Set before any file exists, and not changed since.
    unsafe { (*WHOLE.get()).owner }
}

/// The operations of a file or directory.
pub(super) fn operations(node: &Node) -> *const bindings::file_operations {
    match node {
        Node::Directory(_) => &raw const bindings::simple_dir_operations,
        Node::Whole(channel) if channel.config().writable() => WRITABLE.get(),
        Node::Whole(_) => WHOLE.get(),
        Node::Buffer(..) => BUFFER.get(),
        Node::Info(_) => info::OPERATIONS.get(),
        Node::Metadata(_) => metadata::OPERATIONS.get(),
        Node::Channels => channels::OPERATIONS.get(),
        Node::Client(file) => file.operations(),
    }
}

/// Refuses when the kernel is locked down that far. As tracefs: tracing data may hold secrets.
pub(super) fn check_lockdown() -> Result {
    // SAFETY: No conditions.
    to_result(unsafe { local::relayfs_helper_locked_down() })
}

/// # Safety
///
/// `file` must be open, by [`begin`].
pub(super) unsafe fn descriptor<'a>(file: *mut bindings::file) -> &'a Descriptor {
    // SAFETY: `begin()` put it there, and it stays until `release()`.
    unsafe { &*(*file).private_data.cast::<Descriptor>() }
}

/// # Safety
///
/// As the kernel calls it: valid pointers, an inode of ours.
unsafe extern "C" fn open(inode: *mut bindings::inode, file: *mut bindings::file) -> i32 {
    // SAFETY: As the caller promises.
    let result = match unsafe { inode::node(inode) } {
        // SAFETY: As the caller promises.
        Node::Whole(channel) => unsafe { begin(inode, file, channel.clone(), None) },
        // SAFETY: As the caller promises.
        Node::Buffer(channel, buffer) => unsafe {
            begin(inode, file, channel.clone(), Some(buffer.clone()))
        },
        _ => Err(EINVAL),
    };
    result.err().map_or(0, |error| error.to_errno())
}

/// A user opens a file with the data of `buffer`, or of the whole channel, in whatever file system.
///
/// # Safety
///
/// `inode` and `file` must be the arguments of a running `open` operation of [`data_operations`].
pub(crate) unsafe fn begin(
    inode: *mut bindings::inode,
    file: *mut bindings::file,
    channel: Arc<Channel>,
    buffer: Option<Arc<Buffer>>,
) -> Result {
    check_lockdown()?;
    // SAFETY: As the caller promises.
    let exclusive = unsafe { (*file).f_flags } & bindings::O_EXCL != 0;
    let mut descriptor = Descriptor::open(channel, buffer, exclusive)?;
    // SAFETY: As the caller promises.
    unsafe {
        descriptor.announce(file)?;
        (*file).f_mode |= local::RELAYFS_FMODE_NOWAIT;
        (*file).private_data = KBox::into_raw(descriptor).cast();
        to_result(bindings::stream_open(inode, file))?;
        // Only for sendfile(2), which takes nothing else; there is no seeking.
        (*file).f_mode |= local::RELAYFS_FMODE_LSEEK;
    }
    Ok(())
}

/// # Safety
///
/// As the kernel calls it: `file` opened by [`begin`], not used any more.
unsafe extern "C" fn release(_inode: *mut bindings::inode, file: *mut bindings::file) -> i32 {
    // SAFETY: `begin()` put it there.
    let descriptor = unsafe { KBox::from_raw((*file).private_data.cast::<Descriptor>()) };
    // SAFETY: As the caller promises.
    unsafe { Descriptor::end(descriptor, file) };
    0
}

/// # Safety
///
/// As the kernel calls it: an open file of ours, a valid iterator to copy to.
unsafe extern "C" fn read_iter(iocb: *mut bindings::kiocb, to: *mut bindings::iov_iter) -> isize {
    // SAFETY: As the caller promises.
    unsafe {
        let nowait = (*iocb).ki_flags & local::RELAYFS_IOCB_NOWAIT != 0;
        read((*iocb).ki_filp, IovIterDest::from_raw(to), nowait)
    }
}

/// Reads as the file's flags say; `nowait`: does not wait anyway.
///
/// # Safety
///
/// `file` must be open, by [`begin`].
pub(super) unsafe fn read(
    file: *mut bindings::file,
    to: &mut IovIterDest<'_>,
    nowait: bool,
) -> isize {
    // SAFETY: As the caller promises.
    let (descriptor, flags) = unsafe { (descriptor(file), (*file).f_flags) };
    let wait = if nowait || flags & bindings::O_NONBLOCK != 0 {
        Wait::No
    } else {
        Wait::Interruptible
    };
    match descriptor.read(to, wait) {
        Ok(n) => n as isize,
        Err(error) => error.to_errno() as isize,
    }
}

/// # Safety
///
/// As the kernel calls it: an open file of ours, a valid iterator to copy from.
pub(super) unsafe extern "C" fn write_iter(
    iocb: *mut bindings::kiocb,
    from: *mut bindings::iov_iter,
) -> isize {
    // SAFETY: As the caller promises.
    unsafe {
        let nowait = (*iocb).ki_flags & local::RELAYFS_IOCB_NOWAIT != 0;
        write((*iocb).ki_filp, IovIterSource::from_raw(from), nowait)
    }
}

/// Whether users may write to it: to a channel that wants that, not to one of its buffers.
fn takes_writes(descriptor: &Descriptor) -> bool {
    descriptor.buffer().is_none() && descriptor.channel().config().writable()
}

/// Writes as the file's flags say; `nowait`: does not wait anyway.
///
/// # Safety
///
/// `file` must be open, by [`begin`].
pub(super) unsafe fn write(
    file: *mut bindings::file,
    from: &mut IovIterSource<'_>,
    nowait: bool,
) -> isize {
    // SAFETY: As the caller promises.
    let (descriptor, flags) = unsafe { (descriptor(file), (*file).f_flags) };
    if !takes_writes(descriptor) {
        // As where there is nothing that writes.
        return EINVAL.to_errno() as isize;
    }
    let wait = !nowait && flags & bindings::O_NONBLOCK == 0;
    match descriptor.channel().write_user(from, wait) {
        Ok(n) => n as isize,
        Err(error) => error.to_errno() as isize,
    }
}

/// # Safety
///
/// As the kernel calls it: an open file of ours, a valid table.
unsafe extern "C" fn poll(
    file: *mut bindings::file,
    table: *mut bindings::poll_table_struct,
) -> u32 {
    // SAFETY: As the caller promises.
    unsafe {
        let descriptor = descriptor(file);
        let key = if table.is_null() { 0 } else { (*table)._key };
        let wants = Wants {
            edges: key & local::RELAYFS_EPOLLET != 0,
            full: key & bindings::POLLPRI != 0,
            may_write: (*file).f_mode & local::RELAYFS_FMODE_CAN_WRITE != 0
                && takes_writes(descriptor),
        };
        descriptor.poll(file, table, wants)
    }
}

/// # Safety
///
/// As the kernel calls it.
unsafe extern "C" fn llseek(_file: *mut bindings::file, _offset: i64, _whence: i32) -> i64 {
    ESPIPE.to_errno().into()
}

/// # Safety
///
/// As the kernel calls it: an open file of ours.
unsafe extern "C" fn fasync(fd: i32, file: *mut bindings::file, on: i32) -> i32 {
    // SAFETY: As the caller promises.
    match unsafe { descriptor(file).fasync(fd, file, on != 0) } {
        Ok(changed) => changed.into(),
        Err(error) => error.to_errno(),
    }
}
