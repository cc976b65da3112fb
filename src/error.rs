//! What can go wrong while users are judged, by the operation that failed.
//!
//! A failed operation is never a verdict: the invocation fails, AWS Lambda tries the event again, and its on-failure
//! destination sees it. [`Error::code`] is the stable `error_type` of a failed invocation.

use crate::event::{EventError, Problem};
use crate::rule::parameters::ParameterError;
use crate::text;

/// Why an event, or one user of it, was not judged.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The event is not one that the rule can judge.
    #[error("invalid event: {0}")]
    Event(#[from] EventError),
    /// The event comes from an account that this function does not serve.
    #[error(
        "event refused: `accountId` `{account_id}` is not {accepted}; to serve it, add it to the environment variable \
         ALLOWED_ACCOUNTS"
    )]
    AccountRefused {
        /// The account in the event.
        account_id: String,
        /// Which accounts are accepted.
        accepted: String,
    },
    /// A setting of the function is not usable.
    #[error("environment variable {name}: {problem}")]
    Environment {
        /// The environment variable.
        name: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// A call to AWS failed.
    #[error(transparent)]
    Call(#[from] CallError),
    /// AWS Config refused evaluations although the call succeeded.
    #[error("AWS Config did not take {} of {total}, after {attempts} attempts: {}", text::count(*.failed, "evaluation"), .resources.join(", "))]
    EvaluationsNotTaken {
        /// How many evaluations were refused.
        failed: usize,
        /// How many there were.
        total: usize,
        /// How often they were put.
        attempts: u32,
        /// The first resources concerned.
        resources: Vec<String>,
    },
    /// A sweep did not judge every user, or did not clean up after users that are gone. What was judged is put.
    #[error(
        "the sweep judged {judged} of {total} users: {unread} could not be read, {not_reached} were not reached before the \
         deadline{}{}", if .reasons.is_empty() { "" } else { "; " }, .reasons.join("; ")
    )]
    SweepIncomplete {
        /// Users that were judged.
        judged: usize,
        /// Users of the account.
        total: usize,
        /// Users of whom a read failed.
        unread: usize,
        /// Users that were not read before the deadline.
        not_reached: usize,
        /// The first distinct reasons.
        reasons: Vec<String>,
    },
    /// A request to the remediator is not one that it can answer.
    #[error("invalid request: {problem}")]
    Request {
        /// Which member is wrong, and how.
        problem: String,
    },
    /// A rule parameter in a request to the remediator is not allowed.
    #[error("invalid request: parameters: {0}")]
    RequestParameter(#[source] ParameterError),
    /// Some keys were not acted on as planned.
    #[error("some keys were not acted on: {response}")]
    ActionsFailed {
        /// The whole response, as JSON.
        response: String,
    },
    /// IAM does not show a key as it was left.
    #[error("the change of key `{access_key_id}` was accepted, but it is not to be seen")]
    NotSeen {
        /// The key.
        access_key_id: String,
    },
    /// A scheduled event without an account to sweep.
    #[error(
        "a scheduled event judges all users by unique id, which a credential report does not have: run `setup-keys audit \
         --credential-report FILE`"
    )]
    ScheduledOffline,
    /// The source of facts has no answer to a question that decides.
    #[error("user `{user}` cannot be judged: {problem}")]
    FactMissing {
        /// The user.
        user: String,
        /// What is missing.
        problem: String,
    },
}

impl Error {
    /// A stable name of the kind of failure, the `error_type` of a failed invocation.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Event(EventError { problem: Problem::Event(_), .. }) => "InvalidEvent",
            Self::Event(EventError { problem: Problem::Parameter(_), .. }) | Self::RequestParameter(_) => {
                "InvalidRuleParameter"
            }
            Self::AccountRefused { .. } => "AccountRefused",
            Self::Environment { .. } => "InvalidEnvironment",
            Self::Call(call) => call.kind.code(),
            Self::EvaluationsNotTaken { .. } => "EvaluationsNotTaken",
            Self::SweepIncomplete { .. } => "SweepIncomplete",
            Self::Request { .. } => "InvalidRequest",
            Self::ActionsFailed { .. } => "ActionsFailed",
            Self::NotSeen { .. } => "NotSeen",
            Self::ScheduledOffline => "ScheduledOffline",
            Self::FactMissing { .. } => "FactMissing",
        }
    }

    /// The message of this error and of every cause behind it, joined by colons, on one line.
    #[must_use]
    pub fn chain(&self) -> String {
        let mut messages = vec![self.to_string()];
        let mut source = std::error::Error::source(self);
        while let Some(error) = source {
            let message = error.to_string();
            // Wrappers such as `Event` say their cause already.
            if !messages.iter().any(|said| said.contains(&message)) {
                messages.push(message);
            }
            source = error.source();
        }
        text::printable(&messages.join(": "))
    }
}

/// A call to AWS that failed after its retries.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{operation} failed{}: {detail}; {}", on(.resource), .kind.advice())]
pub struct CallError {
    /// The API operation, as AWS names it and as an IAM policy spells it: `iam:ListAccessKeys`.
    pub operation: &'static str,
    /// What it was called for; empty for the account.
    pub resource: String,
    /// What kind of failure it is.
    pub kind: CallFailure,
    /// The error code and message of the service, or the chain of causes on the way there.
    pub detail: String,
}

fn on(resource: &str) -> String {
    if resource.is_empty() { String::new() } else { format!(" for `{}`", text::excerpt(resource, 128)) }
}

/// The kind of a failed call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallFailure {
    /// The caller may not do this.
    AccessDenied,
    /// The credentials are missing, invalid or expired.
    Credentials,
    /// AWS asked for fewer calls, still after the retries.
    Throttled,
    /// AWS Config does not accept the result token.
    ResultToken,
    /// No whole answer came: connection, timeout or an answer that cannot be read.
    NoAnswer,
    /// The service answered with another error.
    Service,
}

impl CallFailure {
    /// Whether the same call may succeed later.
    #[must_use]
    pub const fn may_pass(self) -> bool {
        matches!(self, Self::Throttled | Self::NoAnswer | Self::Service)
    }

    /// A stable name of the kind, the `error_type` of a failed invocation.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::AccessDenied => "AccessDenied",
            Self::Credentials => "CredentialsRefused",
            Self::Throttled => "Throttled",
            Self::ResultToken => "ResultTokenRefused",
            Self::NoAnswer => "NoAnswer",
            Self::Service => "ServiceError",
        }
    }

    const fn advice(self) -> &'static str {
        match self {
            Self::AccessDenied => "the role in use needs this permission, and no policy may deny it",
            Self::Credentials => "check that the credentials in use exist and have not expired",
            Self::Throttled => "it succeeds once fewer callers use the account's quota",
            Self::ResultToken => "the token is not from AWS Config or has expired: start the rule again",
            Self::NoAnswer => "check the network path to the endpoint, and try again",
            Self::Service => "try again, or look the code up in the API reference",
        }
    }
}
