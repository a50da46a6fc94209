// SPDX-License-Identifier: GPL-2.0

//! The buffer of a CPU, or of all: what its readers know. What they read lies in its store.

use crate::bindings as local;
use crate::channel::Hub;
use crate::lock::Guarded;
use crate::reader::Position;
use crate::ring::{Delivery, Geometry, Spec};
use crate::watermark::Watermark;
use kernel::bindings;
use kernel::prelude::*;
use kernel::sync::Arc;

mod bell;
mod store;

pub(crate) use bell::Bell;
pub(crate) use store::{page_count, Store};

/// What tells apart the buffers of a channel.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    /// The CPU it belongs to; `None`: all.
    pub(crate) cpu: Option<u32>,
    /// The memory node its pages are to come from.
    pub(crate) node: i32,
}

/// Where the memory of buffers is to come from.
#[derive(Clone, Copy)]
pub(crate) enum Nodes {
    /// The node of the CPU that writes it.
    Local,
    /// Whichever.
    Any,
    /// This one.
    Of(i32),
}

impl Place {
    /// Of a CPU, which must be possible.
    pub(crate) fn of_cpu(cpu: u32, nodes: Nodes) -> Self {
        Self {
            cpu: Some(cpu),
            node: match nodes {
                // SAFETY: Only looks up a number.
                Nodes::Local => unsafe { local::relayfs_helper_cpu_to_node(cpu) },
                Nodes::Any => bindings::NUMA_NO_NODE,
                Nodes::Of(node) => node,
            },
        }
    }

    /// Of all CPUs.
    pub(crate) fn anywhere(nodes: Nodes) -> Self {
        Self {
            cpu: None,
            node: match nodes {
                Nodes::Local | Nodes::Any => bindings::NUMA_NO_NODE,
                Nodes::Of(node) => node,
            },
        }
    }
}

/// How a buffer is to be made.
#[derive(Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) spec: Spec,
    pub(crate) locking: bool,
    /// What is worth a wake-up, unless a descriptor says otherwise.
    pub(crate) watermark: Watermark,
    pub(crate) flags: u32,
}

/// A buffer.
#[pin_data]
pub(crate) struct Buffer {
    place: Place,
    bell: Arc<Bell>,
    /// Not for writers: they have a pointer of their own.
    #[pin]
    stores: Guarded<Stores>,
    /// The position all who consume share.
    #[pin]
    pub(crate) consumer: Position,
}

/// Where a buffer's data is.
struct Stores {
    /// What is written to.
    current: Arc<Store>,
}

impl Buffer {
    pub(crate) fn new(shape: Shape, place: Place, hub: Arc<Hub>) -> Result<Arc<Self>> {
        let bell = Bell::new(hub)?;
        let current = Store::new(shape, place, bell.clone())?;
        Arc::pin_init(
            pin_init!(Self {
                place,
                bell,
                stores <- Guarded::new(Stores { current }),
                consumer <- Position::new(true),
            }),
            GFP_KERNEL,
        )
    }

    /// Its number among the buffers of its channel: that of its CPU.
    pub(crate) fn number(&self) -> u32 {
        self.place.cpu.unwrap_or(0)
    }

    /// How its readers are told.
    pub(crate) fn bell(&self) -> &Bell {
        &self.bell
    }

    /// What is written to now. Process context: who drops it may be the last.
    pub(crate) fn current(&self) -> Arc<Store> {
        self.stores.with(|stores| stores.current.clone())
    }

    /// Does `f`, which is short, with what is written to now. Any context but NMI.
    pub(crate) fn with_current<T>(&self, f: impl FnOnce(&Store) -> T) -> T {
        self.stores.with(|stores| f(&stores.current))
    }

    pub(crate) fn geo(&self) -> Geometry {
        self.with_current(Store::geo)
    }

    /// Where the next record will be reserved. Any context but NMI.
    pub(crate) fn written_pos(&self) -> u64 {
        self.with_current(|store| store.ring().written_pos())
    }

    /// Where a reader that has come to `pos` goes on. Any context but NMI.
    pub(crate) fn after_padding(&self, pos: u64) -> u64 {
        self.with_current(|store| store.ring().after_padding(pos))
    }

    /// Changes which commits are worth a look. Writers that are at work may not know it yet.
    pub(crate) fn set_delivery(&self, delivery: Delivery) {
        self.with_current(|store| store.ring().set_delivery(delivery));
    }

    /// Refuses writers from now on; some may not know it yet.
    pub(crate) fn close(&self) {
        self.with_current(|store| store.ring().close());
    }

    /// The position at which readers can read what lies before `pos`. Any context but NMI.
    pub(crate) fn readable_at(&self, pos: u64) -> u64 {
        self.with_current(|store| store.ring().readable_at(pos))
    }

    /// Whether there is something that reads find only after a switch. Any context but NMI.
    pub(crate) fn holds_back(&self) -> bool {
        self.with_current(Store::holds_back)
    }

    /// Whether there seems to be something to read from position `pos` on. Any context but NMI.
    pub(crate) fn has_data_after(&self, pos: u64) -> bool {
        self.with_current(|store| store.ring().has_data_after(pos))
    }

    /// Whether what a reader that has come to `pos` had before it was thrown away. Any context but NMI.
    pub(crate) fn was_reset_after(&self, pos: u64) -> bool {
        self.with_current(|store| store.ring().was_reset_after(pos))
    }

    /// Wakes pollers if there is something for them. Says whether somebody goes on waiting, or has
    /// mapped it.
    pub(crate) fn tick(&self) -> bool {
        self.bell.tick(|from| self.has_data_after(from)) | self.with_current(Store::is_mapped)
    }
}
