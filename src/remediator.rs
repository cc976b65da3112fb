//! The Lambda function that gets setup keys out of the way: deactivate first, delete later, never a key that is in use.
//!
//! AWS Config remediates from a snapshot that may be stale, and hands over a unique id instead of a name. So the user is
//! looked up by its id and judged again, from fresh reads, by the same decision as the evaluator's. Keys are acted on by key
//! id, one at a time, each looked at again right before and right after. Running it twice changes nothing the second time.

mod account;
mod key;
mod request;

use chrono::{DateTime, Utc};
use serde::Serialize;

pub use account::{AccountResponse, InQuestion, in_question};
pub use key::{Restored, restore};
pub use request::{Action, Mode, Remedy, Request, UsedKeys, Whom};

use crate::aws::Live;
use crate::aws::iam::ListedUser;
use crate::error::Error;
use crate::judge::judge;
use crate::lambda::Invocation;
use crate::rule::facts::{Facts, Identity, KeyName, KeyStatus};
use crate::rule::verdict::{ComplianceType, SetupKey, Verdict};
use key::{Acted, Change, act};

/// What became of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Response {
    /// Unique id of the user, as in the request.
    pub user_id: String,
    /// Its name; `None` if there is no user of this id.
    pub user_name: Option<String>,
    /// The verdict before anything was done.
    pub compliance_before: ComplianceType,
    /// The annotation of that verdict: why nothing was touched, where nothing was.
    pub annotation: String,
    /// What became of each setup key.
    pub actions: Vec<KeyAction>,
    /// Setup keys that are still there and active.
    pub remaining: usize,
}

/// What became of one setup key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyAction {
    /// The whole key id: undoing needs it.
    pub access_key_id: String,
    /// What was to be done.
    pub action: KeyActionKind,
    /// Whether it was.
    pub outcome: Outcome,
    /// Why, in a sentence.
    pub reason: String,
}

/// What is done to one key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum KeyActionKind {
    /// It becomes inactive.
    Deactivate,
    /// It is deleted.
    Delete,
    /// Nothing.
    None,
}

/// Whether it was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Outcome {
    /// Done, and seen to be so.
    Done,
    /// It would be done, were this no dry run.
    Planned,
    /// Not done, on purpose.
    Skipped,
    /// Not done, or not seen to be so.
    Failed,
}

impl Response {
    /// The keys that are to be changed, or were to be.
    pub fn changed_keys(&self) -> impl Iterator<Item = String> {
        self.actions.iter().filter(|it| it.action != KeyActionKind::None).map(|it| it.access_key_id.clone())
    }

    /// The keys that were changed, or may have been.
    pub fn touched_keys(&self) -> impl Iterator<Item = String> {
        let touched = self.actions.iter().filter(|it| matches!(it.outcome, Outcome::Done | Outcome::Failed));
        touched.map(|it| it.access_key_id.clone())
    }

    /// Whether an action failed.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.actions.iter().any(|action| action.outcome == Outcome::Failed)
    }
}

/// What the function answers: about one user, or about all.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Answer {
    /// About one user.
    User(Response),
    /// About every user of the account.
    Account(AccountResponse),
}

impl Answer {
    fn is_complete(&self) -> bool {
        match self {
            Self::User(response) => !response.has_failed(),
            Self::Account(response) => response.is_complete(),
        }
    }
}

/// Answers one invocation of the Lambda function.
///
/// # Errors
///
/// - [`Error::ActionsFailed`], with the answer in it, if an action failed, or a user of all could not be judged; the other
///   keys and users were tried;
/// - any other [`Error`] of a request that is not usable or a fact that cannot be read: nothing was touched.
pub async fn handle(invocation: &Invocation, aws: &Live) -> Result<Answer, Error> {
    let Request { whom, remedy } = Request::parse(&invocation.event)?;
    let aws = aws.until(Some(invocation.reads_until));
    let answer = match whom {
        Whom::User(id) => {
            let response = remediate(&id, &remedy, &aws, invocation.now).await?;
            log(&invocation.request_id, &response);
            Answer::User(response)
        }
        Whom::AllUsers => {
            let log = |response: &Response| log(&invocation.request_id, response);
            Answer::Account(Box::pin(account::remediate_all(&remedy, &aws, invocation.now, log)).await?)
        }
    };
    if answer.is_complete() {
        Ok(answer)
    } else {
        Err(Error::ActionsFailed { response: serde_json::to_string(&answer).unwrap_or_default() })
    }
}

fn log(request_id: &str, response: &Response) {
    tracing::info!(
        requestId = request_id,
        userId = response.user_id,
        complianceBefore = response.compliance_before.as_str(),
        actions = serde_json::to_string(&response.actions).unwrap_or_default(),
        remaining = response.remaining,
        "remediated"
    );
}

/// Judges the user with this unique id again, and acts on the keys that are setup keys now.
///
/// # Errors
///
/// - any [`Error`] of a fact that cannot be read: nothing was touched.
pub async fn remediate(user_id: &str, remedy: &Remedy, aws: &Live, now: DateTime<Utc>) -> Result<Response, Error> {
    let (user_name, identity) = match find(aws, user_id).await? {
        Some((user_name, identity)) => (Some(user_name), identity),
        None => (None, Identity::Gone),
    };
    remediate_named(user_id, user_name, identity, remedy, aws, now).await
}

