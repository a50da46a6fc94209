// SPDX-License-Identifier: GPL-2.0

//! Events out of sub-buffers, for readers that make packets of their own: runs of events, also of
//! sub-buffers that are not complete.

use crate::ring::{
    cursor::{Count, Cursor},
    event::{self, aligned, pad, Facts, EVENT_HEADER, PACKET_HEADER},
    spec::Format,
    sync::{Ordering, Rmw},
    Ring, //
};

/// Events that follow one on the other.
#[derive(Default)]
pub(crate) struct Batch {
    pub(crate) records: u64,
    /// In bytes, from the first byte of the first to the last of the last.
    pub(crate) len: u64,
    /// When the last one was.
    pub(crate) end: u64,
}

/// A packet that a reader makes.
pub(crate) struct Made {
    pub(crate) begin: u64,
    pub(crate) end: u64,
    /// Of its events, in bytes.
    pub(crate) len: u64,
    /// Events that were lost so far.
    pub(crate) discarded: u64,
    pub(crate) number: u64,
}

/// When the event at the start of `bytes` was, and how long it is, if it is all there.
fn event_in(bytes: &[u8]) -> Option<(u64, u64)> {
    let time = u64::from_ne_bytes(bytes.get(..8)?.try_into().ok()?);
    let fields = u32::from_ne_bytes(bytes.get(12..16)?.try_into().ok()?);
    let len = EVENT_HEADER.wrapping_add(fields.into());
    (len <= bytes.len() as u64).then_some((time, len))
}

/// Of the events in a packet of which somebody has got the first `taken` bytes only: those he has not got
/// to their end, and how many bytes that is.
pub(crate) fn left_behind(packet: &[u8], taken: usize) -> Count {
    let taken = taken as u64;
    let (mut records, mut at) = (0u64, PACKET_HEADER);
    while let Some((_, len)) = packet.get(at as usize..).and_then(event_in) {
        let end = at.wrapping_add(len);
        records = records.wrapping_add(u64::from(end > taken));
        // As in the sub-buffer: a header has a multiple of 8 bytes.
        at = aligned(end);
    }
    Count {
        records,
        bytes: (packet.len() as u64).saturating_sub(taken.max(PACKET_HEADER)),
    }
}

impl<R: Rmw> Ring<R> {
    /// How many bytes after the cursor, which is in a run, its next event begins. Steps over what comes
    /// before, but for the packet's header and padding in front of the event. `None`: the run has no
    /// more.
    pub(crate) fn to_event(&self, c: &mut Cursor) -> Option<u64> {
        while self.mid_run(c) {
            let skip = match c.data.0.saturating_sub(c.off) {
                0 => pad(c.off),
                header => header,
            };
            let bytes = self.peek(c);
            if bytes.get(skip as usize..).and_then(event_in).is_some() {
                return Some(skip);
            }
            // Nothing but a header, or padding before a hole.
            let n = bytes.len() as u64;
            self.consume(c, n);
        }
        None
    }

    /// When the event `skip` bytes after the cursor was.
    pub(crate) fn event_time_at(&self, c: &Cursor, skip: u64) -> u64 {
        let event = self.peek(c).get(skip as usize..).and_then(event_in);
        event.map_or(0, |(time, _)| time)
    }

    /// The events from `skip` bytes after the cursor on: the first, and those behind that are not after
    /// `until` nor before the one in front of them; as many as fit `room` bytes, without a gap.
    pub(crate) fn gather(&self, c: &Cursor, skip: u64, until: u64, room: u64) -> Batch {
        let bytes = self.peek(c).get(skip as usize..).unwrap_or_default();
        let (mut batch, mut at) = (Batch::default(), 0u64);
        while let Some((time, len)) = bytes.get(at as usize..).and_then(event_in) {
            let end = at.wrapping_add(len);
            let late = batch.records != 0 && (time > until || time < batch.end);
            if late || end > room {
                break;
            }
            batch = Batch {
                records: batch.records.wrapping_add(1),
                len: end,
                end: time,
            };
            // The first begins at a multiple of 8.
            at = aligned(end);
        }
        batch
    }

