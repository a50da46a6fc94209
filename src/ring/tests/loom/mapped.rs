// SPDX-License-Identifier: GPL-2.0

//! A consumer that reads a mapping, and the writer that needs the room.

use super::super::mapped::Consumer;
use super::{numbers, outcomes, read, ring, spawn, write};
use crate::ring::{Count, Cursor, Owner, Shared};
use loom::thread;

#[test]
fn a_mapped_consumer_makes_room() {
    let got = outcomes(2, || {
        let w = ring::<Owner>(2, false);
        let page = w.page();
        page.say(0, Count::default());
        write(&w, 1..=2);
        let writer = spawn(&w, |w| write(w, 3..=4));
        let mut mapped = Consumer::default();
        let mut got = mapped.read(&w, false);
        let written = 2 + writer.join().unwrap();
        got.extend(mapped.read(&w, false));
        let got = numbers(&got);
        assert!(got.is_sorted() && got.starts_with(&[1, 2]), "{got:?}");
        assert_eq!(got.len() as u64, written);
        let (mut c, mut counted) = (Cursor::default(), Count::default());
        w.follow(&mut c, &mut counted);
        let s = w.stats(&c);
        assert_eq!((s.read.records, s.read.bytes), (written, 2 * written));
        assert_eq!(s.produced, s.read);
        got
    });
    assert_eq!(got, [vec![1, 2], vec![1, 2, 4], vec![1, 2, 3, 4]].into());
}

#[test]
fn a_mapped_consumer_reads_parts() {
    let got = outcomes(2, || {
        let w = ring::<Owner>(4, false);
        let _ = w.page();
        write(&w, 1..=1);
        let writer = spawn(&w, |w| {
            let _ = w.flush();
            write(w, 2..=2)
        });
        let mut mapped = Consumer::default();
        let first = numbers(&mapped.read(&w, true));
        assert_eq!(writer.join().unwrap(), 1);
        let rest = numbers(&mapped.read(&w, true));
        assert_eq!([&first[..], &rest].concat(), [1, 2]);
        first.len()
    });
    assert_eq!(got, [0, 1, 2].into());
}

#[test]
fn the_kernel_follows_beside_a_writer() {
    let seen = outcomes(2, || {
        let w = ring::<Owner>(2, false);
        write(&w, 1..=2);
        let mut mapped = Consumer::default();
        let _ = w.page();
        assert_eq!(mapped.read(&w, false), [1, 1, 2, 2]);
        let writer = spawn(&w, |w| write(w, 3..=3));
        let (mut c, mut counted) = (Cursor::default(), Count::default());
        w.follow(&mut c, &mut counted);
        let seen = c.read.records;
        assert_eq!(writer.join().unwrap(), 1);
        let got = read(&w, &mut c);
        let s = w.stats(&c);
        assert_eq!(got, [3]);
        assert_eq!((s.produced.records, s.read.records), (3, 3));
        assert_eq!(s.overwritten, Count::default());
        seen
    });
    assert_eq!(seen, [2].into());
}

#[test]
fn what_is_said_is_not_believed() {
    let seen = outcomes(2, || {
        let w = ring::<Shared>(2, false);
        let _ = w.page();
        write(&w, 1..=2);
        let liar = spawn(&w, |w| {
            w.page().say(u64::MAX, Count::default());
            w.page().say(3, Count::default());
        });
        let writer = spawn(&w, |w| write(w, 3..=4));
        let (mut c, mut counted) = (Cursor::default(), Count::default());
        // Whatever the kernel reads is whole.
        let got = read(&w, &mut c);
        assert!(got.is_sorted());
        let written = 2 + writer.join().unwrap();
        liar.join().unwrap();
        w.follow(&mut c, &mut counted);
        read(&w, &mut c);
        let s = w.stats(&c);
        assert_eq!((s.produced.records, s.unread().records), (written, 0));
        assert_eq!(s.read.records + s.overwritten.records, written);
        thread::yield_now();
        written
    });
    assert_eq!(seen, [2, 3, 4].into());
}
