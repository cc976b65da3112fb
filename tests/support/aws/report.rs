//! The IAM credential report.
//!
//! Source: IAM User Guide, "Generate credential reports for your AWS account"; a new one is made at most every four
//! hours, so it can be that old.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use chrono::{DateTime, Utc};
use csv::{Terminator, WriterBuilder};

use super::account::{Account, Key, User};
use super::wire::{ServiceError, element, seconds};
use crate::support::time;

const COLUMNS: [&str; 22] = [
    "user",
    "arn",
    "user_creation_time",
    "password_enabled",
    "password_last_used",
    "password_last_changed",
    "password_next_rotation",
    "mfa_active",
    "access_key_1_active",
    "access_key_1_last_rotated",
    "access_key_1_last_used_date",
    "access_key_1_last_used_region",
    "access_key_1_last_used_service",
    "access_key_2_active",
    "access_key_2_last_rotated",
    "access_key_2_last_used_date",
    "access_key_2_last_used_region",
    "access_key_2_last_used_service",
    "cert_1_active",
    "cert_1_last_rotated",
    "cert_2_active",
    "cert_2_last_rotated",
];
const ADDITIONAL_COLUMN: &str = "additional_credentials_info";
const SLOTS: usize = 2;

/// The credential report of an account.
#[derive(Debug)]
pub struct CredentialReport {
    /// How many times `GenerateCredentialReport` answers `STARTED` or `INPROGRESS` before it answers `COMPLETE`.
    pub polls: usize,
    /// Whether there is a 23rd column, which tells that a user has more keys than fit.
    pub additional_column: bool,
    /// What `GetCredentialReport` gives as the report instead of rows about the users.
    pub content: Option<String>,
    polled: usize,
    expired: bool,
    snapshot: Option<Snapshot>,
    current: Option<Snapshot>,
}

#[derive(Debug, Clone)]
struct Snapshot {
    generated: DateTime<Utc>,
    users: Vec<User>,
}

impl Default for CredentialReport {
    fn default() -> Self {
        Self {
            polls: 1,
            additional_column: false,
            content: None,
            polled: 0,
            expired: false,
            snapshot: None,
            current: None,
        }
    }
}

impl CredentialReport {
    pub(super) fn take_snapshot(&mut self, users: &[User], generated: DateTime<Utc>) {
        self.snapshot = Some(Snapshot { generated, users: users.to_vec() });
        if self.current.is_some() {
            self.current = self.snapshot.clone();
        }
    }

    /// Lets the report expire: `GetCredentialReport` refuses it, and another has to be generated.
    pub fn expire(&mut self) {
        self.expired = self.current.take().is_some();
    }

    fn generate(&mut self, users: &[User], now: DateTime<Utc>) -> &'static str {
        if self.current.is_some() {
            return "COMPLETE";
        }
        if self.polled < self.polls {
            self.polled += 1;
            return if self.polled == 1 { "STARTED" } else { "INPROGRESS" };
        }
        self.polled = 0;
        self.expired = false;
        self.current =
            Some(self.snapshot.clone().unwrap_or_else(|| Snapshot { generated: now, users: users.to_vec() }));
        "COMPLETE"
    }
}

/// `GenerateCredentialReport`: nothing is made anew while there is a report.
pub(super) fn generate(account: &mut Account, now: DateTime<Utc>) -> String {
    let state = account.report.generate(&account.users, now);
    let description = match state {
        "STARTED" => element("Description", "No report exists. Starting a new report generation task"),
        _ => String::new(),
    };
    element("State", state) + &description
}

/// The rows that `GetCredentialReport` gives once there is a report, of the snapshot if one was taken.
pub(super) fn text(account: &Account) -> String {
    let report = &account.report;
    let snapshot = report.current.as_ref().or(report.snapshot.as_ref());
    let snapshot =
        snapshot.cloned().unwrap_or_else(|| Snapshot { generated: DateTime::UNIX_EPOCH, users: account.users.clone() });
    String::from_utf8(csv(account, &snapshot)).expect("names are UTF-8")
}

