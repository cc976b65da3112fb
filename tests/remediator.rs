//! The remediator as a process: one request in, keys out of the way, and never one that it should not touch.

#![allow(clippy::needless_pass_by_value, reason = "the rows of a table of tests are made in place")]

#[path = "remediator/all_users.rs"]
mod all_users;
#[macro_use]
#[path = "support/cases.rs"]
mod cases;
mod support;

#[path = "remediator/decisions.rs"]
mod decisions;
#[path = "remediator/faults.rs"]
mod faults;
#[path = "properties/oracle.rs"]
#[allow(dead_code, reason = "shared with the properties of the verdict, which use more of it")]
mod oracle;
#[path = "remediator/safety.rs"]
mod safety;

use serde_json::{Value, json};
use support::aws::{AwsDouble, Fault, FaultKind, Key, User};
use support::bench::Bench;
use support::process::{Lambda, Outcome};
use support::time;

const REMEDIATOR: &str = env!("CARGO_BIN_EXE_remediator");
const CREATED: &str = "2026-03-02T10:15:01Z";
const FIRST: &str = "AKIASETUP00000000001";
const SECOND: &str = "AKIASETUP00000000002";

fn remediator(aws: &AwsDouble) -> Lambda {
    Lambda::start(REMEDIATOR, aws)
}

fn alice() -> User {
    User::new("alice", CREATED).id("AIDAEXAMPLEALICE00001").password()
}

fn key(id: &str, status: &str) -> Key {
    Key::new(id, time(CREATED)).status(status)
}

fn used(key: Key) -> Key {
    key.last_used(time("2026-03-05T08:00:00Z"))
}

/// A request about alice that acts, with members added or replaced.
fn request(members: Value) -> Value {
    let mut request = json!({"userId": "AIDAEXAMPLEALICE00001", "dryRun": false});
    request.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    request
}

/// What the remediator answers, failed or not.
#[track_caller]
fn answer(aws: &AwsDouble, request: &Value) -> Value {
    match Lambda::start(REMEDIATOR, aws).invoke(request.to_string()) {
        Outcome::Success(response) => serde_json::from_str(&response).unwrap(),
        Outcome::Failure { error_type, error_message } if error_type == "ActionsFailed" => {
            let (_, response) = error_message.split_once("some keys were not acted on: ").unwrap();
            serde_json::from_str(response).unwrap()
        }
        other => panic!("{other:?}"),
    }
}

/// Status of every key of alice, in the order of the account.
fn statuses(aws: &AwsDouble) -> Vec<(String, String)> {
    aws.account(|account| account.user("alice").keys.iter().map(|key| (key.id.clone(), key.status.clone())).collect())
}

fn writes(aws: &AwsDouble) -> Vec<String> {
    let write = |name: &String| name.contains(":Update") || name.contains(":Delete");
    aws.action_names().into_iter().filter(write).collect()
}

#[test]
fn acts_by_default_on_nothing() {
    let aws = AwsDouble::with_users([alice().with_key(key(FIRST, "Active"))]);
    let response = answer(&aws, &json!({"userId": "AIDAEXAMPLEALICE00001"}));
    assert_eq!(
        response,
        json!({
            "userId": "AIDAEXAMPLEALICE00001", "userName": "alice", "complianceBefore": "NON_COMPLIANT",
            "annotation": "1 setup key: …0001 made 0 s after the user, never used: deactivate, then delete.",
            "actions": [{
                "accessKeyId": FIRST, "action": "Deactivate", "outcome": "Planned",
                "reason": "The key was made at user setup and never used."
            }],
            "remaining": 1
        })
    );
    assert_eq!(writes(&aws), Vec::<String>::new());
}

#[test]
fn a_second_run_changes_nothing() {
    let aws = AwsDouble::with_users([alice().with_key(key(FIRST, "Active")).with_key(key(SECOND, "Active"))]);
    assert_eq!(answer(&aws, &request(json!({})))["remaining"], 0);
    assert_eq!(writes(&aws).len(), 2);
    aws.forget_calls();
    let again = answer(&aws, &request(json!({})));
    assert_eq!(
        (&again["complianceBefore"], &again["actions"], writes(&aws).len()),
        (&json!("COMPLIANT"), &json!([]), 0)
    );
}

