//! A Lambda function as a child process, with the environment that AWS Lambda gives it.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::Read as _;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::process::{self, Child, Command, ExitStatus};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::aws::{ACCESS_KEY_ID, AwsDouble, SECRET_ACCESS_KEY};
use super::runtime_api::{Answer, Invocation, RuntimeApi, Waited};
use super::{ACCOUNT, lock};

/// How long a test waits for a process to end.
const PATIENCE: Duration = Duration::from_mins(2);

/// The deadline of an invocation, unless a test says otherwise: a machine that runs all tests at once is slow.
const DEADLINE: Duration = Duration::from_mins(1);

static COUNTER: AtomicU64 = AtomicU64::new(1);

/// What became of an invocation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The function answered.
    Success(String),
    /// The function reported an error.
    Failure {
        /// Kind of error.
        error_type: String,
        /// Its message.
        error_message: String,
    },
    /// The process ended without an answer.
    Exited(ExitStatus),
    /// There was no answer by the deadline, where AWS Lambda ends the process; so it was.
    TimedOut,
}

impl Outcome {
    /// The answer of a function that succeeded.
    #[track_caller]
    pub fn expect_success(self) -> String {
        match self {
            Self::Success(answer) => answer,
            other => panic!("the invocation should have succeeded: {other:?}"),
        }
    }

    /// `(error_type, error_message)` of a function that failed.
    #[track_caller]
    pub fn expect_failure(self) -> (String, String) {
        match self {
            Self::Failure { error_type, error_message } => (error_type, error_message),
            other => panic!("the invocation should have failed: {other:?}"),
        }
    }
}

/// A function still to be started.
pub struct Launch {
    binary: String,
    arguments: Vec<String>,
    environment: BTreeMap<String, String>,
    prefix: String,
    account: String,
}

impl Launch {
    /// The same with these arguments, for a function that an interpreter runs.
    pub fn args(mut self, arguments: &[&str]) -> Self {
        self.arguments = arguments.iter().map(|&argument| argument.to_owned()).collect();
        self
    }

    /// The same with this environment variable.
    pub fn env(mut self, name: &str, value: impl Into<String>) -> Self {
        self.environment.insert(name.to_owned(), value.into());
        self
    }

    /// The same without this environment variable.
    pub fn without_env(mut self, name: &str) -> Self {
        self.environment.remove(name);
        self
    }

    /// The same with the Runtime API under a path, as `cargo lambda watch` has it.
    pub fn runtime_api_prefix(mut self, prefix: &str) -> Self {
        prefix.clone_into(&mut self.prefix);
        self
    }

    /// The same with the function in another account, which only its ARN tells.
    pub fn function_account(mut self, account: &str) -> Self {
        account.clone_into(&mut self.account);
        self
    }

    /// Starts the process.
    pub fn start(self) -> Lambda {
        let api = RuntimeApi::with_prefix(&self.prefix);
        let log = log_file();
        // The process never reads standard input, so that descriptor holds the writing end of a pipe: its other end
        // tells when the process is gone, whatever way it goes.
        let (mut end, held) = std::io::pipe().expect("a pipe");
        let mut command = Command::new(&self.binary);
        command
            .args(&self.arguments)
            .env_clear()
            .env("AWS_LAMBDA_RUNTIME_API", api.address())
            .envs(&self.environment)
            .stdin(held)
            .stdout(log.try_clone().expect("the log"))
            .stderr(log.try_clone().expect("the log"));
        let started = Instant::now();
        let child = command.spawn().unwrap_or_else(|error| panic!("{} does not start: {error}", self.binary));
        // Ours of the descriptors that the process now has.
        drop(command);
        let hang_up = api.on_hang_up();
        thread::spawn(move || {
            let _ = end.read(&mut [0]);
            hang_up();
        });
        let function_arn =
            format!("arn:aws:lambda:us-east-1:{}:function:{}", self.account, function_name(&self.binary));
        Lambda { child: Mutex::new(child), started, api, log, function_arn }
    }
}

/// A Lambda function that runs. Dropping it ends the process.
pub struct Lambda {
    child: Mutex<Child>,
    started: Instant,
    api: RuntimeApi,
    log: File,
    function_arn: String,
}

impl Lambda {
    /// Starts a function, its binary as in `env!("CARGO_BIN_EXE_evaluator")`, with the double as its AWS.
    pub fn start(binary: &str, aws: &AwsDouble) -> Self {
        Self::launch(binary, aws).start()
    }

    /// The same, for more to be set before it starts.
    pub fn launch(binary: &str, aws: &AwsDouble) -> Launch {
        Self::launch_at(binary, &aws.url())
    }

    /// The same with its AWS at another address.
    ///
    /// A variable such as `EVALUATOR_BINARY` names another binary of the function, for example the one that
    /// `make package` makes.
    pub fn launch_at(binary: &str, endpoint: &str) -> Launch {
        let variable = format!("{}_BINARY", function_name(binary).to_uppercase());
        let binary = &std::env::var(variable).unwrap_or_else(|_| binary.to_owned());
        let environment = [
            ("AWS_LAMBDA_FUNCTION_NAME", function_name(binary)),
            ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128"),
            ("AWS_REGION", "us-east-1"),
            ("AWS_DEFAULT_REGION", "us-east-1"),
            ("AWS_ACCESS_KEY_ID", ACCESS_KEY_ID),
            ("AWS_SECRET_ACCESS_KEY", SECRET_ACCESS_KEY),
            ("AWS_ENDPOINT_URL", endpoint),
        ];
        let environment = environment.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        Launch {
            binary: binary.to_owned(),
            arguments: Vec::new(),
            environment,
            prefix: String::new(),
            account: ACCOUNT.to_owned(),
        }
    }

