//! The service control policy that reserves the tags of exceptions.

use std::collections::BTreeMap;
use std::fs;

use serde_json::{Value, json};
use setup_keys::rule::exception::from_tags;
use setup_keys::rule::parameters::{ExceptionTagPrefix, Parameters};

use crate::{strings, templates_py};

const POLICY: &str = "preventive/scp-exception-tags.json";

fn policy() -> Value {
    serde_json::from_str(&fs::read_to_string(POLICY).unwrap()).unwrap()
}

#[test]
fn policy_is_one_that_organizations_takes() {
    // AWS Organizations User Guide, quotas: as it is stored, and the file is copied as it is.
    assert!(fs::read_to_string(POLICY).unwrap().chars().count() <= 5120);
    assert_eq!(templates_py("policies", &[], &json!({ "policy": policy() })), json!([]));
}

#[test]
fn exception_tags_are_set_and_removed_by_named_roles_only() {
    let policy = policy();
    let [statement] = policy["Statement"].as_array().unwrap().as_slice() else { panic!("{policy}") };
    assert_eq!(statement["Effect"], "Deny");
    // Tags come with a new user, too.
    assert_eq!(strings(&statement["Action"]), ["iam:CreateUser", "iam:TagUser", "iam:UntagUser"]);
    assert_eq!(statement["Resource"], "arn:aws:iam::*:user/*");

    let condition = statement["Condition"].as_object().unwrap();
    assert_eq!(condition.keys().collect::<Vec<_>>(), ["ArnNotLike", "ForAnyValue:StringEqualsIgnoreCase"]);
    // Roles that nobody in a member account can make or change: those of IAM Identity Center.
    let role = condition["ArnNotLike"]["aws:PrincipalArn"].as_str().unwrap();
    assert!(role.starts_with("arn:aws:iam::*:role/aws-reserved/sso.amazonaws.com/"), "{role}");
}

/// To IAM, tag keys of a user that differ in case only are the same: `Setup-Keys:…` changes or removes `setup-keys:…`.
#[test]
fn keys_are_those_that_the_rule_reads_whatever_their_case() {
    let policy = policy();
    let keys = &policy["Statement"][0]["Condition"]["ForAnyValue:StringEqualsIgnoreCase"]["aws:TagKeys"];
    let prefix = ExceptionTagPrefix::default();
    assert!(strings(keys).iter().all(|key| key.starts_with(prefix.as_str())));

    let tags: BTreeMap<_, _> = strings(keys).iter().map(|key| ((*key).to_owned(), "2026-03-02".to_owned())).collect();
    assert_eq!(tags.len(), 3);
    let now = "2026-03-02T00:00:00Z".parse().unwrap();
    let exception = from_tags(&tags, &Parameters::default(), now).unwrap().unwrap();
    assert_eq!(exception.owner, "2026-03-02");
    assert_eq!(exception.reason.as_deref(), Some("2026-03-02"));
}
