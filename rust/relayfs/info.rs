// SPDX-License-Identifier: GPL-2.0

//! What a channel is like now.

use super::ffi;
use kernel::error::to_result;
use kernel::ffi::c_int;
use kernel::prelude::*;

/// Records, and their payload.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(crate) struct Count {
    pub(crate) records: u64,
    pub(crate) bytes: u64,
}

/// What `struct rchan_info` says, by the same names; exact when nobody writes or reads meanwhile.
pub(crate) struct Info(ffi::rchan_info);

macro_rules! counts {
    ($($(#[$doc:meta])* $name:ident)*) => {
        $(
            $(#[$doc])*
            pub(crate) fn $name(&self) -> Count {
                let ffi::rchan_count { records, bytes } = self.0.$name;
                Count { records, bytes }
            }
        )*
    };
}

impl Info {
    pub(super) fn get(f: impl FnOnce(*mut ffi::rchan_info) -> c_int) -> Result<Self> {
        let mut info = ffi::rchan_info {
            size: size_of::<ffi::rchan_info>() as u32,
            ..Default::default()
        };
        to_result(f(&mut info))?;
        Ok(Self(info))
    }

    counts! {
        /// What was written.
        produced
        /// What the consumer has read.
        read
        /// What was overwritten before it was read.
        overwritten
        /// What is still there to be read.
        unread
        /// Refused, as there was no room.
        full
        /// Refused, as too long.
        too_big
        /// Refused, as writers that have not committed were in all sub-buffers.
        nested
        /// Refused, as the channel was closed.
        closed
        /// Refused, as readers were in all sub-buffers.
        held
        /// Refused, as the CPU had no buffer.
        no_buffer
        /// Refused, as the writer was an NMI and the scheme locking.
        nmi
    }

    /// Bytes in a sub-buffer.
    pub(crate) fn subbuf_size(&self) -> u64 {
        self.0.subbuf_size
    }

    /// Sub-buffers in a buffer.
    pub(crate) fn n_subbufs(&self) -> u32 {
        self.0.n_subbufs
    }

    /// How many buffers there are.
    pub(crate) fn n_buffers(&self) -> u32 {
        self.0.n_buffers
    }

    /// How often it was resized.
    pub(crate) fn generation(&self) -> u64 {
        self.0.generation
    }

    /// Sub-buffers that were completed.
    pub(crate) fn subbufs_produced(&self) -> u64 {
        self.0.subbufs_produced
    }

    /// Of these, those that were consumed, or overwritten before.
    pub(crate) fn subbufs_consumed(&self) -> u64 {
        self.0.subbufs_consumed
    }

    /// Descriptors users have open.
    pub(crate) fn open_files(&self) -> u32 {
        self.0.open_files
    }
}
