// SPDX-License-Identifier: GPL-2.0

//! Reading: from the rings to a user's buffer.
//!
//! All consuming descriptors of a buffer share one position, as with a pipe; so do those of the
//! whole channel, which pick the buffer to read from. An observer has positions of its own, and
//! consumes nothing. A mutex per position keeps readers apart; writers never see it.

use crate::buffer::Buffer;
use crate::channel::Channel;
use kernel::iov::IovIterDest;
use kernel::prelude::*;
use kernel::sync::Mutex;

pub(crate) mod claims;
pub(crate) mod descriptor;
mod observer;
mod position;

use observer::Observer;
pub(crate) use position::{Place, Position};

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
        self.drain(at, &mut at.place.lock(), to, false)
    }

    /// Copies from `place` on: all there is, or the rest of one run.
    fn drain(
        &self,
        at: &Position,
        place: &mut Place,
        to: &mut IovIterDest<'_>,
        one_run: bool,
    ) -> Result<Outcome> {
        let mut store = self.enter(place);
        let (mut copied, mut fault) = (0usize, false);
        while !to.is_empty() && !fault && self.advance(at, place, &mut store) {
            let (ring, c) = (store.ring(), &mut place.cursor);
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
        self.leave(at, place, store);
        match (copied, fault) {
            (0, true) => Err(EFAULT),
            (0, false) if !to.is_empty() => Ok(Outcome::Nothing),
            (n, _) => Ok(Outcome::Copied(n)),
        }
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
            let mut place = at.place.lock();
            match buffer.drain(at, &mut place, to, true) {
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
            if at.is_mid_run() {
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
            let mut place = at.place.lock();
            let half_read = at.is_mid_run();
            let mut store = buffer.enter(&mut place);
            let found = buffer.advance(at, &mut place, &mut store);
            let turn = buffer.number().wrapping_sub(last).wrapping_sub(1);
            let key = (store.ring().run_time(&place.cursor), turn);
            // Only a run some byte of which was read must be kept from the writers.
            if !half_read {
                store.ring().detach(&mut place.cursor);
            }
            // Also if it only stepped over holes: or it would look as if there were something.
            buffer.leave(at, &mut place, store);
            if found && best.is_none_or(|least| key < least) {
                best = Some(key);
            }
        }
        best.map(|(_, turn)| turn.wrapping_add(1).wrapping_add(last))
    }
}
