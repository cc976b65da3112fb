//! Prompt verdicts: somebody made or changed a key or a password, of which AWS Config says nothing.
//!
//! A verdict can be put only in answer to AWS Config. So the user is judged, and only if AWS Config holds another verdict
//! the rule is started: whatever changes no verdict costs a few reads and no evaluation.

use chrono::{DateTime, Utc};

use crate::aws::Live;
use crate::aws::config::StoredResult;
use crate::error::Error;
use crate::evaluation::Evaluation;
use crate::event::IamCall;
use crate::judge::judge;
use crate::rule::facts::{Facts, Identity};
use crate::rule::verdict::ComplianceType;

/// Starts the rules whose result for the user of a call is another than its verdict now; returns their names.
///
/// The rules are those of the account that this function evaluates.
///
/// # Errors
///
/// - [`Error::Call`] if a call fails. A rule that runs already, or was started within the minute, is such a failure: AWS
///   Lambda tries the event again after a minute or two.
pub async fn start_rules(
    call: &IamCall,
    function_arn: &str,
    aws: &Live,
    now: DateTime<Utc>,
) -> Result<Vec<String>, Error> {
    let identity = aws.iam.identity(&call.user_name).await?;
    // A user that is gone is told of by AWS Config.
    let Identity::Read { user_id, .. } = &identity else { return Ok(Vec::new()) };
    let stored = aws.config.results_of_user(user_id).await?;
    let mut started = Vec::new();
    for rule in aws.config.rules_of(function_arn).await? {
        let parameters = match rule.parameters {
            Ok(given) => given.resolve(),
            Err(error) => {
                tracing::warn!(ruleName = rule.name, "the rule has parameters that it cannot run with: {error}");
                continue;
            }
        };
        let facts = Facts {
            user_id: Some(user_id.clone()),
            identity: identity.clone(),
            ..Facts::unread(call.user_name.clone())
        };
        let verdict = Box::pin(judge(facts, aws, &parameters, now)).await?;
        let evaluation = Evaluation::new(user_id, &verdict, &parameters, now);
        if is_news(&evaluation, stored.get(&rule.name)) {
            started.push(rule.name);
        }
    }
    if !started.is_empty() {
        aws.config.start_rules(&started).await?;
    }
    Ok(started)
}

/// Whether a verdict is worth an evaluation of the rule: another than the stored one, or a NON_COMPLIANT one whose
/// annotation says something else by now. A COMPLIANT user without a result is not: its result comes by itself.
fn is_news(evaluation: &Evaluation, stored: Option<&StoredResult>) -> bool {
    match (evaluation.compliance_type, stored) {
        (ComplianceType::NotApplicable, _) | (ComplianceType::Compliant, None) => false,
        (ComplianceType::Compliant, Some(stored)) => !stored.is(ComplianceType::Compliant),
        (ComplianceType::NonCompliant, stored) => stored.is_none_or(|stored| !stored.says(evaluation)),
    }
}
