// SPDX-License-Identifier: GPL-2.0

//! What owners do at the turns of sub-buffers, and readers that take whole ones only.

use super::world::{parse_with_reserves, record, Entrance, World, ENDED, STARTED};
use crate::ring::{
    Cause, Clock, Committed, Count, Cursor, Delivery, Geometry, Hooks, Opened, Owner, Reserves,
    Ring, Spec, Whole,
};
use std::cell::{Cell, RefCell};
use std::sync::atomic::Ordering;

type W = World<Owner>;

const RESERVES: Reserves = Reserves {
    start: 4,
    end: 2,
    channel_start: 6,
};

fn whole_only(delivery: Delivery) -> W {
    let geo = Geometry::new(64, 4).unwrap();
    let spec = Spec::new(geo, false, delivery, RESERVES, Clock::Mono).unwrap();
    let mut w = W::with_spec(spec.whole_only());
    w.turns.marks = true;
    w
}

/// Writes down what it is told, and may write to the ring itself.
#[derive(Default)]
struct Diary<'a> {
    opened: RefCell<Vec<(u64, u64)>>,
    whole: RefCell<Vec<(u64, [u64; 6])>>,
    ring: Option<&'a Ring<Owner>>,
    /// Records it may still write.
    left: Cell<u32>,
    written: RefCell<Vec<u32>>,
}

impl Diary<'_> {
    fn write_one(&self) {
        let Some(ring) = self.ring.filter(|_| self.left.get() > 0) else {
            return;
        };
        let number = self.left.replace(self.left.get() - 1);
        let data = record(2, number, 20);
        let slot = ring
            .try_reserve(20)
            .or_else(|| ring.reserve_slow(20, self).0.ok());
        if let Some(slot) = slot {
            // SAFETY: The slot is as long as the record.
            unsafe { ring.write_bytes(slot.pos, &data) };
            let _ = ring.commit(slot, self);
            self.written.borrow_mut().push(number);
        }
    }
}

impl Hooks for Diary<'_> {
    fn opened(&self, opened: &Opened) {
        let seen = (opened.seq, opened.start.len);
        self.opened.borrow_mut().push(seen);
        self.write_one();
    }

    fn whole(&self, w: &Whole) {
        let seen = [
            w.start.len,
            w.data_len,
            w.padding,
            w.tail.len,
            w.records,
            w.bytes,
        ];
        self.whole.borrow_mut().push((w.seq, seen));
        self.write_one();
    }
}

#[test]
fn each_sub_buffer_is_opened_and_whole_once() {
    let w = W::with_reserves(64, 2, true, RESERVES);
    let diary = Diary::default();
    let write = |len: u64| {
        let slot = w.try_reserve(len);
        let slot = slot.unwrap_or_else(|| (*w).reserve_slow(len, &diary).0.unwrap());
        let _ = (*w).commit(slot, &diary);
    };
    write(20);
    write(40);
    write(18);
    write(52);
    let _ = (*w).flush(&diary);
    assert_eq!(*diary.opened.borrow(), [(0, 10), (1, 4), (2, 4)]);
    let expected = [
        (0, [10, 30, 32, 2, 1, 20]),
        (1, [4, 62, 0, 2, 2, 58]),
        (2, [4, 56, 6, 2, 1, 52]),
    ];
    assert_eq!(*diary.whole.borrow(), expected);
}

#[test]
fn a_hook_may_write() {
    for overwrite in [false, true] {
        let (w, mut c) = (W::new(64, 8, overwrite), Cursor::default());
        let diary = Diary {
            ring: Some(&w),
            left: Cell::new(7),
            ..Default::default()
        };
        for n in 0..6 {
            let data = record(1, n, 30);
            let slot = w.try_reserve(30);
            let slot = slot.unwrap_or_else(|| (*w).reserve_slow(30, &diary).0.unwrap());
            w.fill(&slot, &data);
            let _ = (*w).commit(slot, &diary);
        }
        let _ = (*w).flush(&diary);
        let mut read = super::world::parse(&w.read(&mut c, 10_000));
        let by_hook = diary.written.take().into_iter().map(|n| (2, n));
        let mut written: Vec<_> = (0..6).map(|n| (1, n)).chain(by_hook).collect();
        assert_eq!(written.len(), 13);
        read.sort_unstable();
        written.sort_unstable();
        assert_eq!(read, written);
    }
}

