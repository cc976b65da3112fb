//! What has a user judged as soon as its keys or password change: events of EventBridge.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use setup_keys::event::{Event, parse};

use crate::{ACCOUNT, FORWARD, MEMBER, ORGANIZATION, REGION, SECOND_STEP, members, stack, strings, template};

fn pattern() -> Value {
    stack(MEMBER, &[("PromptVerdicts", "on")]).properties("KeyOrPasswordChanged")["EventPattern"].clone()
}

#[test]
fn rule_and_its_permissions_are_made_where_asked_for() {
    let made = |mode| stack(MEMBER, &[("PromptVerdicts", mode)]).resources().into_keys().collect::<BTreeSet<_>>();
    assert_eq!(
        made("on").difference(&made("off")).copied().collect::<Vec<_>>(),
        ["InvokeFromEvents", "KeyOrPasswordChanged"]
    );
    assert_eq!(stack(MEMBER, &[]).resources().into_keys().collect::<BTreeSet<_>>(), made("off"));
    for (mode, expected) in [("on", true), ("off", false)] {
        let role = stack(MEMBER, &[("PromptVerdicts", mode)]).properties("EvaluatorRole");
        assert_eq!(role.to_string().contains("config:StartConfigRulesEvaluation"), expected, "{mode}");
    }
}

#[test]
fn only_this_rule_invokes_the_function() {
    let stack = stack(MEMBER, &[("PromptVerdicts", "on")]);
    let function = format!("arn:aws:lambda:{REGION}:{ACCOUNT}:function:setup-keys-evaluator");
    let permission = json!({
        "FunctionName": function,
        "Action": "lambda:InvokeFunction",
        "Principal": "events.amazonaws.com",
        "SourceArn": format!("arn:aws:events:{REGION}:{ACCOUNT}:rule/stack-keyorpasswordchanged"),
    });
    assert_eq!(stack.properties("InvokeFromEvents"), permission);
    assert_eq!(stack.properties("KeyOrPasswordChanged")["Targets"], json!([{ "Id": "evaluator", "Arn": function }]));
}

#[test]
fn events_are_forwarded_to_the_bus_that_the_rule_reads() {
    let stack = stack(FORWARD, &[("HomeRegion", "ap-southeast-2")]).in_region("us-east-1");
    let rule = stack.properties("ForwardKeyOrPasswordChanged");
    assert_eq!(rule["EventPattern"], pattern());
    let bus = format!("arn:aws:events:ap-southeast-2:{ACCOUNT}:event-bus/default");
    let sender = format!("arn:aws:iam::{ACCOUNT}:role/stack-forwardrole");
    assert_eq!(rule["Targets"], json!([{ "Id": "home", "Arn": bus, "RoleArn": sender }]));
    let policy = &stack.properties("ForwardRole")["Policies"][0]["PolicyDocument"]["Statement"];
    assert_eq!(policy[0]["Resource"], bus);
    assert_eq!(policy.as_array().unwrap().len(), 1);
}

#[test]
fn organization_forwards_where_verdicts_are_prompt_and_the_region_is_another() {
    let key = ("ForwardTemplateKey", "forward-iam-events-0123.yaml");
    let made = |given: &[(&str, &str)]| {
        let given = [&SECOND_STEP[..], given].concat();
        stack(ORGANIZATION, &given).resources().contains_key("Forwarding")
    };
    assert!(made(&[key, ("PromptVerdicts", "on")]));
    assert!(!made(&[key, ("PromptVerdicts", "off")]));
    assert!(!made(&[("PromptVerdicts", "on")]));

    let given = [&SECOND_STEP[..], &[key, ("PromptVerdicts", "on")]].concat();
    let stack_set = stack(ORGANIZATION, &given).properties("Forwarding");
    assert_eq!(stack_set["StackInstancesGroup"][0]["Regions"], json!(["us-east-1"]));
    assert_eq!(stack_set["Parameters"][0], json!({ "ParameterKey": "HomeRegion", "ParameterValue": REGION }));
    let passed = stack_set["Parameters"].as_array().unwrap().iter().map(|it| it["ParameterKey"].as_str().unwrap());
    let taken: BTreeSet<_> = members(&template(FORWARD)["Parameters"]).keys().map(String::as_str).collect();
    assert_eq!(passed.collect::<BTreeSet<_>>(), taken);
    assert!(stack_set["TemplateURL"].as_str().unwrap().ends_with("/forward-iam-events-0123.yaml"));
}

/// The event of a call that the pattern takes, for one of its event names.
fn event(name: &str) -> String {
    let pattern = pattern();
    let one = |value: &Value| strings(value)[0].to_owned();
    json!({
        "source": one(&pattern["source"]),
        "detail-type": one(&pattern["detail-type"]),
        "account": ACCOUNT,
        "detail": {
            "eventSource": "iam.amazonaws.com",
            "eventName": name,
            "requestParameters": { "userName": "alice" },
        },
    })
    .to_string()
}

#[test]
fn pattern_takes_every_call_that_the_code_takes_and_no_other() {
    let pattern = pattern();
    let names = strings(&pattern["detail"]["eventName"]);
    for name in &names {
        assert!(matches!(parse(&event(name)), Ok(Event::Call(_))), "{name}: {:?}", parse(&event(name)));
    }
    // The code lists what it takes.
    let refused = parse(&event("UpdateLoginProfile")).unwrap_err().to_string();
    let (_, listed) = refused.split_once("the rule takes IAM's ").unwrap();
    assert!(listed.starts_with(&names.join(", ")), "{refused}");
    assert_eq!(listed.matches("AccessKey").count() + listed.matches("LoginProfile").count(), names.len(), "{refused}");
    assert_eq!(pattern["detail"]["errorCode"], json!([{ "exists": false }]));
    assert_eq!(
        (strings(&pattern["source"]), strings(&pattern["detail-type"])),
        (vec!["aws.iam"], vec!["AWS API Call via CloudTrail"])
    );
}
