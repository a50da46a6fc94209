// SPDX-License-Identifier: MIT OR Apache-2.0

//! Packets and the events in them. All of it is total: whatever the bytes are, there is a result.

use crate::error::{Error, Result};
use crate::uapi::{Event, Packet, EVENT_HEADER, PACKET_HEADER, PACKET_MAGIC};
use std::ops::Range;
use zerocopy::FromBytes;

/// Longer packets are taken for damaged ones.
pub(crate) const LONGEST: u64 = 1 << 31;

/// The header of a packet at byte `at` of its stream, which must begin with `bytes`, and how long the
/// packet is.
pub(crate) fn header(bytes: &[u8], at: u64) -> Result<(Packet, usize)> {
    let bad = |what| Error::Packet { at, what };
    let (head, _) = Packet::read_from_prefix(bytes).map_err(|_| bad("its header is cut"))?;
    if head.magic == PACKET_MAGIC.swap_bytes() {
        return Err(bad("it is from a machine with another byte order"));
    }
    if head.magic != PACKET_MAGIC {
        return Err(bad("it does not begin as packets do"));
    }
    if head.packet_size % 8 != 0 || head.content_size % 8 != 0 {
        return Err(bad("its size is not one of whole bytes"));
    }
    let size = head.packet_size / 8;
    if size > LONGEST {
        return Err(bad("it is too long"));
    }
    if head.content_size > head.packet_size || head.content_size / 8 < PACKET_HEADER as u64 {
        return Err(bad("its sizes contradict each other"));
    }
    Ok((head, size as usize))
}

/// The same of a packet that must be whole.
pub(crate) fn whole(bytes: &[u8], at: u64) -> Result<(Packet, usize)> {
    let (head, size) = header(bytes, at)?;
    if size > bytes.len() {
        return Err(Error::Packet {
            at,
            what: "it is cut",
        });
    }
    Ok((head, size))
}

/// Where an event is in its packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EventAt {
    pub(crate) timestamp: u64,
    pub(crate) id: u32,
    pub(crate) fields: Range<usize>,
}

/// Goes over the events of a packet.
#[derive(Clone, Debug, Default)]
pub(crate) struct Events {
    at: usize,
    end: usize,
}

impl Events {
    /// Those of the packet with this header.
    pub(crate) fn new(head: &Packet) -> Self {
        Self {
            at: PACKET_HEADER,
            end: (head.content_size / 8) as usize,
        }
    }

    /// The next one of `packet`. After an error there is none.
    pub(crate) fn next(&mut self, packet: &[u8]) -> Option<Result<EventAt>> {
        let at = self.at.checked_next_multiple_of(8)?;
        let content = packet.get(..self.end.min(packet.len()))?;
        if at >= content.len() {
            return None;
        }
        let found = Self::event(content, at);
        self.at = match &found {
            Ok(event) => event.fields.end,
            Err(_) => usize::MAX,
        };
        Some(found)
    }

    fn event(content: &[u8], at: usize) -> Result<EventAt> {
        let bad = |what| Error::Event { at, what };
        let rest = content.get(at..).unwrap_or_default();
        let (event, fields) =
            Event::read_from_prefix(rest).map_err(|_| bad("its header is cut"))?;
        let len = event.len as usize;
        if len > fields.len() {
            return Err(bad("it goes beyond its packet"));
        }
        let start = at + EVENT_HEADER;
        Ok(EventAt {
            timestamp: event.timestamp,
            id: event.id,
            fields: start..start + len,
        })
    }
}
