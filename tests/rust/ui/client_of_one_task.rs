// SPDX-License-Identifier: GPL-2.0
// error: E0277
// Callbacks run on any CPU.

struct Client(core::cell::Cell<u32>);

#[vtable]
impl relayfs::Callbacks for Client {}
