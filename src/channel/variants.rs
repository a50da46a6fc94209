// SPDX-License-Identifier: GPL-2.0

//! Writes that are not a copy of one piece: gathered from parts, or with their time in them.

use super::write::reserve_in;
use super::Channel;
use crate::buffer::Store;
use crate::kind::with_ring;
use crate::percpu::Pinned;
use crate::ring::{Clock, Slot};
use kernel::bindings::kvec;
use kernel::prelude::*;

/// Bytes of a time in a record.
const TIME: usize = size_of::<u32>();

impl Channel {
    /// Writes one record of `len` bytes, which `fill` puts into its slot. Any context.
    fn write_with(&self, len: usize, mut fill: impl FnMut(&Store, &Slot)) -> Result<usize> {
        self.check_takes_bytes()?;
        if len == 0 {
            return Ok(0);
        }
        let pinned = Pinned::new();
        let committed = self.in_writable(&pinned, |store| {
            let committed = with_ring!(store, |ring| {
                reserve_in(store, ring, len as u64).map(|slot| {
                    fill(store, &slot);
                    ring.commit(slot, store)
                })
            })?;
            store.notify(committed);
            Ok(())
        });
        match committed {
            Ok(()) => Ok(len),
            Err(cause) => Err(self.refuse(&pinned, cause, len)),
        }
    }

    /// Writes one record, gathered from `parts`. Any context.
    ///
    /// # Safety
    ///
    /// Each part must be valid for reads, unless they are together longer than a record can be.
    pub(crate) unsafe fn write_parts(&self, parts: &[kvec]) -> Result<usize> {
        let sum = |sum: usize, part: &kvec| sum.checked_add(part.iov_len);
        // What is longer than can be said is longer than a record can be.
        let len = parts.iter().try_fold(0, sum).unwrap_or(usize::MAX);
        self.write_with(len, |store, slot| {
            let mut pos = store.ring().payload(slot, len as u64);
            for part in parts.iter().filter(|part| part.iov_len != 0) {
                let from = part.iov_base.cast::<u8>();
                // SAFETY: As the caller promises; all parts together are as long as the slot, which
                // is this context's alone.
                unsafe {
                    let from = core::slice::from_raw_parts(from, part.iov_len);
                    store.ring().write_bytes(pos, from);
                }
                pos = pos.wrapping_add(part.iov_len as u64);
            }
        })
    }

    /// Writes one record; stores at `time_at` of it, if that is somewhere, how long after the begin of
    /// its sub-buffer it is written. Gives its length and, unless that is 0, where it is. Any context.
    ///
    /// # Safety
    ///
    /// If `len` is at most the longest record, `data` must be valid for reads of `len` bytes.
    pub(crate) unsafe fn write_timed(
        &self,
        data: *const u8,
        len: usize,
        time_at: Option<usize>,
    ) -> Result<(usize, Option<*mut u8>)> {
        if let Some(at) = time_at {
            let clock = self.config.shape.spec.clock();
            if len < TIME || at > len.wrapping_sub(TIME) || clock == Clock::None {
                return Err(EINVAL);
            }
        }
        let mut place = None;
        let written = self.write_with(len, |store, slot| {
            let ring = store.ring();
            let start = ring.payload(slot, len as u64);
            // SAFETY: As the caller promises; the slot is `len` bytes long, and this context's alone.
            unsafe { ring.write_bytes(start, core::slice::from_raw_parts(data, len)) };
            if let Some(at) = time_at {
                let passed = ring.age(slot) as u32;
                let pos = start.wrapping_add(at as u64);
                // SAFETY: As above; it lies in the record, as was checked.
                unsafe { ring.write_bytes(pos, &passed.to_ne_bytes()) };
            }
            place = Some(ring.address(start));
        })?;
        Ok((written, place))
    }
}
