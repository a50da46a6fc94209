// SPDX-License-Identifier: GPL-2.0

//! Packets that readers of a whole channel of records get: events of one buffer, one after the other, as
//! long as no other buffer has an older one.
//!
//! They have numbers of their own. What is lost of all buffers, refused or overwritten, is their count
//! of lost events. The first packet has what was lost before its reader came: that is missing before the
//! stream, and nowhere in it.

use super::merge::{Manner, Merge};
use super::position::Place;
use super::{Outcome, Position};
use crate::buffer::{Buffer, Store};
use crate::channel::Channel;
use crate::ring::{Made, Owner, Ring, PACKET_HEADER};
use core::sync::atomic::Ordering;
use kernel::iov::IovIterDest;
use kernel::prelude::*;
use kernel::sync::Arc;

/// Copies all `parts`, or nothing. Says whether it did.
pub(super) fn copy_all(to: &mut IovIterDest<'_>, parts: &[&[u8]]) -> bool {
    let mut copied = 0usize;
    for part in parts {
        let n = to.copy_to_iter(part);
        copied = copied.wrapping_add(n);
        if n < part.len() {
            // SAFETY: It was advanced by as much just now.
            unsafe { to.revert(copied) };
            return false;
        }
    }
    true
}

/// Copies the packet a cursor has come to, or nothing: how many bytes that was, none if there is nothing in
/// it. What stands before the events is made if somebody has taken the first of them.
pub(super) fn copy_whole(
    ring: &Ring<Owner>,
    at: &Position,
    place: &mut Place,
    to: &mut IovIterDest<'_>,
) -> Result<usize> {
    let c = &mut place.cursor;
    let Some(before) = ring.to_packet(c) else {
        return Ok(0);
    };
    let len = before.wrapping_add(ring.left_in_packet(c));
    if len > to.len() as u64 {
        ring.detach(c);
        return Err(EMSGSIZE);
    }
    let header = ring.header_of_rest(c, len);
    let header = header.as_ref().map_or(&[][..], |header| header);
    let mark = c.bookmark();
    at.stay(place);
    let c = &mut place.cursor;
    let mut copied = to.copy_to_iter(header);
    let mut fits = copied == header.len();
    while fits && ring.mid_run(c) {
        let bytes = ring.peek(c);
        let n = to.copy_to_iter(bytes);
        copied = copied.wrapping_add(n);
        fits = n == bytes.len();
        if fits {
            ring.consume(c, n as u64);
        }
    }
    at.go_on();
    if fits {
        return Ok(copied);
    }
    // SAFETY: It was advanced by as much just now.
    unsafe { to.revert(copied) };
    c.back_to(&mark);
    ring.detach(c);
    Err(EFAULT)
}

impl Channel {
    /// Copies a packet with what `buffer` has before the others.
    pub(super) fn give_packet(
        &self,
        merge: &mut Merge,
        buffer: &Buffer,
        at: &Position,
        to: &mut IovIterDest<'_>,
    ) -> Result<Outcome> {
        let mut place = buffer.lock(at);
        let _guest = buffer.be_guest();
        let mut store = buffer.enter_for(&mut place, Manner::Events);
        let outcome = match buffer.find_next(at, &mut place, &mut store, Manner::Events) {
            Some(skip) => {
                merge.note_lost(buffer.number(), store.ring().lost_before(&place.cursor));
                self.copy_packet(merge, &mut place, &store, skip, to)
            }
            None => Ok(Outcome::Nothing),
        };
        store.ring().detach(&mut place.cursor);
        buffer.leave(at, &mut place, store);
        if let Ok(Outcome::Copied(n)) = outcome {
            place.taken = place.taken.wrapping_add(n as u64);
        }
        outcome
    }

    /// Copies a packet with the event `skip` bytes after the cursor, and those that may follow.
    fn copy_packet(
        &self,
        merge: &mut Merge,
        place: &mut Place,
        store: &Store,
        skip: u64,
        to: &mut IovIterDest<'_>,
    ) -> Result<Outcome> {
        let (ring, c) = (store.ring(), &mut place.cursor);
        let (time, until) = (ring.event_time_at(c, skip), merge.until());
        let late = time < merge.last;
        if time > until && !late {
            // Somebody else took what was before, and another has the turn now.
            return Ok(Outcome::Nothing);
        }
        let room = (to.len() as u64)
            .checked_sub(PACKET_HEADER)
            .ok_or(EMSGSIZE)?;
        // A late one is alone, as its time is changed. So is the first of all: who reads this reports what is
        // lost between two packets.
        let first = merge.packets == 0;
        let batch = ring.gather(c, skip, if late || first { 0 } else { until }, room);
        if batch.records == 0 {
            return Err(EMSGSIZE);
        }
        let begin = time.max(merge.last);
        let made = Made {
            begin,
            end: batch.end.max(begin),
            len: batch.len,
            discarded: if first { merge.lost_before } else { merge.lost },
            number: merge.packets,
        };
        let events = ring.peek(c).get(skip as usize..).unwrap_or_default();
        let events = events.get(..batch.len as usize).unwrap_or_default();
        let (_, rest) = events.split_at_checked(8).unwrap_or_default();
        let header = ring.header_of(&made);
        if !copy_all(to, &[&header, &begin.to_ne_bytes(), rest]) {
            return Err(EFAULT);
        }
        merge.packets = merge.packets.wrapping_add(1);
        merge.pass(made.end);
        if late {
            self.hub().late.fetch_add(1, Ordering::Relaxed);
        }
        ring.consume_events(c, skip.wrapping_add(batch.len), batch.records);
        Ok(Outcome::Copied(
            PACKET_HEADER.wrapping_add(batch.len) as usize
        ))
    }
}

impl Buffer {
    /// Brings a reader to the store it reads, in that manner.
    pub(super) fn enter_for(&self, place: &mut Place, manner: Manner) -> Arc<Store> {
        let store = self.enter(place);
        place.cursor.parts = manner == Manner::Events;
        store
    }

    /// Brings a reader that has entered `store` to what it can read next: how many bytes after the cursor
    /// that begins.
    pub(super) fn find_next(
        &self,
        at: &Position,
        place: &mut Place,
        store: &mut Arc<Store>,
        manner: Manner,
    ) -> Option<u64> {
        while self.advance(at, place, store) {
            match manner {
                Manner::Runs => return Some(0),
                Manner::Events => {
                    let skip = store.ring().to_event(&mut place.cursor);
                    if skip.is_some() {
                        return skip;
                    }
                }
            }
        }
        None
    }
}