    /// Invokes the function with an event and waits for what becomes of it.
    #[track_caller]
    pub fn invoke(&self, event: impl Into<Vec<u8>>) -> Outcome {
        self.invoke_with(DEADLINE, event)
    }

    /// The same with the deadline so far ahead.
    #[track_caller]
    pub fn invoke_with(&self, deadline: Duration, event: impl Into<Vec<u8>>) -> Outcome {
        let request_id = format!("8476a536-e9f4-11e8-9739-{:012x}", COUNTER.fetch_add(1, Ordering::Relaxed));
        let deadline_ms = (setup_keys::clock::now() + deadline).timestamp_millis();
        self.api.queue(Invocation {
            request_id: request_id.clone(),
            event: event.into(),
            deadline_ms,
            function_arn: self.function_arn.clone(),
        });
        match self.api.wait(&request_id, deadline) {
            Waited::Answered(Answer::Success(answer)) => Outcome::Success(answer),
            Waited::Answered(Answer::Failure { error_type, error_message }) => {
                Outcome::Failure { error_type, error_message }
            }
            Waited::HungUp => Outcome::Exited(self.exit_status()),
            Waited::TimedOut => {
                self.end();
                Outcome::TimedOut
            }
        }
    }

    /// Waits for the process to end by itself.
    #[track_caller]
    pub fn wait_for_exit(&self) -> ExitStatus {
        assert!(self.api.wait_for_hang_up(PATIENCE), "still running after {PATIENCE:?}; log so far:\n{}", self.log());
        self.exit_status()
    }

    /// Ends the process at once, as AWS Lambda does at the deadline.
    pub fn end(&self) {
        let mut child = lock(&self.child);
        let _ = child.kill();
        let _ = child.wait();
    }

    fn exit_status(&self) -> ExitStatus {
        lock(&self.child).wait().expect("the exit status of the process")
    }

    /// What the function reported instead of starting, `(error_type, error_message)`.
    pub fn init_error(&self) -> Option<(String, String)> {
        match self.api.init_error()? {
            Answer::Failure { error_type, error_message } => Some((error_type, error_message)),
            Answer::Success(_) => None,
        }
    }

    /// Everything written to standard output and standard error so far; whole lines once an invocation is answered.
    pub fn log(&self) -> String {
        let length = self.log.metadata().expect("the log").len();
        let mut bytes = vec![0; usize::try_from(length).expect("a log that fits in memory")];
        self.log.read_exact_at(&mut bytes, 0).expect("the log");
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// The lines of [`log`](Self::log), each of which must be a JSON object.
    #[track_caller]
    pub fn log_objects(&self) -> Vec<Value> {
        let object = |line: &str| match serde_json::from_str(line) {
            Ok(value @ Value::Object(_)) => value,
            _ => panic!("a line of the log is not a JSON object: {line}"),
        };
        self.log().lines().map(object).collect()
    }

    /// From the start of the process to its asking for its first event.
    #[track_caller]
    pub fn time_to_ready(&self) -> Duration {
        let ready = self.api.wait_until_ready(PATIENCE).unwrap_or_else(|| panic!("not ready; log:\n{}", self.log()));
        ready.duration_since(self.started)
    }

    /// The most memory that the process has had resident so far.
    pub fn peak_memory_kib(&self) -> u64 {
        self.status("VmHWM:")
    }

    /// The memory that the process has resident now.
    pub fn memory_kib(&self) -> u64 {
        self.status("VmRSS:")
    }

    /// A size of `/proc/PID/status`, in kB.
    fn status(&self, name: &str) -> u64 {
        let status = self.proc("status");
        let status = fs::read_to_string(&status).unwrap_or_else(|error| panic!("{status}: {error}"));
        let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("a process that runs has it");
        line.trim().trim_end_matches(" kB").parse().expect("a number of kB")
    }

    /// The time that the process has spent on processors so far, to a hundredth of a second.
    pub fn processor_time(&self) -> Duration {
        let stat = fs::read_to_string(self.proc("stat")).expect("a process that runs has it");
        // After the name in parentheses, user and system time are the 12th and the 13th field, in ticks of 10 ms.
        let fields = stat.rsplit(')').next().expect("a name in parentheses").split_ascii_whitespace();
        let ticks: u64 = fields.skip(11).take(2).map(|ticks| ticks.parse::<u64>().expect("a number")).sum();
        Duration::from_millis(10 * ticks)
    }

    /// How many descriptors the process has open.
    pub fn open_descriptors(&self) -> usize {
        fs::read_dir(self.proc("fd")).expect("a process that runs has it").count()
    }

    fn proc(&self, file: &str) -> String {
        format!("/proc/{}/{file}", lock(&self.child).id())
    }
}

impl Drop for Lambda {
    fn drop(&mut self) {
        self.end();
    }
}

fn function_name(binary: &str) -> &str {
    Path::new(binary).file_stem().and_then(|stem| stem.to_str()).expect("a binary has a name")
}

/// A file without a name. A pipe would do, but its reader may lag behind: what the process wrote before it answered
/// must be there when the answer is.
fn log_file() -> File {
    let number = COUNTER.fetch_add(1, Ordering::Relaxed);
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("lambda-{}-{number}.log", process::id()));
    let file = OpenOptions::new().create_new(true).append(true).read(true).open(&path);
    let file = file.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    fs::remove_file(&path).expect("the log can be unlinked");
    file
}
