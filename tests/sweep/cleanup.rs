//! Results of users that no longer exist.

use super::*;
use crate::support::aws::{Account, Fault, FaultKind};

const GONE: &str = "AIDAGONE0000000000001";

#[test]
fn results_of_users_that_are_gone_are_removed() {
    let aws = AwsDouble::with_users(one_of_each());
    aws.set_page_size(2);
    let gone: Vec<_> = (0..5).map(|n| format!("AIDAGONE{n:013}")).collect();
    for (number, id) in gone.iter().enumerate() {
        store_earlier(&aws, id, if number % 2 == 0 { "COMPLIANT" } else { "NON_COMPLIANT" }, "was there");
    }
    sweep(&aws);
    assert_eq!(aws.stored_results(RULE), results_of(&one_of_each()));

    let put = aws.put_entries().into_iter().filter(|entry| entry["ComplianceType"] == "NOT_APPLICABLE");
    let id_and_type = |entry: Value| (entry["ComplianceResourceId"].clone(), entry["ComplianceResourceType"].clone());
    let mut put: Vec<_> = put.map(id_and_type).collect();
    put.sort_by_key(|(id, _)| id.to_string());
    assert_eq!(put, gone.iter().map(|id| (json!(id), json!("AWS::IAM::User"))).collect::<Vec<_>>());
}

#[test]
fn a_user_made_again_under_its_name_is_another_user() {
    let old = kinds::violator("alice").id("AIDAOLDUSER0000000001");
    let new = kinds::keyless("alice").id("AIDANEWUSER0000000001");
    let aws = AwsDouble::with_users([new.clone()]);
    store_earlier(&aws, &old.user_id, "NON_COMPLIANT", "was there");
    sweep(&aws);
    assert_eq!(aws.stored_results(RULE).into_keys().collect::<Vec<_>>(), [new.user_id]);
}

#[test]
fn a_user_deleted_after_it_was_listed_gets_no_verdict() {
    for name in ["cleared", "violator", "twokeys", "excepted"] {
        let aws = AwsDouble::with_users(one_of_each());
        let id = aws.account(|account| account.user(name).user_id.clone());
        store_earlier(&aws, &id, "NON_COMPLIANT", "was there");
        aws.after_calls(Some("ListUsers"), 1, |account| drop(account.remove(name)));
        sweep(&aws);
        let mut expected = results_of(&one_of_each());
        expected.remove(&id);
        assert_eq!(aws.stored_results(RULE), expected, "{name}");
    }
}

/// A user that the report suffices for is not looked at again, so this may take a sweep longer.
#[test]
fn a_user_deleted_after_it_was_listed_is_cleaned_up_by_the_next_sweep() {
    for name in ["keyless", "machine"] {
        let aws = AwsDouble::with_users(one_of_each());
        let id = aws.account(|account| account.user(name).user_id.clone());
        aws.after_calls(Some("ListUsers"), 1, |account| drop(account.remove(name)));
        let lambda = sweep(&aws);
        lambda.invoke(scheduled(&aws)).expect_success();
        let mut expected = results_of(&one_of_each());
        expected.remove(&id);
        assert_eq!(aws.stored_results(RULE), expected, "{name}");
    }
}

/// A missing password may be a missing user, which costs no further call: then the next sweep cleans up.
#[test]
fn a_user_deleted_between_its_reads_is_never_found_to_violate() {
    for action in ["ListAccessKeys", "GetLoginProfile", "GetUser"] {
        let aws = AwsDouble::with_users([kinds::violator("violator")]);
        aws.after_calls(Some(action), 1, |account| drop(account.remove("violator")));
        let lambda = sweep(&aws);
        let results = aws.stored_results(RULE);
        let violation = results.values().find(|(compliance_type, _)| compliance_type == "NON_COMPLIANT");
        assert!(violation.is_none(), "deleted after {action}: {violation:?}");
        lambda.invoke(scheduled(&aws)).expect_success();
        assert!(aws.stored_results(RULE).is_empty(), "deleted after {action}");
    }
}

/// Somebody makes a user at any moment of the sweep, and its change event is answered at once.
#[test]
fn a_user_made_during_the_sweep_is_never_marked_as_gone() {
    let (aws, late) = (AwsDouble::start(), kinds::keyless("late"));
    aws.set_page_size(2);
    let lambda = Lambda::start(EVALUATOR, &aws);
    let set_up = || {
        aws.account(|account| {
            *account = Account::new(ACCOUNT);
            account.report.polls = 0;
            account.users = one_of_each();
        });
        store_earlier(&aws, GONE, "COMPLIANT", "was there");
        store_earlier(&aws, &one_of_each()[0].user_id, "COMPLIANT", "was there");
        store_earlier(&aws, &one_of_each()[1].user_id, "COMPLIANT", "was there");
        aws.forget_calls();
    };
    set_up();
    lambda.invoke(scheduled(&aws)).expect_success();
    let calls = aws.calls().len();

    for calls_before in 1..calls {
        set_up();
        let user = late.clone();
        aws.after_calls(None, calls_before, move |account| {
            let before_the_sweep = time("2026-03-02T23:59:59Z");
            account.config.store_result(RULE, &user.user_id, "COMPLIANT", "its change event", before_the_sweep);
            account.add(user);
        });
        lambda.invoke(scheduled(&aws)).expect_success();
        let results = aws.stored_results(RULE);
        let after = &aws.action_names()[calls_before - 1];
        assert!(results.contains_key(&late.user_id), "made after call {calls_before}, {after}");
        assert_eq!((results.len(), results.contains_key(GONE)), (7, false), "made after call {calls_before}, {after}");
    }
}

