//! One key: looked at, changed, and looked at again.

use std::fmt;
use std::time::Duration;

use tokio::time::sleep;

use super::{KeyActionKind, Outcome};
use crate::aws::{Live, backoff};
use crate::error::{CallFailure, Error};
use crate::rule::facts::{Identity, KeyStatus, LastUse};
use crate::rule::verdict::SetupKey;

/// How often a change of a key is tried in all, each time from a new look at it.
const ATTEMPTS: u32 = 4;

/// How often a key is looked at for a change of it to be seen: over about three seconds.
const LOOKS: u32 = 7;

/// How long a call waits for its turn, and a little more, where IAM throttles most: with less time left, it would wait beyond
/// the deadline.
const A_TURN: Duration = Duration::from_millis(1_500);

/// What came of an attempt to act on a key.
pub(super) enum Acted {
    /// Done, and seen to be so.
    Done,
    /// The key is not what it was when the user was judged; nothing was done. With its status now.
    Changed(&'static str, Option<KeyStatus>),
}

/// Acts on one key: looks at it, acts, and looks whether it is so. What fails for a passing reason is tried again, from the
/// look on: a key may have been put to use while IAM was throttling.
pub(super) async fn act(aws: &Live, user: &str, key: &SetupKey, id: &str, change: Change) -> Result<Acted, Error> {
    // The keys before may have taken all the time that there was.
    in_time(aws, user, A_TURN)?;
    let mut attempt = 1;
    let mut failed = None;
    loop {
        if let Some(acted) = settled(aws.iam.key_status(user, id).await?, key, change, attempt) {
            return Ok(acted);
        }
        // A key that was used since it was judged is in use now.
        if key.last_used.is_none() {
            in_time(aws, user, Duration::ZERO)?;
            match aws.iam.last_use_of(id).await {
                Ok(LastUse::Never) => {}
                Ok(_) => {
                    // The attempt before may have been made, although that is not to be seen.
                    if let Some(error) = failed {
                        return Err(error);
                    }
                    let status = Some(key.status.clone());
                    return Ok(Acted::Changed("The key was used meanwhile: have its owner rotate it.", status));
                }
                // IAM denies access to a key that does not exist, so this may be no matter of permissions.
                Err(error) if error.code() == CallFailure::AccessDenied.code() => {
                    let now = aws.iam.key_status(user, id).await?;
                    return if now.is_none() { Ok(Acted::Changed(GONE, None)) } else { Err(error) };
                }
                Err(error) => return Err(error),
            }
        }
        // What is deleted cannot be brought back, and the look at its last use may have waited for IAM: its status is looked
        // at last, and an inactive key cannot be used.
        if change == Change::Delete
            && let Some(acted) = settled(aws.iam.key_status(user, id).await?, key, change, attempt)
        {
            return Ok(acted);
        }
        in_time(aws, user, Duration::ZERO)?;
        let changed = match change {
            Change::Deactivate => aws.iam.set_key_status(user, id, &KeyStatus::Inactive).await,
            Change::Delete => aws.iam.delete_key(user, id).await,
        };
        match changed {
            Ok(()) => {
                // Said at once: a process that ends before its answer must have told what it changed.
                tracing::info!(userName = user, accessKeyId = id, change = ?change, "key changed");
                return see(aws, user, id, change.wanted().as_ref()).await.map(|()| Acted::Done);
            }
            Err(Error::Call(error)) if error.kind.may_pass() && attempt < ATTEMPTS => {
                sleep(backoff(attempt)).await;
                attempt += 1;
                failed = Some(Error::Call(error));
            }
            Err(error) => return Err(error),
        }
    }
}

/// Fails unless more time than `needed` is left: else AWS Lambda might end the function before a change is seen to its end, and
/// before it can tell what it did.
fn in_time(aws: &Live, user: &str, needed: Duration) -> Result<(), Error> {
    if aws.has_time(needed) {
        return Ok(());
    }
    let problem = "there was no time left to act on its keys".to_owned();
    Err(Error::FactMissing { user: user.to_owned(), problem })
}

const GONE: &str = "The key is gone.";
const CHANGED: &str = "The status of the key has changed meanwhile.";

/// What came of an attempt to act on a key by its status now; `None` if it is still as it was judged, and to be acted on.
fn settled(now: Option<KeyStatus>, key: &SetupKey, change: Change, attempt: u32) -> Option<Acted> {
    match now {
        // The attempt before was answered by nobody, and yet it was made.
        now if attempt > 1 && now == change.wanted() => Some(Acted::Done),
        Some(now) if now == key.status => None,
        None => Some(Acted::Changed(GONE, None)),
        now => Some(Acted::Changed(CHANGED, now)),
    }
}

/// A change of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    Deactivate,
    Delete,
}

