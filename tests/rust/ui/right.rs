// SPDX-License-Identifier: GPL-2.0
// error: none
// The same things, done right.

use kernel::sync::aref::ARef;

struct Client(KVec<u8>);

#[vtable]
impl relayfs::Callbacks for Client {
    fn user_deliver(&self, channel: &relayfs::Channel, data: &[u8]) {
        let _ = channel.write(if *data == *self.0 { b"yes\n" } else { b"no\n" });
    }
}

fn use_it() -> Result {
    let channel = relayfs::Channel::builder(c"x")
        .callbacks(Client(KVec::new()))
        .open()?;
    let slot = channel.reserve(8)?;
    slot.commit();
    let mut slot = channel.reserve(8)?;
    slot.append(b"in time")?;
    slot.commit();
    drop(channel.reserve(8)?);
    let kept: ARef<relayfs::Channel> = ARef::from(&*channel);
    drop(channel);
    let _ = kept.write(b"is refused");
    Ok(())
}
