// SPDX-License-Identifier: GPL-2.0

//! What a channel, or a buffer of it, is like now: counters, and how far it has come.

use super::Channel;
use crate::bindings as local;
use crate::buffer::Buffer;
use crate::ring::{Count, Progress, Stats};

/// A look at one buffer, or all of them together; exact when nobody writes or reads meanwhile.
#[derive(Clone, Copy, Default)]
pub(crate) struct Info {
    pub(crate) stats: Stats,
    pub(crate) progress: Progress,
    /// How often readers were woken.
    pub(crate) wakeups: u64,
}

impl Info {
    pub(crate) fn of(buffer: &Buffer) -> Self {
        let (stats, progress) = buffer.counters();
        Self {
            stats,
            progress,
            wakeups: buffer.bell().wish.wakeups(),
        }
    }

    /// Of a CPU that has no buffer.
    fn of_refused(stats: Stats) -> Self {
        Self {
            stats,
            ..Self::default()
        }
    }

    /// Two together.
    pub(crate) fn plus(&self, other: &Self) -> Self {
        Self {
            stats: self.stats.plus(&other.stats),
            progress: self.progress.plus(other.progress),
            wakeups: self.wakeups.wrapping_add(other.wakeups),
        }
    }
}

impl Channel {
    /// Of each CPU of which there is something to say.
    pub(crate) fn infos(&self) -> impl Iterator<Item = (usize, Info)> + '_ {
        let refused = self.buffers().refused();
        let all = refused.enumerate();
        all.filter_map(|(index, refused)| match self.buffers().get(index) {
            Some(buffer) => Some((index, Info::of(buffer))),
            None => refused.map(|stats| (index, Info::of_refused(stats))),
        })
    }

    /// Of the whole channel.
    pub(crate) fn info(&self) -> Info {
        let all = self.infos();
        all.fold(Info::default(), |sum, (_, info)| sum.plus(&info))
    }
}

impl Channel {
    /// What it, or one `buffer` of it, is like now. Process context.
    pub(crate) fn describe(&self, buffer: Option<&Buffer>) -> local::rchan_info {
        let (info, about) = match buffer {
            Some(buffer) => {
                let info = Info::of(buffer);
                let about = local::rchan_info {
                    n_buffers: 1,
                    current_seq: info.progress.current,
                    ..Default::default()
                };
                (info, about)
            }
            None => {
                let about = local::rchan_info {
                    n_buffers: self.buffers().iter().count() as u32,
                    open_files: self.hub().readers.lock().open_files(),
                    ..Default::default()
                };
                (self.info(), about)
            }
        };
        let (shape, stats, progress) = (self.shape(), info.stats, info.progress);
        let [full, too_big, nested, closed, held, no_buffer, nmi] = stats.refused.map(count);
        local::rchan_info {
            size: size_of::<local::rchan_info>() as u32,
            flags: shape.flags,
            subbuf_size: shape.spec.geo().subbuf_size(),
            n_subbufs: shape.spec.geo().n_subbufs() as u32,
            generation: self.generation(),
            subbufs_produced: progress.produced,
            subbufs_consumed: progress.consumed,
            produced: count(stats.produced),
            read: count(stats.read),
            overwritten: count(stats.overwritten),
            unread: count(stats.unread()),
            full,
            too_big,
            nested,
            closed,
            held,
            no_buffer,
            nmi,
            wakeups: info.wakeups,
            ..about
        }
    }
}

fn count(count: Count) -> local::rchan_count {
    local::rchan_count {
        records: count.records,
        bytes: count.bytes,
    }
}
