// SPDX-License-Identifier: GPL-2.0

//! relayfs for clients in Rust: safe types over the C API of `include/linux/relayfs_fs.h`, where
//! the terms and rules are explained.
//!
//! A client includes this file, since modules share no Rust crates, and links to `relayfs.ko` like
//! one in C:
//!
//! ```ignore
//! #[path = "../rust/relayfs.rs"]
//! mod relayfs;
//!
//! let channel = relayfs::Channel::builder(c"net/rx").n_subbufs(16).open()?;
//! channel.write(b"a record\n")?;
//!
//! let mut slot = channel.reserve(12)?;
//! slot.append(&7u32.to_ne_bytes())?;
//! slot.append(&now.to_ne_bytes())?;
//! slot.commit();
//! ```

// A client need not use all of it.
#![allow(dead_code)]

use core::marker::PhantomData;
use core::mem::{offset_of, ManuallyDrop};
use core::ops::{Deref, DerefMut};
use core::ptr::NonNull;
use kernel::error::{from_err_ptr, to_result};
use kernel::ffi::{c_char, c_int, c_void};
use kernel::prelude::*;
use kernel::types::NotThreadSafe;

/// What a channel is to be like. What is not set has the default the C header gives.
#[derive(Clone, Copy)]
#[must_use = "nothing happens before `open()`"]
pub(crate) struct Builder<'a> {
    path: &'a CStr,
    attr: ffi::Attr,
}

impl Builder<'_> {
    /// Bytes in a sub-buffer, the longest record: a power of two, at least a page.
    pub(crate) const fn subbuf_size(mut self, bytes: u64) -> Self {
        self.attr.subbuf_size = bytes;
        self
    }

    /// Sub-buffers in each buffer: a power of two, at least 2.
    pub(crate) const fn n_subbufs(mut self, n: u32) -> Self {
        self.attr.n_subbufs = n;
        self
    }

    /// When the ring is full the oldest data gives way. This is the default.
    pub(crate) const fn overwrite(self) -> Self {
        self.flag(ffi::MODE_CONTINUOUS, ffi::MODE_NO_OVERWRITE)
    }

    /// When the ring is full the new record is refused and counted.
    pub(crate) const fn no_overwrite(self) -> Self {
        self.flag(ffi::MODE_NO_OVERWRITE, ffi::MODE_CONTINUOUS)
    }

    /// Waiting readers are told of each record, not of each sub-buffer.
    pub(crate) const fn per_packet(self) -> Self {
        self.flag(ffi::DELIVERY_PACKET, ffi::DELIVERY_BULK)
    }

    /// One buffer, written from all CPUs, instead of a buffer per CPU.
    pub(crate) const fn global(self) -> Self {
        self.flag(ffi::USAGE_GLOBAL, ffi::USAGE_SMP)
    }

    /// Permission bits of the files, a subset of 0o444.
    pub(crate) const fn mode(mut self, mode: u32) -> Self {
        self.attr.mode = mode;
        self
    }

    /// Owner of the files.
    pub(crate) const fn uid(mut self, uid: u32) -> Self {
        self.attr.uid = uid;
        self
    }

    /// Group of the files.
    pub(crate) const fn gid(mut self, gid: u32) -> Self {
        self.attr.gid = gid;
        self
    }

    /// How long data may stay in a sub-buffer that is not full before a waiting reader is told.
    pub(crate) const fn flush_interval_ms(mut self, ms: u32) -> Self {
        self.attr.flush_interval_ms = ms;
        self
    }

    /// Makes the channel and its files. Process context; sleeps.
    pub(crate) fn open(self) -> Result<Channel> {
        // SAFETY: Path and attributes are valid, and only used during the call.
        let raw = unsafe { ffi::relayfs_open(self.path.as_char_ptr(), &self.attr) };
        let raw = NonNull::new(from_err_ptr(raw)?).ok_or(ENOMEM)?;
        // INVARIANT: Just opened, and nobody else knows of it.
        Ok(Channel { raw })
    }

    const fn flag(mut self, set: u32, clear: u32) -> Self {
        self.attr.flags = self.attr.flags & !clear | set;
        self
    }
}

/// A channel. Dropping it closes it, which waits for writers in flight: process context; sleeps.
///
/// # Invariants
///
/// `raw` is open, and closed by nobody else.
pub(crate) struct Channel {
    raw: NonNull<ffi::Rchan>,
}

// SAFETY: A channel may be written, flushed and closed by any task.
unsafe impl Send for Channel {}
// SAFETY: Any number of contexts may write to a channel and flush it at once.
unsafe impl Sync for Channel {}

