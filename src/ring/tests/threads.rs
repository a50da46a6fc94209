// SPDX-License-Identifier: GPL-2.0

//! Real threads: a writer per role against readers, every byte checked.

use super::watch::Watch;
use super::world::{parse, record, World};
use crate::ring::{Cursor, Owner, Rmw, Shared};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

const RECORDS: u32 = if cfg!(miri) { 100 } else { 200_000 };

/// Reads until `done` and nothing is left; the records must be whole and, per writer, in order.
fn drain<R: Rmw>(w: &World<R>, done: &AtomicBool, max: usize) -> (Vec<(u8, u32)>, Cursor) {
    let (mut c, mut stream) = (Cursor::default(), Vec::new());
    loop {
        let last = done.load(Ordering::Acquire);
        let got = w.read(&mut c, max);
        if got.is_empty() {
            if last {
                break;
            }
            thread::yield_now();
        }
        stream.extend(got);
    }
    let records = parse(&stream);
    for writer in 0..=u8::MAX {
        let mine = records.iter().filter(|r| r.0 == writer).map(|r| r.1);
        assert!(
            mine.clone().zip(mine.skip(1)).all(|(a, b)| a < b),
            "reordered or twice"
        );
    }
    (records, c)
}

fn write_all<R: Rmw>(w: &World<R>, writer: u8) -> u64 {
    let mut written = 0;
    for n in 0..RECORDS {
        let len = 8 + (n as usize * 7 + usize::from(writer)) % 57;
        written += u64::from(w.write(&record(writer, n, len)).is_ok());
    }
    written
}

fn contest<R: Rmw + Sync>(writers: u8, readers: usize, overwrite: bool, subbuf: u64, n: u64) {
    let w = World::<R>::new(subbuf, n, overwrite);
    let done = AtomicBool::new(false);
    let (w, done) = (&w, &done);
    thread::scope(|s| {
        let readers: Vec<_> = (0..readers)
            .map(|i| s.spawn(move || drain(w, done, 1 + i * 777)))
            .collect();
        let writers: Vec<_> = (0..writers)
            .map(|i| s.spawn(move || write_all(w, i)))
            .collect();
        let written: u64 = writers.into_iter().map(|t| t.join().unwrap()).sum();
        w.close();
        let _ = w.flush();
        done.store(true, Ordering::Release);
        for reader in readers {
            let (records, c) = reader.join().unwrap();
            assert_eq!(records.len() as u64, c.read.records);
            assert_eq!(c.read.records + c.missed.records, written);
            if !overwrite {
                assert_eq!(c.missed.records, 0);
            }
        }
    });
}

#[test]
fn one_writer_one_consumer() {
    contest::<Owner>(1, 1, false, 256, 4);
}

#[test]
fn one_writer_laps_two_readers() {
    contest::<Owner>(1, 2, true, 128, 2);
}

#[test]
fn four_writers_share_a_ring() {
    contest::<Shared>(4, 1, false, 256, 4);
}

#[test]
fn four_writers_lap_three_readers() {
    contest::<Shared>(4, 3, true, 128, 4);
}

/// Looks at the counters, from where the consumer is, who may read meanwhile by `read`.
fn watch<R: Rmw>(
    w: &World<R>,
    begun: &AtomicU64,
    done: &AtomicBool,
    mut read: impl FnMut(&mut Cursor),
) {
    let (mut c, mut watch) = (Cursor::default(), Watch::default());
    while !done.load(Ordering::Acquire) {
        let produced = watch.look(w, &c).produced;
        assert!(produced.records <= begun.load(Ordering::Acquire));
        read(&mut c);
    }
    read(&mut c);
    watch.settle(w, &c);
}

fn counters<R: Rmw + Sync>(writers: u8, n: u64) {
    let w = World::<R>::new(128, n, true);
    let (begun, done) = (AtomicU64::new(0), AtomicBool::new(false));
    let (w, begun, done) = (&w, &begun, &done);
    thread::scope(|s| {
        s.spawn(move || watch(w, begun, done, |_| ()));
        s.spawn(move || watch(w, begun, done, |c| drop(w.read(c, 100))));
        let writers: Vec<_> = (0..writers)
            .map(|i| {
                s.spawn(move || {
                    for n in 0..RECORDS {
                        begun.fetch_add(1, Ordering::Release);
                        let _ = w.write(&record(i, n, 8 + n as usize % 57));
                    }
                })
            })
            .collect();
        for writer in writers {
            writer.join().unwrap();
        }
        done.store(true, Ordering::Release);
    });
}

#[test]
fn counters_beside_a_writer_who_laps() {
    counters::<Owner>(1, 2);
}

#[test]
fn counters_beside_four_writers_who_lap() {
    counters::<Shared>(4, 4);
}
