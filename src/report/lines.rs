//! JSON Lines: one object a user and a line, written as it is judged.

use std::io;

use serde::Serialize;

use super::json::{self, Row};
use super::{JudgedAccount, JudgedUser, Output, Settings, Sink};

/// What is the same in every line, found once.
pub struct Lines<'a, C> {
    output: Output<'a>,
    settings: Settings,
    common: C,
    write: fn(&JudgedUser, &Settings, &C, Output<'_>) -> io::Result<()>,
}

impl<'a, C> Lines<'a, C> {
    /// Writes each user by `write`.
    pub const fn new(
        output: Output<'a>,
        settings: Settings,
        common: C,
        write: fn(&JudgedUser, &Settings, &C, Output<'_>) -> io::Result<()>,
    ) -> Self {
        Self { output, settings, common, write }
    }
}

impl<C> Sink for Lines<'_, C> {
    fn user(&mut self, user: JudgedUser) -> io::Result<()> {
        (self.write)(&user, &self.settings, &self.common, self.output)
    }

    fn error(&mut self, _message: &str) {}

    fn end(self: Box<Self>, _accounts: Vec<JudgedAccount>) -> io::Result<()> {
        // Also without a user there is an output.
        self.output.flush()
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Line<'a> {
    account: Option<&'a str>,
    #[serde(flatten)]
    row: Row<'a>,
    profile: &'static str,
    origin: &'a str,
}

/// The user as `json` has it, with the account and whose rule it is.
pub fn json_lines(settings: Settings, output: Output<'_>) -> Lines<'_, String> {
    let origin = settings.parameters.profile.origin().to_string();
    Lines::new(output, settings, origin, |user, settings, origin, output| {
        let profile = settings.parameters.profile.as_str();
        let line = Line { account: user.account.as_deref(), row: json::row(user), profile, origin };
        json::write_line(&line, output)
    })
}
