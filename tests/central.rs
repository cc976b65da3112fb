//! The central mode: one function, a role in each member account, and nothing in an event that decides whose it is.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a step that fails is a test that fails")]

#[macro_use]
#[path = "support/cases.rs"]
mod cases;
mod support;

use std::collections::BTreeMap;
use std::time::Duration;

use support::aws::{ACCESS_KEY_ID, AwsDouble, Call, Fault, FaultKind, User};
use support::events::{self, Event};
use support::process::{Lambda, Launch, Outcome};
use support::{ACCOUNT, RULE};

const EVALUATOR: &str = env!("CARGO_BIN_EXE_evaluator");
const CREATED: &str = "2026-03-02T10:15:01Z";
const MEMBER: &str = "444455556666";
const OTHER_MEMBER: &str = "777788889999";
const ROLE: &str = "setup-keys-reader";
const EXTERNAL_ID: &str = "an-id-of-ours";

fn violator(name: &str) -> User {
    User::new(name, CREATED).password().key("AKIASETUP00000000001", 4)
}

/// A double whose member accounts have these users and let the function in.
fn members(accounts: &[(&str, &[User])]) -> AwsDouble {
    let aws = AwsDouble::start();
    for (account_id, users) in accounts {
        aws.account_of(account_id, |account| {
            account.allow_role(ROLE, Some(EXTERNAL_ID));
            users.iter().for_each(|user| account.add(user.clone()));
        });
    }
    aws
}

fn launch(aws: &AwsDouble) -> Launch {
    Lambda::launch(EVALUATOR, aws).env("MEMBER_ROLE_NAME", ROLE).env("MEMBER_ROLE_EXTERNAL_ID", EXTERNAL_ID)
}

/// The same event with a token of the rule in this account.
fn authorized(aws: &AwsDouble, account_id: &str, event: Event) -> Event {
    event.token(aws.account_of(account_id, |account| account.config.issue_token(RULE)))
}

fn created(aws: &AwsDouble, account_id: &str, user: &User) -> Event {
    authorized(aws, account_id, events::created(account_id, user))
}

fn verdicts(aws: &AwsDouble, account_id: &str) -> BTreeMap<String, String> {
    let results = aws.account_of(account_id, |account| account.config.stored_results(RULE));
    results.into_iter().map(|(id, (compliance_type, _))| (id, compliance_type)).collect()
}

/// The calls that assumed a role, and the others.
fn split(aws: &AwsDouble) -> (Vec<Call>, Vec<Call>) {
    aws.calls().into_iter().partition(|call| call.action == "AssumeRole")
}

fn role_arn(account_id: &str) -> String {
    format!("arn:aws:iam::{account_id}:role/{ROLE}")
}

#[test]
fn a_user_of_a_member_account_is_judged_with_the_role_there() {
    let user = violator("alice");
    let aws = members(&[(MEMBER, std::slice::from_ref(&user))]);
    launch(&aws).start().invoke(created(&aws, MEMBER, &user)).expect_success();
    assert_eq!(verdicts(&aws, MEMBER), BTreeMap::from([(user.user_id, "NON_COMPLIANT".to_owned())]));
    assert!(verdicts(&aws, ACCOUNT).is_empty());

    let (assumed, others) = split(&aws);
    assert_eq!(assumed.len(), 1);
    assert_eq!((assumed[0].access_key_id.as_str(), assumed[0].resource.clone()), (ACCESS_KEY_ID, role_arn(MEMBER)));
    assert_eq!(assumed[0].body["ExternalId"], EXTERNAL_ID);
    let services: Vec<_> = others.iter().map(Call::name).collect();
    assert!(services.iter().any(|name| name == "iam:GetUser") && services.last().unwrap() == "config:PutEvaluations");
    for call in others {
        assert!(call.access_key_id.starts_with("ASIAXDOUBLE"), "{} by {}", call.name(), call.access_key_id);
    }
}

