//! The AWS Lambda function that gets setup keys out of the way.

use std::process::ExitCode;

use setup_keys::aws::session::Sessions;
use setup_keys::{lambda, remediator};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let instead = "AWS Systems Manager runs it to remediate an AWS Config rule";
    if let Err(status) = lambda::require_lambda("remediator", instead) {
        return status;
    }
    lambda::start_log();
    let sessions = Sessions::default();
    lambda::run(async |invocation| remediator::handle(invocation, sessions.own().await).await).await
}
