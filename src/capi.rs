// SPDX-License-Identifier: GPL-2.0

//! What C clients call: pointers become references here, results errnos, and nothing else happens.
//! The contract of each function is in the headers `include/linux/relayfs/`, a room here for each.

use crate::bindings as local;
use crate::channel::Channel;

mod control;
mod open;
mod write;

/// # Safety
///
/// `chan` must come from [`relayfs_open`] and not have been closed.
#[inline(always)]
unsafe fn channel<'a>(chan: *const local::rchan) -> &'a Channel {
    // SAFETY: As the caller promises.
    unsafe { &*chan.cast::<Channel>() }
}

/// Each function has the very type the C header declares, or this does not compile.
const _: () = {
    macro_rules! same_type {
        ($($room:ident: $($name:ident),*;)*) => {
            $($( let _ = if true { $room::$name } else { local::$name }; )*)*
        };
    }
    same_type!(
        control: relayfs_flush, relayfs_reset;
        open: relayfs_close, relayfs_open, relayfs_private_data;
        write: relayfs_commit, relayfs_discard, relayfs_reserve, relayfs_write, relayfs_write_wait;
    );
};
