// SPDX-License-Identifier: GPL-2.0

//! The flush timer: low-rate data reaches readers that wait.
//!
//! Writers tell readers of full sub-buffers only. While a reader waits, this looks at intervals
//! whether a sub-buffer that is not full has something for it; writers need not do anything.

use crate::bindings as local;
use crate::buffer::Buffer;
use crate::channel::Hub;
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
    interval: u32,
    buffers: KVVec<Arc<Buffer>>,
    hub: Arc<Hub>,
    #[pin]
    state: SpinLock<State>,
    #[pin]
    work: Opaque<bindings::delayed_work>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nobody waits.
    Idle,
    /// The work is queued or runs.
    Armed,
    /// The channel is closed: there is nothing to wait for.
    Stopped,
}

// SAFETY: The work is only used through the kernel's functions, which may be called anywhere.
unsafe impl Send for Ticker {}
// SAFETY: As above.
unsafe impl Sync for Ticker {}

impl Ticker {
    pub(crate) fn new(interval: u32, buffers: &[Arc<Buffer>], hub: &Arc<Hub>) -> Result<Arc<Self>> {
        let mut own = KVVec::with_capacity(buffers.len(), GFP_KERNEL)?;
        for buffer in buffers {
            own.push(buffer.clone(), GFP_KERNEL)?;
        }
        Arc::pin_init(
            pin_init!(Self {
                interval,
                buffers: own,
                hub: hub.clone(),
                state <- new_spinlock!(State::Idle, "relayfs ticker"),
                work <- Opaque::ffi_init(|work| {
                    // SAFETY: `work` is valid for writes.
                    unsafe { local::relayfs_helper_init_delayed_work(work, Some(Self::run)) }
                }),
            }),
            GFP_KERNEL,
        )
    }

    /// A reader has queued itself: look at intervals from now on, until nobody waits. Must not be
    /// called before it is queued, or it may be overlooked. Does not sleep.
    pub(crate) fn arm(&self) {
        let mut state = self.state.lock();
        if *state == State::Idle {
            *state = State::Armed;
            self.enqueue();
        }
    }

    /// From now on does nothing, and is not about to. Process context.
    pub(crate) fn stop(&self) {
        *self.state.lock() = State::Stopped;
        // SAFETY: Initialised in `new()`. The work does not queue itself again: `run()` does so
        // with the state locked and not stopped.
        unsafe { bindings::cancel_delayed_work_sync(self.work.get()) };
    }

    /// With `state` locked, and armed.
    fn enqueue(&self) {
        let delay = msecs_to_jiffies(self.interval);
        // SAFETY: Initialised in `new()`, and stopped before it is freed.
        unsafe { local::relayfs_helper_queue_delayed_work(self.work.get(), delay) };
    }

    /// Wakes readers for which there is something. Says whether any waits.
    fn look(&self) -> bool {
        let waiting_for_all = self.hub.wait.has_sleeper();
        let mut waiting = waiting_for_all;
        let mut any = false;
        for buffer in &self.buffers {
            let sleeper = buffer.wait.has_sleeper();
            if (sleeper || waiting_for_all) && buffer.is_readable() {
                any = true;
                buffer.wait.wake_all();
            }
            waiting |= sleeper;
        }
        if any {
            self.hub.wait.wake_all();
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
        let mut state = this.state.lock();
        // Looked at with the state locked: a reader that queues itself later than this look arms
        // later, and finds the state idle.
        let waiting = this.look();
        if *state == State::Armed {
            if waiting {
                this.enqueue();
            } else {
                *state = State::Idle;
            }
        }
    }
}

#[pinned_drop]
impl PinnedDrop for Ticker {
    fn drop(self: Pin<&mut Self>) {
        self.stop();
    }
}
