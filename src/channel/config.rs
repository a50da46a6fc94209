// SPDX-License-Identifier: GPL-2.0

//! A channel's attributes, checked: every errno about them is decided here.

use super::records::Records;
use crate::bindings as local;
use crate::buffer::{Lent, Nodes, Shape, LENT_ALIGN};
use crate::channel::resizer::Limits;
use crate::ring::{Clock, Delivery, Geometry, Reserves, Spec};
use crate::watermark::Watermark;
use core::ptr::NonNull;
use kernel::page::PAGE_SIZE;
use kernel::prelude::*;

const DEFAULT_SUBBUF_SIZE: u64 = 64 << 10;
const DEFAULT_N_SUBBUFS: u64 = 8;
const DEFAULT_FLUSH_MS: u32 = 100;
const DEFAULT_IDLE_MS: u32 = 60_000;
pub(crate) const MAX_FLUSH_MS: u32 = 60_000;
/// One sub-buffer, and one buffer, is at most 1 GiB.
const MAX_BUFFER: u64 = 1 << 30;

/// Who writes a buffer.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Usage {
    /// A buffer per CPU.
    Smp,
    /// One buffer for all CPUs.
    Global,
}

/// What a channel is to be like.
pub(crate) struct Config {
    pub(crate) shape: Shape,
    pub(crate) usage: Usage,
    /// Permission bits; `None`: the mount's.
    pub(crate) mode: Option<u16>,
    /// Owner; `None`: the mount's.
    pub(crate) uid: Option<u32>,
    /// Group; `None`: the mount's.
    pub(crate) gid: Option<u32>,
    pub(crate) nodes: Nodes,
    /// How long waiting readers may be kept from partial sub-buffers, in milliseconds.
    pub(crate) flush_interval: u32,
    pub(crate) callbacks: local::rchan_callbacks,
    /// What makes sub-buffers packets, if they are.
    pub(crate) records: Option<Records>,
    /// Between which sizes it is resized by itself.
    pub(crate) limits: Option<Limits>,
    /// Memory of the client's it begins with.
    pub(crate) lent: Option<Lent>,
    /// The client's pointer; never followed.
    pub(crate) private: usize,
}

/// The one flag of `group` that is set in `flags`, or `default`.
fn one_of(flags: u32, group: &[u32], default: u32) -> Result<u32> {
    let mut found = None;
    for &flag in group {
        if flags & flag != 0 && found.replace(flag).is_some() {
            return Err(EINVAL);
        }
    }
    Ok(found.unwrap_or(default))
}

impl Config {
    /// How many types of events there are. 0: it is no channel of records.
    #[inline(always)]
    pub(crate) fn n_types(&self) -> u32 {
        self.records.as_ref().map_or(0, |records| records.n_types)
    }

    /// Checks what a client asked for, for the channel `path`.
    ///
    /// # Safety
    ///
    /// The schema must be null or valid, with what it points to.
    pub(crate) unsafe fn validate(
        path: Option<&CStr>,
        attr: &local::rchan_attr,
        callbacks: local::rchan_callbacks,
    ) -> Result<Self> {
        use local::*;

        const KNOWN: u32 = RELAY_DELIVERY_BULK
            | RELAY_DELIVERY_PACKET
            | RELAY_SCHEME_ANY
            | RELAY_TIMESTAMP_ANY
            | RELAY_TIMESTAMP_NONE
            | RELAY_USAGE_SMP
            | RELAY_USAGE_GLOBAL
            | RELAY_MODE_CONTINUOUS
            | RELAY_MODE_NO_OVERWRITE
            | RELAY_FORMAT_RAW
            | RELAY_FORMAT_RECORDS
            | RELAY_DUPLEX;
        // Both bits of the pair: any, that is the better one.
        let locking = attr.flags & RELAY_SCHEME_ANY == RELAY_SCHEME_LOCKING;
        let scheme = if locking {
            RELAY_SCHEME_LOCKING
        } else {
            RELAY_SCHEME_LOCKLESS
        };
        if attr.flags & !KNOWN != 0
            || attr.mode & !0o666 != 0
            || attr.reserved != 0
            || attr.reserved2 != 0
            || attr.flush_interval_ms > MAX_FLUSH_MS
        {
            return Err(EINVAL);
        }
        let delivery = one_of(
            attr.flags,
            &[RELAY_DELIVERY_BULK, RELAY_DELIVERY_PACKET],
            RELAY_DELIVERY_BULK,
        )?;
        let usage = one_of(
            attr.flags,
            &[RELAY_USAGE_SMP, RELAY_USAGE_GLOBAL],
            RELAY_USAGE_SMP,
        )?;
        let mode = one_of(
            attr.flags,
            &[RELAY_MODE_CONTINUOUS, RELAY_MODE_NO_OVERWRITE],
            RELAY_MODE_CONTINUOUS,
        )?;
        let format = one_of(
            attr.flags,
            &[RELAY_FORMAT_RAW, RELAY_FORMAT_RECORDS],
            RELAY_FORMAT_RAW,
        )?;
        let (clock, timestamp) = clock(attr.flags)?;
        let geo = geometry(attr.subbuf_size, u64::from(attr.n_subbufs))?;
        let watermark = watermark(attr, delivery == RELAY_DELIVERY_PACKET, geo)?;
        let packet = delivery == RELAY_DELIVERY_PACKET;
        let every_commit = packet && callbacks.deliver.is_some();
        let spec = Spec::new(
            geo,
            mode == RELAY_MODE_CONTINUOUS,
            Shape::delivery(watermark, every_commit, geo),
            Reserves {
                start: attr.start_reserve,
                end: attr.end_reserve,
                channel_start: attr.channel_start_reserve,
            },
            clock,
        );
        // SAFETY: As the caller promises.
        let records = unsafe { records(path, attr, format == RELAY_FORMAT_RECORDS, clock)? };
        let spec = match &records {
            Some(records) => spec.and_then(|spec| spec.records(records.packet())),
            None => spec,
        };
        let shape = Shape {
            spec: spec.ok_or(EINVAL)?,
            locking,
            watermark,
            flags: delivery
                | usage
                | mode
                | timestamp
                | scheme
                | format
                | attr.flags & RELAY_DUPLEX,
            every_commit,
        };
        Ok(Self {
            shape,
            usage: if usage == RELAY_USAGE_SMP {
                Usage::Smp
            } else {
                Usage::Global
            },
            mode: (attr.mode != 0).then_some(attr.mode as u16),
            uid: (attr.uid != 0).then_some(attr.uid),
            gid: (attr.gid != 0).then_some(attr.gid),
            nodes: nodes(attr.node)?,
            flush_interval: if attr.flush_interval_ms == 0 {
                DEFAULT_FLUSH_MS
            } else {
                attr.flush_interval_ms
            },
            callbacks,
            records,
            limits: limits(attr, geo)?,
            lent: lent(attr, usage == RELAY_USAGE_GLOBAL, geo)?,
            private: attr.private_data as usize,
        })
    }

