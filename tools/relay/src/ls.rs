// SPDX-License-Identifier: GPL-2.0

//! `relay ls`.

use crate::end::End;
use crate::explain;
use anyhow::Result;
use relayfs::list::{self, Line};
use serde_json::{Map, Value};
use std::io::Write;

/// Lists the channels there are
///
/// A line for each channel: its sub-buffers, mode and format, how many readers it has, which share of its
/// memory waits to be read, and how many records it lost.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// More columns: clock, delivery, all counters
    #[arg(short, long)]
    long: bool,
    /// A line of JSON for each channel, with everything
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args) -> Result<End> {
    let lines = list::channels().map_err(explain::general)?;
    let mut out = std::io::stdout().lock();
    if args.json {
        for line in &lines {
            serde_json::to_writer(&mut out, &json(line))?;
            writeln!(out)?;
        }
    } else {
        out.write_all(table(&lines, args.long).as_bytes())?;
    }
    out.flush()?;
    Ok(End::Complete)
}

fn json(line: &Line) -> Value {
    let mut object = Map::new();
    object.insert("type".into(), "channel".into());
    let path = line.path.as_ref().map(|path| path.to_string_lossy());
    object.insert("path".into(), path.into());
    for (name, word) in &line.columns {
        let value = word
            .parse::<u64>()
            .map_or(word.as_str().into(), Value::from);
        object.insert(name.clone(), value);
    }
    object.into()
}

const SHORT: [&str; 8] = [
    "channel",
    "buffers",
    "sub-buffers",
    "mode",
    "format",
    "readers",
    "used",
    "lost",
];
const LONG: [&str; 8] = [
    "produced",
    "read",
    "unread",
    "overwritten",
    "refused",
    "clock",
    "delivery",
    "generation",
];

/// Sub-buffers, as `8x64K`.
fn geometry(line: &Line) -> String {
    let size = line.number("subbuf_size").unwrap_or(0);
    let n = line.number("n_subbufs").unwrap_or(0);
    let units = [(30, 'G'), (20, 'M'), (10, 'K')];
    let unit = units
        .iter()
        .find(|(shift, _)| size != 0 && size.trailing_zeros() >= *shift);
    match unit {
        Some((shift, unit)) => format!("{n}x{}{unit}", size >> shift),
        None => format!("{n}x{size}"),
    }
}

/// Which share of the memory waits to be read.
fn used(line: &Line) -> String {
    let number = |name| line.number(name).unwrap_or(0);
    let all = number("subbuf_size")
        .saturating_mul(number("n_subbufs"))
        .saturating_mul(number("buffers"));
    if all == 0 {
        return "-".into();
    }
    format!("{:.0}%", number("unread_bytes") as f64 * 100.0 / all as f64)
}

fn row(line: &Line, long: bool) -> Vec<String> {
    let word = |name| line.get(name).unwrap_or("-").to_owned();
    let number = |name| line.number(name).unwrap_or(0);
    let path = line.path.as_ref().map_or("(no files)".into(), |path| {
        path.to_string_lossy().escape_debug().to_string()
    });
    let mut row = vec![
        path,
        if word("usage") == "global" {
            "global".into()
        } else {
            word("buffers")
        },
        geometry(line),
        word("mode"),
        word("format"),
        word("readers"),
        used(line),
        number("lost")
            .saturating_add(number("overwritten"))
            .to_string(),
    ];
    if long {
        let names = ["produced", "read", "unread", "overwritten", "lost"];
        row.extend(names.map(word));
        row.extend(["clock", "delivery", "generation"].map(word));
    }
    row
}

fn table(lines: &[Line], long: bool) -> String {
    let mut head: Vec<String> = SHORT.map(String::from).into();
    if long {
        head.extend(LONG.map(String::from));
    }
    let mut rows = vec![head];
    rows.extend(lines.iter().map(|line| row(line, long)));
    columns(&rows)
}

/// Rows below each other, the first column to the left and the others to the right.
pub(crate) fn columns(rows: &[Vec<String>]) -> String {
    let mut text = String::new();
    let width = |at| {
        let cells = rows.iter().filter_map(move |row| row.get(at));
        cells
            .map(|cell: &String| cell.chars().count())
            .max()
            .unwrap_or(0)
    };
    for row in rows {
        for (at, cell) in row.iter().enumerate() {
            let width = width(at);
            if at == 0 {
                text += &format!("{cell:<width$}");
            } else {
                text += &format!("  {cell:>width$}");
            }
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &[u8] =
        b"# mode usage format subbuf_size n_subbufs buffers readers overwritten lost \
        unread_bytes path\noverwrite smp raw 65536 8 2 1 20 1 524288 net/r\\040x\n\
        no-overwrite global records 100 4 1 0 0 0 0 -\n";

    #[test]
    fn a_table() {
        let lines = list::parse(TEXT).unwrap();
        let expected = "\
channel     buffers  sub-buffers          mode   format  readers  used  lost
net/r x           2        8x64K     overwrite      raw        1   50%    21
(no files)   global        4x100  no-overwrite  records        0    0%     0
";
        assert_eq!(table(&lines, false), expected);
        assert_eq!(
            table(&lines, true)
                .lines()
                .next()
                .unwrap()
                .split_whitespace()
                .count(),
            16
        );
    }

    #[test]
    fn json_has_all_columns() {
        let lines = list::parse(TEXT).unwrap();
        let value = json(&lines[0]);
        assert_eq!(value["type"], "channel");
        assert_eq!(value["path"], "net/r x");
        assert_eq!(value["subbuf_size"], 65536);
        assert_eq!(value["mode"], "overwrite");
        assert!(json(&lines[1])["path"].is_null());
    }
}
