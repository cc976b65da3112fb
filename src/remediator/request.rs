//! What may be asked of the remediator.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::Value;

use crate::error::Error;
use crate::json;
use crate::rule::parameters::{GivenParameters, KeyStatusFilter, Parameters};
use crate::text;

/// A request: whose setup keys, and what to do about them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Whose.
    pub whom: Whom,
    /// What to do.
    pub remedy: Remedy,
}

/// Whose setup keys a request is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Whom {
    /// The user with this unique id (`AIDA…`).
    User(String),
    /// Every user of the account.
    AllUsers,
}

/// What to do about the setup keys of a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remedy {
    /// What to do.
    pub action: Action,
    /// What to do about keys that were used.
    pub used_keys: UsedKeys,
    /// Whether only to say what would be done.
    pub mode: Mode,
    /// The rule parameters by which the user is judged.
    pub parameters: Parameters,
}

/// What a run does to setup keys.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub enum Action {
    /// Active keys become inactive, which can be undone.
    #[default]
    Deactivate,
    /// Keys that are inactive already and were never used are deleted.
    DeleteInactive,
}

/// What a run does to setup keys that were used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub enum UsedKeys {
    /// They stay; their owner rotates them.
    #[default]
    Keep,
    /// They become inactive as well.
    Deactivate,
}

/// Whether a run acts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mode {
    /// It reads only, and says what it would do.
    DryRun,
    /// It acts on every key that is to be acted on now.
    Act,
    /// It acts on these keys only, of those that are to be acted on now.
    ActOn(BTreeSet<String>),
}

impl Request {
    /// Parses the text of a request.
    ///
    /// # Errors
    ///
    /// - [`Error::Request`] if it is not a JSON object with either a `userId` or `"allUsers": true`, or has an unknown member
    ///   or value;
    /// - [`Error::RequestParameter`] if a rule parameter is not allowed.
    pub fn parse(text: &str) -> Result<Self, Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase", deny_unknown_fields, expecting = "a JSON object")]
        struct Members {
            user_id: Option<String>,
            #[serde(default)]
            all_users: bool,
            #[serde(default)]
            action: Action,
            #[serde(default)]
            used_keys: UsedKeys,
            #[serde(default = "yes")]
            dry_run: bool,
            #[serde(default)]
            parameters: Value,
        }
        fn yes() -> bool {
            true
        }
        let members: Members = json::object(text).map_err(|error| {
            let path = if error.path.is_empty() { String::new() } else { format!("{}: ", error.path) };
            Error::Request { problem: format!("{path}{}", error.problem) }
        })?;
        Ok(Self {
            whom: whom(members.user_id, members.all_users).map_err(|problem| Error::Request { problem })?,
            remedy: Remedy {
                action: members.action,
                used_keys: members.used_keys,
                mode: if members.dry_run { Mode::DryRun } else { Mode::Act },
                parameters: GivenParameters::from_json(&members.parameters).map_err(Error::RequestParameter)?.resolve(),
            },
        })
    }
}

fn whom(user_id: Option<String>, all_users: bool) -> Result<Whom, String> {
    match (user_id, all_users) {
        (None, true) => Ok(Whom::AllUsers),
        (Some(_), true) => Err("userId: not together with `allUsers`".to_owned()),
        (None, false) => Err("missing field `userId`".to_owned()),
        (Some(id), false) if (16..=128).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric()) => {
            Ok(Whom::User(id))
        }
        (Some(id), false) => {
            let id = text::excerpt(&id, 64);
            Err(format!("userId: `{id}` is not a unique id: 16 to 128 letters and digits"))
        }
    }
}

impl Remedy {
    /// The parameters by which the user is judged: what is deleted is inactive, so then every status counts.
    #[must_use]
    pub fn judging_parameters(&self) -> Parameters {
        let mut parameters = self.parameters.clone();
        if self.action == Action::DeleteInactive {
            parameters.key_status = KeyStatusFilter::Any;
        }
        parameters
    }
}
