// SPDX-License-Identifier: GPL-2.0

//! A ring ends and another follows it: nothing is lost, written twice or out of order.

use super::world::{parse, record, World};
use crate::ring::{Cause, Committed, Count, Cursor, End, Owner, Reserves, Rmw, Shared};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

type W = World<Owner>;
type W4 = World<Shared>;

/// Writes to `old`, or what follows it.
fn write<R: Rmw>(old: &World<R>, new: &World<R>, data: &[u8]) -> Result<Committed, Cause> {
    match old.write(data) {
        Err(Cause::Closed) => new.write(data),
        result => result,
    }
}

#[test]
fn a_retired_ring_takes_nothing_and_keeps_what_it_has() {
    let (w, mut c) = (W::new(64, 4, false), Cursor::default());
    let _ = w.write(&[1; 40]).unwrap();
    let _ = w.write(&[2; 40]).unwrap();
    assert_eq!(w.read(&mut c, 20), [1; 20]);
    assert!(!w.is_drained(&c));
    assert_eq!(w.retire(|end| assert_eq!(end.pos, 128)), Committed::Notify);
    assert_eq!(w.write(&[3; 1]), Err(Cause::Closed));
    assert_eq!(w.written_pos(), 128);
    assert_eq!(w.flush(), Committed::Quietly);
    assert_eq!(w.retire(|_| unreachable!()), Committed::Quietly);
    assert!(!w.is_drained(&c));
    assert_eq!(
        w.read(&mut c, 100),
        [[1u8; 20].as_slice(), &[2; 40]].concat()
    );
    assert!(!w.has_data_after(w.consumed_pos(&c)));
    assert!(w.is_drained(&c));
    let produced = w.totals().produced;
    assert_eq!((produced.records, produced.bytes), (2, 80));
}

#[test]
fn an_empty_ring_can_be_retired() {
    let w = W::new(64, 2, true);
    assert_eq!(
        w.retire(|end| assert!(end.pos == 0 && end.fresh)),
        Committed::Quietly
    );
    assert_eq!(w.write(&[1]), Err(Cause::Closed));
    assert!(w.is_drained(&Cursor::default()));
}

#[test]
fn what_follows_counts_positions_on_and_records_anew() {
    for (size, n) in [(64, 4), (32, 2), (256, 2), (64, 8)] {
        for overwrite in [false, true] {
            let old = W::new(64, 4, overwrite);
            let reserves = Reserves {
                start: 4,
                end: 2,
                channel_start: 6,
            };
            let new = W::with_reserves(size, n, overwrite, reserves);
            for i in 0..7 {
                let _ = old.write(&[i; 24]);
            }
            let mut end = 0;
            let _ = old.retire(|at| {
                end = at.pos;
                new.start_at(at);
            });
            assert_eq!(new.written_pos(), end.next_multiple_of(size));
            assert!(!new.has_data_after(0) && !new.has_data_after(end));
            let _ = new.write(&[9; 8]).unwrap();
            assert!(new.has_data_after(0) && new.has_data_after(end));
            let mut c = Cursor::default();
            // The channel's start reserve is in its first sub-buffer only.
            assert_eq!(
                new.read(&mut c, 100),
                [[0u8; 4].as_slice(), &[9; 8]].concat()
            );
            let s = new.stats(&c);
            assert_eq!((s.produced.records, s.read.records), (1, 1));
            assert_eq!((s.produced.bytes, s.overwritten.records), (8, 0));
        }
    }
}

