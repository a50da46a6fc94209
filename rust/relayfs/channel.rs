// SPDX-License-Identifier: GPL-2.0

//! Channels: writing, and what else is done with one that is open.

use super::{ffi, Builder, Callbacks, Info, MapReader, Nothing, Reader, Slot, Which};
use core::ops::Deref;
use core::ptr::NonNull;
use kernel::error::{from_err_ptr, to_result};
use kernel::ffi::{c_int, c_long, c_ulong};
use kernel::prelude::*;
use kernel::sync::aref::{ARef, AlwaysRefCounted};
use kernel::types::{NotThreadSafe, Opaque};

/// A channel, as long as it is open or kept. An [`ARef`] keeps it: when it is closed then, it refuses
/// what is written to it with `ESHUTDOWN`. The last `ARef` may be dropped in process context only.
///
/// ```
/// use kernel::sync::aref::ARef;
///
/// let channel = Channel::builder(c"log").no_overwrite().open()?;
/// match channel.write(b"a line\n") {
///     Ok(len) => pr_info!("{len} bytes\n"),
///     // Counted, for each cause.
///     Err(error) => pr_info!("{error:?}: {} records refused\n", channel.info()?.full().records),
/// }
/// // In process context it can be waited for readers to make room.
/// channel.write_wait(b"another\n", kernel::time::msecs_to_jiffies(100))?;
///
/// let kept: ARef<Channel> = ARef::from(&*channel);
/// drop(channel);
/// assert_eq!(kept.write(b"too late\n"), Err(ESHUTDOWN));
/// ```
///
/// # Invariants
///
/// It is a `struct rchan` that is open or kept as long as there are references to it.
#[repr(transparent)]
pub(crate) struct Channel(Opaque<ffi::rchan>);

// SAFETY: A channel may be used by any number of tasks and contexts at once.
unsafe impl Send for Channel {}
// SAFETY: As above.
unsafe impl Sync for Channel {}

// SAFETY: These are the functions by which the channel counts.
unsafe impl AlwaysRefCounted for Channel {
    fn inc_ref(&self) {
        // SAFETY: By the type invariants.
        unsafe { ffi::relayfs_get(self.raw()) };
    }

    unsafe fn dec_ref(obj: NonNull<Self>) {
        // SAFETY: As the caller promises.
        unsafe { ffi::relayfs_put(obj.as_ptr().cast()) };
    }
}

/// What a write returned, as a result.
fn written(n: isize) -> Result<usize> {
    usize::try_from(n).map_err(|_| Error::from_errno(n as c_int))
}

