//! A sweep that does not get everything done: what it did get done is put, and it says what is missing.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use super::*;
use crate::support::aws::{Fault, FaultKind};
use crate::support::process::Outcome;

fn violators(number: usize) -> Vec<User> {
    (0..number).map(|n| kinds::violator(&format!("user{n}"))).collect()
}

/// The next sweep, with nothing going wrong any more, ends as if nothing ever had.
#[track_caller]
fn next_sweep_completes(aws: &AwsDouble, lambda: &Lambda, users: &[User]) {
    aws.forget_faults();
    lambda.invoke(scheduled(aws)).expect_success();
    assert_eq!(aws.stored_results(RULE), results_of(users));
}

#[test]
fn users_that_cannot_be_read_are_counted_and_the_others_put() {
    let users = violators(10);
    let aws = AwsDouble::with_users(users.clone());
    for (name, action) in [("user2", "ListAccessKeys"), ("user5", "GetLoginProfile"), ("user8", "GetUser")] {
        aws.fail(Fault::new(action, FaultKind::AccessDenied).on(name));
    }
    let lambda = Lambda::start(EVALUATOR, &aws);
    let (code, message) = lambda.invoke(scheduled(&aws)).expect_failure();
    assert_eq!(code, "SweepIncomplete");
    assert!(message.contains("judged 7 of 10 users: 3 could not be read"), "{message}");
    for reason in ["iam:ListAccessKeys failed for `user2`", "iam:GetLoginProfile failed for `user5`", "`user8`"] {
        assert!(message.contains(reason), "`{reason}` is not in `{message}`");
    }
    let mut expected = results_of(&users);
    for place in [2, 5, 8] {
        expected.remove(&users[place].user_id);
    }
    assert_eq!(aws.stored_results(RULE), expected);
    next_sweep_completes(&aws, &lambda, &users);
}

/// The message stays readable however many users are concerned.
#[test]
fn a_few_reasons_stand_for_many() {
    let users = violators(50);
    let aws = AwsDouble::with_users(users.clone());
    aws.fail(Fault::new("ListAccessKeys", FaultKind::AccessDenied));
    let lambda = Lambda::start(EVALUATOR, &aws);
    let (code, message) = lambda.invoke(scheduled(&aws)).expect_failure();
    assert_eq!(code, "SweepIncomplete");
    assert!(message.contains("judged 0 of 50 users: 50 could not be read"), "{message}");
    assert!(message.len() < 3000, "{message}");
    assert!(aws.stored_results(RULE).is_empty());
    next_sweep_completes(&aws, &lambda, &users);
}

/// An earlier result of a user that cannot be read now says more than none.
#[test]
fn an_earlier_result_of_a_user_that_cannot_be_read_stays() {
    let users = violators(3);
    let aws = AwsDouble::with_users(users.clone());
    store_earlier(&aws, &users[1].user_id, "COMPLIANT", "was fine");
    aws.fail(Fault::new("ListAccessKeys", FaultKind::AccessDenied).on("user1"));
    let lambda = Lambda::start(EVALUATOR, &aws);
    let (code, message) = lambda.invoke(scheduled(&aws)).expect_failure();
    assert_eq!((code.as_str(), message.contains("judged 2 of 3 users")), ("SweepIncomplete", true), "{message}");
    assert_eq!(aws.stored_results(RULE)[&users[1].user_id].1, "was fine");
    next_sweep_completes(&aws, &lambda, &users);
}

#[test]
fn a_chunk_that_cannot_be_put_fails_the_sweep() {
    let users: Vec<_> = (0..250).map(|n| kinds::keyless(&format!("user{n}"))).collect();
    let aws = AwsDouble::with_users(users.clone());
    aws.fail(Fault::new("PutEvaluations", FaultKind::AccessDenied).after(1).times(1));
    let lambda = Lambda::start(EVALUATOR, &aws);
    let (code, message) = lambda.invoke(scheduled(&aws)).expect_failure();
    assert_eq!(code, "AccessDenied", "{message}");
    let (stored, expected) = (aws.stored_results(RULE), results_of(&users));
    assert!(stored.len() >= 100 && stored.iter().all(|(id, result)| expected[id] == *result), "{}", stored.len());
    println!("{} of 250 results stored although the second of three chunks was refused", stored.len());
    next_sweep_completes(&aws, &lambda, &users);
}

