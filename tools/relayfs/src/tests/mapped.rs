// SPDX-License-Identifier: MIT OR Apache-2.0

//! Readers of a mapping, beside a thread that writes.

use super::made::packet;
use super::ring::{Piece, Ring, Shape};
use crate::buffer::{Buffer, Options};
use crate::item::{Cause, Item, Lost};
use crate::uapi::{Meta, FLAG_NO_OVERWRITE, FLAG_RECORDS, WRITE_POS_ENDED};
use std::mem::offset_of;
use std::thread;

const SHAPE: Shape = Shape {
    subbuf_size: 512,
    n_subbufs: 4,
    flags: FLAG_NO_OVERWRITE,
    end_reserve: 0,
    generation: 0,
};

/// A sub-buffer full of its own number.
fn full(shape: &Shape, seq: u64) -> Piece {
    Piece {
        data: seq.to_ne_bytes().repeat(shape.subbuf_size as usize / 8),
        records: 8,
        times: (seq * 10, seq * 10 + 9),
        ..Piece::default()
    }
}

fn of(data: &[u8]) -> Piece {
    Piece {
        data: data.to_vec(),
        records: 1,
        ..Piece::default()
    }
}

/// The number a sub-buffer is full of. All of it must be.
fn number(bytes: &[u8]) -> u64 {
    let words: Vec<_> = bytes
        .chunks(8)
        .map(|word| u64::from_ne_bytes(word.try_into().unwrap()))
        .collect();
    assert!(
        words.iter().all(|&word| word == words[0]),
        "torn: {words:?}"
    );
    words[0]
}

/// All bytes there are now, and what is missing.
fn drain(buffer: &mut Buffer) -> (Vec<u8>, Vec<Lost>) {
    let (mut bytes, mut lost) = (Vec::new(), Vec::new());
    while let Some(subbuf) = buffer.next_subbuf().unwrap() {
        bytes.extend_from_slice(subbuf.bytes());
        lost.extend(subbuf.lost());
    }
    (bytes, lost)
}

#[test]
fn the_only_consumer_gets_all_and_makes_room() {
    const N: u64 = if cfg!(debug_assertions) {
        20_000
    } else {
        200_000
    };
    let mut ring = Ring::new(SHAPE, 5);
    let mut buffer = ring.reader(Options::exclusive());
    let writer = thread::spawn(move || {
        for _ in 0..N {
            while !ring.has_room() {
                thread::yield_now();
            }
            let piece = full(&SHAPE, ring.seq);
            ring.write(&piece);
        }
        ring
    });
    let mut next = 5;
    while next < 5 + N {
        match buffer.next_subbuf().unwrap() {
            None => thread::yield_now(),
            Some(subbuf) => {
                assert_eq!(subbuf.bytes().len(), 512);
                // Let the writer do what it may.
                thread::yield_now();
                assert_eq!(number(subbuf.bytes()), next);
                assert_eq!((subbuf.seq(), subbuf.begin()), (next, next * 10));
                assert_eq!(subbuf.lost().count(), 0);
                next += 1;
            }
        }
    }
    let ring = writer.join().unwrap();
    assert!(buffer.next_subbuf().unwrap().is_none());
    assert_eq!(ring.consumed(), 5 + N);
}

#[test]
fn what_is_held_is_not_consumed() {
    let mut ring = Ring::new(SHAPE, 0);
    let mut buffer = ring.reader(Options::exclusive());
    ring.write(&full(&SHAPE, 0));
    ring.write(&full(&SHAPE, 1));
    let subbuf = buffer.next_subbuf().unwrap().unwrap();
    assert_eq!(ring.consumed(), 0);
    assert_eq!(number(subbuf.bytes()), 0);
    drop(subbuf);
    assert_eq!(ring.consumed(), 1);
    buffer.next_subbuf().unwrap().unwrap().consume().unwrap();
    assert_eq!(ring.consumed(), 2);
    assert!(buffer.next_subbuf().unwrap().is_none());
}

