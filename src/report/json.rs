//! JSON, for machines; and how every JSON of this tool is written.
//!
//! Characters that must not reach a terminal are escaped (`\u202e`): the value stays what it is, and is harmless to look at.

use std::collections::BTreeMap;
use std::io::{self, Write};

use chrono::NaiveDate;
use serde::Serialize;
use serde_json::Serializer;
use serde_json::ser::{CompactFormatter, Formatter, PrettyFormatter};

use super::control::Control;
use super::{AuditReport, JudgedAccount, JudgedUser, NO_EXCEPTIONS, Source, iso};
use crate::RULE_NAME;
use crate::rule::facts::KeyName;
use crate::rule::parameters::Parameters;
use crate::rule::verdict::{ComplianceType, Summary};
use crate::text;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Audit<'a> {
    rule: &'static str,
    parameters: BTreeMap<&'static str, String>,
    account: Option<&'a str>,
    generated_at: String,
    source: Origin<'a>,
    control: Control,
    summary: Summary,
    accounts: Vec<OneAccount<'a>>,
    users: Vec<UserOfAccount<'a>>,
    errors: &'a [String],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct OneAccount<'a> {
    account: Option<&'a str>,
    source: Origin<'a>,
    summary: Summary,
    not_judged: usize,
}

/// A user, with its account where there is more than one.
#[derive(Serialize)]
struct UserOfAccount<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    account: Option<&'a str>,
    #[serde(flatten)]
    row: Row<'a>,
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
pub(super) struct Row<'a> {
    user_name: &'a str,
    user_id: Option<&'a str>,
    arn: Option<&'a str>,
    compliance_type: ComplianceType,
    annotation: &'a str,
    remediation: Option<String>,
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
pub fn write(report: &AuditReport, output: &mut dyn Write) -> io::Result<()> {
    let several = report.accounts.len() > 1;
    let audit = Audit {
        rule: RULE_NAME,
        parameters: parameters(&report.parameters),
        account: report.account.as_deref(),
        generated_at: iso(report.generated),
        source: origin(&report.source),
        control: Control::of(report.parameters.profile),
        summary: report.summary(),
        accounts: accounts(report),
        users: report
            .users
            .iter()
            .map(|user| UserOfAccount { account: user.account.as_deref().filter(|_| several), row: row(user) })
            .collect(),
        errors: &report.errors,
    };
    write_document(&audit, output)
}

/// Writes a value over several lines.
pub(super) fn write_document(value: &impl Serialize, mut output: &mut dyn Write) -> io::Result<()> {
    value.serialize(&mut Serializer::with_formatter(&mut output, Harmless(PrettyFormatter::new())))?;
    writeln!(output)
}

/// Writes a value as one line.
pub(super) fn write_line(value: &impl Serialize, mut output: &mut dyn Write) -> io::Result<()> {
    value.serialize(&mut Serializer::with_formatter(&mut output, Harmless(CompactFormatter)))?;
    writeln!(output)
}

/// A format with characters escaped that JSON itself lets pass.
struct Harmless<F>(F);

/// Passes these calls on.
macro_rules! as_inner {
    ($($name:ident($($first:ident)?);)+) => {
        $(fn $name<W: ?Sized + Write>(&mut self, writer: &mut W $(, $first: bool)?) -> io::Result<()> {
            self.0.$name(writer $(, $first)?)
        })+
    };
}

impl<F: Formatter> Formatter for Harmless<F> {
    as_inner! {
        begin_array(); end_array(); begin_array_value(first); end_array_value();
        begin_object(); end_object(); begin_object_key(first); end_object_key(); begin_object_value(); end_object_value();
    }

    fn write_string_fragment<W: ?Sized + Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        let mut written = 0;
        for (place, c) in fragment.char_indices().filter(|(_, c)| text::is_hostile(*c)) {
            writer.write_all(&fragment.as_bytes()[written..place])?;
            for unit in c.encode_utf16(&mut [0; 2]) {
                write!(writer, "\\u{unit:04x}")?;
            }
            written = place + c.len_utf8();
        }
        writer.write_all(&fragment.as_bytes()[written..])
    }
}

/// Every parameter by its name.
pub(super) fn parameters(parameters: &Parameters) -> BTreeMap<&'static str, String> {
    parameters.to_pairs().into_iter().map(|(name, value)| (name.as_str(), value)).collect()
}

pub(super) fn accounts(report: &AuditReport) -> Vec<OneAccount<'_>> {
    report.accounts.iter().map(account).collect()
}

fn account(judged: &JudgedAccount) -> OneAccount<'_> {
    OneAccount {
        account: judged.account.as_deref(),
        source: origin(&judged.source),
        summary: judged.summary,
        not_judged: judged.not_judged,
    }
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

pub(super) fn row(user: &JudgedUser) -> Row<'_> {
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
        remediation: user.verdict.remediation(),
        setup_keys: setup_keys.collect(),
        exception: user.verdict.exception().map(|exception| Exception {
            owner: &exception.owner,
            expires: exception.expires,
            days_left: exception.days_left,
            reason: exception.reason.as_deref(),
        }),
    }
}
