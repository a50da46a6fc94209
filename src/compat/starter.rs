// SPDX-License-Identifier: GPL-2.0

//! The turns of a buffer's sub-buffers, as a client of the kernel's relay is told of them: by
//! `subbuf_start()`, which ends one and begins, or refuses, the next.
//!
//! A ring's sub-buffer that has ended is not open to readers before its `whole` hook returns: that is
//! when the client is asked, so what it writes to the start of that is there before readers are. What
//! it writes to the start of the next goes to a scratch area, and from there to where that lies when it
//! is entered, which may be another place than it would be now if readers are in the way.

use super::bindings as c;
use super::pending::{self, Pending};
use super::view::View;
use crate::buffer::{Store, Turns};
use crate::channel::on_owner;
use crate::kind::with_ring;
use crate::percpu::Pinned;
use crate::ring::{Opened, Whole};
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicU8, AtomicUsize, Ordering};
use kernel::cpu::CpuId;
use kernel::ffi::c_void;
use kernel::prelude::*;

/// What the client has said of the next sub-buffer.
const UNASKED: u8 = 0;
const ALLOWED: u8 = 1;
const REFUSED: u8 = 2;

/// Nobody runs in a callback.
const NOBODY: u32 = u32::MAX;

/// As many bytes as a sub-buffer takes.
struct Scratch {
    at: *mut u8,
    _memory: KVVec<u8>,
}

impl Scratch {
    fn new(len: usize) -> Result<Self> {
        let mut memory = KVVec::from_elem(0u8, len, GFP_KERNEL)?;
        Ok(Self {
            at: memory.as_mut_ptr(),
            _memory: memory,
        })
    }
}

/// What a client's sizes are.
#[derive(Clone, Copy)]
pub(super) struct Sizes {
    pub(super) subbuf_size: u64,
    pub(super) n_subbufs: u64,
}

type SubbufStart = unsafe extern "C" fn(*mut c::rchan_buf, *mut c_void, *mut c_void) -> i32;

/// See above. But for the first question all goes on where the buffer is written, under the lock its
/// writers take, if there is one.
pub(super) struct Starter {
    view: View,
    sizes: Sizes,
    subbuf_start: Option<SubbufStart>,
    /// Where the client begins the next sub-buffer.
    next_start: Scratch,
    /// What it said at the start of the last, when it refused the next.
    last_start: Scratch,
    /// How many bytes it reserves.
    reserve: AtomicU32,
    next: AtomicU8,
    /// Sequence number of the sub-buffer entered last, plus 1.
    entered: AtomicU64,
    /// Sequence number of the client's first.
    base: AtomicU64,
    /// Sub-buffers with a lower sequence number were reported as consumed.
    reported: AtomicU64,
    /// The buffer is being reset: what ends is thrown away.
    resetting: AtomicBool,
    /// The CPU on which the client is asked.
    asking: AtomicU32,
    /// Unused bytes at the end of the client's sub-buffers.
    padding: KVVec<AtomicUsize>,
    pub(super) pending: Pending,
}

// SAFETY: The scratch areas are used where the buffer is written only, by one at a time.
unsafe impl Send for Starter {}
// SAFETY: As above.
unsafe impl Sync for Starter {}

impl Starter {
    /// `cpus`: how many may write to the buffer. `view` must be good until its channel is closed.
    pub(super) fn new(
        view: View,
        sizes: Sizes,
        subbuf_start: Option<SubbufStart>,
        cpus: usize,
    ) -> Result<Self> {
        let scratch = match subbuf_start {
            Some(_) => sizes.subbuf_size as usize,
            None => 0,
        };
        let mut padding = KVVec::new();
        for _ in 0..sizes.n_subbufs {
            padding.push(AtomicUsize::new(0), GFP_KERNEL)?;
        }
        Ok(Self {
            view,
            sizes,
            subbuf_start,
            next_start: Scratch::new(scratch)?,
            last_start: Scratch::new(scratch)?,
            reserve: AtomicU32::new(0),
            next: AtomicU8::new(UNASKED),
            entered: AtomicU64::new(0),
            base: AtomicU64::new(0),
            reported: AtomicU64::new(0),
            resetting: AtomicBool::new(false),
            asking: AtomicU32::new(NOBODY),
            padding,
            pending: Pending::new(cpus)?,
        })
    }

    pub(super) fn view(&self) -> &View {
        &self.view
    }

    /// What becomes `rchan_buf.padding`.
    pub(super) fn padding(&self) -> *mut usize {
        self.padding.as_ptr().cast_mut().cast()
    }

    /// Whether this is called from the client's own `subbuf_start()`. Preemption must be off.
    pub(super) fn is_asking_here(&self) -> bool {
        self.asking.load(Ordering::Relaxed) == CpuId::current().as_u32()
    }

