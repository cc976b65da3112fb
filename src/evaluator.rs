//! The Lambda function that answers the events of the rule: whose, with whose credentials, and with what.

use std::collections::BTreeSet;
use std::time::Instant;

use chrono::{DateTime, Utc};

use crate::aws::Live;
use crate::aws::session::{MEMBER_ROLE_EXTERNAL_ID, MEMBER_ROLE_NAME, MemberRole, Sessions};
use crate::error::Error;
use crate::evaluation::{Answer, Evaluation};
use crate::event::{self, ConfigEvent, Event, IamCall, is_account_id, partition_and_account};
use crate::judge::judge_event;
use crate::lambda::Invocation;
use crate::metrics::Done;
use crate::prompt::start_rules;
use crate::rule::verdict::{ComplianceType, Summary};
use crate::sweep::sweep;

/// Environment variable with the accounts whose events are answered, 12 digits each, separated by commas.
pub const ALLOWED_ACCOUNTS: &str = "ALLOWED_ACCOUNTS";

/// The Lambda function: its settings and its clients, kept from one invocation to the next.
#[derive(Debug)]
pub struct Evaluator {
    /// The value of the environment variable `ALLOWED_ACCOUNTS`.
    pub allowed_accounts: Option<String>,
    /// The value of the environment variable `MEMBER_ROLE_NAME`.
    pub member_role_name: Option<String>,
    /// The value of the environment variable `MEMBER_ROLE_EXTERNAL_ID`.
    pub member_role_external_id: Option<String>,
    /// Clients for the accounts served.
    pub sessions: Sessions,
}

impl Evaluator {
    /// The function as its environment variables set it up.
    #[must_use]
    pub fn from_environment() -> Self {
        let variable = |name| std::env::var(name).ok();
        Self {
            allowed_accounts: variable(ALLOWED_ACCOUNTS),
            member_role_name: variable(MEMBER_ROLE_NAME),
            member_role_external_id: variable(MEMBER_ROLE_EXTERNAL_ID),
            sessions: Sessions::default(),
        }
    }

    /// Answers one invocation: the evaluations of its event are put to AWS Config.
    ///
    /// # Errors
    ///
    /// - any [`Error`]: what was judged by then is put, and AWS Lambda tries the event again.
    pub async fn handle(&self, invocation: &Invocation) -> Result<(), Error> {
        let request_id = &invocation.request_id;
        let external_id = self.member_role_external_id.as_deref();
        let member_role = MemberRole::from_settings(self.member_role_name.as_deref(), external_id)?;
        let event = event::parse(&invocation.event)?;
        let accounts =
            Accounts::served(self.allowed_accounts.as_deref(), member_role.is_some(), &invocation.function_arn)?;
        let (account_id, partition) = match &event {
            Event::Config(event) => (&event.account_id, event.partition.as_str()),
            Event::Call(call) => {
                (&call.account_id, partition_and_account(&invocation.function_arn).map_or("aws", |it| it.0))
            }
            Event::Nothing(reason) => {
                tracing::info!(requestId = request_id, "nothing is judged and nothing is put: {}", reason.sentence());
                return Ok(());
            }
        };
        accounts.accept(account_id)?;
        let aws = match &member_role {
            None => self.sessions.own().await.clone(),
            Some(role) => self.sessions.member(role, partition, account_id, invocation.now).await?,
        };
        let answered = match &event {
            Event::Config(event) => put_answer(event, &aws, invocation).await,
            Event::Call(call) => prompt(call, &aws, invocation).await,
            Event::Nothing(_) => Ok(()),
        };
        if answered.is_err() && member_role.is_some() {
            self.sessions.forget(account_id);
        }
        answered
    }
}

/// Has AWS Config judge the user of a call if it holds another verdict.
async fn prompt(call: &IamCall, aws: &Live, invocation: &Invocation) -> Result<(), Error> {
    let aws = aws.until(Some(invocation.reads_until));
    let started = Box::pin(start_rules(call, &invocation.function_arn, &aws, invocation.now)).await?;
    tracing::info!(
        requestId = invocation.request_id,
        accountId = call.account_id,
        userName = call.user_name,
        started = started.join(", "),
        "a key or password was changed"
    );
    Ok(())
}

