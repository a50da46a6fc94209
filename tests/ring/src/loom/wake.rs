// SPDX-License-Identifier: GPL-2.0

//! Readers that begin to wait, writers that commit, and who wakes whom. In the end who waits for what there
//! is has seen it or was woken; one of both is enough, as who is woken looks again.

use super::{outcomes, queue::Queue, spawn};
use crate::ring::sync::{AtomicU64, Ordering};
use crate::ring::tests::world::World;
use crate::ring::{Committed, Delivery, Owner};
use crate::watermark::Wish;
use std::sync::Arc;

/// As the bell of a buffer, whose signal is an interrupt: here it is raised and done at once.
struct Bell {
    wish: Wish,
    queue: Queue,
    /// What stands for a ring's position and all that was committed before.
    pos: AtomicU64,
}

/// So much that no writer comes to it.
const MUCH: u64 = 100;

impl Bell {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            wish: Wish::new(),
            queue: Queue::default(),
            pos: AtomicU64::new(0),
        })
    }

    fn pos(&self) -> u64 {
        self.pos.load(Ordering::Acquire)
    }

    fn written(&self, pos: impl Fn() -> u64) {
        if self.wish.take_if_reached(pos) {
            self.wake();
        }
    }

    /// Writes and commits a record of one byte.
    fn commit(&self) {
        self.commit_unseen();
        self.written(|| self.pos());
    }

    /// One that is not worth a look.
    fn commit_unseen(&self) {
        self.pos.fetch_add(1, Ordering::AcqRel);
    }

    fn urge(&self) {
        if self.wish.take_if(|from| self.pos() > from) {
            self.wish.urge();
            self.wake();
        }
    }

    fn wake(&self) {
        if self.queue.has_sleeper() {
            self.queue.wake_all();
        }
    }

    /// `who` has come to 0 and waits for `at`: whether it goes on at once.
    fn wait(&self, who: u64, at: u64, is_due: impl Fn() -> bool) -> bool {
        self.queue.enqueue(who);
        is_due() || {
            self.wish.put(0, at);
            is_due()
        }
    }

    /// The same; it looks at the position.
    fn wait_for(&self, who: u64, at: u64) -> bool {
        self.wait(who, at, || self.pos() >= at)
    }

    /// When all is over: `who`, `served` at once or not, is not forgotten.
    fn settle(&self, who: u64, served: bool) -> (bool, bool) {
        let woken = self.queue.was_woken(who);
        assert!(served || woken, "a wake-up is missed");
        (served, woken)
    }
}

/// All there can be: served at once, woken, or both.
const ALL: [(bool, bool); 3] = [(false, true), (true, false), (true, true)];

#[test]
fn a_commit_to_a_ring_wakes_who_waits() {
    let seen = outcomes(3, || {
        let w = World::<Owner>::with_delivery(4, 2, false, Delivery::Packet);
        let s = Arc::new((Bell::new(), w));
        let writer = spawn(&s, |(bell, w)| {
            assert!(matches!(w.write(&[1; 2]), Ok(Committed::Notify)));
            bell.written(|| w.written_pos());
        });
        let (bell, w) = &*s;
        let is_due = || w.written_pos() >= 2 && w.has_data_after(0);
        let served = bell.wait(1, 2, is_due);
        writer.join().unwrap();
        bell.settle(1, served)
    });
    assert_eq!(seen, ALL.into());
}

#[test]
fn the_last_of_two_commits_wakes_who_waits() {
    let seen = outcomes(3, || {
        let bell = Bell::new();
        let writers = [(); 2].map(|()| spawn(&bell, Bell::commit));
        let served = bell.wait_for(1, 2);
        for writer in writers {
            writer.join().unwrap();
        }
        bell.settle(1, served)
    });
    assert_eq!(seen, ALL.into());
}

/// Two wait while `write` is at work, the first of them for `at`.
fn two_wait(preemptions: usize, at: u64, write: fn(&Bell)) {
    let seen = outcomes(preemptions, move || {
        let bell = Bell::new();
        let writer = spawn(&bell, write);
        let other = spawn(&bell, |bell| bell.wait_for(2, 1));
        let served = bell.wait_for(1, at);
        let other_served = other.join().unwrap();
        writer.join().unwrap();
        bell.settle(2, other_served);
        bell.settle(1, served)
    });
    assert_eq!(seen, ALL.into());
}

#[test]
fn two_who_wait_are_woken() {
    two_wait(3, 1, Bell::commit);
}

/// Who waits for more is woken with the other, and puts its wish again.
#[test]
fn who_waits_for_more_is_woken_too() {
    two_wait(2, 2, |bell| {
        bell.commit();
        bell.commit();
    });
}

/// A wish of who left is forgotten; one who comes meanwhile is not.
#[test]
fn who_comes_while_another_forgets_is_woken() {
    let seen = outcomes(3, || {
        let bell = Bell::new();
        bell.wish.put(0, 1);
        let forgets = spawn(&bell, |bell| {
            if bell.wish.forget_if_nobody(|| bell.queue.has_sleeper()) {
                bell.wake();
            }
        });
        let writer = spawn(&bell, Bell::commit);
        let served = bell.wait_for(1, 1);
        writer.join().unwrap();
        forgets.join().unwrap();
        bell.settle(1, served)
    });
    assert_eq!(seen, ALL.into());
}

/// What a flush is for, who waits for more than there is.
#[test]
fn who_waits_for_more_than_there_is_is_urged() {
    let seen = outcomes(3, || {
        let bell = Bell::new();
        let flush = spawn(&bell, |bell| {
            bell.commit_unseen();
            bell.urge();
        });
        let served = bell.wait(1, MUCH, || bell.pos() > 0);
        flush.join().unwrap();
        bell.settle(1, served)
    });
    assert_eq!(seen, ALL.into());
}

/// One is urged; another, which comes later and finds that it was, reads what there is.
#[test]
fn who_comes_after_an_urge_finds_what_it_was_for() {
    let seen = outcomes(3, || {
        let bell = Bell::new();
        assert!(!bell.wait_for(1, MUCH));
        let writer = spawn(&bell, Bell::commit_unseen);
        let flush = spawn(&bell, Bell::urge);
        let urged = bell.wish.urged();
        let found = bell.pos() > 0;
        assert!(urged == 0 || found, "urged for nothing");
        writer.join().unwrap();
        flush.join().unwrap();
        assert_eq!(bell.wish.urged() != 0, bell.queue.was_woken(1));
        (urged, found)
    });
    assert_eq!(seen, [(0, false), (0, true), (1, true)].into());
}
