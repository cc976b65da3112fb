//! The verdict on a user, with its reasons, and the annotation that tells a person what to do.

use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::{Serialize, Serializer};

use super::exception::{Exception, InvalidException};
use super::facts::{KeyName, KeyStatus};
use super::parameters::{KeyStatusFilter, KeyUsage, Parameters, SetupWindow};
use crate::text;

/// The longest annotation that AWS Config takes, in characters (Config API Reference, `Evaluation`: 1 to 256).
pub const MAX_ANNOTATION_CHARS: usize = 256;

/// The outcome of judging one user, with its reasons.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The rule has nothing against the user.
    Compliant(Cleared),
    /// The user has setup keys that nothing excuses.
    NonCompliant {
        /// The setup keys, at least one, oldest first.
        setup_keys: Vec<SetupKey>,
        /// Exception tags that make no exception.
        invalid_exception: Option<InvalidException>,
    },
    /// There is no user to judge.
    NotApplicable(NotApplicable),
}

/// Why a user is COMPLIANT.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cleared {
    /// None of its keys is a setup key.
    NoSetupKey,
    /// It has no console password.
    NoLoginProfile,
    /// An exception covers its setup keys.
    Excepted {
        /// The exception in force.
        exception: Exception,
        /// The setup keys it covers, at least one, oldest first.
        setup_keys: Vec<SetupKey>,
    },
}

/// Why there is nothing to judge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotApplicable {
    /// The configuration item says that the resource is deleted or not recorded.
    NotRecorded,
    /// The resource left the scope of the rule.
    LeftScope,
    /// The resource is not an IAM user.
    OtherType,
    /// The root user, which is not an IAM user.
    Root,
    /// IAM has no user of this name.
    Gone,
    /// The name now belongs to a user with another unique id.
    Replaced,
}

/// A key that was made while its user was being set up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetupKey {
    /// Which key it is.
    pub name: KeyName,
    /// Its status.
    pub status: KeyStatus,
    /// Seconds from the creation of the user to that of the key; negative for a key dated before its user.
    pub seconds_after_user: i64,
    /// When it was last used; `None` if IAM has no last-used date.
    pub last_used: Option<DateTime<Utc>>,
}

/// A compliance type that AWS Config accepts from a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ComplianceType {
    /// `COMPLIANT`
    Compliant,
    /// `NON_COMPLIANT`
    NonCompliant,
    /// `NOT_APPLICABLE`
    NotApplicable,
}

impl ComplianceType {
    /// The type as AWS Config spells it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Compliant => "COMPLIANT",
            Self::NonCompliant => "NON_COMPLIANT",
            Self::NotApplicable => "NOT_APPLICABLE",
        }
    }
}

impl fmt::Display for ComplianceType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for ComplianceType {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl Verdict {
    /// The compliance type of the verdict.
    #[must_use]
    pub const fn compliance_type(&self) -> ComplianceType {
        match self {
            Self::Compliant(_) => ComplianceType::Compliant,
            Self::NonCompliant { .. } => ComplianceType::NonCompliant,
            Self::NotApplicable(_) => ComplianceType::NotApplicable,
        }
    }

    /// The setup keys that count against the user, or that an exception covers.
    #[must_use]
    pub fn setup_keys(&self) -> &[SetupKey] {
        match self {
            Self::NonCompliant { setup_keys, .. } | Self::Compliant(Cleared::Excepted { setup_keys, .. }) => setup_keys,
            Self::Compliant(Cleared::NoSetupKey | Cleared::NoLoginProfile) | Self::NotApplicable(_) => &[],
        }
    }

    /// The exception in force, if the user would be NON_COMPLIANT without it.
    #[must_use]
    pub const fn exception(&self) -> Option<&Exception> {
        match self {
            Self::Compliant(Cleared::Excepted { exception, .. }) => Some(exception),
            _ => None,
        }
    }

    /// What to do about each setup key, `key 1: used: rotate`, key ids masked; `None` where nothing is to be done.
    #[must_use]
    pub fn remediation(&self) -> Option<String> {
        let Self::NonCompliant { setup_keys, .. } = self else { return None };
        let each: Vec<_> = setup_keys.iter().map(|key| format!("{}: {}", key.name.masked(), key.todo())).collect();
        Some(each.join("; "))
    }

    /// What a person reads beside the verdict: 1 to [`MAX_ANNOTATION_CHARS`] characters, no control characters, key ids
    /// shown as `…` and their last four characters, the same for the same facts.
    ///
    /// It names no time that moves while nothing else does (the date of a last use, the days an exception has left): a
    /// result is reported to Config, and billed, each time its annotation changes.
    #[must_use]
    pub fn annotation(&self, parameters: &Parameters) -> String {
        let whole = match self {
            Self::Compliant(cleared) => cleared.annotation(parameters),
            Self::NonCompliant { setup_keys, invalid_exception } => {
                non_compliant(setup_keys, invalid_exception.as_ref())
            }
            Self::NotApplicable(reason) => reason.annotation().to_owned(),
        };
        text::excerpt(&text::mask_key_ids(&whole), MAX_ANNOTATION_CHARS)
    }
}

impl Cleared {
    fn annotation(&self, parameters: &Parameters) -> String {
        match self {
            Self::NoSetupKey => {
                let status = match parameters.key_status {
                    KeyStatusFilter::Active => "active ",
                    KeyStatusFilter::Any => "",
                };
                let usage = match parameters.key_usage {
                    KeyUsage::NeverUsed => "never used ",
                    KeyUsage::Any => "",
                };
                let window = match parameters.setup_window {
                    SetupWindow::Seconds(seconds) => format!(" made within {seconds} s of the user"),
                    SetupWindow::Any => String::new(),
                };
                format!("No {status}{usage}access key{window}.")
            }
            Self::NoLoginProfile => "No console password.".to_owned(),
            Self::Excepted { exception, setup_keys } => {
                let Exception { owner, expires, reason, days_left: _ } = exception;
                let keys = text::count(setup_keys.len(), "setup key");
                let reason = reason.as_deref().map(|reason| format!(": {reason}")).unwrap_or_default();
                // The expiry comes first: a long owner or reason is cut, never the date.
                format!("Exception until {expires} (UTC), {keys}, owner {owner}{reason}")
            }
        }
    }
}

/// Annotations under the same parameters: that of most users is the same, and is made once.
#[derive(Debug, Clone)]
pub struct Annotations<'a> {
    parameters: &'a Parameters,
    no_setup_key: Arc<str>,
    no_login_profile: Arc<str>,
}

