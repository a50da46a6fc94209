// SPDX-License-Identifier: GPL-2.0

//! The one signal from writers to readers.
//!
//! A writer may run in an NMI or inside the scheduler, so it never wakes anybody itself: it raises
//! an irq_work, and only if somebody waits. Both sides keep the order that makes a wake-up
//! impossible to miss: a reader first queues itself, then looks for data; a writer first commits,
//! then (after a full barrier) looks for queued readers.

use crate::bindings as local;
use core::cell::UnsafeCell;
use core::mem::MaybeUninit;
use core::pin::Pin;
use kernel::bindings;
use kernel::ffi::c_void;
use kernel::prelude::*;
use kernel::types::Opaque;

/// Jiffies that do not pass.
pub(crate) const FOREVER: usize = usize::MAX >> 1;

/// Sleeping readers.
///
/// When it is dropped it is empty: pollers and watchers go with their file and sleepers with their
/// system call, and all hold a reference to what contains the queue.
#[pin_data]
#[repr(transparent)]
pub(crate) struct WaitQueue {
    #[pin]
    head: Opaque<bindings::wait_queue_head>,
}

// SAFETY: A wait queue has a lock of its own.
unsafe impl Send for WaitQueue {}
// SAFETY: As above.
unsafe impl Sync for WaitQueue {}

impl WaitQueue {
    pub(crate) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            head <- Opaque::ffi_init(|head| {
                // SAFETY: `head` is valid; name and key are static.
                unsafe {
                    bindings::__init_waitqueue_head(
                        head,
                        c"relayfs".as_char_ptr(),
                        kernel::static_lock_class!().as_ptr(),
                    )
                }
            }),
        })
    }

    /// A queue of the kernel's.
    ///
    /// # Safety
    ///
    /// `head` must be initialised and live as long as the result.
    pub(crate) unsafe fn from_raw<'a>(head: *mut bindings::wait_queue_head) -> &'a Self {
        // SAFETY: As the caller promises; it is nothing else.
        unsafe { &*head.cast() }
    }

    /// Whether somebody is queued; a full barrier comes before the look.
    pub(crate) fn has_sleeper(&self) -> bool {
        // ORDERING: queue:A
        // SAFETY: Initialised in `new()`.
        unsafe { local::relayfs_helper_wq_has_sleeper(self.head.get()) }
    }

    /// Wakes all that are queued. Not from NMI.
    pub(crate) fn wake_all(&self) {
        // SAFETY: Initialised in `new()`.
        unsafe {
            bindings::__wake_up(
                self.head.get(),
                bindings::TASK_NORMAL,
                0,
                core::ptr::null_mut(),
            )
        };
    }

    /// Has `watcher` told each time the queue is woken.
    ///
    /// # Safety
    ///
    /// It must be taken off, by [`unwatch()`](Self::unwatch), before it goes, and be on no queue.
    pub(crate) unsafe fn watch<T: OnSignal>(&self, watcher: &Watcher<T>) {
        // SAFETY: As the caller promises; both are initialised.
        unsafe { bindings::add_wait_queue(self.head.get(), watcher.entry.get()) };
    }

    /// Takes off `watcher`, which must be on this queue. What it was told of is done then. Process context.
    pub(crate) fn unwatch<T: OnSignal>(&self, watcher: &Watcher<T>) {
        // SAFETY: Both are initialised.
        unsafe { bindings::remove_wait_queue(self.head.get(), watcher.entry.get()) };
        watcher.signal.sync();
    }

    /// Sleeps until `ready()`, which is called in a state in which it must not sleep: with `false`
    /// first and when woken, with `true` each time `interval()` jiffies have passed. If that is another when
    /// it is woken, they are counted anew.
    pub(crate) fn wait_killable(
        &self,
        interval: impl Fn() -> usize,
        ready: impl FnMut(bool) -> bool,
    ) -> Result {
        self.wait(bindings::TASK_KILLABLE, interval, ready)
    }

    /// Sleeps until `over()`, whatever happens. `over` is called in a state in which it must not sleep.
    pub(crate) fn wait_all_over(&self, mut over: impl FnMut() -> bool) {
        // Cannot fail: the state heeds no signals.
        let _ = self.wait(bindings::TASK_UNINTERRUPTIBLE, || FOREVER, |_| over());
    }

    /// As [`WaitQueue::wait_killable`], but any signal ends it, and the task may be frozen: so it must
    /// hold no lock.
    pub(crate) fn wait_interruptible(
        &self,
        interval: impl Fn() -> usize,
        ready: impl FnMut(bool) -> bool,
    ) -> Result {
        let state = bindings::TASK_INTERRUPTIBLE | bindings::TASK_FREEZABLE;
        self.wait(state, interval, ready)
    }

    fn wait(
        &self,
        state: u32,
        interval: impl Fn() -> usize,
        mut ready: impl FnMut(bool) -> bool,
    ) -> Result {
        let mut of = interval();
        let mut left = of as isize;
        let mut entry = MaybeUninit::<bindings::wait_queue_entry>::zeroed();
        let entry = entry.as_mut_ptr();
        // SAFETY: `entry` lives on this stack until `finish_wait()` has taken it off the queue.
        unsafe { bindings::init_wait_entry(entry, 0) };
        let result = loop {
            // ORDERING: queue:B
            // SAFETY: Both are initialised.
            let interrupted =
                unsafe { bindings::prepare_to_wait_event(self.head.get(), entry, state as i32) };
            if ready(left == 0) {
                break Ok(());
            }
            if interrupted != 0 {
                break Err(ERESTARTSYS);
            }
            let now = interval();
            if left == 0 || now != of {
                of = now;
                left = of as isize;
            }
            // SAFETY: Process context, no lock held.
            left = unsafe { bindings::schedule_timeout(left) };
        };
        // SAFETY: As above.
        unsafe { bindings::finish_wait(self.head.get(), entry) };
        result
    }

    /// Queues a poller.
    ///
    /// # Safety
    ///
    /// `file` and `table` must be the arguments of a running `poll` operation, and `self` must live
    /// until the file is released.
    pub(crate) unsafe fn poll_wait(
        &self,
        file: *mut bindings::file,
        table: *mut bindings::poll_table_struct,
    ) {
        // SAFETY: As the caller promises.
        unsafe { bindings::poll_wait(file, self.head.get(), table) };
    }
}

