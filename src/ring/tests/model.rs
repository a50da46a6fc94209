// SPDX-License-Identifier: GPL-2.0

//! Any sequence of operations on a ring, beside a model so simple that it cannot be wrong: a list of
//! records, each with its place and what became of it.

use super::packets::{missing, parse_packets};
use super::world::{record, records, Entrance, World, ENDED, STARTED};
use crate::ring::{
    Cause, Clock, Count, Cursor, Delivery, Geometry, Locked, Owner, Reserves, Rmw, Shared, Slot,
    Spec,
};
use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

/// One operation. Numbers of slots and readers are taken modulo how many there are.
#[derive(Clone, Debug)]
#[cfg_attr(fuzzing, derive(arbitrary::Arbitrary))]
pub(crate) enum Op {
    Write(u8),
    Reserve(u8),
    /// Commit so many bytes at most of one of the reserved slots.
    Commit(u8, u8),
    Discard(u8),
    /// Read with one of the readers.
    Read(u8, u8),
    Detach(u8),
    Flush,
    Reset,
    Close,
}

/// A ring and what is done with it.
#[derive(Clone, Debug)]
#[cfg_attr(fuzzing, derive(arbitrary::Arbitrary))]
pub(crate) struct Case {
    /// Twice so many sub-buffers, of 64 times so many bytes; as powers, modulo 3.
    pub(crate) shape: (u8, u8),
    pub(crate) overwrite: bool,
    /// Written per CPU, by all, or under a lock; modulo 3.
    pub(crate) scheme: u8,
    pub(crate) packet: bool,
    pub(crate) whole_only: bool,
    /// Of events.
    pub(crate) records: bool,
    /// Hooks fill the reserves.
    pub(crate) marks: bool,
    /// Who decides what may be entered, modulo 3.
    pub(crate) entrance: u8,
    /// Modulo 8.
    pub(crate) reserves: (u8, u8, u8),
    pub(crate) ops: Vec<Op>,
}

/// The consumer, and two who only look.
const READERS: usize = 3;

/// Slots that may be reserved at a time: as many contexts as may interrupt one another.
const SLOTS: usize = 4;

/// The shortest record: what `record()` needs.
const MIN: u64 = 8;

/// Does all of a case and checks everything about it.
pub(crate) fn run(case: &Case) {
    match case.scheme % 3 {
        0 => run_on::<Owner>(case),
        1 => run_on::<Shared>(case),
        _ => run_on::<Locked>(case),
    }
}

fn run_on<R: Rmw>(case: &Case) {
    let mut both = Both::<R>::new(case);
    for op in &case.ops {
        both.step(op);
        both.compare_counts();
    }
    both.end();
}

/// A record that was reserved and not given back.
struct Record {
    number: u32,
    len: u64,
    committed: bool,
    /// How many of its bytes each reader has read.
    read: [u64; READERS],
}

/// A ring and its model.
struct Both<R: Rmw> {
    w: World<R>,
    spec: Spec,
    /// By position.
    records: BTreeMap<u64, Record>,
    slots: Vec<Slot>,
    number: u32,
    refused: Count,
    closed: bool,
    /// Everything before was thrown away by a reset.
    kept_from: u64,
    readers: [Reader; READERS],
}

#[derive(Default)]
struct Reader {
    cursor: Cursor,
    /// Behind the last byte it was given.
    next: u64,
    /// Gave up a run before its end.
    gave_up: bool,
    /// What it has read of a ring of events.
    packets: Vec<u8>,
}

impl<R: Rmw> Both<R> {
    fn new(case: &Case) -> Self {
        let (size, n) = (64 << (case.shape.0 % 3), 2 << (case.shape.1 % 3));
        let reserves = Reserves {
            start: (case.reserves.0 % 8).into(),
            end: (case.reserves.1 % 8).into(),
            channel_start: (case.reserves.2 % 8).into(),
        };
        let delivery = if case.packet {
            Delivery::Packet
        } else {
            Delivery::Bulk
        };
        let geo = Geometry::new(size, n).unwrap();
        let mut spec = Spec::new(geo, case.overwrite, delivery, reserves, Clock::Mono).unwrap();
        if case.whole_only {
            spec = spec.whole_only();
        }
        if case.records {
            spec = records(Geometry::new(2 * size, n).unwrap(), case.overwrite);
        }
        let mut w = World::with_spec(spec);
        w.turns.marks = case.marks;
        w.turns.entrance = match case.entrance % 3 {
            0 => Entrance::Usual,
            1 => Entrance::Open,
            _ => Entrance::Turnstile,
        };
        Self {
            w,
            spec,
            records: BTreeMap::new(),
            slots: Vec::new(),
            number: 0,
            refused: Count::default(),
            closed: false,
            kept_from: 0,
            readers: Default::default(),
        }
    }

