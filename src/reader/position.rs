// SPDX-License-Identifier: GPL-2.0

//! A reader's place in a buffer, and how it passes from one store of the buffer to the next.

use super::Manner;
use crate::buffer::{Buffer, Store};
use crate::lock::Guarded;
use crate::ring::{Count, Cursor, Progress, Said, Stats};
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use kernel::prelude::*;
use kernel::sync::{new_mutex, Arc, Mutex, MutexGuard};
use kernel::time::{delay::fsleep, Delta};

/// So often who looks waits so long for who goes on in the consumer's place: it takes some microseconds,
/// unless that waits for somebody else.
const NAPS: u32 = 200;
const NAP: Delta = Delta::from_micros(100);

/// A reader's place in a buffer.
#[pin_data]
pub(crate) struct Position {
    #[pin]
    pub(super) place: Mutex<Place>,
    /// Where it was when a look last ended, for those who cannot wait for the next end.
    #[pin]
    seen: Guarded<Seen>,
    /// How far the cursor has come, for those who may not sleep.
    pos: AtomicU64,
    /// The cursor is inside a run: it holds a slot, and has something to read.
    mid_run: AtomicBool,
    /// What is read is consumed: writers of a no-overwrite ring wait for it.
    pub(super) consumes: bool,
}

/// Where exactly a reader is.
///
/// # Invariants
///
/// The cursor is of the ring of store `generation`, and holds a slot of it only if `inside` is that
/// store, or while the place is locked.
#[derive(Default)]
pub(crate) struct Place {
    /// Number of the store.
    generation: u64,
    pub(super) cursor: Cursor,
    /// The store, as long as the cursor is in the middle of a run: a record that was begun is finished,
    /// whatever becomes of the buffer.
    inside: Option<Arc<Store>>,
    /// Bytes read so far.
    pub(super) taken: u64,
    /// Of what a mapped consumer says it has missed: what was counted.
    pub(super) counted_lost: Count,
}

/// What counting needs to know of a place.
#[derive(Clone, Copy, Default)]
struct Seen {
    generation: u64,
    seq: u64,
    read: Count,
    missed: Count,
    /// What is left of the run it is in, as long as it stays there. `None`: it may be on its way.
    stays: Option<Count>,
    /// How often it went on its way.
    turns: u64,
    /// What was said of the buffer's counters.
    said: Said,
}

impl Seen {
    /// The cursor is there.
    fn note(&mut self, generation: u64, c: &Cursor) {
        self.generation = generation;
        self.seq = c.seq;
        self.read = c.read;
        self.missed = c.missed;
    }

    /// Whether the place has been there all the time since it was seen.
    fn stayed(&self, now: &Self) -> bool {
        self.stays.is_some() && now.stays.is_some() && self.turns == now.turns
    }
}

/// Where a reader has come to.
#[derive(Clone, Copy, Default)]
pub(super) struct Mark {
    generation: u64,
    pub(super) pos: u64,
}

impl Mark {
    pub(super) fn new(store: &Store, pos: u64) -> Self {
        Self {
            generation: store.generation(),
            pos,
        }
    }
}

impl Place {
    pub(crate) fn generation(&self) -> u64 {
        self.generation
    }

    pub(crate) fn cursor(&self) -> &Cursor {
        &self.cursor
    }

    /// Where the cursor is, in `store`.
    pub(super) fn pos_in(&self, store: &Store) -> u64 {
        store.ring().consumed_pos(&self.cursor)
    }

    /// The same, to go on from.
    pub(super) fn mark(&self, store: &Store) -> Mark {
        Mark::new(store, self.pos_in(store))
    }

    /// Goes to the beginning of `store`, before which `before` was written.
    fn begin(&mut self, store: &Store, before: Count) {
        store.ring().begin(&mut self.cursor, before);
        self.generation = store.generation();
    }
}

impl Position {
    /// At the oldest data there is.
    pub(crate) fn new(consumes: bool) -> impl PinInit<Self> {
        pin_init!(Self {
            place <- new_mutex!(Place::default(), "relayfs position"),
            seen <- Guarded::new(Seen::default()),
            pos: AtomicU64::new(0),
            mid_run: AtomicBool::new(false),
            consumes,
        })
    }

    /// Everything before was consumed or missed.
    pub(crate) fn pos(&self) -> u64 {
        // ORDERING: come:B
        self.pos.load(Ordering::Acquire)
    }

    /// The same, to go on from.
    pub(super) fn mark(&self) -> Mark {
        self.mark_of(&self.place.lock())
    }

    /// The same, of the locked place.
    pub(super) fn mark_of(&self, place: &Place) -> Mark {
        Mark {
            generation: place.generation,
            pos: self.pos(),
        }
    }

    /// Does what may take as long as a user likes, with a reader that stays in its run meanwhile, and lets
    /// those who count know.
    pub(super) fn while_it_stays<T>(&self, place: &Place, f: impl FnOnce() -> T) -> T {
        self.stay(place);
        let result = f();
        self.go_on();
        result
    }

