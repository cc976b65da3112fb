//! `preflight.sh`: what it finds in accounts of every kind.

use serde_json::{Value, json};

use crate::{ACCOUNT, Aws};

const RECORDS: &str = "ok       the recorder default records AWS::IAM::User";
const RUNS: &str = "ok       the recorder default is recording";

/// The lines that say what was found, without what to do about it.
fn findings(output: &str) -> Vec<&str> {
    output.lines().filter(|line| !line.starts_with(' ')).collect()
}

#[track_caller]
fn assert_found(aws: &Aws, arguments: &[&str], settings: &[(&str, &str)], status: i32, expected: &[&str]) {
    let run = aws.run("preflight.sh", arguments, settings);
    assert_eq!(findings(&run.stdout), expected, "{}", run.stderr);
    assert_eq!(run.status, status, "{}", run.stderr);
    // Each problem comes with what to do about it.
    let advice = run.stdout.lines().filter(|line| line.starts_with("         -> ")).count();
    assert_eq!(advice, expected.iter().filter(|finding| !finding.starts_with("ok ")).count(), "{}", run.stdout);
    assert_eq!(run.changes(), ["sts get-caller-identity"; 0]);
}

#[test]
fn what_the_recorder_records() {
    let not = "problem  the recorder default does not record AWS::IAM::User";
    for (group, expected) in [
        (json!({ "allSupported": true, "includeGlobalResourceTypes": true }), RECORDS.to_owned()),
        (json!({ "allSupported": true }), format!("{not}: all types, but without the global IAM types")),
        (
            json!({ "allSupported": false, "resourceTypes": ["AWS::EC2::Instance", "AWS::IAM::User"] }),
            RECORDS.to_owned(),
        ),
        (
            json!({ "resourceTypes": ["AWS::IAM::Role"], "allSupported": false }),
            format!("{not}: it is not among the types it names"),
        ),
        (strategy("ALL_SUPPORTED_RESOURCE_TYPES", json!({ "includeGlobalResourceTypes": true })), RECORDS.to_owned()),
        (
            strategy("ALL_SUPPORTED_RESOURCE_TYPES", json!({ "includeGlobalResourceTypes": false })),
            format!("{not}: all types, but without the global IAM types"),
        ),
        (strategy("INCLUSION_BY_RESOURCE_TYPES", json!({ "resourceTypes": ["AWS::IAM::User"] })), RECORDS.to_owned()),
        (
            strategy("INCLUSION_BY_RESOURCE_TYPES", json!({ "resourceTypes": ["AWS::IAM::Role"] })),
            format!("{not}: it is not among the types it names"),
        ),
        (
            strategy(
                "EXCLUSION_BY_RESOURCE_TYPES",
                json!({ "exclusionByResourceTypes": { "resourceTypes": ["AWS::IAM::Role"] }, "includeGlobalResourceTypes": false }),
            ),
            RECORDS.to_owned(),
        ),
        (
            strategy(
                "EXCLUSION_BY_RESOURCE_TYPES",
                json!({ "exclusionByResourceTypes": { "resourceTypes": ["AWS::IAM::User"] } }),
            ),
            format!("{not}: it is among the excluded types"),
        ),
    ] {
        let aws = Aws::account().with(|state| state["recorders"][0]["recordingGroup"] = group);
        let status = i32::from(expected != RECORDS);
        assert_found(&aws, &[], &[], status, &[&expected, RUNS]);
    }
}

fn strategy(name: &str, mut group: Value) -> Value {
    group["recordingStrategy"] = json!({ "useOnly": name });
    group
}

#[test]
fn how_often_it_records() {
    let daily =
        "warning  the recorder default records AWS::IAM::User once a day: a changed user is judged up to a day late";
    let only = |frequency: &str, types: &[&str]| json!([{ "resourceTypes": types, "recordingFrequency": frequency }]);
    for (mode, late) in [
        (json!({ "recordingFrequency": "CONTINUOUS" }), false),
        (json!({ "recordingFrequency": "DAILY" }), true),
        (
            json!({ "recordingFrequency": "CONTINUOUS", "recordingModeOverrides": only("DAILY", &["AWS::EC2::Volume", "AWS::IAM::User"]) }),
            true,
        ),
        (
            json!({ "recordingFrequency": "CONTINUOUS", "recordingModeOverrides": only("DAILY", &["AWS::IAM::Role"]) }),
            false,
        ),
        (
            json!({ "recordingFrequency": "DAILY", "recordingModeOverrides": only("CONTINUOUS", &["AWS::IAM::User"]) }),
            false,
        ),
        (Value::Null, false),
    ] {
        let aws = Aws::account().with(|state| {
            let recorder = state["recorders"][0].as_object_mut().unwrap();
            recorder.remove("recordingMode");
            if !mode.is_null() {
                recorder.insert("recordingMode".to_owned(), mode);
            }
        });
        // It works all the same.
        let expected: &[&str] = if late { &[RECORDS, daily, RUNS] } else { &[RECORDS, RUNS] };
        assert_found(&aws, &[], &[], 0, expected);
    }
}

