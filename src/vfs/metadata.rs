// SPDX-License-Identifier: GPL-2.0

//! `metadata`: how a channel's packets are to be read, in TSDL.

use super::{file, inode, inode::Node, StaticOps};
use kernel::bindings;
use kernel::ffi::c_char;
use kernel::prelude::*;

pub(super) static OPERATIONS: StaticOps<bindings::file_operations> =
    // SAFETY: All zeroes is a set of operations.
    StaticOps::new(unsafe {
        bindings::file_operations {
            open: Some(open),
            read: Some(read),
            llseek: Some(bindings::default_llseek),
            ..core::mem::zeroed()
        }
    });

/// # Safety
///
/// As the kernel calls it: valid pointers, an inode of ours.
unsafe extern "C" fn open(_inode: *mut bindings::inode, _file: *mut bindings::file) -> i32 {
    file::check_lockdown().map_or_else(|error| error.to_errno(), |()| 0)
}

/// # Safety
///
/// As the kernel calls it: an open file of ours, `to` of the user's, `at` valid.
unsafe extern "C" fn read(
    file: *mut bindings::file,
    to: *mut c_char,
    count: usize,
    at: *mut bindings::loff_t,
) -> isize {
    // SAFETY: As the caller promises. The node, and so the channel, stays as long as its inode.
    let Node::Metadata(channel) = (unsafe { inode::node((*file).f_inode) }) else {
        return EINVAL.to_errno() as isize;
    };
    let text = channel.metadata().map_or(&[][..], CStr::to_bytes);
    // SAFETY: As the caller promises; the text is as long as it is.
    unsafe {
        bindings::simple_read_from_buffer(to.cast(), count, at, text.as_ptr().cast(), text.len())
    }
}
