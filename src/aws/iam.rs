//! IAM: the reads that judge a user.

use std::collections::BTreeMap;

use aws_config::SdkConfig;
use aws_sdk_iam::Client;
use aws_sdk_iam::error::ProvideErrorMetadata;
use chrono::{DateTime, Utc};
use futures_util::future::try_join_all;

use super::{call_error, time};
use crate::error::{CallError, CallFailure, Error};
use crate::rule::Need;
use crate::rule::facts::{AccessKey, Facts, Identity, KeyName, KeyStatus, Keys, LastUse, LoginProfile};

/// The IAM client.
#[derive(Debug, Clone)]
pub struct Iam(Client);

/// What one call found out.
enum Fact {
    Keys(Option<Vec<AccessKey>>),
    LoginProfile(LoginProfile),
    Identity(Identity),
    LastUse(KeyName, LastUse),
}

impl Iam {
    /// A client with these settings.
    #[must_use]
    pub fn new(settings: &SdkConfig) -> Self {
        Self(Client::new(settings))
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
            Need::LoginProfile => self.login_profile(user).await.map(Fact::LoginProfile),
            Need::Identity => self.identity(user).await.map(Fact::Identity),
            Need::LastUse(key) => self.last_use(key).await.map(|last_use| Fact::LastUse(key.clone(), last_use)),
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
        // Without a user name the call would list the caller's own keys, or those of the root user.
        let mut pages = self.0.list_access_keys().user_name(user).into_paginator().send();
        while let Some(page) = pages.next().await {
            let page = match page {
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
        }
        Ok(Some(keys))
    }

    /// `NoSuchEntity` means no password, or no such user: which of them is looked at before it matters.
    async fn login_profile(&self, user: &str) -> Result<LoginProfile, Error> {
        match self.0.get_login_profile().user_name(user).send().await {
            Ok(_) => Ok(LoginProfile::Present),
            Err(error) if is_no_such_entity(&error) => Ok(LoginProfile::Absent),
            Err(error) => Err(call_error("iam:GetLoginProfile", user, &error).into()),
        }
    }

    async fn identity(&self, user: &str) -> Result<Identity, Error> {
        const OPERATION: &str = "iam:GetUser";
        let output = match self.0.get_user().user_name(user).send().await {
            Ok(output) => output,
            Err(error) if is_no_such_entity(&error) => return Ok(Identity::Gone),
            Err(error) => return Err(call_error(OPERATION, user, &error).into()),
        };
        let lacks = |member| incomplete(OPERATION, user, member);
        let holder = output.user.ok_or_else(|| lacks("User"))?;
        // The SDK fills a member that is missing although it is required: an empty text, the start of 1970.
        if holder.user_id.is_empty() {
            return Err(lacks("UserId"));
        }
        let created = time(&holder.create_date).filter(|created| *created != DateTime::<Utc>::UNIX_EPOCH);
        let tags: BTreeMap<_, _> =
            holder.tags.unwrap_or_default().into_iter().map(|tag| (tag.key, tag.value)).collect();
        Ok(Identity::Read { user_id: holder.user_id, created: created.ok_or_else(|| lacks("CreateDate"))?, tags })
    }

    async fn last_use(&self, key: &KeyName) -> Result<LastUse, Error> {
        const OPERATION: &str = "iam:GetAccessKeyLastUsed";
        let KeyName::Id(id) = key else {
            return Err(incomplete(OPERATION, &key.masked(), "AccessKeyId"));
        };
        let output = self.0.get_access_key_last_used().access_key_id(id).send().await;
        let output = output.map_err(|error| call_error(OPERATION, &key.masked(), &error))?;
        let last_used =
            output.access_key_last_used.ok_or_else(|| incomplete(OPERATION, &key.masked(), "AccessKeyLastUsed"))?;
        Ok(match last_used.last_used_date.as_ref() {
            None => LastUse::Never,
            Some(date) => LastUse::At(time(date).ok_or_else(|| incomplete(OPERATION, &key.masked(), "LastUsedDate"))?),
        })
    }
}

fn is_no_such_entity(error: &impl ProvideErrorMetadata) -> bool {
    error.code() == Some("NoSuchEntity")
}

/// An answer that lacks what every such answer has.
fn incomplete(operation: &'static str, resource: &str, member: &str) -> Error {
    let detail = format!("the answer has no usable `{member}`");
    Error::Call(CallError { operation, resource: resource.to_owned(), kind: CallFailure::NoAnswer, detail })
}
