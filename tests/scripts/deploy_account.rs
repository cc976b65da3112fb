//! `deploy-account.sh`: bucket, code, stack, pack.

use std::fs;

use serde_json::{Value, json};

use crate::{ACCOUNT, Aws, BUCKET, option};

const SCRIPT: &str = "deploy-account.sh";
const STACK: &str = "/stacks/111122223333/setup-keys";

/// What a first deployment changes, in order.
const CHANGES: [&str; 5] = [
    "s3api create-bucket",
    "s3api put-public-access-block",
    "s3api put-object",
    "cloudformation deploy",
    "configservice put-conformance-pack",
];

#[test]
fn first_deployment_makes_everything() {
    let aws = Aws::account();
    let run = aws.succeed(SCRIPT, &["SetupWindowSeconds=120", "ExceptionTagPrefix=our own: ", "LogLevel=DEBUG"], &[]);
    assert_eq!(run.changes(), CHANGES);
    assert_eq!(run.stdout.lines().count(), 2, "what preflight.sh found: {}", run.stdout);
    let state = aws.state();
    assert_eq!(state["buckets"][BUCKET]["blocked"], true);
    let key = state["buckets"][BUCKET]["objects"][0].as_str().unwrap();
    // sha256 of `code`
    assert_eq!(key, "evaluator-5694d08a2e53ffcae0c3103e5ad6f6076abd960eb1f8a56577040bc1028f702b.zip");
    let parameters = &state.pointer(STACK).unwrap()["parameters"];
    assert_eq!(parameters["ArtifactBucket"], BUCKET);
    assert_eq!(parameters["EvaluatorKey"], key);
    assert_eq!(parameters["Architecture"], "x86_64");
    assert_eq!(parameters["LogLevel"], "DEBUG");
    assert_eq!(
        state["packs"]["setup-keys"]["given"]["ConformancePackInputParameters"],
        json!([
            { "ParameterName": "SetupWindowSeconds", "ParameterValue": "120" },
            { "ParameterName": "ExceptionTagPrefix", "ParameterValue": "our own: " },
        ])
    );
    assert!(run.stderr.ends_with("Later: scripts/status.sh account\n"), "{}", run.stderr);
}

#[test]
fn second_run_uploads_and_makes_nothing() {
    let aws = Aws::account();
    aws.succeed(SCRIPT, &["SetupWindowSeconds=120"], &[]);
    let before = aws.state();
    let run = aws.succeed(SCRIPT, &["SetupWindowSeconds=120"], &[]);
    assert_eq!(run.changes(), [CHANGES[1], CHANGES[3], CHANGES[4]]);
    assert!(run.stderr.contains("# it is there already\n"), "{}", run.stderr);
    assert!(run.stderr.contains("No changes to deploy. Stack setup-keys is up to date\n"), "{}", run.stderr);
    assert!(!run.stderr.contains("goes back to its default"), "{}", run.stderr);
    for part in ["buckets", "stacks"] {
        assert_eq!(aws.state()[part], before[part]);
    }
}

#[test]
fn new_code_and_parameters_update() {
    let aws = Aws::account();
    aws.succeed(SCRIPT, &["SetupWindowSeconds=120", "LogLevel=DEBUG"], &[]);
    fs::write(aws.directory.join("evaluator.zip"), "new code").unwrap();
    let run = aws.succeed(SCRIPT, &["Profile=kertos"], &[]);
    let state = aws.state();
    let objects = state["buckets"][BUCKET]["objects"].as_array().unwrap();
    assert_eq!(objects.len(), 2);
    let stack = state.pointer(STACK).unwrap();
    assert_eq!(stack["status"], "UPDATE_COMPLETE");
    assert_eq!(stack["parameters"]["EvaluatorKey"], objects[1]);
    // A parameter of the stack stays as it is; one of the rule does not, which is told.
    assert_eq!(stack["parameters"]["LogLevel"], "DEBUG");
    let parameters = &state["packs"]["setup-keys"]["given"]["ConformancePackInputParameters"];
    assert_eq!(*parameters, json!([{ "ParameterName": "Profile", "ParameterValue": "kertos" }]));
    let told = "# SetupWindowSeconds has been '120' and goes back to its default: it is not given\n";
    assert!(run.stderr.contains(told), "{}", run.stderr);
    assert_eq!(state["packs"]["setup-keys"]["state"], "UPDATE_COMPLETE");
}

