// SPDX-License-Identifier: GPL-2.0

//! One ring, and all that belongs to it: its pages, its readers' place, and how they are told.

use crate::bindings as local;
use crate::channel::Hub;
use crate::kind::{with_ring, Kind};
use crate::lock::{RawGuard, RawLock};
use crate::pages::Pages;
use crate::percpu::Pinned;
use crate::reader::Position;
use crate::ring::{About, Committed, Geometry, Head, Locked, Owner, Ring, Shared, Spec, Subbuf};
use crate::wake::{OnSignal, Signal, WaitQueue};
use crate::watermark::{Watermark, Wish};
use core::sync::atomic::{AtomicUsize, Ordering};
use kernel::bindings;
use kernel::interrupt::LocalInterruptDisabled;
use kernel::page::PAGE_SIZE;
use kernel::prelude::*;
use kernel::sync::Arc;

/// What tells apart the buffers of a channel.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    /// The CPU it belongs to; `None`: all.
    pub(crate) cpu: Option<u32>,
    /// The memory node its pages are to come from.
    pub(crate) node: i32,
}

impl Place {
    /// Of a CPU, which must be possible.
    pub(crate) fn of_cpu(cpu: u32) -> Self {
        // SAFETY: Only looks up a number.
        let node = unsafe { local::relayfs_helper_cpu_to_node(cpu) };
        Self {
            cpu: Some(cpu),
            node,
        }
    }

    /// Of all CPUs.
    pub(crate) fn anywhere() -> Self {
        Self {
            cpu: None,
            node: bindings::NUMA_NO_NODE,
        }
    }
}

/// How a buffer is to be made.
#[derive(Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) spec: Spec,
    pub(crate) locking: bool,
    /// What is worth a wake-up, unless a descriptor says otherwise.
    pub(crate) watermark: Watermark,
    pub(crate) flags: u32,
}

/// One ring with all that belongs to it.
///
/// # Invariants
///
/// The ring is only written as [`with_ring!`] gives it, according to the kind.
#[pin_data(PinnedDrop)]
pub(crate) struct Buffer {
    ring: Ring<Owner>,
    place: Place,
    kind: Kind,
    #[pin]
    lock: RawLock,
    pub(crate) hub: Arc<Hub>,
    pages: Pages,
    #[pin]
    pub(crate) wait: WaitQueue,
    #[pin]
    signal: Signal<Buffer>,
    /// What those who wait wish for.
    pub(crate) wish: Wish,
    /// Mappings of all of it.
    pub(crate) mapped: AtomicUsize,
    /// The position all who consume share.
    #[pin]
    pub(crate) consumer: Position,
}

/// Bytes of meta pages in front of the data.
fn data_offset(geo: Geometry) -> usize {
    let subbufs = (geo.n_subbufs() as usize).wrapping_mul(size_of::<Subbuf>());
    // At most 2^18 sub-buffers: this does not wrap.
    let meta = size_of::<Head>().wrapping_add(subbufs);
    meta.wrapping_add(PAGE_SIZE.wrapping_sub(1)) & !PAGE_SIZE.wrapping_sub(1)
}

/// Pages of one buffer, meta and data. Does not wrap: a ring is at most 2^40 bytes.
pub(crate) fn page_count(geo: Geometry) -> usize {
    data_offset(geo).wrapping_add(geo.ring_size() as usize) / PAGE_SIZE
}

