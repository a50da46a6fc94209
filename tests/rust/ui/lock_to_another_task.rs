// SPDX-License-Identifier: GPL-2.0
// error: E0277
// What turned interrupts off here turns them on here.

fn elsewhere<T: Send>(_: T) {}

fn misuse(channel: &relayfs::Channel) {
    elsewhere(channel.lock());
}