    /// Asks about the very first sub-buffer, so that the client can reserve and begin it; whatever it
    /// answers, that is entered. How many bytes it has reserved.
    pub(super) fn begin(&self) -> u32 {
        let reserved = self.ask(core::ptr::null_mut()).1;
        self.next.store(ALLOWED, Ordering::Relaxed);
        reserved as u32
    }

    /// What clients are shown as the buffer's memory until there is that.
    pub(super) fn scratch(&self) -> *mut c_void {
        self.next_start.at.cast()
    }

    pub(super) fn reserve(&self) -> u32 {
        self.reserve.load(Ordering::Relaxed)
    }

    /// How many bytes the channel keeps at the start of sub-buffers.
    pub(super) fn set_reserve(&self, reserve: u32) {
        self.reserve.store(reserve, Ordering::Relaxed);
    }

    /// The client's answer to whether the next sub-buffer may begin, and how many bytes it reserved.
    fn ask(&self, prev: *mut u8) -> (bool, usize) {
        let Some(subbuf_start) = self.subbuf_start else {
            self.view.offset().store(0, Ordering::Relaxed);
            return (true, 0);
        };
        let _pinned = Pinned::new();
        self.view.offset().store(0, Ordering::Relaxed);
        self.asking
            .store(CpuId::current().as_u32(), Ordering::Relaxed);
        // SAFETY: The client's callback, called as it is documented to be.
        let answer =
            unsafe { subbuf_start(self.view.as_ptr(), self.next_start.at.cast(), prev.cast()) };
        self.asking.store(NOBODY, Ordering::Relaxed);
        (answer != 0, self.view.offset().load(Ordering::Relaxed))
    }

    /// Asks about what comes after the sub-buffer at `prev`, and remembers what is said.
    fn ask_next(&self, store: &Store, prev: *mut u8) -> bool {
        self.look(store);
        let (yes, reserved) = self.ask(prev);
        let reserve = self.reserve.load(Ordering::Relaxed) as usize;
        if yes && reserved != reserve {
            warn_of_reserve(reserved, reserve);
        }
        let (next, offset) = if yes {
            (ALLOWED, reserve)
        } else {
            (REFUSED, self.refused_offset())
        };
        self.next.store(next, Ordering::Relaxed);
        self.view.offset().store(offset, Ordering::Relaxed);
        yes
    }

    /// What `rchan_buf.offset` is when there is no room.
    fn refused_offset(&self) -> usize {
        (self.sizes.subbuf_size as usize).wrapping_add(1)
    }

    /// The client's number of the sub-buffer that is, or is to be, written.
    fn produced(&self, store: &Store) -> u64 {
        let seq = store.geo().seq(store.ring().written_pos());
        seq.saturating_sub(self.base.load(Ordering::Relaxed))
    }

    /// That of the oldest that is not consumed.
    fn consumed(&self, store: &Store) -> u64 {
        let seq = store.geo().seq(store.ring().consumer_pos());
        let seq = seq.max(self.reported.load(Ordering::Relaxed));
        seq.saturating_sub(self.base.load(Ordering::Relaxed))
    }

    /// Brings the counts the client sees up to date. Says whether that is full. Any context.
    pub(super) fn look(&self, store: &Store) -> bool {
        let consumed = self.consumed(store);
        let produced = self.produced(store);
        self.view
            .produced()
            .store(produced as usize, Ordering::Relaxed);
        self.view
            .consumed()
            .store(consumed.min(produced) as usize, Ordering::Relaxed);
        produced.saturating_sub(consumed) >= self.sizes.n_subbufs
    }

    /// Some more sub-buffers were consumed; no more than there are. Any context but NMI. The sequence
    /// number up to which all are.
    pub(super) fn report_consumed(&self, store: &Store, n: u64) -> u64 {
        let base = self.base.load(Ordering::Relaxed);
        let produced = base.wrapping_add(self.produced(store));
        let consumed = base.wrapping_add(self.consumed(store));
        let seq = consumed.saturating_add(n).min(produced);
        self.reported.fetch_max(seq, Ordering::Relaxed);
        self.look(store);
        seq
    }

    fn padding_of(&self, seq: u64) -> Option<&AtomicUsize> {
        let number = seq.wrapping_sub(self.base.load(Ordering::Relaxed));
        self.padding
            .get(number.checked_rem(self.sizes.n_subbufs)? as usize)
    }

    /// What ends from now on was thrown away, or is not any more.
    pub(super) fn set_resetting(&self, yes: bool) {
        self.resetting.store(yes, Ordering::Relaxed);
    }

