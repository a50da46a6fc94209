// SPDX-License-Identifier: GPL-2.0

//! All buffers of a channel as one stream, in order of time: whose turn it is.
//!
//! The rule is in `Documentation/design/merge.rst`. In short: a round begins with a look at the clock,
//! and then at all buffers. What is before that time is given away, the oldest first; a buffer that had
//! nothing then will never have anything older. Only one with a record that is reserved and not
//! committed may: then the others wait for it, but not for ever.

use super::heap::{Heap, Turn};
use super::{Outcome, Position, View};
use crate::buffer::Buffer;
use crate::channel::Channel;
use core::sync::atomic::Ordering;
use kernel::iov::IovIterDest;
use kernel::prelude::*;
use kernel::time::{delay::fsleep, Delta, Instant, Monotonic};

/// How the data of the buffers is taken.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    /// A run at a time, as it lies in the buffer.
    Runs,
    /// An event at a time, in packets the reader makes.
    Events,
}

/// Where the readers of a whole channel are.
#[derive(Default)]
pub(crate) struct Merge {
    /// Number of the buffer whose run is not finished.
    current: Option<u32>,
    /// At most one turn for each buffer.
    turns: Heap,
    /// By number.
    known: KVVec<Known>,
    /// When the round began: what is later waits for the next.
    bound: u64,
    /// How many turns there were.
    stamp: u64,
    waited: Waited,
    /// The time of what was given away last.
    pub(super) last: u64,
    /// Packets made.
    pub(super) packets: u64,
    /// Events lost in all buffers, as far as it is known.
    pub(super) lost: u64,
    /// Those of them that were lost before the first packet.
    pub(super) lost_before: u64,
}

/// What is known of a buffer.
#[derive(Clone, Copy, Default)]
struct Known {
    /// Nothing that is before this time comes any more.
    floor: u64,
    /// Records that were lost: this reader missed them, or they were refused.
    lost: u64,
    /// Those of them that were lost before it came.
    lost_before: u64,
}

/// What a look at a buffer found.
enum Look {
    /// Something of this time.
    Ready(u64),
    /// Nothing that can be read yet, but something, not before this time.
    Unfinished(u64),
    /// Nothing. What comes later is not before the round.
    Nothing,
    /// Something that readers get only when its sub-buffer has ended.
    Later,
}

/// Whether a reader waits for an unfinished record of which others have to wait for their turn.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Patience {
    /// No.
    None,
    /// It looks again and again, but does not sleep.
    Looks,
    /// It sleeps in between.
    Sleeps,
}

/// How long the others have waited, in all, since something was given away: the writer runs, and cannot
/// be preempted. What counts is not time: if the reader's CPU does not run, that of the writer may not either.
#[derive(Default)]
struct Waited {
    /// Looks of this read.
    looks: u32,
    /// Looks a millisecond after the one before, also of other reads.
    naps: u32,
    /// When somebody who does not sleep had the last of them.
    last: Option<Instant<Monotonic>>,
}

/// What there is to do about an unfinished record.
enum Verdict {
    LookAgain,
    /// The reader comes again.
    Leave,
    /// The others have waited long enough.
    GoOn,
}

impl Waited {
    const LOOKS: u32 = 100;
    const NAPS: u32 = 20;
    const NAP: Delta = Delta::from_millis(1);

    /// Waits for a moment, if it is to.
    fn wait(&mut self, patience: Patience) -> Verdict {
        if patience == Patience::None {
            return Verdict::Leave;
        }
        if self.looks < Self::LOOKS {
            self.looks = self.looks.wrapping_add(1);
            core::hint::spin_loop();
            return Verdict::LookAgain;
        }
        if self.naps >= Self::NAPS {
            return Verdict::GoOn;
        }
        if patience == Patience::Sleeps {
            self.naps = self.naps.wrapping_add(1);
            fsleep(Self::NAP);
            return Verdict::LookAgain;
        }
        if self.last.is_none_or(|last| last.elapsed() >= Self::NAP) {
            self.naps = self.naps.wrapping_add(1);
            self.last = Some(Instant::now());
        }
        Verdict::Leave
    }
}

impl Merge {
    /// The buffer of `number`, from which something was taken at `at`, has the next turn if its run is
    /// not finished. Says whether it has.
    pub(super) fn keep_turn(&mut self, number: u32, at: &Position) -> bool {
        let keeps = at.is_mid_run();
        if keeps {
            self.current = Some(number);
        }
        keeps
    }

    /// The time up to which the buffer whose turn it is may give away what it has.
    pub(super) fn until(&self) -> u64 {
        let next = self.turns.peek().map_or(u64::MAX, |turn| turn.time);
        next.min(self.bound)
    }

    /// A record, or a run, of `time` is given away. Says whether something later was before.
    pub(super) fn pass(&mut self, time: u64) -> bool {
        let late = time < self.last;
        self.last = self.last.max(time);
        late
    }

