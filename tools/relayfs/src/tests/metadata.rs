// SPDX-License-Identifier: MIT OR Apache-2.0

//! The metadata texts of the kernel, and what is none.

use crate::metadata::{Metadata, Value};

/// As the kernel writes it, with these events.
pub(super) fn text(events: &str) -> String {
    include_str!("metadata.txt").replace("EVENTS", events)
}

/// The fields of an event of type 0, as text.
fn decode(fields: &str, bytes: &[u8]) -> Result<String, String> {
    let event = format!(
        "event {{ name = \"e\"; id = 0; stream_id = 0; fields := struct {{ {fields}}}; }};"
    );
    let metadata = Metadata::parse(&text(&event)).map_err(|error| error.to_string())?;
    let event = metadata.event(0).unwrap();
    let fields = event.decode(bytes).map_err(|error| error.to_string())?;
    let fields: Vec<_> = fields
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    Ok(fields.join(" "))
}

#[test]
fn the_head_is_understood() {
    let metadata = Metadata::parse(&text("")).unwrap();
    assert_eq!(metadata.uuid()[..3], [0x2a, 0x64, 0x22]);
    let clock = metadata.clock();
    assert_eq!((&*clock.name, clock.freq), ("monotonic", 1_000_000_000));
    assert_eq!(clock.unix_ns(7), 1_795_000_000_000_000_012);
    let env = metadata.env();
    assert!(env.contains(&("channel".into(), "a\"b".into())));
    assert!(env.contains(&("tracer_major".into(), "1".into())));
    assert_eq!(metadata.events().count(), 0);
}

#[test]
fn fields_of_all_kinds_have_their_values() {
    let le = |n: u64, bytes| n.to_ne_bytes()[..bytes].to_vec();
    let aligned = [le(200, 1), vec![0], le(60000, 2), le(7, 4), le(u64::MAX, 8)].concat();
    let fields = "u8 _a; u16 _b; u32 _c; u64 _d; ";
    assert_eq!(
        decode(fields, &aligned).unwrap(),
        format!("a=200 b=60000 c=7 d={}", u64::MAX)
    );
    let fields = "s8 _a; s16 _b; s32 _c; s64 _d; ";
    assert_eq!(decode(fields, &aligned).unwrap(), "a=-56 b=-5536 c=7 d=-1");
    let fields = "x8 _a; x16 _b; x32 _c; x64 _d; ";
    let wanted = "a=0xc8 b=0xea60 c=0x7 d=0xffffffffffffffff";
    assert_eq!(decode(fields, &aligned).unwrap(), wanted);
    let fields = "utf8 _dev[8]; u8 _mac[3]; string _why; ";
    let bytes = b"eth0\0\0\0\0\x01\x02\x03no \"route\"\0";
    let wanted = r#"dev="eth0" mac=[1, 2, 3] why="no \"route\"""#;
    assert_eq!(decode(fields, bytes).unwrap(), wanted);
    // The length is no field; the sequence is aligned behind it.
    let fields = "u8 _x; u32 _n_length; u64 _n[_n_length]; ";
    let bytes = [le(5, 1), vec![0; 3], le(2, 4), le(8, 8), le(9, 8)].concat();
    assert_eq!(decode(fields, &bytes).unwrap(), "x=5 n=[8, 9]");
    let fields = "x8 data[stream.event.context.len]; ";
    assert_eq!(decode(fields, &[1, 255]).unwrap(), "data=[0x1, 0xff]");
    assert_eq!(decode(fields, &[]).unwrap(), "data=[]");
    assert_eq!(decode("", &[]).unwrap(), "");
}

#[test]
fn an_event_that_is_too_short_says_which_field_is_cut() {
    for (fields, bytes) in [
        ("u32 _a; ", &[0u8; 3][..]),
        ("u8 _x; u32 _a; ", &[0; 6]),
        ("u8 _a[4]; ", &[0; 3]),
        ("string _a; ", b"no end"),
        ("u32 _a_length; u16 _a[_a_length]; ", &[255; 6]),
        ("u8 _x; u64 _a[1]; ", &[0]),
    ] {
        let error = decode(fields, bytes).unwrap_err();
        assert!(error.starts_with("event e, field a: "), "{error}");
    }
}

#[test]
fn an_event_of_unknown_kind_does_not_hide_the_others() {
    let events = "event { name = \"odd\"; id = 1; stream_id = 0; fields := struct { \
        variant <x> { u8 a; u16 b; } _v; u8 _w; }; };\n\
        event { name = \"plain\"; id = 2; stream_id = 0; fields := struct { u8 _w; }; };";
    let metadata = Metadata::parse(&text(events)).unwrap();
    let odd = metadata.event(1).unwrap();
    assert!(
        odd.problem().unwrap().contains("variant"),
        "{:?}",
        odd.problem()
    );
    assert!(odd.decode(&[0; 8]).is_err());
    let plain = metadata.event(2).unwrap().decode(&[3]).unwrap();
    assert_eq!(plain, [("w", Value::Unsigned(3))]);
}

#[test]
fn what_would_change_the_layout_is_an_error() {
    let good = text("");
    for (from, to, what) in [
        ("/* CTF 1.8 */", "/* CTF 9 */", "CTF 1.8"),
        ("u32 stream_id;", "u16 stream_id;", "packets are known only"),
        ("u64 packet_seq_num; ", "", "packets are known only"),
        (
            "event.context := struct { u32 len; };",
            "event.context := struct { u64 len; };",
            "only",
        ),
        ("byte_order = le", "byte_order = be", "byte order be"),
        ("minor = 8", "minor = 9", "only with"),
        ("freq = 1000000000", "freq = 0", "stands still"),
        ("env {", "callsite {", "callsite is not known"),
        (
            "size = 32; align = 32; }",
            "size = 24; align = 32; }",
            "24 bits",
        ),
        ("2a6422d0", "xyz", "no uuid"),
        ("clock {", "/* clock {", "comment without an end"),
    ] {
        assert!(good.contains(from), "{from}");
        let error = Metadata::parse(&good.replace(from, to))
            .unwrap_err()
            .to_string();
        assert!(error.contains(what), "{from}: {error}");
    }
}

#[test]
fn an_error_names_its_line() {
    let error = Metadata::parse("/* CTF 1.8 */\n\ntrace {\n\tmajor = x;").unwrap_err();
    assert!(
        error.to_string().starts_with("metadata, line 4: "),
        "{error}"
    );
}

#[test]
fn values_are_json() {
    let json = |value: Value<'_>| {
        let mut text = String::new();
        value.write_json(&mut text).unwrap();
        text
    };
    assert_eq!(json(Value::Signed(-3)), "-3");
    assert_eq!(json(Value::Hex(u64::MAX)), u64::MAX.to_string());
    assert_eq!(
        json(Value::Text(b"a\"\\\n\x01\xff")),
        "\"a\\\"\\\\\\n\\u0001\u{fffd}\""
    );
}