impl Change {
    /// The status of the key after the change; `None` if there is no key then.
    pub(super) const fn wanted(self) -> Option<KeyStatus> {
        match self {
            Self::Deactivate => Some(KeyStatus::Inactive),
            Self::Delete => None,
        }
    }
}

impl From<Change> for KeyActionKind {
    fn from(change: Change) -> Self {
        match change {
            Change::Deactivate => Self::Deactivate,
            Change::Delete => Self::Delete,
        }
    }
}

/// Waits until a key is seen to be as it was left: a change of IAM may take a while to be seen everywhere.
async fn see(aws: &Live, user: &str, id: &str, wanted: Option<&KeyStatus>) -> Result<(), Error> {
    let mut waits = 1..LOOKS;
    while aws.iam.key_status(user, id).await?.as_ref() != wanted {
        let Some(wait) = waits.next() else { return Err(Error::NotSeen { access_key_id: id.to_owned() }) };
        sleep(backoff(wait)).await;
    }
    Ok(())
}

/// What came of giving a key its old status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Restored {
    /// Done, and seen to be so.
    Done,
    /// The key had that status.
    Already,
    /// Nothing was done, for this reason: what was known of the key does not hold any more.
    Left(&'static str),
}

impl fmt::Display for Restored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Done => write!(f, "{:?}: The key has its old status.", Outcome::Done),
            Self::Already => write!(f, "{:?}: The key has this status already.", Outcome::Skipped),
            Self::Left(reason) => write!(f, "{:?}: {reason}", Outcome::Skipped),
        }
    }
}

/// Gives an inactive key the status it had before, unless the key or its user is gone or has been changed by somebody else.
/// What fails for a passing reason is tried again, from another look at the key on.
///
/// # Errors
///
/// - any [`Error`] of a call that fails, or of a change that is not to be seen.
pub async fn restore(aws: &Live, user: &str, user_id: &str, id: &str, status: &KeyStatus) -> Result<Restored, Error> {
    match aws.iam.identity(user).await? {
        Identity::Read { user_id: held_by, .. } if held_by == user_id => {}
        _ => return Ok(Restored::Left("The user is gone, or has another name.")),
    }
    let mut attempt = 1;
    loop {
        match aws.iam.key_status(user, id).await? {
            None => return Ok(Restored::Left(GONE)),
            // The attempt before was answered by nobody, and yet it was made.
            Some(now) if now == *status && attempt > 1 => return Ok(Restored::Done),
            Some(now) if now == *status => return Ok(Restored::Already),
            Some(KeyStatus::Inactive) => {}
            // No remediation leaves a key so.
            Some(_) => return Ok(Restored::Left(CHANGED)),
        }
        match aws.iam.set_key_status(user, id, status).await {
            Ok(()) => return see(aws, user, id, Some(status)).await.map(|()| Restored::Done),
            Err(Error::Call(error)) if error.kind.may_pass() && attempt < ATTEMPTS => {
                sleep(backoff(attempt)).await;
                attempt += 1;
            }
            Err(error) => return Err(error),
        }
    }
}
