// SPDX-License-Identifier: MIT OR Apache-2.0

//! The command relay, which lies beside the tests, as an observer: nobody notices it.

use crate::driver::{cpus, Attributes, Client, Pattern, NO_OVERWRITE, RECORDS};
use crate::Test;
use relayfs::{Channel, Item, Trace};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

pub const TESTS: &[Test] = &[
    ("relay cat --observe ends no sub-buffer, raw", || shown(0)),
    ("relay cat --observe ends no sub-buffer, records", || {
        shown(RECORDS)
    }),
    (
        "relay cat --observe ends no sub-buffer, records, no-overwrite",
        || shown(RECORDS | NO_OVERWRITE),
    ),
    (
        "relay record --observe ends a sub-buffer once, records",
        || recorded(RECORDS, 1),
    ),
    ("relay record --observe ends no sub-buffer, raw", || {
        recorded(0, 0)
    }),
];

const LEN: u32 = 64;
const COUNT: u32 = 10;
const ROUNDS: u32 = 20;

/// A channel whose sub-buffers hold more than a test writes.
fn client(name: &str, flags: u32) -> Client {
    let attributes = Attributes {
        subbuf_size: 65536,
        n_subbufs: 4,
        flags,
        flush_interval_ms: 20,
        ..Attributes::default()
    };
    Client::open(name, attributes)
}

/// How many were written.
fn write(client: &Client, round: u32) -> u64 {
    let (written, failed) = client.write_everywhere(Pattern {
        count: COUNT,
        len: LEN,
        first: round * COUNT,
        ..Pattern::default()
    });
    assert_eq!(failed, 0);
    written
}

fn relay(args: &[&str]) -> Option<Command> {
    let paths = ["./relay", "/t/relay"];
    let path = paths.into_iter().find(|path| Path::new(path).exists());
    if path.is_none() {
        println!("# no relay");
    }
    let mut command = Command::new(path?);
    command.args(args);
    Some(command)
}

/// How many records a line of JSON shows.
fn records(line: &str) -> u64 {
    if line.contains(r#""type":"record""#) {
        return 1;
    }
    let bytes = line
        .split_once(r#""type":"data""#)
        .and_then(|(_, rest)| rest.split_once(r#""bytes":"#))
        .and_then(|(_, rest)| rest.split_once(|c: char| !c.is_ascii_digit()));
    bytes.map_or(0, |(n, _)| n.parse::<u64>().unwrap() / u64::from(LEN))
}

/// While it shows each record that is written before more are.
fn shown(flags: u32) {
    let client = client("lib-shown", flags);
    let Some(mut relay) = relay(&["cat", "-f", "--observe", "-o", "json", &client.name]) else {
        return;
    };
    let channel = Channel::open(&client.name).unwrap();
    let mut child = relay.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    for round in 0..ROUNDS {
        let written = write(&client, round);
        let mut seen = 0;
        while seen < written {
            let line = lines.next().expect("relay goes on").unwrap();
            assert!(!line.contains(r#""type":"lost""#), "{line}");
            seen += records(&line);
        }
        assert_eq!(seen, written);
    }
    let info = channel.info().unwrap();
    client.close();
    assert!(child.wait().unwrap().success());
    assert_eq!(info.subbufs_produced, 0);
    assert_eq!((info.read.records, info.overwritten.records), (0, 0));
}

/// While it records: `most` times of each CPU, at the end.
fn recorded(flags: u32, most: u64) {
    let client = client("lib-taken", flags);
    let written = write(&client, 0);
    let dir = std::env::temp_dir().join("lib-observed");
    let _ = std::fs::remove_dir_all(&dir);
    let dir = dir.to_str().unwrap();
    let args = ["record", "--observe", "-w", "1.5", "-o", dir, &client.name];
    let Some(mut relay) = relay(&args) else {
        return;
    };
    assert!(relay.status().unwrap().success());
    let channel = Channel::open(&client.name).unwrap();
    let info = channel.info().unwrap();
    assert!(
        info.subbufs_produced <= most * u64::from(cpus()),
        "{info:?}"
    );
    assert_eq!((info.read.records, info.overwritten.records), (0, 0));
    let trace = Trace::open(Path::new(dir).join(&client.name)).unwrap();
    let mut merge = trace.merge().unwrap();
    let mut bytes = 0;
    while let Some(item) = merge.next_item().unwrap() {
        if let Item::Record(event) = item {
            bytes += event.bytes.len() as u64;
        }
    }
    assert_eq!(bytes, written * u64::from(LEN));
}
