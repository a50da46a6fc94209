// SPDX-License-Identifier: GPL-2.0

//! A client in Rust: both ways to write a record. Read it: `cat /sys/kernel/relay/hello_rust`

use kernel::prelude::*;

#[path = "../rust/relayfs.rs"]
mod relayfs;

module! {
    type: HelloRust,
    name: "hello_rust",
    authors: ["The relayfs developers"],
    description: "relayfs: a client in Rust",
    license: "GPL",
}

struct HelloRust {
    channel: relayfs::OpenChannel,
}

impl kernel::Module for HelloRust {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let channel = relayfs::Channel::builder(c"hello_rust")
            .subbuf_size(4096)
            .n_subbufs(2)
            .open()?;
        channel.write(b"hello, world\n")?;

        // In place, without a copy of the whole elsewhere.
        let mut slot = channel.reserve(b"hello again\n".len())?;
        slot.append(b"hello")?;
        slot.append(b" again\n")?;
        slot.commit();

        // Dropped, so that no reader sees it.
        let mut slot = channel.reserve(64)?;
        slot.append(b"never mind")?;
        drop(slot);

        Ok(Self { channel })
    }
}

impl Drop for HelloRust {
    fn drop(&mut self) {
        // The channel is closed after this; whoever reads it gets this, then the end of file.
        let _ = self.channel.write(b"goodbye\n");
    }
}
