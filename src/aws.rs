//! The AWS edge: clients, their timeouts and retries, and the facts read live. Only files of this module name an SDK.

pub mod config;
mod http;
pub mod iam;
mod pace;
pub mod session;

use std::sync::Arc;
use std::time::Duration;

use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_iam::config::http::HttpResponse;
use aws_sdk_iam::config::interceptors::{
    AfterDeserializationInterceptorContextRef, BeforeTransmitInterceptorContextRef,
};
use aws_sdk_iam::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_iam::error::BoxError;
use aws_sdk_iam::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_iam::primitives;
use chrono::{DateTime, Utc};

use crate::error::{CallError, CallFailure, Error};
use crate::event::ChangedUser;
use crate::judge::FactSource;
use crate::metrics::Meter;
use crate::rule::Need;
use crate::rule::facts::Facts;
use pace::Failure;
pub(crate) use pace::backoff;
use tokio::time::Instant;

/// Settings of every client: the default credential chain and region, whatever the standard environment variables say.
pub async fn sdk_config() -> SdkConfig {
    // The SDK sets no limit of its own. A call that hangs must leave the invocation the time for another attempt, and for
    // a report of its failure.
    let timeouts = TimeoutConfig::builder()
        .operation_attempt_timeout(Duration::from_secs(5))
        .operation_timeout(Duration::from_secs(20));
    let settings = aws_config::defaults(BehaviorVersion::latest()).http_client(http::client());
    let settings = settings.timeout_config(timeouts.build()).load().await;
    // IAM is global, so any region of the partition will do where none is set; AWS Lambda always sets one.
    let region = settings.region().cloned().unwrap_or(Region::from_static("us-east-1"));
    settings.into_builder().region(region).build()
}

/// Facts read live, from IAM and AWS Config.
#[derive(Debug, Clone)]
pub struct Live {
    /// IAM.
    pub iam: iam::Iam,
    /// AWS Config.
    pub config: config::Config,
    /// Counts the calls to both.
    pub meter: Arc<Meter>,
}

impl Live {
    /// Clients that share these settings.
    #[must_use]
    pub fn new(settings: &SdkConfig) -> Self {
        let meter = Arc::new(Meter::default());
        Self { iam: iam::Iam::new(settings, &meter), config: config::Config::new(settings, &meter), meter }
    }

    /// The same clients, with no call to IAM tried again after `deadline`.
    #[must_use]
    pub fn until(&self, deadline: Option<Instant>) -> Self {
        Self { iam: self.iam.until(deadline), ..self.clone() }
    }

    /// When no call to IAM is tried again.
    #[must_use]
    pub const fn deadline(&self) -> Option<Instant> {
        self.iam.deadline()
    }

    /// Whether there is more time left than this until the deadline.
    #[must_use]
    pub fn has_time(&self, needed: Duration) -> bool {
        self.deadline().is_none_or(|deadline| Instant::now() + needed < deadline)
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

/// Counts every call that is sent, also those that the SDK tries again.
#[derive(Debug)]
struct CountCalls(Arc<Meter>);

impl Intercept for CountCalls {
    fn name(&self) -> &'static str {
        "CountCalls"
    }

    fn read_before_transmit(
        &self,
        _context: &BeforeTransmitInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _settings: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        self.0.call();
        Ok(())
    }
}

/// Refuses an answer that is not whole, which the SDK would take for one that says less: no keys, no users, no failed
/// evaluations, half a session token.
#[derive(Debug)]
struct RequireWholeAnswers;

impl Intercept for RequireWholeAnswers {
    fn name(&self) -> &'static str {
        "RequireWholeAnswers"
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _settings: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let response = context.response();
        match response.body().bytes() {
            Some(body) if response.status().is_success() && !is_whole(body) => Err("the answer is not whole".into()),
            _ => Ok(()),
        }
    }
}

/// Whether this is all of a successful answer: AWS Config's JSON object, which its parser has read to the end; or the
/// XML of IAM and STS, whose parser stops without a word where the text stops.
fn is_whole(body: &[u8]) -> bool {
    let body = body.trim_ascii();
    body.starts_with(b"{") || body.ends_with(b"Response>")
}

/// Whether a failed call may succeed later.
fn failure<E: ProvideErrorMetadata>(error: &SdkError<E>) -> Failure {
    match error {
        SdkError::ServiceError(service) => match service.err().code() {
            Some(code) if kind_of(code) == CallFailure::Throttled => Failure::Throttled,
            Some(_) if !service.raw().status().is_server_error() => Failure::Final,
            // An error without a code is an answer that could not be read.
            Some(_) | None => Failure::Transient,
        },
        SdkError::TimeoutError(_) | SdkError::ResponseError(_) => Failure::Transient,
        SdkError::DispatchFailure(_) if !is_unsigned(error) => Failure::Transient,
        _ => Failure::Final,
    }
}

/// Whether a call was never sent for want of credentials: the one failure on the way that is neither of the connection
/// nor of a kind that may pass.
fn is_unsigned<E>(error: &SdkError<E>) -> bool {
    let SdkError::DispatchFailure(failure) = error else { return false };
    failure.is_user() || (failure.is_other() && failure.as_other().is_none())
}

/// Describes a call that failed, for a person: the SDK's own text is only "service error".
fn call_error<E>(operation: &'static str, resource: &str, error: &SdkError<E>) -> CallError
where
    E: std::error::Error + ProvideErrorMetadata + 'static,
{
    let code = error.code();
    let (kind, detail) = match (code, error.message()) {
        (Some(code), Some(message)) => (kind_of(code), format!("{code}: {message}")),
        (Some(code), None) => (kind_of(code), code.to_owned()),
        (None, _) => match error.raw_response().map(HttpResponse::status) {
            // A proxy or a load balancer may answer for the service, not in its words.
            Some(status) if !status.is_success() => {
                (CallFailure::Service, format!("HTTP status {}: {}", status.as_u16(), causes(error)))
            }
            _ if is_unsigned(error) => (CallFailure::Credentials, causes(error)),
            _ => (CallFailure::NoAnswer, causes(error)),
        },
    };
    // The SDK lists the ways to sign in that it tried, a line each.
    let detail = detail.replace('\n', "; ");
    CallError { operation, resource: resource.to_owned(), kind, detail: crate::text::excerpt(&detail, 1024) }
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
