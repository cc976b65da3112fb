//! What the tests against other implementations share: processes that end with their test, moto's server, and the event
//! that AWS Config would send.

use std::env;
use std::io::{BufRead, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Once;
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use serde_json::{Value, json};

/// Far more than anything here takes: what is waited for longer will not come.
pub(crate) const TIME_LIMIT: Duration = Duration::from_mins(1);

/// When the users of these tests are made.
const USER_MADE: &str = "2026-03-02T10:15:01Z";

/// A file of `target/python`, which is set up first if it is missing or not up to date.
pub(crate) fn python_file(name: &str) -> PathBuf {
    static SET_UP: Once = Once::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    SET_UP.call_once(|| {
        let output = Command::new("bash").arg(root.join("tests/python/setup.sh")).output().unwrap();
        assert!(output.status.success(), "tests/python/setup.sh: {}", String::from_utf8_lossy(&output.stderr));
    });
    root.join("target/python").join(name)
}

/// A command that sees none of the developer's settings for AWS or for the evaluator, and no proxy.
pub(crate) fn isolated(program: impl AsRef<Path>) -> Command {
    let mut command = Command::new(program.as_ref());
    for (name, _) in env::vars_os() {
        let text = name.to_string_lossy().to_ascii_uppercase();
        let setting = text.starts_with("AWS_") || matches!(text.as_str(), "ALLOWED_ACCOUNTS" | "MEMBER_ROLE_NAME");
        if setting || text.ends_with("_PROXY") {
            command.env_remove(name);
        }
    }
    command.env("AWS_CONFIG_FILE", "/dev/null").env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null");
    command
}

/// A process that is killed at the end of its test. What it wrote and nobody read is shown where the test fails.
pub(crate) struct Process {
    child: Child,
    lines: Receiver<String>,
}

impl Process {
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = mpsc::channel();
        // Read all the time, so that the process never waits for its reader.
        thread::spawn(move || output.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        Self { child, lines }
    }

    /// The next line of its standard output.
    pub(crate) fn line(&self) -> String {
        self.lines.recv_timeout(TIME_LIMIT).expect("the process still writes")
    }

    fn send(&mut self, line: &Value) {
        writeln!(self.child.stdin.as_mut().unwrap(), "{line}").unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // An error means that it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            // A child of its own may hold the output open.
            while let Ok(line) = self.lines.recv_timeout(Duration::from_secs(1)) {
                println!("{line}");
            }
        }
    }
}

/// moto's server: IAM and AWS Config of one account, empty at first. `tests/python/moto_server.py` has its commands.
pub(crate) struct Moto {
    process: Process,
    pub(crate) endpoint: String,
}

impl Moto {
    pub(crate) fn start() -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/moto_server.py");
        let process = Process::start(isolated(python_file("bin/python")).arg("-I").arg(script));
        let ready: Value = serde_json::from_str(&process.line()).unwrap();
        Self { process, endpoint: format!("http://127.0.0.1:{}", ready["port"]) }
    }

    /// Makes a user at [`USER_MADE`]; returns it as IAM describes it.
    pub(crate) fn create_user(&mut self, name: &str) -> Value {
        self.iam(0, "create_user", &json!({ "UserName": name }))["User"].take()
    }

    /// Gives a user a console password, so many seconds after [`USER_MADE`].
    pub(crate) fn create_password(&mut self, after: i64, user: &str) {
        self.iam(after, "create_login_profile", &json!({ "UserName": user, "Password": "correct horse" }));
    }

    /// Gives a user an access key, so many seconds after [`USER_MADE`]; returns it as IAM describes it.
    pub(crate) fn create_key(&mut self, after: i64, user: &str) -> Value {
        self.iam(after, "create_access_key", &json!({ "UserName": user }))["AccessKey"].take()
    }

    /// Has boto3 call IAM with the clock so many seconds after [`USER_MADE`].
    pub(crate) fn iam(&mut self, after: i64, call: &str, arguments: &Value) -> Value {
        self.command(&json!({ "at": seconds_after(after), "call": call, "arguments": arguments }))
    }

    /// The requests that were not boto3's, since they were last taken: `{"operation", "parameters"}`.
    pub(crate) fn take_requests(&mut self) -> Vec<Value> {
        serde_json::from_value(self.command(&json!({ "recorded": true }))).unwrap()
    }

    pub(crate) fn command(&mut self, command: &Value) -> Value {
        self.process.send(command);
        let mut line: Value = serde_json::from_str(&self.process.line()).unwrap();
        assert_eq!(line.get("error"), None, "{command}");
        line["answer"].take()
    }
}

pub(crate) fn seconds_after(seconds: i64) -> String {
    let made: DateTime<Utc> = USER_MADE.parse().unwrap();
    (made + TimeDelta::seconds(seconds)).to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// The configuration item of a user, as AWS Config would record it from what IAM says.
pub(crate) fn item_of(user: &Value) -> Value {
    json!({
        "configuration": {
            "path": user["Path"],
            "userName": user["UserName"],
            "userId": user["UserId"],
            "arn": user["Arn"],
            "createDate": user["CreateDate"],
            "userPolicyList": [],
            "groupList": [],
            "attachedManagedPolicies": [],
            "permissionsBoundary": null,
            "tags": [],
        },
        "configurationItemVersion": "1.3",
        "configurationItemCaptureTime": "2026-03-02T12:17:42.807Z",
        "configurationItemStatus": "ResourceDiscovered",
        "configurationStateId": 1_772_453_862_807_u64,
        "awsAccountId": user["Arn"].as_str().unwrap().split(':').nth(4),
        "resourceType": "AWS::IAM::User",
        "resourceId": user["UserId"],
        "resourceName": user["UserName"],
        "ARN": user["Arn"],
        "awsRegion": "global",
        "availabilityZone": "Not Applicable",
        "resourceCreationTime": user["CreateDate"],
        "relationships": [],
        "tags": {},
    })
}

/// The event that AWS Config sends when it has recorded an item, with a token that asks for a test only: moto takes no
/// other evaluations.
pub(crate) fn event_of(item: &Value, rule_parameters: &Value) -> Value {
    let account = item["awsAccountId"].as_str().unwrap();
    let invoking_event = json!({
        "messageType": "ConfigurationItemChangeNotification",
        "configurationItem": item,
        "configurationItemDiff": null,
        "notificationCreationTime": "2026-03-02T12:17:44.587Z",
        "recordVersion": "1.3",
    });
    json!({
        "version": "1.0",
        "invokingEvent": invoking_event.to_string(),
        "ruleParameters": rule_parameters.to_string(),
        "resultToken": "TESTMODE",
        "eventLeftScope": false,
        "executionRoleArn": format!("arn:aws:iam::{account}:role/config-recorder"),
        "configRuleArn": format!("arn:aws:config:us-east-1:{account}:config-rule/config-rule-a1b2c3"),
        "configRuleName": "iam-user-no-setup-access-keys",
        "configRuleId": "config-rule-a1b2c3",
        "accountId": account,
        "evaluationMode": "DETECTIVE",
    })
}
