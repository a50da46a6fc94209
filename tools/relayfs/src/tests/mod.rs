// SPDX-License-Identifier: MIT OR Apache-2.0

//! Tests on a host that has no relayfs: with made packets, and with rings that a thread writes.

mod hostile;
mod made;
mod mapped;
mod merge;
mod metadata;
mod record;
mod ring;
mod uapi;
