//! What the tests share: a stand-in for AWS (IAM, STS and AWS Config on one port of this machine), one for the Lambda
//! Runtime API, the functions as child processes, and the events that AWS Config sends them.
//!
//! Nothing here waits by sleeping, uses a fixed port or leaves a file behind, so all tests may run at once.

#![allow(
    dead_code,
    unreachable_pub,
    unused_imports,
    reason = "each test binary uses a part of it, and nothing outside sees any"
)]
#![allow(clippy::struct_field_names, reason = "`account_id` and `user_id` are what AWS calls them")]

pub mod aws;
pub mod bench;
pub mod events;
pub mod http;
pub mod process;
pub mod runtime_api;
pub mod seeded;
pub mod troubles;

use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, SecondsFormat, Utc};

/// The account of the tests, unless they say otherwise.
pub const ACCOUNT: &str = "111122223333";

/// The name of the rule in that account, as an organization conformance pack makes it.
pub const RULE: &str = "iam-user-no-setup-access-keys-conformance-pack-6cruwvtg2";

/// A time as AWS writes it: `2026-03-02T10:15:01Z`.
#[track_caller]
pub fn time(text: &str) -> DateTime<Utc> {
    text.parse().unwrap_or_else(|error| panic!("`{text}` is not a time: {error}"))
}

/// A time as it stands in events: `2026-03-02T10:15:01.000Z`.
pub fn millis(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// Locks, also after a thread panicked while it held the lock: that panic is the test's failure, not this one.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
