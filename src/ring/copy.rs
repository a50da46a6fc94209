// SPDX-License-Identifier: GPL-2.0

//! Copying a record into its slot.
//!
//! Inline, as a call of `memcpy` costs a writer the registers it must save, and in three ways: what
//! string instructions cost to start a short copy does not earn back. Measured on a CPU with fast
//! short `rep movsb`, the loop of words is the quicker one for up to some 600 bytes.

/// Records of at least so many bytes are copied in words.
pub(crate) const WORD: usize = 8;

/// From here on a string instruction is the better one.
pub(crate) const LONG_COPY: usize = 640;

/// Copies `len` bytes.
///
/// # Safety
///
/// `from` must be valid for reads and `to` for writes of `len` bytes, and they must not overlap.
#[inline(always)]
pub(crate) unsafe fn copy_to_slot(from: *const u8, to: *mut u8, len: usize) {
    // SAFETY: As the caller promises; every access below is inside `len` bytes.
    unsafe {
        if len < WORD {
            copy_few(from, to, len);
        } else if len < LONG_COPY {
            copy_words(from, to, len);
        } else {
            copy_long(from, to, len);
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

/// Copies at least 8 bytes: fours of words, words, and the last word, which may overlap the one
/// before.
///
/// # Safety
///
/// As for [`copy_to_slot`].
#[inline(always)]
unsafe fn copy_words(mut from: *const u8, mut to: *mut u8, len: usize) {
    // What is left to copy before the last word.
    let mut left = len.wrapping_sub(WORD);
    // SAFETY: All is inside `left + 8` bytes from `from` and `to`, which are as many as were not
    // copied yet.
    unsafe {
        if left > 0 {
            while left >= 32 {
                word::<u64>(from, to, 0);
                word::<u64>(from, to, 8);
                word::<u64>(from, to, 16);
                word::<u64>(from, to, 24);
                from = from.add(32);
                to = to.add(32);
                left = left.wrapping_sub(32);
            }
            // Without a look at 0: a word too many is inside what the last one covers.
            word::<u64>(from, to, 0);
            if left > 8 {
                word::<u64>(from, to, 8);
                if left > 16 {
                    word::<u64>(from, to, 16);
                    if left > 24 {
                        word::<u64>(from, to, 24);
                    }
                }
            }
        }
        word::<u64>(from, to, left);
    }
}

/// Copies fewer than 8 bytes.
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

/// Copies many bytes.
///
/// # Safety
///
/// As for [`copy_to_slot`].
#[inline(always)]
#[cfg(all(
    target_arch = "x86_64",
    not(any(miri, loom, CONFIG_KASAN, CONFIG_KCSAN))
))]
unsafe fn copy_long(from: *const u8, to: *mut u8, len: usize) {
    // SAFETY: As the caller promises; the direction flag is clear wherever Rust runs.
    unsafe {
        core::arch::asm!(
            "rep movsb",
            inout("rsi") from => _,
            inout("rdi") to => _,
            inout("rcx") len => _,
            options(nostack, preserves_flags),
        );
    }
}

/// As above, where all accesses are to be seen by a checker.
///
/// # Safety
///
/// As for [`copy_to_slot`].
#[cfg(not(all(
    target_arch = "x86_64",
    not(any(miri, loom, CONFIG_KASAN, CONFIG_KCSAN))
)))]
unsafe fn copy_long(from: *const u8, to: *mut u8, len: usize) {
    // SAFETY: As the caller promises.
    unsafe { core::ptr::copy_nonoverlapping(from, to, len) };
}

#[cfg(test)]
mod tests {
    use super::copy_to_slot;

    #[test]
    fn every_length_and_not_a_byte_more() {
        let from: Vec<u8> = (0..1200u32).map(|n| (n * 7 + 1) as u8).collect();
        for len in (0..1100).filter(|len| !cfg!(miri) || len % 61 < 3) {
            for shift in 0..8 {
                let mut to = vec![0u8; 1200];
                // SAFETY: Both are long enough.
                unsafe { copy_to_slot(from.as_ptr().add(shift), to.as_mut_ptr().add(8), len) };
                assert_eq!(to[8..8 + len], from[shift..shift + len]);
                assert!(to[..8].iter().chain(&to[8 + len..]).all(|&b| b == 0));
            }
        }
    }
}
