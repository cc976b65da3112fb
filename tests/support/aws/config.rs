//! AWS Config: rules, result tokens and evaluations; which call does what.
//!
//! Source: AWS Config API Reference (2014-11-12), with the constraints of its API model.

mod evaluations;
mod history;

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};

use super::account::{Account, User};
use super::fault::Times;
use super::wire::{Protocol, ServiceError};
use evaluations::StoredResult;

/// The longest rule name that most calls take, although a rule may have 128 characters.
const MAX_RULE_NAME: usize = 64;

/// AWS Config in an account.
#[derive(Debug)]
pub struct Config {
    /// The rules, by name.
    pub rules: BTreeMap<String, Rule>,
    /// The names of the rules that `StartConfigRulesEvaluation` started, in order.
    pub started_rules: Vec<String>,
    /// How many pages of `GetResourceConfigHistory` are empty before the one with the items.
    pub empty_history_pages: usize,
    account_id: String,
    tokens: BTreeMap<String, String>,
    handed_back: BTreeMap<String, Times>,
    accepted: Vec<Value>,
    /// By rule, then by resource type and id. A result of `NOT_APPLICABLE` is kept for its time, and never shown.
    results: BTreeMap<String, BTreeMap<(String, String), StoredResult>>,
    /// By resource id, newest first.
    items: BTreeMap<String, Vec<Value>>,
}

/// A custom rule.
#[derive(Debug, Clone)]
pub struct Rule {
    /// Name.
    pub name: String,
    /// `config-rule-a1b2c3`.
    pub id: String,
    /// ARN.
    pub arn: String,
    /// ARN of the function that evaluates it.
    pub function_arn: String,
    /// Its parameters as JSON text.
    pub input_parameters: Option<String>,
}

/// The ARN of a rule that a conformance pack made.
pub fn pack_rule_arn(account_id: &str, rule_id: &str) -> String {
    let path = "aws-service-rule/config-conforms.amazonaws.com";
    format!("arn:aws:config:us-east-1:{account_id}:config-rule/{path}/{rule_id}")
}

impl Config {
    pub(super) fn new(account_id: &str) -> Self {
        Self {
            rules: BTreeMap::new(),
            started_rules: Vec::new(),
            empty_history_pages: 0,
            account_id: account_id.to_owned(),
            tokens: BTreeMap::new(),
            handed_back: BTreeMap::new(),
            accepted: Vec::new(),
            results: BTreeMap::new(),
            items: BTreeMap::new(),
        }
    }

    /// Adds a rule, unless it is there.
    pub fn add_rule(&mut self, name: &str) -> &mut Rule {
        let (account_id, number) = (&self.account_id, self.rules.len());
        self.rules.entry(name.to_owned()).or_insert_with(|| {
            let id = format!("config-rule-{number:06x}");
            Rule {
                name: name.to_owned(),
                arn: pack_rule_arn(account_id, &id),
                id,
                function_arn: format!("arn:aws:lambda:us-east-1:{account_id}:function:evaluator"),
                input_parameters: None,
            }
        })
    }

    /// A token by which results of this rule can be put; the rule is added if it is not there.
    pub fn issue_token(&mut self, rule: &str) -> String {
        self.add_rule(rule);
        // Real ones are base64 of a JSON object like this one, and some kilobytes long.
        let encrypted = format!("{} {rule} {} {}", self.account_id, self.tokens.len(), "token-".repeat(300));
        let token = json!({
            "encryptedData": encrypted.bytes().rev().collect::<Vec<_>>(),
            "materialSetSerialNumber": 1,
            "ivParameterSpec": {"iv": [17, 42, 99, 3, 120, 8, 54, 71, 90, 2, 33, 64, 5, 81, 19, 27]},
        });
        let token = BASE64_STANDARD.encode(token.to_string());
        self.tokens.insert(token.clone(), rule.to_owned());
        token
    }

    pub(super) fn rule_of_token(&self, token: &str) -> Option<&str> {
        self.tokens.get(token).map(String::as_str)
    }

