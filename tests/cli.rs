//! The command-line tool as a person runs it: what it prints, where, and with which exit status.

#![allow(clippy::needless_pass_by_value, reason = "the rows of a table of tests are made in place")]

#[macro_use]
#[path = "support/cases.rs"]
mod cases;
#[path = "support/tool.rs"]
mod tool;

use std::ffi::OsStr;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use tool::*;

const REPORT: &str = "examples/credential-report.csv";

/// A file with this content, in a directory of the test's own.
fn file(test: &str, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
    let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(test);
    fs::create_dir_all(&directory).unwrap();
    let path = directory.join(name);
    fs::write(&path, content).unwrap();
    path
}

fn text(path: &impl AsRef<OsStr>) -> &str {
    path.as_ref().to_str().unwrap()
}

fn audit_json(arguments: &[&str]) -> Value {
    let output = run(&[&["audit", "--format", "json"], arguments].concat());
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", stderr(&output)))
}

/// Name and compliance type of every user.
fn verdicts(audit: &Value) -> Vec<(&str, &str)> {
    let users = audit["users"].as_array().unwrap().iter();
    users.map(|user| (user["userName"].as_str().unwrap(), user["complianceType"].as_str().unwrap())).collect()
}

mod audit {
    use super::*;

    #[test]
    fn prints_a_table_with_the_violators_first() {
        let output = run(&["audit", "--credential-report", REPORT]);
        assert_eq!(status(&output), 1);
        assert_eq!(stderr(&output), "");
        assert_eq!(stdout(&output), include_str!("expected/audit.txt"));
    }

    #[test]
    fn judges_every_user_of_the_example() {
        let audit = audit_json(&["--credential-report", REPORT]);
        assert_eq!(
            verdicts(&audit),
            [
                ("alice", "NON_COMPLIANT"),
                ("bob", "NON_COMPLIANT"),
                ("carol", "NON_COMPLIANT"),
                ("dave", "COMPLIANT"),
                ("deploy-bot", "COMPLIANT"),
                ("erin", "COMPLIANT"),
                ("frank", "COMPLIANT"),
                ("grace", "NON_COMPLIANT"),
                ("heidi", "COMPLIANT"),
                ("ivan,ops@example.com", "NON_COMPLIANT"),
                ("judy", "NON_COMPLIANT"),
                ("mallory", "COMPLIANT"),
            ]
        );
        assert_eq!(
            audit["summary"],
            json!({"compliant": 6, "nonCompliant": 6, "excepted": 0, "expiring": 0, "total": 12})
        );
    }

    #[test]
    fn tells_a_machine_everything_about_a_user() {
        let audit = audit_json(&["--credential-report", REPORT, "--now", "2026-05-03T12:00:00Z"]);
        assert_eq!(audit["rule"], "iam-user-no-setup-access-keys");
        assert_eq!(audit["account"], "111122223333");
        assert_eq!(audit["generatedAt"], "2026-05-03T12:00:00Z");
        assert_eq!(
            audit["parameters"],
            json!({
                "profile": "cis", "setupWindowSeconds": "60", "consolePassword": "required", "keyStatus": "active",
                "keyUsage": "any", "exceptionTagPrefix": "setup-keys:exception-", "maxExceptionDays": "365",
                "sweepReports": "all"
            })
        );
        assert!(audit["source"]["note"].as_str().unwrap().contains("exceptions cannot be seen"));
        assert_eq!(
            audit["users"][1],
            json!({
                "userName": "bob", "userId": null, "arn": "arn:aws:iam::111122223333:user/bob",
                "complianceType": "NON_COMPLIANT",
                "annotation": "2 setup keys: key 2 made 4 s after the user, never used: deactivate, then delete; \
                               key 1 made 45 s after the user, used: rotate.",
                "remediation": "key 2: never used: deactivate, then delete; key 1: used: rotate",
                "setupKeys": [
                    {"accessKeyId": null, "slot": 2, "createdSecondsAfterUser": 4, "status": "Active", "lastUsed": null},
                    {"accessKeyId": null, "slot": 1, "createdSecondsAfterUser": 45, "status": "Active",
                     "lastUsed": "2026-04-18T09:00:00Z"},
                ],
                "exception": null
            })
        );
    }

    #[track_caller]
    fn finds(arguments: &[&str], violators: &[&str]) {
        let audit = audit_json(&[&["--credential-report", REPORT], arguments].concat());
        let found: Vec<_> = verdicts(&audit)
            .into_iter()
            .filter(|(_, verdict)| *verdict == "NON_COMPLIANT")
            .map(|(name, _)| name)
            .collect();
        assert_eq!(found, violators);
    }

