//! The service control policies: one reserves the tags of exceptions, one leaves access keys to their users.
//!
//! Nothing that runs without AWS evaluates such policies with their variables as AWS does, so the tests hold their parts.

use std::collections::BTreeMap;
use std::fs;

use serde_json::{Value, json};
use setup_keys::rule::exception::from_tags;
use setup_keys::rule::parameters::{ExceptionTagPrefix, Parameters};

use crate::{strings, templates_py};

const EXCEPTION_TAGS: &str = "preventive/scp-exception-tags.json";
const SELF_SERVICE_KEYS: &str = "preventive/scp-self-service-keys.json";

fn policy(file: &str) -> Value {
    serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap()
}

#[test]
fn policies_are_such_as_organizations_takes() {
    for file in [EXCEPTION_TAGS, SELF_SERVICE_KEYS] {
        // AWS Organizations User Guide, quotas: as it is stored, and the file is copied as it is.
        assert!(fs::read_to_string(file).unwrap().chars().count() <= 5120, "{file}");
        assert_eq!(templates_py("policies", &[], &json!({ file: policy(file) })), json!([]));
    }
}

#[test]
fn exception_tags_are_set_and_removed_by_named_roles_only() {
    let policy = policy(EXCEPTION_TAGS);
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
    let policy = policy(EXCEPTION_TAGS);
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

/// The two statements of the policy: for principals that are no IAM user, and for IAM users.
fn self_service_statements() -> [Value; 2] {
    let mut policy = policy(SELF_SERVICE_KEYS);
    let statements: Vec<Value> = serde_json::from_value(policy["Statement"].take()).unwrap();
    statements.try_into().unwrap()
}

/// `aws:username` is there for IAM users only, and a variable without a value can make a whole statement void (IAM User
/// Guide, "Variables and tags"). So whoever has none gets a statement without the variable.
#[test]
fn access_keys_are_denied_to_all_but_users_and_one_role() {
    let [others, users] = self_service_statements();
    for statement in [&others, &users] {
        assert_eq!(statement["Effect"], "Deny");
        assert_eq!(statement["Action"], "iam:CreateAccessKey");
    }
    assert_eq!(others["Resource"], "*");
    assert!(!others.to_string().contains("${"), "{others}");
    // Between them they are for everybody.
    assert_eq!(others["Condition"]["Null"], json!({ "aws:username": "true" }));
    assert_eq!(users["Condition"], json!({ "Null": { "aws:username": "false" } }));

    // The role is one that nobody in a member account can make or change.
    assert_eq!(others["Condition"].as_object().unwrap().keys().collect::<Vec<_>>(), ["ArnNotLike", "Null"]);
    let role = others["Condition"]["ArnNotLike"]["aws:PrincipalArn"].as_str().unwrap();
    assert!(role.starts_with("arn:aws:iam::*:role/aws-reserved/sso.amazonaws.com/"), "{role}");
}

/// A user's name is unique in its account whatever its path, so the name at the end of the ARN is enough.
#[test]
fn users_make_keys_for_themselves_with_or_without_a_path() {
    let [_, users] = self_service_statements();
    assert_eq!(users.get("Resource"), None);
    let itself = strings(&users["NotResource"]);
    assert_eq!(itself, ["arn:aws:iam::*:user/${aws:username}", "arn:aws:iam::*:user/*/${aws:username}"]);
}
