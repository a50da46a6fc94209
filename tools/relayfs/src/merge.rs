// SPDX-License-Identifier: MIT OR Apache-2.0

//! Several buffers as one stream, in the order of time.
//!
//! The oldest item at hand is next if no buffer can still bring an older one. Of a buffer with an item at
//! hand that is certain, as its items are in order. Of one that has none now, a [`Watermark`] says up to
//! which time that is so.

use crate::buffer::Buffer;
use crate::error::Result;
use crate::item::Item;
use crate::source::{Found, Source, Walk};
use crate::trace::Stream;
use crate::wait::Poller;
use rustix::time::{clock_gettime, ClockId};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::{Duration, Instant};

/// Up to which time a buffer in which there is nothing now brings nothing more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Watermark {
    /// Ask the kernel: it ends the sub-buffer and says up to which time all is there. At most so often, as
    /// each time costs the rest of a sub-buffer.
    Flush {
        /// How often at most.
        every: Duration,
    },
    /// Believe that nothing takes longer than this until it can be read. What does is late: it comes all
    /// the same, out of order, and is counted. Of a channel whose clock is `CLOCK_MONOTONIC`, and longer
    /// than its flush interval.
    Slack(Duration),
    /// Take what there is: ordered is only what is at hand at the same time.
    None,
}

impl Default for Watermark {
    fn default() -> Self {
        Self::Flush {
            every: Duration::from_millis(10),
        }
    }
}

/// A source, and how far one has come with what it holds.
struct Input<S> {
    source: S,
    walk: Walk,
    /// What comes next of it.
    next: Option<(u64, Found)>,
    /// The source holds something that was not gone over to its end.
    holds: bool,
    /// It brings nothing more that is older than this.
    clear: u64,
    flushed: Option<Instant>,
}

impl<S: Source> Input<S> {
    fn new(source: S) -> Self {
        Self {
            source,
            walk: Walk::default(),
            next: None,
            holds: false,
            clear: 0,
            flushed: None,
        }
    }

    /// Has the next item at hand, if there is one.
    fn fill(&mut self) -> Result<()> {
        while self.next.is_none() {
            if !self.holds {
                self.holds = self.source.fetch()?;
                if !self.holds {
                    if self.source.is_ended() {
                        self.clear = u64::MAX;
                    }
                    return Ok(());
                }
                self.walk = Walk::new(self.source.held());
            }
            let held = self.source.held();
            match self.walk.next(held) {
                Some(found) => {
                    let found = found?;
                    self.next = Some((found.time(held), found));
                }
                None => {
                    self.holds = false;
                    self.source.release()?;
                }
            }
        }
        Ok(())
    }

    /// Whether it may still bring something older than `time`. Asks the kernel if need be.
    fn may_be_older(&mut self, time: u64, watermark: Watermark) -> Result<bool> {
        self.fill()?;
        if self.next.is_some() || self.clear > time {
            return Ok(false);
        }
        let clear = match watermark {
            Watermark::None => return Ok(false),
            Watermark::Slack(slack) => {
                now().saturating_sub(u64::try_from(slack.as_nanos()).unwrap_or(u64::MAX))
            }
            Watermark::Flush { every } => {
                if self.flushed.is_some_and(|at| at.elapsed() < every) {
                    return Ok(true);
                }
                self.flushed = Some(Instant::now());
                // A channel without times has no order either.
                self.source.flush()?.unwrap_or(u64::MAX)
            }
        };
        self.fill()?;
        if self.next.is_some() {
            return Ok(false);
        }
        // Nothing that was there at that time is left.
        self.clear = self.clear.max(clear);
        Ok(self.clear <= time)
    }
}

/// Now, by the clock of most channels.
fn now() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    (now.tv_sec as u64)
        .wrapping_mul(1_000_000_000)
        .wrapping_add(now.tv_nsec as u64)
}

/// The order of several inputs.
pub(crate) struct Order<S> {
    inputs: Vec<Input<S>>,
    /// Those that have something at hand, by its time, the oldest on top.
    ready: Turns,
    /// The others, by when they may bring something.
    idle: Turns,
    watermark: Watermark,
    /// Time of the last item that was given out.
    last: u64,
    pub(crate) late: u64,
}

/// Inputs, by a time.
type Turns = BinaryHeap<Reverse<(u64, usize)>>;

impl<S: Source> Order<S> {
    pub(crate) fn new(sources: impl IntoIterator<Item = S>, watermark: Watermark) -> Self {
        let mut order = Self {
            inputs: Vec::new(),
            ready: Turns::new(),
            idle: Turns::new(),
            watermark,
            last: 0,
            late: 0,
        };
        for source in sources {
            order.add(source);
        }
        order
    }

    pub(crate) fn add(&mut self, source: S) {
        self.inputs.push(Input::new(source));
        self.enter(self.inputs.len() - 1);
    }

    /// Has the input at `at` wait for its turn, or for something to come.
    fn enter(&mut self, at: usize) {
        if let Some(input) = self.inputs.get(at) {
            match &input.next {
                Some((time, _)) => self.ready.push(Reverse((*time, at))),
                None => self.idle.push(Reverse((input.clear, at))),
            }
        }
    }

