//! What goes wrong on purpose: faults of single calls, and a limit on calls per second.

use std::time::{Duration, Instant};

use super::Call;
use super::wire::{Protocol, ServiceError};

/// How often something happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Times {
    /// Every time.
    Forever,
    /// The first so many times.
    N(usize),
}

impl Times {
    /// Whether it happens this time.
    pub(super) fn strike(&mut self) -> bool {
        match self {
            Self::Forever => true,
            Self::N(0) => false,
            Self::N(left) => {
                *left -= 1;
                true
            }
        }
    }
}

/// A fault of certain calls.
#[derive(Debug, Clone)]
pub struct Fault {
    /// The action: `ListAccessKeys`.
    pub action: String,
    /// User name, access key id, rule name, resource id or role ARN that the call is for; `None`: any.
    pub resource: Option<String>,
    /// How many such calls go well first.
    pub skip: usize,
    /// How many fail then.
    pub times: Times,
    /// How.
    pub kind: FaultKind,
}

/// How a call fails.
#[derive(Debug, Clone)]
pub enum FaultKind {
    /// 400 `Throttling` (IAM, STS) or `ThrottlingException` (Config).
    Throttle,
    /// 500.
    InternalError,
    /// 503.
    Unavailable,
    /// The connection closes before the call is carried out.
    Reset,
    /// The call is carried out, and the connection closes in the middle of the answer.
    TruncatedBody,
    /// 200 with a body that is neither XML nor JSON; the call is not carried out.
    WrongBody,
    /// 200 without a body; the call is not carried out.
    EmptyBody,
    /// The call is carried out, and the answer is the first half of it, sent as if it were all.
    CutText,
    /// The call is carried out, and the answer comes so much later.
    Slow(Duration),
    /// 403 `AccessDenied` (IAM, STS) or `AccessDeniedException` (Config).
    AccessDenied,
    /// 403 `ExpiredToken` (IAM, STS) or `ExpiredTokenException` (Config).
    ExpiredToken,
    /// 404 `NoSuchEntity`; of Config 400 `ResourceNotDiscoveredException` or `NoSuchConfigRuleException`.
    NoSuchEntity,
    /// Any other error: status, code, message. For `LimitExceeded` of `GenerateCredentialReport` and the like.
    Error(u16, &'static str, &'static str),
}

impl Fault {
    /// A fault of every call of an action.
    pub fn new(action: &str, kind: FaultKind) -> Self {
        Self { action: action.to_owned(), resource: None, skip: 0, times: Times::Forever, kind }
    }

    /// The same for the calls on one resource only.
    pub fn on(mut self, resource: &str) -> Self {
        self.resource = Some(resource.to_owned());
        self
    }

    /// The same for the first so many calls only.
    pub fn times(mut self, times: usize) -> Self {
        self.times = Times::N(times);
        self
    }

    /// The same after so many calls that go well.
    pub fn after(mut self, skip: usize) -> Self {
        self.skip = skip;
        self
    }

    fn is_for(&self, call: &Call) -> bool {
        let for_resource = |wanted: &String| call.resources().any(|resource| resource.eq_ignore_ascii_case(wanted));
        self.action == call.action && self.resource.as_ref().is_none_or(for_resource)
    }
}

/// The kind of the first fault that hits this call.
pub(super) fn strike(faults: &mut [Fault], call: &Call) -> Option<FaultKind> {
    faults.iter_mut().filter(|fault| fault.is_for(call)).find_map(|fault| {
        if fault.skip > 0 {
            fault.skip -= 1;
            return None;
        }
        fault.times.strike().then(|| fault.kind.clone())
    })
}

impl FaultKind {
    /// The error that a service answers with; `None` if the fault is of another kind.
    pub(super) fn error(&self, protocol: Protocol, call: &Call, caller: &str) -> Option<ServiceError> {
        let (service, action, json) = (call.service, &call.action, protocol == Protocol::Json);
        let code = |query, json_code| if json { json_code } else { query };
        Some(match self {
            Self::Throttle => throttled(protocol),
            Self::InternalError => ServiceError::new(
                500,
                code("ServiceFailure", "InternalFailure"),
                "The request processing has failed because of an unknown error, exception or failure.",
            ),
            Self::Unavailable => ServiceError::new(
                503,
                code("ServiceUnavailable", "ServiceUnavailableException"),
                "The request has failed due to a temporary failure of the server.",
            ),
            Self::AccessDenied => {
                let message = format!(
                    "User: {caller} is not authorized to perform: {service}:{action} on resource: {} because no \
                     identity-based policy allows the {service}:{action} action",
                    if call.resource.is_empty() { "*" } else { &call.resource },
                );
                ServiceError::new(403, code("AccessDenied", "AccessDeniedException"), message)
            }
            Self::ExpiredToken => expired_token(protocol),
            Self::NoSuchEntity if json && action == "GetResourceConfigHistory" => ServiceError::new(
                400,
                "ResourceNotDiscoveredException",
                "You have specified a resource that is either unknown or has not been discovered.",
            ),
            Self::NoSuchEntity if json => ServiceError::new(
                400,
                "NoSuchConfigRuleException",
                "The ConfigRule provided in the request is invalid. Please check the configRule name",
            ),
            Self::NoSuchEntity => {
                let message = format!("The user with name {} cannot be found.", call.resource);
                ServiceError::new(404, "NoSuchEntity", message)
            }
            Self::Error(status, code, message) => ServiceError::new(*status, code, *message),
            Self::Reset | Self::TruncatedBody | Self::WrongBody | Self::EmptyBody | Self::CutText | Self::Slow(_) => {
                return None;
            }
        })
    }
}

/// What a service says when it asks for fewer calls.
pub(super) fn throttled(protocol: Protocol) -> ServiceError {
    let code = if protocol == Protocol::Json { "ThrottlingException" } else { "Throttling" };
    ServiceError::new(400, code, "Rate exceeded")
}

/// What a service says to a session that is over.
pub(super) fn expired_token(protocol: Protocol) -> ServiceError {
    let code = if protocol == Protocol::Json { "ExpiredTokenException" } else { "ExpiredToken" };
    ServiceError::new(403, code, "The security token included in the request is expired")
}

/// So many calls a second, and one second's worth at once.
#[derive(Debug)]
pub(super) struct RateLimit {
    calls_per_second: f64,
    left: f64,
    since: Instant,
}

impl RateLimit {
    pub(super) fn new(calls_per_second: f64) -> Self {
        Self { calls_per_second, left: calls_per_second.max(1.0), since: Instant::now() }
    }

    /// Whether a call is within the limit; one that is not does not count.
    pub(super) fn admits(&mut self, at: Instant) -> bool {
        let earned = at.saturating_duration_since(self.since).as_secs_f64() * self.calls_per_second;
        self.left = (self.left + earned).min(self.calls_per_second.max(1.0));
        self.since = self.since.max(at);
        let admitted = self.left >= 1.0;
        if admitted {
            self.left -= 1.0;
        }
        admitted
    }
}
