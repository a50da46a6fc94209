// SPDX-License-Identifier: GPL-2.0
// error: E0277
// Nor can another task see it.

fn shared<T: Sync>(_: &T) {}

fn misuse(channel: &relayfs::Channel) -> Result {
    shared(&channel.reserve(8)?);
    Ok(())
}
