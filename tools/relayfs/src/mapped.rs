// SPDX-License-Identifier: MIT OR Apache-2.0

//! Reading a mapped buffer, sub-buffer by sub-buffer.

use crate::error::{Error, Result};
use crate::holes::{holes, runs};
use crate::item::{Before, Cause, Gap, Gaps, Lost};
use crate::map::Mapping;
use crate::packet;
use crate::source::{Data, Held};
use crate::uapi::{Count, Subbuf, FLAG_NO_OVERWRITE, FLAG_RECORDS, WRITE_POS_ENDED};
use rustix::fd::BorrowedFd;
use std::ops::Range;
use std::sync::Arc;

/// Where a reader of a mapping stands.
#[derive(Debug)]
pub(crate) struct Mapped {
    map: Arc<Mapping>,
    /// Whether it consumes, as the only one.
    alone: bool,
    /// The sub-buffer it comes to next.
    seq: u64,
    /// What of that was consumed before by somebody else.
    skip: u64,
    /// Records and bytes before `seq`, as far as the reader knows.
    passed: Before,
    /// What it missed of buffers before this one, or was thrown away, and the stream does not show yet.
    missed: Before,
    /// What it has found missing and the kernel does not know yet.
    untold: Before,
    /// What was gone when it came, and is no gap of its.
    gone: Before,
    /// What it has found missing since then.
    found: Before,
    gap: Gap,
    /// End of the last sub-buffer, for gaps of raw channels.
    last_end: u64,
    /// The mapping consumes from here on.
    consume_to: Option<u64>,
}

/// What came of looking at one sub-buffer.
enum Look {
    Taken,
    /// Not there, or nothing in it.
    Passed,
}

impl Mapped {
    /// `gone`: what the kernel said just before was read or overwritten since the channel was opened; made
    /// less if not all of that is gone. After a resize, where counts begin anew, it goes by the mapping alone.
    pub(crate) fn new(fd: BorrowedFd<'_>, alone: bool, gone: &mut Count) -> Result<Self> {
        let map = Arc::new(Mapping::new(fd, alone)?);
        let (seq, skip) = Self::start(&map, alone, 0);
        // As the kernel counts: an observer misses all that was overwritten since the channel was opened,
        // a consumer what none before it has read or missed.
        let passed = if alone {
            map.consumed_before()
        } else {
            Before::default()
        };
        let mut known = oldest(&map, seq);
        if map.generation == 0 {
            // Of a sub-buffer a part may have been read. What went since then is a gap.
            gone.records = gone.records.min(known.records.max(passed.records));
            gone.bytes = gone.bytes.min(known.bytes.max(passed.bytes));
            known = Before {
                records: gone.records,
                bytes: gone.bytes,
            };
        }
        Ok(Self {
            map,
            alone,
            seq,
            skip,
            passed,
            missed: Before::default(),
            untold: Before::default(),
            gone: over(passed, known),
            found: Before::default(),
            gap: Gap::default(),
            last_end: 0,
            consume_to: None,
        })
    }

    /// Where to begin in a mapping, but not before position `from`: a consumer where the last one stopped,
    /// an observer at the oldest there is.
    fn start(map: &Mapping, alone: bool, from: u64) -> (u64, u64) {
        let pos = if alone {
            map.consumed().max(from)
        } else {
            let oldest = map.delivered().saturating_sub(map.n_subbufs);
            oldest.saturating_mul(map.subbuf_size).max(from)
        };
        (pos / map.subbuf_size, pos % map.subbuf_size)
    }

    pub(crate) fn is_records(&self) -> bool {
        self.map.flags & FLAG_RECORDS != 0
    }

    /// Whether something was written that is not complete.
    pub(crate) fn is_partial(&self) -> bool {
        let pos = self.map.write_pos() & !WRITE_POS_ENDED;
        pos > self.map.delivered().saturating_mul(self.map.subbuf_size)
    }

    /// Holds the next sub-buffer in `held`, which must have been given back. `false`: there is none now.
    pub(crate) fn fetch(&mut self, fd: BorrowedFd<'_>, held: &mut Held) -> Result<bool> {
        loop {
            // Before the look at what is delivered: when it has changed, that is all there ever was.
            let replaced = self.map.generation_now() != self.map.generation;
            let delivered = self.map.delivered();
            if self.seq >= delivered {
                // What was passed over last.
                self.release(fd)?;
                if (replaced || self.has_ended(delivered)) && self.map_again(fd)? {
                    continue;
                }
                return Ok(false);
            }
            self.heed_reset();
            let oldest = delivered.saturating_sub(self.map.n_subbufs);
            if self.seq < oldest {
                self.seq = oldest;
                self.skip = 0;
            }
            match self.look(held)? {
                Look::Taken => return Ok(true),
                Look::Passed => {
                    self.seq += 1;
                    self.skip = 0;
                    // Where sub-buffers are overwritten nobody waits for that, and what is missing must
                    // be told with it.
                    if self.map.flags & FLAG_NO_OVERWRITE != 0 {
                        self.consume_to = Some(self.seq.saturating_mul(self.map.subbuf_size));
                    }
                }
            }
        }
    }

