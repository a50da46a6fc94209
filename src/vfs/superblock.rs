// SPDX-License-Identifier: GPL-2.0

//! The file system type and its one superblock.

use super::{context, inode, tree, StaticOps};
use crate::bindings as local;
use crate::memory;
use kernel::bindings;
use kernel::error::{from_result, to_result};
use kernel::page::PAGE_SIZE;
use kernel::prelude::*;
use kernel::seq_file::SeqFile;

static FS_TYPE: StaticOps<bindings::file_system_type> =
    // SAFETY: All zeroes is a file system type; the fields that must not be zero are set.
    StaticOps::new(unsafe {
        bindings::file_system_type {
            name: c"relayfs".to_bytes_with_nul().as_ptr(),
            init_fs_context: Some(init_fs_context),
            kill_sb: Some(bindings::kill_anon_super),
            ..core::mem::zeroed()
        }
    });

/// # Safety
///
/// `fc` must be a context being set up.
unsafe extern "C" fn init_fs_context(fc: *mut bindings::fs_context) -> i32 {
    // SAFETY: As the caller promises. The kernel crate's type is opaque, ours is not.
    unsafe { context::init(fc.cast()) }
}

pub(super) fn fs_type() -> *mut bindings::file_system_type {
    FS_TYPE.get()
}

/// Sets what only the running module knows.
pub(super) fn set_owner(module: &'static ThisModule) {
    // SAFETY: Called before the type is registered.
    unsafe {
        FS_TYPE.edit(|t| {
            t.owner = module.as_ptr();
            t.parameters = context::SPECS.as_ptr().cast();
        })
    };
}

static SUPER_OPS: StaticOps<bindings::super_operations> =
    // SAFETY: All zeroes is a set of operations.
    StaticOps::new(unsafe {
        bindings::super_operations {
            alloc_inode: Some(inode::alloc),
            free_inode: Some(inode::free),
            statfs: Some(statfs),
            show_options: Some(show_options),
            evict_inode: Some(inode::evict),
            ..core::mem::zeroed()
        }
    });

/// Blocks are the memory of all buffers: in all as the limit says, and free as far as it allows.
///
/// # Safety
///
/// As the kernel calls it: a dentry of ours, `to` valid for writes.
unsafe extern "C" fn statfs(dentry: *mut bindings::dentry, to: *mut bindings::kstatfs) -> i32 {
    let (limit, used) = (memory::limit() as u64, memory::used() as u64);
    // SAFETY: As the caller promises.
    unsafe {
        // The kernel crate's type is opaque, ours is not.
        let blocks = &mut *to.cast::<local::kstatfs>();
        blocks.f_blocks = limit.max(used);
        blocks.f_bfree = limit.saturating_sub(used);
        blocks.f_bavail = blocks.f_bfree;
        bindings::simple_statfs(dentry, to)
    }
}

/// # Safety
///
/// `seq` must be valid and the caller's.
unsafe extern "C" fn show_options(
    seq: *mut bindings::seq_file,
    _root: *mut bindings::dentry,
) -> i32 {
    // SAFETY: As the caller promises.
    context::OPTIONS.show(unsafe { SeqFile::from_raw(seq) });
    0
}

/// Fills a new superblock.
///
/// # Safety
///
/// `sb` must be a superblock being set up.
pub(super) unsafe extern "C" fn fill(
    sb: *mut bindings::super_block,
    _fc: *mut local::fs_context,
) -> i32 {
    context::OPTIONS.reset();
    from_result(|| {
        // SAFETY: As the caller promises.
        unsafe {
            (*sb).s_maxbytes = i64::MAX;
            (*sb).s_blocksize = PAGE_SIZE;
            (*sb).s_blocksize_bits = PAGE_SIZE.trailing_zeros() as u8;
            (*sb).s_magic = local::RELAYFS_MAGIC as usize;
            (*sb).s_op = SUPER_OPS.get();
            (*sb).s_time_gran = 1;
            (*sb).s_d_flags |= bindings::dentry_flags_DCACHE_DONTCACHE;
        }
        let node = inode::Node::directory(inode::Kind::Root);
        // SAFETY: As the caller promises.
        let root = unsafe { inode::new(sb, node, inode::Owner::default()) }?;
        // SAFETY: The inode is new; the call takes it over, also when it fails.
        let dentry = unsafe { bindings::d_make_root(root) };
        if dentry.is_null() {
            return Err(ENOMEM);
        }
        // SAFETY: As the caller promises.
        unsafe { (*sb).s_root = dentry };
        tree::fill_root(dentry)?;
        Ok(0)
    })
}

/// Keeps the superblock alive, mounted by anybody or not, while a channel has files in it. Nothing
/// is pinned when there is no channel, so the module can be unloaded.
pub(super) struct Pinned(());

static MOUNT: StaticOps<*mut bindings::vfsmount> = StaticOps::new(core::ptr::null_mut());
static PINS: StaticOps<i32> = StaticOps::new(0);

impl Pinned {
    pub(super) fn new() -> Result<Self> {
        // SAFETY: The type is registered as long as there are clients; the kernel has a lock for
        // the other two.
        to_result(unsafe { bindings::simple_pin_fs(fs_type(), MOUNT.get(), PINS.get()) })?;
        Ok(Self(()))
    }

    pub(super) fn root(&self) -> *mut bindings::dentry {
        // SAFETY: The mount is there, and stays, as long as it is pinned.
        unsafe { (**MOUNT.get()).mnt_root }
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        // SAFETY: Pinned by `new()`.
        unsafe { bindings::simple_release_fs(MOUNT.get(), PINS.get()) };
    }
}
