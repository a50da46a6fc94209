// SPDX-License-Identifier: GPL-2.0

//! All buffers of a channel as one stream, in order of time.

use super::{Outcome, Position, View};
use crate::buffer::Buffer;
use crate::channel::Channel;
use kernel::iov::IovIterDest;
use kernel::prelude::*;

/// Where the readers of a whole channel are.
#[derive(Default)]
pub(crate) struct Merge {
    /// Number of the buffer whose run is not finished.
    current: Option<u32>,
    /// Number of the buffer that was read last.
    last: u32,
}

impl Merge {
    /// The buffer of `number`, from which something was taken at `at`, has the next turn if its run is
    /// not finished.
    pub(super) fn keep_turn(&mut self, number: u32, at: &Position) {
        if at.is_mid_run() {
            self.current = Some(number);
        }
    }
}

impl Channel {
    /// Copies as much of all buffers as there is and fits, in order of time: a run once begun is
    /// finished before data of another buffer follows.
    pub(crate) fn read(&self, view: View<'_>, to: &mut IovIterDest<'_>) -> Result<Outcome> {
        let mut merge = view.merge(self).lock();
        let mut copied = 0usize;
        while !to.is_empty() {
            let Some((buffer, at)) = self.next(view, &mut merge, |_| true) else {
                break;
            };
            let number = buffer.number();
            let mut place = buffer.lock(at);
            let outcome = buffer.drain(at, &mut place, to, true);
            merge.keep_turn(number, at);
            match outcome {
                Ok(Outcome::Copied(n)) => copied = n.wrapping_add(copied),
                Ok(Outcome::Nothing) => {}
                Err(error) if copied == 0 => return Err(error),
                Err(_) => break,
            }
        }
        if copied == 0 && !to.is_empty() {
            return Ok(Outcome::Nothing);
        }
        Ok(Outcome::Copied(copied))
    }

    /// The buffer whose turn it is, of those that are `wanted`.
    pub(super) fn next<'a>(
        &'a self,
        view: View<'a>,
        merge: &mut Merge,
        wanted: impl Fn(&Buffer) -> bool,
    ) -> Option<(&'a Buffer, &'a Position)> {
        let is_wanted = |&number: &u32| {
            let buffer = self.buffers().get(number as usize);
            buffer.is_some_and(|buffer| wanted(buffer))
        };
        let number = match merge.current.filter(is_wanted) {
            Some(number) => {
                merge.current = None;
                number
            }
            None => self.oldest(view, merge.last, is_wanted)?,
        };
        merge.last = number;
        let buffer = self.buffers().get(number as usize)?;
        Some((buffer, view.position(buffer)?))
    }

    /// The buffer whose next run is the oldest; of equals, as all are without a clock, the next after
    /// the one read last.
    fn oldest(&self, view: View<'_>, last: u32, wanted: impl Fn(&u32) -> bool) -> Option<u32> {
        let mut best: Option<(u64, u32)> = None;
        for buffer in self.buffers().iter() {
            let Some(at) = view.position(buffer) else {
                continue;
            };
            if !buffer.is_readable(at) || !wanted(&buffer.number()) {
                continue;
            }
            let mut place = buffer.lock(at);
            let half_read = at.is_mid_run();
            let _guest = buffer.be_guest();
            let mut store = buffer.enter(&mut place);
            let found = buffer.advance(at, &mut place, &mut store);
            let turn = buffer.number().wrapping_sub(last).wrapping_sub(1);
            let key = (store.ring().run_time(&place.cursor), turn);
            // Only a run some byte of which was read must be kept from the writers.
            if !half_read {
                store.ring().detach(&mut place.cursor);
            }
            // Also if it only stepped over holes: or it would look as if there were something.
            buffer.leave(at, &mut place, store);
            if found && best.is_none_or(|least| key < least) {
                best = Some(key);
            }
        }
        best.map(|(_, turn)| turn.wrapping_add(1).wrapping_add(last))
    }
}
