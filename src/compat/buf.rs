// SPDX-License-Identifier: GPL-2.0

//! A buffer as a client of the kernel's relay knows it, and how that is written.

use super::bindings as c;
use super::pending::Context;
use super::starter::{Sizes, Starter};
use super::view::View;
use crate::buffer::{Buffer, Store};
use crate::channel::{on_owner, Channel};
use crate::kind::with_ring;
use crate::percpu::Pinned;
use crate::ring::{Cause, Ring, Rmw, Slot};
use core::ptr::NonNull;
use core::sync::atomic::Ordering;
use kernel::bindings;
use kernel::prelude::*;
use kernel::sync::{Arc, SetOnce};
use kernel::types::Opaque;

/// A buffer.
///
/// # Invariants
///
/// It is not moved, and dropped only when its channel is closed, or has not been opened.
#[repr(C)]
pub(super) struct Buf {
    // First: its address is that of the whole.
    c: Opaque<c::rchan_buf>,
    starter: Arc<Starter>,
    /// What it is of our own, once there is that.
    inner: SetOnce<Inner>,
}

// SAFETY: What C sees is atomic for us.
unsafe impl Send for Buf {}
// SAFETY: As above.
unsafe impl Sync for Buf {}

/// See [`Buf`].
pub(super) struct Inner {
    pub(super) channel: Arc<Channel>,
    pub(super) buffer: Arc<Buffer>,
    store: Arc<Store>,
}

impl Buf {
    /// `cpus`: how many may write to it.
    ///
    /// # Safety
    ///
    /// `chan` must be valid as long as the result is.
    pub(super) unsafe fn new(chan: *mut c::rchan, cpu: u32, cpus: usize) -> Result<KBox<Self>> {
        // SAFETY: As the caller promises.
        let (sizes, cb) = unsafe {
            let chan = &*chan;
            let sizes = Sizes {
                subbuf_size: chan.subbuf_size as u64,
                n_subbufs: chan.n_subbufs as u64,
            };
            (sizes, &*chan.cb)
        };
        let this = KBox::<Self>::new_uninit(GFP_KERNEL)?;
        // SAFETY: It is the address of the field.
        let c = unsafe { Opaque::cast_into(&raw const (*this.as_ptr()).c) };
        // INVARIANT: The box keeps it where it is.
        // SAFETY: Valid as long as the buffer, which as its invariants say outlives all use of this.
        let view = unsafe { View::new(NonNull::new(c).ok_or(EINVAL)?) };
        let starter = Arc::new(
            Starter::new(view, sizes, cb.subbuf_start, cpus)?,
            GFP_KERNEL,
        )?;
        let seen = c::rchan_buf {
            start: starter.scratch(),
            data: starter.scratch(),
            chan,
            padding: starter.padding(),
            cpu,
            ..c::rchan_buf::default()
        };
        let this = this.write(Self {
            c: Opaque::new(seen),
            starter,
            inner: SetOnce::new(),
        });
        Ok(this)
    }

    pub(super) fn as_ptr(&self) -> *mut c::rchan_buf {
        self.c.get()
    }

    /// # Safety
    ///
    /// `buf` must be one of ours, as long as the result is used.
    pub(super) unsafe fn from_ptr<'a>(buf: *const c::rchan_buf) -> &'a Self {
        // SAFETY: As the caller promises; it is the first field.
        unsafe { &*buf.cast::<Self>() }
    }

    pub(super) fn starter(&self) -> &Starter {
        &self.starter
    }

    pub(super) fn inner(&self) -> Option<&Inner> {
        self.inner.as_ref()
    }

