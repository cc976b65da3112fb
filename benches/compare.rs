//! setup-keys beside what one would use instead, in turns, on the same doubles and the same machine:
//!
//! - the evaluator beside the same check as an AWS Config rule in Python (`benches/compare/rule.py`) with AWS's rdklib under AWS's
//!   Lambda runtime interface client, on one change event about a violator, with the same calls;
//! - `setup-keys audit` beside Prowler's nearest check, on an account of 500 users that moto has.
//!
//! `make bench-compare` runs it with the evaluator as it is deployed, the tool of the release profile, and both others as
//! `benches/compare/setup.sh` installs them. With the argument `event` or `account` it is only the first or the second.

#![allow(clippy::cast_precision_loss, reason = "thousands of kilobytes and calls")]

#[allow(dead_code, reason = "each benchmark uses a part of it")]
mod one_event;
#[path = "../tests/python_support/mod.rs"]
#[allow(dead_code, reason = "moto is needed of it, not the events")]
mod python_support;
#[path = "../tests/support/mod.rs"]
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use one_event::{LATENCY, answer, median, millis, violator};
use python_support::{Moto, isolated, seconds_after};
use support::aws::AwsDouble;
use support::process::{Lambda, Launch};

/// The repository.
const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// How often each function is started.
const STARTS: usize = 20;
/// How many later events each of them then gets.
const LATER: usize = 10;
/// How often one process of each gets [`EVENTS`] without latency, for its processor time.
const BATCHES: usize = 5;
const EVENTS: u32 = 200;

/// How often each tool judges the account.
const AUDITS: usize = 3;
const USERS: usize = 500;

/// moto says of its credential report that it was generated in February 2015. Users who are newer than the report would all be
/// read live, so these are of 2014.
const MADE: i64 = -12 * 365 * DAY;
const DAY: i64 = 86_400;

fn mib(kib: u64) -> f64 {
    kib as f64 / 1024.0
}

fn head(ours: &str, theirs: &str) {
    println!("\n{:<44} {ours:>16} {theirs:>16} {:>9}", "", "ratio");
}

/// A figure of both, and how many times ours theirs is.
fn row(figure: &str, unit: &str, ours: f64, theirs: f64) {
    let digits = match unit {
        "" => 0,
        "s" => 2,
        _ => 1,
    };
    let cell = |value: f64| format!("{value:.digits$} {unit}");
    println!("{figure:<44} {:>16} {:>16} {:>9.1}", cell(ours).trim_end(), cell(theirs).trim_end(), theirs / ours);
}

/// What was measured of a function, each time.
#[derive(Default)]
struct Figures {
    start: Vec<f64>,
    first: Vec<f64>,
    later: Vec<f64>,
    peak: Vec<f64>,
    processor: Vec<f64>,
}

/// The evaluator.
fn ours(aws: &AwsDouble) -> Launch {
    Lambda::launch(env!("CARGO_BIN_EXE_evaluator"), aws)
}

/// The rule in Python, as AWS Lambda's own runtime for Python starts it.
fn theirs(aws: &AwsDouble) -> Launch {
    let python = installed("rdklib/bin/python");
    let rule = Path::new(ROOT).join("benches/compare");
    let launch = Lambda::launch(&python.display().to_string(), aws);
    launch.args(&["-m", "awslambdaric", "rule.lambda_handler"]).env("PYTHONPATH", rule.display().to_string())
}

fn installed(file: &str) -> PathBuf {
    let path = Path::new(ROOT).join("target/compare").join(file);
    assert!(path.exists(), "{} is missing: run `make bench-compare`, which installs it", path.display());
    path
}

/// One event: the calls that it took and the compliance type that it put.
fn outcome(launch: fn(&AwsDouble) -> Launch) -> (Vec<String>, String) {
    let aws = AwsDouble::with_users([violator()]);
    answer(&launch(&aws).start(), &aws);
    let put = aws.put_entries().pop().expect("a verdict");
    assert_eq!(put["ComplianceResourceId"], violator().user_id, "{put}");
    (aws.action_names(), put["ComplianceType"].as_str().expect("a compliance type").to_owned())
}

fn measure_starts(launch: fn(&AwsDouble) -> Launch, aws: &AwsDouble, figures: &mut Figures) {
    let lambda = launch(aws).start();
    figures.start.push(millis(lambda.time_to_ready()));
    figures.first.push(millis(answer(&lambda, aws)));
    figures.later.extend((0..LATER).map(|_| millis(answer(&lambda, aws))));
    figures.peak.push(mib(lambda.peak_memory_kib()));
    aws.forget_calls();
}

fn measure_processor_time(lambda: &Lambda, aws: &AwsDouble, figures: &mut Figures) {
    let before = lambda.processor_time();
    for _ in 0..EVENTS {
        answer(lambda, aws);
    }
    figures.processor.push(millis(lambda.processor_time().saturating_sub(before)) / f64::from(EVENTS));
    aws.forget_calls();
}

