// SPDX-License-Identifier: MIT OR Apache-2.0

//! Reading a file with `read(2)`: a buffer, or a whole channel.

use crate::error::{Error, Result};
use crate::item::{Before, Cause, Gap, Gaps, Lost};
use crate::packet;
use crate::source::{Data, Held};
use crate::uapi::{Count, Info, Packet, CPU_ALL, FLAG_GLOBAL};
use rustix::fd::BorrowedFd;
use rustix::io::{read, Errno};

/// The shortest memory to read to.
const LEAST: usize = 64 << 10;

/// The longest memory for bytes. If all there is has room no record is cut.
const MOST: u64 = 1 << 20;

/// Where a reader of a file stands.
#[derive(Debug)]
pub(crate) struct Reading {
    cpu: u32,
    records: bool,
    /// Its packets are made of those of all buffers, and have numbers of their own.
    whole: bool,
    /// What was read, and how far it was given out.
    bytes: Vec<u8>,
    at: usize,
    /// How much memory to read to.
    room: usize,
    /// Bytes read before those.
    before: u64,
    seq: u64,
    gap: Gap,
    /// What was overwritten, and, of packets of all buffers, refused, as far as gaps tell it.
    lost: Count,
    refused: u64,
    ended: bool,
}

impl Reading {
    /// Of a file that is like this. What was overwritten before is no gap of this reader's.
    pub(crate) fn new(info: &Info) -> Self {
        let all = info.subbuf_size.saturating_mul(info.n_subbufs.into());
        let most = if info.is_records() {
            info.subbuf_size
        } else {
            all.min(MOST)
        };
        let room = usize::try_from(most).unwrap_or(LEAST).max(LEAST);
        Self {
            cpu: info.cpu,
            records: info.is_records(),
            whole: info.cpu == CPU_ALL && info.flags & FLAG_GLOBAL == 0,
            bytes: Vec::new(),
            room,
            at: 0,
            before: 0,
            seq: 0,
            gap: Gap::default(),
            lost: info.overwritten,
            refused: info.refused().records,
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
        held.data = Data(copy, 0..len);
        Ok(true)
    }

    fn describe(&mut self, fd: BorrowedFd<'_>, head: &Packet, held: &mut Held) {
        let mut gap = std::mem::take(&mut self.gap);
        held.gaps = if self.whole {
            self.gaps_of_all(fd, gap.before(head, Before::default))
        } else {
            gap.before(head, || self.missed(fd))
        };
        self.gap = gap;
        held.cpu = head.cpu_id;
        held.seq = head.packet_seq_num;
        held.begin = head.timestamp_begin;
        held.end = head.timestamp_end;
        held.head = Some(*head);
    }

    /// What was overwritten since this was asked last. Nothing where one cannot ask.
    fn missed(&mut self, fd: BorrowedFd<'_>) -> Before {
        let now = crate::ioctl::lost(fd).unwrap_or(self.lost);
        let more = now.less(self.lost);
        // A look in the wrong moment may find more than the next one.
        self.lost.records = self.lost.records.max(now.records);
        self.lost.bytes = self.lost.bytes.max(now.bytes);
        Before {
            records: more.records,
            bytes: more.bytes,
        }
    }

    /// Of packets of all buffers: they tell of all that was lost together, also of what was before this
    /// reader came. The kernel knows how much of it was overwritten, and refused, but not where.
    fn gaps_of_all(&mut self, fd: BorrowedFd<'_>, [packets, told]: Gaps) -> Gaps {
        let Some(told) = told else {
            return [packets, None];
        };
        let now = crate::ioctl::lost(fd).unwrap_or(self.lost);
        let refused = crate::ioctl::info(fd).map_or(self.refused, |info| info.refused().records);
        // What is not told yet is told with a later packet.
        let overwritten = now.less(self.lost).records.min(told.records);
        let refused = refused
            .saturating_sub(self.refused)
            .min(told.records - overwritten);
        self.lost.records += overwritten;
        self.refused += refused;
        let gap = |cause, records| {
            (records != 0).then_some(Lost {
                cpu: CPU_ALL,
                records,
                cause,
                ..told
            })
        };
        [
            gap(Cause::Overwritten, overwritten).or(packets),
            gap(Cause::Refused, refused),
        ]
    }

    /// Reads more; `false`: there is nothing now, or never again.
    fn fill(&mut self, fd: BorrowedFd<'_>) -> Result<bool> {
        self.before += self.bytes.len() as u64;
        self.at = 0;
        self.bytes.clear();
        self.bytes.reserve(self.room);
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
                    self.room = room * 2;
                    self.bytes.reserve(self.room);
                }
                Err(error) => return Err(Error::Io(error.into())),
            }
        }
    }
}
