// SPDX-License-Identifier: GPL-2.0

//! The stores of a buffer: the one that is written to, and those before that are still to be read.

use super::{Buffer, ConsumerPage, Shape, Store};
use crate::reader::Place;
use crate::ring::{Count, Cursor, Progress, Stats};
use crate::watermark::Watermark;
use core::cmp;
use core::sync::atomic::Ordering;
use kernel::prelude::*;
use kernel::sync::{Arc, UniqueArc};

/// So many are kept besides the one that is written to: as many as it takes to get, each time with
/// twice as many, from 2 sub-buffers to the most there can be.
const KEPT: usize = 17;

/// Where a buffer's data is.
pub(super) struct Stores {
    /// What is written to.
    pub(super) current: Arc<Store>,
    old: Old,
    /// Nobody writes any more to the newest of these: what is in it is all there will be.
    complete: bool,
    gone: Gone,
    /// What a consumer says that has mapped it.
    pub(super) page: Option<Arc<ConsumerPage>>,
}

/// What was counted in stores that are gone, but for what readers did.
#[derive(Clone, Copy, Default)]
struct Gone {
    stats: Stats,
    /// Complete sub-buffers.
    subbufs: u64,
    /// Bytes in the largest sub-buffer they had: a reader may be in one.
    subbuf_size: u64,
}

/// What was written to before, until the consumer has left it: oldest first, without a gap, and the
/// newest is the one before the present one.
#[derive(Clone, Default)]
struct Old([Option<Arc<Store>>; KEPT]);

impl Old {
    fn iter(&self) -> impl Iterator<Item = &Arc<Store>> {
        self.0.iter().flatten()
    }

    /// These and, behind them, `newer`.
    fn and<'a>(
        &'a self,
        newer: impl IntoIterator<Item = &'a Arc<Store>>,
    ) -> impl Iterator<Item = &'a Arc<Store>> {
        Iterator::chain(self.iter(), newer)
    }

    fn is_full(&self) -> bool {
        self.0.iter().all(Option::is_some)
    }

    /// There must be room.
    fn push(&mut self, store: Arc<Store>) {
        if let Some(place) = self.0.iter_mut().find(|place| place.is_none()) {
            *place = Some(store);
        }
    }

    /// Takes out the oldest.
    fn pop(&mut self) -> Option<Arc<Store>> {
        self.0.rotate_left(1);
        self.0.last_mut()?.take()
    }

    /// Puts `new` where `old` is, and gives that.
    fn exchange(&mut self, old: &Arc<Store>, new: Arc<Store>) -> Option<Arc<Store>> {
        let mut stores = self.0.iter_mut().flatten();
        let place = stores.find(|store| Arc::ptr_eq(store, old))?;
        Some(core::mem::replace(place, new))
    }
}

/// A look at a buffer's stores.
struct Look {
    current: Arc<Store>,
    old: Old,
    gone: Gone,
}

impl Stores {
    pub(super) fn new(current: Arc<Store>) -> Self {
        Self {
            current,
            old: Old::default(),
            complete: true,
            gone: Gone::default(),
            page: None,
        }
    }

    pub(super) fn for_each(&self, f: impl Fn(&Store)) {
        self.old.and([&self.current]).for_each(|store| f(store));
    }

    /// The store with this number, or else the oldest that comes after, and what was produced before it.
    fn find(&self, generation: u64) -> (Arc<Store>, Count) {
        let mut before = self.gone.stats.produced;
        for store in self.old.iter() {
            if store.generation() >= generation {
                return (store.clone(), before);
            }
            before = before.plus(store.ring().totals().produced);
        }
        (self.current.clone(), before)
    }

    /// Whether nobody writes any more to the old store with this number.
    fn is_complete(&self, generation: u64) -> bool {
        self.complete || generation.wrapping_add(1) < self.current.generation()
    }

    /// Where a reader goes on that has found nothing at `c` in `from`, and what was produced before.
    fn after(&self, from: &Store, c: &Cursor) -> Option<(Arc<Store>, Count)> {
        let here = from.generation();
        let kept = self.old.iter().any(|store| store.generation() == here);
        let stays = here == self.current.generation()
            || kept && !(self.is_complete(here) && from.ring().is_drained(c));
        (!stays).then(|| self.find(here.wrapping_add(1)))
    }

    /// `parts`: also if it is a part of a sub-buffer of which readers get all or nothing.
    fn has_data_after(&self, pos: u64, parts: bool) -> bool {
        let has = |store: &Arc<Store>| {
            let ring = store.ring();
            ring.has_after(pos, parts || !ring.is_whole_only())
        };
        let current = self.complete.then_some(&self.current);
        self.old.and(current).any(has)
    }

    /// What a reader reads next that has come to `pos`.
    fn next_from(&self, pos: u64) -> &Store {
        let mut old = self.old.iter();
        old.find(|store| !store.ring().ends_before(pos))
            .unwrap_or(&self.current)
    }

