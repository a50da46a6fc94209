// SPDX-License-Identifier: GPL-2.0

//! Mappings of a buffer: meta pages and data, read-only; and the page in which its consumer says how
//! far it has come.

use super::{file, StaticOps};
use crate::bindings as local;
use crate::buffer::Store;
use crate::channel::Channel;
use crate::reader::descriptor::Descriptor;
use kernel::bindings;
use kernel::mm::virt::{flags, VmaNew};
use kernel::page::PAGE_SIZE;
use kernel::prelude::*;
use kernel::sync::{Arc, ArcBorrow, UniqueArc};

/// Where the consumer page is, in pages.
const CONSUMER: usize = local::RELAYFS_OFF_CONSUMER as usize / PAGE_SIZE;

/// # Safety
///
/// As the kernel calls it: an open file of ours, a mapping being set up.
pub(super) unsafe extern "C" fn mmap(
    file: *mut bindings::file,
    vma: *mut bindings::vm_area_struct,
) -> i32 {
    // SAFETY: As the caller promises.
    unsafe { map_file(file, vma, false) }
}

/// The same of a file whose users may know the kernel's relay interface: as many bytes as there is data
/// are the data.
///
/// # Safety
///
/// As for [`mmap`].
pub(crate) unsafe extern "C" fn mmap_or_data(
    file: *mut bindings::file,
    vma: *mut bindings::vm_area_struct,
) -> i32 {
    // SAFETY: As the caller promises.
    unsafe { map_file(file, vma, true) }
}