#[test]
fn a_member_account_is_swept_with_the_role_there() {
    let users = [violator("alice"), User::new("bob", CREATED).id("AIDABOB00000000000001")];
    let aws = members(&[(MEMBER, &users)]);
    launch(&aws).start().invoke(authorized(&aws, MEMBER, events::scheduled(MEMBER))).expect_success();
    let expected = [(&users[0], "NON_COMPLIANT"), (&users[1], "COMPLIANT")];
    let expected = expected.map(|(user, verdict)| (user.user_id.clone(), verdict.to_owned()));
    assert_eq!(verdicts(&aws, MEMBER), BTreeMap::from(expected));
    let (assumed, others) = split(&aws);
    assert_eq!((assumed.len(), others.iter().any(|call| call.access_key_id == ACCESS_KEY_ID)), (1, false));
}

#[test]
fn a_session_serves_many_events() {
    let user = violator("alice");
    let aws = members(&[(MEMBER, std::slice::from_ref(&user))]);
    let lambda = launch(&aws).start();
    for _ in 0..5 {
        lambda.invoke(created(&aws, MEMBER, &user)).expect_success();
    }
    lambda.invoke(authorized(&aws, MEMBER, events::scheduled(MEMBER))).expect_success();
    assert_eq!(aws.count("sts", "AssumeRole"), 1);
}

/// A session that could end during an invocation, which may take 15 minutes, is not used again.
#[track_caller]
fn assumes_anew(session_minutes: u64, times: usize) {
    let user = violator("alice");
    let aws = members(&[(MEMBER, std::slice::from_ref(&user))]);
    aws.set_session_duration(Duration::from_mins(session_minutes));
    let lambda = launch(&aws).start();
    for _ in 0..3 {
        lambda.invoke(created(&aws, MEMBER, &user)).expect_success();
    }
    assert_eq!(aws.count("sts", "AssumeRole"), times);
}

cases! { assumes_anew:
    a_session_of_an_hour_is_used_again => (60, 1);
    a_session_that_outlasts_the_longest_invocation_is_used_again => (22, 1);
    a_session_that_is_about_to_end_is_not_used_again => (15, 3);
}

#[test]
fn a_session_ended_before_its_time_costs_one_invocation() {
    let user = violator("alice");
    let aws = members(&[(MEMBER, std::slice::from_ref(&user))]);
    let lambda = launch(&aws).start();
    lambda.invoke(created(&aws, MEMBER, &user)).expect_success();
    aws.expire_sessions();
    let (code, _) = lambda.invoke(created(&aws, MEMBER, &user)).expect_failure();
    assert_eq!(code, "CredentialsRefused");
    lambda.invoke(created(&aws, MEMBER, &user)).expect_success();
    assert_eq!(aws.count("sts", "AssumeRole"), 2);
}

#[test]
fn each_account_is_judged_by_its_own_users() {
    // The same name, id and ARN but for the account; only one of them has a password.
    let (with, without) = (violator("alice"), User { login_profile: None, ..violator("alice") });
    let aws = members(&[(MEMBER, std::slice::from_ref(&with)), (OTHER_MEMBER, std::slice::from_ref(&without))]);
    let lambda = launch(&aws).start();
    for _ in 0..2 {
        for account_id in [MEMBER, OTHER_MEMBER] {
            lambda.invoke(created(&aws, account_id, &with)).expect_success();
        }
    }
    assert_eq!(verdicts(&aws, MEMBER)[&with.user_id], "NON_COMPLIANT");
    assert_eq!(verdicts(&aws, OTHER_MEMBER)[&with.user_id], "COMPLIANT");
    let assumed: Vec<_> = split(&aws).0.into_iter().map(|call| call.resource).collect();
    assert_eq!(assumed, [role_arn(MEMBER), role_arn(OTHER_MEMBER)]);
}

/// The function has a role of its own in its account, but an event of that account is no exception.
#[test]
fn the_own_account_is_judged_with_the_role_too() {
    let user = violator("alice");
    let aws = members(&[(ACCOUNT, std::slice::from_ref(&user))]);
    launch(&aws).start().invoke(created(&aws, ACCOUNT, &user)).expect_success();
    assert_eq!(verdicts(&aws, ACCOUNT)[&user.user_id], "NON_COMPLIANT");
    let (assumed, others) = split(&aws);
    assert_eq!((assumed.len(), others.iter().any(|call| call.access_key_id == ACCESS_KEY_ID)), (1, false));
}