/// What an irq_work raised from any context does later, in hard-irq context.
pub(crate) trait OnSignal: Sync {
    /// Called with interrupts off; must not sleep.
    fn on_signal(&self);
}

/// An irq_work that calls its owner.
#[pin_data(PinnedDrop)]
pub(crate) struct Signal<T: OnSignal> {
    #[pin]
    work: Opaque<bindings::irq_work>,
    owner: UnsafeCell<*const T>,
}

// SAFETY: `owner` is written before the signal is shared; irq_work_queue() may be called anywhere.
unsafe impl<T: OnSignal> Send for Signal<T> {}
// SAFETY: As above.
unsafe impl<T: OnSignal> Sync for Signal<T> {}

impl<T: OnSignal> Signal<T> {
    pub(crate) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            work <- Opaque::ffi_init(|work: *mut bindings::irq_work| {
                // SAFETY: `work` is valid for writes; all of it may be zero but the function.
                unsafe {
                    work.write(core::mem::zeroed());
                    (*work).func = Some(Self::run);
                }
            }),
            owner: UnsafeCell::new(core::ptr::null()),
        })
    }

    /// One that is done in a hard interrupt also on a real-time kernel.
    pub(crate) fn new_hard() -> impl PinInit<Self> {
        pin_init!(Self {
            work <- Opaque::ffi_init(|work: *mut bindings::irq_work| {
                // SAFETY: `work` is valid for writes.
                unsafe { local::relayfs_helper_init_irq_work_hard(work, Some(Self::run)) }
            }),
            owner: UnsafeCell::new(core::ptr::null()),
        })
    }

    /// Says whom to call.
    ///
    /// # Safety
    ///
    /// Called once, before `raise()` can be; `owner` must outlive `self`.
    pub(crate) unsafe fn set_owner(&self, owner: *const T) {
        // SAFETY: Nobody else has access yet.
        unsafe { *self.owner.get() = owner };
    }

    /// Any context, including NMI.
    pub(crate) fn raise(&self) {
        // SAFETY: Initialised in `new()`; it is synchronised before it is freed.
        unsafe { bindings::irq_work_queue(self.work.get()) };
    }

    /// Waits for a raised signal to be done.
    pub(crate) fn sync(&self) {
        // SAFETY: Initialised in `new()`.
        unsafe { bindings::irq_work_sync(self.work.get()) };
    }

    /// # Safety
    ///
    /// `work` must be the field of a live signal that has an owner.
    unsafe extern "C" fn run(work: *mut bindings::irq_work) {
        // SAFETY: `work` is the field of a live `Signal`.
        let this = unsafe { kernel::container_of!(Opaque::cast_from(work), Self, work) };
        // SAFETY: Set before the first `raise()`, and the owner outlives the signal.
        unsafe { (**(*this).owner.get()).on_signal() };
    }
}

#[pinned_drop]
impl<T: OnSignal> PinnedDrop for Signal<T> {
    fn drop(self: Pin<&mut Self>) {
        self.sync();
    }
}

/// A place in a wait queue whose owner is told, in hard-irq context, that it was woken.
#[pin_data]
pub(crate) struct Watcher<T: OnSignal> {
    #[pin]
    entry: Opaque<bindings::wait_queue_entry>,
    #[pin]
    signal: Signal<T>,
}

// SAFETY: The entry is used with its queue locked.
unsafe impl<T: OnSignal> Send for Watcher<T> {}
// SAFETY: As above.
unsafe impl<T: OnSignal> Sync for Watcher<T> {}

impl<T: OnSignal> Watcher<T> {
    pub(crate) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            entry <- Opaque::ffi_init(|entry: *mut bindings::wait_queue_entry| {
                // SAFETY: `entry` is valid for writes; all of it may be zero but the function.
                unsafe {
                    entry.write(core::mem::zeroed());
                    (*entry).func = Some(Self::woken);
                }
            }),
            signal <- Signal::new(),
        })
    }

    /// As [`Signal::set_owner`].
    ///
    /// # Safety
    ///
    /// The same, and before it is on a queue.
    pub(crate) unsafe fn set_owner(&self, owner: *const T) {
        // SAFETY: As the caller promises.
        unsafe { self.signal.set_owner(owner) };
    }

    /// # Safety
    ///
    /// `entry` must be the field of a live watcher that has an owner.
    unsafe extern "C" fn woken(
        entry: *mut bindings::wait_queue_entry,
        _mode: u32,
        _flags: i32,
        _key: *mut c_void,
    ) -> i32 {
        // SAFETY: `entry` is the field of a live `Watcher`.
        let this = unsafe { kernel::container_of!(Opaque::cast_from(entry), Self, entry) };
        // SAFETY: As above.
        unsafe { (*this).signal.raise() };
        0
    }
}
