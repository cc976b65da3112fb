//! The deployment scripts: what a dry run prints, and what they do to a stand-in for the AWS CLI.
//!
//! The stand-in (`tests/python/fake_aws.py`) is first on their PATH. It keeps an account or an organization in a file,
//! holds every command to AWS's own API models, and refuses what AWS refuses.

#[path = "scripts/deploy_account.rs"]
mod deploy_account;
#[path = "scripts/deploy_organization.rs"]
mod deploy_organization;
#[path = "scripts/dry_run.rs"]
mod dry_run;
#[path = "scripts/preflight.rs"]
mod preflight;
#[allow(dead_code, reason = "these tests use a part of it")]
mod python_support;
#[path = "scripts/remove.rs"]
mod remove;
#[path = "scripts/status.rs"]
mod status;
#[path = "scripts/text.rs"]
mod text;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::{env, fs};

use serde_json::{Value, json};

use python_support::{Process, isolated, python_file};

const ACCOUNT: &str = "111122223333";
const REGION: &str = "eu-west-1";

/// The bucket that `deploy-account.sh` makes.
const BUCKET: &str = "setup-keys-artifacts-111122223333-eu-west-1";

/// An account or an organization, in a directory of its own, which is removed at the end.
struct Aws {
    directory: PathBuf,
}

/// What a script did.
struct Run {
    status: i32,
    stdout: String,
    stderr: String,
    /// The arguments of every call of the AWS CLI.
    calls: Vec<Vec<String>>,
}

impl Aws {
    /// An account that records its users and has nothing of ours.
    fn account() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!("scripts-{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::create_dir_all(&directory).unwrap();
        fs::write(directory.join("evaluator.zip"), "code").unwrap();
        fs::write(directory.join("remediator.zip"), "other code").unwrap();
        let aws = Self { directory };
        aws.write_state(&fixture("account.json"));
        aws
    }

    /// The management account of an organization with three more accounts, one of them in a unit below a unit, and a
    /// suspended one.
    fn organization() -> Self {
        Self::account().with(|state| state["organization"] = fixture("organization.json"))
    }

    /// The same organization; the caller is account 222233334444, a delegated administrator, and the profile
    /// `management` is the management account.
    fn delegated() -> Self {
        Self::organization().with(|state| {
            state["account"] = json!("222233334444");
            state["profiles"] = json!({ "management": ACCOUNT });
            state["organization"]["delegated"]["222233334444"] = state["organization"]["services"].clone();
            state["roles"] = json!({ ACCOUNT: ["AWSServiceRoleForConfigConforms"] });
        })
    }

    fn with(self, change: impl FnOnce(&mut Value)) -> Self {
        self.change(change);
        self
    }

    fn change(&self, change: impl FnOnce(&mut Value)) {
        let mut state = self.state();
        change(&mut state);
        self.write_state(&state);
    }

    fn state(&self) -> Value {
        serde_json::from_slice(&fs::read(self.directory.join("state.json")).unwrap()).unwrap()
    }

    fn write_state(&self, state: &Value) {
        fs::write(self.directory.join("state.json"), state.to_string()).unwrap();
    }