/// # Safety
///
/// As for [`mmap`].
unsafe fn map_file(
    file: *mut bindings::file,
    vma: *mut bindings::vm_area_struct,
    or_data: bool,
) -> i32 {
    // SAFETY: As the caller promises.
    let descriptor = unsafe { file::descriptor(file) };
    let Some(buffer) = descriptor.buffer() else {
        return ENODEV.to_errno();
    };
    if buffer.is_lent() {
        return EPERM.to_errno();
    }
    let store = descriptor.store_to_map(buffer);
    // SAFETY: As the caller promises.
    let mapped = match unsafe { (*vma).vm_pgoff } {
        // SAFETY: As the caller promises.
        0 => unsafe { map(&store, vma, or_data) }.map(|whole| whole.then_some(store)),
        // SAFETY: As the caller promises.
        CONSUMER => unsafe { map_consumer(descriptor, vma) }.map(|()| None),
        _ => Err(ENXIO),
    };
    let mapping = mapped.and_then(|whole| {
        let channel = descriptor.channel().clone();
        let mut mapping = UniqueArc::new(
            Mapping {
                channel,
                whole,
                told: false,
            },
            GFP_KERNEL,
        )?;
        let callbacks = &descriptor.channel().hub().callbacks;
        // Last: what the client allowed is there.
        // SAFETY: As the caller promises.
        mapping.told = unsafe { callbacks.fileop(file, local::relay_fileop_RELAY_FILE_MAP)? };
        Ok(Arc::<Mapping>::from(mapping))
    });
    match mapping {
        Ok(mapping) => {
            if let Some(store) = &mapping.whole {
                descriptor.mapped(store);
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

/// What was mapped at once. While it is moved there are two of it for a moment, which share this.
struct Mapping {
    channel: Arc<Channel>,
    /// All of it was mapped, not one page.
    whole: Option<Arc<Store>>,
    /// The client was told of it.
    told: bool,
}

static OPERATIONS: StaticOps<bindings::vm_operations_struct> =
    // SAFETY: All zeroes is a set of operations.
    StaticOps::new(unsafe {
        bindings::vm_operations_struct {
            open: Some(open),
            close: Some(close),
            may_split: Some(may_split),
            ..core::mem::zeroed()
        }
    });

/// # Safety
///
/// As the kernel calls it: a mapping of ours, but for its place, is made of another.
unsafe extern "C" fn open(vma: *mut bindings::vm_area_struct) {
    // SAFETY: As the caller promises: the other has a count of the mapping.
    let mapping = unsafe {
        let mapping = (*vma).vm_private_data.cast::<Mapping>();
        ArcBorrow::from_raw(mapping.cast_const())
    };
    // The new one has the pointer already, and now a count of its own.
    let _ = Arc::into_raw(Arc::from(mapping));
}

/// # Safety
///
/// As the kernel calls it: a mapping of ours goes.
unsafe extern "C" fn close(vma: *mut bindings::vm_area_struct) {
    // SAFETY: As the caller promises: `mmap()` or `open()` left a count of the mapping for it.
    let mapping = unsafe { Arc::from_raw((*vma).vm_private_data.cast::<Mapping>().cast_const()) };
    // Only the last is the end of it.
    let Some(mapping) = Arc::into_unique_or_drop(mapping) else {
        return;
    };
    if let Some(store) = &mapping.whole {
        store.unmapped();
    }
    if mapping.told {
        let callbacks = &mapping.channel.hub().callbacks;
        // SAFETY: As the caller promises. What the client answers does not matter.
        let _ = unsafe { callbacks.fileop((*vma).vm_file, local::relay_fileop_RELAY_FILE_UNMAP) };
    }
}

/// A part of it is no mapping: it is there, moved, protected and gone as a whole.
///
/// # Safety
///
/// As the kernel calls it: a mapping of ours, of which a part is to become one of its own.
unsafe extern "C" fn may_split(_vma: *mut bindings::vm_area_struct, _addr: usize) -> i32 {
    EINVAL.to_errno()
}

/// Maps the first page, or all; with `or_data`, the data alone as well. Says whether it was all. The
/// pages are counted by the mapping, so they stay for it when the buffer goes.
///
/// # Safety
///
/// `vma` must be a mapping being set up.
unsafe fn map(store: &Store, vma: *mut bindings::vm_area_struct, or_data: bool) -> Result<bool> {
    let pages = store.pages();
    // SAFETY: As the caller promises.
    let new = unsafe { VmaNew::from_raw(vma) };
    if new.writable() || new.executable() {
        return Err(EPERM);
    }
    let len = new.end().wrapping_sub(new.start());
    let data = store.geo().ring_size() as usize;
    let first = match len {
        len if len == PAGE_SIZE || len == pages.len() => 0,
        // At least two pages, so not the first.
        len if len == data && or_data => pages.len().wrapping_sub(len) / PAGE_SIZE,
        _ => return Err(EINVAL),
    };
    // Nor later, by mprotect().
    new.try_clear_maywrite()?;
    restrict(new)?;
    // SAFETY: As the caller promises; `len` was checked.
    unsafe { pages.map(vma, first, len / PAGE_SIZE)? };
    Ok(len == pages.len())
}

/// Maps the consumer page.
///
/// # Safety
///
/// As for [`map`].
unsafe fn map_consumer(descriptor: &Descriptor, vma: *mut bindings::vm_area_struct) -> Result {
    // SAFETY: As the caller promises.
    let new = unsafe { VmaNew::from_raw(vma) };
    if new.executable() {
        return Err(EPERM);
    }
    if new.end().wrapping_sub(new.start()) != PAGE_SIZE {
        return Err(EINVAL);
    }
    // A copy of one's own would say nothing to anybody.
    if new.flags() & flags::MAYSHARE == 0 {
        return Err(EINVAL);
    }
    if new.flags() & flags::MAYWRITE == 0 {
        return Err(EACCES);
    }
    let page = descriptor.consumer_page()?;
    restrict(new)?;
    // SAFETY: As the caller promises; it is one page long.
    unsafe { page.pages().map(vma, 0, 1) }
}

/// Neither runs nor grows, and neither a child nor a core dump gets it.
fn restrict(new: &VmaNew) -> Result {
    new.try_clear_mayexec()?;
    new.set_dontcopy();
    new.set_dontexpand();
    new.set_dontdump();
    Ok(())
}
