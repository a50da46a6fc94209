// SPDX-License-Identifier: GPL-2.0

//! CPUs come up: each open channel gets a buffer for them. When a CPU goes away nothing happens: its
//! buffer stays, can be read, and is used again when the CPU is back.
//!
//! Lock order: the kernel's hotplug lock, `OPEN`, a channel's lock of its files.

use super::Channel;
use crate::percpu::online_cpus;
use kernel::bindings;
use kernel::error::to_result;
use kernel::prelude::*;
use kernel::sync::{global_lock, Arc};

global_lock! {
    // SAFETY: Initialised when the module is loaded, before any channel.
    unsafe(uninit) static OPEN: Mutex<KVec<Arc<Channel>>> = KVec::new();
}

/// The kernel tells us of CPUs that come up.
pub(crate) struct Registration(bindings::cpuhp_state);

impl Registration {
    /// Called once, before any channel.
    pub(crate) fn new() -> Result<Self> {
        // SAFETY: Called exactly once, when the module is loaded.
        unsafe { OPEN.init() };
        super::flush::init();
        // SAFETY: Name and function are static; it is removed before the module goes.
        let state = unsafe {
            bindings::__cpuhp_setup_state(
                bindings::cpuhp_state_CPUHP_BP_PREPARE_DYN,
                c"fs/relayfs:prepare".as_char_ptr(),
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
    for channel in OPEN.lock().iter() {
        // SAFETY: The CPU does not run yet.
        if unsafe { channel.add_cpu(cpu) }.is_err() {
            refused = refused.wrapping_add(1);
        }
    }
    if refused != 0 {
        pr_warn!("no buffer for CPU {cpu} in {refused} channel(s): its records are refused\n");
    }
    0
}

/// From when this returns on, `channel` gets a buffer for each CPU that comes up, and a look at the
/// CPUs that run finds all others.
pub(super) fn enlist(channel: &Arc<Channel>) -> Result {
    // Whichever CPU is on its way up is running when the lock is ours.
    // SAFETY: Process context.
    unsafe { bindings::cpus_read_lock() };
    let result = OPEN.lock().push(channel.clone(), GFP_KERNEL);
    // SAFETY: Locked above.
    unsafe { bindings::cpus_read_unlock() };
    Ok(result?)
}

/// From when this returns on, `channel` gets no more buffers.
pub(super) fn delist(channel: &Channel) {
    let mut open = OPEN.lock();
    let mut listed = open.iter();
    if let Some(at) = listed.position(|other| core::ptr::eq(&**other, channel)) {
        // The caller has another reference. It is there, so this does not fail.
        let _ = open.remove(at);
    }
}

impl Channel {
    /// Makes a buffer for each CPU that runs, and from now on for each that comes up.
    pub(super) fn add_cpus(self: &Arc<Self>) -> Result {
        enlist(self)?;
        // One that comes or goes meanwhile is looked after by `prepare()`.
        for cpu in online_cpus() {
            // SAFETY: The CPU is possible, and nobody else has the channel yet.
            unsafe { self.add_cpu(cpu) }?;
        }
        Ok(())
    }
}
