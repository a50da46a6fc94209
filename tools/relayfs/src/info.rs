// SPDX-License-Identifier: MIT OR Apache-2.0

//! The `info` file of a channel: attributes by name, and a row of counters for each CPU.

use crate::error::{Error, Result};
use crate::uapi::Count;
use std::collections::BTreeMap;

/// What an `info` file says.
///
/// ```
/// let text = b"mode: overwrite\nsubbuf_size: 4096\ncpu0: produced 3 300 wakeups 1\ntotal: produced 3 300\n";
/// let info = relayfs::InfoText::parse(text)?;
/// assert_eq!(info.get("mode"), Some("overwrite"));
/// assert_eq!(info.cpus[&0].counts["produced"].records, 3);
/// # Ok::<(), relayfs::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InfoText {
    /// Attributes, in the order of the file.
    pub attributes: Vec<(String, String)>,
    /// Counters of each CPU.
    pub cpus: BTreeMap<u32, Row>,
    /// Their sums.
    pub total: Row,
}

/// A row of counters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Row {
    /// Counters in records and bytes, by name.
    pub counts: BTreeMap<String, Count>,
    /// How often readers were woken.
    pub wakeups: u64,
}

impl InfoText {
    /// Understands the text of such a file. Attributes and counters it does not know are kept like others.
    pub fn parse(text: &[u8]) -> Result<Self> {
        let mut info = Self::default();
        for (at, line) in text.split(|&c| c == b'\n').enumerate() {
            if line.is_empty() {
                continue;
            }
            info.line(line).map_err(|what| Error::Text {
                file: "info",
                line: at + 1,
                what,
            })?;
        }
        Ok(info)
    }

    fn line(&mut self, line: &[u8]) -> std::result::Result<(), &'static str> {
        let line = String::from_utf8_lossy(line);
        let (name, value) = line.split_once(':').ok_or("no colon in it")?;
        if name == "total" {
            self.total = Row::parse(value)?;
            return Ok(());
        }
        let cpu = name
            .strip_prefix("cpu")
            .and_then(|number| number.parse().ok());
        match cpu {
            Some(cpu) => {
                self.cpus.insert(cpu, Row::parse(value)?);
            }
            None => self
                .attributes
                .push((name.to_owned(), value.trim_start().to_owned())),
        }
        Ok(())
    }

    /// An attribute.
    pub fn get(&self, name: &str) -> Option<&str> {
        let found = self.attributes.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }
}

impl Row {
    fn parse(text: &str) -> std::result::Result<Self, &'static str> {
        let mut row = Self::default();
        let mut words = text.split_ascii_whitespace();
        while let Some(name) = words.next() {
            let mut number = || {
                words
                    .next()
                    .and_then(|word| word.parse().ok())
                    .ok_or("a counter without its numbers")
            };
            if name == "wakeups" {
                row.wakeups = number()?;
                continue;
            }
            let count = Count {
                records: number()?,
                bytes: number()?,
            };
            row.counts.insert(name.to_owned(), count);
        }
        Ok(row)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_and_rows_are_told_apart() {
        let text = b"channel: net/rx\nmode: overwrite\nwatermark: 1 subbufs\n\
            cpu0: produced 120 4800 read 100 4000 full 1 2 wakeups 3\n\
            cpu12: produced 0 0 wakeups 0\ntotal: produced 120 4800 wakeups 3\n";
        let info = InfoText::parse(text).unwrap();
        assert_eq!(info.get("watermark"), Some("1 subbufs"));
        assert_eq!(info.get("state"), None);
        assert_eq!(info.cpus.keys().copied().collect::<Vec<_>>(), [0, 12]);
        let row = &info.cpus[&0];
        let count = row.counts["full"];
        assert_eq!((count.records, count.bytes, row.wakeups), (1, 2, 3));
        assert_eq!(info.total.counts["produced"].bytes, 4800);
    }

    #[test]
    fn what_does_not_fit_is_an_error_with_its_line() {
        for bad in [
            "x: 1\nno colon",
            "x: 1\ncpu0: produced 1",
            "x: 1\ntotal: wakeups x",
        ] {
            let Err(Error::Text { line, .. }) = InfoText::parse(bad.as_bytes()) else {
                panic!("{bad}");
            };
            assert_eq!(line, 2);
        }
    }
}
