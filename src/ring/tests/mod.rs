// SPDX-License-Identifier: GPL-2.0

//! Host tests of the ring: the very files the module is built from.

#[cfg(all(test, not(loom)))]
mod basics;
#[cfg(all(test, not(loom)))]
mod hooks;
#[cfg(all(test, not(loom)))]
mod life;
#[cfg(all(test, not(loom)))]
mod limit;
#[cfg(loom)]
pub(crate) mod loom;
#[cfg(test)]
mod mapped;
#[cfg(not(loom))]
pub(crate) mod model;
#[cfg(all(test, not(loom)))]
mod nesting;
mod packets;
#[cfg(all(test, not(loom)))]
mod page;
#[cfg(all(test, not(loom)))]
mod random;
#[cfg(all(test, not(loom)))]
mod rare;
#[cfg(all(test, not(loom)))]
mod records;
#[cfg(all(test, not(loom)))]
mod retire;
#[cfg(all(test, not(loom)))]
mod script;
#[cfg(all(test, not(loom)))]
mod speed;
#[cfg(all(test, not(loom)))]
mod threads;
#[cfg(all(test, not(loom)))]
mod watch;
pub(crate) mod world;

#[cfg(loom)]
pub(crate) use self::loom::at;
#[cfg(all(test, not(loom)))]
pub(crate) use self::script::at;
