//! `setup-keys audit`: judges a whole account.

use std::path::PathBuf;

use chrono::{DateTime, Utc};
use clap::{Args, ValueEnum};

use super::parameters::RuleOptions;
use super::progress::Progress;
use super::{Failure, Input, Now, Outcome, complain, write_to};
use crate::aws::{self, Live};
use crate::credential_report::ReportError;
use crate::report::{self, AuditReport, JudgedUser, Source};
use crate::rule::facts::Facts;
use crate::rule::parameters::Parameters;
use crate::rule::verdict::Verdict;
use crate::sweep::judge_account;
use crate::text::printable;

/// Judge every user of an account
///
/// Without --credential-report the users are read live, with the credentials and the region that the AWS CLI would use:
/// environment, profile, SSO, web identity, instance role. Nothing is changed, and nothing is put to AWS Config.
///
/// Exit status: 0 if all users are compliant, 1 if some user is NON_COMPLIANT, 2 if some user could not be judged.
#[derive(Args)]
pub(super) struct Audit {
    /// Judge the users of this credential report, offline: the CSV, the JSON that `aws iam get-credential-report` prints,
    /// or the bare base64 text of its Content; `-` for standard input. A report has no tags, so no exceptions are seen
    #[arg(long, value_name = "FILE")]
    credential_report: Option<Input>,

    /// How to print the result
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,

    /// Write the result to this file instead of standard output
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,

    #[command(flatten)]
    now: Now,

    #[command(flatten)]
    parameters: RuleOptions,
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    /// For people: NON_COMPLIANT users first, a summary last
    Table,
    /// For machines: parameters, summary and every user
    Json,
    /// For auditors: one page to keep or to print, with a chart and how to fix what was found
    Html,
}

impl Audit {
    pub(super) async fn run(self) -> Result<Outcome, Failure> {
        let parameters = self.parameters.0.resolve();
        let now = self.now.get();
        let report = match self.credential_report {
            Some(file) => audit_report(&file, parameters, now)?,
            None => audit_live(parameters, now).await?,
        };
        for error in &report.errors {
            complain(error);
        }
        write_to(self.output.as_deref(), |output| match self.format {
            Format::Table => report::table::write(&report, report::table::terminal_width(), output),
            Format::Json => report::json::write(&report, output),
            Format::Html => report::html::write(&report, output),
        })?;
        Ok(if !report.errors.is_empty() {
            Outcome::Incomplete
        } else if report.summary().non_compliant > 0 {
            Outcome::Found
        } else {
            Outcome::Clean
        })
    }
}

/// Judges the users of a credential report.
fn audit_report(file: &Input, parameters: Parameters, now: DateTime<Utc>) -> Result<AuditReport, Failure> {
    let mut rows = file.open_report()?;
    let mut users = Vec::new();
    let mut errors = Vec::new();
    for row in &mut rows {
        match row.and_then(|row| Ok((row.judge(&parameters, now)?, row))) {
            Ok((verdict, row)) => users.push(JudgedUser::new(row.facts, verdict, &parameters)),
            Err(error @ ReportError::Unreadable(_)) => return Err(Failure(file.locate(&error))),
            Err(error) => errors.push(file.locate(&error)),
        }
    }
    let source = Source::CredentialReport { file: file.to_string(), generated: rows.generated() };
    Ok(AuditReport { account: rows.account().map(str::to_owned), generated: now, source, parameters, users, errors })
}

/// Judges the users of the account of the credentials in use.
async fn audit_live(parameters: Parameters, now: DateTime<Utc>) -> Result<AuditReport, Failure> {
    let settings = aws::sdk_config().await;
    let account = aws::session::caller_account(&settings).await?;
    let progress = Progress::start("Reading the credential report and the users");
    let judged = judge_account(&Live::new(&settings), &parameters, now, |done, total| progress.show(done, total)).await;
    progress.end();
    let mut judged = judged.map_err(|error| error.chain())?;

    let mut users = Vec::new();
    let mut errors = Vec::new();
    for (user, outcome) in judged.users {
        match outcome {
            // Deleted since the list was read: no user of the account.
            Some(Ok(Verdict::NotApplicable(_))) => {}
            Some(Ok(verdict)) => {
                let keys = judged.keys.remove(&user.id);
                let facts = Facts { user_id: Some(user.id), arn: Some(user.arn), ..Facts::unread(user.name) };
                users.push(JudgedUser { keys, ..JudgedUser::new(facts, verdict, &parameters) });
            }
            Some(Err(error)) => errors.push(format!("user `{}`: {}", printable(&user.name), error.chain())),
            None => errors.push(format!("user `{}` was not read in time", printable(&user.name))),
        }
    }
    let source = Source::Live { report_generated: judged.report_generated };
    Ok(AuditReport { account: Some(account), generated: now, source, parameters, users, errors })
}
