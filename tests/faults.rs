//! What becomes of runs in which calls fail: change events, prompt verdicts and the central mode, with every fault at every
//! call; and all functions, with random schedules of faults. Sweeps and remediations with every fault at every call are in the tests of theirs.
//!
//! `cargo test --test faults -- --nocapture` prints how the runs ended.

#[path = "faults/change.rs"]
mod change;
#[path = "faults/random.rs"]
mod random;
mod support;

use support::aws::AwsDouble;
use support::process::Lambda;

const CREATED: &str = "2026-03-02T10:15:01Z";

fn evaluator(aws: &AwsDouble) -> Lambda {
    Lambda::start(env!("CARGO_BIN_EXE_evaluator"), aws)
}

fn remediator(aws: &AwsDouble) -> Lambda {
    Lambda::start(env!("CARGO_BIN_EXE_remediator"), aws)
}

/// The last day of an exception in force.
fn a_month_ahead() -> String {
    (setup_keys::clock::now() + chrono::TimeDelta::days(30)).date_naive().to_string()
}
