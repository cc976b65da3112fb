//! What the Lambda binaries share: how they start, what they log, and how an error becomes a failed invocation.

use std::env;
use std::process::ExitCode;
use std::time::Duration;

use chrono::{DateTime, Utc};
use lambda_runtime::{Diagnostic, LambdaEvent, Runtime, service_fn};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;
use tokio::time::Instant;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::clock;
use crate::error::Error;
use crate::event::EventError;

/// Environment variables that AWS Lambda always sets, without which the runtime cannot work.
const RUNTIME_VARIABLES: [&str; 4] = [
    "AWS_LAMBDA_RUNTIME_API",
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_FUNCTION_VERSION",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
];

/// Whether this process runs in AWS Lambda, or in something that stands in for it.
///
/// # Errors
///
/// - exit status 2, after a line on standard error that says what `binary` is and what to run instead.
pub fn require_lambda(binary: &str, instead: &str) -> Result<(), ExitCode> {
    match RUNTIME_VARIABLES.iter().find(|name| env::var_os(name).is_none_or(|value| value.is_empty())) {
        None => Ok(()),
        Some(missing) => {
            eprintln!("{binary} is an AWS Lambda function and {missing} is not set, so this is not Lambda; {instead}");
            Err(ExitCode::from(2))
        }
    }
}

/// Logs one JSON object a line on standard output, panics included.
///
/// The level is that of `AWS_LAMBDA_LOG_LEVEL` (Lambda's own setting), else `INFO`. It holds for this crate only: the SDK
/// and the runtime log whole requests, the result token in them, when they are asked for more than warnings.
pub fn start_log() {
    let level = env::var("AWS_LAMBDA_LOG_LEVEL").ok().and_then(|level| match level.as_str() {
        "FATAL" => Some(LevelFilter::ERROR),
        other => other.parse().ok(),
    });
    let targets = Targets::new()
        .with_default(LevelFilter::WARN)
        .with_target(env!("CARGO_CRATE_NAME"), level.unwrap_or(LevelFilter::INFO))
        // Repeats what the invocation's own error line says.
        .with_target("lambda_runtime::layers::panic", LevelFilter::OFF);
    let lines = tracing_subscriber::fmt::layer().json().flatten_event(true).with_target(false).with_ansi(false);
    tracing_subscriber::registry().with(targets).with(lines).init();
    std::panic::set_hook(Box::new(|panic| tracing::error!(errorType = "Panic", "{panic}")));
}

/// One invocation of the function.
#[derive(Debug)]
pub struct Invocation {
    /// The text of the event.
    pub event: String,
    /// The ARN by which the function was invoked, its account in it.
    pub function_arn: String,
    /// The id of the invocation.
    pub request_id: String,
    /// When it started.
    pub now: DateTime<Utc>,
    /// When reading must end, so that there is time left to put what was judged and to report a failure.
    pub reads_until: Instant,
}

/// Answers one invocation after the other, until AWS Lambda ends the process. An error of `handler` is a failed invocation
/// with [`Error::code`] as its `error_type` and the whole chain of causes as its message.
pub async fn run<T: Serialize>(handler: impl AsyncFn(&Invocation) -> Result<T, Error>) -> ExitCode {
    let handler = &handler;
    let service = service_fn(async |event: LambdaEvent<Payload>| {
        let (Payload(event), context) = event.into_parts();
        let request_id = context.request_id;
        let outcome = match event {
            Ok(event) => {
                let now = clock::now();
                let invocation = Invocation {
                    event,
                    function_arn: context.invoked_function_arn,
                    request_id: request_id.clone(),
                    now,
                    reads_until: Instant::now() + time_to_read(context.deadline, now),
                };
                // On the heap: what comes of an event is a deep tree of futures.
                Box::pin(handler(&invocation)).await
            }
            Err(problem) => Err(EventError::not_json(problem).into()),
        };
        outcome.map_err(|error| failed(&error, &request_id))
    });
    match Runtime::new(service).run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(errorType = "RuntimeApi", "the Lambda Runtime API cannot be used: {error}");
            ExitCode::FAILURE
        }
    }
}

/// How much of the time left is for reading: all but a fifth, or all but 20 s where that is less.
fn time_to_read(deadline_ms: u64, now: DateTime<Utc>) -> Duration {
    const MOST_FOR_THE_REST: Duration = Duration::from_secs(20);
    let now_ms = u64::try_from(now.timestamp_millis()).unwrap_or(0);
    let left = Duration::from_millis(deadline_ms.saturating_sub(now_ms));
    left.saturating_sub((left / 5).min(MOST_FOR_THE_REST))
}

/// The payload of an invocation as text, whatever it is: an error in it is ours to name, not the runtime's.
struct Payload(Result<String, String>);

impl<'de> Deserialize<'de> for Payload {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer);
        Ok(Self(raw.map(|raw| raw.get().to_owned()).map_err(|error| error.to_string())))
    }
}

fn failed(error: &Error, request_id: &str) -> Diagnostic {
    let (error_type, error_message) = (error.code().to_owned(), error.chain());
    tracing::error!(requestId = request_id, errorType = error_type, "{error_message}");
    Diagnostic { error_type, error_message }
}
