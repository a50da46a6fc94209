// SPDX-License-Identifier: GPL-2.0

//! Writers that wait for room rather than lose a record.

use super::Channel;
use crate::headcount::Headcount;
use crate::percpu::Pinned;
use crate::ring::Cause;
use kernel::prelude::*;
use kernel::sync::{Arc, ArcBorrow};
use kernel::time::msecs_to_jiffies;

/// How often a writer looks by itself, in milliseconds. The consumer tells when it has made room, but
/// nobody tells when an unfinished writer commits or a reader lets go.
const LOOK_MS: u32 = 10;

/// Writers that wait. The channel's end waits for them.
pub(crate) struct Waiting(Headcount);

impl Waiting {
    pub(crate) fn new() -> Self {
        Self(Headcount::new())
    }
}

/// One of them.
struct Waiter(Arc<Channel>);

impl Waiter {
    fn new(channel: Arc<Channel>) -> Self {
        // It is never shut: none comes when the channel is closed.
        channel.hub().waiting.0.enter();
        Self(channel)
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        self.0.hub().waiting.0.leave();
        self.0.hub().room.wake_all();
    }
}

/// What may be otherwise a moment later.
fn may_pass(cause: Cause) -> bool {
    matches!(cause, Cause::Full | Cause::Nested | Cause::Held)
}

/// How long a writer waits for room.
#[derive(Clone, Copy)]
pub(super) struct Patience {
    /// In jiffies.
    pub(super) timeout: usize,
    /// Any signal ends the wait; else only one that kills.
    pub(super) any_signal: bool,
}

/// Why a record was not written.
pub(super) enum GaveUp {
    Refused(Cause),
    /// For want of room, until there was no time left.
    Timeout(Cause),
    /// For want of room, until a signal came.
    Signal(Cause),
}

impl Channel {
    /// Writes one record, waiting until there is room. Process context. A failure is not counted.
    ///
    /// # Safety
    ///
    /// As for [`Channel::write`].
    pub(super) unsafe fn write_patiently(
        self: ArcBorrow<'_, Self>,
        data: *const u8,
        len: usize,
        patience: Patience,
    ) -> Result<(), GaveUp> {
        // SAFETY: As the caller promises.
        let attempt = |pinned: &Pinned| unsafe { self.try_write(pinned, data, len) };
        let pinned = Pinned::new();
        let mut result = attempt(&pinned);
        let mut left = patience.timeout;
        // Still pinned: who ends the channel waits first for all that are, then for those who wait.
        let waiter = (result.is_err_and(may_pass) && left != 0).then(|| Waiter::new(self.into()));
        drop(pinned);
        let mut signalled = Ok(());
        if let Some(waiter) = waiter {
            let interval = msecs_to_jiffies(LOOK_MS).min(left).max(1);
            let again = |expired| {
                if expired {
                    left = left.saturating_sub(interval);
                }
                result = attempt(&Pinned::new());
                !result.is_err_and(may_pass) || left == 0
            };
            let room = &waiter.0.hub().room;
            signalled = if patience.any_signal {
                room.wait_interruptible(|| interval, again)
            } else {
                room.wait_killable(|| interval, again)
            };
        }
        result.map_err(|cause| match signalled {
            Err(_) => GaveUp::Signal(cause),
            Ok(()) if may_pass(cause) => GaveUp::Timeout(cause),
            Ok(()) => GaveUp::Refused(cause),
        })
    }

    /// Writes one record, waiting at most `timeout` jiffies until there is room. Process context.
    /// A record that is given up is counted, once.
    ///
    /// # Safety
    ///
    /// As for [`Channel::write`].
    pub(crate) unsafe fn write_wait(
        self: ArcBorrow<'_, Self>,
        data: *const u8,
        len: usize,
        timeout: usize,
    ) -> Result<usize> {
        self.check_takes_bytes()?;
        let patience = Patience {
            timeout,
            any_signal: false,
        };
        // SAFETY: As the caller promises.
        let Err(gave_up) = (unsafe { self.write_patiently(data, len, patience) }) else {
            return Ok(len);
        };
        let (GaveUp::Refused(cause) | GaveUp::Timeout(cause) | GaveUp::Signal(cause)) = gave_up;
        let error = self.refuse(&Pinned::new(), cause, len);
        Err(match gave_up {
            GaveUp::Refused(_) => error,
            GaveUp::Timeout(_) => ETIMEDOUT,
            GaveUp::Signal(_) => EINTR,
        })
    }

    /// Gets writers out of their wait. The rings must be closed, and known to be to all writers.
    pub(super) fn let_waiters_go(&self) {
        let hub = self.hub();
        hub.room.wake_all();
        hub.room.wait_all_over(|| hub.waiting.0.is_empty());
    }
}
