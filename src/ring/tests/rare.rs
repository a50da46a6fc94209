// SPDX-License-Identifier: GPL-2.0

//! What happens seldom: long after, half-way, or in just the wrong order.

use super::world::World;
use crate::ring::{claim::claimed, Committed, Cursor, Owner};
use std::sync::atomic::Ordering;

type W = World<Owner>;

#[test]
fn a_sub_buffer_of_holes_alone_is_passed() {
    let (w, mut c) = (W::new(64, 2, false), Cursor::default());
    for _ in 0..10 {
        let slot = w.reserve(64).unwrap();
        let _ = w.discard(slot);
        assert_eq!(w.read(&mut c, 100), b"");
        assert!(!w.has_data_after(w.consumed_pos(&c)));
    }
}

#[test]
fn a_hole_is_forgotten_however_many_laps_later() {
    for laps in [1u64, 1 << 31, 1 << 47] {
        let (w, mut c) = (W::new(64, 2, true), Cursor::default());
        let hole = w.reserve(16).unwrap();
        let _ = w.write(&[1; 48]).unwrap();
        let _ = w.discard(hole);
        assert_eq!(w.read(&mut c, 1000), [1; 48]);

        // As if that many laps without a discard had gone by.
        let seq = 2 * laps;
        w.head().writer.pos.store(64 * seq, Ordering::Relaxed);
        w.head().deliver.seq.store(seq, Ordering::Relaxed);
        for slot in 0..2 {
            let last = seq - 2 + slot;
            let subbuf = w.subbuf(slot);
            subbuf.claim.store(claimed(last), Ordering::Relaxed);
            subbuf.seq.store(last + 1, Ordering::Relaxed);
        }
        c = Cursor::default();
        c.seq = seq;
        let _ = w.write(&[0xee; 8]).unwrap();
        assert_eq!(w.read(&mut c, 100), [0xee; 8], "after {laps} laps");
    }
}

#[test]
fn a_position_grown_old_behind_the_consumer_is_not_full() {
    let (w, mut c) = (W::new(64, 4, false), Cursor::default());
    let _ = w.write(&[1; 64]).unwrap();
    let _ = w.write(&[1; 64]).unwrap();
    assert_eq!(w.read(&mut c, 1000).len(), 128);
    // Sequence number 0, as a writer delayed since then has it.
    assert!(!w.is_full(0));
    assert!(!w.is_full(5));
    assert!(w.is_full(6));
}

#[test]
fn a_run_given_up_half_read_is_counted_once() {
    let (w, mut c) = (W::new(64, 2, true), Cursor::default());
    let _ = w.write(&[1; 60]).unwrap();
    assert_eq!(w.read(&mut c, 50).len(), 50);
    w.detach(&mut c);
    for _ in 0..4 {
        let _ = w.write(&[2; 64]).unwrap();
    }
    assert_eq!(w.stats(&c).unread().bytes, 128);
    assert_eq!(w.read(&mut c, 1000).len(), 128);
    let s = w.stats(&c);
    assert_eq!((s.read.bytes, s.overwritten.bytes), (178, 138));
    assert_eq!((s.unread().records, s.unread().bytes), (0, 0));
}

#[test]
fn who_finds_the_ring_full_tells_the_reader() {
    let (w, mut c) = (W::new(64, 2, false), Cursor::default());
    let _ = w.write(&[1; 40]).unwrap();
    assert_eq!(w.read(&mut c, 1000).len(), 40);
    let _ = w.write(&[2; 40]).unwrap();
    // The consumer has read all of the first sub-buffer and stands in it.
    let (slot, committed) = w.reserve_slow(40);
    assert!(slot.is_err());
    assert_eq!(committed, Committed::Notify);
    assert_eq!(w.read(&mut c, 1000).len(), 40);
    let _ = w.write(&[3; 40]).unwrap();
}

#[test]
fn a_slot_cut_short_leaves_its_neighbour_alone() {
    for len in 0..=20u64 {
        let (w, mut c) = (W::new(64, 2, true), Cursor::default());
        let slot = w.reserve(20).unwrap();
        let _ = w.write(b"neighbour").unwrap();
        w.fill(&slot, &[b'x'; 20]);
        let _ = w.commit_discardable(slot, len);
        let got = w.read(&mut c, 100);
        let kept = if len <= 12 { len as usize } else { 20 };
        assert_eq!(got[..kept], vec![b'x'; kept]);
        assert_eq!(&got[kept..], b"neighbour");
    }
}
