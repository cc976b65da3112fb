//! AWS Config: puts evaluations, and looks up what a notification's summary lacks.

use std::collections::BTreeMap;
use std::sync::Arc;

use aws_config::SdkConfig;
use aws_sdk_config::Client;
use aws_sdk_config::primitives::DateTime as Timestamp;
use aws_sdk_config::types::{self, ResourceType};
use chrono::{DateTime, Utc};

use super::pace::backoff;
use super::{CountCalls, RequireWholeAnswers, call_error, time};
use crate::error::{CallError, CallFailure, Error};
use crate::evaluation::Evaluation;
use crate::event::{ChangedUser, IAM_USER, ResultToken};
use crate::metrics::Meter;
use crate::rule::parameters::{GivenParameters, ParameterError};
use crate::rule::verdict::ComplianceType;

/// The most evaluations in one call (Config API Reference, `PutEvaluations`).
const MAX_EVALUATIONS: usize = 100;

/// The most results in one page (Config API Reference, `GetComplianceDetailsByConfigRule`).
const MAX_RESULTS: i32 = 100;

/// How often evaluations that AWS Config hands back as failed are put in all.
const PUT_ATTEMPTS: u32 = 4;

/// The most pages that are searched for a recorded item. Each covers up to seven days, newest first, and may be empty.
const MAX_HISTORY_PAGES: u32 = 20;

/// The AWS Config client.
#[derive(Debug, Clone)]
pub struct Config(Client);

/// A result that AWS Config holds for a resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredResult {
    compliance_type: String,
    annotation: String,
}

impl StoredResult {
    /// Whether the result is of this compliance type.
    #[must_use]
    pub fn is(&self, compliance_type: ComplianceType) -> bool {
        self.compliance_type == compliance_type.as_str()
    }

    /// Whether the result says the same as an evaluation.
    #[must_use]
    pub fn says(&self, evaluation: &Evaluation) -> bool {
        self.is(evaluation.compliance_type) && self.annotation == evaluation.annotation
    }
}

impl Config {
    /// A client with these settings.
    #[must_use]
    pub fn new(settings: &SdkConfig, meter: &Arc<Meter>) -> Self {
        let settings = aws_sdk_config::config::Builder::from(settings)
            .interceptor(CountCalls(Arc::clone(meter)))
            .interceptor(RequireWholeAnswers);
        Self(Client::from_conf(settings.build()))
    }

    /// Puts evaluations, at most 100 a call; none at all is one call with an empty list, which closes a run of the rule.
    ///
    /// AWS Config may answer with success and hand entries back as failed: these are put again.
    ///
    /// # Errors
    ///
    /// - [`Error::Call`] of the first call that fails; the others are made, unless the token is refused;
    /// - [`Error::EvaluationsNotTaken`] if entries are still handed back after four attempts; the others are put.
    pub async fn put_evaluations(&self, token: &ResultToken, evaluations: &[Evaluation]) -> Result<(), Error> {
        let mut not_taken: Vec<types::Evaluation> = Vec::new();
        let entries = evaluations.iter().map(entry).collect::<Result<Vec<_>, _>>()?;
        let chunks: Vec<_> = if entries.is_empty() { vec![&[][..]] } else { entries.chunks(MAX_EVALUATIONS).collect() };
        let mut failed = Ok(());
        for chunk in chunks {
            match self.put_chunk(token, chunk.to_vec()).await {
                Ok(entries) => not_taken.extend(entries),
                Err(error) if error.code() == CallFailure::ResultToken.code() => return Err(error),
                // The others may be taken.
                Err(error) => failed = failed.and(Err(error)),
            }
        }
        failed?;
        if not_taken.is_empty() {
            return Ok(());
        }
        Err(Error::EvaluationsNotTaken {
            failed: not_taken.len(),
            total: evaluations.len(),
            attempts: PUT_ATTEMPTS,
            resources: not_taken.into_iter().take(3).map(|entry| entry.compliance_resource_id).collect(),
        })
    }

    /// Puts one chunk, and what is handed back of it again; returns what is never taken.
    async fn put_chunk(
        &self,
        token: &ResultToken,
        mut entries: Vec<types::Evaluation>,
    ) -> Result<Vec<types::Evaluation>, Error> {
        for attempt in 0..PUT_ATTEMPTS {
            if attempt > 0 {
                tokio::time::sleep(backoff(attempt)).await;
            }
            let request = self
                .0
                .put_evaluations()
                .result_token(token.expose())
                .set_evaluations(Some(entries))
                .set_test_mode(token.is_test_mode().then_some(true));
            let output = request.send().await.map_err(|error| call_error("config:PutEvaluations", "", &error))?;
            entries = output.failed_evaluations.unwrap_or_default();
            if entries.is_empty() {
                break;
            }
        }
        Ok(entries)
    }

