// SPDX-License-Identifier: GPL-2.0

//! What there is for `poll()`.

use super::descriptor::Descriptor;
use crate::buffer::Buffer;
use crate::watermark::Wish;
use kernel::bindings;

/// What a caller of `poll()` is after.
pub(crate) struct Wants {
    /// To be told of new data even if it did not read the old.
    pub(crate) edges: bool,
    /// To be told when a buffer is full.
    pub(crate) full: bool,
    /// It can write.
    pub(crate) may_write: bool,
}

impl Descriptor {
    /// What there is for `poll()`, after the caller was queued if it wanted to be.
    ///
    /// # Safety
    ///
    /// `file` and `table` must be the arguments of a running `poll` operation of this descriptor.
    pub(crate) unsafe fn poll(
        &self,
        file: *mut bindings::file,
        table: *mut bindings::poll_table_struct,
        wants: Wants,
    ) -> u32 {
        // SAFETY: As the caller promises; the queue lives as long as the descriptor.
        unsafe { self.queue().poll_wait(file, table) };
        let mut events = self.poll_full(wants.full);
        if wants.may_write {
            // SAFETY: As above.
            unsafe { self.channel().poll_room(file, table) };
            if self.channel().takes_user_writes() {
                events |= bindings::POLLOUT | bindings::POLLWRNORM;
            }
        }
        let closed = self.channel().hub().is_closed();
        let mut readable = self.is_readable();
        if !closed && (wants.edges || !readable) && self.queue().has_sleeper() {
            self.wish(readable);
            self.channel().ticker.arm(self.flush_interval());
            readable |= self.is_readable();
        }
        events
            | match (readable, closed) {
                (true, _) => bindings::POLLIN | bindings::POLLRDNORM,
                (false, true) => bindings::POLLHUP,
                (false, false) => 0,
            }
    }

    /// Whether a buffer is full, for `poll()`. `wished`: the caller, who is queued, wants to be told.
    fn poll_full(&self, wished: bool) -> u32 {
        let full = || self.any(Buffer::is_full);
        let mut is_full = full();
        if !is_full && wished && !self.channel().config().shape.spec.overwrite() {
            // No watermark is as high: what wakes it is that a record is refused.
            self.any_position(|buffer, at| {
                buffer.bell().wish.put(buffer.pos_of(at), Wish::WHEN_FULL);
                false
            });
            is_full = full();
        }
        if is_full {
            bindings::POLLPRI
        } else {
            0
        }
    }
}
