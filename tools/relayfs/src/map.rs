// SPDX-License-Identifier: MIT OR Apache-2.0

//! A mapped buffer. What the kernel writes all the time is loaded by atomic operations, word by word, and
//! never borrowed: also of a sub-buffer that its only consumer has not consumed, as the channel's owner may
//! reset it, and another descriptor of the same open file read. All offsets are checked against what was
//! mapped.
#![allow(unsafe_code)]

use crate::error::{Error, Result};
use crate::item::Before;
use crate::uapi::{Consumer, Count, Meta, Subbuf, MAGIC, META_VERSION, OFF_CONSUMER};
use rustix::fd::AsFd;
use rustix::mm::{mmap, munmap, MapFlags, ProtFlags};
use std::ffi::c_void;
use std::mem::offset_of;
use std::ptr::NonNull;
use std::slice;
use std::sync::atomic::{fence, AtomicU64, Ordering};
use zerocopy::{FromBytes, IntoBytes};

/// Memory that was mapped.
///
/// # Invariants
///
/// `len` bytes from `start`, which is aligned to a page, are mapped for reading, and are as long as this
/// lives. They are written by others, by atomic operations or as if by such. If `writable` they are
/// also mapped for writing.
#[derive(Debug)]
struct Area {
    start: NonNull<c_void>,
    len: usize,
    writable: bool,
}

// SAFETY: The memory is the process's, not a thread's.
unsafe impl Send for Area {}
// SAFETY: All access by a shared reference is atomic.
unsafe impl Sync for Area {}

impl Area {
    fn new(fd: impl AsFd, len: usize, offset: u64, writable: bool) -> Result<Self> {
        let prot = if writable {
            ProtFlags::READ | ProtFlags::WRITE
        } else {
            ProtFlags::READ
        };
        // SAFETY: A new mapping, at a place of the kernel's choice, changes no memory of ours.
        let start = unsafe {
            mmap(
                std::ptr::null_mut(),
                len,
                prot,
                MapFlags::SHARED,
                fd,
                offset,
            )?
        };
        let start = NonNull::new(start).ok_or(Error::Mapping("it is at address 0"))?;
        // INVARIANT: As the kernel made it.
        Ok(Self {
            start,
            len,
            writable,
        })
    }

    /// The word at `at`, a multiple of 8; `None` if it is not in here.
    fn word(&self, at: usize) -> Option<&AtomicU64> {
        let inside = at.checked_add(8).is_some_and(|end| end <= self.len);
        if !inside || !at.is_multiple_of(8) {
            return None;
        }
        // SAFETY: By the invariants mapped and aligned, and nobody writes it but atomically. Only
        // `store()` writes to it, which looks whether that is allowed.
        Some(unsafe { AtomicU64::from_ptr(self.start.as_ptr().byte_add(at).cast()) })
    }

    fn load(&self, at: usize, order: Ordering) -> u64 {
        self.word(at).map_or(0, |word| word.load(order))
    }

    fn store(&self, at: usize, value: u64, order: Ordering) {
        if self.writable {
            if let Some(word) = self.word(at) {
                word.store(value, order);
            }
        }
    }

    /// The words from `at` on, a multiple of 8, as many as are in here of `n`.
    fn words(&self, at: usize, n: usize) -> &[AtomicU64] {
        let there = self.len.saturating_sub(at) / 8;
        if !at.is_multiple_of(8) || at > self.len {
            return &[];
        }
        // SAFETY: By the invariants mapped and aligned, and nobody writes them but atomically.
        unsafe {
            let start = self.start.as_ptr().byte_add(at).cast::<AtomicU64>();
            slice::from_raw_parts(start, n.min(there))
        }
    }

    /// Copies words, for others may write them meanwhile. `at` is a multiple of 8. What is not in here is 0.
    fn copy(&self, at: usize, to: &mut [u8]) {
        let words = self.words(at, to.len().div_ceil(8));
        let chunks = to.chunks_mut(8);
        let words = words.iter().map(|word| word.load(Ordering::Relaxed));
        for (chunk, word) in chunks.zip(words.chain(std::iter::repeat(0))) {
            let word = word.to_ne_bytes();
            match chunk.first_chunk_mut::<8>() {
                Some(whole) => *whole = word,
                None => chunk.copy_from_slice(word.get(..chunk.len()).unwrap_or_default()),
            }
        }
    }
}

