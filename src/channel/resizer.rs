// SPDX-License-Identifier: GPL-2.0

//! Who resizes a channel, and when: the client, also from where it may not sleep; and the channel
//! itself, when a buffer fills up or all have been empty for a while.
//!
//! What cannot be done where it is asked for is left to a work item. Writers, an NMI too, raise an
//! irq_work, which queues it.

use super::Channel;
use crate::bindings as local;
use crate::lock::Guarded;
use crate::reader::Manner;
use crate::ring::Geometry;
use crate::wake::{OnSignal, Signal};
use core::ptr;
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use kernel::bindings;
use kernel::error::code::EINPROGRESS;
use kernel::prelude::*;
use kernel::time::msecs_to_jiffies;
use kernel::types::Opaque;

/// What is left to the work item.
const REALLOC: u32 = 1;
const REPLACE: u32 = 2;
const EXPAND: u32 = 4;

/// So often it is looked whether all is empty, before it has been for long enough.
const LOOKS: u32 = 4;

/// Between which numbers of sub-buffers a channel is resized by itself.
#[derive(Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) min: u64,
    pub(crate) max: u64,
    /// How long all must have been empty before it shrinks, in milliseconds.
    pub(crate) idle_ms: u32,
}

/// Where a channel's resizes are asked for.
///
/// # Invariants
///
/// The work is queued only while `channel` is one, of which it is true that it lives.
#[pin_data(PinnedDrop)]
pub(crate) struct Resizer {
    limits: Option<Limits>,
    /// Somebody resizes the channel, or has asked the work to.
    busy: AtomicBool,
    wanted: AtomicU32,
    /// The sizes for `REALLOC`. Changed by who is busy.
    subbuf_size: AtomicU64,
    n_subbufs: AtomicU32,
    /// It was said that a buffer fills up, and that is still true.
    said_full: AtomicBool,
    /// How much was written when it was looked last.
    written: AtomicU64,
    /// How often all was empty since, and nothing written.
    idle: AtomicU32,
    /// The channel is closed.
    closed: AtomicBool,
    #[pin]
    channel: Guarded<Option<ptr::NonNull<Channel>>>,
    #[pin]
    signal: Signal<Resizer>,
    #[pin]
    work: Opaque<bindings::delayed_work>,
}

// SAFETY: The work is only used through the kernel's functions, which may be called anywhere, and the
// channel may be shared.
unsafe impl Send for Resizer {}
// SAFETY: As above.
unsafe impl Sync for Resizer {}

impl Resizer {
    pub(super) fn new(limits: Option<Limits>) -> impl PinInit<Self> {
        pin_init!(Self {
            limits,
            busy: AtomicBool::new(false),
            wanted: AtomicU32::new(0),
            subbuf_size: AtomicU64::new(0),
            n_subbufs: AtomicU32::new(0),
            said_full: AtomicBool::new(false),
            written: AtomicU64::new(0),
            idle: AtomicU32::new(0),
            closed: AtomicBool::new(false),
            channel <- Guarded::new(None),
            signal <- Signal::new(),
            work <- Opaque::ffi_init(|work| {
                // SAFETY: `work` is valid for writes.
                unsafe { local::relayfs_helper_init_delayed_work(work, Some(Self::run)) }
            }),
        })
    }

    /// Says whose it is. Called once.
    ///
    /// # Safety
    ///
    /// It must stay where it is, and `channel` live until [`stop()`](Self::stop).
    pub(super) unsafe fn start(&self, channel: &Channel) {
        // SAFETY: Nobody can raise it yet; as the caller promises it stays where it is.
        unsafe { self.signal.set_owner(self) };
        // INVARIANT: As the caller promises.
        self.channel.with(|at| *at = Some(channel.into()));
        self.await_idleness(channel.shape().spec.geo());
    }

    /// From when this returns on, nothing is done for the channel. Process context.
    pub(super) fn stop(&self) {
        self.closed.store(true, Ordering::Relaxed);
        // INVARIANT: It is not queued again, and not under way when the next is done.
        self.channel.with(|at| *at = None);
        // SAFETY: Initialised in `new()`.
        unsafe { bindings::cancel_delayed_work_sync(self.work.get()) };
    }

