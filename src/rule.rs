//! The decision: does an IAM user have an access key that was made while the user was being set up?
//!
//! [`decide`] is a pure function of facts, rule parameters and the current time. Reading a fact costs a call and most
//! users need only one, so it also says which fact it still needs: whoever calls it reads that fact and asks again. The
//! number of calls that a user costs is therefore decided here, and nowhere else.

pub mod exception;
pub mod facts;
pub mod parameters;
pub mod screening;
pub mod verdict;

use chrono::{DateTime, Utc};

use facts::{AccessKey, Facts, Identity, KeyAge, KeyName, KeyStatus, Keys, LastUse, LoginProfile};
use parameters::{ConsolePassword, KeyStatusFilter, KeyUsage, Parameters, SetupWindow};
use verdict::{Cleared, NotApplicable, SetupKey, Verdict};

/// What comes of judging a user with the facts at hand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// These facts decide, and are not known yet. They do not depend on each other.
    Need(Vec<Need>),
    /// The facts suffice.
    Verdict(Verdict),
}

/// A fact that is still to be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Need {
    /// All access keys of the user (IAM `ListAccessKeys`).
    Keys,
    /// Whether it has a console password (IAM `GetLoginProfile`).
    LoginProfile,
    /// Who holds the user name now, with creation time and tags (IAM `GetUser`).
    Identity,
    /// When this key was last used (IAM `GetAccessKeyLastUsed`).
    LastUse(KeyName),
}

/// Judges a user, or names the facts that are missing.
///
/// A key is a *setup key* when it was made at most `setupWindowSeconds` before or after its user (whole seconds, both ends
/// included), its status passes `keyStatus` and its use passes `keyUsage`. A user is NON_COMPLIANT when it has a setup
/// key, meets the console password condition and no exception is in force.
///
/// Facts are asked for in the order in which they are likely to clear the user: keys, password, then, where use decides,
/// the last use of the keys in question. Only a user that all of this leaves NON_COMPLIANT is read once more
/// ([`Need::Identity`]): it may be gone, be another user of the same name, or have an exception. The last use of its keys
/// comes last where it is only told, not judged.
#[must_use]
pub fn decide(facts: &Facts, parameters: &Parameters, now: DateTime<Utc>) -> Step {
    if let Some(reason) = not_applicable(facts) {
        return Step::Verdict(Verdict::NotApplicable(reason));
    }
    if matches!(facts.keys, Keys::Unread) {
        return Step::Need(vec![Need::Keys]);
    }

    let mut candidates: Vec<&AccessKey> =
        facts.keys.known().iter().filter(|key| passes_status(key, parameters.key_status)).collect();
    if !candidates.is_empty() && parameters.setup_window != SetupWindow::Any {
        let Some(created) = user_created(facts) else { return Step::Need(vec![Need::Identity]) };
        candidates.retain(|key| parameters.setup_window.admits(seconds_between(created, key.created)));
    }
    if candidates.is_empty() && matches!(facts.keys, Keys::All(_)) {
        return Step::Verdict(Verdict::Compliant(Cleared::NoSetupKey));
    }

    if parameters.console_password == ConsolePassword::Required {
        match facts.login_profile {
            LoginProfile::Unread => return Step::Need(vec![Need::LoginProfile]),
            LoginProfile::Absent => return Step::Verdict(Verdict::Compliant(Cleared::NoLoginProfile)),
            LoginProfile::Present => {}
        }
    }

    if parameters.key_usage == KeyUsage::NeverUsed {
        let unread = unread_last_uses(&candidates);
        if !unread.is_empty() {
            return Step::Need(unread);
        }
        candidates.retain(|key| key.last_use == LastUse::Never);
    }
    if candidates.is_empty() {
        // Keys that the source does not show may be setup keys.
        let complete = matches!(facts.keys, Keys::All(_));
        return if complete {
            Step::Verdict(Verdict::Compliant(Cleared::NoSetupKey))
        } else {
            Step::Need(vec![Need::Keys])
        };
    }

    if facts.identity == Identity::Unread {
        return Step::Need(vec![Need::Identity]);
    }
    let unread = unread_last_uses(&candidates);
    if !unread.is_empty() {
        return Step::Need(unread);
    }
    let Some(created) = user_created(facts) else { return Step::Need(vec![Need::Identity]) };
    Step::Verdict(judge(&candidates, created, &facts.identity, parameters, now))
}

