// SPDX-License-Identifier: GPL-2.0

//! The file system: kernel structures become types here, and types errnos.
//!
//! * [`context`]: mount options, as data. * [`superblock`]: the one superblock all mounts show.
//! * [`inode`]: directories and files, who owns them. * [`tree`]: a channel's files come and go.
//! * [`own`]: clients' directories and files come and go. * [`client`]: what is done with those files.
//! * [`file`]: open, read, poll. * [`splice`]: to pipes. * [`ioctl`]: ioctls. * [`mmap`]: mappings.
//! * [`info`]: the counters as text. * [`foreign`]: a channel's data in other file systems.
//! * [`metadata`]: how packets are to be read. * [`channels`]: all channels as text.

mod channels;
mod client;
mod context;
mod file;
mod foreign;
mod info;
mod inode;
mod ioctl;
mod metadata;
mod mmap;
mod own;
mod splice;
mod superblock;
mod tree;

pub(crate) use self::file::begin;
pub(crate) use self::foreign::{data as file_data, forget as forget_file_data, FileOperations};
pub(crate) use self::mmap::mmap_or_data;
pub(crate) use self::own::{create_dir, create_file, remove, Parent};
pub(crate) use self::tree::{check_path, Files};

use kernel::bindings;
use kernel::error::to_result;
use kernel::prelude::*;

/// The registered file system type, and the place to mount it.
pub(crate) struct Registration(());

impl Registration {
    pub(crate) fn new(module: &'static ThisModule) -> Result<Self> {
        tree::init();
        foreign::init();
        file::set_owner(module);
        superblock::set_owner(module);
        // SAFETY: The kernel's own kobject; the name is static.
        to_result(unsafe {
            bindings::sysfs_create_mount_point(bindings::kernel_kobj, MOUNT_POINT.as_char_ptr())
        })?;
        // SAFETY: The type is static, and unregistered before the module goes.
        let result = to_result(unsafe { bindings::register_filesystem(superblock::fs_type()) });
        if result.is_err() {
            remove_mount_point();
        }
        result.map(|()| Self(()))
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        // SAFETY: Registered by `new()`. The module is not unloaded while the type is in use.
        unsafe { bindings::unregister_filesystem(superblock::fs_type()) };
        remove_mount_point();
    }
}

/// Below /sys/kernel.
const MOUNT_POINT: &CStr = c"relay";

fn remove_mount_point() {
    // SAFETY: Made by `Registration::new()`.
    unsafe { bindings::sysfs_remove_mount_point(bindings::kernel_kobj, MOUNT_POINT.as_char_ptr()) };
}

/// A C structure the kernel wants to be static and writable, though it only reads it or guards its
/// writes itself.
#[repr(transparent)]
struct StaticOps<T>(core::cell::UnsafeCell<T>);

// SAFETY: Written by `edit()` only, before the kernel or any other thread sees it.
unsafe impl<T> Sync for StaticOps<T> {}

impl<T> StaticOps<T> {
    const fn new(ops: T) -> Self {
        Self(core::cell::UnsafeCell::new(ops))
    }

    const fn get(&self) -> *mut T {
        self.0.get()
    }

    /// # Safety
    ///
    /// The structure must not be in use yet.
    unsafe fn edit(&self, f: impl FnOnce(&mut T)) {
        // SAFETY: As the caller promises.
        f(unsafe { &mut *self.0.get() })
    }
}
