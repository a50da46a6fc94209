// SPDX-License-Identifier: GPL-2.0

//! The metadata of a channel whose sub-buffers are CTF packets: a text in TSDL 1.8 that tells a reader
//! how packets, event headers and the client's events are laid out. Pure: text in, text out.

use core::fmt::{self, Write};

/// How event times become times of day: since 1970, a time is `offset_s` seconds and
/// `offset + time` ticks of `1 / freq` seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Clock {
    pub(crate) name: &'static str,
    pub(crate) freq: u64,
    pub(crate) offset_s: u64,
    pub(crate) offset: u64,
}

const NS_PER_S: u64 = 1_000_000_000;

impl Clock {
    /// A clock that showed `ticks` when it was `real` nanoseconds after 1970. `freq` is not 0 and at
    /// most 2^34. Times of day from before 1970 cannot be told: then the clock itself is shown.
    pub(crate) fn new(name: &'static str, freq: u64, ticks: u64, real: u64) -> Self {
        // Both products are below 10^9 * 2^34.
        let (s, rest) = (ticks / freq, ticks % freq);
        let up = s
            .wrapping_mul(NS_PER_S)
            .wrapping_add(rest.wrapping_mul(NS_PER_S) / freq);
        let origin = real.saturating_sub(up);
        Self {
            name,
            freq,
            offset_s: origin / NS_PER_S,
            offset: (origin % NS_PER_S).wrapping_mul(freq) / NS_PER_S,
        }
    }
}

/// What is known of where a trace comes from.
#[derive(Clone, Copy)]
pub(crate) enum Value<'a> {
    Number(u32),
    /// Any bytes; those that are no printable ASCII become question marks.
    Text(&'a [u8]),
}

/// An event, and its fields in TSDL.
#[derive(Clone, Copy)]
pub(crate) struct Event<'a> {
    pub(crate) name: &'a str,
    pub(crate) fields: &'a str,
}

/// The event of channels without a schema: all bytes there are.
pub(crate) const BLOB: Event<'static> = Event {
    name: "data",
    fields: "x8 data[stream.event.context.len]; ",
};

/// What all is about.
#[derive(Clone, Copy)]
pub(crate) struct Trace<'a> {
    /// Of the trace, as in each packet.
    pub(crate) uuid: [u8; 16],
    pub(crate) clock: Clock,
    /// Equal for clocks that tell the same time.
    pub(crate) clock_uuid: [u8; 16],
    pub(crate) env: &'a [(&'a str, Value<'a>)],
}

/// Whether a name can stand in the text as it is.
pub(crate) fn is_name(name: &[u8]) -> bool {
    let plain = |c: &u8| matches!(c, b' '..=b'~') && !matches!(c, b'"' | b'\\');
    (1..=255).contains(&name.len()) && name.iter().all(plain)
}

/// Whether these may be fields: whether they mean something is for readers to find out.
pub(crate) fn are_fields(fields: &[u8]) -> bool {
    fields.len() <= 64 << 10
        && fields
            .iter()
            .all(|c| matches!(c, b' '..=b'~' | b'\t' | b'\n'))
}

/// Types of numbers are aligned to their size, as a 64-bit C compiler does.
fn types(to: &mut impl Write) -> fmt::Result {
    for (letter, more) in [("u", ""), ("s", " signed = true;"), ("x", " base = 16;")] {
        for bits in [8u32, 16, 32, 64] {
            writeln!(
                to,
                "typealias integer {{ size = {bits}; align = {bits};{more} }} := {letter}{bits};"
            )?;
        }
    }
    writeln!(
        to,
        "typealias integer {{ size = 8; align = 8; encoding = UTF8; }} := utf8;\n"
    )
}

struct Uuid([u8; 16]);

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, byte) in self.0.iter().enumerate() {
            if matches!(i, 4 | 6 | 8 | 10) {
                f.write_char('-')?;
            }
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

/// A string, in its quotes.
struct Quoted<'a>(&'a [u8]);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        for &c in self.0 {
            match c {
                b'"' | b'\\' => {
                    f.write_char('\\')?;
                    f.write_char(c.into())?;
                }
                b' '..=b'~' => f.write_char(c.into())?,
                _ => f.write_char('?')?,
            }
        }
        f.write_char('"')
    }
}

/// Writes all but the events. A reader wants to find the first line just so.
pub(crate) fn write_head(to: &mut impl Write, trace: &Trace<'_>) -> fmt::Result {
    writeln!(to, "/* CTF 1.8 */\n")?;
    types(to)?;
    let order = if cfg!(target_endian = "little") {
        "le"
    } else {
        "be"
    };
    writeln!(
        to,
        "trace {{\n\
         \tmajor = 1; minor = 8;\n\
         \tuuid = \"{}\";\n\
         \tbyte_order = {order};\n\
         \tpacket.header := struct {{ u32 magic; u8 uuid[16]; u32 stream_id; }};\n\
         }};\n",
        Uuid(trace.uuid),
    )?;
    writeln!(to, "env {{")?;
    for (name, value) in trace.env {
        match value {
            Value::Number(n) => writeln!(to, "\t{name} = {n};")?,
            Value::Text(text) => writeln!(to, "\t{name} = {};", Quoted(text))?,
        }
    }
    writeln!(to, "}};\n")?;
    clock(to, &trace.clock, trace.clock_uuid)?;
    writeln!(
        to,
        "stream {{\n\
         \tid = 0;\n\
         \tpacket.context := struct {{\n\
         \t\tu64 packet_size; u64 content_size; time_t timestamp_begin; time_t timestamp_end;\n\
         \t\tu64 events_discarded; u64 packet_seq_num; u32 cpu_id; u32 _reserved;\n\
         \t}};\n\
         \tevent.header := struct {{ time_t timestamp; u32 id; }};\n\
         \tevent.context := struct {{ u32 len; }};\n\
         }};\n"
    )
}

