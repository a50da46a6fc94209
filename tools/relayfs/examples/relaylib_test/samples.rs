// SPDX-License-Identifier: MIT OR Apache-2.0

//! The sample clients, whose modules lie beside the tests.

use crate::Test;
use relayfs::{Channel, Item, Merge, Options, Watermark};
use std::fs;
use std::process::Command;
use std::time::Duration;

pub const TESTS: &[Test] = &[
    ("systrace: every event is decoded, in order", systrace),
    ("klog: what is written there is read by both ways", klog),
];

/// A module, as long as this lives.
struct Module(&'static str);

impl Module {
    fn load(name: &'static str) -> Self {
        let file = format!("{name}.ko");
        assert!(Command::new("insmod").arg(file).status().unwrap().success());
        Self(name)
    }
}

impl Drop for Module {
    fn drop(&mut self) {
        let _ = Command::new("rmmod").arg(self.0).status();
    }
}

fn systrace() {
    let _module = Module::load("systrace");
    let channel = Channel::open("systrace").unwrap();
    let metadata = channel.metadata().unwrap().unwrap();
    let buffers = channel.buffers(Options::observer()).unwrap();
    let mut merge = Merge::new(buffers, Watermark::default());
    let (mut events, mut last) = (0, 0);
    while events < 1000 {
        // System calls.
        let _ = fs::metadata("/proc/self/status");
        match merge.next_item().unwrap() {
            Some(Item::Record(event)) => {
                assert!(event.timestamp >= last);
                last = event.timestamp;
                let (kind, fields) = metadata.decode(&event).unwrap();
                assert!(!kind.name().is_empty() && !fields.is_empty());
                events += 1;
            }
            Some(_) => {}
            None => drop(merge.wait(Some(Duration::from_millis(10))).unwrap()),
        }
    }
    assert_eq!(merge.late(), 0);
}

fn klog() {
    let _module = Module::load("klog");
    let channel = Channel::open("klog").unwrap();
    let mut only = channel.buffers(Options::exclusive()).unwrap();
    let read = Options::observer().access(relayfs::Access::Read);
    let mut observers = channel.buffers(read).unwrap();
    fs::write("/dev/kmsg", "relaylib_test was here\n").unwrap();
    channel.flush().unwrap();
    let mut found = [Vec::new(), Vec::new()];
    for (buffers, found) in [&mut only, &mut observers].into_iter().zip(&mut found) {
        for buffer in buffers {
            while let Some(subbuf) = buffer.next_subbuf().unwrap() {
                found.extend_from_slice(subbuf.bytes());
            }
        }
    }
    assert!(!found[0].is_empty());
    // The kernel may have said something meanwhile.
    assert!(found[1].starts_with(&found[0]));
}
