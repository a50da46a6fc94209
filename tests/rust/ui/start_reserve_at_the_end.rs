// SPDX-License-Identifier: GPL-2.0
// error: E0594
// At its end, readers may have the beginning of a sub-buffer already.

struct Client;

#[vtable]
impl relayfs::Callbacks for Client {
    fn buffer_end(&self, _: &relayfs::Channel, ended: &mut relayfs::Ended<'_>) {
        ended.start_reserve()[0] = 1;
    }
}
