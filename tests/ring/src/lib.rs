// SPDX-License-Identifier: GPL-2.0

//! Mounts the module's pure rooms on the host, where no `kernel` crate exists: that they build proves
//! that they are.

// The module uses all of it, the tests not quite.
#![allow(dead_code, unused_imports)]

#[cfg(loom)]
mod checker;

#[path = "../../../src/headcount.rs"]
mod headcount;

#[path = "../../../src/holder.rs"]
mod holder;

#[cfg(all(test, loom))]
mod loom;

#[cfg(not(loom))]
#[path = "../../../src/metadata.rs"]
mod metadata;

#[path = "../../../src/ring/mod.rs"]
mod ring;

#[path = "../../../src/turn.rs"]
mod turn;

#[path = "../../../src/watermark.rs"]
mod watermark;
