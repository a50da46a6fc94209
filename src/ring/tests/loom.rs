// SPDX-License-Identifier: GPL-2.0

//! All orders in which a few records can be written and read, and all values each load may see, by
//! a model checker. An access to a record's bytes that is not ordered ends a test by itself.

use super::world::World;
use crate::ring::{Cursor, Owner};
use loom::{model::Builder, sync::Arc, thread};
use std::collections::BTreeSet;
use std::sync::Mutex;

/// What `model` comes to in every order with at most so many switches away from a thread that could
/// go on. `LOOM_MAX_PREEMPTIONS` overrules their number.
fn outcomes<T: Ord + Send + 'static>(
    preemptions: usize,
    model: impl Fn() -> T + Send + Sync + 'static,
) -> BTreeSet<T> {
    let mut builder = Builder::new();
    builder.preemption_bound.get_or_insert(preemptions);
    builder.max_branches = 10_000;
    let all = std::sync::Arc::new(Mutex::new(BTreeSet::new()));
    let seen = all.clone();
    builder.check(move || {
        let outcome = model();
        seen.lock().unwrap().insert(outcome);
    });
    let mut all = all.lock().unwrap();
    std::mem::take(&mut all)
}

#[test]
fn a_writer_and_its_reader() {
    let first = outcomes(3, || {
        let w = Arc::new(World::<Owner>::new(4, 2, false));
        let writer = w.clone();
        let t = thread::spawn(move || {
            for n in 1..=3u8 {
                let _ = writer.write(&[n; 2]).unwrap();
            }
        });
        let mut c = Cursor::default();
        let first = w.read(&mut c, 100);
        t.join().unwrap();
        let rest = w.read(&mut c, 100);
        assert_eq!([&first[..], &rest].concat(), [1, 1, 2, 2, 3, 3]);
        first.len()
    });
    assert_eq!(first, [0, 2, 4, 6].into());
}