    fn step(&mut self, op: &Op) {
        let slot = |i: u8, slots: &[Slot]| usize::from(i).checked_rem(slots.len());
        match *op {
            Op::Write(len) => {
                let len = MIN + u64::from(len);
                if let Some(slot) = self.reserve(len) {
                    self.commit(slot, len);
                }
            }
            Op::Reserve(len) if self.slots.len() < SLOTS => {
                let len = self.w.discardable_record_len(MIN + u64::from(len));
                let slot = self.reserve(len);
                self.slots.extend(slot);
            }
            Op::Commit(i, len) => {
                if let Some(i) = slot(i, &self.slots) {
                    let slot = self.slots.remove(i);
                    let len = slot.len.min(MIN + u64::from(len));
                    self.commit(slot, len);
                }
            }
            Op::Discard(i) => {
                if let Some(i) = slot(i, &self.slots) {
                    let slot = self.slots.remove(i);
                    self.records.remove(&slot.pos);
                    let _ = self.w.discard(slot);
                }
            }
            Op::Read(i, max) => self.read(usize::from(i) % READERS, max.into()),
            Op::Detach(i) => {
                let reader = &mut self.readers[usize::from(i) % READERS];
                reader.gave_up |= self.w.mid_run(&reader.cursor);
                self.w.detach(&mut reader.cursor);
            }
            Op::Flush => {
                let _ = self.w.flush();
            }
            Op::Reset => {
                for reader in &mut self.readers {
                    reader.gave_up |= self.w.mid_run(&reader.cursor);
                }
                let _ = self.w.reset();
                self.kept_from = self.position();
            }
            Op::Close => {
                self.w.close();
                self.closed = true;
            }
            Op::Reserve(_) => {}
        }
    }

    fn reserve(&mut self, len: u64) -> Option<Slot> {
        match self.w.reserve(len) {
            Ok(slot) => {
                assert!(!self.closed);
                let new = Record {
                    number: self.number,
                    len,
                    committed: false,
                    read: [0; READERS],
                };
                self.number += 1;
                assert!(slot.len == len || self.w.is_records());
                assert!(self.records.insert(slot.pos, new).is_none(), "given twice");
                Some(slot)
            }
            Err(cause) => {
                self.refused.records += 1;
                self.refused.bytes += len;
                self.check_cause(cause, len);
                None
            }
        }
    }

    /// Nothing is refused without a reason.
    fn check_cause(&self, cause: Cause, len: u64) {
        let held = self.readers.iter().any(|r| self.w.mid_run(&r.cursor));
        assert!(match cause {
            Cause::Closed => self.closed,
            Cause::TooBig => len > self.w.max_record(),
            Cause::Full => match self.w.turns.entrance {
                Entrance::Usual => !self.spec.overwrite(),
                Entrance::Open => false,
                Entrance::Turnstile => true,
            },
            Cause::Nested => !self.slots.is_empty(),
            Cause::Held => held,
            Cause::Nmi | Cause::NoBuffer => false,
        });
    }

    /// Fills a slot, and commits `len` bytes of it.
    fn commit(&mut self, slot: Slot, len: u64) {
        let this = self.records.get_mut(&slot.pos).unwrap();
        // What is too short for a hole is committed with the rest.
        if slot.len - len >= MIN && !self.w.is_records() {
            this.len = len;
        }
        this.committed = true;
        let data = record(1, this.number, this.len as usize);
        self.w.fill(&slot, &data);
        let _ = self.w.commit_discardable(slot, len);
    }

    fn read(&mut self, who: usize, max: u64) {
        if self.w.is_records() {
            return self.read_packets(who, max);
        }
        let mut left = max;
        while let Some((at, bytes)) = self.take(who, left) {
            assert!(!bytes.is_empty(), "a run without bytes");
            assert!(at >= self.readers[who].next, "read again");
            left -= bytes.len() as u64;
            self.readers[who].next = at + bytes.len() as u64;
            self.check_bytes(who, at, &bytes);
        }
        let c = &self.readers[who].cursor;
        if who == 0 {
            self.w.publish_consumer(c);
        }
        assert!(left == 0 || !self.w.has_data_after(self.w.consumed_pos(c)));
    }

    /// Reads up to `max` packets.
    fn read_packets(&mut self, who: usize, max: u64) {
        let reader = &mut self.readers[who];
        let c = &mut reader.cursor;
        let mut packets = 0;
        while packets < max && self.w.advance(c) {
            let (left, before) = (self.w.left_in_packet(c), reader.packets.len());
            loop {
                let bytes = self.w.peek(c);
                let n = bytes.len() as u64;
                reader.packets.extend_from_slice(bytes);
                self.w.consume(c, n);
                if !self.w.mid_run(c) {
                    break;
                }
                assert!(self.w.advance(c));
            }
            assert_eq!((reader.packets.len() - before) as u64, left);
            packets += 1;
        }
        if who == 0 {
            self.w.publish_consumer(c);
        }
        assert!(packets == max || !self.w.has_data_after(self.w.consumed_pos(c)));
    }

