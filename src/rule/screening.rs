//! What a credential report, up to four hours old or older, can say for sure about a user as it is now.
//!
//! A key that was made after the report and is a setup key belongs to a user that was made shortly before the report, or
//! after it. So for all older users the report shows every key that could be one. Its other columns (password, status,
//! use) may have changed, and are believed only where no change of theirs could make the user NON_COMPLIANT.

use chrono::{DateTime, Utc};

use super::facts::{Facts, Keys, LoginProfile};
use super::parameters::{ConsolePassword, Parameters, SetupWindow};
use super::verdict::Verdict;
use super::{Step, decide, seconds_between};

/// How to judge a user that is in a credential report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Screening {
    /// The report suffices.
    Verdict(Verdict),
    /// The user had no password. Unless it has one now, the report suffices.
    LoginProfile,
    /// Its facts must be read live.
    Live,
}

/// Judges a user by its row of a credential report that was generated at `generated`, as far as the verdict is the same
/// as one from facts read now.
#[must_use]
pub fn screen(row: &Facts, generated: DateTime<Utc>, parameters: &Parameters, now: DateTime<Utc>) -> Screening {
    let (SetupWindow::Seconds(window), Some(created)) = (parameters.setup_window, row.created) else {
        return Screening::Live;
    };
    // The last key that the report lacks and the window admits is made `window` after the user.
    if seconds_between(created, generated) < i64::from(window) + 1 {
        return Screening::Live;
    }
    let Keys::All(keys) = &row.keys else { return Screening::Live };
    let in_window = |key: DateTime<Utc>| parameters.setup_window.admits(seconds_between(created, key));
    let without_password =
        parameters.console_password == ConsolePassword::Required && row.login_profile == LoginProfile::Absent;
    if keys.iter().any(|key| in_window(key.created)) && without_password {
        return Screening::LoginProfile;
    }
    if !keys.is_empty() && !without_password {
        return Screening::Live;
    }
    match decide(row, parameters, now) {
        Step::Verdict(verdict) => Screening::Verdict(verdict),
        Step::Need(_) => Screening::Live,
    }
}
