// SPDX-License-Identifier: GPL-2.0

//! What is said at the end of a recording.

use super::take::Taken;
use crate::totals::{grouped, size};
use anyhow::Result;
use relayfs::uapi::CPU_NONE;
use serde_json::{json, Map, Value};
use std::io::Write;
use std::time::Duration;

/// Says what was recorded. Whether something is missing.
pub(super) fn report(takes: Vec<Taken>, time: Duration, observe: bool, json: bool) -> Result<bool> {
    let mut lost = false;
    for taken in &takes {
        lost |= taken.losses.any();
        let records: u64 = taken.cpus.iter().map(|cpu| cpu.records(observe)).sum();
        let bytes: u64 = taken.cpus.iter().map(|cpu| cpu.bytes).sum();
        if json {
            let mut out = std::io::stdout().lock();
            serde_json::to_writer(&mut out, &line(taken, time, observe, records, bytes))?;
            writeln!(out)?;
        }
        let n = taken.cpus.len();
        let cpus = if taken.cpus.iter().any(|cpu| cpu.cpu == CPU_NONE) {
            "one buffer".into()
        } else {
            format!("{n} CPU{}", if n == 1 { "" } else { "s" })
        };
        let mut text = format!(
            "relay: {}: {} records, {} from {cpus} in {:.1} s",
            taken.name,
            grouped(records),
            size(bytes),
            time.as_secs_f64(),
        );
        if let Some(lost) = taken.losses.describe(records, &taken.info) {
            text += "; ";
            text += &lost;
        }
        eprintln!("{text}");
    }
    Ok(lost)
}

fn line(taken: &Taken, time: Duration, observe: bool, records: u64, bytes: u64) -> Value {
    let cpus: Vec<Value> = taken
        .cpus
        .iter()
        .map(|cpu| {
            let number = (cpu.cpu != CPU_NONE).then_some(cpu.cpu);
            let records = cpu.records(observe);
            // What was written after its end, or is still in a sub-buffer.
            let left = cpu.produced().saturating_sub(cpu.overwritten() + records);
            let mut object = Map::new();
            object.insert("cpu".into(), number.into());
            object.insert("records".into(), records.into());
            object.insert("packets".into(), cpu.packets.into());
            object.insert("bytes".into(), cpu.bytes.into());
            object.insert("produced".into(), cpu.produced().into());
            object.insert("left".into(), left.into());
            let causes: Vec<_> = taken.losses.of_cpu(cpu.cpu).collect();
            let sum: u64 = causes.iter().map(|(_, n)| n).sum();
            object.insert("lost".into(), sum.into());
            for name in std::iter::once("overwritten").chain(relayfs::REFUSED) {
                object.insert(name.into(), 0.into());
            }
            for (cause, n) in causes {
                object.insert(cause.into(), n.into());
            }
            object.into()
        })
        .collect();
    json!({
        "type": "end",
        "channel": taken.name,
        "records": records,
        "bytes": bytes,
        "lost": taken.losses.total(),
        "complete": !taken.losses.any(),
        "seconds": time.as_secs_f64(),
        "cpus": cpus,
    })
}
