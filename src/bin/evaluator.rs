//! The AWS Lambda function that answers the events of the AWS Config rule.

use std::process::ExitCode;

use setup_keys::evaluator::Evaluator;
use setup_keys::lambda;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let instead = "to judge an event by hand, run `setup-keys replay EVENT.json`";
    if let Err(status) = lambda::require_lambda("evaluator", instead) {
        return status;
    }
    lambda::start_log();
    let evaluator = Evaluator::from_environment();
    lambda::run(async |invocation| evaluator.handle(invocation).await).await
}
