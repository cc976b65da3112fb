//! What the benchmarks of single events share: the user that they are about, and how an answer is timed.

use std::time::{Duration, Instant};

use crate::support::aws::{AwsDouble, User};
use crate::support::process::Lambda;
use crate::support::{ACCOUNT, RULE, events};

pub(crate) const CREATED: &str = "2026-03-02T10:15:01Z";

/// A call to AWS in the same region.
pub(crate) const LATENCY: Duration = Duration::from_millis(20);

/// A user who is NON_COMPLIANT, by five calls: keys, password, user, last use, and the verdict.
pub(crate) fn violator() -> User {
    User::new("alice", CREATED).password().key("AKIASETUP00000000001", 4)
}

/// Sends the event about the violator, and returns how long the answer took.
pub(crate) fn answer(lambda: &Lambda, aws: &AwsDouble) -> Duration {
    let event = events::created(ACCOUNT, &violator()).token(aws.issue_token(RULE));
    let began = Instant::now();
    lambda.invoke(event).expect_success();
    began.elapsed()
}

pub(crate) fn median(mut of: Vec<f64>) -> f64 {
    of.sort_unstable_by(f64::total_cmp);
    of[of.len() / 2]
}

pub(crate) fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