impl Channel {
    /// Begins the description of a channel called `path`: "name" or "dir/name".
    pub(crate) const fn builder(path: &CStr) -> Builder<'_> {
        Builder {
            path,
            attr: ffi::Attr::DEFAULT,
        }
    }

    /// Writes one record, which readers see whole or not at all. Any context, including NMI.
    ///
    /// Returns its length, or `ENOSPC`: no room; `EMSGSIZE`: longer than a sub-buffer; `EBUSY`: all
    /// sub-buffers are in use; `ENOBUFS`: there was no memory for a buffer when this CPU came up.
    /// Failures are counted.
    #[inline]
    pub(crate) fn write(&self, record: &[u8]) -> Result<usize> {
        // SAFETY: The channel is open, and the record valid for reads.
        let n =
            unsafe { ffi::relayfs_write(self.raw.as_ptr(), record.as_ptr().cast(), record.len()) };
        usize::try_from(n).map_err(|_| Error::from_errno(n as c_int))
    }

    /// Reserves room for one record of `len` bytes. Any context, including NMI; fails as
    /// [`write`](Self::write).
    ///
    /// Preemption is off as long as the slot lives: do not sleep.
    #[inline]
    pub(crate) fn reserve(&self, len: usize) -> Result<Slot<'_>> {
        let mut raw = ffi::Slot::EMPTY;
        // SAFETY: The channel is open, and the slot valid for writes.
        to_result(unsafe { ffi::relayfs_reserve(self.raw.as_ptr(), len, &mut raw) })?;
        // INVARIANT: Just reserved. Of its bytes none is known to be written.
        Ok(Slot {
            raw,
            filled: 0,
            _channel: PhantomData,
            _here: NotThreadSafe,
        })
    }

    /// Ends the current sub-buffers and tells readers. Process context; sleeps.
    ///
    /// Returns the monotonic clock in ns: what was committed before can now be read.
    pub(crate) fn flush(&self) -> u64 {
        // SAFETY: The channel is open.
        unsafe { ffi::relayfs_flush(self.raw.as_ptr()) }
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        // SAFETY: The channel is open; it has no slots any more, as these borrow it, and nobody can
        // write to it after this.
        unsafe { ffi::relayfs_close(self.raw.as_ptr()) }
    }
}

/// Room for a record, to be filled in place: [`append`](Self::append) to it like to a vector, then
/// [`commit`](Self::commit). Dropping it without that discards it: no reader will see it.
///
/// It dereferences to what has been filled in. The rest is not accessible, as it holds what older
/// records left there.
///
/// Preemption stays off until the slot is gone, and it cannot go to another task. A slot that is
/// forgotten leaves preemption off for good, as with a lock's guard.
///
/// # Invariants
///
/// `raw` is reserved in this context and not ended; its first `filled` bytes, of `raw.len`, are
/// initialised.
#[must_use = "a slot that is dropped is discarded"]
pub(crate) struct Slot<'a> {
    raw: ffi::Slot,
    filled: usize,
    _channel: PhantomData<&'a Channel>,
    _here: NotThreadSafe,
}

impl Slot<'_> {
    /// How many bytes there is still room for.
    #[inline]
    pub(crate) fn room(&self) -> usize {
        self.raw.len.saturating_sub(self.filled)
    }

    /// Adds `bytes` to what has been filled in; `EMSGSIZE`, and nothing added, if there is no room.
    #[inline]
    pub(crate) fn append(&mut self, bytes: &[u8]) -> Result {
        if bytes.len() > self.room() {
            return Err(EMSGSIZE);
        }
        // SAFETY: There is room for so many bytes after those filled in, and nobody else has access
        // to it before the slot is ended.
        unsafe {
            self.rest()
                .copy_from_nonoverlapping(bytes.as_ptr(), bytes.len())
        };
        // INVARIANT: Just initialised. At most `raw.len`, so it does not wrap.
        self.filled = self.filled.wrapping_add(bytes.len());
        Ok(())
    }

    /// Fills the rest with zeroes and gives all of it.
    #[inline]
    pub(crate) fn zero_rest(&mut self) -> &mut [u8] {
        // SAFETY: As in `append()`.
        unsafe { self.rest().write_bytes(0, self.room()) };
        // INVARIANT: Just initialised.
        self.filled = self.raw.len;
        self
    }

    /// Makes the record visible. What has not been filled in becomes zeroes.
    #[inline]
    pub(crate) fn commit(mut self) {
        self.zero_rest();
        let mut this = ManuallyDrop::new(self);
        // SAFETY: By the type invariants; all bytes are initialised, and it is not used again.
        unsafe { ffi::relayfs_commit(&mut this.raw) }
    }

    /// Where the bytes begin. An empty slot has no place, and then any will do.
    #[inline]
    fn start(&self) -> NonNull<u8> {
        NonNull::new(self.raw.data.cast()).unwrap_or(NonNull::dangling())
    }

    /// Where what is not filled in begins.
    #[inline]
    fn rest(&self) -> *mut u8 {
        // SAFETY: By the type invariants this is in the slot, or its end.
        unsafe { self.start().as_ptr().add(self.filled) }
    }
}

