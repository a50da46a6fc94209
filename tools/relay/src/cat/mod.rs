// SPDX-License-Identifier: GPL-2.0

//! `relay cat`.

mod bytes;
mod counters;
mod print;
mod recorded;
mod show;
mod sources;
pub(crate) mod time;

use crate::end::End;
use crate::explain;
use crate::signals::Signals;
use anyhow::{bail, Result};
use counters::Counters;
use print::{Output, Printer};
use relayfs::uapi::{Info, CPU_ALL, CPU_NONE};
use relayfs::{Buffer, Channel, Merge, Watermark};
use show::Show;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::{Duration, Instant};
use time::{Time, Times};

/// Shows what comes through a channel
///
/// Shows what is there, in the order of time over all CPUs, and ends; with --follow it goes on until ^C, or
/// until the channel is closed.
///
/// What is shown is consumed: nobody gets it again, and the writers have its room. That is what cat does
/// with the channel's file, or with a tracer's trace_pipe, and a channel in no-overwrite mode stops when
/// nobody consumes it. Nobody else may consume the channel meanwhile, so that what is shown is all there
/// is. With --observe nothing is consumed, as with a tracer's trace, and everybody may look on at once; nor
/// are sub-buffers ended before they are full, so that no room, and no history, is spent on who looks on.
/// Then of a gap in a channel of records it is not known on which CPU it is, and bytes of a raw channel come
/// CPU by CPU.
///
/// Where records are missing a line says so, in its place: on standard error, or, with -o json, in the
/// output. At the end the total is on standard error, with what helps. Data that nobody was interested in
/// before this reader came is not missing.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The channel, or a folder in which one was recorded
    #[arg(value_name = "CHAN")]
    channel: PathBuf,
    /// Go on with what is written later
    #[arg(short, long)]
    follow: bool,
    /// Only what is written from now on; implies --follow
    #[arg(long, conflicts_with = "lines")]
    new: bool,
    /// Of what is there now only the last N records; of a raw channel, pieces of sub-buffers
    #[arg(short = 'n', long, value_name = "N")]
    lines: Option<usize>,
    /// Only of these CPUs, such as 0,2-3
    #[arg(long, value_name = "LIST")]
    cpu: Option<CpuList>,
    /// As it comes, buffer by buffer, and not in the order of time: it takes less
    #[arg(long)]
    no_merge: bool,
    /// Consume nothing, and be in nobody's way
    #[arg(long)]
    observe: bool,
    /// In which form; of a recording, raw is its packets, file by file
    #[arg(short, long, value_enum, value_name = "FORM", default_value_t)]
    output: Output,
    /// How times are shown in text; JSON has the ticks of the channel's clock and the time of day
    #[arg(long, value_enum, value_name = "HOW", default_value_t)]
    time: Time,
    /// Exit with status 3 if anything is missing
    #[arg(long)]
    fail_on_loss: bool,
}

impl Args {
    /// Whether what is of this CPU, or of all, is to be shown.
    fn wants(&self, cpu: u32) -> bool {
        let listed = |CpuList(cpus): &CpuList| cpus.contains(&cpu);
        matches!(cpu, CPU_ALL | CPU_NONE) || self.cpu.as_ref().is_none_or(listed)
    }

    /// What was asked for cannot be had of bytes.
    fn no_lines_of_bytes(&self) -> Result<()> {
        if self.lines.is_some() {
            bail!("-n counts records, and -o raw does not know them: leave one of them out");
        }
        Ok(())
    }
}

/// Numbers of CPUs.
#[derive(Clone, Debug, PartialEq, Eq)]
struct CpuList(Vec<u32>);

impl FromStr for CpuList {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |text: &str| {
            text.parse::<u32>()
                .ok()
                .filter(|&cpu| cpu < 1 << 16)
                .ok_or_else(|| format!("'{text}' is no number of a CPU"))
        };
        let mut cpus = Vec::new();
        for part in text.split(',') {
            match part.split_once('-') {
                Some((first, last)) => {
                    let (first, last) = (number(first)?, number(last)?);
                    if first > last {
                        return Err(format!("'{part}' goes down"));
                    }
                    cpus.extend(first..=last);
                }
                None => cpus.push(number(part)?),
            }
        }
        cpus.sort_unstable();
        cpus.dedup();
        Ok(Self(cpus))
    }
}

/// How long to wait at most before looking at signals.
const LOOK: Duration = Duration::from_millis(200);

