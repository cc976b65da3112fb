//! What the terminal is told, and how: set once by the options that hold for every command.

use std::env;
use std::io::{self, IsTerminal};
use std::sync::OnceLock;

use clap::Args;

use crate::report::table::{Style, terminal_width};

static CONSOLE: OnceLock<Console> = OnceLock::new();

/// How a person wants to be spoken to.
#[derive(Args, Debug, Clone, Copy, Default)]
pub(super) struct Console {
    /// No progress, no warnings and no hints; errors still
    #[arg(short, long, global = true)]
    quiet: bool,

    /// No colours, also on a terminal; so does NO_COLOR in the environment
    #[arg(long, global = true)]
    no_color: bool,
}

impl Console {
    /// Makes this the console of the process.
    pub(super) fn set(self) {
        // A second one would be ignored; there is none.
        let _ = CONSOLE.set(self);
    }

    fn get() -> Self {
        CONSOLE.get().copied().unwrap_or_default()
    }
}

/// Whether only results and errors are wanted.
pub(super) fn is_quiet() -> bool {
    Console::get().quiet
}

/// How a table looks on standard output; in a file it is plain.
pub(super) fn style(to_file: bool) -> Style {
    let quiet = is_quiet();
    if to_file || !io::stdout().is_terminal() {
        return Style { width: None, color: false, quiet };
    }
    // https://no-color.org: set to anything but an empty text.
    let is_set = |name| env::var_os(name).is_some_and(|value| !value.is_empty());
    let plain = Console::get().no_color || is_set("NO_COLOR") || env::var_os("TERM").is_some_and(|term| term == "dumb");
    Style { width: terminal_width(), color: !plain, quiet }
}
