//! One event at a time: the start of the evaluator beside the least that a Lambda function in Rust can be, its first and its
//! later answers beside the time that their calls take, its memory.
//!
//! `make bench` runs it with the evaluator and the `hello` of the profile that is deployed.

#![allow(clippy::cast_precision_loss, reason = "hundreds of milliseconds and thousands of kilobytes")]

#[allow(dead_code, reason = "each benchmark uses a part of it")]
mod one_event;
#[path = "../tests/support/mod.rs"]
mod support;

use std::path::Path;

use one_event::{LATENCY, answer, median, millis, violator};
use support::aws::AwsDouble;
use support::process::Lambda;

const EVALUATOR: &str = env!("CARGO_BIN_EXE_evaluator");

/// The calls of an event about the violator.
const CALLS: u32 = 5;

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
        ours.push(millis(Lambda::start(EVALUATOR, &aws).time_to_ready()));
        least.push(millis(Lambda::start(&hello, &aws).time_to_ready()));
    }
    let (ours, least) = (median(ours), median(least));
    println!(
        "start to the first event: {ours:.1} ms, {:.2} times that of hello ({least:.1} ms); median of 50",
        ours / least
    );
}

fn answers() {
    let (mut first, mut warm) = (Vec::new(), Vec::new());
    let least = millis(LATENCY * CALLS);
    let aws = AwsDouble::with_users([violator()]);
    aws.set_latency(LATENCY);
    let mut peak = 0;
    for _ in 0..10 {
        let lambda = Lambda::start(EVALUATOR, &aws);
        lambda.time_to_ready();
        first.push(millis(answer(&lambda, &aws)));
        warm.extend((0..10).map(|_| millis(answer(&lambda, &aws))));
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
    answer(&lambda, &aws);
    let before = lambda.processor_time();
    for _ in 0..EVENTS {
        answer(&lambda, &aws);
    }
    let each = millis(lambda.processor_time().saturating_sub(before)) / f64::from(EVENTS);
    println!("processor time of a later event, its {CALLS} calls included: {each:.2} ms");
}

fn main() {
    start();
    answers();
    processor_time();
}