/// Judges what an event asks for, puts the evaluations, and logs what it took.
async fn put_answer(event: &ConfigEvent, aws: &Live, invocation: &Invocation) -> Result<(), Error> {
    let started = Instant::now();
    let (calls_before, throttles_before) = aws.meter.read();
    let mut users = Summary::default();
    let outcome = async {
        let aws = aws.until(Some(invocation.reads_until));
        let Answer { evaluations, summary, shortfall } = Box::pin(answer(event, &aws, invocation.now)).await?;
        users = summary;
        if let Some(shortfall) = &shortfall {
            // Said here as well, since putting may fail for another reason.
            tracing::warn!(requestId = invocation.request_id, "{}", shortfall.chain());
        }
        aws.config.put_evaluations(&event.result_token, &evaluations).await?;
        log(&invocation.request_id, &event.account_id, &evaluations);
        shortfall.map_or(Ok(()), Err)
    };
    let outcome = outcome.await;
    let (calls, throttles) = aws.meter.read();
    let done = Done {
        users,
        calls: calls - calls_before,
        throttles: throttles - throttles_before,
        failed: outcome.is_err(),
        duration: started.elapsed(),
    };
    done.log(&event.account_id, invocation.now);
    outcome
}

/// Answers an event from live reads: one resource, or the whole account.
///
/// # Errors
///
/// - any [`Error`] of a fact that could not be read: there is never a verdict from missing facts.
pub async fn answer(event: &ConfigEvent, aws: &Live, now: DateTime<Utc>) -> Result<Answer, Error> {
    if let event::Invocation::Scheduled { ordering } = event.invocation {
        let parameters = event.parameters.clone().resolve();
        return sweep(aws, event.rule_name.as_deref(), &parameters, ordering, now).await;
    }
    judge_event(event, aws, now).await
}

/// One line for what was put: a user's verdict, or a sweep's counts.
fn log(request_id: &str, account_id: &str, evaluations: &[Evaluation]) {
    if let [evaluation] = evaluations {
        tracing::info!(
            requestId = request_id,
            accountId = account_id,
            resourceId = evaluation.resource_id,
            complianceType = evaluation.compliance_type.as_str(),
            annotation = evaluation.annotation,
            "evaluation put"
        );
    } else {
        let non_compliant = evaluations.iter().filter(|it| it.compliance_type == ComplianceType::NonCompliant).count();
        tracing::info!(
            requestId = request_id,
            accountId = account_id,
            evaluations = evaluations.len(),
            nonCompliant = non_compliant,
            "evaluations put"
        );
    }
}

/// The accounts whose events are answered.
///
/// Whoever may invoke the function can send it an event of any account, with a rule of their own that shows them the
/// answer. So an account is served only if the deployment says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Accounts {
    /// Those listed in `ALLOWED_ACCOUNTS`.
    Listed(BTreeSet<String>),
    /// The account in the function's own ARN.
    Own(String),
    /// Every account that lets the function assume its role (`MEMBER_ROLE_NAME`).
    Members,
}

impl Accounts {
    /// The accounts that a function serves: those of `allowed` (`ALLOWED_ACCOUNTS`: account ids, separated by commas). Where
    /// that is unset or blank: with a member role every account that has it, else the account in the function's ARN.
    ///
    /// # Errors
    ///
    /// - [`Error::Environment`] if an entry is not an account id of 12 digits.
    pub fn served(allowed: Option<&str>, has_member_role: bool, function_arn: &str) -> Result<Self, Error> {
        let Some(allowed) = allowed.filter(|allowed| !allowed.trim().is_empty()) else {
            if has_member_role {
                return Ok(Self::Members);
            }
            let own = partition_and_account(function_arn).map_or("unknown", |(_, account)| account);
            return Ok(Self::Own(own.to_owned()));
        };
        let ids = allowed.split(',').map(|id| {
            let id = id.trim();
            if is_account_id(id) {
                return Ok(id.to_owned());
            }
            let problem =
                format!("`{}` is not an account id; 12 digits each, separated by commas", crate::text::excerpt(id, 64));
            Err(Error::Environment { name: ALLOWED_ACCOUNTS, problem })
        });
        ids.collect::<Result<_, _>>().map(Self::Listed)
    }

    fn accept(&self, account_id: &str) -> Result<(), Error> {
        let accepted = match self {
            Self::Members => return Ok(()),
            Self::Listed(ids) if ids.contains(account_id) => return Ok(()),
            Self::Own(own) if own == account_id => return Ok(()),
            Self::Listed(_) => "in ALLOWED_ACCOUNTS".to_owned(),
            Self::Own(own) => format!("the function's own account `{}`", crate::text::excerpt(own, 64)),
        };
        Err(Error::AccountRefused { account_id: account_id.to_owned(), accepted })
    }
}
