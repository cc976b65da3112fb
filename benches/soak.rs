//! 100,000 events through one process: memory, descriptors and latency at each tenth of the way. `SOAK_EVENTS` sets another
//! number.

#![allow(clippy::cast_precision_loss, reason = "thousands of kilobytes")]

#[allow(dead_code, reason = "each benchmark uses a part of it")]
mod one_event;
#[path = "../tests/support/mod.rs"]
mod support;

use std::time::Instant;

use one_event::{CREATED, violator};
use support::aws::{AwsDouble, User};
use support::process::Lambda;
use support::{ACCOUNT, RULE, events};

fn main() {
    let wanted: usize = std::env::var("SOAK_EVENTS").map_or(100_000, |text| text.parse().expect("a number of events"));
    let violator = violator();
    let keyless = User::new("bob", CREATED).password();
    let aws = AwsDouble::with_users([violator.clone(), keyless.clone()]);
    let lambda = Lambda::start(env!("CARGO_BIN_EXE_evaluator"), &aws);
    println!("{:>8}  {:>10}  {:>10}  {:>11}  {:>12}", "events", "memory", "peak", "descriptors", "each event");
    let tenth = wanted / 10;
    for part in 1..=10 {
        let began = Instant::now();
        // What the double remembers is not the evaluator's: a token for many events, and no calls of long ago.
        let token = aws.issue_token(RULE);
        for number in 0..tenth {
            // Verdicts, deleted users, and events that are refused.
            let event = match number % 4 {
                0 => events::created(ACCOUNT, &violator),
                1 | 2 => events::created(ACCOUNT, &keyless),
                _ => events::deleted(ACCOUNT, &violator),
            };
            lambda.invoke(event.token(token.clone())).expect_success();
            if number % 100 == 0 {
                lambda.invoke("{\"no\": \"event\"}").expect_failure();
            }
            if number % 1000 == 0 {
                aws.forget_calls();
            }
        }
        let each = began.elapsed().as_secs_f64() * 1000.0 / tenth as f64;
        let (now, peak) = (lambda.memory_kib() as f64 / 1024.0, lambda.peak_memory_kib() as f64 / 1024.0);
        println!(
            "{:>8}  {now:>6.1} MiB  {peak:>6.1} MiB  {:>11}  {each:>9.2} ms",
            part * tenth,
            lambda.open_descriptors()
        );
    }
}
