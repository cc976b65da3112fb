//! `deploy-organization.sh`: bucket, code, `StackSet`, the management account's stack, pack.

use serde_json::{Value, json};

use crate::{ACCOUNT, Aws, option};

const SCRIPT: &str = "deploy-organization.sh";
const BUCKET: &str = "setup-keys-organization-artifacts-1a2b3c4d5e6f";
const STACK: &str = "/stacks/111122223333/setup-keys-organization";
const PUT: &str = "configservice put-organization-conformance-pack";

/// What a first deployment changes, in order: the organization's stack for its bucket, code and templates, the same stack
/// for its `StackSet`, the management account's own stack, the pack.
const CHANGES: [&str; 7] = [
    "cloudformation deploy",
    "s3api put-object",
    "s3api put-object",
    "s3api put-object",
    "cloudformation deploy",
    "cloudformation deploy",
    "configservice put-organization-conformance-pack",
];

/// The accounts that have the rule.
fn with_rule(state: &Value) -> Vec<&String> {
    state["organization_packs"]["setup-keys"]["accounts"].as_object().unwrap().keys().collect()
}

/// The accounts that have the function by `StackSet`.
fn with_function(state: &Value) -> Vec<&String> {
    let instances = state["stack_set"]["instances"].as_object().unwrap();
    instances.iter().filter(|(_, instance)| instance["Status"] == "CURRENT").map(|(account, _)| account).collect()
}

#[test]
fn first_deployment_makes_everything() {
    let aws = Aws::organization();
    let run = aws.succeed(SCRIPT, &["Profile=check-point", "LogLevel=DEBUG", "CreateDashboard=false"], &[]);
    assert_eq!(run.changes(), CHANGES);
    let deployed = run.calls_of("cloudformation deploy");
    assert!(!deployed[0].iter().any(|word| word.starts_with("TemplateKey=")), "{:?}", deployed[0]);
    let state = aws.state();
    let stack = state.pointer(STACK).unwrap();
    assert_eq!(stack["parameters"]["OrganizationId"], "o-exampleorg1");
    assert_eq!(stack["parameters"]["OrganizationalUnitIds"], "r-ab12");
    assert_eq!(stack["parameters"]["CallAs"], "SELF");
    assert_eq!(stack["parameters"]["LogLevel"], "DEBUG");
    assert_eq!(stack["parameters"]["CreateDashboard"], "false");
    let objects = &state["buckets"][BUCKET]["objects"];
    let keys = ["EvaluatorKey", "TemplateKey", "ForwardTemplateKey"].map(|name| &stack["parameters"][name]);
    assert_eq!(*objects, json!(keys));
    let of_management = &state["stacks"][ACCOUNT]["setup-keys"]["parameters"];
    assert_eq!(of_management["ArtifactBucket"], BUCKET);
    assert_eq!(of_management["LogLevel"], "DEBUG");
    assert_eq!(with_function(&state), ["222233334444", "333344445555", "444455556666"]);
    assert_eq!(with_rule(&state), ["111122223333", "222233334444", "333344445555", "444455556666"]);
    assert_eq!(state["organization_packs"]["setup-keys"]["state"], "CREATE_SUCCESSFUL");
    let parameters = &state["organization_packs"]["setup-keys"]["given"]["ConformancePackInputParameters"];
    assert_eq!(*parameters, json!([{ "ParameterName": "Profile", "ParameterValue": "check-point" }]));
}

#[test]
fn second_run_makes_nothing() {
    let aws = Aws::organization();
    aws.succeed(SCRIPT, &["Profile=check-point"], &[]);
    let before = aws.state();
    let run = aws.succeed(SCRIPT, &["Profile=check-point"], &[]);
    assert_eq!(run.changes(), CHANGES[4..]);
    assert_eq!(run.stderr.matches("No changes to deploy").count(), 2, "{}", run.stderr);
    for part in ["buckets", "stacks"] {
        assert_eq!(aws.state()[part], before[part]);
    }
}

