// SPDX-License-Identifier: GPL-2.0

//! What stands behind an open file: whose data it reads, and from which positions. `dup()` and `fork()`
//! share it. How it waits is in `waiting.rs` and `poll.rs`.

use super::claims::Scope;
use super::merge::Patience;
use super::observer::Observer;
use super::rest::Rest;
use super::sigio::Sigio;
use super::waiting::Wait;
use super::{Manner, Outcome, Position, View};
use crate::bindings as local;
use crate::buffer::{Buffer, ConsumerPage, Store};
use crate::channel::{config::Usage, Channel};
use crate::ring::Count;
use crate::wake::WaitQueue;
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use kernel::bindings;
use kernel::iov::IovIterDest;
use kernel::prelude::*;
use kernel::sync::{Arc, SetOnce};

/// An open file of a channel, or a reader in the kernel.
///
/// # Invariants
///
/// Of a file: once it consumes it does not observe, and the other way round. It has a claim if, and
/// only if, `claimed`.
pub(crate) struct Descriptor {
    channel: Arc<Channel>,
    /// `None`: the whole channel.
    buffer: Option<Arc<Buffer>>,
    /// Of a file: consumes. Of a reader in the kernel: may.
    claimed: AtomicBool,
    in_kernel: bool,
    /// Nobody else consumes what it consumes.
    exclusive: bool,
    observer: SetOnce<Pin<KBox<Observer>>>,
    /// In bytes; 0: the channel's.
    pub(super) watermark: AtomicU64,
    /// In milliseconds; 0: the channel's.
    pub(super) flush_interval: AtomicU32,
    /// The client was told that it is open.
    announced: bool,
    /// What `O_ASYNC` asks for.
    pub(super) sigio: SetOnce<Pin<KBox<Sigio>>>,
    pub(super) rest: SetOnce<Pin<KBox<Rest>>>,
}

impl Descriptor {
    /// `exclusive`: consumes from now on, and nobody else does.
    pub(crate) fn open(
        channel: Arc<Channel>,
        buffer: Option<Arc<Buffer>>,
        exclusive: bool,
    ) -> Result<KBox<Self>> {
        let mut descriptor = Self::new(channel, buffer, false)?;
        descriptor.channel.hub().readers.lock().opened();
        if exclusive {
            descriptor.claim(true)?;
            descriptor.exclusive = true;
        }
        Ok(descriptor)
    }

    /// A reader in the kernel; `observes`: it has positions of its own. In any case nobody consumes
    /// alone what it reads.
    pub(super) fn in_kernel(
        channel: Arc<Channel>,
        buffer: Option<Arc<Buffer>>,
        observes: bool,
    ) -> Result<KBox<Self>> {
        let descriptor = Self::new(channel, buffer, true)?;
        descriptor.claim(false)?;
        if observes {
            // INVARIANT: It is no file.
            descriptor.observer.populate(descriptor.new_observer()?);
        }
        Ok(descriptor)
    }

    fn new(
        channel: Arc<Channel>,
        buffer: Option<Arc<Buffer>>,
        in_kernel: bool,
    ) -> Result<KBox<Self>> {
        let descriptor = Self {
            channel,
            buffer,
            claimed: AtomicBool::new(false),
            in_kernel,
            exclusive: false,
            observer: SetOnce::new(),
            watermark: AtomicU64::new(0),
            flush_interval: AtomicU32::new(0),
            announced: false,
            sigio: SetOnce::new(),
            rest: SetOnce::new(),
        };
        Ok(KBox::new(descriptor, GFP_KERNEL)?)
    }

    /// Tells the client of it, which may refuse.
    ///
    /// # Safety
    ///
    /// `file` must be what is being opened; process context.
    pub(crate) unsafe fn announce(&mut self, file: *mut bindings::file) -> Result {
        let callbacks = &self.channel.hub().callbacks;
        // SAFETY: As the caller promises.
        self.announced = unsafe { callbacks.fileop(file, local::relay_fileop_RELAY_FILE_OPEN)? };
        Ok(())
    }

    /// Nobody has it open any more. Tells the client, if that was told of it.
    ///
    /// # Safety
    ///
    /// `file` must be the one it was announced with; process context.
    pub(crate) unsafe fn end(this: KBox<Self>, file: *mut bindings::file) {
        let (channel, announced) = (this.channel.clone(), this.announced);
        // First: who is told may let somebody else open it alone.
        drop(this);
        if announced {
            let callbacks = &channel.hub().callbacks;
            // SAFETY: As the caller promises. What the client answers does not matter.
            let _ = unsafe { callbacks.fileop(file, local::relay_fileop_RELAY_FILE_CLOSE) };
        }
    }

