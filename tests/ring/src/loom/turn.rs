// SPDX-License-Identifier: GPL-2.0

//! Work that several bring, and one at a time does.

use super::{outcomes, spawn, Thing};
use crate::ring::sync::{AtomicU64, Ordering};
use crate::turn::{Reached, Turn};
use loom::thread;
use std::sync::Arc;

struct Teller {
    turn: Turn,
    /// What there is to be told.
    written: AtomicU64,
    /// What was told; of whose turn it is.
    told: Thing,
}

impl Teller {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            turn: Turn::new(),
            written: AtomicU64::new(0),
            told: Thing::default(),
        })
    }

    /// Brings one more.
    fn write(&self) {
        self.written.fetch_add(1, Ordering::Relaxed);
    }

    /// Tells of all there is, at most one at once, as often as it takes. How often it came again.
    fn tell(&self) -> u64 {
        let mut again = 0;
        while self.turn.take(|| self.tell_one()) {
            again += 1;
        }
        again
    }

    /// Whether there is more.
    fn tell_one(&self) -> bool {
        let told = self.told.get();
        let written = self.written.load(Ordering::Relaxed);
        if told < written {
            self.told.set(told + 1);
        }
        told + 1 < written
    }
}

#[test]
fn two_bring_work_and_all_is_done() {
    let again = outcomes(3, || {
        let teller = Teller::new();
        let other = spawn(&teller, |teller| {
            teller.write();
            teller.tell()
        });
        teller.write();
        let again = teller.tell();
        let again = again + other.join().unwrap();
        assert!(teller.turn.is_idle());
        assert_eq!(teller.told.get(), 2, "left untold");
        again
    });
    assert_eq!(again, [0, 1].into());
}

#[test]
fn three_bring_work_and_all_is_done() {
    outcomes(2, || {
        let teller = Teller::new();
        let others = [(); 2].map(|()| {
            spawn(&teller, |teller| {
                teller.write();
                teller.tell();
            })
        });
        teller.write();
        teller.tell();
        for other in others {
            other.join().unwrap();
        }
        assert!(teller.turn.is_idle());
        assert_eq!(teller.told.get(), 3, "left untold");
    });
}

/// Who has brought something and finds nobody at work finds it done.
#[test]
fn what_was_brought_is_done_when_it_is_idle() {
    let idle = outcomes(3, || {
        let teller = Teller::new();
        let other = spawn(&teller, |teller| teller.tell());
        teller.write();
        teller.tell();
        let idle = teller.turn.is_idle();
        if idle {
            assert_eq!(teller.told.get(), 1, "left untold");
        }
        other.join().unwrap();
        assert_eq!(teller.told.get(), 1, "left untold");
        idle
    });
    assert_eq!(idle, [false, true].into());
}

#[test]
fn what_was_left_is_not_used() {
    outcomes(3, || {
        let s = Arc::new((
            Turn::new(),
            Reached::new(),
            [(); 2].map(|()| Thing::default()),
        ));
        let teller = spawn(&s, |(turn, reached, stores)| {
            turn.take(|| {
                stores[0].get();
                reached.set(1);
                stores[1].get();
                false
            });
        });
        let (_, reached, stores) = &*s;
        while !reached.is_behind(0) {
            thread::yield_now();
        }
        stores[0].set(1);
        teller.join().unwrap();
    });
}
