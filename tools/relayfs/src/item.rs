// SPDX-License-Identifier: MIT OR Apache-2.0

//! What a stream consists of: records, runs of bytes, and gaps.

use crate::uapi::Packet;

/// What comes next in a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item<'a> {
    /// An event of a channel of records.
    Record(Record<'a>),
    /// Bytes of a raw channel, one record behind the other.
    Run(Run<'a>),
    /// Something was lost here.
    Lost(Lost),
}

/// An event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// Whose buffer it was in; [`CPU_NONE`](crate::uapi::CPU_NONE): a global one.
    pub cpu: u32,
    /// When it was reserved, by the channel's clock.
    pub timestamp: u64,
    /// Which event of the schema.
    pub id: u32,
    /// Its fields.
    pub bytes: &'a [u8],
}

/// A run of bytes without holes or padding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run<'a> {
    /// Whose buffer it was in; [`CPU_NONE`](crate::uapi::CPU_NONE): a global one.
    pub cpu: u32,
    /// When its sub-buffer was begun, by the channel's clock; 0 if that is not known, as of what
    /// `read(2)` gave.
    pub timestamp: u64,
    /// The bytes.
    pub bytes: &'a [u8],
}

/// A gap in a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lost {
    /// Whose buffer; [`CPU_NONE`](crate::uapi::CPU_NONE): a global one; [`CPU_ALL`](crate::uapi::CPU_ALL): any
    /// of them, as the stream of a whole channel does not tell.
    pub cpu: u32,
    /// How many records; 0 if that is not known, as of packets missing in a recorded trace. What one `read(2)`
    /// gave may have several gaps: then the first has the records of them all, the others 0.
    pub records: u64,
    /// Their payload in bytes, if known; else 0.
    pub bytes: u64,
    /// How many packets, if records are missing by whole ones.
    pub packets: u64,
    /// Why.
    pub cause: Cause,
    /// It was not before this time,
    pub from: u64,
    /// and not after this one.
    pub to: u64,
}

/// Why something was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cause {
    /// The ring refused the record: it was full, the record too big, and so on. How often for which
    /// reason, counters tell: [`Info::lost`](crate::uapi::Info::lost), by [`Cause::name_of`].
    Refused,
    /// It was overwritten, or thrown away, before it was read.
    Overwritten,
}

/// Names of the reasons for which a ring refuses records, as in `info`, in the order of
/// [`Info::lost`](crate::uapi::Info::lost).
pub const REFUSED: [&str; crate::uapi::LOST_CAUSES] = [
    "full",
    "too_big",
    "nested",
    "closed",
    "held",
    "no_buffer",
    "nmi",
];

impl Cause {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Overwritten => "overwritten",
        }
    }

    /// The name of a place in [`Info::lost`](crate::uapi::Info::lost).
    pub fn name_of(at: usize) -> Option<&'static str> {
        REFUSED.get(at).copied()
    }
}

/// Number of records and bytes before a sub-buffer, where that is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Before {
    pub(crate) records: u64,
    pub(crate) bytes: u64,
}

/// Gaps before a sub-buffer: at most one of each cause.
pub(crate) type Gaps = [Option<Lost>; 2];

/// Finds gaps between one packet and the next of the same buffer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Gap {
    last: Option<Last>,
}

#[derive(Clone, Copy, Debug)]
struct Last {
    discarded: u64,
    seq: u64,
    end: u64,
}

/// How far a free-running counter went on. One that went back began anew.
fn went_on(from: u64, to: u64) -> u64 {
    let n = to.wrapping_sub(from);
    if n > u64::MAX / 2 {
        0
    } else {
        n
    }
}

impl Gap {
    /// What is missing before this packet. `missed`: how many records and bytes are missing with
    /// missing packets, if that is known.
    pub(crate) fn before(&mut self, head: &Packet, missed: impl FnOnce() -> Before) -> Gaps {
        // Before the first packet of a buffer nothing was refused. What was refused before another one
        // that a reader begins with is no gap of this reader's.
        let first = self.last.is_none();
        let last = self.last.unwrap_or(Last {
            discarded: if head.packet_seq_num == 0 {
                0
            } else {
                head.events_discarded
            },
            seq: head.packet_seq_num.wrapping_sub(1),
            end: head.timestamp_begin,
        });
        self.last = Some(Last {
            discarded: head.events_discarded,
            seq: head.packet_seq_num,
            end: head.timestamp_end,
        });
        let lost = |cause, count: Before, packets, to| Lost {
            cpu: head.cpu_id,
            records: count.records,
            bytes: count.bytes,
            packets,
            cause,
            from: last.end.min(to),
            to,
        };
        let packets = went_on(last.seq.wrapping_add(1), head.packet_seq_num);
        let missed = if first || packets != 0 {
            missed()
        } else {
            Before::default()
        };
        let overwritten = (packets != 0 || missed.records != 0)
            .then(|| lost(Cause::Overwritten, missed, packets, head.timestamp_begin));
        let records = went_on(last.discarded, head.events_discarded);
        let refused = (records != 0).then(|| {
            let count = Before { records, bytes: 0 };
            lost(Cause::Refused, count, 0, head.timestamp_end)
        });
        [overwritten, refused]
    }
}
