// SPDX-License-Identifier: GPL-2.0

//! Interrupts: at every labelled place of a writer another one is run, and in that another, to
//! depth 4; then every byte and every count is checked.
//!
//! Nesting on one CPU is not what threads do: the inner writer runs to its end before the outer one
//! goes on. So it is tested by calling.

use super::packets::parse_packets;
use super::world::{parse_with_reserves, record, records, Entrance, World};
use crate::ring::{
    Cause, Clock, Count, Cursor, Delivery, Geometry, Owner, Reserves, Said, Slot, Spec, Stats,
};
use std::cell::RefCell;

type W = World<Owner>;

const PLACES: [&str; 15] = [
    "A", "B", "C", "D", "E", "F", "G", "H", "I", "J", "K", "L", "M", "N", "O",
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    Write(usize),
    Discard,
    Flush,
    Reset,
    /// Ends the ring; from then on the next is written.
    Retire,
}

const ACTS: [Act; 7] = [
    Act::Write(8),
    Act::Write(40),
    Act::Write(64),
    Act::Discard,
    Act::Flush,
    Act::Reset,
    Act::Retire,
];

/// At the `skip`-th time one of the next writers comes to `place`, `act` is done there.
#[derive(Clone, Copy, Debug)]
struct Step {
    place: &'static str,
    skip: usize,
    act: Act,
}

/// What is still to be injected, and what was done so far.
struct Script {
    ring: *const W,
    /// Goes on when the ring has ended.
    next_ring: *const W,
    /// Where the consumer is in the two.
    at: [*const Cursor; 2],
    /// What was found in the two, if their counters are watched.
    watched: Option<[(Said, Stats); 2]>,
    /// Records that were about to be committed, or were.
    begun: Count,
    /// Records with higher numbers were begun after that.
    retired_at: Option<u32>,
    steps: Vec<Step>,
    next: u32,
    written: Vec<u32>,
    refused: u64,
    injected: usize,
    resets: usize,
}

/// What a run begins with.
#[derive(Clone, Copy, Debug)]
struct Start {
    /// Counters are looked at everywhere.
    watched: bool,
    /// Records of 24 bytes.
    before: usize,
    /// Then one of this length, under the script.
    len: usize,
    kind: Kind,
}

/// What the ring is like.
#[derive(Clone, Copy, Debug, Default)]
struct Kind {
    overwrite: bool,
    /// No sub-buffer is refused, though it is full.
    open: bool,
    reserves: bool,
    whole_only: bool,
    /// Of events.
    records: bool,
}

thread_local! {
    static SCRIPT: RefCell<Option<Script>> = const { RefCell::new(None) };
}

/// Looks at the counters: no number goes back, nor is more than there is.
fn watch(place: &'static str) {
    let Some((watched, at, begun)) = SCRIPT.with_borrow(|script| {
        let script = script.as_ref()?;
        Some((script.watched?, script.at, script.begun))
    }) else {
        return;
    };
    let mut now = watched;
    let mut produced = Count::default();
    for ((ring, at), (said, before)) in rings().into_iter().zip(at).zip(&mut now) {
        // SAFETY: `run()` keeps the cursors while its script is set, and does not read meanwhile.
        let s = ring.stats_after(said, unsafe { &*at });
        for (now, before) in [
            (s.produced, before.produced),
            (s.overwritten, before.overwritten),
        ] {
            assert_eq!(now.at_least(before), now, "at {place}");
        }
        assert_eq!(s.read.plus(s.overwritten).at_most(s.produced), s.read.plus(s.overwritten));
        assert!(s.unread().bytes <= ring.geometry().ring_size(), "at {place}");
        produced = produced.plus(s.produced);
        *before = s;
    }
    assert_eq!(produced.at_most(begun), produced, "at {place}");
    SCRIPT.with_borrow_mut(|script| script.as_mut().unwrap().watched = Some(now));
}

/// The same when nobody is at work: then they are exact, so what was said before was not too much.
fn settle(w: &W, c: &Cursor, said: &mut Said) {
    let (now, exact) = (w.stats_after(said, c), w.stats(c));
    assert_eq!(
        (now.produced, now.read, now.overwritten),
        (exact.produced, exact.read, exact.overwritten)
    );
}

/// Called by the ring at each place.
pub(crate) fn at(place: &'static str) {
    watch(place);
    let due = SCRIPT.with_borrow_mut(|script| {
        let script = script.as_mut()?;
        let step = script.steps.first_mut()?;
        if step.place != place {
            return None;
        }
        if step.skip > 0 {
            step.skip -= 1;
            return None;
        }
        script.injected += 1;
        Some(script.steps.remove(0).act)
    });
    if let Some(act) = due {
        perform(act);
    }
}

fn number() -> u32 {
    SCRIPT.with_borrow_mut(|s| {
        let s = s.as_mut().unwrap();
        s.next += 1;
        s.next
    })
}

fn note(written: Option<u32>) {
    SCRIPT.with_borrow_mut(|s| {
        let s = s.as_mut().unwrap();
        match written {
            Some(n) => s.written.push(n),
            None => s.refused += 1,
        }
    });
}