    /// The kernel may have consumed more than this reader: what was thrown away.
    fn heed_reset(&mut self) {
        let consumed = self.map.consumed();
        let size = self.map.subbuf_size;
        if self.alone && consumed / size > self.seq {
            (self.seq, self.skip) = (consumed / size, consumed % size);
            let before = self.map.consumed_before();
            self.missed = self.missed(before);
            self.passed = before;
        }
    }

    /// Whether nothing comes after what is `delivered`: then another buffer has taken its place.
    fn has_ended(&self, delivered: u64) -> bool {
        let pos = self.map.write_pos();
        let end = pos & !WRITE_POS_ENDED;
        pos != end && delivered.saturating_mul(self.map.subbuf_size) >= end
    }

    /// Goes over to the buffer that is now behind the file. `false`: it cannot be mapped just now.
    fn map_again(&mut self, fd: BorrowedFd<'_>) -> Result<bool> {
        let from = self.map.write_pos() & !WRITE_POS_ENDED;
        // The consumer page belongs to one buffer at a time.
        let map = match Mapping::new(fd, self.alone) {
            Ok(map) => Arc::new(map),
            Err(Error::Mapping(_)) => return Ok(false),
            Err(error) => return Err(error),
        };
        // Two that had ended when they were mapped may tell the same generation.
        if map.write_pos() == self.map.write_pos() {
            return Ok(false);
        }
        // Its counts begin at 0.
        self.missed = self.missed(self.map.delivered_before());
        self.passed = Before::default();
        (self.seq, self.skip) = Self::start(&map, self.alone, from);
        self.map = map;
        Ok(true)
    }

    fn look(&mut self, held: &mut Held) -> Result<Look> {
        let (map, seq) = (self.map.clone(), self.seq);
        let desc = map.desc(seq);
        if !map.is_there(seq) {
            return Ok(Look::Passed);
        }
        let len = desc.data_len.min(map.subbuf_size) as usize;
        let newest = newest_hole(&desc, seq, map.subbuf_size);
        // Readers of a whole sub-buffer get the end reserve, too; and of packets the list of holes may
        // begin behind the data.
        let whole = if map.end_reserve != 0 || newest != 0 {
            map.subbuf_size as usize
        } else {
            len
        };
        let from = self.skip.min(whole as u64) as usize;
        let simple = newest == 0 && whole == len;
        held.cuts.clear();
        // All of it is written.
        let Data(mut copy, _) = std::mem::take(&mut held.data);
        copy.resize(whole, 0);
        map.copy(seq, &mut copy);
        if !map.is_there(seq) {
            return Ok(Look::Passed);
        }
        let kept = if simple {
            from..len
        } else {
            let reserve = (map.subbuf_size - map.end_reserve) as usize..whole;
            self.cut_out(&mut copy, len, newest, from, reserve, &mut held.cuts)
        };
        held.data = Data(copy, kept);
        if held.data.bytes().is_empty() {
            held.data = Data::default();
            self.pass_over(&desc);
            return Ok(Look::Passed);
        }
        self.skip = 0;
        self.seq = seq + 1;
        self.consume_to = Some((seq + 1).saturating_mul(map.subbuf_size));
        self.describe(seq, &desc, held)?;
        Ok(Look::Taken)
    }

    /// Moves together what readers get of the sub-buffer in `copy`: what is from `from` to `len` and no
    /// hole, and the end reserve. Where runs meet goes to `cuts`.
    fn cut_out(
        &self,
        copy: &mut [u8],
        len: usize,
        newest: u32,
        from: usize,
        reserve: Range<usize>,
        cuts: &mut Vec<usize>,
    ) -> Range<usize> {
        let holes = holes(copy, newest, self.is_records());
        let mut to = 0;
        let reserve = reserve.start.max(len).max(from)..reserve.end;
        let reserve = (reserve.start < reserve.end).then_some(reserve);
        for run in runs(&holes, from, len).chain(reserve) {
            if to != 0 {
                cuts.push(to);
            }
            let n = run.end - run.start;
            copy.copy_within(run, to);
            to += n;
        }
        0..to
    }

