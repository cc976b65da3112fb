//! Several credential reports in one audit, and one that is judged as it comes.

use std::io::{BufRead as _, BufReader};
use std::thread;

use super::*;

const A: &str = "111111111111";
const B: &str = "222222222222";

/// `a.csv`, `b.json` and something else, in a directory of the test's own.
fn two_reports(test: &str) -> PathBuf {
    use base64::prelude::*;
    let directory = directory(test);
    fs::write(directory.join("a.csv"), report_of(A, |report| report)).unwrap();
    let content = BASE64_STANDARD.encode(report_of(B, |report| report.replace("alice", "zoe")));
    let answer = json!({"Content": content, "ReportFormat": "text/csv", "GeneratedTime": "2026-05-02T10:00:00Z"});
    fs::write(directory.join("b.json"), answer.to_string()).unwrap();
    fs::write(directory.join("notes.txt"), "no report").unwrap();
    fs::create_dir(directory.join("more.csv")).unwrap();
    directory
}

fn audit(directory: &Path, arguments: &[&str]) -> Output {
    tool(&[&["audit", "--now", NOW], arguments].concat()).current_dir(directory).output().unwrap()
}

#[track_caller]
fn accounts(output: &Output) -> Vec<String> {
    let audit: Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", stderr(output)));
    let accounts = audit["accounts"].as_array().unwrap().iter();
    accounts.map(|account| account["account"].as_str().unwrap().to_owned()).collect()
}

#[track_caller]
fn reads(test: &str, arguments: &[&str], expected: &[&str]) {
    let directory = two_reports(test);
    let output = audit(&directory, &[&["--format", "json"], arguments].concat());
    assert_eq!((status(&output), stderr(&output)), (1, ""));
    assert_eq!(accounts(&output), expected);
}

cases! { reads:
    a_directory => ("a_directory", &["--credential-report", "."], &[A, B]);
    a_pattern => ("a_pattern", &["--credential-report", "[ab].*"], &[A, B]);
    several_files_in_their_order => ("several_files", &["--credential-report", "b.json", "--credential-report", "a.csv"], &[B, A]);
    a_file_named_twice_once => ("named_twice", &["--credential-report", "a.csv", "--credential-report", "*.csv",
        "--credential-report", "a.csv"], &[A]);
}

#[test]
fn a_file_with_the_name_of_a_pattern_is_a_file() {
    let directory = two_reports("pattern_name");
    fs::rename(directory.join("a.csv"), directory.join("[ab].csv")).unwrap();
    let output = audit(&directory, &["--credential-report", "[ab].csv", "--format", "json"]);
    assert_eq!(accounts(&output), [A]);
}

#[test]
fn json_names_the_account_of_each_user_and_sums_each_up() {
    let directory = two_reports("json_of_two");
    let output =
        audit(&directory, &["--credential-report", "a.csv", "--credential-report", "b.json", "--format", "json"]);
    let audit: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(audit["account"], Value::Null);
    assert_eq!((&audit["summary"]["total"], &audit["summary"]["nonCompliant"]), (&json!(24), &json!(12)));
    let users = audit["users"].as_array().unwrap();
    assert_eq!((&users[0]["account"], &users[12]["account"]), (&json!(A), &json!(B)));
    assert_eq!(users[12]["userName"], "zoe");
    assert_eq!(
        audit["accounts"][1],
        json!({
            "account": B,
            "source": {
                "kind": "credential-report", "file": "b.json", "reportGeneratedAt": "2026-05-02T10:00:00Z",
                "note": "a credential report has no tags: exceptions cannot be seen"
            },
            "summary": {"compliant": 6, "nonCompliant": 6, "excepted": 0, "expiring": 0, "total": 12},
            "notJudged": 0
        })
    );
}

#[test]
fn a_table_names_the_account_of_each_user_and_sums_each_up() {
    let directory = two_reports("table_of_two");
    let output = audit(&directory, &["--credential-report", "."]);
    let shown = stdout(&output);
    let row = |name: &str, account: &str| {
        let is_row = |line: &&str| line.split_whitespace().take(2).eq([account, name]);
        shown.lines().position(|line| is_row(&line)).unwrap_or_else(|| panic!("no {name} of {account}: {shown}"))
    };
    assert!(shown.starts_with(" ACCOUNT       USER  "), "{shown}");
    assert!(
        row("judy", A) < row("zoe", B) && row("judy", B) < row("dave", A),
        "violators of all accounts first: {shown}"
    );
    let summary = format!(
        "\nAccount {A}: 12 users, 6 NON_COMPLIANT, 6 COMPLIANT\nAccount {B}: 12 users, 6 NON_COMPLIANT, 6 COMPLIANT\n\
         All 2 accounts: 24 users, 12 NON_COMPLIANT, 12 COMPLIANT\nSource: credential reports ./a.csv, ./b.json, up to four hours"
    );
    assert!(shown.contains(&summary), "{shown}");
}

#[test]
fn csv_and_json_lines_name_the_account_of_each_user() {
    let directory = two_reports("lines_of_two");
    let output = audit(&directory, &["--credential-report", ".", "--format", "csv"]);
    let of_csv: Vec<_> = rows(stdout(&output)).iter().map(|row| row["account"].clone()).collect();
    let output = audit(&directory, &["--credential-report", ".", "--format", "jsonl"]);
    let of_lines: Vec<_> =
        lines(stdout(&output)).iter().map(|user| user["account"].as_str().unwrap().to_owned()).collect();
    assert_eq!(of_csv, [[A; 12], [B; 12]].concat());
    assert_eq!(of_lines, of_csv);
}

