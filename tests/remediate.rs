//! `setup-keys remediate` and live `audit` as a person runs them, against the AWS double.

#[macro_use]
#[path = "support/cases.rs"]
mod cases;
mod support;

#[path = "remediate/undo.rs"]
mod undo;

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use serde_json::{Value, json};
use support::aws::{ACCESS_KEY_ID, AwsDouble, Fault, FaultKind, Key, SECRET_ACCESS_KEY, User};
use support::{ACCOUNT, time};

const CREATED: &str = "2026-03-02T10:15:01Z";
const UNUSED: &str = "AKIAUNUSED0000000001";
const USED: &str = "AKIAUSED000000000001";

fn account() -> AwsDouble {
    let used = Key::new(USED, time(CREATED)).last_used(time("2026-03-05T08:00:00Z"));
    AwsDouble::with_users([
        User::new("alice", CREATED).id("AIDAEXAMPLEALICE00001").password().key(UNUSED, 4),
        User::new("bob", CREATED).password().with_key(used),
        User::new("carol", CREATED).password().key("AKIALATER00000000001", 4000),
        User::new("dave", CREATED).key("AKIANOPASSWORD000001", 4),
    ])
}

/// The tool with the double as its AWS, in a directory of the test's own.
fn tool(test: &str, aws: &AwsDouble, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_setup-keys"))
        .args(arguments)
        .env_clear()
        .env("AWS_ENDPOINT_URL", aws.url())
        .env("AWS_REGION", "us-east-1")
        .env("AWS_ACCESS_KEY_ID", ACCESS_KEY_ID)
        .env("AWS_SECRET_ACCESS_KEY", SECRET_ACCESS_KEY)
        .current_dir(directory(test))
        .output()
        .unwrap()
}

fn directory(test: &str) -> PathBuf {
    let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(test);
    fs::create_dir_all(&directory).unwrap();
    directory
}

/// Exit status and standard output.
#[track_caller]
fn printed(output: &Output) -> (i32, String) {
    let errors = String::from_utf8_lossy(&output.stderr);
    println!("{errors}");
    (output.status.code().unwrap(), String::from_utf8(output.stdout.clone()).unwrap())
}

fn status(aws: &AwsDouble, user: &str) -> String {
    aws.account(|account| account.user(user).keys[0].status.clone())
}

#[test]
fn a_dry_run_shows_the_plan_and_changes_nothing() {
    let aws = account();
    let (code, shown) = printed(&tool("dry_run", &aws, &["remediate", "--all"]));
    assert_eq!(code, 1);
    assert_eq!(
        shown,
        " USER   KEY                   ACTION      OUTCOME  REASON
 alice  AKIAUNUSED0000000001  Deactivate  Planned  The key was made at user setup and never used.
 bob    AKIAUSED000000000001  None        Skipped  The key is in use: have its owner rotate it.
Dry run: nothing was changed. --yes acts on 1 key.
A key that Terraform or CloudFormation made comes back: remove it there first.
2 setup keys left active.
"
    );
    assert_eq!(aws.count("iam", "UpdateAccessKey"), 0);
}

#[test]
fn what_was_done_can_be_undone() {
    let aws = account();
    let test = "undo";
    let file = directory(test).join("undo.json");
    let _ = fs::remove_file(&file);
    let run = |arguments: &[&str]| printed(&tool(test, &aws, arguments));

    let (code, shown) = run(&["remediate", "--user", "ALICE", "--yes", "--undo-file", "undo.json"]);
    assert_eq!(code, 0);
    assert!(shown.contains("Deactivate  Done") && shown.ends_with("0 setup keys left active.\n"), "{shown}");
    assert_eq!(status(&aws, "alice"), "Inactive");
    let undo: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    let key =
        json!({"userName": "alice", "userId": "AIDAEXAMPLEALICE00001", "accessKeyId": UNUSED, "status": "Active"});
    assert_eq!((&undo["account"], &undo["keys"]), (&json!(ACCOUNT), &json!([key])));

    let (code, shown) = run(&["remediate", "--undo", "undo.json"]);
    assert!(code == 0 && shown.contains("Planned") && status(&aws, "alice") == "Inactive", "{shown}");
    let (code, shown) = run(&["remediate", "--undo", "undo.json", "--yes"]);
    assert!(code == 0 && shown.contains("Done") && status(&aws, "alice") == "Active", "{shown}");
    let (code, shown) = run(&["remediate", "--undo", "undo.json", "--yes"]);
    assert!(code == 0 && shown.contains("Skipped"), "a second time there is nothing to undo: {shown}");
}

