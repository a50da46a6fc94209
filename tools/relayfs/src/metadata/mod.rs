// SPDX-License-Identifier: MIT OR Apache-2.0

//! The metadata of a channel of records, or of a recorded trace: which events there are, what their fields
//! are, and how times become times of day.

mod fields;
mod parse;
mod token;
mod value;

use crate::error::{Error, Result};
use crate::item::Record;
use fields::Field;
use std::collections::BTreeMap;
pub use value::{write_json_string, Array, Int, Value};

/// What a metadata text says.
///
/// ```no_run
/// # let channel = relayfs::Channel::open("net/rx")?;
/// # let record = relayfs::Record { cpu: 0, timestamp: 0, id: 0, bytes: &[] };
/// let metadata = channel.metadata()?.expect("a channel of records");
/// let event = metadata.event(record.id).expect("a known event");
/// print!("{} {}", metadata.clock().unix_ns(record.timestamp), event.name());
/// for (name, value) in event.decode(record.bytes)? {
///     print!(" {name}={value}");
/// }
/// # Ok::<(), relayfs::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metadata {
    uuid: [u8; 16],
    clock: Clock,
    env: Vec<(String, String)>,
    events: BTreeMap<u32, EventType>,
}

/// How times of events become times of day.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Clock {
    /// Its name.
    pub name: String,
    /// Clocks with the same tell the same time.
    pub uuid: [u8; 16],
    /// Ticks in a second.
    pub freq: u64,
    /// Seconds since 1970 when it began,
    pub offset_s: u64,
    /// and ticks more.
    pub offset: u64,
}

impl Clock {
    /// A time of this clock in nanoseconds since 1970.
    pub fn unix_ns(&self, timestamp: u64) -> u128 {
        let ticks = u128::from(self.offset) + u128::from(timestamp);
        u128::from(self.offset_s) * 1_000_000_000
            + ticks * 1_000_000_000 / u128::from(self.freq.max(1))
    }
}

/// A type of events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventType {
    name: String,
    id: u32,
    /// Or why they are not understood.
    fields: std::result::Result<Vec<Field>, String>,
}

impl Metadata {
    /// Understands a text. It must be one that relayfs wrote, or [`record`](crate::record).
    pub fn parse(text: &str) -> Result<Self> {
        parse::parse(text)
    }

    /// Of the trace, as in each packet.
    pub fn uuid(&self) -> [u8; 16] {
        self.uuid
    }

    /// Of all times.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Where the trace is from, by name.
    pub fn env(&self) -> &[(String, String)] {
        &self.env
    }

    /// The type of events with that number.
    pub fn event(&self, id: u32) -> Option<&EventType> {
        self.events.get(&id)
    }

    /// All types of events, in the order of their numbers.
    pub fn events(&self) -> impl Iterator<Item = &EventType> {
        self.events.values()
    }

    /// The type of an event, and its fields.
    pub fn decode<'a>(&self, record: &Record<'a>) -> Result<(&EventType, Vec<(&str, Value<'a>)>)> {
        let event = self.event(record.id).ok_or_else(|| Error::Field {
            event: record.id.to_string(),
            field: String::new(),
            what: "the metadata has no such event",
        })?;
        Ok((event, event.decode(record.bytes)?))
    }
}

impl EventType {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its number.
    pub fn id(&self) -> u32 {
        self.id
    }

    /// Why its fields cannot be decoded, if that is so.
    pub fn problem(&self) -> Option<&str> {
        self.fields.as_ref().err().map(String::as_str)
    }

    /// The names of its fields. One that only says how long the next is, is none.
    pub fn field_names(&self) -> impl Iterator<Item = &str> {
        let fields = self.fields.as_deref().unwrap_or_default();
        fields
            .iter()
            .enumerate()
            .filter(|&(at, _)| !Field::is_length(fields, at))
            .map(|(_, field)| field.name.as_str())
    }

    /// Its fields and their values in an event whose bytes are `bytes`. One that only says how long the next
    /// is, is none.
    pub fn decode<'a>(&self, bytes: &'a [u8]) -> Result<Vec<(&str, Value<'a>)>> {
        let bad = |field: &str, what| Error::Field {
            event: self.name.clone(),
            field: field.to_owned(),
            what,
        };
        let fields = self
            .fields
            .as_deref()
            .map_err(|_| bad("", "its fields are of kinds that are not known"))?;
        let mut values = Vec::with_capacity(fields.len());
        let mut at = 0;
        for field in fields {
            let (value, end) = field
                .decode(bytes, at, &values)
                .map_err(|what| bad(&field.name, what))?;
            values.push(value);
            at = end;
        }
        Ok(fields
            .iter()
            .zip(values)
            .enumerate()
            .filter(|&(at, _)| !Field::is_length(fields, at))
            .map(|(_, (field, value))| (field.name.as_str(), value))
            .collect())
    }
}
