// SPDX-License-Identifier: GPL-2.0

//! Counting: what was produced, lost and is still to be read.
//!
//! Records that could not be written are counted where that is found, by cause. Records that were
//! overwritten follow from counts the ring keeps anyway: those produced before the oldest
//! sub-buffer that is still intact, less those the consumer has passed. At rest
//! `produced = read + overwritten + unread`, exactly.

use crate::ring::{
    claim::Decision,
    cursor::{Count, Cursor},
    layout::{Cause, CAUSES},
    sync::{Ordering, Rmw},
    Ring, //
};

/// A refused record counts with at most so many bytes: 1 TiB, more than any ring holds.
const MAX_COUNTED: u64 = 1 << 40;

/// A look at a ring's counters; exact when nobody writes or reads meanwhile. While they do, none is more
/// than there really is.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Stats {
    /// Committed.
    pub(crate) produced: Count,
    /// Consumed.
    pub(crate) read: Count,
    /// Gone before the consumer read them.
    pub(crate) overwritten: Count,
    /// Never written, by [`Cause`].
    pub(crate) refused: [Count; CAUSES],
}

impl Stats {
    /// With how many bytes a refused record counts: a length that cannot be meant must not make the
    /// sum meaningless.
    pub(crate) fn counted(bytes: u64) -> u64 {
        bytes.min(MAX_COUNTED)
    }

    /// Of a ring that does not exist, in whose place records were refused; `None` if none was.
    pub(crate) fn of_refused(cause: Cause, count: Count) -> Option<Self> {
        let mut stats = Self::default();
        *stats.refused.get_mut(cause as usize)? = count;
        (count.records != 0).then_some(stats)
    }

    /// Produced and not consumed, but still there.
    pub(crate) fn unread(&self) -> Count {
        self.produced.minus(self.read).minus(self.overwritten)
    }

    /// The counters of two rings together.
    pub(crate) fn plus(&self, other: &Self) -> Self {
        let mut refused = self.refused;
        for (sum, n) in refused.iter_mut().zip(other.refused) {
            *sum = sum.plus(n);
        }
        Self {
            produced: self.produced.plus(other.produced),
            read: self.read.plus(other.read),
            overwritten: self.overwritten.plus(other.overwritten),
            refused,
        }
    }
}

/// What was said of counters so far, of one consumer.
#[derive(Clone, Copy, Default)]
pub(crate) struct Said {
    produced: Count,
    read: Count,
    overwritten: Count,
}

impl Said {
    /// Of what was said to be read no more is.
    #[cfg(MODULE)]
    pub(crate) fn read_is(&mut self, read: Count) {
        self.read = self.read.at_most(read);
    }

    /// What is to be said after a look that has found `found`, in rings of `room` bytes.
    ///
    /// A look takes its time, and may be late: so nothing of what was said before is taken back, and of
    /// what was produced no more is known than what the consumer has passed and what there is room for.
    pub(crate) fn after(&mut self, found: &Stats, room: u64) -> Stats {
        self.read = self.read.at_least(found.read);
        self.overwritten = self.overwritten.at_least(found.overwritten);
        let passed = self.read.plus(self.overwritten);
        let most = passed.plus(Count {
            records: room,
            bytes: room,
        });
        let produced = found.produced.at_least(passed).at_most(most);
        self.produced = self.produced.at_least(produced);
        Stats {
            produced: self.produced,
            read: self.read,
            overwritten: self.overwritten,
            ..*found
        }
    }
}

/// How far a ring has come, in sub-buffers.
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq)]
pub(crate) struct Progress {
    /// The number of the one that is written.
    pub(crate) current: u64,
    /// How many were completed.
    pub(crate) produced: u64,
    /// How many of those were consumed, or are no more.
    pub(crate) consumed: u64,
}

impl Progress {
    /// The same if all was consumed.
    pub(crate) fn all_consumed(self) -> Self {
        Self {
            consumed: self.produced,
            ..self
        }
    }

    /// That of a ring that follows another.
    pub(crate) fn after(self, other: Self) -> Self {
        Self {
            current: self.current,
            ..self.plus(other)
        }
    }

    /// That of two rings together.
    pub(crate) fn plus(self, other: Self) -> Self {
        Self {
            current: self.current.wrapping_add(other.current),
            produced: self.produced.wrapping_add(other.produced),
            consumed: self.consumed.wrapping_add(other.consumed),
        }
    }
}

impl<R: Rmw> Ring<R> {
    #[cold]
    pub(crate) fn count_lost(&self, cause: Cause, bytes: u64) {
        let bytes = Stats::counted(bytes);
        self.add_lost(cause, Count { records: 1, bytes });
    }

    /// Adds what was lost for `cause`.
    pub(crate) fn add_lost(&self, cause: Cause, count: Count) {
        if let Some(lost) = self.head().lost.get(cause as usize) {
            R::fetch_add(&lost.records, count.records);
            R::fetch_add(&lost.bytes, count.bytes);
        }
    }

    /// The counters that no reader has a part in.
    pub(crate) fn totals(&self) -> Stats {
        let mut refused = [Count::default(); CAUSES];
        for (to, from) in refused.iter_mut().zip(&self.head().lost) {
            to.records = from.records.load(Ordering::Relaxed);
            to.bytes = from.bytes.load(Ordering::Relaxed);
        }
        Stats {
            produced: self.produced(),
            refused,
            ..Stats::default()
        }
    }