impl Drop for Area {
    fn drop(&mut self) {
        // SAFETY: By the invariants it is mapped. Nothing borrows from it any more.
        let _ = unsafe { munmap(self.start.as_ptr(), self.len) };
    }
}

/// A mapped buffer: what it is like, which does not change, and the words that do.
///
/// # Invariants
///
/// The descriptors of all `n_subbufs` slots and their data lie in `area`; `subbuf_size` and
/// `data_offset` are multiples of 8.
#[derive(Debug)]
pub(crate) struct Mapping {
    area: Area,
    consumer: Option<Area>,
    pub(crate) subbuf_size: u64,
    pub(crate) n_subbufs: u64,
    pub(crate) cpu: u32,
    pub(crate) flags: u32,
    pub(crate) end_reserve: u64,
    pub(crate) generation: u64,
    data_offset: usize,
    desc_size: usize,
}

/// Copies a structure out of `area`.
fn copy_of<T: FromBytes + IntoBytes>(area: &Area, at: usize) -> T {
    let mut value = T::new_zeroed();
    area.copy(at, value.as_mut_bytes());
    value
}

impl Mapping {
    /// Maps the buffer of a CPU file. `alone`: with the consumer page, if the kernel gives it.
    pub(crate) fn new(fd: impl AsFd, alone: bool) -> Result<Self> {
        let page = rustix::param::page_size();
        let first = Area::new(&fd, page, 0, false)?;
        let about: Meta = copy_of(&first, 0);
        drop(first);
        let len = Self::check(&about, page)?;
        let area = Area::new(&fd, len, 0, false)?;
        let now: Meta = copy_of(&area, 0);
        if now.subbuf_size != about.subbuf_size
            || now.n_subbufs != about.n_subbufs
            || now.data_offset != about.data_offset
            || now.desc_size != about.desc_size
        {
            return Err(Error::Mapping("it was resized just now"));
        }
        let consumer = if alone {
            Area::new(&fd, page, OFF_CONSUMER, true).ok()
        } else {
            None
        };
        // INVARIANT: As checked.
        Ok(Self {
            area,
            consumer,
            subbuf_size: about.subbuf_size,
            n_subbufs: about.n_subbufs.into(),
            cpu: about.cpu,
            flags: about.flags,
            end_reserve: about.end_reserve.into(),
            generation: about.generation,
            data_offset: about.data_offset as usize,
            desc_size: about.desc_size as usize,
        })
    }

    /// Whether that can be a buffer; how long its mapping is.
    fn check(meta: &Meta, page: usize) -> Result<usize> {
        if meta.magic != MAGIC {
            return Err(Error::Mapping(
                "it does not begin as mappings of relayfs do",
            ));
        }
        if meta.version != META_VERSION {
            return Err(Error::Mapping("its version is not known"));
        }
        let sizes_fit = meta.subbuf_size.is_power_of_two()
            && meta.n_subbufs.is_power_of_two()
            && meta.subbuf_size >= 8
            && meta.desc_size as usize >= size_of::<Subbuf>()
            && meta.desc_size.is_multiple_of(8)
            && meta.data_offset.is_multiple_of(page as u64)
            && u64::from(meta.end_reserve) < meta.subbuf_size;
        let slots = u64::from(meta.n_subbufs);
        let descs = slots
            .checked_mul(meta.desc_size.into())
            .and_then(|n| n.checked_add(size_of::<Meta>() as u64));
        let len = slots
            .checked_mul(meta.subbuf_size)
            .and_then(|n| n.checked_add(meta.data_offset))
            .and_then(|n| isize::try_from(n).ok());
        match (descs, len) {
            (Some(descs), Some(len)) if sizes_fit && descs <= meta.data_offset => Ok(len as usize),
            _ => Err(Error::Mapping("its sizes contradict each other")),
        }
    }

    /// Sub-buffers below this are complete.
    pub(crate) fn delivered(&self) -> u64 {
        let at = offset_of!(Meta, delivered);
        self.area.load(at, Ordering::Acquire)
    }

    /// The number of the present buffer, as this one knows it: another than its own when all is in place
    /// that was ever written here.
    pub(crate) fn generation_now(&self) -> u64 {
        let at = offset_of!(Meta, generation);
        self.area.load(at, Ordering::Acquire)
    }