#[test]
fn who_maps_what_follows_finds_counts_of_that_alone() {
    let (old, new) = (W::new(64, 2, true), W::new(64, 2, true));
    let mut c = Cursor::default();
    for n in 0..5 {
        let _ = old.write(&[n; 64]);
    }
    old.read(&mut c, 64);
    let _ = old.retire(|end| new.start_at(end));
    new.begin(&mut c, old.totals().produced);
    for n in 0..3 {
        let _ = new.write(&[n; 64]);
    }
    new.read(&mut c, usize::MAX);
    assert_eq!((c.read.records, c.missed.records), (3, 5));
    let line = &new.head().consumer;
    let count = |word: &AtomicU64| word.load(Ordering::Relaxed);
    assert_eq!([&line.records, &line.lost_records].map(count), [2, 1]);
    assert_eq!([&line.bytes, &line.lost_bytes].map(count), [128, 64]);
    assert_eq!(new.delivered().1.records, 3);
}

#[test]
fn what_follows_laps_and_fills_as_any_ring() {
    for overwrite in [false, true] {
        let w = W::new(64, 2, overwrite);
        w.start_at(End {
            pos: 1000,
            ..End::default()
        });
        let (mut c, mut written) = (Cursor::default(), 0u64);
        for n in 0..40 {
            written += u64::from(w.write(&record(0, n, 24)).is_ok());
        }
        let records = parse(&w.read(&mut c, usize::MAX));
        let s = w.stats(&c);
        assert_eq!(s.produced.records, written);
        assert_eq!(s.read.records, records.len() as u64);
        assert_eq!(s.overwritten.records, written - s.read.records);
        assert_eq!(s.overwritten.records == 0, !overwrite);
        assert_eq!(s.unread().records, 0);
    }
}

#[test]
fn a_reset_empties_a_retired_ring() {
    let (w, mut c) = (W::new(64, 4, true), Cursor::default());
    for n in 0..5 {
        let _ = w.write(&record(0, n, 24)).unwrap();
    }
    assert_eq!(w.read(&mut c, 10).len(), 10);
    let _ = w.retire(|_| ());
    let _ = w.reset();
    assert!(w.read(&mut c, 100).is_empty());
    assert!(w.is_drained(&c));
}

#[test]
fn a_ring_is_drained_when_the_last_writer_has_committed() {
    let (old, mut c) = (W::new(64, 4, false), Cursor::default());
    let slot = old.reserve(8).unwrap();
    let later = old.reserve(8).unwrap();
    let _ = old.retire(|_| ());
    // Wherever the reader stands.
    let _ = old.reset();
    assert_eq!(old.read(&mut c, 100), []);
    assert!(!old.is_drained(&c));
    assert!(old.copy().is_none());
    let _ = old.commit(slot);
    assert!(!old.is_drained(&c));
    // The newest, but the position cannot go back.
    let _ = old.discard(later);
    assert!(old.is_drained(&c));
    assert_eq!(old.written_pos(), 64);
}

#[test]
fn the_channel_start_reserve_comes_once() {
    let reserves = Reserves {
        start: 2,
        end: 0,
        channel_start: 3,
    };
    let make = || W::with_reserves(64, 2, true, reserves);
    let (first, second, third) = (make(), make(), make());
    let _ = first.retire(|end| second.start_at(end));
    let _ = second.write(&[1; 8]).unwrap();
    let _ = second.retire(|end| third.start_at(end));
    let _ = third.write(&[2; 8]).unwrap();
    let (mut c, mut d) = (Cursor::default(), Cursor::default());
    assert_eq!(second.read(&mut c, 100)[..6], [0, 0, 0, 0, 0, 1]);
    assert_eq!(third.read(&mut d, 100)[..3], [0, 0, 2]);
    let _ = third.reset();
    let _ = third.write(&[3; 8]).unwrap();
    assert_eq!(third.read(&mut d, 100)[..6], [0, 0, 0, 0, 0, 3]);
}

