// SPDX-License-Identifier: GPL-2.0

//! CPUs come up: each open channel gets a buffer for them, and the client makes a file.
//!
//! Lock order: the kernel's hotplug lock, `OPEN`, what clients and file systems lock to make a file.

use super::channel::Chan;
use kernel::bindings;
use kernel::error::to_result;
use kernel::prelude::*;
use kernel::sync::global_lock;

/// A channel that is open.
///
/// # Invariants
///
/// It is valid as long as it is in the list.
struct Listed(*const Chan);

// SAFETY: It only gives out `&Chan`.
unsafe impl Send for Listed {}

global_lock! {
    // SAFETY: Initialised when the module is loaded, before any channel.
    unsafe(uninit) static OPEN: Mutex<KVec<Listed>> = KVec::new();
}

/// From when this returns on, `chan` gets a buffer for each CPU that comes up; `f` is done before any
/// does so.
///
/// # Safety
///
/// It must be taken off by [`delist`] before it goes.
pub(super) unsafe fn enlist(chan: &Chan, f: impl FnOnce() -> Result) -> Result {
    let mut open = OPEN.lock();
    // INVARIANT: As the caller promises.
    open.push(Listed(chan), GFP_KERNEL)?;
    f()
}

/// From when this returns on, `chan` gets no more buffers.
pub(super) fn delist(chan: &Chan) {
    let mut open = OPEN.lock();
    let mut listed = open.iter();
    if let Some(at) = listed.position(|other| core::ptr::eq(other.0, chan)) {
        // It is there, so this does not fail.
        let _ = open.remove(at);
    }
}

/// The kernel tells us of CPUs that come up.
pub(super) struct Registration(bindings::cpuhp_state);

impl Registration {
    /// Called once, before any channel, and after our own channels have registered: their buffers are
    /// there when these are made.
    pub(super) fn new() -> Result<Self> {
        // SAFETY: Called exactly once, when the module is loaded.
        unsafe { OPEN.init() };
        // SAFETY: Name and function are static; it is removed before the module goes.
        let state = unsafe {
            bindings::__cpuhp_setup_state(
                bindings::cpuhp_state_CPUHP_BP_PREPARE_DYN,
                c"fs/relayfs:compat".as_char_ptr(),
                false,
                Some(prepare),
                None,
                false,
            )
        };
        to_result(state)?;
        Ok(Self(state))
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        // SAFETY: Set up by `new()`.
        unsafe { bindings::__cpuhp_remove_state(self.0, false) };
        // The list is empty, but owns memory.
        *OPEN.lock() = KVec::new();
    }
}

/// `cpu` is about to come up, and runs nothing yet. The kernel holds its hotplug lock.
extern "C" fn prepare(cpu: u32) -> i32 {
    let mut refused = 0usize;
    for listed in OPEN.lock().iter() {
        // SAFETY: By the type invariants.
        let chan = unsafe { &*listed.0 };
        // SAFETY: The channel is open, and the CPU does not run yet.
        if unsafe { chan.cpu_comes_up(cpu) }.is_err() {
            refused = refused.wrapping_add(1);
        }
    }
    if refused != 0 {
        pr_warn!(
            "no relay buffer for CPU {cpu} in {refused} channel(s): its records are refused\n"
        );
    }
    0
}
