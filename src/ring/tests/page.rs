// SPDX-License-Identifier: GPL-2.0

//! What writers and counters make of what a mapped consumer says, the true and the false.

use super::mapped::Consumer;
use super::world::{parse, record, World};
use crate::ring::{Cause, Count, Cursor, Owner, Rmw, Shared};
use proptest::prelude::*;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

type W = World<Owner>;

/// Fills sub-buffers with one record each; how many.
fn fill(w: &W, count: usize) -> usize {
    (0..count).filter(|_| w.write(&[1; 64]).is_ok()).count()
}

#[test]
fn room_is_made_by_whole_sub_buffers_that_are_complete() {
    let w = W::new(64, 4, false);
    let none = Count::default();
    assert_eq!(fill(&w, 5), 4);
    w.page().say(63, none);
    assert_eq!(fill(&w, 5), 0);
    w.page().say(64, none);
    assert_eq!(fill(&w, 5), 1);
    // Backwards: nothing is given twice.
    w.page().say(0, none);
    assert_eq!(fill(&w, 5), 0);
    w.page().say(3 * 64 + 1, none);
    assert_eq!(fill(&w, 5), 2);
    // More than there is: all of it.
    w.page().say(u64::MAX, none);
    assert_eq!(fill(&w, 4), 4);
    let lost = w.stats(&Cursor::default()).refused[Cause::Full as usize];
    assert_eq!(lost.records, 1 + 5 + 4 + 5 + 3);
}

#[test]
fn room_is_not_made_of_what_is_not_complete() {
    let w = W::new(64, 2, false);
    let slot = w.reserve(64).unwrap();
    assert_eq!(fill(&w, 1), 1);
    w.page().say(u64::MAX, Count::default());
    // The first has a writer in it, so neither is complete.
    assert_eq!(w.reserve(64).unwrap_err(), Cause::Full);
    let _ = w.commit(slot);
    assert_eq!(fill(&w, 2), 2);
}

#[test]
fn it_is_not_looked_at_in_overwrite_mode() {
    let w = W::new(64, 2, true);
    assert_eq!(fill(&w, 2), 2);
    w.page().say(0, Count::default());
    assert_eq!(fill(&w, 100), 100);
}

#[test]
fn what_is_passed_counts_as_read_also_if_it_is_gone() {
    let (w, mut c, mut counted) = (W::new(64, 4, false), Cursor::default(), Count::default());
    let mut mapped = Consumer::default();
    for _ in 0..10 {
        assert_eq!(fill(&w, 4), 4);
        assert_eq!(mapped.read(&w, false).len(), 256);
    }
    assert_eq!(fill(&w, 1), 1);
    w.follow(&mut c, &mut counted);
    let s = w.stats(&c);
    assert_eq!((s.read.records, s.unread().records), (40, 1));
    assert_eq!((s.read.bytes, s.overwritten), (40 * 64, Count::default()));
    assert_eq!(w.read(&mut c, 100), [1; 64]);
}

#[test]
fn what_is_thrown_away_counts_as_missed() {
    let (w, mut c, mut counted) = (W::new(64, 4, false), Cursor::default(), Count::default());
    assert_eq!(fill(&w, 3), 3);
    w.page().say(64, Count::default());
    w.follow(&mut c, &mut counted);
    let _ = w.reset();
    w.miss_what_was_reset(&mut c);
    assert_eq!(fill(&w, 2), 2);
    w.page().say(5 * 64, Count::default());
    w.follow(&mut c, &mut counted);
    let s = w.stats(&c);
    assert_eq!((s.read.records, s.overwritten.records), (3, 2));
    assert_eq!(s.unread(), Count::default());
}

#[test]
fn in_overwrite_mode_it_says_what_it_has_missed() {
    let (w, mut c, mut counted) = (W::new(64, 4, true), Cursor::default(), Count::default());
    let (mut mapped, mut read) = (Consumer::default(), 0);
    for n in [3, 9, 1, 0, 17] {
        assert_eq!(fill(&w, n), n);
        read += mapped.count(&w);
        w.follow(&mut c, &mut counted);
    }
    let s = w.stats(&c);
    assert_eq!(s.read.records, read);
    assert_eq!(s.overwritten, mapped.lost);
    assert_eq!(s.overwritten.records, 30 - read);
    // More than can be true counts as much as can.
    assert_eq!(fill(&w, 1), 1);
    let all = u64::MAX;
    let lies = Count {
        records: all,
        bytes: all,
    };
    w.page().say(31 * 64, lies);
    w.follow(&mut c, &mut counted);
    let s = w.stats(&c);
    assert_eq!(s.read.records, read);
    assert_eq!(
        (s.unread(), s.overwritten.records),
        (Count::default(), 31 - read)
    );
}

