// SPDX-License-Identifier: GPL-2.0

//! What a client wants to be told, and the gate in front of it.
//!
//! A callback runs only inside the gate. Who ends the channel shuts the gate and waits for those that
//! are inside; from then on none runs, and the client's module may go. Callbacks that may sleep are
//! counted. Those of writers and interrupts are not, as they may run in an NMI and cost nothing they
//! need not: they look whether the gate is open with preemption off, and who shuts it waits until each
//! CPU was seen with preemption on.

use crate::bindings as local;
use crate::gate::Gate;
use core::sync::atomic::{AtomicPtr, Ordering};
use kernel::bindings;
use kernel::ffi::{c_long, c_void};
use kernel::prelude::*;

/// A client's callbacks.
///
/// # Invariants
///
/// As long as the gate is open, what `table` names may be called with `chan`, in the contexts
/// `include/linux/relayfs/callbacks.h` names.
#[pin_data]
pub(crate) struct Callbacks {
    table: local::rchan_callbacks,
    /// The client's handle.
    chan: AtomicPtr<local::rchan>,
    #[pin]
    gate: Gate,
}

impl Callbacks {
    pub(crate) fn new(table: local::rchan_callbacks) -> impl PinInit<Self> {
        pin_init!(Self {
            table,
            chan: AtomicPtr::new(core::ptr::null_mut()),
            gate <- Gate::new(),
        })
    }

    /// Says what channel they are of. Nobody has that yet.
    pub(crate) fn set_channel(&self, chan: *mut local::rchan) {
        self.chan.store(chan, Ordering::Relaxed);
    }

    fn chan(&self) -> *mut local::rchan {
        self.chan.load(Ordering::Relaxed)
    }

    /// Waits for those that run; from then on none does. Process context, not from one of them.
    pub(crate) fn shut(&self) {
        self.gate.shut();
        self.gate.wait_empty();
        // SAFETY: Process context.
        unsafe { bindings::synchronize_rcu() };
    }

    /// Whether the client is told something from an interrupt.
    pub(crate) fn wants_interrupts(&self) -> bool {
        self.wants_data() || self.table.buffers_full.is_some()
    }

    /// Whether it is told of data that can be read.
    pub(crate) fn wants_data(&self) -> bool {
        self.table.deliver.is_some()
    }

    /// A sub-buffer was begun.
    ///
    /// # Safety
    ///
    /// Preemption must be off, and the start reserve nobody else's.
    pub(crate) unsafe fn buffer_start(&self, subbuf: &local::relay_subbuf) {
        if let (Some(start), true) = (self.table.buffer_start, self.gate.is_open()) {
            // SAFETY: By the type invariants; the gate is open. For the rest the caller vouches.
            unsafe { start(self.chan(), subbuf) };
        }
    }

    /// A sub-buffer is complete.
    ///
    /// # Safety
    ///
    /// Preemption must be off, and the end reserve nobody else's.
    pub(crate) unsafe fn buffer_end(&self, subbuf: &local::relay_subbuf) {
        if let (Some(end), true) = (self.table.buffer_end, self.gate.is_open()) {
            // SAFETY: As above.
            unsafe { end(self.chan(), subbuf) };
        }
    }

    /// Data can be read.
    ///
    /// # Safety
    ///
    /// Hard interrupt; the data must not change meanwhile.
    pub(crate) unsafe fn deliver(&self, delivery: &local::relay_delivery) {
        if let (Some(deliver), true) = (self.table.deliver, self.gate.is_open()) {
            // SAFETY: As above.
            unsafe { deliver(self.chan(), delivery) };
        }
    }

    /// A record was refused, as the buffer of `cpu` is full.
    ///
    /// # Safety
    ///
    /// Hard interrupt.
    pub(crate) unsafe fn buffers_full(&self, cpu: u32) {
        if let (Some(full), true) = (self.table.buffers_full, self.gate.is_open()) {
            // SAFETY: As above.
            unsafe { full(self.chan(), cpu) };
        }
    }

    /// A user does something with `file`. An error refuses it; `Ok(false)`: the client was not asked.
    ///
    /// # Safety
    ///
    /// `file` must be valid and of this channel; process context.
    pub(crate) unsafe fn fileop(
        &self,
        file: *mut bindings::file,
        op: local::relay_fileop,
    ) -> Result<bool> {
        let Some(notify) = self.table.fileop_notify else {
            return Ok(false);
        };
        let Some(_inside) = self.gate.enter() else {
            return Ok(false);
        };
        // SAFETY: By the type invariants; the gate is open. For the rest the caller vouches.
        match unsafe { notify(self.chan(), file, op) } {
            0 => Ok(true),
            error => Err(refusal(error)),
        }
    }

    /// What the client says to an ioctl that is not ours.
    ///
    /// # Safety
    ///
    /// `file` must be valid and of this channel; process context.
    pub(crate) unsafe fn ioctl(&self, file: *mut bindings::file, cmd: u32, arg: usize) -> c_long {
        let not_there = ENOTTY.to_errno() as c_long;
        let Some(ioctl) = self.table.ioctl else {
            return not_there;
        };
        match self.gate.enter() {
            // SAFETY: By the type invariants; the gate is open. For the rest the caller vouches.
            Some(_inside) => unsafe { ioctl(self.chan(), file, cmd, arg) },
            None => not_there,
        }
    }

    /// A user has written `data`. Process context.
    pub(crate) fn user_deliver(&self, data: &[u8]) {
        let Some(deliver) = self.table.user_deliver else {
            return;
        };
        if let Some(_inside) = self.gate.enter() {
            let from: *const c_void = data.as_ptr().cast();
            // SAFETY: By the type invariants; the gate is open.
            unsafe { deliver(self.chan(), from, data.len()) };
        }
    }

    /// Whether the client is told of what it is to know of sizes.
    pub(crate) fn wants_resizes(&self) -> bool {
        self.table.needs_resize.is_some()
    }

    /// Tells what is to be known of sizes, one of `RELAY_RESIZE_*`. Process context, no lock held.
    pub(crate) fn needs_resize(&self, what: u32, subbuf_size: u64, n_subbufs: u32) {
        let Some(tell) = self.table.needs_resize else {
            return;
        };
        if let Some(_inside) = self.gate.enter() {
            // SAFETY: By the type invariants; the gate is open.
            unsafe { tell(self.chan(), what as i32, subbuf_size, n_subbufs) };
        }
    }
}

/// What a client answered: its errno, or `EPERM` if it is none.
fn refusal(answer: i32) -> Error {
    if (-(bindings::MAX_ERRNO as i32)..0).contains(&answer) {
        Error::from_errno(answer)
    } else {
        EPERM
    }
}
