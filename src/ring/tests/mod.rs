// SPDX-License-Identifier: GPL-2.0

//! Host tests of the ring: the very files the module is built from.

#[cfg(not(loom))]
mod basics;
#[cfg(not(loom))]
mod life;
#[cfg(loom)]
mod loom;
#[cfg(not(loom))]
mod model;
#[cfg(not(loom))]
pub(crate) mod nesting;
#[cfg(not(loom))]
mod rare;
#[cfg(not(loom))]
mod threads;
mod world;
