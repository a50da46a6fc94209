// SPDX-License-Identifier: GPL-2.0

//! Who looks at a ring's counters while others are at work in it.

use super::world::World;
use crate::ring::{Count, Cursor, Rmw, Said, Stats};

/// What was found so far.
#[derive(Clone, Copy, Default)]
pub(crate) struct Watch {
    said: Said,
    last: Stats,
    /// What was gone, by itself, without what was said before.
    gone: Count,
}

fn grows(now: Count, before: Count) {
    assert_eq!(now.at_least(before), now, "after {before:?}");
}

impl Watch {
    /// Looks, with the consumer at `c`: no number goes back, and they go together.
    pub(crate) fn look<R: Rmw>(&mut self, w: &World<R>, c: &Cursor) -> Stats {
        let gone = w.overwritten(c);
        grows(gone, self.gone);
        let now = w.stats_after(&mut self.said, c);
        grows(now.produced, self.last.produced);
        grows(now.read, self.last.read);
        grows(now.overwritten, self.last.overwritten);
        grows(now.produced, now.read.plus(now.overwritten));
        assert!(now.unread().bytes <= w.geometry().ring_size(), "{now:?}");
        (self.gone, self.last) = (gone, now);
        now
    }

    /// The same when nobody is at work: what is found is exact, so nothing that was said before was too
    /// much.
    pub(crate) fn settle<R: Rmw>(&mut self, w: &World<R>, c: &Cursor) {
        let (now, exact) = (self.look(w, c), w.stats(c));
        let counts = |s: Stats| (s.produced, s.read, s.overwritten);
        assert_eq!(counts(now), counts(exact));
    }
}
