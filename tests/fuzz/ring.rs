// SPDX-License-Identifier: GPL-2.0

//! Operations that the fuzzer thinks of, beside the model of the tests.

#![no_main]
// The module uses all of it, this not quite.
#![allow(dead_code, unused_imports)]

#[path = "../../src/ring/mod.rs"]
mod ring;

use ring::tests::model::{run, Case};

libfuzzer_sys::fuzz_target!(|case: Case| run(&case));
