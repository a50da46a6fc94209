// SPDX-License-Identifier: GPL-2.0

//! `relay cat` of a folder in which a channel was recorded.

use super::print::{Output, Printer};
use super::show::Show;
use super::time::{self, Times};
use super::{ended, Args};
use crate::end::End;
use crate::signals::Signals;
use anyhow::Result;
use relayfs::uapi::{Info, FLAG_RECORDS};
use relayfs::Trace;
use std::io::Write;

pub(super) fn run(args: &Args, signals: &Signals) -> Result<End> {
    if args.follow || args.new {
        anyhow::bail!(
            "{}: a recording has no --follow or --new",
            args.channel.display()
        );
    }
    let trace = Trace::open(&args.channel)?;
    if args.output == Output::Raw {
        return raw(args, signals, &trace);
    }
    let info = Info {
        flags: FLAG_RECORDS,
        ..Info::default()
    };
    let metadata = trace.metadata().clone();
    let times = Times::new(args.time, time::clock_of(&info, Some(&metadata)));
    let name = args.channel.to_string_lossy().into_owned();
    let printer = Printer::new(args.output, times, Some(metadata), name);
    let mut show = Show::new(args, info, printer, None)?;
    let mut merge = trace.merge()?;
    while let Some(item) = merge.next_item()? {
        if signals.stop() {
            break;
        }
        show.item(&item)?;
    }
    let lost = show.end(None, merge.late())?;
    Ok(ended(args, signals, lost))
}

/// The packets as they are, one file after the other.
fn raw(args: &Args, signals: &Signals, trace: &Trace) -> Result<End> {
    args.no_lines_of_bytes()?;
    let mut out = std::io::stdout().lock();
    let mut lost = false;
    for mut stream in trace.streams()? {
        while let Some(packet) = stream.next_packet()? {
            if signals.stop() {
                break;
            }
            if args.wants(packet.cpu()) {
                lost |= packet.lost().next().is_some();
                out.write_all(packet.bytes())?;
            }
        }
    }
    out.flush()?;
    Ok(ended(args, signals, lost))
}
