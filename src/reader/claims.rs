// SPDX-License-Identifier: GPL-2.0

//! Who consumes what of a channel: one table per channel, under one lock.
//!
//! A claim of the whole channel covers all its buffers, also those that come later.

use kernel::prelude::*;

/// What a descriptor consumes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// All buffers.
    Whole,
    /// The buffer with this number.
    Buffer(u32),
}

impl Scope {
    fn overlaps(self, other: Self) -> bool {
        self == Self::Whole || other == Self::Whole || self == other
    }
}

/// Descriptors that consume the same.
///
/// # Invariants
///
/// `count` is at least 1, and 1 if `exclusive`.
struct Claim {
    scope: Scope,
    exclusive: bool,
    count: usize,
}

/// The claims of a channel's descriptors.
///
/// # Invariants
///
/// No exclusive claim overlaps another claim. There is one entry per scope.
pub(crate) struct Claims(KVec<Claim>);

impl Claims {
    pub(crate) const fn new() -> Self {
        Self(KVec::new())
    }

    /// A descriptor wants to consume. `EBUSY`: somebody else does, and one of them wants no other.
    pub(crate) fn add(&mut self, scope: Scope, exclusive: bool) -> Result {
        for claim in &self.0 {
            if scope.overlaps(claim.scope) && (exclusive || claim.exclusive) {
                return Err(EBUSY);
            }
        }
        if let Some(claim) = self.0.iter_mut().find(|claim| claim.scope == scope) {
            claim.count = claim.count.wrapping_add(1);
            return Ok(());
        }
        // INVARIANT: No entry has this scope, and none that overlaps it is exclusive, or exists if
        // this one is.
        let claim = Claim {
            scope,
            exclusive,
            count: 1,
        };
        Ok(self.0.push(claim, GFP_KERNEL)?)
    }

    /// A descriptor whose claim was added goes.
    pub(crate) fn remove(&mut self, scope: Scope) {
        self.0.retain(|claim| {
            if claim.scope == scope {
                claim.count = claim.count.wrapping_sub(1);
            }
            // INVARIANT: An entry without descriptors goes.
            claim.count != 0
        });
    }

    /// Whether somebody consumes the buffer with this number.
    pub(crate) fn covers(&self, buffer: u32) -> bool {
        let scope = Scope::Buffer(buffer);
        self.0.iter().any(|claim| scope.overlaps(claim.scope))
    }
}
