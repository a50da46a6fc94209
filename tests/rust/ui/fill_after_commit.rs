// SPDX-License-Identifier: GPL-2.0
// error: E0382
// A record is not changed when readers may have it.

fn misuse(channel: &relayfs::Channel) -> Result {
    let mut slot = channel.reserve(8)?;
    slot.commit();
    slot.append(b"late")
}