/// An event fails with this code and message before anything is read or put.
#[track_caller]
fn fails_unread(aws: &AwsDouble, launch: Launch, code: &str, message: &str) {
    let event = created(aws, MEMBER, &violator("alice"));
    let (error_type, error_message) = launch.start().invoke(event).expect_failure();
    assert_eq!(error_type, code, "{error_message}");
    assert!(error_message.contains(message), "`{message}` is not in `{error_message}`");
    assert!(split(aws).1.is_empty(), "{:?}", aws.action_names());
}

#[test]
fn another_external_id_is_refused() {
    let aws = members(&[(MEMBER, &[violator("alice")])]);
    let launch = launch(&aws).env("MEMBER_ROLE_EXTERNAL_ID", "a guess");
    let message = format!("sts:AssumeRole failed for `{}`: AccessDenied", role_arn(MEMBER));
    fails_unread(&aws, launch, "AccessDenied", &message);
}

#[test]
fn no_external_id_is_refused_where_one_is_asked_for() {
    let aws = members(&[(MEMBER, &[violator("alice")])]);
    let launch = launch(&aws).without_env("MEMBER_ROLE_EXTERNAL_ID");
    fails_unread(&aws, launch, "AccessDenied", "sts:AssumeRole failed");
    assert!(aws.calls()[0].body["ExternalId"].is_null());
}

#[test]
fn an_account_without_the_role_is_refused() {
    let aws = members(&[(OTHER_MEMBER, &[])]);
    let launch = launch(&aws);
    fails_unread(&aws, launch, "AccessDenied", "sts:AssumeRole failed");
}

#[test]
fn an_account_that_is_not_allowed_is_refused_before_any_call() {
    let aws = members(&[(MEMBER, &[violator("alice")])]);
    let launch = launch(&aws).env("ALLOWED_ACCOUNTS", format!("{ACCOUNT},{OTHER_MEMBER}"));
    fails_unread(&aws, launch, "AccountRefused", "`accountId` `444455556666` is not in ALLOWED_ACCOUNTS");
    assert!(aws.calls().is_empty());
}

#[test]
fn an_account_that_is_allowed_is_served() {
    let user = violator("alice");
    let aws = members(&[(MEMBER, std::slice::from_ref(&user))]);
    let lambda = launch(&aws).env("ALLOWED_ACCOUNTS", MEMBER).start();
    lambda.invoke(created(&aws, MEMBER, &user)).expect_success();
    assert_eq!(verdicts(&aws, MEMBER)[&user.user_id], "NON_COMPLIANT");
}

#[test]
fn a_role_name_with_a_path_fails_before_any_call() {
    let aws = members(&[(MEMBER, &[violator("alice")])]);
    let launch = launch(&aws).env("MEMBER_ROLE_NAME", "readers/setup-keys");
    fails_unread(&aws, launch, "InvalidEnvironment", "environment variable MEMBER_ROLE_NAME: `readers/setup-keys`");
    assert!(aws.calls().is_empty());
}

/// Whoever writes an event could name a role of theirs, or one with more rights.
#[test]
fn no_role_of_an_event_is_ever_assumed() {
    let user = violator("alice");
    let aws = members(&[(MEMBER, std::slice::from_ref(&user))]);
    aws.account_of(MEMBER, |account| account.allow_role("admin", None));
    let lambda = launch(&aws).start();
    let admin = format!("arn:aws:iam::{MEMBER}:role/admin");
    let event = created(&aws, MEMBER, &user).with("executionRoleArn", admin.as_str());
    lambda.invoke(event.clone()).expect_success();
    lambda.invoke(event.without("executionRoleArn")).expect_success();
    let scheduled = authorized(&aws, MEMBER, events::scheduled(MEMBER)).with("executionRoleArn", admin.as_str());
    lambda.invoke(scheduled).expect_success();
    // As a rule parameter, where AWS's rule library would take one.
    let named = created(&aws, MEMBER, &user).parameters(&serde_json::json!({"ExecutionRoleName": "admin"}));
    assert_eq!(lambda.invoke(named).expect_failure().0, "InvalidRuleParameter");

    let assumed: Vec<_> = split(&aws).0.into_iter().map(|call| call.resource).collect();
    assert_eq!(assumed, [role_arn(MEMBER)]);
}