#[test]
fn at_the_deadline_what_is_judged_is_put() {
    let users: Vec<_> = (0..1500).map(|n| kinds::cleared(&format!("user{n}"))).collect();
    let aws = AwsDouble::with_users(users.clone());
    aws.account(|account| account.report.polls = 0);
    aws.fail(Fault::new("ListAccessKeys", FaultKind::Slow(Duration::from_millis(150))));
    let lambda = Lambda::start(EVALUATOR, &aws);
    let (code, message) = lambda.invoke_with(Duration::from_secs(8), scheduled(&aws)).expect_failure();
    assert_eq!(code, "SweepIncomplete");
    let stored = aws.stored_results(RULE);
    let told =
        format!("judged {} of 1500 users: 0 could not be read, {} were not reached", stored.len(), 1500 - stored.len());
    assert!(message.contains(&told) && stored.len() >= 16, "`{told}` is not in `{message}`");
    println!("{message}");
    let expected = results_of(&users);
    assert!(stored.iter().all(|(id, result)| expected[id] == *result));
    next_sweep_completes(&aws, &lambda, &users);
}

/// Ends the process once so many calls of an action were carried out, and sweeps anew.
#[track_caller]
fn survives_the_end_of_the_process(action: &str, calls: usize) {
    let mut users = violators(40);
    users.extend((0..210).map(|n| kinds::keyless(&format!("other{n}"))));
    let aws = AwsDouble::with_users(users.clone());
    store_earlier(&aws, "AIDAGONE0000000000001", "COMPLIANT", "was there");
    let (reached, at) = mpsc::channel();
    aws.after_calls(Some(action), calls, move |_| reached.send(()).unwrap());
    // No later call is answered before the process is gone.
    aws.fail(Fault::new(action, FaultKind::Slow(Duration::from_mins(1))).after(calls));
    let lambda = Lambda::start(EVALUATOR, &aws);
    thread::scope(|scope| {
        let invoked = scope.spawn(|| lambda.invoke(scheduled(&aws)));
        at.recv().unwrap();
        lambda.end();
        assert!(matches!(invoked.join().unwrap(), Outcome::Exited(_)));
    });
    let expected = results_of(&users);
    let stored = aws.stored_results(RULE);
    let wrong: Vec<_> =
        stored.iter().filter(|(id, result)| expected.get(*id).is_some_and(|right| right != *result)).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
    assert!(stored.len() < expected.len(), "it ended too late: {}", stored.len());
    next_sweep_completes(&aws, &Lambda::start(EVALUATOR, &aws), &users);
}

#[test]
fn a_process_that_ends_among_the_reads_leaves_no_trace() {
    survives_the_end_of_the_process("ListAccessKeys", 25);
}

#[test]
fn a_process_that_ends_among_the_puts_leaves_right_results() {
    survives_the_end_of_the_process("PutEvaluations", 1);
}

#[test]
fn a_process_that_ends_while_it_lists_users_leaves_no_trace() {
    survives_the_end_of_the_process("GetCredentialReport", 1);
}

/// AWS Lambda may deliver an event twice, also at the same time.
#[test]
fn the_same_event_twice_at_once_gives_the_same_results() {
    let users = one_of_each();
    let aws = AwsDouble::with_users(users.clone());
    store_earlier(&aws, "AIDAGONE0000000000001", "COMPLIANT", "was there");
    let event = scheduled(&aws);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| Lambda::start(EVALUATOR, &aws).invoke(event.clone()).expect_success());
        }
    });
    assert_eq!(aws.stored_results(RULE), results_of(&users));
}
