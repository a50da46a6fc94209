// SPDX-License-Identifier: GPL-2.0

//! A channel's files come and go.
//!
//! Lock order: a channel's lock of its files (see `channel/hotplug.rs`), `TREE`, then the kernel's inode
//! locks. `TREE` makes "is the parent there, and is it empty now" one step with what follows from it.

use super::inode::{self, Kind, Node, Owner};
use super::own::{self, Held, Table};
use super::superblock::Pinned;
use crate::bindings as local;
use crate::buffer::Buffer;
use crate::channel::Channel;
use crate::handles::Handle;
use kernel::bindings;
use kernel::error::from_err_ptr;
use kernel::prelude::*;
use kernel::str::CString;
use kernel::sync::{global_lock, Arc};

/// Longest name of a file, in bytes.
pub(super) const NAME_MAX: usize = 255;
/// Longest path of a channel, in bytes.
const PATH_MAX: usize = 1023;

global_lock! {
    // SAFETY: Initialised before the file system is registered, so before any channel.
    pub(super) unsafe(uninit) static TREE: Mutex<Table> = Table::new();
}

/// Makes the tree's lock usable. Called once, before any channel.
pub(super) fn init() {
    // SAFETY: Called exactly once, when the module is loaded.
    unsafe { TREE.init() };
}

/// Checks a channel's path.
pub(crate) fn check_path(path: &CStr) -> Result {
    let path = path.to_bytes();
    if path.len() > PATH_MAX {
        return Err(ENAMETOOLONG);
    }
    for name in path.split(|&c| c == b'/') {
        // The channel's directory has a name that is two longer.
        check_name(name, NAME_MAX - 2)?;
    }
    Ok(())
}

/// Checks a name of at most `max` bytes.
pub(super) fn check_name(name: &[u8], max: usize) -> Result {
    if name.len() > max {
        return Err(ENAMETOOLONG);
    }
    if name.is_empty() || name == b"." || name == b".." || name.iter().any(|&c| c == b'/') {
        return Err(EINVAL);
    }
    Ok(())
}

/// A directory entry of ours, made persistent.
///
/// # Invariants
///
/// The dentry is valid as long as it is in the tree, and `TREE` guards that.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry(*mut bindings::dentry);

impl Entry {
    pub(super) fn root(pin: &Pinned) -> Self {
        Self(pin.root())
    }

    fn inode(self) -> *mut bindings::inode {
        // SAFETY: By the type invariants; a persistent dentry has an inode.
        unsafe { (*self.0).d_inode }
    }

    fn parent(self) -> Entry {
        // SAFETY: As above; nothing of ours is ever moved.
        Entry(unsafe { (*self.0).d_parent })
    }

    fn kind(self) -> Option<Kind> {
        // SAFETY: All inodes of this file system are made by `inode::new()`.
        match unsafe { inode::node(self.inode()) } {
            Node::Directory(kind) => Some(*kind),
            _ => None,
        }
    }

    /// Makes `name` in this directory.
    pub(super) fn create(self, name: &CStr, node: Node, owner: Owner) -> Result<Entry> {
        let directory = matches!(node, Node::Directory(_));
        // SAFETY: This is a directory of ours. On success its inode is locked.
        let dentry = unsafe { bindings::simple_start_creating(self.0, name.as_char_ptr()) };
        let dentry = from_err_ptr(dentry)?;
        // SAFETY: The superblock is pinned.
        let inode = unsafe { inode::new((*self.0).d_sb, node, owner) };
        if let Ok(inode) = inode {
            // SAFETY: The dentry is negative and its parent locked; the inode is new.
            unsafe {
                bindings::d_make_persistent(dentry, inode);
                if directory {
                    bindings::inc_nlink(self.inode());
                }
            }
        }
        // SAFETY: Started above. A dentry that is persistent stays.
        unsafe { bindings::simple_done_creating(dentry) };
        inode.map(|_| Entry(dentry))
    }

    /// The directory `name` in this one, made if it is missing.
    fn enter(self, name: &CStr) -> Result<Entry> {
        // SAFETY: This is a directory of ours.
        let found = unsafe { local::relayfs_helper_lookup(self.0, name.as_char_ptr()) };
        match from_err_ptr(found) {
            Ok(dentry) => {
                let entry = Entry(dentry);
                let parent = entry.kind() == Some(Kind::Parent);
                // SAFETY: Drops the reference of the lookup; the entry is persistent.
                unsafe { bindings::dput(dentry) };
                parent.then_some(entry).ok_or(ENOTDIR)
            }
            Err(error) if error == ENOENT => {
                self.create(name, Node::directory(Kind::Parent), Owner::default())
            }
            Err(error) => Err(error),
        }
    }

    /// Makes the file of a buffer.
    fn create_buffer(self, channel: &Arc<Channel>, buffer: &Arc<Buffer>) -> Result {
        let cpu = buffer.number();
        let name = CString::try_from_fmt(fmt!("cpu{cpu}"))?;
        let node = Node::Buffer(channel.clone(), buffer.clone());
        self.create(&name, node, Owner::of_files(channel.config()))?;
        Ok(())
    }

    /// Removes it and all below.
    pub(super) fn remove(self) {
        // SAFETY: By the type invariants.
        unsafe { bindings::simple_recursive_removal(self.0, None) };
    }

