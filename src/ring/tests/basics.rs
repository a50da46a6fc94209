// SPDX-License-Identifier: GPL-2.0

//! One thing at a time, from one thread.

use super::world::{parse, record, World};
use crate::ring::{Cause, Committed, Cursor, Delivery, Geometry, Owner};

type W = World<Owner>;

#[test]
fn geometry_takes_powers_of_two_within_limits() {
    assert!(Geometry::new(4096, 2).is_some());
    assert!(Geometry::new(1 << 30, 1 << 10).is_some());
    for (size, n) in [
        (0, 2),
        (4095, 2),
        (4096, 0),
        (4096, 1),
        (4096, 3),
        (1 << 31, 2),
        (1, 2),
    ] {
        assert!(Geometry::new(size, n).is_none(), "{size} {n}");
    }
    assert!(Geometry::new(1 << 30, 1 << 11).is_none());
}

#[test]
fn what_is_written_is_read_once() {
    let (w, mut c) = (W::new(64, 4, false), Cursor::default());
    assert_eq!(w.write(b"hello "), Ok(Committed::Quietly));
    assert_eq!(w.write(b"world"), Ok(Committed::Quietly));
    assert_eq!(w.read(&mut c, 100), b"hello world");
    assert_eq!(w.read(&mut c, 100), b"");
    let _ = w.write(b"!").unwrap();
    assert_eq!(w.read(&mut c, 100), b"!");
    assert_eq!((c.read.records, c.read.bytes), (3, 12));
}

#[test]
fn a_short_read_continues_where_it_stopped() {
    let (w, mut c) = (W::new(64, 4, true), Cursor::default());
    let _ = w.write(b"0123456789").unwrap();
    assert_eq!(w.read(&mut c, 4), b"0123");
    assert!(w.mid_run(&c));
    assert_eq!(w.read(&mut c, 4), b"4567");
    assert_eq!(w.read(&mut c, 4), b"89");
    assert!(!w.mid_run(&c));
}

#[test]
fn padding_is_skipped_and_the_last_commit_notifies() {
    let (w, mut c) = (W::new(64, 4, false), Cursor::default());
    let _ = w.write(&[1; 40]).unwrap();
    assert!(w.try_reserve(40).is_none());
    let (slot, left) = w.reserve_slow(40);
    assert_eq!(
        left,
        Committed::Notify,
        "closing the first sub-buffer delivers it"
    );
    let slot = slot.unwrap();
    w.fill(&slot, &[2; 40]);
    assert_eq!(w.commit(slot), Committed::Quietly);
    assert_eq!(w.write(&[3; 24]), Ok(Committed::Notify), "exactly full");
    let got = w.read(&mut c, 1000);
    assert_eq!(got, [[1u8; 40].as_slice(), &[2; 40], &[3; 24]].concat());
}

#[test]
fn packet_delivery_notifies_each_commit() {
    let w = W::with_delivery(64, 2, true, Delivery::Packet);
    assert_eq!(w.write(b"x"), Ok(Committed::Notify));
}

#[test]
fn a_full_ring_refuses_and_counts_in_no_overwrite_mode() {
    let (w, mut c) = (W::new(64, 2, false), Cursor::default());
    for _ in 0..4 {
        let _ = w.write(&[7; 32]).unwrap();
    }
    assert_eq!(w.write(&[8; 32]), Err(Cause::Full));
    assert_eq!(w.write(&[8; 1]), Err(Cause::Full));
    assert_eq!(w.read(&mut c, 32).len(), 32);
    assert_eq!(
        w.write(&[8; 1]),
        Err(Cause::Full),
        "half a sub-buffer is no room"
    );
    assert_eq!(w.read(&mut c, 32).len(), 32);
    let _ = w.write(&[9; 32]).unwrap();
    let full = w.stats(&c).refused[Cause::Full as usize];
    assert_eq!((full.records, full.bytes), (3, 34));
    assert_eq!(
        w.read(&mut c, 1000),
        [[7u8; 64].as_slice(), &[9; 32]].concat()
    );
}

