//! x
pub mod aws;
pub mod clock;
pub mod credential_report;
pub mod error;
pub mod evaluator;
pub mod event;
pub mod lambda;
pub mod rule;
pub mod text;
