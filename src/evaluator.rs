//! One AWS Config event to the evaluations that answer it.

use std::collections::BTreeSet;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Serialize, Serializer};

use crate::aws::Live;
use crate::aws::session::{MEMBER_ROLE_EXTERNAL_ID, MEMBER_ROLE_NAME, MemberRole, Sessions};
use crate::error::Error;
use crate::event::{self, ChangedUser, ConfigEvent, Event, IAM_USER, is_account_id, partition_and_account};
use crate::lambda::Invocation;
use crate::rule::facts::Facts;
use crate::rule::parameters::Parameters;
use crate::rule::verdict::{ComplianceType, Verdict};
use crate::rule::{Need, Step, decide};

/// Environment variable with the accounts whose events are answered, 12 digits each, separated by commas.
pub const ALLOWED_ACCOUNTS: &str = "ALLOWED_ACCOUNTS";

/// An entry of `PutEvaluations`. Serializes as AWS Config spells it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Evaluation {
    /// Resource type of what was judged.
    #[serde(rename = "ComplianceResourceType")]
    pub resource_type: String,
    /// Its resource id: for an IAM user the unique id (`AIDA…`).
    #[serde(rename = "ComplianceResourceId")]
    pub resource_id: String,
    /// The verdict.
    pub compliance_type: ComplianceType,
    /// What a person reads beside it, 1 to 256 characters.
    pub annotation: String,
    /// Orders it among the results of the same resource.
    #[serde(serialize_with = "as_timestamp")]
    pub ordering_timestamp: DateTime<Utc>,
}

fn as_timestamp<S: Serializer>(value: &DateTime<Utc>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&value.to_rfc3339_opts(SecondsFormat::Millis, true))
}

/// Where the facts about users come from: live IAM, or a credential report.
pub trait FactSource {
    /// Reads the facts that are needed into `facts`. A user that no longer exists is a fact, not an error.
    ///
    /// # Errors
    ///
    /// - any [`Error`] of a fact that cannot be read.
    fn read(&self, facts: &mut Facts, needs: &[Need]) -> impl Future<Output = Result<(), Error>>;

    /// Completes a user of whom a notification's summary says too little, from what AWS Config recorded.
    ///
    /// # Errors
    ///
    /// - any [`Error`] of the look-up.
    fn recorded(&self, user: ChangedUser) -> impl Future<Output = Result<ChangedUser, Error>>;