proptest! {
    /// A consumer that tells the truth gets every byte, and the counts are those of its own.
    #[test]
    fn a_mapped_consumer_reads_all(
        lens in prop::collection::vec((8usize..80, 0u8..8), 1..200),
        shape in (0u32..3, 1u32..4),
        parts: bool,
    ) {
        let w = W::new(64 << shape.0, 1 << shape.1, false);
        let (mut mapped, mut c, mut counted) =
            (Consumer::default(), Cursor::default(), Count::default());
        let (mut stream, mut written) = (Vec::new(), Vec::new());
        for (number, (len, then)) in lens.into_iter().enumerate() {
            if w.write(&record(1, number as u32, len)).is_ok() {
                written.push((1, number as u32));
            }
            match then {
                0 | 1 => stream.extend(mapped.read(&w, parts)),
                2 => w.follow(&mut c, &mut counted),
                3 => { let _ = w.flush(); }
                _ => {}
            }
        }
        let _ = w.flush();
        stream.extend(mapped.read(&w, parts));
        w.follow(&mut c, &mut counted);
        prop_assert_eq!(&parse(&stream), &written);
        let s = w.stats(&c);
        prop_assert_eq!(s.read.records, written.len() as u64);
        prop_assert_eq!(s.read.bytes, stream.len() as u64);
        prop_assert_eq!(s.produced, s.read);
        prop_assert!(w.read(&mut c, 1000).is_empty());
    }
}

/// Writers and a kernel reader beside somebody who says anything.
fn hostile<R: Rmw + Sync>(writers: u8) {
    const RECORDS: u32 = if cfg!(miri) { 100 } else { 50_000 };
    let (w, done) = (World::<R>::new(256, 4, false), AtomicBool::new(false));
    let (w, done) = (&w, &done);
    let page = w.page();
    thread::scope(|s| {
        let liar = s.spawn(move || {
            let mut x = 1u64;
            while !done.load(Ordering::Acquire) {
                // Not random, but of all kinds: near the truth, and far from it.
                x = x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let near = w.written_pos().wrapping_add(x >> 52).wrapping_sub(2048);
                let lost = Count {
                    records: x >> 40,
                    bytes: x,
                };
                page.say(
                    [near, x, near & !255, 0, u64::MAX][x as usize >> 8 & 3],
                    lost,
                );
            }
        });
        let reader = s.spawn(move || {
            let (mut c, mut counted) = (Cursor::default(), Count::default());
            loop {
                let last = done.load(Ordering::Acquire);
                w.follow(&mut c, &mut counted);
                let _ = w.read(&mut c, 100);
                let s = w.stats(&c);
                assert!(s.read.records <= s.produced.records);
                if last {
                    break;
                }
            }
            // It says nothing new any more.
            page.say(0, Count::default());
            while !w.read(&mut c, 1000).is_empty() {}
            c
        });
        let write = |writer| {
            let one = |n: &u32| w.write(&record(writer, *n, 8 + *n as usize % 60)).is_ok();
            (0..RECORDS).filter(one).count() as u64
        };
        let writers: Vec<_> = (0..writers).map(|i| s.spawn(move || write(i))).collect();
        let written: u64 = writers.into_iter().map(|t| t.join().unwrap()).sum();
        w.close();
        let _ = w.flush();
        done.store(true, Ordering::Release);
        liar.join().unwrap();
        let c = reader.join().unwrap();
        let s = w.stats(&c);
        assert_eq!(s.produced.records, written);
        assert_eq!(s.unread(), Count::default());
        assert_eq!(s.read.records + s.overwritten.records, written);
    });
}

#[test]
fn one_writer_beside_a_liar() {
    hostile::<Owner>(1);
}

#[test]
fn four_writers_beside_a_liar() {
    hostile::<Shared>(4);
}

#[test]
fn it_is_crowded_if_half_of_it_is_to_be_read() {
    let (w, mut c, mut counted) = (W::new(16, 4, false), Cursor::default(), Count::default());
    let page = w.page();
    let mut said = |pos| {
        page.say(pos, Count::default());
        w.follow(&mut c, &mut counted);
        w.is_crowded()
    };
    let _ = w.write(&[1; 16]).unwrap();
    assert!(!said(0));
    let _ = w.write(&[2; 8]).unwrap();
    let _ = w.flush();
    let _ = w.write(&[3]).unwrap();
    assert!(said(0) && said(8));
    assert!(!said(16));
    let _ = w.write(&[4; 16]).unwrap();
    assert!(said(32));
    // What is left of that one is padding.
    assert!(!said(33));
}

#[test]
fn it_is_not_crowded_with_what_holds_nothing() {
    let (w, mut c) = (W::new(16, 4, false), Cursor::default());
    let mut held = [Cursor::default(), Cursor::default()];
    w.page();
    for n in 0..4 {
        let _ = w.write(&[n; 16]).unwrap();
    }
    w.observe(&mut held[1], 16);
    assert!(held.iter_mut().all(|c| w.advance(c)));
    assert!(w.is_crowded());
    w.read(&mut c, 64);
    let _ = w.write(&[4; 8]).unwrap();
    assert!(w.is_skipped(4) && w.is_skipped(5) && w.is_delivered(5));
    assert!(!w.is_crowded());
    held.iter_mut().for_each(|c| w.detach(c));
}

#[test]
fn a_ring_that_overwrites_is_never_crowded() {
    let w = W::new(16, 4, true);
    w.page();
    for n in 0..6 {
        let _ = w.write(&[n; 16]).unwrap();
    }
    assert!(!w.is_crowded());
}
