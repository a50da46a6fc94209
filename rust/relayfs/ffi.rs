// SPDX-License-Identifier: GPL-2.0

//! What `include/linux/relayfs_fs.h` declares, as bindgen 0.71.1 puts it. Made by `tools/build/ffi`;
//! not to be edited.

use kernel::bindings::*;

pub const RELAY_DELIVERY_BULK: u32 = 1;
pub const RELAY_DELIVERY_PACKET: u32 = 2;
pub const RELAY_SCHEME_LOCKLESS: u32 = 4;
pub const RELAY_SCHEME_LOCKING: u32 = 8;
pub const RELAY_SCHEME_ANY: u32 = 12;
pub const RELAY_TIMESTAMP_TSC: u32 = 16;
pub const RELAY_TIMESTAMP_MONO: u32 = 32;
pub const RELAY_TIMESTAMP_ANY: u32 = 48;
pub const RELAY_TIMESTAMP_NONE: u32 = 2048;
pub const RELAY_USAGE_SMP: u32 = 64;
pub const RELAY_USAGE_GLOBAL: u32 = 128;
pub const RELAY_MODE_CONTINUOUS: u32 = 256;
pub const RELAY_MODE_NO_OVERWRITE: u32 = 512;
pub const RELAY_FORMAT_RAW: u32 = 4096;
pub const RELAY_FORMAT_RECORDS: u32 = 8192;
pub const RELAY_DUPLEX: u32 = 16384;
pub const RELAY_NODE_LOCAL: u32 = 0;
pub const RELAY_NODE_ANY: u32 = 1;
pub const RELAY_CPU_NONE: u32 = 4294967295;
pub const RELAY_CPU_ALL: u32 = 4294967294;
pub const RELAY_WATERMARK_DEFAULT: u32 = 0;
pub const RELAY_WATERMARK_BYTES: u32 = 1;
pub const RELAY_WATERMARK_PERCENT: u32 = 2;
pub const RELAY_WATERMARK_SUBBUFS: u32 = 3;
pub const RELAY_WATERMARK_WRITE: u32 = 4;
pub const RELAY_RESIZE_NONE: u32 = 0;
pub const RELAY_RESIZE_EXPAND: u32 = 1;
pub const RELAY_RESIZE_SHRINK: u32 = 2;
pub const RELAY_RESIZE_REPLACE: u32 = 4;
pub const RELAY_RESIZE_REPLACED: u32 = 8;
pub const RELAY_TIMESTAMP_GETTIMEOFDAY: u32 = 32;
pub const RELAY_MODE_START_AT_ZERO: u32 = 0;
pub const RELAY_MIN_BUFS: u32 = 2;
pub const RELAY_MAX_TOTAL_BUF_SIZE: u32 = 1073741824;
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct rchan {
    _unused: [u8; 0],
}
#[repr(C)]
pub struct rchan_attr {
    pub size: u32_,
    pub flags: u32_,
    pub subbuf_size: u64_,
    pub n_subbufs: u32_,
    pub mode: u32_,
    pub uid: u32_,
    pub gid: u32_,
    pub flush_interval_ms: u32_,
    pub reserved: u32_,
    pub private_data: *mut kernel::ffi::c_void,
    pub start_reserve: u32_,
    pub end_reserve: u32_,
    pub channel_start_reserve: u32_,
    pub watermark: u32_,
    pub watermark_unit: u32_,
    pub reserved2: u32_,
    pub resize_min: u32_,
    pub resize_max: u32_,
    pub shrink_idle_ms: u32_,
    pub node: u32_,
    pub init_buf: *mut kernel::ffi::c_void,
    pub init_buf_size: u64_,
    pub callbacks: *const rchan_callbacks,
    pub schema: *const relay_schema,
}
impl Default for rchan_attr {
    fn default() -> Self {
        let mut s = ::core::mem::MaybeUninit::<Self>::uninit();
        unsafe {
            ::core::ptr::write_bytes(s.as_mut_ptr(), 0, 1);
            s.assume_init()
        }
    }
}
unsafe extern "C" {
    pub fn relayfs_open(path: *const kernel::ffi::c_char, attr: *const rchan_attr) -> *mut rchan;
}
unsafe extern "C" {
    pub fn relayfs_close(chan: *mut rchan);
}
unsafe extern "C" {
    pub fn relayfs_get(chan: *mut rchan) -> *mut rchan;
}
unsafe extern "C" {
    pub fn relayfs_put(chan: *mut rchan);
}
unsafe extern "C" {
    pub fn relayfs_private_data(chan: *const rchan) -> *mut kernel::ffi::c_void;
}
#[repr(C)]
pub struct relay_subbuf {
    pub seq: u64_,
    pub begin: u64_,
    pub end: u64_,
    pub start: *mut kernel::ffi::c_void,
    pub start_len: u32_,
    pub end_len: u32_,
    pub end_reserve: *mut kernel::ffi::c_void,
    pub len: u32_,
    pub records: u32_,
    pub cpu: u32_,
    pub padding: u32_,
}
impl Default for relay_subbuf {
    fn default() -> Self {
        let mut s = ::core::mem::MaybeUninit::<Self>::uninit();
        unsafe {
            ::core::ptr::write_bytes(s.as_mut_ptr(), 0, 1);
            s.assume_init()
        }
    }
}
#[repr(C)]
pub struct relay_delivery {
    pub data: *const kernel::ffi::c_void,
    pub len: usize,
    pub seq: u64_,
    pub lost: u64_,
    pub cpu: u32_,
    pub last: u32_,
}
impl Default for relay_delivery {
    fn default() -> Self {
        let mut s = ::core::mem::MaybeUninit::<Self>::uninit();
        unsafe {
            ::core::ptr::write_bytes(s.as_mut_ptr(), 0, 1);
            s.assume_init()
        }
    }
}
pub const relay_fileop_RELAY_FILE_OPEN: relay_fileop = 0;
pub const relay_fileop_RELAY_FILE_CLOSE: relay_fileop = 1;
pub const relay_fileop_RELAY_FILE_MAP: relay_fileop = 2;
pub const relay_fileop_RELAY_FILE_UNMAP: relay_fileop = 3;
pub type relay_fileop = kernel::ffi::c_uint;
#[repr(C)]
#[derive(Debug, Default, Copy, Clone)]
pub struct rchan_callbacks {
    pub buffer_start:
        ::core::option::Option<unsafe extern "C" fn(chan: *mut rchan, subbuf: *const relay_subbuf)>,
    pub buffer_end:
        ::core::option::Option<unsafe extern "C" fn(chan: *mut rchan, subbuf: *const relay_subbuf)>,
    pub deliver: ::core::option::Option<
        unsafe extern "C" fn(chan: *mut rchan, delivery: *const relay_delivery),
    >,
    pub user_deliver: ::core::option::Option<
        unsafe extern "C" fn(chan: *mut rchan, data: *const kernel::ffi::c_void, len: usize),
    >,
    pub buffers_full: ::core::option::Option<unsafe extern "C" fn(chan: *mut rchan, cpu: u32_)>,
    pub needs_resize: ::core::option::Option<
        unsafe extern "C" fn(
            chan: *mut rchan,
            resize_type: kernel::ffi::c_int,
            subbuf_size: u64_,
            n_subbufs: u32_,
        ),
    >,
    pub fileop_notify: ::core::option::Option<
        unsafe extern "C" fn(
            chan: *mut rchan,
            file: *mut file,
            fileop: relay_fileop,
        ) -> kernel::ffi::c_int,
    >,
    pub ioctl: ::core::option::Option<
        unsafe extern "C" fn(
            chan: *mut rchan,
            file: *mut file,
            cmd: kernel::ffi::c_uint,
            arg: kernel::ffi::c_ulong,
        ) -> kernel::ffi::c_long,
    >,
    pub reserved: [::core::option::Option<unsafe extern "C" fn()>; 8usize],
}
#[repr(C)]
pub struct rchan_count {
    pub records: u64_,
    pub bytes: u64_,
}
impl Default for rchan_count {
    fn default() -> Self {
        let mut s = ::core::mem::MaybeUninit::<Self>::uninit();
        unsafe {
            ::core::ptr::write_bytes(s.as_mut_ptr(), 0, 1);
            s.assume_init()
        }
    }
}
#[repr(C)]
pub struct rchan_info {
    pub size: u32_,
    pub flags: u32_,
    pub subbuf_size: u64_,
    pub n_subbufs: u32_,
    pub n_buffers: u32_,
    pub generation: u64_,
    pub current_seq: u64_,
    pub subbufs_produced: u64_,
    pub subbufs_consumed: u64_,
    pub produced: rchan_count,
    pub read: rchan_count,
    pub overwritten: rchan_count,
    pub unread: rchan_count,
    pub full: rchan_count,
    pub too_big: rchan_count,
    pub nested: rchan_count,
    pub closed: rchan_count,
    pub held: rchan_count,
    pub no_buffer: rchan_count,
    pub nmi: rchan_count,
    pub wakeups: u64_,
    pub open_files: u32_,
    pub reserved: u32_,
}
impl Default for rchan_info {
    fn default() -> Self {
        let mut s = ::core::mem::MaybeUninit::<Self>::uninit();
        unsafe {
            ::core::ptr::write_bytes(s.as_mut_ptr(), 0, 1);
            s.assume_init()
        }
    }
}
unsafe extern "C" {
    pub fn relayfs_flush(chan: *mut rchan) -> u64_;
}
unsafe extern "C" {
    pub fn relayfs_reset(chan: *mut rchan);
}
unsafe extern "C" {
    pub fn relayfs_info(chan: *mut rchan, info: *mut rchan_info) -> kernel::ffi::c_int;
}
unsafe extern "C" {
    pub fn relayfs_cpu_info(
        chan: *mut rchan,
        cpu: u32_,
        info: *mut rchan_info,
    ) -> kernel::ffi::c_int;
}
unsafe extern "C" {
    pub fn relayfs_realloc_buffer(
        chan: *mut rchan,
        subbuf_size: u64_,
        n_subbufs: u32_,
    ) -> kernel::ffi::c_int;
}
unsafe extern "C" {
    pub fn relayfs_replace_buffer(chan: *mut rchan) -> kernel::ffi::c_int;
}
unsafe extern "C" {
    pub fn relayfs_discard_init_buf(chan: *mut rchan) -> kernel::ffi::c_int;
}
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct relay_event_type {
    pub name: *const kernel::ffi::c_char,
    pub fields: *const kernel::ffi::c_char,
}
impl Default for relay_event_type {
    fn default() -> Self {
        let mut s = ::core::mem::MaybeUninit::<Self>::uninit();
        unsafe {
            ::core::ptr::write_bytes(s.as_mut_ptr(), 0, 1);
            s.assume_init()
        }
    }
}
#[repr(C)]
pub struct relay_schema {
    pub name: *const kernel::ffi::c_char,
    pub types: *const relay_event_type,
    pub n_types: u32_,
    pub reserved: u32_,
}
impl Default for relay_schema {
    fn default() -> Self {
        let mut s = ::core::mem::MaybeUninit::<Self>::uninit();
        unsafe {
            ::core::ptr::write_bytes(s.as_mut_ptr(), 0, 1);
            s.assume_init()
        }
    }
}
unsafe extern "C" {
    pub fn relayfs_write_event(
        chan: *mut rchan,
        id: u32_,
        data: *const kernel::ffi::c_void,
        len: usize,
    ) -> isize;
}
unsafe extern "C" {
    pub fn relayfs_reserve_event(
        chan: *mut rchan,
        id: u32_,
        len: usize,
        slot: *mut relay_slot,
    ) -> kernel::ffi::c_int;
}
unsafe extern "C" {
    pub fn relayfs_metadata(chan: *const rchan) -> *const kernel::ffi::c_char;
}
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct relay_entry {
    _unused: [u8; 0],
}
unsafe extern "C" {
    pub static relayfs_file_operations: file_operations;
}
unsafe extern "C" {
    pub fn relayfs_create_dir(
        name: *const kernel::ffi::c_char,
        parent: *mut relay_entry,
    ) -> *mut relay_entry;
}
unsafe extern "C" {
    pub fn relayfs_create_file(
        name: *const kernel::ffi::c_char,
        mode: umode_t,
        parent: *mut relay_entry,
        data: *mut kernel::ffi::c_void,
        fops: *const file_operations,
    ) -> *mut relay_entry;
}
unsafe extern "C" {
    pub fn relayfs_remove(entry: *mut relay_entry);
}
unsafe extern "C" {
    pub fn relayfs_channel_dir(chan: *mut rchan) -> *mut relay_entry;
}
unsafe extern "C" {
    pub fn relayfs_file_data(chan: *mut rchan, cpu: u32_) -> *mut kernel::ffi::c_void;
}
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct rchan_reader {
    _unused: [u8; 0],
}
unsafe extern "C" {
    pub fn relayfs_add_reader(
        chan: *mut rchan,
        cpu: u32_,
        auto_consume: kernel::ffi::c_int,
    ) -> *mut rchan_reader;
}
unsafe extern "C" {
    pub fn relayfs_add_map_reader(chan: *mut rchan, cpu: u32_) -> *mut rchan_reader;
}
unsafe extern "C" {
    pub fn relayfs_remove_reader(
        reader: *mut rchan_reader,
        map: kernel::ffi::c_int,
    ) -> kernel::ffi::c_int;
}
unsafe extern "C" {
    pub fn relayfs_read(
        reader: *mut rchan_reader,
        buf: *mut kernel::ffi::c_void,
        count: usize,
        wait: kernel::ffi::c_int,
    ) -> isize;
}
unsafe extern "C" {
    pub fn relayfs_read_last(
        chan: *mut rchan,
        cpu: u32_,
        buf: *mut kernel::ffi::c_void,
        count: usize,
    ) -> isize;
}
unsafe extern "C" {
    pub fn relayfs_bytes_avail(reader: *mut rchan_reader) -> isize;
}
unsafe extern "C" {
    pub fn relayfs_reader_lost(reader: *mut rchan_reader) -> u64_;
}
unsafe extern "C" {
    pub fn relayfs_buffers_consumed(reader: *mut rchan_reader, n_subbufs: u32_);
}
unsafe extern "C" {
    pub fn relayfs_bytes_consumed(reader: *mut rchan_reader, bytes: usize);
}
unsafe extern "C" {
    pub fn relayfs_empty(reader: *mut rchan_reader) -> kernel::ffi::c_int;
}
unsafe extern "C" {
    pub fn relayfs_full(reader: *mut rchan_reader) -> kernel::ffi::c_int;
}
#[repr(C)]
pub struct relay_slot {
    pub data: *mut kernel::ffi::c_void,
    pub len: usize,
    pub buf: *mut kernel::ffi::c_void,
    pub pos: u64_,
    pub reserved_len: u64_,
}
impl Default for relay_slot {
    fn default() -> Self {
        let mut s = ::core::mem::MaybeUninit::<Self>::uninit();
        unsafe {
            ::core::ptr::write_bytes(s.as_mut_ptr(), 0, 1);
            s.assume_init()
        }
    }
}
unsafe extern "C" {
    pub fn relayfs_write(chan: *mut rchan, data: *const kernel::ffi::c_void, len: usize) -> isize;
}
unsafe extern "C" {
    pub fn relayfs_writev(
        chan: *mut rchan,
        parts: *const kvec,
        n_parts: kernel::ffi::c_uint,
    ) -> isize;
}
unsafe extern "C" {
    pub fn relayfs_write_delta(
        chan: *mut rchan,
        data: *const kernel::ffi::c_void,
        len: usize,
        td_offset: kernel::ffi::c_int,
        wrote_pos: *mut *mut kernel::ffi::c_void,
    ) -> isize;
}
unsafe extern "C" {
    pub fn relayfs_write_wait(
        chan: *mut rchan,
        data: *const kernel::ffi::c_void,
        len: usize,
        timeout: kernel::ffi::c_long,
    ) -> isize;
}
unsafe extern "C" {
    pub fn relayfs_reserve(
        chan: *mut rchan,
        len: usize,
        slot: *mut relay_slot,
    ) -> kernel::ffi::c_int;
}
unsafe extern "C" {
    pub fn relayfs_commit(slot: *mut relay_slot);
}
unsafe extern "C" {
    pub fn relayfs_discard(slot: *mut relay_slot);
}
unsafe extern "C" {
    pub fn relayfs_lock(chan: *mut rchan) -> kernel::ffi::c_ulong;
}
unsafe extern "C" {
    pub fn relayfs_unlock(chan: *mut rchan, flags: kernel::ffi::c_ulong);
}