#[test]
fn recorder_is_missing_stopped_or_failing() {
    let aws = Aws::account().with(|state| state["recorders"] = json!([]));
    assert_found(&aws, &[], &[], 1, &["problem  AWS Config has no configuration recorder in eu-west-1"]);

    let aws = Aws::account().with(|state| state["recorder_status"][0]["recording"] = json!(false));
    assert_found(&aws, &[], &[], 1, &[RECORDS, "problem  the recorder default is stopped"]);

    let aws = Aws::account().with(|state| {
        state["recorder_status"][0] = json!({
            "name": "default", "recording": true, "lastStatus": "Failure",
            "lastErrorCode": "AccessDenied", "lastErrorMessage": "The role cannot be assumed.",
        });
    });
    let failing = "problem  the recorder default fails: AccessDenied: The role cannot be assumed.";
    assert_found(&aws, &[], &[], 1, &[RECORDS, failing]);
}

#[test]
fn everything_wrong_is_told() {
    let aws = Aws::account().with(|state| {
        state["region"] = json!("me-central-1");
        state["recorders"][0]["recordingGroup"]["includeGlobalResourceTypes"] = json!(false);
        state["recorders"][0]["recordingMode"]["recordingFrequency"] = json!("DAILY");
        state["recorder_status"][0]["recording"] = json!(false);
    });
    let expected = [
        "problem  AWS Config cannot record IAM users in me-central-1",
        "problem  the recorder default does not record AWS::IAM::User: all types, but without the global IAM types",
        "warning  the recorder default records AWS::IAM::User once a day: a changed user is judged up to a day late",
        "problem  the recorder default is stopped",
    ];
    assert_found(&aws, &[], &[("AWS_REGION", "me-central-1")], 1, &expected);
    let said = "preflight.sh: account 111122223333, me-central-1: 3 to mend first\n";
    aws.fail(1, said, "preflight.sh", &[], &[("AWS_REGION", "me-central-1")]);
}

#[test]
fn what_cannot_be_read_is_told_too() {
    let denied = |command: &str| json!({ "command": command, "code": "AccessDeniedException", "message": "Not you." });
    let aws = Aws::organization().with(|state| {
        state["faults"] = json!([
            denied("configservice describe-configuration-recorders"),
            denied("organizations list-aws-service-access-for-organization"),
        ]);
    });
    let run = aws.run("preflight.sh", &["organization"], &[]);
    assert_eq!(run.status, 1);
    let problems: Vec<_> = findings(&run.stdout).into_iter().filter(|line| line.starts_with("problem")).collect();
    assert_eq!(problems.len(), 2, "{}", run.stdout);
    assert!(problems[0].starts_with("problem  cannot read the configuration recorder: "), "{}", problems[0]);
    assert!(problems[0].ends_with("DescribeConfigurationRecorders operation: Not you."), "{}", problems[0]);
    assert!(problems[1].starts_with("problem  cannot read which services have trusted access"), "{}", problems[1]);

    // Whoever is not signed in gets no further.
    let aws = Aws::account().with(|state| state["faults"] = json!([denied("sts get-caller-identity")]));
    let run = aws.fail(1, "What to do: sign in first", "preflight.sh", &[], &[]);
    assert_eq!(run.calls.len(), 1);
}

const FEATURES: &str = "ok       the organization has all features";
const CONFIG: &str = "ok       AWS Config has trusted access";
const STACK_SETS: &str = "ok       CloudFormation StackSets has trusted access";
const MANAGEMENT: &str = "ok       account 111122223333 is the management account";

