// SPDX-License-Identifier: MIT OR Apache-2.0

//! The ioctls of relayfs, each a safe function of a descriptor.
#![allow(unsafe_code)]

use crate::uapi::{Count, Info};
use rustix::fd::AsFd;
use rustix::io::Result;
use rustix::ioctl::{self, opcode, Getter, NoArg, Opcode, Setter, Updater};

const MAGIC: u8 = 0xE1;
pub(crate) const OBSERVE: Opcode = opcode::none(MAGIC, 0);
pub(crate) const GET_LOST: Opcode = opcode::read::<Count>(MAGIC, 1);
pub(crate) const SET_WATERMARK: Opcode = opcode::write::<u64>(MAGIC, 2);
pub(crate) const SET_FLUSH_INTERVAL: Opcode = opcode::write::<u32>(MAGIC, 3);
pub(crate) const FLUSH: Opcode = opcode::read::<u64>(MAGIC, 4);
pub(crate) const RESET: Opcode = opcode::none(MAGIC, 5);
pub(crate) const GET_INFO: Opcode = opcode::read_write::<Info>(MAGIC, 6);
pub(crate) const CONSUME: Opcode = opcode::write::<u64>(MAGIC, 7);

/// From now on this descriptor reads without consuming.
pub(crate) fn observe(fd: impl AsFd) -> Result<()> {
    // SAFETY: That ioctl takes no argument.
    unsafe { ioctl::ioctl(fd, NoArg::<OBSERVE>::new()) }
}

/// What was overwritten before this descriptor read it.
pub(crate) fn lost(fd: impl AsFd) -> Result<Count> {
    // SAFETY: That ioctl fills in a `struct relayfs_lost`, of which all bytes are valid.
    unsafe { ioctl::ioctl(fd, Getter::<GET_LOST, Count>::new()) }
}

/// How many unread bytes wake this descriptor; 0: as the channel has it.
pub(crate) fn set_watermark(fd: impl AsFd, bytes: u64) -> Result<()> {
    // SAFETY: That ioctl reads a `__u64`.
    unsafe { ioctl::ioctl(fd, Setter::<SET_WATERMARK, u64>::new(bytes)) }
}

/// How many milliseconds less than the watermark may stay; 0: as the channel has it.
pub(crate) fn set_flush_interval(fd: impl AsFd, ms: u32) -> Result<()> {
    // SAFETY: That ioctl reads a `__u32`.
    unsafe { ioctl::ioctl(fd, Setter::<SET_FLUSH_INTERVAL, u32>::new(ms)) }
}

/// Ends the current sub-buffers; the channel's time before which all can be read now.
pub(crate) fn flush(fd: impl AsFd) -> Result<u64> {
    // SAFETY: That ioctl fills in a `__u64`.
    unsafe { ioctl::ioctl(fd, Getter::<FLUSH, u64>::new()) }
}

/// Throws away what was written so far.
pub(crate) fn reset(fd: impl AsFd) -> Result<()> {
    // SAFETY: That ioctl takes no argument.
    unsafe { ioctl::ioctl(fd, NoArg::<RESET>::new()) }
}

/// What the channel, or the buffer, is like now.
pub(crate) fn info(fd: impl AsFd) -> Result<Info> {
    let mut info = Info {
        size: size_of::<Info>() as u32,
        ..Info::default()
    };
    // SAFETY: That ioctl reads and fills in a `struct relayfs_info`, of which all bytes are valid.
    unsafe { ioctl::ioctl(fd, Updater::<GET_INFO, Info>::new(&mut info))? };
    Ok(info)
}

/// All before `pos` is consumed.
pub(crate) fn consume(fd: impl AsFd, pos: u64) -> Result<()> {
    // SAFETY: That ioctl reads a `__u64`.
    unsafe { ioctl::ioctl(fd, Setter::<CONSUME, u64>::new(pos)) }
}
