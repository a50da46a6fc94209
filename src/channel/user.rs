// SPDX-License-Identifier: GPL-2.0

//! What users write: into the stream, or to the kernel readers of a duplex channel.

use super::wait::{GaveUp, Patience};
use super::write::errno;
use super::Channel;
use crate::ring::Cause;
use kernel::alloc::flags::__GFP_NOWARN;
use kernel::iov::IovIterSource;
use kernel::prelude::*;
use kernel::sync::Arc;

/// Waits as long as it takes.
const FOR_EVER: usize = usize::MAX >> 1;

impl Channel {
    /// Where what users write goes.
    fn for_users(self: &Arc<Self>) -> &Arc<Self> {
        self.inbound().unwrap_or(self)
    }

    /// Writes all of `from` as one record, waiting for room if `wait`, and tells the client. Process
    /// context. What is refused is told to who writes, and not counted.
    pub(crate) fn write_user(
        self: &Arc<Self>,
        from: &mut IovIterSource<'_>,
        wait: bool,
    ) -> Result<usize> {
        let len = from.len();
        if len == 0 {
            return Ok(0);
        }
        let to = self.for_users();
        if len as u64 > to.max_record() {
            return Err(EMSGSIZE);
        }
        let mut data = KVVec::new();
        if from.copy_from_iter_vec(&mut data, GFP_KERNEL_ACCOUNT | __GFP_NOWARN)? < len {
            return Err(EFAULT);
        }
        let patience = Patience {
            timeout: if wait { FOR_EVER } else { 0 },
            any_signal: true,
        };
        // SAFETY: The data is there.
        unsafe {
            to.as_arc_borrow()
                .write_patiently(data.as_ptr(), len, patience)
        }
        .map_err(|gave_up| match gave_up {
            GaveUp::Refused(Cause::Closed) => EPIPE,
            GaveUp::Refused(cause) => errno(cause),
            GaveUp::Timeout(_) => EAGAIN,
            GaveUp::Signal(_) => ERESTARTSYS,
        })?;
        self.hub().callbacks.user_deliver(&data);
        Ok(len)
    }

    /// The longest record it takes now.
    fn max_record(&self) -> u64 {
        let mut buffers = self.buffers().iter();
        let longest = |store: &crate::buffer::Store| store.ring().max_record();
        buffers
            .next()
            .map_or(0, |buffer| buffer.with_current(longest))
    }

    /// Whether a write of any length that is allowed finds room now, whichever CPU it is on. None
    /// does in a closed channel, but it does not wait either.
    pub(crate) fn takes_user_writes(self: &Arc<Self>) -> bool {
        let to = self.for_users();
        to.hub().is_closed() || !to.buffers().iter().any(|buffer| buffer.is_full())
    }

    /// Queues a poller that waits for room.
    ///
    /// # Safety
    ///
    /// As for [`WaitQueue::poll_wait`](crate::wake::WaitQueue::poll_wait); the channel must live until
    /// the file is released.
    pub(crate) unsafe fn poll_room(
        self: &Arc<Self>,
        file: *mut kernel::bindings::file,
        table: *mut kernel::bindings::poll_table_struct,
    ) {
        // SAFETY: As the caller promises.
        unsafe { self.for_users().hub().room.poll_wait(file, table) };
    }
}
