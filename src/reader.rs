// SPDX-License-Identifier: GPL-2.0

//! Reading: from the rings to a user's buffer.
//!
//! All consuming descriptors of a buffer share one position, as with a pipe; so do those of the
//! whole channel, which pick the buffer to read from. An observer has positions of its own, and
//! consumes nothing. A mutex per position keeps readers apart; writers never see it.

use crate::buffer::{Buffer, Store};
use crate::channel::Channel;
use crate::ring::{Count, Cursor, Owner, Progress, Ring, Stats};
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use kernel::iov::IovIterDest;
use kernel::prelude::*;
use kernel::sync::{new_mutex, Mutex};

pub(crate) mod claims;
pub(crate) mod descriptor;
mod observer;

use observer::Observer;

/// A reader's place in a buffer.
#[pin_data]
pub(crate) struct Position {
    #[pin]
    cursor: Mutex<Cursor>,
    /// How far the cursor has come, for those who may not sleep.
    pos: AtomicU64,
    /// The cursor is inside a run: it holds a slot, and has something to read.
    mid_run: AtomicBool,
    /// What is read is consumed: writers of a no-overwrite ring wait for it.
    consumes: bool,
}

impl Position {
    /// At the oldest data there is.
    pub(crate) fn new(consumes: bool) -> impl PinInit<Self> {
        pin_init!(Self {
            cursor <- new_mutex!(Cursor::default(), "relayfs position"),
            pos: AtomicU64::new(0),
            mid_run: AtomicBool::new(false),
            consumes,
        })
    }

    /// Everything before was consumed or missed.
    pub(crate) fn pos(&self) -> u64 {
        self.pos.load(Ordering::Acquire)
    }
}

/// Where the readers of a whole channel are.
#[derive(Default)]
pub(crate) struct Merge {
    /// Number of the buffer whose run is not finished.
    current: Option<u32>,
    /// Number of the buffer that was read last.
    last: u32,
}

/// What became of a read.
pub(crate) enum Outcome {
    /// So many bytes were copied; more than none unless the caller wanted none.
    Copied(usize),
    /// There is nothing now.
    Nothing,
}

/// Whose positions are read from.
#[derive(Clone, Copy)]
pub(crate) enum View<'a> {
    /// Those all consumers share.
    Consumer,
    /// An observer's own.
    Observer(&'a Observer),
}

