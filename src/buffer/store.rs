// SPDX-License-Identifier: GPL-2.0

//! What a buffer's writers write to: a ring, its memory, and how its kind is written.

use super::{Bell, Place, Shape};
use crate::bindings as local;
use crate::kind::{with_ring, Kind};
use crate::lock::Section;
use crate::pages::Pages;
use crate::percpu::Pinned;
use crate::ring::{
    About, Committed, Delivery, Geometry, Head, Hooks, Locked, Opened, Owner, Ring, Shared, Subbuf,
    Whole,
};
use crate::watermark::Watermark;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicPtr, AtomicU64, AtomicUsize, Ordering};
use kernel::interrupt::LocalInterruptDisabled;
use kernel::page::PAGE_SIZE;
use kernel::prelude::*;
use kernel::sync::{Arc, SetOnce, UniqueArc};

/// A ring with its memory.
///
/// # Invariants
///
/// The ring is only written as [`with_ring!`] gives it, according to the kind.
#[pin_data]
pub(crate) struct Store {
    ring: Ring<Owner>,
    kind: Kind,
    /// Which commits are worth a look, if no descriptor says otherwise.
    usual: Delivery,
    pages: Pages,
    /// The data is in memory of the client's, and not behind the meta pages.
    lent: bool,
    /// The copy of it that is to be read instead.
    copy: SetOnce<Arc<Store>>,
    /// The CPU whose ring it is; `None`: of all.
    cpu: Option<u32>,
    /// Its number among those its buffer has had.
    generation: AtomicU64,
    /// What is written to after it; null as long as that is itself.
    next: AtomicPtr<Store>,
    /// Mappings of all of it.
    mapped: AtomicUsize,
    bell: Arc<Bell>,
    turns: SetOnce<Arc<dyn Turns>>,
}

/// What a store's owner does at the turns of its sub-buffers, as [`Hooks`], and with what it has not
/// committed yet.
pub(crate) trait Turns: Send + Sync {
    /// Whether the next sub-buffer may be entered.
    fn may_enter(&self, store: &Store) -> bool;
    fn opened(&self, store: &Store, opened: &Opened);
    fn whole(&self, store: &Store, whole: &Whole);
    /// Whether there is something for readers that has to be settled first. Any context.
    fn is_pending(&self) -> bool;
    /// Settles that. Process context; sleeps.
    fn settle(&self, store: &Store);
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

/// Memory of the client's for the data of a store.
///
/// # Invariants
///
/// It is as long as the data and aligned to [`LENT_ALIGN`]; nobody else uses it from when the store is
/// made to when [`Buffer::give_back()`](super::Buffer::give_back) or the channel's end has returned, which
/// leaves nothing there to be read.
#[derive(Clone, Copy)]
pub(crate) struct Lent(NonNull<u8>);

// SAFETY: An address; what is there is synchronised by the ring.
unsafe impl Send for Lent {}
// SAFETY: As above.
unsafe impl Sync for Lent {}

/// How memory must be aligned.
pub(crate) const LENT_ALIGN: usize = 64;

impl Lent {
    /// # Safety
    ///
    /// It must satisfy the type invariants.
    pub(crate) unsafe fn new(at: NonNull<u8>) -> Self {
        // INVARIANT: As the caller promises.
        Self(at)
    }
}

impl Store {
    pub(super) fn new(
        shape: Shape,
        place: Place,
        bell: Arc<Bell>,
        lent: Option<Lent>,
    ) -> Result<Arc<Self>> {
        Ok(Self::new_unshared(shape, place, bell, lent)?.into())
    }