#[test]
fn a_full_ring_still_takes_what_fits() {
    let w = W::new(64, 2, false);
    let _ = w.write(&[1; 64]).unwrap();
    let _ = w.write(&[2; 50]).unwrap();
    assert_eq!(w.write(&[3; 20]), Err(Cause::Full));
    let _ = w.write(&[4; 14]).unwrap();
}

#[test]
fn a_record_longer_than_a_sub_buffer_is_too_big() {
    let (w, c) = (W::new(64, 2, true), Cursor::default());
    assert_eq!(w.write(&[0; 65]), Err(Cause::TooBig));
    assert!(w.try_reserve(u64::MAX).is_none());
    assert_eq!(w.reserve(u64::MAX).unwrap_err(), Cause::TooBig);
    let _ = w.write(&[0; 64]).unwrap();
    assert_eq!(w.stats(&c).refused[Cause::TooBig as usize].records, 2);
}

#[test]
fn overwriting_keeps_the_newest_and_counts_the_rest() {
    let (w, mut c) = (W::new(64, 4, true), Cursor::default());
    for n in 0..100u32 {
        let _ = w.write(&record(1, n, 16)).unwrap();
    }
    let s = w.stats(&c);
    assert_eq!(s.produced.records, 100);
    assert_eq!((s.unread().records, s.overwritten.records), (16, 84));
    let got = parse(&w.read(&mut c, 10_000));
    assert_eq!(got.last(), Some(&(1, 99)));
    assert_eq!(got.len() as u64 + c.missed.records, 100);
    assert_eq!(c.missed.bytes, 16 * c.missed.records);
    assert!(got.windows(2).all(|p| p[1].1 == p[0].1 + 1));
    assert_eq!(got.len(), 4 * 4);
}

#[test]
fn a_record_half_read_is_not_overwritten() {
    let (w, mut c) = (W::new(64, 2, true), Cursor::default());
    let first = record(1, 0, 32);
    let _ = w.write(&first).unwrap();
    assert_eq!(w.read(&mut c, 10), first[..10]);
    for n in 1..100 {
        let _ = w.write(&record(1, n, 32)).unwrap();
    }
    assert_eq!(w.read(&mut c, 22), first[10..]);
    let rest = parse(&w.read(&mut c, 10_000));
    assert_eq!(rest.last(), Some(&(1, 99)));
    assert_eq!(1 + rest.len() as u64 + c.missed.records, 100);
}

#[test]
fn all_slots_held_makes_writers_drop_not_wait() {
    let w = W::new(64, 2, true);
    let (mut a, mut b) = (Cursor::default(), Cursor::default());
    let _ = w.write(&[1; 64]).unwrap();
    let _ = w.write(&[2; 64]).unwrap();
    assert_eq!(w.read(&mut a, 1).len(), 1);
    assert_eq!(w.read(&mut b, 65).len(), 65);
    assert_eq!(w.write(&[3; 8]), Err(Cause::Held));
    assert_eq!(w.read(&mut a, 63).len(), 63);
    let _ = w.write(&[4; 8]).unwrap();
    assert_eq!(
        w.read(&mut b, 1000),
        [[2u8; 63].as_slice(), &[4; 8]].concat()
    );
}

#[test]
fn flush_ends_the_sub_buffer_and_an_empty_flush_does_nothing() {
    let (w, mut c) = (W::new(64, 2, false), Cursor::default());
    assert_eq!(w.flush(), Committed::Quietly);
    let _ = w.write(b"abc").unwrap();
    assert_eq!(w.flush(), Committed::Notify);
    assert_eq!(w.flush(), Committed::Quietly);
    let _ = w.write(b"def").unwrap();
    assert_eq!(w.read(&mut c, 100), b"abcdef");
    for _ in 0..10 {
        let _ = w.flush();
        let _ = w.write(b"x").unwrap();
        assert_eq!(w.read(&mut c, 100), b"x");
    }
}

#[test]
fn an_uncommitted_slot_holds_back_its_own_sub_buffer_only_for_readers_in_order() {
    let (w, mut c) = (W::new(64, 4, false), Cursor::default());
    let _ = w.write(b"a").unwrap();
    let slot = w.reserve(1).unwrap();
    let _ = w.write(b"c").unwrap();
    assert_eq!(
        w.read(&mut c, 100),
        b"",
        "a run ends where all before it is committed"
    );
    w.fill(&slot, b"b");
    let _ = w.commit(slot);
    assert_eq!(w.read(&mut c, 100), b"abc");
}

