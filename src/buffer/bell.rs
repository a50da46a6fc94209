// SPDX-License-Identifier: GPL-2.0

//! How the readers of a buffer are told: all a commit needs to know of them.

use super::delivered::Delivered;
use super::teller::Teller;
use crate::channel::Hub;
use crate::lock::SectionLock;
use crate::wake::{OnSignal, Signal, WaitQueue};
use crate::watermark::Wish;
use kernel::prelude::*;
use kernel::sync::Arc;

/// The readers that wait for a buffer's data, what they wish for, and the signal that wakes them; and what
/// keeps writers apart. All the buffer's stores have the same one.
#[pin_data(PinnedDrop)]
pub(crate) struct Bell {
    hub: Arc<Hub>,
    #[pin]
    pub(crate) wait: WaitQueue,
    #[pin]
    signal: Signal<Bell>,
    /// What those who wait wish for.
    pub(crate) wish: Wish,
    pub(crate) delivered: Delivered,
    /// Keeps writers apart, where that takes a lock.
    #[pin]
    pub(crate) section: SectionLock,
    /// How the client is told, if it wants to be.
    teller: Option<Arc<Teller>>,
}

impl Bell {
    /// Of the buffer of `cpu`, or of all CPUs. `whole_only`: the client is not told of parts of sub-buffers.
    pub(crate) fn new(hub: Arc<Hub>, cpu: Option<u32>, whole_only: bool) -> Result<Arc<Self>> {
        let teller = Teller::new(hub.clone(), cpu, whole_only)?;
        let bell = Arc::pin_init(
            pin_init!(Self {
                hub,
                wait <- WaitQueue::new(),
                signal <- Signal::new(),
                wish: Wish::new(),
                delivered: Delivered::new(),
                section <- SectionLock::new(),
                teller,
            }),
            GFP_KERNEL,
        )?;
        // SAFETY: The signal is a field of the bell, and nobody can raise it yet.
        unsafe { bell.signal.set_owner(&*bell) };
        Ok(bell)
    }

    pub(crate) fn teller(&self) -> Option<&Teller> {
        self.teller.as_deref()
    }

    /// Waits until a raised signal is done, but for what other CPUs still do. Process context.
    pub(crate) fn sync(&self) {
        self.signal.sync();
    }

    pub(crate) fn hub(&self) -> &Hub {
        &self.hub
    }

    /// A commit was worth a look; its writer stands at `pos()`: tells the client, and sleeping readers if it
    /// has reached what they wish for. Any context.
    pub(crate) fn written(&self, pos: impl Fn() -> u64) {
        if let Some(teller) = self.teller() {
            teller.written();
        }
        if self.wish.take_if_reached(pos) {
            self.signal.raise();
        }
    }

    /// A record was refused for want of room. Any context.
    pub(crate) fn refused(&self) {
        if let Some(teller) = self.teller() {
            teller.refused();
        }
    }

    /// A sub-buffer was begun. Any context.
    pub(crate) fn has_room(&self) {
        if let Some(teller) = self.teller() {
            teller.has_room();
        }
    }

    /// Tells sleeping readers of what there is, whatever their watermark. Any context.
    pub(crate) fn urge(&self, has_data_after: impl Fn(u64) -> bool) {
        if self.wish.take_if(has_data_after) {
            self.wish.urge();
            self.signal.raise();
        }
    }

    /// Wakes pollers if there is something for them; others have a clock of their own. Says whether
    /// somebody goes on waiting. Not from NMI.
    pub(crate) fn tick(&self, has_data_after: impl Fn(u64) -> bool) -> bool {
        if !self.is_waited_for() {
            return false;
        }
        let due = self.wish.take_if(has_data_after);
        if due {
            self.wake();
        }
        !due
    }

    /// Whether somebody waits, and has said for what. Not from NMI.
    pub(super) fn is_waited_for(&self) -> bool {
        self.wish.is_there() && self.has_sleeper()
    }

    /// So that a wish of who left does not wake who comes.
    pub(crate) fn forget_wish_if_nobody_waits(&self) {
        if self.wish.forget_if_nobody(|| self.has_sleeper()) {
            self.wake();
        }
    }

    fn has_sleeper(&self) -> bool {
        self.wait.has_sleeper() || self.hub.wait.has_sleeper()
    }

    /// Wakes all that wait for the buffer's data. Not from NMI.
    pub(super) fn wake(&self) {
        if !self.has_sleeper() {
            return;
        }
        self.wish.count_wakeup();
        self.wait.wake_all();
        self.hub.wait.wake_all();
    }
}

impl OnSignal for Bell {
    fn on_signal(&self) {
        self.wake();
    }
}

#[pinned_drop]
impl PinnedDrop for Bell {
    fn drop(self: Pin<&mut Self>) {
        // Before any field goes: a raised signal may still be about to use the wait queues.
        self.signal.sync();
    }
}
