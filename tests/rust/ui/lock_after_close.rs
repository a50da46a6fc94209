// SPDX-License-Identifier: GPL-2.0
// error: E0505
// A channel is not closed while it is locked.

fn misuse(channel: relayfs::OpenChannel) {
    let locked = channel.lock();
    drop(channel);
    drop(locked);
}
