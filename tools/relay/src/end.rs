// SPDX-License-Identifier: GPL-2.0

//! How the command ends.

use std::io;
use std::process::ExitCode;

/// How it ended, if there was no error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// All was done.
    Complete,
    /// Data is missing, and it was asked to say so.
    Lost,
    /// By ^C.
    Interrupted,
}

impl From<End> for ExitCode {
    fn from(end: End) -> Self {
        match end {
            End::Complete => Self::SUCCESS,
            End::Lost => Self::from(3),
            End::Interrupted => Self::from(130),
        }
    }
}

/// Whether nobody reads the output any more.
pub(crate) fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        let io = cause.downcast_ref::<io::Error>().map(io::Error::kind);
        // serde_json wraps them.
        let json = cause
            .downcast_ref::<serde_json::Error>()
            .and_then(serde_json::Error::io_error_kind);
        io.or(json) == Some(io::ErrorKind::BrokenPipe)
    })
}
