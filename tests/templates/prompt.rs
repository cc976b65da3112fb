//! What has a user judged as soon as its keys or password change: events of EventBridge.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use setup_keys::event::{Event, parse};

use crate::{ACCOUNT, MEMBER, stack, strings};

fn made(mode: &str, region: &str) -> BTreeSet<&'static str> {
    let resources = stack(MEMBER, &[("PromptVerdicts", mode)]).in_region(region).resources();
    resources.into_keys().collect()
}

fn pattern() -> Value {
    stack(MEMBER, &[("PromptVerdicts", "forwarded")]).properties("KeyOrPasswordChanged")["EventPattern"].clone()
}

#[test]
fn rule_is_made_where_events_of_iam_are() {
    let plain: BTreeSet<_> = stack(MEMBER, &[]).resources().into_keys().collect();
    let added = |mode, region| made(mode, region).difference(&plain).copied().collect::<Vec<_>>();
    let added_by_it = ["InvokeFromEvents", "KeyOrPasswordChanged"];
    for (mode, region, expected) in [
        ("off", "us-east-1", &[][..]),
        ("off", "eu-central-1", &[]),
        ("on", "us-east-1", &added_by_it),
        ("on", "eu-central-1", &[]),
        ("forwarded", "us-east-1", &added_by_it),
        ("forwarded", "eu-central-1", &added_by_it),
    ] {
        assert_eq!(added(mode, region), expected, "{mode} {region}");
        let role = stack(MEMBER, &[("PromptVerdicts", mode)]).in_region(region).properties("EvaluatorRole");
        assert_eq!(
            role.to_string().contains("config:StartConfigRulesEvaluation"),
            !expected.is_empty(),
            "{mode} {region}"
        );
    }
}

#[test]
fn only_this_rule_invokes_the_function() {
    let stack = stack(MEMBER, &[("PromptVerdicts", "on")]).in_region("us-east-1");
    let function = format!("arn:aws:lambda:us-east-1:{ACCOUNT}:function:setup-keys-evaluator");
    let permission = json!({
        "FunctionName": function,
        "Action": "lambda:InvokeFunction",
        "Principal": "events.amazonaws.com",
        "SourceArn": format!("arn:aws:events:us-east-1:{ACCOUNT}:rule/stack-keyorpasswordchanged"),
    });
    assert_eq!(stack.properties("InvokeFromEvents"), permission);
    assert_eq!(stack.properties("KeyOrPasswordChanged")["Targets"], json!([{ "Id": "evaluator", "Arn": function }]));
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
