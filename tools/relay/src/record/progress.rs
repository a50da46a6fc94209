// SPDX-License-Identifier: GPL-2.0

//! How far it is, for who watches a terminal.

use crate::totals::size;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal;
use std::time::Duration;

pub(super) struct Progress(Option<ProgressBar>);

impl Progress {
    pub(super) fn new() -> Self {
        if !std::io::stderr().is_terminal() {
            return Self(None);
        }
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(5));
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}") {
            bar.set_style(style);
        }
        Self(Some(bar))
    }

    pub(super) fn show(&self, bytes: u64, time: Duration) {
        if let Some(bar) = &self.0 {
            bar.set_message(format!("{} in {} s, ^C ends", size(bytes), time.as_secs()));
            bar.tick();
        }
    }

    /// Takes it off the terminal.
    pub(super) fn done(&self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}