/// Its answer may reach nobody: whoever asks later what was changed has the log.
#[test]
fn the_log_tells_each_change_and_what_became_of_each_user() {
    let erin = User::new("erin", CREATED).id("AIDAEXAMPLEERIN000001").password();
    let aws =
        AwsDouble::with_users([alice().with_key(key(FIRST, "Active")), erin.with_key(used(key(SECOND, "Active")))]);
    for whom in [json!({"userId": "AIDAEXAMPLEALICE00001"}), json!({"allUsers": true})] {
        aws.account(|account| "Active".clone_into(&mut account.user("alice").keys[0].status));
        let lambda = Lambda::start(REMEDIATOR, &aws);
        let mut request = json!({"dryRun": false});
        request.as_object_mut().unwrap().extend(whom.as_object().unwrap().clone());
        lambda.invoke(request.to_string()).expect_success();
        let lines = lambda.log_objects();
        let told = |message: &str| lines.iter().filter(|line| line["message"] == message).collect::<Vec<_>>();
        let [change] = told("key changed")[..] else { panic!("{lines:?}") };
        let change = ["userName", "accessKeyId", "change"].map(|name| change[name].clone());
        assert_eq!(change, ["alice", FIRST, "Deactivate"]);
        let users = told("remediated");
        assert_eq!(users.len(), if whom["allUsers"] == true { 2 } else { 1 }, "{lines:?}");
        let alice = users.iter().find(|line| line["userId"] == "AIDAEXAMPLEALICE00001").unwrap();
        assert_eq!((&alice["complianceBefore"], &alice["remaining"]), (&json!("NON_COMPLIANT"), &json!(0)));
        let actions: Value = serde_json::from_str(alice["actions"].as_str().unwrap()).unwrap();
        assert_eq!((&actions[0]["accessKeyId"], &actions[0]["outcome"]), (&json!(FIRST), &json!("Done")));
    }
}

#[test]
fn only_setup_keys_are_touched() {
    let aws = AwsDouble::with_users([alice().with_key(key(FIRST, "Active")).key("AKIALATER00000000001", 61)]);
    answer(&aws, &request(json!({})));
    let expected = [(FIRST, "Inactive"), ("AKIALATER00000000001", "Active")];
    assert_eq!(statuses(&aws), expected.map(|(id, status)| (id.to_owned(), status.to_owned())));
}

mod leaves_alone {
    use super::*;

    #[track_caller]
    fn nothing_is_touched(users: Vec<User>, compliance: &str, annotation: &str) {
        let aws = AwsDouble::with_users(users);
        let response = answer(&aws, &request(json!({"usedKeys": "Deactivate"})));
        assert_eq!((&response["complianceBefore"], &response["annotation"]), (&json!(compliance), &json!(annotation)));
        assert_eq!((&response["actions"], writes(&aws)), (&json!([]), Vec::new()));
    }

    cases! { nothing_is_touched:
        a_user_without_password => (
            vec![User { login_profile: None, ..alice().with_key(key(FIRST, "Active")) }], "COMPLIANT", "No console password.");
        an_excepted_user => (
            vec![alice().with_key(key(FIRST, "Active")).tag("setup-keys:exception-owner", "ops")
                .tag("setup-keys:exception-expires", &tomorrow())],
            "COMPLIANT", &format!("Exception until {} (UTC), 1 setup key, owner ops", tomorrow()));
        a_user_that_is_gone => (vec![], "NOT_APPLICABLE", "The user no longer exists.");
        another_user_of_the_same_name => (
            vec![alice().id("AIDAANOTHERALICE00001").with_key(key(FIRST, "Active"))], "NOT_APPLICABLE", "The user no longer exists.");
    }

    fn tomorrow() -> String {
        (setup_keys::clock::now() + chrono::TimeDelta::days(1)).date_naive().to_string()
    }
}

mod finds_the_user {
    use super::*;

    fn recorded(aws: &AwsDouble, user: &User) {
        aws.account(|account| account.config.record(user, time(CREATED)));
    }

