// SPDX-License-Identifier: GPL-2.0

//! Deliberate bugs in Rust, one per value of `bug`: each must make its checker speak up.
//!
//! A checker that has never been seen to fire proves nothing by its silence. `run` loads this
//! module once per bug and compares what the kernel's log says.

use core::cell::UnsafeCell;
use core::hint::black_box;
use core::sync::atomic::{AtomicU32, Ordering};
use kernel::prelude::*;
use kernel::sync::{Mutex, SpinLock};
use kernel::time::{delay::fsleep, Delta};
use kernel::{new_mutex, new_spinlock, workqueue};

module! {
    type: Buggy,
    name: "buggy_rust",
    authors: ["The relayfs developers"],
    description: "relayfs: deliberate bugs in Rust, to test the checkers",
    license: "GPL",
    params: {
        bug: i32 {
            default: 0,
            description: "which one",
        },
    },
}

struct Buggy;

impl kernel::Module for Buggy {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        match module_parameters::bug.value() {
            // None: as another module beside that with the bug.
            0 => (),
            1 => out_of_bounds()?,
            2 => use_after_free()?,
            3 => sleep_in_atomic()?,
            4 => lock_order()?,
            5 => leak()?,
            6 => overflow(),
            7 => at_once(race, race)?,
            8 => at_once(|| send(Ordering::Relaxed), receive)?,
            9 => at_once(|| send(Ordering::Release), receive)?,
            10 => assertion(),
            _ => return Err(EINVAL),
        }
        Ok(Buggy)
    }
}

#[inline(never)]
fn out_of_bounds() -> Result {
    let data = KBox::new([1u8; 13], GFP_KERNEL)?;
    let one_past = black_box(13);
    // SAFETY: None: it reads past the end.
    let byte = unsafe { data.as_ptr().add(one_past).read_volatile() };
    pr_info!("read {byte}\n");
    Ok(())
}

#[inline(never)]
fn use_after_free() -> Result {
    let data = KBox::new([1u8; 64], GFP_KERNEL)?;
    let at = data.as_ptr();
    drop(data);
    // SAFETY: None: it was freed.
    let byte = unsafe { at.read_volatile() };
    pr_info!("read {byte}\n");
    Ok(())
}

#[pin_data]
struct Locks {
    #[pin]
    a: SpinLock<u32>,
    #[pin]
    b: SpinLock<u32>,
    #[pin]
    sleeping: Mutex<u32>,
}

fn locks() -> Result<Pin<KBox<Locks>>> {
    let init = pin_init!(Locks {
        a <- new_spinlock!(0),
        b <- new_spinlock!(0),
        sleeping <- new_mutex!(0),
    });
    KBox::pin_init(init, GFP_KERNEL)
}

fn sleep_in_atomic() -> Result {
    let locks = locks()?;
    let a = locks.a.lock();
    let sleeping = locks.sleeping.lock();
    pr_info!("{}\n", *a | *sleeping);
    Ok(())
}

fn lock_order() -> Result {
    let locks = locks()?;
    let a = locks.a.lock();
    let b = locks.b.lock();
    drop(a);
    let a = locks.a.lock();
    pr_info!("{}\n", *a | *b);
    Ok(())
}

#[inline(never)]
fn leak() -> Result {
    for _ in 0..4 {
        core::mem::forget(KBox::new([1u8; 96], GFP_KERNEL)?);
    }
    Ok(())
}

fn overflow() {
    pr_info!("{}\n", black_box(255u8) + black_box(1));
}

fn assertion() {
    debug_assert!(black_box(1) == 2, "one is not two");
}

/// What two threads share without agreeing on whose turn it is.
struct Shared(UnsafeCell<u64>);

// SAFETY: None: there is no lock.
unsafe impl Sync for Shared {}

static DATA: Shared = Shared(UnsafeCell::new(0));
static READY: AtomicU32 = AtomicU32::new(0);
static RUNNING: AtomicU32 = AtomicU32::new(0);

/// Enough for KCSAN, which looks at one access in some thousands.
const ACCESSES: u32 = 100_000;
/// Two CPUs take turns, so these take longer.
const MESSAGES: u32 = 20_000;

/// Runs both on two CPUs, and returns when both are done.
fn at_once(one: fn(), other: fn()) -> Result {
    RUNNING.store(2, Ordering::Relaxed);
    for work in [one, other] {
        workqueue::system_unbound().try_spawn(GFP_KERNEL, move || {
            work();
            RUNNING.fetch_sub(1, Ordering::Release);
        })?;
    }
    while RUNNING.load(Ordering::Acquire) != 0 {
        fsleep(Delta::from_millis(5));
    }
    Ok(())
}

#[inline(never)]
fn race() {
    for n in 0..ACCESSES {
        // SAFETY: None: another thread does the same.
        unsafe { *DATA.0.get() += u64::from(black_box(n)) };
    }
}

/// Messages one at a time. With `order` weaker than release one may be seen before it is written.
#[inline(never)]
fn send(order: Ordering) {
    for n in 0..MESSAGES {
        while READY.load(Ordering::Acquire) != 0 {
            core::hint::spin_loop();
        }
        // SAFETY: The receiver looks only once READY is set; whether it then sees this is the test.
        unsafe { *DATA.0.get() = u64::from(black_box(n)) };
        READY.store(1, order);
    }
}

#[inline(never)]
fn receive() {
    let mut sum = 0u64;
    for _ in 0..MESSAGES {
        while READY.load(Ordering::Acquire) == 0 {
            core::hint::spin_loop();
        }
        // SAFETY: As in `send`.
        sum = sum.wrapping_add(unsafe { *DATA.0.get() });
        READY.store(0, Ordering::Release);
    }
    black_box(sum);
}
