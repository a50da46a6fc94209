// SPDX-License-Identifier: GPL-2.0

//! Sub-buffers of which a part is used only, and bytes that are written before they are reserved.

use super::world::{parse, parse_with_reserves, record, World};
use crate::ring::{Cause, Clock, Cursor, Delivery, Geometry, Owner, Reserves, Spec};

fn spec(start: u32, overwrite: bool) -> Spec {
    let geo = Geometry::new(64, 4).unwrap();
    let reserves = Reserves {
        start,
        ..Reserves::default()
    };
    Spec::new(geo, overwrite, Delivery::Bulk, reserves, Clock::Mono).unwrap()
}

fn limited(start: u32, limit: u64) -> World<Owner> {
    World::with_spec(spec(start, false).limited_to(limit).unwrap())
}

#[test]
fn a_limit_leaves_room_and_is_no_more_than_there_is() {
    assert!(spec(4, false).limited_to(65).is_none());
    assert!(spec(4, false).limited_to(4).is_none());
    assert!(spec(4, false).limited_to(5).is_some());
    let geo = Geometry::new(64, 4).unwrap();
    let ends = Reserves {
        end: 1,
        ..Reserves::default()
    };
    let spec = Spec::new(geo, false, Delivery::Bulk, ends, Clock::Mono).unwrap();
    assert!(spec.limited_to(64).is_none());
}

#[test]
fn no_more_is_used_and_readers_see_nothing_of_the_rest() {
    let (w, mut c) = (limited(0, 40), Cursor::default());
    assert_eq!(w.write(&record(0, 0, 41)), Err(Cause::TooBig));
    for number in 0..8 {
        let _ = w.write(&record(0, number, 20)).unwrap();
    }
    // Two in each of four sub-buffers, and no third.
    assert_eq!(w.write(&record(0, 8, 8)), Err(Cause::Full));
    let found = parse(&w.read(&mut c, 1000));
    assert_eq!(found, (0..8).map(|n| (0, n)).collect::<Vec<_>>());
    let stats = w.stats(&c);
    assert_eq!((stats.read.records, stats.read.bytes), (8, 160));
    assert_eq!(stats.unread().records, 0);
}

#[test]
fn a_record_as_long_as_the_limit_fits() {
    let (w, mut c) = (limited(4, 40), Cursor::default());
    for number in 0..20 {
        assert_eq!(w.max_record(), 36);
        let _ = w.write(&record(0, number, 36)).unwrap();
        let (found, zeros) = parse_with_reserves(&w.read(&mut c, 1000));
        assert_eq!((found, zeros), (vec![(0, number)], 4));
    }
}

#[test]
fn what_was_written_before_it_was_reserved_is_read() {
    let (w, mut c) = (limited(4, 40), Cursor::default());
    for number in 0..20u32 {
        let (pos, free) = w.next_record(&w.turns).0.unwrap();
        assert_eq!(free, if number % 2 == 0 { 36 } else { 18 });
        // SAFETY: It is ours until something is reserved.
        unsafe { w.write_bytes(pos, &record(0, number, 18)) };
        assert!(w.read(&mut c, 1000).is_empty());
        let slot = w.reserve(18).unwrap();
        assert_eq!(slot.pos, pos);
        let _ = w.commit(slot);
        if number % 2 == 1 {
            let _ = w.flush();
        }
        let (found, _) = parse_with_reserves(&w.read(&mut c, 1000));
        assert_eq!(found, [(0, number)]);
    }
}

#[test]
fn the_next_record_is_not_where_somebody_reads_or_has_not_read() {
    let w = limited(0, 40);
    for number in 0..8 {
        let _ = w.write(&record(0, number, 20)).unwrap();
    }
    let _ = w.flush();
    assert!(matches!(w.next_record(&w.turns).0, Err(Cause::Full)));
    w.close();
    assert!(matches!(w.next_record(&w.turns).0, Err(Cause::Closed)));

    let (w, mut c) = (World::<Owner>::with_spec(spec(0, true)), Cursor::default());
    for number in 0..12 {
        let _ = w.write(&record(0, number, 20)).unwrap();
    }
    let _ = w.flush();
    // In the middle of the oldest: its slot is passed by.
    assert_eq!(w.observe(&mut c, 10).len(), 10);
    let (pos, _) = w.next_record(&w.turns).0.unwrap();
    assert_eq!(pos, 5 * 64);
    let rest = w.observe(&mut c, 1000);
    assert_eq!(parse(&rest[10..])[0], (0, 1));
}