#[test]
fn other_names_and_processor() {
    let aws = Aws::account();
    fs::rename(aws.directory.join("evaluator.zip"), aws.directory.join("evaluator-arm64.zip")).unwrap();
    aws.succeed(SCRIPT, &[], &[("ARCHITECTURE", "arm64"), ("STACK_NAME", "evaluator"), ("PACK_NAME", "iam")]);
    let state = aws.state();
    assert_eq!(state["stacks"][ACCOUNT]["evaluator"]["parameters"]["Architecture"], "arm64");
    assert_eq!(state["packs"]["iam"]["state"], "CREATE_COMPLETE");
}

#[test]
fn bucket_of_the_user() {
    let bucket = |owner: &str, region: &str| json!({ "owner": owner, "region": region, "objects": ["theirs"] });
    let settings = [("ARTIFACT_BUCKET", "artifacts")];
    let aws = Aws::account().with(|state| state["buckets"]["artifacts"] = bucket(ACCOUNT, "eu-west-1"));
    let run = aws.succeed(SCRIPT, &[], &settings);
    assert_eq!(run.changes(), CHANGES[2..]);
    assert_eq!(aws.state().pointer(STACK).unwrap()["parameters"]["ArtifactBucket"], "artifacts");

    let aws = Aws::account().with(|state| state["buckets"]["artifacts"] = bucket(ACCOUNT, "us-east-1"));
    let run = aws.fail(
        1,
        "the bucket artifacts is in us-east-1\nWhat to do: name a bucket in eu-west-1",
        SCRIPT,
        &[],
        &settings,
    );
    assert_eq!(run.changes(), <[String; 0]>::default());

    // None, and one of somebody else, who would get the code, or whose code we would run.
    aws.fail(1, "What to do: none must be a bucket of account", SCRIPT, &[], &[("ARTIFACT_BUCKET", "none")]);
    let aws = Aws::account().with(|state| state["buckets"][BUCKET] = bucket("999988887777", "eu-west-1"));
    let run = aws.fail(1, "name another one as ARTIFACT_BUCKET", SCRIPT, &[], &[]);
    assert_eq!(run.changes(), <[String; 0]>::default());
    for call in run.calls_of("s3api head-bucket") {
        assert_eq!(option(call, "--expected-bucket-owner"), [ACCOUNT]);
    }
}

#[test]
fn us_east_1_is_not_named() {
    let aws = Aws::account().with(|state| state["region"] = json!("us-east-1"));
    let run = aws.succeed(SCRIPT, &[], &[("AWS_REGION", "us-east-1")]);
    assert_eq!(option(run.calls_of("s3api create-bucket")[0], "--create-bucket-configuration"), [""; 0]);
}

#[test]
fn without_a_package_nothing_is_run() {
    let aws = Aws::account();
    fs::remove_file(aws.directory.join("evaluator.zip")).unwrap();
    let run = aws.fail(1, "evaluator.zip\nWhat to do: run: make package\n", SCRIPT, &[], &[]);
    assert_eq!(run.calls.len(), 0);
}

