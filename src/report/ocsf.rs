//! OCSF 1.5.0, for security data lakes: a Compliance Finding (class 2003, with the `cloud` profile) for each user.
//!
//! One object a line, written as the user is judged: what collects events takes one event a line (`jq -s` makes an array).
//! The `uid` of a finding is made of rule and ARN, so that the next run's finding of the same user has the same.
//!
//! Source: Open Cybersecurity Schema Framework 1.5.0, class `compliance_finding`.

use serde::Serialize;
use serde_json::{Value, json};

use super::control::{DESCRIPTION, REMEDIATION, TITLE};
use super::json::{self, Row};
use super::lines::Lines;
use super::{JudgedUser, Output, Settings};
use crate::RULE_NAME;
use crate::event::partition_and_account;
use crate::rule::verdict::ComplianceType;

/// The version of the schema.
const VERSION: &str = "1.5.0";

/// What is the same in every finding.
#[derive(Serialize)]
struct Common {
    activity_id: u32,
    activity_name: &'static str,
    category_uid: u32,
    category_name: &'static str,
    class_uid: u32,
    class_name: &'static str,
    type_uid: u32,
    type_name: &'static str,
    /// Milliseconds since 1970.
    time: i64,
    metadata: Value,
    #[serde(skip)]
    standards: Vec<String>,
    #[serde(skip)]
    requirements: Vec<String>,
    #[serde(skip)]
    parameters: Value,
}

#[derive(Serialize)]
struct Event<'a> {
    #[serde(flatten)]
    common: &'a Common,
    severity_id: u32,
    severity: &'static str,
    status_id: u32,
    status: &'static str,
    status_code: &'static str,
    message: &'a str,
    cloud: Value,
    finding_info: Value,
    compliance: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    remediation: Option<Value>,
    resources: [Value; 1],
    unmapped: Unmapped<'a>,
}

/// What the schema has no place for.
#[derive(Serialize)]
struct Unmapped<'a> {
    profile: &'static str,
    origin: String,
    #[serde(flatten)]
    row: Row<'a>,
}

/// A finding a user.
pub fn ocsf(settings: Settings, output: Output<'_>) -> Lines<'_, impl Sized + use<>> {
    let common = common(&settings);
    Lines::new(output, settings, common, |user, settings, common, output| {
        json::write_line(&finding(user, settings, common), output)
    })
}

fn common(settings: &Settings) -> Common {
    let origin = settings.parameters.profile.origin();
    let standards = match origin.controls {
        [] => vec![origin.name.to_owned()],
        controls => controls
            .iter()
            .map(|control| control.version.map_or_else(|| origin.name.to_owned(), |v| format!("{} {v}", origin.name)))
            .collect(),
    };
    let parameters = json::parameters(&settings.parameters);
    Common {
        activity_id: 1,
        activity_name: "Create",
        category_uid: 2,
        category_name: "Findings",
        class_uid: 2003,
        class_name: "Compliance Finding",
        type_uid: 200_301,
        type_name: "Compliance Finding: Create",
        time: settings.now.timestamp_millis(),
        metadata: json!({
            "version": VERSION,
            "profiles": ["cloud"],
            "event_code": RULE_NAME,
            "product": {
                "name": env!("CARGO_PKG_NAME"),
                "vendor_name": env!("CARGO_PKG_NAME"),
                "version": env!("CARGO_PKG_VERSION"),
            },
        }),
        standards,
        requirements: origin.references(),
        parameters: parameters.into_iter().map(|(name, value)| json!({"name": name, "value": value})).collect(),
    }
}

fn finding<'a>(user: &'a JudgedUser, settings: &Settings, common: &'a Common) -> Event<'a> {
    let arn = user.arn.as_deref().unwrap_or(&user.user_name);
    let found = user.verdict.compliance_type() == ComplianceType::NonCompliant;
    let (severity_id, severity) = if found { (3, "Medium") } else { (1, "Informational") };
    let (status_id, status) = if user.verdict.exception().is_some() { (3, "Suppressed") } else { (1, "New") };
    let (compliance_id, compliance) = if found { (3, "Fail") } else { (1, "Pass") };
    let mut cloud = json!({"provider": "AWS"});
    if let Some(account) = user.account.as_deref() {
        cloud["account"] = json!({"uid": account, "type": "AWS Account", "type_id": 10});
    }
    let mut resource = json!({"uid": arn, "name": user.user_name, "type": "AWS::IAM::User"});
    if let Some((partition, _)) = partition_and_account(arn) {
        resource["cloud_partition"] = partition.into();
    }
    if let Some(id) = &user.user_id {
        resource["uid_alt"] = id.as_str().into();
    }
    let source = if user.location.is_some() { "IAM credential report" } else { "IAM" };
    Event {
        common,
        severity_id,
        severity,
        status_id,
        status,
        status_code: if found { "FAIL" } else { "PASS" },
        message: &user.annotation,
        cloud,
        finding_info: json!({
            "uid": format!("{RULE_NAME}/{arn}"),
            "title": TITLE,
            "desc": DESCRIPTION,
            "data_sources": [source],
        }),
        compliance: json!({
            "control": TITLE,
            "control_parameters": common.parameters,
            "standards": common.standards,
            "requirements": common.requirements,
            "status_id": compliance_id,
            "status": compliance,
            "status_details": [user.annotation],
        }),
        remediation: user.verdict.remediation().map(|each| json!({"desc": format!("{each}. {REMEDIATION}")})),
        resources: [resource],
        unmapped: Unmapped {
            profile: settings.parameters.profile.as_str(),
            origin: settings.parameters.profile.origin().to_string(),
            row: json::row(user),
        },
    }
}