    /// Of the buffer of `number` so many were lost before what comes next.
    pub(super) fn note_lost(&mut self, number: u32, lost: u64) {
        if let Some(known) = self.known.get_mut(number as usize) {
            // What a CPU lost before it had a buffer is counted in that later: never less.
            let more = lost.saturating_sub(known.lost);
            known.lost = known.lost.wrapping_add(more);
            self.lost = self.lost.wrapping_add(more);
        }
    }

    /// The same before the first packet, of what was lost before this reader came.
    fn note_lost_before(&mut self, number: u32, lost: u64) {
        self.note_lost(number, lost);
        if let Some(known) = self.known.get_mut(number as usize) {
            let more = lost.saturating_sub(known.lost_before);
            known.lost_before = known.lost_before.wrapping_add(more);
            self.lost_before = self.lost_before.wrapping_add(more);
        }
    }

    fn floor(&self, number: u32) -> u64 {
        let known = self.known.get(number as usize);
        known.map_or(0, |known| known.floor)
    }

    /// Gives the buffer of `number` the turn it has after a look.
    fn enter(&mut self, number: u32, look: &Look) {
        let floor = self.floor(number);
        let (time, ready) = match *look {
            Look::Ready(time) => (time.max(floor), true),
            Look::Unfinished(time) => (time.max(floor), false),
            Look::Nothing => {
                if let Some(known) = self.known.get_mut(number as usize) {
                    // The look came after the round began.
                    known.floor = self.bound;
                }
                return;
            }
            Look::Later => return,
        };
        self.stamp = self.stamp.wrapping_add(1);
        self.turns.push(Turn {
            time,
            stamp: self.stamp,
            number,
            ready,
        });
    }

    /// The next turn of this round.
    fn pop(&mut self) -> Option<Turn> {
        let due = self.turns.peek()?.time <= self.bound;
        due.then(|| self.turns.pop()).flatten()
    }

    /// Whether another buffer has something in this round.
    fn others_are_ready(&self) -> bool {
        self.turns.any(|turn| turn.ready && turn.time <= self.bound)
    }
}

impl Channel {
    /// After so many it does not matter who is first.
    const ROUNDS: u32 = 8;

    /// Copies as much of all buffers as there is and fits, in order of time: a run once begun is
    /// finished before data of another buffer follows.
    pub(super) fn read(
        &self,
        view: View<'_>,
        to: &mut IovIterDest<'_>,
        manner: Manner,
        patience: Patience,
    ) -> Result<Outcome> {
        let mut merge = view.merge(self).lock();
        let (mut copied, mut overtaken) = (0usize, 0u32);
        while !to.is_empty() {
            // Who has something for the user does not wait.
            let patience = if copied == 0 {
                patience
            } else {
                Patience::None
            };
            let next = self.next(view, &mut merge, manner, patience, |_| true)?;
            let Some((buffer, at)) = next else {
                break;
            };
            let outcome = match manner {
                Manner::Runs => {
                    // Writers that lap may be faster than this, but not for ever.
                    let mut due = if overtaken > Self::ROUNDS {
                        u64::MAX
                    } else {
                        merge.until()
                    };
                    let outcome = buffer.drain(at, &mut buffer.lock(at), to, Some(&mut due));
                    match outcome {
                        Ok(Outcome::Nothing) => overtaken = overtaken.wrapping_add(1),
                        // What others have that is older than this is late.
                        _ => merge.last = merge.last.max(due),
                    }
                    outcome
                }
                Manner::Events => self.give_packet(&mut merge, buffer, at, to),
            };
            self.take_turn(view, &mut merge, manner, buffer, at);
            match outcome {
                Ok(Outcome::Copied(n)) => copied = n.wrapping_add(copied),
                Ok(Outcome::Nothing) => {}
                Err(error) if copied == 0 => return Err(error),
                Err(_) => break,
            }
        }
        if copied == 0 && !to.is_empty() {
            return Ok(Outcome::Nothing);
        }
        Ok(Outcome::Copied(copied))
    }

    /// After something was taken of `buffer`: when it has its next turn.
    pub(super) fn take_turn(
        &self,
        view: View<'_>,
        merge: &mut Merge,
        manner: Manner,
        buffer: &Buffer,
        at: &Position,
    ) {
        let number = buffer.number();
        // Without a clock it has had its turn, whatever it has now.
        if !merge.keep_turn(number, at) && self.tells_time() {
            let look = self.look(view, merge, manner, buffer);
            merge.enter(number, &look);
        }
    }

