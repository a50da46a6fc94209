// SPDX-License-Identifier: GPL-2.0
// error: E0277
// A slot stays where preemption is off for it: it cannot go to another task, which a lock that sleeps
// might let in.

fn elsewhere<T: Send>(_: T) {}

fn misuse(channel: &relayfs::Channel) -> Result {
    elsewhere(channel.reserve(8)?);
    Ok(())
}
