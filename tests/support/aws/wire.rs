//! How calls and answers look on the wire: the query protocol with XML (IAM, STS) and JSON 1.1 (AWS Config).

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Value, json};

use crate::support::http::{Request, Response};

/// The target prefix of AWS Config.
const CONFIG_TARGET: &str = "StarlingDoveService.";

/// How a service talks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    /// A form in, XML of this namespace out.
    Query(&'static str),
    /// JSON 1.1 both ways.
    Json,
}

pub(super) const IAM: Protocol = Protocol::Query("https://iam.amazonaws.com/doc/2010-05-08/");
pub(super) const STS: Protocol = Protocol::Query("https://sts.amazonaws.com/doc/2011-06-15/");

/// A call, taken apart.
#[derive(Debug)]
pub(super) struct Incoming {
    pub(super) service: &'static str,
    pub(super) protocol: Protocol,
    pub(super) action: String,
    /// The members of the request: for the query protocol all strings, under their names in the form.
    pub(super) parameters: Value,
    /// What is wrong with the call as such.
    pub(super) problem: Option<ServiceError>,
}

impl Incoming {
    /// Takes a request apart by its target header, else by `Action` and `Version` of its form.
    pub(super) fn parse(request: &Request) -> Self {
        match request.header("x-amz-target") {
            Some(target) => Self::json(request, target),
            None => Self::query(request),
        }
    }

    fn json(request: &Request, target: &str) -> Self {
        let action = target.strip_prefix(CONFIG_TARGET);
        let body = serde_json::from_slice(&request.body).ok().filter(Value::is_object);
        let known = action.is_some() && is_at_root(request) && has_type(request, "application/x-amz-json-1.1");
        let problem = match &body {
            _ if !known => Some(ServiceError::new(400, "UnknownOperationException", "")),
            None => Some(ServiceError::new(400, "SerializationException", "Start of structure expected")),
            Some(_) => None,
        };
        Self {
            service: "config",
            protocol: Protocol::Json,
            action: action.unwrap_or(target).to_owned(),
            parameters: body.unwrap_or(json!({})),
            problem,
        }
    }

    fn query(request: &Request) -> Self {
        let mut form = BTreeMap::new();
        let mut repeated = false;
        for (name, value) in form_urlencoded::parse(&request.body) {
            repeated |= form.insert(name.into_owned(), value.into_owned()).is_some();
        }
        let of = |name: &str| form.get(name).cloned().unwrap_or_default();
        let (action, version) = (of("Action"), of("Version"));
        let (service, protocol) = match version.as_str() {
            "2010-05-08" => ("iam", IAM),
            "2011-06-15" => ("sts", STS),
            _ => ("unknown", Protocol::Query("")),
        };
        let problem = if service == "unknown" || !is_at_root(request) {
            Some(invalid_action(&action, &version))
        } else if repeated || !has_type(request, "application/x-www-form-urlencoded") {
            Some(ServiceError::new(400, "MalformedQueryString", "The query string is malformed"))
        } else {
            None
        };
        Self { service, protocol, action, parameters: json!(form), problem }
    }
}

fn is_at_root(request: &Request) -> bool {
    request.method == "POST" && request.path == "/"
}

fn has_type(request: &Request, media_type: &str) -> bool {
    let given = request.header("content-type").unwrap_or_default();
    given.split(';').next().is_some_and(|given| given.trim_end() == media_type)
}

/// What IAM and STS answer to an action that they do not have.
pub(super) fn invalid_action(action: &str, version: &str) -> ServiceError {
    let message = format!("Could not find operation {action} for version {version}");
    ServiceError::new(400, "InvalidAction", message)
}

/// An error that a service answers with.
#[derive(Debug, Clone)]
pub(super) struct ServiceError {
    status: u16,
    code: &'static str,
    message: String,
}

