// SPDX-License-Identifier: GPL-2.0

//! RECORDS: slots that are events, sub-buffers that are packets, as the Common Trace Format has them.
//!
//! A packet begins with a header, which whoever delivers the sub-buffer fills. An event has a header of
//! its own: when, which, how long. It begins at a multiple of 8; what is missing to that belongs to its
//! slot, so that a packet ends with the last byte of its last event. Readers get whole packets, and of
//! these neither the padding at the end nor what was discarded.

use crate::ring::{
    hole,
    layout::Subbuf,
    reserve::{Slot, LONGEST},
    spec::Format,
    sync::{self, Ordering, Rmw},
    Ring, //
};

/// Bytes of a packet before its first event.
pub(crate) const PACKET_HEADER: u64 = 80;

/// What it consists of.
type Header = [u8; PACKET_HEADER as usize];

/// Where in it the words are: how long the packet is, twice, and when it began, and what comes behind.
const SIZES: usize = 24;

/// Where the number of refused events is.
pub(super) const DISCARDED: u64 = 56;

/// Where the CPU is.
const CPU: usize = 72;

/// Bytes of an event before its fields.
pub(crate) const EVENT_HEADER: u64 = 16;

/// Of a sub-buffer these stay free: so who closes it does not find it full, and writes down when.
pub(super) const SPARE: u64 = 8;

const ALIGN: u64 = 8;
const MAGIC: u32 = 0xc1fc_1fc1;

/// What the packets of a ring have in common.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Packet {
    /// Of the trace.
    pub(crate) uuid: [u8; 16],
    pub(crate) stream_id: u32,
    pub(crate) cpu: u32,
}

/// What is known of a packet when it is whole.
pub(super) struct Facts {
    pub(super) begin: u64,
    pub(super) end: u64,
    /// What readers get, in bytes.
    pub(super) len: u64,
}

/// The header of a packet.
pub(super) fn header(packet: &Packet, facts: &Facts, discarded: u64, number: u64) -> Header {
    let mut head = [0; PACKET_HEADER as usize];
    let bits = facts.len.wrapping_mul(8);
    put(&mut head, 0, &MAGIC.to_ne_bytes());
    put(&mut head, 4, &packet.uuid);
    put(&mut head, 20, &packet.stream_id.to_ne_bytes());
    let words = [bits, bits, facts.begin, facts.end, discarded, number];
    for (index, word) in words.iter().enumerate() {
        put(
            &mut head,
            SIZES.wrapping_add(index.wrapping_mul(8)),
            &word.to_ne_bytes(),
        );
    }
    put(&mut head, CPU, &packet.cpu.to_ne_bytes());
    head
}

/// How long the packet at the start of `bytes` is, and of which CPU, as its header says.
pub(crate) fn packet_in(bytes: &[u8]) -> Option<(usize, u32)> {
    let (_, bits) = bytes.split_at_checked(SIZES)?;
    let (_, cpu) = bytes.split_at_checked(CPU)?;
    let bits = u64::from_ne_bytes(*bits.first_chunk()?);
    Some(((bits / 8) as usize, u32::from_ne_bytes(*cpu.first_chunk()?)))
}

/// Makes the header of a packet that of its end, which has `bits` with the header.
pub(super) fn patch(head: &mut Header, bits: u64, begin: u64) {
    for (index, word) in [bits, bits, begin].iter().enumerate() {
        put(
            head,
            SIZES.wrapping_add(index.wrapping_mul(8)),
            &word.to_ne_bytes(),
        );
    }
}

fn put(head: &mut Header, at: usize, bytes: &[u8]) {
    let end = at.wrapping_add(bytes.len());
    if let Some(to) = head.get_mut(at..end) {
        to.copy_from_slice(bytes);
    }
}

/// What is missing at `pos` to where an event may begin.
pub(super) fn pad(pos: u64) -> u64 {
    pos.wrapping_neg() & ALIGN.wrapping_sub(1)
}

pub(super) fn aligned(pos: u64) -> u64 {
    pos.wrapping_add(pad(pos))
}

/// The slot at `pos` for an event with fields of `len` bytes.
#[inline(always)]
fn event_slot(pos: u64, len: u64) -> Slot {
    // INVARIANT: The caller reserves it.
    Slot {
        pos,
        len: pad(pos).wrapping_add(EVENT_HEADER).wrapping_add(len),
    }
}

impl<R: Rmw> Ring<R> {
    /// Whether slots are events.
    #[inline(always)]
    pub(crate) fn is_records(&self) -> bool {
        matches!(self.format, Format::Records(_))
    }

    /// Reserves an event of type `id` with fields of `len` bytes in the current sub-buffer, and writes
    /// its header. `None`: call [`Ring::reserve_event_slow`]. The ring must be one of RECORDS.
    ///
    /// May be called in any context.
    // Channels do not offer events yet.
    #[allow(dead_code)]
    #[inline(always)]
    pub(crate) fn try_reserve_event(&self, id: u32, len: u64) -> Option<Slot> {
        nesting_point!(A);
        // ORDERING: reserve:B
        let pos = self.head().writer.pos.load(Ordering::Acquire);
        // As in `try_reserve()`.
        let before = self.geo.offset(pos.wrapping_sub(1));
        let slot = event_slot(pos, len);
        if len > LONGEST || before.wrapping_add(slot.len) > self.event_room.load(Ordering::Relaxed)
        {
            return None;
        }
        // Behind the load of the position, before its exchange: so times do not go back.
        let time = self.next_time();
        nesting_point!(B);
        // ORDERING: reserve:A
        if !R::cmpxchg(&self.head().writer.pos, pos, pos.wrapping_add(slot.len)) {
            return None;
        }
        // INVARIANT: As in `try_reserve()`.
        self.begin_event(&slot, id, len, time);
        nesting_point!(C);
        Some(slot)
    }

