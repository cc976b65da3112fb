//! The rule for CloudFormation Guard, on templates in long and short form.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

use crate::python_support::{isolated, python_file};

const RULE: &str = "IAM_USER_NO_SETUP_ACCESS_KEYS";

const MESSAGE: &str = "Violation: the template gives this key's user a console password (LoginProfile), and the key is \
    Active. Keys made while a user is set up are seldom used, and leak. Fix: remove the key and let its owner make one \
    when it is needed, or have the workload assume a role.";

struct Report {
    exit: Option<i32>,
    status: String,
    rules: Value,
}

fn validate(template: &str) -> Report {
    let output = isolated(python_file("cfn-guard"))
        .args(["validate", "--rules", "preventive/cloudformation", "--data"])
        .arg(Path::new("tests/preventive/templates").join(template))
        .args(["--structured", "--output-format", "json", "--show-summary", "none"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    let mut report: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
    let report = report[0].take();
    Report { exit: output.status.code(), status: report["status"].as_str().unwrap().to_owned(), rules: report }
}

/// The checks that failed: where each looked, and its message.
fn failed(rules: &Value) -> Vec<(String, String)> {
    let [rule] = rules["not_compliant"].as_array().unwrap().as_slice() else { panic!("{rules}") };
    assert_eq!(rule["Rule"]["name"], RULE);
    let checks = rule["Rule"]["checks"].as_array().unwrap();
    let binary = |check: &Value| check["Clause"]["Binary"].clone();
    checks
        .iter()
        .map(binary)
        .map(|it| {
            let message = it["messages"]["custom_message"].as_str().unwrap_or_else(|| panic!("{it}")).to_owned();
            (it["check"]["InResolved"]["from"]["path"].as_str().unwrap_or_else(|| panic!("{it}")).to_owned(), message)
        })
        .collect()
}

#[track_caller]
fn fails(template: &str, keys: &[&str]) {
    let report = validate(template);
    assert_eq!((report.exit, report.status.as_str()), (Some(19), "FAIL"));
    let checks = failed(&report.rules);
    for (path, message) in &checks {
        assert_eq!(message.split_whitespace().collect::<Vec<_>>().join(" "), MESSAGE, "{path}");
    }
    let resources = checks.iter().map(|(path, _)| path.split('/').nth(2).unwrap());
    // Each once.
    assert_eq!(resources.clone().count(), keys.len(), "{checks:?}");
    assert_eq!(resources.collect::<BTreeSet<_>>(), keys.iter().copied().collect());
}

#[track_caller]
fn ends(template: &str, status: &str) {
    let report = validate(template);
    assert_eq!((report.exit, report.status.as_str()), (Some(0), status), "{}", report.rules);
}

cases! { fails:
    keys_of_console_users_fail_in_yaml_with_short_forms => ("fail.yaml", &[
        "ByRef", "ByRefToUserWithoutName", "BySub", "ByLiteral", "ByParameter", "OfUnknownStatus", "OtherRuleSuppressed",
    ]);
    keys_of_console_users_without_names_fail => ("fail-without-names.yaml", &["ByRef", "BySub"]);
    keys_of_console_users_fail_in_json => ("fail.json", &["ByRef", "BySub", "BySameSub"]);
}

cases! { ends:
    other_inactive_and_suppressed_keys_pass => ("pass.yaml", "PASS");
    // No name to compare with: nothing is left to check.
    key_for_a_user_made_elsewhere_is_skipped_where_no_user_has_a_name => ("skip-without-names.yaml", "SKIP");
    a_template_without_keys_is_none_of_the_rules_business => ("skip.yaml", "SKIP");
}
