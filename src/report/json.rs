//! JSON, for machines.

use std::collections::BTreeMap;
use std::io::{self, Write};

use chrono::{DateTime, NaiveDate, SecondsFormat, Utc};
use serde::Serialize;

use super::{AuditReport, JudgedUser, NO_EXCEPTIONS};
use crate::RULE_NAME;
use crate::rule::facts::KeyName;
use crate::rule::verdict::ComplianceType;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Audit<'a> {
    rule: &'static str,
    parameters: BTreeMap<&'static str, String>,
    account: Option<&'a str>,
    generated_at: String,
    source: Source<'a>,
    summary: Summary,
    users: Vec<Row<'a>>,
    errors: &'a [String],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Source<'a> {
    credential_report: &'a str,
    report_generated_at: Option<String>,
    note: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Summary {
    compliant: usize,
    non_compliant: usize,
    excepted: usize,
    total: usize,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Row<'a> {
    user_name: &'a str,
    user_id: Option<&'a str>,
    arn: Option<&'a str>,
    compliance_type: ComplianceType,
    annotation: &'a str,
    setup_keys: Vec<SetupKey<'a>>,
    exception: Option<Exception<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SetupKey<'a> {
    access_key_id: Option<&'a str>,
    slot: Option<u8>,
    created_seconds_after_user: i64,
    status: &'a str,
    last_used: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Exception<'a> {
    owner: &'a str,
    expires: NaiveDate,
    reason: Option<&'a str>,
}

/// Writes the audit as one JSON object.
///
/// # Errors
///
/// - [`io::Error`] of the output.
pub fn write(report: &AuditReport, mut output: &mut dyn Write) -> io::Result<()> {
    let summary = report.summary();
    let audit = Audit {
        rule: RULE_NAME,
        parameters: report.parameters.to_pairs().into_iter().map(|(name, value)| (name.as_str(), value)).collect(),
        account: report.account.as_deref(),
        generated_at: time(report.generated),
        source: Source {
            credential_report: &report.source.name,
            report_generated_at: report.source.generated.map(time),
            note: NO_EXCEPTIONS,
        },
        summary: Summary {
            compliant: summary.compliant,
            non_compliant: summary.non_compliant,
            excepted: summary.excepted,
            total: summary.total,
        },
        users: report.users.iter().map(row).collect(),
        errors: &report.errors,
    };
    serde_json::to_writer_pretty(&mut output, &audit)?;
    writeln!(output)
}

fn row(user: &JudgedUser) -> Row<'_> {
    let setup_keys = user.verdict.setup_keys().iter().map(|key| {
        let (access_key_id, slot) = match &key.name {
            KeyName::Id(id) => (Some(id.as_str()), None),
            KeyName::Slot(slot) => (None, Some(*slot)),
        };
        SetupKey {
            access_key_id,
            slot,
            created_seconds_after_user: key.seconds_after_user,
            status: key.status.as_str(),
            last_used: key.last_used.map(time),
        }
    });
    Row {
        user_name: &user.user_name,
        user_id: user.user_id.as_deref(),
        arn: user.arn.as_deref(),
        compliance_type: user.verdict.compliance_type(),
        annotation: &user.annotation,
        setup_keys: setup_keys.collect(),
        exception: user.verdict.exception().map(|exception| Exception {
            owner: &exception.owner,
            expires: exception.expires,
            reason: exception.reason.as_deref(),
        }),
    }
}

fn time(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Secs, true)
}
