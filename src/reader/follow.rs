// SPDX-License-Identifier: GPL-2.0

//! A consumer that reads a mapping and says in a page how far it has come: everybody else finds the
//! consumer there. Who needs to know takes it there; as long as nobody does, nothing is done.

use super::position::{Place, Position};
use crate::buffer::{Buffer, ConsumerPage};
use crate::ring::Count;
use kernel::sync::MutexGuard;

/// So often it is looked at a consumer that does not stand still.
const LOOKS: u32 = 4;

impl Buffer {
    /// Everything before was consumed or missed by a reader. Any context but NMI.
    pub(super) fn pos_of(&self, at: &Position) -> u64 {
        if at.consumes {
            at.pos().max(self.said_pos())
        } else {
            at.pos()
        }
    }

    /// Locks a reader's place, which is where the reader is. Process context.
    pub(super) fn lock<'a>(&self, at: &'a Position) -> MutexGuard<'a, Place> {
        let mut place = at.place.lock();
        self.follow(at, &mut place);
        place
    }

    /// Takes the consumer to where a mapped one says it is.
    pub(super) fn follow(&self, at: &Position, place: &mut Place) {
        if !at.consumes {
            return;
        }
        if let Some(page) = self.page() {
            // What is said of losses is as new as the position, or newer.
            let pos = page.mapped().position();
            if pos > at.pos() {
                self.follow_to(at, place, &page, pos);
            }
        }
    }

    /// What `look` finds with the reader at `place`, and whether it stood there all the while: who has
    /// mapped the buffer goes on without a word, and what is overwritten then it may have read.
    pub(super) fn look_while_it_stands<T>(
        &self,
        at: &Position,
        place: &mut Place,
        look: impl Fn(&Place) -> T,
    ) -> (T, bool) {
        let says = || self.page().map_or(0, |page| page.mapped().position());
        let mut left = LOOKS;
        loop {
            let before = says();
            self.follow(at, place);
            let guest = self.be_guest();
            let found = look(place);
            drop(guest);
            let stood = !at.consumes || says() == before;
            left = left.wrapping_sub(1);
            if stood || left == 0 {
                return (found, stood);
            }
        }
    }

    fn follow_to(&self, at: &Position, place: &mut Place, page: &ConsumerPage, pos: u64) {
        let said = page.mapped().lost();
        let mut lost = said.minus(place.counted_lost);
        let _guest = self.be_guest();
        let mut store = self.enter(place);
        loop {
            store.ring().follow(&mut place.cursor, pos, &mut lost);
            match self.after(&store, &place.cursor) {
                Some(next) if place.pos_in(&store) < pos => {
                    self.pass_on(true, place, &mut store, next);
                }
                _ => break,
            }
        }
        // What is left is of what it has not consumed yet, or not true.
        place.counted_lost = said.minus(lost);
        // Nobody reads there but who has mapped it.
        self.step_back(at, place, store);
    }

    /// The consumer that has mapped the buffer goes: what it has said still counts. Process context.
    pub(super) fn end_page(&self) {
        if self.has_page() {
            let mut place = self.lock(&self.consumer);
            place.counted_lost = Count::default();
            self.forget_page();
        }
    }
}
