// SPDX-License-Identifier: GPL-2.0

//! What is missing, where and why, and what helps.

use relayfs::uapi::{Info, CPU_ALL, CPU_NONE};
use relayfs::{Cause, Lost, REFUSED};
use std::collections::BTreeMap;
use std::fmt::Write;

/// What one reader of a channel did not get.
#[derive(Clone, Debug, Default)]
pub(crate) struct Losses {
    /// Records by CPU and cause. What is not there is 0.
    records: BTreeMap<(u32, &'static str), u64>,
    /// Packets with records that nobody counted, of a recording.
    packets: BTreeMap<u32, u64>,
    /// Records by CPU that the stream says were refused.
    gaps: BTreeMap<u32, u64>,
}

impl Losses {
    /// Counts a gap in a stream. What was refused the kernel counts as
    /// well, by cause, and also behind the last packet: [`Losses::refused`] is to be called at the end.
    pub(crate) fn gap(&mut self, lost: &Lost) {
        if lost.cause == Cause::Refused {
            *self.gaps.entry(lost.cpu).or_default() += lost.records;
            return;
        }
        self.add(lost.cpu, lost.cause.name(), lost.records);
        if lost.records == 0 && lost.packets != 0 {
            *self.packets.entry(lost.cpu).or_default() += lost.packets;
        }
    }

    /// Counts what the kernel says was overwritten before a reader came to it: what is behind the last
    /// sub-buffer that was read is in no gap, and with several gaps at once their number is in one.
    pub(crate) fn overwritten(&mut self, cpu: u32, records: u64) {
        self.packets.remove(&cpu);
        if records != 0 {
            let sum = self
                .records
                .entry((cpu, Cause::Overwritten.name()))
                .or_default();
            *sum = records.max(*sum);
        }
    }

    /// Counts what CPUs refused that have no buffer, of all that the channel and its buffers refused between
    /// two looks.
    pub(crate) fn without_buffer<'a>(
        &mut self,
        before: &Info,
        after: &Info,
        buffers: impl Iterator<Item = (&'a Info, &'a Info)>,
    ) {
        let of = |info: &Info| {
            let place = REFUSED.iter().position(|name| *name == "no_buffer");
            place
                .and_then(|at| info.lost.get(at))
                .map_or(0, |lost| lost.records)
        };
        let counted: u64 = buffers
            .map(|(before, after)| of(after).saturating_sub(of(before)))
            .sum();
        let all = of(after).saturating_sub(of(before));
        self.add(CPU_ALL, "no_buffer", all.saturating_sub(counted));
    }

    /// Counts what the buffer of `cpu` refused between two looks at its counters.
    pub(crate) fn refused(&mut self, cpu: u32, before: &Info, after: &Info) {
        // Who begins with the first record there was misses what was refused since then.
        let first = before.read.records == 0 && before.overwritten.records == 0;
        let mut counted = 0u64;
        for (name, (old, new)) in REFUSED.iter().zip(before.lost.iter().zip(&after.lost)) {
            let old = if first { 0 } else { old.records };
            let records = new.records.saturating_sub(old);
            counted = counted.saturating_add(records);
            self.add(cpu, name, records);
        }
        // Some of the gaps may be older than the first look.
        let gaps = if cpu == CPU_ALL {
            self.gaps.values().sum()
        } else {
            self.gaps.get(&cpu).copied().unwrap_or(0)
        };
        self.add(cpu, Cause::Refused.name(), gaps.saturating_sub(counted));
    }

    /// Counts what the stream says was refused, where there are no counters.
    pub(crate) fn refused_in_gaps(&mut self) {
        for (cpu, records) in std::mem::take(&mut self.gaps) {
            self.add(cpu, Cause::Refused.name(), records);
        }
    }

    fn add(&mut self, cpu: u32, cause: &'static str, records: u64) {
        if records != 0 {
            *self.records.entry((cpu, cause)).or_default() += records;
        }
    }

    /// Whether anything is missing.
    pub(crate) fn any(&self) -> bool {
        !self.records.is_empty() || !self.packets.is_empty()
    }

