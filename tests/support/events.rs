//! The events that AWS Config sends to the function of a custom rule.
//!
//! Source: AWS Config Developer Guide, "Example Events for AWS Config Rules", and captured events: `evaluationMode`,
//! for one, is in those only.

use std::fmt;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Map, Value, json};

use super::aws::{User, pack_rule_arn};
use super::{ACCOUNT, RULE, millis, time};

/// An event, to be changed before it is sent. What it needs most is [`token`](Self::token).
#[derive(Debug, Clone)]
pub struct Event {
    envelope: Map<String, Value>,
    invoking_event: Value,
}

/// A user was created: recorded 2 min 41 s later, told 2 s after that.
pub fn created(account: &str, user: &User) -> Event {
    let mut item = item(account, user);
    item["configurationItemStatus"] = json!("ResourceDiscovered");
    item["configuration"] = user.configuration(account);
    item["relatedEvents"] = json!([]);
    item["relationships"] = json!([{
        "resourceId": "AGPAEXAMPLEGROUPID00",
        "resourceName": "ops",
        "resourceType": "AWS::IAM::Group",
        "name": "Is attached to Group",
    }]);
    item["supplementaryConfiguration"] = json!({});
    item["tags"] = json!(user.tags);
    Event::new(
        account,
        json!({
            "configurationItemDiff": {"changedProperties": {}, "changeType": "CREATE"},
            "configurationItem": item,
            "notificationCreationTime": millis(captured(user) + TimeDelta::milliseconds(1780)),
            "messageType": "ConfigurationItemChangeNotification",
            "recordVersion": "1.3",
        }),
    )
}

/// The same as a summary, since the item is too large for a message.
pub fn oversized(account: &str, user: &User) -> Event {
    let mut summary = item(account, user);
    summary["changeType"] = json!("UPDATE");
    summary["configurationStateId"] = json!(0);
    Event::new(
        account,
        json!({
            "configurationItemSummary": summary,
            "notificationCreationTime": millis(captured(user) + TimeDelta::milliseconds(1780)),
            "messageType": "OversizedConfigurationItemChangeNotification",
            "recordVersion": "1.0",
        }),
    )
}

/// A user was deleted: almost everything about it is null.
pub fn deleted(account: &str, user: &User) -> Event {
    let mut event = created(account, user);
    event.invoking_event["configurationItemDiff"] = Value::Null;
    let item = &mut event.invoking_event["configurationItem"];
    for member in ["configuration", "resourceName", "resourceCreationTime", "availabilityZone"] {
        item[member] = Value::Null;
    }
    item["relationships"] = json!([]);
    item["tags"] = json!({});
    item["configurationItemStatus"] = json!("ResourceDeleted");
    event
}

/// It is time to judge the whole account: 2026-03-03, shortly after midnight.
pub fn scheduled(account: &str) -> Event {
    Event::new(
        account,
        json!({
            "awsAccountId": account,
            "notificationCreationTime": "2026-03-03T00:00:00.373Z",
            "messageType": "ScheduledNotification",
            "recordVersion": "1.0",
        }),
    )
}

/// The event of a call of IAM about the user `alice`, as EventBridge passes it on, with members of its detail replaced.
pub fn call(name: &str, detail: &Value) -> Value {
    let mut event = json!({
        "version": "0", "id": "b3e8c1f2-0000-4000-8000-000000000000", "detail-type": "AWS API Call via CloudTrail",
        "source": "aws.iam", "account": ACCOUNT, "time": "2026-03-02T10:16:00Z", "region": "us-east-1", "resources": [],
        "detail": {
            "eventVersion": "1.08",
            "userIdentity": {"type": "AssumedRole", "principalId": "AROAEXAMPLE:admin", "accountId": ACCOUNT},
            "eventTime": "2026-03-02T10:15:41Z", "eventSource": "iam.amazonaws.com", "eventName": name,
            "awsRegion": "us-east-1", "sourceIPAddress": "192.0.2.1", "userAgent": "console.amazonaws.com",
            "requestParameters": {"userName": "alice"}, "responseElements": null, "readOnly": false,
            "eventType": "AwsApiCall", "managementEvent": true, "recipientAccountId": ACCOUNT
        }
    });
    event["detail"].as_object_mut().unwrap().extend(detail.as_object().unwrap().clone());
    event
}

