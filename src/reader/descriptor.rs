// SPDX-License-Identifier: GPL-2.0

//! What stands behind an open file: whose data it reads, from which positions, and when it is to be
//! woken. `dup()` and `fork()` share it.

use super::claims::Scope;
use super::observer::Observer;
use super::{Outcome, Position, View};
use crate::bindings as local;
use crate::buffer::{Buffer, Store};
use crate::channel::{config::Usage, show_partial, Channel, MAX_FLUSH_MS};
use crate::ring::Count;
use crate::wake::WaitQueue;
use crate::watermark::{Watermark, Wish};
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use kernel::bindings;
use kernel::iov::IovIterDest;
use kernel::prelude::*;
use kernel::sync::{Arc, SetOnce};
use kernel::time::msecs_to_jiffies;

/// What a caller of `poll()` is after.
pub(crate) struct Wants {
    /// To be told of new data even if it did not read the old.
    pub(crate) edges: bool,
    /// To be told when a buffer is full.
    pub(crate) full: bool,
    /// It can write.
    pub(crate) may_write: bool,
}

/// Whether to wait for data, and what ends that before there is some.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wait {
    No,
    /// Any signal.
    Interruptible,
    /// Only what kills the task.
    Killable,
}

impl Wait {
    /// Whether to wait, or which error it is not to.
    fn may_go_on(self) -> Result {
        match self {
            Self::No => Err(EAGAIN),
            Self::Interruptible if kernel::current!().signal_pending() => Err(ERESTARTSYS),
            // SAFETY: Process context.
            Self::Killable if !unsafe { local::relayfs_helper_may_go_on() } => Err(EINTR),
            _ => Ok(()),
        }
    }
}

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
    observer: SetOnce<Pin<KBox<Observer>>>,
    /// In bytes; 0: the channel's.
    watermark: AtomicU64,
    /// In milliseconds; 0: the channel's.
    flush_interval: AtomicU32,
    /// The client was told that it is open.
    announced: bool,
}

