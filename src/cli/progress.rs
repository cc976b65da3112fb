//! Progress, for whoever waits at a terminal.

use std::io::{self, IsTerminal, Write};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::console;

/// The bar that is drawn now, for whatever else writes to standard error.
static DRAWN: Mutex<Option<ProgressBar>> = Mutex::new(None);

/// A progress bar on standard error, if that is a terminal and it is wanted.
pub(super) struct Progress {
    bar: ProgressBar,
    /// What is done to one user after the other.
    each: &'static str,
}

impl Progress {
    /// `message` is shown until it is known how many users there are to be judged.
    pub(super) fn start(message: &'static str) -> Self {
        Self::new(message, "Judging")
    }

    /// The same where what is done to each user is known from the start.
    pub(super) fn over_users(each: &'static str) -> Self {
        Self::new(each, each)
    }

    fn new(message: &'static str, each: &'static str) -> Self {
        let shown = io::stderr().is_terminal() && !console::is_quiet();
        let target = if shown { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(None, target).with_message(message);
        bar.set_style(ProgressStyle::default_spinner());
        bar.enable_steady_tick(Duration::from_millis(100));
        *DRAWN.lock().unwrap_or_else(PoisonError::into_inner) = Some(bar.clone());
        Self { bar, each }
    }

    pub(super) fn show(&self, done: usize, total: usize) {
        if self.bar.length().is_none() {
            // The length comes first: the bar is drawn at any time, and 0 of 0 would be nonsense.
            self.bar.set_length(total as u64);
            let style = ProgressStyle::with_template("{msg} {bar:30} {pos}/{len} users, {eta} left");
            self.bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            self.bar.set_message(self.each);
        }
        self.bar.set_position(done as u64);
    }

    pub(super) fn end(&self) {
        *DRAWN.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.bar.finish_and_clear();
    }

    /// Does what prints something, with the bar out of its way.
    pub(super) fn suspend(&self, print: impl FnOnce()) {
        self.bar.suspend(print);
    }
}

/// Standard error, with the bar out of the way of what is written there.
pub(super) struct BesideProgress;

impl Write for BesideProgress {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        let drawn = DRAWN.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match drawn {
            Some(bar) => bar.suspend(|| io::stderr().write(text)),
            None => io::stderr().write(text),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}
