//! The templates deployed to moto, and looked at through boto3.
//!
//! moto's CloudFormation makes neither alarms, event invoke configurations, resource policies of functions, bucket policies,
//! aggregators nor stack sets, and ignores logging and architecture of a function: these are left out here. It has no
//! conformance packs that make rules, so the rule of the pack is put by itself.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::{
    CENTRAL, EVERYTHING, FORWARD, MEMBER, MEMBER_READ_ROLE, ORGANIZATION, PACK, REGION, members, remediation, required,
    stack, templates_py,
};

/// Deploys these templates, one after the other, and then these rules.
fn deploy(stacks: &[(&str, &[(&str, &str)])], rules: &[Value]) -> Value {
    let stacks = stacks.iter().map(|(file, given)| {
        let parameters: serde_json::Map<_, _> =
            required(file).iter().chain(*given).map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
        json!([file, parameters])
    });
    let input = json!({
        "region": REGION,
        "buckets": { "artifacts": ["evaluator-0123.zip", "remediator-89ab.zip"] },
        "stacks": stacks.collect::<Vec<_>>(),
        "rules": rules,
    });
    let deployed = templates_py("deploy", &[], &input);
    for stack in deployed["stacks"].as_array().unwrap() {
        assert_eq!(stack["status"], "CREATE_COMPLETE");
    }
    deployed
}

/// The resources of a stack that moto makes.
fn made(stack: &Value) -> Vec<&str> {
    members(&stack["resources"]).keys().map(String::as_str).collect()
}

#[test]
fn member_stack_is_what_the_rule_of_the_pack_needs() {
    let export = "setup-keys-evaluator-arn";
    let arn = "arn:aws:lambda:eu-central-1:123456789012:function:setup-keys-evaluator";
    let mut rule = stack(PACK, &[]).properties("IamUserNoSetupAccessKeys");
    assert_eq!(rule["Source"]["SourceIdentifier"], format!("imported:{export}"));
    rule["Source"]["SourceIdentifier"] = json!(arn);
    rule["InputParameters"] = json!(rule["InputParameters"].to_string());

    let deployed = deploy(&[(MEMBER, &[])], std::slice::from_ref(&rule));
    let member = &deployed["stacks"][0];
    assert_eq!(member["exports"], json!({ export: arn }));
    assert_eq!(made(member), ["Evaluator", "EvaluatorLog", "EvaluatorRole", "FailureQueue"]);

    let resources = &member["resources"];
    let function = &resources["Evaluator"]["Configuration"];
    assert_eq!(function["FunctionArn"], arn);
    assert_eq!(function["Role"], resources["EvaluatorRole"]["Arn"]);
    assert_eq!(function["Environment"], json!({ "Variables": { "ALLOWED_ACCOUNTS": "123456789012" } }));
    assert_eq!((&function["Runtime"], &function["Handler"]), (&json!("provided.al2023"), &json!("bootstrap")));
    assert_eq!((&function["MemorySize"], &function["Timeout"]), (&json!(256), &json!(900)));

    let [permission] = resources["Evaluator"]["Policy"]["Statement"].as_array().unwrap().as_slice() else { panic!() };
    assert_eq!(permission["Principal"], json!({ "Service": "config.amazonaws.com" }));
    assert_eq!(permission["Condition"], json!({ "StringEquals": { "AWS:SourceAccount": "123456789012" } }));

    let queue = &resources["FailureQueue"]["Attributes"];
    assert_eq!(queue["SqsManagedSseEnabled"], "true");
    let allows = |sid: &str| {
        let statements = resources["EvaluatorRole"]["Policies"]["evaluator"]["Statement"].as_array().unwrap();
        statements.iter().find(|it| it["Sid"] == sid).unwrap()["Resource"].clone()
    };
    assert_eq!(allows("QueueFailures"), queue["QueueArn"]);
    assert_eq!(allows("ReadUser"), "arn:aws:iam::123456789012:user/*");
    assert_eq!(resources["EvaluatorLog"][0]["retentionInDays"], 365);

    let [put] = deployed["rules"].as_array().unwrap().as_slice() else { panic!("{}", deployed["rules"]) };
    for (name, value) in members(&rule) {
        assert_eq!(put[name], *value, "{name}");
    }
}

#[test]
fn member_stack_takes_every_option() {
    let options = [
        ("MemorySize", "512"),
        ("Timeout", "300"),
        ("ReservedConcurrency", "5"),
        ("LogRetentionInDays", "30"),
        ("LogLevel", "DEBUG"),
        ("Architecture", "arm64"),
        ("AlarmTopicArn", "arn:aws:sns:eu-central-1:123456789012:alarms"),
        ("PermissionsBoundary", "boundary"),
    ];
    let deployed = deploy(&[(MEMBER, &options)], &[]);
    let resources = &deployed["stacks"][0]["resources"];
    let function = &resources["Evaluator"];
    assert_eq!(function["Configuration"]["MemorySize"], 512);
    assert_eq!(function["Configuration"]["Timeout"], 300);
    assert_eq!(function["Concurrency"], json!({ "ReservedConcurrentExecutions": 5 }));
    assert_eq!(resources["EvaluatorLog"][0]["retentionInDays"], 30);
    let boundary = &resources["EvaluatorRole"]["PermissionsBoundary"]["PermissionsBoundaryArn"];
    assert_eq!(*boundary, "arn:aws:iam::123456789012:policy/boundary");
}

