// SPDX-License-Identifier: GPL-2.0

//! `info`: a channel's attributes and counters as text.

use super::{file, inode, inode::Node, StaticOps};
use crate::bindings as local;
use crate::channel::{config::Config, config::Usage, info::Info, Channel};
use crate::ring::{Clock, Count};
use crate::watermark::Watermark;
use core::sync::atomic::Ordering;
use kernel::bindings;
use kernel::ffi::c_void;
use kernel::prelude::*;
use kernel::seq_file::SeqFile;
use kernel::seq_print;
use kernel::sync::Arc;

pub(super) static OPERATIONS: StaticOps<bindings::file_operations> =
    // SAFETY: All zeroes is a set of operations.
    StaticOps::new(unsafe {
        bindings::file_operations {
            open: Some(open),
            release: Some(release),
            read_iter: Some(bindings::seq_read_iter),
            llseek: Some(bindings::seq_lseek),
            ..core::mem::zeroed()
        }
    });

/// # Safety
///
/// As the kernel calls it: valid pointers, an inode of ours.
unsafe extern "C" fn open(inode: *mut bindings::inode, file: *mut bindings::file) -> i32 {
    if let Err(error) = file::check_lockdown() {
        return error.to_errno();
    }
    // SAFETY: As the caller promises.
    let Node::Info(channel) = (unsafe { inode::node(inode) }) else {
        return EINVAL.to_errno();
    };
    let channel = Arc::into_raw(channel.clone());
    // SAFETY: The file is being opened. The channel is given back by `release()`.
    let error = unsafe { bindings::single_open(file, Some(show), channel.cast_mut().cast()) };
    if error != 0 {
        // SAFETY: From `into_raw()`, and nobody else took it.
        drop(unsafe { Arc::from_raw(channel) });
    }
    error
}

/// # Safety
///
/// As the kernel calls it: `file` opened by [`open`], not used any more.
unsafe extern "C" fn release(inode: *mut bindings::inode, file: *mut bindings::file) -> i32 {
    // SAFETY: `single_open()` keeps what it was given there; `open()` gave a channel.
    unsafe {
        let seq = (*file).private_data.cast::<bindings::seq_file>();
        drop(Arc::from_raw((*seq).private.cast::<Channel>().cast_const()));
        bindings::single_release(inode, file)
    }
}

/// # Safety
///
/// As the kernel calls it, with what [`open`] gave to `single_open()`.
unsafe extern "C" fn show(seq: *mut bindings::seq_file, _: *mut c_void) -> i32 {
    // SAFETY: As the caller promises.
    let (to, channel) = unsafe { (SeqFile::from_raw(seq), &*(*seq).private.cast::<Channel>()) };
    print(to, channel);
    0
}

/// What a channel is like, in the words of `info` and `.channels`.
pub(super) struct Names {
    pub(super) mode: &'static str,
    pub(super) usage: &'static str,
    pub(super) format: &'static str,
    pub(super) scheme: &'static str,
    pub(super) delivery: &'static str,
    pub(super) clock: &'static str,
}

impl Names {
    pub(super) fn of(config: &Config) -> Self {
        let either = |is, yes, no| if is { yes } else { no };
        let shape = &config.shape;
        let packet = shape.flags & local::RELAY_DELIVERY_PACKET != 0;
        Self {
            mode: either(shape.spec.overwrite(), "overwrite", "no-overwrite"),
            usage: either(config.usage == Usage::Smp, "smp", "global"),
            format: either(config.records.is_some(), "records", "raw"),
            scheme: either(shape.locking, "locking", "lockless"),
            delivery: either(packet, "packet", "bulk"),
            clock: match shape.spec.clock() {
                Clock::Mono => "mono",
                Clock::Tsc => "tsc",
                Clock::None => "none",
            },
        }
    }
}

fn print(to: &SeqFile, channel: &Channel) {
    let config = channel.config();
    let geo = channel.shape().spec.geo();
    let path = channel.path().map_or(&[][..], CStr::to_bytes);
    seq_print!(to, "channel: {}\n", kernel::str::BStr::from_bytes(path));
    let names = Names::of(config);
    seq_print!(to, "mode: {}\n", names.mode);
    seq_print!(to, "usage: {}\n", names.usage);
    seq_print!(to, "scheme: {}\n", names.scheme);
    seq_print!(to, "format: {}\n", names.format);
    seq_print!(to, "delivery: {}\n", names.delivery);
    seq_print!(to, "subbuf_size: {}\n", geo.subbuf_size());
    seq_print!(to, "n_subbufs: {}\n", geo.n_subbufs());
    seq_print!(to, "generation: {}\n", channel.generation());
    seq_print!(to, "clock: {}\n", names.clock);
    let reserves = config.shape.spec.reserves();
    seq_print!(to, "start_reserve: {}\n", reserves.start);
    seq_print!(to, "end_reserve: {}\n", reserves.end);
    seq_print!(to, "channel_start_reserve: {}\n", reserves.channel_start);
    let (n, unit) = match config.shape.watermark {
        Watermark::Bytes(n) => (n, "bytes"),
        Watermark::Subbufs(n) => (n, "subbufs"),
    };
    seq_print!(to, "watermark: {} {}\n", n, unit);
    seq_print!(to, "flush_interval_ms: {}\n", config.flush_interval);
    if let Some(limits) = &config.limits {
        seq_print!(to, "resize_min: {}\n", limits.min);
        seq_print!(to, "resize_max: {}\n", limits.max);
        seq_print!(to, "resize_idle_ms: {}\n", limits.idle_ms);
    }
    let (readers, observers) = {
        let readers = channel.hub().readers.lock();
        (readers.open_files(), readers.observers())
    };
    seq_print!(to, "readers: {}\n", readers);
    seq_print!(to, "observers: {}\n", observers);
    seq_print!(to, "late: {}\n", channel.hub().late.load(Ordering::Relaxed));
    let closed = channel.hub().is_closed();
    seq_print!(to, "state: {}\n", if closed { "closed" } else { "open" });
    let mut sum = Info::default();
    for (cpu, info) in channel.infos() {
        seq_print!(to, "cpu{}:", cpu);
        print_row(to, &info);
        sum = sum.plus(&info);
    }
    seq_print!(to, "total:");
    print_row(to, &sum);
}

/// Names, each followed by records and payload bytes, but for the wake-ups.
fn print_row(to: &SeqFile, info: &Info) {
    let stats = &info.stats;
    let [full, too_big, nested, closed, held, no_buffer, nmi] = stats.refused;
    let columns = [
        ("produced", stats.produced),
        ("read", stats.read),
        ("unread", stats.unread()),
        ("overwritten", stats.overwritten),
        ("full", full),
        ("too_big", too_big),
        ("nested", nested),
        ("closed", closed),
        ("held", held),
        ("no_buffer", no_buffer),
        ("nmi", nmi),
    ];
    for (name, Count { records, bytes }) in columns {
        seq_print!(to, " {} {} {}", name, records, bytes);
    }
    seq_print!(to, " wakeups {}\n", info.wakeups);
}