    /// One that nobody has yet.
    pub(super) fn new_unshared(
        shape: Shape,
        place: Place,
        bell: Arc<Bell>,
        lent: Option<Lent>,
    ) -> Result<Pin<UniqueArc<Self>>> {
        let spec = shape.spec.of_cpu(place.cpu.unwrap_or(u32::MAX));
        let (geo, reserves) = (spec.geo(), spec.reserves());
        let data_offset = data_offset(geo);
        let pages = Pages::new(
            match lent {
                None => page_count(geo),
                Some(_) => data_offset / PAGE_SIZE,
            },
            place.node,
        )?;
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
        // SAFETY: Inside the pages.
        let subbufs = unsafe { pages.base().add(size_of::<Head>()).cast::<Subbuf>() };
        let data = match lent {
            // SAFETY: Inside the pages.
            None => unsafe { pages.base().add(data_offset) },
            Some(lent) => lent.0,
        };
        // SAFETY: The meta pages are zeroed, all is large enough and lives as long as the store. Writers reach
        // a CPU's ring only through `PerCpu::here()`, that is on the CPU and pinned.
        let ring = unsafe { Ring::new(head, subbufs, data, spec) };
        let kind = match (place.cpu, shape.locking) {
            (Some(_), false) => Kind::PerCpu,
            (None, false) => Kind::Global,
            (Some(_), true) => Kind::PerCpuLocked,
            (None, true) => Kind::GlobalLocked,
        };
        UniqueArc::pin_init(
            pin_init!(Self {
                ring,
                kind,
                usual: shape.spec.delivery(),
                pages,
                lent: lent.is_some(),
                copy: SetOnce::new(),
                cpu: place.cpu,
                generation: AtomicU64::new(0),
                next: AtomicPtr::new(core::ptr::null_mut()),
                mapped: AtomicUsize::new(0),
                bell,
                turns: SetOnce::new(),
            }),
            GFP_KERNEL,
        )
    }

    /// Says who is to be asked at the turns. Once, before anybody writes.
    pub(crate) fn set_turns(&self, turns: Arc<dyn Turns>) {
        self.turns.populate(turns);
    }

    /// Whether its owner has something for readers that has to be settled first.
    pub(crate) fn is_pending(&self) -> bool {
        self.turns.as_ref().is_some_and(|turns| turns.is_pending())
    }

    /// Settles that. Process context; sleeps.
    pub(crate) fn settle(&self) {
        match self.turns.as_ref() {
            Some(turns) if turns.is_pending() => turns.settle(self),
            _ => {}
        }
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
    pub(crate) fn lock<'a>(&'a self, irqs_off: &'a LocalInterruptDisabled) -> Section<'a> {
        self.bell.section.lock(irqs_off)
    }

    /// Changes which commits are worth a look: those that may reach a watermark of `lowest` bytes, if
    /// not more. Writers that are at work may not know it yet.
    pub(crate) fn heed_watermark(&self, lowest: u64) {
        self.ring.set_delivery(match self.usual {
            Delivery::Bulk => Watermark::Bytes(lowest).delivery(self.geo()),
            Delivery::Packet => Delivery::Packet,
        });
    }

    /// The position at which a reader that has come to `from` is due.
    pub(super) fn target(&self, watermark: Watermark, from: u64) -> u64 {
        let (geo, from) = (self.geo(), self.ring.after_padding(from));
        self.ring
            .readable_at(watermark.within(geo).target(from, geo))
    }

    /// Its number among those its buffer has had.
    pub(crate) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Relaxed)
    }

    /// Gives it its number. Nobody uses it yet.
    pub(crate) fn set_generation(&self, generation: u64) {
        self.generation.store(generation, Ordering::Relaxed);
        self.show_generation(generation);
    }

    /// Lets those who have mapped it see the number of what is written to.
    pub(super) fn show_generation(&self, generation: u64) {
        let head = self.pages.base().cast::<Head>();
        // SAFETY: The head is in the pages, and from now on nobody but this writes the word.
        let word = unsafe { AtomicU64::from_ptr(&raw mut (*head.as_ptr()).about.generation) };
        // ORDERING: generation:A
        word.store(generation, Ordering::Release);
    }

    /// Ends it: whoever finds that goes on with `next`, which begins where this ends. On the owning
    /// CPU, if there is one.
    ///
    /// # Safety
    ///
    /// `next` must live as long as anybody may write to this.
    pub(crate) unsafe fn give_way_to(&self, next: &Self) {
        // ORDERING: next:A: the ring's end, which comes after, is what writers look for.
        self.next
            .store(core::ptr::from_ref(next).cast_mut(), Ordering::Release);
        let ready = |end| next.ring.start_at(end);
        self.notify(with_ring!(self, |ring| ring.retire(self, ready)));
    }

    /// What is written to after it, for a writer that has found it closed.
    pub(crate) fn next(&self) -> Option<&Self> {
        // ORDERING: next:B
        // SAFETY: As promised to `give_way_to()`.
        unsafe { self.next.load(Ordering::Acquire).as_ref() }
    }