    cases! { finds:
        by_check_points_rule => (&["--profile", "check-point"], &["alice", "bob", "frank", "grace", "ivan,ops@example.com", "judy", "mallory"]);
        by_trend_micros_rule => (&["--profile", "trend-micro"], &["alice", "bob", "carol", "grace", "ivan,ops@example.com"]);
        by_kertos_rule => (&["--profile", "kertos"], &["alice", "bob", "carol", "frank", "grace", "ivan,ops@example.com"]);
        by_panthers_rule => (&["--profile", "panther"], &["alice", "bob", "deploy-bot", "frank", "judy", "mallory"]);
        by_cyscales_rule => (&["--profile", "cyscale"], &["alice", "bob", "carol", "dave", "grace", "ivan,ops@example.com"]);
        with_a_parameter_of_its_own => (&["--setup-window-seconds", "3"], &["alice", "judy"]);
        with_every_parameter => (
            &["--profile", "panther", "--setup-window-seconds", "any", "--console-password", "required", "--key-status",
              "active", "--key-usage", "never-used", "--exception-tag-prefix", "x", "--max-exception-days", "1",
              "--sweep-reports", "changes"],
            &["alice", "bob", "carol", "dave", "grace", "ivan,ops@example.com"]);
    }

    #[test]
    fn ends_with_0_when_all_users_are_compliant() {
        let output = run(&["audit", "--credential-report", REPORT, "--setup-window-seconds", "0"]);
        assert_eq!((status(&output), stderr(&output)), (0, ""));
        assert!(!stdout(&output).contains("Next:"));
    }

    #[test]
    fn reads_standard_input() {
        let output = run_with_input(&["audit", "--credential-report", "-"], &fs::read(REPORT).unwrap());
        assert_eq!(status(&output), 1);
        assert!(stdout(&output).contains("credential report standard input"), "{}", stdout(&output));
    }

    #[test]
    fn writes_to_a_file() {
        let path = file("writes_to_a_file", "audit.json", "old");
        let output = run(&["audit", "--credential-report", REPORT, "--format", "json", "--output", text(&path)]);
        assert_eq!((status(&output), stdout(&output), stderr(&output)), (1, "", ""));
        let written: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        assert_eq!(written["summary"]["total"], 12);
    }

    #[test]
    fn judges_the_other_rows_when_one_cannot_be_judged() {
        let broken = fs::read_to_string(REPORT).unwrap().replacen("true,2026-03-03T09:01:00Z", "true,N/A", 1);
        let path = file("one_bad_row", "report.csv", broken);
        let output = run(&["audit", "--credential-report", text(&path), "--format", "json"]);
        assert_eq!(status(&output), 2);
        let message = format!(
            "{}:5: user `carol` cannot be judged: column `access_key_1_active` is `true`, but column \
             `access_key_1_last_rotated` is `N/A`",
            path.display()
        );
        assert_eq!(stderr(&output), format!("error: {message}\n"));
        let audit: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(audit["summary"]["total"], 11);
        assert_eq!(audit["errors"], json!([message]));
    }

    #[test]
    fn shows_hostile_names_harmlessly() {
        let hostile = fs::read_to_string(REPORT).unwrap().replace("alice", "al\u{1b}[2Jice");
        let path = file("hostile_names", "report.csv", hostile);
        let output = run(&["audit", "--credential-report", text(&path)]);
        assert!(stdout(&output).contains("al\u{fffd}[2Jice") && !stdout(&output).contains('\u{1b}'));
    }

    #[test]
    fn takes_a_closed_pipe_for_an_end() {
        let row = |number| {
            let blank = ",N/A".repeat(18);
            format!("\nu{number},arn:aws:iam::111122223333:user/u{number},2026-03-02T10:15:01Z,true{blank}")
        };
        let rows = fs::read_to_string(REPORT).unwrap() + &(0..5000).map(row).collect::<Vec<_>>().concat();
        let path = file("closed_pipe", "report.csv", rows);
        let mut child = tool(&["audit", "--credential-report", text(&path)])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert_eq!((status(&output), stderr(&output)), (1, ""));
    }
}

mod replay {
    use super::*;

    #[track_caller]
    fn judges(event: &str, arguments: &[&str], expected: Value) {
        let output = run(&[&["replay", event, "--credential-report", REPORT], arguments].concat());
        assert_eq!((status(&output), stderr(&output)), (0, ""));
        assert_eq!(serde_json::from_slice::<Value>(&output.stdout).unwrap(), expected);
    }

    fn evaluation(id: &str, verdict: &str, annotation: &str, ordering: &str) -> Value {
        json!([{
            "ComplianceResourceType": "AWS::IAM::User", "ComplianceResourceId": id, "ComplianceType": verdict,
            "Annotation": annotation, "OrderingTimestamp": ordering
        }])
    }

