// SPDX-License-Identifier: GPL-2.0
// error: future cannot be sent between threads safely
// A task that may go on elsewhere does not wait with a slot.

use core::future::Future;

fn spawn<F: Future + Send>(_: F) {}

async fn sleep() {}

fn misuse(channel: &'static relayfs::Channel) {
    spawn(async move {
        if let Ok(slot) = channel.reserve(8) {
            sleep().await;
            slot.commit();
        }
    });
}
