// SPDX-License-Identifier: GPL-2.0

//! A writer that is interrupted, at each labelled place, by another, or by one that changes the ring,
//! beside a reader elsewhere.

use super::{change, read_either, settle_either, write_either};
use super::{outcomes, read, ring, settle, spawn, write, World};
use crate::ring::{Cursor, Owner};
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::sync::Arc;

/// What is to be done where, once.
struct Interrupt {
    place: char,
    rings: [Arc<World<Owner>>; 2],
    /// End the first of the rings before.
    change: bool,
    /// How many records it has written; `None`: nobody came there.
    written: Option<u64>,
}

thread_local! {
    static INTERRUPT: RefCell<Option<Interrupt>> = const { RefCell::new(None) };
}

/// Called by the ring at each place.
pub(crate) fn at(place: &'static str) {
    let due = INTERRUPT.with_borrow_mut(|interrupt| {
        let next = interrupt.as_mut()?;
        let due = place.starts_with(next.place) && next.written.is_none();
        due.then(|| {
            next.written = Some(0);
            (next.rings.clone(), next.change)
        })
    });
    if let Some((rings, and_change)) = due {
        if and_change {
            change(&rings);
        }
        let written = u64::from(write_either(&rings, 3));
        INTERRUPT.with_borrow_mut(|i| i.as_mut().unwrap().written = Some(written));
    }
}

/// Writes 1, then 2 with an interrupt that writes 3, beside a reader. Whether the place was come to,
/// and what was read.
fn interrupted(place: char, subbuf_size: u64, overwrite: bool) -> BTreeSet<(bool, Vec<u8>)> {
    outcomes(1, move || {
        let (w, mut c) = (ring::<Owner>(subbuf_size, overwrite), Cursor::default());
        write(&w, [1]);
        let rings = [w.clone(), w.clone()];
        let writer = spawn(&w, move |w| {
            INTERRUPT.set(Some(Interrupt {
                place,
                rings,
                change: false,
                written: None,
            }));
            (write(w, [2]), INTERRUPT.take().unwrap().written)
        });
        let first = read(&w, &mut c);
        let (outer, inner) = writer.join().unwrap();
        let written = 1 + outer + inner.unwrap_or(0);
        let got = settle(&w, &mut c, first, written);
        if !overwrite {
            assert_eq!(got.len() as u64, written);
        }
        (inner.is_some(), got)
    })
}

/// The places that were come to.
fn reached(subbuf_size: u64, overwrite: bool) -> String {
    ('A'..='L')
        .chain('N'..='O')
        .filter(|&place| {
            let came: Vec<bool> = interrupted(place, subbuf_size, overwrite)
                .into_iter()
                .map(|(came, _)| came)
                .collect();
            assert!(came.windows(2).all(|pair| pair[0] == pair[1]), "{place}");
            came[0]
        })
        .collect()
}

#[test]
fn an_interrupted_writer_and_a_reader() {
    assert_eq!(reached(2, false), "ABDEFGIJKLNO");
}

#[test]
fn an_interrupted_writer_in_a_sub_buffer_and_a_reader() {
    assert_eq!(reached(4, false), "ABCDEJKLO");
}

#[test]
fn an_interrupted_writer_laps_a_reader() {
    assert_eq!(reached(2, true), "ABDEFGIJKLNO");
}

/// As `interrupted`, but the interrupt ends the ring. Whether the place was come to, and what was read.
fn changed(place: char, subbuf_size: u64, overwrite: bool) -> BTreeSet<(bool, Vec<u8>)> {
    outcomes(1, move || {
        let rings = [(), ()].map(|()| ring::<Owner>(subbuf_size, overwrite));
        let (ours, mut at) = (rings.clone(), <[Cursor; 2]>::default());
        assert!(write_either(&rings, 1));
        let writer = spawn(&rings[0], move |_| {
            INTERRUPT.set(Some(Interrupt {
                place,
                rings: ours.clone(),
                change: true,
                written: None,
            }));
            let outer = write_either(&ours, 2);
            (outer, INTERRUPT.take().unwrap().written)
        });
        let first = read_either(&rings, &mut at);
        let (outer, inner) = writer.join().unwrap();
        assert!(outer && inner != Some(0), "both rings had room");
        if inner.is_none() {
            change(&rings);
        }
        let written = 2 + inner.unwrap_or(0);
        (
            inner.is_some(),
            settle_either(&rings, &mut at, first, written),
        )
    })
}

#[test]
fn a_ring_is_changed_in_the_middle_of_a_write() {
    for overwrite in [false, true] {
        for size in [2, 4] {
            for place in ('A'..='L').chain('N'..='O') {
                for (came, got) in changed(place, size, overwrite) {
                    // The outer one was begun first; it is first unless it was too late.
                    let late = place < 'C' || "FI".contains(place);
                    let expected: &[u8] = match (came, late) {
                        (false, _) => &[1, 2],
                        (true, false) => &[1, 2, 3],
                        (true, true) => &[1, 3, 2],
                    };
                    assert_eq!(got, expected, "{place} {size} {overwrite}");
                }
            }
        }
    }
}
