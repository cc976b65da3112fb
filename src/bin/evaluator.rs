//! The AWS Lambda function that answers the events of the AWS Config rule.

use std::env;
use std::process::ExitCode;

use setup_keys::aws::{self, Live};
use setup_keys::{evaluator, lambda};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let instead = "to judge an event by hand, run `setup-keys replay EVENT.json`";
    if let Err(status) = lambda::require_lambda("evaluator", instead) {
        return status;
    }
    lambda::start_log();
    let allowed_accounts = env::var("ALLOWED_ACCOUNTS").ok();
    let aws = Live::new(&aws::sdk_config().await);
    lambda::run(async |invocation| evaluator::handle(invocation, allowed_accounts.as_deref(), &aws).await).await
}
