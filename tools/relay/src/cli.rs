// SPDX-License-Identifier: GPL-2.0

//! What can be written behind `relay`. The manual pages and the shells' completions are made of it.

use crate::end::End;
use crate::{cat, control, info, ls, man, record, stat};
use anyhow::Result;
use clap::{Parser, Subcommand};

/// Looks at and controls channels of relayfs
///
/// A channel carries data from kernel code to user space, in a lock-free ring buffer for each CPU. relay
/// lists the channels there are, shows what comes through them, records it, and shows and controls how
/// they are doing.
///
/// A channel is named as it is below the mount of relayfs, such as net/rx, or by the path of its file, with
/// / or ./ at the beginning.
#[derive(Debug, Parser)]
#[command(name = "relay", version, max_term_width = 100)]
#[command(subcommand_required = true, arg_required_else_help = true)]
#[command(disable_help_subcommand = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    Ls(ls::Args),
    Cat(cat::Args),
    Record(record::Args),
    Stat(stat::Args),
    Flush(control::Flush),
    Reset(control::Reset),
    Info(info::Args),
    Completions(man::Completions),
    #[command(hide = true)]
    Man(man::Man),
}

impl Verb {
    pub(crate) fn run(&self) -> Result<End> {
        match self {
            Self::Ls(args) => ls::run(args),
            Self::Cat(args) => cat::run(args),
            Self::Record(args) => record::run(args),
            Self::Stat(args) => stat::run(args),
            Self::Flush(args) => control::flush(args),
            Self::Reset(args) => control::reset(args),
            Self::Info(args) => info::run(args),
            Self::Completions(args) => man::completions(args),
            Self::Man(args) => man::run(args),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_definitions_fit_together() {
        Cli::command().debug_assert();
    }
}