    #[test]
    fn by_what_config_recorded() {
        let user = alice().with_key(key(FIRST, "Active"));
        let aws = AwsDouble::with_users([user.clone()]);
        recorded(&aws, &user);
        assert_eq!(answer(&aws, &request(json!({})))["userName"], "alice");
        assert_eq!(aws.count("iam", "ListUsers"), 0, "{:?}", aws.action_names());
    }

    #[test]
    fn by_listing_all_users_where_config_has_not_recorded_it() {
        let others = (0..30).map(|n| User::new(&format!("user{n}"), CREATED));
        let aws = AwsDouble::with_users(others.chain([alice().with_key(key(FIRST, "Active"))]));
        aws.set_page_size(10);
        aws.fail(Fault::new("ListDiscoveredResources", NO_RECORDER));
        assert_eq!(answer(&aws, &request(json!({})))["remaining"], 0);
        assert_eq!(aws.count("iam", "ListUsers"), 4);
    }

    const NO_RECORDER: FaultKind = FaultKind::Error(400, "NoAvailableConfigurationRecorderException", "no recorder");

    #[test]
    fn by_listing_all_users_where_config_cannot_be_asked() {
        let aws = AwsDouble::with_users([alice().with_key(key(FIRST, "Active"))]);
        aws.fail(Fault::new("ListDiscoveredResources", FaultKind::AccessDenied));
        assert_eq!(answer(&aws, &request(json!({})))["userName"], "alice");
    }

    #[test]
    fn under_its_new_name_after_it_was_renamed() {
        let old = alice().with_key(key(FIRST, "Active"));
        let aws = AwsDouble::with_users([User { name: "alice.smith".to_owned(), ..old.clone() }]);
        recorded(&aws, &old);
        assert_eq!(answer(&aws, &request(json!({})))["userName"], "alice.smith");
    }

    /// Between the list of all users and the look at the one in question.
    #[test]
    fn and_not_another_one_that_takes_its_name_meanwhile() {
        let aws = AwsDouble::with_users([alice().with_key(key(FIRST, "Active"))]);
        aws.fail(Fault::new("ListDiscoveredResources", FaultKind::AccessDenied));
        aws.after_calls(Some("ListUsers"), 1, |account| {
            account.remove("alice");
            account.add(alice().id("AIDAANOTHERALICE00001").with_key(key(SECOND, "Active")));
        });
        let response = answer(&aws, &request(json!({})));
        assert_eq!((&response["complianceBefore"], &response["actions"]), (&json!("NOT_APPLICABLE"), &json!([])));
        assert_eq!((statuses(&aws), writes(&aws)), (vec![(SECOND.to_owned(), "Active".to_owned())], vec![]));
    }

    #[test]
    fn with_a_path_and_every_character_that_iam_allows() {
        let user = User { name: "a+b=c,d.e@f-g_h".to_owned(), ..alice() }.path("/division_abc/x!~,y/");
        let aws = AwsDouble::with_users([user.with_key(key(FIRST, "Active"))]);
        assert_eq!(answer(&aws, &request(json!({})))["actions"][0]["outcome"], "Done");
    }
}

mod failures {
    use super::*;

    fn two_keys() -> AwsDouble {
        AwsDouble::with_users([alice().with_key(key(FIRST, "Active")).with_key(key(SECOND, "Active"))])
    }

    #[test]
    fn an_action_that_fails_does_not_keep_the_others_from_being_tried() {
        let aws = two_keys();
        aws.fail(Fault::new("UpdateAccessKey", FaultKind::AccessDenied).times(1));
        let lambda = Lambda::start(REMEDIATOR, &aws);
        let (code, message) = lambda.invoke(request(json!({})).to_string()).expect_failure();
        assert_eq!(code, "ActionsFailed");
        assert!(
            message.contains("\"remaining\":1") && message.contains("iam:UpdateAccessKey failed for `…0001`"),
            "{message}"
        );
        assert_eq!(statuses(&aws).iter().filter(|(_, status)| status == "Inactive").count(), 1);
    }

