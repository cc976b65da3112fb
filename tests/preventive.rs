//! What stops setup keys in pull requests (`preventive/`), judged by the engines that teams run: AWS's cfn-guard, and for
//! Rego rego-cpp, since there is no package of OPA itself to be had here.

#[macro_use]
#[path = "support/cases.rs"]
mod cases;
#[path = "preventive/cloudformation.rs"]
mod cloudformation;
#[allow(dead_code, reason = "these tests use a part of it")]
mod python_support;
#[path = "preventive/terraform.rs"]
mod terraform;
