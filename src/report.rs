//! The result of an audit, and its forms: one file a format.

pub mod html;
pub mod json;
pub mod table;

use chrono::{DateTime, SecondsFormat, Utc};

use crate::rule::facts::{Facts, KeyAge};
use crate::rule::key_ages;
use crate::rule::parameters::Parameters;
use crate::rule::verdict::{Summary, Verdict};

/// The users of an account, judged.
#[derive(Debug, Clone)]
pub struct AuditReport {
    /// The account, 12 digits, where the source names one.
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
}

/// Where the facts come from.
#[derive(Debug, Clone)]
pub enum Source {
    /// A credential report alone.
    CredentialReport {
        /// The file.
        file: String,
        /// When IAM generated the report, where its form tells.
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
    /// User name, as the source has it.
    pub user_name: String,
    /// Unique id, where the source has it.
    pub user_id: Option<String>,
    /// ARN, where the source has it.
    pub arn: Option<String>,
    /// The verdict.
    pub verdict: Verdict,
    /// What a person reads beside it.
    pub annotation: String,
    /// Every key that is known of the user; `None` if its keys were not read.
    pub keys: Option<Vec<KeyAge>>,
}

impl JudgedUser {
    /// The user of these facts, with this verdict.
    #[must_use]
    pub fn new(facts: Facts, verdict: Verdict, parameters: &Parameters) -> Self {
        let annotation = verdict.annotation(parameters);
        let keys = key_ages(&facts);
        Self { user_name: facts.user_name, user_id: facts.user_id, arn: facts.arn, verdict, annotation, keys }
    }
}

impl AuditReport {
    /// Counts the users.
    #[must_use]
    pub fn summary(&self) -> Summary {
        self.users.iter().map(|user| &user.verdict).collect()
    }
}

/// Why exceptions do not show in an audit of a credential report.
const NO_EXCEPTIONS: &str = "a credential report has no tags: exceptions cannot be seen";

fn iso(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Secs, true)
}
