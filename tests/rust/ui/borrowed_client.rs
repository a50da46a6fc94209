// SPDX-License-Identifier: GPL-2.0
// error: E0597
// What callbacks look at lives as long as they may run.

struct Client<'a>(&'a [u8]);

#[vtable]
impl relayfs::Callbacks for Client<'static> {
    fn user_deliver(&self, _: &relayfs::Channel, data: &[u8]) {
        let _ = data == self.0;
    }
}

fn misuse() -> Result {
    let secret = [1, 2, 3];
    let client = Client(&secret);
    relayfs::Channel::builder(c"x").callbacks(client).open()?;
    Ok(())
}