fn captured(user: &User) -> DateTime<Utc> {
    user.created + TimeDelta::milliseconds(161_807)
}

/// What a configuration item and the summary of one have in common.
fn item(account: &str, user: &User) -> Value {
    json!({
        "configurationItemVersion": "1.3",
        "configurationItemCaptureTime": millis(captured(user)),
        "configurationStateId": captured(user).timestamp_millis(),
        "awsAccountId": account,
        "configurationItemStatus": "OK",
        "resourceType": "AWS::IAM::User",
        "resourceId": user.user_id,
        "resourceName": user.name,
        "ARN": user.arn(account),
        "awsRegion": "global",
        "availabilityZone": "Not Applicable",
        "configurationStateMd5Hash": "",
        "resourceCreationTime": millis(user.created),
    })
}

impl Event {
    fn new(account: &str, invoking_event: Value) -> Self {
        let rule = pack_rule_arn(account, "config-rule-a1b2c3");
        let recorder =
            format!("arn:aws:iam::{account}:role/aws-service-role/config.amazonaws.com/AWSServiceRoleForConfig");
        let Value::Object(envelope) = json!({
            "version": "1.0",
            "ruleParameters": "{}",
            "resultToken": "a token that no rule has",
            "eventLeftScope": false,
            "executionRoleArn": recorder,
            "configRuleArn": rule,
            "configRuleName": RULE,
            "configRuleId": "config-rule-a1b2c3",
            "accountId": account,
            "evaluationMode": "DETECTIVE",
        }) else {
            unreachable!("it is written as an object")
        };
        Self { envelope, invoking_event }
    }

    /// The same with this result token.
    pub fn token(self, token: impl Into<String>) -> Self {
        self.with("resultToken", token.into())
    }

    /// The same for the rule of this name.
    pub fn rule(self, name: &str) -> Self {
        self.with("configRuleName", name)
    }

    /// The same with these rule parameters, an object.
    pub fn parameters(self, parameters: &Value) -> Self {
        self.with("ruleParameters", parameters.to_string())
    }

    /// The same with a resource that left the rule's scope.
    pub fn left_scope(self) -> Self {
        self.with("eventLeftScope", true)
    }

    /// The same, told at this time (`2026-03-02T10:17:44.587Z`).
    #[track_caller]
    pub fn notified(self, at: &str) -> Self {
        let at = millis(time(at));
        self.with_invoking("notificationCreationTime", at)
    }

    /// The same with another value in the envelope.
    pub fn with(mut self, field: &str, value: impl Into<Value>) -> Self {
        self.envelope.insert(field.to_owned(), value.into());
        self
    }

    /// The same without a field of the envelope.
    pub fn without(mut self, field: &str) -> Self {
        self.envelope.remove(field);
        self
    }

    /// The same with another value in `invokingEvent`.
    pub fn with_invoking(mut self, field: &str, value: impl Into<Value>) -> Self {
        self.invoking_event[field] = value.into();
        self
    }

    /// The same with another value in the configuration item or its summary.
    pub fn with_item(mut self, field: &str, value: impl Into<Value>) -> Self {
        let members = ["configurationItem", "configurationItemSummary"];
        let member = members.into_iter().find(|member| !self.invoking_event[member].is_null());
        self.invoking_event[member.expect("an event with an item")][field] = value.into();
        self
    }
}

impl fmt::Display for Event {
    /// As AWS Config sends it: the documents in it are strings.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut envelope = self.envelope.clone();
        // A test may have put something else in its place.
        envelope.entry("invokingEvent").or_insert_with(|| json!(self.invoking_event.to_string()));
        write!(f, "{}", Value::Object(envelope))
    }
}

impl From<Event> for Vec<u8> {
    fn from(event: Event) -> Self {
        event.to_string().into_bytes()
    }
}
