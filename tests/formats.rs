//! What `setup-keys audit` writes for machines and for people: every format, hostile texts, many reports, terminals.
//!
//! The files of `tests/expected` are what the tool prints for the example report; `{VERSION}` stands for its version.

#![allow(clippy::needless_pass_by_value, reason = "the rows of a table of tests are made in place")]

#[macro_use]
#[path = "support/cases.rs"]
mod cases;
#[path = "formats/console.rs"]
mod console;
#[path = "formats/hostile.rs"]
mod hostile;
#[path = "formats/live.rs"]
mod live;
#[allow(dead_code, reason = "these tests use a part of it")]
mod python_support;
#[path = "formats/reports.rs"]
mod reports;
mod support;
#[allow(dead_code, reason = "these tests use a part of it")]
#[path = "support/tool.rs"]
mod tool;

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

use python_support::{isolated, python_file};
use tool::*;

const REPORT: &str = "examples/credential-report.csv";
const NOW: &str = "2026-05-03T12:00:00Z";

/// The same, with the double as its AWS.
fn run_live(aws: &support::aws::AwsDouble, arguments: &[&str]) -> Output {
    let mut command = tool(arguments);
    command
        .env("AWS_ENDPOINT_URL", aws.url())
        .env("AWS_REGION", "us-east-1")
        .env("AWS_ACCESS_KEY_ID", support::aws::ACCESS_KEY_ID)
        .env("AWS_SECRET_ACCESS_KEY", support::aws::SECRET_ACCESS_KEY);
    command.output().unwrap()
}

/// An empty directory of the test's own.
fn directory(test: &str) -> PathBuf {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("formats").join(test);
    let _ = fs::remove_dir_all(&directory);
    fs::create_dir_all(&directory).unwrap();
    directory
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// The objects of JSON Lines.
#[track_caller]
fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

/// The rows of a CSV, cells by their column.
#[track_caller]
fn rows(text: &str) -> Vec<std::collections::BTreeMap<String, String>> {
    csv::Reader::from_reader(text.as_bytes()).deserialize().map(Result::unwrap).collect()
}

/// The example report with another account, its rows changed.
fn report_of(account: &str, change: impl Fn(String) -> String) -> String {
    change(fs::read_to_string(REPORT).unwrap().replace("111122223333", account))
}

/// What `tests/python/formats.py` has against a document: nothing.
#[track_caller]
fn is_valid(format: &str, document: &[u8]) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/formats.py");
    let mut command = isolated(python_file("bin/python"));
    let child = command.arg("-I").arg(script).arg(format).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let mut child = child.unwrap();
    child.stdin.take().unwrap().write_all(document).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "not valid as {format}:\n{}", String::from_utf8_lossy(&output.stdout));
}

#[track_caller]
fn prints(format: &str, expected: &str) {
    let output = run(&["audit", "--credential-report", REPORT, "--now", NOW, "--format", format]);
    assert_eq!((status(&output), stderr(&output)), (1, ""));
    assert_eq!(stdout(&output), expected.replace("{VERSION}", env!("CARGO_PKG_VERSION")));
}

cases! { prints:
    a_table => ("table", include_str!("expected/audit.txt"));
    json => ("json", include_str!("expected/audit.json"));
    json_lines => ("jsonl", include_str!("expected/audit.jsonl"));
    csv => ("csv", include_str!("expected/audit.csv"));
    sarif => ("sarif", include_str!("expected/audit.sarif"));
    ocsf => ("ocsf", include_str!("expected/audit.ocsf.jsonl"));
}

#[track_caller]
fn validates(format: &str, arguments: &[&str]) {
    let output = run(&[&["audit", "--credential-report", REPORT, "--format", format], arguments].concat());
    is_valid(format, &output.stdout);
}

cases! { validates:
    sarif_of_the_example => ("sarif", &[]);
    sarif_by_another_rule => ("sarif", &["--profile", "panther"]);
    sarif_without_a_result => ("sarif", &["--setup-window-seconds", "0"]);
    ocsf_of_the_example => ("ocsf", &[]);
    ocsf_by_another_rule => ("ocsf", &["--profile", "check-point"]);
}

#[test]
fn the_validator_finds_faults() {
    let output = run(&["audit", "--credential-report", REPORT, "--format", "ocsf"]);
    let mut finding = lines(stdout(&output)).swap_remove(0);
    finding["compliance"]["verdict"] = json!("Fail");
    let faulty = finding.to_string();
    assert!(std::panic::catch_unwind(|| is_valid("ocsf", faulty.as_bytes())).is_err());
    let faulty = json!({"version": "2.1.0", "runs": [{}]}).to_string();
    assert!(std::panic::catch_unwind(|| is_valid("sarif", faulty.as_bytes())).is_err());
}

#[test]
fn every_machine_format_says_whose_rule_it_is_and_what_to_do() {
    for format in ["json", "jsonl", "csv", "sarif", "ocsf"] {
        let output = run(&["audit", "--credential-report", REPORT, "--format", format]);
        for part in
            ["CIS AWS Foundations", "1.23", "2.10", "key 2: never used: deactivate, then delete; key 1: used: rotate"]
        {
            assert!(stdout(&output).contains(part), "`{part}` is not in {format}");
        }
    }
}

#[test]
fn a_user_is_recognised_by_sarif_and_ocsf_wherever_its_row_stands() {
    let moved = |report: String| {
        let (header, rows) = report.split_once('\n').unwrap();
        let mut rows: Vec<_> = rows.lines().collect();
        rows.reverse();
        format!("{header}\n{}\n", rows.join("\n"))
    };
    let path = directory("moved").join("report.csv");
    fs::write(&path, report_of("111122223333", moved)).unwrap();
    let found = |file: &str| {
        let output = run(&["audit", "--credential-report", file, "--format", "sarif", "--now", NOW]);
        let mut log: Value = serde_json::from_slice(&output.stdout).unwrap();
        let results = log["runs"][0]["results"].take();
        let mut marks: Vec<_> =
            results.as_array().unwrap().iter().map(|result| result["partialFingerprints"].to_string()).collect();
        marks.sort();
        let output = run(&["audit", "--credential-report", file, "--format", "ocsf"]);
        let mut uids: Vec<_> =
            lines(stdout(&output)).iter().map(|finding| finding["finding_info"]["uid"].to_string()).collect();
        uids.sort();
        (marks, uids)
    };
    let (marks, uids) = found(REPORT);
    assert_eq!((marks.len(), uids.len()), (6, 12));
    assert_eq!(found(text(&path)), (marks, uids));
}

#[test]
fn sarif_points_to_the_row_of_the_user() {
    let output = run(&["audit", "--credential-report", REPORT, "--format", "sarif"]);
    let log: Value = serde_json::from_slice(&output.stdout).unwrap();
    let report = fs::read_to_string(REPORT).unwrap();
    for result in log["runs"][0]["results"].as_array().unwrap() {
        let place = &result["locations"][0];
        assert_eq!(place["physicalLocation"]["artifactLocation"]["uri"], REPORT);
        let line = place["physicalLocation"]["region"]["startLine"].as_u64().unwrap();
        let row = report.lines().nth(usize::try_from(line).unwrap() - 1).unwrap();
        let arn = place["logicalLocations"][0]["fullyQualifiedName"].as_str().unwrap();
        assert!(row.contains(arn), "line {line} is not that of {arn}");
    }
}
