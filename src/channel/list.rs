// SPDX-License-Identifier: GPL-2.0

//! All open channels, oldest first. Each has a number no other ever had, so that who goes through them
//! bit by bit, with channels coming and going meanwhile, sees none twice and misses none that stays.

use super::Channel;
use kernel::prelude::*;
use kernel::sync::{global_lock, Arc};

/// # Invariants
///
/// `entries` are in the order of their numbers, and `next` is above all of them and not 0.
struct List {
    entries: KVec<(u64, Arc<Channel>)>,
    next: u64,
}

global_lock! {
    // SAFETY: Initialised when the module is loaded, before any channel.
    unsafe(uninit) static LIST: Mutex<List> = List { entries: KVec::new(), next: 1 };
}

/// The list is usable.
pub(crate) struct Registration(());

impl Registration {
    /// Called once, before any channel.
    pub(crate) fn new() -> Self {
        // SAFETY: Called exactly once, when the module is loaded.
        unsafe { LIST.init() };
        Self(())
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        // The list is empty, but owns memory.
        LIST.lock().entries = KVec::new();
    }
}

/// `channel` is open.
pub(super) fn add(channel: &Arc<Channel>) -> Result {
    let mut list = LIST.lock();
    let number = list.next;
    list.entries.push((number, channel.clone()), GFP_KERNEL)?;
    // INVARIANT: So many channels are never opened that it would begin again.
    list.next = number.wrapping_add(1);
    Ok(())
}

/// `channel` is not open any more.
pub(super) fn remove(channel: &Channel) {
    let mut list = LIST.lock();
    let mut listed = list.entries.iter();
    if let Some(at) = listed.position(|(_, other)| core::ptr::eq(&**other, channel)) {
        // The caller has another reference. It is there, so this does not fail.
        let _ = list.entries.remove(at);
    }
}

/// The first channel with this number or one above, and its number. Numbers begin with 1.
pub(crate) fn from(number: u64) -> Option<(u64, Arc<Channel>)> {
    let list = LIST.lock();
    let at = list.entries.partition_point(|&(other, _)| other < number);
    list.entries.get(at).cloned()
}
