// SPDX-License-Identifier: GPL-2.0

//! `relay record`.

mod progress;
mod report;
mod take;

use crate::cat::time;
use crate::end::End;
use crate::signals::Signals;
use anyhow::{Context, Result};
use progress::Progress;
use relayfs::{Access, Options};
use rustix::process::{kill_process, Pid, Signal};
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::time::{Duration, Instant};
use take::Take;

/// Records channels into a folder that babeltrace2 and others open
///
/// Each channel gets a folder DIR/CHAN in the Common Trace Format: its metadata, and a file of packets for
/// each CPU. Packets of a channel of records are kept byte for byte. Of a raw channel each sub-buffer
/// becomes a packet, with an event `data` for each run of bytes without a gap.
///
/// It ends by ^C or SIGTERM, when the time is over, enough was written, the command has ended, or all
/// channels are closed. Then everything that was written to the channels before is flushed and recorded,
/// too. The last line on standard error says what was recorded, what was lost, where and why, and what
/// helps.
///
/// What is recorded is consumed, and nobody else may consume the channels meanwhile. With --observe nothing
/// is consumed, and sub-buffers are left to become full; only at the end those with events in them are ended,
/// once, or the last events would be missing. With --observe --mmap the kernel ends them at the channel's
/// flush interval.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The channels
    #[arg(value_name = "CHAN", required = true)]
    channels: Vec<PathBuf>,
    /// The folder; it is made, and those of channels in it must be empty
    #[arg(short, long, value_name = "DIR")]
    output: PathBuf,
    /// End after SECS seconds
    #[arg(short, long, value_name = "SECS", value_parser = time::seconds)]
    wait: Option<Duration>,
    /// End when SIZE bytes were written, with K, M or G behind the number
    #[arg(long, value_name = "SIZE", value_parser = bytes)]
    max_size: Option<u64>,
    /// Use read(2)
    #[arg(long, conflicts_with = "mmap")]
    read: bool,
    /// Use mappings, or fail; the default is mappings where they are possible, and read(2) with --observe
    #[arg(long)]
    mmap: bool,
    /// Consume nothing
    #[arg(long)]
    observe: bool,
    /// At the end a line of JSON for each channel on standard output: counters by CPU
    #[arg(long)]
    json: bool,
    /// Exit with status 3 if anything is missing
    #[arg(long)]
    fail_on_loss: bool,
    /// Record while this command runs
    #[arg(last = true, value_name = "CMD")]
    command: Vec<OsString>,
}

/// A number of bytes on the command line.
fn bytes(text: &str) -> Result<u64, String> {
    let bad = || "not a number of bytes above 0, such as 100M".to_owned();
    let shift = match text.chars().last() {
        Some('K' | 'k') => 10,
        Some('M' | 'm') => 20,
        Some('G' | 'g') => 30,
        _ => 0,
    };
    let digits = if shift == 0 {
        text
    } else {
        &text[..text.len() - 1]
    };
    let n: u64 = digits.parse().map_err(|_| bad())?;
    let bytes = n.checked_mul(1 << shift).ok_or_else(bad)?;
    (bytes != 0).then_some(bytes).ok_or_else(bad)
}

impl Args {
    fn options(&self) -> Options {
        let options = if self.observe {
            Options::observer()
        } else {
            Options::exclusive()
        };
        options.access(match (self.read, self.mmap) {
            (true, _) => Access::Read,
            (_, true) => Access::Mapped,
            // Of what is mapped the kernel ends sub-buffers before they are full.
            _ if self.observe => Access::Read,
            _ => Access::Auto,
        })
    }
}

/// How long to wait at most before looking at signals, the command, and new CPUs.
const LOOK: Duration = Duration::from_millis(200);

pub(crate) fn run(args: &Args) -> Result<End> {
    let signals = Signals::note()?;
    let mut take = Take::begin(args)?;
    let mut command = Running::start(&args.command)?;
    let progress = Progress::new();
    let began = Instant::now();
    loop {
        let more = take.some(&|| signals.stop())?;
        progress.show(take.bytes(), began.elapsed());
        if signals.stop() || take.is_ended() || command.has_ended()? {
            break;
        }
        if args.wait.is_some_and(|time| began.elapsed() >= time)
            || args.max_size.is_some_and(|size| take.bytes() >= size)
        {
            break;
        }
        if !more {
            let rest = args
                .wait
                .map_or(LOOK, |time| time.saturating_sub(began.elapsed()));
            take.wait(rest.min(LOOK))?;
        }
    }
    command.end()?;
    let seconds = began.elapsed();
    let lost = {
        let takes = take.finish();
        progress.done();
        report::report(takes?, seconds, args.observe, args.json)?
    };
    Ok(if signals.interrupted() {
        End::Interrupted
    } else if lost && args.fail_on_loss {
        End::Lost
    } else {
        End::Complete
    })
}

/// The command, as long as it runs.
struct Running(Option<(Child, String)>);

impl Running {
    fn start(command: &[OsString]) -> Result<Self> {
        let Some((program, args)) = command.split_first() else {
            return Ok(Self(None));
        };
        let name = program.to_string_lossy().into_owned();
        let child = Command::new(program)
            .args(args)
            .spawn()
            .with_context(|| name.clone())?;
        Ok(Self(Some((child, name))))
    }

    fn has_ended(&mut self) -> Result<bool> {
        let Some((child, name)) = &mut self.0 else {
            return Ok(false);
        };
        let Some(status) = child.try_wait()? else {
            return Ok(false);
        };
        if !status.success() {
            eprintln!("relay: {name}: {status}");
        }
        self.0 = None;
        Ok(true)
    }

    /// Asks it to end if it runs.
    fn end(&mut self) -> Result<()> {
        if let Some((mut child, _)) = self.0.take() {
            if let Some(pid) = Pid::from_raw(child.id() as i32) {
                // It may have ended by now.
                let _ = kill_process(pid, Signal::TERM);
            }
            child.wait()?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        assert_eq!(bytes("100"), Ok(100));
        assert_eq!(
            [bytes("2K"), bytes("3M"), bytes("1G")],
            [Ok(2 << 10), Ok(3 << 20), Ok(1 << 30)]
        );
        for bad in ["", "0", "K", "-1", "1.5M", "99999999999G", "1é"] {
            assert!(bytes(bad).is_err(), "{bad}");
        }
    }
}
