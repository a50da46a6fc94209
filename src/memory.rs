// SPDX-License-Identifier: GPL-2.0

//! How much memory all buffers together may have.
//!
//! Memory is counted in pages, before it is asked for, and given back when it has been freed. The
//! limit is the module's parameter `max_bytes`, which a mount may also set; it may change at any time,
//! and only what is asked for later heeds it.

use crate::bindings as local;
use core::sync::atomic::{AtomicUsize, Ordering};
use kernel::bindings;
use kernel::ffi::c_char;
use kernel::page::PAGE_SIZE;
use kernel::prelude::*;

/// Nobody has said what the limit is.
const UNSET: usize = usize::MAX;

static USED: AtomicUsize = AtomicUsize::new(0);
static LIMIT: AtomicUsize = AtomicUsize::new(UNSET);
/// What the limit is when nobody sets one: half of the machine's memory.
static DEFAULT: AtomicUsize = AtomicUsize::new(UNSET);

/// Sets the limit to the default unless the module was loaded with another.
pub(crate) fn init() {
    let mut info = bindings::sysinfo::default();
    // SAFETY: `info` is valid for writes.
    unsafe { bindings::si_meminfo(&mut info) };
    let half = info.totalram / 2;
    DEFAULT.store(half, Ordering::Relaxed);
    // Fails if there is one; then that is the limit.
    let _ = LIMIT.compare_exchange(UNSET, half, Ordering::Relaxed, Ordering::Relaxed);
}

/// Pages all buffers together may have.
pub(crate) fn limit() -> usize {
    LIMIT.load(Ordering::Relaxed)
}

/// The limit in bytes, if somebody has set it.
pub(crate) fn limit_set() -> Option<u64> {
    let set = limit() != DEFAULT.load(Ordering::Relaxed);
    set.then_some(relayfs_max_bytes())
}

/// Sets the limit, in bytes.
pub(crate) fn set_limit(bytes: u64) {
    let pages = bytes / PAGE_SIZE as u64;
    LIMIT.store(usize::try_from(pages).unwrap_or(UNSET), Ordering::Relaxed);
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

/// A number of bytes as the kernel's memparse() takes it, K to E included; but one that is too large is
/// none.
pub(crate) fn parse_bytes(text: &[u8]) -> Option<u64> {
    let text = text.strip_suffix(b"\n").unwrap_or(text);
    let (digits, shift) = match text.split_last()? {
        (b'0'..=b'9', _) => (text, 0),
        // A digit, and not a suffix.
        _ if text.starts_with(b"0x") || text.starts_with(b"0X") => match text.split_last()? {
            (last, _) if last.is_ascii_hexdigit() => (text, 0),
            (last, digits) => (digits, suffix(*last)?),
        },
        (last, digits) => (digits, suffix(*last)?),
    };
    let (digits, base) = match digits {
        [b'0', b'x' | b'X', digits @ ..] => (digits, 16),
        [b'0', digits @ ..] if !digits.is_empty() => (digits, 8),
        _ => (digits, 10),
    };
    if digits.is_empty() {
        return None;
    }
    let number = digits.iter().try_fold(0u64, |sum, &digit| {
        let digit = char::from(digit).to_digit(base)?;
        sum.checked_mul(base.into())?.checked_add(digit.into())
    })?;
    number.checked_mul(1u64.checked_shl(shift)?)
}

/// How far a suffix shifts.
fn suffix(letter: u8) -> Option<u32> {
    let at = b"KMGTPE"
        .iter()
        .position(|&known| known == letter.to_ascii_uppercase())?;
    Some((at as u32).wrapping_add(1).wrapping_mul(10))
}

/// For the module's parameter: the limit in bytes. Any context.
#[no_mangle]
pub(crate) extern "C" fn relayfs_max_bytes() -> u64 {
    (limit() as u64).saturating_mul(PAGE_SIZE as u64)
}

/// For the module's parameter: sets the limit. Any context.
///
/// # Safety
///
/// `value` must be a string.
#[no_mangle]
pub(crate) unsafe extern "C" fn relayfs_set_max_bytes(value: *const c_char) -> i32 {
    // SAFETY: As the caller promises.
    match parse_bytes(unsafe { CStr::from_char_ptr(value) }.to_bytes()) {
        Some(bytes) => {
            set_limit(bytes);
            0
        }
        None => EINVAL.to_errno(),
    }
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
        relayfs_set_max_bytes: unsafe extern "C" fn(*const c_char) -> i32,
        relayfs_used_bytes: unsafe extern "C" fn() -> u64
    );
};
