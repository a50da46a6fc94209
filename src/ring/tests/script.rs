// SPDX-License-Identifier: GPL-2.0

//! What interrupts writers: at the places a script names it is done, in the middle of a writer, and
//! in the middle of that more. Then every byte and every count is checked.

use super::packets::parse_packets;
use super::watch::Watch;
use super::world::{parse_with_reserves, record, records, Entrance, World};
use crate::ring::sync::{ticks, CLOCK};
use crate::ring::{Cause, Clock, Count, Cursor, Delivery, Geometry, Reserves, Rmw, Slot, Spec};
use std::cell::RefCell;
use std::rc::Rc;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    Write(usize),
    /// Writes 8 bytes, at a time that is yet to come for all others.
    Ahead,
    Discard,
    Flush,
    Reset,
    /// Ends the ring; from then on the next is written.
    Retire,
}

/// At the `skip`-th time one of the next writers comes to `place`, `act` is done there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step {
    pub(crate) place: &'static str,
    pub(crate) skip: usize,
    pub(crate) act: Act,
}

/// What is still to be injected, and what was done so far.
struct Script {
    /// The ring, and the one that goes on when that has ended: of a type that `perform` knows.
    rings: [*const (); 2],
    perform: fn(Act),
    watch: fn(&'static str),
    /// Where the consumer is in the two.
    at: [Rc<RefCell<Cursor>>; 2],
    /// What was found in the two, if their counters are watched.
    watched: Option<[Watch; 2]>,
    /// Records that were about to be committed, or were.
    begun: Count,
    /// Records with higher numbers were begun after that.
    retired_at: Option<u32>,
    /// A ring is reset or ended.
    changing: bool,
    steps: Vec<Step>,
    next: u32,
    written: Vec<u32>,
    refused: u64,
    injected: usize,
    resets: usize,
}

/// What a run begins with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Start {
    /// Counters are looked at everywhere.
    pub(crate) watched: bool,
    /// Records of 24 bytes.
    pub(crate) before: usize,
    /// Then one of this length, under the script.
    pub(crate) len: usize,
    pub(crate) kind: Kind,
}

/// What the ring is like.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Kind {
    pub(crate) overwrite: bool,
    /// No sub-buffer is refused, though it is full.
    pub(crate) open: bool,
    pub(crate) reserves: bool,
    pub(crate) whole_only: bool,
    /// Of events.
    pub(crate) records: bool,
}

thread_local! {
    static SCRIPT: RefCell<Option<Script>> = const { RefCell::new(None) };
}

/// Looks at the counters, which are those of no more than there is.
fn watch<R: Rmw>(place: &'static str) {
    let Some((mut watched, at, begun)) = SCRIPT.with_borrow(|script| {
        let script = script.as_ref()?;
        Some((script.watched?, script.at.clone(), script.begun))
    }) else {
        return;
    };
    let mut produced = Count::default();
    for ((ring, at), watch) in rings::<R>().into_iter().zip(at).zip(&mut watched) {
        produced = produced.plus(watch.look(ring, &at.borrow()).produced);
    }
    assert_eq!(produced.at_most(begun), produced, "at {place}");
    SCRIPT.with_borrow_mut(|script| script.as_mut().unwrap().watched = Some(watched));
}

