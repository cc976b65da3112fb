//! The Lambda Runtime API: hands events to a function, one at a time, and takes its answers.
//!
//! Source: AWS Lambda Developer Guide, "Using the Lambda runtime API for custom runtimes".

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::http::{Reply, Request, Response, Server};
use super::lock;

const VERSION: &str = "/2018-06-01/runtime/";

/// An event for the function.
#[derive(Debug, Clone)]
pub struct Invocation {
    /// Id of the request.
    pub request_id: String,
    /// The payload, of any content.
    pub event: Vec<u8>,
    /// When AWS Lambda would end the function, in milliseconds since 1970.
    pub deadline_ms: i64,
    /// The ARN by which the function is invoked.
    pub function_arn: String,
}

/// What the function made of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It succeeded, with this answer.
    Success(String),
    /// It failed.
    Failure {
        /// What kind of failure it says it is.
        error_type: String,
        /// What it says about it.
        error_message: String,
    },
}

/// What came first: the answer of an invocation, the end of the function, or neither in time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Waited {
    /// The function answered.
    Answered(Answer),
    /// The function ended without an answer.
    HungUp,
    /// Neither in time.
    TimedOut,
}

/// A server of the Lambda Runtime API.
pub struct RuntimeApi {
    server: Server,
    prefix: String,
    line: Arc<Line>,
}

#[derive(Default)]
struct Line {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    queued: VecDeque<Invocation>,
    running: HashSet<String>,
    answers: HashMap<String, Answer>,
    init_error: Option<Answer>,
    ready: Option<Instant>,
    hung_up: bool,
    stopped: bool,
}

impl RuntimeApi {
    /// Starts it as AWS Lambda has it: `host:port`, at the root.
    pub fn start() -> Self {
        Self::with_prefix("")
    }

    /// Starts it under a path, as `cargo lambda watch` has it: `http://host:port/.rt/evaluator`.
    pub fn with_prefix(prefix: &str) -> Self {
        let line = Arc::new(Line::default());
        let server = Server::start({
            let (line, root) = (Arc::clone(&line), format!("{prefix}{VERSION}"));
            move |request| match request.path.strip_prefix(&root) {
                Some(path) => line.answer(request, path).unwrap_or(Reply::Reset),
                None => refusal(404, "UnknownPath", &request.path).into(),
            }
        });
        Self { server, prefix: prefix.to_owned(), line }
    }

    /// The value of `AWS_LAMBDA_RUNTIME_API`.
    pub fn address(&self) -> String {
        let address = self.server.address();
        if self.prefix.is_empty() { address.to_string() } else { format!("http://{address}{}", self.prefix) }
    }

    /// Queues an event.
    pub fn queue(&self, invocation: Invocation) {
        lock(&self.line.state).queued.push_back(invocation);
        self.line.changed.notify_all();
    }

    /// Waits for the answer of an invocation.
    pub fn wait(&self, request_id: &str, at_most: Duration) -> Waited {
        let state = lock(&self.line.state);
        let unanswered = |state: &mut State| !state.answers.contains_key(request_id) && !state.hung_up;
        let (mut state, _) =
            self.line.changed.wait_timeout_while(state, at_most, unanswered).unwrap_or_else(PoisonError::into_inner);
        match state.answers.remove(request_id) {
            Some(answer) => Waited::Answered(answer),
            None if state.hung_up => Waited::HungUp,
            None => Waited::TimedOut,
        }
    }

    /// Waits for the function to ask for its first event; when it did.
    pub fn wait_until_ready(&self, at_most: Duration) -> Option<Instant> {
        let state = lock(&self.line.state);
        let waits = |state: &mut State| state.ready.is_none() && !state.hung_up;
        let waited = self.line.changed.wait_timeout_while(state, at_most, waits);
        waited.unwrap_or_else(PoisonError::into_inner).0.ready
    }

    /// Waits for the end of the function; whether it came in time.
    pub fn wait_for_hang_up(&self, at_most: Duration) -> bool {
        let state = lock(&self.line.state);
        let (state, _) = self
            .line
            .changed
            .wait_timeout_while(state, at_most, |state| !state.hung_up)
            .unwrap_or_else(PoisonError::into_inner);
        state.hung_up
    }

