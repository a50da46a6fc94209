// SPDX-License-Identifier: MIT OR Apache-2.0

//! Recording: a folder of the Common Trace Format that [`Trace`](crate::Trace), babeltrace2 and others open.
//!
//! Packets of a channel of records are kept byte for byte, and so are its metadata. Of a raw channel each
//! sub-buffer becomes a packet, each run of bytes in it an event `data`.

use crate::error::{Error, Result};
use crate::item::Item;
use crate::source::SubBuf;
use crate::uapi::{Event, Info, Packet, FLAG_NO_TIME, FLAG_TSC};
use crate::uapi::{EVENT_HEADER, PACKET_HEADER, PACKET_MAGIC};
use rustix::rand::{getrandom, GetRandomFlags};
use rustix::time::{clock_gettime, ClockId};
use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::fs::{self, File, OpenOptions};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use zerocopy::IntoBytes;

const NS_PER_S: u64 = 1_000_000_000;

/// Writes a recorded trace.
///
/// ```no_run
/// use relayfs::{record::Writer, Channel, Options};
///
/// let channel = Channel::open("systrace")?;
/// let mut writer = match channel.metadata_text()? {
///     Some(metadata) => Writer::records("/tmp/systrace", &metadata)?,
///     None => Writer::raw("/tmp/systrace", "systrace", &channel.info()?)?,
/// };
/// for cpu in channel.cpus()? {
///     let mut buffer = channel.buffer(cpu, Options::exclusive())?;
///     while let Some(subbuf) = buffer.next_subbuf()? {
///         writer.write(&format!("cpu{cpu}"), &subbuf)?;
///     }
/// }
/// let totals = writer.finish()?;
/// println!("{} packets, {} bytes", totals.packets, totals.bytes);
/// # Ok::<(), relayfs::Error>(())
/// ```
#[derive(Debug)]
pub struct Writer {
    dir: PathBuf,
    raw: Option<Raw>,
    streams: BTreeMap<String, Stream>,
    totals: Totals,
}

/// What was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Packets.
    pub packets: u64,
    /// Events; of a raw channel runs of bytes.
    pub events: u64,
    /// Bytes in the files of packets.
    pub bytes: u64,
    /// Records that are missing, where their number is known.
    pub lost: u64,
}

/// What is different with a raw channel.
#[derive(Debug)]
struct Raw {
    uuid: [u8; 16],
    /// Whether sub-buffers have times, in ns of `CLOCK_MONOTONIC`.
    timed: bool,
}

#[derive(Debug)]
struct Stream {
    path: PathBuf,
    file: BufWriter<File>,
    packets: u64,
    discarded: u64,
    end: u64,
}

impl Writer {
    /// Begins a trace of a channel of records, with its metadata. The folder is made, or is empty.
    pub fn records(dir: impl AsRef<Path>, metadata: &str) -> Result<Self> {
        Self::begin(dir.as_ref(), metadata, None)
    }

    /// Begins a trace of the raw channel `name`. The folder is made, or is empty.
    pub fn raw(dir: impl AsRef<Path>, name: &str, info: &Info) -> Result<Self> {
        let mut uuid = [0; 16];
        getrandom(&mut uuid, GetRandomFlags::empty())?;
        // A random one, as RFC 9562 has it.
        uuid[6] = uuid[6] & 0x0f | 0x40;
        uuid[8] = uuid[8] & 0x3f | 0x80;
        let raw = Raw {
            uuid,
            timed: info.flags & (FLAG_TSC | FLAG_NO_TIME) == 0,
        };
        let metadata = metadata(name, uuid, now(ClockId::Realtime), now(ClockId::Monotonic));
        Self::begin(dir.as_ref(), &metadata, Some(raw))
    }

    fn begin(dir: &Path, metadata: &str, raw: Option<Raw>) -> Result<Self> {
        fs::create_dir_all(dir).map_err(Error::at(dir))?;
        if fs::read_dir(dir).map_err(Error::at(dir))?.next().is_some() {
            return Err(Error::at(dir)(std::io::ErrorKind::DirectoryNotEmpty.into()));
        }
        let path = dir.join("metadata");
        create(&path)
            .and_then(|mut file| file.write_all(metadata.as_bytes()))
            .map_err(Error::at(path))?;
        Ok(Self {
            dir: dir.to_owned(),
            raw,
            streams: BTreeMap::new(),
            totals: Totals::default(),
        })
    }

