// SPDX-License-Identifier: GPL-2.0

//! The one door to atomics, time and the cost of a LOCK prefix.
//!
//! Everything in `ring/`, and in the other pure rooms, that touches memory another context may touch goes
//! through here. Which
//! read-modify-write instructions a ring uses is a type, chosen when its channel is opened:
//!
//! * [`Owner`]: only the owning CPU writes the word, other CPUs merely read it. Writers nested in
//!   one another by interrupts still need one indivisible instruction, but no LOCK prefix. On
//!   x86-64 that prefix is most of the cost of a write: `cmpxchg` took 2.4 ns without and 10.7 ns
//!   with it, `xadd` 0.5 ns and 9.5 ns (user-mode Linux at native speed, 64-byte records).
//! * [`Shared`]: any CPU may write the word.
//! * [`Locked`]: who writes the word holds the channel's lock; a load and a store do.
//!
//! Why `core::sync::atomic` and not `kernel::sync::atomic`: on a kernel built by GCC the latter is
//! a call into a C helper for each operation (115 instructions for an 8-byte write against 72).
//! The ring therefore relies only on orderings that mean the same in both memory models: acquire
//! loads, release stores and acquire-release read-modify-writes, never on dependencies.
//!
//! Under `cfg(loom)` the atomics are those of the model checker, and it is told who touches the
//! ring's bytes ([`reads`], [`writes`]). So is KCSAN, the kernel's detector of data races: the
//! compiler tells it of Rust's own accesses and atomics, but not of what `memcpy()` does, nor of
//! an `asm!`. Not knowing the latter's ordering it would report races that are none, so on that
//! kernel [`Owner`] uses the atomics of [`Shared`].

#[cfg(loom)]
pub(crate) use crate::checker::{full_barrier, reads, writes, AtomicU64, Ordering};
#[cfg(not(loom))]
pub(crate) use core::sync::atomic::{AtomicU64, Ordering};

/// What comes before it is seen by all before what comes after it. The ring does without.
#[cfg(not(loom))]
#[inline(always)]
pub(crate) fn full_barrier() {
    #[cfg(MODULE)]
    kernel::sync::barrier::smp_mb(kernel::sync::barrier::Full);
    #[cfg(not(MODULE))]
    core::sync::atomic::fence(Ordering::SeqCst);
}

#[cfg(CONFIG_KCSAN)]
extern "C" {
    fn __tsan_read_range(at: *const u8, len: usize);
    fn __tsan_write_range(at: *const u8, len: usize);
}

/// Says that `len` bytes at `at` are read now.
#[cfg(not(loom))]
#[inline(always)]
pub(crate) fn reads(_at: *const u8, _len: usize) {
    #[cfg(CONFIG_KCSAN)]
    // SAFETY: It looks at the addresses only.
    unsafe {
        __tsan_read_range(_at, _len)
    };
}

/// Says that `len` bytes at `at` are written now.
#[cfg(not(loom))]
#[inline(always)]
pub(crate) fn writes(_at: *const u8, _len: usize) {
    #[cfg(CONFIG_KCSAN)]
    // SAFETY: It looks at the addresses only.
    unsafe {
        __tsan_write_range(_at, _len)
    };
}

/// How a ring's words that only writers change are read, modified and written.
pub(crate) trait Rmw {
    /// Whether writers on other CPUs may come between what one does.
    const SHARED: bool = false;

    /// Stores `new` if the word is `old`; acquire-release if it did. Says whether it did.
    fn cmpxchg(word: &AtomicU64, old: u64, new: u64) -> bool;

    /// Adds `n` (wrapping) with acquire-release ordering and returns the value before.
    fn fetch_add(word: &AtomicU64, n: u64) -> u64;
}

/// The words are written from one CPU only, in contexts that may interrupt one another.
pub(crate) struct Owner;

/// The words may be written from every CPU at once.
pub(crate) struct Shared;

/// Whoever writes the words holds a lock and keeps interrupts away.
pub(crate) struct Locked;

impl Rmw for Locked {
    fn cmpxchg(word: &AtomicU64, old: u64, new: u64) -> bool {
        let done = word.load(Ordering::Relaxed) == old;
        if done {
            word.store(new, Ordering::Release);
        }
        done
    }

    fn fetch_add(word: &AtomicU64, n: u64) -> u64 {
        let before = word.load(Ordering::Relaxed);
        word.store(before.wrapping_add(n), Ordering::Release);
        before
    }
}

impl Rmw for Shared {
    const SHARED: bool = true;

    #[inline(always)]
    #[cfg_attr(loom, track_caller)]
    fn cmpxchg(word: &AtomicU64, old: u64, new: u64) -> bool {
        word.compare_exchange(old, new, Ordering::AcqRel, Ordering::Relaxed)
            .is_ok()
    }