#[test]
fn what_is_held_stays_what_it_is() {
    let mut ring = Ring::new(SHAPE, 0);
    let mut buffer = ring.reader(Options::exclusive());
    ring.write(&full(&SHAPE, 0));
    let subbuf = buffer.next_subbuf().unwrap().unwrap();
    // As if the channel had been reset.
    for seq in 1..9 {
        ring.write(&full(&SHAPE, seq));
    }
    assert_eq!(number(subbuf.bytes()), 0);
}

#[test]
fn overwritten_sub_buffers_are_not_torn_and_counted() {
    const N: u64 = if cfg!(debug_assertions) {
        100_000
    } else {
        1_000_000
    };
    let shape = Shape { flags: 0, ..SHAPE };
    let mut ring = Ring::new(shape, 0);
    let mut observer = ring.reader(Options::observer());
    let writer = thread::spawn(move || {
        for _ in 0..N {
            let piece = full(&shape, ring.seq);
            ring.write(&piece);
        }
        ring
    });
    let (mut read, mut lost, mut last) = (0, 0, None);
    loop {
        let done = writer.is_finished();
        while let Some(subbuf) = observer.next_subbuf().unwrap() {
            let seq = number(subbuf.bytes());
            assert_eq!(subbuf.seq(), seq);
            assert!(last < Some(seq));
            last = Some(seq);
            for gap in subbuf.lost() {
                assert_eq!(gap.cause, Cause::Overwritten);
                assert!(gap.from <= gap.to && gap.to == seq * 10);
                lost += gap.records;
            }
            read += 8;
        }
        if done {
            break;
        }
    }
    let ring = writer.join().unwrap();
    assert_eq!(last, Some(N - 1));
    assert_eq!(read + lost, ring.written());
}

#[test]
fn an_observer_begins_with_the_oldest_and_consumes_nothing() {
    let shape = Shape { flags: 0, ..SHAPE };
    let mut ring = Ring::new(shape, 0);
    for seq in 0..7 {
        ring.write(&full(&shape, seq));
    }
    let mut observer = ring.reader(Options::observer());
    let (bytes, lost) = drain(&mut observer);
    let numbers: Vec<_> = bytes.chunks(512).map(number).collect();
    assert_eq!(numbers, [3, 4, 5, 6]);
    // What was gone when it came is no loss of its.
    assert_eq!(lost, []);
    for seq in 7..13 {
        ring.write(&full(&shape, seq));
    }
    let (bytes, lost) = drain(&mut observer);
    assert_eq!(bytes.len(), 4 * 512);
    assert_eq!(
        (lost.len(), lost[0].records, lost[0].bytes),
        (1, 2 * 8, 2 * 512)
    );
    assert_eq!(ring.consumed(), 0);
}

#[test]
fn what_was_gone_when_a_consumer_came_is_told_and_no_gap() {
    let shape = Shape { flags: 0, ..SHAPE };
    let mut ring = Ring::new(shape, 0);
    for seq in 0..9 {
        ring.write(&full(&shape, seq));
    }
    // Of sub-buffers 0 to 4 two were read, and one was seen to be missing.
    ring.set(offset_of!(Meta, consumed), 3 * 512);
    ring.set(offset_of!(Meta, read_records), 16);
    ring.set(offset_of!(Meta, overwritten_records), 8);
    let mut buffer = ring.reader(Options::exclusive());
    let (bytes, lost) = drain(&mut buffer);
    assert_eq!((bytes.len(), lost), (4 * 512, vec![]));
    // The kernel counts it.
    assert_eq!((ring.told(), ring.consumed()), (16, 9));
    for seq in 9..15 {
        ring.write(&full(&shape, seq));
    }
    let (bytes, lost) = drain(&mut buffer);
    assert_eq!(bytes.len(), 4 * 512);
    assert_eq!((lost.len(), lost[0].records), (1, 16));
    assert_eq!((ring.told(), ring.consumed()), (32, 15));
}

#[test]
fn a_reset_takes_the_consumer_on_and_is_a_gap() {
    let mut ring = Ring::new(SHAPE, 0);
    let mut buffer = ring.reader(Options::exclusive());
    for seq in 0..3 {
        ring.write(&full(&SHAPE, seq));
    }
    drop(buffer.next_subbuf().unwrap());
    // The kernel throws away sub-buffers 1 and 2, and counts that itself.
    ring.set(offset_of!(Meta, consumed), 3 * 512);
    ring.set(offset_of!(Meta, read_records), 8);
    ring.set(offset_of!(Meta, overwritten_records), 16);
    ring.write(&full(&SHAPE, 3));
    let (bytes, lost) = drain(&mut buffer);
    assert_eq!(number(&bytes), 3);
    assert_eq!((lost.len(), lost[0].records), (1, 16));
    assert_eq!((ring.told(), ring.consumed()), (0, 4));
}

