//! What tells of the evaluator: log, failed events, alarms, dashboard.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use setup_keys::metrics::{DIMENSION, METRICS, NAMESPACE};

use crate::{CENTRAL, MEMBER, ORGANIZATION, stack, strings, template};

#[test]
fn log_is_kept_and_is_json_with_every_line_that_metrics_are_made_of() {
    for file in [MEMBER, CENTRAL] {
        let stack = stack(file, &[]);
        let function = stack.properties("Evaluator");
        let log = stack.properties("EvaluatorLog");
        assert_eq!(log["LogGroupName"], format!("/aws/lambda/{}", function["FunctionName"].as_str().unwrap()));
        assert_eq!(log["RetentionInDays"], 365);
        let logging = json!({ "LogFormat": "JSON", "LogGroup": log["LogGroupName"], "ApplicationLogLevel": "INFO" });
        assert_eq!(function["LoggingConfig"], logging);
        // Lines of metrics have no level, which AWS Lambda takes for INFO.
        let levels = strings(&template(file)["Parameters"]["LogLevel"]["AllowedValues"]);
        assert_eq!(levels, ["TRACE", "DEBUG", "INFO"]);
    }
}

#[test]
fn event_that_fails_is_tried_three_times_and_kept() {
    for file in [MEMBER, CENTRAL] {
        let stack = stack(file, &[]);
        let queue = stack.properties("FailureQueue");
        assert_eq!(queue, json!({ "SqsManagedSseEnabled": true, "MessageRetentionPeriod": 14 * 24 * 3600 }));
        let delivery = json!({
            "FunctionName": "setup-keys-evaluator",
            "Qualifier": "$LATEST",
            "MaximumRetryAttempts": 2,
            "MaximumEventAgeInSeconds": 21_600,
            "DestinationConfig": {
                "OnFailure": { "Destination": "arn:aws:sqs:eu-central-1:123456789012:stack-failurequeue" },
            },
        });
        assert_eq!(stack.properties("EventDelivery"), delivery);
    }
}

fn alarms(file: &str, given: &[(&str, &str)]) -> Vec<Value> {
    let resources = stack(file, given).resources().into_values();
    resources.filter(|(kind, _)| *kind == "AWS::CloudWatch::Alarm").map(|(_, alarm)| alarm).collect()
}

#[test]
fn alarms_watch_the_function_and_its_queue() {
    let topic = "arn:aws:sns:eu-central-1:123456789012:alarms";
    let watched = |alarm: &Value| {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let [dimension] = alarm["Dimensions"].as_array().unwrap().as_slice() else { panic!("{alarm}") };
        (text(&alarm["Namespace"]), text(&alarm["MetricName"]), text(&dimension["Name"]), text(&dimension["Value"]))
    };
    let of = |namespace: &str, metric: &str, dimension: &str, value: &str| {
        (namespace.to_owned(), metric.to_owned(), dimension.to_owned(), value.to_owned())
    };
    let function = |metric| of("AWS/Lambda", metric, "FunctionName", "setup-keys-evaluator");
    let waiting = of("AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", "stack-failurequeue");
    for (file, expected) in
        [(MEMBER, vec![function("Errors"), waiting.clone(), function("Throttles")]), (CENTRAL, vec![waiting])]
    {
        assert_eq!(alarms(file, &[]).iter().map(watched).collect::<Vec<_>>(), expected);
        assert!(alarms(file, &[]).iter().all(|alarm| alarm.get("AlarmActions").is_none()));
        let notifying = alarms(file, &[("AlarmTopicArn", topic)]);
        assert!(notifying.iter().all(|alarm| alarm["AlarmActions"] == json!([topic])));
    }
}

#[test]
fn dashboard_shows_every_metric_and_none_that_does_not_exist() {
    let body = stack(ORGANIZATION, &[]).properties("Dashboard")["DashboardBody"].clone();
    let body: Value = serde_json::from_str(body.as_str().unwrap()).unwrap();
    let widgets = body["widgets"].as_array().unwrap();
    assert!(widgets.iter().all(|widget| widget["properties"]["region"] == "eu-central-1"));

    let metrics = widgets.iter().flat_map(|widget| widget["properties"]["metrics"].as_array().unwrap());
    let function = stack(MEMBER, &[]).properties("Evaluator")["FunctionName"].clone();
    let mut shown = BTreeSet::new();
    for metric in metrics {
        let expression = metric[0]["expression"].as_str().unwrap();
        let (_, search) = expression.split_once("SEARCH('").unwrap();
        let (query, _) = search.split_once('\'').unwrap();
        if let Some(own) = query.strip_prefix(&format!("{{{NAMESPACE},{DIMENSION}}} MetricName=\"")) {
            shown.insert(own.strip_suffix('"').unwrap().to_owned());
        } else {
            assert_eq!(query, format!("{{AWS/Lambda,FunctionName}} FunctionName={function} MetricName=\"Errors\""));
        }
    }
    assert_eq!(shown, METRICS.iter().map(|(name, _)| (*name).to_owned()).collect());
}