#[test]
fn organization_of_the_management_account() {
    let organization = ["organization"];
    let aws = Aws::organization();
    assert_found(&aws, &organization, &[], 0, &[RECORDS, RUNS, FEATURES, CONFIG, STACK_SETS, MANAGEMENT]);
    // Without a rule in the management account its recorder does not matter.
    let settings = [("EXCLUDE_MANAGEMENT", "1")];
    aws.change(|state| state["recorders"] = json!([]));
    assert_found(&aws, &organization, &settings, 0, &[FEATURES, CONFIG, STACK_SETS, MANAGEMENT]);

    aws.change(|state| {
        state["organization"]["features"] = json!("CONSOLIDATED_BILLING");
        state["organization"]["services"] = json!(["config.amazonaws.com"]);
    });
    let expected = [
        "problem  the organization does not have all features: CONSOLIDATED_BILLING",
        "problem  AWS Config has no trusted access for organization conformance packs",
        "problem  CloudFormation StackSets has no trusted access",
        MANAGEMENT,
    ];
    assert_found(&aws, &organization, &settings, 1, &expected);

    let settings = [("CALL_AS", "DELEGATED_ADMIN")];
    let expected = "problem  account 111122223333 is the management account, not a delegated administrator";
    assert_found(
        &Aws::organization(),
        &organization,
        &settings,
        1,
        &[RECORDS, RUNS, FEATURES, CONFIG, STACK_SETS, expected],
    );

    let aws = Aws::account();
    assert_found(&aws, &organization, &[], 1, &[RECORDS, RUNS, "problem  account 111122223333 is in no organization"]);
}

#[test]
fn organization_of_another_account() {
    let organization = ["organization"];
    let delegated = [("CALL_AS", "DELEGATED_ADMIN"), ("MANAGEMENT_PROFILE", "management")];
    let is = |service: &str| format!("ok       account 222233334444 is a delegated administrator of {service}");
    let administers = [
        &is("config-multiaccountsetup.amazonaws.com"),
        &is("member.org.stacksets.cloudformation.amazonaws.com"),
        &is("config.amazonaws.com"),
    ];
    let before = [RECORDS, RUNS, FEATURES, CONFIG, STACK_SETS, administers[0], administers[1]];
    let role = "ok       the management account has the role AWSServiceRoleForConfigConforms";
    let aws = Aws::delegated();
    assert_found(&aws, &organization, &delegated, 0, &[&before[..], &[administers[2], role]].concat());

    // Whose role cannot be seen; no rule for it, no role.
    let unseen = "warning  cannot see whether the management account has the role AWSServiceRoleForConfigConforms: without it, it gets no rule";
    assert_found(&aws, &organization, &delegated[..1], 0, &[&before[..], &[administers[2], unseen]].concat());
    let settings = [("CALL_AS", "DELEGATED_ADMIN"), ("EXCLUDE_MANAGEMENT", "1")];
    assert_found(&aws, &organization, &settings, 0, &[&before[..], &[administers[2]]].concat());

    // What is missing.
    aws.change(|state| {
        state["organization"]["delegated"]["222233334444"].as_array_mut().unwrap().remove(0);
        state["roles"] = json!({ ACCOUNT: [] });
    });
    let no_aggregator = "warning  account 222233334444 is no delegated administrator of config.amazonaws.com: it cannot have the aggregator";
    let no_role =
        "problem  the management account lacks the role AWSServiceRoleForConfigConforms: it would get no rule";
    assert_found(&aws, &organization, &delegated, 1, &[&before[..], &[no_aggregator, no_role]].concat());

    let not_management = "problem  account 222233334444 is not the management account 111122223333";
    assert_found(&aws, &organization, &[], 1, &[&before[..5], &[not_management]].concat());

    // An account that administers nothing may not even ask.
    aws.change(|state| state["organization"]["delegated"] = json!({}));
    let run = aws.run("preflight.sh", &organization, &settings);
    assert_eq!(run.status, 1);
    let problems: Vec<_> = findings(&run.stdout).into_iter().filter(|line| line.starts_with("problem")).collect();
    assert_eq!(problems.len(), 3, "{}", run.stdout);
    assert!(problems[0].contains("only the management account and delegated administrators may"), "{}", problems[0]);
    assert_eq!(
        problems[1],
        "problem  account 222233334444 is no delegated administrator of config-multiaccountsetup.amazonaws.com"
    );
}
