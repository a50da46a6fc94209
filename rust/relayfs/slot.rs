// SPDX-License-Identifier: GPL-2.0

//! Records that are written in place.

use super::{ffi, Channel};
use core::marker::PhantomData;
use core::mem::ManuallyDrop;
use core::ops::{Deref, DerefMut};
use core::ptr::NonNull;
use kernel::prelude::*;
use kernel::types::NotThreadSafe;

/// Room for a record, to be filled in place: [`append`](Self::append) to it like to a vector, then
/// [`commit`](Self::commit). Dropping it without that discards it: no reader will see it.
///
/// It dereferences to what has been filled in. The rest is not accessible, as it holds what older
/// records left there.
///
/// Preemption stays off until the slot is gone, and it cannot go to another task. So as long as there
/// is one, nothing may sleep: the compiler refuses an `.await` in a future that may change tasks, but
/// not a call to something that sleeps. A slot that is forgotten leaves preemption off for good, as
/// with a lock's guard.
///
/// ```
/// let channel = Channel::builder(c"measurements").open()?;
/// let mut slot = channel.reserve(16)?;
/// slot.append(&1234u64.to_ne_bytes())?;
/// // What has been filled in can be looked at and changed.
/// slot[0] ^= 1;
/// if slot.room() >= 8 {
///     slot.zero_rest();
/// }
/// slot.commit();
///
/// // Never mind: no reader sees it.
/// drop(channel.reserve(100)?);
/// ```
///
/// # Invariants
///
/// `raw` is reserved in this context and not ended; its first `filled` bytes, of `raw.len`, are
/// initialised.
#[must_use = "a slot that is dropped is discarded"]
pub(crate) struct Slot<'a> {
    raw: ffi::relay_slot,
    filled: usize,
    _channel: PhantomData<&'a Channel>,
    _here: NotThreadSafe,
}

impl Slot<'_> {
    /// # Safety
    ///
    /// `raw` must have been reserved in this context, of a channel that stays open or kept for as long as
    /// the result lives, and be nobody else's.
    #[inline]
    pub(super) unsafe fn new(raw: ffi::relay_slot) -> Self {
        // INVARIANT: As the caller promises. Of its bytes none is known to be written.
        Self {
            raw,
            filled: 0,
            _channel: PhantomData,
            _here: NotThreadSafe,
        }
    }

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
