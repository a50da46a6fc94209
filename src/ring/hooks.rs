// SPDX-License-Identifier: GPL-2.0

//! What a ring's owner may do at the turns of a sub-buffer's life, in the context of the writer that
//! comes to them.
//!
//! A ring calls nobody by itself: who calls it passes the hooks down. They are called on the cold path
//! only, wherever writers run, an NMI included, and are places where writers may nest: a hook may
//! write to the ring, discard, flush. It must see to it itself that it does not do so without end.

/// Bytes of a sub-buffer that are the client's.
// Not all owners look at all of it.
#[allow(dead_code)]
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reserve {
    pub(crate) at: *mut u8,
    pub(crate) len: u64,
}

/// A sub-buffer that was just entered.
#[allow(dead_code)]
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) seq: u64,
    /// When it was entered, by the ring's clock.
    pub(crate) begin: u64,
    /// All before the first record: zero, and the hook's to fill.
    pub(crate) start: Reserve,
}

/// A sub-buffer that is whole, and not delivered.
#[allow(dead_code)]
#[derive(Debug)]
pub(crate) struct Whole {
    pub(crate) seq: u64,
    /// When it was entered, by the ring's clock.
    pub(crate) begin: u64,
    /// When it was whole, and all before it delivered.
    pub(crate) end: u64,
    /// All before the first record, as it was left.
    pub(crate) start: Reserve,
    /// The end reserve: zero, and the hook's to fill.
    pub(crate) tail: Reserve,
    /// Offset of the end of the data.
    pub(crate) data_len: u64,
    /// From there to the end reserve.
    pub(crate) padding: u64,
    /// Records in it.
    pub(crate) records: u64,
    /// Their payload.
    pub(crate) bytes: u64,
}

/// What to do at the turns.
pub(crate) trait Hooks {
    /// Whether sub-buffer `seq` may be entered. `full`: in no-overwrite mode, and what its slot holds
    /// was not consumed; it is overwritten then. Asked once by each writer that comes to where it is to
    /// be decided, so more than once if one is refused, or several come at a time.
    fn may_enter(&self, _seq: u64, full: bool) -> bool {
        !full
    }

    /// This context has entered a sub-buffer, and may fill the start reserve. Readers see none of it
    /// before that.
    fn opened(&self, opened: &Opened);

    /// All of a sub-buffer is committed, and nobody can read it as delivered. May fill the end reserve
    /// and, if readers take whole sub-buffers only, change the start reserve.
    fn whole(&self, whole: &Whole);
}

/// Nothing is to be done.
impl Hooks for () {
    fn opened(&self, _: &Opened) {}
    fn whole(&self, _: &Whole) {}
}
