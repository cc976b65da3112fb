//! One user, from whatever source of facts, to a verdict.

use chrono::{DateTime, Utc};

use crate::error::Error;
use crate::evaluation::{Answer, Evaluation};
use crate::event::{ChangedUser, ConfigEvent, Invocation};
use crate::rule::facts::Facts;
use crate::rule::parameters::Parameters;
use crate::rule::verdict::{Summary, Verdict};
use crate::rule::{Need, Step, decide};

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
}

/// Judges the resource of an event.
///
/// # Errors
///
/// - [`Error::ScheduledOffline`] for a scheduled event, which is about no one resource;
/// - any other [`Error`] of a fact that could not be read: there is never a verdict from missing facts.
pub async fn judge_event(event: &ConfigEvent, source: &impl FactSource, now: DateTime<Utc>) -> Result<Answer, Error> {
    let parameters = event.parameters.clone().resolve();
    let (evaluation, verdict) = match &event.invocation {
        Invocation::NotApplicable { resource_type, resource_id, ordering, reason } => {
            let verdict = Verdict::NotApplicable(*reason);
            let evaluation = Evaluation::new(resource_id, &verdict, &parameters, *ordering);
            (Evaluation { resource_type: resource_type.clone(), ..evaluation }, verdict)
        }
        Invocation::Change(user) => judge_changed(user.clone(), source, &parameters, now).await?,
        Invocation::OversizedChange(user) => {
            let told = user.user_name.is_some() && user.created.is_some();
            let user = if told { user.clone() } else { source.recorded(user.clone()).await? };
            judge_changed(user, source, &parameters, now).await?
        }
        Invocation::Scheduled { .. } => return Err(Error::ScheduledOffline),
    };
    Ok(Answer { evaluations: vec![evaluation], summary: Summary::from_iter([&verdict]), shortfall: None })
}

async fn judge_changed(
    user: ChangedUser,
    source: &impl FactSource,
    parameters: &Parameters,
    now: DateTime<Utc>,
) -> Result<(Evaluation, Verdict), Error> {
    let Some(user_name) = user.user_name else {
        let problem = "neither its item nor what AWS Config recorded has its name or ARN".to_owned();
        return Err(Error::FactMissing { user: user.user_id, problem });
    };
    let facts =
        Facts { user_id: Some(user.user_id.clone()), arn: user.arn, created: user.created, ..Facts::unread(user_name) };
    let verdict = judge(facts, source, parameters, now).await?;
    Ok((Evaluation::new(&user.user_id, &verdict, parameters, user.ordering), verdict))
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
    judge_keeping(&mut facts, source, parameters, now).await
}

/// [`judge`], the facts that were read left with the caller.
///
/// # Errors
///
/// - as [`judge`].
pub async fn judge_keeping(
    facts: &mut Facts,
    source: &impl FactSource,
    parameters: &Parameters,
    now: DateTime<Utc>,
) -> Result<Verdict, Error> {
    let mut asked = Vec::new();
    loop {
        let needs = match decide(facts, parameters, now) {
            Step::Verdict(verdict) => {
                log_expiring(&facts.user_name, &verdict);
                return Ok(verdict);
            }
            Step::Need(needs) => needs,
        };
        if needs == asked {
            let problem = format!("its source gave no answer to {needs:?}");
            return Err(Error::FactMissing { user: facts.user_name.clone(), problem });
        }
        Box::pin(source.read(facts, &needs)).await?;
        asked = needs;
    }
}

/// Says that an exception ends soon, while there is time to renew it or to do without.
fn log_expiring(user_name: &str, verdict: &Verdict) {
    if let Some(exception) = verdict.exception().filter(|exception| exception.is_expiring()) {
        tracing::info!(
            userName = user_name,
            owner = exception.owner,
            expires = %exception.expires,
            daysLeft = exception.days_left,
            "an exception ends soon"
        );
    }
}