#[test]
fn member_stack_has_what_remediation_and_prompt_verdicts_need() {
    let deployed = deploy(&[(MEMBER, &EVERYTHING)], &[]);
    let member = &deployed["stacks"][0];
    let resources = &member["resources"];
    let all = ["Evaluator", "EvaluatorLog", "EvaluatorRole", "FailureQueue", "KeyOrPasswordChanged"];
    let remediation =
        ["AutomationRole", "DeleteInactiveKeys", "RemediateUser", "Remediator", "RemediatorLog", "RemediatorRole"];
    assert_eq!(made(member).into_iter().collect::<BTreeSet<_>>(), all.into_iter().chain(remediation).collect());

    let remediator = &resources["Remediator"];
    assert_eq!(remediator["Configuration"]["FunctionName"], "setup-keys-remediator");
    assert_eq!(remediator["Configuration"]["Role"], resources["RemediatorRole"]["Arn"]);
    assert_eq!(remediator["Policy"], Value::Null);
    let automation = &resources["AutomationRole"];
    assert_eq!(automation["Arn"], remediation::ROLE_ARN.replace(remediation::PLACEHOLDER, "123456789012"));
    assert_eq!(member["outputs"]["AutomationRoleArn"], automation["Arn"]);
    let allowed = &automation["Policies"]["automation"]["Statement"][0];
    assert_eq!(allowed["Resource"], remediator["Configuration"]["FunctionArn"]);

    let document = &resources["RemediateUser"];
    assert_eq!(
        (&document["Name"], &document["DocumentType"]),
        (&json!("SetupKeys-RemediateUser"), &json!("Automation"))
    );
    assert_eq!(document["Content"]["mainSteps"][0]["inputs"]["FunctionName"], "setup-keys-remediator");

    let rule = &resources["KeyOrPasswordChanged"];
    assert_eq!(rule["Targets"][0]["Arn"], resources["Evaluator"]["Configuration"]["FunctionArn"]);
    let statements = resources["Evaluator"]["Policy"]["Statement"].as_array().unwrap();
    let from_events = statements.iter().find(|it| it["Principal"]["Service"] == "events.amazonaws.com").unwrap();
    assert_eq!(from_events["Condition"], json!({ "ArnLike": { "AWS:SourceArn": rule["Arn"] } }));
}

#[test]
fn central_function_and_the_role_that_it_assumes_agree() {
    // In one account here, as they are in the account of the function itself.
    let deployed = deploy(&[(CENTRAL, &[]), (MEMBER_READ_ROLE, &[])], &[]);
    let (central, member) = (&deployed["stacks"][0], &deployed["stacks"][1]);
    assert_eq!(made(central), ["Evaluator", "EvaluatorLog", "EvaluatorRole", "FailureQueue"]);
    assert_eq!(made(member), ["ReadRole"]);

    let variables = &central["resources"]["Evaluator"]["Configuration"]["Environment"]["Variables"];
    let role = &member["resources"]["ReadRole"];
    assert_eq!(variables["MEMBER_ROLE_NAME"], role["RoleName"]);
    let trust = &role["AssumeRolePolicyDocument"]["Statement"][0];
    assert_eq!(variables["MEMBER_ROLE_EXTERNAL_ID"], trust["Condition"]["StringEquals"]["sts:ExternalId"]);
    assert_eq!(variables["ALLOWED_ACCOUNTS"], "111122223333,444455556666");
    // What one stack hands to the other.
    let outputs = &central["outputs"];
    assert_eq!(outputs["EvaluatorArn"], central["resources"]["Evaluator"]["Configuration"]["FunctionArn"]);
    assert_eq!(outputs["EvaluatorRoleArn"], central["resources"]["EvaluatorRole"]["Arn"]);
}

#[test]
fn organization_stack_makes_the_bucket_first() {
    let deployed = deploy(&[(ORGANIZATION, &[])], &[]);
    let organization = &deployed["stacks"][0];
    assert_eq!(made(organization), ["AggregatorRole", "Artifacts", "Dashboard"]);
    let encryption = &organization["resources"]["Artifacts"]["ServerSideEncryptionConfiguration"]["Rules"][0];
    assert_eq!(encryption["ApplyServerSideEncryptionByDefault"], json!({ "SSEAlgorithm": "AES256" }));
    assert!(organization["outputs"]["ArtifactBucket"].as_str().unwrap().starts_with("organization-artifacts-"));
}

#[test]
fn events_are_forwarded_by_a_role_that_can_do_nothing_else() {
    let deployed = deploy(&[(FORWARD, &[])], &[]);
    let resources = &deployed["stacks"][0]["resources"];
    let target = &resources["ForwardKeyOrPasswordChanged"]["Targets"][0];
    assert_eq!(target["Arn"], "arn:aws:events:eu-central-1:123456789012:event-bus/default");
    assert_eq!(target["RoleArn"], resources["ForwardRole"]["Arn"]);
    let statement = &resources["ForwardRole"]["Policies"]["forward"]["Statement"];
    assert_eq!(statement[0]["Resource"], target["Arn"]);
}
