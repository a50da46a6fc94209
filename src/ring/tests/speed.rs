// SPDX-License-Identifier: GPL-2.0

//! Records of one length fill sub-buffers to the last byte, and are read sub-buffer by sub-buffer; how
//! fast that is on this machine, beside a bare copy, `bench/run` prints.

use super::world::World;
use crate::ring::{Cursor, Owner};
use std::hint::black_box;
use std::time::Instant;

const RECORD: usize = 64;
const SUBBUF: usize = if cfg!(miri) { 512 } else { 65536 };
const SUBBUFS: usize = 8;
/// In each round, which leaves the reader behind the writer in a ring that refuses.
const RECORDS: usize = SUBBUF / RECORD * (SUBBUFS - 1);

/// The median.
fn middle(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

fn fill(w: &World<Owner>, next: &mut u64) {
    for _ in 0..RECORDS {
        let _ = w.write(&[next.to_ne_bytes(); RECORD / 8].concat()).unwrap();
        *next += 1;
    }
}

/// Reads what there is to `to`, again and again, as a read(2) of that length does.
fn drain(w: &World<Owner>, c: &mut Cursor, to: &mut [u8], mut check: impl FnMut(&[u8])) -> f64 {
    let mut spent = 0.0;
    loop {
        let start = Instant::now();
        let mut have = 0;
        while have < to.len() && w.advance(c) {
            let bytes = w.peek(c);
            let n = bytes.len().min(to.len() - have);
            to[have..have + n].copy_from_slice(&bytes[..n]);
            w.consume(c, n as u64);
            have += n;
        }
        w.publish_consumer(c);
        spent += start.elapsed().as_secs_f64();
        if have == 0 {
            return spent;
        }
        check(&to[..have]);
    }
}

#[test]
fn speed() {
    let few = if cfg!(miri) { 2 } else { 20 };
    let rounds = std::env::var("SPEED_ROUNDS").map_or(few, |n| n.parse().unwrap());
    let w = World::<Owner>::new(SUBBUF as u64, SUBBUFS as u64, false);
    let area = vec![1u8; SUBBUF * SUBBUFS];
    let mut c = Cursor::default();
    let (mut to, mut written, mut read) = (vec![0u8; SUBBUF], 0u64, 0u64);
    let (mut copies, mut reads) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        fill(&w, &mut written);
        // In turn, so that both have the same weather.
        let mut spent = 0.0;
        for chunk in area.chunks(SUBBUF).take(SUBBUFS - 1) {
            let start = Instant::now();
            to.copy_from_slice(black_box(chunk));
            black_box(&mut to);
            spent += start.elapsed().as_secs_f64();
        }
        copies.push(spent * 1e9 / RECORDS as f64);
        let spent = drain(&w, &mut c, &mut to, |bytes| {
            for record in bytes.chunks(RECORD) {
                assert_eq!(record, [read.to_ne_bytes(); RECORD / 8].concat());
                read += 1;
            }
        });
        reads.push(spent * 1e9 / RECORDS as f64);
    }
    assert_eq!(read, written);
    let ratio = middle(copies.iter().zip(&reads).map(|(c, r)| c / r).collect());
    let row = |name, time, ratio| println!("{name:<36} {time:>10.2} {ratio:>8.2}");
    println!(
        "{:<36} {:>10} {:>8}",
        "ns per record of 64 B, here", "median", "ceiling"
    );
    row("copy of 64 KiB", middle(copies), 1.0);
    row("the ring, read by 64 KiB", middle(reads), ratio);
}
