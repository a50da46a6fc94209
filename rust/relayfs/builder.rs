// SPDX-License-Identifier: GPL-2.0

//! What a channel is to be like.

use super::{callbacks, ffi, Callbacks, Nothing, OpenChannel, Schema};
use core::marker::PhantomData;
use core::ptr::NonNull;
use kernel::error::from_err_ptr;
use kernel::prelude::*;

/// By which clock a channel tells when its sub-buffers begin and end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Clock {
    /// CLOCK_MONOTONIC, in nanoseconds.
    Mono,
    /// Cycles of the CPU; x86-64 only.
    Tsc,
    /// None: CPUs are merged in no particular order.
    None,
}

/// How much unread data of a buffer wakes readers that wait.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Watermark {
    /// So many bytes, from 1 to what a buffer has.
    Bytes(u32),
    /// So much of a buffer, from 1 to 100.
    Percent(u32),
    /// So many complete sub-buffers, from 1 to what a buffer has.
    Subbufs(u32),
    /// Each write.
    Write,
}

/// Where buffers come from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Node {
    /// The memory node of the CPU that writes.
    Local,
    /// Whichever has memory.
    Any,
    /// This one.
    Of(u32),
}

/// Bytes that records leave free, for the client.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(crate) struct Reserves {
    /// At the start of each sub-buffer.
    pub(crate) start: u32,
    /// At the end of each.
    pub(crate) end: u32,
    /// Further at the start of the first.
    pub(crate) channel_start: u32,
}

/// What a channel is to be like. What is not set has the default the C header gives.
///
/// ```
/// let channel = Channel::builder(c"net/rx")
///     .subbuf_size(16 << 10)
///     .n_subbufs(16)
///     .no_overwrite()
///     .watermark(Watermark::Percent(50))
///     .resize_between(8, 128)
///     .mode(0o440)
///     .open()?;
/// // When it is dropped the channel is closed; readers still get what is left.
/// drop(channel);
/// ```
#[must_use = "nothing happens before `open()`"]
pub(crate) struct Builder<'a, C: Callbacks = Nothing> {
    path: Option<&'a CStr>,
    attr: ffi::rchan_attr,
    client: C,
    // The attributes point to memory that is static.
    _path: PhantomData<&'a CStr>,
}

impl<'a> Builder<'a> {
    pub(super) fn new(path: Option<&'a CStr>) -> Self {
        Self {
            path,
            attr: ffi::rchan_attr {
                size: size_of::<ffi::rchan_attr>() as u32,
                ..Default::default()
            },
            client: Nothing,
            _path: PhantomData,
        }
    }

    /// Whom to tell what. It lives until the channel is closed.
    pub(crate) fn callbacks<C: Callbacks>(self, client: C) -> Builder<'a, C> {
        Builder {
            path: self.path,
            attr: self.attr,
            client,
            _path: PhantomData,
        }
    }
}

