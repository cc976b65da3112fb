//! The evaluator as a process: one event in, the exact calls of the budget, evaluations out.

#![allow(clippy::needless_pass_by_value, reason = "the rows of a table of tests are made in place")]

#[macro_use]
#[path = "support/cases.rs"]
mod cases;
mod support;

use serde_json::{Value, json};
use support::aws::{AwsDouble, Fault, FaultKind, Key, Times, User};
use support::events::{self, Event};
use support::process::{Lambda, Outcome};
use support::{ACCOUNT, RULE, time};

const EVALUATOR: &str = env!("CARGO_BIN_EXE_evaluator");
const CREATED: &str = "2026-03-02T10:15:01Z";

const LIST_KEYS: &str = "iam:ListAccessKeys";
const GET_PASSWORD: &str = "iam:GetLoginProfile";
const GET_USER: &str = "iam:GetUser";
const LAST_USED: &str = "iam:GetAccessKeyLastUsed";
const HISTORY: &str = "config:GetResourceConfigHistory";
const PUT: &str = "config:PutEvaluations";

fn alice() -> User {
    User::new("alice", CREATED)
}

fn inactive(key_id: &str) -> Key {
    Key::new(key_id, time(CREATED)).status("Inactive")
}

/// What came of one event: the calls made, and the only evaluation put.
struct Judged {
    calls: Vec<String>,
    entry: Value,
}

/// Sends one event to a new evaluator.
#[track_caller]
fn judge(aws: &AwsDouble, event: Event) -> Judged {
    let lambda = Lambda::start(EVALUATOR, aws);
    lambda.invoke(event.token(aws.issue_token(RULE))).expect_success();
    let mut entries = aws.put_entries();
    assert_eq!(entries.len(), 1, "{entries:?}");
    Judged { calls: aws.action_names(), entry: entries.remove(0) }
}

impl Judged {
    fn verdict(&self) -> &str {
        self.entry["ComplianceType"].as_str().unwrap()
    }
}

mod budget {
    use super::*;

    /// The user exists as it is told of; `what` is printed with the calls.
    #[track_caller]
    fn costs(what: &str, user: User, event: impl FnOnce(&str, &User) -> Event, verdict: &str, calls: &[&str]) {
        let aws = AwsDouble::with_users([user.clone()]);
        let judged = judge(&aws, event(ACCOUNT, &user));
        println!("{what}: {} -> {}", judged.calls.join(", "), judged.verdict());
        assert_eq!((judged.verdict(), judged.calls.as_slice()), (verdict, calls.map_to_strings().as_slice()), "{what}");
        assert_eq!(judged.entry["ComplianceResourceId"], user.user_id.as_str());
    }

    trait MapToStrings {
        fn map_to_strings(&self) -> Vec<String>;
    }

    impl MapToStrings for [&str] {
        fn map_to_strings(&self) -> Vec<String> {
            self.iter().map(ToString::to_string).collect()
        }
    }

    fn two_keys() -> User {
        alice().password().key("AKIASETUP00000000001", 4).key("AKIASETUP00000000002", 60)
    }

    cases! { costs:
        no_keys => ("no keys", alice().password(), events::created, "COMPLIANT", &[LIST_KEYS, PUT]);
        an_old_key => ("an old key", alice().password().key("AKIAOLD0000000000001", 61), events::created, "COMPLIANT", &[LIST_KEYS, PUT]);
        an_inactive_key => ("an inactive key", alice().password().with_key(inactive("AKIAINACTIVE00000001")), events::created, "COMPLIANT", &[LIST_KEYS, PUT]);
        no_password => ("a setup key, no password", alice().key("AKIASETUP00000000001", 4), events::created, "COMPLIANT", &[LIST_KEYS, GET_PASSWORD, PUT]);
        a_violator => ("one setup key", alice().password().key("AKIASETUP00000000001", 4), events::created, "NON_COMPLIANT",
            &[LIST_KEYS, GET_PASSWORD, GET_USER, LAST_USED, PUT]);
        a_violator_with_two_keys => ("two setup keys", two_keys(), events::created, "NON_COMPLIANT",
            &[LIST_KEYS, GET_PASSWORD, GET_USER, LAST_USED, LAST_USED, PUT]);
        an_excepted_user => ("an exception",
            two_keys().tag("setup-keys:exception-owner", "ops").tag("setup-keys:exception-expires", &a_month_ahead()),
            events::created, "COMPLIANT", &[LIST_KEYS, GET_PASSWORD, GET_USER, LAST_USED, LAST_USED, PUT]);
        an_oversized_item => ("an oversized item", two_keys(), events::oversized, "NON_COMPLIANT",
            &[LIST_KEYS, GET_PASSWORD, GET_USER, LAST_USED, LAST_USED, PUT]);
        a_deleted_user => ("a deleted user", two_keys(), events::deleted, "NOT_APPLICABLE", &[PUT]);
        a_user_out_of_scope => ("a user out of scope", two_keys(), |account, user| events::created(account, user).left_scope(), "NOT_APPLICABLE", &[PUT]);
    }

