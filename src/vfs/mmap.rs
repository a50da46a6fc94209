// SPDX-License-Identifier: GPL-2.0

//! Mappings of a buffer: meta pages and data, read-only.

use super::{file, StaticOps};
use crate::buffer::Store;
use crate::pages::Pages;
use kernel::bindings;
use kernel::mm::virt::VmaNew;
use kernel::page::PAGE_SIZE;
use kernel::prelude::*;
use kernel::sync::{Arc, ArcBorrow};

/// # Safety
///
/// As the kernel calls it: an open file of ours, a mapping being set up.
pub(super) unsafe extern "C" fn mmap(
    file: *mut bindings::file,
    vma: *mut bindings::vm_area_struct,
) -> i32 {
    // SAFETY: As the caller promises.
    let descriptor = unsafe { file::descriptor(file) };
    let Some(buffer) = descriptor.buffer() else {
        return ENODEV.to_errno();
    };
    let store = buffer.current();
    // SAFETY: As the caller promises.
    match unsafe { map(store.pages(), vma) } {
        Ok(true) => {
            descriptor.mapped(&store);
            // SAFETY: As the caller promises. `close()` gives the store back.
            unsafe {
                (*vma).vm_private_data = Arc::into_raw(store).cast_mut().cast();
                (*vma).vm_ops = OPERATIONS.get();
            }
            0
        }
        Ok(false) => 0,
        Err(error) => error.to_errno(),
    }
}

/// Of mappings of all of a store: they are counted, and keep it.
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
/// As the kernel calls it: part of a mapping of ours becomes one of its own.
unsafe extern "C" fn open(vma: *mut bindings::vm_area_struct) {
    // SAFETY: As the caller promises: the other mapping has a count of the store.
    let (descriptor, store) = unsafe {
        let store = (*vma).vm_private_data.cast::<Store>();
        (
            file::descriptor((*vma).vm_file),
            ArcBorrow::from_raw(store.cast_const()),
        )
    };
    descriptor.mapped(&store);
    // The new one has the pointer already, and now a count of its own.
    let _ = Arc::into_raw(Arc::from(store));
}

/// # Safety
///
/// As the kernel calls it: a mapping of ours goes.
unsafe extern "C" fn close(vma: *mut bindings::vm_area_struct) {
    // SAFETY: As the caller promises: `mmap()` or `open()` left a count of the store for it.
    let store = unsafe { Arc::from_raw((*vma).vm_private_data.cast::<Store>().cast_const()) };
    store.unmapped();
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
