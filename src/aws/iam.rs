//! IAM: the reads that judge users.

use std::collections::BTreeMap;
use std::io::Cursor;
use std::sync::Arc;

use aws_config::SdkConfig;
use aws_config::retry::RetryConfig;
use aws_sdk_iam::Client;
use aws_sdk_iam::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_iam::primitives;
use aws_sdk_iam::types::{self, ReportStateType, StatusType};
use chrono::{DateTime, Utc};
use futures_util::future::try_join_all;
use tokio::time::{Instant, sleep};

use super::pace::{Pace, backoff};
use super::{CountCalls, RequireWholeAnswers, call_error, failure, time};
use crate::credential_report::{self, Rows};
use crate::error::{CallError, CallFailure, Error};
use crate::metrics::Meter;
use crate::rule::Need;
use crate::rule::facts::{AccessKey, Facts, Identity, KeyName, KeyStatus, Keys, LastUse, LoginProfile};

/// The most users in one page (IAM API Reference, `ListUsers`: `MaxItems` 1 to 1000).
const MAX_USERS: i32 = 1000;

const LAST_USED: &str = "iam:GetAccessKeyLastUsed";

/// How often IAM is asked whether the credential report is ready: with the pauses between, about a minute.
const REPORT_POLLS: u32 = 15;

/// The IAM client. Clones share its connections and its pace.
#[derive(Debug, Clone)]
pub struct Iam {
    client: Client,
    pace: Arc<Pace>,
    deadline: Option<Instant>,
}

/// A user as `ListUsers` has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedUser {
    /// User name.
    pub name: String,
    /// Unique id.
    pub id: String,
    /// ARN.
    pub arn: String,
    /// When the user was created.
    pub created: DateTime<Utc>,
}

/// What one call found out about a user.
enum Fact {
    Keys(Option<Vec<AccessKey>>),
    LoginProfile(LoginProfile),
    Identity(Identity),
    LastUse(KeyName, LastUse),
}

impl Iam {
    /// A client with these settings.
    #[must_use]
    pub fn new(settings: &SdkConfig, meter: &Arc<Meter>) -> Self {
        let settings = aws_sdk_iam::config::Builder::from(settings)
            .interceptor(CountCalls(Arc::clone(meter)))
            .interceptor(RequireWholeAnswers)
            // Retries are the pace's: the SDK's would throttle each call on its own.
            .retry_config(RetryConfig::disabled());
        let pace = Arc::new(Pace::new(Arc::clone(meter)));
        Self { client: Client::from_conf(settings.build()), pace, deadline: None }
    }

    /// The same client, its calls not tried again after `deadline`.
    #[must_use]
    pub fn until(&self, deadline: Option<Instant>) -> Self {
        Self { deadline, ..self.clone() }
    }

    /// When no call is tried again.
    #[must_use]
    pub const fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    async fn call<T, E: ProvideErrorMetadata>(
        &self,
        call: impl AsyncFn() -> Result<T, SdkError<E>>,
    ) -> Result<T, SdkError<E>> {
        self.pace.call(self.deadline, call, failure).await
    }

    /// Reads the facts that are needed, all at once, since they do not depend on each other.
    ///
    /// # Errors
    ///
    /// - [`Error::Call`] if a call fails, or its answer lacks what every such answer has.
    pub async fn read(&self, facts: &mut Facts, needs: &[Need]) -> Result<(), Error> {
        let user = &facts.user_name;
        let read = try_join_all(needs.iter().map(async |need| match need {
            Need::Keys => self.access_keys(user).await.map(Fact::Keys),
            Need::LoginProfile => self.login_profile(user).await,
            Need::Identity => self.identity(user).await.map(Fact::Identity),
            Need::LastUse(key) => self.last_use(user, key).await,
        }));
        for fact in read.await? {
            match fact {
                Fact::Keys(Some(keys)) => facts.keys = Keys::All(keys),
                Fact::Keys(None) => facts.identity = Identity::Gone,
                Fact::LoginProfile(login_profile) => facts.login_profile = login_profile,
                Fact::Identity(identity) => facts.identity = identity,
                Fact::LastUse(name, last_use) => {
                    for key in facts.keys.known_mut().iter_mut().filter(|key| key.name == name) {
                        key.last_use = last_use;
                    }
                }
            }
        }
        Ok(())
    }

