// SPDX-License-Identifier: GPL-2.0

//! Real threads: a writer per role against readers, every byte checked.

use super::world::{parse, record, World};
use crate::ring::{Cursor, Owner, Rmw, Shared};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

const RECORDS: u32 = if cfg!(miri) { 300 } else { 200_000 };

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
