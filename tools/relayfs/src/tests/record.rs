// SPDX-License-Identifier: MIT OR Apache-2.0

//! What was recorded is what is read again.

use super::made::packet;
use super::metadata::text;
use super::ring::{Piece, Ring, Shape};
use crate::buffer::Options;
use crate::item::{Cause, Item};
use crate::metadata::Value;
use crate::record::Writer;
use crate::trace::Trace;
use crate::uapi::{Info, FLAG_NO_OVERWRITE, FLAG_RECORDS};
use std::fs;
use std::path::{Path, PathBuf};

const SHAPE: Shape = Shape {
    subbuf_size: 512,
    n_subbufs: 4,
    flags: FLAG_NO_OVERWRITE,
    end_reserve: 0,
    generation: 0,
};

const EVENTS: &str =
    "event { name = \"rx\"; id = 1; stream_id = 0; fields := struct { u8 _q; string _dev; }; };";

/// A folder that goes away.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("relayfs-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        Self(path)
    }
}

impl AsRef<Path> for Folder {
    fn as_ref(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn packets_are_kept_byte_for_byte() {
    let shape = Shape {
        flags: FLAG_NO_OVERWRITE | FLAG_RECORDS,
        ..SHAPE
    };
    let folder = Folder::new("packets");
    let mut writer = Writer::records(&folder, &text(EVENTS)).unwrap();
    let mut all = [Vec::new(), Vec::new()];
    for (cpu, all) in all.iter_mut().enumerate() {
        let mut ring = Ring::new(shape, 0);
        let mut buffer = ring.reader(Options::exclusive());
        for seq in 0..3u64 {
            let time = seq * 10 + cpu as u64;
            let events = [(time, 1, &b"\x07eth0\0"[..]), (time + 5, 1, b"\x08lo\0")];
            let packet = packet(cpu as u32, seq, seq / 2 * 4, &events);
            all.extend_from_slice(&packet);
            ring.write(&Piece {
                data: packet,
                records: 2,
                ..Piece::default()
            });
            let subbuf = buffer.next_subbuf().unwrap().unwrap();
            writer.write(&format!("cpu{cpu}"), &subbuf).unwrap();
        }
    }
    let totals = writer.finish().unwrap();
    assert_eq!((totals.packets, totals.events, totals.lost), (6, 12, 8));
    for (cpu, all) in all.iter().enumerate() {
        assert_eq!(&fs::read(folder.0.join(format!("cpu{cpu}"))).unwrap(), all);
    }
    assert_eq!(
        fs::read_to_string(folder.0.join("metadata")).unwrap(),
        text(EVENTS)
    );
    let trace = Trace::open(&folder).unwrap();
    let mut merge = trace.merge().unwrap();
    let (mut events, mut lost) = (Vec::new(), 0);
    while let Some(item) = merge.next_item().unwrap() {
        match item {
            Item::Record(event) => {
                let (kind, fields) = trace.metadata().decode(&event).unwrap();
                assert_eq!(kind.name(), "rx");
                assert_eq!(fields[1].0, "dev");
                events.push((event.timestamp, event.cpu, fields[0].1.as_u64()));
            }
            Item::Lost(gap) => {
                assert_eq!(gap.cause, Cause::Refused);
                lost += gap.records;
            }
            Item::Run(run) => panic!("{run:?}"),
        }
    }
    let times: Vec<_> = events.iter().map(|event| event.0).collect();
    assert_eq!(times, [0, 1, 5, 6, 10, 11, 15, 16, 20, 21, 25, 26]);
    assert_eq!(events[1], (1, 1, Some(7)));
    assert_eq!((lost, merge.late()), (8, 0));
}

#[test]
fn raw_bytes_become_events_with_their_gaps() {
    let folder = Folder::new("raw");
    let info = Info::default();
    let mut writer = Writer::raw(&folder, "a\"b", &info).unwrap();
    let shape = Shape { flags: 0, ..SHAPE };
    let mut ring = Ring::new(shape, 0);
    let mut buffer = ring.reader(Options::observer());
    for seq in 0..9u64 {
        ring.write(&Piece {
            data: format!("piece {seq}").into_bytes(),
            records: 2,
            times: (seq * 100 + 1, seq * 100 + 99),
            ..Piece::default()
        });
        // Sub-buffers 1 to 4 are overwritten.
        if seq == 0 || seq == 8 {
            while let Some(subbuf) = buffer.next_subbuf().unwrap() {
                writer.write("cpu3", &subbuf).unwrap();
            }
        }
    }
    let totals = writer.finish().unwrap();
    assert_eq!((totals.packets, totals.events, totals.lost), (5, 5, 8));
    let trace = Trace::open(&folder).unwrap();
    let uuid = trace.metadata().uuid();
    assert_eq!((uuid[6] >> 4, uuid[8] >> 6), (4, 2));
    let mut found = Vec::new();
    for mut stream in trace.streams().unwrap() {
        while let Some(packet) = stream.next_packet().unwrap() {
            assert_eq!(packet.packet().unwrap().uuid, uuid);
            for item in packet.records() {
                match item.unwrap() {
                    Item::Record(event) => {
                        let (_, fields) = trace.metadata().decode(&event).unwrap();
                        let [("data", Value::Array(bytes))] = fields[..] else {
                            panic!("{fields:?}");
                        };
                        let text = String::from_utf8_lossy(bytes.bytes());
                        found.push(format!("{} {text}", event.timestamp));
                    }
                    Item::Lost(lost) => found.push(format!("lost {}", lost.records)),
                    Item::Run(run) => panic!("{run:?}"),
                }
            }
        }
    }
    let wanted = [
        "1 piece 0",
        "lost 8",
        "501 piece 5",
        "601 piece 6",
        "701 piece 7",
        "801 piece 8",
    ];
    assert_eq!(found, wanted);
}

#[test]
fn a_trace_is_not_written_over() {
    let folder = Folder::new("twice");
    Writer::records(&folder, &text("")).unwrap();
    let error = Writer::records(&folder, &text("")).unwrap_err();
    assert_eq!(error.io_kind(), Some(std::io::ErrorKind::DirectoryNotEmpty));
}

#[test]
fn streams_have_names_that_readers_take_for_streams() {
    let folder = Folder::new("names");
    let mut writer = Writer::records(&folder, &text("")).unwrap();
    let mut ring = Ring::new(SHAPE, 0);
    let mut buffer = ring.reader(Options::exclusive());
    ring.write(&Piece {
        data: vec![1],
        ..Piece::default()
    });
    let subbuf = buffer.next_subbuf().unwrap().unwrap();
    for bad in ["", ".x", "a/b", "metadata"] {
        assert!(writer.write(bad, &subbuf).is_err(), "{bad}");
    }
}