    /// From now on the reader counts as one that stays in its run.
    pub(super) fn stay(&self, place: &Place) {
        if self.consumes {
            self.seen.with(|seen| {
                seen.note(place.generation, &place.cursor);
                seen.stays = Some(place.cursor.unread());
            });
        }
    }

    /// It does so no longer.
    pub(super) fn go_on(&self) {
        if self.consumes {
            self.seen.with(|seen| {
                seen.stays = None;
                seen.turns = seen.turns.wrapping_add(1);
            });
        }
    }

    /// Of what the reader has read nobody got `count`: that is missed, whatever was said before.
    pub(super) fn miss(&self, place: &mut Place, count: Count) {
        place.cursor.miss(count);
        self.seen.with(|seen| {
            seen.note(place.generation, &place.cursor);
            seen.said.read_is(seen.read);
        });
    }

    /// Whether the reader is in the middle of a run.
    pub(super) fn is_mid_run(&self) -> bool {
        // ORDERING: come:B
        self.mid_run.load(Ordering::Acquire)
    }
}

impl Buffer {
    /// The store a reader reads: the one it is in, or the oldest if that is gone.
    pub(super) fn enter(&self, place: &mut Place) -> Arc<Store> {
        if let Some(store) = place.inside.take() {
            let store = store.copy().cloned().unwrap_or(store);
            if !self.was_reset_after(store.ring().consumed_pos(&place.cursor)) {
                return store;
            }
            store.ring().detach(&mut place.cursor);
        }
        let (store, before) = self.find(place.generation);
        if store.generation() != place.generation {
            place.begin(&store, before);
        }
        store.ring().heed_reset(&mut place.cursor);
        store
    }

    /// Brings a reader that has entered `store` to the next byte it can read, in that or in what was
    /// written to later. Says whether there is one.
    pub(super) fn advance(&self, at: &Position, place: &mut Place, store: &mut Arc<Store>) -> bool {
        self.step(at.consumes, place, store)
    }

    /// The same without a position; what is passed is consumed if the reader `consumes`.
    fn step(&self, consumes: bool, place: &mut Place, store: &mut Arc<Store>) -> bool {
        while !store.ring().advance(&mut place.cursor) {
            let Some(next) = self.after(store, &place.cursor) else {
                return false;
            };
            self.pass_on(consumes, place, store, next);
        }
        true
    }

    /// Takes a reader to the store that follows, and what was produced before that.
    pub(super) fn pass_on(
        &self,
        consumes: bool,
        place: &mut Place,
        store: &mut Arc<Store>,
        (next, before): (Arc<Store>, Count),
    ) {
        if consumes {
            store.ring().publish_consumer(&place.cursor);
        }
        place.begin(&next, before);
        *store = next;
        store.ring().heed_reset(&mut place.cursor);
        if consumes {
            self.drop_old(place.generation);
        }
    }

    /// A place from which to look ahead, of no reader: at `mark`, or the oldest data if what was there is
    /// gone. It is used with [`look_ahead()`](Self::look_ahead), and detached in the end.
    pub(super) fn place_at(&self, mark: Mark) -> (Place, Arc<Store>) {
        let mut place = Place::default();
        let (store, before) = self.find(mark.generation);
        place.begin(&store, before);
        if store.generation() == mark.generation {
            store.ring().place(&mut place.cursor, mark.pos);
        }
        store.ring().heed_reset(&mut place.cursor);
        (place, store)
    }

    /// [`advance()`](Self::advance) for such a place.
    pub(super) fn look_ahead(&self, place: &mut Place, store: &mut Arc<Store>) -> bool {
        self.step(false, place, store)
    }

    /// Ends a look at `store` that [`enter()`](Self::enter) began: shows how far the cursor has come, and
    /// tells writers that wait for room.
    pub(super) fn leave(&self, at: &Position, place: &mut Place, store: Arc<Store>) {
        let (ring, c) = (store.ring(), &place.cursor);
        if at.consumes {
            ring.publish_consumer(c);
            let room = &self.bell().hub().room;
            if !ring.overwrites() && room.has_sleeper() {
                room.wake_all();
            }
        }
        self.bell().delivered.up_to(ring.given_pos(c));
        let mid_run = ring.mid_run(c);
        // ORDERING: come:A
        at.pos.store(ring.consumed_pos(c), Ordering::Release);
        // ORDERING: come:A
        at.mid_run.store(mid_run, Ordering::Release);
        place.inside = mid_run.then_some(store);
        at.seen
            .with(|seen| seen.note(place.generation, &place.cursor));
    }

    /// A place to count from.
    fn place_seen(&self, seen: &Seen) -> Place {
        let (_, before) = self.find(seen.generation);
        let left = seen.stays.unwrap_or_default();
        Place {
            generation: seen.generation,
            cursor: Cursor::seen(seen.seq, seen.read, seen.missed, left, before),
            ..Place::default()
        }
    }

    /// Lets go of the slot of a reader that looked only.
    pub(super) fn step_back(&self, at: &Position, place: &mut Place, store: Arc<Store>) {
        store.ring().detach(&mut place.cursor);
        self.leave(at, place, store);
    }

