//! SARIF 2.1.0, for code scanning: a result for each user with setup keys, suppressed where an exception is in force.
//!
//! Code scanning shows only results that have a place in a file: the user's row of the credential report, or of a live audit
//! a path made of its ARN. A user is recognised in the next run by its ARN, not by where it stands. What could not be judged
//! is told as notifications of the run.
//!
//! Source: OASIS, "Static Analysis Results Interchange Format (SARIF) Version 2.1.0".

use std::fmt::Write as _;
use std::io::{self, Write};

use serde_json::{Value, json};

use super::control::{Control, DESCRIPTION, REMEDIATION, SEVERITY, TITLE};
use super::{AuditReport, JudgedUser, iso, json};
use crate::RULE_NAME;
use crate::rule::exception::Exception;

/// Where the schema of the version is published.
const SCHEMA: &str = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

/// Writes the audit as a SARIF log of one run.
///
/// # Errors
///
/// - [`io::Error`] of the output.
pub fn write(report: &AuditReport, output: &mut dyn Write) -> io::Result<()> {
    let with_keys = report.users.iter().filter(|user| !user.verdict.setup_keys().is_empty());
    let notifications: Vec<_> =
        report.errors.iter().map(|error| json!({"level": "error", "message": {"text": plain(error)}})).collect();
    let log = json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": env!("CARGO_PKG_NAME"),
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": [rule(report)],
            }},
            // Code scanning tells the runs of different accounts apart by this.
            "automationDetails": {"id": match &report.account {
                Some(account) => format!("{}/{account}/", env!("CARGO_PKG_NAME")),
                None => format!("{}/", env!("CARGO_PKG_NAME")),
            }},
            "invocations": [{
                "executionSuccessful": report.errors.is_empty(),
                "toolExecutionNotifications": notifications,
            }],
            "results": with_keys.map(result).collect::<Vec<_>>(),
            "properties": {
                "generatedAt": iso(report.generated),
                "account": report.account,
                "accounts": json::accounts(report),
                "parameters": json::parameters(&report.parameters),
                "summary": report.summary(),
            },
        }],
    });
    json::write_document(&log, output)
}

fn rule(report: &AuditReport) -> Value {
    let origin = report.parameters.profile.origin();
    let mut tags = vec!["security".to_owned(), "iam".to_owned()];
    tags.extend(origin.references());
    json!({
        "id": RULE_NAME,
        "name": "IamUserNoSetupAccessKeys",
        "shortDescription": {"text": TITLE},
        "fullDescription": {"text": DESCRIPTION},
        "help": {
            "text": format!("{DESCRIPTION}\n\nWhat to do: {REMEDIATION}\n\nWhose rule: {origin}"),
            "markdown": format!("{DESCRIPTION}\n\n**What to do:** {REMEDIATION}\n\n**Whose rule:** {origin}"),
        },
        "defaultConfiguration": {"level": "error"},
        "properties": {
            "tags": tags,
            "precision": "very-high",
            "problem.severity": "error",
            "security-severity": SEVERITY,
            "control": Control::of(report.parameters.profile),
        },
    })
}

fn result(user: &JudgedUser) -> Value {
    let arn = user.arn.as_deref().unwrap_or(&user.user_name);
    let (file, line) = match &user.location {
        Some(location) => (file_uri(&location.file), location.line),
        None => (live_uri(user), 1),
    };
    // An empty list would say that the result was looked at, and is not suppressed.
    let mut result = json!({
        "ruleId": RULE_NAME,
        "ruleIndex": 0,
        "kind": "fail",
        "level": "error",
        "message": {"text": plain(&format!("IAM user {}: {}", user.user_name, user.annotation))},
        "locations": [{
            "physicalLocation": {"artifactLocation": {"uri": file}, "region": {"startLine": line}},
            "logicalLocations": [{"name": user.user_name, "fullyQualifiedName": arn, "kind": "resource"}],
        }],
        "partialFingerprints": {"iamUserArn/v1": arn, "primaryLocationLineHash": format!("{arn}:1")},
        "properties": json::row(user),
    });
    if let Some(exception) = user.verdict.exception() {
        result["suppressions"] =
            json!([{"kind": "external", "status": "accepted", "justification": justification(exception)}]);
    }
    result
}

fn justification(exception: &Exception) -> String {
    let Exception { owner, expires, reason, days_left: _ } = exception;
    let reason = reason.as_deref().unwrap_or("no reason given");
    format!("Exception until {expires} (UTC), owner {owner}: {reason}")
}

/// Text in which nothing is a link or a placeholder (SARIF 2.1.0, 3.11.5 and 3.11.6).
fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' | '[' | ']' => plain.extend(['\\', c]),
            '{' | '}' => plain.extend([c, c]),
            c => plain.push(c),
        }
    }
    plain
}

/// `file:///…` for a path from the root, a relative reference for any other.
fn file_uri(path: &str) -> String {
    let scheme = if path.starts_with('/') { "file://" } else { "" };
    format!("{scheme}{}", percent_encoded(path))
}

/// `iam/111122223333/user/path/name`
fn live_uri(user: &JudgedUser) -> String {
    let resource = user.arn.as_deref().and_then(|arn| arn.splitn(6, ':').nth(5)).unwrap_or(&user.user_name);
    percent_encoded(&format!("iam/{}/{resource}", user.account.as_deref().unwrap_or("unknown")))
}

/// All but what a path of a URI may have as it is (RFC 3986, `unreserved` and `/`).
fn percent_encoded(path: &str) -> String {
    let mut encoded = String::with_capacity(path.len());
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            encoded.push(byte.into());
        } else {
            // Writing to a text does not fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}
