// SPDX-License-Identifier: GPL-2.0

//! A consumer that sees what a mapping shows, and says in its page how far it has come.

use super::world::World;
use crate::ring::{sync::Ordering, Count, Rmw};

/// As a user's program is.
#[derive(Default)]
pub(crate) struct Consumer {
    /// It has read what is before.
    pub(crate) pos: u64,
    /// What came before the sub-buffer it reads next.
    ordinal: Count,
    pub(crate) lost: Count,
}

impl Consumer {
    /// The next bytes of the ring that are complete, or, if it wants them, that are all there is of
    /// the current sub-buffer. In overwrite mode they may be others by now.
    fn peek<R: Rmw>(&mut self, w: &World<R>, parts: bool) -> Option<(u64, u64)> {
        loop {
            let (seq, offset) = (w.geo.seq(self.pos), w.geo.offset(self.pos));
            let subbuf = w.subbuf(seq);
            let delivered = w.head().deliver.seq.load(Ordering::Acquire) > seq;
            let end = if delivered && !w.is_skipped(seq) {
                subbuf.data_len.load(Ordering::Relaxed)
            } else if delivered {
                0
            } else {
                let (bytes, _) = w.committed(subbuf, seq).filter(|_| parts)?;
                if bytes == w.geo.subbuf_size() {
                    return None;
                }
                let all = w.geo.start(seq) + bytes;
                (w.pos(Ordering::Acquire) == all).then_some(bytes)?
            };
            let start = offset.max(subbuf.data_start.load(Ordering::Relaxed));
            if start < end {
                return Some((w.geo.start(seq) + start, end - start));
            }
            if !delivered {
                return None;
            }
            self.pos = w.geo.start(seq + 1);
        }
    }

    /// Reads all there is of a ring that does not overwrite, and says so. There are no holes in it.
    pub(crate) fn read<R: Rmw>(&mut self, w: &World<R>, parts: bool) -> Vec<u8> {
        let mut got = Vec::new();
        while let Some((pos, len)) = self.peek(w, parts) {
            // SAFETY: Writers wait for what is said below.
            got.extend_from_slice(unsafe { w.bytes(pos, len) });
            self.pos = pos + len;
        }
        w.page().say(self.pos, self.lost);
        got
    }

    /// Goes over all that is complete, reading nothing, and counts what it finds missing.
    pub(crate) fn count<R: Rmw>(&mut self, w: &World<R>) -> u64 {
        let mut records = 0;
        let newest = w.geo.seq(w.pos(Ordering::Acquire));
        let oldest = w.geo.start(newest.saturating_sub(w.geo.n_subbufs()));
        self.pos = self.pos.max(oldest);
        while w.head().deliver.seq.load(Ordering::Acquire) > w.geo.seq(self.pos) {
            let seq = w.geo.seq(self.pos);
            let subbuf = w.subbuf(seq);
            let load = |word: &crate::ring::sync::AtomicU64| word.load(Ordering::Acquire);
            let before = Count {
                records: load(&subbuf.first_record),
                bytes: load(&subbuf.first_byte),
            };
            let own = Count {
                records: load(&subbuf.records),
                bytes: load(&subbuf.bytes),
            };
            if w.claim(seq).decision(seq) == crate::ring::claim::Decision::Claimed {
                self.lost = self.lost.plus(before.minus(self.ordinal));
                self.ordinal = before.plus(own);
                records += own.records;
            }
            self.pos = w.geo.start(seq + 1);
        }
        w.page().say(self.pos, self.lost);
        records
    }
}
