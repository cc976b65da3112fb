//! Credential reports of a large organization, judged by the tool in one run: wall time as a ratio to a bare scan of the same
//! bytes by the `csv` crate, and peak memory.
//!
//! `make bench` runs it. The scan only splits the rows into cells; at most 2.5 times its time is what the audit is held to.

#![allow(clippy::cast_precision_loss, reason = "millions of rows and kilobytes")]

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use csv::ByteRecord;

const ACCOUNTS: u64 = 200;
/// What IAM allows an account by default.
const USERS: u64 = 5000;
const ROUNDS: usize = 5;

const HEADER: &str = "user,arn,user_creation_time,password_enabled,password_last_used,password_last_changed,\
    password_next_rotation,mfa_active,access_key_1_active,access_key_1_last_rotated,access_key_1_last_used_date,\
    access_key_1_last_used_region,access_key_1_last_used_service,access_key_2_active,access_key_2_last_rotated,\
    access_key_2_last_used_date,access_key_2_last_used_region,access_key_2_last_used_service,cert_1_active,\
    cert_1_last_rotated,cert_2_active,cert_2_last_rotated\n";

/// A report a file, `accounts` of them. Every other user has a key, every third a password, and one in a hundred is a
/// violator.
fn make_reports(directory: &Path, accounts: u64) -> Vec<PathBuf> {
    fs::create_dir_all(directory).expect("a directory");
    let report = |number| {
        let path = directory.join(format!("{number:03}.csv"));
        let mut file = BufWriter::new(File::create(&path).expect("a report"));
        let account = 100_000_000_000 + number;
        write!(file, "{HEADER}").expect("a report");
        writeln!(
            file,
            "<root_account>,arn:aws:iam::{account}:root,2020-01-01T00:00:00Z,not_supported,N/A,not_supported,not_supported,\
             true,false,N/A,N/A,N/A,N/A,false,N/A,N/A,N/A,N/A,false,N/A,false,N/A"
        )
        .expect("a report");
        let mut row = String::new();
        for user in 0..USERS {
            row.clear();
            let is_violator = user % 100 == 0;
            let (minute, second) = (user % 60, user % 50);
            let day = user % 28 + 1;
            let has_password = is_violator || user % 3 == 0;
            let password = if has_password {
                "true,2026-04-20T08:12:00Z,2026-03-03T09:01:00Z,N/A,true"
            } else {
                "false,N/A,N/A,N/A,false"
            };
            let key = match user {
                _ if is_violator => format!("true,2026-03-{day:02}T10:{minute:02}:{:02}Z,N/A,N/A,N/A", second + 4),
                user if user % 2 == 0 => {
                    format!("true,2026-04-{day:02}T10:{minute:02}:{second:02}Z,2026-05-01T00:15:00Z,us-east-1,s3")
                }
                _ => "false,N/A,N/A,N/A,N/A".to_owned(),
            };
            // Writing to a text does not fail.
            let _ = writeln!(
                row,
                "first.last-{user:05},arn:aws:iam::{account}:user/department/first.last-{user:05},\
                 2026-03-{day:02}T10:{minute:02}:{second:02}Z,{password},{key},false,N/A,N/A,N/A,N/A,false,N/A,false,N/A"
            );
            file.write_all(row.as_bytes()).expect("a report");
        }
        file.flush().expect("a report");
        path
    };
    (0..accounts).map(report).collect()
}

/// The bare scan: its time, and how many rows there are.
fn scan(reports: &[PathBuf]) -> (Duration, u64) {
    let start = Instant::now();
    let mut rows = 0;
    for report in reports {
        let mut reader = csv::Reader::from_path(report).expect("a report");
        let mut record = ByteRecord::new();
        while reader.read_byte_record(&mut record).expect("a row") {
            rows += 1;
        }
    }
    (start.elapsed(), rows)
}

/// The audit: its time, and the most memory that it had resident, in KiB.
fn audit(directory: &Path) -> (Duration, u64) {
    let start = Instant::now();
    let mut tool = Command::new(env!("CARGO_BIN_EXE_setup-keys"))
        .args(["audit", "--format", "csv", "--output", "/dev/null", "--credential-report"])
        .arg(directory)
        .stdout(Stdio::null())
        .spawn()
        .expect("the tool");
    // The peak is gone with the process, so it is looked at all the time.
    let status = format!("/proc/{}/status", tool.id());
    let mut peak = 0;
    loop {
        let now = fs::read_to_string(&status).unwrap_or_default();
        let line = now.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        peak = line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0).max(peak);
        if let Some(status) = tool.try_wait().expect("the tool") {
            assert_eq!(status.code(), Some(1), "there are violators, and every row can be judged");
            return (start.elapsed(), peak);
        }
        thread::sleep(Duration::from_millis(2));
    }
}

fn main() {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("bench-credential-reports");
    let _ = fs::remove_dir_all(&directory);
    let all = directory.join("all");
    let few = directory.join("few");
    let reports = make_reports(&all, ACCOUNTS);
    make_reports(&few, ACCOUNTS / 20);
    let bytes: u64 = reports.iter().map(|report| fs::metadata(report).expect("a report").len()).sum();

    // In turn, so that whatever else the machine does hits both; the best round is the one least disturbed.
    let mut best_scan = Duration::MAX;
    let mut best_audit = Duration::MAX;
    let (mut rows, mut peak) = (0, 0);
    for _ in 0..ROUNDS {
        let (took, counted) = scan(&reports);
        best_scan = best_scan.min(took);
        rows = counted;
        let (took, memory) = audit(&all);
        best_audit = best_audit.min(took);
        peak = memory.max(peak);
    }
    let (_, peak_of_few) = audit(&few);
    println!(
        "{rows} rows in {ACCOUNTS} credential reports, {} MB: judged in {:.2} s, {:.2} times a bare scan ({:.2} s; at most 2.5); \
         {:.0} rows a millisecond; peak memory {:.1} MiB ({:.1} MiB for a twentieth of them)",
        bytes / 1_000_000,
        best_audit.as_secs_f64(),
        best_audit.as_secs_f64() / best_scan.as_secs_f64(),
        best_scan.as_secs_f64(),
        rows as f64 / best_audit.as_secs_f64() / 1000.0,
        peak as f64 / 1024.0,
        peak_of_few as f64 / 1024.0,
    );
    fs::remove_dir_all(&directory).expect("the reports can be removed");
}
