// SPDX-License-Identifier: MIT OR Apache-2.0

//! Recorded traces: a folder with metadata and files of packets, as [`record`](crate::record), or `cp`,
//! makes it.

use crate::error::{Error, Result};
use crate::item::Gap;
use crate::merge::TraceMerge;
use crate::metadata::Metadata;
use crate::packet;
use crate::source::{Data, Held, Source, SubBuf};
use crate::uapi::PACKET_HEADER;
use std::fs::{self, File};
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

/// A recorded trace.
///
/// ```no_run
/// let trace = relayfs::Trace::open("/tmp/net")?;
/// let mut merge = trace.merge()?;
/// while let Some(item) = merge.next_item()? {
///     println!("{item:?}");
/// }
/// # Ok::<(), relayfs::Error>(())
/// ```
#[derive(Debug)]
pub struct Trace {
    text: String,
    metadata: Metadata,
    streams: Vec<PathBuf>,
}

impl Trace {
    /// Opens a folder. Every file in it but `metadata` is a stream of packets, unless its name begins with
    /// a dot.
    pub fn open(dir: impl AsRef<Path>) -> Result<Self> {
        let dir = dir.as_ref();
        let path = dir.join("metadata");
        let text = fs::read_to_string(&path).map_err(Error::at(path))?;
        let metadata = Metadata::parse(&text)?;
        let mut streams = Vec::new();
        for entry in fs::read_dir(dir).map_err(Error::at(dir))? {
            let entry = entry?;
            let name = entry.file_name();
            let hidden = name.as_encoded_bytes().starts_with(b".");
            // A link is followed.
            if !hidden && name != "metadata" && entry.path().is_file() {
                streams.push(entry.path());
            }
        }
        streams.sort_unstable();
        Ok(Self {
            text,
            metadata,
            streams,
        })
    }

    /// Its metadata.
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// Its metadata as text.
    pub fn metadata_text(&self) -> &str {
        &self.text
    }

    /// Its streams, in the order of their files' names.
    pub fn streams(&self) -> Result<Vec<Stream>> {
        self.streams.iter().map(Stream::open).collect()
    }

    /// Its streams as one, in the order of time.
    pub fn merge(&self) -> Result<TraceMerge> {
        Ok(TraceMerge::new(self.streams()?))
    }
}

/// A file of packets, of one CPU or of a whole channel.
#[derive(Debug)]
pub struct Stream {
    path: PathBuf,
    file: BufReader<File>,
    at: u64,
    gap: Gap,
    held: Held,
    ended: bool,
}

impl Stream {
    /// Opens such a file.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref().to_owned();
        let file = File::open(&path).map_err(Error::at(&path))?;
        Ok(Self {
            path,
            file: BufReader::new(file),
            at: 0,
            gap: Gap::default(),
            held: Held::default(),
            ended: false,
        })
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The next packet; `None`: that was all. After an error there is none.
    pub fn next_packet(&mut self) -> Result<Option<SubBuf<'_>>> {
        SubBuf::next(self)
    }

    /// Reads up to `to.len()` bytes; how many there were.
    fn read_up_to(&mut self, len: u64, to: &mut Vec<u8>) -> Result<usize> {
        let mut part = self.file.by_ref().take(len);
        part.read_to_end(to).map_err(Error::at(&self.path))
    }

    fn read_packet(&mut self) -> Result<bool> {
        let mut bytes = self.held.data.take_memory();
        self.held.gaps = [None; 2];
        if self.read_up_to(PACKET_HEADER as u64, &mut bytes)? == 0 {
            return Ok(false);
        }
        let (head, size) = packet::header(&bytes, self.at)?;
        // As much as there is, not as much as it says.
        self.read_up_to((size as u64).saturating_sub(bytes.len() as u64), &mut bytes)?;
        packet::whole(&bytes, self.at)?;
        self.at += size as u64;
        let len = bytes.len();
        self.held = Held {
            cpu: head.cpu_id,
            seq: head.packet_seq_num,
            begin: head.timestamp_begin,
            end: head.timestamp_end,
            gaps: self.gap.before(&head, Default::default),
            head: Some(head),
            data: Data(bytes, 0..len),
            cuts: Vec::new(),
        };
        Ok(true)
    }
}

impl Source for Stream {
    fn fetch(&mut self) -> Result<bool> {
        if self.ended {
            return Ok(false);
        }
        let found = self.read_packet();
        self.ended = !matches!(found, Ok(true));
        found
    }

    fn held(&self) -> &Held {
        &self.held
    }

    fn release(&mut self) -> Result<()> {
        Ok(())
    }

    fn flush(&mut self) -> Result<Option<u64>> {
        Ok(None)
    }

    fn is_ended(&self) -> bool {
        self.ended
    }
}
