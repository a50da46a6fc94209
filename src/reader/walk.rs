// SPDX-License-Identifier: GPL-2.0

//! Going over data without copying it: how much there is, and consuming what somebody else has read.

use super::position::{Mark, Position};
use super::Manner;
use crate::buffer::Buffer;
use crate::ring::{Cursor, Owner, Ring, PACKET_HEADER};

/// In what data is counted.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Bytes, as reads give them.
    Bytes,
    /// Sub-buffers that end in it.
    Subbufs,
}

/// How much data, in each unit.
#[derive(Clone, Copy, Default)]
pub(super) struct Amount {
    bytes: u64,
    subbufs: u64,
}

impl Amount {
    pub(super) fn get(self, unit: Unit) -> u64 {
        match unit {
            Unit::Bytes => self.bytes,
            Unit::Subbufs => self.subbufs,
        }
    }

    pub(super) fn get_mut(&mut self, unit: Unit) -> &mut u64 {
        match unit {
            Unit::Bytes => &mut self.bytes,
            Unit::Subbufs => &mut self.subbufs,
        }
    }

    pub(super) fn plus(self, other: Self) -> Self {
        Self {
            bytes: self.bytes.wrapping_add(other.bytes),
            subbufs: self.subbufs.wrapping_add(other.subbufs),
        }
    }
}

/// How far to go. Of packets only over whole ones.
#[derive(Clone, Copy)]
pub(super) struct Until {
    /// Not beyond this position.
    pub(super) pos: u64,
    /// Not over more than this.
    pub(super) most: u64,
    pub(super) unit: Unit,
    /// Only to the end of the first run.
    pub(super) one_run: bool,
    pub(super) manner: Manner,
}

impl Until {
    /// All there is up to a position.
    pub(super) fn pos(pos: u64) -> Self {
        Self {
            pos,
            most: u64::MAX,
            unit: Unit::Bytes,
            one_run: false,
            manner: Manner::Runs,
        }
    }

    /// Goes over what a reader gets next, in the run a cursor is in: how many bytes it gets of it. `None`:
    /// it is more than is `wanted`, or behind the position.
    fn step(&self, ring: &Ring<Owner>, c: &mut Cursor, from: Mark, wanted: u64) -> Option<u64> {
        let within = self.pos.wrapping_sub(from.pos);
        match self.manner {
            Manner::Events => {
                let Some(skip) = ring.to_event(c) else {
                    return Some(0);
                };
                // It is a packet of its own at least.
                let n = ring.peek(c).len() as u64;
                ring.consume(c, n);
                Some(PACKET_HEADER.wrapping_add(n).wrapping_sub(skip))
            }
            Manner::Runs if ring.is_records() => {
                let Some(before) = ring.to_packet(c) else {
                    return Some(0);
                };
                let n = before.wrapping_add(ring.consume_run(c));
                (n <= wanted && within != 0).then_some(n)
            }
            Manner::Runs => {
                let n = (ring.peek(c).len() as u64).min(within).min(wanted);
                ring.consume(c, n);
                (n != 0).then_some(n)
            }
        }
    }
}

/// How far a walk came.
pub(super) struct Walked {
    pub(super) to: Mark,
    pub(super) over: Amount,
}

impl Buffer {
    /// Goes over what can be read from `from` on. Holds, for a moment each, what it goes over.
    pub(super) fn walk(&self, from: Mark, until: Until) -> Walked {
        let _guest = self.be_guest();
        let (mut place, mut store) = self.place_at(from);
        place.cursor.parts = until.manner == Manner::Events;
        let mut walked = Walked {
            to: from,
            over: Amount::default(),
        };
        let left = |over: Amount| until.most.saturating_sub(over.get(until.unit));
        while left(walked.over) != 0 && self.look_ahead(&mut place, &mut store) {
            let mark = place.mark(&store);
            if mark.pos > until.pos {
                break;
            }
            // The step may have gone over the end of a sub-buffer.
            walked.to = mark;
            walked.over.subbufs = place.cursor.ended;
            let wanted = match until.unit {
                Unit::Bytes => left(walked.over),
                Unit::Subbufs if left(walked.over) != 0 => u64::MAX,
                Unit::Subbufs => break,
            };
            let step = until.step(store.ring(), &mut place.cursor, mark, wanted);
            let Some(n) = step else {
                break;
            };
            walked.to = place.mark(&store);
            walked.over = Amount {
                bytes: walked.over.bytes.wrapping_add(n),
                subbufs: place.cursor.ended,
            };
            if until.one_run && n != 0 && !store.ring().mid_run(&place.cursor) {
                break;
            }
        }
        store.ring().detach(&mut place.cursor);
        walked
    }

    /// How much can be read from `from` on, up to `pos`.
    pub(super) fn amount(&self, from: Mark, pos: u64) -> Amount {
        self.walk(from, Until::pos(pos)).over
    }

    /// How many bytes, at most `most`, reads at `at` would find, if they went on to where writers are
    /// now. Of packets that are made it is not known how many it will be: so much at least.
    pub(super) fn available(&self, at: &Position, manner: Manner, most: u64) -> u64 {
        let until = Until {
            most,
            manner,
            ..Until::pos(self.written_pos())
        };
        self.walk(at.mark(), until).over.bytes.min(most)
    }

    /// How long memory must be for the next packet that is read at `at`; 0: there is none.
    pub(super) fn next_packet(&self, at: &Position, manner: Manner) -> u64 {
        let until = Until {
            one_run: true,
            manner,
            ..Until::pos(self.written_pos())
        };
        self.walk(at.mark(), until).over.bytes
    }

    /// Consumes all before `pos`, as if it were read; of packets whole ones only.
    pub(crate) fn consume_to(&self, pos: u64) {
        let at = &self.consumer;
        let mut place = self.lock(at);
        let _guest = self.be_guest();
        let mut store = self.enter(&mut place);
        loop {
            let inside = store.ring().mid_run(&place.cursor);
            let more = self.advance(at, &mut place, &mut store);
            let (ring, c) = (store.ring(), &mut place.cursor);
            if !more || !ring.consume_before(c, pos) {
                // Only a run some byte of which was consumed must be kept from the writers.
                if !inside {
                    ring.detach(c);
                }
                break;
            }
        }
        self.leave(at, &mut place, store);
    }

    /// How far a reader has come at `at`, and how much it has read there.
    pub(super) fn reached(&self, at: &Position) -> (Mark, Amount) {
        let place = self.lock(at);
        let read = Amount {
            bytes: place.taken,
            subbufs: place.cursor.ended,
        };
        (at.mark_of(&place), read)
    }
}
