// SPDX-License-Identifier: GPL-2.0

//! Who is inside a gate, or waits for room, and who waits until nobody is.

use super::{outcomes, queue::Queue, spawn, Thing};
use crate::headcount::Headcount;
use crate::ring::sync::{AtomicU64, Ordering};
use loom::{sync::RwLock, thread};
use std::sync::Arc;

/// A gate, and what is not used any more when it is shut and empty.
struct Gate {
    inside: Headcount,
    waiting: Queue,
    behind: Thing,
}

impl Gate {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            inside: Headcount::new(),
            waiting: Queue::default(),
            behind: Thing::default(),
        })
    }

    /// Uses what is behind it, if it is let in.
    fn pass(&self) -> bool {
        let is_let_in = self.inside.enter();
        if is_let_in {
            self.behind.get();
        }
        if self.inside.leave() {
            self.waiting.wake_all();
        }
        is_let_in
    }
}

#[test]
fn nobody_is_inside_when_it_is_empty() {
    let seen = outcomes(3, || {
        let gate = Gate::new();
        let two = [(); 2].map(|()| spawn(&gate, Gate::pass));
        gate.inside.shut();
        while !gate.inside.is_empty() {
            thread::yield_now();
        }
        gate.behind.set(1);
        two.map(|one| one.join().unwrap())
    });
    let all = [[false; 2], [false, true], [true, false], [true; 2]];
    assert_eq!(seen, all.into());
}

#[test]
fn who_waits_until_it_is_empty_is_woken() {
    let seen = outcomes(3, || {
        let gate = Gate::new();
        let two = [(); 2].map(|()| spawn(&gate, Gate::pass));
        gate.inside.shut();
        gate.waiting.enqueue(1);
        let empty = gate.inside.is_empty();
        for one in two {
            one.join().unwrap();
        }
        assert!(gate.inside.is_empty());
        let woken = gate.waiting.was_woken(1);
        assert!(empty || woken, "a wake-up is missed");
        (empty, woken)
    });
    assert_eq!(seen, [(false, true), (true, false), (true, true)].into());
}

/// A channel that is closed beside a writer, which goes over to waiting while it is pinned.
#[test]
fn a_channel_waits_for_writers_that_wait() {
    #[derive(Default)]
    struct Channel {
        /// Read-held by who is pinned: who gets it for writing has waited for all who were.
        pinned: RwLock<()>,
        closed: AtomicU64,
        ring: Thing,
    }
    let seen = outcomes(3, || {
        let s = Arc::new((Channel::default(), Headcount::new()));
        let writer = spawn(&s, |(channel, waiting)| {
            let pinned = channel.pinned.read().unwrap();
            let open = channel.closed.load(Ordering::Relaxed) == 0;
            if open {
                waiting.enter();
            }
            drop(pinned);
            if open {
                channel.ring.get();
                waiting.leave();
            }
            open
        });
        let (channel, waiting) = &*s;
        channel.closed.store(1, Ordering::Relaxed);
        drop(channel.pinned.write().unwrap());
        while !waiting.is_empty() {
            thread::yield_now();
        }
        channel.ring.set(1);
        writer.join().unwrap()
    });
    assert_eq!(seen, [false, true].into());
}
