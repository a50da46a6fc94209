// SPDX-License-Identifier: GPL-2.0

//! The flush timer: low-rate data reaches those who poll.
//!
//! Writers wake pollers when the watermark is reached only. While one waits, this looks at intervals
//! whether there is less, but something; writers need not do anything. A read that waits has a clock
//! of its own. While a buffer is mapped, or somebody polls who is given complete sub-buffers only, this
//! ends those that are not full; but not for a consumer that has enough to read.

use super::flush::on_owner;
use crate::bindings as local;
use crate::buffer::Store;
use crate::channel::buffers::Buffers;
use core::pin::Pin;
use kernel::bindings;
use kernel::prelude::*;
use kernel::sync::{new_spinlock, Arc, SpinLock};
use kernel::time::msecs_to_jiffies;
use kernel::types::Opaque;

/// Looks after the waiting readers of one channel.
///
/// # Invariants
///
/// The work is queued only while the state is `Armed`.
#[pin_data(PinnedDrop)]
pub(crate) struct Ticker {
    buffers: Arc<Buffers>,
    #[pin]
    state: SpinLock<State>,
    #[pin]
    work: Opaque<bindings::delayed_work>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nobody waits.
    Idle,
    /// The work is queued or runs; how many milliseconds are between two looks.
    Armed(u32),
    /// The channel is closed: there is nothing to wait for.
    Stopped,
}

// SAFETY: The work is only used through the kernel's functions, which may be called anywhere.
unsafe impl Send for Ticker {}
// SAFETY: As above.
unsafe impl Sync for Ticker {}

impl Ticker {
    pub(crate) fn new(buffers: &Arc<Buffers>) -> Result<Arc<Self>> {
        Arc::pin_init(
            pin_init!(Self {
                buffers: buffers.clone(),
                state <- new_spinlock!(State::Idle, "relayfs ticker"),
                work <- Opaque::ffi_init(|work| {
                    // SAFETY: `work` is valid for writes.
                    unsafe { local::relayfs_helper_init_delayed_work(work, Some(Self::run)) }
                }),
            }),
            GFP_KERNEL,
        )
    }

    /// A poller has made its wish, or a buffer is mapped: look each `interval` milliseconds from now
    /// on, or as often as another wants it, until nobody waits and nothing is mapped. Must not be
    /// called before, or it may be overlooked. Does not sleep.
    pub(crate) fn arm(&self, interval: u32) {
        let mut state = self.state.lock();
        match *state {
            State::Stopped => return,
            State::Armed(shorter) if shorter <= interval => return,
            _ => *state = State::Armed(interval),
        }
        self.enqueue(interval);
    }

    /// From now on does nothing, and is not about to. Process context.
    pub(crate) fn stop(&self) {
        *self.state.lock() = State::Stopped;
        // SAFETY: Initialised in `new()`. The work does not queue itself again: `run()` does so
        // with the state locked and not stopped.
        unsafe { bindings::cancel_delayed_work_sync(self.work.get()) };
    }

    /// With `state` locked, and armed.
    fn enqueue(&self, interval: u32) {
        let delay = msecs_to_jiffies(interval);
        // SAFETY: Initialised in `new()`, and stopped before it is freed.
        unsafe { local::relayfs_helper_mod_delayed_work(self.work.get(), delay) };
    }

    /// Shows those what there is who look at complete sub-buffers only.
    fn switch(&self) {
        for buffer in self.buffers.iter() {
            let has_page = buffer.has_page();
            if has_page {
                // Its room, its counts, and what it need not have kept any longer.
                buffer.let_consumer_pass();
            }
            let store = buffer.current();
            store.settle();
            if store.needs_switch(has_page) {
                on_owner(&store, Store::switch_here);
            }
        }
    }

    /// Wakes pollers for which there is something. Says whether to go on.
    fn look(&self) -> bool {
        let mut waiting = false;
        for buffer in self.buffers.iter() {
            waiting |= buffer.tick();
        }
        waiting
    }

    /// # Safety
    ///
    /// `work` must be the work of a live ticker.
    unsafe extern "C" fn run(work: *mut bindings::work_struct) {
        // SAFETY: As the caller promises; the work is the first part of the delayed work.
        let this = unsafe {
            let delayed = kernel::container_of!(work, bindings::delayed_work, work);
            &*kernel::container_of!(Opaque::cast_from(delayed), Self, work)
        };
        this.switch();
        let mut state = this.state.lock();
        // Looked at with the state locked: who makes its wish, or maps, later than this look arms
        // later, and finds the state idle.
        let waiting = this.look();
        match *state {
            State::Armed(interval) if waiting => this.enqueue(interval),
            State::Armed(_) => *state = State::Idle,
            State::Idle | State::Stopped => {}
        }
    }
}

#[pinned_drop]
impl PinnedDrop for Ticker {
    fn drop(self: Pin<&mut Self>) {
        self.stop();
    }
}
