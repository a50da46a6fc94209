// SPDX-License-Identifier: MIT OR Apache-2.0

//! What relayfs_test.ko does for tests: tests/modules/relayfs_test.h.

use rustix::ioctl::{ioctl, opcode, Setter, Updater};
use std::ffi::CString;
use std::fs::{self, File};
use std::thread;

/// `RELAY_FORMAT_RECORDS`.
pub const RECORDS: u32 = 0x2000;
/// `RELAY_MODE_NO_OVERWRITE`.
pub const NO_OVERWRITE: u32 = 0x200;

const MAGIC: u32 = 0x07e1_a7f5;

/// `struct relaytest_open`
#[derive(Clone, Copy, Default)]
#[repr(C)]
pub struct Attributes {
    pub path: u64,
    pub subbuf_size: u64,
    pub n_subbufs: u32,
    pub flags: u32,
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    pub flush_interval_ms: u32,
    pub attr_size: u32,
    pub reserved: u32,
    pub watermark: u32,
    pub watermark_unit: u32,
    pub id: u32,
    pub start_reserve: u32,
    pub end_reserve: u32,
    pub channel_start_reserve: u32,
    pub attr_more: u32,
    pub with: u32,
    pub resize_min: u32,
    pub resize_max: u32,
}

/// `struct relaytest_pattern`
#[derive(Clone, Copy, Default)]
#[repr(C)]
pub struct Pattern {
    pub id: u32,
    pub cpu: i32,
    pub context: u32,
    pub count: u32,
    pub len: u32,
    pub nested_len: u32,
    pub discard_every: u32,
    pub writer: u32,
    pub first: u32,
    pub written: u32,
    pub failed: u32,
    pub error: i32,
}

/// A channel that a test has opened. It is closed when it is dropped.
pub struct Client {
    device: File,
    id: u32,
    pub name: String,
}

impl Client {
    pub fn open(name: &str, attributes: Attributes) -> Self {
        let device = File::open("/dev/relayfs_test").expect("relayfs_test.ko");
        let path = CString::new(name).unwrap();
        let mut open = Attributes {
            path: path.as_ptr() as u64,
            ..attributes
        };
        const OPEN: u32 = opcode::read_write::<Attributes>(b'r', 1);
        // SAFETY: That ioctl reads and writes a `struct relaytest_open`, with a text that lives.
        unsafe { ioctl(&device, Updater::<OPEN, _>::new(&mut open)) }.expect("open");
        Self {
            device,
            id: open.id,
            name: name.to_owned(),
        }
    }

    /// Writes records that prove themselves.
    pub fn write(&self, pattern: Pattern) -> Pattern {
        let mut pattern = Pattern {
            id: self.id,
            ..pattern
        };
        const PATTERN: u32 = opcode::read_write::<Pattern>(b'r', 4);
        // SAFETY: That ioctl reads and writes a `struct relaytest_pattern`.
        unsafe { ioctl(&self.device, Updater::<PATTERN, _>::new(&mut pattern)) }.expect("pattern");
        pattern
    }

    /// Writes on all CPUs at once, as writer `cpu`: how many were written, and refused.
    pub fn write_everywhere(&self, pattern: Pattern) -> (u64, u64) {
        let written = thread::scope(|scope| {
            let writers: Vec<_> = (0..cpus())
                .map(|cpu| {
                    scope.spawn(move || {
                        self.write(Pattern {
                            cpu: cpu as i32,
                            writer: cpu,
                            ..pattern
                        })
                    })
                })
                .collect();
            writers
                .into_iter()
                .map(|writer| writer.join().unwrap())
                .collect::<Vec<_>>()
        });
        let sum = |of: fn(&Pattern) -> u32| written.iter().map(|p| u64::from(of(p))).sum();
        (sum(|p| p.written), sum(|p| p.failed))
    }

    /// `relay_close()`
    pub fn close(&self) {
        const CLOSE: u32 = opcode::write::<u32>(b'r', 2);
        // SAFETY: That ioctl reads a `__u32`.
        unsafe { ioctl(&self.device, Setter::<CLOSE, u32>::new(self.id)) }.expect("close");
    }
}

/// The number of the record that `bytes` begins with, which `writer` wrote, and how long it is.
pub fn record(bytes: &[u8], writer: u32) -> (u32, usize) {
    let word = |at: usize| u32::from_ne_bytes(bytes[at..at + 4].try_into().unwrap());
    let (len, number) = (word(4) as usize, word(12));
    assert_eq!((word(0), word(8)), (MAGIC, writer));
    let fill = (writer * 31 + number * 7 + 3) as u8;
    assert!(bytes[16..len].iter().all(|&byte| byte == fill));
    (number, len)
}

/// How many CPUs there are.
pub fn cpus() -> u32 {
    let dir = fs::read_dir("/sys/devices/system/cpu").unwrap();
    let is_cpu = |name: &str| {
        let number = name.strip_prefix("cpu");
        number.is_some_and(|number| number.parse::<u32>().is_ok())
    };
    dir.filter(|entry| is_cpu(entry.as_ref().unwrap().file_name().to_str().unwrap()))
        .count() as u32
}

/// So much of an amount as this kernel is to be given: see tests/run.
pub fn scaled(amount: u32) -> u32 {
    let scale = std::env::var("RELAYTEST_SCALE").ok();
    let percent = scale.and_then(|scale| scale.parse().ok()).unwrap_or(100);
    (amount * percent / 100).max(1)
}
