//! The policy for plans of Terraform. The plans are Terraform's own: tests/preventive/plans/README.md.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write as _;
use std::process::Stdio;
use std::sync::LazyLock;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};
use setup_keys::rule::exception::from_tags;
use setup_keys::rule::parameters::{ExceptionTagPrefix, Parameters};

use crate::python_support::{isolated, python_file};

const PLANS: &str = "tests/preventive/plans";

fn plan(name: &str) -> Value {
    serde_json::from_str(&fs::read_to_string(format!("{PLANS}/{name}/plan.json")).unwrap()).unwrap()
}

fn names() -> BTreeSet<String> {
    let entries = fs::read_dir(PLANS).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.is_dir()).map(|path| path.file_name().unwrap().to_str().unwrap().to_owned()).collect()
}

/// What the policy says of each plan: `{name: {"deny": […], "warn": […]}}`.
fn judge(plans: &Value) -> Value {
    let mut python = isolated(python_file("bin/python"));
    python.current_dir(env!("CARGO_MANIFEST_DIR")).args(["-I", "tests/python/preventive.py", "preventive/terraform"]);
    let mut process = python.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    process.stdin.take().unwrap().write_all(plans.to_string().as_bytes()).unwrap();
    let output = process.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn judgement(name: &str) -> &'static Value {
    static ALL: LazyLock<Value> = LazyLock::new(|| {
        judge(&names().into_iter().map(|name| (name.clone(), plan(&name))).collect::<Map<_, _>>().into())
    });
    &ALL[name]
}

/// What the policy says of a plan that is another one, edited.
fn judgement_of(plan: &Value) -> Value {
    judge(&json!({ "edited": plan }))["edited"].take()
}

fn denial((user, password, key): (&str, &str, &str)) -> String {
    let prefix = ExceptionTagPrefix::default();
    let prefix = prefix.as_str();
    format!(
        "{user} would have a console password ({password}) and an active access key ({key}): keys made while a user is set \
         up are seldom used, and leak. Remove the key and let its owner make one when it is needed, or have the workload \
         assume a role. For an exception, tag the user with {prefix}owner and {prefix}expires (YYYY-MM-DD, not past)."
    )
}

/// The denial where user, password and key are `alice`'s.
fn alice() -> String {
    denial(("alice", "aws_iam_user_login_profile.alice", "aws_iam_access_key.alice"))
}

#[track_caller]
fn denies(name: &str, found: &[(&str, &str, &str)]) {
    let denials: Vec<_> = found.iter().copied().map(denial).collect();
    assert_eq!(*judgement(name), json!({ "deny": denials, "warn": [] }));
}

#[track_caller]
fn denies_alice(name: &str) {
    assert_eq!(*judgement(name), json!({ "deny": [alice()], "warn": [] }));
}

#[track_caller]
fn passes(name: &str) {
    assert_eq!(*judgement(name), json!({ "deny": [], "warn": [] }));
}

cases! { denies_alice:
    user_by_name_is_denied => ("by-name");
    user_by_id_that_is_known_after_apply_is_denied => ("by-id");
    user_made_elsewhere_is_denied_by_its_name_whatever_its_case => ("by-literal");
    key_for_the_user_of_the_profile_is_denied => ("through-the-profile");
    user_from_the_output_of_one_module_of_many_is_denied => ("module-output");
    user_from_the_output_of_any_module_is_denied => ("module-output-by-variable-key");
    key_that_is_replaced_is_denied => ("replaced-key");
    key_that_is_activated_is_denied => ("activated-key");
    password_for_the_holder_of_a_key_is_denied => ("password-for-a-key-holder");
    profile_that_leaves_the_state_but_stays_in_iam_is_denied => ("forgotten-profile");
    exception_of_yesterday_is_denied => ("exception-expired");
    exception_until_a_day_that_does_not_exist_is_denied => ("exception-of-no-date");
    exception_without_an_owner_is_denied => ("exception-without-owner");
    exception_of_another_user_is_denied => ("exception-of-another-user");
}

cases! { denies:
    user_whose_name_is_known_after_apply_is_denied => ("unknown-name", &[
        ("aws_iam_user.alice", "aws_iam_user_login_profile.alice", "aws_iam_access_key.alice"),
    ]);
    modules_in_modules_are_denied => ("in-a-module", &[(
        "alice",
        "module.team.module.person.aws_iam_user_login_profile.alice",
        "module.team.module.person.aws_iam_access_key.alice",
    )]);
    user_through_the_variables_of_two_modules_is_denied => ("module-variable", &[
        ("alice", "aws_iam_user_login_profile.alice", "module.access.module.key.aws_iam_access_key.this"),
    ]);
    of_for_each_only_the_user_with_both_is_denied => ("for-each", &[
        ("alice", "aws_iam_user_login_profile.person[\"alice\"]", "aws_iam_access_key.person[\"alice\"]"),
    ]);
    for_each_over_users_is_denied_for_the_one_with_a_password => ("for-each-user", &[
        ("alice", "aws_iam_user_login_profile.alice", "aws_iam_access_key.person[\"alice\"]"),
    ]);
    modules_for_each_user_are_denied_for_the_one_with_a_password => ("for-each-module", &[
        ("bob", "module.console.aws_iam_user_login_profile.this", "module.key[\"bob\"].aws_iam_access_key.this"),
    ]);
    of_count_only_the_user_with_both_is_denied => ("count", &[
        ("person-0", "aws_iam_user_login_profile.person[0]", "aws_iam_access_key.person[0]"),
    ]);
    key_that_may_be_for_any_of_some_users_is_denied => ("any-of-a-list", &[
        ("person-0", "aws_iam_user_login_profile.first", "aws_iam_access_key.chosen"),
    ]);
    every_key_is_denied => ("two-keys", &[
        ("alice", "aws_iam_user_login_profile.alice", "aws_iam_access_key.alice[0]"),
        ("alice", "aws_iam_user_login_profile.alice", "aws_iam_access_key.alice[1]"),
    ]);
}

