//! `setup-keys audit`: judges a whole account.

use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::{fs, mem};

use clap::{Args, ValueEnum, ValueHint};

use super::output::Output;
use super::parameters::RuleOptions;
use super::progress::Progress;
use super::{Failure, Input, Now, Outcome, complain, console, reports};
use crate::aws::{self, Live};
use crate::credential_report::ReportError;
use crate::report::{self, Collect, JudgedAccount, JudgedUser, Location, Settings, Sink, Source};
use crate::rule::facts::{Facts, KeyAge};
use crate::rule::key_ages;
use crate::rule::verdict::{Annotations, Summary, Verdict};
use crate::sweep::{judge_account_with_report, verdict_on};
use crate::text::printable;

/// Judge every user of an account
///
/// Without --credential-report the users are read live, with the credentials and the region that the AWS CLI would use:
/// environment, profile, SSO, web identity, instance role. Nothing is changed, and nothing is put to AWS Config.
///
/// Exit status: 0 if all users are compliant, 1 if some user is NON_COMPLIANT, 2 if some user could not be judged.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Audit {
    /// Judge the users of this credential report, offline: the CSV, the JSON that `aws iam get-credential-report` prints,
    /// or the bare base64 text of its Content. A directory means every *.csv and *.json in it, a quoted pattern every file
    /// that fits, `-` standard input; may be given more than once, one report an account. A report has no tags, so no
    /// exceptions are seen
    #[arg(long, value_name = "FILE", value_hint = ValueHint::AnyPath)]
    credential_report: Vec<Input>,

    /// Keep the credential report that was judged by, as IAM gave it, in this file
    #[arg(long, value_name = "FILE", conflicts_with = "credential_report")]
    save_report: Option<PathBuf>,

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

const EXAMPLES: &str = "\
Examples:
  setup-keys audit
      the account of the credentials in use, live
  setup-keys audit --save-report evidence.csv --format json --output audit.json
      the same, with the credential report kept beside the result
  setup-keys audit --credential-report report.csv
      a credential report, offline
  aws iam get-credential-report | setup-keys audit --credential-report -
      the same without a file
  setup-keys audit --credential-report reports/ --format csv --output audit.csv
      one report an account, a whole organization at once
  setup-keys audit --profile check-point --format jsonl | jq 'select(.complianceType == \"NON_COMPLIANT\")'
      by another published rule";

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    /// For people: NON_COMPLIANT users first, a summary last
    Table,
    /// For machines: parameters, whose rule it is, summary and every user
    Json,
    /// JSON Lines: an object a user, written as it is judged
    Jsonl,
    /// For spreadsheets: a row a user, written as it is judged; cells that would be formulas get an apostrophe in front
    Csv,
    /// For auditors: one page to keep or to print, with a chart and how to fix what was found
    Html,
    /// SARIF 2.1.0, for code scanning: a result for each user with setup keys
    Sarif,
    /// OCSF 1.5.0, for security data lakes: a Compliance Finding a user and a line, written as it is judged
    Ocsf,
}

impl Format {
    fn sink<'a>(
        self,
        settings: Settings,
        style: report::table::Style,
        output: &'a mut Output<'_>,
    ) -> Box<dyn Sink + 'a> {
        match self {
            Self::Table => Box::new(Collect::new(settings, move |report| report::table::write(report, style, output))),
            Self::Json => Box::new(Collect::new(settings, |report| report::json::write(report, output))),
            Self::Html => Box::new(Collect::new(settings, |report| report::html::write(report, output))),
            Self::Jsonl => Box::new(report::lines::json_lines(settings, output)),
            Self::Ocsf => Box::new(report::ocsf::ocsf(settings, output)),
            Self::Sarif => Box::new(Collect::new(settings, |report| report::sarif::write(report, output))),
            Self::Csv => Box::new(report::csv::Csv::new(&settings, output)),
        }
    }
}

impl Audit {
    pub(super) async fn run(self) -> Result<Outcome, Failure> {
        let settings = Settings { parameters: self.parameters.0.clone().resolve(), now: self.now.get() };
        let path = self.output.as_deref();
        let mut output = Output::new(path);
        let sink = self.format.sink(settings.clone(), console::style(path.is_some()), &mut output);
        let mut auditing = Auditing::new(&settings, sink);
        auditing.with_keys = matches!(self.format, Format::Html);
        let unwritten = |error| Output::failure(path, &error);
        if self.credential_report.is_empty() {
            auditing.live(self.save_report).await?.map_err(unwritten)?;
        } else {
            for report in reports::expand(&self.credential_report)? {
                auditing.report(&report).map_err(unwritten)?;
            }
        }
        let outcome = auditing.end().map_err(unwritten)?;
        output.finish()?;
        Ok(outcome)
    }
}

/// An audit under way.
struct Auditing<'a> {
    settings: &'a Settings,
    annotations: Annotations<'a>,
    sink: Box<dyn Sink + 'a>,
    /// Whether the sink is told of every key of a user.
    with_keys: bool,
    accounts: Vec<JudgedAccount>,
    /// Of each account the report that it was judged by.
    judged_by: HashMap<Arc<str>, Arc<str>>,
    /// The account under way, as soon as the source has named it.
    account: Option<Arc<str>>,
    summary: Summary,
    not_judged: usize,
    /// Something was not judged, or not kept.
    incomplete: bool,
}

impl<'a> Auditing<'a> {
    fn new(settings: &'a Settings, sink: Box<dyn Sink + 'a>) -> Self {
        Self {
            settings,
            annotations: Annotations::new(&settings.parameters),
            sink,
            with_keys: false,
            accounts: Vec::new(),
            judged_by: HashMap::new(),
            account: None,
            summary: Summary::default(),
            not_judged: 0,
            incomplete: false,
        }
    }