    /// Every access key of a user, over all pages; `None` if there is no such user.
    async fn access_keys(&self, user: &str) -> Result<Option<Vec<AccessKey>>, Error> {
        const OPERATION: &str = "iam:ListAccessKeys";
        let mut keys = Vec::new();
        let mut marker = None;
        loop {
            // Without a user name the call would list the caller's own keys, or those of the root user.
            let request =
                async || self.client.list_access_keys().user_name(user).set_marker(marker.clone()).send().await;
            let page = match self.call(request).await {
                Ok(page) => page,
                Err(error) if is_no_such_entity(&error) => return Ok(None),
                Err(error) => return Err(call_error(OPERATION, user, &error).into()),
            };
            for key in page.access_key_metadata {
                let lacks = |member| incomplete(OPERATION, user, member);
                keys.push(AccessKey {
                    name: KeyName::Id(key.access_key_id.ok_or_else(|| lacks("AccessKeyId"))?),
                    status: KeyStatus::from(key.status.ok_or_else(|| lacks("Status"))?.as_str()),
                    created: key.create_date.as_ref().and_then(time).ok_or_else(|| lacks("CreateDate"))?,
                    last_use: LastUse::Unread,
                });
            }
            marker = next_marker(OPERATION, user, marker.as_ref(), page.is_truncated, page.marker)?;
            if marker.is_none() {
                return Ok(Some(keys));
            }
        }
    }

    /// `NoSuchEntity` means no password, or no such user. Its message tells which; where it does not, it is taken for the
    /// former, and whether the user exists is looked at before it matters.
    async fn login_profile(&self, user: &str) -> Result<Fact, Error> {
        match self.call(async || self.client.get_login_profile().user_name(user).send().await).await {
            Ok(_) => Ok(Fact::LoginProfile(LoginProfile::Present)),
            Err(error) if is_no_such_entity(&error) => {
                let no_user = error.message().is_some_and(|message| message.starts_with("The user with name "));
                Ok(if no_user { Fact::Identity(Identity::Gone) } else { Fact::LoginProfile(LoginProfile::Absent) })
            }
            Err(error) => Err(call_error("iam:GetLoginProfile", user, &error).into()),
        }
    }

    /// Who has this name now.
    ///
    /// # Errors
    ///
    /// - [`Error::Call`] if the call fails, or its answer lacks what every such answer has.
    pub async fn identity(&self, user: &str) -> Result<Identity, Error> {
        const OPERATION: &str = "iam:GetUser";
        let output = match self.call(async || self.client.get_user().user_name(user).send().await).await {
            Ok(output) => output,
            Err(error) if is_no_such_entity(&error) => return Ok(Identity::Gone),
            Err(error) => return Err(call_error(OPERATION, user, &error).into()),
        };
        let mut holder = output.user.ok_or_else(|| incomplete(OPERATION, user, "User"))?;
        let tags = holder.tags.take().unwrap_or_default().into_iter().map(|tag| (tag.key, tag.value));
        let tags: BTreeMap<_, _> = tags.collect();
        let ListedUser { id, created, .. } = listed(OPERATION, holder)?;
        Ok(Identity::Read { user_id: id, created, tags })
    }

    /// The status of one key of a user; `None` if there is no such key.
    ///
    /// # Errors
    ///
    /// - [`Error::FactMissing`] if there is no such user (it may have another name by now);
    /// - [`Error::Call`] if a call fails, or its answer lacks what every such answer has.
    pub async fn key_status(&self, user: &str, id: &str) -> Result<Option<KeyStatus>, Error> {
        let problem = || "there is no user of this name any more".to_owned();
        let keys = self.access_keys(user).await?;
        let keys = keys.ok_or_else(|| Error::FactMissing { user: user.to_owned(), problem: problem() })?;
        let name = KeyName::Id(id.to_owned());
        Ok(keys.into_iter().find(|key| key.name == name).map(|key| key.status))
    }