    /// `PutEvaluations` hands the evaluations of this resource back as failed, although the call succeeds.
    pub fn hand_back(&mut self, resource_id: &str, times: Times) {
        self.handed_back.insert(resource_id.to_owned(), times);
    }

    /// Every evaluation that `PutEvaluations` took, in order, as it was sent; without those of test mode.
    pub fn put_entries(&self) -> &[Value] {
        &self.accepted
    }

    /// The results that a rule has: resource id to compliance type and annotation.
    pub fn stored_results(&self, rule: &str) -> BTreeMap<String, (String, String)> {
        let shown = self.shown_results(rule).map(|((_, id), result)| {
            (id.clone(), (result.compliance_type.clone(), result.annotation.clone().unwrap_or_default()))
        });
        shown.collect()
    }

    /// Gives a rule a result for an IAM user, as if it had been put at that time.
    pub fn store_result(
        &mut self,
        rule: &str,
        user_id: &str,
        compliance_type: &str,
        annotation: &str,
        at: DateTime<Utc>,
    ) {
        self.add_rule(rule);
        self.store(rule, ("AWS::IAM::User", user_id), StoredResult::new(compliance_type, Some(annotation), at));
    }

    /// Adds a configuration item of a user, recorded then, to its history.
    pub fn record(&mut self, user: &User, captured: DateTime<Utc>) {
        let item = history::item(&self.account_id, user, captured);
        self.record_item(&user.user_id, item);
    }

    /// Adds a configuration item, newer than those before, to the history of a resource.
    pub fn record_item(&mut self, resource_id: &str, item: Value) {
        self.items.entry(resource_id.to_owned()).or_default().insert(0, item);
    }
}

/// A call of AWS Config.
pub(super) struct ConfigCall<'a> {
    pub(super) account: &'a mut Account,
    pub(super) action: &'a str,
    pub(super) parameters: &'a Value,
    /// The most that a page of a list holds, whatever the limit asks for.
    pub(super) page_size: Option<usize>,
}

type Answer = Result<Value, ServiceError>;