    /// Adds a sub-buffer to the file `stream`: one for each file of the channel that is read, such as `cpu0`.
    /// Of one that cannot be read to its end nothing is written.
    pub fn write(&mut self, stream: &str, subbuf: &SubBuf<'_>) -> Result<()> {
        if !self.streams.contains_key(stream) {
            let new = Stream::new(&self.dir, stream)?;
            self.streams.insert(stream.to_owned(), new);
        }
        let Some(to) = self.streams.get_mut(stream) else {
            return Ok(());
        };
        for lost in subbuf.lost() {
            self.totals.lost += lost.records;
        }
        let (bytes, events) = match &self.raw {
            None => {
                let events = events(subbuf)?;
                to.put(subbuf.bytes())?;
                (subbuf.bytes().len(), events)
            }
            Some(raw) => to.put_raw(raw, subbuf)?,
        };
        self.totals.packets += 1;
        self.totals.bytes += bytes as u64;
        self.totals.events += events as u64;
        Ok(())
    }

    /// What was written so far.
    pub fn totals(&self) -> Totals {
        self.totals
    }

    /// Writes what is still in memory.
    pub fn flush(&mut self) -> Result<()> {
        for stream in self.streams.values_mut() {
            stream.file.flush().map_err(Error::at(&stream.path))?;
        }
        Ok(())
    }

    /// The trace is complete.
    pub fn finish(mut self) -> Result<Totals> {
        self.flush()?;
        Ok(self.totals)
    }
}

/// How many events are in it.
fn events(subbuf: &SubBuf<'_>) -> Result<usize> {
    let mut events = 0;
    for item in subbuf.records() {
        events += usize::from(matches!(item?, Item::Record(_)));
    }
    Ok(events)
}

fn create(path: &Path) -> std::io::Result<File> {
    OpenOptions::new().write(true).create_new(true).open(path)
}

fn now(clock: ClockId) -> u64 {
    let now = clock_gettime(clock);
    (now.tv_sec as u64)
        .wrapping_mul(NS_PER_S)
        .wrapping_add(now.tv_nsec as u64)
}

impl Stream {
    fn new(dir: &Path, name: &str) -> Result<Self> {
        // A name with a dot in front is no stream to those who read the trace.
        if name.is_empty() || name.starts_with('.') || name.contains('/') || name == "metadata" {
            return Err(Error::Options("that cannot be the name of a stream"));
        }
        let path = dir.join(name);
        let file = create(&path).map_err(Error::at(&path))?;
        Ok(Self {
            path,
            file: BufWriter::with_capacity(256 << 10, file),
            packets: 0,
            discarded: 0,
            end: 0,
        })
    }

    fn put(&mut self, bytes: &[u8]) -> Result<()> {
        self.file.write_all(bytes).map_err(Error::at(&self.path))
    }

    /// Writes a sub-buffer as a packet. How many bytes, and events.
    fn put_raw(&mut self, raw: &Raw, subbuf: &SubBuf<'_>) -> Result<(usize, usize)> {
        let (mut begin, mut end) = (subbuf.begin(), subbuf.end());
        if !raw.timed || begin == 0 {
            begin = now(ClockId::Monotonic);
            end = begin;
        }
        // Readers want times that do not go back.
        begin = begin.max(self.end);
        end = end.max(begin);
        let mut packet = vec![0; PACKET_HEADER];
        let mut events = 0;
        for item in subbuf.records() {
            match item? {
                Item::Lost(lost) => {
                    // Also of overwritten ones: their number is known, but not in how many packets they were.
                    self.discarded = self.discarded.wrapping_add(lost.records);
                }
                Item::Run(run) => {
                    put_event(&mut packet, begin, run.bytes)?;
                    events += 1;
                }
                Item::Record(_) => {}
            }
        }
        let bits = packet.len() as u64 * 8;
        let head = Packet {
            magic: PACKET_MAGIC,
            uuid: raw.uuid,
            stream_id: 0,
            packet_size: bits,
            content_size: bits,
            timestamp_begin: begin,
            timestamp_end: end,
            events_discarded: self.discarded,
            packet_seq_num: self.packets,
            cpu_id: subbuf.cpu(),
            reserved: 0,
        };
        if let Some(place) = packet.get_mut(..PACKET_HEADER) {
            place.copy_from_slice(head.as_bytes());
        }
        self.put(&packet)?;
        self.packets += 1;
        self.end = end;
        Ok((packet.len(), events))
    }
}