    /// Judges every user of the account, for a scheduled event of the rule of this name.
    ///
    /// # Errors
    ///
    /// - any [`Error`] for which no user at all can be judged.
    fn sweep(
        &self,
        rule_name: Option<&str>,
        parameters: &Parameters,
        ordering: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> impl Future<Output = Result<Answer, Error>>;
}

/// The evaluations that answer an event.
#[derive(Debug)]
pub struct Answer {
    /// What is put.
    pub evaluations: Vec<Evaluation>,
    /// Why the answer is not whole: what there is of it is put, then the invocation fails.
    pub shortfall: Option<Error>,
}

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
    pub fn from_environment(sessions: Sessions) -> Self {
        let variable = |name| std::env::var(name).ok();
        Self {
            allowed_accounts: variable(ALLOWED_ACCOUNTS),
            member_role_name: variable(MEMBER_ROLE_NAME),
            member_role_external_id: variable(MEMBER_ROLE_EXTERNAL_ID),
            sessions,
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
        let accounts =
            Accounts::served(self.allowed_accounts.as_deref(), member_role.is_some(), &invocation.function_arn)?;
        let Event::Config(event) = event::parse(&invocation.event)? else {
            tracing::info!(
                requestId = request_id,
                "proactive evaluation: AWS Config has none for {IAM_USER}, nothing is put"
            );
            return Ok(());
        };
        accounts.accept(&event.account_id)?;
        let Some(role) = member_role else { return answer(&event, self.sessions.own(), invocation).await };
        let aws = self.sessions.member(&role, &event.partition, &event.account_id, invocation.now).await?;
        let answered = answer(&event, &aws, invocation).await;
        if answered.is_err() {
            self.sessions.forget(&event.account_id);
        }
        answered
    }
}

/// Judges what an event asks for and puts the evaluations.
async fn answer(event: &ConfigEvent, aws: &Live, invocation: &Invocation) -> Result<(), Error> {
    let aws = aws.until(Some(invocation.reads_until));
    let Answer { evaluations, shortfall } = evaluate(event, &aws, invocation.now).await?;
    aws.config.put_evaluations(&event.result_token, &evaluations).await?;
    log(&invocation.request_id, &event.account_id, &evaluations);
    shortfall.map_or(Ok(()), Err)
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

/// Answers an event with evaluations.
///
/// # Errors
///
/// - any [`Error`] of a fact that could not be read: there is never a verdict from missing facts.
pub async fn evaluate(event: &ConfigEvent, source: &impl FactSource, now: DateTime<Utc>) -> Result<Answer, Error> {
    let parameters = event.parameters.clone().resolve();
    let evaluation = match &event.invocation {
        event::Invocation::NotApplicable { resource_type, resource_id, ordering, reason } => Evaluation {
            resource_type: resource_type.clone(),
            ..Evaluation::new(resource_id, &Verdict::NotApplicable(*reason), &parameters, *ordering)
        },
        event::Invocation::Change(user) => judge_changed(user.clone(), source, &parameters, now).await?,
        event::Invocation::OversizedChange(user) => {
            let told = user.user_name.is_some() && user.created.is_some();
            let user = if told { user.clone() } else { source.recorded(user.clone()).await? };
            judge_changed(user, source, &parameters, now).await?
        }
        event::Invocation::Scheduled { ordering } => {
            return source.sweep(event.rule_name.as_deref(), &parameters, *ordering, now).await;
        }
    };
    Ok(Answer { evaluations: vec![evaluation], shortfall: None })
}

async fn judge_changed(
    user: ChangedUser,
    source: &impl FactSource,
    parameters: &Parameters,
    now: DateTime<Utc>,
) -> Result<Evaluation, Error> {
    let Some(user_name) = user.user_name else {
        let problem = "neither its item nor what AWS Config recorded has its name or ARN".to_owned();
        return Err(Error::FactMissing { user: user.user_id, problem });
    };
    let facts =
        Facts { user_id: Some(user.user_id.clone()), arn: user.arn, created: user.created, ..Facts::unread(user_name) };
    let verdict = judge(facts, source, parameters, now).await?;
    Ok(Evaluation::new(&user.user_id, &verdict, parameters, user.ordering))
}

/// Judges one user, reading each fact that the decision asks for.
///
/// # Errors
///
/// - any [`Error`] of a fact that could not be read.
pub async fn judge(
    mut facts: Facts,
    source: &impl FactSource,
    parameters: &Parameters,
    now: DateTime<Utc>,
) -> Result<Verdict, Error> {
    let mut asked = Vec::new();
    loop {
        let needs = match decide(&facts, parameters, now) {
            Step::Verdict(verdict) => return Ok(verdict),
            Step::Need(needs) => needs,
        };
        if needs == asked {
            let problem = format!("its source gave no answer to {needs:?}");
            return Err(Error::FactMissing { user: facts.user_name, problem });
        }
        source.read(&mut facts, &needs).await?;
        asked = needs;
    }
}

impl Evaluation {
    /// The evaluation of an IAM user.
    #[must_use]
    pub fn new(user_id: &str, verdict: &Verdict, parameters: &Parameters, ordering: DateTime<Utc>) -> Self {
        Self {
            resource_type: IAM_USER.to_owned(),
            resource_id: user_id.to_owned(),
            compliance_type: verdict.compliance_type(),
            annotation: verdict.annotation(parameters),
            ordering_timestamp: ordering,
        }
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
