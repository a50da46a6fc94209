// SPDX-License-Identifier: GPL-2.0

//! Events of channels of records. As with bytes there is a straight line, for lock-free per-CPU channels.

use super::write::{tell, written_loudly};
use super::{Channel, Reserved};
use crate::buffer::Store;
use crate::kind::with_ring;
use crate::percpu::Pinned;
use crate::ring::{Added, Cause, Ring, Rmw, Slot};
use kernel::prelude::*;

impl Channel {
    /// Whether there is such an event. In a channel of bytes there is none.
    #[inline(always)]
    fn has_event(&self, id: u32) -> bool {
        id < self.config.n_types()
    }

    /// Whether bytes may be written that are not said to be an event: not where events mean something to
    /// readers, who would take what follows for something else.
    pub(crate) fn check_takes_bytes(&self) -> Result {
        match &self.config.records {
            Some(records) if records.has_schema => Err(EINVAL),
            _ => Ok(()),
        }
    }

    /// Writes event `id`: `len`, or a negative errno, in one register as C wants it. Any context. An event
    /// that cannot be is counted nowhere.
    ///
    /// # Safety
    ///
    /// As for [`Channel::write`].
    #[inline(always)]
    pub(crate) unsafe fn write_event(&self, id: u32, data: *const u8, len: usize) -> isize {
        if !self.has_event(id) {
            return EINVAL.to_errno() as isize;
        }
        let pinned = Pinned::new();
        let reserved = match self.fast.here(&pinned) {
            Some(store) => store
                .ring()
                .try_reserve_event(id, len as u64)
                .map(|slot| (store, slot)),
            None => None,
        };
        let Some((store, slot)) = reserved else {
            // SAFETY: As the caller promises.
            return unsafe { self.write_event_slow(pinned, id, data, len) };
        };
        // SAFETY: The slot is for `len` bytes, so `data` is valid.
        match unsafe { store.ring().publish_record(slot, data, len as u64) } {
            Added::Nothing => pinned.release_and_return(len as isize),
            Added::Look(now, pos) => {
                let store: *const Store = store;
                // SAFETY: This CPU's store, and the guard goes with it.
                unsafe { written_loudly(pinned, now, pos, len, store) }
            }
        }
    }

    /// Writes when the current sub-buffer has no room, and to channels of all kinds.
    ///
    /// # Safety
    ///
    /// As for [`Channel::write`].
    #[inline(never)]
    unsafe fn write_event_slow(
        &self,
        pinned: Pinned,
        id: u32,
        data: *const u8,
        len: usize,
    ) -> isize {
        let written = self.in_writable(&pinned, |store| {
            let committed = with_ring!(store, |ring| {
                reserve_event_in(store, ring, id, len as u64).map(|slot| {
                    // SAFETY: The slot is for `len` bytes, so `data` is valid.
                    let added = unsafe { ring.publish_record(slot, data, len as u64) };
                    ring.added(added, store)
                })
            })?;
            store.notify(committed);
            Ok(())
        });
        match written {
            Ok(()) => len as isize,
            Err(cause) => self.refuse(&pinned, cause, len).to_errno() as isize,
        }
    }

    /// Reserves event `id` with `len` bytes of fields. Any context.
    pub(crate) fn reserve_event<'a>(
        &'a self,
        pinned: &'a Pinned,
        id: u32,
        len: usize,
    ) -> Result<Reserved<'a>> {
        if !self.has_event(id) {
            return Err(EINVAL);
        }
        let reserved = self.in_writable(pinned, |store| {
            let slot = with_ring!(store, |ring| {
                reserve_event_in(store, ring, id, len as u64)
            })?;
            Ok(Reserved { store, slot })
        });
        reserved.map_err(|cause| self.refuse(pinned, cause, len))
    }
}

#[inline(always)]
fn reserve_event_in<R: Rmw>(
    store: &Store,
    ring: &Ring<R>,
    id: u32,
    len: u64,
) -> Result<Slot, Cause> {
    match ring.try_reserve_event(id, len) {
        Some(slot) => Ok(slot),
        None => reserve_slow(store, ring, id, len),
    }
}

#[cold]
#[inline(never)]
fn reserve_slow<R: Rmw>(store: &Store, ring: &Ring<R>, id: u32, len: u64) -> Result<Slot, Cause> {
    tell(store, ring.reserve_event_slow(id, len, store))
}
