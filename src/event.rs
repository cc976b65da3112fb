//! The event that AWS Config sends to a custom rule: parsed once, from the text, into an [`Event`].
//!
//! The envelope holds two more JSON documents as strings, `invokingEvent` and `ruleParameters`. Whatever is wrong in any of
//! the three is an [`EventError`] that names the path of the field. Fields that AWS adds are ignored.
//!
//! The function also takes the EventBridge event of a call to IAM, which AWS Config says nothing of.
//!
//! Sources: AWS Config Developer Guide, "Example Events for AWS Config Rules"; AWS CloudTrail User Guide, "CloudTrail
//! record contents"; Amazon EventBridge User Guide, "AWS service events delivered via AWS CloudTrail".

use std::fmt;

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::json;
use crate::rule::parameters::{GivenParameters, ParameterError};
use crate::rule::verdict::NotApplicable;
use crate::text;

/// The resource type that the rule judges.
pub const IAM_USER: &str = "AWS::IAM::User";

/// An event for the evaluator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A rule in AWS Config asks for evaluations.
    Config(Box<ConfigEvent>),
    /// Somebody made or changed a key or a password.
    Call(IamCall),
    /// Nothing is to be judged.
    Nothing(Nothing),
}

/// Why an event asks for nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nothing {
    /// A proactive evaluation, which AWS Config does not offer for IAM users.
    Proactive,
    /// A call that failed, and so changed nothing.
    FailedCall,
    /// A call about the root user, who is never judged.
    RootUser,
}

impl Nothing {
    /// The reason in a few words.
    #[must_use]
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::Proactive => "AWS Config has no proactive evaluation for AWS::IAM::User",
            Self::FailedCall => "the call failed, and so changed nothing",
            Self::RootUser => "the root user is never judged",
        }
    }
}

/// A call to IAM that CloudTrail recorded and EventBridge passed on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IamCall {
    /// The account of the user, 12 digits.
    pub account_id: String,
    /// The user whose key or password it is.
    pub user_name: String,
}

/// A rule in AWS Config asks for evaluations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigEvent {
    /// Authorises the answer.
    pub result_token: ResultToken,
    /// The account that owns the rule, 12 digits; also that of the item and of the rule's ARN.
    pub account_id: String,
    /// The partition in the rule's ARN: `aws`, `aws-cn`, `aws-us-gov`.
    pub partition: String,
    /// Name of the rule, where given.
    pub rule_name: Option<String>,
    /// The parameters of the rule.
    pub parameters: GivenParameters,
    /// What to judge.
    pub invocation: Invocation,
}

/// What to judge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Invocation {
    /// An IAM user was discovered or changed.
    Change(ChangedUser),
    /// The same, told by a summary since the item is too large for a message.
    OversizedChange(ChangedUser),
    /// There is nothing to judge, and AWS Config is told so.
    NotApplicable {
        /// The item's resource type.
        resource_type: String,
        /// The item's resource id.
        resource_id: String,
        /// Orders the answer among others for the same resource.
        ordering: DateTime<Utc>,
        /// Why.
        reason: NotApplicable,
    },
    /// It is time to judge the whole account.
    Scheduled {
        /// Orders the answers among others for the same resource.
        ordering: DateTime<Utc>,
    },
}

/// The IAM user of a change notification. What an item lacks is `None`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangedUser {
    /// Unique id (`AIDA…`), the resource id in AWS Config.
    pub user_id: String,
    /// User name.
    pub user_name: Option<String>,
    /// ARN of the user.
    pub arn: Option<String>,
    /// When the user was created.
    pub created: Option<DateTime<Utc>>,
    /// When AWS Config recorded the item.
    pub captured: Option<DateTime<Utc>>,
    /// Orders the answer among others for the same resource: the notification's creation time where given, else the
    /// capture time. The facts are read live, so the answer to a replayed old item must not lose to an older result.
    pub ordering: DateTime<Utc>,
}

/// The result token of an event. Whoever has it can put evaluations, so it is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct ResultToken(String);

impl ResultToken {
    /// The token itself, for `PutEvaluations` only.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether evaluations are to be put with `TestMode`: the token `TESTMODE`, a convention of AWS's rule library.
    #[must_use]
    pub fn is_test_mode(&self) -> bool {
        self.0 == "TESTMODE"
    }
}

impl fmt::Debug for ResultToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ResultToken(…)")
    }
}

