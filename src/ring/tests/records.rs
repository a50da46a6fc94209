// SPDX-License-Identifier: GPL-2.0

//! Rings of events.

use super::packets::{missing, parse_packets, Packet};
use super::world::{is_tried, records, World};
use crate::ring::sync::{ticks, CLOCK};
use crate::ring::{
    Cause, Clock, Count, Cursor, Delivery, End, Geometry, Owner, Reserves, Slot, Spec,
};

type W = World<Owner>;

fn ring(subbuf_size: u64, n_subbufs: u64, overwrite: bool) -> W {
    let geo = Geometry::new(subbuf_size, n_subbufs).unwrap();
    W::with_spec(records(geo, overwrite))
}

fn read(w: &W, c: &mut Cursor) -> Vec<Packet> {
    parse_packets(&w.read(c, usize::MAX))
}

fn fields(packets: &[Packet]) -> Vec<Vec<u8>> {
    let events = packets.iter().flat_map(|packet| &packet.events);
    events.map(|event| event.fields.clone()).collect()
}

#[test]
fn a_packet_has_its_events() {
    let (w, mut c) = (ring(256, 2, false), Cursor::default());
    let all: Vec<Vec<u8>> = [0, 1, 7, 8, 9].map(|len| vec![len as u8; len]).into();
    for (id, data) in all.iter().enumerate() {
        let slot = w.reserve_event(id as u32, data.len() as u64).unwrap();
        w.fill(&slot, data);
        let _ = w.commit(slot);
        assert_eq!(w.read(&mut c, usize::MAX), [], "not before the packet ends");
    }
    let _ = w.flush();
    let packets = read(&w, &mut c);
    assert_eq!((packets.len(), packets[0].number), (1, 0));
    assert_eq!(fields(&packets), all);
    let ids: Vec<u32> = packets[0].events.iter().map(|event| event.id).collect();
    assert_eq!(ids, [0, 1, 2, 3, 4]);
    // Each begins at a multiple of 8, and nothing is behind the last.
    assert_eq!(packets[0].len, 80 + 16 + 24 + 24 + 24 + 16 + 9);
    assert_eq!((c.read.records, c.read.bytes), (5, packets[0].len - 80));
    assert_eq!(w.stats(&c).unread(), Count::default());
}

#[test]
fn a_ring_of_events_takes_nothing_else() {
    let geo = Geometry::new(256, 2).unwrap();
    let some = Reserves {
        start: 1,
        ..Reserves::default()
    };
    let none = Reserves::default();
    let packet = super::world::PACKET;
    let spec = |geo, reserves, clock| {
        let spec = Spec::new(geo, true, Delivery::Bulk, reserves, clock).unwrap();
        spec.records(packet).is_some()
    };
    assert!(spec(geo, none, Clock::Mono) && spec(geo, none, Clock::Tsc));
    assert!(!spec(geo, some, Clock::Mono) && !spec(geo, none, Clock::None));
    assert!(!spec(Geometry::new(64, 2).unwrap(), none, Clock::Mono));
    let w = ring(256, 2, true);
    let _ = w.event(&[1]).unwrap();
    assert!(w.try_reserve(8).is_none());
    assert_eq!(w.max_record(), 256 - 80 - 16 - 8);
    assert_eq!(w.event(&[0; 153]), Err(Cause::TooBig));
    let _ = w.event(&[0; 152]).unwrap();
    w.close();
    assert_eq!(w.event(&[0]), Err(Cause::Closed));
}

#[test]
fn a_packet_may_end_anywhere() {
    for len in 0..=152 {
        let (w, mut c) = (ring(256, 8, false), Cursor::default());
        let all: Vec<_> = (0..5u8)
            .map(|n| vec![n; if n % 2 == 0 { len } else { 3 }])
            .collect();
        for data in &all {
            let _ = w.event(data).unwrap();
        }
        let _ = w.flush();
        assert_eq!(fields(&read(&w, &mut c)), all);
    }
}

