// SPDX-License-Identifier: GPL-2.0

//! Who may use a slot: the one word writers and readers contend for.
//!
//! Before a sub-buffer is opened in a slot its fate is decided, once and for all, in the slot's
//! claim word: *claimed* (the writers may fill it) or *skipped* (readers still hold the slot's old
//! contents, so the writers pass it by). Readers hold a slot while they copy from it; a held slot
//! is never claimed. So bytes a reader looks at never change under it, and a writer never waits.
//!
//! The word: bits 17.. sequence number last decided, plus 1, or 0 if none was since the ring was
//! made, whichever sub-buffer that began with; bit 16 set if that was "skipped"; bits 0..16 number
//! of holders. The decision is unique because each goes by compare-exchange
//! from a word that shows no decision for this sequence number yet.

use crate::ring::sync::{AtomicU64, Ordering, Rmw, Shared};

const HOLDERS: u64 = 0xffff;
const SKIPPED: u64 = 1 << 16;
const SEQ_SHIFT: u32 = 17;
/// How many sequence numbers can be told apart: all that fit but 0, which stands for none.
const SEQS: u64 = u64::MAX >> SEQ_SHIFT;

/// What was decided for a sub-buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// Nothing yet, and readers hold the slot or do not: the number of holders.
    None { holders: u64 },
    /// The writers fill it.
    Claimed,
    /// The writers passed it by.
    Skipped,
    /// A later sub-buffer was decided for the slot: the caller's view of the ring is old.
    Later,
}

/// A slot's claim word.
pub(crate) struct Claim<'a>(pub(crate) &'a AtomicU64);

/// The tag that stands for `seq` in the word; never 0.
fn tag(seq: u64) -> u64 {
    (seq % SEQS).wrapping_add(1)
}

fn decode(word: u64, seq: u64) -> Decision {
    let decided = word >> SEQ_SHIFT;
    if decided == tag(seq) {
        if word & SKIPPED != 0 {
            Decision::Skipped
        } else {
            Decision::Claimed
        }
    } else if decided == 0 || tag(seq).wrapping_add(SEQS).wrapping_sub(decided) % SEQS <= SEQS / 2 {
        Decision::None {
            holders: word & HOLDERS,
        }
    } else {
        Decision::Later
    }
}

/// The word of a slot that was claimed for `seq`.
#[cfg(test)]
pub(crate) fn claimed(seq: u64) -> u64 {
    tag(seq) << SEQ_SHIFT
}

impl Claim<'_> {
    /// What is decided for `seq`.
    pub(crate) fn decision(&self, seq: u64) -> Decision {
        // ORDERING: claim:A
        decode(self.0.load(Ordering::Acquire), seq)
    }

    /// Decides for `seq` if nobody has: claimed when no reader holds the slot, else skipped.
    pub(crate) fn decide(&self, seq: u64) -> Decision {
        loop {
            // ORDERING: claim:A
            let word = self.0.load(Ordering::Acquire);
            let Decision::None { holders } = decode(word, seq) else {
                return decode(word, seq);
            };
            let (new, decision) = if holders == 0 {
                (tag(seq) << SEQ_SHIFT, Decision::Claimed)
            } else {
                let skipped = tag(seq) << SEQ_SHIFT | SKIPPED | holders;
                (skipped, Decision::Skipped)
            };
            // ORDERING: claim:B
            if Shared::cmpxchg(self.0, word, new) {
                return decision;
            }
        }
    }

    /// Holds the slot for reading `seq`. Fails if it does not, or no longer, belong to `seq`.
    pub(crate) fn hold(&self, seq: u64) -> Result<(), Decision> {
        loop {
            // ORDERING: claim:A
            let word = self.0.load(Ordering::Acquire);
            match decode(word, seq) {
                Decision::Claimed if word & HOLDERS != HOLDERS => {}
                other => return Err(other),
            }
            // ORDERING: hold:A
            if Shared::cmpxchg(self.0, word, word.wrapping_add(1)) {
                return Ok(());
            }
        }
    }

    /// Ends a hold.
    pub(crate) fn release(&self) {
        // ORDERING: hold:B
        Shared::fetch_add(self.0, 1u64.wrapping_neg());
    }
}
