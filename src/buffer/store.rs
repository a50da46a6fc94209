// SPDX-License-Identifier: GPL-2.0

//! What a buffer's writers write to: a ring, its memory, and how its kind is written.

use super::{Bell, Place, Shape};
use crate::bindings as local;
use crate::kind::{with_ring, Kind};
use crate::lock::{RawGuard, RawLock};
use crate::pages::Pages;
use crate::percpu::Pinned;
use crate::ring::{
    About, Committed, Geometry, Head, Hooks, Locked, Opened, Owner, Ring, Shared, Subbuf, Whole,
};
use core::sync::atomic::{AtomicUsize, Ordering};
use kernel::interrupt::LocalInterruptDisabled;
use kernel::page::PAGE_SIZE;
use kernel::prelude::*;
use kernel::sync::Arc;

/// A ring with its memory.
///
/// # Invariants
///
/// The ring is only written as [`with_ring!`] gives it, according to the kind.
#[pin_data]
pub(crate) struct Store {
    ring: Ring<Owner>,
    kind: Kind,
    #[pin]
    lock: RawLock,
    pages: Pages,
    /// The CPU whose ring it is; `None`: of all.
    cpu: Option<u32>,
    /// Mappings of all of it.
    mapped: AtomicUsize,
    bell: Arc<Bell>,
}

/// Bytes of meta pages in front of the data.
fn data_offset(geo: Geometry) -> usize {
    let subbufs = (geo.n_subbufs() as usize).wrapping_mul(size_of::<Subbuf>());
    // At most 2^18 sub-buffers: this does not wrap.
    let meta = size_of::<Head>().wrapping_add(subbufs);
    meta.wrapping_add(PAGE_SIZE.wrapping_sub(1)) & !PAGE_SIZE.wrapping_sub(1)
}

/// Pages of one store, meta and data. Does not wrap: a ring is at most 2^40 bytes.
pub(crate) fn page_count(geo: Geometry) -> usize {
    data_offset(geo).wrapping_add(geo.ring_size() as usize) / PAGE_SIZE
}

impl Store {
    pub(super) fn new(shape: Shape, place: Place, bell: Arc<Bell>) -> Result<Arc<Self>> {
        let geo = shape.spec.geo();
        let reserves = shape.spec.reserves();
        let data_offset = data_offset(geo);
        let pages = Pages::new(page_count(geo), place.node)?;
        let head = pages.base().cast::<Head>();
        // SAFETY: The meta pages are zeroed, ours alone, aligned and large enough.
        unsafe {
            (&raw mut (*head.as_ptr()).about).write(About {
                magic: local::RELAYFS_MAGIC,
                version: local::RELAYFS_META_VERSION,
                data_offset: data_offset as u64,
                subbuf_size: geo.subbuf_size(),
                n_subbufs: geo.n_subbufs() as u32,
                desc_size: size_of::<Subbuf>() as u32,
                cpu: place.cpu.unwrap_or(u32::MAX),
                flags: shape.flags,
                generation: 0,
                start_reserve: reserves.start,
                end_reserve: reserves.end,
                reserved: [0; 9],
            });
        }
        // SAFETY: Both are inside the pages.
        let (subbufs, data) = unsafe {
            (
                pages.base().add(size_of::<Head>()).cast::<Subbuf>(),
                pages.base().add(data_offset),
            )
        };
        // SAFETY: The memory is zeroed, large enough and lives as long as the store. Writers reach
        // a CPU's ring only through `PerCpu::here()`, that is on the CPU and pinned.
        let ring = unsafe { Ring::new(head, subbufs, data, shape.spec) };
        let kind = match (place.cpu, shape.locking) {
            (Some(_), false) => Kind::PerCpu,
            (None, false) => Kind::Global,
            (Some(_), true) => Kind::PerCpuLocked,
            (None, true) => Kind::GlobalLocked,
        };
        Arc::pin_init(
            pin_init!(Self {
                ring,
                kind,
                lock <- RawLock::new(),
                pages,
                cpu: place.cpu,
                mapped: AtomicUsize::new(0),
                bell,
            }),
            GFP_KERNEL,
        )
    }