impl<'a> View<'a> {
    /// The position in `buffer`.
    pub(crate) fn position(self, buffer: &'a Buffer) -> Option<&'a Position> {
        match self {
            Self::Consumer => Some(&buffer.consumer),
            Self::Observer(observer) => observer.position(buffer),
        }
    }

    fn merge(self, channel: &'a Channel) -> &'a Mutex<Merge> {
        match self {
            Self::Consumer => &channel.merge,
            Self::Observer(observer) => &observer.merge,
        }
    }
}

impl Buffer {
    /// Copies as much as there is and fits.
    pub(crate) fn read(&self, at: &Position, to: &mut IovIterDest<'_>) -> Result<Outcome> {
        let mut cursor = at.cursor.lock();
        self.drain(at, &mut cursor, to, false)
    }

    /// Copies from `c` on: all there is, or the rest of one run.
    fn drain(
        &self,
        at: &Position,
        c: &mut Cursor,
        to: &mut IovIterDest<'_>,
        one_run: bool,
    ) -> Result<Outcome> {
        let store = self.current();
        let ring = store.ring();
        ring.heed_reset(c);
        let (mut copied, mut fault) = (0usize, false);
        while !to.is_empty() && !fault && ring.advance(c) {
            let bytes = ring.peek(c);
            let wanted = bytes.len().min(to.len());
            let n = to.copy_to_iter(bytes);
            ring.consume(c, n as u64);
            copied = copied.wrapping_add(n);
            fault = n < wanted;
            if one_run && !ring.mid_run(c) {
                break;
            }
        }
        self.publish(at, ring, c);
        match (copied, fault) {
            (0, true) => Err(EFAULT),
            (0, false) if !to.is_empty() => Ok(Outcome::Nothing),
            (n, _) => Ok(Outcome::Copied(n)),
        }
    }

    /// Shows how far a cursor has come, and tells writers that wait for room.
    fn publish(&self, at: &Position, ring: &Ring<Owner>, c: &Cursor) {
        if at.consumes {
            ring.publish_consumer(c);
            let room = &self.bell().hub().room;
            if !ring.overwrites() && room.has_sleeper() {
                room.wake_all();
            }
        }
        at.pos.store(ring.consumed_pos(c), Ordering::Release);
        at.mid_run.store(ring.mid_run(c), Ordering::Release);
    }

    /// Calls `reset`, which throws away what was written, and brings the consumer to where it is then.
    pub(crate) fn while_nobody_consumes(&self, reset: impl FnOnce(&Store)) {
        let at = &self.consumer;
        let mut cursor = at.cursor.lock();
        let store = self.current();
        reset(&store);
        store.ring().heed_reset(&mut cursor);
        self.publish(at, store.ring(), &cursor);
    }

    /// Whether a read would find something. Any context that may not sleep; may rarely be wrong
    /// while a writer is at work, never for good.
    pub(crate) fn is_readable(&self, at: &Position) -> bool {
        let pos = at.pos();
        (at.mid_run.load(Ordering::Acquire) && !self.was_reset_after(pos))
            || self.has_data_after(pos)
    }

    /// Nobody reads at a position any more: do not keep a slot from the writers.
    pub(crate) fn detach(&self, at: &Position) {
        let mut cursor = at.cursor.lock();
        self.current().ring().detach(&mut cursor);
        at.mid_run.store(false, Ordering::Release);
    }

    /// What was overwritten before it was read from a position.
    pub(crate) fn lost(&self, at: &Position) -> Count {
        self.current().ring().overwritten(&at.cursor.lock())
    }

    /// The buffer's counters, and how far it has come.
    pub(crate) fn look(&self) -> (Stats, Progress) {
        let store = self.current();
        let cursor = self.consumer.cursor.lock();
        (store.ring().stats(&cursor), store.ring().progress(&cursor))
    }
}

impl Channel {
    /// Copies as much of all buffers as there is and fits, in order of time: a run once begun is
    /// finished before data of another buffer follows.
    pub(crate) fn read(&self, view: View<'_>, to: &mut IovIterDest<'_>) -> Result<Outcome> {
        let mut merge = view.merge(self).lock();
        let mut copied = 0usize;
        while !to.is_empty() {
            let Some(number) = merge
                .current
                .take()
                .or_else(|| self.oldest(view, merge.last))
            else {
                break;
            };
            merge.last = number;
            let Some(buffer) = self.buffers().get(number as usize) else {
                break;
            };
            let Some(at) = view.position(buffer) else {
                break;
            };
            let mut cursor = at.cursor.lock();
            match buffer.drain(at, &mut cursor, to, true) {
                Ok(Outcome::Copied(n)) => copied = n.wrapping_add(copied),
                Ok(Outcome::Nothing) => {}
                Err(error) if copied == 0 => {
                    merge.current = Some(number);
                    return Err(error);
                }
                Err(_) => {
                    merge.current = Some(number);
                    break;
                }
            }
            if at.mid_run.load(Ordering::Relaxed) {
                merge.current = Some(number);
            }
        }
        if copied == 0 && !to.is_empty() {
            return Ok(Outcome::Nothing);
        }
        Ok(Outcome::Copied(copied))
    }

    /// The buffer whose next run is the oldest; of equals, as all are without a clock, the next after
    /// the one read last.
    fn oldest(&self, view: View<'_>, last: u32) -> Option<u32> {
        let mut best: Option<(u64, u32)> = None;
        for buffer in self.buffers().iter() {
            let Some(at) = view.position(buffer) else {
                continue;
            };
            if !buffer.is_readable(at) {
                continue;
            }
            let store = buffer.current();
            let ring = store.ring();
            let mut cursor = at.cursor.lock();
            let half_read = at.mid_run.load(Ordering::Relaxed);
            let found = ring.advance(&mut cursor);
            let turn = buffer.number().wrapping_sub(last).wrapping_sub(1);
            let key = (ring.run_time(&cursor), turn);
            // Only a run some byte of which was read must be kept from the writers.
            if !half_read {
                ring.detach(&mut cursor);
            }
            // Also if it only stepped over holes: or it would look as if there were something.
            buffer.publish(at, ring, &cursor);
            if found && best.is_none_or(|least| key < least) {
                best = Some(key);
            }
        }
        best.map(|(_, turn)| turn.wrapping_add(1).wrapping_add(last))
    }
}
