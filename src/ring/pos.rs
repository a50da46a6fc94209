// SPDX-License-Identifier: GPL-2.0

//! Positions: all arithmetic on places in a ring, and nothing else.
//!
//! A position is a free-running count of bytes, 64 bits wide; only [`Geometry`] turns it into a
//! sequence number, a slot or an offset. All of it wraps, none of it panics.

/// The shape of a ring: `1 << n_shift` sub-buffers of `1 << shift` bytes.
///
/// # Invariants
///
/// `1 <= shift <= MAX_SUBBUF_SHIFT`, `n_shift >= 1`, `shift + n_shift <= MAX_RING_SHIFT`, and the
/// masks are those of `1 << shift` and `1 << (shift + n_shift)`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Geometry {
    subbuf_mask: u64,
    ring_mask: u64,
    shift: u32,
    n_shift: u32,
}

/// The largest sub-buffer is 1 GiB: a commit counter holds its bytes in 32 bits with room to spare.
pub(crate) const MAX_SUBBUF_SHIFT: u32 = 30;

/// The largest ring, as a power of two.
const MAX_RING_SHIFT: u32 = 40;

impl Geometry {
    /// A ring of `n_subbufs` sub-buffers of `subbuf_size` bytes, both powers of two.
    pub(crate) fn new(subbuf_size: u64, n_subbufs: u64) -> Option<Self> {
        if !subbuf_size.is_power_of_two() || !n_subbufs.is_power_of_two() {
            return None;
        }
        let (shift, n_shift) = (subbuf_size.trailing_zeros(), n_subbufs.trailing_zeros());
        if !(1..=MAX_SUBBUF_SHIFT).contains(&shift)
            || n_shift < 1
            || shift.wrapping_add(n_shift) > MAX_RING_SHIFT
        {
            return None;
        }
        // INVARIANT: Just checked.
        Some(Self {
            subbuf_mask: subbuf_size.wrapping_sub(1),
            ring_mask: subbuf_size.wrapping_mul(n_subbufs).wrapping_sub(1),
            shift,
            n_shift,
        })
    }

    /// Bytes in one sub-buffer.
    #[inline(always)]
    pub(crate) fn subbuf_size(&self) -> u64 {
        self.subbuf_mask.wrapping_add(1)
    }

    /// Sub-buffers in the ring.
    #[inline(always)]
    pub(crate) fn n_subbufs(&self) -> u64 {
        1u64.wrapping_shl(self.n_shift)
    }

    /// Bytes in the ring.
    pub(crate) fn ring_size(&self) -> u64 {
        self.ring_mask.wrapping_add(1)
    }

    /// Offset of `pos` inside its sub-buffer; 0 means that the sub-buffer is not yet open.
    #[inline(always)]
    pub(crate) fn offset(&self, pos: u64) -> u64 {
        pos & self.subbuf_mask
    }

    /// Sequence number of the sub-buffer `pos` lies in, free-running from 0.
    #[inline(always)]
    pub(crate) fn seq(&self, pos: u64) -> u64 {
        pos.wrapping_shr(self.shift)
    }

    /// First position of sub-buffer `seq`.
    #[inline(always)]
    pub(crate) fn start(&self, seq: u64) -> u64 {
        seq.wrapping_shl(self.shift)
    }

    /// The slot of the ring in which sub-buffer `seq` lives.
    #[inline(always)]
    pub(crate) fn slot(&self, seq: u64) -> usize {
        (seq & self.n_subbufs().wrapping_sub(1)) as usize
    }

    /// The slot of the ring the byte at `index` lies in.
    #[inline(always)]
    pub(crate) fn slot_at(&self, index: usize) -> usize {
        index.wrapping_shr(self.shift)
    }

    /// Where in the ring's data the byte at `pos` lives.
    #[inline(always)]
    pub(crate) fn index(&self, pos: u64) -> usize {
        (pos & self.ring_mask) as usize
    }
}
