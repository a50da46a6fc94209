// SPDX-License-Identifier: GPL-2.0

//! Two CPUs and a lock that its holder takes again.

use super::{outcomes, spawn, Thing};
use crate::holder::Holder;
use loom::sync::Mutex;
use std::sync::Arc;

struct Section {
    lock: Mutex<()>,
    holder: Holder,
    data: Thing,
}

impl Section {
    /// Writes, nested in itself.
    fn write(&self, me: u64) {
        let mut held = None;
        self.holder
            .enter(me, || held = Some(self.lock.lock().unwrap()));
        assert!(held.is_some());
        self.data.set(self.data.get() + 1);
        self.holder.enter(me, || panic!("it is held"));
        self.data.set(self.data.get() + 1);
        self.holder.leave(|| panic!("it goes on"));
        self.data.set(self.data.get() + 1);
        self.holder.leave(|| drop(held.take()));
        assert!(held.is_none());
    }
}

#[test]
fn one_at_a_time_and_nested() {
    let written = outcomes(3, || {
        let section = Arc::new(Section {
            lock: Mutex::new(()),
            holder: Holder::new(),
            data: Thing::default(),
        });
        let other = spawn(&section, |section| {
            section.write(2);
            section.write(2);
        });
        section.write(1);
        other.join().unwrap();
        section.data.get()
    });
    assert_eq!(written, [9].into());
}
