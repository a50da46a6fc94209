// SPDX-License-Identifier: GPL-2.0

//! Mappings of a buffer: meta pages and data, read-only.

use super::{file, StaticOps};
use crate::pages::Pages;
use crate::reader::descriptor::Descriptor;
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
    let descriptor = unsafe { file::descriptor(file) };
    let result = match descriptor.buffer() {
        // SAFETY: As the caller promises.
        Some(buffer) => unsafe { map(buffer.pages(), vma) },
        None => Err(ENODEV),
    };
    match result {
        Ok(whole) => {
            if whole {
                descriptor.mapped();
                // SAFETY: As the caller promises.
                unsafe { (*vma).vm_ops = OPERATIONS.get() };
            }
            0
        }
        Err(error) => error.to_errno(),
    }
}

/// Of mappings of all of a buffer: they are counted.
static OPERATIONS: StaticOps<bindings::vm_operations_struct> =
    // SAFETY: All zeroes is a set of operations.
    StaticOps::new(unsafe {
        bindings::vm_operations_struct {
            open: Some(open),
            close: Some(close),
            ..core::mem::zeroed()
        }
    });

/// # Safety
///
/// `vma` must be a mapping of a file of ours, which keeps the file open.
unsafe fn descriptor<'a>(vma: *mut bindings::vm_area_struct) -> &'a Descriptor {
    // SAFETY: As the caller promises.
    unsafe { file::descriptor((*vma).vm_file) }
}

/// # Safety
///
/// As the kernel calls it: part of a mapping of ours becomes one of its own.
unsafe extern "C" fn open(vma: *mut bindings::vm_area_struct) {
    // SAFETY: As the caller promises.
    unsafe { descriptor(vma) }.mapped();
}

/// # Safety
///
/// As the kernel calls it: a mapping of ours goes.
unsafe extern "C" fn close(vma: *mut bindings::vm_area_struct) {
    // SAFETY: As the caller promises.
    unsafe { descriptor(vma) }.unmapped();
}

/// Maps the first page, or all; says whether it was all. The pages are counted by the mapping, so
/// they stay for it when the buffer goes.
///
/// # Safety
///
/// `vma` must be a mapping being set up.
unsafe fn map(pages: &Pages, vma: *mut bindings::vm_area_struct) -> Result<bool> {
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
    unsafe { pages.map(vma, len / PAGE_SIZE)? };
    Ok(len == pages.len())
}