/// The evaluator beside the rule in Python.
fn one_event() {
    let (our_outcome, their_outcome) = (outcome(ours), outcome(theirs));
    assert_eq!(our_outcome, their_outcome, "the same calls, and the same verdict");
    assert_eq!(our_outcome.1, "NON_COMPLIANT");

    let (mut our, mut their) = (Figures::default(), Figures::default());
    let aws = AwsDouble::with_users([violator()]);
    aws.set_latency(LATENCY);
    for _ in 0..STARTS {
        measure_starts(ours, &aws, &mut our);
        measure_starts(theirs, &aws, &mut their);
    }
    aws.set_latency(Duration::ZERO);
    let (our_process, their_process) = (ours(&aws).start(), theirs(&aws).start());
    answer(&our_process, &aws);
    answer(&their_process, &aws);
    for _ in 0..BATCHES {
        measure_processor_time(&our_process, &aws, &mut our);
        measure_processor_time(&their_process, &aws, &mut their);
    }

    println!("One change event about a violator, NON_COMPLIANT by both, {} ms a call:", LATENCY.as_millis());
    println!("{}", our_outcome.0.join(", "));
    head("evaluator", "rdklib");
    row("start of the process to its first event", "ms", median(our.start), median(their.start));
    row("first answer", "ms", median(our.first), median(their.first));
    row("later answer", "ms", median(our.later), median(their.later));
    row("peak memory", "MiB", median(our.peak), median(their.peak));
    row("processor time of a later event", "ms", median(our.processor), median(their.processor));
}

/// A key: how many seconds after its user it was made, and whether it was used.
#[derive(Clone, Copy)]
struct Key {
    after: i64,
    used: bool,
}

/// What the users have: `(password, key)`. Each kind of key that either tool finds, and most users without any finding.
fn kind(number: usize) -> (bool, Option<Key>) {
    let key = |after, used| Some(Key { after, used });
    match number {
        0..10 => (true, key(4, false)),
        10..20 => (true, key(4, true)),
        20..30 => (true, key(DAY, false)),
        30..200 => (true, key(DAY, true)),
        200..300 => (false, key(DAY, true)),
        _ => (true, None),
    }
}

fn name(number: usize) -> String {
    format!("user{number:03}")
}

fn names(numbers: impl IntoIterator<Item = usize>) -> BTreeSet<String> {
    numbers.into_iter().map(name).collect()
}

fn fill(moto: &mut Moto) {
    for number in 0..USERS {
        let name = name(number);
        let (password, key) = kind(number);
        moto.iam(MADE, "create_user", &json!({ "UserName": name }));
        if password {
            let arguments = json!({ "UserName": name, "Password": "correct horse" });
            moto.iam(MADE + 1, "create_login_profile", &arguments);
        }
        if let Some(Key { after, used }) = key {
            let key = moto.iam(MADE + after, "create_access_key", &json!({ "UserName": name }))["AccessKey"].take();
            if used {
                // moto takes a request that is signed with a key for a use of it.
                let at = seconds_after(MADE + 2 * DAY);
                moto.command(&json!({ "at": at, "call": "get_user", "arguments": {}, "key": key }));
            }
        }
    }
    moto.take_requests();
}

/// What a run of a tool took and found.
struct Run {
    wall: f64,
    processor: f64,
    peak: f64,
    /// How often it made which call.
    calls: BTreeMap<String, usize>,
    findings: BTreeSet<String>,
}

/// Runs a tool that writes a CSV of findings, of which the rows with this value in this column name users.
fn run(moto: &mut Moto, mut command: Command, code: i32, csv: &Path, [user, column, value]: [&str; 3]) -> Run {
    let _ = fs::remove_file(csv);
    command.env("AWS_ENDPOINT_URL", &moto.endpoint);
    for (variable, value) in [
        ("AWS_REGION", "us-east-1"),
        ("AWS_DEFAULT_REGION", "us-east-1"),
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
    ] {
        command.env(variable, value);
    }
    let (wall, ticks, peak) = watch(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()), code);
    let mut calls = BTreeMap::new();
    for request in moto.take_requests() {
        *calls.entry(request["operation"].as_str().expect("an operation").to_owned()).or_default() += 1;
    }
    let content = fs::read_to_string(csv).unwrap_or_else(|error| panic!("{}: {error}", csv.display()));
    let delimiter = if content.lines().next().unwrap_or_default().contains(';') { b';' } else { b',' };
    let mut reader = csv::ReaderBuilder::new().delimiter(delimiter).from_reader(content.as_bytes());
    let rows = reader.deserialize().map(|row| row.expect("a row"));
    let rows = rows.filter(|row: &BTreeMap<String, String>| row[column] == value);
    let findings = rows.map(|row| row[user].clone()).collect();
    // A tick is 10 ms.
    Run { wall: wall.as_secs_f64(), processor: ticks as f64 / 100.0, peak: mib(peak), calls, findings }
}