    /// What the channel's inbound buffer is to be like, if it has one.
    pub(super) fn inbound(&self) -> Option<Self> {
        use local::*;

        let Shape { spec, flags, .. } = self.shape;
        if flags & RELAY_DUPLEX == 0 {
            return None;
        }
        let clocks = RELAY_TIMESTAMP_ANY | RELAY_TIMESTAMP_NONE;
        let shape = Shape {
            spec: Spec::new(
                spec.geo(),
                false,
                Delivery::Packet,
                Reserves::default(),
                spec.clock(),
            )?,
            locking: false,
            watermark: Watermark::Bytes(1),
            flags: RELAY_DELIVERY_PACKET
                | RELAY_SCHEME_LOCKLESS
                | RELAY_USAGE_GLOBAL
                | RELAY_MODE_NO_OVERWRITE
                | flags & clocks,
            every_commit: true,
        };
        Some(Self {
            shape,
            usage: Usage::Global,
            callbacks: local::rchan_callbacks::default(),
            records: None,
            limits: None,
            lent: None,
            ..*self
        })
    }

    /// Whether users may write, if they may open for that.
    pub(crate) fn writable(&self) -> bool {
        self.mode.is_some_and(|mode| mode & 0o222 != 0)
    }
}

/// What a channel of records is to be like: packets are laid out by us, so nothing in them is the
/// client's, and events have a time.
///
/// # Safety
///
/// The schema must be null or valid, with what it points to.
unsafe fn records(
    path: Option<&CStr>,
    attr: &local::rchan_attr,
    wanted: bool,
    clock: Clock,
) -> Result<Option<Records>> {
    let reserves = attr.start_reserve | attr.end_reserve | attr.channel_start_reserve;
    if !wanted {
        return attr.schema.is_null().then_some(None).ok_or(EINVAL);
    }
    // What users write would be bytes, which an event of a schema is not.
    let bytes = attr.mode & 0o222 != 0 && attr.flags & local::RELAY_DUPLEX == 0;
    if reserves != 0 || clock == Clock::None || bytes && !attr.schema.is_null() {
        return Err(EINVAL);
    }
    // SAFETY: As the caller promises.
    unsafe { Records::new(path, clock, attr.schema) }.map(Some)
}