    /// Nothing is touched when a fact cannot be read.
    #[track_caller]
    fn nothing_is_touched(action: &str, kind: FaultKind, code: &str) {
        let aws = two_keys();
        aws.fail(Fault::new("ListDiscoveredResources", FaultKind::AccessDenied));
        aws.fail(Fault::new(action, kind));
        let (error_type, message) =
            Lambda::start(REMEDIATOR, &aws).invoke(request(json!({})).to_string()).expect_failure();
        assert_eq!(error_type, code, "{message}");
        assert_eq!(writes(&aws), Vec::<String>::new());
    }

    cases! { nothing_is_touched:
        without_the_user => ("GetUser", FaultKind::AccessDenied, "AccessDenied");
        without_the_keys => ("ListAccessKeys", FaultKind::InternalError, "ServiceError");
        without_the_password => ("GetLoginProfile", FaultKind::AccessDenied, "AccessDenied");
        without_the_last_use => ("GetAccessKeyLastUsed", FaultKind::AccessDenied, "AccessDenied");
        without_the_list_of_users => ("ListUsers", FaultKind::Unavailable, "ServiceError");
    }

    #[test]
    fn a_key_that_is_used_after_it_was_judged_is_kept() {
        let aws = two_keys();
        // The third time that a last use is read is the look right before the first key is deactivated.
        aws.fail(Fault::new("GetAccessKeyLastUsed", FaultKind::AccessDenied).after(2).times(1));
        let response = answer(&aws, &request(json!({})));
        let outcomes: Vec<_> = response["actions"].as_array().unwrap().iter().map(|it| it["outcome"].clone()).collect();
        assert_eq!(outcomes, ["Failed", "Done"], "a key whose last use cannot be read is not touched: {response}");
        assert_eq!(response["remaining"], 1);
    }

    /// While IAM throttled the change, the owner took the key into use.
    #[test]
    fn a_change_is_not_tried_again_without_another_look() {
        let aws = AwsDouble::with_users([alice().with_key(key(FIRST, "Inactive"))]);
        aws.fail(Fault::new("DeleteAccessKey", FaultKind::Throttle).times(1));
        // Keys: judged, looked at before the first attempt; after that look the owner activates the key.
        aws.after_calls(Some("ListAccessKeys"), 2, |account| {
            "Active".clone_into(&mut account.user("alice").keys[0].status);
        });
        let response = answer(&aws, &request(json!({"action": "DeleteInactive"})));
        assert_eq!(response["actions"][0]["outcome"], "Skipped", "{response}");
        assert_eq!((&response["remaining"], statuses(&aws).len()), (&json!(1), 1));
    }

    /// What is deleted cannot be brought back, so nothing may come between the look at its status and the deletion.
    #[test]
    fn a_key_that_is_activated_right_before_its_deletion_is_kept() {
        let aws = AwsDouble::with_users([alice().with_key(key(FIRST, "Inactive"))]);
        // The second time that its last use is read is right before the deletion.
        aws.after_calls(Some("GetAccessKeyLastUsed"), 2, |account| {
            "Active".clone_into(&mut account.user("alice").keys[0].status);
        });
        let response = answer(&aws, &request(json!({"action": "DeleteInactive"})));
        assert_eq!(response["actions"][0]["outcome"], "Skipped", "{response}");
        assert_eq!((&response["remaining"], writes(&aws)), (&json!(1), vec![]));
    }

    /// Both judge the key, and one deletes it: IAM then denies the other the last use of a key that is not there.
    #[test]
    fn a_key_that_is_deleted_by_somebody_else_meanwhile_is_gone() {
        for calls in 1..=2 {
            let aws = AwsDouble::with_users([alice().with_key(key(FIRST, "Inactive"))]);
            aws.after_calls(Some("ListAccessKeys"), calls, |account| account.user("alice").keys.clear());
            let response = answer(&aws, &request(json!({"action": "DeleteInactive"})));
            let failed = response["actions"].as_array().unwrap().iter().any(|it| it["outcome"] == "Failed");
            assert_eq!((failed, &response["remaining"], writes(&aws)), (false, &json!(0), vec![]), "{response}");
        }
    }