    /// Makes a key active or inactive. The call is made once: before it is made again, the key must be looked at again.
    ///
    /// # Errors
    ///
    /// - [`Error::Call`] if the call fails.
    pub async fn set_key_status(&self, user: &str, id: &str, status: &KeyStatus) -> Result<(), Error> {
        let request = self.client.update_access_key().user_name(user).access_key_id(id);
        let answer = request.status(StatusType::from(status.as_str())).send().await;
        answer.map_err(|error| call_error("iam:UpdateAccessKey", &masked(id), &error))?;
        Ok(())
    }

    /// Deletes a key. The call is made once: before it is made again, the key must be looked at again.
    ///
    /// # Errors
    ///
    /// - [`Error::Call`] if the call fails.
    pub async fn delete_key(&self, user: &str, id: &str) -> Result<(), Error> {
        let answer = self.client.delete_access_key().user_name(user).access_key_id(id).send().await;
        answer.map_err(|error| call_error("iam:DeleteAccessKey", &masked(id), &error))?;
        Ok(())
    }

    /// The last use of a key; or, if the key is gone meanwhile, the keys that the user has now.
    async fn last_use(&self, user: &str, key: &KeyName) -> Result<Fact, Error> {
        let KeyName::Id(id) = key else { return Err(incomplete(LAST_USED, &key.masked(), "AccessKeyId")) };
        match self.last_use_of(id).await {
            Ok(last_use) => Ok(Fact::LastUse(key.clone(), last_use)),
            // IAM denies access to a key that does not exist, so this may be no matter of permissions.
            Err(Error::Call(error)) if error.kind == CallFailure::AccessDenied => {
                let keys = self.access_keys(user).await?;
                let gone = keys.iter().flatten().all(|now| now.name != *key);
                if gone { Ok(Fact::Keys(keys)) } else { Err(error.into()) }
            }
            Err(error) => Err(error),
        }
    }

    /// The last use of the key with this id.
    ///
    /// # Errors
    ///
    /// - [`Error::Call`] if the call fails, or its answer lacks what every such answer has.
    pub async fn last_use_of(&self, id: &str) -> Result<LastUse, Error> {
        let masked = masked(id);
        let lacks = |member| incomplete(LAST_USED, &masked, member);
        let output = self.call(async || self.client.get_access_key_last_used().access_key_id(id).send().await).await;
        let output = output.map_err(|error| call_error(LAST_USED, &masked, &error))?;
        let last_used = output.access_key_last_used.ok_or_else(|| lacks("AccessKeyLastUsed"))?;
        match last_used.last_used_date.as_ref() {
            None => Ok(LastUse::Never),
            Some(date) => time(date).map(LastUse::At).ok_or_else(|| lacks("LastUsedDate")),
        }
    }

    /// Every user of the account, over all pages.
    ///
    /// # Errors
    ///
    /// - [`Error::Call`] if a call fails, or its answer lacks what every such answer has.
    pub async fn users(&self) -> Result<Vec<ListedUser>, Error> {
        const OPERATION: &str = "iam:ListUsers";
        let mut users = Vec::new();
        let mut marker = None;
        loop {
            let request =
                async || self.client.list_users().max_items(MAX_USERS).set_marker(marker.clone()).send().await;
            let page = self.call(request).await.map_err(|error| call_error(OPERATION, "", &error))?;
            for user in page.users {
                users.push(listed(OPERATION, user)?);
            }
            marker = next_marker(OPERATION, "", marker.as_ref(), page.is_truncated, page.marker)?;
            if marker.is_none() {
                return Ok(users);
            }
        }
    }

