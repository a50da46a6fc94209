// SPDX-License-Identifier: GPL-2.0
// error: E0515
// Nor is a slot carried out of where its channel is.

fn misuse() -> Result<relayfs::Slot<'static>> {
    let channel = relayfs::Channel::builder(c"x").open()?;
    let slot = channel.reserve(8)?;
    Ok(slot)
}
