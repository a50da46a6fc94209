// SPDX-License-Identifier: GPL-2.0

//! The buffer of a CPU, or of all: what its readers know. What they read lies in its store.

use crate::bindings as local;
use crate::channel::Hub;
use crate::lock::Guarded;
use crate::reader::Position;
use crate::ring::{Delivery, Geometry, Spec};
use crate::watermark::Watermark;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use kernel::bindings;
use kernel::prelude::*;
use kernel::sync::{new_mutex, Arc, Mutex, MutexGuard};

mod bell;
mod consumer;
mod delivered;
mod store;
mod stores;
mod teller;

pub(crate) use bell::Bell;
pub(crate) use consumer::ConsumerPage;
pub(crate) use store::{page_count, Lent, Store, Turns, LENT_ALIGN};
use stores::Stores;
pub(crate) use teller::Teller;

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
    /// Every commit is worth a look, whatever the watermark.
    pub(crate) every_commit: bool,
}

impl Shape {
    /// Which commits are worth a look in buffers of this geometry.
    pub(crate) fn delivery(watermark: Watermark, every_commit: bool, geo: Geometry) -> Delivery {
        if every_commit {
            Delivery::Packet
        } else {
            watermark.delivery(geo)
        }
    }

    /// The same with other sizes. `None`: the reserves leave no room.
    pub(crate) fn resized(self, geo: Geometry) -> Option<Self> {
        let spec = self
            .spec
            .resized(geo, Self::delivery(self.watermark, self.every_commit, geo))?;
        Some(Self { spec, ..self })
    }
}

/// A buffer.
#[pin_data]
pub(crate) struct Buffer {
    place: Place,
    bell: Arc<Bell>,
    /// Not for writers: they have a pointer of their own.
    #[pin]
    stores: Guarded<Stores>,
    /// A store of it is in memory of the client's; then who reads holds the lock.
    is_lent: AtomicBool,
    #[pin]
    guests: Mutex<()>,
    /// What lies before this position was thrown away by a reset.
    thrown: AtomicU64,
    /// The position all who consume share.
    #[pin]
    pub(crate) consumer: Position,
}

impl Buffer {
    /// With a store that has the number `generation`.
    pub(crate) fn new(
        shape: Shape,
        place: Place,
        hub: Arc<Hub>,
        generation: u64,
        lent: Option<Lent>,
    ) -> Result<Arc<Self>> {
        let whole_only = shape.flags & local::RELAY_DELIVERY_PACKET == 0;
        let bell = Bell::new(hub, place.cpu, whole_only)?;
        let current = Store::new(shape, place, bell.clone(), lent)?;
        current.set_generation(generation);
        if let Some(teller) = bell.teller() {
            teller.begin(&current);
        }
        Arc::pin_init(
            pin_init!(Self {
                place,
                bell,
                stores <- Guarded::new(Stores::new(current)),
                is_lent: AtomicBool::new(lent.is_some()),
                guests <- new_mutex!((), "relayfs guests"),
                thrown: AtomicU64::new(0),
                consumer <- Position::new(true),
            }),
            GFP_KERNEL,
        )
    }

    /// A store that can take the place of what is written to. Nobody uses it yet.
    pub(crate) fn new_store(&self, shape: Shape) -> Result<Arc<Store>> {
        Store::new(shape, self.place, self.bell.clone(), None)
    }

    /// Held by who reads as long as data may be in memory of the client's. Process context.
    pub(crate) fn be_guest(&self) -> Option<MutexGuard<'_, ()>> {
        self.is_lent().then(|| self.guests.lock())
    }

    /// Whether data may be in memory of the client's. Once it is not, it stays so.
    pub(crate) fn is_lent(&self) -> bool {
        // ORDERING: lent:B
        self.is_lent.load(Ordering::Acquire)
    }

    /// Its number among the buffers of its channel: that of its CPU.
    pub(crate) fn number(&self) -> u32 {
        self.place.cpu.unwrap_or(0)
    }

    /// The CPU it belongs to; `None`: all.
    pub(crate) fn cpu(&self) -> Option<u32> {
        self.place.cpu
    }

    /// How its readers are told.
    pub(crate) fn bell(&self) -> &Bell {
        &self.bell
    }

    /// Where the next record will be reserved. Any context but NMI.
    pub(crate) fn written_pos(&self) -> u64 {
        self.with_current(|store| store.ring().written_pos())
    }

    /// All before this position can be read, as far as it is still there, or is read after a switch. Any
    /// context but NMI.
    pub(crate) fn settled_pos(&self) -> u64 {
        self.with_current(|store| store.ring().settled_pos())
    }

    /// When data was last delivered, what there is now included: in ns of real time; 0: never. Any
    /// context but NMI.
    pub(crate) fn last_delivery(&self) -> u64 {
        let delivered = &self.bell.delivered;
        delivered.up_to(self.settled_pos());
        delivered.at()
    }

    /// Whether a record that does not fit the current sub-buffer would be refused. Any context but NMI.
    pub(crate) fn has_no_room(&self) -> bool {
        self.with_current(|store| store.ring().has_no_room())
    }

    /// Changes which commits are worth a look: those that may reach a watermark of `lowest` bytes, if
    /// not more. Writers that are at work may not know it yet.
    pub(crate) fn heed_watermark(&self, lowest: u64) {
        self.with_current(|store| store.heed_watermark(lowest));
    }

    /// Refuses writers from now on; some may not know it yet.
    pub(crate) fn close(&self) {
        self.with_current(|store| store.ring().close());
    }

    /// Whether a record that does not fit the current sub-buffer would be refused. Any context but NMI.
    pub(crate) fn is_full(&self) -> bool {
        self.with_current(|store| store.ring().has_no_room())
    }

    /// Whether there is something that reads find only after a switch. Any context but NMI.
    pub(crate) fn holds_back(&self) -> bool {
        self.with_current(Store::holds_back)
    }

    /// Tells waiting readers of what there is, whatever their watermark. Any context but NMI.
    pub(crate) fn urge(&self) {
        self.bell.urge(|from| self.has_data_after(from));
    }

    /// Whether there is something that has to be settled first. Any context but NMI.
    pub(crate) fn is_pending(&self) -> bool {
        self.with_current(Store::is_pending)
    }

    /// Wakes pollers if there is something for them. Says whether somebody goes on waiting, or has
    /// mapped it.
    pub(crate) fn tick(&self) -> bool {
        let mapped = self.with_current(Store::is_mapped) || self.has_page();
        let waiting = self.bell.tick(|from| self.has_data_after(from));
        // Who wants signals is between two wishes for a moment.
        let asyncs = self.bell.hub().asyncs.load(Ordering::Relaxed) != 0;
        waiting | asyncs | mapped
    }
}