    fn user(
        &mut self,
        facts: Facts,
        keys: Option<Vec<KeyAge>>,
        verdict: Verdict,
        location: Option<Location>,
    ) -> io::Result<()> {
        self.summary.count(&verdict);
        let Facts { user_name, user_id, arn, .. } = facts;
        let (account, annotation) = (self.account.clone(), self.annotations.of(&verdict));
        self.sink.user(JudgedUser { account, user_name, user_id, arn, verdict, annotation, keys, location })
    }

    fn error(&mut self, message: &str) {
        self.incomplete = true;
        complain(message);
        self.sink.error(message);
    }

    fn end_account(&mut self, source: Source) {
        let account = self.account.take().map(|account| account.to_string());
        let (summary, not_judged) = (mem::take(&mut self.summary), mem::take(&mut self.not_judged));
        self.accounts.push(JudgedAccount { account, source, summary, not_judged });
    }

    /// Judges the users of a credential report. One that cannot be read is an error beside the others.
    fn report(&mut self, report: &Input) -> io::Result<()> {
        let mut rows = match report.open_report() {
            Ok(rows) => rows,
            Err(Failure(message)) => {
                self.error(&message);
                return Ok(());
            }
        };
        // Of a report that was given up nothing is left to count for this one.
        (self.account, self.summary, self.not_judged) = (None, Summary::default(), 0);
        let file: Arc<str> = report.to_string().into();
        while let Some(row) = rows.next() {
            if !self.is_new(rows.account(), &file) {
                return Ok(());
            }
            let judged = row.and_then(|row| Ok((row.judge(&self.settings.parameters, self.settings.now)?, row)));
            match judged {
                Ok((verdict, row)) => {
                    let location = Location { file: Arc::clone(&file), line: row.line };
                    let keys = if self.with_keys { key_ages(&row.facts) } else { None };
                    self.user(row.facts, keys, verdict, Some(location))?;
                }
                Err(error @ (ReportError::Unreadable(_) | ReportError::NotAReport(_))) => {
                    self.error(&report.locate(&error));
                    // What was read of it counts; of nothing, another report of the account may tell.
                    if self.summary == Summary::default() && self.not_judged == 0 {
                        if let Some(account) = self.account.take() {
                            self.judged_by.remove(&account);
                        }
                        return Ok(());
                    }
                    break;
                }
                Err(error) => {
                    self.not_judged += 1;
                    self.error(&report.locate(&error));
                }
            }
        }
        if !self.is_new(rows.account(), &file) {
            return Ok(());
        }
        let source = Source::CredentialReport { file: file.to_string(), generated: rows.generated() };
        self.end_account(source);
        Ok(())
    }

    /// Whether the account under way, as far as it is known, is of this report alone: two reports of one account would count
    /// its users twice, and differ; which of them holds, nobody can tell.
    fn is_new(&mut self, account: Option<&str>, file: &Arc<str>) -> bool {
        let Some(account) = account.filter(|_| self.account.is_none()) else { return true };
        let Some(earlier) = self.judged_by.get(account) else {
            let account = Arc::from(account);
            self.judged_by.insert(Arc::clone(&account), Arc::clone(file));
            self.account = Some(account);
            return true;
        };
        let account = printable(account);
        self.error(&format!("{file}: account `{account}` was judged by {earlier} already: give one report an account"));
        false
    }

    /// Judges the users of the account of the credentials in use.
    async fn live(&mut self, save_report: Option<PathBuf>) -> Result<io::Result<()>, Failure> {
        let settings = aws::sdk_config().await;
        let account = aws::session::caller_account(&settings).await?;
        let progress = Progress::start("Reading the credential report and the users");
        let mut saved = None;
        let live = Live::new(&settings);
        let judged = judge_account_with_report(
            &live,
            &self.settings.parameters,
            self.settings.now,
            |done, total| progress.show(done, total),
            |content| saved = save_report.as_deref().map(|file| fs::write(file, content)),
        )
        .await;
        progress.end();
        let mut judged = judged.map_err(|error| error.chain())?;
        if let Some(file) = save_report.as_deref() {
            match saved {
                Some(Ok(())) => {}
                Some(Err(error)) => self.error(&format!("{}: {error}", file.display())),
                None => self.error(&format!("{}: not written: there is no credential report to keep", file.display())),
            }
        }

        self.account = Some(account.into());
        for (user, outcome) in judged.users {
            match verdict_on(&user, outcome) {
                // Deleted since the list was read: no user of the account.
                Ok(Verdict::NotApplicable(_)) => {}
                Ok(verdict) => {
                    let keys = judged.keys.remove(&user.id);
                    let facts = Facts { user_id: Some(user.id), arn: Some(user.arn), ..Facts::unread(user.name) };
                    if let Err(error) = self.user(facts, keys, verdict, None) {
                        return Ok(Err(error));
                    }
                }
                Err(why) => {
                    self.not_judged += 1;
                    self.error(&why);
                }
            }
        }
        self.end_account(Source::Live { report_generated: judged.report_generated });
        Ok(Ok(()))
    }

    /// Has the result written, if there is any.
    fn end(self) -> io::Result<Outcome> {
        let found = self.accounts.iter().any(|account| account.summary.non_compliant > 0);
        if !self.accounts.is_empty() {
            self.sink.end(self.accounts)?;
        }
        Ok(match (self.incomplete, found) {
            (true, _) => Outcome::Incomplete,
            (false, true) => Outcome::Found,
            (false, false) => Outcome::Clean,
        })
    }
}
