// SPDX-License-Identifier: GPL-2.0

//! Reading: from the rings to a user's buffer.
//!
//! All plain readers of a buffer share one consuming position, as with a pipe; so do the readers of
//! the whole channel, which pick the buffer to read from. A mutex per buffer keeps readers apart;
//! writers never see it.

use crate::buffer::Buffer;
use crate::channel::Channel;
use crate::ring::{Cursor, Stats};
use core::sync::atomic::Ordering;
use kernel::iov::IovIterDest;
use kernel::prelude::*;

/// The consuming position of a buffer.
#[derive(Default)]
pub(crate) struct Consumer {
    cursor: Cursor,
}

/// Where the readers of a whole channel are.
#[derive(Default)]
pub(crate) struct Merge {
    /// Index of the buffer whose run is not finished.
    current: Option<usize>,
}

/// What became of a read.
pub(crate) enum Outcome {
    /// So many bytes were copied; more than none unless the caller wanted none.
    Copied(usize),
    /// There is nothing now.
    Nothing,
}

impl Buffer {
    /// Copies as much as there is and fits.
    pub(crate) fn read(&self, to: &mut IovIterDest<'_>) -> Result<Outcome> {
        let mut consumer = self.consumer.lock();
        self.drain(&mut consumer.cursor, to, false)
    }

    /// Copies from `c` on: all there is, or the rest of one run.
    fn drain(&self, c: &mut Cursor, to: &mut IovIterDest<'_>, one_run: bool) -> Result<Outcome> {
        let ring = self.ring();
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
        self.publish(c);
        self.mid_run.store(ring.mid_run(c), Ordering::Release);
        match (copied, fault) {
            (0, true) => Err(EFAULT),
            (0, false) if !to.is_empty() => Ok(Outcome::Nothing),
            (n, _) => Ok(Outcome::Copied(n)),
        }
    }

    /// Whether a read would find something. Any context that may not sleep; may rarely be wrong
    /// while a writer is at work, never for good.
    pub(crate) fn is_readable(&self) -> bool {
        self.mid_run.load(Ordering::Acquire) || self.ring().has_data()
    }

    /// Publishes how far the consumer has come, and tells writers that wait for room.
    fn publish(&self, c: &Cursor) {
        self.ring().publish_consumer(c);
        let room = &self.hub().room;
        if !self.ring().overwrites() && room.has_sleeper() {
            room.wake_all();
        }
    }

    /// Brings the consumer to where it is after a reset.
    pub(crate) fn catch_up(&self, consumer: &mut Consumer) {
        self.ring().heed_reset(&mut consumer.cursor);
        self.publish(&consumer.cursor);
        self.mid_run.store(false, Ordering::Release);
    }

    /// The last descriptor is gone: do not keep a slot from the writers.
    pub(crate) fn detach_consumer(&self) {
        let mut consumer = self.consumer.lock();
        self.ring().detach(&mut consumer.cursor);
        self.mid_run.store(false, Ordering::Release);
    }

    /// The buffer's counters.
    pub(crate) fn stats(&self) -> Stats {
        self.ring().stats(&self.consumer.lock().cursor)
    }
}

impl Channel {
    /// Copies as much of all buffers as there is and fits, in order of time: a run once begun is
    /// finished before data of another buffer follows.
    pub(crate) fn read(&self, to: &mut IovIterDest<'_>) -> Result<Outcome> {
        let mut merge = self.merge.lock();
        let mut copied = 0usize;
        while !to.is_empty() {
            let Some(index) = merge.current.take().or_else(|| self.oldest()) else {
                break;
            };
            let Some(buffer) = self.buffers().get(index) else {
                break;
            };
            let mut consumer = buffer.consumer.lock();
            match buffer.drain(&mut consumer.cursor, to, true) {
                Ok(Outcome::Copied(n)) => copied = n.wrapping_add(copied),
                Ok(Outcome::Nothing) => {}
                Err(error) if copied == 0 => {
                    merge.current = Some(index);
                    return Err(error);
                }
                Err(_) => {
                    merge.current = Some(index);
                    break;
                }
            }
            if buffer.ring().mid_run(&consumer.cursor) {
                merge.current = Some(index);
            }
        }
        if copied == 0 && !to.is_empty() {
            return Ok(Outcome::Nothing);
        }
        Ok(Outcome::Copied(copied))
    }

    /// The buffer whose next run is the oldest.
    fn oldest(&self) -> Option<usize> {
        let mut best: Option<(u64, usize)> = None;
        for (index, buffer) in self.buffers().iter().enumerate() {
            if !buffer.is_readable() {
                continue;
            }
            let mut consumer = buffer.consumer.lock();
            let found = buffer.ring().advance(&mut consumer.cursor);
            // Also if it only stepped over holes: or it would look as if there were something.
            buffer.publish(&consumer.cursor);
            if !found {
                continue;
            }
            let time = buffer.ring().run_time(&consumer.cursor);
            // Only a run some byte of which was read must be kept from the writers.
            if !buffer.mid_run.load(Ordering::Relaxed) {
                buffer.ring().detach(&mut consumer.cursor);
            }
            if best.is_none_or(|(t, _)| time < t) {
                best = Some((time, index));
            }
        }
        best.map(|(_, index)| index)
    }
}