/// The clock that `flags` ask for, and the flag it is known by.
fn clock(flags: u32) -> Result<(Clock, u32)> {
    use local::*;

    // Both bits of a pair: any, that is the best there is.
    if flags & RELAY_TIMESTAMP_ANY == RELAY_TIMESTAMP_ANY && flags & RELAY_TIMESTAMP_NONE == 0 {
        return Ok((Clock::Mono, RELAY_TIMESTAMP_MONO));
    }
    let group = [
        RELAY_TIMESTAMP_MONO,
        RELAY_TIMESTAMP_TSC,
        RELAY_TIMESTAMP_NONE,
    ];
    match one_of(flags, &group, RELAY_TIMESTAMP_MONO)? {
        // SAFETY: No conditions.
        RELAY_TIMESTAMP_TSC if !unsafe { relayfs_helper_has_tsc() } => Err(EOPNOTSUPP),
        RELAY_TIMESTAMP_TSC => Ok((Clock::Tsc, RELAY_TIMESTAMP_TSC)),
        RELAY_TIMESTAMP_NONE => Ok((Clock::None, RELAY_TIMESTAMP_NONE)),
        _ => Ok((Clock::Mono, RELAY_TIMESTAMP_MONO)),
    }
}

/// A node must be there, but need not have memory enough.
fn nodes(attr: u32) -> Result<Nodes> {
    let first = local::RELAYFS_FIRST_NODE;
    match attr {
        local::RELAY_NODE_LOCAL => Ok(Nodes::Local),
        local::RELAY_NODE_ANY => Ok(Nodes::Any),
        // SAFETY: Any number may be asked.
        n if unsafe { local::relayfs_helper_node_online(n.wrapping_sub(first)) } => {
            Ok(Nodes::Of(n.wrapping_sub(first) as i32))
        }
        _ => Err(EINVAL),
    }
}

/// Memory of the client's, which vouches for it.
fn lent(attr: &local::rchan_attr, global: bool, geo: Geometry) -> Result<Option<Lent>> {
    let Some(at) = NonNull::new(attr.init_buf.cast::<u8>()) else {
        return if attr.init_buf_size == 0 {
            Ok(None)
        } else {
            Err(EINVAL)
        };
    };
    if !global || attr.init_buf_size != geo.ring_size() || at.addr().get() % LENT_ALIGN != 0 {
        return Err(EINVAL);
    }
    // SAFETY: Size and alignment were checked. For the rest the client vouches, by the contract of
    // `rchan_attr`.
    Ok(Some(unsafe { Lent::new(at) }))
}

/// Between which numbers of sub-buffers the channel is resized by itself. A limit that is not given is
/// the number it begins with.
fn limits(attr: &local::rchan_attr, geo: Geometry) -> Result<Option<Limits>> {
    if attr.resize_min == 0 && attr.resize_max == 0 {
        return Ok(None);
    }
    let or_now = |n: u32| if n == 0 { geo.n_subbufs() } else { n.into() };
    let (min, max) = (or_now(attr.resize_min), or_now(attr.resize_max));
    geometry(geo.subbuf_size(), min)?;
    geometry(geo.subbuf_size(), max)?;
    if !(min..=max).contains(&geo.n_subbufs()) {
        return Err(EINVAL);
    }
    let idle_ms = match attr.shrink_idle_ms {
        0 => DEFAULT_IDLE_MS,
        ms => ms,
    };
    Ok(Some(Limits { min, max, idle_ms }))
}

fn watermark(attr: &local::rchan_attr, packet: bool, geo: Geometry) -> Result<Watermark> {
    use local::*;

    let n = u64::from(attr.watermark);
    match attr.watermark_unit {
        RELAY_WATERMARK_DEFAULT if n == 0 && packet => Ok(Watermark::Bytes(1)),
        RELAY_WATERMARK_DEFAULT if n == 0 => Ok(Watermark::Subbufs(1)),
        RELAY_WATERMARK_WRITE if n == 0 => Ok(Watermark::Bytes(1)),
        RELAY_WATERMARK_BYTES if (1..=geo.ring_size()).contains(&n) => Ok(Watermark::Bytes(n)),
        RELAY_WATERMARK_SUBBUFS if (1..=geo.n_subbufs()).contains(&n) => Ok(Watermark::Subbufs(n)),
        // At most 1 GiB, times 100.
        RELAY_WATERMARK_PERCENT if (1..=100).contains(&n) => Ok(Watermark::Bytes(
            geo.ring_size().wrapping_mul(n).wrapping_div(100),
        )),
        _ => Err(EINVAL),
    }
}

pub(super) fn geometry(subbuf_size: u64, n_subbufs: u64) -> Result<Geometry> {
    let subbuf_size = if subbuf_size == 0 {
        DEFAULT_SUBBUF_SIZE
    } else {
        subbuf_size
    };
    let n_subbufs = if n_subbufs == 0 {
        DEFAULT_N_SUBBUFS
    } else {
        n_subbufs
    };
    if !subbuf_size.is_power_of_two()
        || !n_subbufs.is_power_of_two()
        || subbuf_size < PAGE_SIZE as u64
        || n_subbufs < 2
    {
        return Err(EINVAL);
    }
    match subbuf_size.checked_mul(n_subbufs) {
        Some(size) if size <= MAX_BUFFER => Geometry::new(subbuf_size, n_subbufs).ok_or(E2BIG),
        _ => Err(E2BIG),
    }
}