impl Deref for Slot<'_> {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        // SAFETY: By the type invariants; nobody else writes to it before the slot is ended.
        unsafe { core::slice::from_raw_parts(self.start().as_ptr(), self.filled) }
    }
}

impl DerefMut for Slot<'_> {
    #[inline]
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: By the type invariants; nobody else has access before the slot is ended.
        unsafe { core::slice::from_raw_parts_mut(self.start().as_ptr(), self.filled) }
    }
}

impl Drop for Slot<'_> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: By the type invariants, and it is not used again.
        unsafe { ffi::relayfs_discard(&mut self.raw) }
    }
}

/// What `include/linux/relayfs_fs.h` declares, by the same names less the prefix.
mod ffi {
    use super::*;

    pub(super) const DELIVERY_BULK: u32 = 0x1;
    pub(super) const DELIVERY_PACKET: u32 = 0x2;
    pub(super) const USAGE_SMP: u32 = 0x40;
    pub(super) const USAGE_GLOBAL: u32 = 0x80;
    pub(super) const MODE_CONTINUOUS: u32 = 0x100;
    pub(super) const MODE_NO_OVERWRITE: u32 = 0x200;

    /// `struct rchan`, of which clients know nothing.
    #[repr(C)]
    pub(super) struct Rchan {
        _opaque: [u8; 0],
    }

    /// `struct rchan_attr`
    #[repr(C)]
    #[derive(Clone, Copy)]
    pub(super) struct Attr {
        pub(super) size: u32,
        pub(super) flags: u32,
        pub(super) subbuf_size: u64,
        pub(super) n_subbufs: u32,
        pub(super) mode: u32,
        pub(super) uid: u32,
        pub(super) gid: u32,
        pub(super) flush_interval_ms: u32,
        pub(super) reserved: u32,
        pub(super) private_data: *mut c_void,
    }

    impl Attr {
        pub(super) const DEFAULT: Self = Self {
            size: size_of::<Self>() as u32,
            flags: 0,
            subbuf_size: 0,
            n_subbufs: 0,
            mode: 0,
            uid: 0,
            gid: 0,
            flush_interval_ms: 0,
            reserved: 0,
            private_data: core::ptr::null_mut(),
        };
    }

    /// `struct relay_slot`
    #[repr(C)]
    pub(super) struct Slot {
        pub(super) data: *mut c_void,
        pub(super) len: usize,
        pub(super) buf: *mut c_void,
        pub(super) pos: u64,
        pub(super) reserved_len: u64,
    }

    impl Slot {
        pub(super) const EMPTY: Self = Self {
            data: core::ptr::null_mut(),
            len: 0,
            buf: core::ptr::null_mut(),
            pos: 0,
            reserved_len: 0,
        };
    }

    extern "C" {
        pub(super) fn relayfs_open(path: *const c_char, attr: *const Attr) -> *mut Rchan;
        pub(super) fn relayfs_close(chan: *mut Rchan);
        pub(super) fn relayfs_write(chan: *mut Rchan, data: *const c_void, len: usize) -> isize;
        pub(super) fn relayfs_reserve(chan: *mut Rchan, len: usize, slot: *mut Slot) -> c_int;
        pub(super) fn relayfs_commit(slot: *mut Slot);
        pub(super) fn relayfs_discard(slot: *mut Slot);
        pub(super) fn relayfs_flush(chan: *mut Rchan) -> u64;
    }

    // The layout of a 64-bit kernel, by which the header's structures and these are the same.
    const _: () = {
        assert!(size_of::<Attr>() == 48);
        assert!(offset_of!(Attr, size) == 0);
        assert!(offset_of!(Attr, flags) == 4);
        assert!(offset_of!(Attr, subbuf_size) == 8);
        assert!(offset_of!(Attr, n_subbufs) == 16);
        assert!(offset_of!(Attr, mode) == 20);
        assert!(offset_of!(Attr, uid) == 24);
        assert!(offset_of!(Attr, gid) == 28);
        assert!(offset_of!(Attr, flush_interval_ms) == 32);
        assert!(offset_of!(Attr, reserved) == 36);
        assert!(offset_of!(Attr, private_data) == 40);

        assert!(size_of::<Slot>() == 40);
        assert!(offset_of!(Slot, data) == 0);
        assert!(offset_of!(Slot, len) == 8);
        assert!(offset_of!(Slot, buf) == 16);
        assert!(offset_of!(Slot, pos) == 24);
        assert!(offset_of!(Slot, reserved_len) == 32);
    };
}
