// SPDX-License-Identifier: GPL-2.0

//! Reading in the kernel.

use super::{ffi, Channel};
use core::ptr::NonNull;
use kernel::error::from_err_ptr;
use kernel::ffi::c_int;
use kernel::prelude::*;

/// What to read of a channel.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Which {
    /// All buffers, in order of time; of a duplex channel, what users write.
    All,
    /// The buffer of this CPU.
    Cpu(u32),
    /// The one buffer of a global channel.
    Global,
}

/// A reader. It outlives the channel: what is left when that is closed can still be read.
///
/// ```
/// let channel = Channel::builder(c"requests").duplex().mode(0o600).open()?;
/// let mut reader = channel.reader(Which::All, true)?;
/// let mut request = [0; 256];
/// match reader.read(&mut request) {
///     Ok(n) => pr_info!("{n} bytes were written by users\n"),
///     Err(error) if error == EAGAIN => pr_info!("nothing yet\n"),
///     Err(error) => return Err(error),
/// }
/// ```
///
/// # Invariants
///
/// `raw` was added and not removed.
pub(crate) struct Reader {
    raw: NonNull<ffi::rchan_reader>,
}

// SAFETY: A reader may be used and removed by any task.
unsafe impl Send for Reader {}
// SAFETY: The functions that take `&self` may be called by any number of tasks at once.
unsafe impl Sync for Reader {}

impl Reader {
    pub(super) fn new(channel: &Channel, which: Which, consumes: bool) -> Result<Self> {
        let cpu = match which {
            Which::All => ffi::RELAY_CPU_ALL,
            Which::Cpu(cpu) => cpu,
            Which::Global => ffi::RELAY_CPU_NONE,
        };
        // SAFETY: The channel is open or kept.
        let raw = unsafe { ffi::relayfs_add_reader(channel.raw(), cpu, consumes.into()) };
        let raw = NonNull::new(from_err_ptr(raw)?).ok_or(ENOMEM)?;
        // INVARIANT: Just added.
        Ok(Self { raw })
    }

    /// Reads what there is; `EAGAIN`: nothing now. 0: the channel is closed, and all was read. Process
    /// context.
    pub(crate) fn read(&mut self, to: &mut [u8]) -> Result<usize> {
        self.read_raw(to, false)
    }

    /// Reads when there is something. 0 as for [`read`](Self::read); `EINTR`: the task is being killed.
    /// Process context.
    pub(crate) fn read_wait(&mut self, to: &mut [u8]) -> Result<usize> {
        self.read_raw(to, true)
    }

    fn read_raw(&mut self, to: &mut [u8], wait: bool) -> Result<usize> {
        // SAFETY: By the type invariants; `to` is valid for writes.
        let n = unsafe {
            ffi::relayfs_read(
                self.raw.as_ptr(),
                to.as_mut_ptr().cast(),
                to.len(),
                wait.into(),
            )
        };
        usize::try_from(n).map_err(|_| Error::from_errno(n as c_int))
    }

    /// Bytes there are to read. Process context.
    pub(crate) fn available(&self) -> Result<usize> {
        // SAFETY: By the type invariants.
        let n = unsafe { ffi::relayfs_bytes_avail(self.raw.as_ptr()) };
        usize::try_from(n).map_err(|_| Error::from_errno(n as c_int))
    }

    /// Records that were overwritten before it could read them. Process context.
    pub(crate) fn lost(&self) -> u64 {
        // SAFETY: By the type invariants.
        unsafe { ffi::relayfs_reader_lost(self.raw.as_ptr()) }
    }

    /// So many bytes of what it has read need not be kept any longer. Of a reader that consumes nothing
    /// by itself. Process context.
    pub(crate) fn bytes_consumed(&self, bytes: usize) {
        // SAFETY: By the type invariants.
        unsafe { ffi::relayfs_bytes_consumed(self.raw.as_ptr(), bytes) }
    }

    /// The same with whole sub-buffers.
    pub(crate) fn subbufs_consumed(&self, n: u32) {
        // SAFETY: By the type invariants.
        unsafe { ffi::relayfs_buffers_consumed(self.raw.as_ptr(), n) }
    }

    /// Whether there is nothing to read now. Any context but NMI.
    pub(crate) fn is_empty(&self) -> bool {
        // SAFETY: By the type invariants.
        unsafe { ffi::relayfs_empty(self.raw.as_ptr()) != 0 }
    }

    /// Whether a record would be refused that does not fit the current sub-buffer. Any context but NMI.
    pub(crate) fn is_full(&self) -> bool {
        // SAFETY: By the type invariants.
        unsafe { ffi::relayfs_full(self.raw.as_ptr()) != 0 }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        // SAFETY: By the type invariants, and it is not used any more.
        unsafe { ffi::relayfs_remove_reader(self.raw.as_ptr(), 0) };
    }
}

/// Speaks for somebody who reads a mapping, which nothing tells relayfs of: the client hears how far
/// that has come, and says so here.
///
/// ```
/// let channel = Channel::builder(c"frames").global().no_overwrite().open()?;
/// let speaker = channel.map_reader(None)?;
/// // When its user has told that two more sub-buffers are done with:
/// speaker.subbufs_consumed(2);
/// ```
///
/// # Invariants
///
/// `raw` was added as one of a mapping, and not removed.
pub(crate) struct MapReader {
    raw: NonNull<ffi::rchan_reader>,
}

// SAFETY: A reader may be used and removed by any task.
unsafe impl Send for MapReader {}
// SAFETY: The functions that take `&self` may be called by any number of tasks at once.
unsafe impl Sync for MapReader {}

impl MapReader {
    pub(super) fn new(channel: &Channel, cpu: Option<u32>) -> Result<Self> {
        let cpu = cpu.unwrap_or(ffi::RELAY_CPU_NONE);
        // SAFETY: The channel is open or kept.
        let raw = unsafe { ffi::relayfs_add_map_reader(channel.raw(), cpu) };
        let raw = NonNull::new(from_err_ptr(raw)?).ok_or(ENOMEM)?;
        // INVARIANT: Just added.
        Ok(Self { raw })
    }

    /// So many more bytes were consumed, of those there are. Process context.
    pub(crate) fn bytes_consumed(&self, bytes: usize) {
        // SAFETY: By the type invariants.
        unsafe { ffi::relayfs_bytes_consumed(self.raw.as_ptr(), bytes) }
    }

    /// The same with whole sub-buffers.
    pub(crate) fn subbufs_consumed(&self, n: u32) {
        // SAFETY: By the type invariants.
        unsafe { ffi::relayfs_buffers_consumed(self.raw.as_ptr(), n) }
    }
}

impl Drop for MapReader {
    fn drop(&mut self) {
        // SAFETY: By the type invariants, and it is not used any more.
        unsafe { ffi::relayfs_remove_reader(self.raw.as_ptr(), 1) };
    }
}
