// SPDX-License-Identifier: GPL-2.0

//! `O_ASYNC`: a signal each time one who polls with edges would be woken.
//!
//! The descriptor is queued like a sleeper, so whatever wakes those finds it; but as a queue is
//! no place to send signals from, what is woken is an irq_work. It makes the wish for more first and
//! sends the signal then: what a writer committed without seeing the wish is there for who reads when
//! the signal has come.

use super::descriptor::Descriptor;
use crate::bindings as local;
use crate::wake::{OnSignal, WaitQueue, Watcher};
use core::cell::UnsafeCell;
use core::pin::Pin;
use core::sync::atomic::Ordering;
use kernel::bindings;
use kernel::error::to_result;
use kernel::prelude::*;
use kernel::sync::{new_mutex, Mutex};

/// The signals of one descriptor.
///
/// # Invariants
///
/// `descriptor` contains this. The watcher is in its queue if, and only if, `watching`.
#[pin_data]
pub(super) struct Sigio {
    /// Whom to send them to: a list of the kernel's, for this one file.
    list: UnsafeCell<*mut bindings::fasync_struct>,
    #[pin]
    watching: Mutex<bool>,
    #[pin]
    watcher: Watcher<Sigio>,
    descriptor: *const Descriptor,
}

// SAFETY: `list` is changed and read by the kernel's functions only, which lock it; the descriptor may
// be used anywhere.
unsafe impl Send for Sigio {}
// SAFETY: As above.
unsafe impl Sync for Sigio {}

impl Sigio {
    fn new(descriptor: &Descriptor) -> Result<Pin<KBox<Self>>> {
        let sigio = KBox::pin_init(
            pin_init!(Self {
                list: UnsafeCell::new(core::ptr::null_mut()),
                watching <- new_mutex!(false, "relayfs sigio"),
                watcher <- Watcher::new(),
                descriptor: core::ptr::from_ref(descriptor),
            }),
            GFP_KERNEL,
        )?;
        // SAFETY: Nobody can wake it yet, and the watcher is a field of what it tells.
        unsafe { sigio.watcher.set_owner(&*sigio) };
        Ok(sigio)
    }

    /// Whether it was off, if it is on now, or the other way round.
    ///
    /// # Safety
    ///
    /// As [`Descriptor::fasync`]; `queue` must be the descriptor's, which contains this.
    unsafe fn switch(
        &self,
        fd: i32,
        file: *mut bindings::file,
        on: bool,
        queue: &WaitQueue,
    ) -> Result<bool> {
        let mut watching = self.watching.lock();
        // SAFETY: As the caller promises.
        let changed = unsafe { bindings::fasync_helper(fd, file, on.into(), self.list.get()) };
        if changed < 0 {
            to_result(changed)?;
        }
        if on && !*watching {
            // SAFETY: It is taken off before this goes, see `stop()`.
            unsafe { queue.watch(&self.watcher) };
        } else if !on && *watching {
            queue.unwatch(&self.watcher);
        }
        // INVARIANT: As just done.
        *watching = on;
        Ok(changed > 0)
    }

    /// The descriptor is about to go.
    pub(super) fn stop(&self, queue: &WaitQueue) {
        let mut watching = self.watching.lock();
        if *watching {
            queue.unwatch(&self.watcher);
            // INVARIANT: As just done.
            *watching = false;
        }
    }
}

impl OnSignal for Sigio {
    fn on_signal(&self) {
        // SAFETY: By the type invariants; it waits for this before it goes.
        let descriptor = unsafe { &*self.descriptor };
        let Some(band) = descriptor.wish_for_signal() else {
            return;
        };
        // SAFETY: The list is valid; not an NMI.
        unsafe { bindings::kill_fasync(self.list.get(), bindings::SIGIO as i32, band as i32) };
    }
}

impl Descriptor {
    /// `O_ASYNC` of its file goes on or off. Says whether that is a change.
    ///
    /// # Safety
    ///
    /// The arguments must be those of a running `fasync` operation of this descriptor.
    pub(crate) unsafe fn fasync(
        &self,
        fd: i32,
        file: *mut bindings::file,
        on: bool,
    ) -> Result<bool> {
        let sigio = match self.sigio.as_ref() {
            Some(sigio) => sigio,
            None if !on => return Ok(false),
            None => {
                // Somebody else may be faster.
                self.sigio.populate(Sigio::new(self)?);
                self.sigio.as_ref().ok_or(EINVAL)?
            }
        };
        // SAFETY: As the caller promises.
        let changed = unsafe { sigio.switch(fd, file, on, self.queue()) }?;
        if changed {
            let asyncs = &self.channel().hub().asyncs;
            if on {
                asyncs.fetch_add(1, Ordering::Relaxed);
                // What is there already is not news.
                self.wish_for_signal();
                self.channel().ticker.arm(self.flush_interval());
            } else {
                asyncs.fetch_sub(1, Ordering::Relaxed);
            }
        }
        Ok(changed)
    }

    /// Wishes to be told of more. What there is to be told now, if anything. Any context but NMI.
    fn wish_for_signal(&self) -> Option<u32> {
        let mut readable = self.is_readable();
        if self.channel().hub().is_closed() {
            return Some(if readable {
                local::RELAYFS_POLL_IN
            } else {
                local::RELAYFS_POLL_HUP
            });
        }
        self.wish(readable);
        readable |= self.is_readable();
        readable.then_some(local::RELAYFS_POLL_IN)
    }
}
