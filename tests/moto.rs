//! The evaluator, the remediator and the tool against moto, which implements IAM, STS and AWS Config independently of us and
//! of the SDK for Rust.
//!
//! Each test has a moto of its own. Users, passwords, keys and tags are made through boto3. Every verdict is seen twice: in the
//! evaluator's log and in the request that reached moto. What became of a key is what boto3 says.

mod python_support;
mod support;

use std::fs;
use std::path::Path;

use chrono::TimeDelta;
use serde_json::{Value, json};
use setup_keys::clock;

use python_support::{Moto, event_of, isolated, item_of, seconds_after};
use support::process::Lambda;

/// The account that moto gives everybody.
const MOTO_ACCOUNT: &str = "123456789012";

/// `notificationCreationTime` of the events, as AWS Config's JSON spells a time.
const NOTIFIED: f64 = 1_772_453_864.587;

#[test]
fn user_without_keys_is_compliant() {
    let mut moto = Moto::start();
    let alice = moto.create_user("alice");
    moto.create_password(1, "alice");
    let judged = Evaluator::start(&moto).judge(&mut moto, &item_of(&alice), &json!({}));
    assert_eq!(judged.verdict(), ("COMPLIANT", "No active access key made within 60 s of the user."));
    assert_eq!(judged.calls, ["ListAccessKeys", "PutEvaluations"]);
}

#[test]
fn key_made_within_the_window_is_a_setup_key() {
    let mut moto = Moto::start();
    let evaluator = Evaluator::start(&moto);
    for (name, seconds, distance) in
        [("at-once", 0, "0 s after"), ("on-the-edge", 60, "60 s after"), ("dated-before", -60, "60 s before")]
    {
        let user = moto.create_user(name);
        moto.create_password(2, name);
        let key = moto.create_key(seconds, name);
        let judged = evaluator.judge(&mut moto, &item_of(&user), &json!({}));
        let advice = never_used(&key, distance);
        assert_eq!(judged.verdict(), ("NON_COMPLIANT", advice.as_str()));
        assert_eq!(
            judged.calls,
            ["ListAccessKeys", "GetLoginProfile", "GetUser", "GetAccessKeyLastUsed", "PutEvaluations"]
        );
    }
}

#[test]
fn key_made_after_the_window_is_not_a_setup_key() {
    let mut moto = Moto::start();
    let evaluator = Evaluator::start(&moto);
    for (name, seconds) in [("after", 61), ("dated-before", -61)] {
        let user = moto.create_user(name);
        moto.create_password(2, name);
        moto.create_key(seconds, name);
        let judged = evaluator.judge(&mut moto, &item_of(&user), &json!({}));
        assert_eq!(judged.verdict(), ("COMPLIANT", "No active access key made within 60 s of the user."));
        assert_eq!(judged.calls, ["ListAccessKeys", "PutEvaluations"]);
    }
}

#[test]
fn user_without_password_is_compliant_where_one_is_required() {
    let mut moto = Moto::start();
    let evaluator = Evaluator::start(&moto);
    let alice = moto.create_user("alice");
    let key = moto.create_key(3, "alice");

    let judged = evaluator.judge(&mut moto, &item_of(&alice), &json!({}));
    assert_eq!(judged.verdict(), ("COMPLIANT", "No console password."));
    assert_eq!(judged.calls, ["ListAccessKeys", "GetLoginProfile", "PutEvaluations"]);

    let judged = evaluator.judge(&mut moto, &item_of(&alice), &json!({ "consolePassword": "ignored" }));
    let advice = never_used(&key, "3 s after");
    assert_eq!(judged.verdict(), ("NON_COMPLIANT", advice.as_str()));
}

#[test]
fn second_key_is_judged_as_the_first() {
    let mut moto = Moto::start();
    let alice = moto.create_user("alice");
    moto.create_password(1, "alice");
    // Listed in the order in which they were made, so the clock goes back between the two.
    moto.create_key(3600, "alice");
    let second = moto.create_key(30, "alice");
    let judged = Evaluator::start(&moto).judge(&mut moto, &item_of(&alice), &json!({}));
    let advice = never_used(&second, "30 s after");
    assert_eq!(judged.verdict(), ("NON_COMPLIANT", advice.as_str()));
}

