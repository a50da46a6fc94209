// SPDX-License-Identifier: GPL-2.0

//! Directories and files: what is behind an inode, and whom it belongs to.
//!
//! Ownership that a client did not set follows the mount options, also when those are changed by a
//! remount: which attributes do so is kept in `i_generation`, and the inode is brought up to date
//! whenever permissions or attributes are asked for.

use super::client::ClientFile;
use super::{context::OPTIONS, file, StaticOps};
use crate::bindings as local;
use crate::buffer::Buffer;
use crate::channel::{config::Config, Channel};
use core::mem::MaybeUninit;
use kernel::bindings;
use kernel::prelude::*;
use kernel::sync::Arc;

/// What a directory is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Root,
    /// Made by a client, or because a channel's path names it; vanishes when it is empty and no client
    /// holds it.
    Parent,
    /// A channel's own.
    Channel,
}

/// What is behind an inode.
pub(super) enum Node {
    Directory(Kind),
    /// All data of a channel.
    Whole(Arc<Channel>),
    /// One buffer of a channel.
    Buffer(Arc<Channel>, Arc<Buffer>),
    /// A channel's counters.
    Info(Arc<Channel>),
    /// The description of its packets.
    Metadata(Arc<Channel>),
    /// The list of all channels.
    Channels,
    /// A client's own.
    Client(Arc<ClientFile>),
}

/// An inode, and what is behind it: `i_private` is for files of clients.
#[repr(C)]
struct Inode {
    vfs: bindings::inode,
    /// From `KBox::into_raw()`, or null.
    node: *mut Node,
}

/// # Safety
///
/// As the kernel calls it, to make an inode.
pub(super) unsafe extern "C" fn alloc(_sb: *mut bindings::super_block) -> *mut bindings::inode {
    let Ok(inode) = KBox::<Inode>::new_uninit(GFP_KERNEL) else {
        return core::ptr::null_mut();
    };
    let inode = KBox::into_raw(inode).cast::<Inode>();
    // SAFETY: Just made, and ours alone.
    unsafe {
        (*inode).node = core::ptr::null_mut();
        bindings::inode_init_once(&raw mut (*inode).vfs);
    }
    inode.cast()
}

/// # Safety
///
/// As the kernel calls it: `inode` made by [`alloc`], nobody uses it any more.
pub(super) unsafe extern "C" fn free(inode: *mut bindings::inode) {
    // SAFETY: As the caller promises.
    drop(unsafe { KBox::from_raw(inode.cast::<MaybeUninit<Inode>>()) });
}

impl Node {
    pub(super) fn directory(kind: Kind) -> Self {
        Self::Directory(kind)
    }

    /// The type of its inode. Data are streams, as in a pipe: of a regular file the kernel and programs
    /// think that its size says when it ends, and that a short read is one to go on with.
    fn file_type(&self) -> u16 {
        match self {
            Self::Directory(_) => S_IFDIR,
            Self::Whole(_) | Self::Buffer(..) => S_IFIFO,
            Self::Info(_) | Self::Metadata(_) | Self::Channels | Self::Client(_) => S_IFREG,
        }
    }

    /// The channel whose data it gives.
    fn data_of(&self) -> Option<&Channel> {
        match self {
            Self::Whole(channel) | Self::Buffer(channel, _) => Some(channel),
            _ => None,
        }
    }

    /// When data was last delivered, in ns of real time; 0: never.
    fn last_delivery(&self) -> u64 {
        match self {
            Self::Buffer(_, buffer) => buffer.last_delivery(),
            Self::Whole(channel) => {
                let all = channel.buffers().iter();
                all.map(|buffer| buffer.last_delivery()).max().unwrap_or(0)
            }
            _ => 0,
        }
    }
}

/// Whose an inode is; `None`: as the mount says.
#[derive(Default)]
pub(super) struct Owner {
    mode: Option<u16>,
    uid: Option<u32>,
    gid: Option<u32>,
}

impl Owner {
    /// Of the file of a whole channel.
    pub(super) fn of_whole(config: &Config) -> Self {
        Self {
            mode: config.mode,
            uid: config.uid,
            gid: config.gid,
        }
    }

    /// Of a channel's other files: nobody writes those.
    pub(super) fn of_files(config: &Config) -> Self {
        Self {
            mode: config.mode.map(|mode| mode & 0o444),
            uid: config.uid,
            gid: config.gid,
        }
    }

    /// As the mount says but for the mode; 0: that, too.
    pub(super) fn with_mode(mode: u16) -> Self {
        Self {
            mode: (mode != 0).then_some(mode),
            ..Self::default()
        }
    }

    /// Of a channel's directory: who may read the files may enter it.
    pub(super) fn of_directory(config: &Config) -> Self {
        Self {
            mode: config.mode.map(|mode| {
                let read = mode & 0o444;
                read | read.wrapping_shr(2)
            }),
            uid: config.uid,
            gid: config.gid,
        }
    }
}