    cases! { judges:
        a_created_user => ("examples/events/created.json", &[], evaluation(
            "AIDAEXAMPLEALICE00001", "NON_COMPLIANT",
            "1 setup key: key 1 made 3 s after the user, never used: deactivate, then delete.", "2026-03-02T10:17:44.587Z"));
        an_oversized_item => ("examples/events/oversized.json", &[], evaluation(
            "AIDAEXAMPLEBOB0000001", "NON_COMPLIANT",
            "2 setup keys: key 2 made 4 s after the user, never used: deactivate, then delete; key 1 made 45 s after the \
             user, used: rotate.", "2026-03-02T10:22:13.040Z"));
        a_deleted_user => ("examples/events/deleted.json", &[], evaluation(
            "AIDAEXAMPLEALICE00001", "NOT_APPLICABLE", "The resource is deleted or not recorded.", "2026-05-02T16:00:12.018Z"));
        with_a_parameter_in_place_of_the_events => ("examples/events/created.json", &["--setup-window-seconds", "2"], evaluation(
            "AIDAEXAMPLEALICE00001", "COMPLIANT", "No active access key made within 2 s of the user.", "2026-03-02T10:17:44.587Z"));
    }

    #[test]
    fn puts_nothing_for_a_proactive_evaluation() {
        let path = file("proactive", "event.json", "{\"evaluationMode\": \"PROACTIVE\"}");
        let output = run(&["replay", text(&path)]);
        assert_eq!((status(&output), stdout(&output)), (0, "[]\n"));
    }

    #[test]
    fn reads_standard_input() {
        let event = fs::read("examples/events/deleted.json").unwrap();
        let output = run_with_input(&["replay", "-", "--credential-report", REPORT], &event);
        assert_eq!(status(&output), 0);
    }
}

mod refuses {
    use super::*;

    /// Exit status 2, nothing on standard output, this line on standard error (`FILE` stands for the bad file).
    #[track_caller]
    fn input(test: &str, arguments: &[&str], content: impl AsRef<[u8]>, message: &str) {
        let path = file(test, "input", content);
        let arguments: Vec<_> =
            arguments.iter().map(|argument| if *argument == "FILE" { text(&path) } else { argument }).collect();
        let output = run(&arguments);
        assert_eq!((status(&output), stdout(&output)), (2, ""), "{}", stderr(&output));
        assert_eq!(stderr(&output), format!("error: {}\n", message.replace("FILE", text(&path))));
    }

    const AUDIT: &[&str] = &["audit", "--credential-report", "FILE"];
    const REPLAY: &[&str] = &["replay", "FILE", "--credential-report", REPORT];
    const REPLAY_BAD_REPORT: &[&str] = &["replay", "examples/events/created.json", "--credential-report", "FILE"];

    fn created(from: &str, to: &str) -> String {
        let event = fs::read_to_string("examples/events/created.json").unwrap();
        assert!(event.contains(from), "{event}");
        event.replace(from, to)
    }

    cases! { input:
        an_empty_report => ("empty_report", AUDIT, "", "FILE:1: not a credential report: it is empty");
        a_report_without_rows => ("header_only", AUDIT, fs::read_to_string(REPORT).unwrap().lines().next().unwrap(),
            "FILE:1: not a credential report: it has no rows, not even that of the root user");
        a_report_with_a_missing_column => ("missing_column", AUDIT, "user,arn\n", "FILE:1: not a credential report: its first line has no column `access_key_1_active`");
        a_report_that_is_not_text => ("binary_report", AUDIT, [0xff, 0x00], "FILE:1: not a credential report: its first line has no column `access_key_1_active`");
        an_empty_event => ("empty_event", REPLAY, "", "FILE:1:1: `event`: is empty: a JSON object is expected");
        an_event_that_is_not_utf_8 => ("binary_event", REPLAY, b"{\n \"a\": \"\xff\"}", "FILE:2:8: not UTF-8");
        an_event_that_is_no_json => ("no_json", REPLAY, "{\n  nonsense\n}", "FILE:2:3: `event`: key must be a string");
        an_event_of_another_account => ("other_account", REPLAY, created("\"accountId\": \"111122223333\"", "\"accountId\": \"444455556666\""),
            "FILE:8:20: `configRuleArn`: account `111122223333` is not `accountId` `444455556666`");
        an_unknown_message_type => ("unknown_type", REPLAY, created("ConfigurationItemChangeNotification", "Surprise"),
            "FILE:3:20: `invokingEvent.messageType`: unsupported message type `Surprise`: the rule takes \
             ConfigurationItemChangeNotification, OversizedConfigurationItemChangeNotification and ScheduledNotification");
        an_unknown_parameter => ("unknown_parameter", REPLAY, created("\"ruleParameters\": \"{}\"", "\"ruleParameters\": \"{\\\"window\\\":\\\"1\\\"}\""),
            "FILE:4:21: `ruleParameters`: unknown rule parameter `window` (value \"1\"): the rule has `profile`, `setupWindowSeconds`, \
             `consolePassword`, `keyStatus`, `keyUsage`, `exceptionTagPrefix`, `maxExceptionDays`, `sweepReports`");
        a_user_that_the_report_does_not_have => ("unknown_user", REPLAY, created("alice", "zoe"),
            "FILE: user `zoe` cannot be judged: the credential report has no such user; it may be up to four hours old");
        a_user_made_again_since_the_report => ("remade_user", REPLAY, created("2026-03-02T10:15:01.000Z", "2026-03-09T10:15:01.000Z"),
            "FILE: user `alice` cannot be judged: the event's user was created 2026-03-09 10:15:01 UTC, that of the credential \
             report 2026-03-02 10:15:01 UTC");
        a_bad_report_to_replay_with => ("bad_replay_report", REPLAY_BAD_REPORT, "", "FILE:1: not a credential report: it is empty");
        a_report_of_another_account => ("other_report", REPLAY_BAD_REPORT, fs::read_to_string(REPORT).unwrap().replace("111122223333", "444455556666"),
            "account `444455556666` of the credential report is not `accountId` `111122223333` of the event");
    }

