// SPDX-License-Identifier: GPL-2.0

//! The command on a machine without relayfs: what it says to wrong use, what it makes, and what it shows of
//! a recorded trace.

use serde_json::{json, Value};
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

fn relay(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_relay"));
    command.args(args).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// A folder that is removed with it.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let dir = std::env::temp_dir().join(format!("relay-{}-{name}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        Self(dir)
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

const METADATA: &str = r#"/* CTF 1.8 */
typealias integer { size = 8; align = 8; } := u8;
typealias integer { size = 32; align = 32; } := u32;
typealias integer { size = 64; align = 64; } := u64;
typealias integer { size = 8; align = 8; encoding = UTF8; } := utf8;

trace {
	major = 1; minor = 8;
	uuid = "07070707-0707-0707-0707-070707070707";
	byte_order = le;
	packet.header := struct { u32 magic; u8 uuid[16]; u32 stream_id; };
};

clock {
	name = "monotonic";
	uuid = "00000000-6cee-11e0-8c08-cb07d7b3a564";
	freq = 1000000000; offset_s = 1700000000; offset = 0;
};
typealias integer { size = 64; align = 64; map = clock.monotonic.value; } := time_t;

stream {
	id = 0;
	packet.context := struct {
		u64 packet_size; u64 content_size; time_t timestamp_begin; time_t timestamp_end;
		u64 events_discarded; u64 packet_seq_num; u32 cpu_id; u32 _reserved;
	};
	event.header := struct { time_t timestamp; u32 id; };
	event.context := struct { u32 len; };
};

event { name = "say"; id = 0; stream_id = 0; fields := struct { u64 n; utf8 word[8]; }; };
"#;

/// A packet with events `say`: times, numbers and words.
fn packet(cpu: u32, seq: u64, discarded: u64, events: &[(u64, u64, &[u8; 8])]) -> Vec<u8> {
    let mut body = Vec::new();
    for (time, n, word) in events {
        body.extend(time.to_le_bytes());
        body.extend(0u32.to_le_bytes());
        body.extend(16u32.to_le_bytes());
        body.extend(n.to_le_bytes());
        body.extend(*word);
    }
    let bits = (80 + body.len() as u64) * 8;
    let mut bytes = 0xC1FC_1FC1u32.to_le_bytes().to_vec();
    bytes.extend([7; 16]);
    bytes.extend(0u32.to_le_bytes());
    let (first, last) = (events[0].0, events[events.len() - 1].0);
    for word in [bits, bits, first, last, discarded, seq] {
        bytes.extend(word.to_le_bytes());
    }
    bytes.extend(cpu.to_le_bytes());
    bytes.extend(0u32.to_le_bytes());
    bytes.extend(body);
    bytes
}

/// Two CPUs, of which one refused three events.
fn trace(name: &str) -> Folder {
    let dir = Folder::new(name);
    fs::write(dir.0.join("metadata"), METADATA).unwrap();
    let mut first = packet(
        0,
        0,
        0,
        &[(10, 1, b"one\0\0\0\0\0"), (40, 4, b"a\x1b\"\\\n\0\0\0")],
    );
    first.extend(packet(0, 1, 3, &[(50, 5, b"five\0\0\0\0")]));
    fs::write(dir.0.join("cpu0"), first).unwrap();
    let second = packet(
        1,
        0,
        0,
        &[(20, 2, b"two\0\0\0\0\0"), (30, 3, b"\xff\0\0\0\0\0\0\0")],
    );
    fs::write(dir.0.join("cpu1"), second).unwrap();
    dir
}

fn lines(args: &[&str]) -> Vec<Value> {
    let out = text(&relay(args).stdout);
    out.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn wrong_use_has_status_2() {
    for args in [
        &[][..],
        &["nothing"],
        &["cat"],
        &["cat", "--no-such", "x"],
        &["cat", "x", "-o", "xml"],
        &["cat", "x", "--cpu", "3-1"],
        &["cat", "x", "--new", "-n", "3"],
        &["record", "x"],
        &["record", "x", "-o", "d", "--read", "--mmap"],
        &["record", "x", "-o", "d", "-w", "0"],
        &["completions", "tcl"],
    ] {
        let output = relay(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(
            output.stdout.is_empty() && !output.stderr.is_empty(),
            "{args:?}"
        );
    }
}

#[test]
fn errors_have_status_1_and_say_what_to_do() {
    let output = relay(&["cat", "/no/such/channel"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("relay ls"), "{output:?}");
}

#[test]
fn help_is_there_for_each_verb() {
    for verb in [
        "ls",
        "cat",
        "record",
        "stat",
        "flush",
        "reset",
        "info",
        "completions",
    ] {
        let output = relay(&[verb, "--help"]);
        assert!(output.status.success());
        assert!(text(&output.stdout).contains("Usage: relay"), "{verb}");
        assert!(text(&relay(&["--help"]).stdout).contains(verb));
    }
}

#[test]
fn completions_know_the_verbs() {
    for shell in ["bash", "zsh", "fish"] {
        let output = relay(&["completions", shell]);
        assert!(output.status.success());
        let script = text(&output.stdout);
        assert!(
            script.contains("record") && script.contains("fail-on-loss"),
            "{shell}"
        );
    }
}

#[test]
fn there_is_a_page_for_each_verb() {
    let dir = Folder::new("man");
    let pages = dir.0.join("new");
    assert!(relay(&["man", pages.to_str().unwrap()]).status.success());
    for page in [
        "relay",
        "relay-ls",
        "relay-cat",
        "relay-record",
        "relay-info",
    ] {
        let page = fs::read_to_string(pages.join(format!("{page}.1"))).unwrap();
        assert!(page.contains(".SH EXAMPLES") && page.contains(".SH EXIT STATUS"));
    }
}

#[test]
fn info_works_without_relayfs() {
    assert_eq!(lines(&["info", "--json"])[0]["type"], "info");
}

#[test]
fn text_of_a_trace_is_in_order() {
    let dir = trace("text");
    let output = relay(&["cat", dir.path()]);
    let expected = "\
[    0.000000010] cpu0 say n=1 word=\"one\"
[    0.000000020] cpu1 say n=2 word=\"two\"
[    0.000000030] cpu1 say n=3 word=\"\\xff\"
[    0.000000040] cpu0 say n=4 word=\"a\\x1b\\\"\\\\\\n\"
[    0.000000050] cpu0 say n=5 word=\"five\"
";
    assert_eq!(text(&output.stdout), expected);
    let aside = text(&output.stderr);
    assert!(
        aside.contains("cpu0: 3 records are missing here"),
        "{aside}"
    );
    assert!(
        aside.contains("lost 3 (37.50 %): cpu0 refused 3."),
        "{aside}"
    );
    assert!(output.status.success());
}

#[test]
fn json_of_a_trace_is_what_it_always_was() {
    let dir = trace("json");
    let lines = lines(&["cat", dir.path(), "-o", "json"]);
    assert_eq!(lines.len(), 8);
    assert_eq!(lines[0]["type"], "start");
    assert_eq!(
        lines[1],
        json!({
            "type": "record", "cpu": 0, "timestamp": 10, "time": "2023-11-14T22:13:20.000000010Z",
            "event": "say", "fields": { "n": 1, "word": "one" },
        })
    );
    assert_eq!(lines[3]["fields"]["word"], "\u{fffd}");
    assert_eq!(lines[4]["fields"]["word"], "a\u{1b}\"\\\n");
    assert_eq!(
        (&lines[5]["type"], &lines[5]["records"]),
        (&json!("lost"), &json!(3))
    );
    assert_eq!(
        (&lines[5]["cause"], &lines[5]["cpu"]),
        (&json!("refused"), &json!(0))
    );
    assert_eq!(
        lines[7],
        json!({
            "type": "end", "records": 5, "bytes": 80, "lost": 3, "late": 0, "complete": false,
        })
    );
}

#[test]
fn other_forms_of_a_trace() {
    let dir = trace("forms");
    let last = text(&relay(&["cat", dir.path(), "-n", "1", "--time", "raw"]).stdout);
    assert_eq!(last, "[50] cpu0 say n=5 word=\"five\"\n");
    let hex = text(&relay(&["cat", dir.path(), "-n", "1", "-o", "hex"]).stdout);
    let bytes = "00000000  05 00 00 00 00 00 00 00  66 69 76 65 00 00 00 00  |........five....|\n";
    assert!(hex.ends_with(bytes), "{hex}");
}

#[test]
fn a_trace_is_shown_of_some_cpus() {
    let dir = trace("cpus");
    let output = relay(&["cat", dir.path(), "--cpu", "1", "--fail-on-loss"]);
    let shown = text(&output.stdout);
    assert_eq!(shown.lines().count(), 2);
    assert!(
        shown.lines().all(|line| line.contains(" cpu1 say ")),
        "{shown}"
    );
    // The other one lost something.
    assert!(
        output.status.success() && output.stderr.is_empty(),
        "{output:?}"
    );
}

#[test]
fn bytes_of_a_trace_are_its_packets() {
    let dir = trace("bytes");
    let [first, second] = ["cpu0", "cpu1"].map(|name| fs::read(dir.0.join(name)).unwrap());
    let raw = |args: &[&str]| {
        let args = [&["cat", dir.path(), "-o", "raw"], args].concat();
        relay(&args)
    };
    assert_eq!(raw(&["--cpu", "1"]).stdout, second);
    let all = raw(&["--fail-on-loss"]);
    assert_eq!(all.stdout, [first, second].concat());
    assert_eq!(all.status.code(), Some(3));
    assert_eq!(raw(&["-n", "1"]).status.code(), Some(1));
}

#[test]
fn loss_is_a_status_if_asked_for() {
    let dir = trace("loss");
    assert_eq!(
        relay(&["cat", dir.path(), "--fail-on-loss"]).status.code(),
        Some(3)
    );
    fs::remove_file(dir.0.join("cpu0")).unwrap();
    let complete = relay(&["cat", dir.path(), "--fail-on-loss"]);
    assert_eq!(complete.status.code(), Some(0));
    assert!(complete.stderr.is_empty(), "{complete:?}");
}
