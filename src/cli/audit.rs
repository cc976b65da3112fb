//! `setup-keys audit`: judges a whole account.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::parameters::RuleOptions;
use super::{Failure, Input, Now, Outcome, complain, write_to};
use crate::credential_report::ReportError;
use crate::report::{self, AuditReport, JudgedUser};

/// Judge every user of an account
///
/// Exit status: 0 if all users are compliant, 1 if some user is NON_COMPLIANT, 2 if some user could not be judged.
#[derive(Args)]
pub(super) struct Audit {
    /// Judge the users of this credential report: the CSV, the JSON that `aws iam get-credential-report` prints, or the
    /// bare base64 text of its Content; `-` for standard input. A report has no tags, so no exceptions are seen
    #[arg(long, value_name = "FILE", required = true)]
    credential_report: Input,

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
}

impl Audit {
    pub(super) fn run(self) -> Result<Outcome, Failure> {
        let parameters = self.parameters.0.resolve();
        let now = self.now.get();
        let source = self.credential_report;
        let mut rows = source.open_report()?;
        let mut users = Vec::new();
        let mut errors = Vec::new();
        for row in &mut rows {
            match row.and_then(|row| Ok((row.judge(&parameters, now)?, row))) {
                Ok((verdict, row)) => users.push(JudgedUser::new(row.facts, verdict, &parameters)),
                Err(error @ ReportError::Unreadable(_)) => return Err(Failure(source.locate(&error))),
                Err(error) => errors.push(source.locate(&error)),
            }
        }

        for error in &errors {
            complain(error);
        }
        let report = AuditReport {
            account: rows.account().map(str::to_owned),
            generated: now,
            source: report::Source { name: source.to_string(), generated: rows.generated() },
            parameters,
            users,
            errors,
        };
        write_to(self.output.as_deref(), |output| match self.format {
            Format::Table => report::table::write(&report, report::table::terminal_width(), output),
            Format::Json => report::json::write(&report, output),
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
