// SPDX-License-Identifier: GPL-2.0

//! Times, as they are written and typed.

use relayfs::metadata::Clock;
use relayfs::uapi::{Info, FLAG_NO_TIME, FLAG_TSC};
use relayfs::Metadata;
use rustix::time::{clock_gettime, ClockId};
use std::time::Duration;

const NS_PER_S: u64 = 1_000_000_000;

/// How times are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Time {
    /// Time of day, UTC, as in ISO 8601
    Iso,
    /// Seconds of the channel's clock, as in the kernel's log
    #[default]
    Mono,
    /// Seconds since the record before
    Delta,
    /// Ticks of the channel's clock
    Raw,
}

/// Writes times of a channel.
#[derive(Debug, Default)]
pub(crate) struct Times {
    form: Time,
    /// Unless nobody knows what its ticks are.
    clock: Option<Clock>,
    last: Option<u64>,
}

impl Times {
    pub(crate) fn new(form: Time, clock: Option<Clock>) -> Self {
        Self {
            form,
            clock,
            last: None,
        }
    }

    /// A time as text, with brackets.
    pub(crate) fn text(&mut self, timestamp: u64) -> String {
        let before = self.last.replace(timestamp).unwrap_or(timestamp);
        let Some(clock) = &self.clock else {
            return format!("[{timestamp}]");
        };
        match self.form {
            Time::Iso => format!("[{}]", iso(clock.unix_ns(timestamp))),
            Time::Mono => format!("[{}]", seconds_of(clock, timestamp)),
            Time::Delta if timestamp < before => {
                format!("[-{}]", seconds_of(clock, before - timestamp).trim_start())
            }
            Time::Delta => format!("[+{}]", seconds_of(clock, timestamp - before).trim_start()),
            Time::Raw => format!("[{timestamp}]"),
        }
    }

    /// The time of day, if that is known.
    pub(crate) fn iso(&self, timestamp: u64) -> Option<String> {
        let clock = self.clock.as_ref()?;
        Some(iso(clock.unix_ns(timestamp)))
    }
}

/// The clock of a channel.
pub(crate) fn clock_of(info: &Info, metadata: Option<&Metadata>) -> Option<Clock> {
    if let Some(metadata) = metadata {
        return (metadata.clock().freq != 0).then(|| metadata.clock().clone());
    }
    if info.flags & (FLAG_TSC | FLAG_NO_TIME) != 0 {
        return None;
    }
    let ns = |clock| {
        let now = clock_gettime(clock);
        (now.tv_sec as u64)
            .saturating_mul(NS_PER_S)
            .saturating_add(now.tv_nsec as u64)
    };
    let offset = ns(ClockId::Realtime).saturating_sub(ns(ClockId::Monotonic));
    Some(Clock {
        name: "monotonic".into(),
        freq: NS_PER_S,
        offset_s: offset / NS_PER_S,
        offset: offset % NS_PER_S,
        ..Clock::default()
    })
}

fn seconds_of(clock: &Clock, ticks: u64) -> String {
    let freq = u128::from(clock.freq.max(1));
    let ns = u128::from(ticks) * u128::from(NS_PER_S) / freq;
    let second = u128::from(NS_PER_S);
    format!("{:5}.{:09}", ns / second, ns % second)
}

/// Nanoseconds since 1970 as in ISO 8601.
fn iso(ns: u128) -> String {
    let second = u128::from(NS_PER_S);
    let (seconds, ns) = (ns / second, ns % second);
    let (days, seconds) = (seconds / 86400, seconds % 86400);
    let (year, month, day) = date(days as u64);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{ns:09}Z")
}

/// The date so many days after 1 January 1970.
fn date(days: u64) -> (u64, u64, u64) {
    // In cycles of 400 years, which begin with March.
    let days = days + 719_468;
    let (cycle, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day_of_month = day - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 {
        (month + 3, 0)
    } else {
        (month - 9, 1)
    };
    (cycle * 400 + year + next, month, day_of_month)
}

/// A number of seconds on the command line.
pub(crate) fn seconds(text: &str) -> Result<Duration, String> {
    let bad = || "not a number of seconds above 0".to_owned();
    let seconds: f64 = text.parse().map_err(|_| bad())?;
    if seconds <= 0.0 {
        return Err(bad());
    }
    Duration::try_from_secs_f64(seconds).map_err(|_| bad())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clock() -> Clock {
        Clock {
            freq: NS_PER_S,
            offset_s: 1_700_000_000,
            ..Clock::default()
        }
    }

    #[test]
    fn dates() {
        assert_eq!(date(0), (1970, 1, 1));
        assert_eq!(date(59), (1970, 3, 1));
        assert_eq!(date(11_016), (2000, 2, 29));
        assert_eq!(date(20_780), (2026, 11, 23));
        assert_eq!(
            iso(1_700_000_000_123_456_789),
            "2023-11-14T22:13:20.123456789Z"
        );
    }

    #[test]
    fn forms() {
        let show = |form| {
            let mut times = Times::new(form, Some(clock()));
            [times.text(1_500_000_000), times.text(1_500_000_042)]
        };
        assert_eq!(show(Time::Mono), ["[    1.500000000]", "[    1.500000042]"]);
        assert_eq!(show(Time::Delta), ["[+0.000000000]", "[+0.000000042]"]);
        assert_eq!(show(Time::Raw), ["[1500000000]", "[1500000042]"]);
        assert_eq!(show(Time::Iso)[1], "[2023-11-14T22:13:21.500000042Z]");
        let mut unknown = Times::new(Time::Iso, None);
        assert_eq!((unknown.text(7), unknown.iso(7)), ("[7]".into(), None));
    }

    #[test]
    fn times_that_go_back_do_not_wrap() {
        let mut times = Times::new(Time::Delta, Some(clock()));
        times.text(10);
        assert_eq!(times.text(3), "[-0.000000007]");
    }

    #[test]
    fn typed_seconds() {
        assert_eq!(seconds("0.5"), Ok(Duration::from_millis(500)));
        for bad in ["0", "-1", "x", "", "nan", "inf", "1e99"] {
            assert!(seconds(bad).is_err(), "{bad}");
        }
    }
}
