// SPDX-License-Identifier: GPL-2.0

//! Space that was reserved and that nobody will say is filled.
//!
//! In the kernel's relay, `relay_reserve()` is all there is: readers may see what is not written yet. So
//! here the slot stays open until it is known to be filled. A slot of a context that the present one has
//! interrupted is not; one of a context that has interrupted it is, as that is over; and one that was
//! reserved by the same context, before, is, by what clients promise. Of all others one knows only when
//! all tasks have slept since.

use crate::bindings as local;
use crate::buffer::Store;
use crate::ring::{Committed, Ring, Rmw, Slot};
use core::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use kernel::bindings;
use kernel::cpu::CpuId;
use kernel::prelude::*;

/// Task, soft and hard interrupt.
const LEVELS: usize = 3;

/// Who writes.
#[derive(Clone, Copy)]
pub(super) struct Context {
    cpu: usize,
    level: usize,
    task: usize,
    irqs_off: bool,
}

impl Context {
    /// The present one. Preemption must be off.
    pub(super) fn current() -> Self {
        // SAFETY: No conditions.
        let (level, irqs_off, task) = unsafe {
            (
                local::relayfs_helper_context_level(),
                local::relayfs_helper_irqs_disabled(),
                bindings::get_current(),
            )
        };
        Self {
            cpu: CpuId::current().as_u32() as usize,
            level: level as usize,
            task: task as usize,
            irqs_off,
        }
    }

    /// Whether this is an NMI.
    pub(super) fn is_nmi(&self) -> bool {
        self.level >= LEVELS
    }
}

/// A slot that is reserved; `len` is 0 if there is none.
struct Entry {
    pos: AtomicU64,
    len: AtomicU64,
    ticket: AtomicU64,
    task: AtomicUsize,
    irqs_off: AtomicBool,
}

/// The slots of a buffer that are reserved: one for each CPU that may write it and each level.
///
/// # Invariants
///
/// An entry whose `len` is not 0 is a slot of the buffer's ring, reserved and not committed. It changes
/// where writers run only, and under their lock, if there is one.
pub(super) struct Pending {
    entries: KVVec<Entry>,
    count: AtomicUsize,
    tickets: AtomicU64,
}

impl Pending {
    /// `cpus`: how many may write to the buffer.
    pub(super) fn new(cpus: usize) -> Result<Self> {
        let mut entries = KVVec::new();
        for _ in 0..cpus.saturating_mul(LEVELS) {
            let entry = Entry {
                pos: AtomicU64::new(0),
                len: AtomicU64::new(0),
                ticket: AtomicU64::new(0),
                task: AtomicUsize::new(0),
                irqs_off: AtomicBool::new(false),
            };
            entries.push(entry, GFP_KERNEL)?;
        }
        // INVARIANT: There is none.
        Ok(Self {
            entries,
            count: AtomicUsize::new(0),
            tickets: AtomicU64::new(0),
        })
    }

    /// Whether there is any.
    pub(super) fn is_there(&self) -> bool {
        self.count.load(Ordering::Relaxed) != 0
    }

    /// Where a context's entry is: of a buffer of one CPU, all are that one's.
    fn index(&self, context: &Context) -> usize {
        let cpu = if self.entries.len() > LEVELS {
            context.cpu
        } else {
            0
        };
        cpu.wrapping_mul(LEVELS).wrapping_add(context.level)
    }

    /// Keeps a slot. Where writers run; what was due by [`Pending::settle`] is settled. Gives it back
    /// if there is no place for it.
    pub(super) fn keep(&self, slot: Slot, context: &Context) -> Result<(), Slot> {
        match self.entries.get(self.index(context)) {
            Some(entry) if entry.len.load(Ordering::Relaxed) == 0 => {
                let ticket = self.tickets.load(Ordering::Relaxed).wrapping_add(1);
                self.tickets.store(ticket, Ordering::Relaxed);
                // INVARIANT: It is the caller's slot.
                entry.pos.store(slot.pos, Ordering::Relaxed);
                entry.len.store(slot.len, Ordering::Relaxed);
                entry.ticket.store(ticket, Ordering::Relaxed);
                entry.task.store(context.task, Ordering::Relaxed);
                entry.irqs_off.store(context.irqs_off, Ordering::Relaxed);
                self.count.fetch_add(1, Ordering::Relaxed);
                Ok(())
            }
            _ => Err(slot),
        }
    }

    /// The newest there is, or was.
    pub(super) fn newest(&self) -> u64 {
        self.tickets.load(Ordering::Relaxed)
    }

    /// Commits those that `context`, which is to write now, knows to be filled.
    pub(super) fn settle<R: Rmw>(&self, store: &Store, ring: &Ring<R>, context: &Context) {
        if !self.is_there() {
            return;
        }
        let here = self.index(context).wrapping_sub(context.level);
        self.commit(store, ring, |index, entry| {
            let level = index % LEVELS;
            let same_cpu = index.wrapping_sub(level) == here;
            let same_task = level == 0
                && context.level == 0
                && entry.task.load(Ordering::Relaxed) == context.task;
            let over = level >= context.level || entry.irqs_off.load(Ordering::Relaxed);
            same_task || (same_cpu && over)
        });
    }

    /// Commits those up to a ticket.
    pub(super) fn settle_up_to<R: Rmw>(&self, store: &Store, ring: &Ring<R>, newest: u64) {
        self.commit(store, ring, |_, entry| {
            entry.ticket.load(Ordering::Relaxed) <= newest
        });
    }

    fn commit<R: Rmw>(&self, store: &Store, ring: &Ring<R>, due: impl Fn(usize, &Entry) -> bool) {
        // Not `enumerate()`, which can panic as far as the compiler knows.
        let mut next = 0usize;
        for entry in self.entries.iter() {
            let index = next;
            next = next.wrapping_add(1);
            let len = entry.len.load(Ordering::Relaxed);
            if len == 0 || !due(index, entry) {
                continue;
            }
            let pos = entry.pos.load(Ordering::Relaxed);
            // INVARIANT: From now on there is none.
            entry.len.store(0, Ordering::Relaxed);
            self.count.fetch_sub(1, Ordering::Relaxed);
            // INVARIANT: By the type invariants.
            let committed: Committed = ring.commit(Slot { pos, len }, store);
            store.notify(committed);
        }
    }
}

/// Waits until whatever was reserved before is filled: until all tasks have slept, or run in user space,
/// and all interrupts are over. Process context; sleeps.
pub(super) fn wait_until_filled() {
    // SAFETY: Process context.
    unsafe { local::relayfs_helper_synchronize_rcu_tasks() };
}
