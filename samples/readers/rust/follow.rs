// SPDX-License-Identifier: GPL-2.0

//! Prints the data of a channel, of all CPUs in order of time, as they come, and what was lost.
//!
//! follow CHANNEL

use relayfs::{Channel, Item, Merge, Options, Watermark};
use std::io::{stdout, Write};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let name = std::env::args().nth(1).ok_or("follow CHANNEL")?;
    let channel = Channel::open(name)?;
    let buffers = channel.buffers(Options::shared())?;
    let mut merge = Merge::new(buffers, Watermark::default());
    let mut out = stdout().lock();
    while !merge.is_ended() {
        while let Some(item) = merge.next_item()? {
            match item {
                Item::Run(run) => out.write_all(run.bytes)?,
                Item::Record(event) => writeln!(out, "{event:?}")?,
                // Where it happened; how much that is in all, is asked for in the end.
                Item::Lost(_) => {}
            }
        }
        out.flush()?;
        merge.wait(None)?;
    }
    let mut lost = 0;
    for buffer in merge.buffers() {
        lost += buffer.overwritten()?.records;
    }
    if lost != 0 {
        eprintln!("{lost} records lost");
    }
    Ok(())
}
