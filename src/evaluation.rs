//! An evaluation: what AWS Config is told about one resource.

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Serialize, Serializer};

use crate::error::Error;
use crate::event::IAM_USER;
use crate::rule::parameters::Parameters;
use crate::rule::verdict::{ComplianceType, Summary, Verdict};

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

/// The evaluations that answer an event.
#[derive(Debug, Default)]
pub struct Answer {
    /// What is put.
    pub evaluations: Vec<Evaluation>,
    /// The users that were judged, also those whose result is not put since it has not changed.
    pub summary: Summary,
    /// Why the answer is not whole: what there is of it is put, then the invocation fails.
    pub shortfall: Option<Error>,
}
