//! Prompt verdicts: a call to IAM comes in by way of EventBridge, and the rule is started only where its verdict changed.

#![allow(clippy::needless_pass_by_value, reason = "the rows of a table of tests are made in place")]

#[macro_use]
#[path = "support/cases.rs"]
mod cases;
mod support;

use serde_json::{Value, json};
use support::aws::{AwsDouble, Fault, FaultKind, Key, User};
use support::events::{self, call};
use support::process::Lambda;
use support::{ACCOUNT, RULE, time};

const EVALUATOR: &str = env!("CARGO_BIN_EXE_evaluator");
const CREATED: &str = "2026-03-02T10:15:01Z";

fn alice() -> User {
    User::new("alice", CREATED).password()
}

fn violator() -> User {
    alice().key("AKIASETUP00000000001", 40)
}

/// An account with the rule and this result of it for alice.
fn account(user: User, stored: Option<(&str, &str)>) -> AwsDouble {
    let aws = AwsDouble::with_users([user.clone()]);
    aws.account(|account| {
        account.config.add_rule(RULE);
        if let Some((compliance_type, annotation)) = stored {
            account.config.store_result(RULE, &user.user_id, compliance_type, annotation, time(CREATED));
        }
    });
    aws
}

fn started(aws: &AwsDouble) -> Vec<String> {
    aws.account(|account| account.config.started_rules.clone())
}

const CLEARED: (&str, &str) = ("COMPLIANT", "No active access key made within 60 s of the user.");
const FOUND: (&str, &str) =
    ("NON_COMPLIANT", "1 setup key: …0001 made 40 s after the user, never used: deactivate, then delete.");

/// Whether a call has the rule started, given what AWS Config holds.
#[track_caller]
fn starts(user: User, name: &str, stored: Option<(&str, &str)>, expected: bool) {
    let aws = account(user, stored);
    Lambda::start(EVALUATOR, &aws).invoke(call(name, &json!({})).to_string()).expect_success();
    assert_eq!(started(&aws), if expected { vec![RULE.to_owned()] } else { vec![] }, "{:?}", aws.action_names());
    assert_eq!(aws.count("config", "PutEvaluations"), 0, "a verdict is put only in answer to AWS Config");
}

cases! { starts:
    a_key_made_40_s_after_its_user => (violator(), "CreateAccessKey", Some(CLEARED), true);
    a_key_made_before_any_result => (violator(), "CreateAccessKey", None, true);
    a_second_setup_key => (violator().key("AKIASETUP00000000002", 50), "CreateAccessKey", Some(FOUND), true);
    a_password_added_later => (violator(), "CreateLoginProfile", Some(("COMPLIANT", "No console password.")), true);
    a_key_that_was_deactivated => (
        alice().with_key(Key::new("AKIASETUP00000000001", time(CREATED)).status("Inactive")), "UpdateAccessKey", Some(FOUND), true);
    a_key_that_was_deleted => (alice(), "DeleteAccessKey", Some(FOUND), true);
    a_password_that_was_deleted => (User { login_profile: None, ..violator() }, "DeleteLoginProfile", Some(FOUND), true);
    nothing_for_a_key_made_later => (alice().key("AKIALATER00000000001", 4000), "CreateAccessKey", Some(CLEARED), false);
    nothing_for_what_is_known => (violator(), "UpdateAccessKey", Some(FOUND), false);
    nothing_for_a_compliant_user_without_a_result => (alice(), "DeleteAccessKey", None, false);
    nothing_for_another_reason_to_be_compliant
        => (User { login_profile: None, ..violator() }, "DeleteLoginProfile", Some(CLEARED), false);
}

#[test]
fn the_key_of_the_caller_itself_is_judged() {
    let detail = json!({
        "requestParameters": null, "userIdentity": {"type": "IAMUser", "userName": "alice"},
        "responseElements": {"accessKey": {"userName": "alice", "accessKeyId": "AKIASETUP00000000001", "status": "Active"}}
    });
    let aws = account(violator(), Some(CLEARED));
    Lambda::start(EVALUATOR, &aws).invoke(call("CreateAccessKey", &detail).to_string()).expect_success();
    assert_eq!(started(&aws), [RULE]);
}

