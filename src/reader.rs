// SPDX-License-Identifier: GPL-2.0

//! Reading: from the rings to a user's buffer.
//!
//! All consuming descriptors of a buffer share one position, as with a pipe; so do those of the
//! whole channel, which pick the buffer to read from (`merge.rs`). An observer has positions of its own, and
//! consumes nothing. A mutex per position keeps readers apart; writers never see it.

use crate::buffer::Buffer;
use crate::channel::Channel;
use crate::ring::{Owner, Ring};
use core::mem::MaybeUninit;
use core::ptr::NonNull;
use kernel::bindings;
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
mod rest;
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
        self.drain(at, &mut self.lock(at), to, None)
    }

    /// Copies from `place` on: all there is; or if something is `due` the rest of one run, or of one that is
    /// not later than that, which then is its time. Of packets only whole ones.
    fn drain(
        &self,
        at: &Position,
        place: &mut Place,
        to: &mut IovIterDest<'_>,
        mut due: Option<&mut u64>,
    ) -> Result<Outcome> {
        let _guest = self.be_guest();
        let mut store = self.enter(place);
        place.cursor.parts = false;
        let (mut copied, mut error) = (0usize, None);
        let one_run = due.is_some();
        let mut begun = store.ring().mid_run(&place.cursor);
        while !to.is_empty() && error.is_none() && self.advance(at, place, &mut store) {
            let ring = store.ring();
            if let Some(due) = due.as_deref_mut() {
                let time = ring.run_time(&place.cursor);
                if !begun && time > *due {
                    // Writers have taken what was looked at, and others have something older.
                    ring.detach(&mut place.cursor);
                    break;
                }
                *due = time;
                begun = true;
            }
            let n;
            (n, error) = if ring.is_records() {
                packets::copy_whole(ring, at, place, to)
                    .map_or_else(|e| (0, Some(e)), |n| (n, None))
            } else {
                copy_bytes(ring, at, place, to)
            };
            copied = copied.wrapping_add(n);
            if one_run && n != 0 && !ring.mid_run(&place.cursor) {
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

/// Copies what there is without a gap at the cursor, as much as fits: how much that was, and what was
/// wrong if it is less.
fn copy_bytes(
    ring: &Ring<Owner>,
    at: &Position,
    place: &mut Place,
    to: &mut IovIterDest<'_>,
) -> (usize, Option<Error>) {
    let bytes = ring.peek(&place.cursor);
    let wanted = bytes.len().min(to.len());
    let n = at.while_it_stays(place, || to.copy_to_iter(bytes));
    ring.consume(&mut place.cursor, n as u64);
    (n, (n < wanted).then_some(EFAULT))
}

/// Calls `read` with `to` for what is read.
///
/// # Safety
///
/// `to` must be valid for writes of `len` bytes.
unsafe fn into_memory<T>(
    to: NonNull<u8>,
    len: usize,
    read: impl FnOnce(&mut IovIterDest<'_>) -> T,
) -> T {
    let vec = bindings::kvec {
        iov_base: to.as_ptr().cast(),
        iov_len: len,
    };
    let mut iter = MaybeUninit::<bindings::iov_iter>::uninit();
    // SAFETY: `vec` and, as the caller promises, what it points to outlive the iterator, which is
    // initialised then, and used by nobody else.
    let iter = unsafe {
        bindings::iov_iter_kvec(iter.as_mut_ptr(), bindings::ITER_DEST, &vec, 1, len);
        IovIterDest::from_raw(iter.as_mut_ptr())
    };
    read(iter)
}
