// SPDX-License-Identifier: GPL-2.0

//! `relay flush` and `relay reset`.

use crate::end::End;
use crate::explain;
use anyhow::{bail, Result};
use std::io::ErrorKind;
use std::path::PathBuf;

/// Makes everything that was written readable
///
/// Ends the current sub-buffer of each CPU, so that readers who map the channel, and who wait for whole
/// sub-buffers, find all that was written until now. It costs the rest of those sub-buffers: in overwrite
/// mode what nobody has read yet is overwritten the sooner.
#[derive(Debug, clap::Args)]
pub(crate) struct Flush {
    /// The channel
    #[arg(value_name = "CHAN")]
    channel: PathBuf,
}

/// Throws away what was written so far
///
/// What is unread is gone for all consumers, and readers go on with what is written from now on. Not while
/// another reader is the channel's only consumer.
#[derive(Debug, clap::Args)]
pub(crate) struct Reset {
    /// The channel
    #[arg(value_name = "CHAN")]
    channel: PathBuf,
}

pub(crate) fn flush(args: &Flush) -> Result<End> {
    let channel = explain::open(&args.channel)?;
    channel
        .flush()
        .map_err(|error| explain::error(error, &args.channel))?;
    Ok(End::Complete)
}

pub(crate) fn reset(args: &Reset) -> Result<End> {
    let channel = explain::open(&args.channel)?;
    match channel.reset() {
        Err(error) if error.io_kind() == Some(ErrorKind::ResourceBusy) => bail!(
            "{}: another reader is its only consumer; end that one",
            args.channel.display()
        ),
        other => other.map_err(|error| explain::error(error, &args.channel))?,
    }
    Ok(End::Complete)
}
