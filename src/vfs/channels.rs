// SPDX-License-Identifier: GPL-2.0

//! `.channels` in the root: all channels, a line each.
//!
//! The first line begins with `#` and names the columns; they are separated by one space. All are words
//! or decimal numbers but the last, the path, in which space, tab, newline, backslash, `#` and control
//! characters are `\ooo` as in /proc/mounts; `-` is a channel without files (a path that is just that
//! is `\055`). New columns come before the path, and old ones keep their names: who reads it looks for
//! the names, or takes the last column for the path.
//!
//! A reader keeps no lock between two lines, and none while they are copied to the user; which line is
//! next is the number of a channel, not how many lines were before.

use super::{file, info, StaticOps};
use crate::bindings as local;
use crate::channel::{info::Info, list, Channel};
use crate::ring::Count;
use kernel::bindings;
use kernel::ffi::c_void;
use kernel::prelude::*;
use kernel::seq_file::SeqFile;
use kernel::seq_print;
use kernel::sync::Arc;

const HEADER: &str = "# mode usage format scheme delivery clock subbuf_size n_subbufs buffers \
generation readers observers produced read unread overwritten lost unread_bytes path\n";

/// What `start()` and `next()` give for the header.
const TOKEN: *mut c_void = core::ptr::without_provenance_mut(1);

pub(super) static OPERATIONS: StaticOps<bindings::file_operations> =
    // SAFETY: All zeroes is a set of operations.
    StaticOps::new(unsafe {
        bindings::file_operations {
            open: Some(open),
            release: Some(bindings::seq_release),
            read_iter: Some(bindings::seq_read_iter),
            llseek: Some(bindings::seq_lseek),
            ..core::mem::zeroed()
        }
    });

static LINES: StaticOps<bindings::seq_operations> = StaticOps::new(bindings::seq_operations {
    start: Some(start),
    stop: Some(stop),
    next: Some(next),
    show: Some(show),
});

/// # Safety
///
/// As the kernel calls it: valid pointers, an inode of ours.
unsafe extern "C" fn open(_inode: *mut bindings::inode, file: *mut bindings::file) -> i32 {
    match file::check_lockdown() {
        // SAFETY: The file is being opened; the operations are static.
        Ok(()) => unsafe { bindings::seq_open(file, LINES.get()) },
        Err(error) => error.to_errno(),
    }
}

/// The line of the first channel from `number` on. `stop()` or `next()` gives back the channel.
fn line_from(number: u64, at: &mut i64) -> *mut c_void {
    // Also if there is none: the kernel wants to see that it went on.
    *at = number as i64;
    match list::from(number) {
        Some((number, channel)) => {
            *at = number as i64;
            Arc::into_raw(channel).cast_mut().cast()
        }
        None => core::ptr::null_mut(),
    }
}

/// # Safety
///
/// As the kernel calls it: `at` is valid.
unsafe extern "C" fn start(_: *mut bindings::seq_file, at: *mut bindings::loff_t) -> *mut c_void {
    // SAFETY: As the caller promises.
    match unsafe { &mut *at } {
        0 => TOKEN,
        at => line_from(*at as u64, at),
    }
}

/// # Safety
///
/// As the kernel calls it: `line` is from [`start`] or [`next`], and not used any more; `at` is valid.
unsafe extern "C" fn next(
    seq: *mut bindings::seq_file,
    line: *mut c_void,
    at: *mut bindings::loff_t,
) -> *mut c_void {
    // SAFETY: As the caller promises.
    let at = unsafe {
        stop(seq, line);
        &mut *at
    };
    line_from((*at as u64).wrapping_add(1), at)
}

/// # Safety
///
/// As the kernel calls it: `line` is from [`start`] or [`next`], and not used any more.
unsafe extern "C" fn stop(_: *mut bindings::seq_file, line: *mut c_void) {
    if line != TOKEN && !line.is_null() {
        // SAFETY: By `line_from()`, and nobody else took it.
        drop(unsafe { Arc::from_raw(line.cast::<Channel>().cast_const()) });
    }
}

/// # Safety
///
/// As the kernel calls it: `line` is from [`start`] or [`next`], and not null.
unsafe extern "C" fn show(seq: *mut bindings::seq_file, line: *mut c_void) -> i32 {
    // SAFETY: As the caller promises.
    let to = unsafe { SeqFile::from_raw(seq) };
    if line == TOKEN {
        seq_print!(to, "{}", HEADER);
        return 0;
    }
    // SAFETY: `line_from()` put it there; the channel stays until `stop()`.
    let channel = unsafe { &*line.cast::<Channel>() };
    print(to, channel);
    // SAFETY: As the caller promises.
    unsafe { print_path(seq, channel) };
    seq_print!(to, "\n");
    0
}

/// All but the path.
fn print(to: &SeqFile, channel: &Channel) {
    let names = info::Names::of(channel.config());
    let words = [
        names.mode,
        names.usage,
        names.format,
        names.scheme,
        names.delivery,
        names.clock,
    ];
    words.iter().for_each(|word| seq_print!(to, "{} ", word));
    let geo = channel.shape().spec.geo();
    let (readers, observers) = {
        let readers = channel.hub().readers.lock();
        (readers.open_files(), readers.observers())
    };
    let Info { stats, .. } = channel.info();
    let lost = stats.refused.iter();
    let lost = lost.fold(Count::default(), |sum, &refused| sum.plus(refused));
    let unread = stats.unread();
    let numbers = [
        geo.subbuf_size(),
        geo.n_subbufs(),
        channel.buffers().iter().count() as u64,
        channel.generation(),
        readers.into(),
        observers.into(),
        stats.produced.records,
        stats.read.records,
        unread.records,
        stats.overwritten.records,
        lost.records,
        unread.bytes,
    ];
    numbers.iter().for_each(|n| seq_print!(to, "{} ", n));
}

/// # Safety
///
/// `seq` must be valid and the caller's.
unsafe fn print_path(seq: *mut bindings::seq_file, channel: &Channel) {
    /// Characters that are not shown as they are.
    const ESCAPED: &CStr = c" \\#\x01\x02\x03\x04\x05\x06\x07\x08\t\n\x0b\x0c\r\x0e\x0f\
\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19\x1a\x1b\x1c\x1d\x1e\x1f\x7f";
    let (path, only) = match channel.path() {
        None => (&b"-"[..], c" "),
        Some(path) if path.to_bytes() == b"-" => (&b"-"[..], c"-"),
        Some(path) => (path.to_bytes(), ESCAPED),
    };
    // SAFETY: As the caller promises; the path is as long as it is, and both live on.
    unsafe {
        bindings::seq_escape_mem(
            seq,
            path.as_ptr(),
            path.len(),
            local::RELAYFS_ESCAPE_OCTAL,
            only.as_char_ptr(),
        )
    };
}
