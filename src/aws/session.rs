//! Whose credentials are in use: the function's own, or a role in the account of an event (the central mode).

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use aws_config::SdkConfig;
use aws_sdk_sts::Client;
use aws_sdk_sts::config::{Credentials, SharedCredentialsProvider};
use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::OnceCell;

use super::{Live, RequireWholeAnswers, call_error, sdk_config, time};
use crate::error::{CallError, CallFailure, Error};
use crate::event::partition_and_account;
use crate::text;

/// Environment variable with the name of the role to assume in the account of an event.
pub const MEMBER_ROLE_NAME: &str = "MEMBER_ROLE_NAME";

/// Environment variable with the external id that the role's trust policy asks for.
pub const MEMBER_ROLE_EXTERNAL_ID: &str = "MEMBER_ROLE_EXTERNAL_ID";

/// How long a session must still last to be used: longer than an invocation of AWS Lambda can (15 minutes), so that none
/// expires in the middle.
const MUST_LAST: TimeDelta = TimeDelta::minutes(20);

/// The role to assume in the account of an event. Its name is the deployment's: none is ever taken from an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberRole {
    name: String,
    external_id: Option<String>,
}

impl MemberRole {
    /// The role that the environment variables name; `None` where [`MEMBER_ROLE_NAME`] is unset or blank.
    ///
    /// # Errors
    ///
    /// - [`Error::Environment`] if the name is not one that IAM allows.
    pub fn from_settings(name: Option<&str>, external_id: Option<&str>) -> Result<Option<Self>, Error> {
        let Some(name) = name.filter(|name| !name.trim().is_empty()) else { return Ok(None) };
        let valid = |byte: u8| byte.is_ascii_alphanumeric() || b"_+=,.@-".contains(&byte);
        if name.len() > 64 || !name.bytes().all(valid) {
            let name = text::excerpt(name, 80);
            let problem =
                format!("`{name}` is not the name of a role: 1 to 64 letters, digits or any of `_+=,.@-`, no path");
            return Err(Error::Environment { name: MEMBER_ROLE_NAME, problem });
        }
        let external_id = external_id.filter(|id| !id.is_empty()).map(str::to_owned);
        Ok(Some(Self { name: name.to_owned(), external_id }))
    }
}

/// Clients for every account that is asked for, each made when it is: a function that starts is ready for its first event
/// the sooner.
#[derive(Debug, Default)]
pub struct Sessions {
    settings: OnceCell<SdkConfig>,
    own: OnceCell<Live>,
    members: Mutex<HashMap<String, Session>>,
}

#[derive(Debug, Clone)]
struct Session {
    aws: Live,
    expires: DateTime<Utc>,
}

impl Sessions {
    async fn settings(&self) -> &SdkConfig {
        self.settings.get_or_init(sdk_config).await
    }

    /// Clients with the function's own credentials.
    pub async fn own(&self) -> &Live {
        self.own.get_or_init(async || Live::new(self.settings().await)).await
    }

    /// Clients with the role in this account and partition, of a cached session while that lasts.
    ///
    /// # Errors
    ///
    /// - [`Error::Call`] if the role cannot be assumed, or the session is not one of this account.
    pub async fn member(
        &self,
        role: &MemberRole,
        partition: &str,
        account_id: &str,
        now: DateTime<Utc>,
    ) -> Result<Live, Error> {
        let cached = self.members.lock().unwrap_or_else(PoisonError::into_inner).get(account_id).cloned();
        if let Some(session) = cached.filter(|session| session.expires - now > MUST_LAST) {
            return Ok(session.aws);
        }
        let session = self.assume(role, partition, account_id).await?;
        let aws = session.aws.clone();
        self.members.lock().unwrap_or_else(PoisonError::into_inner).insert(account_id.to_owned(), session);
        Ok(aws)
    }

    /// Forgets the cached session of an account: it may have been ended before its time.
    pub fn forget(&self, account_id: &str) {
        self.members.lock().unwrap_or_else(PoisonError::into_inner).remove(account_id);
    }

    async fn assume(&self, role: &MemberRole, partition: &str, account_id: &str) -> Result<Session, CallError> {
        const OPERATION: &str = "sts:AssumeRole";
        let role_arn = format!("arn:{partition}:iam::{account_id}:role/{}", role.name);
        let settings = self.settings().await;
        let request = sts_client(settings)
            .assume_role()
            .role_arn(&role_arn)
            .role_session_name("setup-keys")
            .set_external_id(role.external_id.clone());
        let answer = request.send().await.map_err(|error| call_error(OPERATION, &role_arn, &error))?;

        let unusable = |detail: &str| CallError {
            operation: OPERATION,
            resource: role_arn.clone(),
            kind: CallFailure::NoAnswer,
            detail: detail.to_owned(),
        };
        let assumed = answer.assumed_role_user.ok_or_else(|| unusable("the answer has no `AssumedRoleUser`"))?;
        if partition_and_account(&assumed.arn) != Some((partition, account_id)) {
            return Err(unusable("the session belongs to another account"));
        }
        let given = answer.credentials.ok_or_else(|| unusable("the answer has no `Credentials`"))?;
        let expires = time(&given.expiration).ok_or_else(|| unusable("the answer has no usable `Expiration`"))?;
        let credentials = Credentials::new(
            given.access_key_id,
            given.secret_access_key,
            Some(given.session_token),
            None,
            "MemberRole",
        );
        let provider = SharedCredentialsProvider::new(credentials);
        let settings = settings.clone().into_builder().credentials_provider(provider).build();
        Ok(Session { aws: Live::new(&settings), expires })
    }
}

/// A client of STS that refuses half an answer.
fn sts_client(settings: &SdkConfig) -> Client {
    Client::from_conf(aws_sdk_sts::config::Builder::from(settings).interceptor(RequireWholeAnswers).build())
}

/// The account of the credentials in use, 12 digits.
///
/// # Errors
///
/// - [`CallError`] if STS cannot be asked or gives no account.
pub async fn caller_account(settings: &SdkConfig) -> Result<String, CallError> {
    const OPERATION: &str = "sts:GetCallerIdentity";
    let answer = sts_client(settings).get_caller_identity().send().await;
    let answer = answer.map_err(|error| call_error(OPERATION, "", &error))?;
    answer.account.ok_or_else(|| CallError {
        operation: OPERATION,
        resource: String::new(),
        kind: CallFailure::NoAnswer,
        detail: "the answer has no `Account`".to_owned(),
    })
}
