// SPDX-License-Identifier: GPL-2.0

//! How a buffer is written: who may, and what keeps writers apart. The one place where a kind is turned
//! into the type that does it.

/// What kind a buffer is of, from when its channel is opened.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// By one CPU, without a lock.
    PerCpu,
    /// By all CPUs, without a lock.
    Global,
    /// By one CPU, with interrupts off.
    PerCpuLocked,
    /// By all CPUs, one at a time.
    GlobalLocked,
}

impl Kind {
    /// Writers need what an NMI cannot wait for.
    pub(crate) fn is_locking(self) -> bool {
        matches!(self, Self::PerCpuLocked | Self::GlobalLocked)
    }
}

/// Evaluates `$body` with `$ring` being the ring of `$buffer` as its writers use it, under the lock they
/// take, if any. To be used on the owning CPU, if there is one, pinned, and not in an NMI if the kind is
/// locking.
macro_rules! with_ring {
    ($buffer:expr, |$ring:ident| $body:expr) => {
        match $buffer.kind() {
            $crate::kind::Kind::PerCpu => {
                let $ring = $buffer.ring();
                $body
            }
            $crate::kind::Kind::Global => {
                let $ring = $buffer.shared();
                $body
            }
            $crate::kind::Kind::PerCpuLocked => {
                let _irqs_off = kernel::interrupt::local_interrupt_disable();
                let $ring = $buffer.locked();
                $body
            }
            $crate::kind::Kind::GlobalLocked => {
                let irqs_off = kernel::interrupt::local_interrupt_disable();
                let _locked = $buffer.lock(&irqs_off);
                let $ring = $buffer.locked();
                $body
            }
        }
    };
}
pub(crate) use with_ring;