    /// The results that AWS Config holds for a rule, by resource id. COMPLIANT and NON_COMPLIANT ones: others vanish by
    /// themselves.
    ///
    /// # Errors
    ///
    /// - [`Error::Call`] if a call fails.
    pub async fn stored_results(&self, rule_name: &str) -> Result<BTreeMap<String, StoredResult>, Error> {
        let mut results = BTreeMap::new();
        let mut next_token = None;
        loop {
            let request = self
                .0
                .get_compliance_details_by_config_rule()
                .config_rule_name(rule_name)
                .compliance_types(types::ComplianceType::Compliant)
                .compliance_types(types::ComplianceType::NonCompliant)
                .limit(MAX_RESULTS)
                .set_next_token(next_token.clone());
            let page = request.send().await;
            let page =
                page.map_err(|error| call_error("config:GetComplianceDetailsByConfigRule", rule_name, &error))?;
            for result in page.evaluation_results.unwrap_or_default() {
                if let Some((qualifier, result)) = stored_result(result)
                    && let Some(id) = qualifier.resource_id
                {
                    results.insert(id, result);
                }
            }
            next_token = following(next_token.as_ref(), page.next_token);
            if next_token.is_none() {
                return Ok(results);
            }
        }
    }

    /// The results that AWS Config holds for a user, by the name of the rule.
    ///
    /// # Errors
    ///
    /// - [`Error::Call`] if a call fails.
    pub async fn results_of_user(&self, user_id: &str) -> Result<BTreeMap<String, StoredResult>, Error> {
        let mut results = BTreeMap::new();
        let mut next_token = None;
        loop {
            let request = self
                .0
                .get_compliance_details_by_resource()
                .resource_type(IAM_USER)
                .resource_id(user_id)
                .set_next_token(next_token.clone());
            let page = request.send().await;
            let page = page.map_err(|error| call_error("config:GetComplianceDetailsByResource", user_id, &error))?;
            for result in page.evaluation_results.unwrap_or_default() {
                if let Some((qualifier, result)) = stored_result(result)
                    && let Some(rule) = qualifier.config_rule_name
                {
                    results.insert(rule, result);
                }
            }
            next_token = following(next_token.as_ref(), page.next_token);
            if next_token.is_none() {
                return Ok(results);
            }
        }
    }

    /// The rules that a function evaluates, with their parameters.
    ///
    /// # Errors
    ///
    /// - [`Error::Call`] if a call fails.
    pub async fn rules_of(&self, function_arn: &str) -> Result<Vec<Rule>, Error> {
        let mut rules = Vec::new();
        let mut next_token = None;
        loop {
            let page = self.0.describe_config_rules().set_next_token(next_token.clone()).send().await;
            let page = page.map_err(|error| call_error("config:DescribeConfigRules", "", &error))?;
            for rule in page.config_rules.unwrap_or_default() {
                let source = rule.source.and_then(|source| source.source_identifier);
                let is_ours = source.is_some_and(|source| unqualified(&source) == unqualified(function_arn));
                if let (true, Some(name)) = (is_ours, rule.config_rule_name) {
                    rules.push(Rule { name, parameters: GivenParameters::from_text(rule.input_parameters.as_deref()) });
                }
            }
            next_token = following(next_token.as_ref(), page.next_token);
            if next_token.is_none() {
                return Ok(rules);
            }
        }
    }

    /// Has AWS Config evaluate rules now.
    ///
    /// # Errors
    ///
    /// - [`Error::Call`] if the call fails: also if a rule runs already or was started within the minute.
    pub async fn start_rules(&self, names: &[String]) -> Result<(), Error> {
        let request = self.0.start_config_rules_evaluation().set_config_rule_names(Some(names.to_vec()));
        let started = request.send().await;
        started.map_err(|error| call_error("config:StartConfigRulesEvaluation", &names.join(", "), &error))?;
        Ok(())
    }

    /// The name of the user with this unique id, as AWS Config recorded it; `None` if it has recorded no such user.
    ///
    /// # Errors
    ///
    /// - [`Error::Call`] if the call fails.
    pub async fn discovered_user_name(&self, user_id: &str) -> Result<Option<String>, Error> {
        let request = self.0.list_discovered_resources().resource_type(ResourceType::User).resource_ids(user_id);
        let answer = request.send().await;
        let answer = answer.map_err(|error| call_error("config:ListDiscoveredResources", user_id, &error))?;
        let resources = answer.resource_identifiers.unwrap_or_default().into_iter();
        Ok(resources.filter(|it| it.resource_id.as_deref() == Some(user_id)).find_map(|it| it.resource_name))
    }