const INHERIT_MODE: u32 = 1;
const INHERIT_UID: u32 = 2;
const INHERIT_GID: u32 = 4;

const S_IFMT: u16 = 0o170000;
const S_IFDIR: u16 = 0o040000;
const S_IFREG: u16 = 0o100000;
const S_IFIFO: u16 = 0o010000;

/// Makes an inode.
///
/// # Safety
///
/// `sb` must be valid.
pub(super) unsafe fn new(
    sb: *mut bindings::super_block,
    node: Node,
    owner: Owner,
) -> Result<*mut bindings::inode> {
    let directory = matches!(node, Node::Directory(_));
    let file_type = node.file_type();
    let fops = file::operations(&node);
    let private = match &node {
        Node::Client(file) => file.data(),
        _ => core::ptr::null_mut(),
    };
    let node = KBox::new(node, GFP_KERNEL)?;
    // SAFETY: As the caller promises.
    let inode = unsafe { bindings::new_inode(sb) };
    if inode.is_null() {
        return Err(ENOMEM);
    }
    let inherit = [
        (owner.mode.is_none(), INHERIT_MODE),
        (owner.uid.is_none(), INHERIT_UID),
        (owner.gid.is_none(), INHERIT_GID),
    ]
    .iter()
    .fold(0, |all, &(yes, bit)| if yes { all | bit } else { all });
    // SAFETY: The inode is new, so ours alone.
    unsafe {
        (*inode).i_ino = bindings::get_next_ino().into();
        bindings::simple_inode_init_ts(inode);
        (*inode).i_mode = file_type | owner.mode.unwrap_or(0);
        (*inode).i_uid.val = owner.uid.unwrap_or(0);
        (*inode).i_gid.val = owner.gid.unwrap_or(0);
        (*inode).i_generation = inherit;
        (*inode).i_private = private;
        (*inode.cast::<Inode>()).node = KBox::into_raw(node);
        (*inode).i_op = if directory {
            DIR_OPS.get()
        } else {
            FILE_OPS.get()
        };
        (*inode).__bindgen_anon_3.i_fop = fops;
        if directory {
            // For "."; the parent's count is for "..".
            bindings::inc_nlink(inode);
        }
        follow_mount(inode);
    }
    Ok(inode)
}

/// What is behind an inode of ours.
///
/// # Safety
///
/// `inode` must be valid and made by [`new`].
pub(super) unsafe fn node<'a>(inode: *mut bindings::inode) -> &'a Node {
    // SAFETY: `new()` put it there, and it goes with the inode.
    unsafe { &*(*inode.cast::<Inode>()).node }
}

/// Drops what is behind an inode.
///
/// # Safety
///
/// `inode` must be about to be freed.
pub(super) unsafe extern "C" fn evict(inode: *mut bindings::inode) {
    // SAFETY: As the caller promises. An inode that `new()` did not finish has nothing behind it.
    unsafe {
        bindings::truncate_inode_pages_final(&raw mut (*inode).i_data);
        bindings::clear_inode(inode);
        let node = (*inode.cast::<Inode>()).node;
        if !node.is_null() {
            drop(KBox::from_raw(node));
        }
    }
}

/// Gives the inode the mount's ownership where it has none of its own.
///
/// # Safety
///
/// `inode` must be valid and made by [`new`].
unsafe fn follow_mount(inode: *mut bindings::inode) {
    // SAFETY: As the caller promises.
    unsafe {
        if ownership(inode) == present(inode) {
            return;
        }
        // With the lock, so that what is set by hand meanwhile stays. The kernel walks through without it, on
        // every path: it finds each value as it was or as it will be, and nothing is stored but after a remount.
        bindings::spin_lock(&raw mut (*inode).i_lock);
        let (mode, uid, gid) = ownership(inode);
        (&raw mut (*inode).i_mode).write_volatile(mode);
        (&raw mut (*inode).i_uid.val).write_volatile(uid);
        (&raw mut (*inode).i_gid.val).write_volatile(gid);
        bindings::spin_unlock(&raw mut (*inode).i_lock);
    }
}

/// Mode, owner and group, as they are.
///
/// # Safety
///
/// `inode` must be valid.
unsafe fn present(inode: *mut bindings::inode) -> (u16, u32, u32) {
    // SAFETY: As the caller promises.
    unsafe {
        (
            (&raw const (*inode).i_mode).read_volatile(),
            (&raw const (*inode).i_uid.val).read_volatile(),
            (&raw const (*inode).i_gid.val).read_volatile(),
        )
    }
}

/// Mode, owner and group, as they ought to be.
///
/// # Safety
///
/// `inode` must be valid and made by [`new`].
unsafe fn ownership(inode: *mut bindings::inode) -> (u16, u32, u32) {
    // SAFETY: As the caller promises.
    let ((mode, uid, gid), inherit) = unsafe {
        let inherit = (&raw const (*inode).i_generation).read_volatile();
        (present(inode), inherit)
    };
    let of_mount = match (mode & S_IFMT, OPTIONS.mode() as u16) {
        (S_IFDIR, bits) => S_IFDIR | bits,
        (kind, bits) => kind | (bits & 0o444),
    };
    let pick = |bit: u32, theirs: u32, own: u32| if inherit & bit != 0 { theirs } else { own };
    (
        pick(INHERIT_MODE, of_mount.into(), mode.into()) as u16,
        pick(INHERIT_UID, OPTIONS.uid(), uid),
        pick(INHERIT_GID, OPTIONS.gid(), gid),
    )
}

