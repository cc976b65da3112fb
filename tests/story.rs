//! The story of a setup key from start to end, with everything that has a part in it: AWS Config tells of a user, the
//! evaluator finds it, the remediator deactivates its key, CloudTrail tells of that, and AWS Config holds another verdict;
//! then a person does the same with the tool, and takes it back.
//!
//! `cargo test --test story -- --nocapture` prints it, each step with its calls.

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use support::aws::{ACCESS_KEY_ID, AwsDouble, Call, SECRET_ACCESS_KEY, User};
use support::process::Lambda;
use support::{ACCOUNT, RULE, events};

const CREATED: &str = "2026-03-02T10:15:01Z";
const ALICE: &str = "AIDAEXAMPLEALICE00001";
const BOB: &str = "AIDAEXAMPLEBOB0000001";
const KEY_OF_ALICE: &str = "AKIAALICE00000000001";
const KEY_OF_BOB: &str = "AKIABOB0000000000001";

const NOTHING_FOUND: &str = "No active access key made within 60 s of the user.";

/// The calls of the evaluator on a user that it finds NON_COMPLIANT.
const FIND: &str = "ListAccessKeys, GetLoginProfile, GetUser, GetAccessKeyLastUsed, PutEvaluations";

/// Those on a call that CloudTrail tells of, up to what is read of the keys.
const LOOK_UP: &str = "GetUser, GetComplianceDetailsByResource, DescribeConfigRules, ListAccessKeys";

/// Those of a sweep, but for what it reads of single users.
const SWEEP: &str =
    "GetComplianceDetailsByConfigRule, GenerateCredentialReport, GetCredentialReport, ListUsers, PutEvaluations";

/// Those of the remediator, and of the tool, to find a user by its id, to judge it, to look at a key right before it is
/// changed, and to see it changed.
const FIND_BY_ID: &str = "ListDiscoveredResources, GetUser";
const JUDGE: &str = "ListAccessKeys, GetLoginProfile, GetAccessKeyLastUsed";
const LOOK: &str = "ListAccessKeys, GetAccessKeyLastUsed";
const SEE: &str = "ListAccessKeys";

struct Story {
    aws: AwsDouble,
    evaluator: Lambda,
    remediator: Lambda,
    directory: PathBuf,
    steps: usize,
}

impl Story {
    fn start() -> Self {
        let aws = AwsDouble::start();
        aws.account(|account| drop(account.config.add_rule(RULE).clone()));
        let evaluator = Lambda::start(env!("CARGO_BIN_EXE_evaluator"), &aws);
        let remediator = Lambda::start(env!("CARGO_BIN_EXE_remediator"), &aws);
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("story");
        let _ = fs::remove_dir_all(&directory);
        fs::create_dir_all(&directory).unwrap();
        Self { aws, evaluator, remediator, directory, steps: 0 }
    }

    /// Tells what happened, with the calls that it took: these, in this order.
    #[track_caller]
    fn tell(&mut self, what: &str, expected: &[&str]) {
        self.tell_calls(what, expected, |_| {});
    }

    /// The same for calls of which some are made at once.
    #[track_caller]
    fn tell_at_once(&mut self, what: &str, expected: &[&str]) {
        self.tell_calls(what, expected, |calls| calls.sort());
    }

    #[track_caller]
    fn tell_calls(&mut self, what: &str, expected: &[&str], order: fn(&mut Vec<String>)) {
        self.steps += 1;
        let mut calls: Vec<_> = self.aws.calls().into_iter().map(|call| call.action).collect();
        println!("{:>2}. {what}\n      {}", self.steps, calls.join(", "));
        let mut expected: Vec<_> = expected.iter().flat_map(|names| names.split(", ")).map(str::to_owned).collect();
        order(&mut calls);
        order(&mut expected);
        assert_eq!(calls, expected, "{what}");
        self.aws.forget_calls();
    }

    /// AWS Config has recorded a user, and asks for a verdict.
    #[track_caller]
    fn config_tells_of(&self, user: &User, at: &str) {
        let event = events::created(ACCOUNT, user).token(self.aws.issue_token(RULE)).notified(at);
        self.evaluator.invoke(event).expect_success();
    }

    /// AWS Config asks for all verdicts, since the rule was started.
    #[track_caller]
    fn config_runs_the_rule(&self, at: &str) {
        let started = self.aws.account(|account| account.config.started_rules.pop());
        assert_eq!(started.as_deref(), Some(RULE), "the rule was not started");
        let event = events::scheduled(ACCOUNT).token(self.aws.issue_token(RULE)).notified(at);
        self.evaluator.invoke(event).expect_success();
    }