#[test]
fn gaps_in_the_numbers_are_packets_that_were_overwritten() {
    let (w, mut c) = (ring(256, 4, true), Cursor::default());
    let write = |n: u32| {
        for _ in 0..n {
            // Two make a packet.
            let _ = w.event(&[7; 50]).unwrap();
        }
    };
    write(4);
    // Another reader holds the first: it is passed by, which leaves no gap.
    let mut other = Cursor::default();
    assert_eq!(w.observe(&mut other, 10).len(), 10);
    write(100);
    let _ = w.flush();
    let packets = read(&w, &mut c);
    assert!(packets.iter().all(|packet| packet.events.len() == 2));
    let produced = w.stats(&c).produced.records / 2;
    assert_eq!(packets.last().unwrap().number + 1, produced);
    assert_eq!(2 * missing(&packets, 0), c.missed.records);
    assert_eq!(w.stats(&c).unread(), Count::default());
}

#[test]
fn what_is_refused_counts_as_discarded() {
    let (w, mut c) = (ring(256, 2, false), Cursor::default());
    while w.event(&[1; 40]).is_ok() {}
    assert_eq!(w.event(&[0; 200]), Err(Cause::TooBig));
    let before = read(&w, &mut c);
    assert!(before.iter().all(|packet| packet.discarded == 0));
    let _ = w.event(&[2; 40]).unwrap();
    let _ = w.flush();
    let after = read(&w, &mut c);
    assert_eq!(after.last().unwrap().discarded, 2);
}

#[test]
fn a_slot_is_left_half_way() {
    let mut n = 0;
    // 0: written, 1: discarded, and in which order, and whether the packet has ended before.
    for pattern in 0..64u32 {
        for order in 0..6 {
            for ended in [false, true] {
                if is_tried(&mut n, 29) {
                    discard_some(pattern, order, ended);
                }
            }
        }
    }
}

fn discard_some(pattern: u32, order: u32, ended: bool) {
    const LENS: [usize; 6] = [1, 8, 0, 13, 3, 5];
    let (w, mut c) = (ring(256, 2, false), Cursor::default());
    let mut slots: Vec<Option<Slot>> = LENS
        .iter()
        .map(|&len| Some(w.reserve_event(9, len as u64).unwrap()))
        .collect();
    if ended {
        let _ = w.flush();
    }
    let mut turns: Vec<usize> = (0..LENS.len()).collect();
    match order {
        0 => {}
        1 => turns.reverse(),
        n => turns.sort_by_key(|i| (i * n as usize * 5 + 3) % 7),
    }
    for i in turns {
        let slot = slots[i].take().unwrap();
        if pattern & 1 << i != 0 {
            let _ = w.discard(slot);
        } else {
            w.fill(&slot, &vec![i as u8 + 1; LENS[i]]);
            let _ = w.commit(slot);
        }
    }
    let _ = w.flush();
    let kept = (0..LENS.len()).filter(|i| pattern & 1 << i == 0);
    let expected: Vec<Vec<u8>> = kept.map(|i| vec![i as u8 + 1; LENS[i]]).collect();
    let packets = read(&w, &mut c);
    assert_eq!(fields(&packets), expected, "{pattern:b} {order} {ended}");
    let bytes: u64 = packets.iter().map(|packet| packet.len - 80).sum();
    assert_eq!(
        (c.read.records, c.read.bytes),
        (expected.len() as u64, bytes)
    );
    assert_eq!(w.stats(&c).unread(), Count::default());
    assert!(!w.has_data_after(w.consumed_pos(&c)));
    // A packet without events is none.
    let _ = w.event(&[1]).unwrap();
    let _ = w.flush();
    let next = read(&w, &mut c);
    assert_eq!(next[0].number, u64::from(!expected.is_empty()));
}

