// SPDX-License-Identifier: GPL-2.0

//! The page in which a consumer says how far it has come that reads a mapping.

use super::stores::Stores;
use super::Buffer;
use crate::pages::Pages;
use crate::ring::Mapped;
use kernel::bindings;
use kernel::page::PAGE_SIZE;
use kernel::prelude::*;
use kernel::sync::Arc;

/// A consumer page. What maps it keeps its memory, too.
pub(crate) struct ConsumerPage(Pages);

const _: () = assert!(size_of::<Mapped>() <= PAGE_SIZE);

impl ConsumerPage {
    fn new(node: i32) -> Result<Arc<Self>> {
        Ok(Arc::new(Self(Pages::new(1, node)?), GFP_KERNEL)?)
    }

    pub(crate) fn pages(&self) -> &Pages {
        &self.0
    }

    /// What is in it.
    pub(crate) fn mapped(&self) -> &Mapped {
        // SAFETY: The page was zeroed, is aligned, and lives as long as this; all in it is atomic.
        unsafe { self.0.base().cast().as_ref() }
    }
}

impl Stores {
    /// Where writers look for what the consumer says.
    pub(super) fn show_page(&self, to: &super::Store) {
        let mapped = match &self.page {
            Some(page) => core::ptr::from_ref(page.mapped()),
            None => core::ptr::null(),
        };
        // SAFETY: `Buffer::forget_page()` takes it back and waits for writers before the page goes.
        unsafe { to.ring().set_mapped(mapped) };
    }
}

impl Buffer {
    /// Its consumer page, which is made if there is none yet. Only for who consumes alone, and calls
    /// [`forget_page()`](Self::forget_page) in the end. Process context.
    pub(crate) fn make_page(&self) -> Result<Arc<ConsumerPage>> {
        if let Some(page) = self.page() {
            return Ok(page);
        }
        let new = ConsumerPage::new(self.place.node)?;
        // Two may have come at once.
        let page = self.stores.with(|stores| {
            let page = stores.page.get_or_insert_with(|| new.clone()).clone();
            stores.show_page(&stores.current);
            page
        });
        Ok(page)
    }

    /// Its consumer page, if there is one. Process context: who drops it may be the last.
    pub(crate) fn page(&self) -> Option<Arc<ConsumerPage>> {
        self.stores.with(|stores| stores.page.clone())
    }

    /// Looks at the consumer page no more. Process context.
    pub(crate) fn forget_page(&self) {
        let page = self.stores.with(|stores| {
            let page = stores.page.take();
            stores.for_each(|store| stores.show_page(store));
            page
        });
        if page.is_some() {
            // SAFETY: Process context. Writers that may look at it run with preemption off.
            unsafe { bindings::synchronize_rcu() };
        }
    }

    /// Whether there is a consumer page. Any context but NMI.
    pub(crate) fn has_page(&self) -> bool {
        self.stores.with(|stores| stores.page.is_some())
    }

    /// Where the consumer says that it is, but not behind all that was written; 0 if it says nothing.
    /// Any context but NMI.
    pub(crate) fn said_pos(&self) -> u64 {
        self.stores.with(|stores| match &stores.page {
            Some(page) => page
                .mapped()
                .position()
                .min(stores.current.ring().written_pos()),
            None => 0,
        })
    }
}
