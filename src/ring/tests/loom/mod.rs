// SPDX-License-Identifier: GPL-2.0

//! All orders in which a few records can be written and read, and all values each load may see, by
//! a model checker. An access to a record's bytes that is not ordered ends a test by itself.
//!
//! The rings are as small as they can be: two sub-buffers, most of them of two bytes, which one
//! record fills. Every record says its number with each of its bytes.

mod global;
mod mapped;
mod nested;
mod owner;
mod times;

pub(crate) use self::nested::at;

use super::world::World;
use crate::ring::{Cause, Cursor, Rmw};
use loom::{
    model::Builder,
    thread::{self, JoinHandle},
};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

/// What `model` comes to in every order with at most so many switches away from a thread that could
/// go on. `LOOM_MAX_PREEMPTIONS` overrules their number.
pub(crate) fn outcomes<T: Ord + Send + 'static>(
    preemptions: usize,
    model: impl Fn() -> T + Send + Sync + 'static,
) -> BTreeSet<T> {
    let mut builder = Builder::new();
    builder.preemption_bound.get_or_insert(preemptions);
    builder.max_branches = 10_000;
    let all = Arc::new(Mutex::new(BTreeSet::new()));
    let seen = all.clone();
    builder.check(move || {
        let outcome = model();
        seen.lock().unwrap().insert(outcome);
    });
    let mut all = all.lock().unwrap();
    std::mem::take(&mut all)
}

/// A ring of two sub-buffers.
fn ring<R: Rmw>(subbuf_size: u64, overwrite: bool) -> Arc<World<R>> {
    Arc::new(World::new(subbuf_size, 2, overwrite))
}

/// Does `f` with the ring in another thread.
fn spawn<R: Rmw + 'static, T: 'static>(
    w: &Arc<World<R>>,
    f: impl FnOnce(&World<R>) -> T + 'static,
) -> JoinHandle<T> {
    let w = w.clone();
    thread::spawn(move || f(&w))
}

/// Writes records with these numbers, of two bytes. How many were not refused.
fn write<R: Rmw>(w: &World<R>, numbers: impl IntoIterator<Item = u8>) -> u64 {
    numbers
        .into_iter()
        .map(|n| u64::from(w.write(&[n; 2]).is_ok()))
        .sum()
}

/// The numbers of the records of two bytes in a stream.
fn numbers(stream: &[u8]) -> Vec<u8> {
    stream
        .chunks(2)
        .map(|record| {
            assert_eq!(record.len(), 2, "half a record");
            assert_eq!(record[0], record[1], "torn");
            record[0]
        })
        .collect()
}

/// Reads all there is now, as records of two bytes.
fn read<R: Rmw>(w: &World<R>, c: &mut Cursor) -> Vec<u8> {
    numbers(&w.read(c, usize::MAX))
}

/// Writes a record with this number to the ring that takes it. Whether one did.
fn write_either<R: Rmw>([old, new]: &[Arc<World<R>>; 2], number: u8) -> bool {
    match old.write(&[number; 2]) {
        Err(Cause::Closed) => new.write(&[number; 2]).is_ok(),
        other => other.is_ok(),
    }
}

/// Ends one ring and begins the other.
fn change<R: Rmw>([old, new]: &[Arc<World<R>>; 2]) {
    let _ = old.retire(|end| new.start_at(end));
}

/// Reads all there is now in a ring and, if that will be all, in the next.
fn read_either<R: Rmw>([old, new]: &[Arc<World<R>>; 2], at: &mut [Cursor; 2]) -> Vec<u8> {
    let mut got = read(old, &mut at[0]);
    if old.is_drained(&at[0]) {
        got.extend(read(new, &mut at[1]));
    }
    got
}

/// Ends a model that has written `written` records of two bytes and changed the ring.
fn settle_either<R: Rmw>(
    rings: &[Arc<World<R>>; 2],
    at: &mut [Cursor; 2],
    mut got: Vec<u8>,
    written: u64,
) -> Vec<u8> {
    got.extend(read_either(rings, at));
    assert!(rings[0].is_drained(&at[0]));
    let s = rings[0].stats(&at[0]).plus(&rings[1].stats(&at[1]));
    assert_eq!((s.produced.records, s.unread().records), (written, 0));
    assert_eq!(s.read.records, got.len() as u64);
    got
}

/// Ends a model that has written `written` records of two bytes: reads those that `c`, which has
/// read `got`, has not read yet, and compares all counts.
fn settle<R: Rmw>(w: &World<R>, c: &mut Cursor, mut got: Vec<u8>, written: u64) -> Vec<u8> {
    got.extend(read(w, c));
    assert_eq!(c.read.records, got.len() as u64);
    assert_eq!(c.read.records + c.missed.records, written);
    assert_eq!(c.read.bytes, 2 * c.read.records);
    assert_eq!(c.missed.bytes, 2 * c.missed.records);
    let s = w.stats(c);
    assert_eq!((s.produced.records, s.unread().records), (written, 0));
    assert_eq!((s.produced.bytes, s.overwritten), (2 * written, c.missed));
    assert!(!w.has_data_after(w.consumed_pos(c)));
    got
}
