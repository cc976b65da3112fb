//! All users of the account in one request, as the schedule asks that deletes what has stayed inactive.

use serde_json::{Value, json};

use crate::support::aws::{AwsDouble, Fault, FaultKind, User};
use crate::support::process::Lambda;
use crate::{CREATED, FIRST, REMEDIATOR, alice, answer, key, used, writes};

fn user(name: &str) -> User {
    User::new(name, CREATED).id(&format!("AIDAEXAMPLE{:0<10}", name.to_uppercase()))
}

fn id(name: &str) -> String {
    format!("AKIA{:0<16}", name.to_uppercase())
}

/// An account with a user of each kind, each with one key that is named for it.
fn account() -> AwsDouble {
    let with = |name: &str, status| user(name).with_key(key(&id(name), status));
    let next_month = (setup_keys::clock::now() + chrono::TimeDelta::days(30)).date_naive().to_string();
    let excepted = with("excepted", "Inactive").password().tag("setup-keys:exception-owner", "ops");
    AwsDouble::with_users([
        with("inactive", "Inactive").password(),
        with("other", "Inactive").password(),
        with("active", "Active").password(),
        user("used").password().with_key(used(key(&id("used"), "Inactive"))),
        with("machine", "Inactive"),
        user("later").password().key(&id("later"), 61),
        excepted.tag("setup-keys:exception-expires", &next_month),
        user("keyless").password(),
    ])
}

fn request(members: Value) -> Value {
    let mut request = json!({"allUsers": true, "action": "DeleteInactive", "dryRun": false});
    request.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    request
}

/// The users that have a key.
fn with_key(aws: &AwsDouble) -> Vec<String> {
    let names = ["inactive", "other", "active", "used", "machine", "later", "excepted"];
    let has = |name: &&str| aws.account(|account| !account.user(name).keys.is_empty());
    names.into_iter().filter(has).map(str::to_owned).collect()
}

#[test]
fn deletes_what_is_inactive_and_was_never_used() {
    let aws = account();
    let response = answer(&aws, &request(json!({})));
    assert_eq!(with_key(&aws), ["active", "used", "machine", "later", "excepted"]);
    assert_eq!(writes(&aws), ["iam:DeleteAccessKey", "iam:DeleteAccessKey"]);
    let counts = ["users", "nonCompliant", "unjudged", "keys", "remaining"].map(|name| response[name].clone());
    let keys = json!({"done": 2, "planned": 0, "skipped": 2, "failed": 0});
    assert_eq!(counts, [json!(8), json!(4), json!(0), keys, json!(1)]);
    // Told of one by one: those of whom something was changed.
    let told: Vec<_> = response["responses"].as_array().unwrap().iter().map(|it| it["userName"].clone()).collect();
    assert_eq!(told, ["inactive", "other"]);
    let action = &response["responses"][0]["actions"][0];
    assert_eq!((&action["accessKeyId"], &action["outcome"]), (&json!(id("inactive")), &json!("Done")));

    aws.forget_calls();
    let again = answer(&aws, &request(json!({})));
    assert_eq!((&again["keys"]["done"], &again["responses"], writes(&aws).len()), (&json!(0), &json!([]), 0));
}

#[test]
fn changes_nothing_unless_told_to() {
    let aws = account();
    let response = answer(&aws, &json!({"allUsers": true, "action": "DeleteInactive"}));
    assert_eq!((&response["keys"]["planned"], &response["keys"]["done"]), (&json!(2), &json!(0)));
    assert_eq!(writes(&aws), Vec::<String>::new());
}

#[test]
fn judges_by_the_given_parameters() {
    let aws = account();
    answer(&aws, &request(json!({"parameters": {"consolePassword": "ignored"}})));
    assert_eq!(with_key(&aws), ["active", "used", "later", "excepted"]);
}

#[test]
fn deactivates_where_that_is_asked() {
    let aws = account();
    let response = answer(&aws, &request(json!({"action": "Deactivate"})));
    assert_eq!((&response["keys"]["done"], &response["remaining"]), (&json!(1), &json!(0)));
    assert_eq!(writes(&aws), ["iam:UpdateAccessKey"]);
}

