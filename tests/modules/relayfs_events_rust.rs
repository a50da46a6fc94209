// SPDX-License-Identifier: GPL-2.0

//! The events of `relayfs_events.c`, defined and written in Rust to a channel of their own, once on the
//! CPU that loads this.

use kernel::prelude::*;

#[path = "../../rust/relayfs.rs"]
mod relayfs;
#[path = "../../rust/relayfs_events.rs"]
mod relayfs_events;

relayfs_events::events! {
    static TEST: "test_schema";

    struct Numbers as "numbers" {
        n: u64, cpu: u8,
        a: u8, b: u16, c: u32, d: u64,
        e: i8, f: i16, g: i32, h: i64,
        i: x8, j: x16, k: x32, l: x64,
    }
    struct Padded as "padded" { cpu: u8, n: u64, a: u8, b: u32, c: u8 }
    struct Arrays as "arrays" {
        n: u64, cpu: u8,
        mac: [u8; 6], signs: [i32; 3], hex: [x16; 2], name: [char; 16], full: [char; 4],
    }
    struct Message as "message" { n: u64, cpu: u8, text: str }
    struct Bytes as "bytes" { n: u64, cpu: u8, data: [x8] }
    struct Words as "words" { n: u64, cpu: u8, data: [i64] }
    struct Empty as "empty" {}
}

module! {
    type: EventsRust,
    name: "relayfs_events_rust",
    authors: ["The relayfs developers"],
    description: "relayfs: events that prove themselves, in Rust",
    license: "GPL",
}

/// Event `n`, of the kind of its number.
fn write_kind(channel: &relayfs::Channel, n: u64, cpu: u8) -> Result<usize> {
    let times = |by: u64| n.wrapping_mul(by);
    let minus = |by: u64| 0u64.wrapping_sub(times(by));
    let plus = |i: u64| n.wrapping_add(i);
    let mac: [u8; 6] = core::array::from_fn(|i| plus(i as u64) as u8);
    match n % 6 {
        0 => Numbers {
            n,
            cpu,
            a: n as u8,
            b: times(3) as u16,
            c: times(5) as u32,
            d: times(7),
            e: minus(1) as i8,
            f: minus(3) as i16,
            g: minus(5) as i32,
            h: minus(7) as i64,
            i: n as u8,
            j: times(3) as u16,
            k: times(5) as u32,
            l: times(0x9e37_79b9_7f4a_7c15),
        }
        .write(channel),
        1 => Padded {
            cpu,
            n,
            a: times(3) as u8,
            b: times(5) as u32,
            c: times(7) as u8,
        }
        .write(channel),
        2 => {
            let name = kernel::str::CString::try_from_fmt(fmt!("name {n}"))?;
            Arrays {
                n,
                cpu,
                mac,
                signs: [minus(1) as i32, n as i32, -1],
                hex: [n as u16, !n as u16],
                name: relayfs_events::text(name.to_bytes()),
                full: relayfs_events::text(b"fulltext"),
            }
            .write(channel)
        }
        3 => {
            let start = &"abcdefgh"[..(n % 9) as usize];
            let text = kernel::str::CString::try_from_fmt(fmt!("{start}{n}"))?;
            let text = if n % 5 == 0 { b"" } else { text.to_bytes() };
            Message { n, cpu }.write(channel, text)
        }
        4 => Bytes { n, cpu }.write(channel, &mac[..(n % 7) as usize]),
        _ => {
            let words: [i64; 5] = core::array::from_fn(|i| {
                let word = plus(i as u64) as i64;
                if i % 2 == 1 {
                    -word
                } else {
                    word
                }
            });
            Words { n, cpu }.write(channel, &words[..(n / 6 % 6) as usize])
        }
    }
}

struct EventsRust {
    _channel: relayfs::OpenChannel,
}

impl kernel::Module for EventsRust {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let channel = relayfs::Channel::builder(c"ctf/rust")
            .subbuf_size(4096)
            .n_subbufs(64)
            .no_overwrite()
            .global()
            .records(Some(&TEST))
            .open()?;
        for n in 0..384 {
            write_kind(&channel, n, 0)?;
            if n % 6 == 5 {
                Empty {}.write(&channel)?;
            }
        }
        Ok(Self { _channel: channel })
    }
}
