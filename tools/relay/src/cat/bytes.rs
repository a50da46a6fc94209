// SPDX-License-Identifier: GPL-2.0

//! `relay cat -o raw`: bytes as they are.

use super::show::say;
use super::{ended, Reader, LOOK};
use crate::end::End;
use crate::totals::Losses;
use anyhow::Result;
use relayfs::uapi::Count;
use relayfs::{Buffer, Item, Poller};
use std::io::Write;
use std::thread;

pub(super) fn run(reader: &Reader<'_>) -> Result<End> {
    let args = reader.args;
    args.no_lines_of_bytes()?;
    // In the whole channel's file the kernel has newcomers, too.
    let whole = args.cpu.is_none() && !args.no_merge;
    let (mut buffers, mut cpus) = reader.buffers_or(whole)?;
    let mut counters = reader.counters(&buffers, Vec::new());
    let mut losses = Losses::default();
    let mut copy = Copy {
        rest: counters.unread(),
        until: reader.until()?,
        skip: args.new,
        records: 0,
    };
    let mut poller = None;
    loop {
        if let Some(cpus) = &mut cpus {
            for buffer in reader.newcomers(cpus)? {
                counters.add_read(&buffer);
                buffers.push(buffer);
                poller = None;
            }
        }
        let mut went_on = false;
        for buffer in &mut buffers {
            went_on |= copy.some(buffer, &mut losses, reader)?;
        }
        if !reader.follow && (!went_on || copy.is_done(reader)) {
            break;
        }
        if reader.signals.stop() || buffers.iter().all(Buffer::is_ended) {
            break;
        }
        if !went_on {
            if copy.skip {
                copy.skip = false;
                losses = Losses::default();
                counters.restart(buffers.iter())?;
            }
            wait(reader, &mut poller, &buffers)?;
        }
    }
    let produced = counters.end(reader.channel, buffers.iter(), &mut losses)?;
    let name = args.channel.to_string_lossy();
    let is_records = reader.info.is_records();
    let records = if is_records { copy.records } else { produced };
    say(&name, &losses, records, &reader.info, 0);
    Ok(ended(args, &reader.signals, losses.any()))
}

fn wait(reader: &Reader<'_>, poller: &mut Option<Poller>, buffers: &[Buffer]) -> Result<()> {
    if reader.args.observe {
        thread::sleep(LOOK / 10);
        return Ok(());
    }
    let there = match poller.take() {
        Some(there) => there,
        None => Poller::new(buffers)?,
    };
    poller.insert(there).wait(buffers, Some(LOOK))?;
    Ok(())
}

/// What was copied.
struct Copy {
    /// What there was when the reader came.
    rest: Count,
    until: u64,
    skip: bool,
    records: u64,
}

impl Copy {
    /// Copies what there is in a buffer now. Whether there was anything.
    fn some(
        &mut self,
        buffer: &mut Buffer,
        losses: &mut Losses,
        reader: &Reader<'_>,
    ) -> Result<bool> {
        let mut went_on = false;
        while let Some(subbuf) = buffer.next_subbuf()? {
            let mut out = std::io::stdout().lock();
            let late = self.until != 0 && subbuf.begin() > self.until;
            for item in subbuf.records() {
                match item? {
                    Item::Lost(lost) => {
                        losses.gap(&lost);
                        self.count(lost.records, lost.bytes as usize);
                    }
                    Item::Record(record) => {
                        self.records += 1;
                        self.count(1, record.bytes.len());
                    }
                    Item::Run(run) => self.count(0, run.bytes.len()),
                }
            }
            if !self.skip {
                out.write_all(subbuf.bytes())?;
                out.flush()?;
            }
            went_on = true;
            if reader.signals.stop() || (!reader.follow && (late || self.is_done(reader))) {
                break;
            }
        }
        Ok(went_on)
    }

    fn count(&mut self, records: u64, bytes: usize) {
        let bytes = bytes as u64;
        self.rest = self.rest.less(Count { records, bytes });
    }

    /// Whether all was copied that was there when the reader came.
    fn is_done(&self, reader: &Reader<'_>) -> bool {
        if reader.info.is_records() {
            self.rest.records == 0
        } else {
            self.rest.bytes == 0
        }
    }
}
