//! The evaluator in AWS's own Lambda runtime interface emulator, with moto for IAM and AWS Config.

mod python_support;

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use python_support::{Moto, Process, TIME_LIMIT, event_of, isolated, item_of, python_file};

/// The account in the ARN that the emulator gives every function; moto's is another.
const ACCOUNT_OF_FUNCTION: &str = "012345678912";

#[test]
fn event_is_judged_and_its_verdict_put() {
    let mut moto = Moto::start();
    let item = item_of_setup_user(&mut moto);
    let function = Emulator::start("127.0.8.1", &moto, Some(&format!("111122223333, {}", account_id(&item))));
    assert_eq!(function.invoke(&event_of(&item, &json!({})).to_string()), Value::Null);
    assert_eq!(verdict_put(&mut moto), "NON_COMPLIANT");
}

#[test]
fn bad_event_fails_its_invocation_only() {
    let mut moto = Moto::start();
    let mut item = item_of_setup_user(&mut moto);
    let function = Emulator::start("127.0.8.2", &moto, Some(&account_id(&item)));

    let failure = function.invoke("{\"version\":");
    assert_eq!(failure["errorType"], "InvalidEvent");
    assert_eq!(failure["errorMessage"], "invalid event: `event`: EOF while parsing a value at line 1 column 11");

    let user_id = item["resourceId"].take();
    let failure = function.invoke(&event_of(&item, &json!({})).to_string());
    assert_eq!(failure["errorType"], "InvalidEvent");
    assert_eq!(failure["errorMessage"], "invalid event: `invokingEvent.configurationItem.resourceId`: is missing");

    item["resourceId"] = user_id;
    let failure = function.invoke(&event_of(&item, &json!({ "setupWindowSeconds": "soon" })).to_string());
    assert_eq!(failure["errorType"], "InvalidRuleParameter");
    assert_eq!(moto.take_requests(), Vec::<Value>::new());

    assert_eq!(function.invoke(&event_of(&item, &json!({})).to_string()), Value::Null);
    assert_eq!(verdict_put(&mut moto), "NON_COMPLIANT");
}

#[test]
fn event_of_another_account_is_refused_unread() {
    let mut moto = Moto::start();
    let item = item_of_setup_user(&mut moto);
    let function = Emulator::start("127.0.8.3", &moto, None);
    let failure = function.invoke(&event_of(&item, &json!({})).to_string());
    assert_eq!(failure["errorType"], "AccountRefused");
    let message = failure["errorMessage"].as_str().unwrap();
    assert!(message.contains(&account_id(&item)) && message.contains(ACCOUNT_OF_FUNCTION), "{message}");
    assert_eq!(moto.take_requests(), Vec::<Value>::new());
}

/// The item of a new user with a password and a setup key.
fn item_of_setup_user(moto: &mut Moto) -> Value {
    let user = moto.create_user("alice");
    moto.create_password(1, "alice");
    moto.create_key(3, "alice");
    item_of(&user)
}

fn account_id(item: &Value) -> String {
    item["awsAccountId"].as_str().unwrap().to_owned()
}

/// The compliance type in the request that was sent last.
fn verdict_put(moto: &mut Moto) -> Value {
    let mut put = moto.take_requests().pop().unwrap();
    assert_eq!(put["operation"], "PutEvaluations");
    put["parameters"]["Evaluations"][0]["ComplianceType"].take()
}

/// The emulator, with the evaluator as its function.
struct Emulator {
    /// Held so that it ends with its test.
    _process: Process,
    address: SocketAddr,
}

impl Emulator {
    /// Starts it on a loopback address that no other test uses, so that a port that is free now stays free: left to
    /// choose its ports, the emulator does not tell which.
    fn start(host: &str, moto: &Moto, allowed_accounts: Option<&str>) -> Self {
        let [address, runtime_api] = [TcpListener::bind((host, 0)).unwrap(), TcpListener::bind((host, 0)).unwrap()]
            .map(|listener| listener.local_addr().unwrap());
        let mut command = isolated(python_file("aws-lambda-rie"));
        command
            .args(["--log-level", "error"])
            .args(["--runtime-interface-emulator-address", &address.to_string()])
            .args(["--runtime-api-address", &runtime_api.to_string()])
            .arg(env!("CARGO_BIN_EXE_evaluator"))
            .envs(allowed_accounts.map(|accounts| ("ALLOWED_ACCOUNTS", accounts)))
            .env("AWS_REGION", "us-east-1")
            .env("AWS_ACCESS_KEY_ID", "test")
            .env("AWS_SECRET_ACCESS_KEY", "test")
            .env("AWS_ENDPOINT_URL_IAM", &moto.endpoint)
            .env("AWS_ENDPOINT_URL_CONFIG_SERVICE", &moto.endpoint);
        Self { _process: Process::start(&mut command), address }
    }

    /// Invokes the function; returns its answer, or `{"errorType", "errorMessage"}`.
    fn invoke(&self, event: &str) -> Value {
        let mut connection = self.connect();
        connection.set_read_timeout(Some(TIME_LIMIT)).unwrap();
        write!(
            connection,
            "POST /2015-03-31/functions/function/invocations HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\
             Content-Length: {}\r\n\r\n{event}",
            self.address,
            event.len()
        )
        .unwrap();
        let mut response = String::new();
        connection.read_to_string(&mut response).unwrap();
        let (head, body) = response.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200 "), "{response}");
        serde_json::from_str(body).unwrap()
    }

    /// The emulator says nowhere that it listens, so it is tried until it does.
    fn connect(&self) -> TcpStream {
        let pause = Duration::from_millis(10);
        (0..TIME_LIMIT.as_millis() / pause.as_millis())
            .find_map(|_| TcpStream::connect(self.address).inspect_err(|_| thread::sleep(pause)).ok())
            .expect("the emulator listens")
    }
}