    /// Completes a user of whom a notification's summary says too little from the newest item recorded by then.
    ///
    /// # Errors
    ///
    /// - [`Error::Call`] if a call fails, or no item is found, or its configuration is not that of a user.
    pub async fn recorded_user(&self, user: ChangedUser) -> Result<ChangedUser, Error> {
        const OPERATION: &str = "config:GetResourceConfigHistory";
        let failed = |detail: String| {
            let resource = user.user_id.clone();
            Error::Call(CallError { operation: OPERATION, resource, kind: CallFailure::Service, detail })
        };
        let mut next_token = None;
        for _ in 0..MAX_HISTORY_PAGES {
            let request = self
                .0
                .get_resource_config_history()
                .resource_type(ResourceType::User)
                .resource_id(&user.user_id)
                .limit(1)
                .set_later_time(user.captured.map(|captured| timestamp(&captured)))
                .set_next_token(next_token.clone());
            let page = request.send().await.map_err(|error| call_error(OPERATION, &user.user_id, &error))?;
            if let Some(item) = page.configuration_items.into_iter().flatten().next() {
                // Here the configuration is JSON in a string, not an object as in a notification.
                let configuration = item.configuration.as_deref().map(serde_json::from_str).transpose();
                let configuration = configuration.map_err(|error| failed(format!("`configuration`: {error}")))?;
                let told = ChangedUser {
                    user_name: user.user_name.clone().or(item.resource_name),
                    arn: user.arn.clone().or(item.arn),
                    created: user.created.or_else(|| item.resource_creation_time.as_ref().and_then(time)),
                    ..user.clone()
                };
                return told
                    .completed_from(configuration.as_ref())
                    .map_err(|problem| failed(format!("`configuration`: {problem}")));
            }
            next_token = following(next_token.as_ref(), page.next_token);
            if next_token.is_none() {
                break;
            }
        }
        Err(failed("no item of this user was found".to_owned()))
    }
}

/// A rule that a function evaluates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Its name.
    pub name: String,
    /// Its parameters, or what is wrong with them.
    pub parameters: Result<GivenParameters, ParameterError>,
}

/// The token of the next page; `None` after the last, and where the same page would come for ever.
fn following(last: Option<&String>, next: Option<String>) -> Option<String> {
    next.filter(|token| !token.is_empty() && last != Some(token))
}

/// A function's ARN without version or alias: `arn:partition:lambda:region:account:function:name`.
fn unqualified(function_arn: &str) -> Vec<&str> {
    function_arn.split(':').take(7).collect()
}

/// What a result of an IAM user is about, and what it says; `None` for a result of something else.
fn stored_result(result: types::EvaluationResult) -> Option<(types::EvaluationResultQualifier, StoredResult)> {
    let qualifier = result.evaluation_result_identifier?.evaluation_result_qualifier?;
    if qualifier.resource_type.as_deref() != Some(IAM_USER) {
        return None;
    }
    let compliance_type = result.compliance_type.map(|it| it.as_str().to_owned()).unwrap_or_default();
    Some((qualifier, StoredResult { compliance_type, annotation: result.annotation.unwrap_or_default() }))
}

fn entry(evaluation: &Evaluation) -> Result<types::Evaluation, Error> {
    let built = types::Evaluation::builder()
        .compliance_resource_type(&evaluation.resource_type)
        .compliance_resource_id(&evaluation.resource_id)
        .compliance_type(match evaluation.compliance_type {
            ComplianceType::Compliant => types::ComplianceType::Compliant,
            ComplianceType::NonCompliant => types::ComplianceType::NonCompliant,
            ComplianceType::NotApplicable => types::ComplianceType::NotApplicable,
        })
        .annotation(&evaluation.annotation)
        .ordering_timestamp(timestamp(&evaluation.ordering_timestamp))
        .build();
    built.map_err(|error| {
        Error::Call(CallError {
            operation: "config:PutEvaluations",
            resource: evaluation.resource_id.clone(),
            kind: CallFailure::Service,
            detail: error.to_string(),
        })
    })
}

fn timestamp(time: &DateTime<Utc>) -> Timestamp {
    // A leap second has more nanoseconds than a timestamp of the SDK may have.
    Timestamp::from_secs_and_nanos(time.timestamp(), time.timestamp_subsec_nanos().min(999_999_999))
}
