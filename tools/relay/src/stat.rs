// SPDX-License-Identifier: GPL-2.0

//! `relay stat`.

use crate::cat::time;
use crate::end::End;
use crate::explain;
use crate::ls::columns;
use crate::signals::Signals;
use anyhow::Result;
use relayfs::{Channel, InfoText, Row, REFUSED};
use serde_json::{Map, Value};
use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Shows the counters of a channel
///
/// A line for each CPU: records written, read, unread, overwritten before they were read, and refused, by
/// cause. Causes that never happened are left out.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The channel
    #[arg(value_name = "CHAN")]
    channel: PathBuf,
    /// Lines of JSON, with records and bytes of everything
    #[arg(long)]
    json: bool,
    /// Again every SECS seconds, with records written a second, until ^C or the channel is closed
    #[arg(short, long, value_name = "SECS", value_parser = time::seconds)]
    interval: Option<Duration>,
}

pub(crate) fn run(args: &Args) -> Result<End> {
    let signals = Signals::note()?;
    let channel = explain::open(&args.channel)?;
    let mut before: Option<(Instant, InfoText)> = None;
    loop {
        let now = Instant::now();
        let info = match channel.info_text() {
            // It is closed.
            Err(_) if before.is_some() && is_closed(&channel) => return Ok(End::Complete),
            info => info.map_err(|error| explain::error(error, &args.channel))?,
        };
        let since = before
            .as_ref()
            .map(|(at, info)| (now.duration_since(*at).as_secs_f64(), info));
        let text = if args.json {
            json(&args.channel.to_string_lossy(), &info)?
        } else {
            let gap = if before.is_some() { "\n" } else { "" };
            format!("{gap}{}", table(&info, since))
        };
        let mut out = std::io::stdout().lock();
        out.write_all(text.as_bytes())?;
        out.flush()?;
        let Some(interval) = args.interval else {
            return Ok(End::Complete);
        };
        before = Some((now, info));
        while now.elapsed() < interval {
            if signals.stop() {
                let end = if signals.interrupted() {
                    End::Interrupted
                } else {
                    End::Complete
                };
                return Ok(end);
            }
            let rest = interval.saturating_sub(now.elapsed());
            std::thread::sleep(rest.min(Duration::from_millis(100)));
        }
    }
}

fn is_closed(channel: &Channel) -> bool {
    channel.info().map_or(true, |info| info.is_closed())
}

/// Rows of the table, and what they are called.
fn rows(info: &InfoText) -> impl Iterator<Item = (String, Option<u32>, &Row)> {
    let cpus = info.cpus.iter();
    let global = info.get("usage") == Some("global");
    cpus.filter(move |_| !global)
        .map(|(cpu, row)| (format!("cpu{cpu}"), Some(*cpu), row))
        .chain(std::iter::once(("total".to_owned(), None, &info.total)))
}

fn table(info: &InfoText, since: Option<(f64, &InfoText)>) -> String {
    let count = |row: &Row, name: &str| row.counts.get(name).map_or(0, |count| count.records);
    let mut names = vec!["produced", "read", "unread", "overwritten"];
    names.extend(REFUSED.iter().filter(|name| count(&info.total, name) != 0));
    let mut head: Vec<String> = std::iter::once("")
        .chain(names.iter().copied())
        .map(String::from)
        .collect();
    head.extend(since.map(|_| "produced/s".to_owned()));
    let mut lines = vec![head];
    for (label, cpu, row) in rows(info) {
        let mut line = vec![label];
        line.extend(names.iter().map(|name| count(row, name).to_string()));
        if let Some((seconds, before)) = since {
            let before = match cpu {
                Some(cpu) => before.cpus.get(&cpu),
                None => Some(&before.total),
            };
            let before = before.map_or(0, |row| count(row, "produced"));
            let more = count(row, "produced").saturating_sub(before);
            line.push(format!("{:.0}", more as f64 / seconds.max(0.001)));
        }
        lines.push(line);
    }
    columns(&lines)
}

fn json(channel: &str, info: &InfoText) -> Result<String> {
    let mut text = String::new();
    let mut object = Map::new();
    object.insert("type".into(), "channel".into());
    object.insert("channel".into(), channel.into());
    for (name, word) in info.attributes.iter().filter(|(name, _)| name != "channel") {
        let value = word
            .parse::<u64>()
            .map_or(word.as_str().into(), Value::from);
        object.insert(name.clone(), value);
    }
    text += &serde_json::to_string(&object)?;
    text.push('\n');
    for (_, cpu, row) in rows(info) {
        let mut object = Map::new();
        object.insert(
            "type".into(),
            if cpu.is_some() { "cpu" } else { "total" }.into(),
        );
        object.insert("channel".into(), channel.into());
        if let Some(cpu) = cpu {
            object.insert("cpu".into(), cpu.into());
        }
        for (name, count) in &row.counts {
            let value = serde_json::json!({ "records": count.records, "bytes": count.bytes });
            object.insert(name.clone(), value);
        }
        object.insert("wakeups".into(), row.wakeups.into());
        text += &serde_json::to_string(&object)?;
        text.push('\n');
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &[u8] = b"channel: a\nmode: overwrite\nusage: smp\nn_subbufs: 8\n\
        cpu0: produced 3 30 read 1 10 unread 2 20 overwritten 0 0 full 4 40 nmi 0 0 wakeups 1\n\
        total: produced 3 30 read 1 10 unread 2 20 overwritten 0 0 full 4 40 nmi 0 0 wakeups 1\n";

    #[test]
    fn causes_that_happened_are_shown() {
        let info = InfoText::parse(TEXT).unwrap();
        let text = table(&info, None);
        let words: Vec<Vec<&str>> = text
            .lines()
            .map(|l| l.split_whitespace().collect())
            .collect();
        assert_eq!(
            words[0],
            ["produced", "read", "unread", "overwritten", "full"]
        );
        assert_eq!(words[1], ["cpu0", "3", "1", "2", "0", "4"]);
        assert_eq!(words[2], ["total", "3", "1", "2", "0", "4"]);
    }

    #[test]
    fn rates() {
        let before = InfoText::parse(TEXT).unwrap();
        let mut now = before.clone();
        now.total.counts.get_mut("produced").unwrap().records = 13;
        let text = table(&now, Some((2.0, &before)));
        assert!(text.lines().last().unwrap().ends_with(" 5"), "{text}");
        assert!(text.lines().nth(1).unwrap().ends_with(" 0"), "{text}");
    }

    #[test]
    fn json_lines() {
        let text = json("a", &InfoText::parse(TEXT).unwrap()).unwrap();
        let lines: Vec<Value> = text
            .lines()
            .map(|l| serde_json::from_str(l).unwrap())
            .collect();
        assert_eq!(lines.len(), 3);
        assert_eq!(
            (&lines[0]["type"], &lines[0]["n_subbufs"]),
            (&"channel".into(), &8.into())
        );
        assert_eq!(
            (&lines[1]["type"], &lines[1]["cpu"]),
            (&"cpu".into(), &0.into())
        );
        assert_eq!(lines[2]["full"]["bytes"], 40);
    }
}
