// SPDX-License-Identifier: GPL-2.0

//! Buffers of another size: got ready beside the old ones, then put in their place while writers and
//! readers are at work.
//!
//! Lock order: `swap`, the kernel's hotplug lock, the channel's lock of its files; and a consumer's
//! position inside `swap`.

use super::config::geometry;
use super::flush::{on_cpu, CpusLocked};
use super::Channel;
use crate::buffer::{page_count, Buffer, Shape, Store};
use crate::memory;
use crate::percpu::{possible_cpus, Pinned};
use kernel::bindings;
use kernel::prelude::*;
use kernel::sync::{new_mutex, Arc, Mutex};

/// What the buffers of a channel are like.
#[derive(Clone, Copy)]
pub(super) struct Present {
    pub(super) shape: Shape,
    /// How often they were replaced.
    pub(super) generation: u64,
}

/// Stores that are ready to be used.
struct Ready {
    shape: Shape,
    /// With the numbers of their buffers.
    stores: KVVec<(u32, Arc<Store>)>,
}

impl Ready {
    /// For the buffers there are. Nothing is left behind if that fails.
    fn new(channel: &Channel, shape: Shape) -> Result<Self> {
        let count = channel.buffers().iter().count();
        memory::check_available(page_count(shape.spec.geo()).saturating_mul(count))?;
        let mut stores = KVVec::with_capacity(count, GFP_KERNEL)?;
        for buffer in channel.buffers().iter() {
            stores.push((buffer.number(), buffer.new_store(shape)?), GFP_KERNEL)?;
        }
        Ok(Self { shape, stores })
    }

    fn store(&self, buffer: &Buffer) -> Option<&Arc<Store>> {
        let mut stores = self.stores.iter();
        let found = stores.find(|(number, _)| *number == buffer.number())?;
        Some(&found.1)
    }

    /// Completes it for a buffer whose CPU has come up since.
    fn complete(&mut self, buffer: &Buffer) -> Result {
        if self.store(buffer).is_none() {
            let store = buffer.new_store(self.shape)?;
            self.stores.push((buffer.number(), store), GFP_KERNEL)?;
        }
        Ok(())
    }
}

/// What is under way.
struct Swap {
    ready: Option<Ready>,
    /// The channel is closed.
    closed: bool,
}

/// Resizes a channel.
#[pin_data]
pub(crate) struct Resizer {
    /// Locked by who changes the stores of buffers, or needs that nobody does.
    #[pin]
    swap: Mutex<Swap>,
}

impl Resizer {
    pub(super) fn new() -> impl PinInit<Self> {
        let swap = Swap {
            ready: None,
            closed: false,
        };
        pin_init!(Self {
            swap <- new_mutex!(swap, "relayfs swap"),
        })
    }
}

impl Channel {
    /// Does `f` while the buffers' stores stay what they are. Process context.
    pub(super) fn while_no_resize<T>(&self, f: impl FnOnce() -> T) -> T {
        let _swap = self.resizer.swap.lock();
        f()
    }

    /// From when this returns on, nothing is resized.
    pub(super) fn end_resizes(&self) {
        let mut swap = self.resizer.swap.lock();
        swap.closed = true;
        let ready = swap.ready.take();
        drop(swap);
        drop(ready);
    }

    /// The shape of buffers with these sizes; 0: as now.
    fn resized(&self, subbuf_size: u64, n_subbufs: u32) -> Result<Shape> {
        let now = self.shape();
        let or = |wanted: u64, now: u64| if wanted == 0 { now } else { wanted };
        let geo = geometry(
            or(subbuf_size, now.spec.geo().subbuf_size()),
            or(n_subbufs.into(), now.spec.geo().n_subbufs()),
        )?;
        now.resized(geo).ok_or(EINVAL)
    }

    /// Gets buffers of another size ready; 0: as now. Process context.
    pub(crate) fn realloc(&self, subbuf_size: u64, n_subbufs: u32) -> Result {
        let shape = self.resized(subbuf_size, n_subbufs)?;
        let ready = Ready::new(self, shape)?;
        let mut swap = self.resizer.swap.lock();
        if swap.closed {
            return Err(ESHUTDOWN);
        }
        let replaced = swap.ready.replace(ready);
        drop(swap);
        drop(replaced);
        Ok(())
    }

    /// Goes over to the buffers that are ready. Process context.
    pub(crate) fn replace(&self) -> Result {
        let mut swap = self.resizer.swap.lock();
        if swap.closed {
            return Err(ESHUTDOWN);
        }
        let ready = swap.ready.as_mut().ok_or(EAGAIN)?;
        self.make_way()?;
        self.go_over(ready)?;
        let used = swap.ready.take();
        drop(used);
        Ok(())
    }

    /// Sees to it that only what is written to now is kept. With `swap` locked.
    fn make_way(&self) -> Result {
        for buffer in self.buffers().iter() {
            buffer.let_consumer_pass();
        }
        if self.buffers().iter().any(|buffer| buffer.has_old()) {
            if !self.shape().spec.overwrite() {
                return Err(EBUSY);
            }
            for buffer in self.buffers().iter() {
                buffer.drop_old(u64::MAX);
            }
        }
        Ok(())
    }

    /// Lets writers go over to what is ready, and readers follow. With `swap` locked, and nothing old.
    fn go_over(&self, ready: &mut Ready) -> Result {
        let cpus = CpusLocked::new();
        let tree = self.tree.lock();
        for buffer in self.buffers().iter() {
            ready.complete(buffer)?;
        }
        let generation = self.generation().wrapping_add(1);
        let present = Present {
            shape: ready.shape,
            generation,
        };
        self.present.with(|now| *now = present);
        for buffer in self.buffers().iter() {
            if let Some(new) = ready.store(buffer) {
                new.set_generation(generation);
                on_cpu(buffer.current().cpu(), &cpus, &|| self.swap_in(buffer, new));
                self.heed_watermark_in(buffer);
            }
        }
        drop((tree, cpus));
        // Writers that have found the old stores run with preemption off.
        // SAFETY: Process context.
        unsafe { bindings::synchronize_rcu() };
        for buffer in self.buffers().iter() {
            buffer.complete();
        }
        Ok(())
    }

    /// Lets the writers of `buffer` go over to `new`. On the owning CPU, if there is one.
    fn swap_in(&self, buffer: &Buffer, new: &Arc<Store>) {
        // As all writers.
        let _pinned = Pinned::new();
        let old = buffer.current();
        // SAFETY: `new` is kept until it is superseded itself, and then until all who were pinned are
        // no longer; and those who may write to `old` are no longer pinned before that begins.
        unsafe { old.give_way_to(new) };
        for cpu in possible_cpus().filter(|&cpu| new.cpu().is_none_or(|own| own == cpu)) {
            // SAFETY: The CPU is possible. That `new` is kept was said above.
            unsafe { self.publish(cpu, new) };
        }
        buffer.supersede(new.clone());
        // The buffer has a count of it, so this frees nothing.
        drop(old);
    }
}