    /// EventBridge passes on what CloudTrail says of the last call that changed a key.
    #[track_caller]
    fn cloudtrail_tells_of(&self, call: &Call) {
        self.evaluator.invoke(told_by_cloudtrail(call).to_string()).expect_success();
    }

    /// As the document `SetupKeys-RemediateUser` asks, all of its parameters given.
    #[track_caller]
    fn document_asks(&self, user_id: &str, action: &str) -> Value {
        let request = json!({
            "userId": user_id, "action": action, "usedKeys": "Keep", "dryRun": false, "parameters": {}
        });
        serde_json::from_str(&self.remediator.invoke(request.to_string()).expect_success()).unwrap()
    }

    /// Exit status and output of the tool.
    fn tool(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let output = Command::new(env!("CARGO_BIN_EXE_setup-keys"))
            .arg("remediate")
            .args(arguments)
            .env_clear()
            .env("AWS_ENDPOINT_URL", self.aws.url())
            .env("AWS_REGION", "us-east-1")
            .env("AWS_ACCESS_KEY_ID", ACCESS_KEY_ID)
            .env("AWS_SECRET_ACCESS_KEY", SECRET_ACCESS_KEY)
            .current_dir(&self.directory)
            .output()
            .unwrap();
        (output.status.code(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
    }

    /// The last call that changed a key.
    #[track_caller]
    fn last_change(&self) -> Call {
        let change = |call: &Call| ["UpdateAccessKey", "DeleteAccessKey"].contains(&call.action.as_str());
        self.aws.calls().into_iter().rfind(change).expect("a call that changed a key")
    }

    /// Compliance type and annotation that AWS Config holds for a user.
    #[track_caller]
    fn held(&self, user_id: &str) -> (String, String) {
        self.aws.stored_results(RULE).remove(user_id).expect("a result")
    }

    fn status(&self, name: &str) -> Option<String> {
        self.aws.account(|account| account.user(name).keys.first().map(|key| key.status.clone()))
    }

    fn is_started(&self) -> bool {
        self.aws.account(|account| !account.config.started_rules.is_empty())
    }
}

fn told_by_cloudtrail(call: &Call) -> Value {
    let mut parameters = json!({"userName": call.body["UserName"], "accessKeyId": call.body["AccessKeyId"]});
    if let Some(status) = call.body["Status"].as_str() {
        parameters["status"] = json!(status);
    }
    events::call(&call.action, &json!({"requestParameters": parameters}))
}

fn found(key: &str, seconds: u32) -> (String, String) {
    let last = &key[key.len() - 4..];
    let advice = format!("1 setup key: …{last} made {seconds} s after the user, never used: deactivate, then delete.");
    ("NON_COMPLIANT".to_owned(), advice)
}

fn cleared() -> (String, String) {
    ("COMPLIANT".to_owned(), NOTHING_FOUND.to_owned())
}

#[test]
fn a_setup_key_from_its_making_to_its_end() {
    let mut story = Story::start();
    let alice = User::new("alice", CREATED).id(ALICE).password().key(KEY_OF_ALICE, 40);
    story.aws.add(alice.clone());
    story.config_tells_of(&alice, "2026-03-02T10:17:44.000Z");
    assert_eq!(story.held(ALICE), found(KEY_OF_ALICE, 40));
    story.tell("AWS Config tells of alice, made with a password and a key: NON_COMPLIANT", &[FIND]);

    let response = story.document_asks(ALICE, "Deactivate");
    assert_eq!(
        (&response["actions"][0]["accessKeyId"], &response["actions"][0]["outcome"], &response["remaining"]),
        (&json!(KEY_OF_ALICE), &json!("Done"), &json!(0))
    );
    assert_eq!(story.status("alice").as_deref(), Some("Inactive"));
    let change = story.last_change();
    story.tell(
        "The document asks the remediator: the key of alice is Inactive",
        &[FIND_BY_ID, JUDGE, LOOK, "UpdateAccessKey", SEE],
    );

    story.cloudtrail_tells_of(&change);
    assert!(story.is_started());
    story.tell(
        "CloudTrail tells of UpdateAccessKey: the verdict has changed, the rule is started",
        &[LOOK_UP, "StartConfigRulesEvaluation"],
    );

    story.config_runs_the_rule("2026-03-02T10:19:00.000Z");
    assert_eq!(story.held(ALICE), cleared());
    story.tell_at_once(
        "AWS Config runs the rule: alice is COMPLIANT",
        &[SWEEP, "GenerateCredentialReport, ListAccessKeys"],
    );

    let bob = User::new("bob", CREATED).id(BOB).password().key(KEY_OF_BOB, 7);
    story.aws.add(bob.clone());
    story.config_tells_of(&bob, "2026-03-02T10:20:00.000Z");
    assert_eq!(story.held(BOB), found(KEY_OF_BOB, 7));
    story.tell("AWS Config tells of bob, made with a password and a key: NON_COMPLIANT", &[FIND]);

    let (code, shown) = story.tool(&["--user", "bob"]);
    assert_eq!((code, story.status("bob").as_deref()), (Some(1), Some("Active")), "{shown}");
    story.tell(
        "A person looks what the tool would do: nothing is changed",
        &["GetCallerIdentity, ListUsers, GetUser", JUDGE],
    );

    let (code, shown) = story.tool(&["--user", "bob", "--yes", "--undo-file", "undo.json"]);
    assert_eq!((code, story.status("bob").as_deref()), (Some(0), Some("Inactive")), "{shown}");
    let change = story.last_change();
    story.tell(
        "The tool acts: the key of bob is Inactive",
        &["GetCallerIdentity, ListUsers, GetUser", JUDGE, "GetUser", JUDGE, LOOK, "UpdateAccessKey", SEE],
    );

    story.cloudtrail_tells_of(&change);
    story.tell(
        "CloudTrail tells of UpdateAccessKey: the verdict has changed, the rule is started",
        &[LOOK_UP, "StartConfigRulesEvaluation"],
    );
    story.config_runs_the_rule("2026-03-02T10:22:00.000Z");
    assert_eq!((story.held(ALICE), story.held(BOB)), (cleared(), cleared()));
    story.tell_at_once("AWS Config runs the rule: both are COMPLIANT", &[SWEEP, "ListAccessKeys, ListAccessKeys"]);

    let (code, shown) = story.tool(&["--undo", "undo.json", "--yes"]);
    assert_eq!((code, story.status("bob").as_deref()), (Some(0), Some("Active")), "{shown}");
    assert_eq!(story.status("alice").as_deref(), Some("Inactive"), "only what the tool did is undone");
    let change = story.last_change();
    story.tell(
        "Somebody misses the key, and the tool takes it back: the key of bob is Active",
        &["GetCallerIdentity, GetUser, ListAccessKeys, UpdateAccessKey", SEE],
    );

    story.cloudtrail_tells_of(&change);
    story.tell(
        "CloudTrail tells of UpdateAccessKey: the verdict has changed, the rule is started",
        &[LOOK_UP, "GetLoginProfile, GetAccessKeyLastUsed, StartConfigRulesEvaluation"],
    );
    story.config_runs_the_rule("2026-03-02T10:24:00.000Z");
    assert_eq!((story.held(ALICE), story.held(BOB)), (cleared(), found(KEY_OF_BOB, 7)));
    story.tell_at_once(
        "AWS Config runs the rule: bob is NON_COMPLIANT",
        &[SWEEP, "ListAccessKeys, ListAccessKeys, GetLoginProfile, GetUser, GetAccessKeyLastUsed"],
    );

    let expires = (setup_keys::clock::now() + chrono::TimeDelta::days(30)).date_naive().to_string();
    story.aws.account(|account| {
        let tags = &mut account.user("bob").tags;
        tags.insert("setup-keys:exception-owner".to_owned(), "ops".to_owned());
        tags.insert("setup-keys:exception-expires".to_owned(), expires.clone());
    });
    story.config_tells_of(&bob, "2026-03-02T10:25:00.000Z");
    let excepted = format!("Exception until {expires} (UTC), 1 setup key, owner ops");
    assert_eq!(story.held(BOB), ("COMPLIANT".to_owned(), excepted));
    story.tell("Somebody answers for the key by tags, and AWS Config tells of that: bob is COMPLIANT", &[FIND]);

    let response = story.document_asks(BOB, "Deactivate");
    assert_eq!((&response["actions"], story.status("bob").as_deref()), (&json!([]), Some("Active")));
    story.tell("The document asks the remediator: the key of bob stays as it is", &[FIND_BY_ID, JUDGE]);

    let response = story.document_asks(ALICE, "DeleteInactive");
    assert_eq!((&response["actions"][0]["outcome"], story.status("alice")), (&json!("Done"), None));
    let change = story.last_change();
    story.tell(
        "Nobody missed the key of alice, and the document asks for its end: it is deleted",
        &[FIND_BY_ID, JUDGE, LOOK, "ListAccessKeys, DeleteAccessKey", SEE],
    );

    story.cloudtrail_tells_of(&change);
    assert!(!story.is_started());
    story.tell("CloudTrail tells of DeleteAccessKey: the verdict is the same, and nothing is started", &[LOOK_UP]);
}
