// SPDX-License-Identifier: GPL-2.0

//! From items to standard output, and what is said about them at the end.

use super::counters::Counters;
use super::print::{Entry, Line, Output, Printer};
use super::Args;
use crate::totals::Losses;
use anyhow::Result;
use relayfs::uapi::{Count, Info};
use relayfs::{Buffer, Channel, Item};
use std::collections::VecDeque;
use std::io::Write;

/// So much is written at once, at most.
const PIECE: usize = 32 << 10;

/// What is there when the reader comes.
struct Present {
    /// It is from before this time, by the channel's clock; 0: that has no times.
    until: u64,
    /// Where that is not known: it is so much.
    rest: Count,
    /// The last of it, if only so much is wanted.
    last: Option<usize>,
    kept: VecDeque<Entry>,
    /// How many of them are records.
    records: usize,
}

impl Present {
    /// Goes over an item.
    fn pass(&mut self, item: &Item<'_>) {
        let gone = match item {
            Item::Record(record) => Count {
                records: 1,
                bytes: record.bytes.len() as u64,
            },
            Item::Run(run) => Count {
                records: 0,
                bytes: run.bytes.len() as u64,
            },
            Item::Lost(lost) => Count {
                records: lost.records,
                bytes: lost.bytes,
            },
        };
        self.rest = self.rest.less(gone);
    }
}

pub(super) struct Show<'a> {
    args: &'a Args,
    printer: Printer,
    channel: String,
    out: Vec<u8>,
    present: Option<Present>,
    /// What was lost until now is not of interest.
    restart: bool,
    records: u64,
    bytes: u64,
    info: Info,
    losses: Losses,
    counters: Option<Counters>,
}

impl<'a> Show<'a> {
    /// Of a channel that is as `info` says. `None`: of a recording, where nothing is counted.
    pub(super) fn new(
        args: &'a Args,
        info: Info,
        printer: Printer,
        counters: Option<Counters>,
    ) -> Result<Self> {
        let all = Count {
            records: u64::MAX,
            bytes: u64::MAX,
        };
        let mut show = Self {
            args,
            printer,
            channel: args.channel.to_string_lossy().into_owned(),
            out: Vec::new(),
            present: Some(Present {
                until: 0,
                rest: counters.as_ref().map_or(all, Counters::unread),
                last: if args.new { Some(0) } else { args.lines },
                kept: VecDeque::new(),
                records: 0,
            }),
            restart: false,
            records: 0,
            bytes: 0,
            info,
            losses: Losses::default(),
            counters,
        };
        // A recording does not know.
        let known = info.n_subbufs != 0;
        if args.output == Output::Json {
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
        } else if self.info.is_records() {
            present.rest.records == 0
        } else {
            present.rest.bytes == 0
        }
    }

    /// One more buffer is shown. Gives it back if it is to be read.
    pub(super) fn add(&mut self, buffer: Buffer) -> Option<Buffer> {
        let counters = self.counters.as_mut()?;
        if counters.is_of_whole() {
            counters.add_counted(buffer);
            return None;
        }
        counters.add_read(&buffer);
        Some(buffer)
    }

    /// What was there when the reader came is done with. Whether that is new.
    pub(super) fn caught_up(&mut self) -> Result<bool> {
        let Some(present) = self.present.take() else {
            return Ok(false);
        };
        self.restart = self.args.new;
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
        if let Some(counters) = &mut self.counters {
            counters.restart(buffers)?;
        }
        Ok(())
    }

    pub(super) fn item(&mut self, item: &Item<'_>) -> Result<()> {
        if let Some(present) = &mut self.present {
            present.pass(item);
        }
        let cpu = match item {
            Item::Record(record) => record.cpu,
            Item::Run(run) => run.cpu,
            Item::Lost(lost) => lost.cpu,
        };
        if !self.args.wants(cpu) {
            return Ok(());
        }
        if let Item::Lost(lost) = item {
            self.losses.gap(lost);
        }
        let entry = self.printer.item(item)?;
        let Some(present) = &mut self.present else {
            return self.put(entry);
        };
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

    /// That was all, of a channel of these buffers, or of a recording. Whether something is missing.
    pub(super) fn end(mut self, of: Option<(&Channel, Vec<&Buffer>)>, late: u64) -> Result<bool> {
        self.caught_up()?;
        let mut produced = 0;
        match (&self.counters, of) {
            (Some(counters), Some((channel, read))) => {
                produced = counters.end(channel, read.into_iter(), &mut self.losses)?;
            }
            _ => self.losses.refused_in_gaps(),
        }
        let is_records = self.info.is_records();
        if self.args.output == Output::Json {
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
