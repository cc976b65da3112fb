//! The AWS Config event: every documented shape, and what is said of an event that is not one of them.

#![allow(clippy::needless_pass_by_value, reason = "the rows of a table of tests are made in place")]

#[macro_use]
#[path = "support/cases.rs"]
mod cases;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use setup_keys::event::{ChangedUser, Event, EventError, IamCall, Invocation, Nothing, parse};
use setup_keys::rule::parameters::Parameters;
use setup_keys::rule::verdict::NotApplicable;

const ACCOUNT: &str = "111122223333";

fn time(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn item() -> Value {
    json!({
        "relatedEvents": [], "relationships": [],
        "configuration": {
            "path": "/", "userName": "alice", "userId": "AIDAEXAMPLEALICE00001",
            "arn": "arn:aws:iam::111122223333:user/alice", "createDate": "2026-03-02T10:15:01.000Z",
            "userPolicyList": null, "tags": []
        },
        "supplementaryConfiguration": {}, "tags": {}, "configurationItemVersion": "1.3",
        "configurationItemCaptureTime": "2026-03-02T10:17:42.807Z", "configurationStateId": 1_772_446_662_807_u64,
        "awsAccountId": ACCOUNT, "configurationItemStatus": "ResourceDiscovered", "resourceType": "AWS::IAM::User",
        "resourceId": "AIDAEXAMPLEALICE00001", "resourceName": "alice", "ARN": "arn:aws:iam::111122223333:user/alice",
        "awsRegion": "global", "availabilityZone": "Not Applicable", "configurationStateMd5Hash": "",
        "resourceCreationTime": "2026-03-02T10:15:01.000Z"
    })
}

fn change(item: Value) -> Value {
    json!({
        "configurationItemDiff": null, "configurationItem": item,
        "notificationCreationTime": "2026-03-02T10:17:44.587Z",
        "messageType": "ConfigurationItemChangeNotification", "recordVersion": "1.3"
    })
}

fn envelope(inner: &Value) -> Value {
    json!({
        "version": "1.0", "invokingEvent": inner.to_string(), "ruleParameters": "{}", "resultToken": "TOKEN",
        "eventLeftScope": false, "executionRoleArn": "arn:aws:iam::111122223333:role/r",
        "configRuleArn": "arn:aws:config:us-east-1:111122223333:config-rule/config-rule-a1b2c3",
        "configRuleName": "rule", "configRuleId": "config-rule-a1b2c3", "accountId": ACCOUNT,
        "evaluationMode": "DETECTIVE"
    })
}

/// The event of a change of alice, with members of the item replaced.
fn changed(members: Value) -> Value {
    envelope(&change(with(item(), members)))
}

/// An object with members replaced, or removed where `"(absent)"` is given.
fn with(mut object: Value, members: Value) -> Value {
    let Value::Object(members) = members else { panic!("members are an object") };
    for (name, value) in members {
        if value == "(absent)" {
            object.as_object_mut().unwrap().remove(&name);
        } else {
            object[name] = value;
        }
    }
    object
}

#[track_caller]
fn invocation(event: &Value) -> Invocation {
    match parse(&event.to_string()) {
        Ok(Event::Config(event)) => event.invocation,
        other => panic!("not a Config event: {other:?}"),
    }
}

#[track_caller]
fn error(event: &Value) -> EventError {
    parse(&event.to_string()).expect_err("the event is refused")
}

fn alice() -> ChangedUser {
    ChangedUser {
        user_id: "AIDAEXAMPLEALICE00001".to_owned(),
        user_name: Some("alice".to_owned()),
        arn: Some("arn:aws:iam::111122223333:user/alice".to_owned()),
        created: Some(time("2026-03-02T10:15:01Z")),
        captured: Some(time("2026-03-02T10:17:42.807Z")),
        ordering: time("2026-03-02T10:17:44.587Z"),
    }
}

mod understands {
    use super::*;

    #[track_caller]
    fn as_change_of_alice(event: Value) {
        assert_eq!(invocation(&event), Invocation::Change(alice()));
    }

    cases! { as_change_of_alice:
        a_discovered_user => (changed(json!({})));
        a_changed_user => (changed(json!({"configurationItemStatus": "OK"})));
        an_item_without_name => (changed(json!({"resourceName": null})));
        an_item_without_name_in_its_configuration
            => (changed(json!({"resourceName": "(absent)", "configuration": {"arn": "arn:aws:iam::111122223333:user/alice"}})));
        an_item_without_configuration => (changed(json!({"configuration": null})));
        an_item_without_creation_time => (changed(json!({"resourceCreationTime": null})));
        an_item_without_arn => (changed(json!({"ARN": null})));
        fields_that_it_does_not_know => (with(changed(json!({"newField": {"a": [1]}})), json!({"newField": 1})));
        no_evaluation_mode => (with(changed(json!({})), json!({"evaluationMode": "(absent)"})));
        no_left_scope => (with(changed(json!({})), json!({"eventLeftScope": "(absent)"})));
        no_rule_name => (with(changed(json!({})), json!({"configRuleName": "(absent)"})));
    }

    #[track_caller]
    fn as_default_parameters(parameters: Value) {
        let event = with(changed(json!({})), json!({"ruleParameters": parameters}));
        let Ok(Event::Config(event)) = parse(&event.to_string()) else { panic!("refused") };
        assert_eq!(event.parameters.resolve(), Parameters::default());
    }

    cases! { as_default_parameters:
        no_parameters => (json!("(absent)"));
        null_parameters => (json!(null));
        empty_parameters => (json!(""));
        parameters_without_members => (json!("{}"));
        null_in_the_string => (json!("null"));
    }

    #[track_caller]
    fn as_not_applicable(event: Value, expected: NotApplicable) {
        match invocation(&event) {
            Invocation::NotApplicable { reason, resource_id, .. } => {
                assert_eq!((reason, resource_id.as_str()), (expected, "AIDAEXAMPLEALICE00001"));
            }
            other => panic!("{other:?}"),
        }
    }

    fn deleted(status: &str) -> Value {
        changed(json!({
            "configurationItemStatus": status, "configuration": null, "resourceName": null,
            "resourceCreationTime": null, "availabilityZone": null
        }))
    }

    cases! { as_not_applicable:
        a_deleted_user => (deleted("ResourceDeleted"), NotApplicable::NotRecorded);
        a_deleted_user_not_recorded => (deleted("ResourceDeletedNotRecorded"), NotApplicable::NotRecorded);
        a_user_not_recorded => (deleted("ResourceNotRecorded"), NotApplicable::NotRecorded);
        a_status_yet_unknown => (deleted("ResourceArchived"), NotApplicable::NotRecorded);
        a_user_out_of_scope
            => (with(changed(json!({})), json!({"eventLeftScope": true})), NotApplicable::LeftScope);
        another_resource_type => (changed(json!({"resourceType": "AWS::IAM::Role"})), NotApplicable::OtherType);
        another_type_with_another_configuration
            => (changed(json!({"resourceType": "AWS::S3::Bucket", "configuration": {"createDate": 5, "userName": []}})),
                NotApplicable::OtherType);
    }

    #[test]
    fn another_type_by_its_own_type_and_id() {
        let event = changed(json!({"resourceType": "AWS::S3::Bucket", "resourceId": "bucket"}));
        assert_eq!(
            invocation(&event),
            Invocation::NotApplicable {
                resource_type: "AWS::S3::Bucket".to_owned(),
                resource_id: "bucket".to_owned(),
                ordering: time("2026-03-02T10:17:44.587Z"),
                reason: NotApplicable::OtherType,
            }
        );
    }

    fn oversized(members: Value) -> Value {
        let summary = with(item(), json!({"configuration": "(absent)", "tags": "(absent)", "changeType": "UPDATE"}));
        envelope(&json!({
            "configurationItemSummary": with(summary, members),
            "messageType": "OversizedConfigurationItemChangeNotification",
            "notificationCreationTime": "2026-03-02T10:17:44.587Z", "recordVersion": "1.0"
        }))
    }

    #[test]
    fn a_summary_of_an_oversized_item() {
        assert_eq!(invocation(&oversized(json!({}))), Invocation::OversizedChange(alice()));
    }

    #[test]
    fn a_summary_that_lacks_name_and_creation_time() {
        let bare = ChangedUser { user_name: None, arn: None, created: None, ..alice() };
        let event = oversized(json!({"resourceName": null, "ARN": null, "resourceCreationTime": null}));
        assert_eq!(invocation(&event), Invocation::OversizedChange(bare));
    }

    #[test]
    fn a_name_with_a_path_and_every_character_that_iam_allows() {
        let arn = "arn:aws-us-gov:iam::111122223333:user/div=a/team_b/a+b=c,d.e@f-g_h";
        let event = changed(json!({"resourceName": null, "configuration": null, "ARN": arn}));
        let Invocation::Change(user) = invocation(&event) else { panic!("not a change") };
        assert_eq!(user.user_name.as_deref(), Some("a+b=c,d.e@f-g_h"));
    }

    #[test]
    fn the_schedule() {
        let event = envelope(&json!({
            "awsAccountId": ACCOUNT, "notificationCreationTime": "2026-03-03T00:00:00.373Z",
            "messageType": "ScheduledNotification", "recordVersion": "1.0"
        }));
        assert_eq!(invocation(&event), Invocation::Scheduled { ordering: time("2026-03-03T00:00:00.373Z") });
    }

    #[test]
    fn the_result_token() {
        for (token, is_test_mode) in [("TOKEN", false), ("TESTMODE", true)] {
            let event = with(changed(json!({})), json!({"resultToken": token}));
            let Ok(Event::Config(event)) = parse(&event.to_string()) else { panic!("refused") };
            assert_eq!((event.result_token.expose(), event.result_token.is_test_mode()), (token, is_test_mode));
        }
    }

    #[test]
    fn a_proactive_evaluation_whatever_else_is_in_it() {
        let event = json!({"evaluationMode": "PROACTIVE", "invokingEvent": 5, "accountId": null});
        assert_eq!(parse(&event.to_string()), Ok(Event::Nothing(Nothing::Proactive)));
        assert_eq!(Nothing::Proactive.sentence(), "AWS Config has no proactive evaluation for AWS::IAM::User");
    }

    #[test]
    fn the_capture_time_where_the_notification_has_none() {
        let inner = with(change(item()), json!({"notificationCreationTime": "(absent)", "recordVersion": "(absent)"}));
        let Invocation::Change(user) = invocation(&envelope(&inner)) else { panic!("not a change") };
        assert_eq!(user.ordering, time("2026-03-02T10:17:42.807Z"));
    }

    #[test]
    fn the_notification_time_of_a_replayed_old_item() {
        let event = changed(json!({"configurationItemCaptureTime": "2019-10-30T11:39:10.000Z"}));
        let Invocation::Change(user) = invocation(&event) else { panic!("not a change") };
        assert_eq!(user.ordering, time("2026-03-02T10:17:44.587Z"));
    }
}

/// Calls to IAM: whose key or password it is.
mod calls {
    use super::*;

    /// The event of a call, with members of its detail.
    fn call(name: &str, detail: Value) -> Value {
        let told = json!({"eventSource": "iam.amazonaws.com", "eventName": name, "recipientAccountId": ACCOUNT});
        json!({"detail-type": "AWS API Call via CloudTrail", "account": ACCOUNT, "detail": with(told, detail)})
    }

    #[track_caller]
    fn is_about_alice(event: Value) {
        let alice = IamCall { account_id: ACCOUNT.to_owned(), user_name: "alice".to_owned() };
        assert_eq!(parse(&event.to_string()), Ok(Event::Call(alice)));
    }

    cases! { is_about_alice:
        who_is_named_where_a_key_is_made => (call("CreateAccessKey", json!({"requestParameters": {"userName": "alice"}})));
        who_is_named_where_a_key_is_changed => (call("UpdateAccessKey", json!({"requestParameters": {"userName": "alice"}})));
        who_is_named_where_a_key_is_deleted => (call("DeleteAccessKey", json!({"requestParameters": {"userName": "alice"}})));
        who_is_named_where_a_password_is_made => (call("CreateLoginProfile", json!({"requestParameters": {"userName": "alice"}})));
        who_is_named_where_a_password_is_deleted => (call("DeleteLoginProfile", json!({"requestParameters": {"userName": "alice"}})));
        whom_another_user_names
            => (call("DeleteAccessKey", json!({"requestParameters": {"userName": "alice"}, "userIdentity": {"type": "IAMUser", "userName": "bob"}})));
        whom_the_root_user_names
            => (call("CreateAccessKey", json!({"requestParameters": {"userName": "alice"}, "userIdentity": {"type": "Root"}})));
        whom_the_answer_names_with_her_key
            => (call("CreateAccessKey", json!({"requestParameters": {}, "responseElements": {"accessKey": {"userName": "alice"}}})));
        whom_the_answer_names_with_her_password
            => (call("CreateLoginProfile", json!({"responseElements": {"loginProfile": {"userName": "alice"}}})));
        who_calls_and_names_nobody => (call("UpdateAccessKey", json!({"userIdentity": {"type": "IAMUser", "userName": "alice"}})));
        an_event_that_does_not_tell_who_received_it
            => (call("CreateAccessKey", json!({"requestParameters": {"userName": "alice"}, "recipientAccountId": null})));
    }

    #[track_caller]
    fn asks_for_nothing(event: Value, why: Nothing, said: &str) {
        assert_eq!(parse(&event.to_string()), Ok(Event::Nothing(why)));
        assert_eq!(why.sentence(), said);
    }

    cases! { asks_for_nothing:
        of_a_call_that_failed
            => (call("CreateAccessKey", json!({"requestParameters": {"userName": "alice"}, "errorCode": "AccessDenied"})),
                Nothing::FailedCall, "the call failed, and so changed nothing");
        of_a_key_of_the_root_user
            => (call("CreateAccessKey", json!({"userIdentity": {"type": "Root"}})), Nothing::RootUser, "the root user is never judged");
    }

    #[track_caller]
    fn refuses(event: Value, message: &str) {
        assert_eq!(error(&event).to_string(), message);
    }

    cases! { refuses:
        a_call_of_which_nobody_tells_whose_key_it_is
            => (call("DeleteAccessKey", json!({})), "`detail.requestParameters.userName`: is missing");
        a_role_that_names_nobody
            => (call("DeleteAccessKey", json!({"userIdentity": {"type": "AssumedRole", "userName": "admin"}})),
                "`detail.requestParameters.userName`: is missing");
        an_empty_name
            => (call("DeleteAccessKey", json!({"requestParameters": {"userName": ""}})), "`detail.requestParameters.userName`: is missing");
        another_call
            => (call("CreateUser", json!({"requestParameters": {"userName": "alice"}})),
                "`detail.eventName`: unsupported call `iam.amazonaws.com CreateUser`: the rule takes IAM's CreateAccessKey, \
                 UpdateAccessKey, DeleteAccessKey, CreateLoginProfile, DeleteLoginProfile");
        another_account
            => (call("CreateAccessKey", json!({"recipientAccountId": "444455556666"})),
                "`detail.recipientAccountId`: `444455556666` is not `account` `111122223333`");
        another_kind_of_event
            => (with(call("CreateAccessKey", json!({})), json!({"detail-type": "Scheduled Event"})),
                "`detail-type`: unsupported event `Scheduled Event`");
        a_detail_that_is_no_object => (with(call("", json!({})), json!({"detail": "call"})), "`detail`: is not a JSON object");
        a_name_that_is_no_text
            => (call("CreateAccessKey", json!({"requestParameters": {"userName": 7}})),
                "`detail.requestParameters.userName`: invalid type: integer `7`, expected a string");
    }
}

mod refuses {
    use super::*;

    #[track_caller]
    fn with_message(event: Value, message: &str) {
        assert_eq!(error(&event).to_string(), message);
    }

    fn scheduled(members: Value) -> Value {
        let inner = json!({
            "awsAccountId": ACCOUNT, "notificationCreationTime": "2026-03-03T00:00:00.373Z",
            "messageType": "ScheduledNotification"
        });
        envelope(&with(inner, members))
    }

    cases! { with_message:
        no_inner_event => (with(changed(json!({})), json!({"invokingEvent": null})), "`invokingEvent`: is missing");
        an_inner_event_that_is_no_string
            => (with(changed(json!({})), json!({"invokingEvent": {}})), "`invokingEvent`: invalid type: map, expected a string");
        an_inner_event_that_is_no_json
            => (with(changed(json!({})), json!({"invokingEvent": "{\"a\":"})),
                "`invokingEvent.a`: EOF while parsing a value (line 1 column 5 of the JSON in the string)");
        an_inner_event_that_is_no_object
            => (with(changed(json!({})), json!({"invokingEvent": "[]"})),
                "`invokingEvent`: is not a JSON object (line 1 column 1 of the JSON in the string)");
        an_empty_inner_event
            => (with(changed(json!({})), json!({"invokingEvent": ""})),
                "`invokingEvent`: EOF while parsing a value (line 1 column 0 of the JSON in the string)");
        no_message_type => (scheduled(json!({"messageType": null})), "`invokingEvent.messageType`: is missing");
        an_unknown_message_type
            => (scheduled(json!({"messageType": "ConfigurationSnapshotDeliveryCompleted"})),
                "`invokingEvent.messageType`: unsupported message type `ConfigurationSnapshotDeliveryCompleted`: the rule takes \
                 ConfigurationItemChangeNotification, OversizedConfigurationItemChangeNotification and ScheduledNotification");
        no_item => (envelope(&with(change(item()), json!({"configurationItem": null}))), "`invokingEvent.configurationItem`: is missing");
        a_summary_in_place_of_the_item
            => (envelope(&json!({"messageType": "OversizedConfigurationItemChangeNotification", "configurationItem": {}})),
                "`invokingEvent.configurationItemSummary`: is missing");
        no_resource_id => (changed(json!({"resourceId": null})), "`invokingEvent.configurationItem.resourceId`: is missing");
        an_empty_resource_id => (changed(json!({"resourceId": ""})), "`invokingEvent.configurationItem.resourceId`: is missing");
        no_resource_type => (changed(json!({"resourceType": "(absent)"})), "`invokingEvent.configurationItem.resourceType`: is missing");
        no_status => (changed(json!({"configurationItemStatus": null})), "`invokingEvent.configurationItem.configurationItemStatus`: is missing");
        no_time_at_all
            => (envelope(&with(change(with(item(), json!({"configurationItemCaptureTime": null}))), json!({"notificationCreationTime": null}))),
                "`invokingEvent.configurationItem.configurationItemCaptureTime`: is missing");
        no_time_of_a_schedule
            => (scheduled(json!({"notificationCreationTime": null})), "`invokingEvent.notificationCreationTime`: is missing");
        no_account_of_a_schedule => (scheduled(json!({"awsAccountId": null})), "`invokingEvent.awsAccountId`: is missing");
        another_account_of_a_schedule
            => (scheduled(json!({"awsAccountId": "444455556666"})), "`invokingEvent.awsAccountId`: `444455556666` is not `accountId` `111122223333`");
        another_account_of_an_item
            => (changed(json!({"awsAccountId": "444455556666"})),
                "`invokingEvent.configurationItem.awsAccountId`: `444455556666` is not `accountId` `111122223333`");
        another_account_of_the_rule
            => (with(changed(json!({})), json!({"configRuleArn": "arn:aws:config:us-east-1:444455556666:config-rule/config-rule-a1b2c3"})),
                "`configRuleArn`: account `444455556666` is not `accountId` `111122223333`");
        a_rule_arn_that_is_none => (with(changed(json!({})), json!({"configRuleArn": "rule"})), "`configRuleArn`: `rule` is not an ARN");
        no_rule_arn => (with(changed(json!({})), json!({"configRuleArn": "(absent)"})), "`configRuleArn`: is missing");
        no_account => (with(changed(json!({})), json!({"accountId": null})), "`accountId`: is missing");
        an_account_of_11_digits
            => (with(changed(json!({})), json!({"accountId": "11112222333"})), "`accountId`: `11112222333` is not an account id of 12 digits");
        no_result_token => (with(changed(json!({})), json!({"resultToken": null})), "`resultToken`: is missing");
        an_empty_result_token => (with(changed(json!({})), json!({"resultToken": ""})), "`resultToken`: is empty");
        an_unknown_evaluation_mode
            => (with(changed(json!({})), json!({"evaluationMode": "BOTH"})), "`evaluationMode`: unknown evaluation mode `BOTH`");
        a_left_scope_that_is_no_boolean
            => (with(changed(json!({})), json!({"eventLeftScope": "false"})),
                "`eventLeftScope`: invalid type: string \"false\", expected a boolean");
        a_time_that_is_none
            => (changed(json!({"resourceCreationTime": "yesterday"})),
                "`invokingEvent.configurationItem.resourceCreationTime`: input contains invalid characters \
                 (line 1 column 630 of the JSON in the string)");
        a_configuration_that_is_no_object
            => (changed(json!({"configuration": "alice"})),
                "`invokingEvent.configurationItem.configuration`: invalid type: string \"alice\", expected a JSON object");
        parameters_that_are_no_json
            => (with(changed(json!({})), json!({"ruleParameters": "{profile}"})),
                "`ruleParameters`: key must be a string (line 1 column 2 of the JSON in the string)");
        parameters_that_are_no_string
            => (with(changed(json!({})), json!({"ruleParameters": {"profile": "cis"}})),
                "`ruleParameters`: invalid type: map, expected a string");
        a_parameter_out_of_range
            => (with(changed(json!({})), json!({"ruleParameters": "{\"setupWindowSeconds\":\"86401\"}"})),
                "`ruleParameters`: rule parameter `setupWindowSeconds` must be a whole number from 0 to 86400, or `any`, got `86401`");
        bad_parameters_also_for_a_deleted_user
            => (with(changed(json!({"configurationItemStatus": "ResourceDeleted"})), json!({"ruleParameters": "{\"x\":\"1\"}"})),
                "`ruleParameters`: unknown rule parameter `x` (value \"1\"): the rule has `profile`, `setupWindowSeconds`, `consolePassword`, \
                 `keyStatus`, `keyUsage`, `exceptionTagPrefix`, `maxExceptionDays`, `sweepReports`");
    }

    #[track_caller]
    fn text(event: &str, message: &str, position: (usize, usize)) {
        let error = parse(event).expect_err("the event is refused");
        assert_eq!((error.to_string().as_str(), error.position), (message, Some(position)));
    }

    cases! { text:
        nothing => ("", "`event`: is empty: a JSON object is expected", (1, 1));
        blanks => (" \n ", "`event`: is empty: a JSON object is expected", (1, 1));
        an_array => ("[]", "`event`: is not a JSON object", (1, 1));
        a_cut_object => ("{\n  \"accountId\": \"1111", "`event`: EOF while parsing a string", (2, 20));
        a_comma_too_many => ("{\n  \"a\": 1,\n}", "`event`: trailing comma", (3, 1));
        a_field_that_stands_twice
            => ("{\"accountId\": \"1\", \"accountId\": \"2\"}", "`event`: duplicate field `accountId`", (1, 30));
        a_value_on_its_line_and_column
            => ("{\n  \"accountId\": \"ü\", \"resultToken\":  7}", "`accountId`: `ü` is not an account id of 12 digits", (2, 16));
    }

    #[test]
    fn deeply_nested_json_without_ending_the_process() {
        let deep = "[".repeat(200_000);
        let event = format!("{{\"version\": {deep}");
        assert!(parse(&event).is_err());
        let inner = with(changed(json!({})), json!({"invokingEvent": deep}));
        assert!(error(&inner).to_string().starts_with("`invokingEvent"));
    }

    #[test]
    fn a_doubly_encoded_event_without_showing_its_token() {
        let doubly = Value::String(envelope(&change(item())).to_string().replace("TOKEN", "SECRET-TOKEN"));
        assert!(!error(&doubly).to_string().contains("SECRET"));
    }

    #[test]
    fn to_show_the_result_token() {
        let event = with(changed(json!({})), json!({"resultToken": "SECRET-TOKEN"}));
        let Ok(parsed) = parse(&event.to_string()) else { panic!("refused") };
        let shown = format!("{parsed:?}");
        assert!(shown.contains("result_token: ResultToken(…)") && !shown.contains("SECRET"), "{shown}");
    }
}