    /// Takes the consumer to what is written to now, if it has read all that was before; so that this
    /// need not be kept until it reads again. Not if it is reading, nor as long as memory of the client's
    /// may be read; a mapped one only where it says. Waits for no reader.
    pub(crate) fn let_consumer_pass(&self) {
        let at = &self.consumer;
        if self.is_lent() {
            return;
        }
        let Some(mut place) = at.place.try_lock() else {
            return;
        };
        self.follow(at, &mut place);
        if place.inside.is_some() || self.has_page() {
            return;
        }
        let mut store = self.enter(&mut place);
        self.advance(at, &mut place, &mut store);
        self.step_back(at, &mut place, store);
    }

    /// The store the consumer reads next, as far as it has said. Process context; never waits for who
    /// reads. Of a buffer that is in no memory of the client's.
    pub(crate) fn unread_store(&self) -> Arc<Store> {
        let pos = self.pos_of(&self.consumer);
        let mark = self.with_next(pos, |store| Mark::new(store, pos));
        let (mut place, mut store) = self.place_at(mark);
        self.look_ahead(&mut place, &mut store);
        store.ring().detach(&mut place.cursor);
        store
    }

    /// Calls `reset`, which throws away what was written to a store and is called with all there are,
    /// and brings the consumer to where it is then. What `keep_stores` gives keeps the stores what they
    /// are; it is called when nobody reads any more, which may take as long as who does likes.
    pub(crate) fn while_nobody_consumes<G>(
        &self,
        keep_stores: impl FnOnce() -> G,
        reset: impl Fn(&Store),
    ) {
        let at = &self.consumer;
        let mut place = self.lock(at);
        let _guest = self.be_guest();
        let _stores = keep_stores();
        self.for_each_store(reset);
        self.throw_before(self.with_current(|store| store.ring().first_pos()));
        let mut store = self.enter(&mut place);
        if self.has_page() {
            store.ring().miss_what_was_reset(&mut place.cursor);
        }
        self.advance(at, &mut place, &mut store);
        self.step_back(at, &mut place, store);
    }

    /// Whether a read would find something. Any context but NMI; may rarely be wrong while a writer is at
    /// work, never for good.
    pub(crate) fn is_readable(&self, at: &Position, manner: Manner) -> bool {
        let (pos, read) = (self.pos_of(at), at.pos());
        let has_more = || match manner {
            Manner::Runs => self.has_data_after(pos),
            Manner::Events => self.has_parts_after(pos),
        };
        let mid_run = at.is_mid_run() && pos == read;
        (mid_run && !self.was_reset_after(pos)) || has_more()
    }

    /// Nobody reads at a position any more: do not keep a slot from the writers.
    pub(crate) fn detach(&self, at: &Position) {
        let mut place = at.place.lock();
        let _guest = self.be_guest();
        if let Some(store) = place.inside.take() {
            let store = store.copy().unwrap_or(&store);
            store.ring().detach(&mut place.cursor);
        }
        // ORDERING: come:A
        at.mid_run.store(false, Ordering::Release);
    }

    /// What was overwritten before it was read from a position.
    pub(crate) fn lost(&self, at: &Position) -> Count {
        let mut place = at.place.lock();
        match self.look_while_it_stands(at, &mut place, |place| self.overwritten(place)) {
            (count, true) => count,
            (_, false) => place.cursor.missed,
        }
    }

    /// The consumer's place, as soon as who has it goes on; not while a user is given data there.
    fn place_soon(at: &Position) -> Option<MutexGuard<'_, Place>> {
        for _ in 0..NAPS {
            let place = at.place.try_lock();
            if place.is_some() || at.seen.with(|seen| seen.stays.is_some()) {
                return place;
            }
            fsleep(NAP);
        }
        None
    }

    /// The buffer's counters, and how far it has come. Process context; may sleep.
    ///
    /// Who copies to a user may take as long as that user likes, so nobody waits for him: what the
    /// consumer has read, and how far it is, is then as it was when that began.
    pub(crate) fn counters(&self) -> (Stats, Progress) {
        let at = &self.consumer;
        let (mut stats, progress, room) = match Self::place_soon(at) {
            Some(mut place) => {
                let look = |place: &Place| self.look_from(place);
                let (mut found, stood) = self.look_while_it_stands(at, &mut place, look);
                if !stood {
                    found.0.overwritten = place.cursor.missed;
                }
                found
            }
            None => {
                let _guest = self.be_guest();
                let seen = at.seen.with(|seen| *seen);
                let (mut stats, progress, room) = self.look_from(&self.place_seen(&seen));
                if !at.seen.with(|now| seen.stayed(now)) {
                    // What is gone now it may have read before.
                    stats.overwritten = seen.missed;
                }
                (stats, progress, room)
            }
        };
        let stats = at.seen.with(|seen| {
            // Some of it may have been missed after all.
            stats.read = stats.read.at_most(seen.read);
            seen.said.after(&stats, room)
        });
        (stats, progress)
    }
}
