// SPDX-License-Identifier: MIT OR Apache-2.0

//! What was discarded inside a sub-buffer, and so is to be left out.
//!
//! The descriptor of a sub-buffer names its newest hole; each begins with its length and the offset + 1
//! of the one before it. Whatever these say, what is kept lies in the data and does not overlap.

use std::ops::Range;

/// The shortest hole: its length and the link to the next.
const MIN: usize = 8;

/// The holes of a sub-buffer, `data`, of which the newest begins at `newest - 1` (0: none), in order.
/// `packet`: lengths are multiples of 8, with bits for the kernel's use below.
pub(crate) fn holes(data: &[u8], newest: u32, packet: bool) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut next = newest as usize;
    // So many have room: a list that is longer has a ring in it.
    for _ in 0..=data.len() / MIN {
        let Some(start) = next.checked_sub(1) else {
            break;
        };
        let Some(&[a, b, c, d, e, f, g, h]) =
            data.get(start..).and_then(|rest| rest.first_chunk::<MIN>())
        else {
            break;
        };
        let len = u32::from_ne_bytes([a, b, c, d]) as usize;
        let len = if packet { len & !7 } else { len };
        let end = start.saturating_add(len.max(MIN)).min(data.len());
        found.push(start..end);
        next = u32::from_ne_bytes([e, f, g, h]) as usize;
    }
    found.sort_unstable_by_key(|hole| hole.start);
    found
}

/// What is left of `from..len` without `holes`, which are in order.
pub(crate) fn runs(
    holes: &[Range<usize>],
    from: usize,
    len: usize,
) -> impl Iterator<Item = Range<usize>> + '_ {
    let mut at = from;
    holes
        .iter()
        .cloned()
        .chain(std::iter::once(len..len))
        .filter_map(move |hole| {
            let run = at..hole.start.min(len);
            at = at.max(hole.end);
            (run.start < run.end).then_some(run)
        })
}
