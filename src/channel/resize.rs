// SPDX-License-Identifier: GPL-2.0

//! Buffers of another size: got ready beside the old ones, then put in their place while writers and
//! readers are at work.
//!
//! Lock order: a consumer's position, `swap`, the kernel's hotplug lock, the channel's lock of its
//! files. Who reads may hold a position for as long as its user likes, and the end of the channel
//! takes `swap`: so inside `swap` nobody waits for a position, nor for who reads memory of the client's.

use super::config::geometry;
use super::flush::{on_cpu, CpusLocked};
use super::Channel;
use crate::buffer::{page_count, Buffer, Shape, Store};
use crate::memory;
use crate::percpu::{possible_cpus, Pinned};
use crate::ring::Geometry;
use core::sync::atomic::{AtomicU64, Ordering};
use kernel::bindings;
use kernel::prelude::*;
use kernel::sync::{Arc, MutexGuard};

/// What the buffers of a channel are like now. Changed with the lock of the files held.
pub(super) struct Present {
    /// The two sizes as powers of two, in one word.
    sizes: AtomicU64,
    /// How often they were replaced.
    generation: AtomicU64,
}

impl Present {
    pub(super) fn new(geo: Geometry) -> Self {
        Self {
            sizes: AtomicU64::new(Self::pack(geo)),
            generation: AtomicU64::new(0),
        }
    }

    fn pack(geo: Geometry) -> u64 {
        let (size, n) = (geo.subbuf_size(), geo.n_subbufs());
        u64::from(size.trailing_zeros()) << 32 | u64::from(n.trailing_zeros())
    }

    fn set(&self, geo: Geometry, generation: u64) {
        self.sizes.store(Self::pack(geo), Ordering::Relaxed);
        self.generation.store(generation, Ordering::Relaxed);
    }

    fn geo(&self) -> Option<Geometry> {
        let sizes = self.sizes.load(Ordering::Relaxed);
        let power = |n: u64| 1u64.wrapping_shl(n as u32);
        Geometry::new(power(sizes >> 32), power(sizes & 0xffff_ffff))
    }
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

/// What is under way. Locked by who changes the stores of buffers, or needs that nobody does.
pub(super) struct Swap {
    ready: Option<Ready>,
    /// The channel is closed.
    closed: bool,
}

impl Swap {
    pub(super) fn new() -> Self {
        Self {
            ready: None,
            closed: false,
        }
    }
}

impl Channel {
    /// Keeps the buffers' stores what they are as long as the result lives. Process context.
    pub(super) fn keep_stores(&self) -> MutexGuard<'_, Swap> {
        self.swap.lock()
    }

    /// What its buffers are like now. Any context.
    pub(crate) fn shape(&self) -> Shape {
        let opened = self.config.shape;
        if self.generation() == 0 {
            return opened;
        }
        // It was one, so this is.
        let now = self.present.geo().and_then(|geo| opened.resized(geo));
        now.unwrap_or(opened)
    }

    /// How often it was resized.
    pub(crate) fn generation(&self) -> u64 {
        self.present.generation.load(Ordering::Relaxed)
    }

    /// From when this returns on, nothing is resized. Process context.
    pub(super) fn end_resizes(&self) {
        self.hub.resizer.stop();
        if self.is_lent() {
            // Readers may stay, and the client's memory goes. See `throw_lent()` if there is no other.
            let _ = self.give_back();
        }
        self.swap.lock().closed = true;
        self.discard_ready();
    }

    /// Throws away what is unread and could not leave memory of the client's, so that nobody reads there
    /// from now on. Nobody writes any more. Process context.
    pub(super) fn throw_lent(&self) {
        if self.is_lent() {
            self.reset();
        }
    }

