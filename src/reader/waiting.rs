// SPDX-License-Identifier: GPL-2.0

//! Waiting for data: what a descriptor's readers wish for, and what ends their sleep.

use super::descriptor::Descriptor;
use super::merge::Patience;
use super::{Manner, Outcome};
use crate::bindings as local;
use crate::buffer::Buffer;
use crate::channel::{show_partial, MAX_FLUSH_MS};
use crate::watermark::Watermark;
use core::sync::atomic::Ordering;
use kernel::prelude::*;
use kernel::time::msecs_to_jiffies;

/// Whether to wait for data, and what ends that before there is some.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wait {
    No,
    /// Any signal.
    Interruptible,
    /// Only what kills the task.
    Killable,
}

impl Wait {
    /// Whether to wait for records that are not finished.
    pub(super) fn patience(self) -> Patience {
        match self {
            Self::No => Patience::Looks,
            _ => Patience::Sleeps,
        }
    }

    /// Whether to wait, or which error it is not to.
    fn may_go_on(self) -> Result {
        match self {
            Self::No => Err(EAGAIN),
            Self::Interruptible if kernel::current!().signal_pending() => Err(ERESTARTSYS),
            // SAFETY: Process context.
            Self::Killable if !unsafe { local::relayfs_helper_may_go_on() } => Err(EINTR),
            _ => Ok(()),
        }
    }
}

impl Descriptor {
    /// Waits until a read would find something, which may be the end.
    pub(crate) fn wait(&self, wait: Wait) -> Result {
        self.wait_until(wait, || {
            Ok(if self.is_readable() {
                Outcome::Copied(0)
            } else {
                Outcome::Nothing
            })
        })?;
        Ok(())
    }

    /// Calls `attempt` until it finds something, which may be the end.
    pub(super) fn wait_until(
        &self,
        wait: Wait,
        mut attempt: impl FnMut() -> Result<Outcome>,
    ) -> Result<usize> {
        self.for_each(|buffer| buffer.bell().forget_wish_if_nobody_waits());
        loop {
            // Before looking for data: what is written before the end is not missed.
            let closed = self.channel().hub().is_closed();
            let urged = self.urged();
            match attempt()? {
                Outcome::Copied(n) => return Ok(n),
                Outcome::Nothing if closed => return Ok(0),
                Outcome::Nothing => {
                    if let Err(error) = wait.may_go_on() {
                        if self.any(Buffer::is_pending) {
                            // There may be something when the caller comes again.
                            self.channel().ticker.arm(self.flush_interval());
                        }
                        return Err(error);
                    }
                }
            }
            let interval = || msecs_to_jiffies(self.flush_interval());
            let mut hidden = false;
            let ready = |expired| {
                hidden = expired && self.any(|buffer| self.hides(buffer));
                hidden || self.may_go_on(urged, expired)
            };
            match wait {
                // Nobody starts the call again.
                Wait::Killable => self
                    .queue()
                    .wait_killable(interval, ready)
                    .map_err(|_| EINTR)?,
                _ => self.queue().wait_interruptible(interval, ready)?,
            }
            if hidden {
                self.for_each(|buffer| match self.manner() {
                    Manner::Runs => show_partial(buffer),
                    Manner::Events => buffer.current().settle(),
                });
            }
        }
    }

    /// Whether `buffer` has something that it does not show before its sub-buffer ends, or before that is
    /// settled.
    fn hides(&self, buffer: &Buffer) -> bool {
        match self.manner() {
            Manner::Runs => buffer.holds_back(),
            Manner::Events => buffer.is_pending(),
        }
    }

    /// Whether a read that waits, and is queued, may go on. `expired`: the flush interval has passed.
    /// If not, the wish is put.
    fn may_go_on(&self, urged: u64, expired: bool) -> bool {
        let due = || {
            let whatever = expired || self.urged() != urged;
            self.channel().hub().is_closed()
                || self.has_rest()
                || self.any_position(|buffer, at| {
                    let target = buffer.target(self.watermark(), buffer.pos_of(at));
                    let reached = buffer.written_pos() >= target;
                    (reached || whatever) && buffer.is_readable(at, self.manner())
                })
        };
        due() || {
            self.wish(false);
            due()
        }
    }

    /// How often readers of its buffers were to be woken whatever their watermark.
    fn urged(&self) -> u64 {
        let mut sum = 0u64;
        self.for_each(|buffer| sum = sum.wrapping_add(buffer.bell().wish.urged()));
        sum
    }

    /// Wants to be woken when the watermark is reached: counted from what can be read, if what was
    /// read does not matter.
    pub(super) fn wish(&self, from_readable: bool) {
        self.any_position(|buffer, at| {
            let from = if from_readable {
                buffer.settled_pos()
            } else {
                buffer.pos_of(at)
            };
            let target = buffer.target(self.watermark(), from);
            buffer.bell().wish.put(from, target);
            false
        });
    }

    pub(super) fn watermark(&self) -> Watermark {
        match self.watermark.load(Ordering::Relaxed) {
            0 => self.channel().config().shape.watermark,
            n => Watermark::Bytes(n),
        }
    }

    /// In milliseconds.
    pub(super) fn flush_interval(&self) -> u32 {
        match self.flush_interval.load(Ordering::Relaxed) {
            0 => self.channel().config().flush_interval,
            n => n,
        }
    }

    /// Sets how long data may wait; 0: as the channel has it.
    pub(crate) fn set_flush_interval(&self, ms: u32) -> Result {
        if ms > MAX_FLUSH_MS {
            return Err(EINVAL);
        }
        self.flush_interval.store(ms, Ordering::Relaxed);
        // Who waits with this descriptor counts anew; who wants signals does not do so itself.
        self.queue().wake_all();
        self.channel().ticker.arm(self.flush_interval());
        Ok(())
    }

    /// Sets how many bytes are worth a wake-up; 0: as the channel has it.
    pub(crate) fn set_watermark(&self, bytes: u64) -> Result {
        if bytes > self.channel().shape().spec.geo().ring_size() {
            return Err(EINVAL);
        }
        let mut readers = self.channel().hub().readers.lock();
        let before = self.watermark.load(Ordering::Relaxed);
        readers.replace_watermark(before, bytes)?;
        self.watermark.store(bytes, Ordering::Relaxed);
        self.channel().heed_watermarks(&readers);
        drop(readers);
        // Who waits with this descriptor wishes anew.
        self.queue().wake_all();
        Ok(())
    }
}
