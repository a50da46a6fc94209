// SPDX-License-Identifier: GPL-2.0
// error: E0505
// A channel is not closed under a record that is being written.

fn misuse(channel: relayfs::OpenChannel) -> Result {
    let slot = channel.reserve(8)?;
    drop(channel);
    slot.commit();
    Ok(())
}