impl<'a> Annotations<'a> {
    /// Under these parameters.
    #[must_use]
    pub fn new(parameters: &'a Parameters) -> Self {
        let of = |cleared| Verdict::Compliant(cleared).annotation(parameters).into();
        Self { parameters, no_setup_key: of(Cleared::NoSetupKey), no_login_profile: of(Cleared::NoLoginProfile) }
    }

    /// The verdict's [annotation](Verdict::annotation).
    #[must_use]
    pub fn of(&self, verdict: &Verdict) -> Arc<str> {
        match verdict {
            Verdict::Compliant(Cleared::NoSetupKey) => Arc::clone(&self.no_setup_key),
            Verdict::Compliant(Cleared::NoLoginProfile) => Arc::clone(&self.no_login_profile),
            other => other.annotation(self.parameters).into(),
        }
    }
}

impl NotApplicable {
    const fn annotation(self) -> &'static str {
        match self {
            Self::NotRecorded => "The resource is deleted or not recorded.",
            Self::LeftScope => "The resource left the scope of the rule.",
            Self::OtherType => "The rule judges AWS::IAM::User only.",
            Self::Root => "The root user is not an IAM user.",
            Self::Gone => "The user no longer exists.",
            Self::Replaced => "The user no longer exists: its name belongs to another user.",
        }
    }
}

/// The exception comes first: with many keys the end is cut.
fn non_compliant(setup_keys: &[SetupKey], invalid_exception: Option<&InvalidException>) -> String {
    let exception = invalid_exception.map(|invalid| format!("Exception not valid: {invalid}. ")).unwrap_or_default();
    let keys: Vec<_> = setup_keys.iter().map(SetupKey::advice).collect();
    format!("{exception}{}: {}.", text::count(setup_keys.len(), "setup key"), keys.join("; "))
}

impl SetupKey {
    /// `…WXYZ made 4 s after the user, never used: deactivate, then delete`
    fn advice(&self) -> String {
        format!("{} made {} the user, {}", self.name.masked(), distance(self.seconds_after_user), self.todo())
    }

    const fn todo(&self) -> &'static str {
        match (self.last_used, &self.status) {
            (None, KeyStatus::Inactive) => "inactive, never used: delete",
            (None, _) => "never used: deactivate, then delete",
            (Some(_), KeyStatus::Inactive) => "inactive, was used: delete when nobody misses it",
            (Some(_), _) => "used: rotate",
        }
    }
}

/// How long after its user a key was made, or before: `3 s after`, `20 s before`; seconds up to a day, then whole days.
#[must_use]
pub fn distance(seconds_after_user: i64) -> String {
    const DAY: u64 = 86_400;
    let side = if seconds_after_user < 0 { "before" } else { "after" };
    let seconds = seconds_after_user.unsigned_abs();
    let length = if seconds <= DAY { format!("{seconds} s") } else { text::count((seconds / DAY) as usize, "day") };
    format!("{length} {side}")
}

impl KeyName {
    /// The key as it may be shown to everyone: `…` and the last four characters of its id, or its slot.
    #[must_use]
    pub fn masked(&self) -> String {
        match self {
            Self::Id(id) => {
                let skipped = id.chars().count().saturating_sub(4);
                format!("…{}", id.chars().skip(skipped).collect::<String>())
            }
            Self::Slot(slot) => format!("key {slot}"),
        }
    }
}

/// How many users there are of each kind. Serializes as the audit spells it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// COMPLIANT users, those with an exception among them.
    pub compliant: usize,
    /// NON_COMPLIANT users.
    pub non_compliant: usize,
    /// Users that only an exception makes COMPLIANT.
    pub excepted: usize,
    /// Those of them whose exception ends within [`EXPIRING_DAYS`](super::exception::EXPIRING_DAYS) days.
    pub expiring: usize,
    /// All users that were judged; one that does not exist is none.
    pub total: usize,
}

impl Summary {
    /// Counts one more.
    pub fn count(&mut self, verdict: &Verdict) {
        match verdict {
            Verdict::Compliant(_) => {
                self.compliant += 1;
                self.excepted += usize::from(verdict.exception().is_some());
                self.expiring += usize::from(verdict.exception().is_some_and(Exception::is_expiring));
            }
            Verdict::NonCompliant { .. } => self.non_compliant += 1,
            Verdict::NotApplicable(_) => return,
        }
        self.total += 1;
    }
}

impl<'a> FromIterator<&'a Verdict> for Summary {
    fn from_iter<I: IntoIterator<Item = &'a Verdict>>(verdicts: I) -> Self {
        let mut summary = Self::default();
        verdicts.into_iter().for_each(|verdict| summary.count(verdict));
        summary
    }
}