/// The ring, and the one after it.
fn rings<'a>() -> [&'a W; 2] {
    let rings = SCRIPT.with_borrow(|s| s.as_ref().map(|s| [s.ring, s.next_ring]).unwrap());
    // SAFETY: `run()` keeps the rings while its script is set.
    rings.map(|ring| unsafe { &*ring })
}

/// Calls `f` with each of them that has begun.
fn for_each_begun(f: impl Fn(&W)) {
    let [old, new] = rings();
    let begun = SCRIPT.with_borrow(|s| s.as_ref().unwrap().retired_at.is_some());
    f(old);
    if begun {
        f(new);
    }
}

/// Reserves in the ring that is written now, which may change meanwhile.
fn reserve<'a>(len: u64) -> Option<(&'a W, Slot)> {
    let [old, new] = rings();
    match old.reserve_uncounted(len) {
        Ok(slot) => Some((old, slot)),
        Err(Cause::Closed) => {
            let retired_at = SCRIPT.with_borrow(|s| s.as_ref().unwrap().retired_at);
            assert!(retired_at.is_some(), "it has ended");
            new.reserve(len).ok().map(|slot| (new, slot))
        }
        Err(cause) => {
            old.count_lost(cause, len);
            None
        }
    }
}

fn perform(act: Act) {
    match act {
        Act::Write(len) => {
            let n = number();
            let reserved = reserve(len as u64);
            note(reserved.is_some().then_some(n));
            if let Some((w, slot)) = reserved {
                w.fill(&slot, &record(1, n, len));
                SCRIPT.with_borrow_mut(|s| {
                    let s = s.as_mut().unwrap();
                    s.begun.records += 1;
                    s.begun.bytes += slot.len;
                });
                let _ = w.commit(slot);
            }
        }
        Act::Discard => match reserve(16) {
            Some((w, slot)) => {
                // Something after it, so that it becomes a hole.
                perform(Act::Write(8));
                let _ = w.discard(slot);
            }
            None => note(None),
        },
        Act::Flush => for_each_begun(|w| {
            let _ = w.flush();
        }),
        Act::Reset => {
            for_each_begun(|w| {
                let _ = w.reset();
            });
            SCRIPT.with_borrow_mut(|s| s.as_mut().unwrap().resets += 1);
        }
        Act::Retire => {
            let [old, new] = rings();
            let _ = old.retire(|end| {
                new.start_at(end);
                SCRIPT.with_borrow_mut(|s| {
                    let s = s.as_mut().unwrap();
                    s.retired_at = Some(s.next);
                });
            });
        }
    }
}

fn ring(kind: Kind) -> W {
    let reserves = if kind.reserves {
        Reserves {
            start: 6,
            end: 5,
            channel_start: 8,
        }
    } else {
        Reserves::default()
    };
    if kind.records {
        let geo = Geometry::new(256, 2).unwrap();
        return W::with_spec(records(geo, kind.overwrite));
    }
    let geo = Geometry::new(64, 2).unwrap();
    let spec = Spec::new(geo, kind.overwrite, Delivery::Bulk, reserves, Clock::Mono).unwrap();
    let mut w = W::with_spec(if kind.whole_only {
        spec.whole_only()
    } else {
        spec
    });
    if kind.open {
        w.turns.entrance = Entrance::Open;
    }
    w
}

fn kinds() -> [Kind; 8] {
    let plain = Kind::default();
    let overwrite = Kind {
        overwrite: true,
        ..plain
    };
    let open = Kind {
        open: true,
        ..plain
    };
    let and_reserves = |kind| Kind {
        reserves: true,
        ..kind
    };
    let of_events = |kind| Kind {
        records: true,
        ..kind
    };
    let whole_only = Kind {
        whole_only: true,
        ..and_reserves(plain)
    };
    [
        plain,
        overwrite,
        open,
        whole_only,
        and_reserves(plain),
        and_reserves(overwrite),
        of_events(plain),
        of_events(overwrite),
    ]
}

/// Numbers of the records in a stream, and how many bytes of it are no payload.
fn split(stream: &[u8], kind: Kind) -> (Vec<u32>, usize) {
    let (records, others) = if kind.records {
        let packets = parse_packets(stream);
        let events = packets.iter().flat_map(|packet| &packet.events);
        let fields: Vec<u8> = events.flat_map(|event| event.fields.clone()).collect();
        (parse_with_reserves(&fields).0, 80 * packets.len())
    } else {
        parse_with_reserves(stream)
    };
    assert!(kind.reserves || kind.records || others == 0);
    (records.into_iter().map(|(_, n)| n).collect(), others)
}

