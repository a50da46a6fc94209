// SPDX-License-Identifier: GPL-2.0

//! Mappings of a buffer: meta pages and data, read-only.

use super::file;
use crate::buffer::Pages;
use kernel::bindings;
use kernel::mm::virt::VmaNew;
use kernel::page::PAGE_SIZE;
use kernel::prelude::*;

/// # Safety
///
/// As the kernel calls it: an open file of ours, a mapping being set up.
pub(super) unsafe extern "C" fn mmap(
    file: *mut bindings::file,
    vma: *mut bindings::vm_area_struct,
) -> i32 {
    // SAFETY: As the caller promises.
    let result = match unsafe { file::descriptor(file) }.buffer() {
        // SAFETY: As the caller promises.
        Some(buffer) => unsafe { map(buffer.pages(), vma) },
        None => Err(ENODEV),
    };
    result.err().map_or(0, |error| error.to_errno())
}

/// Maps the first page, or all. The pages are counted by the mapping, so they stay for it when the
/// buffer goes; there is nothing to do on fork, split or unmap.
///
/// # Safety
///
/// `vma` must be a mapping being set up.
unsafe fn map(pages: &Pages, vma: *mut bindings::vm_area_struct) -> Result {
    // SAFETY: As the caller promises.
    let new = unsafe { VmaNew::from_raw(vma) };
    if new.writable() || new.executable() {
        return Err(EPERM);
    }
    // SAFETY: As the caller promises.
    if unsafe { (*vma).vm_pgoff } != 0 {
        return Err(ENXIO);
    }
    let len = new.end().wrapping_sub(new.start());
    if len != PAGE_SIZE && len != pages.len() {
        return Err(EINVAL);
    }
    // Nor later, by mprotect().
    new.try_clear_maywrite()?;
    new.try_clear_mayexec()?;
    new.set_dontcopy();
    new.set_dontexpand();
    new.set_dontdump();
    // SAFETY: As the caller promises; `len` was checked.
    unsafe { pages.map(vma, len / PAGE_SIZE) }
}
