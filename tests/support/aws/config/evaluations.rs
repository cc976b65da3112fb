//! `PutEvaluations`, and the calls that show what it stored.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::{Answer, Config, ConfigCall, MAX_RULE_NAME, invalid, missing, text, wrong_type};
use crate::support::aws::fault::Times;
use crate::support::aws::wire::{ServiceError, epoch};

const MAX_EVALUATIONS: usize = 100;
const MAX_ANNOTATION: usize = 256;

/// A result of a rule for a resource.
#[derive(Debug, Clone)]
pub(super) struct StoredResult {
    pub(super) compliance_type: String,
    pub(super) annotation: Option<String>,
    ordering: f64,
}

impl StoredResult {
    pub(super) fn new(compliance_type: &str, annotation: Option<&str>, at: DateTime<Utc>) -> Self {
        let annotation = annotation.filter(|annotation| !annotation.is_empty()).map(str::to_owned);
        Self { compliance_type: compliance_type.to_owned(), annotation, ordering: epoch(at) }
    }

    fn is_shown(&self) -> bool {
        self.compliance_type != "NOT_APPLICABLE"
    }
}

impl Config {
    /// Stores a result, unless there is a newer one.
    pub(super) fn store(&mut self, rule: &str, (resource_type, id): (&str, &str), result: StoredResult) {
        let results = self.results.entry(rule.to_owned()).or_default();
        let place = (resource_type.to_owned(), id.to_owned());
        if results.get(&place).is_none_or(|stored| stored.ordering <= result.ordering) {
            results.insert(place, result);
        }
    }

    /// What Config shows of a rule: a result of `NOT_APPLICABLE` is cleaned up.
    pub(super) fn shown_results(&self, rule: &str) -> impl Iterator<Item = (&(String, String), &StoredResult)> {
        self.results.get(rule).into_iter().flatten().filter(|(_, result)| result.is_shown())
    }
}

