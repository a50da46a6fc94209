// SPDX-License-Identifier: MIT OR Apache-2.0

//! Reading a file with `read(2)`: a buffer, or a whole channel.

use crate::error::{Error, Result};
use crate::item::{Before, Cause, Gap, Lost};
use crate::packet;
use crate::source::{Data, Held};
use crate::uapi::{Count, Packet};
use rustix::fd::BorrowedFd;
use rustix::io::{read, Errno};
use std::collections::HashMap;

/// The shortest memory to read to.
const LEAST: usize = 64 << 10;

/// Where a reader of a file stands.
#[derive(Debug)]
pub(crate) struct Reading {
    cpu: u32,
    records: bool,
    /// What was read, and how far it was given out.
    bytes: Vec<u8>,
    at: usize,
    /// Bytes read before those.
    before: u64,
    seq: u64,
    gaps: HashMap<u32, Gap>,
    lost: Count,
    ended: bool,
}

impl Reading {
    /// Of a file of CPU `cpu`, with so large sub-buffers.
    /// `lost`: what was overwritten before, and is no gap of this reader's.
    pub(crate) fn new(cpu: u32, records: bool, subbuf_size: u64, lost: Count) -> Self {
        let size = usize::try_from(subbuf_size).unwrap_or(LEAST).max(LEAST);
        Self {
            cpu,
            records,
            bytes: Vec::with_capacity(size),
            at: 0,
            before: 0,
            seq: 0,
            gaps: HashMap::new(),
            lost,
            ended: false,
        }
    }

    pub(crate) fn is_records(&self) -> bool {
        self.records
    }

    pub(crate) fn is_ended(&self) -> bool {
        self.ended
    }

    /// Holds what comes next. `false`: there is nothing now.
    pub(crate) fn fetch(&mut self, fd: BorrowedFd<'_>, held: &mut Held) -> Result<bool> {
        held.head = None;
        held.gaps = [None; 2];
        held.cuts.clear();
        if self.at >= self.bytes.len() && !self.fill(fd)? {
            return Ok(false);
        }
        let mut copy = held.data.take_memory();
        if self.records {
            let at = self.before + self.at as u64;
            let rest = self.bytes.get(self.at..).unwrap_or_default();
            let (head, len) = match packet::whole(rest, at) {
                Ok(found) => found,
                Err(error) => {
                    // There is no telling where the next one begins.
                    self.at = self.bytes.len();
                    return Err(error);
                }
            };
            copy.extend_from_slice(rest.get(..len).unwrap_or_default());
            self.at += len;
            self.describe(fd, &head, held);
        } else {
            std::mem::swap(&mut copy, &mut self.bytes);
            self.before += copy.len() as u64;
            self.at = 0;
            held.cpu = self.cpu;
            held.seq = self.seq;
            (held.begin, held.end) = (0, 0);
            self.seq += 1;
            let missed = self.missed(fd);
            held.gaps[0] = (missed.records != 0).then_some(Lost {
                cpu: self.cpu,
                records: missed.records,
                bytes: missed.bytes,
                packets: 0,
                cause: Cause::Overwritten,
                from: 0,
                to: 0,
            });
        }
        let len = copy.len();
        held.data = Data::Copy(copy, 0..len);
        Ok(true)
    }

    fn describe(&mut self, fd: BorrowedFd<'_>, head: &Packet, held: &mut Held) {
        // The file of a whole channel has one sequence for all.
        let cpu = self.cpu;
        let mut gap = self.gaps.remove(&cpu).unwrap_or_default();
        held.gaps = gap.before(head, || self.missed(fd));
        self.gaps.insert(cpu, gap);
        held.cpu = head.cpu_id;
        held.seq = head.packet_seq_num;
        held.begin = head.timestamp_begin;
        held.end = head.timestamp_end;
        held.head = Some(*head);
    }

    /// What was overwritten since this was asked last. Nothing where one cannot ask.
    fn missed(&mut self, fd: BorrowedFd<'_>) -> Before {
        let now = crate::ioctl::lost(fd).unwrap_or(self.lost);
        let before = std::mem::replace(&mut self.lost, now);
        Before {
            records: now.records.saturating_sub(before.records),
            bytes: now.bytes.saturating_sub(before.bytes),
        }
    }

    /// Reads more; `false`: there is nothing now, or never again.
    fn fill(&mut self, fd: BorrowedFd<'_>) -> Result<bool> {
        self.before += self.bytes.len() as u64;
        self.at = 0;
        self.bytes.clear();
        self.bytes.reserve(LEAST);
        loop {
            let room = self.bytes.capacity();
            match read(fd, rustix::buffer::spare_capacity(&mut self.bytes)) {
                Ok(0) => {
                    self.ended = true;
                    return Ok(false);
                }
                Ok(_) => return Ok(true),
                Err(Errno::AGAIN) => return Ok(false),
                Err(Errno::INTR) => {}
                // A packet that is longer: the channel was resized.
                Err(Errno::MSGSIZE) if (room as u64) < packet::LONGEST => {
                    self.bytes.reserve(room * 2);
                }
                Err(error) => return Err(Error::Io(error.into())),
            }
        }
    }
}
