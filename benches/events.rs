//! One event at a time: the start of the evaluator beside the least that a Lambda function in Rust can be, its first and its
//! later answers beside the time that their calls take, its memory.
//!
//! `make bench` runs it with the evaluator and the `hello` of the profile that is deployed.

#![allow(clippy::cast_precision_loss, reason = "hundreds of milliseconds and thousands of kilobytes")]

#[path = "../tests/support/mod.rs"]
mod support;

use std::path::Path;
use std::time::{Duration, Instant};

use support::aws::{AwsDouble, User};
use support::process::Lambda;
use support::{ACCOUNT, RULE, events};

const EVALUATOR: &str = env!("CARGO_BIN_EXE_evaluator");
const CREATED: &str = "2026-03-02T10:15:01Z";

/// The calls of an event about a violator: keys, password, user, last use, and the verdict.
const CALLS: u32 = 5;

/// A call to AWS in the same region.
const LATENCY: Duration = Duration::from_millis(20);

fn violator() -> User {
    User::new("alice", CREATED).password().key("AKIASETUP00000000001", 4)
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    times[times.len() / 2].as_secs_f64() * 1000.0
}

/// `hello` of the same profile; beside the binaries where cargo has built the examples.
fn hello() -> String {
    std::env::var("HELLO_BINARY").unwrap_or_else(|_| {
        let binaries = Path::new(EVALUATOR).parent().expect("a directory");
        binaries.join("examples/hello").display().to_string()
    })
}

fn start() {
    let aws = AwsDouble::with_users([violator()]);
    let hello = hello();
    let (mut ours, mut least) = (Vec::new(), Vec::new());
    // In turns, so that both meet the same machine.
    for _ in 0..50 {
        ours.push(Lambda::start(EVALUATOR, &aws).time_to_ready());
        least.push(Lambda::start(&hello, &aws).time_to_ready());
    }
    let (ours, least) = (median(ours), median(least));
    println!(
        "start to the first event: {ours:.1} ms, {:.2} times that of hello ({least:.1} ms); median of 50",
        ours / least
    );
}

fn answers() {
    let (mut first, mut warm) = (Vec::new(), Vec::new());
    let least = (LATENCY * CALLS).as_secs_f64() * 1000.0;
    let aws = AwsDouble::with_users([violator()]);
    aws.set_latency(LATENCY);
    let answer = |lambda: &Lambda| {
        let event = events::created(ACCOUNT, &violator()).token(aws.issue_token(RULE));
        let began = Instant::now();
        lambda.invoke(event).expect_success();
        began.elapsed()
    };
    let mut peak = 0;
    for _ in 0..10 {
        let lambda = Lambda::start(EVALUATOR, &aws);
        lambda.time_to_ready();
        first.push(answer(&lambda));
        warm.extend((0..10).map(|_| answer(&lambda)));
        peak = peak.max(lambda.peak_memory_kib());
    }
    let (first, warm) = (median(first), median(warm));
    println!("first answer: {first:.1} ms, {:.2} times its calls ({least:.0} ms)", first / least);
    println!("later answers: {warm:.1} ms, {:.2} times their calls", warm / least);
    println!("peak memory of change events: {:.1} MiB", peak as f64 / 1024.0);
}

fn processor_time() {
    const EVENTS: u32 = 1000;
    let aws = AwsDouble::with_users([violator()]);
    let lambda = Lambda::start(EVALUATOR, &aws);
    let event = || events::created(ACCOUNT, &violator()).token(aws.issue_token(RULE));
    lambda.invoke(event()).expect_success();
    let before = lambda.processor_time();
    for _ in 0..EVENTS {
        lambda.invoke(event()).expect_success();
    }
    let each = lambda.processor_time().saturating_sub(before).as_secs_f64() * 1000.0 / f64::from(EVENTS);
    println!("processor time of a later event, its {CALLS} calls included: {each:.2} ms");
}

fn main() {
    start();
    answers();
    processor_time();
}
