// SPDX-License-Identifier: GPL-2.0

//! Observers: descriptors that read without consuming, each at its own pace.

use super::{Merge, Position};
use crate::buffer::Buffer;
use kernel::prelude::*;
use kernel::sync::{new_mutex, Mutex};

/// Positions of one descriptor.
#[pin_data]
pub(crate) struct Observer {
    /// Of the buffers from `first` on, whether they exist yet or not.
    positions: KVVec<Pin<KBox<Position>>>,
    first: u32,
    #[pin]
    pub(super) merge: Mutex<Merge>,
}

impl Observer {
    /// At the oldest data of `count` buffers from `first` on.
    pub(super) fn new(first: u32, count: u32) -> Result<Pin<KBox<Self>>> {
        let mut positions = KVVec::with_capacity(count as usize, GFP_KERNEL)?;
        for _ in 0..count {
            let position = KBox::pin_init(Position::new(false), GFP_KERNEL)?;
            positions.push(position, GFP_KERNEL)?;
        }
        KBox::pin_init(
            pin_init!(Self {
                positions,
                first,
                merge <- new_mutex!(Merge::default(), "relayfs observer"),
            }),
            GFP_KERNEL,
        )
    }

    /// Where it is in `buffer`.
    pub(super) fn position(&self, buffer: &Buffer) -> Option<&Position> {
        let index = buffer.number().wrapping_sub(self.first) as usize;
        Some(&**self.positions.get(index)?)
    }
}