    /// What a record of `len` bytes takes at `pos`.
    pub(super) fn slot_at(&self, pos: u64, len: u64) -> Slot {
        if self.is_records() {
            event_slot(pos, len)
        } else {
            // INVARIANT: The caller reserves it.
            Slot { pos, len }
        }
    }

    /// Where the `len` bytes of a record are to be written.
    #[inline(always)]
    pub(crate) fn payload(&self, slot: &Slot, len: u64) -> u64 {
        if self.is_records() {
            slot.pos.wrapping_add(slot.len).wrapping_sub(len)
        } else {
            slot.pos
        }
    }

    /// Writes the header of an event into the slot that was reserved for it.
    #[inline(always)]
    pub(super) fn begin_event(&self, slot: &Slot, id: u32, len: u64, time: u64) {
        let at = aligned(slot.pos);
        let head = EVENT_HEADER.wrapping_add(at.wrapping_sub(slot.pos));
        sync::writes(self.address(slot.pos), head as usize);
        let (pad, event) = (self.address(slot.pos), self.address(at).cast::<u32>());
        // SAFETY: The slot is the caller's alone. It has room for the header, and 8 bytes from its
        // start lie in padding and header.
        unsafe {
            pad.cast::<u64>().write_unaligned(0);
            event.cast::<u64>().write_unaligned(time);
            event.add(2).write_unaligned(id);
            event.add(3).write_unaligned(len as u32);
        }
    }

    /// The hole that a discarded event leaves: it goes from where that began to where the next begins.
    pub(super) fn event_hole(&self, pos: u64, len: u64) -> hole::Hole {
        let start = aligned(pos);
        hole::Hole {
            start: self.geo.offset(start),
            len: aligned(pos.wrapping_add(len)).wrapping_sub(start),
            pad: pad(pos),
        }
    }

    /// Where the last event of a whole sub-buffer ends whose last slot ends at `end`: what was discarded
    /// behind it is padding.
    pub(super) fn last_event_end(&self, seq: u64, mut end: u64) -> u64 {
        // The list is in no order, so it is walked again until nothing changes. Mostly that is once, as
        // the newest is not made a hole but given back.
        loop {
            let before = end;
            // SAFETY: A slot is not opened again before its sub-buffer is delivered.
            unsafe {
                self.for_each_hole(seq, |hole| {
                    if hole.start < end && hole.start.wrapping_add(hole.len) >= end {
                        end = hole.start.wrapping_sub(hole.pad);
                    }
                })
            };
            if end == before {
                return end;
            }
        }
    }

    /// Fills the header of a packet that is not delivered yet.
    pub(super) fn finish_packet(&self, seq: u64, packet: &Packet, facts: &Facts) {
        // Only one context at a time delivers.
        let number = self.packets.load(Ordering::Relaxed);
        self.packets
            .store(number.wrapping_add(1), Ordering::Relaxed);
        let head = header(packet, facts, self.refused(), number);
        // SAFETY: The start reserve, which only who delivers writes now, and nobody reads yet.
        unsafe { self.write_bytes(self.geo.start(seq), &head) };
    }

    /// Records refused so far, for whatever reason, in the rings before, too.
    pub(super) fn refused(&self) -> u64 {
        let lost = self.head().lost.iter();
        lost.map(|lost| lost.records.load(Ordering::Relaxed)).fold(
            self.refused_before.load(Ordering::Relaxed),
            u64::wrapping_add,
        )
    }

    /// The number of the packet behind all that there may be in sub-buffers before `end`.
    pub(super) fn packets_before(&self, end: u64) -> u64 {
        // One that is delivered just now may be counted twice, but none is left out.
        // ORDERING: deliver:B
        let mut seq = self.head().deliver.seq.load(Ordering::Acquire);
        let mut packets = self.packets.load(Ordering::Relaxed);
        let end = self.geo.seq(end);
        while seq < end {
            packets = packets.wrapping_add(u64::from(!self.is_skipped(seq)));
            seq = seq.wrapping_add(1);
        }
        packets
    }

    /// When a whole sub-buffer ended that began at `begin`: that of a packet was written down by who
    /// closed it, as it must not be later than when the next began.
    pub(super) fn end_time(&self, subbuf: &Subbuf, begin: u64) -> u64 {
        let end = subbuf.end.load(Ordering::Relaxed);
        if self.is_records() || end > begin {
            end
        } else {
            // It is not written down yet; or what is was for an earlier lap, by one who came too late.
            self.next_time()
        }
    }

    /// Writes down when a sub-buffer ended whose last commit has just landed. It may be delivered by
    /// now, and its slot used again.
    pub(super) fn note_end(&self, seq: u64) {
        if self.is_records() {
            return;
        }
        let (subbuf, time) = (self.subbuf(seq), self.next_time());
        // If it is opened from now on, that is not before `time`.
        if self.committed(subbuf, seq).is_some() {
            nesting_point!(Q);
            R::cmpxchg(&subbuf.end, 0, time);
        }
    }
}
