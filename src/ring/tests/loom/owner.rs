// SPDX-License-Identifier: GPL-2.0

//! One writer, which changes words without a LOCK prefix, and readers elsewhere.

use super::super::packets::parse_packets;
use super::super::world::{records, ENDED, STARTED};
use super::{change, read_either, settle_either, write_either};
use super::{outcomes, read, ring, settle, spawn, write, World};
use crate::ring::{sync::Ordering::Relaxed, Cause, Clock, Cursor, Delivery, Geometry};
use crate::ring::{Owner, Reserves, Spec};
use std::collections::BTreeSet;
use std::sync::Arc;

#[test]
fn a_writer_and_its_reader() {
    let first = outcomes(2, || {
        let (w, mut c) = (ring::<Owner>(4, false), Cursor::default());
        let writer = spawn(&w, |w| write(w, 1..=3));
        let first = read(&w, &mut c);
        assert_eq!(writer.join().unwrap(), 3);
        assert_eq!(settle(&w, &mut c, first.clone(), 3), [1, 2, 3]);
        first.len()
    });
    assert_eq!(first, [0, 1, 2, 3].into());
}

#[test]
fn a_writer_laps_its_reader() {
    let missed = outcomes(2, || {
        let (w, mut c) = (ring::<Owner>(2, true), Cursor::default());
        let writer = spawn(&w, |w| write(w, 1..=3));
        let first = read(&w, &mut c);
        assert_eq!(writer.join().unwrap(), 3);
        let got = settle(&w, &mut c, first, 3);
        assert!(got.is_sorted() && got.ends_with(&[3]), "{got:?}");
        c.missed.records
    });
    assert_eq!(missed, [0, 1].into());
}

#[test]
fn a_record_half_read_is_passed_by() {
    let got = outcomes(2, || {
        let (w, mut c) = (ring::<Owner>(2, true), Cursor::default());
        write(&w, 1..=1);
        assert_eq!(w.read(&mut c, 1), [1]);
        let writer = spawn(&w, |w| write(w, 2..=3));
        assert_eq!(w.read(&mut c, 1), [1]);
        let first = read(&w, &mut c);
        let written = 1 + writer.join().unwrap();
        settle(&w, &mut c, [&[1][..], &first].concat(), written)
    });
    assert_eq!(got, [vec![1, 2, 3], vec![1, 3]].into());
}

#[test]
fn a_slot_is_held_until_its_last_reader_leaves() {
    let seen = outcomes(2, || {
        let (w, mut c) = (ring::<Owner>(2, true), Cursor::default());
        write(&w, 1..=2);
        assert_eq!(w.read(&mut c, 1), [1]);
        let other = spawn(&w, |w| {
            let mut c = Cursor::default();
            w.observe(&mut c, 2)
        });
        // Never into the first slot.
        let written = 2 + write(&w, [3]);
        assert_eq!(w.read(&mut c, 1), [1]);
        let seen = other.join().unwrap();
        if written == 3 {
            settle(&w, &mut c, vec![1], written);
        } else {
            // Both were held: passed by, and with that out of reach.
            assert_eq!(read(&w, &mut c), []);
            assert_eq!(w.stats(&c).overwritten.records, 1);
        }
        (written, seen)
    });
    let all = [
        (2, vec![2, 2]),
        (3, vec![]),
        (3, vec![1, 1]),
        (3, vec![2, 2]),
        (3, vec![3, 3]),
    ];
    assert_eq!(seen, all.into());
}

#[test]
fn a_flush_and_a_reader() {
    let first = outcomes(2, || {
        let (w, mut c) = (ring::<Owner>(4, false), Cursor::default());
        let writer = spawn(&w, |w| {
            write(w, 1..=1);
            let _ = w.flush();
            write(w, 2..=2);
        });
        let first = read(&w, &mut c);
        writer.join().unwrap();
        assert_eq!(settle(&w, &mut c, first.clone(), 2), [1, 2]);
        first
    });
    assert_eq!(first, [vec![], vec![1], vec![1, 2]].into());
}

#[test]
fn a_writer_and_a_close() {
    let written = outcomes(2, || {
        let (w, mut c) = (ring::<Owner>(4, false), Cursor::default());
        let writer = spawn(&w, |w| write(w, 1..=2));
        w.close();
        let written = writer.join().unwrap();
        let got = settle(&w, &mut c, Vec::new(), written);
        assert_eq!(got, (1..=2).take(written as usize).collect::<Vec<u8>>());
        let closed = w.stats(&c).refused[Cause::Closed as usize];
        assert_eq!(
            (closed.records, closed.bytes),
            (2 - written, 4 - 2 * written)
        );
        written
    });
    assert_eq!(written, [0, 1, 2].into());
}

#[test]
fn a_full_ring_and_its_consumer() {
    let got = outcomes(2, || {
        let (w, mut c) = (ring::<Owner>(2, false), Cursor::default());
        write(&w, 1..=2);
        let writer = spawn(&w, |w| write(w, 3..=4));
        let first = read(&w, &mut c);
        let written = 2 + writer.join().unwrap();
        let got = settle(&w, &mut c, first, written);
        assert!(got.is_sorted() && got.starts_with(&[1, 2]), "{got:?}");
        // Nothing was passed by.
        assert_eq!(w.head().writer.pos.load(Relaxed), 2 * written);
        got
    });
    assert_eq!(got, [vec![1, 2], vec![1, 2, 4], vec![1, 2, 3, 4]].into());
}