    #[test]
    fn a_schedule_offline() {
        let output = run(&["replay", "examples/events/scheduled.json", "--credential-report", REPORT]);
        assert_eq!(status(&output), 2);
        assert!(stderr(&output).ends_with("run `setup-keys audit --credential-report FILE`\n"));
    }

    #[track_caller]
    fn without_reading(arguments: &[&str], message: &str) {
        let output = run(arguments);
        assert_eq!((status(&output), stdout(&output)), (2, ""));
        assert!(stderr(&output).contains(message), "`{message}` is not in `{}`", stderr(&output));
    }

    cases! { without_reading:
        a_file_that_is_not_there => (&["audit", "--credential-report", "nowhere.csv"], "error: nowhere.csv: No such file or directory (os error 2)\n");
        a_directory_without_reports => (&["audit", "--credential-report", "src"], "error: src: no *.csv or *.json in this directory\n");
        a_directory_to_replay_with => (&["replay", "examples/events/created.json", "--credential-report", "examples"],
            "error: examples: cannot be read: Is a directory (os error 21)\n");
        a_pattern_that_nothing_fits => (&["audit", "--credential-report", "examples/*.tsv"], "error: examples/*.tsv: no file fits this pattern\n");
        a_pattern_that_is_none => (&["audit", "--credential-report", "examples/***"], "error: examples/***: not a pattern: ");
        a_saved_report_of_a_report => (&["audit", "--credential-report", REPORT, "--save-report", "x"], "cannot be used with");
        an_unknown_shell => (&["completions", "dos"], "invalid value 'dos' for '<SHELL>'");
        an_unknown_command_of_the_manual => (&["man", "inspect"], "error: no command is called `inspect`: see setup-keys --help\n");
        a_directory_as_event => (&["replay", "examples"], "error: examples: Is a directory (os error 21)\n");
        a_directory_as_output => (&["audit", "--credential-report", REPORT, "--output", "examples"], "error: examples: Is a directory (os error 21)\n");
        a_parameter_out_of_range => (&["audit", "--credential-report", REPORT, "--setup-window-seconds", "-1"],
            "error: rule parameter `setupWindowSeconds` must be a whole number from 0 to 86400, or `any`, got `-1`\n");
        an_unknown_format => (&["audit", "--credential-report", REPORT, "--format", "yaml"], "invalid value 'yaml' for '--format <FORMAT>'");
        a_time_that_is_none => (&["audit", "--credential-report", REPORT, "--now", "today"], "invalid value 'today' for '--now <TIME>'");
        an_unknown_command => (&["inspect"], "unrecognized subcommand 'inspect'");
        no_command => (&[], "Usage: setup-keys <COMMAND>");
    }
}

#[test]
fn help_lists_every_parameter_with_its_values() {
    for command in ["audit", "replay"] {
        let output = run(&[command, "--help"]);
        assert_eq!((status(&output), stderr(&output)), (0, ""));
        for part in
            ["--setup-window-seconds <VALUE>", "a whole number from 0 to 86400, or any", "--sweep-reports <VALUE>"]
        {
            assert!(stdout(&output).contains(part), "`{part}` is not in the help of {command}: {}", stdout(&output));
        }
    }
}

#[test]
fn the_evaluator_outside_lambda_says_what_it_is() {
    let output = Command::new(env!("CARGO_BIN_EXE_evaluator")).env_clear().output().unwrap();
    assert_eq!((status(&output), stdout(&output)), (2, ""));
    assert_eq!(
        stderr(&output),
        "evaluator is an AWS Lambda function and AWS_LAMBDA_RUNTIME_API is not set, so this is not Lambda; to judge an \
         event by hand, run `setup-keys replay EVENT.json`\n"
    );
}
