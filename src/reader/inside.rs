// SPDX-License-Identifier: GPL-2.0

//! Readers in the kernel: descriptors without a file.
//!
//! One that consumes shares the position of the users who read the files. One that observes, or speaks
//! for somebody who reads a mapping, has a position of its own, and its client says how much of what
//! came before it need not be kept. How far that is, is counted back from the reader's position: the
//! newest bytes of what was read, but for as many as were said to be consumed, are kept. So what others
//! have consumed or overwritten meanwhile does not matter.

use super::descriptor::Descriptor;
use super::merge::Patience;
use super::position::Mark;
use super::waiting::Wait;
pub(crate) use super::walk::Unit;
use super::walk::{Amount, Until};
use super::{into_memory, Manner, Merge, View};
use crate::buffer::Buffer;
use crate::channel::Channel;
use core::ptr::NonNull;
use kernel::prelude::*;
use kernel::sync::{new_mutex, Arc, Mutex};

/// What a reader is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// What it reads is consumed.
    Consume,
    /// It reads; what is consumed it says.
    Observe,
    /// It says how far somebody who reads a mapping has come.
    Report,
}

/// A reader in the kernel.
#[pin_data]
pub(crate) struct Reader {
    descriptor: KBox<Descriptor>,
    purpose: Purpose,
    #[pin]
    said: Mutex<Said>,
}

/// What a client has said about consuming.
struct Said {
    /// Of what was read: how much was said to be consumed.
    consumed: Amount,
    /// Of a reader that does not read: how far that is.
    to: Mark,
}

impl Reader {
    /// A reader of `buffer`, or of the whole channel.
    pub(crate) fn new(
        channel: Arc<Channel>,
        buffer: Option<Arc<Buffer>>,
        purpose: Purpose,
    ) -> Result<Pin<KBox<Self>>> {
        if channel.hub().is_closed() {
            return Err(ESHUTDOWN);
        }
        let to = buffer.as_ref().map(|buffer| buffer.consumer.mark());
        let descriptor = Descriptor::in_kernel(channel, buffer, purpose == Purpose::Observe)?;
        KBox::pin_init(
            pin_init!(Self {
                descriptor,
                purpose,
                said <- new_mutex!(
                    Said {
                        consumed: Amount::default(),
                        to: to.unwrap_or_default(),
                    },
                    "relayfs kernel reader"
                ),
            }),
            GFP_KERNEL,
        )
    }

    pub(crate) fn purpose(&self) -> Purpose {
        self.purpose
    }

    /// Reads to `to`, or says how much it would read if that is nowhere.
    ///
    /// # Safety
    ///
    /// `to`, if any, must be valid for writes of `count` bytes.
    pub(crate) unsafe fn read(
        &self,
        to: Option<NonNull<u8>>,
        count: usize,
        wait: bool,
    ) -> Result<usize> {
        let wait = if wait { Wait::Killable } else { Wait::No };
        if self.purpose == Purpose::Report {
            return Err(EINVAL);
        }
        if count == 0 {
            return Ok(0);
        }
        let Some(to) = to else {
            return self.descriptor.look(count, wait);
        };
        // SAFETY: As the caller promises.
        unsafe { into_memory(to, count, |to| self.descriptor.read(to, wait)) }
    }

    /// How many bytes there are to read.
    pub(crate) fn available(&self) -> u64 {
        self.descriptor.available(u64::MAX)
    }

    /// How many records it missed.
    pub(crate) fn lost(&self) -> u64 {
        self.descriptor.lost().records
    }

    /// Does not sleep.
    pub(crate) fn is_empty(&self) -> bool {
        !self.descriptor.is_readable()
    }

    /// Whether one of its buffers has no room. Does not sleep.
    pub(crate) fn is_full(&self) -> bool {
        self.descriptor.any(Buffer::has_no_room)
    }

    /// So much more of what was read need not be kept. Process context.
    pub(crate) fn consumed(&self, n: u64, unit: Unit) {
        match self.purpose {
            Purpose::Consume => {}
            Purpose::Observe => self.consume_what_was_read(n, unit),
            Purpose::Report => self.consume_what_there_is(n, unit),
        }
    }

    fn consume_what_there_is(&self, n: u64, unit: Unit) {
        let Some(buffer) = self.descriptor.buffer() else {
            return;
        };
        let mut said = self.said.lock();
        let pos = buffer.written_pos();
        let most = buffer.amount(said.to, pos).get(unit).min(n);
        let until = Until {
            most,
            unit,
            ..Until::pos(pos)
        };
        said.to = buffer.walk(said.to, until).to;
        buffer.consume_to(said.to.pos);
    }

    fn consume_what_was_read(&self, n: u64, unit: Unit) {
        let channel = self.descriptor.channel();
        // Who reads the whole channel, or says so too, waits.
        let mut merge = channel.merge.lock();
        let mut said = self.said.lock();
        let (mut read, mut unconsumed) = (Amount::default(), Amount::default());
        self.descriptor.any_position(|buffer, at| {
            let (to, amount) = buffer.reached(at);
            read = read.plus(amount);
            unconsumed = unconsumed.plus(buffer.amount(buffer.consumer.mark(), to.pos));
            false
        });
        let consumed = said.consumed.get_mut(unit);
        *consumed = consumed.saturating_add(n).min(read.get(unit));
        let kept = read.get(unit).wrapping_sub(*consumed);
        let most = unconsumed.get(unit).saturating_sub(kept);
        match self.descriptor.buffer() {
            Some(buffer) => {
                self.consume_in(buffer, most, unit, false);
            }
            None => self.consume_in_order(&mut merge, most, unit),
        }
    }

    /// Consumes `most` of what was read of `buffer`, or of that what is in its first run. How much it
    /// was.
    fn consume_in(&self, buffer: &Buffer, most: u64, unit: Unit, one_run: bool) -> u64 {
        let Some(at) = self.descriptor.position(buffer) else {
            return 0;
        };
        let until = Until {
            most,
            unit,
            one_run,
            ..Until::pos(at.pos())
        };
        let walked = buffer.walk(buffer.consumer.mark(), until);
        buffer.consume_to(walked.to.pos);
        walked.over.get(unit)
    }

    /// The same of all buffers, the oldest first.
    fn consume_in_order(&self, merge: &mut Merge, most: u64, unit: Unit) {
        let channel = self.descriptor.channel();
        let has_some = |buffer: &Buffer| {
            self.descriptor.position(buffer).is_some_and(|at| {
                let unconsumed = buffer.amount(buffer.consumer.mark(), at.pos());
                unconsumed.get(unit) != 0
            })
        };
        let mut left = most;
        while left != 0 {
            let (view, manner) = (View::Consumer, Manner::Runs);
            let next = channel.next(view, merge, manner, Patience::None, has_some);
            let Ok(Some((buffer, at))) = next else {
                break;
            };
            let over = self.consume_in(buffer, left, unit, true);
            channel.take_turn(view, merge, manner, buffer, at);
            left = left.saturating_sub(over);
            if over == 0 {
                // Somebody who reads this buffer alone was quicker.
                break;
            }
        }
    }
}
