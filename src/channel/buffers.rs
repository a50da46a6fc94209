// SPDX-License-Identifier: GPL-2.0

//! A channel's buffers: a place for each possible CPU, filled when its CPU first comes up, and from
//! then on never changed.

use crate::buffer::Buffer;
use crate::ring::{Cause, Count, Stats};
use core::sync::atomic::{AtomicU64, Ordering};
use kernel::cpu::CpuId;
use kernel::prelude::*;
use kernel::sync::{Arc, SetOnce};

/// The buffers there are, by CPU. A global channel has one entry.
pub(crate) struct Buffers {
    entries: KVVec<Entry>,
}

struct Entry {
    buffer: SetOnce<Arc<Buffer>>,
    // What this CPU could not write as long as it had no buffer to count it in.
    refused_records: AtomicU64,
    refused_bytes: AtomicU64,
}

impl Entry {
    fn refused(&self) -> Count {
        Count {
            records: self.refused_records.load(Ordering::Relaxed),
            bytes: self.refused_bytes.load(Ordering::Relaxed),
        }
    }
}

impl Buffers {
    /// `count` empty places.
    pub(super) fn new(count: usize) -> Result<Arc<Self>> {
        let mut entries = KVVec::with_capacity(count, GFP_KERNEL)?;
        for _ in 0..count {
            let entry = Entry {
                buffer: SetOnce::new(),
                refused_records: AtomicU64::new(0),
                refused_bytes: AtomicU64::new(0),
            };
            entries.push(entry, GFP_KERNEL)?;
        }
        Ok(Arc::new(Self { entries }, GFP_KERNEL)?)
    }

    /// Puts `buffer` in its place, if that is empty, and gives what is there. Nobody may write to the
    /// buffer yet, and its CPU not to the channel.
    pub(super) fn fill(&self, index: usize, buffer: Arc<Buffer>) -> Result<&Buffer> {
        let entry = self.entries.get(index).ok_or(EINVAL)?;
        // From now on the buffer counts.
        buffer
            .current()
            .ring()
            .add_lost(Cause::NoBuffer, entry.refused());
        entry.buffer.populate(buffer);
        Ok(entry.buffer.as_ref().ok_or(EINVAL)?)
    }

    pub(crate) fn get(&self, index: usize) -> Option<&Arc<Buffer>> {
        self.entries.get(index)?.buffer.as_ref()
    }

    /// The buffers there are now. More may come, none goes.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<Buffer>> {
        self.entries
            .iter()
            .filter_map(|entry| entry.buffer.as_ref())
    }

    /// Counts a record of `cpu`, which has no buffer. Any context.
    pub(super) fn count_refused(&self, cpu: CpuId, bytes: u64) {
        if let Some(entry) = self.entries.get(cpu.as_u32() as usize) {
            entry.refused_records.fetch_add(1, Ordering::Relaxed);
            entry
                .refused_bytes
                .fetch_add(Stats::counted(bytes), Ordering::Relaxed);
        }
    }

    /// How many buffers there can be.
    pub(crate) fn places(&self) -> usize {
        self.entries.len()
    }

    /// By number: how many records were refused as there was, and is, no buffer.
    pub(crate) fn refused_without_buffer(&self) -> impl Iterator<Item = (u32, u64)> + '_ {
        let places = (0u32..).zip(&self.entries);
        let empty = places.filter(|(_, entry)| entry.buffer.as_ref().is_none());
        empty.map(|(number, entry)| (number, entry.refused().records))
    }

    /// By place: what was refused as long as that was empty, if anything was.
    pub(super) fn refused(&self) -> impl Iterator<Item = Option<Stats>> + '_ {
        let entries = self.entries.iter();
        entries.map(|entry| Stats::of_refused(Cause::NoBuffer, entry.refused()))
    }
}