    /// How many records, as far as they are counted.
    pub(crate) fn total(&self) -> u64 {
        self.records.values().sum()
    }

    /// How many of a CPU, by cause.
    pub(crate) fn of_cpu(&self, cpu: u32) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        self.records
            .iter()
            .filter(move |((of, _), _)| *of == cpu)
            .map(|((_, cause), records)| (*cause, *records))
    }

    /// As a person reads it, of so many records that there were besides; `None`: nothing is missing.
    pub(crate) fn describe(&self, records: u64, info: &Info) -> Option<String> {
        self.any().then(|| {
            let mut text = String::from("lost ");
            let total = self.total();
            if total != 0 {
                let share = total as f64 * 100.0 / (total.saturating_add(records)) as f64;
                let _ = write!(text, "{} ({})", grouped(total), percent(share));
            } else {
                text += "records";
            }
            let mut parts: Vec<String> = self
                .records
                .iter()
                .map(|((cpu, cause), n)| format!("{} {cause} {}", cpu_name(*cpu), grouped(*n)))
                .collect();
            parts.extend(
                self.packets
                    .iter()
                    .map(|(cpu, n)| format!("{} all of {} packets", cpu_name(*cpu), grouped(*n))),
            );
            let _ = write!(text, ": {}. {}", parts.join(", "), self.remedy(info));
            text
        })
    }

    /// What helps against what happened most.
    fn remedy(&self, info: &Info) -> String {
        let mut causes: BTreeMap<&str, u64> = BTreeMap::new();
        for ((_, cause), n) in &self.records {
            *causes.entry(cause).or_default() += n;
        }
        let most = causes
            .iter()
            .max_by_key(|(_, n)| **n)
            .map(|(cause, _)| *cause);
        // Of a recording that is not known.
        let now = |n: u64| {
            if n == 0 {
                String::new()
            } else {
                format!(", now {n}")
            }
        };
        let n = now(info.n_subbufs.into());
        let size = now(info.subbuf_size);
        let more = format!("Try more sub-buffers (n_subbufs{n}), larger ones (subbuf_size{size})");
        match most.unwrap_or("overwritten") {
            "too_big" => format!("Try larger sub-buffers (subbuf_size{size}), or smaller records."),
            "nested" | "held" => format!("Try more sub-buffers (n_subbufs{n})."),
            "no_buffer" => "Try more memory for all channels (max_bytes of the module).".into(),
            "nmi" => "Try the lockless scheme: the locking one cannot be used by NMIs.".into(),
            "closed" => "They were written after the channel was closed.".into(),
            "overwritten" => format!("{more}, or a faster reader."),
            _ => format!("{more}, a faster reader, or smaller records."),
        }
    }
}

/// A CPU's name.
pub(crate) fn cpu_name(cpu: u32) -> String {
    match cpu {
        CPU_NONE => "global".into(),
        CPU_ALL => "all CPUs".into(),
        cpu => format!("cpu{cpu}"),
    }
}

/// A number with its digits in groups of three.
pub(crate) fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at != 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

fn percent(share: f64) -> String {
    if share < 0.01 {
        "less than 0.01 %".into()
    } else {
        format!("{share:.2} %")
    }
}

