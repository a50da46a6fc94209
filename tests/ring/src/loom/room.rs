// SPDX-License-Identifier: GPL-2.0

//! A writer that waits for room, and the consumer that makes some.

use super::{outcomes, queue::Queue, spawn};
use crate::ring::tests::world::World;
use crate::ring::{Cursor, Owner};
use std::sync::Arc;

#[test]
fn who_waits_for_room_is_told() {
    let seen = outcomes(3, || {
        let w = World::<Owner>::new(2, 2, false);
        for n in 1..=2 {
            assert!(w.write(&[n; 2]).is_ok());
        }
        let s = Arc::new((Queue::default(), w));
        let consumer = spawn(&s, |(room, w)| {
            assert!(!w.read(&mut Cursor::default(), 2).is_empty());
            if room.has_sleeper() {
                room.wake_all();
            }
        });
        let (room, w) = &*s;
        room.enqueue(1);
        let written = w.write(&[3; 2]).is_ok();
        consumer.join().unwrap();
        let woken = room.was_woken(1);
        assert!(written || woken, "a wake-up is missed");
        (written, woken)
    });
    assert_eq!(seen, [(false, true), (true, false), (true, true)].into());
}
