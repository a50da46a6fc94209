// SPDX-License-Identifier: MIT OR Apache-2.0

//! Packets as the kernel makes them.

use crate::uapi::{Event, Packet, PACKET_HEADER, PACKET_MAGIC};
use zerocopy::IntoBytes;

pub(super) const UUID: [u8; 16] = [7; 16];

/// An event: time, type, fields.
pub(super) type Made<'a> = (u64, u32, &'a [u8]);

/// A packet with these events, begun with the first and ended with the last.
pub(super) fn packet(cpu: u32, seq: u64, discarded: u64, events: &[Made<'_>]) -> Vec<u8> {
    let mut bytes = vec![0; PACKET_HEADER];
    for &(timestamp, id, fields) in events {
        bytes.resize(bytes.len().next_multiple_of(8), 0);
        let event = Event {
            timestamp,
            id,
            len: fields.len() as u32,
        };
        bytes.extend_from_slice(event.as_bytes());
        bytes.extend_from_slice(fields);
    }
    let bits = bytes.len() as u64 * 8;
    let head = Packet {
        magic: PACKET_MAGIC,
        uuid: UUID,
        stream_id: 0,
        packet_size: bits,
        content_size: bits,
        timestamp_begin: events.first().map_or(0, |event| event.0),
        timestamp_end: events.last().map_or(0, |event| event.0),
        events_discarded: discarded,
        packet_seq_num: seq,
        cpu_id: cpu,
        reserved: 0,
    };
    bytes[..PACKET_HEADER].copy_from_slice(head.as_bytes());
    bytes
}