impl ConfigCall<'_> {
    pub(super) fn put_evaluations(&mut self) -> Answer {
        let parameters = self.parameters;
        let evaluations = match &parameters["Evaluations"] {
            Value::Null => &[],
            Value::Array(evaluations) => evaluations.as_slice(),
            _ => return Err(wrong_type()),
        };
        if evaluations.len() > MAX_EVALUATIONS {
            let constraint = format!("have length less than or equal to {MAX_EVALUATIONS}");
            return Err(invalid(&json!(evaluations), "Evaluations", &constraint));
        }
        let checked = evaluations.iter().map(checked).collect::<Result<Vec<_>, _>>()?;
        let token = match &parameters["ResultToken"] {
            Value::Null => return Err(missing("ResultToken")),
            token => token.as_str().ok_or_else(wrong_type)?,
        };
        let test_mode = match &parameters["TestMode"] {
            Value::Null => false,
            mode => mode.as_bool().ok_or_else(wrong_type)?,
        };
        if test_mode {
            return Ok(json!({"FailedEvaluations": []}));
        }
        let config = &mut self.account.config;
        let Some(rule) = config.rule_of_token(token).map(str::to_owned) else {
            return Err(ServiceError::new(400, "InvalidResultTokenException", "Result Token provided is invalid"));
        };
        let mut failed = Vec::new();
        for ((resource, result), entry) in checked.into_iter().zip(evaluations) {
            if config.handed_back.get_mut(resource.1).is_some_and(Times::strike) {
                failed.push(entry.clone());
            } else {
                config.accepted.push(entry.clone());
                config.store(&rule, resource, result);
            }
        }
        Ok(json!({"FailedEvaluations": failed}))
    }

    pub(super) fn compliance_details_by_rule(&self) -> Answer {
        let name = self.required_text("ConfigRuleName", MAX_RULE_NAME)?;
        let (types, limit) = (self.compliance_types()?, self.limit("Limit", 10)?);
        self.rule(name)?;
        self.page("EvaluationResults", &self.details(name, &types, |_, _| true), limit)
    }

    pub(super) fn compliance_details_by_resource(&self) -> Answer {
        let (resource_type, id) = (self.text("ResourceType", 256)?, self.text("ResourceId", 768)?);
        let (Some(resource_type), Some(id)) = (resource_type, id) else {
            let message = "ResourceType and ResourceId, or ResourceEvaluationId, must be given";
            return Err(ServiceError::new(400, "InvalidParameterValueException", message));
        };
        let types = self.compliance_types()?;
        let rules = self.account.config.results.keys();
        let of_resource = |other_type: &str, other_id: &str| (other_type, other_id) == (resource_type, id);
        let all: Vec<_> = rules.flat_map(|rule| self.details(rule, &types, of_resource)).collect();
        self.page("EvaluationResults", &all, 10)
    }

    /// The filter, every type where there is none. `INSUFFICIENT_DATA` cannot be asked for.
    fn compliance_types(&self) -> Result<Vec<&str>, ServiceError> {
        let given = match &self.parameters["ComplianceTypes"] {
            Value::Null => return Ok(Vec::new()),
            Value::Array(types) if types.len() <= 3 => types,
            types @ Value::Array(_) => {
                return Err(invalid(types, "ComplianceTypes", "have length less than or equal to 3"));
            }
            _ => return Err(wrong_type()),
        };
        let known = ["COMPLIANT", "NON_COMPLIANT", "NOT_APPLICABLE"];
        let types = given.iter().map(|given| given.as_str().filter(|given| known.contains(given)).ok_or(given));
        types.collect::<Result<_, _>>().map_err(|other| {
            let message = format!("the compliance type {other} cannot be asked for");
            ServiceError::new(400, "InvalidParameterValueException", message)
        })
    }

    fn details(&self, rule: &str, types: &[&str], chosen: impl Fn(&str, &str) -> bool) -> Vec<Value> {
        let results = self.account.config.shown_results(rule).filter(|((resource_type, id), result)| {
            chosen(resource_type, id) && (types.is_empty() || types.contains(&result.compliance_type.as_str()))
        });
        let details = results.map(|((resource_type, id), result)| {
            let mut detail = json!({
                "EvaluationResultIdentifier": {
                    "EvaluationResultQualifier": {
                        "ConfigRuleName": rule,
                        "ResourceType": resource_type,
                        "ResourceId": id,
                        "EvaluationMode": "DETECTIVE",
                    },
                    "OrderingTimestamp": result.ordering,
                },
                "ComplianceType": result.compliance_type,
                "ResultRecordedTime": result.ordering,
                "ConfigRuleInvokedTime": result.ordering,
            });
            if let Some(annotation) = &result.annotation {
                detail["Annotation"] = json!(annotation);
            }
            detail
        });
        details.collect()
    }
}

/// Resource type and id of an evaluation, and what is to be stored of it.
fn checked(evaluation: &Value) -> Result<((&str, &str), StoredResult), ServiceError> {
    let within = |member: &str, longest| match text(evaluation, member, longest) {
        Ok(given) => given.ok_or_else(|| missing(&format!("evaluations.1.member.{member}"))),
        Err(error) => Err(error),
    };
    if !evaluation.is_object() {
        return Err(wrong_type());
    }
    let resource_type = within("ComplianceResourceType", 256)?;
    let id = within("ComplianceResourceId", 768)?;
    let compliance_type = within("ComplianceType", usize::MAX)?;
    if !matches!(compliance_type, "COMPLIANT" | "NON_COMPLIANT" | "NOT_APPLICABLE") {
        // `INSUFFICIENT_DATA` is a compliance type, but none that a rule may put.
        let constraint = "satisfy enum value set: [COMPLIANT, NON_COMPLIANT, NOT_APPLICABLE]";
        return Err(invalid(&json!(compliance_type), "ComplianceType", constraint));
    }
    let annotation = text(evaluation, "Annotation", MAX_ANNOTATION)?.map(str::to_owned);
    let ordering = match &evaluation["OrderingTimestamp"] {
        Value::Null => return Err(missing("OrderingTimestamp")),
        ordering => ordering.as_f64().ok_or_else(wrong_type)?,
    };
    if !resource_type.starts_with("AWS::") {
        let message = format!("The resource type {resource_type} is not valid");
        return Err(ServiceError::new(400, "InvalidParameterValueException", message));
    }
    Ok(((resource_type, id), StoredResult { compliance_type: compliance_type.to_owned(), annotation, ordering }))
}