    /// The credential report, generated anew if IAM has none of the last four hours; `keep` is shown it as IAM gave it.
    ///
    /// # Errors
    ///
    /// - [`Error::Call`] if there is no report to be had: not allowed, no capacity (`LimitExceeded`), a failure of the
    ///   service, not ready within a minute, or not readable.
    pub async fn credential_report(&self, keep: impl FnOnce(&[u8])) -> Result<Rows<Cursor<Vec<u8>>>, Error> {
        const GENERATE: &str = "iam:GenerateCredentialReport";
        const GET: &str = "iam:GetCredentialReport";
        let mut last: CallError = unusable(GENERATE, "", "it was not ready within a minute");
        for poll in 0..REPORT_POLLS {
            if poll > 0 {
                // At most 0.1 s, 0.2 s … 6.4 s.
                let pause = backoff(poll.min(7));
                if self.deadline.is_some_and(|deadline| Instant::now() + pause >= deadline) {
                    break;
                }
                sleep(pause).await;
            }
            match self.call(async || self.client.generate_credential_report().send().await).await {
                Ok(answer) if answer.state == Some(ReportStateType::Complete) => {}
                Ok(_) => continue,
                Err(error) if error.code() == Some("LimitExceeded") => {
                    last = call_error(GENERATE, "", &error);
                    continue;
                }
                Err(error) => return Err(call_error(GENERATE, "", &error).into()),
            }
            let report = match self.call(async || self.client.get_credential_report().send().await).await {
                Ok(report) => report,
                Err(error)
                    if matches!(error.code(), Some("ReportNotPresent" | "ReportExpired" | "ReportInProgress")) =>
                {
                    last = call_error(GET, "", &error);
                    continue;
                }
                Err(error) => return Err(call_error(GET, "", &error).into()),
            };
            let content = report.content.ok_or_else(|| incomplete(GET, "", "Content"))?;
            let generated =
                report.generated_time.as_ref().and_then(time).ok_or_else(|| incomplete(GET, "", "GeneratedTime"))?;
            let content = content.into_inner();
            keep(&content);
            return credential_report::from_content(content, generated)
                .map_err(|error| unusable(GET, "", error.to_string()).into());
        }
        Err(last.into())
    }
}

/// The SDK fills a member that is missing although it is required: an empty text, the start of 1970.
fn listed(operation: &'static str, user: types::User) -> Result<ListedUser, Error> {
    let lacks = |member| incomplete(operation, &user.user_name, member);
    if user.user_name.is_empty() {
        return Err(lacks("UserName"));
    }
    if user.user_id.is_empty() {
        return Err(lacks("UserId"));
    }
    let given = |date: &primitives::DateTime| time(date).filter(|date| *date != DateTime::<Utc>::UNIX_EPOCH);
    let created = given(&user.create_date).ok_or_else(|| lacks("CreateDate"))?;
    Ok(ListedUser { name: user.user_name, id: user.user_id, arn: user.arn, created })
}

/// Where the next page starts; `None` after the last.
fn next_marker(
    operation: &'static str,
    resource: &str,
    last: Option<&String>,
    is_truncated: bool,
    marker: Option<String>,
) -> Result<Option<String>, Error> {
    match marker {
        // Would be the same page again, and for ever.
        Some(marker) if is_truncated && last == Some(&marker) => Err(incomplete(operation, resource, "Marker")),
        Some(marker) if is_truncated => Ok(Some(marker)),
        None if is_truncated => Err(incomplete(operation, resource, "Marker")),
        _ => Ok(None),
    }
}

fn masked(id: &str) -> String {
    KeyName::Id(id.to_owned()).masked()
}

fn is_no_such_entity(error: &impl ProvideErrorMetadata) -> bool {
    error.code() == Some("NoSuchEntity")
}

/// An answer that lacks what every such answer has.
fn incomplete(operation: &'static str, resource: &str, member: &str) -> Error {
    unusable(operation, resource, format!("the answer has no usable `{member}`")).into()
}

fn unusable(operation: &'static str, resource: &str, detail: impl Into<String>) -> CallError {
    CallError { operation, resource: resource.to_owned(), kind: CallFailure::NoAnswer, detail: detail.into() }
}
