// SPDX-License-Identifier: GPL-2.0

//! Pages of a buffer.
//!
//! They are single pages from the CPU's own node, so that a large buffer needs no contiguous memory
//! and the pages can be mapped by user space one by one. For the kernel they are mapped linearly
//! with `vmap()`, so that a write costs no page lookup. `Documentation/design/memory.rst` says what
//! that costs instead.

use crate::bindings as local;
use crate::memory::Reservation;
use core::ptr::NonNull;
use kernel::bindings;
use kernel::error::to_result;
use kernel::page::PAGE_SIZE;
use kernel::prelude::*;

/// Whole pages, mapped linearly for the kernel.
///
/// # Invariants
///
/// `pages` are allocated, zeroed when allocated, and `base` maps them in order.
pub(crate) struct Pages {
    // After the mapping, which goes in `drop()`.
    pages: PageList,
    base: NonNull<u8>,
    // After the pages.
    _reserved: Reservation,
}

// SAFETY: It owns the pages; what is in them is synchronised by the ring.
unsafe impl Send for Pages {}
// SAFETY: As above.
unsafe impl Sync for Pages {}

/// Allocated pages.
struct PageList(KVVec<NonNull<bindings::page>>);

impl Drop for PageList {
    fn drop(&mut self) {
        for page in &self.0 {
            // SAFETY: Allocated by `Pages::new()`; this drops its reference. Mappings of user space
            // hold references of their own.
            unsafe { bindings::__free_pages(page.as_ptr(), 0) };
            // SAFETY: Process context. Being killed is no reason to stop.
            unsafe { local::relayfs_helper_may_go_on() };
        }
    }
}

impl Pages {
    /// `count` zeroed pages, from `node` if it has them. `EINTR` if the task is killed meanwhile.
    pub(crate) fn new(count: usize, node: i32) -> Result<Self> {
        let reserved = Reservation::new(count)?;
        let mut pages = PageList(KVVec::with_capacity(count, GFP_KERNEL)?);
        while pages.0.len() < count {
            // SAFETY: Process context.
            if !unsafe { local::relayfs_helper_may_go_on() } {
                return Err(EINTR);
            }
            // SAFETY: Sleeping is allowed.
            let page = unsafe { local::relayfs_helper_alloc_page(node) };
            pages
                .0
                .push(NonNull::new(page).ok_or(ENOMEM)?, GFP_KERNEL)?;
        }
        // SAFETY: The array holds `count` pages.
        let base = unsafe { local::relayfs_helper_vmap(pages.0.as_mut_ptr().cast(), count as u32) };
        let base = NonNull::new(base.cast()).ok_or(ENOMEM)?;
        // INVARIANT: As just done.
        Ok(Self {
            pages,
            base,
            _reserved: reserved,
        })
    }

    /// Where they begin for the kernel.
    pub(crate) fn base(&self) -> NonNull<u8> {
        self.base
    }

    /// Length in bytes.
    pub(crate) fn len(&self) -> usize {
        self.pages.0.len().wrapping_mul(PAGE_SIZE)
    }

    /// Maps `count` pages from the one numbered `first` on at the start of `vma`.
    ///
    /// # Safety
    ///
    /// `vma` must be a mapping being set up, at least that long.
    pub(crate) unsafe fn map(
        &self,
        vma: *mut bindings::vm_area_struct,
        first: usize,
        count: usize,
    ) -> Result {
        let pages = self.pages.0.get(first..).unwrap_or_default();
        let mut left = count.min(pages.len());
        // SAFETY: `vma` is valid; the array is only read, and holds at least `left` pages.
        to_result(unsafe {
            bindings::vm_insert_pages(
                vma,
                (*vma).__bindgen_anon_1.__bindgen_anon_1.vm_start,
                pages.as_ptr().cast_mut().cast(),
                (&raw mut left).cast(),
            )
        })
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        // SAFETY: By the type invariants; nobody uses the mapping any more.
        unsafe { local::vunmap(self.base.as_ptr().cast()) };
    }
}