    /// A denied last use may mean that the key is gone; another error means that IAM has trouble, and no more is asked of it.
    #[test]
    fn a_key_is_looked_at_again_only_where_its_last_use_is_denied() {
        for (kind, looks) in [(FaultKind::AccessDenied, 3), (FaultKind::InternalError, 2)] {
            let aws = AwsDouble::with_users([alice().with_key(key(FIRST, "Active"))]);
            aws.fail(Fault::new("GetAccessKeyLastUsed", kind).after(1));
            let response = answer(&aws, &request(json!({})));
            let action = &response["actions"][0];
            let reason = action["reason"].as_str().unwrap();
            assert!(
                action["outcome"] == "Failed" && reason.starts_with("iam:GetAccessKeyLastUsed failed"),
                "{response}"
            );
            assert_eq!((aws.count("iam", "ListAccessKeys"), writes(&aws)), (looks, vec![]), "{response}");
        }
    }

    /// A change that passes by is tried again, each time after another look; one that is refused is not.
    #[track_caller]
    fn is_tried(action: &str, status: &str, call: &str, kind: FaultKind, times: usize) {
        let aws = AwsDouble::with_users([alice().with_key(key(FIRST, status))]);
        aws.fail(Fault::new(call, kind));
        let response = answer(&aws, &request(json!({"action": action})));
        assert_eq!(
            (&response["actions"][0]["outcome"], aws.count("iam", call)),
            (&json!("Failed"), times),
            "{response}"
        );
    }

    cases! { is_tried:
        a_deactivation_four_times => ("Deactivate", "Active", "UpdateAccessKey", FaultKind::InternalError, 4);
        a_deletion_four_times => ("DeleteInactive", "Inactive", "DeleteAccessKey", FaultKind::InternalError, 4);
        a_deactivation_that_is_denied_once => ("Deactivate", "Active", "UpdateAccessKey", FaultKind::AccessDenied, 1);
        a_deletion_that_is_denied_once => ("DeleteInactive", "Inactive", "DeleteAccessKey", FaultKind::AccessDenied, 1);
    }

    #[test]
    fn a_change_that_is_not_to_be_seen_is_looked_for_and_then_told() {
        let aws = AwsDouble::with_users([alice().with_key(key(FIRST, "Active"))]);
        aws.after_calls(Some("UpdateAccessKey"), 1, |account| {
            "Active".clone_into(&mut account.user("alice").keys[0].status);
        });
        let response = answer(&aws, &request(json!({})));
        let said = format!("the change of key `{FIRST}` was accepted, but it is not to be seen");
        assert_eq!(
            (&response["actions"][0]["outcome"], &response["actions"][0]["reason"], &response["remaining"]),
            (&json!("Failed"), &json!(said), &json!(1))
        );
        // One when it is judged, one right before, and the looks for the change.
        assert_eq!((aws.count("iam", "ListAccessKeys"), aws.count("iam", "UpdateAccessKey")), (2 + 7, 1));
    }

    #[test]
    fn a_change_that_was_made_but_not_answered_is_done() {
        let aws = two_keys();
        aws.fail(Fault::new("UpdateAccessKey", FaultKind::TruncatedBody).times(1));
        let response = answer(&aws, &request(json!({})));
        let outcomes: Vec<_> = response["actions"].as_array().unwrap().iter().map(|it| it["outcome"].clone()).collect();
        assert_eq!((outcomes, aws.count("iam", "UpdateAccessKey")), (vec![json!("Done"), json!("Done")], 2));
    }

    #[test]
    fn passing_faults_change_nothing() {
        for action in
            ["ListUsers", "GetUser", "ListAccessKeys", "GetLoginProfile", "GetAccessKeyLastUsed", "UpdateAccessKey"]
        {
            let aws = two_keys();
            aws.fail(Fault::new(action, FaultKind::InternalError).times(1));
            aws.fail(Fault::new(action, FaultKind::Throttle).after(1).times(1));
            assert_eq!(answer(&aws, &request(json!({})))["remaining"], 0, "{action}");
            assert!(statuses(&aws).iter().all(|(_, status)| status == "Inactive"), "{action}: {:?}", statuses(&aws));
        }
    }