#[test]
fn a_ring_may_begin_anywhere() {
    // The last is where the numbers in claims begin anew.
    for start in [64, 1 << 40, 1 << 62, ((1 << 47) - 1 - 5) * 64] {
        let (w, mut c) = (W::new(64, 4, true), Cursor::default());
        w.start_at(End {
            pos: start,
            ..End::default()
        });
        let mut read = 0;
        for n in 0..100 {
            let _ = w.write(&record(1, n, 20)).unwrap();
            if n % 9 == 0 {
                read += w.read(&mut c, 30).len();
            }
        }
        read += w.read(&mut c, 10_000).len();
        assert_eq!(c.read.records + c.missed.records, 100, "{start}");
        assert!(read as u64 == c.read.bytes && c.missed.records > 0);
        assert_eq!(w.stats(&c).unread(), Count::default());
    }
}

#[test]
fn a_copy_goes_on_where_the_ring_stopped() {
    let (old, mut c) = (W::new(64, 4, true), Cursor::default());
    for n in 0..30 {
        let _ = old.write(&record(1, n, 20)).unwrap();
    }
    assert_eq!(old.write(&[0; 65]), Err(Cause::TooBig));
    let first = old.read(&mut c, 30);
    assert!(old.mid_run(&c));
    assert!(old.copy().is_none(), "writers may be at work");
    let _ = old.retire(|_| ());
    let (before, new) = (old.stats(&c), old.copy().unwrap());
    // Nothing of it is needed any more.
    drop(old);
    let after = new.stats(&c);
    assert_eq!(
        (after.produced, after.overwritten),
        (before.produced, before.overwritten)
    );
    assert_eq!(after.refused[Cause::TooBig as usize].records, 1);
    // The slot it has not finished is still held.
    for n in 30..60 {
        let _ = new.write(&record(1, n, 20)).unwrap();
    }
    let rest = new.read(&mut c, 30);
    let got = parse(&[first, rest].concat());
    assert!(got.windows(2).all(|pair| pair[1].1 == pair[0].1 + 1));
    let rest = parse(&new.read(&mut c, 10_000));
    assert_eq!(rest.last(), Some(&(1, 59)));
    assert_eq!(c.read.records + c.missed.records, 60);
}

/// All reservations of the old one come before those of the new one.
#[test]
fn four_writers_go_over_to_what_follows() {
    const RECORDS: u32 = if cfg!(miri) { 100 } else { 5_000 };
    for round in 0..if cfg!(miri) { 2 } else { 40 } {
        let (old, new) = (W4::new(256, 4, true), W4::new(64, 8, true));
        let (old, new) = (&old, &new);
        let done = &AtomicBool::new(false);
        let (written, (seen, missed)) = thread::scope(|s| {
            let reader = s.spawn(move || {
                let (mut a, mut b, mut seen) = (Cursor::default(), Cursor::default(), Vec::new());
                loop {
                    let last = done.load(Ordering::Acquire);
                    seen.extend(old.read(&mut a, usize::MAX));
                    if old.is_drained(&a) {
                        seen.extend(new.read(&mut b, usize::MAX));
                    }
                    if last {
                        break;
                    }
                }
                let missed = old.stats(&a).overwritten.records + new.stats(&b).overwritten.records;
                (parse(&seen), missed)
            });
            let writers: Vec<_> = (0..4)
                .map(|i| {
                    s.spawn(move || {
                        let ok = |n| write(old, new, &record(i, n, 16)).is_ok();
                        (0..RECORDS).filter(|&n| ok(n)).count() as u64
                    })
                })
                .collect();
            for _ in 0..round * 500 {
                std::hint::spin_loop();
            }
            let _ = old.retire(|end| new.start_at(end));
            let written: u64 = writers.into_iter().map(|t| t.join().unwrap()).sum();
            done.store(true, Ordering::Release);
            (written, reader.join().unwrap())
        });
        assert_eq!(seen.len() as u64 + missed, written);
        for writer in 0..4 {
            let mine: Vec<u32> = seen.iter().filter(|r| r.0 == writer).map(|r| r.1).collect();
            assert!(mine.is_sorted_by(|a, b| a < b), "reordered or twice");
        }
    }
}