    /// All that was written is thrown away: counts from the start. Where the buffer is written.
    pub(super) fn begin_anew(&self, store: &Store) {
        let geo = store.geo();
        let pos = store.ring().written_pos();
        let seq = geo.seq(pos);
        self.base.store(seq, Ordering::Relaxed);
        self.reported.store(seq, Ordering::Relaxed);
        for padding in &self.padding {
            padding.store(0, Ordering::Relaxed);
        }
        let view = &self.view;
        for count in [view.full(), view.too_big(), view.lost()] {
            count.store(0, Ordering::Relaxed);
        }
        if geo.offset(pos) == 0 {
            self.entered.store(0, Ordering::Relaxed);
            view.data()
                .store(store.ring().address(pos).cast(), Ordering::Relaxed);
            let reserved = self.begin();
            view.offset().store(reserved as usize, Ordering::Relaxed);
        }
        self.look(store);
    }

    /// Commits what was reserved up to a ticket, which is filled. Process context.
    pub(super) fn settle_up_to(&self, store: &Store, newest: u64) {
        on_owner(store, |store| {
            let _pinned = Pinned::new();
            with_ring!(store, |ring| self.pending.settle_up_to(store, ring, newest));
        });
    }

    /// A record was written to `offset` of the current sub-buffer.
    pub(super) fn wrote_to(&self, offset: u64) {
        self.view.offset().store(offset as usize, Ordering::Relaxed);
    }

    /// There was no room for a record.
    pub(super) fn was_full(&self) {
        self.view
            .offset()
            .store(self.refused_offset(), Ordering::Relaxed);
    }
}

/// Once, as it would be said for each sub-buffer.
#[cold]
fn warn_of_reserve(reserved: usize, reserve: usize) {
    static SAID: AtomicBool = AtomicBool::new(false);
    if !SAID.swap(true, Ordering::Relaxed) {
        pr_warn!(
            "subbuf_start() reserves {reserved} bytes, after {reserve} at first: it gets those\n"
        );
    }
}

impl Turns for Starter {
    fn may_enter(&self, store: &Store) -> bool {
        if self.subbuf_start.is_none() {
            return !self.look(store);
        }
        let entered = self.entered.load(Ordering::Relaxed);
        match self.next.load(Ordering::Relaxed) {
            ALLOWED => true,
            // One that it was refused before, or that was thrown away: readers may be in the last.
            next => {
                let seq = entered.wrapping_sub(1);
                let prev = if entered == 0 {
                    core::ptr::null_mut()
                } else if next == UNASKED && !store.ring().is_delivered(seq) {
                    // A writer that this one interrupted has not filled it yet.
                    store.ring().address(store.geo().start(seq))
                } else {
                    self.last_start.at
                };
                self.ask_next(store, prev)
            }
        }
    }

    fn opened(&self, store: &Store, opened: &Opened) {
        let reserve = u64::from(self.reserve.load(Ordering::Relaxed)).min(opened.start.len);
        // SAFETY: Both are that long: the reserve is shorter than a sub-buffer. The start is ours to
        // fill.
        unsafe {
            opened
                .start
                .at
                .copy_from_nonoverlapping(self.next_start.at, reserve as usize)
        };
        self.entered
            .store(opened.seq.wrapping_add(1), Ordering::Relaxed);
        self.next.store(UNASKED, Ordering::Relaxed);
        self.view
            .data()
            .store(opened.start.at.cast(), Ordering::Relaxed);
        self.wrote_to(reserve);
        if let Some(padding) = self.padding_of(opened.seq) {
            padding.store(0, Ordering::Relaxed);
        }
        self.look(store);
    }

    fn whole(&self, store: &Store, whole: &Whole) {
        if let Some(padding) = self.padding_of(whole.seq) {
            padding.store(whole.padding as usize, Ordering::Relaxed);
        }
        let last = self.entered.load(Ordering::Relaxed) == whole.seq.wrapping_add(1);
        let unasked = self.next.load(Ordering::Relaxed) == UNASKED;
        if self.subbuf_start.is_none()
            || self.resetting.load(Ordering::Relaxed)
            || !last
            || !unasked
        {
            self.look(store);
            return;
        }
        if !self.ask_next(store, whole.start.at) {
            let reserve = self.reserve.load(Ordering::Relaxed) as usize;
            // SAFETY: Both are that long, and readers only read the sub-buffer.
            unsafe {
                self.last_start
                    .at
                    .copy_from_nonoverlapping(whole.start.at, reserve)
            };
        }
    }

    fn is_pending(&self) -> bool {
        self.pending.is_there()
    }

    fn settle(&self, store: &Store) {
        let newest = self.pending.newest();
        pending::wait_until_filled();
        self.settle_up_to(store, newest);
    }
}