/// An event that cannot be read: which field, what is wrong, and where in the text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{field}`: {problem}")]
pub struct EventError {
    /// Path of the field, from the envelope: `invokingEvent.configurationItem.resourceId`; `event` for the whole.
    pub field: String,
    /// What is wrong with it.
    pub problem: Problem,
    /// Line and column in the text of the event, both from 1, where known.
    pub position: Option<(usize, usize)>,
}

impl EventError {
    /// The event as a whole is not usable.
    fn whole(problem: impl Into<String>, position: Option<(usize, usize)>) -> Self {
        Self { field: "event".to_owned(), problem: Problem::Event(problem.into()), position }
    }

    /// The event is not JSON; `problem` says where.
    #[must_use]
    pub fn not_json(problem: impl Into<String>) -> Self {
        Self::whole(problem, None)
    }
}

/// What is wrong with a field of an event.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// The event is not one that the rule can judge.
    #[error("{0}")]
    Event(String),
    /// A rule parameter is not allowed.
    #[error("{0}")]
    Parameter(#[from] ParameterError),
}

/// Parses the text of an event.
///
/// # Errors
///
/// - [`EventError`] if a document is not JSON, if a field that is needed is missing or of another type, if the message
///   type is unknown, if the accounts disagree or if a rule parameter is not allowed.
pub fn parse(text: &str) -> Result<Event, EventError> {
    let envelope = Envelope::parse(text)?;
    if envelope.fields.detail_type.is_some() {
        return envelope.call();
    }
    // Its other fields are not documented for a proactive evaluation, so they are not looked at.
    match envelope.optional::<String>("evaluationMode", envelope.fields.evaluation_mode)?.as_deref() {
        None | Some("DETECTIVE") => {}
        Some("PROACTIVE") => return Ok(Event::Nothing(Nothing::Proactive)),
        Some(other) => {
            let problem = format!("unknown evaluation mode `{}`", text::excerpt(other, 64));
            return Err(envelope.error("evaluationMode", envelope.fields.evaluation_mode, problem));
        }
    }

    let account_id = envelope.account("accountId", envelope.fields.account_id)?;
    let rule_arn: String = envelope.required("configRuleArn", envelope.fields.config_rule_arn)?;
    let rule_arn_error = |problem| envelope.error("configRuleArn", envelope.fields.config_rule_arn, problem);
    let Some((partition, rule_account)) = partition_and_account(&rule_arn) else {
        return Err(rule_arn_error(format!("`{}` is not an ARN", text::excerpt(&rule_arn, 256))));
    };
    if rule_account != account_id {
        let rule_account = text::excerpt(rule_account, 64);
        return Err(rule_arn_error(format!("account `{rule_account}` is not `accountId` `{account_id}`")));
    }

    let invocation = envelope.invocation(&account_id)?;
    Ok(Event::Config(Box::new(ConfigEvent {
        result_token: ResultToken(envelope.required_text("resultToken", envelope.fields.result_token)?),
        partition: partition.to_owned(),
        rule_name: envelope.optional("configRuleName", envelope.fields.config_rule_name)?,
        parameters: envelope.parameters()?,
        invocation,
        account_id,
    })))
}

/// Whether `text` is an AWS account id: 12 digits.
#[must_use]
pub fn is_account_id(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The partition and the account of `arn:partition:service:region:account:resource`.
#[must_use]
pub fn partition_and_account(arn: &str) -> Option<(&str, &str)> {
    let mut fields = arn.strip_prefix("arn:")?.splitn(5, ':');
    let (partition, _service, _region, account) = (fields.next()?, fields.next()?, fields.next()?, fields.next()?);
    fields.next().map(|_resource| (partition, account))
}

/// Line and column, both from 1, of what follows `before`.
#[must_use]
pub fn position_after(before: &str) -> (usize, usize) {
    let last_line = before.rsplit('\n').next().unwrap_or_default();
    (before.matches('\n').count() + 1, last_line.chars().count() + 1)
}

/// The envelope, its fields still as text, so that an error can tell where each stands.
struct Envelope<'a> {
    text: &'a str,
    fields: Fields<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", expecting = "a JSON object")]
struct Fields<'a> {
    #[serde(borrow)]
    invoking_event: Option<&'a RawValue>,
    #[serde(borrow)]
    rule_parameters: Option<&'a RawValue>,
    #[serde(borrow)]
    result_token: Option<&'a RawValue>,
    #[serde(borrow)]
    event_left_scope: Option<&'a RawValue>,
    #[serde(borrow)]
    config_rule_arn: Option<&'a RawValue>,
    #[serde(borrow)]
    config_rule_name: Option<&'a RawValue>,
    #[serde(borrow)]
    account_id: Option<&'a RawValue>,
    #[serde(borrow)]
    evaluation_mode: Option<&'a RawValue>,
    // Of an EventBridge event:
    #[serde(borrow, rename = "detail-type")]
    detail_type: Option<&'a RawValue>,
    #[serde(borrow)]
    account: Option<&'a RawValue>,
    #[serde(borrow)]
    detail: Option<&'a RawValue>,
}

