//! A sweep of the largest account that IAM allows by default, against the AWS double: wall time as a ratio to the least
//! that its calls could take, and peak memory.
//!
//! `make bench` runs it with the evaluator of `make package`; `EVALUATOR_BINARY` names another one.

#![allow(clippy::cast_precision_loss, reason = "thousands of calls and kilobytes")]

#[path = "../tests/support/mod.rs"]
mod support;

use std::time::{Duration, Instant};

use support::aws::{AwsDouble, User};
use support::process::Lambda;
use support::{ACCOUNT, RULE, events};

const CREATED: &str = "2026-03-02T10:15:01Z";

/// How many reads the evaluator has under way at once.
const AT_ONCE: f64 = 16.0;

/// 5,000 users; 2,250 have a password and a key, 40 of them are violators; 60 have a key in question and no password.
fn users() -> Vec<User> {
    (0..5000)
        .map(|n| {
            let user = User::new(&format!("user{n}"), CREATED);
            let key = format!("AKIA{n:016}");
            match n {
                0..40 => user.password().key(&key, 4),
                40..2250 => user.password().key(&key, 86_400),
                2250..2310 => user.key(&key, 1),
                2310..3000 => user.key(&key, 86_400),
                _ => user.password(),
            }
        })
        .collect()
}

/// One sweep by a new process; `least` is the least time that so many calls to IAM and AWS Config could take. Returns how
/// many calls to IAM it made.
fn sweep(what: &str, prepare: impl Fn(&AwsDouble), least: impl Fn(f64, f64) -> f64) -> f64 {
    let aws = AwsDouble::with_users(users());
    aws.account(|account| account.report.polls = 0);
    prepare(&aws);
    let lambda = Lambda::start(env!("CARGO_BIN_EXE_evaluator"), &aws);
    let start = Instant::now();
    lambda
        .invoke_with(Duration::from_mins(15), events::scheduled(ACCOUNT).token(aws.issue_token(RULE)))
        .expect_success();
    let took = start.elapsed().as_secs_f64();
    assert_eq!(aws.stored_results(RULE).len(), 5000, "a verdict on every user");

    let to_iam = aws.calls().iter().filter(|call| call.service == "iam").count() as f64;
    let to_config = aws.calls().len() as f64 - to_iam;
    let least = least(to_iam, to_config);
    println!(
        "{what}: {took:.1} s, {:.2} times the least ({least:.1} s); {to_iam} calls to IAM, {to_config} to AWS Config; \
         peak memory {:.1} MiB",
        took / least,
        lambda.peak_memory_kib() as f64 / 1024.0
    );
    to_iam
}

fn main() {
    // Pages and chunks come one after the other, whatever runs at once: report, list of users, results, evaluations.
    const ONE_BY_ONE: f64 = 2.0 + 5.0;
    let latency = 0.02;
    let needed = sweep(
        "20 ms a call",
        |aws| aws.set_latency(Duration::from_secs_f64(latency)),
        |iam, config| ((iam - ONE_BY_ONE) / AT_ONCE + ONE_BY_ONE + config) * latency,
    );
    // Calls that were throttled are not among those that are needed.
    sweep("20 calls a second", |aws| aws.set_rate_limit(20.0), |_, _| needed / 20.0);
}