    /// Runs the work so many milliseconds from now. Any context but NMI.
    fn queue(&self, delay: u32) {
        self.channel.with(|channel| {
            if channel.is_some() {
                let delay = msecs_to_jiffies(delay);
                // SAFETY: Initialised in `new()`, and cancelled before it is freed.
                unsafe { local::relayfs_helper_mod_delayed_work(self.work.get(), delay) };
            }
        });
    }

    /// Leaves something to the work. Any context.
    fn ask(&self, what: u32) {
        // ORDERING: ask:A
        self.wanted.fetch_or(what, Ordering::Release);
        self.signal.raise();
    }

    /// The one who may resize the channel. Any context.
    fn claim(&self) -> Result {
        // ORDERING: busy:A
        if self.busy.swap(true, Ordering::Acquire) {
            return Err(EBUSY);
        }
        Ok(())
    }

    fn done(&self) {
        self.said_full.store(false, Ordering::Relaxed);
        // ORDERING: busy:B
        self.busy.store(false, Ordering::Release);
    }

    /// A buffer's writer has entered a sub-buffer, and so many are unread with that. Any context.
    pub(crate) fn heed_fill(&self, unread: u64, geo: Geometry) {
        let Some(limits) = self.limits else {
            return;
        };
        let n = geo.n_subbufs();
        // At most 2^18 sub-buffers: this does not wrap.
        let fills_up = n < limits.max && unread.wrapping_mul(4) > n.wrapping_mul(3);
        if self.said_full.load(Ordering::Relaxed) != fills_up
            && self.said_full.swap(fills_up, Ordering::Relaxed) != fills_up
            && fills_up
        {
            self.ask(EXPAND);
        }
    }

    /// Looks for idleness later, if the channel is to shrink then.
    fn await_idleness(&self, geo: Geometry) {
        if let Some(limits) = self.limits.filter(|limits| geo.n_subbufs() > limits.min) {
            self.queue(limits.idle_ms.div_ceil(LOOKS));
        }
    }

    /// # Safety
    ///
    /// `work` must be the work of a live resizer.
    unsafe extern "C" fn run(work: *mut bindings::work_struct) {
        // SAFETY: As the caller promises; the work is the first part of the delayed work.
        let this = unsafe {
            let delayed = kernel::container_of!(work, bindings::delayed_work, work);
            &*kernel::container_of!(Opaque::cast_from(delayed), Self, work)
        };
        if let Some(channel) = this.channel.with(|channel| *channel) {
            // SAFETY: By the type invariants; who ends the channel waits for this work first.
            let channel = unsafe { channel.as_ref() };
            channel.do_what_is_wanted();
            this.await_idleness(channel.shape().spec.geo());
        }
    }
}

impl OnSignal for Resizer {
    fn on_signal(&self) {
        self.queue(0);
    }
}

#[pinned_drop]
impl PinnedDrop for Resizer {
    fn drop(self: Pin<&mut Self>) {
        self.signal.sync();
        self.stop();
    }
}

/// Whether this context may sleep.
fn may_sleep() -> bool {
    // SAFETY: No conditions.
    unsafe { local::relayfs_helper_may_sleep() }
}

impl Channel {
    fn resizer(&self) -> &Resizer {
        &self.hub().resizer
    }

    fn check_resizable(&self) -> Result {
        if self.resizer().closed.load(Ordering::Relaxed) {
            return Err(ESHUTDOWN);
        }
        if self.is_lent() {
            return Err(EPERM);
        }
        Ok(())
    }

    /// Goes over from memory of the client's to some of relayfs' own. Process context.
    pub(crate) fn discard_init_buf(&self) -> Result {
        match self.check_resizable() {
            Err(EPERM) => {}
            Err(error) => return Err(error),
            Ok(()) => return Err(EINVAL),
        }
        self.resizer().claim()?;
        let result = self.give_back();
        self.resizer().done();
        result
    }

    /// Gets buffers of another size ready; 0: as now. Any context.
    pub(crate) fn realloc_buffer(&self, subbuf_size: u64, n_subbufs: u32) -> Result {
        self.check_resizable()?;
        self.resized(subbuf_size, n_subbufs)?;
        let resizer = self.resizer();
        resizer.claim()?;
        if may_sleep() {
            return self.realloc_and_tell(subbuf_size, n_subbufs);
        }
        resizer.subbuf_size.store(subbuf_size, Ordering::Relaxed);
        resizer.n_subbufs.store(n_subbufs, Ordering::Relaxed);
        resizer.ask(REALLOC);
        Err(EINPROGRESS)
    }

