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
            eprintln!("relay: {}", chain(&error));
            ExitCode::FAILURE
        }
    }
}

/// An error and what is behind it, each once.
fn chain(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if text.is_empty() {
            text = cause;
        } else if !text.ends_with(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_is_said_once() {
        let error = anyhow::anyhow!("no room")
            .context("file: no room")
            .context("cannot");
        assert_eq!(chain(&error), "cannot: file: no room");
    }
}
