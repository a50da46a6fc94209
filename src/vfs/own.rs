// SPDX-License-Identifier: GPL-2.0

//! Directories and files that clients make. A client holds a handle, never a dentry: one of something
//! that is gone, maybe with the channel in whose directory it was, finds nothing.
//!
//! A removal takes all out of the tree with `TREE` locked, and waits for the client's operations without
//! it, as these may make and remove others.

use super::client::ClientFile;
use super::inode::{Kind, Node, Owner};
use super::superblock::Pinned;
use super::tree::{check_name, Entry, NAME_MAX, TREE};
use crate::handles::{Handle, Handles};
use kernel::bindings;
use kernel::ffi::c_void;
use kernel::prelude::*;
use kernel::sync::Arc;

/// What a handle stands for.
///
/// # Invariants
///
/// `entry` is in the tree unless `taken_out`.
pub(super) struct Held {
    entry: Entry,
    /// In which directory that is held, too; older than this.
    parent: Option<Handle>,
    /// `None`: a directory.
    file: Option<Arc<ClientFile>>,
    /// A channel's own directory, which goes with that only.
    of_channel: bool,
    /// It is held only until its operations are over, so that whoever removes it can wait for them.
    taken_out: bool,
    /// The tree stays as long as it is in it.
    _pin: Option<Pinned>,
}

// SAFETY: The entry is used with `TREE` locked only.
unsafe impl Send for Held {}

impl Held {
    /// A channel's own directory.
    pub(super) fn of_channel(entry: Entry) -> Self {
        Self {
            entry,
            parent: None,
            file: None,
            of_channel: true,
            taken_out: false,
            _pin: None,
        }
    }

    /// The directory, if it is one and there.
    fn directory(&self) -> Option<Entry> {
        (self.file.is_none() && !self.taken_out).then_some(self.entry)
    }
}

/// All handles there are.
pub(super) type Table = Handles<Held>;

impl Table {
    /// Whether a client holds a directory.
    pub(super) fn holds(&self, directory: Entry) -> bool {
        self.find(|held| held.directory() == Some(directory))
            .is_some()
    }

    /// Whether it is `top`, or in that, or in a directory in that.
    fn is_at_or_below(&self, handle: Handle, top: Handle) -> bool {
        let mut at = Some(handle);
        while let Some(handle) = at {
            if handle == top {
                return true;
            }
            at = self.get(handle).and_then(|held| held.parent);
        }
        false
    }

    /// Takes out of the tree what clients have in `top`, and that if it is a client's. What channels
    /// have there stays, and so do the directories to it.
    pub(super) fn take_out(&mut self, top: Handle) {
        // What is in a directory is younger than that.
        while let Some(handle) = self.find_youngest(|handle, held| {
            !held.taken_out && !held.of_channel && self.is_at_or_below(handle, top)
        }) {
            let Some(held) = self.get_mut(handle) else {
                return;
            };
            held.taken_out = true;
            let entry = held.entry;
            match &held.file {
                Some(file) => {
                    file.end();
                    entry.remove();
                }
                None => entry.remove_if_empty(self),
            }
        }
    }
}

/// Waits for the operations of what was taken out at or below `top`, by whomever.
pub(super) fn settle(top: Handle) {
    let next = || {
        let table = TREE.lock();
        // A directory stays longer than what was in it, for others who remove that.
        let handle = table
            .find_youngest(|handle, held| held.taken_out && table.is_at_or_below(handle, top))?;
        Some((handle, table.get(handle)?.file.clone()))
    };
    while let Some((handle, file)) = next() {
        if let Some(file) = file {
            file.wait();
        }
        // Only now: until then, others find it and wait as well.
        let held = TREE.lock().remove(handle);
        drop(held);
    }
}

/// Where a client wants something.
#[derive(Clone, Copy)]
pub(crate) enum Parent {
    Root,
    In(Handle),
}

/// Makes a directory.
pub(crate) fn create_dir(name: &CStr, parent: Parent) -> Result<Handle> {
    let node = Node::directory(Kind::Parent);
    create(name, parent, node, None, Owner::default())
}

/// Makes a file with `theirs` for its operations.
///
/// # Safety
///
/// What `theirs` names must be callable with `data` until the file is removed, and its owner be the
/// module that is in.
pub(crate) unsafe fn create_file(
    name: &CStr,
    mode: u16,
    parent: Parent,
    data: *mut c_void,
    theirs: bindings::file_operations,
) -> Result<Handle> {
    if mode & !0o666 != 0 {
        return Err(EINVAL);
    }
    // SAFETY: As the caller promises.
    let file = unsafe { ClientFile::new(theirs, data) }?;
    let node = Node::Client(file.clone());
    create(name, parent, node, Some(file), Owner::with_mode(mode))
}

fn create(
    name: &CStr,
    parent: Parent,
    node: Node,
    file: Option<Arc<ClientFile>>,
    owner: Owner,
) -> Result<Handle> {
    check_name(name.to_bytes(), NAME_MAX)?;
    let pin = Pinned::new()?;
    let mut table = TREE.lock();
    let (directory, parent) = match parent {
        Parent::Root => (Some(Entry::root(&pin)), None),
        Parent::In(handle) => (table.get(handle).and_then(Held::directory), Some(handle)),
    };
    // So that nothing fails once users can find it.
    table.reserve()?;
    let entry = directory.ok_or(ENOTDIR)?.create(name, node, owner)?;
    table.insert(Held {
        entry,
        parent,
        file,
        of_channel: false,
        taken_out: false,
        _pin: Some(pin),
    })
}

/// Removes what a handle stands for, if it is a client's, and all below.
pub(crate) fn remove(handle: Handle) {
    let mut table = TREE.lock();
    if table.get(handle).is_none_or(|held| held.of_channel) {
        return;
    }
    table.take_out(handle);
    drop(table);
    settle(handle);
}
