// SPDX-License-Identifier: GPL-2.0

//! The life of sub-buffers: reserves, times, holes, resets.

use super::world::{parse, record, World};
use crate::ring::{Cause, Committed, Cursor, Delivery, Geometry, Owner, Reserves, Spec};
use crate::ring::{Clock, Count};
use std::sync::atomic::Ordering;

type W = World<Owner>;

const RESERVES: Reserves = Reserves {
    start: 4,
    end: 2,
    channel_start: 6,
};

fn with_reserves(overwrite: bool) -> W {
    W::with_reserves(64, 2, overwrite, RESERVES)
}

#[test]
fn reserves_must_leave_room() {
    let spec = |start, end, channel_start| {
        let reserves = Reserves {
            start,
            end,
            channel_start,
        };
        let geo = Geometry::new(64, 2).unwrap();
        Spec::new(geo, true, Delivery::Bulk, reserves, Clock::Mono)
    };
    assert!(spec(20, 20, 23).is_some());
    for (start, end, channel_start) in [(20, 20, 24), (64, 0, 0), (0, 64, 0), (0, 0, 64)] {
        assert!(spec(start, end, channel_start).is_none());
    }
    assert!(spec(u32::MAX, u32::MAX, u32::MAX).is_none());
}

#[test]
fn reserves_stand_around_the_data_and_are_no_payload() {
    let (w, mut c) = (with_reserves(false), Cursor::default());
    assert_eq!(w.max_record(), 52);
    assert_eq!(w.write(&[7; 53]), Err(Cause::TooBig));
    let _ = w.write(&[1; 20]).unwrap();
    assert_eq!(
        w.read(&mut c, 100),
        [[0u8; 10].as_slice(), &[1; 20]].concat()
    );
    // 30 of 62 bytes are used: this one goes to the next sub-buffer.
    let _ = w.write(&[2; 40]).unwrap();
    let expected = [[0u8; 2].as_slice(), &[0; 4], &[2; 40]].concat();
    assert_eq!(w.read(&mut c, 100), expected);
    let _ = w.flush();
    assert_eq!(w.read(&mut c, 100), [0; 2]);
    let s = w.stats(&c);
    let payload = Count {
        records: 2,
        bytes: 60,
    };
    assert_eq!((s.produced, s.read), (payload, payload));
    assert_eq!(s.unread(), Count::default());
}

#[test]
fn data_ends_exactly_at_the_end_reserve() {
    let (w, mut c) = (with_reserves(false), Cursor::default());
    let _ = w.write(&[1; 52]).unwrap();
    assert!(w.try_reserve(1).is_none());
    assert_eq!(w.flush(), Committed::Notify);
    let _ = w.write(&[2; 52]).unwrap();
    let _ = w.write(&[3; 6]).unwrap();
    let got = w.read(&mut c, 1000);
    let first = [[0u8; 10].as_slice(), &[1; 52], &[0; 2]].concat();
    let second = [[0u8; 4].as_slice(), &[2; 52], &[3; 6]].concat();
    assert_eq!(got, [first, second].concat());
}

#[test]
fn reads_may_end_anywhere_in_and_around_reserves() {
    for size in 1..70 {
        let (w, mut c) = (with_reserves(false), Cursor::default());
        let mut expected = Vec::new();
        for n in 0..6u8 {
            let _ = w.write(&[n + 1; 25]).unwrap();
            let _ = w.flush();
            expected.extend_from_slice(&[0; 4]);
            expected.extend_from_slice(if n == 0 { &[0; 6] } else { &[] });
            expected.extend_from_slice(&[n + 1; 25]);
            expected.extend_from_slice(&[0; 2]);
            let mut got = w.read(&mut c, size);
            while w.has_data_after(w.consumed_pos(&c)) || w.mid_run(&c) {
                // Letting go in between loses no byte as long as nobody laps.
                w.detach(&mut c);
                got.extend(w.read(&mut c, size));
            }
            assert_eq!(got, expected, "{n} {size}");
            expected.clear();
        }
        assert_eq!((c.read.records, c.read.bytes), (6, 150));
    }
}

