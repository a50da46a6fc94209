// SPDX-License-Identifier: MIT OR Apache-2.0

//! Reading relayfs: channels of a running kernel, and traces that were recorded from them.
//!
//! relayfs carries records from the kernel to user space, in a buffer per CPU. A [`Channel`] is one such
//! carrier; its [`Buffer`]s are read sub-buffer by sub-buffer, by a mapping without any system call as
//! long as there is data, or by `read(2)`, with the same result. A [`SubBuf`] is consumed when it is
//! dropped. What is in it are [`Item`]s: records, and gaps where records are missing. [`Merge`] makes one
//! stream in the order of time of several buffers. [`Trace`] is the same for what was recorded, and
//! [`record`] records. [`Metadata`] gives the fields of events their names and values.
//!
//! ```no_run
//! use relayfs::{Channel, Item, Merge, Options, Watermark};
//!
//! let channel = Channel::open("systrace")?;
//! let metadata = channel.metadata()?.expect("a channel of records");
//! let mut merge = Merge::new(channel.buffers(Options::observer())?, Watermark::default());
//! while let Some(item) = merge.next_item()? {
//!     match item {
//!         Item::Record(record) => println!("{}", record.id),
//!         Item::Lost(lost) => eprintln!("cpu{}: {} records are missing", lost.cpu, lost.records),
//!         Item::Run(_) => {}
//!     }
//! }
//! # Ok::<(), relayfs::Error>(())
//! ```

#![deny(missing_docs, unsafe_op_in_unsafe_fn, unsafe_code)]

mod buffer;
mod channel;
mod error;
mod holes;
mod info;
mod ioctl;
mod item;
pub mod list;
mod map;
mod mapped;
mod merge;
pub mod metadata;
pub mod mount;
mod packet;
mod reading;
pub mod record;
mod source;
#[cfg(test)]
mod tests;
mod trace;
pub mod uapi;
mod wait;

pub use buffer::{Access, Buffer, Options, Role};
pub use channel::Channel;
pub use error::{Error, Result};
pub use info::{InfoText, Row};
pub use item::{Cause, Item, Lost, Record, Run, REFUSED};
pub use merge::{Merge, TraceMerge, Watermark};
pub use metadata::Metadata;
pub use source::{Records, SubBuf};
pub use trace::{Stream, Trace};
pub use wait::Poller;