#[test]
fn what_was_overwritten_before_a_resize_is_missed() {
    let shape = Shape { flags: 0, ..SHAPE };
    let mut old = Ring::new(shape, 0);
    let mut observer = old.reader(Options::observer());
    for seq in 0..10 {
        old.write(&full(&shape, seq));
    }
    let next = Shape {
        generation: 1,
        ..shape
    };
    let mut new = Ring::new(next, 14);
    new.write(&full(&shape, 14));
    // All of it becomes unreadable just now.
    for _ in 0..4 {
        old.skip();
    }
    old.set(offset_of!(Meta, generation), 1);
    observer.put_fd(new.fd.try_clone().unwrap());
    let (bytes, lost) = drain(&mut observer);
    assert_eq!(number(&bytes), 14);
    assert_eq!((lost.len(), lost[0].records), (1, 80));
}

#[test]
fn a_skipped_sub_buffer_is_no_gap() {
    let mut ring = Ring::new(SHAPE, 0);
    let mut buffer = ring.reader(Options::exclusive());
    ring.write(&full(&SHAPE, 0));
    ring.skip();
    ring.write(&full(&SHAPE, 2));
    let (bytes, lost) = drain(&mut buffer);
    let numbers: Vec<_> = bytes.chunks(512).map(number).collect();
    assert_eq!((numbers, lost), (vec![0, 2], vec![]));
    assert_eq!(ring.consumed(), 3);
}

#[test]
fn what_was_passed_over_is_consumed() {
    let mut ring = Ring::new(SHAPE, 0);
    let mut buffer = ring.reader(Options::exclusive());
    // Skipped, and with nothing in it.
    for _ in 0..2 {
        ring.skip();
        ring.write(&Piece::default());
    }
    assert!(!ring.has_room());
    assert!(buffer.next_subbuf().unwrap().is_none());
    assert_eq!((ring.consumed(), ring.told()), (4, 0));
    // Where nobody waits for room it is told with what is missing.
    let shape = Shape { flags: 0, ..SHAPE };
    let mut ring = Ring::new(shape, 0);
    let mut buffer = ring.reader(Options::exclusive());
    for seq in 0..2 {
        ring.write(&full(&shape, seq));
    }
    (0..4).for_each(|_| ring.skip());
    assert!(buffer.next_subbuf().unwrap().is_none());
    assert_eq!((ring.consumed(), ring.told()), (0, 0));
    ring.write(&full(&shape, 6));
    assert_eq!(drain(&mut buffer).1[0].records, 16);
    assert_eq!((ring.consumed(), ring.told()), (7, 16));
}

#[test]
fn an_observer_knows_what_is_missing_behind_what_it_read() {
    let shape = Shape { flags: 0, ..SHAPE };
    let mut ring = Ring::new(shape, 0);
    for seq in 0..6 {
        ring.write(&full(&shape, seq));
    }
    let mut observer = ring.reader(Options::observer());
    let missing = |observer: &Buffer| observer.overwritten().unwrap().records;
    assert_eq!(missing(&observer), 0);
    ring.write(&full(&shape, 6));
    assert_eq!(missing(&observer), 8);
    assert_eq!(drain(&mut observer).1[0].records, 8);
    assert_eq!(missing(&observer), 8);
    for seq in 7..13 {
        ring.write(&full(&shape, seq));
    }
    assert_eq!(missing(&observer), 24);
}

