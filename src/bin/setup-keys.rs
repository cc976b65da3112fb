//! The command-line tool.

use std::process::ExitCode;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    setup_keys::cli::run().await
}
