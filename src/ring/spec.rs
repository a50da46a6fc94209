// SPDX-License-Identifier: GPL-2.0

//! What a ring is to be like.

use crate::ring::event::{Packet, EVENT_HEADER, PACKET_HEADER, SPARE};
use crate::ring::{Clock, Geometry};

/// When readers are told of data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Delivery {
    /// Per sub-buffer.
    Bulk,
    /// Per record.
    Packet,
}

/// What the stream consists of.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Format {
    /// Bytes, as they were written.
    Raw,
    /// Events, in packets.
    Records(Packet),
}

/// Bytes of sub-buffers that writers leave to the client. They are zero until it fills them.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Reserves {
    /// At the start of each.
    pub(crate) start: u32,
    /// At the end of each.
    pub(crate) end: u32,
    /// At the start of the first, and of the first after a reset, before `start`.
    pub(crate) channel_start: u32,
}

/// What a ring is to be like.
///
/// # Invariants
///
/// The reserves together are shorter than `limit`, and that is at most a sub-buffer; less only if there
/// is no end reserve.
#[derive(Clone, Copy)]
pub(crate) struct Spec {
    pub(super) geo: Geometry,
    pub(super) overwrite: bool,
    pub(super) delivery: Delivery,
    pub(super) reserves: Reserves,
    pub(super) clock: Clock,
    pub(super) whole_only: bool,
    pub(super) format: Format,
    /// Bytes of a sub-buffer that are used, the reserves included.
    pub(super) limit: u64,
}

impl Spec {
    /// `None`: the reserves leave no room.
    pub(crate) fn new(
        geo: Geometry,
        overwrite: bool,
        delivery: Delivery,
        reserves: Reserves,
        clock: Clock,
    ) -> Option<Self> {
        let all = [reserves.start, reserves.end, reserves.channel_start];
        let sum = all.iter().fold(0u64, |sum, &n| sum.wrapping_add(n.into()));
        // INVARIANT: Just checked.
        (sum < geo.subbuf_size()).then_some(Self {
            geo,
            overwrite,
            delivery,
            reserves,
            clock,
            whole_only: false,
            format: Format::Raw,
            limit: geo.subbuf_size(),
        })
    }

    /// The same, but of each sub-buffer only `limit` bytes are used, the start reserves included.
    /// `None`: those leave no room, there is an end reserve, or it is more than a sub-buffer.
    pub(crate) fn limited_to(self, limit: u64) -> Option<Self> {
        let Reserves {
            start,
            end,
            channel_start,
        } = self.reserves;
        let starts = u64::from(start).wrapping_add(channel_start.into());
        // INVARIANT: Just checked.
        (end == 0 && starts < limit && limit <= self.geo.subbuf_size())
            .then_some(Self { limit, ..self })
    }

    /// The same, but of events; readers take whole packets. `None`: there are reserves, no clock, or no
    /// room.
    #[allow(dead_code)]
    pub(crate) fn records(self, packet: Packet) -> Option<Self> {
        let Reserves {
            start,
            end,
            channel_start,
        } = self.reserves;
        let least = PACKET_HEADER.wrapping_add(EVENT_HEADER).wrapping_add(SPARE);
        let fits = (start, end, channel_start) == (0, 0, 0) && self.geo.subbuf_size() > least;
        // INVARIANT: The header is shorter than a sub-buffer.
        (fits && self.clock != Clock::None).then_some(Self {
            reserves: Reserves {
                start: PACKET_HEADER as u32,
                ..self.reserves
            },
            whole_only: true,
            format: Format::Records(packet),
            ..self
        })
    }

    /// The same for the buffer of another CPU.
    #[allow(dead_code)]
    pub(crate) fn of_cpu(self, cpu: u32) -> Self {
        match self.format {
            Format::Raw => self,
            Format::Records(packet) => Self {
                format: Format::Records(Packet { cpu, ..packet }),
                ..self
            },
        }
    }

    /// The same, but readers take no part of a sub-buffer before that has ended: what is in its
    /// reserves is not fixed until then.
    pub(crate) fn whole_only(self) -> Self {
        Self {
            whole_only: true,
            ..self
        }
    }

    #[allow(dead_code)]
    pub(crate) fn is_whole_only(&self) -> bool {
        self.whole_only
    }

    /// The bits of the commit word that are 0 when readers may want to know.
    pub(super) fn mask(geo: Geometry, whole_only: bool, delivery: Delivery) -> u64 {
        match delivery {
            Delivery::Packet if !whole_only => 0,
            _ => geo.subbuf_size().wrapping_sub(1),
        }
    }

    /// The same for another shape, and with another delivery. `None`: the reserves leave no room.
    pub(crate) fn resized(self, geo: Geometry, delivery: Delivery) -> Option<Self> {
        let new = Self::new(geo, self.overwrite, delivery, self.reserves, self.clock)?;
        let same = geo.subbuf_size() == self.geo.subbuf_size();
        // INVARIANT: That of `new`, or its own if the sub-buffers are as large.
        Some(Self {
            geo: new.geo,
            delivery: new.delivery,
            // What is left of it by a limit depends on its size.
            limit: if same { self.limit } else { new.limit },
            ..self
        })
    }

    pub(crate) fn geo(&self) -> Geometry {
        self.geo
    }

    pub(crate) fn overwrite(&self) -> bool {
        self.overwrite
    }

    pub(crate) fn delivery(&self) -> Delivery {
        self.delivery
    }

    pub(crate) fn reserves(&self) -> Reserves {
        self.reserves
    }

    pub(crate) fn clock(&self) -> Clock {
        self.clock
    }
}