    /// What somebody else did right before is not told as done.
    #[track_caller]
    fn is_left_as_it_is(action: &str, status: &str, change: fn(&mut User), said: &str, remaining: usize) {
        let aws = AwsDouble::with_users([alice().with_key(key(FIRST, status))]);
        // The last fact by which the user is judged.
        aws.after_calls(Some("GetAccessKeyLastUsed"), 1, move |account| change(account.user("alice")));
        let response = answer(&aws, &request(json!({"action": action})));
        let action = &response["actions"][0];
        assert_eq!((&action["outcome"], &action["reason"]), (&json!("Skipped"), &json!(said)), "{response}");
        assert_eq!((&response["remaining"], writes(&aws)), (&json!(remaining), vec![]));
    }

    /// An attempt that failed may have been made all the same: whoever undoes the run must know of the key.
    #[test]
    fn a_key_that_is_put_to_use_after_a_failed_attempt_is_not_told_as_left() {
        let aws = AwsDouble::with_users([alice().with_key(key(FIRST, "Active"))]);
        aws.fail(Fault::new("UpdateAccessKey", FaultKind::InternalError).times(1));
        // With the look after the attempt; the first two were to judge the user, and before the attempt.
        aws.after_calls(Some("ListAccessKeys"), 3, |account| put_to_use(account.user("alice")));
        let lambda = Lambda::start(REMEDIATOR, &aws);
        let (code, message) = lambda.invoke(request(json!({})).to_string()).expect_failure();
        assert_eq!(code, "ActionsFailed", "{message}");
        assert!(message.contains("iam:UpdateAccessKey failed for `…0001`"), "{message}");
        assert_eq!(statuses(&aws)[0].1, "Active");
    }

    fn put_to_use(user: &mut User) {
        user.keys[0] = used(user.keys[0].clone());
    }

    cases! { is_left_as_it_is:
        a_key_that_somebody_else_has_deactivated => ("Deactivate", "Active",
            |alice| "Inactive".clone_into(&mut alice.keys[0].status), "The status of the key has changed meanwhile.", 0);
        a_key_that_was_put_to_use => ("Deactivate", "Active", put_to_use, "The key was used meanwhile: have its owner rotate it.", 1);
        a_key_that_somebody_else_has_deleted => ("DeleteInactive", "Inactive", |alice| alice.keys.clear(), "The key is gone.", 0);
    }

    #[test]
    fn two_runs_at_once_end_as_one() {
        for (action, before, after) in
            [("Deactivate", "Active", Some("Inactive")), ("DeleteInactive", "Inactive", None)]
        {
            let aws = AwsDouble::with_users([alice().with_key(key(FIRST, before)).with_key(key(SECOND, before))]);
            aws.set_latency(std::time::Duration::from_millis(20));
            let run = || Lambda::start(REMEDIATOR, &aws).invoke(request(json!({"action": action})).to_string());
            std::thread::scope(|scope| {
                for run in [(); 2].map(|()| scope.spawn(run)) {
                    run.join().unwrap().expect_success();
                }
            });
            let left = statuses(&aws);
            assert_eq!(left.len(), if after.is_some() { 2 } else { 0 }, "{action}");
            assert!(left.iter().all(|(_, status)| Some(status.as_str()) == after), "{action}: {left:?}");
        }
    }

    /// Else AWS Lambda would end it before it can tell what it did.
    #[test]
    fn a_run_over_all_users_ends_before_its_deadline_and_says_whom_it_did_not_reach() {
        let users =
            (0..60).map(|n| User::new(&format!("user{n}"), CREATED).password().key(&format!("AKIASETUP{n:0>11}"), 5));
        let aws = AwsDouble::with_users(users);
        // About ten calls for each user.
        aws.set_latency(std::time::Duration::from_millis(60));
        let lambda = Lambda::start(REMEDIATOR, &aws);
        let all = json!({"allUsers": true, "dryRun": false}).to_string();
        let (code, message) = lambda.invoke_with(std::time::Duration::from_secs(12), all).expect_failure();
        assert_eq!(code, "ActionsFailed", "{message}");
        let (_, response) = message.split_once("some keys were not acted on: ").unwrap();
        let response: Value = serde_json::from_str(response).unwrap();
        let done = response["keys"]["done"].as_u64().unwrap();
        let unreached = response["unjudged"].as_u64().unwrap();
        assert!(
            done > 0 && unreached > 0 && done + unreached + response["keys"]["failed"].as_u64().unwrap() == 60,
            "{response}"
        );
        assert!(message.contains("was not reached in time"), "{message}");
        assert_eq!(writes(&aws).len() as u64, done, "{response}");
    }

