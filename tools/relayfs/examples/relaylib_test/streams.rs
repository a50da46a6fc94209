// SPDX-License-Identifier: MIT OR Apache-2.0

//! Buffers, by mapping and by `read(2)`.

use crate::driver::{cpus, record, scaled, Attributes, Client, Pattern, NO_OVERWRITE, RECORDS};
use crate::Test;
use relayfs::{Access, Buffer, Cause, Channel, Item, Options, Poller};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

pub const TESTS: &[Test] = &[
    ("mapping and read(2) give the same bytes, raw", || {
        same_bytes(0)
    }),
    ("mapping and read(2) give the same bytes, records", || {
        same_bytes(RECORDS)
    }),
    (
        "mapping and read(2) give the same bytes, with reserves",
        same_bytes_with_reserves,
    ),
    (
        "mapped: all that was produced is read, no-overwrite",
        || count(NO_OVERWRITE, Access::Mapped),
    ),
    (
        "mapped: all that was produced is read or lost, overwrite",
        || count(0, Access::Mapped),
    ),
    ("mapped: all events are read or lost, overwrite", || {
        count(RECORDS, Access::Mapped)
    }),
    ("mapped: all events are read, no-overwrite", || {
        count(RECORDS | NO_OVERWRITE, Access::Mapped)
    }),
    (
        "read(2): all that was produced is read or lost, overwrite",
        || count(0, Access::Read),
    ),
    ("read(2): all events are read or lost, overwrite", || {
        count(RECORDS, Access::Read)
    }),
    ("read(2): all events are read, no-overwrite", || {
        count(RECORDS | NO_OVERWRITE, Access::Read)
    }),
    (
        "a mapped consumer needs no flush to get what is little",
        little_arrives,
    ),
    ("a closed channel ends", closed_channels_end),
    ("observers are not in the way of the only consumer", roles),
];

fn attributes(flags: u32) -> Attributes {
    Attributes {
        subbuf_size: 4096,
        n_subbufs: 8,
        flags,
        ..Attributes::default()
    }
}

/// All there is now, without the boundaries between sub-buffers.
fn drain(buffer: &mut Buffer) -> Vec<u8> {
    let mut bytes = Vec::new();
    while let Some(subbuf) = buffer.next_subbuf().unwrap() {
        assert_eq!(subbuf.lost().count(), 0);
        bytes.extend_from_slice(subbuf.bytes());
    }
    bytes
}

fn same_bytes(flags: u32) {
    same_bytes_of(attributes(flags | NO_OVERWRITE));
}

fn same_bytes_with_reserves() {
    same_bytes_of(Attributes {
        start_reserve: 24,
        end_reserve: 16,
        ..attributes(NO_OVERWRITE)
    });
}

/// Of all CPUs, an observer by `read(2)` and the consumer by mapping. Some records are discarded.
fn same_bytes_of(attributes: Attributes) {
    let client = Client::open("lib-same", attributes);
    let channel = Channel::open(&client.name).unwrap();
    let read = Options::observer().access(Access::Read);
    let mut readers = channel.buffers(read).unwrap();
    let mut mapped = channel.buffers(Options::exclusive()).unwrap();
    assert!(mapped.iter().all(Buffer::is_mapped) && !readers.iter().any(Buffer::is_mapped));
    let mut sums = vec![0; readers.len()];
    for round in 0..scaled(60) {
        let (written, failed) = client.write_everywhere(Pattern {
            count: 150 + round % 40,
            len: 60 + round % 50,
            discard_every: 5 + round % 3,
            first: round * 1000,
            ..Pattern::default()
        });
        assert!(written > 0 && failed == 0);
        channel.flush().unwrap();
        for (cpu, sum) in sums.iter_mut().enumerate() {
            let bytes = drain(&mut readers[cpu]);
            assert!(!bytes.is_empty());
            assert!(bytes == drain(&mut mapped[cpu]), "cpu{cpu}, round {round}");
            *sum += bytes.len();
        }
    }
    // What the readers share: nothing is left, and nothing was lost.
    let info = channel.info().unwrap();
    assert_eq!((info.unread.records, info.overwritten.records), (0, 0));
    assert_eq!(info.read.records, info.produced.records);
}

/// What one reader of a buffer found.
#[derive(Default)]
struct Found {
    records: u64,
    overwritten: u64,
    refused: u64,
    last: Option<u32>,
    /// The beginning of a record whose end comes with the next `read(2)`.
    rest: Vec<u8>,
}

impl Found {
    fn record(&mut self, bytes: &[u8], writer: u32) -> usize {
        let (number, len) = record(bytes, writer);
        assert!(self.last < Some(number), "{:?} {number}", self.last);
        self.last = Some(number);
        self.records += 1;
        len
    }

    fn drain(&mut self, buffer: &mut Buffer, writer: u32) {
        while let Some(subbuf) = buffer.next_subbuf().unwrap() {
            assert_eq!(subbuf.cpu(), writer);
            for item in subbuf.records() {
                match item.unwrap() {
                    Item::Record(event) => {
                        self.record(event.bytes, writer);
                    }
                    Item::Run(run) => {
                        self.rest.extend_from_slice(run.bytes);
                        let rest = std::mem::take(&mut self.rest);
                        let mut at = 0;
                        while rest.len() - at >= LEN {
                            at += self.record(&rest[at..], writer);
                        }
                        self.rest.extend_from_slice(&rest[at..]);
                    }
                    Item::Lost(lost) if lost.cause == Cause::Refused => {
                        self.refused += lost.records
                    }
                    Item::Lost(lost) => self.overwritten += lost.records,
                }
            }
        }
    }
}