    pub(crate) fn channel(&self) -> &Arc<Channel> {
        &self.channel
    }

    /// The one buffer it reads, unless it reads them all.
    pub(crate) fn buffer(&self) -> Option<&Arc<Buffer>> {
        self.buffer.as_ref()
    }

    fn scope(&self) -> Scope {
        match &self.buffer {
            Some(buffer) => Scope::Buffer(buffer.number()),
            None => Scope::Whole,
        }
    }

    /// From now on consumes, unless it observes.
    pub(super) fn claim(&self, exclusive: bool) -> Result {
        let mut readers = self.channel.hub().readers.lock();
        if self.observer.as_ref().is_none() && !self.claimed.load(Ordering::Relaxed) {
            readers.claims.add(self.scope(), exclusive)?;
            // INVARIANT: It has a claim, and the lock keeps `observe()` away.
            // ORDERING: claimed:A
            self.claimed.store(true, Ordering::Release);
        }
        Ok(())
    }

    /// At the oldest data there is.
    fn new_observer(&self) -> Result<Pin<KBox<Observer>>> {
        let (first, count) = match (&self.buffer, self.channel.config().usage) {
            (Some(buffer), _) => (buffer.number(), 1),
            (None, Usage::Smp) => (0, kernel::cpu::nr_cpu_ids()),
            (None, Usage::Global) => (0, 1),
        };
        Observer::new(first, count)
    }

    /// From now on reads without consuming.
    pub(crate) fn observe(&self) -> Result {
        let observer = self.new_observer()?;
        let mut readers = self.channel.hub().readers.lock();
        // INVARIANT: It does not consume, and the lock keeps `claim()` away.
        if self.claimed.load(Ordering::Relaxed) || !self.observer.populate(observer) {
            return Err(EBUSY);
        }
        readers.count_observer(true);
        Ok(())
    }

    /// From now on consumes; `EPERM`: it observes.
    pub(super) fn be_consumer(&self) -> Result {
        self.claim(false)?;
        match self.view() {
            View::Consumer => Ok(()),
            View::Observer(_) => Err(EPERM),
        }
    }