    /// Makes it the buffer `index` of `channel`, if there is that, and nobody writes to that yet.
    pub(super) fn join(&self, channel: &Arc<Channel>, index: usize) {
        let (Some(buffer), None) = (channel.buffers().get(index), self.inner()) else {
            return;
        };
        let store = buffer.current();
        let start = store.ring().address(0).cast();
        let view = self.starter.view();
        view.start().store(start, Ordering::Relaxed);
        view.data().store(start, Ordering::Relaxed);
        store.set_turns(self.starter.clone());
        self.inner.populate(Inner {
            channel: channel.clone(),
            buffer: buffer.clone(),
            store,
        });
    }

    /// Writes one record, or counts that it was not.
    ///
    /// # Safety
    ///
    /// If `len` is not more than the channel's sub-buffers take, `data` must be valid for reads of it.
    pub(super) unsafe fn write(&self, pinned: &Pinned, data: *const u8, len: usize) {
        let context = Context::current();
        let result = self.with_store(&context, |store| {
            with_ring!(store, |ring| {
                self.starter.pending.settle(store, ring, &context);
                self.reserve_in(store, ring, len).map(|slot| {
                    // SAFETY: The slot is `len` bytes long, so `data` is valid.
                    let added = unsafe { ring.publish(slot, data) };
                    store.notify(ring.added(added, store));
                })
            })
        });
        if let Err(cause) = result {
            self.refuse(pinned, cause, len);
        }
    }

    /// Reserves space, to be committed when it is known to be filled. With `len` being 0, only says
    /// where that will be.
    pub(super) fn reserve(&self, pinned: &Pinned, len: usize) -> *mut u8 {
        let context = Context::current();
        let result = self.with_store(&context, |store| {
            with_ring!(store, |ring| {
                self.starter.pending.settle(store, ring, &context);
                if len == 0 {
                    let (place, committed) = ring.next_record(store);
                    store.notify(committed);
                    return place.map(|(pos, _)| ring.address(pos));
                }
                let slot = self.reserve_in(store, ring, len)?;
                let at = ring.address(slot.pos);
                self.starter.pending.keep(slot, &context).map_or_else(
                    |slot| {
                        // Does not happen: its place was settled just now.
                        store.notify(ring.discard(slot, store));
                        Err(Cause::Nested)
                    },
                    |()| Ok(at),
                )
            })
        });
        result.unwrap_or_else(|cause| {
            if len != 0 {
                self.refuse(pinned, cause, len);
            }
            core::ptr::null_mut()
        })
    }

    /// Ends the current sub-buffer and asks for the next. Says whether that has room for `len`.
    pub(super) fn switch(&self, pinned: &Pinned, len: usize) -> bool {
        let context = Context::current();
        let result = self.with_store(&context, |store| {
            with_ring!(store, |ring| {
                self.starter.pending.settle(store, ring, &context);
                if len as u64 > ring.max_record() {
                    return Err(Cause::TooBig);
                }
                store.notify(ring.flush(store));
                let (place, committed) = ring.next_record(store);
                store.notify(committed);
                place.map(|_| ())
            })
        });
        if let Err(cause) = result {
            self.refuse(pinned, cause, len);
        }
        result.is_ok()
    }

    /// Does `f` with what it is written to, if `context` may write.
    fn with_store<T>(
        &self,
        context: &Context,
        f: impl FnOnce(&Store) -> Result<T, Cause>,
    ) -> Result<T, Cause> {
        let inner = self.inner().ok_or(Cause::NoBuffer)?;
        if context.is_nmi() {
            return Err(Cause::Nmi);
        }
        if self.starter.is_asking_here() {
            return Err(Cause::Nested);
        }
        f(&inner.store)
    }

    /// Reserves in the current sub-buffer, or ends that and reserves in the next.
    fn reserve_in<R: Rmw>(&self, store: &Store, ring: &Ring<R>, len: usize) -> Result<Slot, Cause> {
        let slot = match ring.try_reserve(len as u64) {
            Some(slot) => slot,
            None => self.reserve_slow(store, ring, len as u64)?,
        };
        let offset = ring.geometry().offset(slot.pos);
        self.starter.wrote_to(offset.wrapping_add(slot.len));
        Ok(slot)
    }

