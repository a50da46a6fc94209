// SPDX-License-Identifier: GPL-2.0

//! Several writers at once.

use super::World;
use super::{outcomes, read, ring, settle, spawn, write};
use crate::ring::{sync::Ordering::Relaxed, Cause, Cursor, Reserves, Shared};
use std::collections::BTreeSet;
use std::sync::Arc;

#[test]
fn two_writers_and_a_reader() {
    let got = outcomes(2, || {
        let (w, mut c) = (ring::<Shared>(4, false), Cursor::default());
        let one = spawn(&w, |w| write(w, 1..=1));
        let two = spawn(&w, |w| write(w, 2..=2));
        let first = read(&w, &mut c);
        let written = one.join().unwrap() + two.join().unwrap();
        assert_eq!(written, 2);
        let all = settle(&w, &mut c, first.clone(), written);
        (first, all)
    });
    let [one, two] = [vec![1, 2], vec![2, 1]];
    let all = [
        (0, &one),
        (1, &one),
        (2, &one),
        (0, &two),
        (1, &two),
        (2, &two),
    ];
    assert_eq!(
        got,
        all.map(|(n, order)| (order[..n].to_vec(), order.clone()))
            .into()
    );
}

#[test]
fn two_writers_deliver() {
    let got = outcomes(2, || {
        let (w, mut c) = (ring::<Shared>(2, false), Cursor::default());
        let one = spawn(&w, |w| write(w, 1..=1));
        let two = write(&w, 2..=2);
        let written = one.join().unwrap() + two;
        assert_eq!(written, 2);
        settle(&w, &mut c, Vec::new(), written)
    });
    assert_eq!(got, [vec![1, 2], vec![2, 1]].into());
}

#[test]
fn two_writers_lap() {
    let got = outcomes(2, || {
        let (w, mut c) = (ring::<Shared>(2, true), Cursor::default());
        write(&w, 1..=2);
        let one = spawn(&w, |w| write(w, 3..=3));
        let two = write(&w, 4..=4);
        let written = 2 + one.join().unwrap() + two;
        settle(&w, &mut c, Vec::new(), written)
    });
    assert_eq!(got, [vec![3, 4], vec![4, 3]].into());
}

#[test]
fn two_writers_pass_by_a_reader() {
    let got = outcomes(1, || {
        let (w, mut c) = (ring::<Shared>(2, true), Cursor::default());
        write(&w, 1..=2);
        assert_eq!(w.read(&mut c, 1), [1]);
        let one = spawn(&w, |w| write(w, 3..=3));
        let two = write(&w, 4..=4);
        let written = 2 + one.join().unwrap() + two;
        assert_eq!(w.read(&mut c, 1), [1]);
        settle(&w, &mut c, vec![1], written)
    });
    assert_eq!(got, [vec![1, 3], vec![1, 4]].into());
}

#[test]
fn a_writer_and_a_flush() {
    let got = outcomes(2, || {
        let (w, mut c) = (ring::<Shared>(4, false), Cursor::default());
        write(&w, 1..=1);
        let one = spawn(&w, |w| write(w, 2..=2));
        let _ = w.flush();
        let written = 1 + one.join().unwrap();
        settle(&w, &mut c, Vec::new(), written)
    });
    assert_eq!(got, [vec![1, 2]].into());
}

#[test]
fn bytes_given_back_are_anothers() {
    let end = outcomes(2, || {
        let (w, mut c) = (ring::<Shared>(32, false), Cursor::default());
        write(&w, [1]);
        let one = spawn(&w, |w| write(w, [2]));
        let slot = w.reserve(8).unwrap();
        w.fill(&slot, &[3; 8]);
        let _ = w.discard(slot);
        assert_eq!(one.join().unwrap(), 1);
        assert_eq!(settle(&w, &mut c, Vec::new(), 2), [1, 2]);
        w.head().writer.pos.load(Relaxed)
    });
    // With them, or with a hole.
    assert_eq!(end, [4, 12].into());
}

#[test]
fn two_discard() {
    let got = outcomes(2, || {
        let (w, mut c) = (ring::<Shared>(32, false), Cursor::default());
        let a = w.reserve(8).unwrap();
        let b = w.reserve(8).unwrap();
        write(&w, 1..=1);
        let one = spawn(&w, |w| {
            let _ = w.discard(a);
        });
        let _ = w.discard(b);
        one.join().unwrap();
        settle(&w, &mut c, Vec::new(), 1)
    });
    assert_eq!(got, [vec![1]].into());
}

/// With bytes of the client's before the first record of each sub-buffer.
fn with_reserves(start: u32, channel_start: u32) -> Arc<World<Shared>> {
    let reserves = Reserves {
        start,
        end: 0,
        channel_start,
    };
    Arc::new(World::with_reserves(4, 2, false, reserves))
}

#[test]
fn two_writers_open_with_reserves() {
    let got = outcomes(2, || {
        let (w, mut c) = (with_reserves(1, 0), Cursor::default());
        let one = spawn(&w, |w| w.write(&[1]).is_ok());
        let two = w.write(&[2]).is_ok();
        assert!(one.join().unwrap() && two);
        w.read(&mut c, 100)
    });
    assert_eq!(got, [vec![0, 1, 2], vec![0, 2, 1]].into());
}

/// Where the first record that a reset has left begins in its sub-buffer.
fn start_after_reset(rests: bool) -> BTreeSet<(Vec<u8>, Option<u64>)> {
    outcomes(2, move || {
        let (w, mut c) = (with_reserves(0, 1), Cursor::default());
        let _ = w.write(&[1]).unwrap();
        if rests {
            let _ = w.flush();
        }
        let one = spawn(&w, |w| w.write(&[2]).is_ok());
        let _ = w.reset();
        assert!(one.join().unwrap());
        let first = w.first.load(Relaxed);
        let subbuf = w.subbuf(first);
        let open = subbuf.seq.load(Relaxed) == first + 1;
        let start = open.then(|| subbuf.data_start.load(Relaxed));
        (w.read(&mut c, 100), start)
    })
}

#[test]
fn a_reset_and_a_writer() {
    let expected = BTreeSet::from([(vec![], None), (vec![0, 2], Some(1))]);
    assert_eq!(start_after_reset(false), expected);
    assert_eq!(start_after_reset(true), expected);
}

#[test]
fn a_writer_goes_over_to_what_follows() {
    let got = outcomes(2, || {
        let (old, mut c) = (ring::<Shared>(4, false), Cursor::default());
        let (new, mut d) = (ring::<Shared>(8, false), Cursor::default());
        write(&old, 1..=1);
        let next = new.clone();
        let one = spawn(&old, move |w| match w.write(&[2; 2]) {
            Err(Cause::Closed) => write(&next, 2..=2) == 1,
            result => result.is_ok(),
        });
        let _ = old.retire(|end| new.start_at(end));
        let followed = write(&new, 3..=3);
        assert!(one.join().unwrap());
        let first = read(&old, &mut c);
        assert!(old.is_drained(&c));
        assert_eq!(old.write(&[4]).err(), Some(Cause::Closed));
        let second = read(&new, &mut d);
        assert_eq!((first.len() + second.len()) as u64, 2 + followed);
        (first, second)
    });
    let both = [
        (vec![1, 2], vec![3]),
        (vec![1], vec![2, 3]),
        (vec![1], vec![3, 2]),
    ];
    assert_eq!(got, both.into());
}