    pub(crate) fn next_item(&mut self) -> Result<Option<Item<'_>>> {
        if !self.choose()? {
            return Ok(None);
        }
        let Some(Reverse((time, at))) = self.ready.pop() else {
            return Ok(None);
        };
        let next = self.inputs.get_mut(at).and_then(|input| input.next.take());
        self.enter(at);
        if time < self.last {
            self.late += 1;
        }
        self.last = self.last.max(time);
        let input = self.inputs.get(at);
        Ok(input
            .zip(next)
            .map(|(input, (_, found))| found.item(input.source.held())))
    }

    /// Whether the next item is on top of `ready`.
    fn choose(&mut self) -> Result<bool> {
        loop {
            let Some(&top) = self.ready.peek() else {
                // Whatever comes may be the next.
                self.ask(u64::MAX, Watermark::None)?;
                if self.ready.is_empty() {
                    return Ok(false);
                }
                continue;
            };
            let Reverse((time, _)) = top;
            let waits = self.ask(time, self.watermark)?;
            // What came meanwhile may be older.
            if self.ready.peek() == Some(&top) {
                return Ok(!waits);
            }
        }
    }

    /// Looks at the idle inputs that may bring something older than `time`. Whether one still may.
    fn ask(&mut self, time: u64, watermark: Watermark) -> Result<bool> {
        let mut asked = Vec::new();
        let mut waits = Ok(false);
        while let (Ok(any), Some(&Reverse((clear, at)))) = (&waits, self.idle.peek()) {
            let Some(input) = self.inputs.get_mut(at).filter(|_| clear <= time) else {
                break;
            };
            let may = input.may_be_older(time, watermark);
            self.idle.pop();
            asked.push(at);
            waits = may.map(|may| *any || may);
        }
        // Each of them once.
        for at in asked {
            self.enter(at);
        }
        waits
    }

    pub(crate) fn is_ended(&self) -> bool {
        self.inputs
            .iter()
            .all(|input| input.next.is_none() && input.source.is_ended())
    }
}

/// Buffers of a channel, or of several with the same clock, merged.
///
/// ```no_run
/// use relayfs::{Channel, Item, Merge, Options, Watermark};
///
/// let channel = Channel::open("net/rx")?;
/// let mut merge = Merge::new(channel.buffers(Options::observer())?, Watermark::default());
/// while !merge.is_ended() {
///     while let Some(item) = merge.next_item()? {
///         if let Item::Record(event) = item {
///             println!("{} cpu{}", event.timestamp, event.cpu);
///         }
///     }
///     merge.wait(None)?;
/// }
/// # Ok::<(), relayfs::Error>(())
/// ```
pub struct Merge {
    order: Order<Buffer>,
    /// Made for the first wait.
    poller: Option<Poller>,
}

impl Merge {
    /// Of these buffers.
    pub fn new(buffers: Vec<Buffer>, watermark: Watermark) -> Self {
        Self {
            order: Order::new(buffers, watermark),
            poller: None,
        }
    }

    /// Adds a buffer, such as that of a CPU that has come up.
    pub fn add(&mut self, buffer: Buffer) {
        self.order.add(buffer);
        self.poller = None;
    }

    /// The next item. `None`: there is none now, or one that is younger than what may still come.
    pub fn next_item(&mut self) -> Result<Option<Item<'_>>> {
        self.order.next_item()
    }

    /// Waits until there may be more. `false`: the time is over.
    pub fn wait(&mut self, timeout: Option<Duration>) -> Result<bool> {
        // What is at hand waits for a time, not for a buffer.
        let most = match self.order.watermark {
            _ if self.order.ready.is_empty() => None,
            Watermark::Flush { every } => Some(every),
            Watermark::Slack(slack) => Some(slack),
            Watermark::None => None,
        };
        let buffers = || self.order.inputs.iter().map(|input| &input.source);
        let time = [timeout, most].into_iter().flatten().min();
        let poller = match self.poller.take() {
            Some(poller) => poller,
            None => Poller::of(buffers())?,
        };
        let came = self.poller.insert(poller).wait_for(buffers(), time)?;
        Ok(came || (most.is_some() && time == most))
    }

    /// Whether all channels are closed and all was given out.
    pub fn is_ended(&self) -> bool {
        self.order.is_ended()
    }

    /// How many items came out of order, as they were later than the watermark had it.
    pub fn late(&self) -> u64 {
        self.order.late
    }

    /// The buffers, for their counters.
    pub fn buffers(&self) -> impl Iterator<Item = &Buffer> {
        self.order.inputs.iter().map(|input| &input.source)
    }
}

/// The streams of a recorded trace, merged.
pub struct TraceMerge {
    order: Order<Stream>,
}

impl TraceMerge {
    pub(crate) fn new(streams: Vec<Stream>) -> Self {
        Self {
            order: Order::new(streams, Watermark::None),
        }
    }

    /// The next item; `None`: that was all.
    pub fn next_item(&mut self) -> Result<Option<Item<'_>>> {
        self.order.next_item()
    }

    /// How many items are out of order in their own stream.
    pub fn late(&self) -> u64 {
        self.order.late
    }
}