    /// Runs a script with these settings; a setting is an environment variable.
    fn run(&self, script: &str, arguments: &[&str], settings: &[(&str, &str)]) -> Run {
        self.change(|state| {
            state["calls"] = json!(0);
            state["log"] = json!([]);
        });
        let mut command = script_command(script);
        command
            .args(arguments)
            .env("FAKE_AWS_STATE", self.directory.join("state.json"))
            .env("PACKAGE_DIR", &self.directory)
            .env("AWS_REGION", REGION)
            .env("WAIT_SECONDS", "0")
            .env("WAIT_TRIES", "5")
            .envs(settings.iter().copied());
        let output = command.output().unwrap();
        Run {
            status: output.status.code().unwrap(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
            calls: serde_json::from_value(self.state()["log"].take()).unwrap(),
        }
    }

    /// The same, where it must succeed.
    #[track_caller]
    fn succeed(&self, script: &str, arguments: &[&str], settings: &[(&str, &str)]) -> Run {
        let run = self.run(script, arguments, settings);
        assert_eq!(run.status, 0, "{script}: {}{}", run.stdout, run.stderr);
        run
    }

    /// The same, where it must fail with a status, and say so much on standard error.
    #[track_caller]
    fn fail(&self, status: i32, said: &str, script: &str, arguments: &[&str], settings: &[(&str, &str)]) -> Run {
        let run = self.run(script, arguments, settings);
        assert_eq!(run.status, status, "{script}: {}{}", run.stdout, run.stderr);
        assert!(run.stderr.contains(said), "{script} does not say `{said}`: {}", run.stderr);
        run
    }

    /// Lets each call of a script fail in turn, from this state. Each failure must end the script at once, with what to
    /// do about it, and the script must succeed when it is run again.
    #[track_caller]
    fn fail_at_each_call(&self, script: &str, arguments: &[&str], settings: &[(&str, &str)]) {
        let before = self.state();
        let calls = self.succeed(script, arguments, settings).calls.len();
        let after = self.state();
        for index in 0..calls {
            self.write_state(&before);
            self.change(|state| state["fail_at"] = json!(index));
            let run = self.fail(1, "What to do: ", script, arguments, settings);
            assert_eq!(run.calls.len(), index + 1, "{script} goes on after {:?}", run.calls[index]);
        }
        // What the last failure left is what a second run finds.
        self.change(|state| state["fail_at"] = Value::Null);
        self.succeed(script, arguments, settings);
        let again = self.state();
        for part in
            ["/buckets", "/stacks", "/stack_set", "/packs/setup-keys/given", "/organization_packs/setup-keys/given"]
        {
            assert_eq!(again.pointer(part), after.pointer(part), "{script}, {part}");
        }
    }
}

impl Drop for Aws {
    fn drop(&mut self) {
        // It is below target, and has a name of its own: what cannot be removed does no harm.
        let _ = fs::remove_dir_all(&self.directory);
    }
}

impl Run {
    /// The commands without their options: `s3api put-object`.
    fn commands(&self) -> Vec<String> {
        self.calls.iter().map(|call| command_of(call)).collect()
    }

    /// The commands that change something.
    fn changes(&self) -> Vec<String> {
        let reads = ["describe-", "get-", "head-", "list-", "wait"];
        let changes = |command: &String| !reads.iter().any(|read| command.split(' ').nth(1).unwrap().starts_with(read));
        self.commands().into_iter().filter(changes).collect()
    }

    /// The arguments of the calls of one command.
    fn calls_of(&self, command: &str) -> Vec<&[String]> {
        self.calls.iter().filter(|call| command_of(call) == command).map(Vec::as_slice).collect()
    }
}

fn command_of(call: &[String]) -> String {
    let mut words = call;
    while ["--profile", "--region"].contains(&words[0].as_str()) {
        words = &words[2..];
    }
    words[..2].join(" ")
}

/// The values of an option in a call.
fn option<'a>(call: &'a [String], name: &str) -> Vec<&'a str> {
    let values = call.iter().skip_while(|word| *word != name).skip(1);
    values.take_while(|word| !word.starts_with("--")).map(String::as_str).collect()
}

/// A script, without the settings of whoever runs the tests, and with the stand-in for the AWS CLI.
fn script_command(script: &str) -> Command {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let path = env::var("PATH").unwrap();
    let mut command = isolated(root.join("scripts").join(script));
    for setting in text::settings() {
        command.env_remove(setting);
    }
    command
        .env("PATH", format!("{}:{path}", root.join("tests/scripts/bin").display()))
        .env("FAKE_AWS_PORT", &*PORT)
        .current_dir(root);
    command
}

/// Where the stand-in for the AWS CLI listens. It ends with this process, since its standard input does.
static PORT: LazyLock<String> = LazyLock::new(|| {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/fake_aws.py");
    let process = Process::start(isolated(python_file("bin/python")).arg("-I").arg(script));
    let port = process.line();
    std::mem::forget(process);
    port
});

fn fixture(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scripts").join(name);
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}
