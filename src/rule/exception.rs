//! Exceptions: tags on the IAM user that say who accepts its setup keys, and until when.

use std::collections::BTreeMap;
use std::fmt;

use chrono::{DateTime, NaiveDate, Utc};

use super::parameters::{ExceptionTagPrefix, MaxExceptionDays, Parameters};
use crate::text;

/// An exception with at most so many days left is told of, so that nobody is surprised by the verdict after it.
pub const EXPIRING_DAYS: u32 = 14;

/// An exception in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exception {
    /// Who accepts the keys; never blank.
    pub owner: String,
    /// Last day (UTC) on which the exception holds.
    pub expires: NaiveDate,
    /// Days from the day of the verdict to the last one, at most [`MaxExceptionDays`]; 0 on the last day.
    pub days_left: u32,
    /// Why, where it is said.
    pub reason: Option<String>,
}

impl Exception {
    /// Whether it ends within [`EXPIRING_DAYS`] days.
    #[must_use]
    pub const fn is_expiring(&self) -> bool {
        self.days_left <= EXPIRING_DAYS
    }
}

/// Why exception tags do not make an exception.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InvalidException {
    /// No `owner` tag, or a blank one.
    NoOwner,
    /// No `expires` tag.
    NoExpiry,
    /// The `expires` tag is not a date written as `YYYY-MM-DD`.
    NotADate(String),
    /// The last day is over.
    Expired(NaiveDate),
    /// The last day is further ahead than `maxExceptionDays` allows.
    TooFarAhead {
        /// The day asked for.
        expires: NaiveDate,
        /// The most days ahead that are allowed.
        most: MaxExceptionDays,
    },
}

impl fmt::Display for InvalidException {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoOwner => f.write_str("no owner"),
            Self::NoExpiry => f.write_str("no expiry date"),
            Self::NotADate(value) => write!(f, "expiry `{}` is not a date (YYYY-MM-DD)", text::excerpt(value, 24)),
            Self::Expired(day) => write!(f, "expired {day}"),
            Self::TooFarAhead { expires, most } => {
                write!(f, "expiry {expires} is over {} ahead", text::count(most.get() as usize, "day"))
            }
        }
    }
}

/// Reads the exception from a user's tags.
///
/// `Ok(None)` if no tag has a key of an exception. Keys are compared exactly, case included, so that a policy on those
/// keys covers every exception.
///
/// # Errors
///
/// - [`InvalidException`] if there are exception tags but no exception in force on the day of `now` (UTC).
pub fn from_tags(
    tags: &BTreeMap<String, String>,
    parameters: &Parameters,
    now: DateTime<Utc>,
) -> Result<Option<Exception>, InvalidException> {
    let tag = |name: &str| tags.get(&tag_key(&parameters.exception_tag_prefix, name));
    let (owner, expires, reason) = (tag("owner"), tag("expires"), tag("reason"));
    if owner.is_none() && expires.is_none() && reason.is_none() {
        return Ok(None);
    }

    let owner = owner.map(|owner| owner.trim()).filter(|owner| !owner.is_empty()).ok_or(InvalidException::NoOwner)?;
    let expires = expires.ok_or(InvalidException::NoExpiry)?;
    let expires = date(expires).ok_or_else(|| InvalidException::NotADate(expires.clone()))?;
    let today = now.date_naive();
    if expires < today {
        return Err(InvalidException::Expired(expires));
    }
    let most = parameters.max_exception_days;
    let days_left = u32::try_from((expires - today).num_days()).unwrap_or(u32::MAX);
    if days_left > most.get() {
        return Err(InvalidException::TooFarAhead { expires, most });
    }
    let reason = reason.map(|reason| reason.trim()).filter(|reason| !reason.is_empty());
    Ok(Some(Exception { owner: owner.to_owned(), expires, days_left, reason: reason.map(str::to_owned) }))
}

/// The key of an exception tag: `<prefix>owner`, `<prefix>expires`, `<prefix>reason`.
fn tag_key(prefix: &ExceptionTagPrefix, name: &str) -> String {
    format!("{prefix}{name}")
}

/// Exactly `YYYY-MM-DD`, a day of the calendar. (chrono alone would also take `2026-1-2`.)
fn date(value: &str) -> Option<NaiveDate> {
    let shape = value.len() == 10
        && value
            .bytes()
            .enumerate()
            .all(|(i, byte)| if i == 4 || i == 7 { byte == b'-' } else { byte.is_ascii_digit() });
    if shape { value.parse().ok() } else { None }
}