#[test]
fn inactive_key_counts_where_the_profile_says_so() {
    let mut moto = Moto::start();
    let evaluator = Evaluator::start(&moto);
    let mut user_with_inactive_key = |name, seconds| {
        let user = moto.create_user(name);
        moto.create_password(1, name);
        let key = moto.create_key(seconds, name);
        let deactivate = json!({ "UserName": name, "AccessKeyId": key["AccessKeyId"], "Status": "Inactive" });
        moto.iam(90, "update_access_key", &deactivate);
        (item_of(&user), masked(&key))
    };
    let (inside, key) = user_with_inactive_key("inside", 59);
    let (outside, _) = user_with_inactive_key("outside", 60);
    let check_point = json!({ "profile": "check-point" });

    let judged = evaluator.judge(&mut moto, &inside, &json!({}));
    assert_eq!(judged.verdict(), ("COMPLIANT", "No active access key made within 60 s of the user."));

    let judged = evaluator.judge(&mut moto, &inside, &check_point);
    let advice = format!("1 setup key: {key} made 59 s after the user, inactive, never used: delete.");
    assert_eq!(judged.verdict(), ("NON_COMPLIANT", advice.as_str()));

    let judged = evaluator.judge(&mut moto, &outside, &check_point);
    assert_eq!(judged.verdict(), ("COMPLIANT", "No access key made within 59 s of the user."));
}

#[test]
fn used_key_is_to_be_rotated_unless_only_unused_ones_count() {
    let mut moto = Moto::start();
    let evaluator = Evaluator::start(&moto);
    let alice = moto.create_user("alice");
    moto.create_password(1, "alice");
    let key = moto.create_key(4, "alice");
    // moto takes a request that is signed with a key for a use of it.
    moto.command(&json!({ "at": seconds_after(86_400), "call": "get_user", "arguments": {}, "key": key }));

    let judged = evaluator.judge(&mut moto, &item_of(&alice), &json!({}));
    let advice = format!("1 setup key: {} made 4 s after the user, used: rotate.", masked(&key));
    assert_eq!(judged.verdict(), ("NON_COMPLIANT", advice.as_str()));

    let judged = evaluator.judge(&mut moto, &item_of(&alice), &json!({ "profile": "trend-micro" }));
    assert_eq!(judged.verdict(), ("COMPLIANT", "No active never used access key made within 60 s of the user."));
}

#[test]
fn creation_time_that_the_item_lacks_is_read() {
    let mut moto = Moto::start();
    let alice = moto.create_user("alice");
    moto.create_password(1, "alice");
    let key = moto.create_key(60, "alice");
    let mut item = item_of(&alice);
    item["resourceCreationTime"] = Value::Null;
    item["configuration"]["createDate"] = Value::Null;
    let judged = Evaluator::start(&moto).judge(&mut moto, &item, &json!({}));
    let advice = never_used(&key, "60 s after");
    assert_eq!(judged.verdict(), ("NON_COMPLIANT", advice.as_str()));
}

#[test]
fn deleted_user_is_not_applicable() {
    let mut moto = Moto::start();
    let evaluator = Evaluator::start(&moto);
    let alice = moto.create_user("alice");
    moto.create_password(1, "alice");
    delete_user(&mut moto, 100, "alice", &[]);

    // A replayed item still says that the user is there.
    let judged = evaluator.judge(&mut moto, &item_of(&alice), &json!({}));
    assert_eq!(judged.verdict(), ("NOT_APPLICABLE", "The user no longer exists."));
    assert_eq!(judged.calls, ["ListAccessKeys", "PutEvaluations"]);

    let mut deleted = item_of(&alice);
    deleted["configurationItemStatus"] = json!("ResourceDeleted");
    for lost in ["configuration", "resourceName", "resourceCreationTime", "availabilityZone"] {
        deleted[lost] = Value::Null;
    }
    let judged = evaluator.judge(&mut moto, &deleted, &json!({}));
    assert_eq!(judged.verdict(), ("NOT_APPLICABLE", "The resource is deleted or not recorded."));
    assert_eq!(judged.calls, ["PutEvaluations"]);
}