/// The wall time of a process, its processor time in ticks, and the most memory that it had resident, in KiB.
fn watch(command: &mut Command, code: i32) -> (Duration, u64, u64) {
    let began = Instant::now();
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?} does not start: {error}"));
    let file = |name: &str| fs::read_to_string(format!("/proc/{}/{name}", child.id())).unwrap_or_default();
    let mut peak = 0;
    // Its peak is gone once it has ended, its processor time only when it is waited for.
    let ticks = loop {
        let stat = file("stat");
        let fields: Vec<_> = stat.rsplit(')').next().unwrap_or_default().split_ascii_whitespace().collect();
        if matches!(fields[0], "Z" | "X") {
            break fields[11..13].iter().map(|ticks| ticks.parse::<u64>().expect("a number")).sum();
        }
        let status = file("status");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        peak = line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0).max(peak);
        thread::sleep(Duration::from_millis(2));
    };
    let wall = began.elapsed();
    let status = child.wait().expect("the process");
    assert_eq!(status.code(), Some(code), "{command:?}");
    (wall, ticks, peak)
}

fn audit(moto: &mut Moto, directory: &Path) -> Run {
    let csv = directory.join("setup-keys.csv");
    let tool = env::var("SETUP_KEYS_BINARY").unwrap_or_else(|_| env!("CARGO_BIN_EXE_setup-keys").to_owned());
    let mut command = isolated(tool);
    command.args(["audit", "--format", "csv", "--output"]).arg(&csv);
    run(moto, command, 1, &csv, ["userName", "complianceType", "NON_COMPLIANT"])
}

fn prowler(moto: &mut Moto, directory: &Path) -> Run {
    let mut command = isolated(installed("prowler/bin/prowler"));
    command
        .args(["aws", "--check", "iam_user_no_setup_initial_access_key", "--region", "us-east-1", "--no-banner"])
        .args(["--log-level", "CRITICAL", "--output-formats", "csv", "--output-filename", "prowler"])
        .arg("--output-directory")
        .arg(directory);
    // 3: there are findings.
    run(moto, command, 3, &directory.join("prowler.csv"), ["RESOURCE_NAME", "STATUS", "FAIL"])
}

fn print_counts(what: &str, ours: usize, theirs: usize) {
    println!("{what:<44} {ours:>16} {theirs:>16}");
}

/// The calls that we make, or that Prowler makes for each user, and all others in one row.
fn count_rows(ours: &BTreeMap<String, usize>, theirs: &BTreeMap<String, usize>) {
    let mut others = 0;
    for call in ours.keys().chain(theirs.keys()).collect::<BTreeSet<_>>() {
        let count = |calls: &BTreeMap<String, usize>| calls.get(call).copied().unwrap_or(0);
        match (count(ours), count(theirs)) {
            (0, theirs) if theirs < USERS => others += theirs,
            (ours, theirs) => print_counts(&format!("  {call}"), ours, theirs),
        }
    }
    print_counts("  others", 0, others);
}

/// The tool beside Prowler.
fn account() {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("bench-compare");
    let _ = fs::remove_dir_all(&directory);
    fs::create_dir_all(&directory).expect("a directory");
    let mut moto = Moto::start();
    fill(&mut moto);
    // What is done only once, such as bytecode and the start of moto's services, is not measured.
    audit(&mut moto, &directory);
    prowler(&mut moto, &directory);
    let (mut our, mut their) = (Vec::new(), Vec::new());
    for _ in 0..AUDITS {
        our.push(audit(&mut moto, &directory));
        their.push(prowler(&mut moto, &directory));
    }
    for run in &our {
        assert_eq!(run.findings, names(0..20), "keys made at setup, used or not");
    }
    for run in &their {
        assert_eq!(run.findings, names((0..10).chain(20..30)), "keys never used, whenever made");
    }

    println!("\nAn account of {USERS} users in moto:");
    head("audit", "Prowler");
    let of = |figure: fn(&Run) -> f64| {
        (median(our.iter().map(figure).collect()), median(their.iter().map(figure).collect()))
    };
    let (ours, theirs) = of(|run| run.wall);
    row("wall time", "s", ours, theirs);
    let (ours, theirs) = of(|run| run.processor);
    row("processor time, without moto's", "s", ours, theirs);
    let (ours, theirs) = of(|run| run.peak);
    row("peak memory", "MiB", ours, theirs);
    let (ours, theirs) = of(|run| run.calls.values().sum::<usize>() as f64);
    row("calls", "", ours, theirs);
    count_rows(&our[0].calls, &their[0].calls);
    for (kind, numbers) in
        [("made at setup, never used", 0..10), ("made at setup, used", 10..20), ("made later, never used", 20..30)]
    {
        let found = |run: &Run| names(numbers.clone()).intersection(&run.findings).count();
        print_counts(&format!("found: {kind}"), found(&our[0]), found(&their[0]));
    }
    fs::remove_dir_all(&directory).expect("the directory can be removed");
}

fn main() {
    // Cargo adds an option of its own.
    let parts: Vec<_> = env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let wants = |part: &str| parts.is_empty() || parts.iter().any(|wanted| wanted == part);
    if wants("event") {
        one_event();
    }
    if wants("account") {
        account();
    }
}
