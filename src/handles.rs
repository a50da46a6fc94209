// SPDX-License-Identifier: GPL-2.0

//! What clients hold of ours where it can outlive what it stands for: a number that is never given
//! again, so that an old one finds nothing instead of something else.

use kernel::ffi::c_void;
use kernel::prelude::*;

/// A number a client has; to C it is a pointer that points to nothing.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Handle(usize);

impl Handle {
    /// From what a client gives; it may be anything.
    pub(crate) fn from_client<T>(given: *mut T) -> Self {
        Self(given.addr())
    }

    /// What a client gets: neither null nor an error.
    pub(crate) fn to_client<T>(self) -> *mut T {
        core::ptr::without_provenance_mut::<c_void>(self.0).cast()
    }
}

/// What each handle stands for.
///
/// # Invariants
///
/// The handles are in ascending order, and all below `next`.
pub(crate) struct Handles<T> {
    entries: KVec<(Handle, T)>,
    next: usize,
}

impl<T> Handles<T> {
    pub(crate) const fn new() -> Self {
        Self {
            entries: KVec::new(),
            // No null pointer.
            next: 1,
        }
    }

    /// A handle for `what`.
    pub(crate) fn insert(&mut self, what: T) -> Result<Handle> {
        let handle = Handle(self.next);
        self.reserve()?;
        self.entries.push((handle, what), GFP_KERNEL)?;
        // INVARIANT: The new one is above all others. At one in a nanosecond it takes centuries to
        // come to the addresses that mean an error.
        self.next = self.next.wrapping_add(1);
        Ok(handle)
    }

    /// Makes room, so that the next [`insert`](Self::insert) does not fail.
    pub(crate) fn reserve(&mut self) -> Result {
        Ok(self.entries.reserve(1, GFP_KERNEL)?)
    }

    fn index(&self, handle: Handle) -> Option<usize> {
        self.entries
            .binary_search_by_key(&handle, |entry| entry.0)
            .ok()
    }

    pub(crate) fn get(&self, handle: Handle) -> Option<&T> {
        self.entries.get(self.index(handle)?).map(|entry| &entry.1)
    }

    pub(crate) fn get_mut(&mut self, handle: Handle) -> Option<&mut T> {
        let at = self.index(handle)?;
        self.entries.get_mut(at).map(|entry| &mut entry.1)
    }

    /// Forgets what a handle stands for, and gives it.
    pub(crate) fn remove(&mut self, handle: Handle) -> Option<T> {
        let at = self.index(handle)?;
        let removed = self.entries.remove(at).ok();
        self.tidy();
        removed.map(|entry| entry.1)
    }

    /// The oldest that is as `wanted` says.
    pub(crate) fn find(&self, wanted: impl Fn(&T) -> bool) -> Option<Handle> {
        let mut entries = self.entries.iter();
        entries.find(|entry| wanted(&entry.1)).map(|entry| entry.0)
    }

    /// The youngest that is as `wanted` says.
    pub(crate) fn find_youngest(&self, wanted: impl Fn(Handle, &T) -> bool) -> Option<Handle> {
        let mut entries = self.entries.iter().rev();
        entries
            .find(|entry| wanted(entry.0, &entry.1))
            .map(|entry| entry.0)
    }

    /// Forgets those that are not as `kept` says.
    pub(crate) fn retain(&mut self, mut kept: impl FnMut(&mut T) -> bool) {
        self.entries.retain(|entry| kept(&mut entry.1));
        self.tidy();
    }

    /// Statics are not dropped: nothing may be left when the module is unloaded.
    fn tidy(&mut self) {
        if self.entries.is_empty() {
            self.entries = KVec::new();
        }
    }
}
