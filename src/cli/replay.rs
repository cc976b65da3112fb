//! `setup-keys replay`: an AWS Config event through the evaluator's own handler, without putting anything.

use std::io::Read;

use clap::Args;

use super::parameters::RuleOptions;
use super::{Failure, Input, Now, Outcome, complain, write_to};
use crate::aws::{self, Live};
use crate::credential_report::ReportSource;
use crate::evaluation::Answer;
use crate::evaluator;
use crate::event::{self, ConfigEvent, Event};
use crate::judge::judge_event;

/// Judge the user of an AWS Config event as the evaluator would, and print the evaluations it would put
///
/// Facts are read live with the default credential chain, or from a credential report. Nothing is put.
/// Exit status: 0 whatever the verdict, 2 if the event could not be judged.
#[derive(Args)]
pub(super) struct Replay {
    /// The event, as AWS Config sends it to the Lambda function; `-` for standard input
    #[arg(value_name = "EVENT.json")]
    event: Input,

    /// Take the facts from this credential report, offline; `-` for standard input
    #[arg(long, value_name = "FILE")]
    credential_report: Option<Input>,

    #[command(flatten)]
    now: Now,

    /// Given here, a parameter overrides that of the event
    #[command(flatten)]
    parameters: RuleOptions,
}

impl Replay {
    pub(super) async fn run(self) -> Result<Outcome, Failure> {
        let Answer { evaluations, shortfall, .. } = match read_event(&self.event)? {
            Event::Nothing(_) => Answer::default(),
            Event::Call(_) => {
                let problem = "the event of a call has no evaluations: it starts the rule where a verdict has changed";
                return Err(Failure(format!("{}: {problem}", self.event)));
            }
            Event::Config(mut event) => {
                event.parameters = event.parameters.overridden_by(self.parameters.0.clone());
                self.judge(&event).await?
            }
        };
        write_to(None, |output| {
            serde_json::to_writer_pretty(&mut *output, &evaluations)?;
            writeln!(output)
        })?;
        if let Some(error) = shortfall {
            complain(&format!("{}: {}", self.event, error.chain()));
            return Ok(Outcome::Incomplete);
        }
        Ok(Outcome::Clean)
    }

    async fn judge(&self, event: &ConfigEvent) -> Result<Answer, Failure> {
        let now = self.now.get();
        let judged = if let Some(report) = &self.credential_report {
            let facts = ReportSource::read(report.open_report()?).map_err(|error| report.locate(&error))?;
            same_account("the credential report", facts.account().unwrap_or("none"), event)?;
            judge_event(event, &facts, now).await
        } else {
            let settings = aws::sdk_config().await;
            let caller = aws::session::caller_account(&settings).await.map_err(|error| error.to_string())?;
            same_account("the credentials in use", &caller, event)?;
            evaluator::answer(event, &Live::new(&settings), now).await
        };
        judged.map_err(|error| Failure(format!("{}: {}", self.event, error.chain())))
    }
}

/// Users of another account must not be taken for those of the event.
fn same_account(source: &str, account: &str, event: &ConfigEvent) -> Result<(), Failure> {
    if account == event.account_id {
        return Ok(());
    }
    Err(Failure(format!("account `{account}` of {source} is not `accountId` `{}` of the event", event.account_id)))
}

fn read_event(input: &Input) -> Result<Event, Failure> {
    let mut bytes = Vec::new();
    input.open()?.read_to_end(&mut bytes).map_err(|error| format!("{input}: {error}"))?;
    let text = std::str::from_utf8(&bytes).map_err(|error| {
        let valid = String::from_utf8_lossy(&bytes[..error.valid_up_to()]).into_owned();
        let (line, column) = event::position_after(&valid);
        format!("{input}:{line}:{column}: not UTF-8")
    })?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    event::parse(text).map_err(|error| match error.position {
        Some((line, column)) => Failure(format!("{input}:{line}:{column}: {error}")),
        None => Failure(format!("{input}: {error}")),
    })
}
