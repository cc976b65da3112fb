//! What the machine formats say of the rule itself: title, advice, and whose rule it is.

use serde::Serialize;

use crate::rule::parameters::{Origin, Profile};

/// The rule in one line.
pub const TITLE: &str = "IAM users with a console password must not have access keys made at user setup";

/// Why it matters.
pub const DESCRIPTION: &str = "An access key that was made together with its user was made by reflex: nobody asked for it for a \
    purpose. Such keys are seldom used, seldom watched and seldom missed when they leak.";

/// What to do about a setup key, in general.
pub const REMEDIATION: &str = "Deactivate setup keys that were never used, and delete them when nobody misses them; have the owners \
    of the others rotate them. Whoever needs programmatic access makes a key later, for that purpose, or better uses a role.";

/// How bad it is, as SARIF's `security-severity` has it: 0 to 10. Medium: a credential nobody needs, not one that leaked.
pub const SEVERITY: &str = "5.0";

/// Whose rule was applied.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Control {
    title: &'static str,
    profile: &'static str,
    origin: String,
    references: Vec<Reference>,
    remediation: &'static str,
}

#[derive(Debug, Clone, Serialize)]
struct Reference {
    standard: &'static str,
    version: Option<&'static str>,
    control: Option<&'static str>,
}

impl Control {
    /// The rule of this profile.
    #[must_use]
    pub fn of(profile: Profile) -> Self {
        let origin = profile.origin();
        Self {
            title: TITLE,
            profile: profile.as_str(),
            origin: origin.to_string(),
            references: references(&origin),
            remediation: REMEDIATION,
        }
    }
}

fn references(origin: &Origin) -> Vec<Reference> {
    if origin.controls.is_empty() {
        return vec![Reference { standard: origin.name, version: None, control: None }];
    }
    let each = origin.controls.iter();
    each.map(|control| Reference { standard: origin.name, version: control.version, control: Some(control.id) })
        .collect()
}