/// Fills the ring, then writes a record under `steps`, then some more. The number of steps that were
/// reached.
fn run(start: Start, steps: &[Step]) -> usize {
    let Start {
        watched,
        before,
        len,
        kind,
    } = start;
    let (w, next) = (ring(kind), ring(kind));
    let (mut c, mut d) = (Cursor::default(), Cursor::default());
    let mut stream = Vec::new();
    SCRIPT.set(Some(Script {
        ring: &w,
        next_ring: &next,
        at: [&raw const c, &raw const d],
        watched: watched.then(Default::default),
        begun: Count::default(),
        retired_at: None,
        steps: Vec::new(),
        next: 0,
        written: Vec::new(),
        refused: 0,
        injected: 0,
        resets: 0,
    }));
    for _ in 0..before {
        perform(Act::Write(24));
        if !kind.overwrite {
            stream.extend(w.read(&mut c, usize::MAX));
        }
    }
    SCRIPT.with_borrow_mut(|s| s.as_mut().unwrap().steps = steps.to_vec());
    perform(Act::Write(len));
    perform(Act::Discard);
    SCRIPT.with_borrow_mut(|s| s.as_mut().unwrap().steps.clear());
    stream.extend(w.read(&mut c, usize::MAX));
    perform(Act::Write(8));
    perform(Act::Flush);
    stream.extend(w.read(&mut c, usize::MAX));
    let in_old = split(&stream, kind).0.len();
    let retired_at = SCRIPT.with_borrow(|s| s.as_ref().unwrap().retired_at);
    let retired = retired_at.is_some();
    if retired {
        assert!(w.is_drained(&c), "{start:?} {steps:?}");
        stream.extend(next.read(&mut d, usize::MAX));
    }

    let script = SCRIPT.take().unwrap();
    if let Some([(mut old, _), (mut new, _)]) = script.watched {
        settle(&w, &c, &mut old);
        settle(&next, &d, &mut new);
    }
    let stats = if retired {
        w.stats(&c).plus(&next.stats(&d))
    } else {
        w.stats(&c)
    };
    let context = || format!("{start:?} {steps:?}");
    let (mut read, no_payload) = split(&stream, kind);
    // What was begun after the end of a ring is in the next.
    let last = script.retired_at.unwrap_or(u32::MAX);
    assert!(read[..in_old].iter().all(|&n| n <= last), "{}", context());
    assert_eq!(stats.read.records, read.len() as u64, "{}", context());
    assert_eq!(
        stats.read.bytes,
        (stream.len() - no_payload) as u64,
        "{}",
        context()
    );
    assert_eq!(stats.unread().records, 0, "{}", context());
    assert_eq!(stats.unread().bytes, 0, "{}", context());
    assert_eq!(
        stats.produced.records,
        script.written.len() as u64,
        "{}",
        context()
    );
    let closed = stats.refused[Cause::Closed as usize].records;
    assert_eq!(closed, 0, "{}", context());
    let refused: u64 = stats.refused.iter().map(|n| n.records).sum();
    assert_eq!(refused, script.refused, "{}", context());
    if kind.overwrite || kind.open || script.resets != 0 {
        assert!(
            read.iter().all(|n| script.written.contains(n)),
            "{}",
            context()
        );
    } else {
        assert_eq!(stats.overwritten.records, 0, "{}", context());
        let mut written = script.written;
        written.sort_unstable();
        read.sort_unstable();
        assert_eq!(read, written, "{}", context());
    }
    script.injected
}

fn each_start(watched: bool, mut f: impl FnMut(Start)) {
    for kind in kinds() {
        for before in 0..7 {
            for len in [8, 40, 64] {
                f(Start {
                    watched,
                    before,
                    len,
                    kind,
                });
            }
        }
    }
}

#[test]
fn one_level_everywhere() {
    let mut reached = std::collections::BTreeSet::new();
    each_start(true, |start| {
        for place in PLACES {
            for act in ACTS {
                for skip in 0..3 {
                    if run(start, &[Step { place, skip, act }]) == 1 {
                        reached.insert(place);
                    }
                }
            }
        }
    });
    assert_eq!(reached.len(), PLACES.len(), "only {reached:?}");
}

#[test]
fn two_levels_everywhere() {
    let skip = 0;
    each_start(false, |start| {
        for outer in PLACES {
            for inner in PLACES {
                for a in ACTS {
                    for b in ACTS {
                        let steps = [
                            Step {
                                place: outer,
                                skip,
                                act: a,
                            },
                            Step {
                                place: inner,
                                skip,
                                act: b,
                            },
                        ];
                        run(start, &steps);
                    }
                }
            }
        }
    });
}

#[test]
fn four_levels_at_random() {
    // A small generator, seeded, so that a failure repeats.
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut pick = |n: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % n as u64) as usize
    };
    let (mut deep, rounds) = (0, if cfg!(miri) { 200 } else { 300_000 });
    for _ in 0..rounds {
        let steps: Vec<Step> = (0..4)
            .map(|_| Step {
                place: PLACES[pick(PLACES.len())],
                skip: pick(2),
                act: ACTS[pick(ACTS.len())],
            })
            .collect();
        let start = Start {
            watched: true,
            before: pick(7),
            len: [8, 24, 40, 64][pick(4)],
            kind: kinds()[pick(kinds().len())],
        };
        deep += usize::from(run(start, &steps) == 4);
    }
    assert!(
        deep > rounds / 100,
        "{deep} of {rounds} went four levels deep"
    );
}