    /// Whether there is something to go over to. Any context.
    pub(super) fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Relaxed)
    }

    /// Gives up what is ready. Process context.
    pub(super) fn discard_ready(&self) {
        let mut swap = self.swap.lock();
        self.ready.store(false, Ordering::Relaxed);
        let ready = swap.ready.take();
        drop(swap);
        drop(ready);
    }

    /// The shape of buffers with these sizes; 0: as now. Any context.
    pub(super) fn resized(&self, subbuf_size: u64, n_subbufs: u32) -> Result<Shape> {
        let now = self.shape();
        let or = |wanted: u64, now: u64| if wanted == 0 { now } else { wanted };
        let geo = geometry(
            or(subbuf_size, now.spec.geo().subbuf_size()),
            or(n_subbufs.into(), now.spec.geo().n_subbufs()),
        )?;
        now.resized(geo).ok_or(EINVAL)
    }

    /// Gets buffers of another size ready; 0: as now. Process context.
    pub(super) fn realloc(&self, subbuf_size: u64, n_subbufs: u32) -> Result<Geometry> {
        let shape = self.resized(subbuf_size, n_subbufs)?;
        let ready = Ready::new(self, shape)?;
        let mut swap = self.swap.lock();
        if swap.closed {
            return Err(ESHUTDOWN);
        }
        let replaced = swap.ready.replace(ready);
        self.ready.store(true, Ordering::Relaxed);
        drop(swap);
        drop(replaced);
        Ok(shape.spec.geo())
    }

    /// Goes over to the buffers that are ready. Process context.
    pub(super) fn replace(&self) -> Result {
        let mut swap = self.swap.lock();
        if swap.closed {
            return Err(ESHUTDOWN);
        }
        let ready = swap.ready.as_mut().ok_or(EAGAIN)?;
        self.make_way()?;
        self.go_over(ready)?;
        // The buffers have them now.
        swap.ready = None;
        self.ready.store(false, Ordering::Relaxed);
        Ok(())
    }

    /// Goes over from memory of the client's to some of relayfs' own. Process context.
    pub(super) fn give_back(&self) -> Result {
        let buffer = self.buffers().get(0).ok_or(EINVAL)?;
        let swap = self.swap.lock();
        if swap.closed {
            return Err(ESHUTDOWN);
        }
        let lent = buffer.current();
        if !lent.is_lent() {
            return Err(EINVAL);
        }
        let shape = self.shape();
        let copy = buffer.new_copy(shape)?;
        self.go_over(&mut Ready::new(self, shape)?)?;
        // What follows waits for who reads; and whoever else is to resize for the end of this.
        drop(swap);
        buffer.give_back(&lent, copy);
        // As long as the copy has not been read it is what was written to before.
        buffer.let_consumer_pass();
        Ok(())
    }

    /// Whether it is still in memory of the client's. Any context.
    pub(super) fn is_lent(&self) -> bool {
        self.config.lent.is_some() && self.generation() == 0
    }

    /// Whether what is written to now can be kept besides what is kept already. Process context.
    pub(super) fn check_way(&self) -> Result {
        for buffer in self.buffers().iter() {
            buffer.let_consumer_pass();
        }
        let crowded = self.buffers().iter().any(|buffer| buffer.is_crowded());
        if crowded && !self.shape().spec.overwrite() {
            return Err(EBUSY);
        }
        Ok(())
    }

    /// Sees to it that it can. With `swap` locked.
    fn make_way(&self) -> Result {
        self.check_way()?;
        if self.shape().spec.overwrite() {
            for buffer in self.buffers().iter() {
                buffer.make_way();
            }
        }
        Ok(())
    }

    /// Lets writers go over to what is ready, and readers follow. With `swap` locked, and way made.
    fn go_over(&self, ready: &mut Ready) -> Result {
        let cpus = CpusLocked::new();
        let tree = self.tree.lock();
        for buffer in self.buffers().iter() {
            ready.complete(buffer)?;
        }
        let generation = self.generation().wrapping_add(1);
        self.present.set(ready.shape.spec.geo(), generation);
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