    /// What the function reported instead of starting.
    pub fn init_error(&self) -> Option<Answer> {
        lock(&self.line.state).init_error.clone()
    }

    /// Something that tells that the function ended.
    pub fn on_hang_up(&self) -> impl FnOnce() + Send + 'static {
        let line = Arc::clone(&self.line);
        move || {
            lock(&line.state).hung_up = true;
            line.changed.notify_all();
        }
    }
}

impl Drop for RuntimeApi {
    fn drop(&mut self) {
        lock(&self.line.state).stopped = true;
        self.line.changed.notify_all();
    }
}

impl Line {
    /// `None` if the server stops.
    fn answer(&self, request: &Request, path: &str) -> Option<Reply> {
        let parts: Vec<_> = path.split('/').collect();
        Some(match (request.method.as_str(), &parts[..]) {
            ("GET", ["invocation", "next"]) => next(&self.take()?).into(),
            ("POST", ["invocation", request_id, "response"]) => {
                let answer = String::from_utf8_lossy(&request.body).into_owned();
                self.finish(request_id, Answer::Success(answer)).into()
            }
            ("POST", ["invocation", request_id, "error"]) => match failure(request) {
                Ok(failure) => self.finish(request_id, failure).into(),
                Err(problem) => refusal(400, "InvalidErrorShape", problem).into(),
            },
            ("POST", ["init", "error"]) => match failure(request) {
                Ok(failure) => {
                    lock(&self.state).init_error = Some(failure);
                    accepted().into()
                }
                Err(problem) => refusal(400, "InvalidErrorShape", problem).into(),
            },
            _ => refusal(404, "UnknownPath", path).into(),
        })
    }

    /// Waits for an event, however long that takes.
    fn take(&self) -> Option<Invocation> {
        let mut state = lock(&self.state);
        if state.ready.is_none() {
            state.ready = Some(Instant::now());
            self.changed.notify_all();
        }
        let mut state = self
            .changed
            .wait_while(state, |state| state.queued.is_empty() && !state.stopped)
            .unwrap_or_else(PoisonError::into_inner);
        if state.stopped {
            return None;
        }
        let invocation = state.queued.pop_front()?;
        state.running.insert(invocation.request_id.clone());
        Some(invocation)
    }

    fn finish(&self, request_id: &str, answer: Answer) -> Response {
        let mut state = lock(&self.state);
        if !state.running.remove(request_id) {
            return refusal(400, "InvalidRequestID", request_id);
        }
        state.answers.insert(request_id.to_owned(), answer);
        self.changed.notify_all();
        accepted()
    }
}

fn next(invocation: &Invocation) -> Response {
    Response::new(200, "application/json", invocation.event.clone())
        .header("lambda-runtime-aws-request-id", &invocation.request_id)
        .header("lambda-runtime-deadline-ms", invocation.deadline_ms.to_string())
        .header("lambda-runtime-invoked-function-arn", &invocation.function_arn)
        .header("lambda-runtime-trace-id", "Root=1-69a5628d-0123456789abcdef01234567;Parent=0123456789abcdef;Sampled=0")
}

fn accepted() -> Response {
    Response::new(202, "application/json", json!({"status": "OK"}).to_string())
}

fn refusal(status: u16, error_type: &str, error_message: &str) -> Response {
    let body = json!({"errorType": error_type, "errorMessage": error_message});
    Response::new(status, "application/json", body.to_string())
}

/// The body of an error report: `errorType` and `errorMessage` are strings, `stackTrace`, where given, a list of them.
fn failure(request: &Request) -> Result<Answer, &'static str> {
    let body: Value = serde_json::from_slice(&request.body).map_err(|_| "the body is not JSON")?;
    let text = |member: &str| body[member].as_str().map(str::to_owned);
    match &body["stackTrace"] {
        Value::Null => {}
        Value::Array(lines) if lines.iter().all(Value::is_string) => {}
        _ => return Err("stackTrace is not a list of strings"),
    }
    if request.header("lambda-runtime-function-error-type").is_none() {
        return Err("the header lambda-runtime-function-error-type is missing");
    }
    let error_type = text("errorType").ok_or("errorType is not a string")?;
    let error_message = text("errorMessage").ok_or("errorMessage is not a string")?;
    Ok(Answer::Failure { error_type, error_message })
}
