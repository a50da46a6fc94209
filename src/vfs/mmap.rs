// SPDX-License-Identifier: GPL-2.0

//! Mappings of a buffer: meta pages and data, read-only.

use super::{file, StaticOps};
use crate::bindings as local;
use crate::buffer::Store;
use crate::channel::Channel;
use crate::pages::Pages;
use kernel::bindings;
use kernel::mm::virt::VmaNew;
use kernel::page::PAGE_SIZE;
use kernel::prelude::*;
use kernel::sync::{Arc, ArcBorrow, UniqueArc};

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
    let (channel, callbacks) = (
        descriptor.channel().clone(),
        &descriptor.channel().hub().callbacks,
    );
    if store.is_lent() {
        return EPERM.to_errno();
    }
    // SAFETY: As the caller promises.
    let mapping = unsafe { map(store.pages(), vma) }.and_then(|whole| {
        let mut mapping = UniqueArc::new(
            Mapping {
                channel,
                store,
                whole,
                told: false,
            },
            GFP_KERNEL,
        )?;
        // Last: what the client allowed is there.
        // SAFETY: As the caller promises.
        mapping.told = unsafe { callbacks.fileop(file, local::relay_fileop_RELAY_FILE_MAP)? };
        Ok(Arc::<Mapping>::from(mapping))
    });
    match mapping {
        Ok(mapping) => {
            if mapping.whole {
                descriptor.mapped(&mapping.store);
            }
            // SAFETY: As the caller promises. `close()` gives the mapping back.
            unsafe {
                (*vma).vm_private_data = Arc::into_raw(mapping).cast_mut().cast();
                (*vma).vm_ops = OPERATIONS.get();
            }
            0
        }
        Err(error) => error.to_errno(),
    }
}

/// What was mapped at once. Its parts share it when they become mappings of their own, and so does a
/// copy of it in a child.
struct Mapping {
    channel: Arc<Channel>,
    store: Arc<Store>,
    /// All of the store, not the first page alone.
    whole: bool,
    /// The client was told of it.
    told: bool,
}

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
    // SAFETY: As the caller promises: the other part has a count of the mapping.
    let mapping = unsafe {
        let mapping = (*vma).vm_private_data.cast::<Mapping>();
        ArcBorrow::from_raw(mapping.cast_const())
    };
    // The new one has the pointer already, and now a count of its own.
    let _ = Arc::into_raw(Arc::from(mapping));
}

/// # Safety
///
/// As the kernel calls it: a mapping of ours, or a part of one, goes.
unsafe extern "C" fn close(vma: *mut bindings::vm_area_struct) {
    // SAFETY: As the caller promises: `mmap()` or `open()` left a count of the mapping for it.
    let mapping = unsafe { Arc::from_raw((*vma).vm_private_data.cast::<Mapping>().cast_const()) };
    // Only the last part is the end of the mapping.
    let Some(mapping) = Arc::into_unique_or_drop(mapping) else {
        return;
    };
    if mapping.whole {
        mapping.store.unmapped();
    }
    if mapping.told {
        let callbacks = &mapping.channel.hub().callbacks;
        // SAFETY: As the caller promises. What the client answers does not matter.
        let _ = unsafe { callbacks.fileop((*vma).vm_file, local::relay_fileop_RELAY_FILE_UNMAP) };
    }
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
