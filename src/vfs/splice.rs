// SPDX-License-Identifier: GPL-2.0

//! splice(2) and sendfile(2) from a file: what a read would give, in pages that are the pipe's own. Of packets
//! also parts, as what is in a pipe is a stream of bytes; the rest is there for the next who takes some from the same
//! open file.
//!
//! They are not the ring's pages: a pipe keeps a page for as long as it likes, and `tee()` hands it on.
//! Writers would have to pass by the sub-buffer all that time, or to change what is in the pipe.
//!
//! The pipe is not locked while this waits for data, so that who reads the pipe can wait as well, and
//! be interrupted.

use super::file;
use crate::bindings as local;
use crate::reader::descriptor::Descriptor;
use crate::reader::waiting::Wait;
use crate::wake::{WaitQueue, FOREVER};
use core::mem::MaybeUninit;
use kernel::bindings;
use kernel::iov::IovIterDest;
use kernel::page::{Page, PAGE_SIZE};
use kernel::prelude::*;

/// # Safety
///
/// As the kernel calls it: an open file of ours; a pipe that is locked, or that of the task.
pub(super) unsafe extern "C" fn splice_read(
    file: *mut bindings::file,
    _pos: *mut bindings::loff_t,
    pipe: *mut bindings::pipe_inode_info,
    len: usize,
    flags: u32,
) -> isize {
    // SAFETY: As the caller promises.
    let (descriptor, pipe, nonblock) = unsafe {
        let nonblock = (*file).f_flags & bindings::O_NONBLOCK != 0;
        (file::descriptor(file), Pipe(&*pipe), nonblock)
    };
    let wait = if nonblock || flags & local::RELAYFS_SPLICE_F_NONBLOCK != 0 {
        Wait::No
    } else {
        Wait::Interruptible
    };
    match splice(descriptor, &pipe, len, wait) {
        Ok(n) => n as isize,
        Err(error) => error.to_errno() as isize,
    }
}

/// Moves at most `len` bytes to the pipe, waiting for some, and for room, if `wait`.
fn splice(descriptor: &Descriptor, pipe: &Pipe<'_>, len: usize, wait: Wait) -> Result<usize> {
    loop {
        pipe.check_readers()?;
        let most = len.min(pipe.room().saturating_mul(PAGE_SIZE));
        if most != 0 {
            let mut pages = Pages::new(descriptor.needed(most))?;
            match pages.fill(|to| descriptor.read_parts(to, wait)) {
                Err(error) if error == EAGAIN && wait != Wait::No => {
                    pipe.unlocked(|| descriptor.wait(wait))?;
                }
                Err(error) => return Err(error),
                Ok(n) => return pipe.add(pages, n),
            }
        } else if wait == Wait::No {
            return Err(EAGAIN);
        } else {
            pipe.unlocked(|| pipe.wait_for_room())?;
        }
    }
}

/// A pipe, locked by who calls this module, or used by nobody else.
struct Pipe<'a>(&'a bindings::pipe_inode_info);

impl Pipe<'_> {
    fn as_ptr(&self) -> *mut bindings::pipe_inode_info {
        core::ptr::from_ref(self.0).cast_mut()
    }

    /// In pages.
    fn room(&self) -> usize {
        // SAFETY: The pipe is valid.
        unsafe { local::relayfs_helper_pipe_room(self.as_ptr()) as usize }
    }

    fn has_readers(&self) -> bool {
        // SAFETY: The pipe is valid.
        unsafe { local::relayfs_helper_pipe_has_readers(self.as_ptr()) }
    }

    /// As with a write to a pipe nobody reads.
    fn check_readers(&self) -> Result {
        if self.has_readers() {
            return Ok(());
        }
        // SAFETY: The current task.
        unsafe { bindings::send_sig(bindings::SIGPIPE as i32, bindings::get_current(), 0) };
        Err(EPIPE)
    }

    /// Does `f` without the lock.
    fn unlocked<T>(&self, f: impl FnOnce() -> T) -> T {
        // SAFETY: The caller has it locked, or it has no lock, which these know.
        unsafe { local::pipe_unlock(self.as_ptr()) };
        let result = f();
        // SAFETY: As above.
        unsafe { local::pipe_lock(self.as_ptr()) };
        result
    }

    fn wait_for_room(&self) -> Result {
        // SAFETY: The queue lives as long as the pipe.
        let queue =
            unsafe { WaitQueue::from_raw(local::relayfs_helper_pipe_writers(self.as_ptr())) };
        queue.wait_interruptible(|| FOREVER, |_| self.room() != 0 || !self.has_readers())
    }

    /// Gives the first `len` bytes of `pages` to the pipe, which has room.
    fn add(&self, pages: Pages, len: usize) -> Result<usize> {
        let mut added = 0usize;
        for page in pages.pages {
            let n = len.wrapping_sub(added).min(PAGE_SIZE);
            if n == 0 {
                break;
            }
            let raw = page.as_ptr();
            // The pipe has it from now on.
            core::mem::forget(page);
            // SAFETY: The pipe is locked, or nobody else uses it; the page was this one's alone.
            let result = unsafe { local::relayfs_helper_pipe_add(self.as_ptr(), raw, n as u32) };
            if result < 0 {
                return Err(Error::from_errno(result));
            }
            added = added.wrapping_add(n);
        }
        Ok(added)
    }
}

/// Pages to read to.
struct Pages {
    pages: KVVec<Page>,
    len: usize,
}

impl Pages {
    /// For `len` bytes.
    fn new(len: usize) -> Result<Self> {
        let count = len.div_ceil(PAGE_SIZE);
        let mut pages = KVVec::with_capacity(count, GFP_KERNEL)?;
        for _ in 0..count {
            pages.push(Page::alloc_page(GFP_KERNEL_ACCOUNT)?, GFP_KERNEL)?;
        }
        Ok(Self { pages, len })
    }

    /// What `read` makes of it.
    fn fill(&mut self, read: impl FnOnce(&mut IovIterDest<'_>) -> Result<usize>) -> Result<usize> {
        let mut vec = KVVec::with_capacity(self.pages.len(), GFP_KERNEL)?;
        for page in &self.pages {
            let part = bindings::bio_vec {
                bv_page: page.as_ptr(),
                bv_len: PAGE_SIZE as u32,
                bv_offset: 0,
            };
            vec.push(part, GFP_KERNEL)?;
        }
        let mut iter = MaybeUninit::<bindings::iov_iter>::uninit();
        // SAFETY: `vec` and its pages, which are at least `len` long, outlive the iterator, which is
        // initialised then, and used by nobody else.
        let iter = unsafe {
            bindings::iov_iter_bvec(
                iter.as_mut_ptr(),
                bindings::ITER_DEST,
                vec.as_ptr(),
                vec.len(),
                self.len,
            );
            IovIterDest::from_raw(iter.as_mut_ptr())
        };
        read(iter)
    }
}
