//! Whose credentials are in use.

use aws_config::SdkConfig;

use super::call_error;
use crate::error::{CallError, CallFailure};

/// The account of the credentials in use, 12 digits.
///
/// # Errors
///
/// - [`CallError`] if STS cannot be asked or gives no account.
pub async fn caller_account(settings: &SdkConfig) -> Result<String, CallError> {
    const OPERATION: &str = "sts:GetCallerIdentity";
    let answer = aws_sdk_sts::Client::new(settings).get_caller_identity().send().await;
    let answer = answer.map_err(|error| call_error(OPERATION, "", &error))?;
    answer.account.ok_or_else(|| CallError {
        operation: OPERATION,
        resource: String::new(),
        kind: CallFailure::NoAnswer,
        detail: "the answer has no `Account`".to_owned(),
    })
}