cases! { passes:
    two_users_with_one_each_pass => ("two-users");
    two_users_of_a_list_with_one_each_pass => ("named-of-a-list");
    two_users_of_a_module_with_one_each_pass => ("module-output-of-another-user");
    key_for_another_user_than_for_each_goes_over_passes => ("for-each-of-other-users");
    key_without_a_password_passes => ("key-without-password");
    inactive_key_passes => ("inactive-key");
    key_that_is_deactivated_passes => ("deactivated-key");
    key_that_is_deleted_passes => ("deleted-key");
    key_after_the_password_passes => ("deleted-profile");
    what_was_there_before_passes => ("both-existing");
    password_that_is_replaced_passes => ("replaced-profile");
    exception_of_today_passes => ("excepted");
}

#[test]
fn key_whose_user_the_plan_does_not_tell_is_warned_of() {
    let doubt = "cannot tell the user of aws_iam_access_key.alice from the plan, so not whether \
        aws_iam_user_login_profile.alice and aws_iam_access_key.alice are for the same: set `user` to the name of the user";
    assert_eq!(*judgement("unknown-user"), json!({ "deny": [], "warn": [doubt] }));
}

#[test]
fn every_plan_has_a_case() {
    let here = include_str!("terraform.rs");
    for name in names() {
        assert!(here.contains(&format!("(\"{name}\"")), "{name}");
    }
}

/// The tags of alice in a plan, and when it was made.
fn tags(plan: &Value) -> (BTreeMap<String, String>, DateTime<Utc>) {
    let changes = plan["resource_changes"].as_array().unwrap();
    let user = changes.iter().find(|it| it["address"] == "aws_iam_user.alice").unwrap();
    let tags = user["change"]["after"]["tags"].clone();
    (serde_json::from_value(tags).unwrap(), serde_json::from_value(plan["timestamp"].clone()).unwrap())
}

/// The policy has its own reading of the tags, which is not to let through what the Config rule would not.
#[test]
fn exceptions_are_valid_where_they_are_for_the_rule() {
    for (name, valid) in [
        ("excepted", true),
        ("exception-expired", false),
        ("exception-of-no-date", false),
        ("exception-without-owner", false),
    ] {
        let (tags, now) = tags(&plan(name));
        let exception = from_tags(&tags, &Parameters::default(), now);
        assert_eq!(matches!(exception, Ok(Some(_))), valid, "{name}: {exception:?}");
        assert_eq!(judgement(name)["deny"] == json!([]), valid, "{name}");
    }
}

/// A plan with one exception, on the tags of the provider (`default_tags`) as well as on those of the user.
fn with_tags(tags: &Value, all: &Value) -> Value {
    let mut plan = plan("excepted");
    for change in plan["resource_changes"].as_array_mut().unwrap() {
        if change["type"] == "aws_iam_user" {
            change["change"]["after"]["tags"] = tags.clone();
            change["change"]["after"]["tags_all"] = all.clone();
        }
    }
    plan
}

#[test]
fn exception_by_the_default_tags_of_the_provider_passes() {
    let prefix = ExceptionTagPrefix::default();
    let owner = format!("{}owner", prefix.as_str());
    let expires = format!("{}expires", prefix.as_str());
    let plan = with_tags(&Value::Null, &json!({ owner: "platform", expires: "2026-03-02" }));
    assert_eq!(judgement_of(&plan)["deny"], json!([]));
}

#[test]
fn exception_in_another_case_is_denied() {
    let tags = json!({ "Setup-Keys:exception-owner": "platform", "Setup-Keys:exception-expires": "2026-03-02" });
    assert_eq!(judgement_of(&with_tags(&tags, &tags))["deny"], json!([alice()]));
}

#[test]
fn plan_of_an_older_terraform_is_judged_by_the_clock() {
    for (expires, denied) in [("2099-12-31", json!([])), ("2026-03-02", json!([alice()]))] {
        let tags = json!({ "setup-keys:exception-owner": "platform", "setup-keys:exception-expires": expires });
        let mut plan = with_tags(&tags, &tags);
        plan.as_object_mut().unwrap().remove("timestamp").unwrap();
        assert_eq!(judgement_of(&plan)["deny"], denied, "{expires}");
    }
}

#[test]
fn plan_of_a_later_major_format_is_denied() {
    let mut plan = plan("key-without-password");
    plan["format_version"] = "2.0".into();
    let denial = "format_version 2.0 of the plan is not known: expected 1.x";
    assert_eq!(judgement_of(&plan), json!({ "deny": [denial], "warn": [] }));
}

#[test]
fn plan_without_resources_passes() {
    let plan = json!({ "format_version": "1.2", "configuration": { "root_module": {} } });
    assert_eq!(judgement_of(&plan), json!({ "deny": [], "warn": [] }));
}
