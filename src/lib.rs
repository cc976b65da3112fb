//! An AWS Config custom rule that finds IAM users with a console password whose access keys were made while the user was
//! being set up.
//!
//! # Layout
//!
//! - [`rule`]: the decision, pure: facts about a user, rule parameters and the time to a verdict with its reasons;
//! - [`event`]: the AWS Config event, parsed once;
//! - [`credential_report`]: the IAM credential report as facts;
//! - [`judge`]: one user, from whatever source of facts, to a verdict; [`evaluation`]: what AWS Config is told of it;
//! - [`aws`]: the AWS edge, the only place that names an SDK: live facts, and evaluations put;
//! - [`sweep`]: the whole account; [`prompt`]: a key or password was changed;
//! - [`evaluator`]: the Lambda function that answers the events of the rule;
//! - [`remediator`]: the Lambda function that gets setup keys out of the way;
//! - [`lambda`]: what the Lambda binaries share: log, failed invocations; [`metrics`]: what an invocation did;
//! - [`cli`] and [`report`]: the command-line tool, and the forms of an audit's result;
//! - [`error`]: what can go wrong, by the operation that failed; [`text`]: what others wrote, made fit to print;
//!   [`clock`]: the time, read at the edge.
//!
//! # Example
//!
//! ```
//! use setup_keys::rule::facts::{AccessKey, Facts, Identity, KeyName, KeyStatus, Keys, LastUse, LoginProfile};
//! use setup_keys::rule::parameters::Parameters;
//! use setup_keys::rule::verdict::ComplianceType;
//! use setup_keys::rule::{Step, decide};
//!
//! let time = |text: &str| text.parse().unwrap();
//! let facts = Facts {
//!     created: Some(time("2026-03-02T10:15:01Z")),
//!     keys: Keys::All(vec![AccessKey {
//!         name: KeyName::Id("AKIAIOSFODNN7EXAMPLE".to_owned()),
//!         status: KeyStatus::Active,
//!         created: time("2026-03-02T10:15:04Z"),
//!         last_use: LastUse::Never,
//!     }]),
//!     login_profile: LoginProfile::Present,
//!     identity: Identity::Unavailable, // as in a credential report: no tags, no exception
//!     ..Facts::unread("alice")
//! };
//! let parameters = Parameters::default();
//! let Step::Verdict(verdict) = decide(&facts, &parameters, time("2026-05-03T00:00:00Z")) else { panic!() };
//! assert_eq!(verdict.compliance_type(), ComplianceType::NonCompliant);
//! assert_eq!(
//!     verdict.annotation(&parameters),
//!     "1 setup key: …MPLE made 3 s after the user, never used: deactivate, then delete."
//! );
//! ```

// No input may stop the process. (Tests may stop.)
#![warn(clippy::expect_used, clippy::panic, clippy::unreachable, clippy::unwrap_used)]

pub mod aws;
#[cfg(feature = "cli")]
pub mod cli;
pub mod clock;
pub mod credential_report;
pub mod error;
pub mod evaluation;
pub mod evaluator;
pub mod event;
mod json;
pub mod judge;
pub mod lambda;
pub mod metrics;
pub mod prompt;
pub mod remediator;
#[cfg(feature = "cli")]
pub mod report;
pub mod rule;
pub mod sweep;
pub mod text;

/// The base name of the AWS Config rule. A conformance pack appends 27 characters to it, and two APIs cap a name at 64.
pub const RULE_NAME: &str = "iam-user-no-setup-access-keys";