/// Called by the ring at each place.
pub(crate) fn at(place: &'static str) {
    if let Some(watch) = SCRIPT.with_borrow(|script| script.as_ref().map(|script| script.watch)) {
        watch(place);
    }
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
        Some((script.perform, script.steps.remove(0).act))
    });
    if let Some((perform, act)) = due {
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

/// What it was before.
fn set_changing(yes: bool) -> bool {
    SCRIPT.with_borrow_mut(|s| std::mem::replace(&mut s.as_mut().unwrap().changing, yes))
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
fn rings<'a, R: Rmw>() -> [&'a World<R>; 2] {
    let rings = SCRIPT.with_borrow(|s| s.as_ref().map(|s| s.rings).unwrap());
    // SAFETY: `run()` keeps the rings while its script is set, and what that performs is for them.
    rings.map(|ring| unsafe { &*ring.cast() })
}

/// Calls `f` with each of them that has begun.
fn for_each_begun<R: Rmw>(f: impl Fn(&World<R>)) {
    let [old, new] = rings();
    let begun = SCRIPT.with_borrow(|s| s.as_ref().unwrap().retired_at.is_some());
    f(old);
    if begun {
        f(new);
    }
}

/// Reserves in the ring that is written now, which may change meanwhile.
fn reserve<'a, R: Rmw>(len: u64) -> Option<(&'a World<R>, Slot)> {
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

/// A time that others come to much later.
fn ahead() -> u64 {
    ticks() + 1000
}

fn perform<R: Rmw>(act: Act) {
    match act {
        Act::Write(len) => {
            let n = number();
            let reserved = reserve::<R>(len as u64);
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
        Act::Ahead => {
            let usual = CLOCK.replace(ahead);
            perform::<R>(Act::Write(8));
            CLOCK.set(usual);
        }
        Act::Discard => match reserve::<R>(16) {
            Some((w, slot)) => {
                // Something after it, so that it becomes a hole.
                perform::<R>(Act::Write(8));
                let _ = w.discard(slot);
            }
            None => note(None),
        },
        Act::Flush => for_each_begun::<R>(|w| {
            let _ = w.flush();
        }),
        // Of these no two are at work at a time.
        Act::Reset | Act::Retire if set_changing(true) => {}
        Act::Reset => {
            for_each_begun::<R>(|w| {
                let _ = w.reset();
            });
            SCRIPT.with_borrow_mut(|s| s.as_mut().unwrap().resets += 1);
            set_changing(false);
        }
        Act::Retire => {
            let [old, new] = rings::<R>();
            let _ = old.retire(|end| {
                new.start_at(end);
                SCRIPT.with_borrow_mut(|s| {
                    let s = s.as_mut().unwrap();
                    s.retired_at = Some(s.next);
                });
            });
            set_changing(false);
        }
    }
}

fn ring<R: Rmw>(kind: Kind) -> World<R> {
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
        return World::with_spec(records(geo, kind.overwrite));
    }
    let geo = Geometry::new(64, 2).unwrap();
    let spec = Spec::new(geo, kind.overwrite, Delivery::Bulk, reserves, Clock::Mono).unwrap();
    let mut w = World::with_spec(if kind.whole_only {
        spec.whole_only()
    } else {
        spec
    });
    if kind.open {
        w.turns.entrance = Entrance::Open;
    }
    w
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
pub(crate) fn run<R: Rmw>(start: Start, steps: &[Step]) -> usize {
    let Start {
        watched,
        before,
        len,
        kind,
    } = start;
    let (w, next) = (ring::<R>(kind), ring::<R>(kind));
    let (c, d) = <(Rc<RefCell<Cursor>>, Rc<RefCell<Cursor>>)>::default();
    let read_old = || w.read(&mut c.borrow_mut(), usize::MAX);
    let mut stream = Vec::new();
    SCRIPT.set(Some(Script {
        rings: [&w, &next].map(|ring| core::ptr::from_ref(ring).cast()),
        perform: perform::<R>,
        watch: watch::<R>,
        at: [c.clone(), d.clone()],
        watched: watched.then(Default::default),
        begun: Count::default(),
        retired_at: None,
        changing: false,
        steps: Vec::new(),
        next: 0,
        written: Vec::new(),
        refused: 0,
        injected: 0,
        resets: 0,
    }));
    for _ in 0..before {
        perform::<R>(Act::Write(24));
        if !kind.overwrite {
            stream.extend(read_old());
        }
    }
    SCRIPT.with_borrow_mut(|s| s.as_mut().unwrap().steps = steps.to_vec());
    perform::<R>(Act::Write(len));
    perform::<R>(Act::Discard);
    SCRIPT.with_borrow_mut(|s| s.as_mut().unwrap().steps.clear());
    stream.extend(read_old());
    perform::<R>(Act::Write(8));
    perform::<R>(Act::Flush);
    stream.extend(read_old());
    let in_old = split(&stream, kind).0.len();
    let retired_at = SCRIPT.with_borrow(|s| s.as_ref().unwrap().retired_at);
    let retired = retired_at.is_some();
    if retired {
        assert!(w.is_drained(&c.borrow()), "{start:?} {steps:?}");
        stream.extend(next.read(&mut d.borrow_mut(), usize::MAX));
    }

    let script = SCRIPT.take().unwrap();
    let (c, d) = (c.borrow(), d.borrow());
    if let Some([mut old, mut new]) = script.watched {
        old.settle(&w, &c);
        new.settle(&next, &d);
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