#[test]
fn remediation_only_where_it_is_asked_for() {
    let aws = Aws::account();
    let run = aws.succeed(SCRIPT, &["Automatic=true", "Profile=kertos"], &[("REMEDIATION", "1")]);
    assert_eq!(run.changes(), [&CHANGES[..3], &CHANGES[2..]].concat());
    let state = aws.state();
    assert_eq!(state.pointer(STACK).unwrap()["parameters"]["RemediatorKey"], state["buckets"][BUCKET]["objects"][1]);
    let template = |state: &Value| state["packs"]["setup-keys"]["given"]["TemplateBody"].as_str().unwrap().to_owned();
    assert!(template(&state).contains("'arn:aws:iam::111122223333:role/SetupKeysRemediation'"));

    // Where the pack is put again, it stays.
    aws.change(|state| state["packs"]["setup-keys"]["state"] = json!("CREATE_FAILED"));
    aws.change(|state| state["packs"]["setup-keys"]["reason"] = json!("Internal failure."));
    aws.succeed("status.sh", &["--fix"], &[]);
    assert_eq!(template(&aws.state()), template(&state));

    // What is not asked for any more goes, with its permissions.
    aws.fail(2, "there is no parameter Automatic", SCRIPT, &["Automatic=true"], &[]);
    aws.succeed(SCRIPT, &["Profile=kertos"], &[]);
    let state = aws.state();
    assert_eq!(state.pointer(STACK).unwrap()["parameters"]["RemediatorKey"], "");
    assert!(!template(&state).contains("RemediationConfiguration"));
}

#[test]
fn deletion_on_schedule_judges_by_the_parameters_of_the_rule() {
    let aws = Aws::account();
    let given = ["Profile=kertos", "ExceptionTagPrefix=our own: ", "DeleteInactiveSchedule=cron(0 3 ? * SUN#1 *)"];
    aws.succeed(SCRIPT, &given, &[("REMEDIATION", "1")]);
    let parameters = aws.state().pointer(STACK).unwrap()["parameters"].clone();
    assert_eq!(parameters["DeleteInactiveSchedule"], "cron(0 3 ? * SUN#1 *)");
    let rule: Value = serde_json::from_str(parameters["DeleteInactiveRuleParameters"].as_str().unwrap()).unwrap();
    assert_eq!(rule, json!({ "profile": "kertos", "exceptionTagPrefix": "our own: " }));

    // The schedule stays as it is; parameters of the rule that are not given have their defaults, here as in the rule.
    aws.succeed(SCRIPT, &[], &[("REMEDIATION", "1")]);
    let parameters = aws.state().pointer(STACK).unwrap()["parameters"].clone();
    assert_eq!(parameters["DeleteInactiveSchedule"], "cron(0 3 ? * SUN#1 *)");
    assert_eq!(parameters["DeleteInactiveRuleParameters"], "{}");
}

#[test]
fn events_of_iam_are_forwarded_to_another_home_region() {
    const THERE: &str = "/stacks/111122223333 us-east-1/setup-keys-forward-iam-events";
    let aws = Aws::account();
    let run = aws.succeed(SCRIPT, &["PromptVerdicts=on"], &[]);
    assert_eq!(run.calls_of("cloudformation deploy").len(), 2);
    assert_eq!(aws.state().pointer(THERE).unwrap()["parameters"]["HomeRegion"], "eu-west-1");
    // What is not given stays as it is.
    aws.succeed(SCRIPT, &[], &[]);
    assert!(aws.state().pointer(THERE).is_some());
    aws.succeed(SCRIPT, &["PromptVerdicts=off"], &[]);
    assert_eq!(aws.state().pointer(THERE), None);

    // It goes with all else.
    aws.succeed(SCRIPT, &["PromptVerdicts=on"], &[]);
    aws.succeed("remove.sh", &["account"], &[]);
    assert_eq!(aws.state().pointer(THERE), None);

    let aws = Aws::account().with(|state| state["region"] = json!("us-east-1"));
    let run = aws.succeed(SCRIPT, &["PromptVerdicts=on"], &[("AWS_REGION", "us-east-1")]);
    assert_eq!(run.calls_of("cloudformation deploy").len(), 1);
}