/// The same for a user of the account's list.
///
/// # Errors
///
/// - any [`Error`] of a fact that cannot be read: nothing was touched.
pub async fn remediate_listed(
    user: &ListedUser,
    remedy: &Remedy,
    aws: &Live,
    now: DateTime<Utc>,
) -> Result<Response, Error> {
    let identity = aws.iam.identity(&user.name).await?;
    remediate_named(&user.id, Some(user.name.clone()), identity, remedy, aws, now).await
}

/// The same for a user whose name is known; `identity` tells who holds that name.
async fn remediate_named(
    user_id: &str,
    user_name: Option<String>,
    identity: Identity,
    remedy: &Remedy,
    aws: &Live,
    now: DateTime<Utc>,
) -> Result<Response, Error> {
    let parameters = remedy.judging_parameters();
    let name = user_name.clone().unwrap_or_default();
    let facts = Facts { user_id: Some(user_id.to_owned()), identity, ..Facts::unread(name.clone()) };
    let verdict = Box::pin(judge(facts, aws, &parameters, now)).await?;
    let mut response = Response {
        user_id: user_id.to_owned(),
        user_name,
        compliance_before: verdict.compliance_type(),
        annotation: verdict.annotation(&parameters),
        actions: Vec::new(),
        remaining: 0,
    };
    let Verdict::NonCompliant { setup_keys, .. } = verdict else {
        // Those that an exception covers stay.
        let active = verdict.setup_keys().iter().filter(|key| key.status == KeyStatus::Active);
        response.remaining = active.count();
        return Ok(response);
    };

    for key in &setup_keys {
        let KeyName::Id(id) = &key.name else { continue };
        let (change, reason) = plan(key, remedy.action, remedy.used_keys);
        let mut status = Some(key.status.clone());
        let (outcome, reason) = match (change, &remedy.mode) {
            (None, _) => (Outcome::Skipped, reason.to_owned()),
            (Some(_), Mode::DryRun) => (Outcome::Planned, reason.to_owned()),
            (Some(_), Mode::ActOn(keys)) if !keys.contains(id) => {
                (Outcome::Skipped, "The key was not in the plan.".to_owned())
            }
            (Some(change), Mode::Act | Mode::ActOn(_)) => match act(aws, &name, key, id, change).await {
                Ok(Acted::Done) => {
                    status = change.wanted();
                    (Outcome::Done, reason.to_owned())
                }
                Ok(Acted::Changed(what, now)) => {
                    status = now;
                    (Outcome::Skipped, what.to_owned())
                }
                Err(error) => (Outcome::Failed, error.chain()),
            },
        };
        response.remaining += usize::from(status == Some(KeyStatus::Active));
        let action = change.map_or(KeyActionKind::None, KeyActionKind::from);
        response.actions.push(KeyAction { access_key_id: id.clone(), action, outcome, reason });
    }
    Ok(response)
}

/// The name of the user with this id, and who holds that name.
///
/// AWS Config knows the name of a user it has recorded; where it does not, or another user holds the name by now, all
/// users are listed.
async fn find(aws: &Live, user_id: &str) -> Result<Option<(String, Identity)>, Error> {
    let discovered = aws.config.discovered_user_name(user_id).await.unwrap_or_else(|error| {
        tracing::warn!(
            errorType = error.code(),
            "AWS Config was asked in vain, so all users are listed: {}",
            error.chain()
        );
        None
    });
    if let Some(name) = discovered {
        let identity = aws.iam.identity(&name).await?;
        if matches!(&identity, Identity::Read { user_id: held_by, .. } if held_by == user_id) {
            return Ok(Some((name, identity)));
        }
    }
    let Some(user) = aws.iam.users().await?.into_iter().find(|user| user.id == user_id) else { return Ok(None) };
    let identity = aws.iam.identity(&user.name).await?;
    Ok(Some((user.name, identity)))
}

/// What is done to a setup key, if anything, and why.
fn plan(key: &SetupKey, action: Action, used_keys: UsedKeys) -> (Option<Change>, &'static str) {
    let used = key.last_used.is_some();
    match (action, &key.status) {
        (Action::Deactivate, KeyStatus::Active) if !used => {
            (Some(Change::Deactivate), "The key was made at user setup and never used.")
        }
        (Action::Deactivate, KeyStatus::Active) if used_keys == UsedKeys::Deactivate => (
            Some(Change::Deactivate),
            "The key was made at user setup and used; used keys are to be deactivated as well.",
        ),
        (Action::Deactivate, KeyStatus::Active) => (None, "The key is in use: have its owner rotate it."),
        (Action::DeleteInactive, KeyStatus::Inactive) if !used => {
            (Some(Change::Delete), "The key was made at user setup, never used, and is inactive.")
        }
        (Action::DeleteInactive, KeyStatus::Inactive) => (None, "The key was used, so it is not deleted."),
        (Action::DeleteInactive, KeyStatus::Active) => (None, "The key is active, so it is not deleted."),
        (_, _) => (None, "The key is not active already."),
    }
}
