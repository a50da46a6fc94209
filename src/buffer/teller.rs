// SPDX-License-Identifier: GPL-2.0

//! What a client is told of a buffer from an interrupt, as it is no business of the writer's: what can be
//! read, and that it is full.
//!
//! It reads as an observer does: it consumes nothing, and nobody waits for it. One context at a time is
//! at work; who comes meanwhile, on another CPU, leaves a note, and the first one looks again. No lock is
//! held, so the client may write.

use super::Store;
use crate::bindings as local;
use crate::channel::Hub;
use crate::ring::{Count, Cursor};
use crate::turn::{Reached, Turn};
use crate::wake::{OnSignal, Signal};
use core::cell::UnsafeCell;
use core::ptr;
use core::sync::atomic::{AtomicBool, Ordering};
use kernel::bindings;
use kernel::prelude::*;
use kernel::sync::Arc;

/// After so many calls, or bytes, the interrupt ends, so that others get their turn.
const MAX_CALLS: u32 = 64;
const MAX_BYTES: usize = 256 << 10;

/// Tells the client of a buffer.
///
/// # Invariants
///
/// * Only whose `turn` it is uses `place`.
/// * The store of `place` is the one with the number `generation`, and lives until that is changed.
#[pin_data(PinnedDrop)]
pub(crate) struct Teller {
    hub: Arc<Hub>,
    cpu: u32,
    #[pin]
    signal: Signal<Teller>,
    turn: Turn,
    place: UnsafeCell<Place>,
    /// Number of the store whose data is told.
    generation: Reached,
    /// A record was refused, and no sub-buffer was begun since.
    full: AtomicBool,
    /// The client was not told of that yet.
    full_untold: AtomicBool,
}

/// How far the client was told.
struct Place {
    store: *const Store,
    cursor: Cursor,
    /// What was written to the stores before.
    before: Count,
}

// SAFETY: `place` has one user at a time, by the type invariants; the rest may be used anywhere.
unsafe impl Send for Teller {}
// SAFETY: As above.
unsafe impl Sync for Teller {}

impl Teller {
    /// For a buffer of a client that wants to be told; of which CPU, or of all. `whole_only`: not of parts of
    /// sub-buffers.
    pub(super) fn new(
        hub: Arc<Hub>,
        cpu: Option<u32>,
        whole_only: bool,
    ) -> Result<Option<Arc<Self>>> {
        if !hub.callbacks.wants_interrupts() {
            return Ok(None);
        }
        let teller = Arc::pin_init(
            pin_init!(Self {
                hub,
                cpu: cpu.unwrap_or(local::RELAY_CPU_NONE),
                signal <- Signal::new_hard(),
                turn: Turn::new(),
                place: UnsafeCell::new(Place {
                    store: ptr::null(),
                    cursor: Cursor::new(whole_only),
                    before: Count::default(),
                }),
                generation: Reached::new(),
                full: AtomicBool::new(false),
                full_untold: AtomicBool::new(false),
            }),
            GFP_KERNEL,
        )?;
        // SAFETY: The signal is a field of the teller, and nobody can raise it yet.
        unsafe { teller.signal.set_owner(&*teller) };
        Ok(Some(teller))
    }

    /// Begins with what is written to first. Nobody writes yet. The store must live until
    /// [`Teller::leave`] has returned.
    pub(super) fn begin(&self, store: &Store) {
        // SAFETY: Nothing was raised yet, so nobody else uses it.
        let place = unsafe { &mut *self.place.get() };
        // INVARIANT: As the caller promises.
        place.store = store;
        self.generation.set(store.generation());
    }

    /// Something can be read that could not before. Any context.
    pub(super) fn written(&self) {
        if self.hub.callbacks.wants_data() {
            self.signal.raise();
        }
    }

