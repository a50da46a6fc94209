// SPDX-License-Identifier: GPL-2.0

//! Signals that end what would otherwise go on.

use signal_hook::consts::{SIGCHLD, SIGINT, SIGTERM};
use signal_hook::flag;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;

/// What came.
#[derive(Clone, Debug)]
pub(crate) struct Signals {
    interrupt: Arc<AtomicBool>,
    terminate: Arc<AtomicBool>,
}

impl Signals {
    /// Notes ^C and requests to terminate from now on. A second ^C ends at once.
    pub(crate) fn note() -> io::Result<Self> {
        let interrupt = Arc::new(AtomicBool::new(false));
        let terminate = Arc::new(AtomicBool::new(false));
        // In this order: the first sees what an earlier one noted.
        flag::register_conditional_shutdown(SIGINT, 130, interrupt.clone())?;
        flag::register(SIGINT, interrupt.clone())?;
        flag::register(SIGTERM, terminate.clone())?;
        // Only to end a wait when a child has ended.
        flag::register(SIGCHLD, Arc::new(AtomicBool::new(false)))?;
        Ok(Self {
            interrupt,
            terminate,
        })
    }

    /// Whether ^C came.
    pub(crate) fn interrupted(&self) -> bool {
        self.interrupt.load(Ordering::SeqCst)
    }

    /// Whether it is time to end.
    pub(crate) fn stop(&self) -> bool {
        self.interrupted() || self.terminate.load(Ordering::SeqCst)
    }
}
