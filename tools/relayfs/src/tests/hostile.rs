// SPDX-License-Identifier: MIT OR Apache-2.0

//! Whatever the bytes are, there is a result or an error: nothing panics, nothing runs on for ever.

use super::made::{packet, Made};
use super::metadata::text;
use super::ring::{Piece, Ring, Shape};
use crate::buffer::Options;
use crate::holes::{holes, runs};
use crate::item::Item;
use crate::metadata::Metadata;
use crate::packet::{self, Events};
use crate::trace::Stream;
use crate::uapi::{FLAG_NO_OVERWRITE, FLAG_RECORDS};
use crate::{list, InfoText};
use proptest::prelude::*;
use proptest::sample::Index;
use rustix::fs::{memfd_create, MemfdFlags};
use std::fs::File;
use std::io::Write;
use std::os::fd::AsRawFd;

fn events() -> impl Strategy<Value = Vec<(u64, u32, Vec<u8>)>> {
    let bytes = prop::collection::vec(any::<u8>(), 0..40);
    prop::collection::vec((any::<u64>(), any::<u32>(), bytes), 0..8)
}

fn borrowed(events: &[(u64, u32, Vec<u8>)]) -> Vec<Made<'_>> {
    events
        .iter()
        .map(|(time, id, fields)| (*time, *id, &fields[..]))
        .collect()
}

/// Changes to bytes: where, and to what.
fn changes() -> impl Strategy<Value = Vec<(Index, u8)>> {
    prop::collection::vec(any::<(Index, u8)>(), 0..6)
}

fn change(bytes: &mut [u8], changes: &[(Index, u8)]) {
    for (at, to) in changes {
        if !bytes.is_empty() {
            let at = at.index(bytes.len());
            bytes[at] = *to;
        }
    }
}

/// Goes over all events of a packet; an error is the last.
fn walk(bytes: &[u8]) -> Vec<(u64, u32, Vec<u8>)> {
    let mut found = Vec::new();
    if let Ok((head, len)) = packet::whole(bytes, 0) {
        assert!(len <= bytes.len());
        let mut events = Events::new(&head);
        let packet = &bytes[..len];
        let mut end = 80;
        while let Some(Ok(event)) = events.next(packet) {
            assert!(event.fields.start >= end + 16 && event.fields.end <= len);
            end = event.fields.end;
            found.push((event.timestamp, event.id, packet[event.fields].to_vec()));
        }
        assert!(!matches!(events.next(packet), Some(Ok(_))));
    }
    found
}

/// A stream whose file is these bytes: all its items, or the first error.
fn read_file(bytes: &[u8]) -> (usize, bool) {
    let fd = memfd_create("stream", MemfdFlags::CLOEXEC).unwrap();
    let mut file = File::from(fd);
    file.write_all(bytes).unwrap();
    // A file of its own, which begins at the beginning.
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    let mut stream = Stream::open(path).unwrap();
    let mut items = 0;
    let good = loop {
        match stream.next_packet() {
            Ok(Some(packet)) => items += packet.records().count(),
            Ok(None) => break true,
            Err(_) => break false,
        }
    };
    assert!(stream.next_packet().unwrap().is_none());
    (items, good)
}