fn clock(to: &mut impl Write, clock: &Clock, uuid: [u8; 16]) -> fmt::Result {
    let Clock {
        name,
        freq,
        offset_s,
        offset,
    } = clock;
    writeln!(
        to,
        "clock {{\n\
         \tname = \"{name}\";\n\
         \tuuid = \"{}\";\n\
         \tfreq = {freq}; offset_s = {offset_s}; offset = {offset};\n\
         }};\n\
         typealias integer {{ size = 64; align = 64; map = clock.{name}.value; }} := time_t;\n",
        Uuid(uuid),
    )
}

/// Writes the event with number `id`.
pub(crate) fn write_event(to: &mut impl Write, id: u32, event: Event<'_>) -> fmt::Result {
    let Event { name, fields } = event;
    writeln!(
        to,
        "event {{ name = \"{name}\"; id = {id}; stream_id = 0; fields := struct {{ {fields}}}; }};"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const UUID: [u8; 16] = [
        0x2a, 0x64, 0x22, 0xd0, 0x6c, 0xee, 0x11, 0xe0, 0x8c, 0x08, 0xcb, 0x07, 0xd7, 0xb3, 0xa5,
        0x64,
    ];

    #[test]
    fn a_clock_shows_the_time_it_was_set_by() {
        for freq in [1, 1000, 999_999, 2_918_400_000, NS_PER_S, 1 << 34] {
            for ticks in [0, 1, freq - 1, freq, 12_345 * freq + freq / 3] {
                let real = 1_795_000_000_987_654_321u64;
                let clock = Clock::new("c", freq, ticks, real);
                assert!(clock.offset < freq);
                let at = u128::from(clock.offset) + u128::from(ticks);
                let shown = u128::from(clock.offset_s) * u128::from(NS_PER_S)
                    + at * u128::from(NS_PER_S) / u128::from(freq);
                // Two roundings, of a tick or a nanosecond, whichever is longer.
                let grain = u128::from(NS_PER_S / freq + 1);
                assert!(shown.abs_diff(real.into()) <= 2 * grain, "{clock:?}");
            }
        }
    }

    #[test]
    fn before_1970_the_clock_itself_is_shown() {
        let clock = Clock::new("c", NS_PER_S, 5000, 4000);
        assert_eq!((clock.offset_s, clock.offset), (0, 0));
    }

    #[test]
    fn monotonic_time_is_exact() {
        let clock = Clock::new("monotonic", NS_PER_S, 77, 1_700_000_000_000_000_082);
        assert_eq!((clock.offset_s, clock.offset), (1_700_000_000, 5));
    }

    #[test]
    fn strings_are_quoted() {
        let quoted = |text: &[u8]| Quoted(text).to_string();
        assert_eq!(quoted(b"plain"), r#""plain""#);
        assert_eq!(quoted(b"a\"b\\c"), r#""a\"b\\c""#);
        assert_eq!(quoted(b"a\nb\0\xc3\xa4"), r#""a?b???""#);
    }

    #[test]
    fn a_uuid_is_written_as_usual() {
        assert_eq!(
            Uuid(UUID).to_string(),
            "2a6422d0-6cee-11e0-8c08-cb07d7b3a564"
        );
    }

    #[test]
    fn names_that_would_break_the_text_are_none() {
        assert!(is_name(b"a") && is_name(b"net:rx 1") && is_name(&[b'x'; 255]));
        for bad in [&b""[..], b"a\"", b"a\\", b"a\n", b"\xc3\xa4", &[b'x'; 256]] {
            assert!(!is_name(bad), "{bad:?}");
        }
        assert!(are_fields(b"") && are_fields(b"u32 _a;\n\tstring b; "));
        assert!(!are_fields(b"u32 \0a; ") && !are_fields(&vec![b' '; (64 << 10) + 1]));
    }

    #[test]
    fn head_and_events_are_in_the_text() {
        let mut text = String::new();
        let trace = Trace {
            uuid: UUID,
            clock: Clock::new("monotonic", NS_PER_S, 0, 5),
            clock_uuid: [0; 16],
            env: &[("n", Value::Number(3)), ("s", Value::Text(b"x\"y"))],
        };
        write_head(&mut text, &trace).unwrap();
        let event = Event {
            name: "rx",
            fields: "u32 _len; ",
        };
        write_event(&mut text, 7, event).unwrap();
        assert!(text.starts_with("/* CTF 1.8 */\n"));
        for line in [
            "typealias integer { size = 64; align = 64; signed = true; } := s64;",
            "\tuuid = \"2a6422d0-6cee-11e0-8c08-cb07d7b3a564\";",
            "\tn = 3;",
            "\ts = \"x\\\"y\";",
            "\tfreq = 1000000000; offset_s = 0; offset = 5;",
            "event { name = \"rx\"; id = 7; stream_id = 0; fields := struct { u32 _len; }; };",
        ] {
            assert!(text.lines().any(|l| l == line), "{line}");
        }
        // A blank line between the parts, none that grew from a macro's indentation.
        assert!(!text.contains("\n  ") && !text.contains("\n\n\n"));
    }
}