    /// Each key that it went on to would wait for its turn, and AWS Lambda would end it before it can tell what it did.
    #[test]
    fn a_run_that_is_throttled_while_it_acts_ends_before_its_deadline() {
        let keys = (0..6).map(|n| key(&format!("AKIASETUP{n:0>11}"), "Active"));
        let aws = AwsDouble::with_users([keys.fold(alice(), User::with_key)]);
        // All are judged, and the first is looked at.
        aws.fail(Fault::new("GetAccessKeyLastUsed", FaultKind::Throttle).after(6));
        let lambda = Lambda::start(REMEDIATOR, &aws);
        let deadline = std::time::Duration::from_secs(10);
        let (code, message) = lambda.invoke_with(deadline, request(json!({})).to_string()).expect_failure();
        assert!(code == "ActionsFailed" && message.contains("there was no time left to act on its keys"), "{message}");
        assert_eq!((writes(&aws), message.contains("\"remaining\":6")), (vec![], true), "{message}");
    }

    /// AWS Lambda ends the function at its deadline: what is begun late may never be seen to its end.
    #[test]
    fn no_key_is_changed_where_there_is_no_time_to_see_it() {
        let aws = AwsDouble::with_users([alice().with_key(key(FIRST, "Active"))]);
        let slow = std::time::Duration::from_secs(4);
        // It is read twice, and a fifth of the time is for what comes after the reads.
        aws.fail(Fault::new("GetAccessKeyLastUsed", FaultKind::Slow(slow)));
        let lambda = Lambda::start(REMEDIATOR, &aws);
        let deadline = std::time::Duration::from_millis(9_900);
        let (code, message) = lambda.invoke_with(deadline, request(json!({})).to_string()).expect_failure();
        assert!(code == "ActionsFailed" && message.contains("there was no time left to act on its keys"), "{message}");
        assert_eq!((writes(&aws), message.contains("\"remaining\":1")), (vec![], true), "{message}");
    }
}

mod refuses {
    use super::*;

    #[track_caller]
    fn request(text: &str, code: &str, message: &str) {
        let aws = AwsDouble::with_users([alice().with_key(key(FIRST, "Active"))]);
        let (error_type, error_message) = Lambda::start(REMEDIATOR, &aws).invoke(text).expect_failure();
        assert_eq!((error_type.as_str(), error_message.as_str()), (code, message));
        assert!(aws.calls().is_empty());
    }

    cases! { request:
        no_user => ("{}", "InvalidRequest", "invalid request: missing field `userId`");
        an_unknown_member => (r#"{"userId": "AIDAEXAMPLEALICE00001", "dry_run": false}"#, "InvalidRequest",
            "invalid request: dry_run: unknown field `dry_run`, expected one of `userId`, `allUsers`, `action`, `usedKeys`, `dryRun`, `parameters`");
        an_unknown_action => (r#"{"userId": "AIDAEXAMPLEALICE00001", "action": "Delete"}"#, "InvalidRequest",
            "invalid request: action: unknown variant `Delete`, expected `Deactivate` or `DeleteInactive`");
        a_dry_run_that_is_no_boolean => (r#"{"userId": "AIDAEXAMPLEALICE00001", "dryRun": "false"}"#, "InvalidRequest",
            "invalid request: dryRun: invalid type: string \"false\", expected a boolean");
        a_user_name_in_place_of_the_id => (r#"{"userId": "alice"}"#, "InvalidRequest",
            "invalid request: userId: `alice` is not a unique id: 16 to 128 letters and digits");
        a_parameter_out_of_range => (r#"{"userId": "AIDAEXAMPLEALICE00001", "parameters": {"maxExceptionDays": 0}}"#, "InvalidRuleParameter",
            "invalid request: parameters: rule parameter `maxExceptionDays` must be a whole number from 1 to 3650, got `0`");
    }
}
