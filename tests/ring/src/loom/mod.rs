// SPDX-License-Identifier: GPL-2.0

//! What is agreed by a word or two outside of the ring, in every order, by a model checker. What only the
//! kernel has, wait queues and grace periods, is here as far as its order goes.

mod holder;
mod inside;
mod queue;
mod room;
mod turn;
mod wake;

use crate::ring::tests::loom::outcomes;
use loom::{
    cell::UnsafeCell,
    thread::{self, JoinHandle},
};
use std::sync::Arc;

/// Something that goes, or is used by one at a time. Two accesses of which one writes and neither comes after
/// the other end a test.
#[derive(Default)]
struct Thing(UnsafeCell<u64>);

// SAFETY: The checker sees who uses it when another does, and ends the test.
unsafe impl Sync for Thing {}
// SAFETY: As above.
unsafe impl Send for Thing {}

impl Thing {
    fn get(&self) -> u64 {
        // SAFETY: As above.
        self.0.with(|value| unsafe { *value })
    }

    fn set(&self, to: u64) {
        // SAFETY: As above.
        self.0.with_mut(|value| unsafe { *value = to });
    }
}

/// Does `f` with what is shared in another thread.
fn spawn<S: 'static, T: 'static>(s: &Arc<S>, f: impl FnOnce(&S) -> T + 'static) -> JoinHandle<T> {
    let s = s.clone();
    thread::spawn(move || f(&s))
}
