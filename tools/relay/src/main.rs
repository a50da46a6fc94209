// SPDX-License-Identifier: GPL-2.0

//! The command `relay`: lists, shows, records and controls the channels of relayfs.

#![deny(unsafe_code)]

mod cat;
mod cli;
mod control;
mod end;
mod explain;
mod info;
mod ls;
mod man;
mod record;
mod signals;
mod stat;
mod totals;

use clap::Parser;
use cli::Cli;
use end::End;
use std::process::ExitCode;

fn main() -> ExitCode {
    // Wrong use ends here, with status 2.
    let cli = Cli::parse();
    match cli.verb.run() {
        Ok(end) => end.into(),
        // Who reads has had enough, as `head`.
        Err(error) if end::is_broken_pipe(&error) => End::Complete.into(),
        Err(error) => {
            eprintln!("relay: {error:#}");
            ExitCode::FAILURE
        }
    }
}
