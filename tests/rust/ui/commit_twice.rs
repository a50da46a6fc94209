// SPDX-License-Identifier: GPL-2.0
// error: E0382
// A record is committed once.

fn misuse(channel: &relayfs::Channel) -> Result {
    let slot = channel.reserve(8)?;
    slot.commit();
    slot.commit();
    Ok(())
}
