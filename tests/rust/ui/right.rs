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

struct Filler;

#[vtable]
impl relayfs::Callbacks for Filler {
    fn buffer_start(&self, _: &relayfs::Channel, begun: &mut relayfs::Begun<'_>) {
        begun.start_reserve().fill(1);
    }

    fn buffer_end(&self, _: &relayfs::Channel, ended: &mut relayfs::Ended<'_>) {
        let first = ended.start_reserve().first().copied();
        ended.end_reserve().fill(first.unwrap_or(2));
    }
}

/// Between awaits, a task may write in place.
async fn later(channel: &relayfs::Channel) -> Result {
    core::future::ready(()).await;
    channel.reserve(8)?.commit();
    core::future::ready(()).await;
    Ok(())
}

fn spawn<F: core::future::Future + Send>(_: F) {}

fn use_it() -> Result {
    let channel = relayfs::Channel::builder(c"x")
        .callbacks(Client(KVec::new()))
        .open()?;
    let together = channel.lock();
    let slot = channel.reserve(8)?;
    slot.commit();
    drop(together);
    let mut slot = channel.reserve(8)?;
    slot.append(b"in time")?;
    slot.commit();
    drop(channel.reserve(8)?);
    spawn(later(&channel));
    let kept: ARef<relayfs::Channel> = ARef::from(&*channel);
    drop(channel);
    let _ = kept.write(b"is refused");
    Ok(())
}