#[test]
fn each_rule_is_judged_by_its_own_parameters() {
    let aws = account(violator(), Some(CLEARED));
    aws.account(|account| {
        account.config.add_rule("stricter").input_parameters = Some(r#"{"setupWindowSeconds":"10"}"#.to_owned());
        account.config.add_rule("not-ours").function_arn = format!("arn:aws:lambda:us-east-1:{ACCOUNT}:function:other");
        account.config.add_rule("broken").input_parameters = Some(r#"{"window":"10"}"#.to_owned());
    });
    let lambda = Lambda::start(EVALUATOR, &aws);
    lambda.invoke(call("CreateAccessKey", &json!({})).to_string()).expect_success();
    assert_eq!(started(&aws), [RULE], "the stricter rule has nothing against the user, and no result of it to replace");
    assert!(lambda.log().contains("unknown rule parameter `window`"));
}

#[test]
fn a_rule_that_runs_already_is_tried_again_by_lambda() {
    let aws = account(violator(), Some(CLEARED));
    aws.fail(Fault::new("StartConfigRulesEvaluation", FaultKind::Error(400, "LimitExceededException", "running")));
    let lambda = Lambda::start(EVALUATOR, &aws);
    let (code, message) = lambda.invoke(call("CreateAccessKey", &json!({})).to_string()).expect_failure();
    assert_eq!(code, "ServiceError");
    assert!(message.contains("config:StartConfigRulesEvaluation failed") && message.contains("LimitExceededException"));
    aws.forget_faults();
    lambda.invoke(call("CreateAccessKey", &json!({})).to_string()).expect_success();
    assert_eq!(started(&aws), [RULE]);
}

#[test]
fn the_started_rule_puts_the_verdict() {
    let user = violator();
    let aws = account(user.clone(), Some(CLEARED));
    let lambda = Lambda::start(EVALUATOR, &aws);
    lambda.invoke(call("CreateAccessKey", &json!({})).to_string()).expect_success();
    lambda.invoke(events::created(ACCOUNT, &user).token(aws.issue_token(RULE))).expect_success();
    assert_eq!(aws.stored_results(RULE)[&user.user_id], (FOUND.0.to_owned(), FOUND.1.to_owned()));
    aws.forget_calls();
    lambda.invoke(call("CreateAccessKey", &json!({})).to_string()).expect_success();
    assert_eq!(started(&aws).len(), 1, "the same event again finds the verdict there");
}

/// Nothing is asked of AWS.
#[track_caller]
fn asks_nothing(name: &str, detail: Value, said: &str) {
    let aws = account(violator(), Some(CLEARED));
    let lambda = Lambda::start(EVALUATOR, &aws);
    lambda.invoke(call(name, &detail).to_string()).expect_success();
    assert!(aws.calls().is_empty(), "{:?}", aws.action_names());
    assert!(lambda.log().contains(said), "{}", lambda.log());
}

cases! { asks_nothing:
    of_a_call_that_failed => ("CreateAccessKey", json!({"errorCode": "LimitExceededException"}), "the call failed, and so changed nothing");
    of_a_key_of_the_root_user => ("CreateAccessKey", json!({"requestParameters": null, "userIdentity": {"type": "Root"}}), "the root user is never judged");
}

#[track_caller]
fn refuses(event: Value, code: &str, message: &str) {
    let aws = account(violator(), Some(CLEARED));
    let (error_type, error_message) = Lambda::start(EVALUATOR, &aws).invoke(event.to_string()).expect_failure();
    assert_eq!((error_type.as_str(), error_message.as_str()), (code, message));
    assert!(aws.calls().is_empty(), "{:?}", aws.action_names());
}

fn with(field: &str, value: Value) -> Value {
    let mut event = call("CreateAccessKey", &json!({}));
    event[field] = value;
    event
}

cases! { refuses:
    another_call => (call("CreateUser", &json!({})), "InvalidEvent",
        "invalid event: `detail.eventName`: unsupported call `iam.amazonaws.com CreateUser`: the rule takes IAM's CreateAccessKey, \
         UpdateAccessKey, DeleteAccessKey, CreateLoginProfile, DeleteLoginProfile");
    another_service => (call("CreateAccessKey", &json!({"eventSource": "sts.amazonaws.com"})), "InvalidEvent",
        "invalid event: `detail.eventName`: unsupported call `sts.amazonaws.com CreateAccessKey`: the rule takes IAM's \
         CreateAccessKey, UpdateAccessKey, DeleteAccessKey, CreateLoginProfile, DeleteLoginProfile");
    another_kind_of_event => (with("detail-type", json!("EC2 Instance State-change Notification")), "InvalidEvent",
        "invalid event: `detail-type`: unsupported event `EC2 Instance State-change Notification`");
    no_detail => (with("detail", Value::Null), "InvalidEvent", "invalid event: `detail`: is missing");
    another_account => (with("account", json!("444455556666")), "InvalidEvent",
        "invalid event: `detail.recipientAccountId`: `111122223333` is not `account` `444455556666`");
    nobody => (call("UpdateAccessKey", &json!({"requestParameters": {}})), "InvalidEvent",
        "invalid event: `detail.requestParameters.userName`: is missing");
}

#[test]
fn an_account_that_is_not_served_is_refused_before_any_read() {
    let mut event = call("CreateAccessKey", &json!({"recipientAccountId": "444455556666"}));
    event["account"] = json!("444455556666");
    let aws = account(violator(), Some(CLEARED));
    let (code, _) = Lambda::start(EVALUATOR, &aws).invoke(event.to_string()).expect_failure();
    assert_eq!((code.as_str(), aws.calls().len()), ("AccountRefused", 0));
}