/// What CloudTrail recorded of a call.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", expecting = "a JSON object")]
struct Detail {
    event_source: Option<String>,
    event_name: Option<String>,
    error_code: Option<String>,
    recipient_account_id: Option<String>,
    request_parameters: Option<NamedUser>,
    response_elements: Option<ResponseElements>,
    user_identity: Option<UserIdentity>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", expecting = "a JSON object")]
struct NamedUser {
    user_name: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", expecting = "a JSON object")]
struct ResponseElements {
    access_key: Option<NamedUser>,
    login_profile: Option<NamedUser>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", expecting = "a JSON object")]
struct UserIdentity {
    r#type: Option<String>,
    user_name: Option<String>,
}

/// The calls that make, change or remove keys and passwords.
const CALLS: [&str; 5] =
    ["CreateAccessKey", "UpdateAccessKey", "DeleteAccessKey", "CreateLoginProfile", "DeleteLoginProfile"];

/// The document in `invokingEvent`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", expecting = "a JSON object")]
struct InvokingEvent {
    message_type: Option<String>,
    notification_creation_time: Option<DateTime<Utc>>,
    aws_account_id: Option<String>,
    configuration_item: Option<Item>,
    configuration_item_summary: Option<Item>,
}

/// A configuration item, or the summary of one. A deleted resource has null in most places.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", expecting = "a JSON object")]
struct Item {
    configuration_item_status: Option<String>,
    configuration_item_capture_time: Option<DateTime<Utc>>,
    aws_account_id: Option<String>,
    resource_type: Option<String>,
    resource_id: Option<String>,
    resource_name: Option<String>,
    #[serde(rename = "ARN")]
    arn: Option<String>,
    resource_creation_time: Option<DateTime<Utc>>,
    /// Of any shape: other resource types have other members.
    configuration: Option<Value>,
}

impl<'a> Envelope<'a> {
    fn parse(text: &'a str) -> Result<Self, EventError> {
        // Looked at before serde does, whose message would quote a string, and in it perhaps the result token.
        match text.trim_start().chars().next() {
            None => return Err(EventError::whole("is empty: a JSON object is expected", Some((1, 1)))),
            Some('{') => {}
            Some(_) => return Err(EventError::whole("is not a JSON object", Some((1, 1)))),
        }
        let fields = serde_json::from_str(text)
            .map_err(|source| EventError::whole(text::json_error(&source), Some((source.line(), source.column()))))?;
        Ok(Self { text, fields })
    }

    fn error(&self, field: &str, value: Option<&RawValue>, problem: impl Into<String>) -> EventError {
        EventError {
            field: field.to_owned(),
            problem: Problem::Event(problem.into()),
            position: value.map(|value| self.position(value)),
        }
    }

    /// Line and column at which a field's value starts.
    fn position(&self, value: &RawValue) -> (usize, usize) {
        // A raw value borrows from the text, so the distance of the two is its offset.
        let offset = value.get().as_ptr() as usize - self.text.as_ptr() as usize;
        position_after(self.text.get(..offset).unwrap_or_default())
    }

    /// A field that may be absent or null.
    fn optional<T: DeserializeOwned>(&self, field: &str, value: Option<&RawValue>) -> Result<Option<T>, EventError> {
        let Some(raw) = value else { return Ok(None) };
        serde_json::from_str(raw.get()).map_err(|source| self.error(field, value, text::json_error(&source)))
    }

    fn required<T: DeserializeOwned>(&self, field: &str, value: Option<&RawValue>) -> Result<T, EventError> {
        self.optional(field, value)?.ok_or_else(|| self.error(field, value, "is missing"))
    }

