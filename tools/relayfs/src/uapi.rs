// SPDX-License-Identifier: MIT OR Apache-2.0

//! What the kernel and user space say to each other: `include/uapi/linux/relayfs.h`, by hand. A test
//! compares it with that header.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// `f_type` of a relayfs mount, and first word of a mapping.
pub const MAGIC: u32 = 0x26F8_2121;

/// Version of the mapped layout this crate knows.
pub const META_VERSION: u32 = 1;

/// In [`Meta::flags`] and [`Info::flags`]: sub-buffers are packets.
pub const FLAG_RECORDS: u32 = 0x2000;
/// There: a full buffer refuses what is new. Otherwise the oldest gives way.
pub const FLAG_NO_OVERWRITE: u32 = 0x0200;
/// There: one buffer for all CPUs.
pub const FLAG_GLOBAL: u32 = 0x0080;
/// There: times are cycles of the CPU, not ns of `CLOCK_MONOTONIC`.
pub const FLAG_TSC: u32 = 0x0010;
/// There: there are no times.
pub const FLAG_NO_TIME: u32 = 0x0800;

/// In place of the number of a CPU: of a global buffer.
pub const CPU_NONE: u32 = 0xffff_ffff;
/// In place of the number of a CPU: of all buffers.
pub const CPU_ALL: u32 = 0xffff_fffe;

/// How many causes there are in `lost` of [`Meta`] and [`Info`].
pub const LOST_CAUSES: usize = 7;

/// First word of a packet.
pub const PACKET_MAGIC: u32 = 0xC1FC_1FC1;

/// Set in [`Meta::write_pos`] when nothing more will be written to the buffer.
pub const WRITE_POS_ENDED: u64 = 1 << 63;

/// Offset of the consumer page in a CPU file.
pub const OFF_CONSUMER: u64 = 1 << 40;

/// In [`Info::state`]: nothing will be written any more.
pub const STATE_CLOSED: u32 = 1;

/// `struct relayfs_lost` and `struct relayfs_count`: a number of records, and their payload in bytes.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct Count {
    /// Number of records.
    pub records: u64,
    /// Their payload, in bytes.
    pub bytes: u64,
}

/// `struct relayfs_meta`: head of the mapped meta pages.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
#[allow(missing_docs)] // The header explains them.
pub struct Meta {
    pub magic: u32,
    pub version: u32,
    pub data_offset: u64,
    pub subbuf_size: u64,
    pub n_subbufs: u32,
    pub desc_size: u32,
    pub cpu: u32,
    pub flags: u32,
    pub generation: u64,
    pub start_reserve: u32,
    pub end_reserve: u32,
    pub reserved: [u64; 9],
    pub write_pos: u64,
    pub writer_time: u64,
    pub pad0: [u64; 6],
    pub delivered: u64,
    pub delivered_records: u64,
    pub delivered_bytes: u64,
    pub deliver_state: u64,
    pub before: [Count; 2],
    pub lost: [Count; 8],
    pub consumed: u64,
    pub read_records: u64,
    pub read_bytes: u64,
    pub overwritten_records: u64,
    pub overwritten_bytes: u64,
    pub pad2: [u64; 11],
}

/// `struct relayfs_subbuf`: one slot of the ring, as mapped.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
#[allow(missing_docs)] // The header explains them.
pub struct Subbuf {
    pub commit: u64,
    pub base: u64,
    pub seq: u64,
    pub closed_at: u64,
    pub holes: u64,
    pub begin: u64,
    pub end: u64,
    pub data_len: u64,
    pub records: u64,
    pub bytes: u64,
    pub first_record: u64,
    pub first_byte: u64,
    pub claim: u64,
    pub data_start: u64,
    pub reserved: [u64; 2],
}

/// `struct relayfs_consumer`: how far a consumer has come that reads a mapping.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Consumer {
    /// Everything before was consumed.
    pub position: u64,
    /// Records it has found missing before that.
    pub lost_records: u64,
    /// Their payload, in bytes.
    pub lost_bytes: u64,
    /// Zero.
    pub reserved: [u64; 5],
}

/// `struct relayfs_packet`: begins a sub-buffer of a channel of records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Packet {
    /// [`PACKET_MAGIC`].
    pub magic: u32,
    /// Of the trace, as in the metadata.
    pub uuid: [u8; 16],
    /// 0.
    pub stream_id: u32,
    /// Bits in the packet.
    pub packet_size: u64,
    /// Bits of it up to the end of the last event.
    pub content_size: u64,
    /// When the sub-buffer was entered, by the channel's clock.
    pub timestamp_begin: u64,
    /// When it was complete.
    pub timestamp_end: u64,
    /// Events its buffer has refused so far; free-running.
    pub events_discarded: u64,
    /// Number of the packet; free-running.
    pub packet_seq_num: u64,
    /// The CPU; [`CPU_NONE`] for a global buffer.
    pub cpu_id: u32,
    /// 0.
    pub reserved: u32,
}

/// `struct relayfs_event`: begins an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Event {
    /// When it was reserved, by the channel's clock.
    pub timestamp: u64,
    /// Which event of the schema.
    pub id: u32,
    /// Bytes of its fields, which follow.
    pub len: u32,
}

/// `struct relayfs_info`: what a channel, or one buffer of it, is like now.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
#[allow(missing_docs)] // The header explains them.
pub struct Info {
    pub size: u32,
    pub flags: u32,
    pub subbuf_size: u64,
    pub n_subbufs: u32,
    pub n_buffers: u32,
    pub cpu: u32,
    pub state: u32,
    pub generation: u64,
    pub start_reserve: u32,
    pub end_reserve: u32,
    pub channel_start_reserve: u32,
    pub flush_interval_ms: u32,
    pub watermark: u64,
    pub readers: u32,
    pub observers: u32,
    pub current_seq: u64,
    pub subbufs_produced: u64,
    pub subbufs_consumed: u64,
    pub wakeups: u64,
    pub produced: Count,
    pub read: Count,
    pub overwritten: Count,
    pub unread: Count,
    pub lost: [Count; 8],
}

/// Bytes of a packet before its first event.
pub const PACKET_HEADER: usize = size_of::<Packet>();

/// Bytes of an event before its fields.
pub const EVENT_HEADER: usize = size_of::<Event>();

impl Count {
    /// What is left without `other`; nothing if that is more.
    pub fn less(self, other: Self) -> Self {
        Self {
            records: self.records.saturating_sub(other.records),
            bytes: self.bytes.saturating_sub(other.bytes),
        }
    }
}

impl Info {
    /// What was read or overwritten of all that was produced.
    pub fn gone(&self) -> Count {
        Count {
            records: self.read.records.saturating_add(self.overwritten.records),
            bytes: self.read.bytes.saturating_add(self.overwritten.bytes),
        }
    }

    /// Records refused, whatever the cause.
    pub fn refused(&self) -> Count {
        self.lost.iter().fold(Count::default(), |sum, lost| Count {
            records: sum.records.wrapping_add(lost.records),
            bytes: sum.bytes.wrapping_add(lost.bytes),
        })
    }

    /// Whether the channel is closed.
    pub fn is_closed(&self) -> bool {
        self.state & STATE_CLOSED != 0
    }

    /// Whether its sub-buffers are packets.
    pub fn is_records(&self) -> bool {
        self.flags & FLAG_RECORDS != 0
    }

    /// Whether a full buffer gives up the oldest data.
    pub fn is_overwrite(&self) -> bool {
        self.flags & FLAG_NO_OVERWRITE == 0
    }
}
