// SPDX-License-Identifier: MIT OR Apache-2.0

//! Several buffers as one stream, and recorded traces.

use crate::driver::{cpus, record, scaled, Attributes, Client, Pattern, NO_OVERWRITE, RECORDS};
use crate::Test;
use relayfs::metadata::Value;
use relayfs::record::Writer;
use relayfs::{list, Channel, Item, Merge, Options, Trace, Watermark};
use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

pub const TESTS: &[Test] = &[
    ("events of all CPUs come in order", in_order),
    ("an idle CPU holds nothing back", idle_cpus),
    (
        "what is recorded of records is what is read again",
        recorded_records,
    ),
    (
        "what is recorded of raw bytes is what is read again",
        recorded_raw,
    ),
    ("the list and info show the channel", listed),
];

fn attributes(flags: u32) -> Attributes {
    Attributes {
        subbuf_size: 4096,
        n_subbufs: 32,
        flags,
        ..Attributes::default()
    }
}

const LEN: u32 = 64;

/// While all write.
fn in_order() {
    let client = Client::open("lib-order", attributes(RECORDS | NO_OVERWRITE));
    let channel = Channel::open(&client.name).unwrap();
    let buffers = channel.buffers(Options::exclusive()).unwrap();
    let done = AtomicBool::new(false);
    let (written, read, refused) = thread::scope(|scope| {
        let done = &done;
        let reader = scope.spawn(move || {
            let mut merge = Merge::new(buffers, Watermark::default());
            let (mut read, mut refused, mut last) = (0, 0, 0);
            loop {
                let end = done.load(Ordering::Acquire);
                while let Some(item) = merge.next_item().unwrap() {
                    match item {
                        Item::Record(event) => {
                            assert!(event.timestamp >= last, "{} {last}", event.timestamp);
                            last = event.timestamp;
                            record(event.bytes, event.cpu);
                            read += 1;
                        }
                        Item::Lost(lost) => refused += lost.records,
                        Item::Run(run) => panic!("{run:?}"),
                    }
                }
                if end {
                    assert_eq!(merge.late(), 0);
                    return (read, refused);
                }
                merge.wait(Some(Duration::from_millis(20))).unwrap();
            }
        });
        let written = client.write_everywhere(Pattern {
            count: scaled(5_000),
            len: LEN,
            ..Pattern::default()
        });
        // All of it is older than the next flush.
        channel.flush().unwrap();
        thread::sleep(Duration::from_millis(20));
        done.store(true, Ordering::Release);
        let (read, refused) = reader.join().unwrap();
        (written, read, refused)
    });
    println!("# {written:?} written and refused, {read} read, {refused} told to be refused");
    assert_eq!(read, written.0);
    assert!(refused <= written.1);
}

fn idle_cpus() {
    let client = Client::open("lib-idle", attributes(RECORDS));
    let channel = Channel::open(&client.name).unwrap();
    let buffers = channel.buffers(Options::observer()).unwrap();
    let mut merge = Merge::new(buffers, Watermark::default());
    let cpu = cpus() - 1;
    for round in 0..3 {
        client.write(Pattern {
            cpu: cpu as i32,
            writer: cpu,
            count: 10,
            len: LEN,
            first: round * 10,
            ..Pattern::default()
        });
        let mut read = 0;
        while read < 10 {
            match merge.next_item().unwrap() {
                Some(Item::Record(event)) => {
                    assert_eq!(record(event.bytes, cpu).0, round * 10 + read);
                    read += 1;
                }
                Some(other) => panic!("{other:?}"),
                None => drop(merge.wait(None).unwrap()),
            }
        }
    }
}

/// Records what was written on all CPUs; the folder.
fn recorded(name: &str, flags: u32, count: u32) -> (Trace, u64) {
    let client = Client::open(name, attributes(flags | NO_OVERWRITE));
    let channel = Channel::open(&client.name).unwrap();
    let (written, failed) = client.write_everywhere(Pattern {
        count,
        len: LEN,
        ..Pattern::default()
    });
    assert_eq!(failed, 0);
    channel.flush().unwrap();
    let dir = std::env::temp_dir().join(name);
    let _ = fs::remove_dir_all(&dir);
    let mut writer = match channel.metadata_text().unwrap() {
        Some(text) => Writer::records(&dir, &text).unwrap(),
        None => Writer::raw(&dir, name, &channel.info().unwrap()).unwrap(),
    };
    for cpu in channel.cpus().unwrap() {
        let mut buffer = channel.buffer(cpu, Options::exclusive()).unwrap();
        while let Some(subbuf) = buffer.next_subbuf().unwrap() {
            writer.write(&format!("cpu{cpu}"), &subbuf).unwrap();
        }
    }
    let totals = writer.finish().unwrap();
    assert!(totals.packets > 0 && totals.lost == 0);
    (Trace::open(&dir).unwrap(), written)
}

fn recorded_records() {
    let (trace, written) = recorded("lib-trace", RECORDS, 500);
    assert_eq!(trace.metadata().event(0).unwrap().name(), "data");
    let mut merge = trace.merge().unwrap();
    let (mut read, mut last) = (0, 0);
    while let Some(item) = merge.next_item().unwrap() {
        let Item::Record(event) = item else {
            panic!("{item:?}");
        };
        assert!(event.timestamp >= last);
        last = event.timestamp;
        let (_, fields) = trace.metadata().decode(&event).unwrap();
        let Value::Array(bytes) = fields[0].1 else {
            panic!("{fields:?}");
        };
        record(bytes.bytes(), event.cpu);
        read += 1;
    }
    assert_eq!((read, merge.late()), (written, 0));
}

fn recorded_raw() {
    let (trace, written) = recorded("lib-raw", 0, 500);
    let mut read = 0;
    for mut stream in trace.streams().unwrap() {
        while let Some(packet) = stream.next_packet().unwrap() {
            for item in packet.records() {
                let Ok(Item::Record(event)) = item else {
                    panic!("{item:?}");
                };
                for bytes in event.bytes.chunks(LEN as usize) {
                    record(bytes, event.cpu);
                    read += 1;
                }
            }
        }
    }
    assert_eq!(read, written);
}

fn listed() {
    let client = Client::open("lib list/x y", attributes(RECORDS));
    let lines = list::channels().unwrap();
    let line = lines
        .iter()
        .find(|line| line.path.as_deref() == Some(client.name.as_ref()))
        .unwrap();
    assert_eq!(
        (line.get("format"), line.number("n_subbufs")),
        (Some("records"), Some(32))
    );
    let channel = Channel::open(&client.name).unwrap();
    client.write_everywhere(Pattern {
        count: 3,
        len: LEN,
        ..Pattern::default()
    });
    let (text, info) = (channel.info_text().unwrap(), channel.info().unwrap());
    assert_eq!(text.get("channel"), Some(&*client.name));
    assert_eq!(text.cpus.len() as u32, info.n_buffers);
    assert_eq!(text.total.counts["produced"].records, info.produced.records);
    assert_eq!(text.cpus[&0].counts["produced"].records, 3);
    assert!(info.is_records() && info.is_overwrite() && !info.is_closed());
    assert!(Channel::open("no such channel").is_err());
    assert!(Channel::open("lib list").is_err());
}
