//! The result of an audit, and its forms: one file a format.
//!
//! An audit tells a [`Sink`] of each user as it is judged. Forms of one line a user ([`csv`], [`lines`], [`ocsf`]) write it at once, so
//! their memory does not grow with the account; the others [`Collect`] the users and write an [`AuditReport`] at the end.

pub mod control;
pub mod csv;
pub mod html;
pub mod json;
pub mod lines;
pub mod ocsf;
pub mod sarif;
pub mod table;

use std::io::{self, Write};
use std::sync::Arc;

use chrono::{DateTime, SecondsFormat, Utc};

use crate::rule::facts::KeyAge;
use crate::rule::parameters::Parameters;
use crate::rule::verdict::{Summary, Verdict};

/// The users of one account or several, judged.
#[derive(Debug, Clone)]
pub struct AuditReport {
    /// The account, 12 digits, where the source names one, and only one.
    pub account: Option<String>,
    /// When the users were judged.
    pub generated: DateTime<Utc>,
    /// Where the facts come from.
    pub source: Source,
    /// The parameters of the rule.
    pub parameters: Parameters,
    /// Every user that was judged, in the order of the source.
    pub users: Vec<JudgedUser>,
    /// What could not be judged, and why.
    pub errors: Vec<String>,
    /// The accounts, in the order in which they were judged.
    pub accounts: Vec<JudgedAccount>,
}

/// One account of an audit.
#[derive(Debug, Clone)]
pub struct JudgedAccount {
    /// The account, 12 digits, where the source names one.
    pub account: Option<String>,
    /// Where the facts come from.
    pub source: Source,
    /// How many users there are of each kind.
    pub summary: Summary,
    /// How many users could not be judged.
    pub not_judged: usize,
}

/// Where the facts come from.
#[derive(Debug, Clone)]
pub enum Source {
    /// A credential report alone.
    CredentialReport {
        /// The file; of several reports, all of them.
        file: String,
        /// When IAM generated the report, where its form tells; of several reports, the oldest.
        generated: Option<DateTime<Utc>>,
    },
    /// Live reads of IAM.
    Live {
        /// When the credential report was generated that told who to read; `None` if every user was read.
        report_generated: Option<DateTime<Utc>>,
    },
}

/// A user with the verdict on it.
#[derive(Debug, Clone)]
pub struct JudgedUser {
    /// Its account, where the source names one.
    pub account: Option<Arc<str>>,
    /// User name, as the source has it.
    pub user_name: String,
    /// Unique id, where the source has it.
    pub user_id: Option<String>,
    /// ARN, where the source has it.
    pub arn: Option<String>,
    /// The verdict.
    pub verdict: Verdict,
    /// What a person reads beside it.
    pub annotation: Arc<str>,
    /// Every key that is known of the user; `None` if its keys were not read, or if the form of the result does not show them.
    pub keys: Option<Vec<KeyAge>>,
    /// Where in a credential report the user stands.
    pub location: Option<Location>,
}

/// A place in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    /// The file, as it was named.
    pub file: Arc<str>,
    /// The line, from 1.
    pub line: u64,
}

impl AuditReport {
    /// Counts the users.
    #[must_use]
    pub fn summary(&self) -> Summary {
        self.users.iter().map(|user| &user.verdict).collect()
    }

    /// The users in the order in which people read them: by [`rank`], and within each in the order of the source.
    fn ranked_users(&self) -> Vec<&JudgedUser> {
        let mut users: Vec<_> = self.users.iter().collect();
        users.sort_by_key(|user| rank(&user.verdict));
        users
    }

    /// How many users could not be judged, and how many reports could not be read at all.
    fn not_judged(&self) -> (usize, usize) {
        let users = self.accounts.iter().map(|account| account.not_judged).sum();
        (users, self.errors.len().saturating_sub(users))
    }
}

/// What holds for the whole audit, known before it starts.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The parameters of the rule.
    pub parameters: Parameters,
    /// When the users are judged.
    pub now: DateTime<Utc>,
}

/// Takes the result of an audit as it comes. Errors are those of the output.
pub trait Sink {
    /// A user that was judged.
    ///
    /// # Errors
    ///
    /// - [`io::Error`] of the output.
    fn user(&mut self, user: JudgedUser) -> io::Result<()>;

    /// Something that could not be judged, and why.
    fn error(&mut self, message: &str);

    /// The end, with the accounts in the order in which they were judged.
    ///
    /// # Errors
    ///
    /// - [`io::Error`] of the output.
    fn end(self: Box<Self>, accounts: Vec<JudgedAccount>) -> io::Result<()>;
}

/// A sink that writes when all users are there.
pub struct Collect<W> {
    settings: Settings,
    users: Vec<JudgedUser>,
    errors: Vec<String>,
    write: W,
}

impl<W: FnOnce(&AuditReport) -> io::Result<()>> Collect<W> {
    /// Collects for `write`.
    pub const fn new(settings: Settings, write: W) -> Self {
        Self { settings, users: Vec::new(), errors: Vec::new(), write }
    }
}

impl<W: FnOnce(&AuditReport) -> io::Result<()>> Sink for Collect<W> {
    fn user(&mut self, user: JudgedUser) -> io::Result<()> {
        self.users.push(user);
        Ok(())
    }

    fn error(&mut self, message: &str) {
        self.errors.push(message.to_owned());
    }

    fn end(self: Box<Self>, accounts: Vec<JudgedAccount>) -> io::Result<()> {
        let Self { settings: Settings { parameters, now }, users, errors, write } = *self;
        let (account, source) = match accounts.as_slice() {
            [only] => (only.account.clone(), only.source.clone()),
            several => (None, all_sources(several)),
        };
        write(&AuditReport { account, generated: now, source, parameters, users, errors, accounts })
    }
}

/// The credential reports of several accounts as one source.
fn all_sources(accounts: &[JudgedAccount]) -> Source {
    const NAMED: usize = 3;
    let reports: Vec<_> = accounts
        .iter()
        .filter_map(|account| match &account.source {
            Source::CredentialReport { file, generated } => Some((file.as_str(), *generated)),
            Source::Live { .. } => None,
        })
        .collect();
    let named = reports.iter().take(NAMED).map(|(file, _)| *file).collect::<Vec<_>>().join(", ");
    let file = match reports.len().saturating_sub(NAMED) {
        0 => named,
        more => format!("{named} and {more} more"),
    };
    let generated = reports.iter().map(|(_, generated)| *generated).min().flatten();
    Source::CredentialReport { file, generated }
}

/// A sink's output.
pub type Output<'a> = &'a mut dyn Write;

/// What is read first: 0 for NON_COMPLIANT users, 1 for those that only an exception makes COMPLIANT, 2 for the others.
const fn rank(verdict: &Verdict) -> u8 {
    match verdict {
        Verdict::NonCompliant { .. } => 0,
        _ if verdict.exception().is_some() => 1,
        Verdict::Compliant(_) | Verdict::NotApplicable(_) => 2,
    }
}

/// Why exceptions do not show in an audit of a credential report.
const NO_EXCEPTIONS: &str = "a credential report has no tags: exceptions cannot be seen";

fn iso(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Secs, true)
}