impl<C: Callbacks> Builder<'_, C> {
    /// Bytes in a sub-buffer, the longest record less the reserves: a power of two, at least a page.
    pub(crate) fn subbuf_size(mut self, bytes: u64) -> Self {
        self.attr.subbuf_size = bytes;
        self
    }

    /// Sub-buffers in each buffer: a power of two, at least 2.
    pub(crate) fn n_subbufs(mut self, n: u32) -> Self {
        self.attr.n_subbufs = n;
        self
    }

    /// When the ring is full the oldest data gives way. This is the default.
    pub(crate) fn overwrite(self) -> Self {
        self.flag(ffi::RELAY_MODE_CONTINUOUS, ffi::RELAY_MODE_NO_OVERWRITE)
    }

    /// When the ring is full the new record is refused and counted.
    pub(crate) fn no_overwrite(self) -> Self {
        self.flag(ffi::RELAY_MODE_NO_OVERWRITE, ffi::RELAY_MODE_CONTINUOUS)
    }

    /// Waiting readers are told of each record, not of each sub-buffer.
    pub(crate) fn per_packet(self) -> Self {
        self.flag(ffi::RELAY_DELIVERY_PACKET, ffi::RELAY_DELIVERY_BULK)
    }

    /// One buffer, written from all CPUs, instead of a buffer per CPU.
    pub(crate) fn global(self) -> Self {
        self.flag(ffi::RELAY_USAGE_GLOBAL, ffi::RELAY_USAGE_SMP)
    }

    /// Writers turn interrupts off, and if the channel is global take a lock; NMIs are refused.
    pub(crate) fn locking(self) -> Self {
        self.flag(ffi::RELAY_SCHEME_LOCKING, ffi::RELAY_SCHEME_LOCKLESS)
    }

    pub(crate) fn clock(self, clock: Clock) -> Self {
        let flag = match clock {
            Clock::Mono => ffi::RELAY_TIMESTAMP_MONO,
            Clock::Tsc => ffi::RELAY_TIMESTAMP_TSC,
            Clock::None => ffi::RELAY_TIMESTAMP_NONE,
        };
        self.flag(flag, ffi::RELAY_TIMESTAMP_ANY | ffi::RELAY_TIMESTAMP_NONE)
    }

    /// The stream consists of events, the sub-buffers are CTF packets. `None`: each event is a blob.
    pub(crate) fn records(mut self, schema: Option<&'static Schema>) -> Self {
        self.attr.schema = schema.map_or(core::ptr::null(), |schema| schema.as_ptr());
        self.flag(ffi::RELAY_FORMAT_RECORDS, ffi::RELAY_FORMAT_RAW)
    }

    /// What users write goes to readers in the kernel, not into the stream.
    pub(crate) fn duplex(self) -> Self {
        self.flag(ffi::RELAY_DUPLEX, 0)
    }

    pub(crate) fn reserves(mut self, reserves: Reserves) -> Self {
        self.attr.start_reserve = reserves.start;
        self.attr.end_reserve = reserves.end;
        self.attr.channel_start_reserve = reserves.channel_start;
        self
    }

    pub(crate) fn watermark(mut self, watermark: Watermark) -> Self {
        (self.attr.watermark_unit, self.attr.watermark) = match watermark {
            Watermark::Bytes(n) => (ffi::RELAY_WATERMARK_BYTES, n),
            Watermark::Percent(n) => (ffi::RELAY_WATERMARK_PERCENT, n),
            Watermark::Subbufs(n) => (ffi::RELAY_WATERMARK_SUBBUFS, n),
            Watermark::Write => (ffi::RELAY_WATERMARK_WRITE, 0),
        };
        self
    }

    /// How long data may stay below the watermark before a waiting reader is told, in milliseconds.
    pub(crate) fn flush_interval_ms(mut self, ms: u32) -> Self {
        self.attr.flush_interval_ms = ms;
        self
    }

    /// Between how many sub-buffers per buffer it is resized by need.
    pub(crate) fn resize_between(mut self, min: u32, max: u32) -> Self {
        self.attr.resize_min = min;
        self.attr.resize_max = max;
        self
    }

    /// How long all buffers must have been empty before it shrinks, in milliseconds.
    pub(crate) fn shrink_idle_ms(mut self, ms: u32) -> Self {
        self.attr.shrink_idle_ms = ms;
        self
    }

    pub(crate) fn node(mut self, node: Node) -> Self {
        self.attr.node = match node {
            Node::Local => ffi::RELAY_NODE_LOCAL,
            Node::Any => ffi::RELAY_NODE_ANY,
            Node::Of(n) => n.saturating_add(2),
        };
        self
    }

    /// Memory it starts with, as long as a buffer, aligned to 64 bytes; global channels only. It is left
    /// when the channel is closed, if not before, so it may go with the module.
    pub(crate) fn init_buf(mut self, memory: &'static mut [u8]) -> Self {
        self.attr.init_buf = memory.as_mut_ptr().cast();
        self.attr.init_buf_size = memory.len() as u64;
        self
    }

    /// Permission bits of the files, a subset of 0o666.
    pub(crate) fn mode(mut self, mode: u32) -> Self {
        self.attr.mode = mode;
        self
    }

    /// Owner of the files.
    pub(crate) fn uid(mut self, uid: u32) -> Self {
        self.attr.uid = uid;
        self
    }

    /// Group of the files.
    pub(crate) fn gid(mut self, gid: u32) -> Self {
        self.attr.gid = gid;
        self
    }

    /// Makes the channel and its files; fails as relay_open(). Process context.
    pub(crate) fn open(mut self) -> Result<OpenChannel<C>> {
        let client = KBox::new(self.client, GFP_KERNEL)?;
        self.attr.private_data = core::ptr::from_ref(&*client).cast_mut().cast();
        if let Some(table) = callbacks::table::<C>() {
            self.attr.callbacks = table;
        }
        let path = self
            .path
            .map_or(core::ptr::null(), |path| path.as_char_ptr());
        // SAFETY: Path and attributes are valid during the call; what these point to is static, but
        // for the client's data, which `OpenChannel` keeps until the channel is closed.
        let raw = unsafe { ffi::relayfs_open(path, &self.attr) };
        let raw = NonNull::new(from_err_ptr(raw)?).ok_or(ENOMEM)?;
        // SAFETY: Just opened, with `client` as its data, and nobody else knows of it.
        Ok(unsafe { OpenChannel::new(raw, client) })
    }

    fn flag(mut self, set: u32, clear: u32) -> Self {
        self.attr.flags = self.attr.flags & !clear | set;
        self
    }
}