/// Adds an event with these bytes.
fn put_event(packet: &mut Vec<u8>, timestamp: u64, bytes: &[u8]) -> Result<()> {
    let len = u32::try_from(bytes.len())
        .map_err(|_| Error::Options("a run of bytes is too long for an event"))?;
    packet.resize(packet.len().next_multiple_of(8), 0);
    packet.reserve(EVENT_HEADER + bytes.len());
    let event = Event {
        timestamp,
        id: 0,
        len,
    };
    packet.extend_from_slice(event.as_bytes());
    packet.extend_from_slice(bytes);
    Ok(())
}

/// A uuid, as it is usually written.
struct Uuid([u8; 16]);

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, byte) in self.0.iter().enumerate() {
            let dash = if matches!(at, 4 | 6 | 8 | 10) {
                "-"
            } else {
                ""
            };
            write!(f, "{dash}{byte:02x}")?;
        }
        Ok(())
    }
}

/// What the packets of a raw channel are like. `real` and `mono` are what two clocks show at a time.
fn metadata(name: &str, uuid: [u8; 16], real: u64, mono: u64) -> String {
    let uuid = Uuid(uuid);
    let offset = real.saturating_sub(mono);
    let order = if cfg!(target_endian = "little") {
        "le"
    } else {
        "be"
    };
    let mut channel = String::new();
    for c in name.chars() {
        let plain = matches!(c, ' '..='~') && !matches!(c, '"' | '\\');
        channel.push(if plain { c } else { '?' });
    }
    let mut text = String::from("/* CTF 1.8 */\n\n");
    for bits in [8, 32, 64] {
        let _ = writeln!(
            text,
            "typealias integer {{ size = {bits}; align = {bits}; }} := u{bits};"
        );
    }
    let _ = write!(
        text,
        "typealias integer {{ size = 8; align = 8; base = 16; }} := x8;\n\n\
         trace {{\n\
         \tmajor = 1; minor = 8;\n\
         \tuuid = \"{uuid}\";\n\
         \tbyte_order = {order};\n\
         \tpacket.header := struct {{ u32 magic; u8 uuid[16]; u32 stream_id; }};\n\
         }};\n\n\
         env {{\n\
         \ttracer_name = \"relayfs\";\n\
         \tchannel = \"{channel}\";\n\
         \tformat = \"raw\";\n\
         }};\n\n\
         clock {{\n\
         \tname = \"monotonic\";\n\
         \tuuid = \"{uuid}\";\n\
         \tfreq = {NS_PER_S}; offset_s = {}; offset = {};\n\
         }};\n\
         typealias integer {{ size = 64; align = 64; map = clock.monotonic.value; }} := time_t;\n\n\
         stream {{\n\
         \tid = 0;\n\
         \tpacket.context := struct {{\n\
         \t\tu64 packet_size; u64 content_size; time_t timestamp_begin; time_t timestamp_end;\n\
         \t\tu64 events_discarded; u64 packet_seq_num; u32 cpu_id; u32 _reserved;\n\
         \t}};\n\
         \tevent.header := struct {{ time_t timestamp; u32 id; }};\n\
         \tevent.context := struct {{ u32 len; }};\n\
         }};\n\n\
         event {{ name = \"data\"; id = 0; stream_id = 0; \
         fields := struct {{ x8 data[stream.event.context.len]; }}; }};\n",
        offset / NS_PER_S,
        offset % NS_PER_S,
    );
    text
}
