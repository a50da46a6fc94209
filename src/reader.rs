// SPDX-License-Identifier: GPL-2.0

//! Reading: from the rings to a user's buffer.
//!
//! All consuming descriptors of a buffer share one position, as with a pipe; so do those of the
//! whole channel, which pick the buffer to read from (`merge.rs`). An observer has positions of its own, and
//! consumes nothing. A mutex per position keeps readers apart; writers never see it.

use crate::buffer::Buffer;
use crate::channel::Channel;
use crate::ring::{Cursor, Owner, Ring};
use kernel::iov::IovIterDest;
use kernel::prelude::*;
use kernel::sync::Mutex;

pub(crate) mod claims;
mod control;
pub(crate) mod descriptor;
mod follow;
mod heap;
pub(crate) mod inside;
mod last;
mod merge;
mod observer;
mod packets;
pub(crate) mod poll;
mod position;
mod sigio;
pub(crate) mod waiting;
mod walk;

pub(crate) use merge::{Manner, Merge};
use observer::Observer;
pub(crate) use position::{Place, Position};

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
        self.drain(at, &mut self.lock(at), to, false)
    }

    /// Copies from `place` on: all there is, or the rest of one run. Of packets only whole ones.
    fn drain(
        &self,
        at: &Position,
        place: &mut Place,
        to: &mut IovIterDest<'_>,
        one_run: bool,
    ) -> Result<Outcome> {
        let _guest = self.be_guest();
        let mut store = self.enter(place);
        place.cursor.parts = false;
        let (mut copied, mut error) = (0usize, None);
        while !to.is_empty() {
            let inside = store.ring().mid_run(&place.cursor);
            if !self.advance(at, place, &mut store) {
                break;
            }
            let (ring, c) = (store.ring(), &mut place.cursor);
            if ring.is_records() && !inside {
                match begin_packet(ring, c, to) {
                    Ok(n) => copied = copied.wrapping_add(n),
                    Err(reason) => {
                        ring.detach(c);
                        error = Some(reason);
                        break;
                    }
                }
                if !ring.mid_run(c) {
                    continue;
                }
            }
            let bytes = ring.peek(&place.cursor);
            let wanted = bytes.len().min(to.len());
            let n = at.while_it_stays(place, || to.copy_to_iter(bytes));
            ring.consume(&mut place.cursor, n as u64);
            copied = copied.wrapping_add(n);
            if n < wanted {
                error = Some(EFAULT);
                break;
            }
            if one_run && !ring.mid_run(&place.cursor) {
                break;
            }
        }
        self.leave(at, place, store);
        place.taken = place.taken.wrapping_add(copied as u64);
        match (copied, error) {
            (0, Some(error)) => Err(error),
            (0, None) if !to.is_empty() => Ok(Outcome::Nothing),
            (n, _) => Ok(Outcome::Copied(n)),
        }
    }
}

/// Begins to copy the packet a cursor has come to: what must stand before the events if somebody has taken
/// the first of them. How many bytes that was.
fn begin_packet(ring: &Ring<Owner>, c: &mut Cursor, to: &mut IovIterDest<'_>) -> Result<usize> {
    let Some(header) = ring.header_of_rest(c) else {
        let fits = ring.left_in_packet(c) <= to.len() as u64;
        return if fits { Ok(0) } else { Err(EMSGSIZE) };
    };
    let len = (header.len() as u64).wrapping_add(ring.left_in_packet(c));
    if len > to.len() as u64 {
        return Err(EMSGSIZE);
    }
    if !packets::copy_all(to, &[&header]) {
        return Err(EFAULT);
    }
    Ok(header.len())
}
