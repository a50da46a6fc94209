// SPDX-License-Identifier: GPL-2.0

//! Random operations against a model so simple that it cannot be wrong: a list of records.

use super::world::{parse, record, World};
use crate::ring::{Cursor, Owner, Slot};
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Op {
    Write(usize),
    Reserve(usize),
    /// Commit, or discard, one of the open slots.
    Finish(usize, bool),
    Read(usize),
    Flush,
    Detach,
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        6 => (8usize..80).prop_map(Op::Write),
        2 => (8usize..40).prop_map(Op::Reserve),
        2 => (0usize..4, any::<bool>()).prop_map(|(i, keep)| Op::Finish(i, keep)),
        3 => (1usize..200).prop_map(Op::Read),
        1 => Just(Op::Flush),
    ]
}

/// Runs `ops`; returns what was produced, in order of reservation, and what was read.
fn run(ops: &[Op], shift: u32, n: u64, overwrite: bool) -> (Vec<u32>, Vec<u32>, u64, u64) {
    let w = World::<Owner>::new(1 << shift, n, overwrite);
    let mut c = Cursor::default();
    let mut open: Vec<(Slot, u32, usize)> = Vec::new();
    let (mut produced, mut stream, mut next, mut refused) = (Vec::new(), Vec::new(), 0, 0);
    for op in ops.iter().chain(&[Op::Detach]) {
        match *op {
            Op::Write(len) => match w.write(&record(1, next, len)) {
                Ok(_) => produced.push(next),
                Err(_) => refused += 1,
            },
            Op::Reserve(len) if open.len() < 4 => match w.reserve(len as u64) {
                Ok(slot) => {
                    produced.push(next);
                    open.push((slot, next, len));
                }
                Err(_) => refused += 1,
            },
            Op::Finish(i, keep) if i < open.len() => {
                let (slot, number, len) = open.remove(i);
                if keep {
                    w.fill(&slot, &record(1, number, len));
                    let _ = w.commit(slot);
                } else {
                    produced.retain(|&n| n != number);
                    let _ = w.discard(slot);
                }
            }
            Op::Read(max) => stream.extend(w.read(&mut c, max)),
            Op::Flush => {
                let _ = w.flush();
            }
            Op::Detach => {
                for (slot, number, len) in open.drain(..) {
                    w.fill(&slot, &record(1, number, len));
                    let _ = w.commit(slot);
                }
                w.close();
                let _ = w.flush();
                stream.extend(w.read(&mut c, usize::MAX));
            }
            _ => continue,
        }
        next += 1;
    }
    let s = w.stats(&c);
    assert_eq!(s.unread().records, 0, "everything was drained");
    assert_eq!(s.produced.records as usize, produced.len());
    assert_eq!(s.read.bytes as usize, stream.len());
    assert_eq!(s.produced.bytes, s.read.bytes + s.overwritten.bytes);
    let all_refused: u64 = s.refused.iter().map(|c| c.records).sum();
    assert_eq!(all_refused, refused);
    let read = parse(&stream).into_iter().map(|(_, n)| n).collect();
    (produced, read, s.read.records, s.overwritten.records)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 8 } else { 2000 }))]

    #[test]
    fn no_overwrite_gives_all_in_order(
        ops in prop::collection::vec(op(), 1..200), shift in 6u32..9, n in 1u32..4,
    ) {
        let (produced, read, read_count, overwritten) = run(&ops, shift, 1 << n, false);
        prop_assert_eq!(overwritten, 0);
        prop_assert_eq!(read_count as usize, read.len());
        prop_assert_eq!(produced, read);
    }

    #[test]
    fn overwrite_gives_a_subsequence_and_counts_the_rest(
        ops in prop::collection::vec(op(), 1..200), shift in 6u32..9, n in 1u32..4,
    ) {
        let (produced, read, read_count, overwritten) = run(&ops, shift, 1 << n, true);
        prop_assert_eq!(read_count as usize, read.len());
        prop_assert_eq!(produced.len() as u64, read_count + overwritten);
        let mut all = produced.iter();
        prop_assert!(read.iter().all(|n| all.any(|p| p == n)), "out of order or never written");
    }
}