#[test]
fn a_resized_ring_is_read_to_its_end_and_then_the_next() {
    for options in [Options::exclusive(), Options::observer()] {
        let mut old = Ring::new(SHAPE, 6);
        let mut buffer = old.reader(options);
        old.write(&full(&SHAPE, 6));
        assert_eq!(drain(&mut buffer).0.len(), 512);
        old.write(&full(&SHAPE, 7));
        old.write(&full(&SHAPE, 8));
        let shape = Shape {
            subbuf_size: 1024,
            n_subbufs: 2,
            generation: 1,
            ..SHAPE
        };
        // Position 9 * 512 lies in sub-buffer 4 of the new one, which is begun anew.
        let mut new = Ring::new(shape, 5);
        new.write(&full(&shape, 5));
        // Not yet: something is still being written to the old one.
        buffer.put_fd(new.fd.try_clone().unwrap());
        let (bytes, _) = drain(&mut buffer);
        let numbers: Vec<_> = bytes.chunks(512).map(number).collect();
        assert_eq!(numbers, [7, 8]);
        old.write(&full(&SHAPE, 9));
        let end = offset_of!(Meta, write_pos);
        old.set(end, (10 * 512) | WRITE_POS_ENDED);
        old.set(offset_of!(Meta, generation), 1);
        let (bytes, lost) = drain(&mut buffer);
        assert_eq!(number(&bytes[..512]), 9);
        assert_eq!(number(&bytes[512..]), 5);
        assert_eq!((bytes.len(), lost), (512 + 1024, vec![]));
        new.write(&full(&shape, 6));
        assert_eq!(number(&drain(&mut buffer).0), 6);
    }
}

#[test]
fn a_consumer_goes_through_rings_that_ended_before_they_were_mapped() {
    let of = |generation| Shape {
        generation,
        ..SHAPE
    };
    let end = |ring: &mut Ring, seq: u64| {
        ring.set(offset_of!(Meta, write_pos), (seq * 512) | WRITE_POS_ENDED);
        ring.set(offset_of!(Meta, generation), 2);
    };
    let mut oldest = Ring::new(SHAPE, 0);
    let mut buffer = oldest.reader(Options::exclusive());
    oldest.write(&full(&SHAPE, 0));
    end(&mut oldest, 1);
    // The same generation as of the newest, as that is what is written to.
    let mut older = Ring::new(of(2), 1);
    older.write(&full(&SHAPE, 1));
    end(&mut older, 2);
    let mut newest = Ring::new(of(2), 2);
    newest.write(&full(&SHAPE, 2));
    for (number_wanted, next) in [(0, &older), (1, &newest)] {
        assert_eq!(number(&drain(&mut buffer).0), number_wanted);
        buffer.put_fd(next.fd.try_clone().unwrap());
    }
    let (bytes, lost) = drain(&mut buffer);
    assert_eq!((number(&bytes), bytes.len(), lost), (2, 512, vec![]));
}