/// Changes which attributes follow the mount's; returns what they were.
///
/// # Safety
///
/// `inode` must be valid and made by [`new`].
unsafe fn inherit(inode: *mut bindings::inode, change: impl FnOnce(u32) -> u32) -> u32 {
    // SAFETY: As the caller promises.
    unsafe {
        bindings::spin_lock(&raw mut (*inode).i_lock);
        let before = (*inode).i_generation;
        (&raw mut (*inode).i_generation).write_volatile(change(before));
        bindings::spin_unlock(&raw mut (*inode).i_lock);
        before
    }
}

static DIR_OPS: StaticOps<bindings::inode_operations> =
    // SAFETY: All zeroes is a set of operations.
    StaticOps::new(unsafe {
        bindings::inode_operations {
            lookup: Some(bindings::simple_lookup),
            // What is missing is refused with EPERM, but for this.
            create: Some(create),
            permission: Some(permission),
            getattr: Some(getattr),
            setattr: Some(setattr),
            ..core::mem::zeroed()
        }
    });

/// # Safety
///
/// As the kernel calls it.
unsafe extern "C" fn create(
    _idmap: *mut bindings::mnt_idmap,
    _dir: *mut bindings::inode,
    _dentry: *mut bindings::dentry,
    _mode: u16,
) -> i32 {
    EPERM.to_errno()
}

static FILE_OPS: StaticOps<bindings::inode_operations> =
    // SAFETY: All zeroes is a set of operations.
    StaticOps::new(unsafe {
        bindings::inode_operations {
            permission: Some(permission),
            getattr: Some(getattr),
            setattr: Some(setattr),
            ..core::mem::zeroed()
        }
    });

/// # Safety
///
/// As the kernel calls it: `inode` valid and made by [`new`].
unsafe extern "C" fn permission(
    idmap: *mut bindings::mnt_idmap,
    inode: *mut bindings::inode,
    mask: i32,
) -> i32 {
    // SAFETY: As the caller promises.
    unsafe {
        follow_mount(inode);
        bindings::generic_permission(idmap, inode, mask)
    }
}

/// # Safety
///
/// As the kernel calls it: `path` of an inode made by [`new`], the rest valid.
unsafe extern "C" fn getattr(
    idmap: *mut bindings::mnt_idmap,
    path: *const bindings::path,
    stat: *mut bindings::kstat,
    mask: u32,
    flags: u32,
) -> i32 {
    // SAFETY: As the caller promises.
    unsafe {
        let inode = (*(*path).dentry).d_inode;
        let node = node(inode);
        follow_mount(inode);
        let last = node.last_delivery();
        if last != 0 {
            local::relayfs_helper_set_mtime(inode, last as i64);
        }
        let result = bindings::simple_getattr(idmap, path, stat, mask, flags);
        if let Some(channel) = node.data_of() {
            // Reads of so much are always long enough.
            (*stat).blksize = channel.shape().spec.geo().subbuf_size() as u32;
        }
        result
    }
}

/// What is set by hand stays so.
///
/// # Safety
///
/// As the kernel calls it: `dentry` of an inode made by [`new`], the rest valid.
unsafe extern "C" fn setattr(
    idmap: *mut bindings::mnt_idmap,
    dentry: *mut bindings::dentry,
    attr: *mut bindings::iattr,
) -> i32 {
    // SAFETY: As the caller promises.
    unsafe {
        if (*attr).ia_valid & bindings::ATTR_SIZE != 0 {
            // As with a pipe, where a shell redirects output to it. Of data, which are no regular files, the
            // kernel does not even ask.
            let ignored = matches!(node((*dentry).d_inode), Node::Client(_));
            if (*attr).ia_valid & bindings::ATTR_OPEN != 0 && ignored {
                return 0;
            }
            return EPERM.to_errno();
        }
        let own = [
            (bindings::ATTR_MODE, INHERIT_MODE),
            (bindings::ATTR_UID, INHERIT_UID),
            (bindings::ATTR_GID, INHERIT_GID),
        ]
        .iter()
        .filter(|(what, _)| (*attr).ia_valid & what != 0)
        .fold(0, |all, (_, bit)| all | bit);
        let inode = (*dentry).d_inode;
        // Whether the caller may is asked of the inode, and nothing else may have brought it up to date.
        follow_mount(inode);
        // Before, so that nobody undoes it.
        let before = inherit(inode, |bits| bits & !own);
        let error = bindings::simple_setattr(idmap, dentry, attr);
        if error != 0 {
            inherit(inode, |_| before);
        }
        error
    }
}
