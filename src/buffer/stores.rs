// SPDX-License-Identifier: GPL-2.0

//! The stores of a buffer: the one that is written to, and the one before, as long as it is read.

use super::{Buffer, ConsumerPage, Shape, Store};
use crate::reader::Place;
use crate::ring::{Count, Cursor, Progress, Stats};
use crate::watermark::Watermark;
use core::sync::atomic::Ordering;
use kernel::prelude::*;
use kernel::sync::{Arc, UniqueArc};

/// Where a buffer's data is.
pub(super) struct Stores {
    /// What is written to.
    pub(super) current: Arc<Store>,
    /// What was written to before, until the consumer has left it.
    old: Option<Old>,
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
}

/// What was written to before.
struct Old {
    store: Arc<Store>,
    /// Nobody writes to it any more: what is in it is all there will be.
    complete: bool,
}

/// A look at a buffer's stores.
struct Look {
    current: Arc<Store>,
    old: Option<Arc<Store>>,
    gone: Gone,
}

impl Stores {
    pub(super) fn new(current: Arc<Store>) -> Self {
        Self {
            current,
            old: None,
            gone: Gone::default(),
            page: None,
        }
    }

    pub(super) fn for_each(&self, f: impl Fn(&Store)) {
        f(&self.current);
        if let Some(old) = &self.old {
            f(&old.store);
        }
    }

    /// The store with this number, or else the oldest, and what was produced before it.
    fn find(&self, generation: u64) -> (Arc<Store>, Count) {
        match &self.old {
            Some(old) if generation < self.current.generation() => {
                (old.store.clone(), self.gone.stats.produced)
            }
            _ => (self.current.clone(), self.before_current()),
        }
    }

    /// What was produced before the current store, once the old one is complete.
    fn before_current(&self) -> Count {
        match &self.old {
            Some(old) => self
                .gone
                .stats
                .produced
                .plus(old.store.ring().totals().produced),
            None => self.gone.stats.produced,
        }
    }

    /// Where a reader goes on that has found nothing at `c` in `from`, and what was produced before.
    fn after(&self, from: &Store, c: &Cursor) -> Option<(Arc<Store>, Count)> {
        if from.generation() == self.current.generation() {
            return None;
        }
        match &self.old {
            Some(old) if old.store.generation() == from.generation() => {
                let done = old.complete && from.ring().is_drained(c);
                done.then(|| (self.current.clone(), self.before_current()))
            }
            _ => Some(self.find(from.generation())),
        }
    }

    /// `parts`: also if it is a part of a sub-buffer of which readers get all or nothing.
    fn has_data_after(&self, pos: u64, parts: bool) -> bool {
        let has = |store: &Store| {
            let ring = store.ring();
            ring.has_after(pos, parts || !ring.is_whole_only())
        };
        match &self.old {
            Some(old) => has(&old.store) || (old.complete && has(&self.current)),
            None => has(&self.current),
        }
    }
}

impl Look {
    /// What was overwritten in stores a reader has not come to yet.
    fn ahead(store: &Store) -> Count {
        store.ring().overwritten(&Cursor::default())
    }

    /// What was overwritten before a reader at `place` could read it.
    fn overwritten(&self, place: &Place) -> Count {
        let (c, ahead) = (place.cursor(), Self::ahead(&self.current));
        if place.generation() == self.current.generation() {
            return self.current.ring().overwritten(c);
        }
        match &self.old {
            Some(old) if old.generation() == place.generation() => {
                old.ring().overwritten(c).plus(ahead)
            }
            old => {
                let kept = old.as_deref().map_or(Count::default(), Self::ahead);
                c.missed_of(self.gone.stats.produced).plus(kept).plus(ahead)
            }
        }
    }

    fn stats(&self, place: &Place) -> Stats {
        // First: what is written while this looks is produced, and not lost yet.
        let overwritten = self.overwritten(place);
        let mut sum = self.gone.stats.plus(&self.current.ring().totals());
        if let Some(old) = &self.old {
            sum = sum.plus(&old.ring().totals());
        }
        Stats {
            read: place.cursor().read,
            overwritten,
            ..sum
        }
    }

