// SPDX-License-Identifier: GPL-2.0
// error: E0616
// What older records left in a slot cannot be seen.

fn misuse(channel: &relayfs::Channel) -> Result<*mut kernel::ffi::c_void> {
    let slot = channel.reserve(8)?;
    Ok(slot.raw.data)
}