    /// Compares the packets a reader has got with the records.
    fn check_packets(&mut self, who: usize) {
        let reader = &self.readers[who];
        let (packets, read) = (parse_packets(&reader.packets), reader.cursor.read);
        let bytes: u64 = packets.iter().map(|packet| packet.len - 80).sum();
        assert_eq!(bytes, read.bytes);
        let mut left = self.records.values_mut();
        for event in packets.iter().flat_map(|packet| &packet.events) {
            let of = |this: &Record| record(1, this.number, this.len as usize) == event.fields;
            let this = left.find(|this| of(this)).expect("not in order");
            assert!(this.committed);
            this.read[who] = this.len;
        }
        // All that was missed is in gaps, or behind the last packet.
        let all = self.w.totals().produced;
        assert!(missing(&packets, 0) <= all.minus(read).records);
    }

    /// The next bytes there are for a reader, up to `max`, and their position.
    fn take(&mut self, who: usize, max: u64) -> Option<(u64, Vec<u8>)> {
        let c = &mut self.readers[who].cursor;
        if max == 0 || !self.w.advance(c) {
            return None;
        }
        let at = self.w.consumed_pos(c);
        let mut bytes = self.w.peek(c).to_vec();
        bytes.truncate(max as usize);
        self.w.consume(c, bytes.len() as u64);
        Some((at, bytes))
    }

    /// Compares what was read at `at` with the records there.
    fn check_bytes(&mut self, who: usize, mut at: u64, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let n = match self.records.range_mut(..=at).next_back() {
                Some((start, this)) if at < start + this.len => {
                    assert!(this.committed, "read before it was committed");
                    let from = (at - start) as usize;
                    let rest = &record(1, this.number, this.len as usize)[from..];
                    let n = rest.len().min(bytes.len());
                    assert_eq!(bytes[..n], rest[..n], "record {}", this.number);
                    this.read[who] += n as u64;
                    n
                }
                _ => {
                    let mark = self.mark(at).expect("neither record nor reserve");
                    assert_eq!(bytes[0], if self.w.turns.marks { mark } else { 0 });
                    1
                }
            };
            at += n as u64;
            bytes = &bytes[n..];
        }
    }

    /// What the hooks have written there, if a reserve of the client's may be there.
    fn mark(&self, at: u64) -> Option<u8> {
        let (geo, reserves) = (self.spec.geo(), self.spec.reserves());
        let offset = geo.offset(at);
        if offset >= geo.subbuf_size() - u64::from(reserves.end) {
            Some(ENDED)
        } else if offset < u64::from(reserves.start + reserves.channel_start) {
            Some(if self.spec.is_whole_only() {
                ENDED
            } else {
                STARTED
            })
        } else {
            None
        }
    }

    fn committed(&self) -> Count {
        let done = self.records.values().filter(|r| r.committed);
        done.fold(Count::default(), |sum, r| {
            sum.plus(Count {
                records: 1,
                bytes: r.len,
            })
        })
    }

    fn compare_counts(&self) {
        let stats = self.w.stats(&self.readers[0].cursor);
        let committed = self.committed();
        assert_eq!(stats.produced.records, committed.records);
        // Headers of events count, too.
        if !self.w.is_records() {
            assert_eq!(stats.produced.bytes, committed.bytes);
        }
        let refused = stats
            .refused
            .into_iter()
            .fold(Count::default(), Count::plus);
        assert_eq!(refused, self.refused);
    }

    /// Commits what is reserved, reads what can be read, and looks whether all that must be is there.
    fn end(&mut self) {
        for slot in std::mem::take(&mut self.slots) {
            let len = slot.len;
            self.commit(slot, len);
        }
        self.step(&Op::Close);
        let _ = self.w.flush();
        let mut written = self.committed();
        if self.w.is_records() {
            // Headers count, too.
            written.bytes = self.w.totals().produced.bytes;
        }
        for who in 0..READERS {
            self.read(who, u64::MAX);
            if self.w.is_records() {
                self.check_packets(who);
            }
            let Reader {
                cursor, gave_up, ..
            } = &self.readers[who];
            let stats = self.w.stats(cursor);
            assert_eq!(stats.read.plus(stats.overwritten), written, "reader {who}");
            let whole = self.records.values().filter(|r| r.read[who] == r.len);
            let whole = whole.count() as u64;
            assert!(whole == cursor.read.records || (*gave_up && whole > cursor.read.records));
            let lossless = !self.spec.overwrite() && self.w.turns.entrance == Entrance::Usual;
            if who == 0 && lossless && self.kept_from == 0 {
                assert_eq!(stats.overwritten, Count::default());
            }
            self.check_newest(who);
        }
    }

    fn position(&self) -> u64 {
        self.w.head().writer.pos.load(Ordering::Relaxed)
    }

    /// What the writers have not come round to again was read.
    fn check_newest(&self, who: usize) {
        let (geo, pos) = (self.spec.geo(), self.position());
        for (&start, this) in self.records.range(self.kept_from..) {
            if geo.seq(start) + geo.n_subbufs() > geo.seq(pos - 1) {
                assert_eq!(this.read[who], this.len, "reader {who}, {}", this.number);
            }
        }
    }
}
