// SPDX-License-Identifier: GPL-2.0

//! Writing: the straight line of lock-free per-CPU channels, and the way of all others.
//!
//! The pointers in `Channel::fast` lead to rings that may be written without further ado. Where one is
//! null the channel is of another kind, or this CPU has no buffer: so the one test that is needed
//! anyway keeps the straight line free of all others.

use super::config::Usage;
use super::Channel;
use crate::buffer::{Buffer, Store};
use crate::kind::{with_ring, Kind};
use crate::lock;
use crate::percpu::Pinned;
use crate::ring::{Added, Cause, Committed, Ring, Rmw, Slot, LONG_COPY, WORD};
use kernel::bindings;
use kernel::cpu::CpuId;
use kernel::interrupt::local_interrupt_disable;
use kernel::prelude::*;
use kernel::sync::Arc;

/// Space reserved in a channel.
pub(crate) struct Reserved<'a> {
    pub(crate) store: &'a Store,
    pub(crate) slot: Slot,
}

impl Channel {
    /// Writes one record of `len` bytes: `len`, or a negative errno, in one register as C wants it.
    /// Any context. A length that cannot be is refused before `data` is looked at.
    ///
    /// The straight line is for records of common length. What is seldom taken is called last, so that
    /// the compiler need not save registers for it.
    ///
    /// # Safety
    ///
    /// If `len` is at most the longest record, `data` must be valid for reads of `len` bytes.
    #[inline(always)]
    pub(crate) unsafe fn write(&self, data: *const u8, len: usize) -> isize {
        let pinned = Pinned::new();
        // SAFETY: As the caller promises.
        unsafe {
            if len.wrapping_sub(WORD) < LONG_COPY - WORD {
                self.write_fast(pinned, data, len)
            } else {
                self.write_any_length(pinned, data, len)
            }
        }
    }

    /// # Safety
    ///
    /// As for [`Channel::write`].
    #[inline(never)]
    unsafe fn write_any_length(&self, pinned: Pinned, data: *const u8, len: usize) -> isize {
        // SAFETY: As the caller promises.
        unsafe { self.write_fast(pinned, data, len) }
    }

    /// Writes to the lock-free buffer of this CPU, if there is one and it has room.
    ///
    /// # Safety
    ///
    /// As for [`Channel::write`].
    #[inline(always)]
    unsafe fn write_fast(&self, pinned: Pinned, data: *const u8, len: usize) -> isize {
        let Some(store) = self.fast.here(&pinned) else {
            // SAFETY: As the caller promises.
            return unsafe { self.write_slow(pinned, data, len) };
        };
        let Some(slot) = store.ring().try_reserve(len as u64) else {
            // SAFETY: As the caller promises.
            return unsafe { self.write_slow(pinned, data, len) };
        };
        // SAFETY: The slot is `len` bytes long, so `data` is valid.
        match unsafe { store.ring().publish(slot, data) } {
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
    unsafe fn write_slow(&self, pinned: Pinned, data: *const u8, len: usize) -> isize {
        if let Err(error) = self.check_takes_bytes() {
            return error.to_errno() as isize;
        }
        // SAFETY: As the caller promises.
        match unsafe { self.try_write(&pinned, data, len) } {
            Ok(()) => len as isize,
            Err(cause) => self.refuse(&pinned, cause, len).to_errno() as isize,
        }
    }

    /// Writes one record. A failure is not counted yet.
    ///
    /// # Safety
    ///
    /// As for [`Channel::write`].
    #[inline(always)]
    pub(super) unsafe fn try_write(
        &self,
        pinned: &Pinned,
        data: *const u8,
        len: usize,
    ) -> Result<(), Cause> {
        if len == 0 {
            return Ok(());
        }
        self.in_writable(pinned, |store| {
            let committed = with_ring!(store, |ring| {
                // SAFETY: As the caller promises.
                unsafe { write_to(store, ring, data, len) }
            })?;
            store.notify(committed);
            Ok(())
        })
    }

    /// Reserves `len` bytes in the lock-free buffer of this CPU, if there is one and it has room.
    #[inline(always)]
    pub(crate) fn try_reserve_fast<'a>(
        &'a self,
        pinned: &'a Pinned,
        len: usize,
    ) -> Option<Reserved<'a>> {
        let store = self.fast.here(pinned)?;
        let ring = store.ring();
        let slot = ring.try_reserve(ring.discardable_len(len as u64))?;
        Some(Reserved { store, slot })
    }

    /// Reserves `len` (not 0) bytes for a record. Any context.
    pub(crate) fn reserve<'a>(&'a self, pinned: &'a Pinned, len: usize) -> Result<Reserved<'a>> {
        self.check_takes_bytes()?;
        let reserved = self.in_writable(pinned, |store| {
            let slot = with_ring!(store, |ring| {
                let len = ring.discardable_record_len(len as u64);
                reserve_in(store, ring, len)
            })?;
            Ok(Reserved { store, slot })
        });
        reserved.map_err(|cause| self.refuse(pinned, cause, len))
    }

