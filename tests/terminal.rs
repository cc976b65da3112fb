//! `setup-keys remediate --all` at a terminal: the plan, a progress bar that leaves nothing behind, the result, and the way
//! back.

#[allow(dead_code, reason = "the tests against moto use more of it")]
mod python_support;
mod support;

use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{env, fs};

use python_support::{isolated, python_file};
use serde::Deserialize;
use support::aws::{ACCESS_KEY_ID, AwsDouble, Key, SECRET_ACCESS_KEY, User};
use support::time;

const CREATED: &str = "2026-03-02T10:15:01Z";

/// What a person saw.
#[derive(Debug, Deserialize)]
struct Seen {
    /// Exit status.
    status: i32,
    /// Everything that was written, control sequences in it.
    written: String,
    /// The lines that are left on the screen.
    screen: Vec<String>,
}

fn at_terminal(columns: usize, directory: &Path, aws: &AwsDouble, arguments: &[&str]) -> Seen {
    let mut command = isolated(python_file("bin/python"));
    command
        .arg("-I")
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/terminal.py"))
        .args([columns.to_string().as_str(), "40", env!("CARGO_BIN_EXE_setup-keys"), "remediate"])
        .args(arguments)
        .current_dir(directory)
        .env("TERM", "xterm-256color")
        .env("AWS_ENDPOINT_URL", aws.url())
        .env("AWS_REGION", "us-east-1")
        .env("AWS_ACCESS_KEY_ID", ACCESS_KEY_ID)
        .env("AWS_SECRET_ACCESS_KEY", SECRET_ACCESS_KEY)
        .env_remove("NO_COLOR");
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let seen: Seen = serde_json::from_slice(&output.stdout).unwrap();
    println!("$ setup-keys remediate {}\n{}", arguments.join(" "), seen.screen.join("\n"));
    seen
}

fn directory(test: &str) -> PathBuf {
    let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(test);
    let _ = fs::remove_dir_all(&directory);
    fs::create_dir_all(&directory).unwrap();
    directory
}

/// Five users to act on, one with a key in use and one with nothing; every answer takes long enough to be waited for.
fn account() -> AwsDouble {
    let used = Key::new("AKIAUSED000000000001", time(CREATED)).last_used(time("2026-03-05T08:00:00Z"));
    let unused = (1..=5).map(|number| {
        User::new(&format!("engineer{number}"), CREATED).password().key(&format!("AKIAUNUSED000000000{number}"), 4)
    });
    let others = [User::new("bob", CREATED).password().with_key(used), User::new("carol", CREATED).password()];
    let aws = AwsDouble::with_users(unused.chain(others));
    aws.set_latency(Duration::from_millis(40));
    aws
}

fn statuses(aws: &AwsDouble) -> Vec<String> {
    aws.account(|account| account.users.iter().flat_map(|user| &user.keys).map(|key| key.status.clone()).collect())
}

/// The plan for [`account`], or what came of it.
fn table(outcome: &str) -> Vec<String> {
    let width = if outcome == "Done" { "OUTCOME" } else { outcome };
    let row = |cells: [&str; 5]| {
        let [user, key, action, outcome, reason] = cells;
        format!(" {user:<9}  {key:<20}  {action:<10}  {outcome:<0$}  {reason}", width.len())
    };
    let planned = (1..=5).map(|number| {
        let key = format!("AKIAUNUSED000000000{number}");
        let reason = "The key was made at user setup and never used.";
        row([&format!("engineer{number}"), &key, "Deactivate", outcome, reason])
    });
    let header = row(["USER", "KEY", "ACTION", "OUTCOME", "REASON"]);
    let kept = row(["bob", "AKIAUSED000000000001", "None", "Skipped", "The key is in use: have its owner rotate it."]);
    [header].into_iter().chain(planned).chain([kept]).collect()
}

/// The bars that were drawn and erased again, each as its first words and its counts.
fn bars(seen: &Seen) -> Vec<(String, String)> {
    let drawn = seen.written.split('\r').filter_map(|line| {
        let (message, rest) = line.trim_start_matches("\u{1b}[2K").split_once(['█', '░'])?;
        let counts = rest.trim_start_matches(['█', '░']).split_whitespace().next()?;
        Some((message.trim().to_owned(), counts.to_owned()))
    });
    drawn.collect()
}

#[track_caller]
fn shows(seen: &Seen, status: i32, screen: &[String]) {
    assert_eq!((seen.status, &seen.screen[..seen.screen.len() - 1]), (status, screen));
    assert_eq!(seen.screen.last().map(String::as_str), Some(""), "a shell's prompt starts on a line of its own");
}

fn lines(text: &[&str]) -> Vec<String> {
    text.iter().map(|&line| line.to_owned()).collect()
}

#[test]
fn an_account_is_remediated_and_brought_back() {
    let aws = account();
    let directory = directory("terminal");

    let plan = at_terminal(120, &directory, &aws, &["--all"]);
    let hint = lines(&[
        "Dry run: nothing was changed. --yes acts on 5 keys.",
        "A key that Terraform or CloudFormation made comes back: remove it there first.",
        "6 setup keys left active.",
    ]);
    shows(&plan, 1, &[table("Planned"), hint].concat());
    assert!(plan.written.contains("Reading the credential report and the users"), "{}", plan.written);

    let done = at_terminal(120, &directory, &aws, &["--all", "--yes", "--undo-file", "undo.json"]);
    let left = lines(&["To undo: setup-keys remediate --undo undo.json --yes", "1 setup key left active."]);
    shows(&done, 1, &[table("Planned"), table("Done"), left].concat());
    assert_eq!(statuses(&aws), [["Inactive"; 5].as_slice(), &["Active"]].concat());

    // First all users, then those with setup keys are judged again, then acted on; nobody is told otherwise.
    let bars = bars(&done);
    for (message, total) in [("Judging", "/7"), ("Judging", "/6"), ("Changing keys", "/6")] {
        let shown = bars.iter().any(|(said, counts)| said == message && counts.ends_with(total));
        assert!(shown, "{message} {total} in {bars:?}");
    }
    assert!(bars.iter().all(|(_, counts)| !counts.ends_with("/0")), "{bars:?}");

    let undone = at_terminal(120, &directory, &aws, &["--undo", "undo.json", "--yes"]);
    assert_eq!(undone.status, 0);
    assert_eq!(undone.screen.iter().filter(|line| line.contains("Done: The key has its old status.")).count(), 5);
    assert_eq!(statuses(&aws), ["Active"; 6]);
}

#[test]
fn a_warning_does_not_mix_with_the_bar() {
    let aws = account();
    aws.take_report_snapshot(setup_keys::clock::now() - chrono::TimeDelta::hours(5));
    let seen = at_terminal(200, &directory("terminal-warning"), &aws, &["--all"]);
    assert!(seen.screen[0].starts_with(" WARN the credential report is over four hours old"), "{:?}", seen.screen);
    assert_eq!(seen.screen[1..=7], table("Planned"));
}

#[test]
fn a_narrow_terminal_is_not_overrun() {
    let aws = account();
    let seen = at_terminal(80, &directory("narrow-terminal"), &aws, &["--all"]);
    for number in 1..=5 {
        let key = format!(" AKIAUNUSED000000000{number} ");
        assert!(seen.screen.iter().any(|line| line.contains(&key)), "{key} is not whole");
    }
    // A table that is too wide would show words cut at the edge.
    let text = seen.screen.iter().map(|line| line.trim()).collect::<Vec<_>>().join(" ");
    assert_eq!(text.matches("The key was made at user setup and never used.").count(), 5, "{text}");
}
