// SPDX-License-Identifier: GPL-2.0

//! Times of events that several writers write: they do not go back where positions go forward. Who
//! takes the packets apart compares them.

use super::super::packets::parse_packets;
use super::super::world::{records, World};
use super::{outcomes, spawn};
use crate::ring::sync::CLOCK;
use crate::ring::{Cursor, Geometry, Rmw, Shared};
use std::cell::Cell;
use std::sync::Arc;

fn ring() -> Arc<World<Shared>> {
    let geo = Geometry::new(256, 2).unwrap();
    Arc::new(World::with_spec(records(geo, false)))
}

fn event<R: Rmw>(w: &World<R>, number: u8) {
    let _ = w.event(&[number]).unwrap();
}

/// The events, in order.
fn settle<R: Rmw>(w: &World<R>) -> Vec<u8> {
    let _ = w.flush();
    let packets = parse_packets(&w.read(&mut Cursor::default(), usize::MAX));
    let events = packets.iter().flat_map(|packet| &packet.events);
    events.map(|event| event.fields[0]).collect()
}

thread_local! {
    static READ: Cell<usize> = const { Cell::new(0) };
}

/// A clock that goes ahead once, and then far back.
fn restless() -> u64 {
    let nth = READ.replace(READ.get() + 1);
    [1000, 2000].get(nth).copied().unwrap_or(500)
}

#[test]
fn the_clock_goes_back() {
    CLOCK.set(restless);
    let got = outcomes(2, || {
        READ.set(0);
        let w = ring();
        event(&w, 1);
        let one = spawn(&w, |w| event(w, 2));
        event(&w, 3);
        one.join().unwrap();
        settle(&w)
    });
    assert_eq!(got, [vec![1, 2, 3], vec![1, 3, 2]].into());
}

#[test]
fn a_later_event_where_one_was_discarded() {
    let got = outcomes(3, || {
        let w = ring();
        event(&w, 1);
        let one = spawn(&w, |w| {
            let slot = w.reserve_event(7, 1).unwrap();
            let _ = w.discard(slot);
            event(w, 2);
        });
        event(&w, 3);
        one.join().unwrap();
        settle(&w)
    });
    assert_eq!(got, [vec![1, 2, 3], vec![1, 3, 2]].into());
}