/// Whoever said yes said it to the plan.
#[test]
fn a_key_that_was_not_in_the_plan_is_left_alone() {
    let aws = account();
    let test = "not_in_the_plan";
    let file = directory(test).join("undo.json");
    let _ = fs::remove_file(&file);
    // The last fact that is read for the plan.
    aws.after_calls(Some("GetAccessKeyLastUsed"), 1, |account| {
        account.user("alice").keys.push(Key::new("AKIAMEANWHILE0000001", time(CREATED)));
    });
    let (code, shown) =
        printed(&tool(test, &aws, &["remediate", "--user", "alice", "--yes", "--undo-file", "undo.json"]));
    let keys = aws.account(|account| {
        account.user("alice").keys.iter().map(|key| (key.id.clone(), key.status.clone())).collect::<Vec<_>>()
    });
    let expected = [(UNUSED, "Inactive"), ("AKIAMEANWHILE0000001", "Active")];
    assert_eq!(keys, expected.map(|(id, status)| (id.to_owned(), status.to_owned())), "{shown}");
    assert!(code == 1 && shown.contains("Skipped  The key was not in the plan.\n"), "{shown}");
    assert!(shown.ends_with("1 setup key left active.\n"), "{shown}");
    assert!(!fs::read_to_string(&file).unwrap().contains("MEANWHILE"));
}

#[test]
fn the_way_back_is_never_written_over() {
    let aws = account();
    let test = "never_over";
    fs::write(directory(test).join("undo.json"), "the way back").unwrap();
    let output = tool(test, &aws, &["remediate", "--all", "--yes", "--undo-file", "undo.json"]);
    assert_eq!(output.status.code(), Some(2));
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(errors, "error: undo.json: File exists (os error 17); nothing was changed\n");
    assert_eq!(status(&aws, "alice"), "Active");
}

#[test]
fn inactive_keys_are_deleted_later() {
    let aws = account();
    aws.account(|account| "Inactive".clone_into(&mut account.user("alice").keys[0].status));
    let test = "delete_later";
    let _ = fs::remove_file(directory(test).join("undo.json"));
    let arguments = ["remediate", "--all", "--action", "delete-inactive", "--yes", "--undo-file", "undo.json"];
    let (code, shown) = printed(&tool(test, &aws, &arguments));
    assert_eq!(code, 1, "the key of bob is active: {shown}");
    assert!(aws.account(|account| account.user("alice").keys.is_empty()));
    assert_eq!(status(&aws, "bob"), "Active");
}

#[test]
fn a_failure_is_told_and_the_others_are_tried() {
    let aws = account();
    aws.add(User::new("erin", CREATED).password().key("AKIAERIN000000000001", 5));
    aws.fail(Fault::new("UpdateAccessKey", FaultKind::AccessDenied).times(1));
    let test = "failure";
    let _ = fs::remove_file(directory(test).join("undo.json"));
    let (code, shown) = printed(&tool(test, &aws, &["remediate", "--all", "--yes", "--undo-file", "undo.json"]));
    assert_eq!(code, 2);
    assert!(
        shown.contains("Failed") && shown.contains("iam:UpdateAccessKey failed") && shown.contains("Done"),
        "{shown}"
    );
}