#[test]
fn management_account_is_left_out() {
    let aws = Aws::organization().with(|state| state["recorders"] = json!([]));
    let run = aws.succeed(SCRIPT, &[], &[("EXCLUDE_MANAGEMENT", "1"), ("EXCLUDED_ACCOUNTS", "444455556666")]);
    assert_eq!(run.changes(), [&CHANGES[..5], &CHANGES[6..]].concat());
    let state = aws.state();
    assert_eq!(state["stacks"][ACCOUNT].as_object().unwrap().keys().collect::<Vec<_>>(), ["setup-keys-organization"]);
    assert_eq!(option(run.calls_of(PUT)[0], "--excluded-accounts"), ["444455556666", "111122223333"]);
    assert_eq!(with_rule(&state), ["222233334444", "333344445555"]);
    let said = "# 444455556666: EXCLUDED_ACCOUNTS\n# 111122223333: the management account, EXCLUDE_MANAGEMENT\n";
    assert!(run.stderr.contains(said), "{}", run.stderr);
}

#[test]
fn units_get_it_with_the_units_below_them() {
    let aws = Aws::organization();
    let run = aws.succeed(SCRIPT, &[], &[("ORG_UNITS", "ou-ab12-11111111")]);
    let state = aws.state();
    assert_eq!(with_function(&state), ["222233334444", "333344445555"]);
    // An account without the function would fail with the rule.
    assert_eq!(option(run.calls_of(PUT)[0], "--excluded-accounts"), ["444455556666"]);
    assert!(run.stderr.contains("# 444455556666: not in ou-ab12-11111111\n"), "{}", run.stderr);
    assert_eq!(with_rule(&state), ["111122223333", "222233334444", "333344445555"]);

    // Not named again, they stay.
    aws.succeed(SCRIPT, &[], &[]);
    assert_eq!(with_rule(&aws.state()), with_rule(&state));
    assert_eq!(with_function(&aws.state()), with_function(&state));
}

#[test]
fn more_units_get_the_function_before_the_rule() {
    let aws = Aws::organization();
    aws.succeed(SCRIPT, &[], &[("ORG_UNITS", "ou-ab12-33333333")]);
    let run = aws.succeed(SCRIPT, &[], &[("ORG_UNITS", "ou-ab12-22222222,ou-ab12-33333333")]);
    assert_eq!(run.changes(), CHANGES[4..]);
    let state = aws.state();
    assert_eq!(with_rule(&state), ["111122223333", "333344445555", "444455556666"]);
    assert_eq!(state["organization_packs"]["setup-keys"]["state"], "UPDATE_SUCCESSFUL");
}

#[test]
fn fewer_units_lose_the_rule_before_the_function() {
    let aws = Aws::organization();
    aws.succeed(SCRIPT, &[], &[("EXCLUDED_ACCOUNTS", "222233334444")]);
    let run = aws.succeed(SCRIPT, &[], &[("ORG_UNITS", "ou-ab12-11111111")]);
    assert_eq!(run.changes(), [PUT, CHANGES[4], CHANGES[5], PUT]);
    let puts = run.calls_of(PUT);
    // What is to get the rule now waits for the function.
    assert_eq!(option(puts[0], "--excluded-accounts"), ["222233334444", "444455556666"]);
    assert_eq!(option(puts[1], "--excluded-accounts"), ["444455556666"]);
    let state = aws.state();
    assert_eq!(with_function(&state), ["222233334444", "333344445555"]);
    assert_eq!(with_rule(&state), ["111122223333", "222233334444", "333344445555"]);
}

#[test]
fn delegated_administrator() {
    let settings = [("CALL_AS", "DELEGATED_ADMIN"), ("MANAGEMENT_PROFILE", "management")];
    let aws = Aws::delegated();
    let run = aws.succeed(SCRIPT, &[], &settings);
    assert_eq!(run.changes(), CHANGES);
    let deployed = run.calls_of("cloudformation deploy");
    assert_eq!(deployed.iter().map(|call| call[0] == "--profile").collect::<Vec<_>>(), [false, false, true]);
    let state = aws.state();
    assert_eq!(state["stacks"][ACCOUNT]["setup-keys"]["status"], "CREATE_COMPLETE");
    assert_eq!(state["stacks"]["222233334444"]["setup-keys-organization"]["parameters"]["CallAs"], "DELEGATED_ADMIN");
    assert_eq!(with_rule(&state).len(), 4);

    // A profile of another account would get the stack.
    let aws = Aws::delegated().with(|state| state["profiles"]["management"] = json!("444455556666"));
    let settings = [settings[0], settings[1], ("SKIP_PREFLIGHT", "1")];
    let run = aws.fail(2, "MANAGEMENT_PROFILE is of account 444455556666", SCRIPT, &[], &settings);
    assert_eq!(run.changes(), <[String; 0]>::default());
}