#[test]
fn the_longest_name_that_can_be_asked_for_is_cleaned_up() {
    let rule = "r".repeat(64);
    let aws = AwsDouble::with_users(one_of_each());
    let at = time("2026-03-02T12:00:00Z");
    aws.account(|account| account.config.store_result(&rule, GONE, "COMPLIANT", "was there", at));
    Lambda::start(EVALUATOR, &aws).invoke(scheduled_for(&aws, &rule)).expect_success();
    assert_eq!(aws.stored_results(&rule), results_of(&one_of_each()));
}

/// So that the answer to a change that came later is not overwritten by a sweep that takes long.
#[test]
fn every_result_is_as_old_as_the_notification() {
    let aws = AwsDouble::with_users(one_of_each());
    store_earlier(&aws, GONE, "COMPLIANT", "was there");
    let later = time("2026-03-03T00:00:01Z");
    let changed = kinds::violator("violator").user_id;
    aws.account(|account| account.config.store_result(RULE, &changed, "COMPLIANT", "its change event", later));
    sweep(&aws);
    let orderings = aws.put_entries().into_iter().map(|entry| entry["OrderingTimestamp"].clone());
    let orderings: Vec<_> = orderings.collect();
    assert_eq!(orderings, vec![json!(1_772_496_000.373); 7], "2026-03-03T00:00:00.373Z");
    assert_eq!(aws.stored_results(RULE)[&changed].1, "its change event");
}

#[test]
fn a_test_run_of_the_rule_stores_nothing() {
    let aws = AwsDouble::with_users(one_of_each());
    store_earlier(&aws, GONE, "COMPLIANT", "was there");
    Lambda::start(EVALUATOR, &aws).invoke(scheduled(&aws).token("TESTMODE")).expect_success();
    let put = aws.calls().pop().unwrap();
    assert_eq!((put.action.as_str(), &put.body["TestMode"]), ("PutEvaluations", &json!(true)));
    assert_eq!(put.body["Evaluations"].as_array().unwrap().len(), 7);
    assert_eq!(aws.stored_results(RULE).into_keys().collect::<Vec<_>>(), [GONE]);
}

/// Everything but the clean-up is done, and the log says what is not.
#[track_caller]
fn sweeps_without_cleanup(rule: &str, event: impl FnOnce(Event) -> Event) {
    let aws = AwsDouble::with_users(one_of_each());
    let at = time("2026-03-02T12:00:00Z");
    aws.account(|account| account.config.store_result(rule, GONE, "COMPLIANT", "was there", at));
    let lambda = Lambda::start(EVALUATOR, &aws);
    lambda.invoke(event(scheduled_for(&aws, rule))).expect_success();
    let mut expected = results_of(&one_of_each());
    expected.insert(GONE.to_owned(), ("COMPLIANT".to_owned(), "was there".to_owned()));
    assert_eq!(aws.stored_results(rule), expected);
    assert_eq!(aws.count("config", "GetComplianceDetailsByConfigRule"), 0);
    let warns = |line: &Value| {
        line["level"] == "WARN"
            && line["message"].as_str().is_some_and(|text| text.contains("cannot be asked for earlier results"))
    };
    assert!(lambda.log_objects().iter().any(warns), "{}", lambda.log());
}

#[test]
fn a_name_one_character_too_long_to_ask_costs_only_the_cleanup() {
    sweeps_without_cleanup(&"r".repeat(65), |event| event);
}

#[test]
fn the_longest_name_of_a_rule_costs_only_the_cleanup() {
    sweeps_without_cleanup(&"r".repeat(128), |event| event);
}

#[test]
fn an_event_without_the_name_costs_only_the_cleanup() {
    sweeps_without_cleanup(RULE, |event| event.without("configRuleName"));
}

#[test]
fn results_that_cannot_be_read_fail_the_sweep_after_all_else_is_done() {
    let aws = AwsDouble::with_users(one_of_each());
    store_earlier(&aws, GONE, "COMPLIANT", "was there");
    aws.fail(Fault::new("GetComplianceDetailsByConfigRule", FaultKind::AccessDenied));
    let lambda = Lambda::start(EVALUATOR, &aws);
    let (code, message) = lambda.invoke(scheduled(&aws)).expect_failure();
    assert_eq!(code, "SweepIncomplete");
    assert!(message.contains("judged 6 of 6 users"), "{message}");
    assert!(message.contains("config:GetComplianceDetailsByConfigRule failed"), "{message}");
    let mut results = aws.stored_results(RULE);
    assert!(results.remove(GONE).is_some(), "it is not known to be there");
    assert_eq!(results, results_of(&one_of_each()));

    aws.forget_faults();
    lambda.invoke(scheduled(&aws)).expect_success();
    assert_eq!(aws.stored_results(RULE), results_of(&one_of_each()));
}
