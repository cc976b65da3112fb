//! `sweepReports = changes`: AWS bills every evaluation, so only what differs from the stored results is put.

use super::*;
use crate::support::aws::{Fault, FaultKind};

/// A sweep that reports changes.
fn reporting_changes(aws: &AwsDouble) -> Event {
    scheduled(aws).parameters(&json!({"sweepReports": "changes"}))
}

/// What each `PutEvaluations` of one more sweep put: resource ids.
#[track_caller]
fn put_by_another_sweep(aws: &AwsDouble, lambda: &Lambda) -> Vec<Vec<String>> {
    aws.forget_calls();
    lambda.invoke(reporting_changes(aws)).expect_success();
    put_ids(aws)
}

fn put_ids(aws: &AwsDouble) -> Vec<Vec<String>> {
    let ids = |evaluations: &Value| {
        let ids = evaluations.as_array().unwrap().iter().map(|entry| entry["ComplianceResourceId"].as_str().unwrap());
        ids.map(str::to_owned).collect()
    };
    aws.calls()
        .iter()
        .filter(|call| call.action == "PutEvaluations")
        .map(|call| ids(&call.body["Evaluations"]))
        .collect()
}

/// An account whose results are stored, and the evaluator that did it.
fn swept_once() -> (AwsDouble, Lambda) {
    let aws = AwsDouble::with_users(one_of_each());
    let lambda = Lambda::start(EVALUATOR, &aws);
    lambda.invoke(reporting_changes(&aws)).expect_success();
    assert_eq!(aws.stored_results(RULE), results_of(&one_of_each()), "at first everything is a change");
    (aws, lambda)
}

#[test]
fn nothing_changed_puts_only_an_empty_list() {
    let (aws, lambda) = swept_once();
    assert_eq!(put_by_another_sweep(&aws, &lambda), [Vec::<String>::new()]);
}

#[test]
fn a_changed_verdict_alone_is_put() {
    let (aws, lambda) = swept_once();
    let user_id = aws.account(|account| {
        account.user("violator").keys.clear();
        account.user("violator").user_id.clone()
    });
    assert_eq!(put_by_another_sweep(&aws, &lambda), [[user_id]]);
}

#[test]
fn a_changed_annotation_alone_is_put() {
    let (aws, lambda) = swept_once();
    let user_id = aws.account(|account| {
        let user = account.user("violator");
        user.keys[0].last_used = Some(time("2026-03-05T08:00:00Z"));
        user.user_id.clone()
    });
    let before = aws.stored_results(RULE);
    assert_eq!(put_by_another_sweep(&aws, &lambda), [[user_id.clone()]]);
    let after = aws.stored_results(RULE);
    assert_eq!(before[&user_id].0, after[&user_id].0);
    assert!(after[&user_id].1.contains("used: rotate"), "{}", after[&user_id].1);
}

#[test]
fn a_later_use_of_a_used_key_is_no_change() {
    let (aws, lambda) = swept_once();
    aws.account(|account| account.user("twokeys").keys[1].last_used = Some(setup_keys::clock::now()));
    assert_eq!(put_by_another_sweep(&aws, &lambda), [Vec::<String>::new()]);
}

#[test]
fn users_that_are_gone_are_put() {
    let (aws, lambda) = swept_once();
    let user_id = aws.account(|account| account.remove("cleared").user_id);
    assert_eq!(put_by_another_sweep(&aws, &lambda), [[user_id.clone()]]);
    assert!(!aws.stored_results(RULE).contains_key(&user_id));
}

#[test]
fn a_change_of_every_user_comes_in_chunks() {
    let users: Vec<_> = (0..250).map(|n| kinds::keyless(&format!("user{n}"))).collect();
    let aws = AwsDouble::with_users(users);
    let lambda = Lambda::start(EVALUATOR, &aws);
    let sizes = |put: Vec<Vec<String>>| put.iter().map(Vec::len).collect::<Vec<_>>();
    assert_eq!(sizes(put_by_another_sweep(&aws, &lambda)), [100, 100, 50]);
    assert_eq!(sizes(put_by_another_sweep(&aws, &lambda)), [0]);
}

#[test]
fn all_are_put_where_stored_results_cannot_be_read() {
    let (aws, lambda) = swept_once();
    aws.fail(Fault::new("GetComplianceDetailsByConfigRule", FaultKind::AccessDenied));
    aws.forget_calls();
    let (code, message) = lambda.invoke(reporting_changes(&aws)).expect_failure();
    assert_eq!(code, "SweepIncomplete", "{message}");
    assert_eq!(put_ids(&aws).concat().len(), one_of_each().len());
}

#[test]
fn all_are_put_where_the_name_is_too_long_to_ask() {
    let rule = "r".repeat(65);
    let aws = AwsDouble::with_users(one_of_each());
    let lambda = Lambda::start(EVALUATOR, &aws);
    for _ in 0..2 {
        aws.forget_calls();
        let event = scheduled_for(&aws, &rule).parameters(&json!({"sweepReports": "changes"}));
        lambda.invoke(event).expect_success();
        assert_eq!(put_ids(&aws).concat().len(), one_of_each().len());
    }
}