impl ConfigCall<'_> {
    /// The answer: the body.
    pub(super) fn answer(mut self) -> Answer {
        match self.action {
            "PutEvaluations" => self.put_evaluations(),
            "GetComplianceDetailsByConfigRule" => self.compliance_details_by_rule(),
            "GetComplianceDetailsByResource" => self.compliance_details_by_resource(),
            "GetResourceConfigHistory" => self.resource_config_history(),
            "ListDiscoveredResources" => self.discovered_resources(),
            "DescribeConfigRules" => self.describe_rules(),
            "StartConfigRulesEvaluation" => self.start_rules(),
            _ => Err(ServiceError::new(400, "UnknownOperationException", "")),
        }
    }

    fn describe_rules(&self) -> Answer {
        let rules = &self.account.config.rules;
        let chosen = match self.rule_names(0)? {
            names if names.is_empty() => rules.values().collect(),
            names => names.iter().map(|name| self.rule(name)).collect::<Result<Vec<_>, _>>()?,
        };
        let described = chosen.into_iter().map(|rule| {
            let source = json!({"Owner": "CUSTOM_LAMBDA", "SourceIdentifier": rule.function_arn});
            let mut described = json!({
                "ConfigRuleName": rule.name,
                "ConfigRuleArn": rule.arn,
                "ConfigRuleId": rule.id,
                "ConfigRuleState": "ACTIVE",
                "Scope": {"ComplianceResourceTypes": ["AWS::IAM::User"]},
                "Source": source,
            });
            if let Some(parameters) = &rule.input_parameters {
                described["InputParameters"] = json!(parameters);
            }
            described
        });
        self.page("ConfigRules", &described.collect::<Vec<_>>(), usize::MAX)
    }

    fn start_rules(&mut self) -> Answer {
        let names = self.rule_names(1)?;
        for name in &names {
            self.rule(name)?;
        }
        self.account.config.started_rules.extend(names);
        Ok(json!({}))
    }

    fn rule_names(&self, at_least: usize) -> Result<Vec<String>, ServiceError> {
        let names = match &self.parameters["ConfigRuleNames"] {
            Value::Null => Vec::new(),
            Value::Array(names) => names.iter().filter_map(|name| name.as_str().map(str::to_owned)).collect(),
            _ => return Err(wrong_type()),
        };
        if names.len() < at_least {
            return Err(invalid(&json!(names), "ConfigRuleNames", "have length greater than or equal to 1"));
        }
        if names.len() > 25 {
            return Err(invalid(&json!(names), "ConfigRuleNames", "have length less than or equal to 25"));
        }
        Ok(names)
    }

    fn rule(&self, name: &str) -> Result<&Rule, ServiceError> {
        self.account.config.rules.get(name).ok_or_else(|| {
            let message =
                format!("The ConfigRule '{name}' provided in the request is invalid. Please check the configRule name");
            ServiceError::new(400, "NoSuchConfigRuleException", message)
        })
    }

    /// A string member, of bounded length where it is given.
    fn text(&self, member: &str, longest: usize) -> Result<Option<&str>, ServiceError> {
        text(self.parameters, member, longest)
    }

    fn required_text(&self, member: &str, longest: usize) -> Result<&str, ServiceError> {
        self.text(member, longest)?.ok_or_else(|| missing(member))
    }

    /// A limit between 1 and 100; where there is none, or 0, the default.
    fn limit(&self, member: &str, default: usize) -> Result<usize, ServiceError> {
        match &self.parameters[member] {
            Value::Null => Ok(default),
            given => match given.as_u64() {
                Some(0) => Ok(default),
                Some(limit @ 1..=100) => usize::try_from(limit).map_err(|_| wrong_type()),
                Some(_) => Err(invalid(given, member, "have value less than or equal to 100")),
                None => Err(wrong_type()),
            },
        }
    }

    /// A page of a list, from the token of the request on. The token's name is spelled as the list's.
    fn page(&self, list: &str, all: &[Value], limit: usize) -> Answer {
        let token_name = if list.starts_with(char::is_lowercase) { "nextToken" } else { "NextToken" };
        let start = match self.text(token_name, usize::MAX)? {
            None => 0,
            Some(token) => super::wire::page_place(list, token).ok_or_else(invalid_token)?,
        };
        let end = start.saturating_add(limit.min(self.page_size.unwrap_or(limit))).min(all.len());
        let mut page = Map::new();
        page.insert(list.to_owned(), json!(all.get(start..end).unwrap_or_default()));
        if end < all.len() {
            page.insert(token_name.to_owned(), json!(super::wire::page_token(list, end)));
        }
        Ok(Value::Object(page))
    }
}

fn text<'a>(object: &'a Value, member: &str, longest: usize) -> Result<Option<&'a str>, ServiceError> {
    let Some(given) = object[member].as_str() else {
        return if object[member].is_null() { Ok(None) } else { Err(wrong_type()) };
    };
    if given.is_empty() {
        return Err(invalid(&object[member], member, "have length greater than or equal to 1"));
    }
    if given.chars().count() > longest {
        return Err(invalid(&object[member], member, &format!("have length less than or equal to {longest}")));
    }
    Ok(Some(given))
}

fn invalid(value: &Value, member: &str, constraint: &str) -> ServiceError {
    ServiceError::validation(Protocol::Json, value, member, constraint)
}

fn missing(member: &str) -> ServiceError {
    invalid(&Value::Null, member, "not be null")
}

fn wrong_type() -> ServiceError {
    ServiceError::new(400, "SerializationException", "a member of the request has another type")
}

fn invalid_token() -> ServiceError {
    let message = "The specified next token is not valid. Specify the nextToken string that was returned in the \
                   previous response";
    ServiceError::new(400, "InvalidNextTokenException", message)
}