    /// The buffer whose turn it is, of those that are `wanted`. For unfinished records it waits for a while,
    /// with `patience`; `None` if they are in the way, or nothing is there.
    pub(super) fn next<'a>(
        &'a self,
        view: View<'a>,
        merge: &mut Merge,
        manner: Manner,
        patience: Patience,
        wanted: impl Fn(&Buffer) -> bool,
    ) -> Result<Option<(&'a Buffer, &'a Position)>> {
        let find = |number: u32| {
            let buffer = self.buffers().get(number as usize);
            let buffer = buffer.filter(|buffer| wanted(buffer))?;
            Some((&**buffer, view.position(buffer)?))
        };
        if let Some(found) = merge.current.and_then(find) {
            merge.current = None;
            return Ok(Some(found));
        }
        merge.waited.looks = 0;
        let mut rounds = 0u32;
        loop {
            let Some(turn) = merge.pop() else {
                if rounds != 0 && merge.turns.peek().is_none() {
                    return Ok(None);
                }
                rounds = rounds.wrapping_add(1);
                self.begin_round(view, merge, manner)?;
                continue;
            };
            let Some((buffer, at)) = find(turn.number) else {
                continue;
            };
            let look = self.look(view, merge, manner, buffer);
            match look {
                // Writers, or others who read, may be faster than this, but not for ever.
                Look::Ready(time)
                    if time.max(merge.floor(turn.number)) <= turn.time || rounds > Self::ROUNDS =>
                {
                    if manner == Manner::Runs && merge.pass(turn.time) {
                        self.hub().late.fetch_add(1, Ordering::Relaxed);
                    }
                    merge.waited.naps = 0;
                    return Ok(Some((buffer, at)));
                }
                Look::Unfinished(_) => {
                    let verdict = if merge.others_are_ready() {
                        merge.waited.wait(patience)
                    } else {
                        Verdict::GoOn
                    };
                    match verdict {
                        // The next round looks again.
                        Verdict::GoOn => continue,
                        Verdict::LookAgain => merge.turns.push(turn),
                        Verdict::Leave => {
                            merge.turns.push(turn);
                            return Ok(None);
                        }
                    }
                }
                // Somebody else was quicker, or it was finished meanwhile.
                _ => {
                    merge.waited.naps = 0;
                    merge.enter(turn.number, &look);
                }
            }
        }
    }

    /// Looks at the clock, and then at all buffers.
    fn begin_round(&self, view: View<'_>, merge: &mut Merge, manner: Manner) -> Result {
        let places = self.buffers().places();
        merge.turns.make_room(places)?;
        if merge.known.len() < places {
            merge.known.resize(places, Known::default(), GFP_KERNEL)?;
        }
        merge.turns.clear();
        merge.bound = self.time().max(merge.bound);
        for (number, refused) in self.buffers().refused_without_buffer() {
            merge.note_lost(number, refused);
        }
        for buffer in self.buffers().iter() {
            let look = self.look(view, merge, manner, buffer);
            merge.enter(buffer.number(), &look);
        }
        // If there are only things that came after the look at the clock, or clocks differ: up to the
        // oldest of them.
        if let Some(first) = merge.turns.peek() {
            merge.bound = merge.bound.max(first.time);
        }
        Ok(())
    }

    /// Looks what comes next in `buffer`.
    fn look(&self, view: View<'_>, merge: &mut Merge, manner: Manner, buffer: &Buffer) -> Look {
        let Some(at) = view.position(buffer) else {
            return Look::Nothing;
        };
        // The clock was read before.
        let idle = || !at.is_mid_run() && buffer.written_pos() == buffer.pos_of(at);
        if manner == Manner::Runs && idle() {
            return Look::Nothing;
        }
        let mut place = buffer.lock(at);
        let half_read = at.is_mid_run();
        let _guest = buffer.be_guest();
        let mut store = buffer.enter_for(&mut place, manner);
        let skip = buffer.find_next(at, &mut place, &mut store, manner);
        let (ring, c) = (store.ring(), &mut place.cursor);
        let look = match (skip, manner) {
            (Some(_), Manner::Runs) => Look::Ready(ring.run_time(c)),
            (Some(skip), Manner::Events) => Look::Ready(ring.event_time_at(c, skip)),
            (None, _) if ring.is_unfinished(c) || !buffer.is_current(&store) => {
                Look::Unfinished(ring.run_time(c))
            }
            (None, Manner::Runs) if ring.is_whole_only() => Look::Later,
            (None, _) => Look::Nothing,
        };
        if manner == Manner::Events && merge.packets == 0 {
            merge.note_lost_before(buffer.number(), ring.lost_before_all(c));
        }
        // Only a run some byte of which was read must be kept from the writers.
        if !half_read {
            ring.detach(c);
        }
        if let (Look::Nothing, Manner::Events) = (&look, manner) {
            // All that was written before these were lost has been given away.
            merge.note_lost(buffer.number(), ring.lost_before(c));
        }
        // Also if it only stepped over holes: or it would look as if there were something.
        buffer.leave(at, &mut place, store);
        look
    }

    /// The clock the buffers have.
    fn time(&self) -> u64 {
        let mut buffers = self.buffers().iter();
        buffers
            .next()
            .map_or(0, |buffer| buffer.with_current(|store| store.ring().time()))
    }

    fn tells_time(&self) -> bool {
        self.config().shape.spec.clock() != crate::ring::Clock::None
    }
}