    /// A record was refused for want of room. Any context.
    pub(super) fn refused(&self) {
        if !self.full.swap(true, Ordering::Relaxed) {
            self.full_untold.store(true, Ordering::Relaxed);
            self.signal.raise();
        }
    }

    /// A sub-buffer was begun. Any context.
    pub(super) fn has_room(&self) {
        // Looked at first, as all CPUs may come here.
        if self.full.load(Ordering::Relaxed) {
            self.full.store(false, Ordering::Relaxed);
        }
    }

    /// Has what there is told. When a grace period has passed after this, that is done if the teller
    /// [is idle](Teller::is_idle): an interrupt of another CPU may not be through, though the signal looks so.
    /// Process context.
    pub(crate) fn hurry(&self) {
        self.signal.raise();
        self.signal.sync();
    }

    /// Whether nothing is left of what was to be told when `hurry()` was called.
    pub(crate) fn is_idle(&self) -> bool {
        self.turn.is_idle()
    }

    /// Waits until all is told of what is in the store with this number and those before, of which
    /// the last is retired, and nobody writes to it any more. Process context.
    pub(super) fn leave(&self, generation: u64) {
        if !self.hub.callbacks.wants_data() {
            // It never looks at a store.
            return;
        }
        while !self.generation.is_behind(generation) {
            self.hurry();
            // SAFETY: Process context.
            unsafe { bindings::synchronize_rcu() };
        }
    }

    /// Tells of all that can be read.
    fn tell(&self) {
        let (mut calls, mut bytes) = (0u32, 0usize);
        let more = self.turn.take(|| {
            // SAFETY: By the type invariants: it is this context's turn.
            let place = unsafe { &mut *self.place.get() };
            while let Some(len) = self.tell_next(place) {
                calls = calls.wrapping_add(1);
                bytes = bytes.saturating_add(len);
                if calls >= MAX_CALLS || bytes >= MAX_BYTES {
                    return true;
                }
            }
            false
        });
        if more {
            self.signal.raise();
        }
    }

    /// Tells of the next piece; how long that is, if there is one.
    fn tell_next(&self, place: &mut Place) -> Option<usize> {
        loop {
            // SAFETY: By the type invariants.
            let store = unsafe { place.store.as_ref() }?;
            let (ring, c) = (store.ring(), &mut place.cursor);
            if !ring.advance(c) {
                self.go_on_after(store, place)?;
                continue;
            }
            let last = ring.is_last(c);
            let data = ring.peek(c);
            let delivery = local::relay_delivery {
                data: data.as_ptr().cast(),
                len: data.len(),
                seq: c.seq,
                lost: c.missed.records,
                cpu: self.cpu,
                last: last.into(),
            };
            let len = data.len();
            // SAFETY: This is an interrupt. The cursor holds the data, so it stays.
            unsafe { self.hub.callbacks.deliver(&delivery) };
            ring.consume(c, len as u64);
            return Some(len);
        }
    }

    /// Goes on to the store that follows, if there is one and this has nothing more.
    fn go_on_after(&self, store: &Store, place: &mut Place) -> Option<()> {
        if !store.ring().is_drained(&place.cursor) {
            return None;
        }
        let next = store.next()?;
        place.before = place.before.plus(store.ring().totals().produced);
        next.ring().begin(&mut place.cursor, place.before);
        // INVARIANT: It follows a store that was not left yet, so it was not either.
        place.store = next;
        self.generation.set(next.generation());
        Some(())
    }
}

impl OnSignal for Teller {
    fn on_signal(&self) {
        if self.full_untold.swap(false, Ordering::Relaxed) {
            // SAFETY: This is an interrupt.
            unsafe { self.hub.callbacks.buffers_full(self.cpu) };
        }
        if self.hub.callbacks.wants_data() {
            self.tell();
        }
    }
}

#[pinned_drop]
impl PinnedDrop for Teller {
    fn drop(self: Pin<&mut Self>) {
        // Before any field goes.
        self.signal.sync();
    }
}
