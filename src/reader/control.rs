// SPDX-License-Identifier: GPL-2.0

//! What users may do to a channel by a descriptor besides reading.

use super::descriptor::Descriptor;
use crate::bindings as local;
use crate::buffer::Buffer;
use kernel::prelude::*;

impl Descriptor {
    /// Ends the current sub-buffers of what it reads. Returns the time, by the channel's clock, before
    /// which everything committed is visible.
    pub(crate) fn flush(&self) -> u64 {
        let clock = self.channel().config().shape.spec.clock();
        let now = clock.read();
        self.channel().flush_some(self.only());
        now
    }

    /// Throws away what was written so far to what it reads. For those who consume.
    pub(crate) fn reset(&self) -> Result {
        self.be_consumer()?;
        self.channel().reset_some(self.only());
        Ok(())
    }

    /// Consumes all before `pos` in its buffer. For those who consume.
    pub(crate) fn consume_to(&self, pos: u64) -> Result {
        let buffer = self.buffer().ok_or(EINVAL)?;
        self.be_consumer()?;
        buffer.consume_to(pos);
        Ok(())
    }

    fn only(&self) -> Option<&Buffer> {
        self.buffer().map(|buffer| &**buffer)
    }

    /// What it reads is like now.
    pub(crate) fn describe(&self) -> local::relayfs_info {
        let channel = self.channel();
        let info = channel.describe(self.only());
        let config = channel.config();
        let spec = channel.shape().spec;
        let (reserves, geo) = (spec.reserves(), spec.geo());
        let (readers, observers) = {
            let readers = channel.hub().readers.lock();
            (readers.open_files(), readers.observers())
        };
        let cpu = match self.buffer() {
            Some(buffer) => buffer.cpu().unwrap_or(local::RELAYFS_CPU_NONE),
            None => local::RELAYFS_CPU_ALL,
        };
        let none = local::relayfs_lost::default();
        local::relayfs_info {
            size: size_of::<local::relayfs_info>() as u32,
            flags: info.flags,
            subbuf_size: info.subbuf_size,
            n_subbufs: info.n_subbufs,
            n_buffers: info.n_buffers,
            cpu,
            state: if channel.hub().is_closed() {
                local::RELAYFS_STATE_CLOSED
            } else {
                0
            },
            generation: info.generation,
            start_reserve: reserves.start,
            end_reserve: reserves.end,
            channel_start_reserve: reserves.channel_start,
            flush_interval_ms: config.flush_interval,
            watermark: config.shape.watermark.target(0, geo),
            readers,
            observers,
            current_seq: info.current_seq,
            subbufs_produced: info.subbufs_produced,
            subbufs_consumed: info.subbufs_consumed,
            wakeups: info.wakeups,
            produced: count(info.produced),
            read: count(info.read),
            overwritten: count(info.overwritten),
            unread: count(info.unread),
            lost: [
                lost(info.full),
                lost(info.too_big),
                lost(info.nested),
                lost(info.closed),
                lost(info.held),
                lost(info.no_buffer),
                lost(info.nmi),
                none,
            ],
        }
    }
}

fn count(count: local::rchan_count) -> local::relayfs_count {
    local::relayfs_count {
        records: count.records,
        bytes: count.bytes,
    }
}

fn lost(count: local::rchan_count) -> local::relayfs_lost {
    local::relayfs_lost {
        records: count.records,
        bytes: count.bytes,
    }
}
