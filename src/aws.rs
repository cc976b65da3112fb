//! The AWS edge: clients, their timeouts and retries, and the facts read live. Only files of this module name an SDK.

pub mod config;
pub mod iam;
pub mod session;

use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, SdkConfig};
use aws_sdk_iam::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_iam::primitives;
use chrono::{DateTime, Utc};

use crate::error::{CallError, CallFailure, Error};
use crate::evaluator::FactSource;
use crate::event::ChangedUser;
use crate::rule::Need;
use crate::rule::facts::Facts;

/// Settings of every client: the default credential chain and region, whatever the standard environment variables say.
pub async fn sdk_config() -> SdkConfig {
    // The SDK sets no limit of its own. A call that hangs must leave the invocation the time for another attempt, and for
    // a report of its failure.
    let timeouts = TimeoutConfig::builder()
        .operation_attempt_timeout(Duration::from_secs(5))
        .operation_timeout(Duration::from_secs(20));
    aws_config::defaults(BehaviorVersion::latest())
        .timeout_config(timeouts.build())
        .retry_config(RetryConfig::standard().with_max_attempts(4))
        .load()
        .await
}

/// Facts read live, from IAM and AWS Config.
#[derive(Debug, Clone)]
pub struct Live {
    /// IAM.
    pub iam: iam::Iam,
    /// AWS Config.
    pub config: config::Config,
}

impl Live {
    /// Clients that share these settings.
    #[must_use]
    pub fn new(settings: &SdkConfig) -> Self {
        Self { iam: iam::Iam::new(settings), config: config::Config::new(settings) }
    }
}

impl FactSource for Live {
    async fn read(&self, facts: &mut Facts, needs: &[Need]) -> Result<(), Error> {
        self.iam.read(facts, needs).await
    }

    async fn recorded(&self, user: ChangedUser) -> Result<ChangedUser, Error> {
        self.config.recorded_user(user).await
    }
}

/// Describes a call that failed, for a person: the SDK's own text is only "service error".
fn call_error<E, R>(operation: &'static str, resource: &str, error: &SdkError<E, R>) -> CallError
where
    E: std::error::Error + ProvideErrorMetadata + 'static,
    R: std::fmt::Debug + 'static,
{
    let (kind, detail) = match error {
        SdkError::ServiceError(service) => {
            let (code, message) = (service.err().code().unwrap_or("no error code"), service.err().message());
            (kind_of(code), message.map_or_else(|| code.to_owned(), |message| format!("{code}: {message}")))
        }
        other => (CallFailure::NoAnswer, causes(other)),
    };
    CallError { operation, resource: resource.to_owned(), kind, detail: crate::text::excerpt(&detail, 512) }
}

fn kind_of(code: &str) -> CallFailure {
    match code {
        "AccessDenied" | "AccessDeniedException" | "UnauthorizedOperation" => CallFailure::AccessDenied,
        "ExpiredToken"
        | "ExpiredTokenException"
        | "InvalidClientTokenId"
        | "UnrecognizedClientException"
        | "SignatureDoesNotMatch"
        | "MissingAuthenticationToken" => CallFailure::Credentials,
        "Throttling"
        | "ThrottlingException"
        | "ThrottledException"
        | "TooManyRequestsException"
        | "RequestLimitExceeded"
        | "SlowDown" => CallFailure::Throttled,
        "InvalidResultTokenException" => CallFailure::ResultToken,
        _ => CallFailure::Service,
    }
}

/// The messages of an error and of its causes, joined by colons.
fn causes(error: &(dyn std::error::Error + 'static)) -> String {
    let chain = std::iter::successors(Some(error), |error| error.source());
    chain.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// A timestamp of the SDK; `None` outside what a calendar can hold.
fn time(timestamp: &primitives::DateTime) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp(timestamp.secs(), timestamp.subsec_nanos())
}