#[test]
fn a_hole_and_a_reader() {
    let first = outcomes(2, || {
        let (w, mut c) = (ring::<Owner>(16, true), Cursor::default());
        let writer = spawn(&w, |w| {
            write(w, 1..=1);
            let slot = w.reserve(8).unwrap();
            write(w, 2..=2);
            let _ = w.discard(slot);
        });
        let first = read(&w, &mut c);
        writer.join().unwrap();
        assert_eq!(settle(&w, &mut c, first.clone(), 2), [1, 2]);
        first.len()
    });
    assert_eq!(first, [0, 1, 2].into());
}

/// What a reader finds while a sub-buffer with reserves that hooks fill is written and ended.
fn reserves_read(whole_only: bool) -> BTreeSet<Vec<u8>> {
    outcomes(2, move || {
        let reserves = Reserves {
            start: 1,
            end: 1,
            channel_start: 0,
        };
        let geo = Geometry::new(4, 2).unwrap();
        let mut spec = Spec::new(geo, false, Delivery::Bulk, reserves, Clock::Mono).unwrap();
        if whole_only {
            spec = spec.whole_only();
        }
        let mut w = World::<Owner>::with_spec(spec);
        w.turns.marks = true;
        let (w, mut c) = (Arc::new(w), Cursor::default());
        let writer = spawn(&w, |w| {
            let _ = w.write(&[1]).unwrap();
            let _ = w.flush();
        });
        let first = w.read(&mut c, 100);
        writer.join().unwrap();
        let rest = w.read(&mut c, 100);
        assert_eq!(first.len() + rest.len(), 3);
        first
    })
}

#[test]
fn reserves_are_filled_before_they_are_read() {
    let parts = [vec![], vec![STARTED, 1], vec![STARTED, 1, ENDED]];
    assert_eq!(reserves_read(false), parts.into());
    assert_eq!(reserves_read(true), [vec![], vec![ENDED, 1, ENDED]].into());
}

#[test]
fn a_ring_is_changed_beside_a_reader() {
    for overwrite in [false, true] {
        let first = outcomes(2, move || {
            let rings = [(), ()].map(|()| ring::<Owner>(4, overwrite));
            let (ours, mut at) = (rings.clone(), <[Cursor; 2]>::default());
            let writer = spawn(&rings[0], move |_| {
                assert!(write_either(&ours, 1));
                change(&ours);
                assert!(write_either(&ours, 2));
            });
            let first = read_either(&rings, &mut at);
            writer.join().unwrap();
            let all = settle_either(&rings, &mut at, first.clone(), 2);
            assert_eq!(all, [1, 2]);
            first
        });
        assert_eq!(first, [vec![], vec![1], vec![1, 2]].into());
    }
}

#[test]
fn a_packet_and_its_reader() {
    let seen = outcomes(2, || {
        let geo = Geometry::new(128, 2).unwrap();
        let w = Arc::new(World::<Owner>::with_spec(records(geo, true)));
        let mut c = Cursor::default();
        let writer = spawn(&w, |w| {
            let lost = w.reserve_event(1, 0).unwrap();
            let _ = w.event(&[1]).unwrap();
            let _ = w.discard(lost);
            let _ = w.flush();
        });
        let first = parse_packets(&w.read(&mut c, usize::MAX)).len();
        writer.join().unwrap();
        let rest = parse_packets(&w.read(&mut c, usize::MAX)).len();
        assert_eq!(first + rest, 1);
        first
    });
    assert_eq!(seen, [0, 1].into());
}

#[test]
fn counters_beside_a_writer() {
    let seen = outcomes(2, || {
        let w = ring::<Owner>(2, true);
        let c = Cursor::default();
        write(&w, 1..=2);
        let writer = spawn(&w, |w| write(w, 3..=3));
        let s = w.stats(&c);
        writer.join().unwrap();
        let end = w.stats(&c);
        assert_eq!((end.produced.records, end.overwritten.records), (3, 1));
        assert!(s.overwritten.records <= 1, "{s:?}");
        assert_eq!(s.overwritten.bytes, 2 * s.overwritten.records);
        s.overwritten.records
    });
    assert_eq!(seen, [0, 1].into());
}

#[test]
fn what_is_delivered_beside_a_writer() {
    let seen = outcomes(2, || {
        let w = ring::<Owner>(2, true);
        write(&w, 1..=1);
        let writer = spawn(&w, |w| write(w, 2..=3));
        let (seq, count) = w.delivered();
        writer.join().unwrap();
        assert_eq!((count.records, count.bytes), (seq, 2 * seq));
        seq
    });
    assert_eq!(seen, [1, 2, 3].into());
}

#[test]
fn a_reset_and_a_reader() {
    let got = outcomes(2, || {
        let (w, mut c) = (ring::<Owner>(4, false), Cursor::default());
        write(&w, 1..=1);
        let writer = spawn(&w, |w| {
            let _ = w.reset();
            write(w, 2..=2);
        });
        let first = read(&w, &mut c);
        writer.join().unwrap();
        settle(&w, &mut c, first, 2)
    });
    assert_eq!(got, [vec![1, 2], vec![2]].into());
}