#[test]
fn user_made_again_under_the_same_name_is_another_user() {
    let mut moto = Moto::start();
    let evaluator = Evaluator::start(&moto);
    let first = moto.create_user("alice");
    moto.create_password(1, "alice");
    let key = moto.create_key(2, "alice");
    delete_user(&mut moto, 20, "alice", &[key]);
    let second = moto.iam(30, "create_user", &json!({ "UserName": "alice" }))["User"].take();
    moto.create_password(31, "alice");
    let key = moto.create_key(35, "alice");
    assert_ne!(first["UserId"], second["UserId"]);

    let judged = evaluator.judge(&mut moto, &item_of(&first), &json!({}));
    assert_eq!(judged.verdict(), ("NOT_APPLICABLE", "The user no longer exists: its name belongs to another user."));

    let judged = evaluator.judge(&mut moto, &item_of(&second), &json!({}));
    let advice = never_used(&key, "5 s after");
    assert_eq!(judged.verdict(), ("NON_COMPLIANT", advice.as_str()));
}

#[test]
fn exception_holds_until_it_expires() {
    let mut moto = Moto::start();
    let evaluator = Evaluator::start(&moto);
    let alice = moto.create_user("alice");
    moto.create_password(1, "alice");
    let key = moto.create_key(2, "alice");
    let mut tag = |name: &str, value: &str| {
        let tags = json!([{ "Key": format!("setup-keys:exception-{name}"), "Value": value }]);
        moto.iam(3, "tag_user", &json!({ "UserName": "alice", "Tags": tags }));
    };
    let next_month = (clock::now() + TimeDelta::days(30)).date_naive();
    let yesterday = (clock::now() - TimeDelta::days(1)).date_naive();
    tag("owner", "platform@example.com");
    tag("reason", "Migration until spring");
    tag("expires", &next_month.to_string());

    let judged = evaluator.judge(&mut moto, &item_of(&alice), &json!({}));
    let excepted =
        format!("Exception until {next_month} (UTC), 1 setup key, owner platform@example.com: Migration until spring");
    assert_eq!(judged.verdict(), ("COMPLIANT", excepted.as_str()));

    let expires = json!([{ "Key": "setup-keys:exception-expires", "Value": yesterday.to_string() }]);
    moto.iam(4, "tag_user", &json!({ "UserName": "alice", "Tags": expires }));
    let judged = evaluator.judge(&mut moto, &item_of(&alice), &json!({}));
    let advice = format!("Exception not valid: expired {yesterday}. {}", never_used(&key, "2 s after"));
    assert_eq!(judged.verdict(), ("NON_COMPLIANT", advice.as_str()));
}

#[test]
fn user_name_and_path_may_hold_what_iam_allows() {
    let mut moto = Moto::start();
    let evaluator = Evaluator::start(&moto);
    let name = "a+b=c,d.e@f-g_h";
    let user = moto.iam(0, "create_user", &json!({ "UserName": name, "Path": "/division_abc/x!~,y/" }))["User"].take();
    moto.create_password(1, name);
    let key = moto.create_key(2, name);
    let advice = never_used(&key, "2 s after");

    let judged = evaluator.judge(&mut moto, &item_of(&user), &json!({}));
    assert_eq!(judged.verdict(), ("NON_COMPLIANT", advice.as_str()));

    // The name is then taken from the ARN.
    let mut unnamed = item_of(&user);
    unnamed["resourceName"] = Value::Null;
    unnamed["configuration"]["userName"] = Value::Null;
    let judged = evaluator.judge(&mut moto, &unnamed, &json!({}));
    assert_eq!(judged.verdict(), ("NON_COMPLIANT", advice.as_str()));
}

#[test]
fn setup_keys_are_deactivated_and_later_deleted() {
    let mut moto = Moto::start();
    let (alice, [setup, later]) = user_with_keys(&mut moto, "alice", [4, 3600]);
    let (_, [of_bob]) = user_with_keys(&mut moto, "bob", [4]);
    let remediator = Lambda::launch_at(env!("CARGO_BIN_EXE_remediator"), &moto.endpoint).start();

    let planned = remediate(&remediator, &alice, &json!({}));
    assert_eq!(acted(&planned), [("Deactivate", "Planned")]);
    assert_eq!(statuses(&mut moto, "alice"), [(id(&setup), "Active".into()), (id(&later), "Active".into())]);

    moto.take_requests();
    let done = remediate(&remediator, &alice, &json!({ "dryRun": false }));
    assert_eq!((acted(&done), &done["remaining"]), (vec![("Deactivate", "Done")], &json!(0)));
    assert_eq!(statuses(&mut moto, "alice"), [(id(&setup), "Inactive".into()), (id(&later), "Active".into())]);
    assert_eq!(
        writes(&mut moto),
        [json!({ "operation": "UpdateAccessKey",
                 "parameters": { "UserName": "alice", "AccessKeyId": setup["AccessKeyId"], "Status": "Inactive" } })]
    );

    for (expected, left) in [(vec![("Delete", "Done")], 1), (vec![], 1)] {
        let done = remediate(&remediator, &alice, &json!({ "action": "DeleteInactive", "dryRun": false }));
        assert_eq!((acted(&done), statuses(&mut moto, "alice").len()), (expected, left));
    }
    assert_eq!(statuses(&mut moto, "alice"), [(id(&later), "Active".into())]);
    assert_eq!(statuses(&mut moto, "bob"), [(id(&of_bob), "Active".into())]);
}

