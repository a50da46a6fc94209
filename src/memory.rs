// SPDX-License-Identifier: GPL-2.0

//! How much memory all buffers together may have.
//!
//! Memory is counted in pages, before it is asked for, and given back when it has been freed. The
//! limit is the module's parameter `max_bytes`; it may change at any time, and only what is asked
//! for later heeds it.

use crate::bindings as local;
use core::sync::atomic::{AtomicUsize, Ordering};
use kernel::bindings;
use kernel::page::PAGE_SIZE;
use kernel::prelude::*;

/// Nobody has said what the limit is.
const UNSET: usize = usize::MAX;

static USED: AtomicUsize = AtomicUsize::new(0);
static LIMIT: AtomicUsize = AtomicUsize::new(UNSET);

/// Sets the limit to half of the machine's memory unless the module was loaded with another.
pub(crate) fn init() {
    let mut info = bindings::sysinfo::default();
    // SAFETY: `info` is valid for writes.
    unsafe { bindings::si_meminfo(&mut info) };
    let half = info.totalram / 2;
    // Fails if there is one; then that is the limit.
    let _ = LIMIT.compare_exchange(UNSET, half, Ordering::Relaxed, Ordering::Relaxed);
}

/// Pages all buffers together may have.
pub(crate) fn limit() -> usize {
    LIMIT.load(Ordering::Relaxed)
}

/// Pages all buffers together have.
pub(crate) fn used() -> usize {
    USED.load(Ordering::Relaxed)
}

/// Refuses what cannot be before it is tried: the attempt alone would push out everything the
/// machine has in its caches.
pub(crate) fn check_available(pages: usize) -> Result {
    // SAFETY: No conditions.
    let available = usize::try_from(unsafe { bindings::si_mem_available() }).unwrap_or(0);
    if pages > available || pages > limit().saturating_sub(used()) {
        return Err(ENOMEM);
    }
    Ok(())
}

/// Some pages' share of the limit; dropping gives it back.
///
/// # Invariants
///
/// `USED` contains so many pages for this.
#[must_use = "dropping gives it back"]
pub(crate) struct Reservation(usize);

impl Reservation {
    pub(crate) fn new(pages: usize) -> Result<Self> {
        let more = |used: usize| used.checked_add(pages).filter(|&sum| sum <= limit());
        USED.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more)
            .map_err(|_| ENOMEM)?;
        // INVARIANT: Just added.
        Ok(Self(pages))
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        // INVARIANT: By the type invariants it contains them, so it does not wrap.
        USED.fetch_sub(self.0, Ordering::Relaxed);
    }
}

/// For the module's parameter: the limit in bytes. Any context.
#[no_mangle]
pub(crate) extern "C" fn relayfs_max_bytes() -> u64 {
    (limit() as u64).saturating_mul(PAGE_SIZE as u64)
}

/// For the module's parameter: sets the limit, in bytes. Any context.
#[no_mangle]
pub(crate) extern "C" fn relayfs_set_max_bytes(bytes: u64) {
    let pages = bytes / PAGE_SIZE as u64;
    LIMIT.store(usize::try_from(pages).unwrap_or(UNSET), Ordering::Relaxed);
}

/// For the module's parameter: what buffers have, in bytes. Any context.
#[no_mangle]
pub(crate) extern "C" fn relayfs_used_bytes() -> u64 {
    (used() as u64).saturating_mul(PAGE_SIZE as u64)
}

/// Each function has the very type C sees, or this does not compile.
const _: () = {
    macro_rules! same_type {
        ($($name:ident: $type:ty),*) => {
            $( let _: [$type; 2] = [$name, local::$name]; )*
        };
    }
    same_type!(
        relayfs_max_bytes: unsafe extern "C" fn() -> u64,
        relayfs_set_max_bytes: unsafe extern "C" fn(u64),
        relayfs_used_bytes: unsafe extern "C" fn() -> u64
    );
};
