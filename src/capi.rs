// SPDX-License-Identifier: GPL-2.0

//! What C clients call: pointers become references here, results errnos, and nothing else happens.
//! The contract of each function is in the headers `include/linux/relayfs/`, a room here for each.

use crate::bindings as local;
use crate::channel::Channel;
use kernel::prelude::*;

mod control;
mod events;
mod files;
mod open;
mod read;
mod write;

/// # Safety
///
/// `chan` must come from [`relayfs_open`] and not have been closed.
#[inline(always)]
unsafe fn channel<'a>(chan: *const local::rchan) -> &'a Channel {
    // SAFETY: As the caller promises.
    unsafe { &*chan.cast::<Channel>() }
}

/// As C wants it: a length, or a negative errno.
fn length(result: Result<usize>) -> isize {
    match result {
        Ok(len) => len as isize,
        Err(error) => error.to_errno() as isize,
    }
}

/// Each function has the very type the C header declares, or this does not compile.
const _: () = {
    macro_rules! same_type {
        ($($room:ident: $($name:ident),*;)*) => {
            $($( let _ = if true { $room::$name } else { local::$name }; )*)*
        };
    }
    same_type!(
        control: relayfs_cpu_info, relayfs_discard_init_buf, relayfs_flush, relayfs_info, relayfs_realloc_buffer,
            relayfs_replace_buffer, relayfs_reset;
        events: relayfs_metadata, relayfs_reserve_event, relayfs_write_event;
        files: relayfs_channel_dir, relayfs_create_dir, relayfs_create_file, relayfs_file_data,
            relayfs_remove;
        open: relayfs_close, relayfs_get, relayfs_open, relayfs_private_data, relayfs_put;
        read: relayfs_add_map_reader, relayfs_add_reader, relayfs_buffers_consumed,
            relayfs_bytes_avail, relayfs_bytes_consumed, relayfs_empty, relayfs_full, relayfs_read,
            relayfs_read_last, relayfs_reader_lost, relayfs_remove_reader;
        write: relayfs_commit, relayfs_discard, relayfs_lock, relayfs_reserve,
            relayfs_unlock, relayfs_write, relayfs_write_delta,
            relayfs_write_wait, relayfs_writev;
    );
};
