// SPDX-License-Identifier: MIT OR Apache-2.0

//! Tests of the library in a guest that has relayfs and the clients of tests/modules. Output is TAP.

mod driver;
mod merging;
mod observers;
mod samples;
mod streams;

use std::panic;

/// A test. It panics if it fails.
type Test = (&'static str, fn());

fn main() {
    let tests: Vec<Test> = [
        streams::TESTS,
        merging::TESTS,
        observers::TESTS,
        samples::TESTS,
    ]
    .concat();
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    let tests: Vec<_> = tests
        .iter()
        .filter(|(name, _)| wanted.is_empty() || wanted.iter().any(|word| name.contains(word)))
        .collect();
    println!("TAP version 13\n1..{}", tests.len());
    let mut failed = false;
    for (at, (name, test)) in tests.iter().enumerate() {
        let good = panic::catch_unwind(test).is_ok();
        failed |= !good;
        println!("{}ok {} {name}", if good { "" } else { "not " }, at + 1);
    }
    std::process::exit(failed.into());
}
