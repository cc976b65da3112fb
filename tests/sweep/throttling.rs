//! IAM asks for fewer calls: nothing is lost, and little time.

use std::time::{Duration, Instant};

use super::*;

/// A rate that a large account comes to share with whatever else calls IAM.
const CALLS_A_SECOND: f64 = 20.0;

#[test]
fn a_throttled_sweep_loses_no_verdict_and_little_time() {
    let mut users: Vec<_> = (0..160).map(|n| kinds::cleared(&format!("user{n}"))).collect();
    users.extend((0..10).map(|n| kinds::violator(&format!("violator{n}"))));
    let expected = results_of(&users);

    let aws = AwsDouble::with_users(users);
    aws.account(|account| account.report.polls = 0);
    aws.set_rate_limit(CALLS_A_SECOND);
    let lambda = Lambda::start(EVALUATOR, &aws);
    let start = Instant::now();
    lambda.invoke(scheduled(&aws)).expect_success();
    let took = start.elapsed().as_secs_f64();
    assert_eq!(aws.stored_results(RULE), expected);

    // Report and users; keys of all; password, user and last use of the violators.
    let needed: usize = 3 + 170 + 3 * 10;
    let made = aws.calls().iter().filter(|call| call.service == "iam").count();
    let least = f64::from(u32::try_from(needed).unwrap()) / CALLS_A_SECOND;
    println!(
        "{needed} calls at {CALLS_A_SECOND} a second: {took:.1} s, {:.2} times the least; {} calls were throttled",
        took / least,
        made - needed
    );
    assert!(took < 2.0 * least, "{took:.1} s, where {least:.1} s would do");
}

#[test]
fn a_bounded_number_of_reads_is_under_way_at_once() {
    let users: Vec<_> = (0..100).map(|n| kinds::violator(&format!("user{n}"))).collect();
    let aws = AwsDouble::with_users(users);
    aws.set_latency(Duration::from_millis(20));
    sweep(&aws);
    let most = aws.most_in_flight("iam");
    println!("at most {most} reads at once");
    assert!((2..=16).contains(&most), "{most}");
}