    #[inline(always)]
    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    pub(crate) fn geo(&self) -> Geometry {
        self.ring.geometry()
    }

    /// The ring, for its readers and for writers on the owning CPU.
    #[inline(always)]
    pub(crate) fn ring(&self) -> &Ring<Owner> {
        &self.ring
    }

    /// The ring as writers of all CPUs use it.
    #[inline(always)]
    pub(crate) fn shared(&self) -> &Ring<Shared> {
        // SAFETY: The type parameter of `Ring`, which is `repr(C)`, chooses instructions only.
        unsafe { &*core::ptr::from_ref(&self.ring).cast() }
    }

    /// The ring as writers use it who hold the lock.
    pub(crate) fn locked(&self) -> &Ring<Locked> {
        // SAFETY: As above.
        unsafe { &*core::ptr::from_ref(&self.ring).cast() }
    }

    /// Keeps other CPUs from writing.
    pub(crate) fn lock<'a>(&'a self, irqs_off: &'a LocalInterruptDisabled) -> RawGuard<'a> {
        self.lock.lock(irqs_off)
    }

    pub(crate) fn cpu(&self) -> Option<u32> {
        self.cpu
    }

    pub(crate) fn pages(&self) -> &Pages {
        &self.pages
    }

    /// Tells sleeping readers, if there are any. Any context.
    #[inline(always)]
    pub(crate) fn notify(&self, committed: Committed) {
        if committed == Committed::Notify {
            self.notify_slow();
        }
    }

    #[cold]
    #[inline(never)]
    fn notify_slow(&self) {
        self.bell.written(|| self.ring.written_pos());
    }

    /// Tells sleeping readers of what there is, whatever their watermark. Any context.
    #[cold]
    pub(crate) fn urge(&self) {
        self.bell.urge(|from| self.ring.has_data_after(from));
    }

    /// Ends the current sub-buffer. On the owning CPU, if there is one.
    pub(crate) fn switch_here(&self) {
        // As all writers: or who preempts this could hold everybody up.
        let _pinned = Pinned::new();
        self.notify(with_ring!(self, |ring| ring.flush(self)));
    }

    /// Ends the current sub-buffer, and tells readers of what there is. On the owning CPU, if there is
    /// one.
    pub(crate) fn flush_here(&self) {
        self.switch_here();
        self.urge();
    }

    /// Whether readers who look at complete sub-buffers only miss something that a switch would show
    /// them.
    pub(crate) fn needs_switch(&self) -> bool {
        let waits = || self.ring.is_whole_only() && self.bell.is_waited_for();
        (self.is_mapped() || waits()) && self.ring.needs_flush()
    }

    /// Whether there is something that reads find only after a switch.
    pub(crate) fn holds_back(&self) -> bool {
        self.ring.is_whole_only() && self.ring.needs_flush()
    }

    /// All of it is mapped once more.
    pub(crate) fn mapped(&self) {
        self.mapped.fetch_add(1, Ordering::Relaxed);
    }

    /// A mapping of all of it went.
    pub(crate) fn unmapped(&self) {
        self.mapped.fetch_sub(1, Ordering::Relaxed);
    }

    pub(crate) fn is_mapped(&self) -> bool {
        self.mapped.load(Ordering::Relaxed) != 0
    }

    /// Throws away what was written so far. On the owning CPU, if there is one.
    pub(crate) fn reset_here(&self) {
        let _pinned = Pinned::new();
        self.notify(with_ring!(self, |ring| ring.reset(self)));
    }
}

/// Nothing is to be done at the turns of its sub-buffers.
impl Hooks for Store {
    fn opened(&self, _: &Opened) {}
    fn whole(&self, _: &Whole) {}
}
