//! What an account holds: IAM users, the root user's keys, roles, the credential report, and AWS Config's records.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use super::config::Config;
use super::report::{self, CredentialReport};
use crate::support::{millis, time};

/// An AWS account.
#[derive(Debug)]
pub struct Account {
    /// 12 digits.
    pub account_id: String,
    /// IAM users, in the order in which `ListUsers` lists them.
    pub users: Vec<User>,
    /// Access keys of the root user.
    pub root_keys: Vec<Key>,
    /// Roles that may be assumed from other accounts.
    pub roles: Vec<Role>,
    /// The credential report.
    pub report: CredentialReport,
    /// AWS Config in this account.
    pub config: Config,
}

impl Account {
    /// An account with nothing in it.
    pub fn new(account_id: &str) -> Self {
        Self {
            account_id: account_id.to_owned(),
            users: Vec::new(),
            root_keys: Vec::new(),
            roles: Vec::new(),
            report: CredentialReport::default(),
            config: Config::new(account_id),
        }
    }

    /// Adds a user.
    pub fn add(&mut self, user: User) {
        assert!(self.find(&user.name).is_none(), "there is a user `{}` already", user.name);
        self.users.push(user);
    }

    /// Deletes a user.
    pub fn remove(&mut self, name: &str) -> User {
        let place = self.users.iter().position(|user| user.is_named(name));
        self.users.remove(place.unwrap_or_else(|| panic!("there is no user `{name}`")))
    }

    /// A user, to be changed.
    pub fn user(&mut self, name: &str) -> &mut User {
        let user = self.users.iter_mut().find(|user| user.is_named(name));
        user.unwrap_or_else(|| panic!("there is no user `{name}`"))
    }

    /// Lets every caller with this external id, or with none where none is asked for, assume a role.
    pub fn allow_role(&mut self, name: &str, external_id: Option<&str>) {
        self.roles.push(Role { name: name.to_owned(), external_id: external_id.map(str::to_owned) });
    }

    /// From now on the credential report says what is in the account now, and that it was generated then.
    pub fn take_report_snapshot(&mut self, generated: DateTime<Utc>) {
        self.report.take_snapshot(&self.users, generated);
    }

    /// Changes the text of the credential report, whose rows are fixed by that.
    pub fn edit_report(&mut self, edit: impl FnOnce(String) -> String) {
        self.report.content = Some(edit(report::text(self)));
    }

    pub(super) fn find(&self, name: &str) -> Option<&User> {
        self.users.iter().find(|user| user.is_named(name))
    }
}

/// A role that may be assumed.
#[derive(Debug, Clone)]
pub struct Role {
    /// Name, without a path.
    pub name: String,
    /// The external id that its trust policy asks for.
    pub external_id: Option<String>,
}

/// An IAM user.
#[derive(Debug, Clone)]
pub struct User {
    /// User name.
    pub name: String,
    /// Path, `/` unless it is set.
    pub path: String,
    /// Unique id.
    pub user_id: String,
    /// When it was created.
    pub created: DateTime<Utc>,
    /// When its console password was made, if it has one.
    pub login_profile: Option<DateTime<Utc>>,
    /// When its console password was last used.
    pub password_last_used: Option<DateTime<Utc>>,
    /// Its access keys, in the order in which `ListAccessKeys` lists them.
    pub keys: Vec<Key>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
}

impl User {
    /// A user created at that time (`2026-03-02T10:15:01Z`), without password, keys and tags. Its unique id is made
    /// from its name.
    #[track_caller]
    pub fn new(name: &str, created: &str) -> Self {
        Self {
            name: name.to_owned(),
            path: "/".to_owned(),
            user_id: unique_id(name),
            created: time(created),
            login_profile: None,
            password_last_used: None,
            keys: Vec::new(),
            tags: BTreeMap::new(),
        }
    }

    /// The same with another unique id.
    pub fn id(mut self, user_id: &str) -> Self {
        user_id.clone_into(&mut self.user_id);
        self
    }

    /// The same under a path: `/engineering/`.
    pub fn path(mut self, path: &str) -> Self {
        path.clone_into(&mut self.path);
        self
    }

    /// The same with a console password, made 2 s after the user.
    pub fn password(self) -> Self {
        let made = self.created + TimeDelta::seconds(2);
        self.password_made(made)
    }

    /// The same with a console password made then.
    pub fn password_made(mut self, made: DateTime<Utc>) -> Self {
        self.login_profile = Some(made);
        self
    }

    /// The same with one more access key: active, never used, made so many seconds after the user.
    pub fn key(self, key_id: &str, seconds_after_user: i64) -> Self {
        let created = self.created + TimeDelta::seconds(seconds_after_user);
        self.with_key(Key::new(key_id, created))
    }

    /// The same with one more access key.
    pub fn with_key(mut self, key: Key) -> Self {
        self.keys.push(key);
        self
    }

    /// The same with one more tag.
    pub fn tag(mut self, key: &str, value: &str) -> Self {
        self.tags.insert(key.to_owned(), value.to_owned());
        self
    }

    /// Its ARN.
    pub fn arn(&self, account_id: &str) -> String {
        format!("arn:aws:iam::{account_id}:user{}{}", self.path, self.name)
    }

    /// The `configuration` of its configuration item. Neither keys nor the password are part of it.
    pub fn configuration(&self, account_id: &str) -> Value {
        let tags: Vec<_> = self.tags.iter().map(|(key, value)| json!({"key": key, "value": value})).collect();
        json!({
            "path": self.path,
            "userName": self.name,
            "userId": self.user_id,
            "arn": self.arn(account_id),
            "createDate": millis(self.created),
            "userPolicyList": [],
            "groupList": ["ops"],
            "attachedManagedPolicies": [],
            "permissionsBoundary": null,
            "tags": tags,
        })
    }

    /// IAM compares user names without regard to case.
    pub(super) fn is_named(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }
}

/// An access key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// Access key id.
    pub id: String,
    /// `Active`, `Inactive`, `Expired`, or what IAM may add.
    pub status: String,
    /// When it was created.
    pub created: DateTime<Utc>,
    /// When it was last used, if it was.
    pub last_used: Option<DateTime<Utc>>,
}

impl Key {
    /// An active key that was never used.
    pub fn new(id: &str, created: DateTime<Utc>) -> Self {
        Self { id: id.to_owned(), status: "Active".to_owned(), created, last_used: None }
    }

    /// The same with another status.
    pub fn status(mut self, status: &str) -> Self {
        status.clone_into(&mut self.status);
        self
    }

    /// The same, last used then.
    pub fn last_used(mut self, last_used: DateTime<Utc>) -> Self {
        self.last_used = Some(last_used);
        self
    }
}

/// `AIDA` and 17 letters and digits, another for every name.
fn unique_id(name: &str) -> String {
    let hash = name
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    format!("AIDAX{hash:016X}")
}
