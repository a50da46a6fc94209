// SPDX-License-Identifier: GPL-2.0

//! A writer that is interrupted, at each labelled place, by another, beside a reader elsewhere.

use super::{outcomes, read, ring, settle, spawn, write, World};
use crate::ring::{Cursor, Owner};
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::sync::Arc;

/// What is to be done where, once.
struct Interrupt {
    place: char,
    ring: Arc<World<Owner>>,
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
            next.ring.clone()
        })
    });
    if let Some(ring) = due {
        let written = write(&ring, [3]);
        INTERRUPT.with_borrow_mut(|i| i.as_mut().unwrap().written = Some(written));
    }
}

/// Writes 1, then 2 with an interrupt that writes 3, beside a reader. Whether the place was come to,
/// and what was read.
fn interrupted(place: char, subbuf_size: u64, overwrite: bool) -> BTreeSet<(bool, Vec<u8>)> {
    outcomes(1, move || {
        let (w, mut c) = (ring::<Owner>(subbuf_size, overwrite), Cursor::default());
        write(&w, [1]);
        let ring = w.clone();
        let writer = spawn(&w, move |w| {
            INTERRUPT.set(Some(Interrupt {
                place,
                ring,
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