#[test]
fn reserves_are_filled_before_they_are_read() {
    let mut w = W::with_reserves(64, 2, false, RESERVES);
    w.turns.marks = true;
    let mut c = Cursor::default();
    let _ = w.write(&[1; 20]).unwrap();
    let started = [[STARTED; 10].as_slice(), &[1; 20]].concat();
    assert_eq!(w.read(&mut c, 100), started);
    let _ = w.flush();
    assert_eq!(w.read(&mut c, 100), [ENDED; 2]);
}

#[test]
fn who_takes_whole_sub_buffers_only_sees_nothing_of_the_current_one() {
    for delivery in [Delivery::Bulk, Delivery::Packet] {
        let (w, mut c) = (whole_only(delivery), Cursor::default());
        assert!(!w.needs_flush());
        assert_eq!(w.write(&[1; 20]), Ok(Committed::Quietly));
        assert!(!w.has_data_after(0) && w.needs_flush());
        assert_eq!(w.read(&mut c, 100), []);
        assert_eq!((w.readable_at(0), w.readable_at(1)), (0, 64));
        assert_eq!(w.stats(&c).unread().records, 1);

        assert_eq!(w.flush(), Committed::Notify);
        assert!(w.has_data_after(0) && !w.needs_flush());
        let all = [[ENDED; 10].as_slice(), &[1; 20], &[ENDED; 2]].concat();
        assert_eq!(w.read(&mut c, 100), all);

        // Opened, and nothing in it.
        let slot = w.reserve(16).unwrap();
        let _ = w.discard(slot);
        assert!(!w.needs_flush() && !w.has_data_after(w.consumed_pos(&c)));
        assert_eq!(w.flush(), Committed::Quietly);
    }
}

#[test]
fn what_is_read_of_whole_sub_buffers_ends_with_one() {
    let (w, mut c) = (whole_only(Delivery::Bulk), Cursor::default());
    let mut got = Vec::new();
    for n in 0..20 {
        let _ = w.write(&record(1, n, 25)).unwrap();
        got.extend(w.read(&mut c, 7));
        while w.mid_run(&c) {
            got.extend(w.read(&mut c, 7));
        }
        assert!(got.last().is_none_or(|&b| b == ENDED));
    }
    assert_eq!(c.read.records, 18);
    let data: Vec<u8> = got.into_iter().filter(|&b| b != ENDED).collect();
    assert_eq!(parse_with_reserves(&data).0.len(), 18);
}

#[test]
fn a_consumer_that_is_overwritten_although_the_mode_is_not_notices() {
    let mut w = W::new(64, 4, false);
    w.turns.entrance = Entrance::Open;
    let mut c = Cursor::default();
    for n in 0..2 {
        let _ = w.write(&record(1, n, 32)).unwrap();
    }
    assert_eq!(w.read(&mut c, 32).len(), 32);
    for n in 2..100 {
        let _ = w.write(&record(1, n, 32)).unwrap();
        let s = w.stats(&c);
        assert_eq!(s.produced.records, u64::from(n) + 1);
        assert!(s.unread().records <= 8);
    }
    // It was in a run of two: the second is kept for it.
    assert_eq!(w.read(&mut c, 32), record(1, 1, 32));
    let rest = super::world::parse(&w.read(&mut c, 10_000));
    assert_eq!(rest.last(), Some(&(1, 99)));
    assert_eq!(c.read.records + c.missed.records, 100);
    assert_eq!(c.missed.bytes, 32 * c.missed.records);
    assert_eq!(w.stats(&c).unread(), Count::default());
    let consumed = w.head().consumer.pos.load(Ordering::Relaxed);
    assert_eq!(consumed, w.written_pos());
    // And from here on the mode holds again.
    w.turns.entrance = Entrance::Usual;
    for _ in 0..8 {
        let _ = w.write(&[3; 32]).unwrap();
    }
    assert_eq!(w.write(&[3; 32]), Err(Cause::Full));
}

#[test]
fn who_may_not_enter_is_refused_as_if_all_were_full() {
    for overwrite in [false, true] {
        let mut w = W::new(64, 4, overwrite);
        w.turns.entrance = Entrance::Turnstile;
        let c = Cursor::default();
        let results: Vec<_> = (0..8).map(|_| w.write(&[1; 40]).err()).collect();
        let [fine, full] = [None, Some(Cause::Full)];
        assert_eq!(results, [fine, full, fine, full, fine, full, fine, full]);
        let refused = w.stats(&c).refused[Cause::Full as usize];
        assert_eq!((refused.records, refused.bytes), (4, 160));
        assert_eq!(w.write(&[1; 24]), Ok(Committed::Notify), "that still fits");
    }
}
