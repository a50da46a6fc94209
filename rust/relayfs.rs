// SPDX-License-Identifier: GPL-2.0

//! relayfs for clients in Rust: safe types over the C API of `include/linux/relayfs_fs.h`, where
//! the terms and rules are explained.
//!
//! A client includes this file, since modules share no Rust crates, and links to `relayfs.ko` like
//! one in C:
//!
//! ```text
//! #[path = "../rust/relayfs.rs"]
//! mod relayfs;
//! ```
//!
//! A channel is opened by a [`Builder`]; [`OpenChannel`] closes it when it is dropped. All that is
//! done with it is done with a [`Channel`], to which that dereferences.
//!
//! ```
//! let channel = Channel::builder(c"net/rx").n_subbufs(16).open()?;
//! channel.write(b"a record\n")?;
//!
//! let mut slot = channel.reserve(12)?;
//! slot.append(&7u32.to_ne_bytes())?;
//! slot.append(&8u64.to_ne_bytes())?;
//! slot.commit();
//! ```
//!
//! What must not be does not compile: a [`Slot`] is used up by its commit, it borrows its channel,
//! and it stays on its task, so a future that may move to another one cannot `.await` with it; what a
//! client's [`Callbacks`] need lives until the channel is closed. What no type can say is that nothing
//! sleeps: as with a spinlock's guard, who has a [`Slot`] or a [`Locked`] must not, and a kernel with
//! `CONFIG_DEBUG_ATOMIC_SLEEP` tells who does.
//!
//! Each function says in which context it may be called: *any* includes NMI; *process* may sleep.

// A client need not use all of it.
#![allow(dead_code, unused_imports)]

#[path = "relayfs/builder.rs"]
mod builder;
#[path = "relayfs/callbacks.rs"]
mod callbacks;
#[path = "relayfs/channel.rs"]
mod channel;
#[allow(
    clippy::all,
    clippy::undocumented_unsafe_blocks,
    improper_ctypes,
    missing_docs,
    non_camel_case_types,
    non_upper_case_globals,
    unreachable_pub,
    unused_imports
)]
#[path = "relayfs/ffi.rs"]
mod ffi;
#[path = "relayfs/files.rs"]
mod files;
#[path = "relayfs/info.rs"]
mod info;
#[path = "relayfs/reader.rs"]
mod reader;
#[path = "relayfs/schema.rs"]
mod schema;
#[path = "relayfs/slot.rs"]
mod slot;

pub(crate) use builder::{Builder, Clock, Node, Reserves, Watermark};
pub(crate) use callbacks::{
    Begun, Callbacks, Delivered, Ended, Nothing, Resize, Subbuf, UserAction,
};
pub(crate) use channel::{Channel, Locked, OpenChannel};
pub(crate) use files::{Directory, File, Parent, Show, Store};
pub(crate) use info::{Count, Info};
pub(crate) use reader::{MapReader, Reader, Which};
pub(crate) use schema::{EventType, Schema};
pub(crate) use slot::Slot;