#[test]
fn reads_every_user_where_there_is_no_credential_report() {
    let aws = account();
    aws.fail(Fault::new("GenerateCredentialReport", FaultKind::AccessDenied));
    aws.fail(Fault::new("GetCredentialReport", FaultKind::AccessDenied));
    assert_eq!(answer(&aws, &request(json!({})))["keys"]["done"], 2);
}

/// Those who cannot be judged are told of, and the run fails; the others are not kept from it.
#[test]
fn fails_after_all_others_where_a_user_cannot_be_judged() {
    let aws = account();
    aws.fail(Fault::new("ListAccessKeys", FaultKind::AccessDenied).on("inactive"));
    let response = failed(&aws);
    assert_eq!((&response["unjudged"], &response["keys"]["done"]), (&json!(1), &json!(1)));
    let error = response["errors"][0].as_str().unwrap();
    assert!(error.starts_with("user `inactive`: iam:ListAccessKeys failed for `inactive`: AccessDenied"), "{error}");
    assert_eq!(with_key(&aws), ["inactive", "active", "used", "machine", "later", "excepted"]);
}

#[test]
fn fails_after_all_others_where_a_key_cannot_be_deleted() {
    let aws = account();
    aws.fail(Fault::new("DeleteAccessKey", FaultKind::AccessDenied).times(1));
    let response = failed(&aws);
    let keys = json!({"done": 1, "planned": 0, "skipped": 2, "failed": 1});
    assert_eq!((&response["unjudged"], &response["keys"]), (&json!(0), &keys));
    // Of a key that failed is told as of one that was changed.
    assert_eq!(response["responses"].as_array().unwrap().len(), 2);
    assert_eq!(with_key(&aws), ["inactive", "active", "used", "machine", "later", "excepted"]);
}

/// What a run tells that must fail.
#[track_caller]
fn failed(aws: &AwsDouble) -> Value {
    let (code, message) = Lambda::start(REMEDIATOR, aws).invoke(request(json!({})).to_string()).expect_failure();
    assert_eq!(code, "ActionsFailed", "{message}");
    serde_json::from_str(message.split_once("some keys were not acted on: ").unwrap().1).unwrap()
}

#[test]
fn tells_of_as_many_users_as_automation_takes() {
    let users = (0..120).map(|n| user(&format!("user{n}")).password().with_key(key(&id(&format!("{n}X")), "Inactive")));
    let aws = AwsDouble::with_users(users);
    let response = answer(&aws, &request(json!({})));
    assert_eq!((&response["keys"]["done"], response["responses"].as_array().unwrap().len()), (&json!(120), 100));
    // SSM Automation takes 200 KB.
    assert!(response.to_string().len() < 100_000);
}

#[test]
fn tells_as_many_errors_as_automation_takes() {
    let aws =
        AwsDouble::with_users((0..120).map(|n| user(&format!("user{n}")).password().key(&id(&format!("{n}X")), 4)));
    aws.fail(Fault::new("ListAccessKeys", FaultKind::AccessDenied));
    let response = answer(&aws, &request(json!({})));
    assert_eq!((&response["unjudged"], response["errors"].as_array().unwrap().len()), (&json!(120), 100));
}

#[test]
fn nothing_is_touched_where_the_users_cannot_be_listed() {
    let aws = account();
    aws.fail(Fault::new("ListUsers", FaultKind::AccessDenied));
    let (code, _) = Lambda::start(REMEDIATOR, &aws).invoke(request(json!({})).to_string()).expect_failure();
    assert_eq!((code.as_str(), writes(&aws)), ("AccessDenied", Vec::new()));
}

#[test]
fn one_user_or_all_but_not_both() {
    let aws = AwsDouble::with_users([alice().with_key(key(FIRST, "Active"))]);
    for (request, message) in [
        (json!({"userId": "AIDAEXAMPLEALICE00001", "allUsers": true}), "userId: not together with `allUsers`"),
        (json!({"allUsers": false}), "missing field `userId`"),
        (json!({"allUsers": "true"}), "allUsers: invalid type: string \"true\", expected a boolean"),
    ] {
        let (code, said) = Lambda::start(REMEDIATOR, &aws).invoke(request.to_string()).expect_failure();
        assert_eq!((code.as_str(), said), ("InvalidRequest", format!("invalid request: {message}")));
    }
    assert!(aws.calls().is_empty());
}
