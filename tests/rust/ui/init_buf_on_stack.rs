// SPDX-License-Identifier: GPL-2.0
// error: E0597
// Memory a channel starts with stays.

fn misuse() -> Result<relayfs::OpenChannel> {
    let mut memory = [0; 8192];
    relayfs::Channel::builder(c"x")
        .global()
        .init_buf(&mut memory)
        .open()
}