#[test]
fn how_much_is_left_of_a_packet() {
    let (w, mut c) = (ring(512, 2, false), Cursor::default());
    let lost = [
        w.reserve_event(1, 5).unwrap(),
        w.reserve_event(1, 60).unwrap(),
    ];
    let _ = w.event(&[1; 21]).unwrap();
    for slot in lost {
        let _ = w.discard(slot);
    }
    let _ = w.event(&[2; 3]).unwrap();
    let _ = w.flush();
    let all = 80 + 16 + 24 + 16 + 3;
    for n in 0..all {
        assert!(w.advance(&mut c));
        assert_eq!(w.left_in_packet(&c), all - n);
        w.consume(&mut c, 1);
    }
    assert!(!w.advance(&mut c));
    assert_eq!(w.left_in_packet(&c), 0);
}

/// The kernel's clock may go back after an NMI has read it.
#[test]
fn times_do_not_go_back_though_the_clock_does() {
    let (w, next) = (ring(256, 4, false), ring(256, 4, false));
    let (mut c, mut d) = (Cursor::default(), Cursor::default());
    let usual = CLOCK.get();
    for n in 0..24 {
        if n == 12 {
            let _ = w.retire(|end| next.start_at(end));
        }
        CLOCK.set(if n % 4 == 3 { || ticks() + 1000 } else { usual });
        let _ = [&w, &next][n / 12].event(&[1; 40]).unwrap();
    }
    let _ = next.flush();
    CLOCK.set(usual);
    // Whoever takes them apart compares the times.
    let mut stream = w.read(&mut c, usize::MAX);
    stream.extend(next.read(&mut d, usize::MAX));
    assert_eq!(fields(&parse_packets(&stream)).len(), 24);
}

#[test]
fn numbers_go_on_in_the_next_ring() {
    let (old, mut c) = (ring(256, 4, false), Cursor::default());
    let new = ring(512, 2, false);
    for _ in 0..5 {
        let _ = old.event(&[1; 50]).unwrap();
    }
    assert_eq!(old.event(&[0; 999]), Err(Cause::TooBig));
    // One packet is still to come when the ring ends, and one is being written.
    let late = old.reserve_event(2, 4).unwrap();
    let mut end = End::default();
    let _ = old.retire(|at| {
        end = at;
        new.start_at(at);
    });
    assert_eq!((end.packets, end.refused), (3, 1));
    let _ = new.event(&[2; 50]).unwrap();
    let _ = new.flush();
    old.fill(&late, &[3; 4]);
    let _ = old.commit(late);
    let mut stream = old.read(&mut c, usize::MAX);
    assert!(old.is_drained(&c));
    stream.extend(new.read(&mut Cursor::default(), usize::MAX));
    let packets = parse_packets(&stream);
    let numbers: Vec<u64> = packets.iter().map(|packet| packet.number).collect();
    assert_eq!(numbers, [0, 1, 2, 3]);
    assert_eq!(packets[3].discarded, 1);
}

#[test]
fn padding_before_what_was_discarded_counts_if_something_follows() {
    for follows in [false, true] {
        let (w, mut c) = (ring(512, 2, true), Cursor::default());
        c.parts = true;
        let _ = w.event(&[1; 3]).unwrap();
        let (lost, newer) = (
            w.reserve_event(1, 8).unwrap(),
            w.reserve_event(1, 8).unwrap(),
        );
        let _ = w.discard(lost);
        // It is given back, so the other is the last.
        let _ = w.discard(newer);
        let mut events = 0;
        let mut read = |c: &mut Cursor| {
            while w.advance(c) {
                let Some(skip) = w.to_event(c) else {
                    continue;
                };
                let batch = w.gather(c, skip, u64::MAX, u64::MAX);
                w.consume_events(c, skip + batch.len, batch.records);
                events += batch.records;
            }
            let s = w.stats(c);
            assert_eq!((s.unread(), s.read), (Count::default(), s.produced));
        };
        read(&mut c);
        if follows {
            let _ = w.event(&[2; 3]).unwrap();
            read(&mut c);
        }
        let _ = w.flush();
        read(&mut c);
        assert_eq!(events, 1 + u64::from(follows));
    }
}
