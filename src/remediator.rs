//! The Lambda function that gets setup keys out of the way: deactivate first, delete later, never a key that is in use.
//!
//! AWS Config remediates from a snapshot that may be stale, and hands over a unique id instead of a name. So the user is
//! looked up by its id and judged again, from fresh reads, by the same decision as the evaluator's. Keys are acted on by key
//! id, one at a time, each looked at again right before and right after. Running it twice changes nothing the second time.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::time::{Instant, sleep};

use crate::aws::{Live, backoff};
use crate::error::Error;
use crate::json;
use crate::judge::judge;
use crate::lambda::Invocation;
use crate::rule::facts::{Facts, Identity, KeyName, KeyStatus, LastUse};
use crate::rule::parameters::{GivenParameters, KeyStatusFilter, Parameters};
use crate::rule::verdict::{ComplianceType, SetupKey, Verdict};

/// How often a change of a key is tried in all, each time from a new look at it.
const ATTEMPTS: u32 = 4;

/// How often a key is looked at for a change of it to be seen: over about three seconds.
const LOOKS: u32 = 7;

/// What to do about the setup keys of one user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Unique id of the user (`AIDA…`).
    pub user_id: String,
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

impl Request {
    /// Parses the text of a request.
    ///
    /// # Errors
    ///
    /// - [`Error::Request`] if it is not a JSON object with a `userId`, or has an unknown member or value;
    /// - [`Error::RequestParameter`] if a rule parameter is not allowed.
    pub fn parse(text: &str) -> Result<Self, Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase", deny_unknown_fields, expecting = "a JSON object")]
        struct Members {
            user_id: String,
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
        if !(16..=128).contains(&members.user_id.len())
            || !members.user_id.bytes().all(|byte| byte.is_ascii_alphanumeric())
        {
            let id = crate::text::excerpt(&members.user_id, 64);
            let problem = format!("userId: `{id}` is not a unique id: 16 to 128 letters and digits");
            return Err(Error::Request { problem });
        }
        Ok(Self {
            user_id: members.user_id,
            action: members.action,
            used_keys: members.used_keys,
            mode: if members.dry_run { Mode::DryRun } else { Mode::Act },
            parameters: GivenParameters::from_json(&members.parameters).map_err(Error::RequestParameter)?.resolve(),
        })
    }
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

impl Request {
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

/// Answers one invocation of the Lambda function.
///
/// # Errors
///
/// - [`Error::ActionsFailed`], with the response in it, if an action failed; the other keys were tried;
/// - any other [`Error`] of a request that is not usable or a fact that cannot be read: nothing was touched.
pub async fn handle(invocation: &Invocation, aws: &Live) -> Result<Response, Error> {
    let request = Request::parse(&invocation.event)?;
    let response = remediate(&request, &aws.until(Some(invocation.reads_until)), invocation.now).await?;
    tracing::info!(
        requestId = invocation.request_id,
        userId = response.user_id,
        complianceBefore = response.compliance_before.as_str(),
        actions = serde_json::to_string(&response.actions).unwrap_or_default(),
        remaining = response.remaining,
        "remediated"
    );
    if response.has_failed() {
        return Err(Error::ActionsFailed { response: serde_json::to_string(&response).unwrap_or_default() });
    }
    Ok(response)
}

/// Judges the user of a request again, and acts on the keys that are setup keys now.
///
/// # Errors
///
/// - any [`Error`] of a fact that cannot be read: nothing was touched.
pub async fn remediate(request: &Request, aws: &Live, now: DateTime<Utc>) -> Result<Response, Error> {
    let (user_name, identity) = match find(aws, &request.user_id).await? {
        Some((user_name, identity)) => (Some(user_name), identity),
        None => (None, Identity::Gone),
    };
    remediate_user(request, user_name, identity, aws, now).await
}

/// The same for a user whose name is known; `identity` tells who holds that name.
///
/// # Errors
///
/// - any [`Error`] of a fact that cannot be read: nothing was touched.
pub async fn remediate_user(
    request: &Request,
    user_name: Option<String>,
    identity: Identity,
    aws: &Live,
    now: DateTime<Utc>,
) -> Result<Response, Error> {
    let parameters = request.judging_parameters();
    let name = user_name.clone().unwrap_or_default();
    let facts = Facts { user_id: Some(request.user_id.clone()), identity, ..Facts::unread(name.clone()) };
    let verdict = Box::pin(judge(facts, aws, &parameters, now)).await?;
    let mut response = Response {
        user_id: request.user_id.clone(),
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
        let (change, reason) = plan(key, request.action, request.used_keys);
        let mut status = Some(key.status.clone());
        let (outcome, reason) = match (change, &request.mode) {
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

/// What came of an attempt to act on a key.
enum Acted {
    /// Done, and seen to be so.
    Done,
    /// The key is not what it was when the user was judged; nothing was done. With its status now.
    Changed(&'static str, Option<KeyStatus>),
}

/// Acts on one key: looks at it, acts, and looks whether it is so. What fails for a passing reason is tried again, from the
/// look on: a key may have been put to use while IAM was throttling.
async fn act(aws: &Live, user: &str, key: &SetupKey, id: &str, change: Change) -> Result<Acted, Error> {
    let mut attempt = 1;
    loop {
        match aws.iam.key_status(user, id).await? {
            // The attempt before was answered by nobody, and yet it was made.
            now if attempt > 1 && now == change.wanted() => return Ok(Acted::Done),
            Some(now) if now == key.status => {}
            None => return Ok(Acted::Changed("The key is gone.", None)),
            now => return Ok(Acted::Changed("The status of the key has changed meanwhile.", now)),
        }
        // A key that was used since it was judged is in use now.
        if key.last_used.is_none() && aws.iam.last_use_of(id).await? != LastUse::Never {
            let status = Some(key.status.clone());
            return Ok(Acted::Changed("The key was used meanwhile: have its owner rotate it.", status));
        }
        if aws.deadline().is_some_and(|deadline| Instant::now() >= deadline) {
            let problem = "there was no time left to act on its keys".to_owned();
            return Err(Error::FactMissing { user: user.to_owned(), problem });
        }
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
            }
            Err(error) => return Err(error),
        }
    }
}

/// A change of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    Deactivate,
    Delete,
}

impl Change {
    /// The status of the key after the change; `None` if there is no key then.
    const fn wanted(self) -> Option<KeyStatus> {
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
    for look in 1..=LOOKS {
        if aws.iam.key_status(user, id).await?.as_ref() == wanted {
            return Ok(());
        }
        if look < LOOKS {
            sleep(backoff(look)).await;
        }
    }
    Err(Error::NotSeen { access_key_id: id.to_owned() })
}

/// Gives a key the status it had before. Nothing is done, and why is returned, if the key or its user is gone or has been
/// changed by somebody else.
///
/// # Errors
///
/// - any [`Error`] of a call that fails, or of a change that is not to be seen.
pub async fn restore(
    aws: &Live,
    user: &str,
    user_id: &str,
    id: &str,
    status: &KeyStatus,
) -> Result<(Outcome, &'static str), Error> {
    match aws.iam.identity(user).await? {
        Identity::Read { user_id: held_by, .. } if held_by == user_id => {}
        _ => return Ok((Outcome::Skipped, "The user is gone, or has another name.")),
    }
    match aws.iam.key_status(user, id).await? {
        None => return Ok((Outcome::Skipped, "The key is gone.")),
        Some(now) if now == *status => return Ok((Outcome::Skipped, "The key has this status already.")),
        Some(_) => {}
    }
    aws.iam.set_key_status(user, id, status).await?;
    see(aws, user, id, Some(status)).await.map(|()| (Outcome::Done, "The key has its old status."))
}
