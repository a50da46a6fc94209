// SPDX-License-Identifier: GPL-2.0

//! Items as text, JSON, or bytes.

use super::time::Times;
use crate::totals::cpu_name;
use anyhow::Result;
use relayfs::metadata::Value;
use relayfs::uapi::{CPU_ALL, CPU_NONE};
use relayfs::{Cause, Item, Lost, Metadata, Record, Run};
use serde::ser::{SerializeMap, SerializeSeq, Serializer};
use serde::Serialize;
use std::fmt::Write;

/// How items are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Output {
    /// Lines for people
    #[default]
    Text,
    /// Lines of JSON
    Json,
    /// The bytes, as read(2) gives them: of a channel of records, packets
    Raw,
    /// Bytes in hexadecimal
    Hex,
}

/// What is written of an item.
#[derive(Debug, Default)]
pub(crate) struct Entry {
    pub(crate) bytes: Vec<u8>,
    /// To standard error: it is about the data.
    pub(crate) aside: bool,
    /// Whether it is a record, and not a gap.
    pub(crate) record: bool,
    /// Bytes of data it is about.
    pub(crate) data: usize,
}

/// A line of JSON. Names and types do not change; there may be more of both in later versions.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub(super) enum Line<'a> {
    /// The first line.
    Start {
        channel: &'a str,
        format: &'a str,
        mode: Option<&'a str>,
        version: &'a str,
    },
    /// An event.
    Record {
        cpu: Option<u32>,
        timestamp: u64,
        time: Option<String>,
        event: &'a str,
        fields: Fields<'a>,
    },
    /// An event that the metadata does not explain.
    Unknown {
        cpu: Option<u32>,
        timestamp: u64,
        time: Option<String>,
        id: u32,
        hex: String,
        problem: String,
    },
    /// Bytes of a raw channel, as text if they are such.
    Data {
        cpu: Option<u32>,
        timestamp: u64,
        time: Option<String>,
        bytes: usize,
        #[serde(skip_serializing_if = "Option::is_none")]
        text: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        hex: Option<String>,
    },
    /// A gap.
    Lost {
        cpu: Option<u32>,
        cause: &'a str,
        records: u64,
        bytes: u64,
        packets: u64,
        from: u64,
        to: u64,
    },
    /// The last line. Nobody knows how many records the bytes of a raw channel are. `complete`: nothing is
    /// missing.
    End {
        records: Option<u64>,
        bytes: u64,
        lost: u64,
        late: u64,
        complete: bool,
    },
}

/// Fields of an event, in their order.
pub(super) struct Fields<'a>(Vec<(&'a str, Value<'a>)>);

impl Serialize for Fields<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut map = to.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            map.serialize_entry(name, &Shown(*value))?;
        }
        map.end()
    }
}

struct Shown<'a>(Value<'a>);

impl Serialize for Shown<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Unsigned(n) | Value::Hex(n) => to.serialize_u64(n),
            Value::Signed(n) => to.serialize_i64(n),
            Value::Text(text) => to.serialize_str(&String::from_utf8_lossy(text)),
            Value::Array(array) => {
                let mut list = to.serialize_seq(Some(array.len()))?;
                for value in array.iter() {
                    list.serialize_element(&Shown(value))?;
                }
                list.end()
            }
        }
    }
}

impl Line<'_> {
    pub(super) fn to_bytes(&self) -> Result<Vec<u8>> {
        let mut bytes = serde_json::to_vec(self)?;
        bytes.push(b'\n');
        Ok(bytes)
    }
}

/// Writes items.
pub(crate) struct Printer {
    output: Output,
    times: Times,
    metadata: Option<Metadata>,
    channel: String,
}

impl Printer {
    pub(crate) fn new(
        output: Output,
        times: Times,
        metadata: Option<Metadata>,
        channel: String,
    ) -> Self {
        Self {
            output,
            times,
            metadata,
            channel,
        }
    }

    /// What is written of an item.
    pub(crate) fn item(&mut self, item: &Item<'_>) -> Result<Entry> {
        let json = self.output == Output::Json;
        let bytes = match item {
            Item::Lost(lost) if json => self.json_lost(lost)?,
            Item::Lost(lost) => {
                return Ok(Entry {
                    bytes: self.gap(lost).into_bytes(),
                    aside: true,
                    record: false,
                    data: 0,
                })
            }
            Item::Record(record) if json => self.json_record(record)?,
            Item::Run(run) if json => self.json_run(run)?,
            Item::Record(record) if self.output == Output::Hex => {
                let head = self.head(record.timestamp, record.cpu);
                hex(
                    &format!("{head} {}", self.event_name(record.id)),
                    record.bytes,
                )
            }
            Item::Run(run) if self.output == Output::Hex => hex(&cpu_name(run.cpu), run.bytes),
            Item::Record(record) => self.text_record(record),
            Item::Run(run) => text_run(run),
        };
        Ok(Entry {
            bytes,
            aside: false,
            record: !matches!(item, Item::Lost(_)),
            data: match item {
                Item::Record(record) => record.bytes.len(),
                Item::Run(run) => run.bytes.len(),
                Item::Lost(_) => 0,
            },
        })
    }

