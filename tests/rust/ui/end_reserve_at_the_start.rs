// SPDX-License-Identifier: GPL-2.0
// error: E0599
// Where a sub-buffer ends is not known at its start.

struct Client;

#[vtable]
impl relayfs::Callbacks for Client {
    fn buffer_start(&self, _: &relayfs::Channel, begun: &mut relayfs::Begun<'_>) {
        begun.end_reserve().fill(0);
    }
}
