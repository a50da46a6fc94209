// SPDX-License-Identifier: MIT OR Apache-2.0

//! A piece of a stream that is held while it is looked at, and where such pieces come from.

use crate::error::Result;
use crate::item::{Gaps, Item, Lost, Record, Run};
use crate::packet::Events;
use crate::uapi::Packet;
use std::ops::Range;

/// The bytes of a piece: this part of a copy.
#[derive(Debug, Default)]
pub(crate) struct Data(pub(crate) Vec<u8>, pub(crate) Range<usize>);

impl Data {
    /// An empty copy; what memory there is can be used again.
    pub(crate) fn take_memory(&mut self) -> Vec<u8> {
        let Self(mut bytes, _) = std::mem::take(self);
        bytes.clear();
        bytes
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        let Self(bytes, range) = self;
        bytes.get(range.clone()).unwrap_or_default()
    }
}

/// A sub-buffer, or a piece of one.
#[derive(Debug, Default)]
pub(crate) struct Held {
    pub(crate) cpu: u32,
    pub(crate) seq: u64,
    pub(crate) begin: u64,
    pub(crate) end: u64,
    /// If it is a packet.
    pub(crate) head: Option<Packet>,
    /// What is missing before it.
    pub(crate) gaps: Gaps,
    pub(crate) data: Data,
    /// Where bytes that were not next to one another follow each other: ends of runs, but the last.
    pub(crate) cuts: Vec<usize>,
}

/// Where pieces come from, one after the other.
pub(crate) trait Source {
    /// Gives back what is held and holds the next. `false`: there is none now.
    fn fetch(&mut self) -> Result<bool>;
    /// What is held; something empty if nothing is.
    fn held(&self) -> &Held;
    /// Gives it back: it is consumed.
    fn release(&mut self) -> Result<()>;
    /// Makes all that was written so far readable. A time before which there is nothing else, if such a
    /// time is known.
    fn flush(&mut self) -> Result<Option<u64>>;
    /// Whether there will never be more.
    fn is_ended(&self) -> bool;
}

/// How far one has come with the items of a piece.
#[derive(Clone, Debug, Default)]
pub(crate) struct Walk {
    gaps: usize,
    events: Events,
    cut: usize,
    at: usize,
}

/// An item without its bytes.
#[derive(Clone, Debug)]
pub(crate) enum Found {
    Lost(Lost),
    Record {
        timestamp: u64,
        id: u32,
        bytes: Range<usize>,
    },
    Run(Range<usize>),
}

impl Walk {
    pub(crate) fn new(held: &Held) -> Self {
        Self {
            events: held.head.as_ref().map(Events::new).unwrap_or_default(),
            ..Self::default()
        }
    }

    /// The next item of `held`.
    pub(crate) fn next(&mut self, held: &Held) -> Option<Result<Found>> {
        while let Some(gap) = held.gaps.get(self.gaps) {
            self.gaps += 1;
            if let Some(lost) = gap {
                return Some(Ok(Found::Lost(*lost)));
            }
        }
        let bytes = held.data.bytes();
        if held.head.is_some() {
            let event = self.events.next(bytes)?;
            return Some(event.map(|event| Found::Record {
                timestamp: event.timestamp,
                id: event.id,
                bytes: event.fields,
            }));
        }
        let end = held.cuts.get(self.cut).copied().unwrap_or(bytes.len());
        self.cut += 1;
        let run = self.at..end;
        self.at = end;
        (run.start < run.end).then_some(Ok(Found::Run(run)))
    }
}

impl Found {
    /// When it was, for the order between buffers.
    pub(crate) fn time(&self, held: &Held) -> u64 {
        match self {
            // In its place in the stream: before what follows it.
            Self::Lost(_) | Self::Run(_) => held.begin,
            Self::Record { timestamp, .. } => *timestamp,
        }
    }

    pub(crate) fn item<'a>(&self, held: &'a Held) -> Item<'a> {
        let bytes = |range: &Range<usize>| held.data.bytes().get(range.clone()).unwrap_or_default();
        match self {
            Self::Lost(lost) => Item::Lost(*lost),
            Self::Record {
                timestamp,
                id,
                bytes: at,
            } => Item::Record(Record {
                cpu: held.cpu,
                timestamp: *timestamp,
                id: *id,
                bytes: bytes(at),
            }),
            Self::Run(at) => Item::Run(Run {
                cpu: held.cpu,
                timestamp: held.begin,
                bytes: bytes(at),
            }),
        }
    }
}

/// A sub-buffer that is being read, or, of a raw channel, what one `read(2)` gave. When it is dropped it
/// is consumed.
pub struct SubBuf<'a> {
    source: &'a mut dyn Source,
}

impl<'a> SubBuf<'a> {
    /// What `source` holds next.
    pub(crate) fn next(source: &'a mut dyn Source) -> Result<Option<Self>> {
        Ok(if source.fetch()? {
            Some(Self { source })
        } else {
            None
        })
    }

    fn held(&self) -> &Held {
        self.source.held()
    }

    /// Its bytes, without padding and what was discarded: the same that `read(2)` gives. Of a channel of
    /// records that is a packet.
    pub fn bytes(&self) -> &[u8] {
        self.held().data.bytes()
    }

    /// Whose buffer it is of; [`CPU_NONE`](crate::uapi::CPU_NONE): of a global one.
    pub fn cpu(&self) -> u32 {
        self.held().cpu
    }

    /// Its number. Of a packet that in its header; of what `read(2)` gave of a raw channel how many
    /// there were before.
    pub fn seq(&self) -> u64 {
        self.held().seq
    }

    /// When it was begun, by the channel's clock; 0 if that is not known.
    pub fn begin(&self) -> u64 {
        self.held().begin
    }

    /// When it was complete, by the channel's clock; 0 if that is not known.
    pub fn end(&self) -> u64 {
        self.held().end
    }

    /// Its header, if it is a packet.
    pub fn packet(&self) -> Option<&Packet> {
        self.held().head.as_ref()
    }

    /// What is missing between the one before and this.
    pub fn lost(&self) -> impl Iterator<Item = Lost> + '_ {
        self.held().gaps.iter().copied().flatten()
    }

    /// What is in it, in order: first what is missing before it, then its events, or, of a raw channel,
    /// its bytes, cut where something was discarded. After an error there is nothing more.
    pub fn records(&self) -> Records<'_> {
        let held = self.held();
        Records {
            held,
            walk: Walk::new(held),
        }
    }

    /// Consumes it, and tells if that did not work.
    pub fn consume(self) -> Result<()> {
        let mut this = std::mem::ManuallyDrop::new(self);
        this.source.release()
    }
}

impl Drop for SubBuf<'_> {
    fn drop(&mut self) {
        // Who wants to know calls `consume()`.
        let _ = self.source.release();
    }
}

/// See [`SubBuf::records`].
pub struct Records<'a> {
    held: &'a Held,
    walk: Walk,
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<Item<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        let found = self.walk.next(self.held)?;
        Some(found.map(|found| found.item(self.held)))
    }
}