    fn a_month_ahead() -> String {
        let now = setup_keys::clock::now();
        (now + chrono::TimeDelta::days(30)).date_naive().to_string()
    }

    #[test]
    fn more_pages_of_keys_are_read_to_the_end() {
        let keys = (0..5).fold(alice().password(), |user, n| user.key(&format!("AKIAPAGED00000000{n:03}"), 9000 + n));
        let user = keys.key("AKIASETUP00000000001", 4);
        let aws = AwsDouble::with_users([user.clone()]);
        aws.set_page_size(2);
        let judged = judge(&aws, events::created(ACCOUNT, &user));
        assert_eq!(judged.verdict(), "NON_COMPLIANT");
        assert_eq!(judged.calls[..3], [LIST_KEYS, LIST_KEYS, LIST_KEYS]);
    }

    #[test]
    fn a_summary_that_lacks_name_and_date_is_completed_from_the_history() {
        let user = alice().password().key("AKIASETUP00000000001", 4);
        let aws = AwsDouble::with_users([user.clone()]);
        aws.account(|account| account.config.record(&user, time("2026-03-02T10:17:42Z")));
        let mut event = events::oversized(ACCOUNT, &user);
        for member in ["resourceName", "ARN", "resourceCreationTime"] {
            event = event.with_item(member, Value::Null);
        }
        let judged = judge(&aws, event);
        assert_eq!(judged.verdict(), "NON_COMPLIANT");
        assert_eq!(judged.calls.iter().filter(|call| *call == HISTORY).count(), 1);
        assert_eq!(judged.calls.last().unwrap(), PUT);
    }

    #[test]
    fn a_user_that_is_gone_costs_one_call() {
        let aws = AwsDouble::start();
        let judged = judge(&aws, events::created(ACCOUNT, &alice()));
        assert_eq!(
            (judged.verdict(), judged.calls.as_slice()),
            ("NOT_APPLICABLE", [LIST_KEYS, PUT].map(str::to_owned).as_slice())
        );
    }

    #[test]
    fn a_name_that_belongs_to_another_user_now_is_found_out_before_a_violation_is_put() {
        let old = alice().id("AIDAOLDUSER0000000001").password().key("AKIASETUP00000000001", 4);
        let aws = AwsDouble::with_users([User { user_id: "AIDANEWUSER0000000001".to_owned(), ..old.clone() }]);
        let judged = judge(&aws, events::created(ACCOUNT, &old));
        assert_eq!(
            (judged.verdict(), &judged.entry["ComplianceResourceId"]),
            ("NOT_APPLICABLE", &json!("AIDAOLDUSER0000000001"))
        );
    }
}

#[test]
fn another_resource_type_is_answered_by_its_own_type_and_id() {
    let aws = AwsDouble::start();
    let event =
        events::created(ACCOUNT, &alice()).with_item("resourceType", "AWS::IAM::Role").with_item("resourceId", "AROAX");
    let judged = judge(&aws, event);
    assert_eq!(judged.calls, [PUT]);
    assert_eq!(judged.entry["ComplianceResourceType"], "AWS::IAM::Role");
    assert_eq!(judged.entry["ComplianceResourceId"], "AROAX");
    assert_eq!(judged.entry["ComplianceType"], "NOT_APPLICABLE");
}

