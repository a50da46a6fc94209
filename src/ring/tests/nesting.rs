// SPDX-License-Identifier: GPL-2.0

//! Interrupts: at every labelled place of a writer another one is run, and in that another, to
//! depth 4; then every byte and every count is checked.
//!
//! Nesting on one CPU is not what threads do: the inner writer runs to its end before the outer one
//! goes on. So it is tested by calling.

use super::script::{run, Act, Kind, Start, Step};
use super::world::is_tried;
use crate::ring::{Locked, Owner, Rmw, Shared};

const PLACES: [&str; 17] = [
    "A", "B", "C", "D", "E", "F", "G", "H", "I", "J", "K", "L", "M", "N", "O", "P", "Q",
];

/// Where writers may come with the locking scheme: inside of the lock a ring's owner only.
const UNLOCKED: [&str; 3] = ["C", "N", "O"];

const ACTS: [Act; 8] = [
    Act::Write(8),
    Act::Write(40),
    Act::Write(64),
    Act::Ahead,
    Act::Discard,
    Act::Flush,
    Act::Reset,
    Act::Retire,
];

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

fn one_level<R: Rmw>(places: &[&'static str]) {
    let (mut n, mut reached) = (0, std::collections::BTreeSet::new());
    each_start(true, |start| {
        for &place in places {
            for act in ACTS {
                for skip in 0..3 {
                    if is_tried(&mut n, 2003) && run::<R>(start, &[Step { place, skip, act }]) == 1
                    {
                        reached.insert(place);
                    }
                }
            }
        }
    });
    assert!(
        cfg!(miri) || reached.len() == places.len(),
        "only {reached:?}"
    );
}

#[test]
fn one_level_everywhere() {
    one_level::<Owner>(&PLACES);
}

#[test]
fn one_level_everywhere_in_a_shared_ring() {
    one_level::<Shared>(&PLACES);
}

#[test]
fn one_level_outside_the_lock() {
    one_level::<Locked>(&UNLOCKED);
}

fn two_levels<R: Rmw>(places: &[&'static str]) {
    let skip = 0;
    each_start(false, |start| {
        for &outer in places {
            for &inner in places {
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
                        run::<R>(start, &steps);
                    }
                }
            }
        }
    });
}

#[test]
#[cfg_attr(miri, ignore = "so many that miri would take days")]
fn two_levels_everywhere() {
    two_levels::<Owner>(&PLACES);
}

#[test]
#[cfg_attr(miri, ignore = "so many that miri would take days")]
fn two_levels_outside_the_lock() {
    two_levels::<Locked>(&UNLOCKED);
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
    let (mut deep, rounds) = (0, if cfg!(miri) { 20 } else { 300_000 });
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
        deep += usize::from(run::<Owner>(start, &steps) == 4);
    }
    assert!(
        deep > rounds / 100,
        "{deep} of {rounds} went four levels deep"
    );
}
