//! x
pub mod aws;
pub mod cli;
pub mod clock;
pub mod credential_report;
pub mod error;
pub mod evaluator;
pub mod event;
pub mod lambda;
pub mod report;
pub mod rule;
pub mod text;

/// The base name of the AWS Config rule. A conformance pack appends 27 characters to it.
pub const RULE_NAME: &str = "iam-user-no-setup-access-keys";