#[test]
fn the_token_testmode_puts_in_test_mode() {
    let user = alice().password().key("AKIASETUP00000000001", 4);
    let aws = AwsDouble::with_users([user.clone()]);
    Lambda::start(EVALUATOR, &aws).invoke(events::created(ACCOUNT, &user).token("TESTMODE")).expect_success();
    let put = aws.calls().pop().unwrap();
    assert_eq!((put.name().as_str(), &put.body["TestMode"]), (PUT, &json!(true)));
    assert!(aws.stored_results(RULE).is_empty());
}

#[test]
fn a_proactive_evaluation_puts_nothing_and_says_why() {
    let aws = AwsDouble::start();
    let lambda = Lambda::start(EVALUATOR, &aws);
    lambda.invoke(r#"{"evaluationMode": "PROACTIVE"}"#).expect_success();
    assert!(aws.calls().is_empty());
    assert!(
        lambda.log().contains(
            "nothing is judged and nothing is put: AWS Config has no proactive evaluation for AWS::IAM::User"
        )
    );
}

#[test]
fn one_process_answers_many_events() {
    let users: Vec<_> = (0..20)
        .map(|n| User::new(&format!("user{n}"), CREATED).password().key(&format!("AKIAMANY00000000{n:04}"), n * 7))
        .collect();
    let aws = AwsDouble::with_users(users.clone());
    let lambda = Lambda::start(EVALUATOR, &aws);
    for user in &users {
        lambda.invoke(events::created(ACCOUNT, user).token(aws.issue_token(RULE))).expect_success();
    }
    let results = aws.stored_results(RULE);
    let violators = results.values().filter(|(verdict, _)| verdict == "NON_COMPLIANT").count();
    assert_eq!((results.len(), violators), (20, 9), "keys 0, 7 … 56 s after their users");
}

#[test]
fn works_with_a_runtime_api_under_a_path() {
    let aws = AwsDouble::with_users([alice()]);
    let lambda = Lambda::launch(EVALUATOR, &aws).runtime_api_prefix("/.rt/evaluator").start();
    lambda.invoke(events::created(ACCOUNT, &alice()).token(aws.issue_token(RULE))).expect_success();
}

mod metrics {
    use super::*;
    use setup_keys::metrics::{DIMENSION, METRICS, NAMESPACE};

    /// The metrics of the last invocation, as CloudWatch reads them from the log.
    #[track_caller]
    fn metrics(lambda: &Lambda) -> Value {
        let line =
            lambda.log_objects().into_iter().rfind(|line| line.get("_aws").is_some()).expect("a line of metrics");
        let directive = &line["_aws"]["CloudWatchMetrics"][0];
        assert_eq!((&directive["Namespace"], &directive["Dimensions"]), (&json!(NAMESPACE), &json!([[DIMENSION]])));
        let names: Vec<_> =
            directive["Metrics"].as_array().unwrap().iter().map(|metric| metric["Name"].clone()).collect();
        assert_eq!(names, METRICS.map(|(name, _)| json!(name)));
        assert!(METRICS.iter().all(|(name, _)| line[*name].is_u64()), "{line}");
        line
    }

    #[test]
    fn tell_what_an_invocation_did() {
        let user = alice().password().key("AKIASETUP00000000001", 4);
        let aws = AwsDouble::with_users([user.clone()]);
        aws.fail(Fault::new("ListAccessKeys", FaultKind::Throttle).times(1));
        aws.fail(Fault::new("PutEvaluations", FaultKind::Unavailable).times(1));
        let lambda = Lambda::start(EVALUATOR, &aws);
        lambda.invoke(events::created(ACCOUNT, &user).token(aws.issue_token(RULE))).expect_success();
        let told = metrics(&lambda);
        assert_eq!(told["AccountId"], ACCOUNT);
        assert_eq!(told["Calls"], json!(aws.calls().len()), "{:?}", aws.action_names());
        let counts = ["UsersJudged", "NonCompliantUsers", "ExceptedUsers", "Throttles", "Failures"]
            .map(|name| told[name].clone());
        assert_eq!(counts, [json!(1), json!(1), json!(0), json!(1), json!(0)]);
    }

    #[test]
    fn count_exceptions_that_end_soon_and_the_log_names_them() {
        let day = (setup_keys::clock::now() + chrono::TimeDelta::days(10)).date_naive().to_string();
        let user = alice().password().key("AKIASETUP00000000001", 4);
        let user = user.tag("setup-keys:exception-owner", "ops").tag("setup-keys:exception-expires", &day);
        let aws = AwsDouble::with_users([user.clone()]);
        let lambda = Lambda::start(EVALUATOR, &aws);
        lambda.invoke(events::created(ACCOUNT, &user).token(aws.issue_token(RULE))).expect_success();
        let told = metrics(&lambda);
        assert_eq!(["ExceptedUsers", "ExpiringExceptions"].map(|name| told[name].clone()), [json!(1), json!(1)]);
        let said = lambda.log_objects().into_iter().find(|line| line["message"] == "an exception ends soon").unwrap();
        assert_eq!(["userName", "owner", "expires"].map(|name| said[name].clone()), ["alice", "ops", day.as_str()]);
    }

    #[test]
    fn count_an_invocation_that_failed() {
        let aws = AwsDouble::with_users([alice()]);
        aws.fail(Fault::new("ListAccessKeys", FaultKind::AccessDenied));
        let lambda = Lambda::start(EVALUATOR, &aws);
        lambda.invoke(events::created(ACCOUNT, &alice()).token(aws.issue_token(RULE))).expect_failure();
        let told = metrics(&lambda);
        assert_eq!(["UsersJudged", "Calls", "Failures"].map(|name| told[name].clone()), [json!(0), json!(1), json!(1)]);
    }
}

mod accounts {
    use super::*;

    const OTHER: &str = "444455556666";

    /// Whether an event of `OTHER` is answered by a function in `ACCOUNT` with these settings.
    #[track_caller]
    fn serves(allowed: Option<&str>, expected: Result<(), (&str, &str)>) {
        let aws = AwsDouble::with_users([alice()]);
        aws.account_of(OTHER, |_| ());
        let mut launch = Lambda::launch(EVALUATOR, &aws);
        if let Some(allowed) = allowed {
            launch = launch.env("ALLOWED_ACCOUNTS", allowed);
        }
        let outcome = launch.start().invoke(events::created(OTHER, &alice()).token(aws.issue_token(RULE)));
        match (outcome, expected) {
            (Outcome::Success(_), Ok(())) => {}
            (Outcome::Failure { error_type, error_message }, Err((code, message))) => {
                assert_eq!(error_type, code);
                assert!(error_message.contains(message), "`{message}` is not in `{error_message}`");
                assert!(aws.calls().is_empty(), "{:?}", aws.action_names());
            }
            (outcome, _) => panic!("{outcome:?}"),
        }
    }

    cases! { serves:
        another_account_is_refused_before_any_read => (None, Err(("AccountRefused",
            "`accountId` `444455556666` is not the function's own account `111122223333`; to serve it, add it to the environment variable ALLOWED_ACCOUNTS")));
        a_blank_list_allows_the_own_account_only => (Some(" "), Err(("AccountRefused", "is not the function's own account")));
        an_account_not_in_the_list_is_refused => (Some("111122223333"), Err(("AccountRefused", "`444455556666` is not in ALLOWED_ACCOUNTS")));
        an_account_in_the_list_is_served => (Some("111122223333, 444455556666"), Ok(()));
        a_list_that_is_none_fails_every_event => (Some("111122223333;444455556666"), Err(("InvalidEnvironment",
            "environment variable ALLOWED_ACCOUNTS: `111122223333;444455556666` is not an account id")));
    }
}

mod bad_input {
    use super::*;

    /// The invocation fails with this code and message, nothing is called, and the process goes on.
    #[track_caller]
    fn fails(event: impl Into<Vec<u8>>, code: &str, message: &str) {
        let aws = AwsDouble::with_users([alice()]);
        let lambda = Lambda::start(EVALUATOR, &aws);
        let (error_type, error_message) = lambda.invoke(event).expect_failure();
        assert_eq!(error_type, code, "{error_message}");
        assert!(error_message.contains(message), "`{message}` is not in `{error_message}`");
        assert!(aws.calls().is_empty(), "{:?}", aws.action_names());
        lambda.invoke(events::created(ACCOUNT, &alice()).token(aws.issue_token(RULE))).expect_success();
    }

    fn event() -> Event {
        events::created(ACCOUNT, &alice())
    }

    cases! { fails:
        nothing => ("", "InvalidEvent", "`event`: ");
        bytes_that_are_not_utf_8 => (b"{\"a\": \"\xff\"}".as_slice(), "InvalidEvent", "`event`: ");
        no_json => ("{", "InvalidEvent", "`event`: ");
        null => ("null", "InvalidEvent", "`event`: is not a JSON object");
        an_array => ("[]", "InvalidEvent", "`event`: is not a JSON object");
        an_empty_object => ("{}", "InvalidEvent", "`accountId`: is missing");
        no_resource_id => (event().with_item("resourceId", Value::Null), "InvalidEvent", "`invokingEvent.configurationItem.resourceId`: is missing");
        an_unknown_message_type => (event().with_invoking("messageType", "Surprise"), "InvalidEvent", "unsupported message type `Surprise`");
        accounts_that_disagree => (event().with("accountId", "444455556666"), "InvalidEvent", "`configRuleArn`: account `111122223333` is not `accountId` `444455556666`");
        an_unknown_parameter => (event().parameters(&json!({"window": "60"})), "InvalidRuleParameter", "unknown rule parameter `window`");
        a_parameter_out_of_range => (event().parameters(&json!({"setupWindowSeconds": "86401"})), "InvalidRuleParameter", "got `86401`");
    }
}

mod failures {
    use super::*;

    fn violator() -> User {
        alice().password().key("AKIASETUP00000000001", 4)
    }

    /// The invocation fails with this code and nothing is put; with the fault gone, the next one gives the verdict.
    #[track_caller]
    fn fails_whole(action: &str, kind: FaultKind, code: &str, message: &str) {
        let aws = AwsDouble::with_users([violator()]);
        aws.fail(Fault::new(action, kind));
        let lambda = Lambda::start(EVALUATOR, &aws);
        let token = aws.issue_token(RULE);
        let (error_type, error_message) =
            lambda.invoke(events::created(ACCOUNT, &violator()).token(&token)).expect_failure();
        assert_eq!(error_type, code, "{error_message}");
        assert!(error_message.contains(message), "`{message}` is not in `{error_message}`");
        assert!(aws.stored_results(RULE).is_empty());
        let log = lambda.log();
        assert!(!log.contains(&token) && !log.contains("wJalr"), "{log}");
        assert!(lambda.log_objects().iter().any(|line| line["errorType"] == code), "{log}");

        aws.forget_faults();
        lambda.invoke(events::created(ACCOUNT, &violator()).token(&token)).expect_success();
        assert_eq!(aws.stored_results(RULE)[&violator().user_id].0, "NON_COMPLIANT");
    }

    cases! { fails_whole:
        keys_denied => ("ListAccessKeys", FaultKind::AccessDenied, "AccessDenied",
            "iam:ListAccessKeys failed for `alice`: AccessDenied: ");
        password_denied => ("GetLoginProfile", FaultKind::AccessDenied, "AccessDenied", "iam:GetLoginProfile failed for `alice`");
        user_denied => ("GetUser", FaultKind::AccessDenied, "AccessDenied", "iam:GetUser failed for `alice`");
        last_use_denied => ("GetAccessKeyLastUsed", FaultKind::AccessDenied, "AccessDenied", "iam:GetAccessKeyLastUsed failed for `…0001`");
        put_denied => ("PutEvaluations", FaultKind::AccessDenied, "AccessDenied", "config:PutEvaluations failed: AccessDeniedException");
        keys_with_500 => ("ListAccessKeys", FaultKind::InternalError, "ServiceError", "iam:ListAccessKeys failed for `alice`");
        password_with_503 => ("GetLoginProfile", FaultKind::Unavailable, "ServiceError", "iam:GetLoginProfile failed");
        keys_reset => ("ListAccessKeys", FaultKind::Reset, "NoAnswer", "iam:ListAccessKeys failed");
        user_cut => ("GetUser", FaultKind::TruncatedBody, "NoAnswer", "iam:GetUser failed");
        keys_cut_in_the_text => ("ListAccessKeys", FaultKind::CutText, "NoAnswer", "the answer is not whole");
        last_use_garbled => ("GetAccessKeyLastUsed", FaultKind::WrongBody, "NoAnswer", "iam:GetAccessKeyLastUsed failed");
        expired_credentials => ("ListAccessKeys", FaultKind::ExpiredToken, "CredentialsRefused", "ExpiredToken");
    }

    #[test]
    fn no_cut_answer_is_taken_for_a_whole_one() {
        for action in ["ListAccessKeys", "GetLoginProfile", "GetUser", "GetAccessKeyLastUsed"] {
            let aws = AwsDouble::with_users([violator()]);
            aws.fail(Fault::new(action, FaultKind::CutText).times(1));
            let judged = judge(&aws, events::created(ACCOUNT, &violator()));
            assert_eq!(judged.verdict(), "NON_COMPLIANT", "{action}");
            assert_eq!(aws.count("iam", action), 2, "{action} is asked again");
        }
    }

    #[test]
    fn a_leap_second_is_a_time() {
        let aws = AwsDouble::with_users([violator()]);
        let event = events::created(ACCOUNT, &violator()).notified("2026-03-02T10:17:60.500Z");
        assert_eq!(judge(&aws, event).verdict(), "NON_COMPLIANT");
    }

    /// A passing fault changes nothing but the number of calls.
    #[track_caller]
    fn survives(action: &str, kind: FaultKind) {
        let aws = AwsDouble::with_users([violator()]);
        aws.fail(Fault::new(action, kind).times(1));
        assert_eq!(judge(&aws, events::created(ACCOUNT, &violator())).verdict(), "NON_COMPLIANT");
    }

    cases! { survives:
        throttled_keys => ("ListAccessKeys", FaultKind::Throttle);
        throttled_last_use => ("GetAccessKeyLastUsed", FaultKind::Throttle);
        throttled_put => ("PutEvaluations", FaultKind::Throttle);
        a_500_of_the_password => ("GetLoginProfile", FaultKind::InternalError);
        a_503_of_the_put => ("PutEvaluations", FaultKind::Unavailable);
        a_reset_of_the_keys => ("ListAccessKeys", FaultKind::Reset);
        a_cut_answer_of_the_user => ("GetUser", FaultKind::TruncatedBody);
        a_garbled_answer_of_the_keys => ("ListAccessKeys", FaultKind::WrongBody);
    }

    #[test]
    fn an_entry_that_is_handed_back_is_put_again() {
        let aws = AwsDouble::with_users([violator()]);
        aws.account(|account| account.config.hand_back(&violator().user_id, Times::N(2)));
        let judged = judge(&aws, events::created(ACCOUNT, &violator()));
        assert_eq!(judged.calls.iter().filter(|call| *call == PUT).count(), 3);
    }

    #[test]
    fn an_entry_that_is_never_taken_fails_the_invocation() {
        let aws = AwsDouble::with_users([violator()]);
        aws.account(|account| account.config.hand_back(&violator().user_id, Times::Forever));
        let lambda = Lambda::start(EVALUATOR, &aws);
        let (code, message) =
            lambda.invoke(events::created(ACCOUNT, &violator()).token(aws.issue_token(RULE))).expect_failure();
        assert_eq!(code, "EvaluationsNotTaken");
        assert!(message.contains("AWS Config did not take 1 evaluation of 1, after 4 attempts"), "{message}");
    }

    #[test]
    fn a_token_that_config_did_not_issue_is_not_tried_again() {
        let aws = AwsDouble::with_users([violator()]);
        let (code, message) = Lambda::start(EVALUATOR, &aws)
            .invoke(events::created(ACCOUNT, &violator()).token("forged-token-0001"))
            .expect_failure();
        assert_eq!(code, "ResultTokenRefused");
        assert!(!message.contains("forged-token"), "{message}");
        assert_eq!(aws.count("config", "PutEvaluations"), 1);
    }
}
