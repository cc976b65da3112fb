//! What is known about one IAM user when it is judged.
//!
//! Reading a fact costs a call, so every fact may still be unread; [`decide`](super::decide) names the ones it needs.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

/// The name that a credential report gives the root user.
///
/// Source: IAM User Guide, "Get credential reports": the first row is `<root_account>`.
const ROOT_ACCOUNT: &str = "<root_account>";

/// Facts about one IAM user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// User name, unique in its account (case is not significant), re-usable after the user is deleted.
    pub user_name: String,
    /// Unique id (`AIDA…`), never re-used; `None` where the source has none (a credential report).
    pub user_id: Option<String>,
    /// ARN of the user, where the source has it.
    pub arn: Option<String>,
    /// When the user was created, where the source has it; else taken from [`Identity::Read`].
    pub created: Option<DateTime<Utc>>,
    /// Its access keys.
    pub keys: Keys,
    /// Its console password.
    pub login_profile: LoginProfile,
    /// Who holds the user name now, with fresh tags.
    pub identity: Identity,
}

impl Facts {
    /// Facts of which nothing but the name is known.
    #[must_use]
    pub fn unread(user_name: impl Into<String>) -> Self {
        Self {
            user_name: user_name.into(),
            user_id: None,
            arn: None,
            created: None,
            keys: Keys::Unread,
            login_profile: LoginProfile::Unread,
            identity: Identity::Unread,
        }
    }

    /// Whether this is the root user, which is not an IAM user and is never judged.
    ///
    /// Recognised by the name `<root_account>` and by an ARN that ends in `:root`, never by the value of another column:
    /// `password_enabled` of the root user has been `not_supported`, `true` and `false` over the years.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.user_name == ROOT_ACCOUNT || self.arn.as_deref().is_some_and(|arn| arn.ends_with(":root"))
    }
}

/// The access keys of a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Keys {
    /// Not read yet.
    Unread,
    /// Some of the keys: the source says that there may be more (a credential report has two slots).
    Some(Vec<AccessKey>),
    /// Every key of the user, in any order and any number.
    All(Vec<AccessKey>),
}

impl Keys {
    /// The keys that are known.
    #[must_use]
    pub fn known(&self) -> &[AccessKey] {
        match self {
            Self::Unread => &[],
            Self::Some(keys) | Self::All(keys) => keys,
        }
    }

    /// The keys that are known, to be completed.
    pub fn known_mut(&mut self) -> &mut [AccessKey] {
        match self {
            Self::Unread => &mut [],
            Self::Some(keys) | Self::All(keys) => keys,
        }
    }
}

/// One access key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessKey {
    /// Which key it is.
    pub name: KeyName,
    /// Its status.
    pub status: KeyStatus,
    /// When it was created.
    pub created: DateTime<Utc>,
    /// When it was last used.
    pub last_use: LastUse,
}

/// How long after its user an access key was made: what a reader of the verdict wants to see of every key, also of those
/// that do not count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyAge {
    /// Which key it is.
    pub name: KeyName,
    /// Its status.
    pub status: KeyStatus,
    /// Seconds from the creation of the user to that of the key; negative for a key dated before its user.
    pub seconds_after_user: i64,
    /// When it was last used, as far as that was read.
    pub last_use: LastUse,
}

/// What a source calls an access key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum KeyName {
    /// Access key id (`AKIA…`).
    Id(String),
    /// Slot of a credential report, from 1; a report has no key ids.
    Slot(u8),
}

/// Status of an access key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyStatus {
    /// `Active`
    Active,
    /// `Inactive`
    Inactive,
    /// A status that this version does not know, kept as IAM spells it (IAM has added `Expired`).
    Other(String),
}

impl KeyStatus {
    /// The status as IAM spells it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Active => "Active",
            Self::Inactive => "Inactive",
            Self::Other(status) => status,
        }
    }
}

impl From<&str> for KeyStatus {
    fn from(status: &str) -> Self {
        match status {
            "Active" => Self::Active,
            "Inactive" => Self::Inactive,
            other => Self::Other(other.to_owned()),
        }
    }
}

/// Last use of an access key, as far as IAM tracks it (since 2015-04-22).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LastUse {
    /// Not read yet.
    Unread,
    /// IAM has no last-used date.
    Never,
    /// The last-used date.
    At(DateTime<Utc>),
}

/// Whether a user has a console password (login profile).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoginProfile {
    /// Not read yet.
    Unread,
    /// No console password.
    Absent,
    /// A console password.
    Present,
}

/// Who holds the user name, looked at again before a user is found NON_COMPLIANT.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Identity {
    /// Not read yet.
    Unread,
    /// The source can never tell (a credential report has neither unique ids nor tags): no exception is seen.
    Unavailable,
    /// No user has this name.
    Gone,
    /// The user that has this name now.
    Read {
        /// Its unique id.
        user_id: String,
        /// When it was created.
        created: DateTime<Utc>,
        /// Its tags; keys compared exactly, case included.
        tags: BTreeMap<String, String>,
    },
}