#[test]
fn a_lap_onto_an_interrupted_writer_drops() {
    let (w, c) = (W::new(64, 2, true), Cursor::default());
    let slot = w.reserve(8).unwrap();
    let _ = w.write(&[1; 56]).unwrap();
    let _ = w.write(&[2; 64]).unwrap();
    assert_eq!(w.write(&[3; 8]), Err(Cause::Nested));
    let _ = w.commit(slot);
    let _ = w.write(&[3; 8]).unwrap();
    assert_eq!(w.stats(&c).refused[Cause::Nested as usize].records, 1);
}

#[test]
fn discarding_the_newest_leaves_no_trace() {
    let (w, mut c) = (W::new(64, 2, false), Cursor::default());
    let _ = w.write(b"a").unwrap();
    let slot = w.reserve(w.discardable_len(3)).unwrap();
    let _ = w.discard(slot);
    let _ = w.write(b"b").unwrap();
    assert_eq!(w.read(&mut c, 100), b"ab");
    assert_eq!(c.read.records, 2);
    assert_eq!(w.consumed_pos(&c), 2);
}

#[test]
fn discarding_an_older_slot_leaves_a_hole() {
    let (w, mut c) = (W::new(128, 2, false), Cursor::default());
    let lens = [3u64, 20, 7, 8];
    for lost in 0..lens.len() {
        let slots: Vec<_> = lens
            .iter()
            .map(|&len| w.reserve(w.discardable_len(len)).unwrap())
            .collect();
        let mut expected = Vec::new();
        for (i, slot) in slots.into_iter().enumerate() {
            if i == lost {
                let _ = w.discard(slot);
            } else {
                let data = vec![i as u8 + 1; lens[i] as usize];
                w.fill(&slot, &data);
                expected.extend_from_slice(&data);
                let _ = w.commit_discardable(slot, lens[i]);
            }
        }
        assert_eq!(w.read(&mut c, 1000), expected);
        let _ = w.flush();
    }
    let s = w.stats(&c);
    assert_eq!(
        (s.produced, s.read, s.unread().records),
        (c.read, c.read, 0)
    );
    assert_eq!(c.read.records, 12);
}

#[test]
fn discarding_the_first_of_a_sub_buffer_keeps_it_open() {
    let (w, mut c) = (W::new(64, 2, false), Cursor::default());
    let slot = w.reserve(16).unwrap();
    let _ = w.discard(slot);
    assert_eq!(w.read(&mut c, 100), b"");
    let _ = w.write(b"x").unwrap();
    assert_eq!(w.read(&mut c, 100), b"x");
    let _ = w.flush();
    let _ = w.write(b"y").unwrap();
    assert_eq!(w.read(&mut c, 100), b"y");
}

#[test]
fn a_closed_ring_refuses_but_can_be_drained() {
    let (w, mut c) = (W::new(64, 2, false), Cursor::default());
    let slot = w.reserve(1).unwrap();
    w.close();
    assert_eq!(w.write(b"x"), Err(Cause::Closed));
    w.fill(&slot, b"y");
    let _ = w.commit(slot);
    let _ = w.flush();
    assert_eq!(w.read(&mut c, 100), b"y");
}

#[test]
fn a_detached_reader_goes_on_or_finds_itself_overtaken() {
    let (w, mut c) = (W::new(64, 2, true), Cursor::default());
    let _ = w.write(b"abcdef").unwrap();
    assert_eq!(w.read(&mut c, 2), b"ab");
    w.detach(&mut c);
    assert_eq!(w.read(&mut c, 2), b"cd");
    w.detach(&mut c);
    for n in 0..20 {
        let _ = w.write(&record(1, n, 16)).unwrap();
    }
    let rest = parse(&w.read(&mut c, 1000));
    assert_eq!(
        rest.last(),
        Some(&(1, 19)),
        "starts at a record, not in one"
    );
    assert_eq!(c.missed.records + c.read.records, 21);
}
