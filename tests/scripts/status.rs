//! `status.sh`: what it shows, and what it mends.

use serde_json::json;

use crate::{ACCOUNT, Aws};

const SCRIPT: &str = "status.sh";

/// An account or organization that the rule is deployed to.
fn deployed(aws: Aws, script: &str, arguments: &[&str], settings: &[(&str, &str)]) -> Aws {
    aws.succeed(script, arguments, settings);
    aws
}

/// An organization with an account of which the function came too late for the rule.
fn function_was_late() -> Aws {
    let aws = Aws::organization().with(|state| state["stack_failures"]["333344445555"] = json!("Throttled."));
    let settings = [("EXCLUDED_ACCOUNTS", "222233334444")];
    aws.fail(1, "CREATE_FAILED", "deploy-organization.sh", &["SetupWindowSeconds=120", "Profile=kertos"], &settings);
    aws.change(|state| state["stack_set"]["instances"]["333344445555"] = json!({ "Status": "CURRENT" }));
    aws
}

#[test]
fn account_is_well() {
    let aws = deployed(Aws::account(), "deploy-account.sh", &[], &[]);
    let run = aws.succeed(SCRIPT, &[], &[]);
    assert_eq!(run.stdout, "1 of 1 accounts have the function and the rule\n");
    let run = aws.succeed(SCRIPT, &["account", "--all"], &[]);
    let expected = "\
ACCOUNT       FUNCTION                  RULE                WHY
111122223333  CREATE_COMPLETE           CREATE_COMPLETE

1 of 1 accounts have the function and the rule
";
    assert_eq!(run.stdout, expected);
    assert_eq!(run.changes(), <[String; 0]>::default());
}

#[test]
fn account_without_it() {
    let run = Aws::account().run(SCRIPT, &["--fix"], &[]);
    let expected = "\
ACCOUNT       FUNCTION                  RULE                WHY
111122223333  none                      none

0 of 1 accounts have the function and the rule, 1 to look at
";
    assert_eq!((run.stdout.as_str(), run.status), (expected, 1));
    assert!(run.stderr.ends_with("Putting the pack again would not help: see the reasons.\n"), "{}", run.stderr);
    assert_eq!(run.changes(), <[String; 0]>::default());
}

#[test]
fn account_of_which_the_pack_failed_is_mended() {
    let aws = Aws::account().with(|state| state["pack_failure"] = json!("Internal failure."));
    aws.fail(1, "CREATE_FAILED", "deploy-account.sh", &["SetupWindowSeconds=120"], &[]);
    aws.change(|state| state["pack_failure"] = json!(null));
    let run = aws.run(SCRIPT, &[], &[]);
    let expected = "\
ACCOUNT       FUNCTION                  RULE                WHY
111122223333  CREATE_COMPLETE           CREATE_FAILED       Internal failure.

0 of 1 accounts have the function and the rule, 1 to look at
";
    assert_eq!((run.stdout.as_str(), run.status), (expected, 1));
    let said = "1 of them have the function by now: status.sh account --fix puts the pack again.\n";
    assert!(run.stderr.ends_with(said), "{}", run.stderr);

    let run = aws.succeed(SCRIPT, &["--fix"], &[]);
    assert_eq!(run.changes(), ["configservice put-conformance-pack"]);
    assert!(run.stdout.ends_with("\n1 of 1 accounts have the function and the rule\n"), "{}", run.stdout);
    let parameters = &aws.state()["packs"]["setup-keys"]["given"]["ConformancePackInputParameters"];
    assert_eq!(*parameters, json!([{ "ParameterName": "SetupWindowSeconds", "ParameterValue": "120" }]));
}

#[test]
fn organization_is_well() {
    let settings = [("ORG_UNITS", "ou-ab12-11111111"), ("EXCLUDED_ACCOUNTS", "222233334444")];
    let aws = deployed(Aws::organization(), "deploy-organization.sh", &[], &settings);
    let run = aws.succeed(SCRIPT, &["organization"], &[]);
    let summary =
        "2 of 3 accounts have the function and the rule, 1 the function without the rule (excluded, or new)\n";
    assert_eq!(run.stdout, summary);
    let run = aws.succeed(SCRIPT, &["organization", "--all"], &[]);
    let expected = "\
ACCOUNT       FUNCTION                  RULE                WHY
111122223333  CREATE_COMPLETE           CREATE_SUCCESSFUL
222233334444  CURRENT                   none
333344445555  CURRENT                   CREATE_SUCCESSFUL

";
    assert_eq!(run.stdout, format!("{expected}{summary}"));
}