#[test]
fn without_the_member_role_nothing_is_assumed() {
    let user = violator("alice");
    let aws = AwsDouble::with_users([user.clone()]);
    aws.account(|account| account.allow_role(ROLE, None));
    let event = created(&aws, ACCOUNT, &user).with("executionRoleArn", role_arn(ACCOUNT));
    Lambda::start(EVALUATOR, &aws).invoke(event).expect_success();
    assert_eq!(aws.count("sts", "AssumeRole"), 0);
}

#[test]
fn the_role_is_looked_for_in_the_partition_of_the_rule() {
    let aws = members(&[(MEMBER, &[violator("alice")])]);
    let rule = format!("arn:aws-cn:config:cn-north-1:{MEMBER}:config-rule/config-rule-a1b2c3");
    let event = created(&aws, MEMBER, &violator("alice")).with("configRuleArn", rule);
    assert_eq!(launch(&aws).start().invoke(event).expect_failure().0, "AccessDenied");
    assert_eq!(aws.calls()[0].resource, format!("arn:aws-cn:iam::{MEMBER}:role/{ROLE}"));
}

/// A fault of `AssumeRole` ends in the right verdict, or in a failure with this code, after which all is well.
#[track_caller]
fn assuming_fails(fault: Fault, code: Option<&str>) {
    let user = violator("alice");
    let aws = members(&[(MEMBER, std::slice::from_ref(&user))]);
    aws.fail(fault);
    let lambda = launch(&aws).start();
    match (lambda.invoke(created(&aws, MEMBER, &user)), code) {
        (Outcome::Success(_), None) => {}
        (Outcome::Failure { error_type, error_message }, Some(code)) => {
            assert_eq!(error_type, code, "{error_message}");
            assert!(error_message.contains("sts:AssumeRole failed"), "{error_message}");
            assert!(verdicts(&aws, MEMBER).is_empty());
            aws.forget_faults();
            lambda.invoke(created(&aws, MEMBER, &user)).expect_success();
        }
        (outcome, _) => panic!("{outcome:?}"),
    }
    assert_eq!(verdicts(&aws, MEMBER)[&user.user_id], "NON_COMPLIANT");
    let log = lambda.log();
    assert!(!log.contains("session-token") && !log.contains("wJalr"), "{log}");
}

fn of_assume_role(kind: FaultKind) -> Fault {
    Fault::new("AssumeRole", kind)
}

cases! { assuming_fails:
    throttled_once => (of_assume_role(FaultKind::Throttle).times(1), None);
    a_500_once => (of_assume_role(FaultKind::InternalError).times(1), None);
    a_503_once => (of_assume_role(FaultKind::Unavailable).times(1), None);
    reset_once => (of_assume_role(FaultKind::Reset).times(1), None);
    cut_once => (of_assume_role(FaultKind::TruncatedBody).times(1), None);
    throttled_for_ever => (of_assume_role(FaultKind::Throttle), Some("Throttled"));
    a_500_for_ever => (of_assume_role(FaultKind::InternalError), Some("ServiceError"));
    reset_for_ever => (of_assume_role(FaultKind::Reset), Some("NoAnswer"));
    garbled_for_ever => (of_assume_role(FaultKind::WrongBody), Some("NoAnswer"));
    empty_for_ever => (of_assume_role(FaultKind::EmptyBody), Some("NoAnswer"));
    denied => (of_assume_role(FaultKind::AccessDenied), Some("AccessDenied"));
    expired => (of_assume_role(FaultKind::ExpiredToken), Some("CredentialsRefused"));
}