#[test]
fn flushing_an_open_sub_buffer_without_records_does_nothing() {
    let (w, mut c) = (with_reserves(false), Cursor::default());
    let slot = w.reserve(16).unwrap();
    let _ = w.discard(slot);
    assert_eq!(w.flush(), Committed::Quietly);
    assert!(!w.has_data_after(w.consumed_pos(&c)));
    assert_eq!(w.read(&mut c, 100), b"");
}

#[test]
fn a_reset_throws_away_what_is_unread_and_counts_it() {
    for overwrite in [false, true] {
        let (w, mut c) = (W::new(64, 4, overwrite), Cursor::default());
        for n in 0..9 {
            let _ = w.write(&record(1, n, 16)).unwrap();
        }
        assert_eq!(w.read(&mut c, 64).len(), 64);
        let _ = w.reset();
        assert_eq!(w.stats(&c).unread(), Count::default());
        assert_eq!(w.read(&mut c, 1000), b"");
        for n in 9..12 {
            let _ = w.write(&record(1, n, 16)).unwrap();
        }
        let numbers: Vec<u32> = parse(&w.read(&mut c, 1000)).iter().map(|r| r.1).collect();
        assert_eq!(numbers, [9, 10, 11]);
        let s = w.stats(&c);
        assert_eq!((s.produced.records, s.read.records), (12, 7));
        assert_eq!((s.overwritten.records, s.overwritten.bytes), (5, 80));
        assert_eq!(s.unread(), Count::default());
    }
}

#[test]
fn a_reset_makes_room_in_no_overwrite_mode() {
    let (w, mut c) = (W::new(64, 2, false), Cursor::default());
    for _ in 0..2 {
        let _ = w.write(&[1; 64]).unwrap();
    }
    assert_eq!(w.write(&[1; 64]), Err(Cause::Full));
    let _ = w.reset();
    assert_eq!(w.read(&mut c, 100), b"");
    let _ = w.write(&[2; 64]).unwrap();
    assert_eq!(w.read(&mut c, 100), [2; 64]);
}

#[test]
fn a_reset_in_the_middle_of_a_read_and_of_a_write() {
    let (w, mut c) = (W::new(64, 4, true), Cursor::default());
    let _ = w.write(&[1; 40]).unwrap();
    assert_eq!(w.read(&mut c, 10).len(), 10);
    let slot = w.reserve(8).unwrap();
    let _ = w.reset();
    let _ = w.write(b"new").unwrap();
    w.fill(&slot, &[2; 8]);
    let _ = w.commit(slot);
    assert_eq!(w.read(&mut c, 100), b"new");
    let s = w.stats(&c);
    assert_eq!((s.produced.records, s.produced.bytes), (3, 51));
    assert_eq!((s.read.records, s.read.bytes), (1, 13));
    assert_eq!((s.overwritten.records, s.overwritten.bytes), (2, 38));
}

#[test]
fn a_reset_during_a_read_cuts_no_run() {
    let (w, mut c) = (W::new(64, 4, true), Cursor::default());
    let _ = w.write(b"before").unwrap();
    let slot = w.reserve(8).unwrap();
    let _ = w.write(b"behind").unwrap();
    let _ = w.discard(slot);
    assert!(w.advance(&mut c));
    assert_eq!(w.peek(&c), b"before");
    w.consume(&mut c, 6);
    let _ = w.reset();
    assert!(w.advance(&mut c));
    assert_eq!(w.peek(&c), b"behind");
    w.consume(&mut c, 6);
    assert!(!w.advance(&mut c));
    let lost = w.stats(&c).overwritten;
    assert_eq!((c.read.records, lost), (2, Count::default()));
}

#[test]
fn the_channel_start_reserve_comes_again_after_a_reset() {
    let (w, mut c) = (with_reserves(true), Cursor::default());
    let _ = w.write(&[1; 8]).unwrap();
    let _ = w.reset();
    let _ = w.reset();
    let _ = w.write(&[2; 8]).unwrap();
    assert_eq!(
        w.read(&mut c, 100),
        [[0u8; 10].as_slice(), &[2; 8]].concat()
    );
}

