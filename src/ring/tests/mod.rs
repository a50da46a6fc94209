// SPDX-License-Identifier: GPL-2.0

//! Host tests of the ring: the very files the module is built from.

mod basics;
mod model;
pub(crate) mod nesting;
mod rare;
mod threads;
mod world;