impl Descriptor {
    /// `exclusive`: consumes from now on, and nobody else does.
    pub(crate) fn open(
        channel: Arc<Channel>,
        buffer: Option<Arc<Buffer>>,
        exclusive: bool,
    ) -> Result<KBox<Self>> {
        let descriptor = Self::new(channel, buffer, false)?;
        descriptor.channel.hub().readers.lock().opened();
        if exclusive {
            descriptor.claim(true)?;
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
            observer: SetOnce::new(),
            watermark: AtomicU64::new(0),
            flush_interval: AtomicU32::new(0),
            announced: false,
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

    fn claim(&self, exclusive: bool) -> Result {
        let mut readers = self.channel.hub().readers.lock();
        if self.observer.as_ref().is_none() && !self.claimed.load(Ordering::Relaxed) {
            readers.claims.add(self.scope(), exclusive)?;
            // INVARIANT: It has a claim, and the lock keeps `observe()` away.
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
        let _readers = self.channel.hub().readers.lock();
        // INVARIANT: It does not consume, and the lock keeps `claim()` away.
        if self.claimed.load(Ordering::Relaxed) || !self.observer.populate(observer) {
            return Err(EBUSY);
        }
        Ok(())
    }

    fn view(&self) -> View<'_> {
        match self.observer.as_ref() {
            Some(observer) => View::Observer(observer),
            None => View::Consumer,
        }
    }

    /// Calls `f` for each buffer it reads until that says `true`; says whether one did.
    pub(super) fn any(&self, mut f: impl FnMut(&Buffer) -> bool) -> bool {
        match &self.buffer {
            Some(buffer) => f(buffer),
            None => self.channel.buffers().iter().any(|buffer| f(buffer)),
        }
    }

    fn for_each(&self, mut f: impl FnMut(&Buffer)) {
        self.any(|buffer| {
            f(buffer);
            false
        });
    }

    /// Where it is in `buffer`.
    pub(super) fn position<'a>(&'a self, buffer: &'a Buffer) -> Option<&'a Position> {
        self.view().position(buffer)
    }

    fn queue(&self) -> &WaitQueue {
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
        self.any_position(|buffer, at| buffer.is_readable(at))
    }

    /// All of `store` is mapped once more: who looks at the mapping sees complete sub-buffers
    /// only, so they are ended at the flush interval.
    pub(crate) fn mapped(&self, store: &Store) {
        store.mapped();
        self.channel.ticker.arm(self.flush_interval());
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
        if !self.claimed.load(Ordering::Acquire) {
            self.claim(false)?;
        }
        let view = self.view();
        self.wait_until(wait, || match &self.buffer {
            None => self.channel.read(view, to),
            Some(buffer) => match view.position(buffer) {
                Some(at) => buffer.read(at, to),
                None => Err(EINVAL),
            },
        })
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

    /// How many bytes, at most `most`, there are to read.
    pub(super) fn available(&self, most: u64) -> u64 {
        let mut sum = 0u64;
        self.any_position(|buffer, at| {
            sum = sum.wrapping_add(buffer.available(at, most.wrapping_sub(sum)));
            sum == most
        });
        sum
    }

    /// Calls `attempt` until it finds something, which may be the end.
    fn wait_until(
        &self,
        wait: Wait,
        mut attempt: impl FnMut() -> Result<Outcome>,
    ) -> Result<usize> {
        self.for_each(|buffer| buffer.bell().forget_wish_if_nobody_waits());
        loop {
            // Before looking for data: what is written before the end is not missed.
            let closed = self.channel.hub().is_closed();
            let urged = self.urged();
            match attempt()? {
                Outcome::Copied(n) => return Ok(n),
                Outcome::Nothing if closed => return Ok(0),
                Outcome::Nothing => {
                    if let Err(error) = wait.may_go_on() {
                        if self.any(Buffer::is_pending) {
                            // There may be something when the caller comes again.
                            self.channel.ticker.arm(self.flush_interval());
                        }
                        return Err(error);
                    }
                }
            }
            let interval = msecs_to_jiffies(self.flush_interval());
            let mut hidden = false;
            let ready = |expired| {
                hidden = expired && self.any(Buffer::holds_back);
                hidden || self.may_go_on(urged, expired)
            };
            match wait {
                // Nobody starts the call again.
                Wait::Killable => self
                    .queue()
                    .wait_killable(interval, ready)
                    .map_err(|_| EINTR)?,
                _ => self.queue().wait_interruptible(interval, ready)?,
            }
            if hidden {
                self.for_each(show_partial);
            }
        }
    }

    /// Whether a read that waits, and is queued, may go on. `expired`: the flush interval has passed.
    /// If not, the wish is put.
    fn may_go_on(&self, urged: u64, expired: bool) -> bool {
        let due = || {
            let whatever = expired || self.urged() != urged;
            self.channel.hub().is_closed()
                || self.any_position(|buffer, at| {
                    let target = buffer.target(self.watermark(), at.pos());
                    let reached = buffer.written_pos() >= target;
                    (reached || whatever) && buffer.is_readable(at)
                })
        };
        due() || {
            self.wish(false);
            due()
        }
    }

    /// How often readers of its buffers were to be woken whatever their watermark.
    fn urged(&self) -> u64 {
        let mut sum = 0u64;
        self.for_each(|buffer| sum = sum.wrapping_add(buffer.bell().wish.urged()));
        sum
    }

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
            unsafe { self.channel.poll_room(file, table) };
            if self.channel.takes_user_writes() {
                events |= bindings::POLLOUT | bindings::POLLWRNORM;
            }
        }
        let closed = self.channel.hub().is_closed();
        let mut readable = self.is_readable();
        if !closed && (wants.edges || !readable) && self.queue().has_sleeper() {
            self.wish(readable);
            self.channel.ticker.arm(self.flush_interval());
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
        if !is_full && wished && !self.channel.config().shape.spec.overwrite() {
            // No watermark is as high: what wakes it is that a record is refused.
            self.any_position(|buffer, at| {
                buffer.bell().wish.put(at.pos(), Wish::WHEN_FULL);
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

    /// Wants to be woken when the watermark is reached: counted from what is written, if what was
    /// read does not matter.
    fn wish(&self, from_written: bool) {
        self.any_position(|buffer, at| {
            let from = if from_written {
                buffer.written_pos()
            } else {
                at.pos()
            };
            let target = buffer.target(self.watermark(), from);
            buffer.bell().wish.put(from, target);
            false
        });
    }

    fn watermark(&self) -> Watermark {
        match self.watermark.load(Ordering::Relaxed) {
            0 => self.channel.config().shape.watermark,
            n => Watermark::Bytes(n),
        }
    }

    /// In milliseconds.
    fn flush_interval(&self) -> u32 {
        match self.flush_interval.load(Ordering::Relaxed) {
            0 => self.channel.config().flush_interval,
            n => n,
        }
    }

    /// Sets how long data may wait; 0: as the channel has it.
    pub(crate) fn set_flush_interval(&self, ms: u32) -> Result {
        if ms > MAX_FLUSH_MS {
            return Err(EINVAL);
        }
        self.flush_interval.store(ms, Ordering::Relaxed);
        self.queue().wake_all();
        Ok(())
    }

    /// Sets how many bytes are worth a wake-up; 0: as the channel has it.
    pub(crate) fn set_watermark(&self, bytes: u64) -> Result {
        if bytes > self.channel.shape().spec.geo().ring_size() {
            return Err(EINVAL);
        }
        let mut readers = self.channel.hub().readers.lock();
        let before = self.watermark.load(Ordering::Relaxed);
        readers.replace_watermark(before, bytes)?;
        self.watermark.store(bytes, Ordering::Relaxed);
        self.channel.heed_watermarks(&readers);
        drop(readers);
        // Who waits with this descriptor wishes anew.
        self.queue().wake_all();
        Ok(())
    }
}

impl Drop for Descriptor {
    fn drop(&mut self) {
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
            self.for_each(|buffer| {
                if let Some(at) = observer.position(buffer) {
                    buffer.detach(at);
                }
            });
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