#[test]
fn bucket_of_the_user() {
    let aws = Aws::organization().with(|state| {
        state["buckets"]["artifacts"] = json!({ "owner": ACCOUNT, "region": "eu-west-1", "objects": [] });
    });
    let run = aws.succeed(SCRIPT, &[], &[("ARTIFACT_BUCKET", "artifacts")]);
    assert_eq!(run.changes(), CHANGES[1..]);
    assert_eq!(aws.state().pointer(STACK).unwrap()["parameters"]["ArtifactBucket"], "artifacts");
    // Not named again, it stays.
    let run = aws.succeed(SCRIPT, &[], &[]);
    assert_eq!(run.changes(), CHANGES[4..]);
    assert_eq!(aws.state()["buckets"].as_object().unwrap().len(), 1);
}

#[test]
fn management_account_forwards_its_events_too() {
    let aws = Aws::organization();
    aws.succeed(SCRIPT, &["PromptVerdicts=on"], &[]);
    let there = &aws.state()["stacks"][format!("{ACCOUNT} us-east-1")];
    assert_eq!(there["setup-keys-forward-iam-events"]["parameters"]["HomeRegion"], "eu-west-1");

    // The functions are where CloudTrail tells of IAM: there is nothing to forward.
    let aws = Aws::organization().with(|state| state["region"] = json!("us-east-1"));
    let run = aws.succeed(SCRIPT, &["PromptVerdicts=on"], &[("AWS_REGION", "us-east-1")]);
    assert_eq!(run.calls_of("s3api put-object").len(), 2);
    assert_eq!(aws.state().pointer(STACK).unwrap()["parameters"]["ForwardTemplateKey"], "");
}

#[test]
fn account_that_the_stack_set_cannot_deploy_to_is_told() {
    let aws = Aws::organization().with(|state| {
        state["stack_failures"]["333344445555"] = json!("A service control policy denies lambda:CreateFunction.");
    });
    let said = "the pack setup-keys is in CREATE_FAILED: The pack failed in some accounts.\n\
                What to do: scripts/status.sh organization says which accounts failed and why";
    let run = aws.fail(1, said, SCRIPT, &[], &[]);
    let said = "# account 333344445555 does not have the function as it should be: OUTDATED, FAILED: A service control";
    assert!(run.stderr.contains(said), "{}", run.stderr);
    // A suspended account is nobody's concern.
    assert!(!run.stderr.contains("555566667777"), "{}", run.stderr);
}

#[test]
fn remediation_has_the_role_of_the_management_account() {
    let settings = [("CALL_AS", "DELEGATED_ADMIN"), ("MANAGEMENT_PROFILE", "management"), ("REMEDIATION", "1")];
    let aws = Aws::delegated();
    let run = aws.succeed(SCRIPT, &["Automatic=true"], &settings);
    assert_eq!(run.calls_of("s3api put-object").len(), 4);
    let state = aws.state();
    let key = &state["buckets"][BUCKET]["objects"][1];
    assert!(key.as_str().unwrap().starts_with("remediator-"), "{key}");
    let stack = &state["stacks"]["222233334444"]["setup-keys-organization"];
    assert_eq!(stack["parameters"]["RemediatorKey"], *key);
    assert_eq!(state["stacks"][ACCOUNT]["setup-keys"]["parameters"]["RemediatorKey"], *key);
    let given = &state["organization_packs"]["setup-keys"]["given"];
    // AWS Config puts the id of each account for it.
    assert!(given["TemplateBody"].as_str().unwrap().contains("'arn:aws:iam::111122223333:role/SetupKeysRemediation'"));

    // Where the pack is put again, it stays.
    aws.change(|state| {
        let failed = json!({ "Status": "CREATE_FAILED" });
        state["organization_packs"]["setup-keys"]["accounts"]["333344445555"] = failed;
    });
    aws.succeed("status.sh", &["organization", "--fix"], &settings[..2]);
    assert_eq!(aws.state()["organization_packs"]["setup-keys"]["given"], *given);
}

#[test]
fn preflight_comes_first() {
    let aws = Aws::organization().with(|state| state["organization"]["services"] = json!([]));
    let run = aws.fail(1, "deploy-organization.sh: nothing has been made\n", SCRIPT, &[], &[]);
    assert_eq!(run.changes(), <[String; 0]>::default());
}

#[test]
fn each_failure_stops_it() {
    let settings = [("SKIP_PREFLIGHT", "1"), ("ORG_UNITS", "ou-ab12-11111111")];
    Aws::organization().fail_at_each_call(SCRIPT, &["Profile=cyscale"], &settings);
}