#[test]
fn preflight_comes_first() {
    let aws = Aws::account().with(|state| state["recorders"] = json!([]));
    let run = aws.fail(1, "deploy-account.sh: nothing has been made\n", SCRIPT, &[], &[]);
    assert_eq!(run.commands(), ["sts get-caller-identity", "configservice describe-configuration-recorders"]);
    let run = aws.succeed(SCRIPT, &[], &[("SKIP_PREFLIGHT", "1")]);
    assert_eq!(run.changes(), CHANGES);
}

#[test]
fn each_failure_stops_it() {
    Aws::account().fail_at_each_call(SCRIPT, &["SetupWindowSeconds=120"], &[("SKIP_PREFLIGHT", "1")]);
}

#[test]
fn stack_that_fails_stops_it() {
    // The stack cannot be made, and what is left of it cannot be updated.
    let aws = Aws::account().with(|state| {
        state["faults"] =
            json!([{ "command": "cloudformation deploy", "code": "ValidationError", "message": "Too large." }]);
    });
    let run = aws.fail(
        1,
        "What to do: see why: aws cloudformation describe-stack-events --stack-name setup-keys",
        SCRIPT,
        &[],
        &[],
    );
    assert_eq!(run.commands().last().unwrap(), "cloudformation deploy");

    let aws = Aws::account().with(|state| {
        let rolled_back = json!({ "template": "member.yaml", "parameters": {}, "status": "ROLLBACK_COMPLETE" });
        state["stacks"][ACCOUNT]["setup-keys"] = rolled_back;
    });
    for (status, mend) in
        [("ROLLBACK_COMPLETE", "delete-stack"), ("UPDATE_ROLLBACK_FAILED", "continue-update-rollback")]
    {
        aws.change(|state| state["stacks"][ACCOUNT]["setup-keys"]["status"] = json!(status));
        let said = format!("the stack setup-keys is in {status}, in which it cannot be updated\n");
        let run = aws.fail(1, &said, SCRIPT, &[], &[]);
        let mend = format!("; then: aws cloudformation {mend} --stack-name setup-keys\n");
        assert!(run.stderr.contains(&mend), "{}", run.stderr);
        assert_eq!(run.commands().last().unwrap(), "cloudformation describe-stacks");
    }
}

#[test]
fn pack_that_fails_is_told() {
    let aws = Aws::account().with(|state| state["pack_failure"] = json!("Rule quota exceeded."));
    aws.fail(1, "the pack setup-keys is in CREATE_FAILED: Rule quota exceeded.\n", SCRIPT, &[], &[]);
    aws.change(|state| state["pack_failure"] = json!(null));
    aws.succeed(SCRIPT, &[], &[]);
    assert_eq!(aws.state()["packs"]["setup-keys"]["state"], "CREATE_COMPLETE");
}

#[test]
fn what_is_under_way_is_waited_for() {
    let aws = Aws::account();
    aws.succeed(SCRIPT, &[], &[]);
    aws.change(|state| {
        let stack = state.pointer_mut(STACK).unwrap();
        stack["busy"] = json!(3);
        stack["busy_status"] = json!("UPDATE_IN_PROGRESS");
        state["packs"]["setup-keys"]["busy"] = json!(3);
    });
    let run = aws.succeed(SCRIPT, &[], &[]);
    // After them, whether prompt verdicts are on, and whether events are forwarded.
    assert_eq!(run.calls_of("cloudformation describe-stacks").len(), 4 + 2);
    assert_eq!(run.calls_of("configservice describe-conformance-pack-status").len(), 4 + 2);
    // Shown once, however often it is called.
    assert_eq!(run.stderr.matches("+ aws cloudformation describe-stacks").count(), 1 + 1);

    aws.change(|state| state["packs"]["setup-keys"]["busy"] = json!(99));
    let said = "gave up waiting until no operation on the pack setup-keys is under way: looked 5 times\n";
    let run = aws.fail(1, said, SCRIPT, &[], &[]);
    assert_eq!(run.calls_of("configservice put-conformance-pack").len(), 0);
}
