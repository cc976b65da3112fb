//! The clock, read at the edge only: decisions are given the time.

use std::time::SystemTime;

use chrono::{DateTime, Utc};

/// The current time.
#[must_use]
pub fn now() -> DateTime<Utc> {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the clock")]
    SystemTime::now().into()
}