    /// Does `attempt` with what this context may write to, and with what follows that if it ended
    /// meanwhile. Each follows the other within one resize, so there are two at most.
    #[inline(always)]
    pub(super) fn in_writable<'a, T>(
        &'a self,
        pinned: &'a Pinned,
        mut attempt: impl FnMut(&'a Store) -> Result<T, Cause>,
    ) -> Result<T, Cause> {
        let mut store = self.writable(pinned)?;
        loop {
            match (attempt(store), store.next()) {
                (Err(Cause::Closed), Some(next)) => store = next,
                (result, _) => return result,
            }
        }
    }

    /// Keeps others from writing, if the scheme is locking, until `unlock()`. Any context but NMI.
    pub(crate) fn lock(&self) {
        if self.config.shape.locking {
            let irqs_off = local_interrupt_disable();
            if let Some(buffer) = self.shared_buffer() {
                buffer.bell().section.enter(&irqs_off);
            }
            // Turned on again in `unlock()`.
            core::mem::forget(irqs_off);
        }
    }

    /// Lets others write again.
    ///
    /// # Safety
    ///
    /// `lock()` must have been called in this context, and not have been undone.
    pub(crate) unsafe fn unlock(&self) {
        if self.config.shape.locking {
            // SAFETY: As the caller promises: entered by `lock()`, which turned interrupts off.
            unsafe {
                if let Some(buffer) = self.shared_buffer() {
                    buffer.bell().section.leave();
                }
                bindings::local_interrupt_enable();
            }
        }
    }

    /// The one buffer of a global channel.
    fn shared_buffer(&self) -> Option<&Arc<Buffer>> {
        match self.config.usage {
            Usage::Global => self.buffers.get(0),
            Usage::Smp => None,
        }
    }

    /// What this context may write to.
    #[inline(always)]
    pub(super) fn writable<'a>(&'a self, pinned: &'a Pinned) -> Result<&'a Store, Cause> {
        match self.here.here(pinned) {
            Some(store) if store.kind().is_locking() && lock::in_nmi() => Err(Cause::Nmi),
            Some(store) => Ok(store),
            None if self.hub.is_closed() => Err(Cause::Closed),
            None => Err(Cause::NoBuffer),
        }
    }

    /// Counts a record that was not written. The errno its writer gets.
    #[cold]
    #[inline(never)]
    pub(crate) fn refuse(&self, pinned: &Pinned, cause: Cause, len: usize) -> Error {
        let store = self.here.here(pinned);
        if let (Some(store), Cause::Full) = (store, cause) {
            store.refused();
        }
        match store {
            Some(store) => match store.kind() {
                // Atomic on its own, as no lock can be taken to count a refusal of an NMI.
                Kind::Global | Kind::GlobalLocked => store.shared().count_lost(cause, len as u64),
                Kind::PerCpu | Kind::PerCpuLocked => store.ring().count_lost(cause, len as u64),
            },
            None => self.buffers.count_refused(CpuId::current(), len as u64),
        }
        errno(cause)
    }
}

/// # Safety
///
/// As for [`Channel::write`].
#[inline(always)]
unsafe fn write_to<R: Rmw>(
    store: &Store,
    ring: &Ring<R>,
    data: *const u8,
    len: usize,
) -> Result<Committed, Cause> {
    let slot = reserve_in(store, ring, len as u64)?;
    // SAFETY: The slot is `len` bytes long, so `data` is valid.
    let added = unsafe { ring.publish_record(slot, data, len as u64) };
    Ok(ring.added(added, store))
}

#[inline(always)]
pub(super) fn reserve_in<R: Rmw>(store: &Store, ring: &Ring<R>, len: u64) -> Result<Slot, Cause> {
    match ring.try_reserve(len) {
        Some(slot) => Ok(slot),
        None => reserve_slow(store, ring, len),
    }
}

#[cold]
#[inline(never)]
fn reserve_slow<R: Rmw>(store: &Store, ring: &Ring<R>, len: u64) -> Result<Slot, Cause> {
    tell(store, ring.reserve_slow(len, store))
}

/// Tells readers of what came of the search for room.
pub(super) fn tell(store: &Store, found: (Result<Slot, Cause>, Committed)) -> Result<Slot, Cause> {
    let (slot, committed) = found;
    store.notify(committed);
    match slot {
        Ok(_) => store.has_room(),
        Err(Cause::Full) => store.urge(),
        Err(_) => {}
    }
    slot
}

/// Ends a write that may have made a sub-buffer whole, or of which readers may want to know. The store
/// comes last, so that on the straight line it is in a register nobody else needs.
///
/// # Safety
///
/// `store` must be what the record was written to, found with `pinned`.
#[cold]
#[inline(never)]
pub(super) unsafe fn written_loudly(
    pinned: Pinned,
    now: u64,
    pos: u64,
    len: usize,
    store: *const Store,
) -> isize {
    // SAFETY: As the caller promises.
    let store = unsafe { &*store };
    store.notify(store.ring().added(Added::Look(now, pos), store));
    pinned.release_and_return(len as isize)
}

/// The errno a writer gets.
pub(super) fn errno(cause: Cause) -> Error {
    match cause {
        Cause::Full => ENOSPC,
        Cause::TooBig => EMSGSIZE,
        Cause::Nested | Cause::Held => EBUSY,
        Cause::Closed => ESHUTDOWN,
        Cause::NoBuffer => ENOBUFS,
        Cause::Nmi => EAGAIN,
    }
}
