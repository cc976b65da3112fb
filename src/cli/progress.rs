//! Progress, for whoever waits at a terminal.

use std::io::{self, IsTerminal};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::console;

/// A progress bar on standard error, if that is a terminal and it is wanted.
pub(super) struct Progress(ProgressBar);

impl Progress {
    /// `message` is shown until it is known how many users there are.
    pub(super) fn start(message: &'static str) -> Self {
        let shown = io::stderr().is_terminal() && !console::is_quiet();
        let target = if shown { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(None, target).with_message(message);
        bar.set_style(ProgressStyle::default_spinner());
        bar.enable_steady_tick(Duration::from_millis(100));
        Self(bar)
    }

    pub(super) fn show(&self, done: usize, total: usize) {
        if self.0.length().is_none() {
            let style = ProgressStyle::with_template("{msg} {bar:30} {pos}/{len} users, {eta} left");
            self.0.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            self.0.set_message("Judging");
            self.0.set_length(total as u64);
        }
        self.0.set_position(done as u64);
    }

    pub(super) fn end(&self) {
        self.0.finish_and_clear();
    }

    /// Does what prints something, with the bar out of its way.
    pub(super) fn suspend(&self, print: impl FnOnce()) {
        self.0.suspend(print);
    }
}