    /// Bytes that fit.
    fn room(&self) -> u64 {
        let old = self.old.as_ref().map_or(0, |old| old.geo().ring_size());
        self.current.geo().ring_size().wrapping_add(old)
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
        let (mut sum, gone) = (of(&self.current), self.gone.subbufs);
        if let Some(old) = &self.old {
            sum = sum.after(of(old));
        }
        sum.after(Progress {
            current: 0,
            produced: gone,
            consumed: gone,
        })
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
    fn with_next<T>(&self, pos: u64, f: impl FnOnce(&Store) -> T) -> T {
        self.stores.with(|stores| match &stores.old {
            Some(old) if !old.store.ring().ends_before(pos) => f(&old.store),
            _ => f(&stores.current),
        })
    }

    /// Whether `store` is what is written to.
    pub(crate) fn is_current(&self, store: &Store) -> bool {
        self.with_current(|current| core::ptr::eq(current, store))
    }

    fn look(&self) -> Look {
        self.stores.with(|stores| Look {
            current: stores.current.clone(),
            old: stores.old.as_ref().map(|old| old.store.clone()),
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

    /// Whether what was written before the last resize is kept for the consumer.
    pub(crate) fn has_old(&self) -> bool {
        self.stores.with(|stores| stores.old.is_some())
    }

    /// Keeps what was written before the last resize no longer, if that was store `below` or one
    /// before. Process context.
    pub(crate) fn drop_old(&self, below: u64) {
        if let Some(teller) = self.bell.teller() {
            let old = self.stores.with(|stores| {
                let old = stores.old.as_ref().filter(|old| old.complete)?;
                Some(old.store.generation())
            });
            // What the client is to be told of must be kept until then.
            if let Some(old) = old.filter(|&old| old < below) {
                teller.leave(old);
            }
        }
        let dropped = self.stores.with(|stores| {
            let old = stores
                .old
                .take_if(|old| old.complete && old.store.generation() < below)?;
            let ring = old.store.ring();
            let gone = &mut stores.gone;
            gone.stats = gone.stats.plus(&ring.totals());
            gone.subbufs = gone
                .subbufs
                .wrapping_add(ring.progress(&Cursor::default()).produced);
            Some(old)
        });
        // Not with interrupts off.
        drop(dropped);
    }

    /// From now on `new` is written to. Nothing older than what was so far may be kept.
    pub(crate) fn supersede(&self, new: Arc<Store>) {
        self.stores.with(|stores| {
            stores.show_page(&new);
            let store = core::mem::replace(&mut stores.current, new);
            stores.old = Some(Old {
                store,
                complete: false,
            });
        });
    }

    /// Nobody writes any more to what was written to before: readers may pass on to what is written to
    /// now. Process context.
    pub(crate) fn complete(&self) {
        self.stores.with(|stores| {
            if let Some(old) = &mut stores.old {
                old.complete = true;
                old.store.show_generation(stores.current.generation());
            }
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
        let replaced = self.stores.with(|stores| match &mut stores.old {
            Some(old) if Arc::ptr_eq(&old.store, lent) => {
                Some(core::mem::replace(&mut old.store, copy.clone()))
            }
            _ => None,
        });
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
        (look.stats(place), look.progress(place), look.room())
    }

    /// The position at which a reader that has come to `from` is due. Any context but NMI.
    pub(crate) fn target(&self, watermark: Watermark, from: u64) -> u64 {
        self.with_next(from, |store| store.target(watermark, from))
    }

    /// Whether what a reader that has come to `pos` had before it was thrown away. Any context.
    pub(crate) fn was_reset_after(&self, pos: u64) -> bool {
        pos < self.thrown.load(Ordering::Acquire)
    }

    /// All before `pos` was thrown away.
    pub(crate) fn throw_before(&self, pos: u64) {
        self.thrown.store(pos, Ordering::Release);
    }
}