#[test]
fn used_key_is_kept_and_never_deleted() {
    let mut moto = Moto::start();
    let (alice, [key]) = user_with_keys(&mut moto, "alice", [4]);
    moto.command(&json!({ "at": seconds_after(86_400), "call": "get_user", "arguments": {}, "key": key }));
    let remediator = Lambda::launch_at(env!("CARGO_BIN_EXE_remediator"), &moto.endpoint).start();
    for (members, expected, status) in [
        (json!({}), ("None", "Skipped"), "Active"),
        (json!({ "usedKeys": "Deactivate" }), ("Deactivate", "Done"), "Inactive"),
        (json!({ "action": "DeleteInactive" }), ("None", "Skipped"), "Inactive"),
    ] {
        let mut request = members.clone();
        request["dryRun"] = json!(false);
        let response = remediate(&remediator, &alice, &request);
        assert_eq!(acted(&response), [expected], "{members}: {response}");
        assert_eq!(statuses(&mut moto, "alice"), [(id(&key), status.into())], "{members}: {response}");
    }
}

#[test]
fn user_made_again_under_the_same_name_is_not_remediated() {
    let mut moto = Moto::start();
    let (first, [key]) = user_with_keys(&mut moto, "alice", [4]);
    delete_user(&mut moto, 20, "alice", &[key]);
    let (_, [key]) = user_with_keys(&mut moto, "alice", [4]);
    let remediator = Lambda::launch_at(env!("CARGO_BIN_EXE_remediator"), &moto.endpoint).start();
    let response = remediate(&remediator, &first, &json!({ "dryRun": false }));
    assert_eq!((&response["complianceBefore"], &response["actions"]), (&json!("NOT_APPLICABLE"), &json!([])));
    assert_eq!(statuses(&mut moto, "alice"), [(id(&key), "Active".into())]);
}

#[test]
fn tool_remediates_a_whole_account_and_brings_it_back() {
    let mut moto = Moto::start();
    let (_, [setup, later]) = user_with_keys(&mut moto, "alice", [4, 3600]);
    let (_, [used]) = user_with_keys(&mut moto, "bob", [0]);
    moto.command(&json!({ "at": seconds_after(86_400), "call": "get_user", "arguments": {}, "key": used }));
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("moto-tool");
    let _ = fs::remove_dir_all(&directory);
    fs::create_dir_all(&directory).unwrap();
    let of = |setup_key: &str| {
        [(id(&setup), setup_key.to_owned()), (id(&later), "Active".to_owned()), (id(&used), "Active".to_owned())]
    };
    let endpoint = moto.endpoint.clone();
    let mut now = || [statuses(&mut moto, "alice"), statuses(&mut moto, "bob")].concat();

    let (code, shown) = tool(&endpoint, &directory, &["--all", "--yes", "--undo-file", "undo.json"]);
    assert!(code == Some(1) && shown.contains("1 setup key left active."), "the key of bob is left: {shown}");
    assert_eq!(now(), of("Inactive"));
    let (code, shown) = tool(&endpoint, &directory, &["--undo", "undo.json", "--yes"]);
    assert_eq!(code, Some(0), "{shown}");
    assert_eq!(now(), of("Active"));
}

