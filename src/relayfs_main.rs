// SPDX-License-Identifier: GPL-2.0

//! relayfs: a file system through which kernel code hands large amounts of data to user space.
//!
//! The rooms, from the bottom up; each may call those above it in this list:
//!
//! * [`ring`]: one lock-free ring, pure: no kernel types, also built and tested on the host.
//! * [`holder`], [`headcount`], [`turn`], [`watermark`]: what is agreed by a word or two, pure as the ring:
//!   who holds a lock, how many are inside, whose turn it is, when waiting readers are due.
//! * [`percpu`], [`lock`], [`kind`], [`wake`], [`memory`], [`pages`], [`buffer`]: what a
//!   ring needs from the kernel: the CPU it belongs to, what keeps writers apart, how sleeping readers
//!   learn of data, when, and memory, as far as the limit allows.
//! * [`handles`], [`gate`]: numbers that clients hold; what is between us and their code.
//! * [`callbacks`]: what a client wants to be told.
//! * [`metadata`]: the text that describes packets, pure as the ring.
//! * [`channel`]: a client's set of buffers, its attributes and its life.
//! * [`reader`]: what an open file has read of a channel.
//! * [`vfs`]: mount, directories, files, mappings.
//! * [`capi`]: what C clients call.
//! * [`compat`]: the kernel's own relay interface, on top of all that.

use kernel::prelude::*;

mod bindings;
mod buffer;
mod callbacks;
mod capi;
mod channel;
mod compat;
mod gate;
mod handles;
mod headcount;
mod holder;
mod kind;
mod lock;
mod memory;
mod metadata;
mod pages;
mod percpu;
mod reader;
mod ring;
mod turn;
mod vfs;
mod wake;
mod watermark;

module! {
    type: Relayfs,
    name: "relayfs",
    authors: ["The relayfs developers"],
    description: "relay file system: per-CPU ring buffers from the kernel to user space",
    license: "GPL",
    alias: ["fs-relayfs"],
}

struct Relayfs {
    _filesystem: vfs::Registration,
    _compat: compat::Registration,
    _hotplug: channel::hotplug::Registration,
    _list: channel::list::Registration,
}

impl kernel::Module for Relayfs {
    fn init(module: &'static ThisModule) -> Result<Self> {
        memory::init();
        Ok(Self {
            _list: channel::list::Registration::new(),
            _hotplug: channel::hotplug::Registration::new()?,
            _compat: compat::Registration::new(module)?,
            _filesystem: vfs::Registration::new(module)?,
        })
    }
}
