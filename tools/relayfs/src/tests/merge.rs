// SPDX-License-Identifier: MIT OR Apache-2.0

//! The order of several sources, of which some are idle.

use super::made::packet;
use crate::error::Result;
use crate::item::{Gap, Item};
use crate::merge::{Order, Watermark};
use crate::packet;
use crate::source::{Data, Held, Source};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

/// What a test does with a source.
#[derive(Default)]
struct State {
    /// Packets that can be read.
    ready: VecDeque<Vec<u8>>,
    /// Packets that can be read after a flush.
    current: VecDeque<Vec<u8>>,
    time: u64,
    flushes: u64,
    ended: bool,
}

struct Fake {
    state: Rc<RefCell<State>>,
    held: Held,
    gap: Gap,
}

impl Source for Fake {
    fn fetch(&mut self) -> Result<bool> {
        let Some(bytes) = self.state.borrow_mut().ready.pop_front() else {
            return Ok(false);
        };
        let (head, len) = packet::whole(&bytes, 0)?;
        self.held = Held {
            cpu: head.cpu_id,
            seq: head.packet_seq_num,
            begin: head.timestamp_begin,
            end: head.timestamp_end,
            gaps: self.gap.before(&head, Default::default),
            head: Some(head),
            data: Data(bytes, 0..len),
            cuts: Vec::new(),
        };
        Ok(true)
    }

    fn held(&self) -> &Held {
        &self.held
    }

    fn release(&mut self) -> Result<()> {
        Ok(())
    }

    fn flush(&mut self) -> Result<Option<u64>> {
        let mut state = self.state.borrow_mut();
        let State { ready, current, .. } = &mut *state;
        ready.append(current);
        state.flushes += 1;
        Ok(Some(state.time))
    }

    fn is_ended(&self) -> bool {
        let state = self.state.borrow();
        state.ended && state.ready.is_empty()
    }
}

struct Setup {
    states: Vec<Rc<RefCell<State>>>,
    order: Order<Fake>,
}

impl Setup {
    fn new(n: usize, watermark: Watermark) -> Self {
        let states: Vec<_> = (0..n).map(|_| Rc::<RefCell<State>>::default()).collect();
        let sources = states.iter().map(|state| Fake {
            state: state.clone(),
            held: Held::default(),
            gap: Gap::default(),
        });
        let order = Order::new(sources, watermark);
        Self { states, order }
    }

    /// Adds a packet with events at these times; `now`: it can be read without a flush.
    fn add(&self, at: usize, seq: u64, times: &[u64], now: bool) {
        let events: Vec<_> = times.iter().map(|&time| (time, 0, &[][..])).collect();
        let packet = packet(at as u32, seq, 0, &events);
        let mut state = self.states[at].borrow_mut();
        if now {
            state.ready.push_back(packet);
        } else {
            state.current.push_back(packet);
        }
    }

    /// The clock of all.
    fn time(&self, time: u64) {
        for state in &self.states {
            state.borrow_mut().time = time;
        }
    }

    /// What comes now, as times.
    fn take(&mut self) -> Vec<u64> {
        let mut times = Vec::new();
        while let Some(item) = self.order.next_item().unwrap() {
            times.push(match item {
                Item::Record(event) => event.timestamp,
                other => panic!("{other:?}"),
            });
        }
        times
    }
}

const OFTEN: Watermark = Watermark::Flush {
    every: Duration::ZERO,
};

#[test]
fn items_come_in_the_order_of_time() {
    let mut setup = Setup::new(3, OFTEN);
    setup.add(0, 0, &[1, 5, 9], true);
    setup.add(1, 0, &[2, 3, 10], true);
    setup.add(2, 0, &[4], true);
    setup.add(2, 1, &[6, 7, 8], true);
    setup.time(100);
    assert_eq!(setup.take(), (1..=10).collect::<Vec<_>>());
    assert_eq!(setup.order.late, 0);
}

#[test]
fn an_idle_cpu_holds_nothing_back() {
    let mut setup = Setup::new(4, OFTEN);
    setup.add(2, 0, &[1, 2, 3], true);
    setup.time(10);
    assert_eq!(setup.take(), [1, 2, 3]);
    // Once each for what was at hand, not once an event.
    let flushes: u64 = setup.states.iter().map(|s| s.borrow().flushes).sum();
    assert_eq!(flushes, 3);
}

