//! The command-line tool `setup-keys`: arguments, exit statuses, and where output goes.
//!
//! Results go to standard output or a file, messages to standard error. A closed pipe is not an error.

mod audit;
mod console;
mod generate;
mod output;
mod parameters;
mod progress;
mod remediate;
mod replay;
mod reports;

use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use chrono::{DateTime, Utc};
use clap::{Args, Parser, Subcommand};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::clock;
use crate::credential_report::{self, ReportError, Rows};
use crate::rule::parameters::Profile;
use crate::text::printable;
use console::Console;
use output::write_to;

/// Finds IAM users with a console password whose access keys were made while the user was being set up.
#[derive(Parser)]
#[command(name = "setup-keys", version, long_version = long_version(), arg_required_else_help = true)]
#[command(override_usage = "setup-keys <COMMAND>")]
#[command(
    after_help = "Exit status: 0 if nothing was found, 1 if some user is NON_COMPLIANT, some setup key left, or some \
    key not given its old status, 2 if something could not be judged or done.\n\nStart with: setup-keys audit --help"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,

    #[command(flatten)]
    console: Console,
}

/// The version, and whose rule each profile is.
fn long_version() -> String {
    let profiles = Profile::ALL.iter().map(|profile| format!("\n  {:<12} {}", profile.as_str(), profile.origin()));
    format!("{}\n\nProfiles:{}", env!("CARGO_PKG_VERSION"), profiles.collect::<String>())
}

#[derive(Subcommand)]
enum Command {
    Audit(audit::Audit),
    Replay(replay::Replay),
    Remediate(remediate::Remediate),
    Completions(generate::Completions),
    Man(generate::Man),
}

/// When it is.
#[derive(Args)]
struct Now {
    /// Judge as of this time (RFC 3339); it decides whether an exception has expired [default: now]
    #[arg(long, value_name = "TIME", global = true)]
    now: Option<DateTime<Utc>>,
}

impl Now {
    fn get(&self) -> DateTime<Utc> {
        self.now.unwrap_or_else(clock::now)
    }
}

/// What stopped a command, in one line for a person. The exit status is 2.
struct Failure(String);

impl<T: fmt::Display> From<T> for Failure {
    fn from(message: T) -> Self {
        Self(message.to_string())
    }
}

/// How a command that could do its work ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// Nothing was found.
    Clean,
    /// Some user is NON_COMPLIANT.
    Found,
    /// Some user could not be judged; what is wrong was printed.
    Incomplete,
}

/// Runs the tool with the arguments of the process. Exit status 0, 1 or 2, as the contract of each command has it.
pub async fn run() -> ExitCode {
    let cli = Cli::parse();
    cli.console.set();
    show_warnings();
    let outcome = match cli.command {
        Command::Audit(audit) => Box::pin(audit.run()).await,
        Command::Replay(replay) => Box::pin(replay.run()).await,
        Command::Remediate(remediate) => Box::pin(remediate.run()).await,
        Command::Completions(completions) => completions.run(),
        Command::Man(man) => man.run(),
    };
    match outcome {
        Ok(Outcome::Clean) => ExitCode::SUCCESS,
        Ok(Outcome::Found) => ExitCode::from(1),
        Ok(Outcome::Incomplete) => ExitCode::from(2),
        Err(Failure(message)) => {
            complain(&message);
            ExitCode::from(2)
        }
    }
}

/// What the library logs, for a person: its own warnings, on standard error.
fn show_warnings() {
    let level = if console::is_quiet() { LevelFilter::ERROR } else { LevelFilter::WARN };
    let own = Targets::new().with_target(env!("CARGO_CRATE_NAME"), level);
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(|| progress::BesideProgress)
        .without_time()
        .with_target(false)
        .with_ansi(false);
    tracing_subscriber::registry().with(own).with(lines).init();
}

/// One line on standard error; where that is closed, nobody is left to tell.
fn complain(message: &str) {
    let _ = writeln!(io::stderr(), "error: {}", printable(message));
}

/// A file to read, `-` for standard input.
#[derive(Clone)]
struct Input(PathBuf);

impl Input {
    fn open(&self) -> Result<Box<dyn BufRead>, Failure> {
        if self.0.as_os_str() == "-" {
            return Ok(Box::new(io::stdin().lock()));
        }
        let file = File::open(&self.0).map_err(|error| format!("{self}: {error}"))?;
        Ok(Box::new(BufReader::new(file)))
    }

    fn open_report(&self) -> Result<Rows<Box<dyn io::Read>>, Failure> {
        credential_report::open(self.open()?).map_err(|error| Failure(self.locate(&error)))
    }

    /// `FILE:LINE: what is wrong`
    fn locate(&self, error: &ReportError) -> String {
        error.line().map_or_else(|| format!("{self}: {error}"), |line| format!("{self}:{line}: {error}"))
    }
}

impl From<&str> for Input {
    fn from(path: &str) -> Self {
        Self(path.into())
    }
}

impl fmt::Display for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.as_os_str() == "-" { f.write_str("standard input") } else { self.0.display().fmt(f) }
    }
}