pub(crate) fn run(args: &Args) -> Result<End> {
    let signals = Signals::note()?;
    if args.channel.join("metadata").is_file() {
        return recorded::run(args, &signals);
    }
    let channel = explain::open(&args.channel)?;
    let fail = |error| explain::error(error, &args.channel);
    let info = channel.info().map_err(fail)?;
    let reader = Reader {
        args,
        signals,
        channel: &channel,
        info,
        follow: args.follow || args.new,
    };
    if args.output == Output::Raw {
        return bytes::run(&reader);
    }
    let metadata = channel.metadata().map_err(fail)?;
    let clock = time::clock_of(&info, metadata.as_ref());
    let name = args.channel.to_string_lossy().into_owned();
    let times = Times::new(args.time, clock);
    let printer = Printer::new(args.output, times, metadata, name);
    reader.show(printer)
}

/// Who reads a channel.
struct Reader<'a> {
    args: &'a Args,
    signals: Signals,
    channel: &'a Channel,
    info: Info,
    follow: bool,
}

impl Reader<'_> {
    fn fail(&self, error: relayfs::Error) -> anyhow::Error {
        explain::error(error, &self.args.channel)
    }

    /// In which order to take what comes.
    fn watermark(&self) -> Watermark {
        // All that is there now can be read.
        if self.args.no_merge || self.args.observe || !self.follow {
            Watermark::None
        } else {
            Watermark::default()
        }
    }

    fn show(&self, printer: Printer) -> Result<End> {
        let (mut buffers, mut cpus) = self.buffers()?;
        let mut counted = Vec::new();
        if self.reads_whole() {
            let whole = self.channel.whole(self.options());
            counted = buffers;
            buffers = vec![whole.map_err(|error| self.fail(error))?];
        }
        let counters = self.counters(&buffers, counted);
        let mut show = Show::new(self.args, self.info, printer, Some(counters))?;
        show.begin(self.until()?)?;
        let mut merge = Merge::new(buffers, self.watermark());
        let mut flushed = Flushed::new();
        let (mut shown, mut empty) = (0u64, 0);
        while !self.signals.stop() {
            // Also when there is always more.
            if empty != 0 || shown % 1024 == 0 {
                for buffer in self.newcomers(&mut cpus)? {
                    if let Some(buffer) = show.add(buffer) {
                        merge.add(buffer);
                    }
                }
            }
            if let Some(item) = merge.next_item()? {
                (shown, empty) = (shown + 1, 0);
                if show.is_past(&item) {
                    if !self.follow {
                        break;
                    }
                    show.caught_up()?;
                }
                show.item(&item)?;
                if show.wants_restart() {
                    show.restart(merge.buffers())?;
                }
                continue;
            }
            if merge.is_ended() || !self.follow {
                break;
            }
            show.flush()?;
            // What is there may still wait for what may be older.
            empty += 1;
            let caught_up = empty > 3 && show.caught_up()?;
            if caught_up && show.wants_restart() {
                show.restart(merge.buffers())?;
            }
            let soon = show.is_present() || self.args.observe;
            self.wait(&mut merge, if soon { LOOK / 10 } else { LOOK })?;
            if !self.args.observe {
                flushed.again(self.channel)?;
            }
        }
        let read: Vec<_> = merge.buffers().collect();
        let lost = show.end(Some((self.channel, read)), merge.late())?;
        Ok(ended(self.args, &self.signals, lost))
    }

    /// What the kernel counts of what is read, or of the buffers behind that.
    fn counters(&self, read: &[Buffer], counted: Vec<Buffer>) -> Counters {
        let all = self.args.cpu.is_none().then_some(self.info);
        Counters::new(all, read, counted)
    }
}

fn ended(args: &Args, signals: &Signals, lost: bool) -> End {
    if signals.interrupted() {
        End::Interrupted
    } else if lost && args.fail_on_loss {
        End::Lost
    } else {
        End::Complete
    }
}

/// Mappings show complete sub-buffers only, so those in which something waits are ended now and then.
struct Flushed {
    at: Instant,
    produced: u64,
}

impl Flushed {
    fn new() -> Self {
        Self {
            at: Instant::now(),
            produced: 0,
        }
    }

    fn again(&mut self, channel: &Channel) -> Result<()> {
        if self.at.elapsed() < LOOK / 2 {
            return Ok(());
        }
        self.at = Instant::now();
        let produced = channel.info()?.produced.records;
        if produced != self.produced {
            self.produced = produced;
            channel.flush()?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_cpus() {
        let list = |text: &str| text.parse::<CpuList>().map(|CpuList(cpus)| cpus);
        assert_eq!(list("0,2-4,3"), Ok(vec![0, 2, 3, 4]));
        for bad in ["", "x", "1-", "-1", "4-2", "1,,2", "99999999"] {
            assert!(list(bad).is_err(), "{bad}");
        }
    }
}