    /// The number of the oldest store, if that is complete and has a number below this.
    fn oldest_below(&self, generation: u64) -> Option<u64> {
        let oldest = self.old.iter().next()?.generation();
        (oldest < generation && self.is_complete(oldest)).then_some(oldest)
    }

    /// Takes out the oldest store, if it still is the one with this number.
    fn take_oldest(&mut self, generation: u64) -> Option<Arc<Store>> {
        self.oldest_below(generation.wrapping_add(1))?;
        let oldest = self.old.pop()?;
        let (ring, gone) = (oldest.ring(), &mut self.gone);
        gone.stats = gone.stats.plus(&ring.totals());
        let subbufs = ring.progress(&Cursor::default()).produced;
        gone.subbufs = gone.subbufs.wrapping_add(subbufs);
        gone.subbuf_size = gone.subbuf_size.max(oldest.geo().subbuf_size());
        Some(oldest)
    }
}

impl Look {
    /// What was overwritten in stores a reader has not come to yet.
    fn ahead(store: &Store) -> Count {
        store.ring().overwritten(&Cursor::default())
    }

    fn all(&self) -> impl Iterator<Item = &Arc<Store>> {
        self.old.and([&self.current])
    }

    /// The number of the newest store in which writers came round before it was read.
    fn lapped(&self) -> Option<u64> {
        let lapped = |store: &&Arc<Store>| Self::ahead(store).records != 0;
        Some(self.all().filter(lapped).last()?.generation())
    }

    /// What was overwritten before a reader at `place` could read it.
    fn overwritten(&self, place: &Place) -> Count {
        let mut here = None;
        let mut ahead = Count::default();
        for store in self.all() {
            match store.generation().cmp(&place.generation()) {
                cmp::Ordering::Less => {}
                cmp::Ordering::Equal => here = Some(store.ring().overwritten(place.cursor())),
                cmp::Ordering::Greater => ahead = ahead.plus(Self::ahead(store)),
            }
        }
        // The store it was in is gone, but for the run it is in.
        here.unwrap_or_else(|| place.cursor().missed_of(self.gone.stats.produced))
            .plus(ahead)
    }

    fn stats(&self, place: &Place) -> Stats {
        // First: what is written while this looks is produced, and not lost yet.
        let overwritten = self.overwritten(place);
        let all = self.all();
        let sum = all.fold(self.gone.stats, |sum, store| {
            sum.plus(&store.ring().totals())
        });
        Stats {
            read: place.cursor().read,
            overwritten,
            ..sum
        }
    }

    /// Bytes that fit, with what may be left of the run a reader at `place` is in.
    fn room(&self, place: &Place) -> u64 {
        let is_gone = self
            .all()
            .all(|store| store.generation() > place.generation());
        let run = if is_gone { self.gone.subbuf_size } else { 0 };
        self.all().fold(run, |room, store| {
            room.wrapping_add(store.geo().ring_size())
        })
    }

    fn progress(&self, place: &Place) -> Progress {
        let ahead = Cursor::default();
        let of = |store: &Store| {
            let there = store.generation() == place.generation();
            let progress = store
                .ring()
                .progress(if there { place.cursor() } else { &ahead });
            if store.generation() < place.generation() {
                progress.all_consumed()
            } else {
                progress
            }
        };
        let gone = Progress {
            current: 0,
            produced: self.gone.subbufs,
            consumed: self.gone.subbufs,
        };
        self.all().fold(gone, |sum, store| of(store).after(sum))
    }
}

impl Buffer {
    /// What is written to now. Process context: who drops it may be the last.
    pub(crate) fn current(&self) -> Arc<Store> {
        self.stores.with(|stores| stores.current.clone())
    }

    /// Does `f`, which is short, with what is written to now. Any context but NMI.
    pub(crate) fn with_current<T>(&self, f: impl FnOnce(&Store) -> T) -> T {
        self.stores.with(|stores| f(&stores.current))
    }

    /// The same with what a reader that has come to `pos` reads next.
    pub(crate) fn with_next<T>(&self, pos: u64, f: impl FnOnce(&Store) -> T) -> T {
        self.stores.with(|stores| f(stores.next_from(pos)))
    }

    /// Whether `store` is what is written to.
    pub(crate) fn is_current(&self, store: &Store) -> bool {
        self.with_current(|current| core::ptr::eq(current, store))
    }

    fn look(&self) -> Look {
        self.stores.with(|stores| Look {
            current: stores.current.clone(),
            old: stores.old.clone(),
            gone: stores.gone,
        })
    }

    /// Where a reader of store `generation` reads, or goes on if that is gone, and what was produced
    /// before that.
    pub(crate) fn find(&self, generation: u64) -> (Arc<Store>, Count) {
        self.stores.with(|stores| stores.find(generation))
    }

    /// Where a reader goes on that has found nothing at `c` in `from`, and what was produced before
    /// that; `None`: there.
    pub(crate) fn after(&self, from: &Store, c: &Cursor) -> Option<(Arc<Store>, Count)> {
        self.stores.with(|stores| stores.after(from, c))
    }