impl ServiceError {
    pub(super) fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into() }
    }

    /// A member that breaks a constraint of the API model, as IAM says it.
    pub(super) fn validation(protocol: Protocol, value: &Value, member: &str, constraint: &str) -> Self {
        let code = if protocol == Protocol::Json { "ValidationException" } else { "ValidationError" };
        let value = match value {
            Value::Null => "null".to_owned(),
            Value::String(text) => format!("'{text}'"),
            other => format!("'{other}'"),
        };
        let member = lower_first(member);
        let message = format!(
            "1 validation error detected: Value {value} at '{member}' failed to satisfy constraint: Member must \
             {constraint}"
        );
        Self::new(400, code, message)
    }
}

/// API models name their members so in messages: `maxItems`.
fn lower_first(name: &str) -> String {
    let mut chars = name.chars();
    chars.next().map(|first| first.to_lowercase().chain(chars).collect()).unwrap_or_default()
}

/// An error, as the protocol has it.
pub(super) fn error_response(protocol: Protocol, error: ServiceError) -> Response {
    match protocol {
        Protocol::Query(namespace) => xml_response(namespace, "", Err(error)),
        Protocol::Json => json_response(Err(error)),
    }
}

/// An answer of IAM or STS: `result` is what stands in the result element.
pub(super) fn xml_response(namespace: &str, action: &str, result: Result<String, ServiceError>) -> Response {
    let request_id = request_id();
    let (status, body) = match result {
        Ok(result) => {
            let result = if result.is_empty() { result } else { parent(&format!("{action}Result"), &result) };
            let metadata = parent("ResponseMetadata", &element("RequestId", &request_id));
            (200, format!("<{action}Response xmlns=\"{namespace}\">{result}{metadata}</{action}Response>\n"))
        }
        Err(error) => {
            let kind = if error.status < 500 { "Sender" } else { "Receiver" };
            let details = element("Type", kind) + &element("Code", error.code) + &element("Message", &error.message);
            let (error_element, request_id) = (parent("Error", &details), element("RequestId", &request_id));
            (
                error.status,
                format!("<ErrorResponse xmlns=\"{namespace}\">{error_element}{request_id}</ErrorResponse>\n"),
            )
        }
    };
    Response::new(status, "text/xml", body).header("x-amzn-requestid", request_id)
}

/// An answer of AWS Config.
pub(super) fn json_response(result: Result<Value, ServiceError>) -> Response {
    let (status, body) = match result {
        Ok(body) => (200, body),
        Err(error) => (error.status, json!({"__type": error.code, "message": error.message})),
    };
    Response::new(status, "application/x-amz-json-1.1", body.to_string()).header("x-amzn-requestid", request_id())
}

fn request_id() -> String {
    static COUNTER: AtomicU64 = AtomicU64::new(1);
    format!("7a62c49f-347e-4fc4-9331-{:012x}", COUNTER.fetch_add(1, Ordering::Relaxed))
}

/// `<name>text</name>`, the text escaped.
pub(super) fn element(name: &str, text: &str) -> String {
    let escaped = text.chars().fold(String::with_capacity(text.len()), |mut escaped, c| {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            c if c.is_control() => escaped.extend(["&#x", &format!("{:x}", u32::from(c)), ";"]),
            c => escaped.push(c),
        }
        escaped
    });
    parent(name, &escaped)
}

/// `<name>inner</name>`.
pub(super) fn parent(name: &str, inner: &str) -> String {
    format!("<{name}>{inner}</{name}>")
}

/// A time as IAM writes it: to the second.
pub(super) fn seconds(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// A time as AWS Config writes it: seconds since 1970, with a fraction.
pub(super) fn epoch(time: DateTime<Utc>) -> f64 {
    let text = format!("{}.{:03}", time.timestamp(), time.timestamp_subsec_millis());
    text.parse().expect("digits and a point are a number")
}

/// The place after which the next page of a list starts, as a text that means nothing to the caller.
pub(super) fn page_token(list: &str, place: usize) -> String {
    BASE64_STANDARD.encode(format!("{list} {place}"))
}

/// The place in a token that this list gave; `None` if it gave no such token.
pub(super) fn page_place(list: &str, token: &str) -> Option<usize> {
    let bytes = BASE64_STANDARD.decode(token).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    text.strip_prefix(list)?.strip_prefix(' ')?.parse().ok()
}