    pub(super) fn view(&self) -> View<'_> {
        match self.observer.as_ref() {
            Some(observer) => View::Observer(observer),
            None => View::Consumer,
        }
    }

    /// How it takes what there is. Events of different CPUs can be put in order of time, so users who
    /// read them all get packets made for that; readers in the kernel, who may say what need not be kept,
    /// get those there are.
    pub(super) fn manner(&self) -> Manner {
        let config = self.channel.config();
        let all = self.buffer.is_none() && config.usage == Usage::Smp;
        if all && config.records.is_some() && !self.in_kernel {
            Manner::Events
        } else {
            Manner::Runs
        }
    }

    /// Calls `f` for each buffer it reads until that says `true`; says whether one did.
    pub(super) fn any(&self, mut f: impl FnMut(&Buffer) -> bool) -> bool {
        match &self.buffer {
            Some(buffer) => f(buffer),
            None => self.channel.buffers().iter().any(|buffer| f(buffer)),
        }
    }

    pub(super) fn for_each(&self, mut f: impl FnMut(&Buffer)) {
        self.any(|buffer| {
            f(buffer);
            false
        });
    }

    /// Where it is in `buffer`.
    pub(super) fn position<'a>(&'a self, buffer: &'a Buffer) -> Option<&'a Position> {
        self.view().position(buffer)
    }

    pub(super) fn queue(&self) -> &WaitQueue {
        match &self.buffer {
            Some(buffer) => &buffer.bell().wait,
            None => &self.channel.hub().wait,
        }
    }

    /// Calls `f` for each buffer, and where it is in that, until `f` says `true`; says whether it did.
    pub(super) fn any_position(&self, mut f: impl FnMut(&Buffer, &Position) -> bool) -> bool {
        let view = self.view();
        self.any(|buffer| view.position(buffer).is_some_and(|at| f(buffer, at)))
    }

    pub(super) fn is_readable(&self) -> bool {
        let manner = self.manner();
        self.has_rest() || self.any_position(|buffer, at| buffer.is_readable(at, manner))
    }

    /// What a mapping of `buffer` shows: what is written to; to who consumes, what he is to read next.
    pub(crate) fn store_to_map(&self, buffer: &Buffer) -> Arc<Store> {
        // ORDERING: claimed:B
        if self.claimed.load(Ordering::Acquire) {
            buffer.unread_store()
        } else {
            buffer.current()
        }
    }

    /// All of `store` is mapped once more: who looks at the mapping sees complete sub-buffers
    /// only, so they are ended at the flush interval.
    pub(crate) fn mapped(&self, store: &Store) {
        store.mapped();
        self.channel.ticker.arm(self.flush_interval());
    }

    /// The page in which its consumer says how far it has come. `EPERM`: it does not consume one buffer
    /// alone.
    pub(crate) fn consumer_page(&self) -> Result<Arc<ConsumerPage>> {
        let buffer = self.buffer.as_ref().filter(|_| self.exclusive);
        let page = buffer.ok_or(EPERM)?.make_page()?;
        self.channel.ticker.arm(self.flush_interval());
        Ok(page)
    }

    /// What this descriptor's reader missed.
    pub(crate) fn lost(&self) -> Count {
        let mut sum = Count::default();
        self.any_position(|buffer, at| {
            sum = sum.plus(buffer.lost(at));
            false
        });
        sum
    }

    /// Reads what there is, waiting for it if `wait`.
    pub(crate) fn read(&self, to: &mut IovIterDest<'_>, wait: Wait) -> Result<usize> {
        self.begin_reading()?;
        self.wait_until(wait, || self.read_now(to, wait.patience()))
    }

    /// A read makes it a consumer, if it does not observe.
    pub(super) fn begin_reading(&self) -> Result {
        // ORDERING: claimed:B
        if !self.claimed.load(Ordering::Acquire) {
            self.claim(false)?;
        }
        Ok(())
    }

    /// Reads what there is: first what is left of a packet some of which was moved to a pipe.
    pub(super) fn read_now(&self, to: &mut IovIterDest<'_>, patience: Patience) -> Result<Outcome> {
        self.take_rest(to)
            .unwrap_or_else(|| self.read_ring(to, patience))
    }

    /// Reads what there is in the buffers.
    pub(super) fn read_ring(
        &self,
        to: &mut IovIterDest<'_>,
        patience: Patience,
    ) -> Result<Outcome> {
        let view = self.view();
        match &self.buffer {
            None => self.channel.read(view, to, self.manner(), patience),
            Some(buffer) => match view.position(buffer) {
                Some(at) => buffer.read(at, to),
                None => Err(EINVAL),
            },
        }
    }

    /// How many bytes a read of `most` would find, waiting for some if `wait`.
    pub(super) fn look(&self, most: usize, wait: Wait) -> Result<usize> {
        self.wait_until(wait, || match self.available(most as u64) {
            // Then it is a packet that is longer.
            0 if self.available(u64::MAX) != 0 => Err(EMSGSIZE),
            0 => Ok(Outcome::Nothing),
            n => Ok(Outcome::Copied(n as usize)),
        })
    }

    /// How many bytes, at most `most`, there are to read; of packets that are made for the reader so many at
    /// least, and enough for the first.
    pub(crate) fn available(&self, most: u64) -> u64 {
        let mut sum = most.min(self.left_of_rest() as u64);
        self.any_position(|buffer, at| {
            let left = most.wrapping_sub(sum);
            sum = sum.wrapping_add(buffer.available(at, self.manner(), left));
            sum == most
        });
        sum
    }

    /// How much memory a read of parts needs that is to move `most` bytes at most.
    pub(crate) fn needed(&self, most: usize) -> usize {
        match self.available(most as u64) as usize {
            // Then it is a packet that is longer.
            0 if self.is_readable() => most,
            // A read has to say why it gives nothing.
            n => n.max(1),
        }
    }
}

impl Drop for Descriptor {
    fn drop(&mut self) {
        if let Some(sigio) = self.sigio.as_ref() {
            sigio.stop(self.queue());
        }
        self.give_up_rest();
        let hub = self.channel.hub();
        let mut readers = hub.readers.lock();
        if !self.in_kernel {
            readers.released();
        }
        let watermark = self.watermark.load(Ordering::Relaxed);
        if watermark != 0 {
            // Nothing is added, so this does not fail.
            let _ = readers.replace_watermark(watermark, 0);
            self.channel.heed_watermarks(&readers);
        }
        if let View::Observer(observer) = self.view() {
            if !self.in_kernel {
                readers.count_observer(false);
            }
            self.for_each(|buffer| {
                if let Some(at) = observer.position(buffer) {
                    buffer.detach(at);
                }
            });
        }
        if let Some(buffer) = self.buffer.as_ref().filter(|_| self.exclusive) {
            buffer.end_page();
        }
        if self.claimed.load(Ordering::Relaxed) {
            readers.claims.remove(self.scope());
            // With the table locked: who consumes next begins after this.
            self.for_each(|buffer| {
                if !readers.claims.covers(buffer.number()) {
                    buffer.detach(&buffer.consumer);
                }
            });
        }
    }
}
