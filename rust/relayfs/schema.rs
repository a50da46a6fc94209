// SPDX-License-Identifier: GPL-2.0

//! What the events of a channel are. A macro makes these: see `rust/relayfs_events.rs`.

use super::ffi;
use kernel::prelude::*;

/// One event of a schema.
#[repr(transparent)]
pub(crate) struct EventType(ffi::relay_event_type);

// SAFETY: Both strings are static and only read.
unsafe impl Sync for EventType {}

impl EventType {
    /// `fields` as the C header says.
    pub(crate) const fn new(name: &'static CStr, fields: &'static CStr) -> Self {
        Self(ffi::relay_event_type {
            name: name.to_bytes_with_nul().as_ptr().cast(),
            fields: fields.to_bytes_with_nul().as_ptr().cast(),
        })
    }
}

/// The events of a channel; the index of each is its id.
///
/// # Invariants
///
/// Name and types are static.
#[repr(transparent)]
pub(crate) struct Schema(ffi::relay_schema);

// SAFETY: All of it is static and only read.
unsafe impl Sync for Schema {}

impl Schema {
    /// What is wrong with it is found when a channel is opened.
    pub(crate) const fn new(name: &'static CStr, types: &'static [EventType]) -> Self {
        // INVARIANT: By the types of the arguments.
        Self(ffi::relay_schema {
            name: name.to_bytes_with_nul().as_ptr().cast(),
            // `EventType` is transparent.
            types: types.as_ptr().cast(),
            n_types: types.len() as u32,
            reserved: 0,
        })
    }

    pub(super) fn as_ptr(&'static self) -> *const ffi::relay_schema {
        &self.0
    }
}