    #[inline(always)]
    #[cfg_attr(loom, track_caller)]
    fn fetch_add(word: &AtomicU64, n: u64) -> u64 {
        word.fetch_add(n, Ordering::AcqRel)
    }
}

#[cfg(all(target_arch = "x86_64", not(any(miri, loom, CONFIG_KCSAN))))]
impl Rmw for Owner {
    #[inline(always)]
    fn cmpxchg(word: &AtomicU64, old: u64, new: u64) -> bool {
        // In the module the compiler may branch on the flag itself, which the compiler of the tests
        // does not know yet.
        // SAFETY: `word` is valid for reads and writes. A single instruction cannot be split by an
        // interrupt, and by the contract of `Owner` no other CPU writes the word. The asm clobbers
        // memory, so the compiler moves no access across it; x86 keeps loads and stores in an
        // order at least as strong as acquire-release.
        #[cfg(MODULE)]
        unsafe {
            core::arch::asm!(
                "cmpxchg [{word}], {new}",
                "jne {other}",
                word = in(reg) word.as_ptr(),
                new = in(reg) new,
                inout("rax") old => _,
                other = label { return false },
                options(nostack),
            );
            true
        }
        // SAFETY: As above.
        #[cfg(not(MODULE))]
        unsafe {
            let done: u8;
            core::arch::asm!(
                "cmpxchg [{word}], {new}",
                "sete {done}",
                word = in(reg) word.as_ptr(),
                new = in(reg) new,
                done = out(reg_byte) done,
                inout("rax") old => _,
                options(nostack),
            );
            done != 0
        }
    }

    #[inline(always)]
    fn fetch_add(word: &AtomicU64, n: u64) -> u64 {
        let before: u64;
        // SAFETY: As for `cmpxchg` above.
        unsafe {
            core::arch::asm!(
                "xadd [{word}], {n}",
                word = in(reg) word.as_ptr(),
                n = inout(reg) n => before,
                options(nostack),
            );
        }
        before
    }
}

/// What other CPUs see of an instruction without LOCK prefix: a load, then a store.
#[cfg(loom)]
impl Rmw for Owner {
    #[track_caller]
    fn cmpxchg(word: &AtomicU64, old: u64, new: u64) -> bool {
        let done = word.load(Ordering::Acquire) == old;
        if done {
            word.store(new, Ordering::Release);
        }
        done
    }

    #[track_caller]
    fn fetch_add(word: &AtomicU64, n: u64) -> u64 {
        let before = word.load(Ordering::Acquire);
        word.store(before.wrapping_add(n), Ordering::Release);
        before
    }
}

#[cfg(not(any(loom, all(target_arch = "x86_64", not(any(miri, CONFIG_KCSAN))))))]
impl Rmw for Owner {
    #[inline(always)]
    fn cmpxchg(word: &AtomicU64, old: u64, new: u64) -> bool {
        Shared::cmpxchg(word, old, new)
    }

    #[inline(always)]
    fn fetch_add(word: &AtomicU64, n: u64) -> u64 {
        Shared::fetch_add(word, n)
    }
}

/// Monotonic time in nanoseconds, from any context including NMI.
#[cfg(MODULE)]
#[inline]
pub(crate) fn now() -> u64 {
    // SAFETY: May be called in any context.
    unsafe { kernel::bindings::ktime_get_mono_fast_ns() }
}

/// The CPU's time stamp counter; where there is none, nanoseconds.
#[cfg(all(target_arch = "x86_64", not(miri)))]
pub(crate) fn cycles() -> u64 {
    let (low, high): (u32, u32);
    // SAFETY: Every x86-64 CPU has it, and the kernel does not forbid it to itself. The fence keeps
    // the reading behind all loads before it, as `rdtsc_ordered()` does.
    unsafe {
        core::arch::asm!(
            "lfence",
            "rdtsc",
            out("eax") low,
            out("edx") high,
            options(nostack, preserves_flags),
        )
    };
    u64::from(high) << 32 | u64::from(low)
}

/// See above.
#[cfg(not(all(target_arch = "x86_64", not(miri))))]
pub(crate) fn cycles() -> u64 {
    now()
}

/// A clock that ticks once per reading, so that tests are repeatable.
#[cfg(not(MODULE))]
pub(crate) fn ticks() -> u64 {
    static TICKS: core::sync::atomic::AtomicU64 = core::sync::atomic::AtomicU64::new(1);
    TICKS.fetch_add(1, core::sync::atomic::Ordering::Relaxed)
}

#[cfg(not(MODULE))]
std::thread_local! {
    /// What a thread's tests take for the time.
    pub(crate) static CLOCK: std::cell::Cell<fn() -> u64> = const { std::cell::Cell::new(ticks) };
}

/// The time.
#[cfg(not(MODULE))]
pub(crate) fn now() -> u64 {
    CLOCK.get()()
}
