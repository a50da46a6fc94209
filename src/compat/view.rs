// SPDX-License-Identifier: GPL-2.0

//! What clients see of a buffer: a structure of C that they may look at whenever they like.

use super::bindings as c;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicPtr, AtomicU32, AtomicUsize};
use kernel::ffi::c_void;

/// A `struct rchan_buf`.
///
/// # Invariants
///
/// It is valid as long as `self` is used, and its fields that can be had here are changed by way of
/// those only, or by the client in `subbuf_start()`.
#[derive(Clone, Copy)]
pub(super) struct View(NonNull<c::rchan_buf>);

// SAFETY: What can be had of it is atomic.
unsafe impl Send for View {}
// SAFETY: As above.
unsafe impl Sync for View {}

macro_rules! atomic_fields {
    ($($(#[$doc:meta])* $name:ident: $atomic:ty = $($field:ident).+;)*) => {
        $(
            $(#[$doc])*
            pub(super) fn $name(&self) -> &$atomic {
                // SAFETY: By the type invariants; it is aligned, as the atomic is like the field.
                unsafe { <$atomic>::from_ptr((&raw mut (*self.0.as_ptr()).$($field).+).cast()) }
            }
        )*
    };
}

impl View {
    /// # Safety
    ///
    /// It must satisfy the type invariants.
    pub(super) unsafe fn new(buf: NonNull<c::rchan_buf>) -> Self {
        // INVARIANT: As the caller promises.
        Self(buf)
    }

    pub(super) fn as_ptr(&self) -> *mut c::rchan_buf {
        self.0.as_ptr()
    }

    atomic_fields! {
        /// Where its memory begins.
        start: AtomicPtr<c_void> = start;
        /// Where the current sub-buffer begins.
        data: AtomicPtr<c_void> = data;
        offset: AtomicUsize = offset;
        produced: AtomicUsize = subbufs_produced;
        consumed: AtomicUsize = subbufs_consumed;
        finalized: AtomicU32 = finalized;
        full: AtomicU32 = stats.full_count;
        too_big: AtomicU32 = stats.big_count;
        lost: AtomicU32 = stats.lost_count;
    }
}