#[test]
fn holes_and_padding_are_left_out_and_end_reserves_are_not() {
    let mut data = *b"abcdHHHHHHHHefgHHHHHHHHHhi..........EE";
    // A hole of 9 bytes at 15, then one of 8 at 4: the newest is the latter.
    data[15..23].copy_from_slice(&[9u32.to_ne_bytes(), 0u32.to_ne_bytes()].concat());
    data[4..12].copy_from_slice(&[8u32.to_ne_bytes(), 16u32.to_ne_bytes()].concat());
    let mut whole = data[..26].to_vec();
    whole.resize(510, b'.');
    whole.extend_from_slice(b"EE");
    for (end_reserve, wanted, runs) in [
        (0, &b"abcdefghi"[..], vec![4, 3, 2]),
        (2, b"abcdefghiEE", vec![4, 3, 2, 2]),
    ] {
        let shape = Shape {
            end_reserve,
            ..SHAPE
        };
        let mut ring = Ring::new(shape, 0);
        let mut buffer = ring.reader(Options::exclusive());
        ring.write(&Piece {
            data: whole.clone(),
            data_len: Some(26),
            newest_hole: 5,
            ..Piece::default()
        });
        let subbuf = buffer.next_subbuf().unwrap().unwrap();
        assert_eq!(subbuf.bytes(), wanted);
        let lens: Vec<_> = subbuf
            .records()
            .map(|item| match item.unwrap() {
                Item::Run(run) => run.bytes.len(),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(lens, runs);
    }
}

/// Of packets what was discarded behind the last event is padding, and still leads to older holes.
#[test]
fn holes_behind_a_packet_lead_to_those_in_it() {
    let shape = Shape {
        flags: FLAG_NO_OVERWRITE | FLAG_RECORDS,
        ..SHAPE
    };
    let kept = packet(3, 0, 0, &[(10, 1, b"eight by"), (30, 1, b"eight by")]);
    let at = kept.len() - 24;
    let node = |len: u32, next: u32| [len.to_ne_bytes(), next.to_ne_bytes()].concat();
    let mut data = kept[..at].to_vec();
    data.extend(node(24, 0));
    data.extend([b'H'; 16]);
    data.extend(&kept[at..]);
    let len = data.len();
    data.extend(node(24, at as u32 + 1));
    data.extend([b'H'; 16]);
    let mut ring = Ring::new(shape, 0);
    let mut buffer = ring.reader(Options::exclusive());
    ring.write(&Piece {
        data,
        data_len: Some(len as u64),
        newest_hole: len as u64 + 1,
        ..of(&kept)
    });
    let subbuf = buffer.next_subbuf().unwrap().unwrap();
    assert_eq!(subbuf.bytes(), kept);
}

#[test]
fn packets_have_their_events_and_gaps() {
    let shape = Shape {
        flags: FLAG_NO_OVERWRITE | FLAG_RECORDS,
        ..SHAPE
    };
    let mut ring = Ring::new(shape, 0);
    let mut buffer = ring.reader(Options::exclusive());
    let first = packet(3, 0, 2, &[(10, 1, b"one"), (20, 2, b"")]);
    let next = packet(3, 3, 7, &[(30, 1, b"two")]);
    ring.write(&of(&first));
    ring.write(&of(&next));
    let mut found = Vec::new();
    while let Some(subbuf) = buffer.next_subbuf().unwrap() {
        for item in subbuf.records() {
            found.push(match item.unwrap() {
                Item::Record(event) => {
                    let text = String::from_utf8_lossy(event.bytes);
                    format!("{} {} {text}", event.timestamp, event.id)
                }
                Item::Lost(lost) => {
                    let Lost {
                        records,
                        packets,
                        from,
                        to,
                        ..
                    } = lost;
                    let name = lost.cause.name();
                    format!("{name} {records} {packets} {from} {to}")
                }
                Item::Run(run) => panic!("{run:?}"),
            });
        }
    }
    let wanted = [
        "refused 2 0 10 20",
        "10 1 one",
        "20 2 ",
        "overwritten 0 2 20 30",
        "refused 5 0 20 30",
        "30 1 two",
    ];
    assert_eq!(found, wanted);
}

#[test]
fn a_bad_packet_is_an_error_and_the_next_one_is_read() {
    let shape = Shape {
        flags: FLAG_NO_OVERWRITE | FLAG_RECORDS,
        ..SHAPE
    };
    let mut ring = Ring::new(shape, 0);
    let mut buffer = ring.reader(Options::exclusive());
    let good = packet(3, 0, 0, &[(10, 1, b"one")]);
    let mut bad = good.clone();
    // Longer than the sub-buffer.
    bad[24..32].copy_from_slice(&(1u64 << 20).to_ne_bytes());
    ring.write(&of(&bad));
    ring.write(&of(&good));
    assert!(buffer.next_subbuf().is_err());
    assert_eq!(drain(&mut buffer).0, good);
}

#[test]
fn what_is_missing_before_a_bad_packet_is_told_once() {
    let shape = Shape {
        flags: FLAG_RECORDS,
        ..SHAPE
    };
    let mut ring = Ring::new(shape, 0);
    let mut buffer = ring.reader(Options::exclusive());
    let good = |seq| packet(3, seq, 0, &[(10 * seq, 1, b"one")]);
    ring.write(&of(&good(0)));
    drain(&mut buffer);
    // Two are overwritten, then one is bad.
    for seq in 1..7 {
        let bytes = if seq == 3 { vec![1; 80] } else { good(seq) };
        ring.write(&of(&bytes));
    }
    assert!(buffer.next_subbuf().is_err());
    let (_, lost) = drain(&mut buffer);
    assert_eq!((lost.len(), lost[0].records, lost[0].packets), (1, 2, 3));
    assert_eq!((ring.told(), ring.consumed()), (2, 7));
}