const LEN: usize = 100;

/// A reader per CPU, while all CPUs write without a pause.
fn count(flags: u32, access: Access) {
    let client = Client::open("lib-count", attributes(flags));
    let channel = Channel::open(&client.name).unwrap();
    let buffers = channel
        .buffers(Options::exclusive().access(access))
        .unwrap();
    let done = AtomicBool::new(false);
    let ((written, failed), found) = thread::scope(|scope| {
        let readers: Vec<_> = (0..)
            .zip(buffers)
            .map(|(cpu, mut buffer)| {
                let done = &done;
                scope.spawn(move || {
                    let mut found = Found::default();
                    let poller = Poller::new(std::slice::from_ref(&buffer)).unwrap();
                    loop {
                        let last = done.load(Ordering::Acquire);
                        found.drain(&mut buffer, cpu);
                        if last {
                            assert!(found.rest.is_empty());
                            return found;
                        }
                        let wait = Some(Duration::from_millis(50));
                        poller.wait(std::slice::from_ref(&buffer), wait).unwrap();
                    }
                })
            })
            .collect();
        let written = client.write_everywhere(Pattern {
            count: scaled(20_000),
            len: LEN as u32,
            ..Pattern::default()
        });
        channel.flush().unwrap();
        done.store(true, Ordering::Release);
        let found: Vec<_> = readers.into_iter().map(|r| r.join().unwrap()).collect();
        (written, found)
    });
    let sum = |of: fn(&Found) -> u64| found.iter().map(of).sum::<u64>();
    let (records, overwritten) = (sum(|f| f.records), sum(|f| f.overwritten));
    let info = channel.info().unwrap();
    println!("# {written} written, {failed} refused, {records} read, {overwritten} overwritten");
    assert_eq!(written + failed, u64::from(scaled(20_000) * cpus()));
    assert_eq!(info.produced.records, written);
    assert_eq!(info.refused().records, failed);
    assert_eq!(records + overwritten, written);
    // As the kernel counts it.
    assert_eq!(info.read.records, records);
    assert_eq!(info.overwritten.records, overwritten);
    if flags & NO_OVERWRITE != 0 {
        assert_eq!(overwritten, 0);
    }
    // Packets tell what was refused before them. What was after the last one no packet tells.
    assert!(sum(|f| f.refused) <= failed);
}

/// With no flush but the kernel's own.
fn little_arrives() {
    for flags in [NO_OVERWRITE, RECORDS | NO_OVERWRITE, 0] {
        let attributes = Attributes {
            flush_interval_ms: 30,
            ..attributes(flags)
        };
        let client = Client::open("lib-little", attributes);
        let channel = Channel::open(&client.name).unwrap();
        let mut buffers = channel.buffers(Options::exclusive()).unwrap();
        let poller = Poller::new(&buffers).unwrap();
        for number in 0..5 {
            client.write(Pattern {
                count: 1,
                len: LEN as u32,
                first: number,
                ..Pattern::default()
            });
            let mut found = Found::default();
            while found.records == 0 {
                poller.wait(&buffers, None).unwrap();
                found.drain(&mut buffers[0], 0);
            }
            assert_eq!(found.last, Some(number));
        }
    }
}

fn closed_channels_end() {
    for access in [Access::Mapped, Access::Read] {
        let client = Client::open("lib-end", attributes(NO_OVERWRITE));
        let channel = Channel::open(&client.name).unwrap();
        let mut buffers = channel
            .buffers(Options::exclusive().access(access))
            .unwrap();
        let poller = Poller::new(&buffers).unwrap();
        client.write_everywhere(Pattern {
            count: 50,
            len: LEN as u32,
            ..Pattern::default()
        });
        client.close();
        let mut found = Vec::new();
        found.resize_with(buffers.len(), Found::default);
        while !buffers.iter().all(Buffer::is_ended) {
            for (at, buffer) in buffers.iter_mut().enumerate() {
                found[at].drain(buffer, at as u32);
            }
            if !buffers.iter().all(Buffer::is_ended) {
                poller.wait(&buffers, None).unwrap();
            }
        }
        assert!(found.iter().all(|found| found.records == 50));
    }
}

fn roles() {
    let client = Client::open("lib-roles", attributes(0));
    let channel = Channel::open(&client.name).unwrap();
    let only = channel.buffer(0, Options::exclusive()).unwrap();
    let busy = channel.buffer(0, Options::exclusive()).unwrap_err();
    assert_eq!(busy.io_kind(), Some(std::io::ErrorKind::ResourceBusy));
    let observer = channel.buffer(0, Options::observer()).unwrap();
    assert!(only.is_mapped() && observer.is_mapped());
    let shared = Options::shared().access(Access::Mapped);
    assert!(channel.buffer(0, shared).is_err());
    assert!(observer.reset().is_err());
    only.reset().unwrap();
    assert!(!channel.whole(Options::observer()).unwrap().is_mapped());
}