    #[cold]
    #[inline(never)]
    fn reserve_slow<R: Rmw>(&self, store: &Store, ring: &Ring<R>, len: u64) -> Result<Slot, Cause> {
        if len <= ring.max_record() {
            // The client is asked about the next sub-buffer when this one has ended, whatever it says.
            store.notify(ring.flush(store));
        }
        let (slot, committed) = ring.reserve_slow(len, store);
        store.notify(committed);
        if let Err(Cause::Full) = slot {
            self.starter.was_full();
            store.urge();
        }
        slot
    }

    /// Counts a record that was not written.
    #[cold]
    fn refuse(&self, pinned: &Pinned, cause: Cause, len: usize) {
        let view = self.starter.view();
        let count = match cause {
            Cause::Full => view.full(),
            Cause::TooBig => view.too_big(),
            _ => view.lost(),
        };
        count.fetch_add(1, Ordering::Relaxed);
        if let Some(inner) = self.inner() {
            inner.channel.refuse(pinned, cause, len);
        }
    }

    /// Ends the current sub-buffer. Of a channel with one buffer: any context but NMI; else where the
    /// buffer is written.
    fn flush_here(&self, store: &Store) {
        let _pinned = Pinned::new();
        let context = Context::current();
        if context.is_nmi() || self.starter.is_asking_here() {
            return;
        }
        with_ring!(store, |ring| {
            self.starter.pending.settle(store, ring, &context);
            store.notify(ring.flush(store));
        });
        store.urge();
    }

    /// Ends the current sub-buffer. Process context, unless it is the only buffer.
    pub(super) fn flush(&self) {
        if let Some(inner) = self.inner() {
            on_owner(&inner.store, |store| self.flush_here(store));
        }
    }

    /// Whether something was reserved that is not committed.
    pub(super) fn is_pending(&self) -> bool {
        self.starter.pending.is_there()
    }

    /// Commits what was reserved up to a ticket, which is filled. Process context.
    pub(super) fn settle_up_to(&self, newest: u64) {
        if let Some(inner) = self.inner() {
            self.starter.settle_up_to(&inner.store, newest);
        }
    }

    /// Commits all that was reserved: the client says that it writes no more. Process context.
    pub(super) fn settle_all(&self) {
        self.settle_up_to(u64::MAX);
    }

    /// It was reset: the client begins anew. Process context.
    pub(super) fn begin_anew(&self) {
        if let Some(inner) = self.inner() {
            on_owner(&inner.store, |store| {
                let _pinned = Pinned::new();
                with_ring!(store, |_ring| self.starter.begin_anew(store));
            });
        }
    }

    /// Brings the client's counts up to date, and says whether they mean full. Any context.
    pub(super) fn is_full(&self) -> bool {
        match self.inner() {
            Some(inner) => self.starter.look(&inner.store),
            None => false,
        }
    }

    /// `n` more sub-buffers were consumed. Any context but NMI.
    pub(super) fn report_consumed(&self, n: usize) {
        let Some(inner) = self.inner() else {
            return;
        };
        let seq = self.starter.report_consumed(&inner.store, n as u64);
        // SAFETY: No conditions.
        if unsafe { crate::bindings::relayfs_helper_may_sleep() } {
            let pos = inner.store.geo().start(seq);
            inner.buffer.consume_to(pos);
        }
    }

    /// Gives the file that create_buf_file() returned.
    ///
    /// # Safety
    ///
    /// Nobody else may do so, or look.
    pub(super) unsafe fn set_dentry(&self, dentry: *mut bindings::dentry) {
        // SAFETY: As the caller promises.
        unsafe { (*self.c.get()).dentry = dentry };
    }

    /// The file, if it has one that has a name.
    pub(super) fn dentry(&self) -> *mut bindings::dentry {
        // SAFETY: Set before it was shared.
        unsafe { (*self.c.get()).dentry }
    }
}
