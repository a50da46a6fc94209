// SPDX-License-Identifier: GPL-2.0

//! From items to standard output, and what is said about them at the end.

use super::print::{Entry, Line, Output, Printer};
use super::Args;
use crate::totals::Losses;
use anyhow::Result;
use relayfs::uapi::Info;
use relayfs::{Buffer, Item};
use std::collections::VecDeque;
use std::io::Write;

/// So much is written at once, at most.
const PIECE: usize = 32 << 10;

/// What is there when the reader comes.
struct Present {
    /// It is from before this time, by the channel's clock; 0: that has no times.
    until: u64,
    /// Without times: it is so many bytes.
    rest: u64,
    /// The last of it, if only so much is wanted.
    last: Option<usize>,
    kept: VecDeque<Entry>,
    /// How many of them are records.
    records: usize,
}

pub(super) struct Show {
    printer: Printer,
    output: Output,
    channel: String,
    out: Vec<u8>,
    present: Option<Present>,
    /// What was lost until now is not of interest.
    restart: bool,
    new: bool,
    records: u64,
    bytes: u64,
    info: Info,
    losses: Losses,
    before: Vec<Info>,
}

impl Show {
    /// Of a channel that is as `info` says, and read from these buffers.
    pub(super) fn new(
        args: &Args,
        info: Info,
        printer: Printer,
        buffers: &[Buffer],
    ) -> Result<Self> {
        let before: Vec<Info> = buffers.iter().map(|buffer| *buffer.opened()).collect();
        let rest = if before.is_empty() {
            info.unread.bytes
        } else {
            before.iter().map(|info| info.unread.bytes).sum()
        };
        let mut show = Self {
            printer,
            output: args.output,
            channel: args.channel.to_string_lossy().into_owned(),
            out: Vec::new(),
            present: Some(Present {
                until: 0,
                rest,
                last: if args.new { Some(0) } else { args.lines },
                kept: VecDeque::new(),
                records: 0,
            }),
            restart: false,
            new: args.new,
            records: 0,
            bytes: 0,
            info,
            losses: Losses::default(),
            before,
        };
        // A recording does not know.
        let known = info.n_subbufs != 0;
        if show.output == Output::Json {
            let mode = if info.is_overwrite() {
                "overwrite"
            } else {
                "no-overwrite"
            };
            let line = Line::Start {
                channel: &show.channel,
                format: if info.is_records() { "records" } else { "raw" },
                mode: known.then_some(mode),
                version: env!("CARGO_PKG_VERSION"),
            };
            show.out = line.to_bytes()?;
        }
        Ok(show)
    }

    /// All from before `until` is there now.
    pub(super) fn begin(&mut self, until: u64) -> Result<()> {
        if let Some(present) = &mut self.present {
            present.until = until;
        }
        self.flush()
    }

    /// Whether what was there when the reader came is not done with.
    pub(super) fn is_present(&self) -> bool {
        self.present.is_some()
    }

    /// Whether `item` is the first that came later.
    pub(super) fn is_past(&self, item: &Item<'_>) -> bool {
        let Some(present) = &self.present else {
            return false;
        };
        let time = match item {
            Item::Record(record) => record.timestamp,
            Item::Run(run) => run.timestamp,
            Item::Lost(_) => return false,
        };
        if time != 0 && present.until != 0 {
            time > present.until
        } else {
            present.rest == 0
        }
    }

    /// What was there when the reader came is done with. Whether that is new.
    pub(super) fn caught_up(&mut self) -> Result<bool> {
        let Some(present) = self.present.take() else {
            return Ok(false);
        };
        self.restart = self.new;
        for entry in present.kept {
            self.put(entry)?;
        }
        self.flush()?;
        Ok(true)
    }

    /// Whether counting is to begin now.
    pub(super) fn wants_restart(&self) -> bool {
        self.restart
    }

    pub(super) fn restart<'b>(&mut self, buffers: impl Iterator<Item = &'b Buffer>) -> Result<()> {
        self.restart = false;
        self.losses = Losses::default();
        self.before = begin_now(buffers)?;
        Ok(())
    }

    pub(super) fn item(&mut self, item: &Item<'_>) -> Result<()> {
        if let Item::Lost(lost) = item {
            self.losses.gap(lost);
        }
        let entry = self.printer.item(item)?;
        let Some(present) = &mut self.present else {
            return self.put(entry);
        };
        present.rest = present.rest.saturating_sub(entry.data as u64);
        let Some(last) = present.last else {
            return self.put(entry);
        };
        present.records += usize::from(entry.record);
        present.kept.push_back(entry);
        // What is missing before the first record that is shown is not shown either.
        while present.records > last || (last == 0 && !present.kept.is_empty()) {
            let gone = present.kept.pop_front();
            present.records -= usize::from(gone.is_some_and(|entry| entry.record));
        }
        Ok(())
    }

    fn put(&mut self, entry: Entry) -> Result<()> {
        self.records += u64::from(entry.record);
        self.bytes += entry.data as u64;
        if entry.aside {
            self.flush()?;
            std::io::stderr().lock().write_all(&entry.bytes)?;
            return Ok(());
        }
        self.out.extend_from_slice(&entry.bytes);
        if self.out.len() >= PIECE {
            self.flush()?;
        }
        Ok(())
    }

    /// Writes what was put together: whole lines.
    pub(super) fn flush(&mut self) -> Result<()> {
        if !self.out.is_empty() {
            let mut out = std::io::stdout().lock();
            let result = out.write_all(&self.out).and_then(|()| out.flush());
            self.out.clear();
            result?;
        }
        Ok(())
    }

    /// That was all. Whether something is missing.
    pub(super) fn end<'b>(
        mut self,
        buffers: impl Iterator<Item = &'b Buffer>,
        late: u64,
    ) -> Result<bool> {
        self.caught_up()?;
        let after = infos(buffers)?;
        let mut produced = 0u64;
        for (before, after) in self.before.iter().zip(&after) {
            self.losses.refused(after.cpu, before, after);
            produced = produced.saturating_add(after.produced.less(before.gone()).records);
        }
        if after.is_empty() {
            self.losses.refused_in_gaps();
        }
        let is_records = self.info.is_records();
        if self.output == Output::Json {
            let line = Line::End {
                records: is_records.then_some(self.records),
                bytes: self.bytes,
                lost: self.losses.total(),
                late,
                complete: !self.losses.any(),
            };
            self.out.extend_from_slice(&line.to_bytes()?);
        }
        let flushed = self.flush();
        let records = if is_records { self.records } else { produced };
        say(&self.channel, &self.losses, records, &self.info, late);
        flushed?;
        Ok(self.losses.any())
    }
}

/// What there is to say about it, at the end.
pub(super) fn say(channel: &str, losses: &Losses, records: u64, info: &Info, late: u64) {
    if let Some(text) = losses.describe(records, info) {
        eprintln!("relay: {channel}: {text}");
    }
    if late != 0 {
        eprintln!("relay: {channel}: {late} came late, out of order");
    }
}

/// What these buffers are like for one to whom only what comes now is of interest.
pub(super) fn begin_now<'b>(buffers: impl Iterator<Item = &'b Buffer>) -> Result<Vec<Info>> {
    let mut infos = infos(buffers)?;
    for info in &mut infos {
        info.read = info.produced.less(info.overwritten);
        // Not as if this reader had begun with the first record.
        info.read.records = info.read.records.max(1);
    }
    Ok(infos)
}

pub(super) fn infos<'b>(buffers: impl Iterator<Item = &'b Buffer>) -> Result<Vec<Info>> {
    buffers.map(|buffer| Ok(buffer.info()?)).collect()
}
