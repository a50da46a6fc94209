// SPDX-License-Identifier: GPL-2.0

//! What the ring's door to atomics opens to when a model checker runs it.

use loom::cell::UnsafeCell;
pub(crate) use loom::sync::atomic::Ordering;
use std::cell::RefCell;
use std::panic::Location;
use std::sync::LazyLock;

/// A word of which the checker tries all orders of accesses.
///
/// Loom tries another order only where the newest access to a word is another thread's, and a
/// thread that loads a word before it changes it is the newest itself: the loads of others before
/// it would all stay before it. So each access is announced on a second word, by an exchange that
/// orders nothing: of these no two may change places unnoticed.
#[derive(Default)]
pub(crate) struct AtomicU64 {
    word: loom::sync::atomic::AtomicU64,
    turn: loom::sync::atomic::AtomicU64,
}

impl AtomicU64 {
    pub(crate) fn new(value: u64) -> Self {
        Self {
            word: loom::sync::atomic::AtomicU64::new(value),
            turn: Default::default(),
        }
    }

    #[track_caller]
    pub(crate) fn load(&self, order: Ordering) -> u64 {
        self.turn.swap(0, Ordering::Relaxed);
        self.word.load(left_of(order))
    }

    #[track_caller]
    pub(crate) fn store(&self, value: u64, order: Ordering) {
        self.word.store(value, left_of(order));
    }

    #[track_caller]
    pub(crate) fn fetch_add(&self, n: u64, order: Ordering) -> u64 {
        self.word.fetch_add(n, left_of(order))
    }

    #[track_caller]
    pub(crate) fn fetch_sub(&self, n: u64, order: Ordering) -> u64 {
        self.word.fetch_sub(n, left_of(order))
    }

    #[track_caller]
    pub(crate) fn fetch_or(&self, bits: u64, order: Ordering) -> u64 {
        self.word.fetch_or(bits, left_of(order))
    }

    #[track_caller]
    pub(crate) fn fetch_min(&self, value: u64, order: Ordering) -> u64 {
        self.word.fetch_min(value, left_of(order))
    }

    #[track_caller]
    pub(crate) fn swap(&self, value: u64, order: Ordering) -> u64 {
        self.word.swap(value, left_of(order))
    }

    #[track_caller]
    pub(crate) fn compare_exchange(
        &self,
        old: u64,
        new: u64,
        success: Ordering,
        failure: Ordering,
    ) -> Result<u64, u64> {
        self.word
            .compare_exchange(old, new, left_of(success), failure)
    }
}

/// As that of the door.
#[track_caller]
pub(crate) fn full_barrier() {
    if left_of(Ordering::SeqCst) == Ordering::SeqCst {
        loom::sync::atomic::fence(Ordering::SeqCst);
    }
}

/// The order an access has, asked for `order`. `RELAYFS_WEAKEN=FILE:LINE:HALF,...` takes `acquire` or
/// `release` away from the accesses in those lines, or a `barrier`; `tests/ring/weaken` does so.
#[track_caller]
fn left_of(mut order: Ordering) -> Ordering {
    static WEAKEN: LazyLock<String> =
        LazyLock::new(|| std::env::var("RELAYFS_WEAKEN").unwrap_or_default());
    if WEAKEN.is_empty() {
        return order;
    }
    let here = Location::caller();
    let site = format!("{}:{}", here.file(), here.line());
    for (place, half) in WEAKEN.split(',').filter_map(|one| one.rsplit_once(':')) {
        if site.ends_with(place) {
            order = match (order, half) {
                (Ordering::AcqRel, "acquire") => Ordering::Release,
                (Ordering::AcqRel, "release") => Ordering::Acquire,
                _ => Ordering::Relaxed,
            };
        }
    }
    order
}

/// The bytes of a ring, each with a cell of the checker's. An access that does not come after an
/// earlier one, where one of the two writes, ends the test: whatever the bytes are, it is a race.
struct Bytes {
    start: usize,
    cells: Vec<UnsafeCell<()>>,
}

thread_local! {
    /// Those of the rings that are checked. All threads of a model are run by one of the host's.
    static BYTES: RefCell<Vec<Bytes>> = const { RefCell::new(Vec::new()) };
}

/// From now on the `len` bytes at `start` are a ring's.
pub(crate) fn track(start: *const u8, len: usize) {
    let cells = (0..len).map(|_| UnsafeCell::new(())).collect();
    let start = start.addr();
    BYTES.with_borrow_mut(|all| all.push(Bytes { start, cells }));
}

/// The ring's bytes at `start` are no more.
pub(crate) fn forget(start: *const u8) {
    BYTES.with_borrow_mut(|all| all.retain(|bytes| bytes.start != start.addr()));
}

fn each(at: *const u8, len: usize, f: impl Fn(&UnsafeCell<()>)) {
    if len == 0 {
        return;
    }
    BYTES.with_borrow(|all| {
        let within = |bytes: &&Bytes| {
            let end = bytes.start + bytes.cells.len();
            (bytes.start..end).contains(&at.addr())
        };
        let bytes = all.iter().find(within).expect("the ring is tracked");
        let first = at.addr() - bytes.start;
        bytes.cells[first..first + len].iter().for_each(f);
    });
}

/// Says that `len` bytes at `at` are read now.
pub(crate) fn reads(at: *const u8, len: usize) {
    each(at, len, |cell| cell.with(|_| ()));
}

/// Says that `len` bytes at `at` are written now.
pub(crate) fn writes(at: *const u8, len: usize) {
    each(at, len, |cell| cell.with_mut(|_| ()));
}