/// A number of bytes.
pub(crate) fn size(bytes: u64) -> String {
    let units = ["KiB", "MiB", "GiB", "TiB"];
    let mut n = bytes as f64;
    let mut name = "bytes";
    for unit in units {
        if n < 1024.0 {
            break;
        }
        n /= 1024.0;
        name = unit;
    }
    if name == "bytes" {
        format!("{bytes} bytes")
    } else {
        format!("{n:.1} {name}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of a buffer of which something was read.
    fn info(full: u64, too_big: u64) -> Info {
        let mut info = Info {
            n_subbufs: 8,
            subbuf_size: 4096,
            ..Info::default()
        };
        info.read.records = 1;
        info.lost[0].records = full;
        info.lost[1].records = too_big;
        info
    }

    fn lost(cause: Cause, records: u64, packets: u64) -> Lost {
        Lost {
            cpu: 1,
            records,
            bytes: 0,
            packets,
            cause,
            from: 0,
            to: 0,
        }
    }

    #[test]
    fn nothing_is_said_of_nothing() {
        let mut losses = Losses::default();
        losses.refused(0, &info(3, 0), &info(3, 0));
        assert!(!losses.any());
        assert_eq!(losses.describe(10, &info(3, 0)), None);
    }

    #[test]
    fn losses_have_cpu_cause_share_and_remedy() {
        let mut losses = Losses::default();
        losses.refused(3, &info(5, 1), &info(305, 2));
        losses.refused(5, &info(0, 0), &info(12, 0));
        let text = losses.describe(99_687, &info(0, 0)).unwrap();
        let expected = "lost 313 (0.31 %): cpu3 full 300, cpu3 too_big 1, cpu5 full 12. Try more";
        assert!(text.starts_with(expected), "{text}");
        assert!(text.contains("n_subbufs, now 8") && text.contains("subbuf_size, now 4096"));
        assert_eq!(losses.of_cpu(3).map(|(_, n)| n).sum::<u64>(), 301);
    }

    #[test]
    fn a_first_reader_misses_all_that_was_refused() {
        let mut losses = Losses::default();
        let mut before = info(5, 0);
        before.read.records = 0;
        losses.refused(0, &before, &info(7, 0));
        assert_eq!(losses.total(), 7);
    }

    #[test]
    fn gaps_that_the_kernel_counts_are_counted_once() {
        let mut losses = Losses::default();
        losses.gap(&lost(Cause::Refused, 7, 0));
        let mut later = losses.clone();
        losses.refused(1, &info(0, 0), &info(9, 0));
        assert_eq!(losses.total(), 9);
        // Six of the seven were refused before.
        later.refused(1, &info(8, 0), &info(9, 0));
        assert_eq!(
            later.of_cpu(1).collect::<Vec<_>>(),
            [("full", 1), ("refused", 6)]
        );
    }

    #[test]
    fn overwritten_records_are_counted_in_the_stream() {
        let mut losses = Losses::default();
        losses.gap(&lost(Cause::Overwritten, 7, 2));
        assert_eq!(losses.total(), 7);
        losses.gap(&lost(Cause::Overwritten, 0, 2));
        let text = losses.describe(1, &info(0, 0)).unwrap();
        assert!(text.contains("cpu1 all of 2 packets"), "{text}");
        // The kernel knows how many they are, and what is in no gap.
        losses.overwritten(1, 9);
        losses.overwritten(2, 0);
        let text = losses.describe(1, &info(0, 0)).unwrap();
        assert!(
            text.starts_with("lost 9 (90.00 %): cpu1 overwritten 9."),
            "{text}"
        );
    }

    #[test]
    fn cpus_without_a_buffer_are_counted() {
        let of = |records: u64| {
            let mut info = Info::default();
            info.lost[5].records = records;
            info
        };
        let mut losses = Losses::default();
        // Of 7 a CPU with a buffer has refused 3.
        losses.without_buffer(&of(2), &of(9), [(&of(1), &of(4))].into_iter());
        assert_eq!(
            losses.of_cpu(CPU_ALL).collect::<Vec<_>>(),
            [("no_buffer", 4)]
        );
        losses.without_buffer(&of(9), &of(9), [(&of(0), &of(4))].into_iter());
        assert_eq!(losses.total(), 4);
    }

    #[test]
    fn numbers() {
        assert_eq!(
            [0, 999, 1000, 1_284_113].map(grouped),
            ["0", "999", "1 000", "1 284 113"]
        );
        assert_eq!(
            [1, 1536, 3 << 30].map(size),
            ["1 bytes", "1.5 KiB", "3.0 GiB"]
        );
        assert_eq!(
            [0.001, 12.345].map(percent),
            ["less than 0.01 %", "12.35 %"]
        );
    }
}