/// Exit status of `setup-keys remediate`, and what it wrote.
fn tool(endpoint: &str, directory: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    let mut command = isolated(env!("CARGO_BIN_EXE_setup-keys"));
    command.arg("remediate").args(arguments).current_dir(directory).env("AWS_ENDPOINT_URL", endpoint);
    command.env("AWS_REGION", "us-east-1").env("AWS_ACCESS_KEY_ID", "test").env("AWS_SECRET_ACCESS_KEY", "test");
    let output = command.output().unwrap();
    (output.status.code(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
}

/// A user with a password and keys made so many seconds after it.
fn user_with_keys<const KEYS: usize>(moto: &mut Moto, name: &str, seconds: [i64; KEYS]) -> (Value, [Value; KEYS]) {
    let user = moto.create_user(name);
    moto.create_password(2, name);
    (user, seconds.map(|seconds| moto.create_key(seconds, name)))
}

fn remediate(remediator: &Lambda, user: &Value, members: &Value) -> Value {
    let mut request = json!({ "userId": user["UserId"] });
    request.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    serde_json::from_str(&remediator.invoke(request.to_string()).expect_success()).unwrap()
}

/// Action and outcome of each key.
fn acted(response: &Value) -> Vec<(&str, &str)> {
    let actions = response["actions"].as_array().unwrap().iter();
    actions.map(|it| (it["action"].as_str().unwrap(), it["outcome"].as_str().unwrap())).collect()
}

/// The keys of a user by what boto3 says, in the order in which they were made.
fn statuses(moto: &mut Moto, user: &str) -> Vec<(String, String)> {
    let keys = moto.iam(100_000, "list_access_keys", &json!({ "UserName": user }))["AccessKeyMetadata"].take();
    let text = |key: &Value, member: &str| key[member].as_str().unwrap().to_owned();
    keys.as_array().unwrap().iter().map(|key| (text(key, "AccessKeyId"), text(key, "Status"))).collect()
}

/// The requests since they were last taken that change something.
fn writes(moto: &mut Moto) -> Vec<Value> {
    let is_read = |request: &Value| {
        let operation = request["operation"].as_str().unwrap();
        operation.starts_with("Get") || operation.starts_with("List")
    };
    moto.take_requests().into_iter().filter(|request| !is_read(request)).collect()
}

fn id(key: &Value) -> String {
    key["AccessKeyId"].as_str().unwrap().to_owned()
}

/// Deletes a user as IAM wants it: keys and password first.
fn delete_user(moto: &mut Moto, after: i64, user: &str, keys: &[Value]) {
    for key in keys {
        moto.iam(after, "delete_access_key", &json!({ "UserName": user, "AccessKeyId": key["AccessKeyId"] }));
    }
    moto.iam(after, "delete_login_profile", &json!({ "UserName": user }));
    moto.iam(after, "delete_user", &json!({ "UserName": user }));
}

/// The annotation on a user whose one setup key was never used.
fn never_used(key: &Value, distance: &str) -> String {
    format!("1 setup key: {} made {distance} the user, never used: deactivate, then delete.", masked(key))
}

/// `…` and the last four characters of an access key id.
fn masked(key: &Value) -> String {
    let id = key["AccessKeyId"].as_str().unwrap();
    format!("…{}", &id[id.len() - 4..])
}

/// What came of an event.
struct Judged {
    compliance_type: String,
    annotation: String,
    /// The calls it took, in order.
    calls: Vec<String>,
}

impl Judged {
    fn verdict(&self) -> (&str, &str) {
        (&self.compliance_type, &self.annotation)
    }
}

/// The evaluator, with moto as its AWS.
struct Evaluator(Lambda);

impl Evaluator {
    fn start(moto: &Moto) -> Self {
        let function = Lambda::launch_at(env!("CARGO_BIN_EXE_evaluator"), &moto.endpoint);
        Self(function.function_account(MOTO_ACCOUNT).start())
    }

    /// Sends the event of an item, and returns the verdict that was put to AWS Config.
    fn judge(&self, moto: &mut Moto, item: &Value, rule_parameters: &Value) -> Judged {
        self.0.invoke(event_of(item, rule_parameters).to_string()).expect_success();
        let log = self.0.log_objects().into_iter().rfind(|line| line["message"] == "evaluation put").unwrap();
        let mut requests = moto.take_requests();
        let calls = requests.iter().map(|request| request["operation"].as_str().unwrap().to_owned()).collect();

        let put = requests.pop().unwrap()["parameters"].take();
        assert_eq!(put["ResultToken"], "TESTMODE");
        assert_eq!(put["TestMode"], true);
        let evaluation = json!({
            "ComplianceResourceType": "AWS::IAM::User",
            "ComplianceResourceId": item["resourceId"],
            "ComplianceType": log["complianceType"],
            "Annotation": log["annotation"],
            "OrderingTimestamp": NOTIFIED,
        });
        assert_eq!(put["Evaluations"], json!([evaluation]));
        let text = |field: &str| log[field].as_str().unwrap().to_owned();
        Judged { compliance_type: text("complianceType"), annotation: text("annotation"), calls }
    }
}