    /// The counters, as seen with the consumer at `c`; at a new cursor, if it has not come to this
    /// ring yet.
    #[cfg(not(MODULE))]
    pub(crate) fn stats(&self, c: &Cursor) -> Stats {
        self.stats_after(&mut Said::default(), c)
    }

    /// The same if so much was `said` before.
    #[cfg(not(MODULE))]
    pub(crate) fn stats_after(&self, said: &mut Said, c: &Cursor) -> Stats {
        // First: what is written while this looks is produced, and not lost yet.
        let overwritten = self.overwritten(c);
        let found = Stats {
            read: c.read,
            overwritten,
            ..self.totals()
        };
        said.after(&found, self.geo.ring_size())
    }

    /// How far it has come, as seen with the consumer at `c`.
    pub(crate) fn progress(&self, c: &Cursor) -> Progress {
        // ORDERING: deliver:B
        let produced = self.head().deliver.seq.load(Ordering::Acquire);
        let pos = self.pos(Ordering::Relaxed);
        let current = self.geo.seq(pos);
        // The one that is written has taken the place of another when it was opened.
        let taken = current.wrapping_add(u64::from(self.geo.offset(pos) != 0));
        let oldest = taken.saturating_sub(self.geo.n_subbufs());
        let passed = c.seq.max(self.first.load(Ordering::Relaxed));
        let consumed = passed.max(oldest).min(produced);
        Progress {
            current,
            produced: produced.wrapping_sub(self.started()),
            consumed: consumed.wrapping_sub(self.started()),
        }
    }

    /// What was overwritten before the reader at `c`, which stays there meanwhile, could read it, whether
    /// it has noticed or not.
    pub(crate) fn overwritten(&self, c: &Cursor) -> Count {
        let first = self.first.load(Ordering::Relaxed);
        let mut passed = c.passed();
        if c.seq >= first {
            // The run a reader is in is kept for it.
            passed = passed.plus(c.unread());
        }
        let oldest = self.count_before_oldest(c.seq.max(first));
        if oldest.records > passed.records {
            return c.missed.plus(oldest.minus(passed));
        }
        c.missed
    }

    /// Everything committed so far; while writers are at work it may be less, never more.
    fn produced(&self) -> Count {
        let (delivered, mut sum) = self.delivered();
        // ORDERING: reserve:B
        let newest = self.geo.seq(self.pos(Ordering::Acquire));
        let mut seq = delivered;
        while seq <= newest && seq.wrapping_sub(delivered) < self.geo.n_subbufs() {
            sum = sum.plus(self.undelivered(seq));
            seq = seq.wrapping_add(1);
        }
        sum
    }

    /// What was committed to a sub-buffer that is not delivered.
    fn undelivered(&self, seq: u64) -> Count {
        let claim = self.claim(seq);
        if claim.hold(seq).is_err() {
            return Count::default();
        }
        let subbuf = self.subbuf(seq);
        let count = self.committed(subbuf, seq).map(|(committed, records)| {
            // Behind the commit word: so what is committed is below, and padding in it known.
            // ORDERING: reserve:B
            let pos = self.pos(Ordering::Acquire);
            let (end, all) = if self.geo.seq(pos) == seq {
                (self.geo.offset(pos), self.geo.offset(pos))
            } else {
                (self.closed_end(subbuf, seq), self.geo.subbuf_size())
            };
            // SAFETY: The slot is held, so it is not opened again.
            let bytes = unsafe { self.payload_before(seq, end, all.saturating_sub(committed)) };
            Count { records, bytes }
        });
        claim.release();
        count.unwrap_or_default()
    }

    /// Payload in a sub-buffer up to `end`, but for `pending` bytes that are reserved and not committed.
    /// Of what is being discarded just now, or becomes padding, it may be taken off twice.
    ///
    /// # Safety
    ///
    /// The sub-buffer must not be opened again meanwhile.
    pub(super) unsafe fn payload_before(&self, seq: u64, end: u64, pending: u64) -> u64 {
        let end = if self.is_records() {
            self.last_event_end(seq, end)
        } else {
            end
        };
        let start = self.subbuf(seq).data_start.load(Ordering::Relaxed);
        let mut bytes = end.saturating_sub(start).saturating_sub(pending);
        // SAFETY: As the caller promises.
        unsafe {
            self.for_each_hole(seq, |hole| {
                if hole.start < end {
                    // Padding before it is none of an event's if nothing follows.
                    let pad = if pending == 0 { 0 } else { hole.pad };
                    bytes = bytes.saturating_sub(hole.len).saturating_sub(pad);
                }
            })
        };
        bytes
    }

    /// What came before the oldest sub-buffer from `seq` on that is still intact.
    fn count_before_oldest(&self, seq: u64) -> Count {
        let newest = self.geo.seq(self.pos(Ordering::Relaxed));
        let (delivered, all) = self.delivered();
        let mut seq = seq.max(newest.saturating_sub(self.geo.n_subbufs()));
        while seq < delivered {
            let subbuf = self.subbuf(seq);
            let before = Count {
                // ORDERING: count:B
                records: subbuf.first_record.load(Ordering::Acquire),
                // ORDERING: count:B
                bytes: subbuf.first_byte.load(Ordering::Acquire),
            };
            // After the loads: if it still is that sub-buffer, they are its counts.
            if self.claim(seq).decision(seq) == Decision::Claimed {
                return before;
            }
            seq = seq.wrapping_add(1);
        }
        all
    }
}