    fn head(&mut self, timestamp: u64, cpu: u32) -> String {
        format!("{} {}", self.times.text(timestamp), cpu_name(cpu))
    }

    fn event_name(&self, id: u32) -> String {
        let metadata = self.metadata.as_ref();
        match metadata.and_then(|metadata| metadata.event(id)) {
            Some(event) => event.name().to_owned(),
            None => format!("event {id}"),
        }
    }

    fn text_record(&mut self, record: &Record<'_>) -> Vec<u8> {
        let mut text = self.head(record.timestamp, record.cpu);
        let decoded = self
            .metadata
            .as_ref()
            .map(|metadata| metadata.decode(record));
        match decoded {
            Some(Ok((event, fields))) => {
                let _ = write!(text, " {}", event.name());
                for (name, value) in fields {
                    let _ = write!(text, " {name}={value}");
                }
            }
            _ => {
                let _ = write!(text, " {} ", self.event_name(record.id));
                text += &digits(record.bytes);
            }
        }
        text.push('\n');
        text.into_bytes()
    }

    fn json_record(&self, record: &Record<'_>) -> Result<Vec<u8>> {
        let cpu = cpu_number(record.cpu);
        let timestamp = record.timestamp;
        let time = self.times.iso(timestamp);
        let decoded = match &self.metadata {
            Some(metadata) => metadata.decode(record).map_err(|error| error.to_string()),
            None => Err("no metadata".into()),
        };
        match decoded {
            Ok((event, fields)) => Line::Record {
                cpu,
                timestamp,
                time,
                event: event.name(),
                fields: Fields(fields),
            },
            Err(problem) => Line::Unknown {
                cpu,
                timestamp,
                time,
                id: record.id,
                hex: digits(record.bytes),
                problem,
            },
        }
        .to_bytes()
    }

    fn json_run(&self, run: &Run<'_>) -> Result<Vec<u8>> {
        let text = std::str::from_utf8(run.bytes).ok();
        Line::Data {
            cpu: cpu_number(run.cpu),
            timestamp: run.timestamp,
            time: (run.timestamp != 0)
                .then(|| self.times.iso(run.timestamp))
                .flatten(),
            bytes: run.bytes.len(),
            text,
            hex: text.is_none().then(|| digits(run.bytes)),
        }
        .to_bytes()
    }

    fn json_lost(&self, lost: &Lost) -> Result<Vec<u8>> {
        Line::Lost {
            cpu: cpu_number(lost.cpu),
            cause: lost.cause.name(),
            records: lost.records,
            bytes: lost.bytes,
            packets: lost.packets,
            from: lost.from,
            to: lost.to,
        }
        .to_bytes()
    }

    /// A gap, for people.
    fn gap(&self, lost: &Lost) -> String {
        let what = if lost.records != 0 {
            format!("{} records", lost.records)
        } else {
            format!("all records of {} packets", lost.packets)
        };
        let why = match lost.cause {
            Cause::Refused => "the buffer refused them",
            Cause::Overwritten => "they were overwritten before they were read",
        };
        let cpu = cpu_name(lost.cpu);
        format!(
            "relay: {}: {cpu}: {what} are missing here: {why}\n",
            self.channel
        )
    }
}

/// In JSON a global buffer has no number, nor have all together.
fn cpu_number(cpu: u32) -> Option<u32> {
    (!matches!(cpu, CPU_NONE | CPU_ALL)).then_some(cpu)
}

/// Each line of a raw channel, with its CPU. What a terminal would obey is written as an escape.
fn text_run(run: &Run<'_>) -> Vec<u8> {
    let cpu = cpu_name(run.cpu);
    let mut text = String::with_capacity(run.bytes.len() + 16);
    let lines = run.bytes.strip_suffix(b"\n").unwrap_or(run.bytes);
    for line in lines.split(|&c| c == b'\n') {
        let _ = write!(text, "{cpu}: ");
        for chunk in line.utf8_chunks() {
            for c in chunk.valid().chars() {
                if c.is_control() && c != '\t' {
                    let _ = write!(text, "{}", c.escape_default());
                } else {
                    text.push(c);
                }
            }
            for byte in chunk.invalid() {
                let _ = write!(text, "\\x{byte:02x}");
            }
        }
        text.push('\n');
    }
    text.into_bytes()
}

fn digits(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// Bytes below a line that says whose they are, 16 a line, as `hexdump -C` shows them.
fn hex(head: &str, bytes: &[u8]) -> Vec<u8> {
    let mut text = format!("{head} {} bytes\n", bytes.len());
    for (at, line) in bytes.chunks(16).enumerate() {
        let _ = write!(text, "{:08x} ", at * 16);
        for i in 0..16 {
            let gap = if i == 8 { " " } else { "" };
            match line.get(i) {
                Some(byte) => {
                    let _ = write!(text, "{gap} {byte:02x}");
                }
                None => {
                    let _ = write!(text, "{gap}   ");
                }
            }
        }
        text += "  |";
        text.extend(line.iter().map(|&byte| match byte {
            b' '..=b'~' => char::from(byte),
            _ => '.',
        }));
        text += "|\n";
    }
    text.into_bytes()
}