    /// Goes over to the buffers that are ready. Any context.
    pub(crate) fn replace_buffer(&self) -> Result {
        self.check_resizable()?;
        if !self.is_ready() {
            return Err(EAGAIN);
        }
        self.resizer().claim()?;
        if may_sleep() {
            return self.replace_and_tell(false);
        }
        self.resizer().ask(REPLACE);
        Err(EINPROGRESS)
    }

    /// By who is busy. Process context.
    fn realloc_and_tell(&self, subbuf_size: u64, n_subbufs: u32) -> Result {
        let result = self.realloc(subbuf_size, n_subbufs);
        self.resizer().done();
        match result {
            Ok(geo) => self.tell(local::RELAY_RESIZE_REPLACE, geo),
            Err(_) => self.tell(local::RELAY_RESIZE_NONE, self.shape().spec.geo()),
        }
        result.map(|_| ())
    }

    /// By who is busy. `failure`: tells of it, too. Process context.
    fn replace_and_tell(&self, failure: bool) -> Result {
        let result = self.replace();
        self.resizer().done();
        let geo = self.shape().spec.geo();
        match result {
            Ok(()) => {
                self.resizer().await_idleness(geo);
                self.tell(local::RELAY_RESIZE_REPLACED, geo);
            }
            Err(_) if failure => self.tell(local::RELAY_RESIZE_NONE, geo),
            Err(_) => {}
        }
        result
    }

    /// Tells the client. Process context, no lock held.
    fn tell(&self, what: u32, geo: Geometry) {
        let (size, n) = (geo.subbuf_size(), geo.n_subbufs() as u32);
        self.hub().callbacks.needs_resize(what, size, n);
    }

    /// What was left to the work item.
    fn do_what_is_wanted(&self) {
        let resizer = self.resizer();
        // ORDERING: ask:B
        let wanted = resizer.wanted.swap(0, Ordering::Acquire);
        if wanted & REALLOC != 0 {
            let subbuf_size = resizer.subbuf_size.load(Ordering::Relaxed);
            // Who asked is told by the callback.
            let _ = self.realloc_and_tell(subbuf_size, resizer.n_subbufs.load(Ordering::Relaxed));
        }
        if wanted & REPLACE != 0 {
            let _ = self.replace_and_tell(true);
        }
        let Some(limits) = resizer.limits.filter(|_| !self.is_lent()) else {
            return;
        };
        let n = self.shape().spec.geo().n_subbufs();
        if wanted & EXPAND != 0 && n < limits.max {
            self.suggest(
                local::RELAY_RESIZE_EXPAND,
                n.wrapping_mul(2).min(limits.max),
            );
        } else if n > limits.min && self.has_been_idle() {
            self.suggest(local::RELAY_RESIZE_SHRINK, limits.min);
        }
    }

    /// Suggests another number of sub-buffers to the client, or goes over to it if that does not want to
    /// be asked.
    fn suggest(&self, what: u32, n_subbufs: u64) {
        if self.hub().callbacks.wants_resizes() {
            let now = self.shape().spec.geo();
            if let Some(geo) = Geometry::new(now.subbuf_size(), n_subbufs) {
                self.tell(what, geo);
            }
        } else if self.resizer().claim().is_ok() {
            // If it cannot be it is not; when the buffer fills up again it is tried again.
            let ready = self
                .check_way()
                .and_then(|()| self.realloc(0, n_subbufs as u32));
            if ready.is_ok() && self.replace().is_err() {
                self.discard_ready();
            }
            self.resizer().done();
        }
    }

    /// Whether all buffers have been empty for long enough, by looks at intervals.
    fn has_been_idle(&self) -> bool {
        let resizer = self.resizer();
        let mut written = 0u64;
        let mut empty = true;
        for buffer in self.buffers().iter() {
            written = written.wrapping_add(buffer.written_pos());
            empty &= !buffer.has_old() && !buffer.is_readable(&buffer.consumer, Manner::Runs);
        }
        if resizer.written.swap(written, Ordering::Relaxed) != written || !empty {
            resizer.idle.store(0, Ordering::Relaxed);
            return false;
        }
        let looks = resizer.idle.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
        if looks >= LOOKS {
            resizer.idle.store(0, Ordering::Relaxed);
        }
        looks >= LOOKS
    }
}
