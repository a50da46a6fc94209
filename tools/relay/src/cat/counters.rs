// SPDX-License-Identifier: GPL-2.0

//! What the kernel counts of the buffers that are shown.

use crate::totals::Losses;
use anyhow::Result;
use relayfs::uapi::{Count, Info};
use relayfs::{Buffer, Channel};

/// Counters as they were when the reader began.
pub(super) struct Counters {
    /// Of the channel; `None`: only some of its buffers are shown.
    channel: Option<Info>,
    /// Of what is read.
    read: Vec<Info>,
    /// The buffers, if they are not what is read, and theirs.
    counted: Vec<Buffer>,
    before: Vec<Info>,
}

impl Counters {
    /// Of `read`, or if that is the file of the whole channel, of the buffers `counted`.
    pub(super) fn new(channel: Option<Info>, read: &[Buffer], counted: Vec<Buffer>) -> Self {
        let opened = |buffers: &[Buffer]| buffers.iter().map(|buffer| *buffer.opened()).collect();
        Self {
            channel,
            read: opened(read),
            before: opened(&counted),
            counted,
        }
    }

    /// What there was to read.
    pub(super) fn unread(&self) -> Count {
        let mut sum = Count::default();
        for info in &self.read {
            sum.records = sum.records.saturating_add(info.unread.records);
            sum.bytes = sum.bytes.saturating_add(info.unread.bytes);
        }
        sum
    }

    /// Whether buffers are only counted.
    pub(super) fn is_of_whole(&self) -> bool {
        !self.counted.is_empty()
    }

    /// One more is read.
    pub(super) fn add_read(&mut self, buffer: &Buffer) {
        self.read.push(*buffer.opened());
    }

    /// One more is counted.
    pub(super) fn add_counted(&mut self, buffer: Buffer) {
        self.before.push(*buffer.opened());
        self.counted.push(buffer);
    }

    /// Only what comes now is of interest.
    pub(super) fn restart<'b>(&mut self, read: impl Iterator<Item = &'b Buffer>) -> Result<()> {
        self.read = read.map(begin_now).collect::<Result<_>>()?;
        self.before = self.counted.iter().map(begin_now).collect::<Result<_>>()?;
        Ok(())
    }

    /// Counts what was lost. How many records there were to read.
    pub(super) fn end<'b>(
        &self,
        channel: &Channel,
        read: impl Iterator<Item = &'b Buffer>,
        losses: &mut Losses,
    ) -> Result<u64> {
        let mut after = Vec::new();
        for (buffer, before) in read.zip(&self.read) {
            let lost = buffer.overwritten()?.less(before.overwritten);
            losses.overwritten(before.cpu, lost.records);
            after.push(buffer.info()?);
        }
        let mut before = &self.read;
        if self.is_of_whole() {
            before = &self.before;
            after = self
                .counted
                .iter()
                .map(Buffer::info)
                .collect::<Result<_, _>>()?;
        }
        let mut produced = 0u64;
        for (before, after) in before.iter().zip(&after) {
            losses.refused(after.cpu, before, after);
            produced = produced.saturating_add(after.produced.less(before.gone()).records);
        }
        if let Some(all) = &self.channel {
            losses.without_buffer(all, &channel.info()?, before.iter().zip(&after));
        }
        Ok(produced)
    }
}

/// What a buffer is like for one to whom only what comes now is of interest.
fn begin_now(buffer: &Buffer) -> Result<Info> {
    let mut info = buffer.info()?;
    info.overwritten = buffer.overwritten()?;
    info.read = info.produced.less(info.overwritten);
    // Not as if this reader had begun with the first record.
    info.read.records = info.read.records.max(1);
    Ok(info)
}
