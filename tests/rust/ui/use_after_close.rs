// SPDX-License-Identifier: GPL-2.0
// error: E0382
// What is closed is not used.

fn misuse(channel: relayfs::OpenChannel) -> Result<usize> {
    drop(channel);
    channel.write(b"late")
}