    /// Nothing of this sub-buffer is to be had, but it counts.
    fn pass_over(&mut self, desc: &Subbuf) {
        if self.passed.records == desc.first_record {
            self.passed.records = self.passed.records.wrapping_add(desc.records);
            self.passed.bytes = self.passed.bytes.wrapping_add(desc.bytes);
        }
    }

    /// Fills in what is known of the sub-buffer whose data are held, but for these.
    fn describe(&mut self, seq: u64, desc: &Subbuf, held: &mut Held) -> Result<()> {
        let before = Before {
            records: desc.first_record,
            bytes: desc.first_byte,
        };
        // Also if the sub-buffer cannot be read: then the next one shows what is missing before it.
        let missed = over(std::mem::take(&mut self.gone), self.missed(before));
        self.untold = over(self.passed, before);
        self.passed = Before {
            records: desc.first_record.wrapping_add(desc.records),
            bytes: desc.first_byte.wrapping_add(desc.bytes),
        };
        self.missed = missed;
        held.cpu = self.map.cpu;
        held.seq = seq;
        held.begin = desc.begin;
        held.end = desc.end;
        held.head = None;
        if self.is_records() {
            let at = seq.saturating_mul(self.map.subbuf_size);
            let (head, _) = packet::whole(held.data.bytes(), at)?;
            held.gaps = self.gap.before(&head, || missed);
            held.cuts.clear();
            held.head = Some(head);
            held.seq = head.packet_seq_num;
        } else {
            held.gaps = self.raw_gaps(missed, desc);
        }
        self.missed = Before::default();
        self.found = sum(self.found, missed);
        self.last_end = desc.end;
        Ok(())
    }

    /// What was overwritten since it came, whether it has come to that or not; `None`: it consumes, and the
    /// kernel knows.
    pub(crate) fn overwritten(&self) -> Option<Before> {
        let behind = || over(self.gone, self.missed(oldest(&self.map, self.seq)));
        (!self.alone).then(|| sum(self.found, behind()))
    }

    /// What is missing between what was passed and what comes after so much.
    fn missed(&self, before: Before) -> Before {
        sum(self.missed, over(self.passed, before))
    }

    fn raw_gaps(&self, missed: Before, desc: &Subbuf) -> Gaps {
        let lost = (missed.records != 0).then(|| Lost {
            cpu: self.map.cpu,
            records: missed.records,
            bytes: missed.bytes,
            packets: 0,
            cause: Cause::Overwritten,
            from: self.last_end.min(desc.begin),
            to: desc.begin,
        });
        [lost, None]
    }

    /// What was held is consumed.
    pub(crate) fn release(&mut self, fd: BorrowedFd<'_>) -> Result<()> {
        let Some(pos) = self.consume_to.take() else {
            return Ok(());
        };
        let untold = std::mem::take(&mut self.untold);
        if self.alone && !self.map.consume(pos, untold) {
            crate::ioctl::consume(fd, pos)?;
        }
        Ok(())
    }
}

/// What came before the oldest sub-buffer from `from` on that is there.
fn oldest(map: &Mapping, from: u64) -> Before {
    // Each time around the writer has completed one.
    for _ in 0..100 {
        let delivered = map.delivered();
        for seq in from.max(delivered.saturating_sub(map.n_subbufs))..delivered {
            let desc = map.desc(seq);
            if map.is_there(seq) {
                return Before {
                    records: desc.first_record,
                    bytes: desc.first_byte,
                };
            }
        }
        let all = map.delivered_before();
        if map.delivered() == delivered {
            return all;
        }
    }
    Before::default()
}

fn sum(a: Before, b: Before) -> Before {
    Before {
        records: a.records.saturating_add(b.records),
        bytes: a.bytes.saturating_add(b.bytes),
    }
}

/// What lies between; nothing if there is nothing.
fn over(from: Before, to: Before) -> Before {
    Before {
        records: to.records.saturating_sub(from.records),
        bytes: to.bytes.saturating_sub(from.bytes),
    }
}

/// The offset + 1 of the newest hole of sub-buffer `seq`; 0: there is none.
fn newest_hole(desc: &Subbuf, seq: u64, subbuf_size: u64) -> u32 {
    match desc.holes.checked_sub(1) {
        Some(pos) if pos / subbuf_size == seq => (pos % subbuf_size + 1) as u32,
        _ => 0,
    }
}
