// SPDX-License-Identifier: MIT OR Apache-2.0

//! A ring in a file of memory, written as the kernel writes one. What maps it finds what it would find of
//! a CPU's file.
#![allow(unsafe_code)]

use crate::buffer::{Buffer, Options};
use crate::error::Result;
use crate::uapi::{Count, Meta, Subbuf, MAGIC, META_VERSION, OFF_CONSUMER};
use rustix::fd::OwnedFd;
use rustix::fs::{ftruncate, memfd_create, MemfdFlags};
use rustix::mm::{mmap, MapFlags, ProtFlags};
use std::mem::offset_of;
use std::ptr::null_mut;
use std::sync::atomic::{fence, AtomicU64, Ordering};

/// What a ring is like.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    pub(super) subbuf_size: u64,
    pub(super) n_subbufs: u32,
    pub(super) flags: u32,
    pub(super) end_reserve: u32,
    pub(super) generation: u64,
}

/// A sub-buffer to be written.
#[derive(Clone, Debug, Default)]
pub(super) struct Piece {
    pub(super) data: Vec<u8>,
    pub(super) records: u64,
    pub(super) times: (u64, u64),
    /// Offset + 1 of the newest hole.
    pub(super) newest_hole: u64,
    /// Where the data end, if something follows them.
    pub(super) data_len: Option<u64>,
}

/// The writer's side. Its mapping is never taken away, as it is for a test.
pub(super) struct Ring {
    pub(super) fd: OwnedFd,
    pub(super) shape: Shape,
    words: &'static [AtomicU64],
    consumer: &'static [AtomicU64],
    data_offset: u64,
    /// Counts before the next sub-buffer.
    records: u64,
    bytes: u64,
    /// The next to be written.
    pub(super) seq: u64,
}

const PAGE: u64 = 4096;

impl Ring {
    /// A ring in which sub-buffer `seq` comes next.
    pub(super) fn new(shape: Shape, seq: u64) -> Self {
        let descs = u64::from(shape.n_subbufs) * size_of::<Subbuf>() as u64;
        let data_offset = (size_of::<Meta>() as u64 + descs).next_multiple_of(PAGE);
        let len = data_offset + shape.subbuf_size * u64::from(shape.n_subbufs);
        let fd = memfd_create("ring", MemfdFlags::CLOEXEC).unwrap();
        ftruncate(&fd, OFF_CONSUMER + PAGE).unwrap();
        let map = |offset, len: u64| {
            let prot = ProtFlags::READ | ProtFlags::WRITE;
            // SAFETY: A new mapping, which stays for ever; all access is atomic.
            unsafe {
                let at = mmap(
                    null_mut(),
                    len as usize,
                    prot,
                    MapFlags::SHARED,
                    &fd,
                    offset,
                );
                std::slice::from_raw_parts(at.unwrap().cast::<AtomicU64>(), len as usize / 8)
            }
        };
        let words = map(0, len);
        let consumer = map(OFF_CONSUMER, PAGE);
        let ring = Self {
            shape,
            words,
            consumer,
            data_offset,
            records: 0,
            bytes: 0,
            seq,
            fd,
        };
        let two = |low: u32, high: u32| u64::from(low) | u64::from(high) << 32;
        let about = [
            two(MAGIC, META_VERSION),
            data_offset,
            shape.subbuf_size,
            two(shape.n_subbufs, size_of::<Subbuf>() as u32),
            two(3, shape.flags),
            shape.generation,
            two(0, shape.end_reserve),
        ];
        for (at, word) in about.into_iter().enumerate() {
            ring.words[at].store(word, Ordering::Relaxed);
        }
        let pos = seq * shape.subbuf_size;
        consumer[0].store(pos, Ordering::Relaxed);
        ring.set(offset_of!(Meta, delivered), seq);
        ring.set(offset_of!(Meta, consumed), pos);
        ring.set(offset_of!(Meta, write_pos), pos);
        ring
    }

    /// Writes a word of the head.
    pub(super) fn set(&self, at: usize, value: u64) {
        self.words[at / 8].store(value, Ordering::Release);
    }

    fn desc(&self, seq: u64) -> usize {
        let slot = (seq % u64::from(self.shape.n_subbufs)) as usize;
        size_of::<Meta>() + slot * size_of::<Subbuf>()
    }

    /// How far the consumer has come, in sub-buffers.
    pub(super) fn consumed(&self) -> u64 {
        self.consumer[0].load(Ordering::Acquire) / self.shape.subbuf_size
    }

    /// How many records the consumer says it missed.
    pub(super) fn told(&self) -> u64 {
        self.consumer[1].load(Ordering::Acquire)
    }

    /// Whether the next sub-buffer is free in no-overwrite mode.
    pub(super) fn has_room(&self) -> bool {
        self.seq - self.consumed() < u64::from(self.shape.n_subbufs)
    }

    /// Passes the next sub-buffer by, as if a reader were in its slot.
    pub(super) fn skip(&mut self) {
        let claim = (self.seq + 1) << 17 | 1 << 16;
        self.set(self.desc(self.seq) + offset_of!(Subbuf, claim), claim);
        self.end_subbuf();
    }

    /// Writes the next sub-buffer and delivers it.
    pub(super) fn write(&mut self, piece: &Piece) {
        let (seq, desc) = (self.seq, self.desc(self.seq));
        self.set(desc + offset_of!(Subbuf, claim), (seq + 1) << 17);
        // The claim is seen by who sees a word of what follows.
        fence(Ordering::Release);
        let slot = seq % u64::from(self.shape.n_subbufs);
        let data = ((self.data_offset + slot * self.shape.subbuf_size) / 8) as usize;
        for (at, chunk) in piece.data.chunks(8).enumerate() {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.words[data + at].store(u64::from_ne_bytes(word), Ordering::Relaxed);
        }
        let len = piece.data.len() as u64;
        let holes = match piece.newest_hole {
            0 => 0,
            hole => seq * self.shape.subbuf_size + hole,
        };
        for (at, word) in [
            (offset_of!(Subbuf, holes), holes),
            (offset_of!(Subbuf, begin), piece.times.0),
            (offset_of!(Subbuf, end), piece.times.1),
            (offset_of!(Subbuf, data_len), piece.data_len.unwrap_or(len)),
            (offset_of!(Subbuf, records), piece.records),
            (offset_of!(Subbuf, bytes), len),
            (offset_of!(Subbuf, first_record), self.records),
            (offset_of!(Subbuf, first_byte), self.bytes),
        ] {
            self.words[(desc + at) / 8].store(word, Ordering::Relaxed);
        }
        self.records += piece.records;
        self.bytes += len;
        self.end_subbuf();
    }

    fn end_subbuf(&mut self) {
        self.seq += 1;
        let pos = self.seq * self.shape.subbuf_size;
        self.set(offset_of!(Meta, write_pos), pos);
        let before = offset_of!(Meta, before) + (self.seq % 2) as usize * size_of::<Count>();
        for at in [offset_of!(Meta, delivered_records), before] {
            self.set(at, self.records);
            self.set(at + 8, self.bytes);
        }
        self.set(offset_of!(Meta, delivered), self.seq);
    }

    /// Records written so far.
    pub(super) fn written(&self) -> u64 {
        self.records
    }

    /// A reader of it.
    pub(super) fn reader(&self, options: Options) -> Buffer {
        self.try_reader(options).unwrap()
    }

    /// A reader, if it still is a ring.
    pub(super) fn try_reader(&self, options: Options) -> Result<Buffer> {
        // To observe is an ioctl, which a file of memory does not have.
        Buffer::of_map(self.fd.try_clone().unwrap(), options)
    }
}
