// SPDX-License-Identifier: GPL-2.0

//! `relay cat -o raw`: bytes as they are.

use super::show::{begin_now, infos, say};
use super::{ended, Reader, LOOK};
use crate::end::End;
use crate::totals::Losses;
use anyhow::{bail, Result};
use relayfs::uapi::{Info, CPU_ALL};
use relayfs::{Buffer, Item, Poller};
use std::io::Write;

pub(super) fn run(reader: &Reader<'_>) -> Result<End> {
    let args = reader.args;
    if args.lines.is_some() {
        bail!("-n counts records, and -o raw does not know them: leave one of them out");
    }
    let mut buffers = if args.cpu.is_none() && !args.no_merge {
        let whole = reader.channel.whole(reader.options());
        vec![whole.map_err(|error| reader.fail(error))?]
    } else {
        reader.buffers()?
    };
    let mut before: Vec<Info> = buffers.iter().map(|buffer| *buffer.opened()).collect();
    let mut missed: Vec<u64> = before.iter().map(|info| info.overwritten.records).collect();
    let mut losses = Losses::default();
    let until = reader.channel.flush().map_err(|error| reader.fail(error))?;
    let mut copy = Copy {
        rest: before.iter().map(|info| info.unread.bytes).sum(),
        until,
        skip: args.new,
        records: 0,
    };
    let poller = Poller::new(&buffers)?;
    loop {
        let mut went_on = false;
        for buffer in &mut buffers {
            went_on |= copy.some(buffer, &mut losses, reader)?;
        }
        if !reader.follow && (!went_on || copy.rest == 0) {
            break;
        }
        if reader.signals.stop() || buffers.iter().all(Buffer::is_ended) {
            break;
        }
        if !went_on {
            if copy.skip {
                copy.skip = false;
                losses = Losses::default();
                before = begin_now(buffers.iter())?;
                missed = self::missed(&buffers)?;
            }
            poller.wait(&buffers, Some(LOOK))?;
        }
    }
    let after = infos(buffers.iter())?;
    if let ([info], [missed], [now]) = (&after[..], &missed[..], &self::missed(&buffers)?[..]) {
        if info.cpu == CPU_ALL {
            // Of packets of all CPUs the kernel knows what is missing.
            losses = Losses::default();
            losses.overwritten(info.cpu, now.saturating_sub(*missed));
        }
    }
    for (before, after) in before.iter().zip(&after) {
        losses.refused(after.cpu, before, after);
    }
    let name = args.channel.to_string_lossy();
    say(&name, &losses, copy.records, &reader.info, 0);
    Ok(ended(args, &reader.signals, losses.any()))
}

/// How many records each reader of these buffers missed so far.
fn missed(buffers: &[Buffer]) -> Result<Vec<u64>> {
    let missed = buffers
        .iter()
        .map(|buffer| Ok(buffer.overwritten()?.records));
    missed.collect()
}

/// What was copied.
struct Copy {
    /// Bytes there were when the reader came, without headers.
    rest: u64,
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
                    }
                    Item::Record(record) => self.count(record.bytes.len()),
                    Item::Run(run) => self.count(run.bytes.len()),
                }
            }
            if !self.skip {
                out.write_all(subbuf.bytes())?;
                out.flush()?;
            }
            went_on = true;
            if reader.signals.stop() || (!reader.follow && (late || self.rest == 0)) {
                break;
            }
        }
        Ok(went_on)
    }

    fn count(&mut self, bytes: usize) {
        self.records += 1;
        self.rest = self.rest.saturating_sub(bytes as u64);
    }
}