#[test]
fn organization_with_accounts_that_failed() {
    let aws = function_was_late();
    aws.change(|state| {
        let why = "Resource handler said: denied\nby a policy.";
        state["stack_set"]["instances"]["444455556666"] = json!({ "Status": "OUTDATED", "StatusReason": why });
        let rule = &mut state["organization_packs"]["setup-keys"]["accounts"];
        rule["444455556666"] =
            json!({ "Status": "CREATE_FAILED", "ErrorCode": "InvalidParameter", "ErrorMessage": "No export." });
        rule["111122223333"] = json!({ "Status": "CREATE_IN_PROGRESS" });
    });
    let run = aws.run(SCRIPT, &["organization"], &[]);
    let expected = "\
ACCOUNT       FUNCTION                  RULE                WHY
111122223333  CREATE_COMPLETE           CREATE_IN_PROGRESS
333344445555  CURRENT                   CREATE_FAILED       InvalidParameter: No export named setup-keys-evaluator-arn found. Rollback requested by user.
444455556666  OUTDATED                  CREATE_FAILED       Resource handler said: denied by a policy.; InvalidParameter: No export.

0 of 4 accounts have the function and the rule, 1 the function without the rule (excluded, or new), 3 to look at
";
    assert_eq!((run.stdout.as_str(), run.status), (expected, 1));
}

#[test]
fn organization_is_mended_when_the_function_has_come() {
    let aws = function_was_late();
    let given = aws.state()["organization_packs"]["setup-keys"]["given"].clone();
    let run = aws.succeed(SCRIPT, &["organization", "--fix"], &[]);
    assert_eq!(run.changes(), ["configservice put-organization-conformance-pack"]);
    // As it was put: the same parameters and exclusions.
    assert_eq!(aws.state()["organization_packs"]["setup-keys"]["given"], given);
    assert_eq!(aws.state()["organization_packs"]["setup-keys"]["state"], "UPDATE_SUCCESSFUL");
    let summary =
        "\n3 of 4 accounts have the function and the rule, 1 the function without the rule (excluded, or new)\n";
    assert!(run.stdout.ends_with(summary), "{}", run.stdout);
    // Nothing is left to mend.
    let run = aws.succeed(SCRIPT, &["organization", "--fix"], &[]);
    assert_eq!(run.changes(), <[String; 0]>::default());
}

#[test]
fn what_the_pack_cannot_mend_is_left() {
    let aws = function_was_late();
    aws.change(|state| state["stack_set"]["instances"]["333344445555"] = json!({ "Status": "OUTDATED" }));
    let run = aws.fail(1, "Putting the pack again would not help", SCRIPT, &["organization", "--fix"], &[]);
    assert_eq!(run.changes(), <[String; 0]>::default());
}

#[test]
fn delegated_administrator_sees_the_management_account_by_its_profile() {
    let settings = [("CALL_AS", "DELEGATED_ADMIN"), ("MANAGEMENT_PROFILE", "management")];
    let aws = deployed(Aws::delegated(), "deploy-organization.sh", &[], &settings);
    let run = aws.succeed(SCRIPT, &["organization"], &settings);
    assert_eq!(run.stdout, "4 of 4 accounts have the function and the rule\n");
    assert_eq!(aws.state()["stacks"][ACCOUNT].as_object().unwrap().len(), 1);
    // Without it, it is not known whether the function is there; the rule says that it is.
    let run = aws.succeed(SCRIPT, &["organization"], &settings[..1]);
    assert_eq!(run.stdout, "4 of 4 accounts have the function and the rule\n");
}

#[test]
fn organization_without_a_pack() {
    let said = "What to do: put the pack first: scripts/deploy-organization.sh";
    Aws::organization().fail(1, said, SCRIPT, &["organization"], &[]);
}

#[test]
fn each_failure_stops_it() {
    function_was_late().fail_at_each_call(SCRIPT, &["organization", "--fix"], &[]);
}
