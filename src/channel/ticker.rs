// SPDX-License-Identifier: GPL-2.0

//! The flush timer: low-rate data reaches readers that wait.
//!
//! Writers tell readers of full sub-buffers only. While a reader waits, this looks at intervals
//! whether a sub-buffer that is not full has something for it; writers need not do anything.

use crate::buffer::Buffer;
use crate::channel::Hub;
use core::sync::atomic::{AtomicBool, Ordering};
use kernel::new_mutex;
use kernel::prelude::*;
use kernel::sync::{Arc, Mutex};
use kernel::time::msecs_to_jiffies;
use kernel::workqueue::{self, impl_has_delayed_work, new_delayed_work, DelayedWork, WorkItem};

/// Looks after the waiting readers of one channel.
#[pin_data]
pub(crate) struct Ticker {
    interval: u32,
    /// The buffers, until the channel is closed and drained of interest.
    #[pin]
    buffers: Mutex<KVVec<Arc<Buffer>>>,
    hub: Arc<Hub>,
    armed: AtomicBool,
    #[pin]
    work: DelayedWork<Self>,
}

impl_has_delayed_work! {
    impl HasDelayedWork<Self> for Ticker { self.work }
}

impl Ticker {
    pub(crate) fn new(interval: u32, buffers: &[Arc<Buffer>], hub: &Arc<Hub>) -> Result<Arc<Self>> {
        let mut own = KVVec::with_capacity(buffers.len(), GFP_KERNEL)?;
        for buffer in buffers {
            own.push(buffer.clone(), GFP_KERNEL)?;
        }
        Arc::pin_init(
            pin_init!(Self {
                interval,
                buffers <- new_mutex!(own, "relayfs ticker"),
                hub: hub.clone(),
                armed: AtomicBool::new(false),
                work <- new_delayed_work!("relayfs ticker"),
            }),
            GFP_KERNEL,
        )
    }

    /// A reader is about to wait: look at intervals from now on, until nobody waits.
    pub(crate) fn arm(self: &Arc<Self>) {
        if !self.armed.swap(true, Ordering::AcqRel) {
            self.enqueue();
        }
    }

    fn enqueue(self: &Arc<Self>) {
        let _ = workqueue::system_unbound()
            .enqueue_delayed(self.clone(), msecs_to_jiffies(self.interval));
    }

    /// Wakes readers for which there is something. Says whether any waits.
    fn look(&self) -> bool {
        let mut waiting = self.hub.wait.has_sleeper();
        let mut for_hub = false;
        for buffer in self.buffers.lock().iter() {
            let sleeper = buffer.wait.has_sleeper();
            if (sleeper || waiting) && buffer.is_readable() {
                for_hub = true;
                buffer.wait.wake_all();
            }
            waiting |= sleeper;
        }
        if for_hub {
            self.hub.wait.wake_all();
        }
        waiting
    }
}

impl WorkItem for Ticker {
    type Pointer = Arc<Self>;

    fn run(this: Arc<Self>) {
        if this.look() {
            this.enqueue();
            return;
        }
        // A reader that queues itself after the look either finds `armed` false and arms, or was
        // too early for that and is found by looking again.
        this.armed.store(false, Ordering::SeqCst);
        if this.look() {
            this.arm();
        }
    }
}