    /// Whether there seems to be something to read from position `pos` on. Any context but NMI.
    pub(crate) fn has_data_after(&self, pos: u64) -> bool {
        self.stores.with(|stores| stores.has_data_after(pos, false))
    }

    /// The same for a reader that takes parts of sub-buffers.
    pub(crate) fn has_parts_after(&self, pos: u64) -> bool {
        self.stores.with(|stores| stores.has_data_after(pos, true))
    }

    /// Calls `f` with all stores there are, the oldest first. Process context.
    pub(crate) fn for_each_store(&self, f: impl Fn(&Store)) {
        self.look().all().for_each(|store| f(store));
    }

    /// Whether something that was written before a resize is kept for the consumer.
    pub(crate) fn has_old(&self) -> bool {
        self.stores
            .with(|stores| stores.old.iter().next().is_some())
    }

    /// Whether as much is kept as can be.
    pub(crate) fn is_crowded(&self) -> bool {
        self.stores.with(|stores| stores.old.is_full())
    }

    /// Makes way for one more store, in overwrite mode: what is older than something that was overwritten
    /// should have gone before that, and else the oldest goes. Process context.
    pub(crate) fn make_way(&self) {
        let lapped = self.look().lapped();
        self.drop_old(lapped.unwrap_or(0));
        if self.is_crowded() {
            let (oldest, _) = self.find(0);
            self.drop_old(oldest.generation().wrapping_add(1));
        }
    }

    /// Keeps no longer what was written to the stores with numbers below this. Process context.
    pub(crate) fn drop_old(&self, below: u64) {
        while let Some(oldest) = self.stores.with(|stores| stores.oldest_below(below)) {
            // What the client is to be told of must be kept until then.
            if let Some(teller) = self.bell.teller() {
                teller.leave(oldest);
            }
            let dropped = self.stores.with(|stores| stores.take_oldest(oldest));
            // Not with interrupts off.
            drop(dropped);
        }
    }

    /// From now on `new` is written to. There must be room for one more to be kept.
    pub(crate) fn supersede(&self, new: Arc<Store>) {
        self.stores.with(|stores| {
            stores.show_page(&new);
            let store = core::mem::replace(&mut stores.current, new);
            stores.old.push(store);
            stores.complete = false;
        });
    }

    /// Nobody writes any more to what was written to before: readers may pass on to what is written to
    /// now. Process context.
    pub(crate) fn complete(&self) {
        self.stores.with(|stores| {
            stores.complete = true;
            let now = stores.current.generation();
            stores.old.iter().for_each(|old| old.show_generation(now));
        });
        self.bell.wake();
        self.let_consumer_pass();
    }

    /// Memory for a copy of what is written to now.
    pub(crate) fn new_copy(&self, shape: Shape) -> Result<Pin<UniqueArc<Store>>> {
        Store::new_unshared(shape, self.place, self.bell.clone(), None)
    }

    /// Moves `lent`, which is complete and in memory of the client's, to `copy`. When this has returned
    /// that memory is not used any more. Process context.
    pub(crate) fn give_back(&self, lent: &Arc<Store>, copy: Pin<UniqueArc<Store>>) {
        // Who tells the client does not take the lock.
        if let Some(teller) = self.bell.teller() {
            teller.leave(lent.generation());
        }
        let guests = self.guests.lock();
        // SAFETY: It is complete; who reads holds the lock.
        let copy = unsafe { lent.move_to(copy) };
        let replaced = self
            .stores
            .with(|stores| stores.old.exchange(lent, copy.clone()));
        // ORDERING: lent:A
        self.is_lent.store(false, Ordering::Release);
        drop(guests);
        drop((replaced, copy));
    }

    /// What was overwritten before a reader could read it.
    pub(crate) fn overwritten(&self, place: &Place) -> Count {
        self.look().overwritten(place)
    }

    /// The counters, how far it has come, as seen with the consumer at `place`, and for how many bytes there
    /// is room.
    pub(crate) fn look_from(&self, place: &Place) -> (Stats, Progress, u64) {
        let look = self.look();
        (look.stats(place), look.progress(place), look.room(place))
    }

    /// The position at which a reader that has come to `from` is due. Any context but NMI.
    pub(crate) fn target(&self, watermark: Watermark, from: u64) -> u64 {
        self.with_next(from, |store| store.target(watermark, from))
    }

    /// Whether what a reader that has come to `pos` had before it was thrown away. Any context.
    pub(crate) fn was_reset_after(&self, pos: u64) -> bool {
        // ORDERING: thrown:B
        pos < self.thrown.load(Ordering::Acquire)
    }

    /// All before `pos` was thrown away.
    pub(crate) fn throw_before(&self, pos: u64) {
        // ORDERING: thrown:A
        self.thrown.store(pos, Ordering::Release);
    }
}