#[test]
fn a_report_that_cannot_be_read_does_not_stop_the_others() {
    let directory = two_reports("one_bad_report");
    fs::write(directory.join("aa.csv"), "user,arn\n").unwrap();
    for format in ["table", "json", "jsonl", "csv", "sarif", "ocsf"] {
        let output =
            audit(&directory, &["--credential-report", ".", "--credential-report", "gone.csv", "--format", format]);
        assert_eq!(status(&output), 2, "{format}");
        assert_eq!(
            stderr(&output),
            "error: ./aa.csv:1: not a credential report: its first line has no column `access_key_1_active`\n\
             error: gone.csv: No such file or directory (os error 2)\n"
        );
        assert!(stdout(&output).contains("alice") && stdout(&output).contains("zoe"), "{format}: {}", stdout(&output));
    }
    let output = audit(&directory, &["--credential-report", "."]);
    assert!(stdout(&output).contains("\nNot judged: 0 users, 1 report (see the errors)\n"), "{}", stdout(&output));
    let output = audit(&directory, &["--credential-report", ".", "--format", "sarif"]);
    is_valid("sarif", &output.stdout);
    let log: Value = serde_json::from_slice(&output.stdout).unwrap();
    let invocation = &log["runs"][0]["invocations"][0];
    assert_eq!(invocation["executionSuccessful"], false);
    let message = invocation["toolExecutionNotifications"][0]["message"]["text"].as_str().unwrap();
    assert!(message.starts_with("./aa.csv:1: not a credential report"), "{message}");
}

#[test]
fn nothing_is_printed_when_no_report_can_be_read() {
    let directory = two_reports("no_report");
    fs::write(directory.join("a.csv"), "user,arn\n").unwrap();
    fs::write(directory.join("out"), "old").unwrap();
    let reports = ["--credential-report", "a.csv", "--credential-report", "gone.csv"];
    for format in ["table", "json", "jsonl", "csv", "sarif", "ocsf"] {
        let output = audit(&directory, &[&reports[..], &["--format", format]].concat());
        assert_eq!((status(&output), stdout(&output), stderr(&output).lines().count()), (2, "", 2), "{format}");
        let output = audit(&directory, &[&reports[..], &["--format", format, "--output", "out"]].concat());
        assert_eq!(status(&output), 2);
        assert_eq!(fs::read_to_string(directory.join("out")).unwrap(), "old", "an older result stays: {format}");
    }
}

#[test]
fn two_reports_of_one_account_are_one_too_many() {
    let directory = two_reports("one_too_many");
    fs::write(directory.join("c.csv"), report_of(A, |report| report.replace("alice", "yuri"))).unwrap();
    let output = audit(&directory, &["--credential-report", ".", "--format", "json"]);
    assert_eq!(status(&output), 2);
    let message = format!("error: ./c.csv: account `{A}` was judged by ./a.csv already: give one report an account\n");
    assert_eq!(stderr(&output), message);
    assert_eq!(accounts(&output), [A, B]);
    assert!(!stdout(&output).contains("yuri"));
}

/// The header and the root user come first; the rest would be a pipe's whole buffer many times over.
#[track_caller]
fn writes_as_it_judges(format: &str) {
    let example = fs::read_to_string(REPORT).unwrap();
    let header = example.lines().next().unwrap().to_owned();
    let mut child = tool(&["audit", "--credential-report", "-", "--format", format])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut errors = BufReader::new(child.stderr.take().unwrap());
    // The report goes on until a row was read that was judged, and an error of another: neither waits for its end.
    let (read, is_read) = std::sync::mpsc::channel();
    let writer = thread::spawn(move || {
        writeln!(input, "{header}").unwrap();
        let mut rows = 0;
        while is_read.try_recv().is_err() {
            let key = if rows == 7 { "true,N/A" } else { "false,N/A" };
            let start =
                format!("u{rows},arn:aws:iam::{A}:user/u{rows},2026-03-02T10:15:01Z,true,N/A,N/A,N/A,false,{key}");
            writeln!(input, "{start},N/A,N/A,N/A,false,N/A,N/A,N/A,N/A,false,N/A,false,N/A").unwrap();
            rows += 1;
        }
        rows
    });
    let mut line = String::new();
    errors.read_line(&mut line).unwrap();
    assert!(line.starts_with("error: standard input:9: user `u7` cannot be judged"), "{line}");
    let mut shown = String::new();
    while !shown.contains("u5") {
        assert_ne!(output.read_line(&mut shown).unwrap(), 0, "{shown}");
    }
    read.send(()).unwrap();
    let rest = output.lines().map(Result::unwrap).filter(|line| line.contains("COMPLIANT")).count();
    let rows = writer.join().unwrap();
    assert_eq!(rest + shown.matches("COMPLIANT").count(), rows - 1, "every row but one was judged");
    assert_eq!(child.wait().unwrap().code(), Some(2));
}

cases! { writes_as_it_judges:
    csv_is_written_before_the_report_ends => ("csv");
    json_lines_are_written_before_the_report_ends => ("jsonl");
}