    pub(crate) fn cpu(&self) -> Option<u32> {
        self.cpu
    }

    pub(crate) fn pages(&self) -> &Pages {
        &self.pages
    }

    /// Whether the data is in memory of the client's.
    pub(crate) fn is_lent(&self) -> bool {
        self.lent
    }

    /// The copy of it that is to be read instead.
    pub(crate) fn copy(&self) -> Option<&Arc<Self>> {
        self.copy.as_ref()
    }

    /// From now on `copy`, which becomes one, is to be read instead.
    ///
    /// # Safety
    ///
    /// Nobody may be reading, and nobody write any more.
    pub(super) unsafe fn move_to(&self, mut copy: Pin<UniqueArc<Self>>) -> Arc<Self> {
        copy.set_generation(self.generation());
        // SAFETY: The ring is not pinned. That nobody is at work in the old one is promised; it holds
        // what it held, and readers who are in it find the copy.
        unsafe {
            let ring = &mut copy.as_mut().get_unchecked_mut().ring;
            let done = ring.become_copy_of(&self.ring);
            debug_assert!(done);
        }
        let copy = Arc::from(copy);
        self.copy.populate(copy.clone());
        copy
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

    /// A record was refused for want of room. Any context.
    pub(crate) fn refused(&self) {
        self.bell.refused();
    }

    /// A sub-buffer was begun. Any context.
    pub(crate) fn has_room(&self) {
        self.bell.has_room();
    }

    /// Tells sleeping readers of what there is here, whatever their watermark. Any context.
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

    /// Whether readers who look at complete sub-buffers only miss something that a switch would show
    /// them. A consumer that `has_page`, and is alone, does not while it is far behind.
    pub(crate) fn needs_switch(&self, has_page: bool) -> bool {
        let waits = || self.ring.is_whole_only() && self.bell.is_waited_for();
        let mappings = self.mapped.load(Ordering::Relaxed);
        let is_behind = || has_page && mappings == 1 && self.ring.is_crowded();
        ((mappings != 0 && !is_behind()) || waits()) && self.ring.needs_flush()
    }

    /// Whether there is something that reads find only after a switch.
    pub(crate) fn holds_back(&self) -> bool {
        (self.ring.is_whole_only() && self.ring.needs_flush()) || self.is_pending()
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

/// The client is told of the turns of sub-buffers; or its owner acts on them.
impl Hooks for Store {
    fn may_enter(&self, _seq: u64, full: bool) -> bool {
        match self.turns.as_ref() {
            Some(turns) => turns.may_enter(self),
            None => !full,
        }
    }

    fn opened(&self, opened: &Opened) {
        let unread = self.ring.unread_subbufs(opened.seq);
        self.bell.hub().resizer.heed_fill(unread, self.geo());
        if let Some(turns) = self.turns.as_ref() {
            return turns.opened(self, opened);
        }
        let Opened { seq, begin, start } = *opened;
        let subbuf = local::relay_subbuf {
            seq,
            begin,
            start: start.at.cast(),
            // Reserves are shorter than a sub-buffer.
            start_len: start.len as u32,
            end_len: self.ring.end_reserve(),
            cpu: self.cpu.unwrap_or(local::RELAY_CPU_NONE),
            ..Default::default()
        };
        // SAFETY: Who writes, or ends a sub-buffer, is pinned. The reserve is this context's.
        unsafe { self.bell.hub().callbacks.buffer_start(&subbuf) };
    }

    fn whole(&self, whole: &Whole) {
        self.bell
            .delivered
            .up_to(self.geo().start(whole.seq.wrapping_add(1)));
        if let Some(turns) = self.turns.as_ref() {
            return turns.whole(self, whole);
        }
        let subbuf = local::relay_subbuf {
            seq: whole.seq,
            begin: whole.begin,
            end: whole.end,
            start: whole.start.at.cast(),
            start_len: whole.start.len as u32,
            end_len: whole.tail.len as u32,
            end_reserve: whole.tail.at.cast(),
            len: whole.data_len as u32,
            records: whole.records as u32,
            cpu: self.cpu.unwrap_or(local::RELAY_CPU_NONE),
            padding: whole.padding as u32,
        };
        // SAFETY: As above.
        unsafe { self.bell.hub().callbacks.buffer_end(&subbuf) };
    }
}