#[test]
fn what_cannot_be_done_is_said() {
    let aws = account();
    let says = |arguments: &[&str]| {
        let output = tool("said", &aws, arguments);
        assert_eq!(output.status.code(), Some(2));
        String::from_utf8(output.stderr).unwrap()
    };
    assert_eq!(says(&["remediate", "--user", "nobody"]), "error: no user is called `nobody`\n");
    assert_eq!(
        says(&["remediate", "--undo", "nowhere.json"]),
        "error: nowhere.json: No such file or directory (os error 2)\n"
    );
    assert!(says(&["remediate"]).contains("<--user <NAME>|--all|--undo <FILE>>"));
    fs::write(
        directory("said").join("other.json"),
        r#"{"account": "444455556666", "written": "2026-03-02T10:15:01Z", "keys": []}"#,
    )
    .unwrap();
    assert_eq!(
        says(&["remediate", "--undo", "other.json", "--yes"]),
        "error: other.json: account `444455556666` is not that of the credentials, `111122223333`\n"
    );
}

#[test]
fn a_live_audit_judges_the_account() {
    let aws = account();
    let expires = (setup_keys::clock::now() + chrono::TimeDelta::days(30)).date_naive().to_string();
    let excepted = User::new("frank", CREATED).password().key("AKIAFRANK00000000001", 4);
    aws.add(excepted.tag("setup-keys:exception-owner", "ops").tag("setup-keys:exception-expires", &expires));
    let output = tool("audit", &aws, &["audit", "--format", "json"]);
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    let audit: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(audit["summary"], json!({"compliant": 3, "nonCompliant": 2, "excepted": 1, "expiring": 0, "total": 5}));
    assert_eq!((&audit["account"], &audit["source"]["kind"]), (&json!(ACCOUNT), &json!("live")));
    let users = audit["users"].as_array().unwrap();
    let user = |name: &str| users.iter().find(|user| user["userName"] == name).unwrap();
    let days_left = user("frank")["exception"]["daysLeft"].clone();
    // Midnight may have come since.
    assert!(days_left == 30 || days_left == 29, "{days_left}");
    assert_eq!(
        user("frank")["exception"],
        json!({"owner": "ops", "expires": expires, "daysLeft": days_left, "reason": null})
    );
    assert_eq!(user("alice")["setupKeys"][0]["accessKeyId"], UNUSED);
    assert_eq!(aws.count("config", "PutEvaluations"), 0);
}

#[test]
fn an_audit_tells_of_exceptions_that_end_within_two_weeks() {
    let aws = account();
    let day = |days| (setup_keys::clock::now() + chrono::TimeDelta::days(days)).date_naive().to_string();
    // Midnight may come between the making of the account and its audit.
    for (name, days) in [("frank", 12), ("grace", 30), ("heidi", 5)] {
        let user = User::new(name, CREATED).password().key(&format!("AKIA{:0<16}", name.to_uppercase()), 4);
        aws.add(user.tag("setup-keys:exception-owner", "ops").tag("setup-keys:exception-expires", &day(days)));
    }
    let (heidi, frank) = (day(5), day(12));
    let output = tool("audit_expiring", &aws, &["audit"]);
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = shown.lines().find(|line| line.starts_with("Exceptions")).unwrap_or_else(|| panic!("{shown}"));
    let expected = format!("heidi ({heidi}, owner ops), frank ({frank}, owner ops)");
    assert_eq!(line, format!("Exceptions that end within 14 days: {expected}"));
}

#[test]
fn a_live_audit_of_whom_nothing_can_be_read_says_so() {
    let aws = account();
    aws.fail(Fault::new("ListAccessKeys", FaultKind::AccessDenied).on("alice"));
    let output = tool("audit_denied", &aws, &["audit"]);
    assert_eq!(output.status.code(), Some(2));
    let (errors, shown) = (String::from_utf8_lossy(&output.stderr), String::from_utf8_lossy(&output.stdout));
    assert!(errors.contains("user `alice`: iam:ListAccessKeys failed for `alice`: AccessDenied"), "{errors}");
    assert!(shown.contains("Not judged: 1 user (see the errors)") && shown.contains("bob"), "{shown}");
}
