// SPDX-License-Identifier: MIT OR Apache-2.0

//! Structures and numbers are those of the header: a C program that includes it says what they are.

use crate::{ioctl, uapi};
use std::fmt::Write as _;
use std::fs;
use std::mem::offset_of;
use std::process::Command;

/// What Rust has, as the program prints it, and the lines of C that print it.
#[derive(Default)]
struct Facts {
    ours: String,
    c: String,
}

impl Facts {
    fn number(&mut self, c: &str, value: u64) {
        writeln!(self.ours, "{c} {value}").unwrap();
        writeln!(
            self.c,
            "printf(\"%s %llu\\n\", \"{c}\", (unsigned long long)({c}));"
        )
        .unwrap();
    }
}

/// All fields of a structure: where they are, and how long.
macro_rules! fields {
    ($facts:ident, $c:literal, $ours:ty, $($field:ident)*) => {
        $facts.number(concat!("sizeof(struct ", $c, ")"), size_of::<$ours>() as u64);
        let mut end = 0;
        $(
            let at = offset_of!($ours, $field);
            // None is left out: no padding is in any of them.
            assert_eq!(at, end, "{}", stringify!($field));
            let len = len_of(|value: &$ours| size_of_val(&value.$field));
            end = at + len;
            let c = concat!("offsetof(struct ", $c, ", ", stringify!($field), ")");
            $facts.number(c, at as u64);
            let c = concat!("sizeof(((struct ", $c, " *)0)->", stringify!($field), ")");
            $facts.number(c, len as u64);
        )*
        assert_eq!(end, size_of::<$ours>());
    };
}

fn len_of<T: zerocopy::FromBytes>(len: impl Fn(&T) -> usize) -> usize {
    len(&T::new_zeroed())
}

fn structures(facts: &mut Facts) {
    fields!(facts, "relayfs_lost", uapi::Count, records bytes);
    fields!(facts, "relayfs_count", uapi::Count, records bytes);
    fields!(
        facts, "relayfs_meta", uapi::Meta,
        magic version data_offset subbuf_size n_subbufs desc_size cpu flags generation start_reserve
        end_reserve reserved write_pos writer_time pad0 delivered delivered_records delivered_bytes deliver_state
        before lost consumed read_records read_bytes overwritten_records overwritten_bytes pad2
    );
    fields!(
        facts, "relayfs_subbuf", uapi::Subbuf,
        commit base seq closed_at holes begin end data_len records bytes first_record first_byte claim
        data_start reserved
    );
    fields!(
        facts, "relayfs_packet", uapi::Packet,
        magic uuid stream_id packet_size content_size timestamp_begin timestamp_end events_discarded
        packet_seq_num cpu_id reserved
    );
    fields!(facts, "relayfs_consumer", uapi::Consumer, position lost_records lost_bytes reserved);
    fields!(facts, "relayfs_event", uapi::Event, timestamp id len);
    fields!(
        facts, "relayfs_info", uapi::Info,
        size flags subbuf_size n_subbufs n_buffers cpu state generation start_reserve end_reserve
        channel_start_reserve flush_interval_ms watermark readers observers current_seq subbufs_produced
        subbufs_consumed wakeups produced read overwritten unread lost
    );
}

fn numbers(facts: &mut Facts) {
    for (c, value) in [
        ("RELAYFS_MAGIC", uapi::MAGIC),
        ("RELAYFS_META_VERSION", uapi::META_VERSION),
        ("RELAYFS_META_RECORDS", uapi::FLAG_RECORDS),
        ("RELAYFS_CPU_NONE", uapi::CPU_NONE),
        ("RELAYFS_CPU_ALL", uapi::CPU_ALL),
        ("RELAYFS_LOST_CAUSES", uapi::LOST_CAUSES as u32),
        ("RELAYFS_PACKET_MAGIC", uapi::PACKET_MAGIC),
        ("RELAYFS_STATE_CLOSED", uapi::STATE_CLOSED),
        ("RELAY_IOC_OBSERVE", ioctl::OBSERVE),
        ("RELAY_IOC_GET_LOST", ioctl::GET_LOST),
        ("RELAY_IOC_SET_WATERMARK", ioctl::SET_WATERMARK),
        ("RELAY_IOC_SET_FLUSH_INTERVAL", ioctl::SET_FLUSH_INTERVAL),
        ("RELAY_IOC_FLUSH", ioctl::FLUSH),
        ("RELAY_IOC_RESET", ioctl::RESET),
        ("RELAY_IOC_GET_INFO", ioctl::GET_INFO),
        ("RELAY_IOC_CONSUME", ioctl::CONSUME),
        // Of the header for clients, which has the same names in the channel's flags.
        ("RELAY_MODE_NO_OVERWRITE", uapi::FLAG_NO_OVERWRITE),
        ("RELAY_USAGE_GLOBAL", uapi::FLAG_GLOBAL),
        ("RELAY_TIMESTAMP_TSC", uapi::FLAG_TSC),
        ("RELAY_TIMESTAMP_NONE", uapi::FLAG_NO_TIME),
        ("RELAY_FORMAT_RECORDS", uapi::FLAG_RECORDS),
    ] {
        facts.number(c, value.into());
    }
    facts.number("RELAYFS_OFF_CONSUMER", uapi::OFF_CONSUMER);
    for (at, name) in crate::REFUSED.iter().enumerate() {
        let c = format!("RELAYFS_LOST_{}", name.to_uppercase());
        facts.number(&c, at as u64);
    }
}

#[test]
fn structures_and_numbers_are_those_of_the_header() {
    let mut facts = Facts::default();
    structures(&mut facts);
    numbers(&mut facts);
    let include = concat!(env!("CARGO_MANIFEST_DIR"), "/../../include");
    // The flags alone: the rest of that header is the kernel's.
    let attr = fs::read_to_string(format!("{include}/linux/relayfs/attr.h")).unwrap();
    let flags: Vec<_> = attr
        .lines()
        .filter(|line| line.starts_with("#define RELAY_") && line.contains("0x"))
        .collect();
    let source = format!(
        "#include <stddef.h>\n#include <stdio.h>\n#include <linux/relayfs.h>\n{}\n\
         int main(void)\n{{\n{}return 0;\n}}\n",
        flags.join("\n"),
        facts.c
    );
    let dir = std::env::temp_dir().join(format!("relayfs-uapi-{}", std::process::id()));
    fs::create_dir_all(&dir).unwrap();
    let (c, program) = (dir.join("facts.c"), dir.join("facts"));
    fs::write(&c, source).unwrap();
    let built = Command::new("cc")
        .args(["-I", &format!("{include}/uapi"), "-o"])
        .args([&program, &c])
        .output()
        .unwrap();
    assert!(
        built.status.success(),
        "{}",
        String::from_utf8_lossy(&built.stderr)
    );
    let said = Command::new(&program).output().unwrap().stdout;
    let said = String::from_utf8_lossy(&said).into_owned();
    fs::remove_dir_all(&dir).unwrap();
    for (ours, theirs) in facts.ours.lines().zip(said.lines()) {
        assert_eq!(ours, theirs);
    }
    assert_eq!(facts.ours, said);
}