    /// Removes this directory and those above that nothing is in, and nobody holds, any more.
    pub(super) fn remove_if_empty(mut self, table: &Table) {
        loop {
            // SAFETY: By the type invariants.
            let used = unsafe { bindings::simple_empty(self.0) } == 0 || table.holds(self);
            if self.kind() != Some(Kind::Parent) || used {
                return;
            }
            let parent = self.parent();
            self.remove();
            self = parent;
        }
    }
}

/// Makes what is always in the root, of a superblock being set up. Nobody else sees it yet.
pub(super) fn fill_root(root: *mut bindings::dentry) -> Result {
    Entry(root).create(c".channels", Node::Channels, Owner::default())?;
    Ok(())
}

/// A channel's files in the tree; dropping removes them.
pub(crate) struct Files {
    parent: Entry,
    whole: Option<Entry>,
    directory: Option<Entry>,
    /// Of the directory; also of the removal of what clients have in it.
    handle: Option<Handle>,
    // Last: the tree goes when nothing is in it.
    _pin: Pinned,
}

// SAFETY: The entries are used with `TREE` locked only.
unsafe impl Send for Files {}

impl Files {
    /// Makes the files of a channel; on failure nothing is left.
    pub(crate) fn create(channel: &Arc<Channel>, path: &CStr) -> Result<Self> {
        let pin = Pinned::new()?;
        let mut table = TREE.lock();
        let mut parent = Entry::root(&pin);
        let path = path.to_bytes();
        let (dirs, name) = match path.iter().rposition(|&c| c == b'/') {
            Some(at) => (
                path.get(..at),
                path.get(at.wrapping_add(1)..).unwrap_or_default(),
            ),
            None => (None, path),
        };
        for dir in dirs.unwrap_or_default().split(|&c| c == b'/') {
            if dirs.is_none() {
                break;
            }
            match c_name(dir, "").and_then(|dir| parent.enter(&dir)) {
                Ok(entry) => parent = entry,
                Err(error) => {
                    parent.remove_if_empty(&table);
                    return Err(error);
                }
            }
        }
        let mut files = Self {
            parent,
            whole: None,
            directory: None,
            handle: None,
            _pin: pin,
        };
        let result = files.fill(&mut table, channel, name);
        if result.is_err() {
            files.remove(&mut table);
        }
        // Dropping files locks it.
        drop(table);
        result.map(|()| files)
    }

    fn fill(&mut self, table: &mut Table, channel: &Arc<Channel>, name: &[u8]) -> Result {
        let config = channel.config();
        let directory = self.parent.create(
            &c_name(name, ".d")?,
            Node::directory(Kind::Channel),
            Owner::of_directory(config),
        )?;
        self.directory = Some(directory);
        self.handle = Some(table.insert(Held::of_channel(directory))?);
        for buffer in channel.buffers().iter() {
            directory.create_buffer(channel, buffer)?;
        }
        directory.create(
            c"info",
            Node::Info(channel.clone()),
            Owner::of_files(config),
        )?;
        if channel.metadata().is_some() {
            directory.create(
                c"metadata",
                Node::Metadata(channel.clone()),
                Owner::of_files(config),
            )?;
        }
        let node = Node::Whole(channel.clone());
        self.whole = Some(
            self.parent
                .create(&c_name(name, "")?, node, Owner::of_whole(config))?,
        );
        Ok(())
    }

    /// Makes the file of a buffer that comes later.
    pub(crate) fn add_buffer(&self, channel: &Arc<Channel>, buffer: &Arc<Buffer>) -> Result {
        let _tree = TREE.lock();
        match self.directory {
            Some(directory) => directory.create_buffer(channel, buffer),
            None => Ok(()),
        }
    }

    /// The handle of the channel's directory.
    pub(crate) fn directory(&self) -> Option<Handle> {
        self.handle
    }

    /// Takes them out of the tree, and what clients have in the directory, whose operations may go on
    /// until this is dropped.
    pub(crate) fn leave(&mut self) {
        if self.whole.is_some() {
            self.remove(&mut TREE.lock());
        }
    }

    fn remove(&mut self, table: &mut Table) {
        if let Some(whole) = self.whole.take() {
            whole.remove();
        }
        if let Some(directory) = self.directory.take() {
            if let Some(handle) = self.handle {
                table.take_out(handle);
                // It holds nothing.
                let _ = table.remove(handle);
            }
            directory.remove();
        }
        self.parent.remove_if_empty(table);
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        self.leave();
        if let Some(handle) = self.handle {
            own::settle(handle);
        }
    }
}

/// `name` with `suffix`, as C wants it.
fn c_name(name: &[u8], suffix: &str) -> Result<CString> {
    let mut bytes = KVec::with_capacity(
        name.len().wrapping_add(suffix.len()).wrapping_add(1),
        GFP_KERNEL,
    )?;
    bytes.extend_from_slice(name, GFP_KERNEL)?;
    bytes.extend_from_slice(suffix.as_bytes(), GFP_KERNEL)?;
    bytes.push(0, GFP_KERNEL)?;
    CString::try_from(CStr::from_bytes_with_nul(&bytes).map_err(|_| EINVAL)?).map_err(Error::from)
}