/// How long after the user each of its keys was made, as far as the facts tell; `None` if its keys or its own date were
/// not read. In the order of [`SetupKey`]s.
#[must_use]
pub fn key_ages(facts: &Facts) -> Option<Vec<KeyAge>> {
    if facts.keys == Keys::Unread {
        return None;
    }
    let known = facts.keys.known();
    if known.is_empty() {
        return Some(Vec::new());
    }
    let created = user_created(facts)?;
    let mut ages: Vec<KeyAge> = known
        .iter()
        .map(|key| KeyAge {
            name: key.name.clone(),
            status: key.status.clone(),
            seconds_after_user: seconds_between(created, key.created),
            last_use: key.last_use,
        })
        .collect();
    ages.sort_by(|a, b| (a.seconds_after_user, &a.name).cmp(&(b.seconds_after_user, &b.name)));
    Some(ages)
}

/// The verdict on a user with these setup keys.
fn judge(
    candidates: &[&AccessKey],
    created: DateTime<Utc>,
    identity: &Identity,
    parameters: &Parameters,
    now: DateTime<Utc>,
) -> Verdict {
    let mut setup_keys: Vec<SetupKey> = candidates
        .iter()
        .map(|key| SetupKey {
            name: key.name.clone(),
            status: key.status.clone(),
            seconds_after_user: seconds_between(created, key.created),
            last_used: match key.last_use {
                LastUse::At(time) => Some(time),
                LastUse::Never | LastUse::Unread => None,
            },
        })
        .collect();
    // Neither the report's slots nor IAM's lists are in creation order.
    setup_keys.sort_by(|a, b| (a.seconds_after_user, &a.name).cmp(&(b.seconds_after_user, &b.name)));

    let exception = match identity {
        Identity::Read { tags, .. } => exception::from_tags(tags, parameters, now),
        Identity::Unread | Identity::Unavailable | Identity::Gone => Ok(None),
    };
    match exception {
        Ok(Some(exception)) => Verdict::Compliant(Cleared::Excepted { exception, setup_keys }),
        Ok(None) => Verdict::NonCompliant { setup_keys, invalid_exception: None },
        Err(invalid) => Verdict::NonCompliant { setup_keys, invalid_exception: Some(invalid) },
    }
}

fn not_applicable(facts: &Facts) -> Option<NotApplicable> {
    if facts.is_root() {
        return Some(NotApplicable::Root);
    }
    match &facts.identity {
        Identity::Gone => Some(NotApplicable::Gone),
        Identity::Read { user_id, .. } if facts.user_id.as_ref().is_some_and(|id| id != user_id) => {
            Some(NotApplicable::Replaced)
        }
        Identity::Unread | Identity::Unavailable | Identity::Read { .. } => None,
    }
}

fn user_created(facts: &Facts) -> Option<DateTime<Utc>> {
    facts.created.or(match facts.identity {
        Identity::Read { created, .. } => Some(created),
        Identity::Unread | Identity::Unavailable | Identity::Gone => None,
    })
}

/// Whole seconds from `user` to `key`. IAM dates both to the second; a fraction from elsewhere does not count.
fn seconds_between(user: DateTime<Utc>, key: DateTime<Utc>) -> i64 {
    key.timestamp() - user.timestamp()
}

fn passes_status(key: &AccessKey, filter: KeyStatusFilter) -> bool {
    match filter {
        KeyStatusFilter::Active => key.status == KeyStatus::Active,
        KeyStatusFilter::Any => true,
    }
}

fn unread_last_uses(keys: &[&AccessKey]) -> Vec<Need> {
    keys.iter().filter(|key| key.last_use == LastUse::Unread).map(|key| Need::LastUse(key.name.clone())).collect()
}