impl Channel {
    /// Begins the description of a channel called `path`: "name" or "dir/name".
    pub(crate) fn builder(path: &CStr) -> Builder<'_> {
        Builder::new(Some(path))
    }

    /// The same for one that has no files.
    pub(crate) fn builder_without_files() -> Builder<'static> {
        Builder::new(None)
    }

    /// # Safety
    ///
    /// `raw` must stay open or kept for `'a`.
    #[inline]
    pub(super) unsafe fn from_raw<'a>(raw: *mut ffi::rchan) -> &'a Self {
        // INVARIANT: As the caller promises.
        // SAFETY: As the caller promises; the type is transparent.
        unsafe { &*raw.cast::<Self>() }
    }

    #[inline]
    pub(super) fn raw(&self) -> *mut ffi::rchan {
        self.0.get()
    }

    /// Writes one record, which readers see whole or not at all. Any context.
    ///
    /// Returns its length, or `ENOSPC`: no room; `EMSGSIZE`: longer than a sub-buffer; `EBUSY`: all
    /// sub-buffers are in use; `EAGAIN`: in an NMI, and the scheme is locking; `ENOBUFS`: there was no
    /// memory for a buffer when this CPU came up; `ESHUTDOWN`: closed. Failures are counted.
    #[inline]
    pub(crate) fn write(&self, record: &[u8]) -> Result<usize> {
        // SAFETY: By the type invariants; the record is valid for reads.
        written(unsafe { ffi::relayfs_write(self.raw(), record.as_ptr().cast(), record.len()) })
    }

    /// Writes one record, gathered from parts, at most 8. Any context; fails as [`write`](Self::write),
    /// and with `EINVAL` if there are more.
    pub(crate) fn write_parts(&self, parts: &[&[u8]]) -> Result<usize> {
        let mut vecs = [kernel::bindings::kvec::default(); 8];
        for (vec, part) in vecs
            .get_mut(..parts.len())
            .ok_or(EINVAL)?
            .iter_mut()
            .zip(parts)
        {
            vec.iov_base = part.as_ptr().cast_mut().cast();
            vec.iov_len = part.len();
        }
        // SAFETY: By the type invariants; so many parts are valid for reads.
        written(unsafe { ffi::relayfs_writev(self.raw(), vecs.as_ptr(), parts.len() as u32) })
    }

    /// Writes one record, and into it at `offset`, as a u32 in the machine's order, how long after the
    /// begin of its sub-buffer that is, by the channel's clock. Any context; fails as
    /// [`write`](Self::write), and with `EINVAL` if there is no such place or no clock.
    pub(crate) fn write_delta(&self, record: &[u8], offset: usize) -> Result<usize> {
        let offset = c_int::try_from(offset).map_err(|_| EINVAL)?;
        // SAFETY: By the type invariants; the record is valid for reads.
        written(unsafe {
            ffi::relayfs_write_delta(
                self.raw(),
                record.as_ptr().cast(),
                record.len(),
                offset,
                core::ptr::null_mut(),
            )
        })
    }

    /// Writes one record, waiting at most `timeout` jiffies for room. Process context.
    ///
    /// Fails as [`write`](Self::write), but with `ETIMEDOUT` for want of room, and with `EINTR` if the
    /// task is being killed.
    pub(crate) fn write_wait(&self, record: &[u8], timeout: usize) -> Result<usize> {
        let timeout = c_long::try_from(timeout).unwrap_or(c_long::MAX);
        // SAFETY: By the type invariants; the record is valid for reads.
        written(unsafe {
            ffi::relayfs_write_wait(self.raw(), record.as_ptr().cast(), record.len(), timeout)
        })
    }

    /// Reserves room for one record of `len` bytes. Any context; fails as [`write`](Self::write).
    ///
    /// Preemption is off as long as the slot lives: do not sleep.
    #[inline]
    pub(crate) fn reserve(&self, len: usize) -> Result<Slot<'_>> {
        let mut raw = ffi::relay_slot::default();
        // SAFETY: By the type invariants; the slot is valid for writes.
        to_result(unsafe { ffi::relayfs_reserve(self.raw(), len, &mut raw) })?;
        // SAFETY: Just reserved.
        Ok(unsafe { Slot::new(raw) })
    }

    /// Writes event `id` of the channel's schema, `fields` laid out as that says. Any context; fails as
    /// [`write`](Self::write), and with `EINVAL` if there is no such event.
    #[inline]
    pub(crate) fn write_event(&self, id: u32, fields: &[u8]) -> Result<usize> {
        // SAFETY: By the type invariants; the fields are valid for reads.
        written(unsafe {
            ffi::relayfs_write_event(self.raw(), id, fields.as_ptr().cast(), fields.len())
        })
    }

    /// Reserves room for an event with `len` bytes of fields, whose time is now. As
    /// [`reserve`](Self::reserve) and [`write_event`](Self::write_event).
    #[inline]
    pub(crate) fn reserve_event(&self, id: u32, len: usize) -> Result<Slot<'_>> {
        let mut raw = ffi::relay_slot::default();
        // SAFETY: By the type invariants; the slot is valid for writes.
        to_result(unsafe { ffi::relayfs_reserve_event(self.raw(), id, len, &mut raw) })?;
        // SAFETY: Just reserved.
        Ok(unsafe { Slot::new(raw) })
    }

    /// What a reader must know to understand the stream, if that consists of events.
    pub(crate) fn metadata(&self) -> Option<&CStr> {
        // SAFETY: By the type invariants.
        let text = unsafe { ffi::relayfs_metadata(self.raw()) };
        // SAFETY: A string that stays as long as the channel.
        (!text.is_null()).then(|| unsafe { CStr::from_char_ptr(text) })
    }

    /// Keeps others from writing, if the scheme is [locking](Builder::locking): interrupts are off until
    /// the guard is dropped, and what is written meanwhile lies together. Else it does nothing. Any
    /// context but NMI.
    ///
    /// ```
    /// let channel = Channel::builder(c"pairs").global().locking().open()?;
    /// let together = channel.lock();
    /// channel.write(b"the question\n")?;
    /// channel.write(b"and the answer\n")?;
    /// drop(together);
    /// ```
    pub(crate) fn lock(&self) -> Locked<'_> {
        // SAFETY: By the type invariants. The guard stays on this task, and undoes it.
        let flags = unsafe { ffi::relayfs_lock(self.raw()) };
        Locked {
            channel: self,
            flags,
            _here: NotThreadSafe,
        }
    }

    /// Ends the current sub-buffers and tells readers. Process context.
    ///
    /// Returns the monotonic clock in ns: what was committed before can now be read.
    pub(crate) fn flush(&self) -> u64 {
        // SAFETY: By the type invariants.
        unsafe { ffi::relayfs_flush(self.raw()) }
    }

    /// Throws away what was written so far. Process context.
    pub(crate) fn reset(&self) {
        // SAFETY: By the type invariants.
        unsafe { ffi::relayfs_reset(self.raw()) }
    }

    /// What it is like now, all buffers together. Process context.
    pub(crate) fn info(&self) -> Result<Info> {
        Info::get(|info| {
            // SAFETY: By the type invariants; `info` is valid.
            unsafe { ffi::relayfs_info(self.raw(), info) }
        })
    }

    /// What one buffer is like now; `None`: the one of a global channel. `ENXIO`: there is none. Process
    /// context.
    pub(crate) fn cpu_info(&self, cpu: Option<u32>) -> Result<Info> {
        let cpu = cpu.unwrap_or(ffi::RELAY_CPU_NONE);
        Info::get(|info| {
            // SAFETY: By the type invariants; `info` is valid.
            unsafe { ffi::relayfs_cpu_info(self.raw(), cpu, info) }
        })
    }

    /// Gets buffers of another size ready; 0: as now. Any context; where it may not sleep it gives
    /// `EINPROGRESS`, and [`Callbacks::needs_resize`] tells the end.
    pub(crate) fn realloc(&self, subbuf_size: u64, n_subbufs: u32) -> Result {
        // SAFETY: By the type invariants.
        to_result(unsafe { ffi::relayfs_realloc_buffer(self.raw(), subbuf_size, n_subbufs) })
    }

    /// Goes over to the buffers that are ready. Any context, as [`realloc`](Self::realloc). `EAGAIN`:
    /// there are none.
    pub(crate) fn replace(&self) -> Result {
        // SAFETY: By the type invariants.
        to_result(unsafe { ffi::relayfs_replace_buffer(self.raw()) })
    }

    /// Goes over from the memory of [`Builder::init_buf`] to some of relayfs' own. Process context.
    pub(crate) fn discard_init_buf(&self) -> Result {
        // SAFETY: By the type invariants.
        to_result(unsafe { ffi::relayfs_discard_init_buf(self.raw()) })
    }

    /// Begins to read in the kernel, from the oldest data on. `consumes`: what is read is gone for
    /// others who consume. Process context.
    pub(crate) fn reader(&self, which: Which, consumes: bool) -> Result<Reader> {
        Reader::new(self, which, consumes)
    }

    /// Begins to speak for somebody who reads a mapping of the buffer of this CPU; `None`: of a global
    /// channel's. `ENXIO`: there is none. Process context.
    pub(crate) fn map_reader(&self, cpu: Option<u32>) -> Result<MapReader> {
        MapReader::new(self, cpu)
    }

    /// The newest bytes of a buffer; `None`: of a global channel's. As many as there are up to the length
    /// of `to`. Process context.
    pub(crate) fn read_last(&self, cpu: Option<u32>, to: &mut [u8]) -> Result<usize> {
        let cpu = cpu.unwrap_or(ffi::RELAY_CPU_NONE);
        // SAFETY: By the type invariants; `to` is valid for writes.
        written(unsafe {
            ffi::relayfs_read_last(self.raw(), cpu, to.as_mut_ptr().cast(), to.len())
        })
    }
}