impl Buffer {
    pub(crate) fn new(shape: Shape, place: Place, hub: Arc<Hub>) -> Result<Arc<Self>> {
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
        // SAFETY: The memory is zeroed, large enough and lives as long as the buffer. Writers reach
        // a CPU's ring only through `PerCpu::here()`, that is on the CPU and pinned.
        let ring = unsafe { Ring::new(head, subbufs, data, shape.spec) };
        let kind = match (place.cpu, shape.locking) {
            (Some(_), false) => Kind::PerCpu,
            (None, false) => Kind::Global,
            (Some(_), true) => Kind::PerCpuLocked,
            (None, true) => Kind::GlobalLocked,
        };
        let buffer = Arc::pin_init(
            pin_init!(Self {
                ring,
                place,
                kind,
                lock <- RawLock::new(),
                hub,
                pages,
                wait <- WaitQueue::new(),
                signal <- Signal::new(),
                wish: Wish::new(),
                mapped: AtomicUsize::new(0),
                consumer <- Position::new(true),
            }),
            GFP_KERNEL,
        )?;
        // SAFETY: The signal is a field of the buffer, and nobody can raise it yet.
        unsafe { buffer.signal.set_owner(&*buffer) };
        Ok(buffer)
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

    pub(crate) fn place(&self) -> Place {
        self.place
    }

    pub(crate) fn hub(&self) -> &Hub {
        &self.hub
    }

    /// Its number among the buffers of its channel: that of its CPU.
    pub(crate) fn number(&self) -> u32 {
        self.place.cpu.unwrap_or(0)
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
        if self.wish.take_if_reached(|| self.ring.written_pos()) {
            self.signal.raise();
        }
    }

    /// Tells sleeping readers of what there is, whatever their watermark. Any context.
    #[cold]
    pub(crate) fn urge(&self) {
        if self.wish.take_if(|from| self.ring.has_data_after(from)) {
            self.wish.urge();
            self.signal.raise();
        }
    }

    /// Wakes pollers if there is something for them; others have a clock of their own. Says whether
    /// somebody goes on waiting. Not from NMI.
    pub(crate) fn tick(&self) -> bool {
        if !self.wish.is_there() || !self.has_sleeper() {
            return false;
        }
        let due = self.wish.take_if(|from| self.ring.has_data_after(from));
        if due {
            self.wake();
        }
        !due
    }

    /// So that a wish of who left does not wake who comes.
    pub(crate) fn forget_wish_if_nobody_waits(&self) {
        if self.wish.is_there() && !self.has_sleeper() {
            self.wish.forget();
            if self.has_sleeper() {
                self.wake();
            }
        }
    }

    fn has_sleeper(&self) -> bool {
        self.wait.has_sleeper() || self.hub.wait.has_sleeper()
    }

    /// Wakes all that wait for its data. Not from NMI.
    fn wake(&self) {
        if !self.has_sleeper() {
            return;
        }
        self.wish.count_wakeup();
        self.wait.wake_all();
        self.hub.wait.wake_all();
    }

    /// Ends the current sub-buffer. On the owning CPU, if there is one.
    pub(crate) fn switch_here(&self) {
        // As all writers: or who preempts this could hold everybody up.
        let _pinned = Pinned::new();
        self.notify(with_ring!(self, |ring| ring.flush()));
    }

    /// Ends the current sub-buffer, and tells readers of what there is. On the owning CPU, if there is
    /// one.
    pub(crate) fn flush_here(&self) {
        self.switch_here();
        self.urge();
    }

    /// Whether mapped readers miss something that a switch would show them.
    pub(crate) fn needs_switch(&self) -> bool {
        self.is_mapped() && self.ring.is_inside()
    }

    pub(crate) fn is_mapped(&self) -> bool {
        self.mapped.load(Ordering::Relaxed) != 0
    }

    /// Throws away what was written so far. On the owning CPU, if there is one.
    pub(crate) fn reset_here(&self) {
        let _pinned = Pinned::new();
        self.notify(with_ring!(self, |ring| ring.reset()));
    }
}

impl OnSignal for Buffer {
    fn on_signal(&self) {
        self.wake();
    }
}

#[pinned_drop]
impl PinnedDrop for Buffer {
    fn drop(self: Pin<&mut Self>) {
        // Before any field goes: a raised signal may still be about to use the wait queues.
        self.signal.sync();
    }
}
