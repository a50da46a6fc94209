// SPDX-License-Identifier: MIT OR Apache-2.0

//! What can go wrong.

use std::io;
use std::path::PathBuf;

/// What can go wrong. All but [`Error::Io`] and [`Error::File`] say that bytes were not what they should be,
/// or that something was asked for that there is not.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The system refused something.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The system refused something with a file.
    #[error("{}: {source}", .path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// relayfs is not mounted.
    #[error("relayfs is not mounted; try: mount -t relayfs relayfs /sys/kernel/relay")]
    NotMounted,
    /// No file of a relayfs channel.
    #[error("{}: not a file of a relayfs channel", .0.display())]
    NotAChannel(PathBuf),
    /// A mapping does not look as this crate knows them.
    #[error("mapping: {0}")]
    Mapping(&'static str),
    /// A packet's header does not fit what follows it.
    #[error("packet at byte {at}: {what}")]
    Packet {
        /// Where in the stream it begins.
        at: u64,
        /// What is wrong.
        what: &'static str,
    },
    /// An event does not fit into its packet.
    #[error("event at byte {at} of its packet: {what}")]
    Event {
        /// Where in the packet it begins.
        at: usize,
        /// What is wrong.
        what: &'static str,
    },
    /// Metadata that this crate does not understand.
    #[error("metadata, line {line}: {what}")]
    Metadata {
        /// Where.
        line: usize,
        /// What is wrong.
        what: String,
    },
    /// The fields of an event do not fit its bytes.
    #[error("event {event}, field {field}: {what}")]
    Field {
        /// Name of the event.
        event: String,
        /// Name of the field.
        field: String,
        /// What is wrong.
        what: &'static str,
    },
    /// A line of a list or of `info` that is not understood.
    #[error("{file}, line {line}: {what}")]
    Text {
        /// Which text.
        file: &'static str,
        /// Where.
        line: usize,
        /// What is wrong.
        what: &'static str,
    },
    /// Options that do not go together.
    #[error("{0}")]
    Options(&'static str),
}

impl From<rustix::io::Errno> for Error {
    fn from(errno: rustix::io::Errno) -> Self {
        Self::Io(errno.into())
    }
}

impl Error {
    /// Adds which file it was, to an error of the system.
    pub(crate) fn at(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { path, source }
    }

    /// The error of the system, if it is one.
    pub fn io_kind(&self) -> Option<io::ErrorKind> {
        match self {
            Self::Io(source) | Self::File { source, .. } => Some(source.kind()),
            _ => None,
        }
    }
}

/// Or an [`Error`].
pub type Result<T> = std::result::Result<T, Error>;