    fn required_text(&self, field: &str, value: Option<&RawValue>) -> Result<String, EventError> {
        let text: String = self.required(field, value)?;
        if text.is_empty() { Err(self.error(field, value, "is empty")) } else { Ok(text) }
    }

    fn account(&self, field: &str, value: Option<&RawValue>) -> Result<String, EventError> {
        let account_id: String = self.required(field, value)?;
        if is_account_id(&account_id) {
            return Ok(account_id);
        }
        let problem = format!("`{}` is not an account id of 12 digits", text::excerpt(&account_id, 64));
        Err(self.error(field, value, problem))
    }

    /// The EventBridge event of a call to IAM.
    fn call(&self) -> Result<Event, EventError> {
        let detail_type: String = self.required("detail-type", self.fields.detail_type)?;
        if detail_type != "AWS API Call via CloudTrail" {
            let problem = format!("unsupported event `{}`", text::excerpt(&detail_type, 64));
            return Err(self.error("detail-type", self.fields.detail_type, problem));
        }
        let account_id = self.account("account", self.fields.account)?;
        let raw = self.fields.detail.ok_or_else(|| self.error("detail", None, "is missing"))?;
        let detail: Detail = json::object(raw.get()).map_err(|error| {
            self.error(format!("detail.{}", error.path).trim_end_matches('.'), Some(raw), error.problem)
        })?;
        let error = |field: &str, problem: String| self.error(&format!("detail.{field}"), Some(raw), problem);
        let called = format!(
            "{} {}",
            detail.event_source.as_deref().unwrap_or_default(),
            detail.event_name.as_deref().unwrap_or_default()
        );
        let is_known = CALLS.iter().any(|call| called == format!("iam.amazonaws.com {call}"));
        if !is_known {
            let problem =
                format!("unsupported call `{}`: the rule takes IAM's {}", text::excerpt(&called, 96), CALLS.join(", "));
            return Err(error("eventName", problem));
        }
        if let Some(recipient) = detail.recipient_account_id.filter(|recipient| *recipient != account_id) {
            let problem = format!("`{}` is not `account` `{account_id}`", text::excerpt(&recipient, 64));
            return Err(error("recipientAccountId", problem));
        }
        if detail.error_code.is_some() {
            return Ok(Event::Nothing(Nothing::FailedCall));
        }
        // Whoever calls for their own key need not name themselves.
        let response = detail.response_elements;
        let told = detail.request_parameters.and_then(|request| request.user_name).or_else(|| {
            response.and_then(|response| response.access_key.or(response.login_profile)).and_then(|made| made.user_name)
        });
        let by = detail.user_identity;
        let kind = by.as_ref().and_then(|by| by.r#type.clone()).unwrap_or_default();
        match told.or_else(|| by.filter(|_| kind == "IAMUser").and_then(|by| by.user_name)) {
            Some(user_name) if !user_name.is_empty() => Ok(Event::Call(IamCall { account_id, user_name })),
            _ if kind == "Root" => Ok(Event::Nothing(Nothing::RootUser)),
            _ => Err(error("requestParameters.userName", "is missing".to_owned())),
        }
    }

    fn parameters(&self) -> Result<GivenParameters, EventError> {
        let field = "ruleParameters";
        let raw = self.fields.rule_parameters;
        let text: Option<String> = self.optional(field, raw)?;
        GivenParameters::from_text(text.as_deref()).map_err(|source| EventError {
            field: field.to_owned(),
            problem: Problem::Parameter(source),
            position: raw.map(|raw| self.position(raw)),
        })
    }

    fn invocation(&self, account_id: &str) -> Result<Invocation, EventError> {
        let raw = self.fields.invoking_event;
        let text: String = self.required("invokingEvent", raw)?;
        let left_scope = self.optional("eventLeftScope", self.fields.event_left_scope)?.unwrap_or(false);
        let inner: InvokingEvent = json::object(&text).map_err(|error| {
            let (line, column) = error.position;
            let problem = format!("{} (line {line} column {column} of the JSON in the string)", error.problem);
            self.error(format!("invokingEvent.{}", error.path).trim_end_matches('.'), raw, problem)
        })?;
        let error = |field: &str, problem: String| self.error(&format!("invokingEvent.{field}"), raw, problem);
        let missing = |field: &str| error(field, "is missing".to_owned());
        let check_account = |field: &str, account: Option<&str>| match account {
            None => Err(missing(field)),
            Some(account) if account != account_id => {
                let account = text::excerpt(account, 64);
                Err(error(field, format!("`{account}` is not `accountId` `{account_id}`")))
            }
            Some(_) => Ok(()),
        };

        let message_type = inner.message_type.ok_or_else(|| missing("messageType"))?;
        let (member, item, oversized) = match message_type.as_str() {
            "ConfigurationItemChangeNotification" => ("configurationItem", inner.configuration_item, false),
            "OversizedConfigurationItemChangeNotification" => {
                ("configurationItemSummary", inner.configuration_item_summary, true)
            }
            "ScheduledNotification" => {
                check_account("awsAccountId", inner.aws_account_id.as_deref())?;
                let ordering = inner.notification_creation_time.ok_or_else(|| missing("notificationCreationTime"))?;
                return Ok(Invocation::Scheduled { ordering });
            }
            other => {
                let problem = format!(
                    "unsupported message type `{}`: the rule takes ConfigurationItemChangeNotification, \
                     OversizedConfigurationItemChangeNotification and ScheduledNotification",
                    text::excerpt(other, 64)
                );
                return Err(error("messageType", problem));
            }
        };

        let item = item.ok_or_else(|| missing(member))?;
        let item_missing = |field: &str| missing(&format!("{member}.{field}"));
        let filled = |text: Option<String>| text.filter(|text| !text.is_empty());
        check_account(&format!("{member}.awsAccountId"), item.aws_account_id.as_deref())?;
        let resource_type = filled(item.resource_type).ok_or_else(|| item_missing("resourceType"))?;
        let resource_id = filled(item.resource_id).ok_or_else(|| item_missing("resourceId"))?;
        let status = item.configuration_item_status.ok_or_else(|| item_missing("configurationItemStatus"))?;
        let captured = item.configuration_item_capture_time;
        let ordering = inner
            .notification_creation_time
            .or(captured)
            .ok_or_else(|| item_missing("configurationItemCaptureTime"))?;

        let not_applicable = if resource_type != IAM_USER {
            Some(NotApplicable::OtherType)
        } else if left_scope {
            Some(NotApplicable::LeftScope)
        } else if !matches!(status.as_str(), "OK" | "ResourceDiscovered") {
            // AWS's own samples treat every other status so, also ones to come.
            Some(NotApplicable::NotRecorded)
        } else {
            None
        };
        if let Some(reason) = not_applicable {
            return Ok(Invocation::NotApplicable { resource_type, resource_id, ordering, reason });
        }

        let user = ChangedUser {
            user_id: resource_id,
            user_name: filled(item.resource_name),
            arn: filled(item.arn),
            created: item.resource_creation_time,
            captured,
            ordering,
        };
        let user = user
            .completed_from(item.configuration.as_ref())
            .map_err(|problem| error(&format!("{member}.configuration"), problem))?;
        Ok(if oversized { Invocation::OversizedChange(user) } else { Invocation::Change(user) })
    }
}

impl ChangedUser {
    /// The same user with what it lacked taken from the configuration of its item, and the name from the ARN.
    ///
    /// # Errors
    ///
    /// - what is wrong, if the configuration is not that of an IAM user.
    pub fn completed_from(mut self, configuration: Option<&Value>) -> Result<Self, String> {
        #[derive(Default, Deserialize)]
        #[serde(rename_all = "camelCase", expecting = "a JSON object")]
        struct Configuration {
            user_name: Option<String>,
            arn: Option<String>,
            create_date: Option<DateTime<Utc>>,
        }
        let configuration: Option<Configuration> = match configuration {
            None => None,
            Some(value) => Option::deserialize(value).map_err(|source| source.to_string())?,
        };
        let Configuration { user_name, arn, create_date } = configuration.unwrap_or_default();
        self.created = self.created.or(create_date);
        self.arn = self.arn.or(arn);
        self.user_name =
            self.user_name.or(user_name).or_else(|| self.arn.as_deref().and_then(user_name_of).map(str::to_owned));
        Ok(self)
    }
}

/// The name in `arn:aws:iam::account:user/path/name`.
fn user_name_of(arn: &str) -> Option<&str> {
    let (_, path_and_name) = arn.split_once(":user/")?;
    path_and_name.rsplit('/').next().filter(|name| !name.is_empty())
}