#[test]
fn times_do_not_go_back() {
    let geo = Geometry::new(64, 4).unwrap();
    for clock in [Clock::Mono, Clock::Tsc] {
        let none = Reserves::default();
        let w = W::with_spec(Spec::new(geo, true, Delivery::Bulk, none, clock).unwrap());
        let mut last = 0;
        for n in 0..50u64 {
            let _ = w.write(&[1; 64]).unwrap();
            let subbuf = w.subbuf(n);
            let begin = subbuf.begin.load(Ordering::Relaxed);
            let end = subbuf.end.load(Ordering::Relaxed);
            assert!(
                last < begin && begin < end,
                "{clock:?}: {last} {begin} {end}"
            );
            last = end;
        }
    }
    let none = Reserves::default();
    let w = W::with_spec(Spec::new(geo, true, Delivery::Bulk, none, Clock::None).unwrap());
    let _ = w.write(&[1; 64]).unwrap();
    let subbuf = w.subbuf(0);
    assert_eq!(subbuf.begin.load(Ordering::Relaxed), 0);
    assert_eq!(subbuf.end.load(Ordering::Relaxed), 0);
}

#[test]
fn a_sub_buffer_ends_with_its_last_commit_whoever_delivers_it() {
    for clock in [Clock::Mono, Clock::Tsc] {
        let geo = Geometry::new(64, 4).unwrap();
        let none = Reserves::default();
        let w = W::with_spec(Spec::new(geo, true, Delivery::Bulk, none, clock).unwrap());
        let open = w.reserve(8).unwrap();
        for len in [56, 64, 8] {
            let _ = w.write(&vec![1; len]).unwrap();
        }
        assert!(!w.is_delivered(0));
        let _ = w.commit(open);
        assert!(w.is_delivered(1) && !w.is_delivered(2));
        let of = |n| {
            let subbuf = w.subbuf(n);
            let (begin, end) = (&subbuf.begin, &subbuf.end);
            (begin.load(Ordering::Relaxed), end.load(Ordering::Relaxed))
        };
        assert!(of(0).1 > of(2).0, "what was held back ended last");
        assert!(of(1).0 < of(1).1 && of(1).1 < of(2).0);
    }
}

/// Every `step`-th of the slots of a sub-buffer is discarded, when all behind it are reserved.
fn holes(size: u64, len: usize, step: usize, order: impl Fn(&mut Vec<usize>)) {
    let (w, mut c) = (W::new(size, 2, false), Cursor::default());
    let count = size as usize / len;
    let mut slots: Vec<_> = (0..count)
        .map(|_| Some(w.reserve(len as u64).unwrap()))
        .collect();
    let mut expected = Vec::new();
    let mut turns: Vec<usize> = (0..count).collect();
    order(&mut turns);
    for i in turns {
        let slot = slots[i].take().unwrap();
        if i % step == 0 {
            let _ = w.discard(slot);
        } else {
            w.fill(&slot, &record(1, i as u32, len));
            let _ = w.commit(slot);
        }
    }
    for i in (0..count).filter(|i| i % step != 0) {
        expected.extend(record(1, i as u32, len));
    }
    let mut got = Vec::new();
    // In short reads, so that it stops in windows and between them.
    loop {
        let part = w.read(&mut c, 1000);
        if part.is_empty() {
            break;
        }
        got.extend(part);
    }
    assert!(got == expected, "{size} {len} {step}");
    assert_eq!(c.read.bytes as usize, expected.len());
}

#[test]
fn holes_are_stepped_over_however_many_there_are() {
    let sizes = [(64, 8), (4096, 8), (16384, 16), (1 << 20, 8), (1 << 20, 24)];
    for &(size, len) in if cfg!(miri) { &sizes[..1] } else { &sizes[..] } {
        for step in [1, 2, 3, 1000] {
            holes(size, len, step, |_| {});
            holes(size, len, step, |turns| turns.reverse());
        }
    }
    holes(if cfg!(miri) { 1 << 10 } else { 1 << 16 }, 8, 2, |turns| {
        turns.sort_by_key(|i| i * 7919 % 8192)
    });
}