#[test]
fn what_a_flush_brings_is_in_its_place() {
    let mut setup = Setup::new(2, OFTEN);
    setup.add(0, 0, &[5, 6, 7], true);
    // In a sub-buffer that is not full: nobody sees it yet.
    setup.add(1, 0, &[1, 6, 20], false);
    setup.time(30);
    assert_eq!(setup.take(), [1, 5, 6, 6, 7, 20]);
    assert_eq!(setup.order.late, 0);
}

#[test]
fn nothing_comes_that_is_younger_than_the_watermark() {
    let mut setup = Setup::new(2, OFTEN);
    setup.add(0, 0, &[5, 15], true);
    setup.time(10);
    assert_eq!(setup.take(), [5]);
    // That was written meanwhile.
    setup.add(1, 0, &[12], true);
    setup.time(20);
    assert_eq!(setup.take(), [12, 15]);
    assert_eq!(setup.order.late, 0);
}

#[test]
fn the_kernel_is_not_asked_more_often_than_allowed() {
    let every = Duration::from_secs(3600);
    let mut setup = Setup::new(2, Watermark::Flush { every });
    setup.add(0, 0, &[5, 15], true);
    setup.time(10);
    assert_eq!(setup.take(), [5]);
    setup.time(20);
    assert_eq!(setup.take(), []);
    assert_eq!(setup.states[1].borrow().flushes, 1);
    // But what comes by itself is seen.
    setup.add(1, 0, &[16], true);
    assert_eq!(setup.take(), [15, 16]);
}

#[test]
fn what_comes_late_is_given_out_and_counted() {
    let slack = Duration::from_millis(1);
    let mut setup = Setup::new(2, Watermark::Slack(slack));
    setup.add(0, 0, &[5, 6], true);
    assert_eq!(setup.take(), [5, 6]);
    setup.add(1, 0, &[4, 7], true);
    assert_eq!(setup.take(), [4, 7]);
    assert_eq!(setup.order.late, 1);
}

#[test]
fn slack_holds_back_what_is_young() {
    // Of the machine's uptime, events may be as old as they are.
    let mut setup = Setup::new(2, Watermark::Slack(Duration::from_secs(1 << 40)));
    setup.add(0, 0, &[5], true);
    assert_eq!(setup.take(), []);
    setup.states[1].borrow_mut().ended = true;
    assert_eq!(setup.take(), [5]);
}

#[test]
fn one_that_comes_later_is_merged() {
    let mut setup = Setup::new(1, OFTEN);
    setup.add(0, 0, &[1, 5], true);
    setup.time(10);
    assert_eq!(setup.take(), [1, 5]);
    let state = Rc::<RefCell<State>>::default();
    setup.states.push(state.clone());
    setup.order.add(Fake {
        state,
        held: Held::default(),
        gap: Gap::default(),
    });
    setup.time(10);
    setup.add(0, 1, &[6, 8], true);
    setup.add(1, 0, &[7], true);
    assert_eq!(setup.take(), [6, 7, 8]);
}

#[test]
fn many_are_in_order_whatever_they_have() {
    let mut setup = Setup::new(64, OFTEN);
    let mut wanted = Vec::new();
    for at in 0..64u64 {
        for seq in 0..at % 5 {
            let times: Vec<u64> = (0..1 + (at * 7 + seq) % 4)
                .map(|n| 1000 * seq + (at * 37 + n * 101) % 1000)
                .collect();
            let mut times = times;
            times.sort_unstable();
            wanted.extend(&times);
            setup.add(at as usize, seq, &times, seq <= at % 3);
        }
    }
    wanted.sort_unstable();
    setup.time(1 << 20);
    assert_eq!(setup.take(), wanted);
    assert_eq!(setup.order.late, 0);
}

#[test]
fn the_end_of_all_is_the_end() {
    let mut setup = Setup::new(2, OFTEN);
    setup.add(0, 0, &[5], true);
    for state in &setup.states {
        state.borrow_mut().ended = true;
    }
    assert!(!setup.order.is_ended());
    assert_eq!(setup.take(), [5]);
    assert!(setup.order.is_ended());
    // Who is at its end is not asked.
    assert_eq!(setup.states[1].borrow().flushes, 0);
}