    /// Where the next record goes.
    pub(crate) fn write_pos(&self) -> u64 {
        self.area
            .load(offset_of!(Meta, write_pos), Ordering::Acquire)
    }

    /// What was consumed before.
    pub(crate) fn consumed(&self) -> u64 {
        self.area
            .load(offset_of!(Meta, consumed), Ordering::Acquire)
    }

    /// What the consumer is known to have read or missed.
    pub(crate) fn consumed_before(&self) -> Before {
        let word = |at| self.area.load(at, Ordering::Relaxed);
        Before {
            records: word(offset_of!(Meta, read_records))
                .wrapping_add(word(offset_of!(Meta, overwritten_records))),
            bytes: word(offset_of!(Meta, read_bytes))
                .wrapping_add(word(offset_of!(Meta, overwritten_bytes))),
        }
    }

    /// What is in all that is complete.
    pub(crate) fn delivered_before(&self) -> Before {
        let word = |at| self.area.load(at, Ordering::Acquire);
        // Whatever the words say, this ends.
        for _ in 0..100 {
            let delivered = self.delivered();
            let at = offset_of!(Meta, before) + (delivered % 2) as usize * size_of::<Count>();
            let before = Before {
                records: word(at + offset_of!(Count, records)),
                bytes: word(at + offset_of!(Count, bytes)),
            };
            if self.delivered() == delivered {
                return before;
            }
        }
        Before::default()
    }

    fn slot(&self, seq: u64) -> (usize, usize) {
        let slot = (seq % self.n_subbufs) as usize;
        let desc = size_of::<Meta>() + slot * self.desc_size;
        (desc, self.data_offset + slot * self.subbuf_size as usize)
    }

    /// Whether sub-buffer `seq`, which was delivered, is still what it was. What was loaded before that is
    /// of it then.
    pub(crate) fn is_there(&self, seq: u64) -> bool {
        // What was loaded before is not loaded after the claim word.
        fence(Ordering::Acquire);
        let at = self.slot(seq).0 + offset_of!(Subbuf, claim);
        self.area.load(at, Ordering::Acquire) >> CLAIM_SHIFT == claim_of(seq)
    }

    /// What is said of the slot of `seq`. Of `seq` itself only if [`Mapping::is_there`] says so afterwards.
    pub(crate) fn desc(&self, seq: u64) -> Subbuf {
        copy_of(&self.area, self.slot(seq).0)
    }

    /// Copies the beginning of the slot of `seq`, as much as `to` has. Of `seq` itself only if
    /// [`Mapping::is_there`] says so afterwards.
    pub(crate) fn copy(&self, seq: u64, to: &mut [u8]) {
        let len = to.len().min(self.subbuf_size as usize);
        if let Some(to) = to.get_mut(..len) {
            self.area.copy(self.slot(seq).1, to);
        }
    }

    /// Says that all before `pos` is consumed, and what more was missing before that; `false`: it must be
    /// said in another way.
    pub(crate) fn consume(&self, pos: u64, missed: Before) -> bool {
        let Some(page) = &self.consumer else {
            return false;
        };
        let add = |at, n: u64| {
            let sum = page.load(at, Ordering::Relaxed).wrapping_add(n);
            page.store(at, sum, Ordering::Relaxed);
        };
        if missed.records != 0 {
            add(offset_of!(Consumer, lost_records), missed.records);
            add(offset_of!(Consumer, lost_bytes), missed.bytes);
        }
        // What was read of the sub-buffer was read before the kernel may write to it again.
        page.store(offset_of!(Consumer, position), pos, Ordering::Release);
        true
    }
}

const CLAIM_SHIFT: u32 = 16;

/// What the claim word of the slot of `seq` is above the number of its readers, if `seq` is in it.
fn claim_of(seq: u64) -> u64 {
    let tags = u64::MAX >> (CLAIM_SHIFT + 1);
    (seq % tags + 1) << 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_word_names_its_sub_buffer() {
        assert_eq!(claim_of(0), 2);
        assert_eq!(claim_of(7), 16);
        let tags = (1 << 47) - 1;
        assert_eq!(claim_of(tags - 1), tags << 1);
        assert_eq!(claim_of(tags), 2);
    }
}