    /// Consumes `n` bytes that end with an event, `records` of them, and lets go of the slot.
    pub(crate) fn consume_events(&self, c: &mut Cursor, n: u64, records: u64) {
        self.consume(c, n);
        if c.held {
            c.end_part(records);
            self.detach(c);
        }
    }

    /// How many events were lost before, or between, those of the sub-buffer the cursor has come to: they
    /// were refused, or the reader missed them. If the cursor is in no run, so far.
    pub(crate) fn lost_before(&self, c: &Cursor) -> u64 {
        let refused = if c.held && c.whole {
            let mut refused = [0; 8];
            let at = self.geo.start(c.seq).wrapping_add(event::DISCARDED);
            // SAFETY: The sub-buffer is delivered, and held.
            unsafe { self.read_bytes(at, &mut refused) };
            u64::from_ne_bytes(refused)
        } else {
            self.refused()
        };
        refused.wrapping_add(c.missed.records)
    }

    /// How many events a reader that comes to its first one can know nothing of: if some are gone by then, or
    /// somebody has read them, those that are gone and what was refused up to there.
    pub(crate) fn lost_before_all(&self, c: &Cursor) -> u64 {
        let gone = self.overwritten(c);
        let nothing = gone.records == 0 && c.read.records == 0;
        let missed = gone.minus(c.missed).records;
        if nothing {
            0
        } else {
            self.lost_before(c).wrapping_add(missed)
        }
    }

    /// The header of a packet with events of this ring.
    pub(crate) fn header_of(&self, made: &Made) -> [u8; PACKET_HEADER as usize] {
        let facts = Facts {
            begin: made.begin,
            end: made.end,
            len: PACKET_HEADER.wrapping_add(made.len),
        };
        match &self.format {
            Format::Records(packet) => event::header(packet, &facts, made.discarded, made.number),
            Format::Raw => [0; PACKET_HEADER as usize],
        }
    }

    /// Brings the cursor, which has begun a run, to what readers get of that as a packet: how many bytes of
    /// it they get from elsewhere. If the events before were given away in other packets, that is
    /// [`header_of_rest()`](Self::header_of_rest). `None`: nothing is left in the run, and it is over.
    pub(crate) fn to_packet(&self, c: &mut Cursor) -> Option<u64> {
        if c.off == 0 {
            return Some(0);
        }
        let skip = self.to_event(c)?;
        self.consume(c, skip);
        Some(PACKET_HEADER)
    }

    /// The header of a packet of `len` bytes with the events from the cursor on, if those before were
    /// given away in other packets.
    pub(crate) fn header_of_rest(
        &self,
        c: &Cursor,
        len: u64,
    ) -> Option<[u8; PACKET_HEADER as usize]> {
        if c.off == 0 {
            return None;
        }
        let mut head = [0; PACKET_HEADER as usize];
        // SAFETY: The sub-buffer is delivered, as only whole ones are given so, and held.
        unsafe { self.read_bytes(self.geo.start(c.seq), &mut head) };
        event::patch(&mut head, len.wrapping_mul(8), self.event_time_at(c, 0));
        Some(head)
    }

    /// Goes over all that is left of the run a cursor is in. How many bytes that is.
    pub(crate) fn consume_run(&self, c: &mut Cursor) -> u64 {
        let mut sum = 0u64;
        while self.mid_run(c) {
            let n = self.peek(c).len() as u64;
            self.consume(c, n);
            sum = sum.wrapping_add(n);
        }
        sum
    }

    /// Whether something that was reserved before the position is now, behind the cursor, is not committed:
    /// then it is not known what comes next there, but something will.
    pub(crate) fn is_unfinished(&self, c: &Cursor) -> bool {
        // ORDERING: reserve:B
        let pos = self.pos(Ordering::Acquire);
        let (seq, off) = (self.geo.seq(pos), self.geo.offset(pos));
        if pos <= self.consumed_pos(c) {
            return false;
        }
        // ORDERING: deliver:B
        if self.head().deliver.seq.load(Ordering::Acquire) < seq {
            return true;
        }
        let committed = || self.committed(self.subbuf(seq), seq);
        off != 0 && committed().is_none_or(|(bytes, _)| bytes < off)
    }

    /// The clock, now.
    pub(crate) fn time(&self) -> u64 {
        self.clock.read()
    }
}
