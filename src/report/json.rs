//! JSON, for machines.

use std::collections::BTreeMap;
use std::io::{self, Write};

use chrono::NaiveDate;
use serde::Serialize;

use super::{AuditReport, JudgedUser, NO_EXCEPTIONS, Source, iso};
use crate::RULE_NAME;
use crate::rule::facts::KeyName;
use crate::rule::verdict::{ComplianceType, Summary};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Audit<'a> {
    rule: &'static str,
    parameters: BTreeMap<&'static str, String>,
    account: Option<&'a str>,
    generated_at: String,
    source: Origin<'a>,
    summary: Summary,
    users: Vec<Row<'a>>,
    errors: &'a [String],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Origin<'a> {
    kind: &'static str,
    file: Option<&'a str>,
    report_generated_at: Option<String>,
    note: Option<&'static str>,
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
    days_left: u32,
    reason: Option<&'a str>,
}

/// Writes the audit as one JSON object.
///
/// # Errors
///
/// - [`io::Error`] of the output.
pub fn write(report: &AuditReport, mut output: &mut dyn Write) -> io::Result<()> {
    let audit = Audit {
        rule: RULE_NAME,
        parameters: report.parameters.to_pairs().into_iter().map(|(name, value)| (name.as_str(), value)).collect(),
        account: report.account.as_deref(),
        generated_at: iso(report.generated),
        source: origin(&report.source),
        summary: report.summary(),
        users: report.users.iter().map(row).collect(),
        errors: &report.errors,
    };
    serde_json::to_writer_pretty(&mut output, &audit)?;
    writeln!(output)
}

fn origin(source: &Source) -> Origin<'_> {
    match source {
        Source::CredentialReport { file, generated } => Origin {
            kind: "credential-report",
            file: Some(file),
            report_generated_at: generated.map(iso),
            note: Some(NO_EXCEPTIONS),
        },
        Source::Live { report_generated } => {
            Origin { kind: "live", file: None, report_generated_at: report_generated.map(iso), note: None }
        }
    }
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
            last_used: key.last_used.map(iso),
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
            days_left: exception.days_left,
            reason: exception.reason.as_deref(),
        }),
    }
}
