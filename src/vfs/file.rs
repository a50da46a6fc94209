// SPDX-License-Identifier: GPL-2.0

//! Open files: the kernel's operations, converted; what they do is in `reader.rs`.

use super::inode::{self, Node};
use super::{info, mmap, StaticOps};
use crate::bindings as local;
use crate::buffer::Buffer;
use crate::channel::{Channel, Hub};
use crate::reader::Outcome;
use crate::wake::WaitQueue;
use core::sync::atomic::Ordering;
use kernel::bindings;
use kernel::error::to_result;
use kernel::iov::IovIterDest;
use kernel::prelude::*;
use kernel::sync::Arc;

/// What a descriptor reads.
pub(super) enum Source {
    Whole(Arc<Channel>),
    Buffer(Arc<Channel>, Arc<Buffer>),
}

impl Source {
    pub(super) fn channel(&self) -> &Arc<Channel> {
        match self {
            Self::Whole(channel) | Self::Buffer(channel, _) => channel,
        }
    }

    /// The buffers it consumes from.
    fn buffers(&self) -> &[Arc<Buffer>] {
        match self {
            Self::Whole(channel) => channel.buffers(),
            Self::Buffer(_, buffer) => core::slice::from_ref(buffer),
        }
    }

    fn hub(&self) -> &Hub {
        self.channel().hub()
    }

    fn wait(&self) -> &WaitQueue {
        match self {
            Self::Whole(channel) => &channel.hub().wait,
            Self::Buffer(_, buffer) => &buffer.wait,
        }
    }

    fn is_readable(&self) -> bool {
        self.buffers().iter().any(|buffer| buffer.is_readable())
    }

    fn open(&self) {
        for buffer in self.buffers() {
            buffer.readers.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn close(&self) {
        for buffer in self.buffers() {
            if buffer.readers.fetch_sub(1, Ordering::Relaxed) == 1 {
                buffer.detach_consumer();
            }
        }
    }

    /// Reads what there is, waiting for it if `wait`.
    fn read(&self, to: &mut IovIterDest<'_>, wait: bool) -> Result<usize> {
        loop {
            // Before looking for data: what is written before the end is not missed.
            let closed = self.hub().is_closed();
            let outcome = match self {
                Self::Whole(channel) => channel.read(to),
                Self::Buffer(_, buffer) => buffer.read(to),
            }?;
            match outcome {
                Outcome::Copied(n) => return Ok(n),
                Outcome::Nothing if closed => return Ok(0),
                Outcome::Nothing if !wait => return Err(EAGAIN),
                Outcome::Nothing if kernel::current!().signal_pending() => return Err(ERESTARTSYS),
                Outcome::Nothing => {}
            }
            self.wait().wait_interruptible(|| {
                let ready = self.is_readable() || self.hub().is_closed();
                if !ready {
                    self.channel().ticker.arm();
                }
                ready
            })?;
        }
    }

    fn poll(&self) -> u32 {
        let closed = self.hub().is_closed();
        let mut events = 0;
        if self.is_readable() {
            events |= bindings::POLLIN | bindings::POLLRDNORM;
        } else if closed {
            events |= bindings::POLLHUP;
        } else {
            self.channel().ticker.arm();
        }
        events
    }
}

/// Of the whole channel.
static WHOLE: StaticOps<bindings::file_operations> = StaticOps::new(data_operations(None));
/// Of one buffer.
static BUFFER: StaticOps<bindings::file_operations> =
    StaticOps::new(data_operations(Some(mmap::mmap)));

type Mmap = unsafe extern "C" fn(*mut bindings::file, *mut bindings::vm_area_struct) -> i32;

const fn data_operations(mmap: Option<Mmap>) -> bindings::file_operations {
    // SAFETY: All zeroes is a set of operations.
    unsafe {
        bindings::file_operations {
            open: Some(open),
            release: Some(release),
            read_iter: Some(read_iter),
            poll: Some(poll),
            mmap,
            ..core::mem::zeroed()
        }
    }
}

/// Names the module in all operations, so that an open file keeps it loaded.
pub(super) fn set_owner(module: &'static ThisModule) {
    for ops in [&WHOLE, &BUFFER, &info::OPERATIONS] {
        // SAFETY: Called before any file exists.
        unsafe { ops.edit(|ops| ops.owner = module.as_ptr()) };
    }
}

/// The operations of a file or directory.
pub(super) fn operations(node: &Node) -> *const bindings::file_operations {
    match node {
        Node::Directory(_) => &raw const bindings::simple_dir_operations,
        Node::Whole(_) => WHOLE.get(),
        Node::Buffer(..) => BUFFER.get(),
        Node::Info(_) => info::OPERATIONS.get(),
    }
}

/// Refuses when the kernel is locked down that far. As tracefs: tracing data may hold secrets.
pub(super) fn check_lockdown() -> Result {
    // SAFETY: No conditions.
    to_result(unsafe { local::relayfs_helper_locked_down() })
}

/// # Safety
///
/// `file` must be open, by [`open`].
pub(super) unsafe fn source<'a>(file: *mut bindings::file) -> &'a Source {
    // SAFETY: `open()` put it there, and it stays until `release()`.
    unsafe { &*(*file).private_data.cast::<Source>() }
}

/// # Safety
///
/// As the kernel calls it: valid pointers, an inode of ours.
unsafe extern "C" fn open(inode: *mut bindings::inode, file: *mut bindings::file) -> i32 {
    let result = check_lockdown().and_then(|()| {
        // SAFETY: As the caller promises.
        let source = match unsafe { inode::node(inode) } {
            Node::Whole(channel) => Source::Whole(channel.clone()),
            Node::Buffer(channel, buffer) => Source::Buffer(channel.clone(), buffer.clone()),
            Node::Directory(_) | Node::Info(_) => return Err(EINVAL),
        };
        let source = KBox::new(source, GFP_KERNEL)?;
        source.open();
        // SAFETY: As the caller promises.
        unsafe {
            (*file).private_data = KBox::into_raw(source).cast();
            to_result(bindings::stream_open(inode, file))
        }
    });
    result.err().map_or(0, |error| error.to_errno())
}

/// # Safety
///
/// As the kernel calls it: `file` opened by [`open`], not used any more.
unsafe extern "C" fn release(_inode: *mut bindings::inode, file: *mut bindings::file) -> i32 {
    // SAFETY: `open()` put it there.
    let source = unsafe { KBox::from_raw((*file).private_data.cast::<Source>()) };
    source.close();
    0
}

/// # Safety
///
/// As the kernel calls it: an open file of ours, a valid iterator to copy to.
unsafe extern "C" fn read_iter(iocb: *mut bindings::kiocb, to: *mut bindings::iov_iter) -> isize {
    // SAFETY: As the caller promises.
    let (file, to) = unsafe { ((*iocb).ki_filp, IovIterDest::from_raw(to)) };
    // SAFETY: As the caller promises.
    let (source, flags, nowait) = unsafe {
        (
            source(file),
            (*file).f_flags,
            (*iocb).ki_flags & local::RELAYFS_IOCB_NOWAIT != 0,
        )
    };
    let wait = !nowait && flags & bindings::O_NONBLOCK == 0;
    match source.read(to, wait) {
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
    // SAFETY: As the caller promises; the source holds what holds the queue until release.
    unsafe {
        let source = source(file);
        source.wait().poll_wait(file, table);
        source.poll()
    }
}
