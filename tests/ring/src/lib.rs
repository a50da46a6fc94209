// SPDX-License-Identifier: GPL-2.0

//! Mounts the module's ring on the host, where no `kernel` crate exists: that it builds proves that
//! it is pure.

// The module uses all of it, the tests not quite.
#![allow(dead_code, unused_imports)]

#[cfg(loom)]
mod checker;

#[path = "../../../src/ring/mod.rs"]
mod ring;
