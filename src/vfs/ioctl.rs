// SPDX-License-Identifier: GPL-2.0

//! ioctls of open files: what they say is in `include/uapi/linux/relayfs.h`.

use super::file;
use crate::bindings as local;
use crate::reader::descriptor::Descriptor;
use kernel::bindings;
use kernel::ffi::c_long;
use kernel::ioctl::{_IO, _IOC_TYPE, _IOR, _IOW};
use kernel::prelude::*;
use kernel::uaccess::{UserPtr, UserSlice};

const MAGIC: u32 = local::RELAY_IOC_MAGIC;
const OBSERVE: u32 = _IO(MAGIC, 0);
const GET_LOST: u32 = _IOR::<local::relayfs_lost>(MAGIC, 1);
const SET_WATERMARK: u32 = _IOW::<u64>(MAGIC, 2);
const SET_FLUSH_INTERVAL: u32 = _IOW::<u32>(MAGIC, 3);

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
        _ => Err(ENOTTY),
    }
}

/// # Safety
///
/// As the kernel calls it: an open file of ours.
pub(super) unsafe extern "C" fn ioctl(file: *mut bindings::file, cmd: u32, arg: usize) -> c_long {
    // SAFETY: As the caller promises.
    let descriptor = unsafe { file::descriptor(file) };
    if _IOC_TYPE(cmd) != MAGIC {
        // SAFETY: As the caller promises.
        return unsafe { descriptor.channel().hub().callbacks.ioctl(file, cmd, arg) };
    }
    let result = run(descriptor, cmd, UserPtr::from_addr(arg));
    result.err().map_or(0, |error| error.to_errno() as c_long)
}