/// Others do not write to a channel as long as this lives: see [`Channel::lock`]. It stays on its task,
/// and nothing may sleep.
#[must_use = "others may write as soon as it is dropped"]
pub(crate) struct Locked<'a> {
    channel: &'a Channel,
    flags: c_ulong,
    _here: NotThreadSafe,
}

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        // SAFETY: It was locked in this context, and that is not undone by anybody else.
        unsafe { ffi::relayfs_unlock(self.channel.raw(), self.flags) }
    }
}

/// A channel that is closed when this is dropped: process context. That waits for writers in flight and
/// for callbacks that run, so it must not be dropped in one.
///
/// # Invariants
///
/// `raw` is open, its data is `client`, and nobody else closes it.
pub(crate) struct OpenChannel<C: Callbacks = Nothing> {
    raw: NonNull<ffi::rchan>,
    client: KBox<C>,
}

// SAFETY: The channel may be used and closed by any task, and `C` is `Send` and `Sync`.
unsafe impl<C: Callbacks> Send for OpenChannel<C> {}
// SAFETY: As above.
unsafe impl<C: Callbacks> Sync for OpenChannel<C> {}

impl<C: Callbacks> OpenChannel<C> {
    /// # Safety
    ///
    /// The invariants must hold.
    pub(super) unsafe fn new(raw: NonNull<ffi::rchan>, client: KBox<C>) -> Self {
        // INVARIANT: As the caller promises.
        Self { raw, client }
    }

    /// Who is told.
    pub(crate) fn client(&self) -> &C {
        &self.client
    }
}

impl<C: Callbacks> Deref for OpenChannel<C> {
    type Target = Channel;

    #[inline]
    fn deref(&self) -> &Channel {
        // SAFETY: It is open as long as `self`.
        unsafe { Channel::from_raw(self.raw.as_ptr()) }
    }
}

impl<C: Callbacks> Drop for OpenChannel<C> {
    fn drop(&mut self) {
        // SAFETY: It is open; slots and directories of it borrow `self`, and who keeps it is refused from
        // now on. When this returns no callback has the client's data, which goes after this.
        unsafe { ffi::relayfs_close(self.raw.as_ptr()) }
    }
}