/// `GetCredentialReport`.
pub(super) fn get(account: &Account) -> Result<String, ServiceError> {
    let report = &account.report;
    let Some(current) = &report.current else {
        return Err(if report.polled > 0 {
            ServiceError::new(404, "ReportInProgress", "The credential report is still being generated.")
        } else if report.expired {
            ServiceError::new(410, "ReportExpired", "The credential report has expired.")
        } else {
            ServiceError::new(410, "ReportNotPresent", "There is no credential report.")
        });
    };
    let content = report.content.clone().map_or_else(|| csv(account, current), String::into_bytes);
    let content = BASE64_STANDARD.encode(content);
    let generated = element("GeneratedTime", &seconds(current.generated));
    Ok(element("Content", &content) + &element("ReportFormat", "text/csv") + &generated)
}

/// The root user first, then the users sorted without regard to case. Lines end with a line feed, the last one with
/// nothing.
fn csv(account: &Account, snapshot: &Snapshot) -> Vec<u8> {
    let additional_column = account.report.additional_column;
    let mut rows = WriterBuilder::new().terminator(Terminator::Any(b'\n')).from_writer(Vec::new());
    let mut write = |mut row: Vec<String>, additional: String| {
        if additional_column {
            row.push(additional);
        }
        rows.write_record(row).expect("a row of as many columns as the others");
    };
    write(COLUMNS.map(str::to_owned).to_vec(), ADDITIONAL_COLUMN.to_owned());
    let root = [
        "<root_account>".to_owned(),
        format!("arn:aws:iam::{}:root", account.account_id),
        cell(Some(time("2020-01-01T00:00:00Z"))),
    ];
    let root = root
        .into_iter()
        .chain(["not_supported", "no_information", "not_supported", "not_supported"].map(str::to_owned));
    write(root.chain(credentials("true", &account.root_keys)).collect(), additional(&account.root_keys));
    let mut users: Vec<_> = snapshot.users.iter().collect();
    users.sort_by_key(|user| user.name.to_ascii_lowercase());
    for user in users {
        let about = [user.name.clone(), user.arn(&account.account_id), cell(Some(user.created))];
        let password = match user.login_profile {
            None => ["false", "N/A", "N/A", "N/A"].map(str::to_owned),
            Some(made) => {
                let last_used = user.password_last_used.map_or("no_information".to_owned(), |used| cell(Some(used)));
                ["true".to_owned(), last_used, cell(Some(made)), "N/A".to_owned()]
            }
        };
        let row = about.into_iter().chain(password).chain(credentials("false", &user.keys)).collect();
        write(row, additional(&user.keys));
    }
    let mut csv = rows.into_inner().expect("a report in memory");
    csv.pop();
    csv
}

/// The columns from `mfa_active` on. Slots are filled by key id, whatever the order in which the keys were made, and an
/// inactive key keeps its date.
fn credentials(mfa_active: &str, keys: &[Key]) -> Vec<String> {
    let mut keys: Vec<_> = keys.iter().collect();
    keys.sort_by_key(|key| &key.id);
    let mut cells = vec![mfa_active.to_owned()];
    for slot in 0..SLOTS {
        cells.extend(match keys.get(slot) {
            None => ["false", "N/A", "N/A", "N/A", "N/A"].map(str::to_owned),
            Some(key) => {
                let (region, service) = if key.last_used.is_some() { ("us-east-1", "sts") } else { ("N/A", "N/A") };
                let active = (key.status == "Active").to_string();
                [active, cell(Some(key.created)), cell(key.last_used), region.to_owned(), service.to_owned()]
            }
        });
    }
    cells.extend(["false", "N/A", "false", "N/A"].map(str::to_owned));
    cells
}

/// How AWS words this is not documented, only what it says.
fn additional(keys: &[Key]) -> String {
    match keys.len().saturating_sub(SLOTS) {
        0 => "N/A".to_owned(),
        more => format!("{more} additional access keys, use ListAccessKeys"),
    }
}

/// A time as older captures have it: with an offset.
fn cell(time: Option<DateTime<Utc>>) -> String {
    time.map_or("N/A".to_owned(), |time| time.format("%Y-%m-%dT%H:%M:%S+00:00").to_string())
}