proptest! {
    #[test]
    fn random_bytes_are_packets_or_errors(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        walk(&bytes);
        read_file(&bytes);
    }

    #[test]
    fn packets_have_the_events_that_were_put_in(events in events()) {
        prop_assert_eq!(walk(&packet(1, 2, 3, &borrowed(&events))), events);
    }

    #[test]
    fn changed_packets_are_packets_or_errors(
        events in events(), changes in changes(), cut in any::<Index>(),
    ) {
        let mut bytes = packet(1, 2, 3, &borrowed(&events));
        change(&mut bytes, &changes);
        walk(&bytes);
        walk(&bytes[..cut.index(bytes.len() + 1)]);
        bytes.extend(packet(1, 3, 3, &[]));
        read_file(&bytes);
    }

    #[test]
    fn a_packet_that_says_it_is_longer_than_it_is_is_an_error(
        events in events(), more in 1u64..1 << 40,
    ) {
        let mut bytes = packet(1, 2, 3, &borrowed(&events));
        let bits = (bytes.len() as u64 + more) * 8;
        bytes[24..32].copy_from_slice(&bits.to_ne_bytes());
        bytes[32..40].copy_from_slice(&bits.to_ne_bytes());
        prop_assert!(packet::whole(&bytes, 0).is_err());
        prop_assert_eq!(read_file(&bytes), (0, false));
    }

    #[test]
    fn whatever_holes_say_runs_lie_in_the_data(
        data in prop::collection::vec(0u8..40, 0..64), newest in 0u32..80, packet: bool, from in 0usize..80,
    ) {
        let holes = holes(&data, newest, packet);
        let mut end = from.min(data.len());
        for run in runs(&holes, from, data.len()) {
            prop_assert!(run.start >= end && run.start < run.end && run.end <= data.len());
            end = run.end;
        }
    }

    #[test]
    fn any_text_is_metadata_or_an_error(text: String, noise in "[a-z_{}\\[\\];:=<>,.0-9\" ]{0,200}") {
        let _ = Metadata::parse(&text);
        let _ = Metadata::parse(&format!("/* CTF 1.8 */{noise}"));
    }

    #[test]
    fn changed_metadata_is_metadata_or_an_error(changes in changes(), bytes: Vec<u8>) {
        let mut text = text(
            "event { name = \"e\"; id = 0; stream_id = 0; fields := struct { \
             u32 _n_length; u16 _n[_n_length]; utf8 _t[3]; x64 _x; string _s; }; };",
        )
        .into_bytes();
        change(&mut text, &changes);
        if let Ok(metadata) = Metadata::parse(&String::from_utf8_lossy(&text)) {
            for event in metadata.events() {
                for (_, value) in event.decode(&bytes).unwrap_or_default() {
                    let _ = value.to_string();
                }
            }
            let _ = metadata.clock().unix_ns(u64::MAX);
        }
    }

    #[test]
    fn any_text_is_a_list_and_info_or_an_error(
        text: Vec<u8>, lines in "(# [a-c ]{0,8}path\n)?[a-z0-9 \\\\:\n]{0,80}",
    ) {
        for text in [&text[..], lines.as_bytes()] {
            let _ = (list::parse(text), InfoText::parse(text));
        }
    }

    /// The head of a mapping and a descriptor in it are anything.
    #[test]
    fn a_changed_mapping_is_read_to_an_end_or_an_error(
        words in prop::collection::vec((0usize..128, prop_oneof![0u64..2048, any::<u64>()]), 0..4),
        newest_hole in 0u64..600, data in prop::collection::vec(any::<u8>(), 0..512), records: bool,
        options in prop_oneof![Just(Options::exclusive()), Just(Options::observer())],
    ) {
        let shape = Shape {
            subbuf_size: 512,
            n_subbufs: 4,
            flags: FLAG_NO_OVERWRITE | if records { FLAG_RECORDS } else { 0 },
            end_reserve: 0,
            generation: 0,
        };
        let mut ring = Ring::new(shape, 0);
        let mut early = ring.reader(options);
        ring.write(&Piece { data, records: 1, newest_hole, ..Piece::default() });
        for (at, value) in words {
            ring.set(at * 8, value);
        }
        let late = ring.try_reader(options);
        for buffer in [Some(&mut early), late.ok().as_mut()].into_iter().flatten() {
            // Bounded: what is said to be delivered may be much.
            for _ in 0..16 {
                match buffer.next_subbuf() {
                    Ok(Some(subbuf)) => {
                        prop_assert!(subbuf.bytes().len() <= 512);
                        for item in subbuf.records() {
                            if let Ok(Item::Record(event)) = item {
                                prop_assert!(event.bytes.len() <= 512);
                            }
                        }
                    }
                    Ok(None) => break,
                    Err(_) => {}
                }
            }
        }
    }
}
