// SPDX-License-Identifier: GPL-2.0

//! What a channel, or a buffer of it, is like now: counters, and how far it has come.

use super::Channel;
use crate::buffer::Buffer;
use crate::ring::{Progress, Stats};

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
