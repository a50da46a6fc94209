// SPDX-License-Identifier: GPL-2.0

//! Copying a record into its slot.
//!
//! Most records are short. A call of `memcpy` costs a writer the registers it must save, and on
//! CPUs with fast string instructions a start-up time that a short copy does not earn back; so
//! short ones are copied here, in words, the last of which may overlap the one before.

/// From here on `memcpy` is the better one.
pub(crate) const LONG_COPY: usize = 256;

/// Copies `len` bytes.
///
/// # Safety
///
/// `from` must be valid for reads and `to` for writes of `len` bytes, and they must not overlap.
#[inline(always)]
pub(crate) unsafe fn copy_to_slot(from: *const u8, to: *mut u8, len: usize) {
    // SAFETY: As the caller promises; every access below is inside `len` bytes.
    unsafe {
        if len < LONG_COPY {
            copy_short(from, to, len);
        } else {
            core::ptr::copy_nonoverlapping(from, to, len);
        }
    }
}

/// Copies fewer than [`LONG_COPY`] bytes, without a call.
///
/// # Safety
///
/// As for [`copy_to_slot`].
#[inline(always)]
pub(crate) unsafe fn copy_short(from: *const u8, to: *mut u8, len: usize) {
    // SAFETY: As the caller promises.
    unsafe {
        if len < 8 {
            copy_few(from, to, len);
        } else {
            copy_words(from, to, len);
        }
    }
}

/// Copies one `T` at `offset`, aligned or not.
///
/// # Safety
///
/// `from` must be valid for reads and `to` for writes of a `T` at `offset`.
#[inline(always)]
unsafe fn word<T>(from: *const u8, to: *mut u8, offset: usize) {
    // SAFETY: As the caller promises.
    unsafe {
        let value = from.add(offset).cast::<T>().read_unaligned();
        to.add(offset).cast::<T>().write_unaligned(value);
    }
}

/// At least 8 bytes.
///
/// # Safety
///
/// As for [`copy_to_slot`].
#[inline(always)]
unsafe fn copy_words(from: *const u8, to: *mut u8, len: usize) {
    let last = len.wrapping_sub(8);
    let mut at = 0usize;
    // SAFETY: `at < last` where a word is copied at `at`, and `last + 8 = len`.
    unsafe {
        while at < last {
            word::<u64>(from, to, at);
            at = at.wrapping_add(8);
        }
        word::<u64>(from, to, last);
    }
}

/// Fewer than 8 bytes.
///
/// # Safety
///
/// As for [`copy_to_slot`].
#[inline(always)]
unsafe fn copy_few(from: *const u8, to: *mut u8, len: usize) {
    // SAFETY: The words at 0 and at the end are inside `len`, as each is at most that long.
    unsafe {
        if len >= 4 {
            word::<u32>(from, to, 0);
            word::<u32>(from, to, len.wrapping_sub(4));
        } else if len >= 2 {
            word::<u16>(from, to, 0);
            word::<u16>(from, to, len.wrapping_sub(2));
        } else if len == 1 {
            word::<u8>(from, to, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::copy_to_slot;

    #[test]
    fn every_length_and_not_a_byte_more() {
        let from: Vec<u8> = (0..600u32).map(|n| (n * 7 + 1) as u8).collect();
        for len in 0..520 {
            for shift in 0..8 {
                let mut to = vec![0u8; 600];
                // SAFETY: Both are long enough.
                unsafe { copy_to_slot(from.as_ptr().add(shift), to.as_mut_ptr().add(8), len) };
                assert_eq!(to[8..8 + len], from[shift..shift + len]);
                assert!(to[..8].iter().chain(&to[8 + len..]).all(|&b| b == 0));
            }
        }
    }
}
