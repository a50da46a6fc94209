// SPDX-License-Identifier: GPL-2.0

//! ioctls of open files: what they say is in `include/uapi/linux/relayfs.h`.

use super::file;
use crate::bindings as local;
use crate::reader::descriptor::Descriptor;
use kernel::bindings;
use kernel::ffi::c_long;
use kernel::ioctl::{_IO, _IOC_DIR, _IOC_NR, _IOC_TYPE, _IOR, _IOW, _IOWR};
use kernel::page::PAGE_SIZE;
use kernel::prelude::*;
use kernel::transmute::AsBytes;
use kernel::uaccess::{UserPtr, UserSlice};

const MAGIC: u32 = local::RELAY_IOC_MAGIC;
const OBSERVE: u32 = _IO(MAGIC, 0);
const GET_LOST: u32 = _IOR::<local::relayfs_lost>(MAGIC, 1);
const SET_WATERMARK: u32 = _IOW::<u64>(MAGIC, 2);
const SET_FLUSH_INTERVAL: u32 = _IOW::<u32>(MAGIC, 3);
const FLUSH: u32 = _IOR::<u64>(MAGIC, 4);
const RESET: u32 = _IO(MAGIC, 5);
const GET_INFO: u32 = _IOWR::<local::relayfs_info>(MAGIC, 6);
const CONSUME: u32 = _IOW::<u64>(MAGIC, 7);

/// Size of the first version of `struct relayfs_info`.
const FIRST_INFO: usize = 296;
/// No version is larger.
const MAX_INFO: usize = PAGE_SIZE;

const _: () = assert!(size_of::<local::relayfs_info>() >= FIRST_INFO);

// SAFETY: It has no padding: only numbers, each aligned by its offset, and a multiple of 8 bytes.
unsafe impl AsBytes for local::relayfs_info {}

/// Whether it is the same but for the size of the structure, which other versions have another of.
fn is_version_of(cmd: u32, ours: u32) -> bool {
    (_IOC_DIR(cmd), _IOC_NR(cmd)) == (_IOC_DIR(ours), _IOC_NR(ours))
}

/// Gives as much of what there is to say as the caller knows. What it knows and we do not must be zero.
fn get_info(descriptor: &Descriptor, arg: UserPtr) -> Result {
    let size = UserSlice::new(arg, 4).reader().read::<u32>()? as usize;
    if size > MAX_INFO {
        return Err(E2BIG);
    }
    if size < FIRST_INFO || size % align_of::<u64>() != 0 {
        return Err(EINVAL);
    }
    let (mut reader, mut writer) = UserSlice::new(arg, size).reader_writer();
    let known = size.min(size_of::<local::relayfs_info>());
    reader.skip(known)?;
    while !reader.is_empty() {
        if reader.read::<u64>()? != 0 {
            return Err(E2BIG);
        }
    }
    let mut info = descriptor.describe();
    info.size = known as u32;
    let (bytes, _) = info.as_bytes().split_at_checked(known).ok_or(EINVAL)?;
    writer.write_slice(bytes)
}

/// The system's own: how many bytes there are to read.
const FIONREAD: u32 = 0x541b;

fn run(descriptor: &Descriptor, cmd: u32, arg: UserPtr) -> Result {
    let read = |len| UserSlice::new(arg, len).reader();
    match cmd {
        OBSERVE => descriptor.observe(),
        GET_LOST => {
            let lost = descriptor.lost();
            let lost = [lost.records, lost.bytes];
            UserSlice::new(arg, size_of_val(&lost))
                .writer()
                .write(&lost)
        }
        SET_WATERMARK => descriptor.set_watermark(read(8).read::<u64>()?),
        SET_FLUSH_INTERVAL => descriptor.set_flush_interval(read(4).read::<u32>()?),
        FIONREAD => {
            let bytes = descriptor.available(i32::MAX as u64) as i32;
            UserSlice::new(arg, size_of_val(&bytes))
                .writer()
                .write(&bytes)
        }
        FLUSH => UserSlice::new(arg, 8).writer().write(&descriptor.flush()),
        RESET => descriptor.reset(),
        CONSUME => descriptor.consume_to(read(8).read::<u64>()?),
        _ if is_version_of(cmd, GET_INFO) => get_info(descriptor, arg),
        _ => Err(ENOTTY),
    }
}

/// # Safety
///
/// As the kernel calls it: an open file of ours.
pub(super) unsafe extern "C" fn ioctl(file: *mut bindings::file, cmd: u32, arg: usize) -> c_long {
    // SAFETY: As the caller promises.
    let descriptor = unsafe { file::descriptor(file) };
    if _IOC_TYPE(cmd) != MAGIC && cmd != FIONREAD {
        // SAFETY: As the caller promises.
        return unsafe { descriptor.channel().hub().callbacks.ioctl(file, cmd, arg) };
    }
    let result = run(descriptor, cmd, UserPtr::from_addr(arg));
    result.err().map_or(0, |error| error.to_errno() as c_long)
}
