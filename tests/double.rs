//! The stand-in for AWS that other tests rely on: it refuses what AWS refuses, and the evaluator works with it.

mod support;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::{Value, json};
use support::aws::{AwsDouble, Fault, FaultKind, Key, Times, User};
use support::process::{Lambda, Outcome};
use support::{ACCOUNT, RULE, events, time};

const EVALUATOR: &str = env!("CARGO_BIN_EXE_evaluator");
const CREATED: &str = "2026-03-02T10:15:01Z";

/// Status and body of the answer to a request; `None` if the connection closed before there was a whole one.
fn post(double: &AwsDouble, headers: &[(&str, &str)], body: &str) -> Option<(u16, String)> {
    let address = double.url().replace("http://", "");
    let mut stream = TcpStream::connect(&address).expect("the double listens");
    let headers: String = headers.iter().flat_map(|(name, value)| [*name, ": ", *value, "\r\n"]).collect();
    let request = format!(
        "POST / HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-length: {}\r\n{headers}\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).expect("the double reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let mut fields = [httparse::EMPTY_HEADER; 16];
    let mut head = httparse::Response::new(&mut fields);
    let httparse::Status::Complete(start) = head.parse(answer.as_bytes()).ok()? else { return None };
    let length = head.headers.iter().find(|field| field.name == "content-length")?.value;
    let length: usize = std::str::from_utf8(length).ok()?.parse().ok()?;
    let body = &answer[start..];
    (body.len() == length).then(|| (head.code.unwrap_or_default(), body.to_owned()))
}

fn authorization(service: &str, access_key_id: &str) -> String {
    let scope = format!("{access_key_id}/20260302/us-east-1/{service}/aws4_request");
    format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host;x-amz-date, Signature=0f1e2d3c")
}

fn query(double: &AwsDouble, (service, version): (&str, &str), form: &str) -> Option<(u16, String)> {
    let headers = [
        ("content-type", "application/x-www-form-urlencoded"),
        ("x-amz-date", "20260302T101501Z"),
        ("authorization", &authorization(service, support::aws::ACCESS_KEY_ID)),
    ];
    post(double, &headers, &format!("{form}&Version={version}"))
}

fn iam(double: &AwsDouble, form: &str) -> (u16, String) {
    query(double, ("iam", "2010-05-08"), form).expect("a whole answer")
}

fn config(double: &AwsDouble, action: &str, body: &Value) -> (u16, Value) {
    let headers = [
        ("content-type", "application/x-amz-json-1.1"),
        ("x-amz-target", &format!("StarlingDoveService.{action}")),
        ("x-amz-date", "20260302T101501Z"),
        ("authorization", &authorization("config", support::aws::ACCESS_KEY_ID)),
    ];
    let (status, body) = post(double, &headers, &body.to_string()).expect("a whole answer");
    (status, serde_json::from_str(&body).expect("JSON"))
}

/// The text of the first element of this name.
fn element<'a>(xml: &'a str, name: &str) -> &'a str {
    let start = xml.find(&format!("<{name}>")).map(|at| at + name.len() + 2);
    let end = xml.find(&format!("</{name}>"));
    start.zip(end).map(|(start, end)| &xml[start..end]).unwrap_or_default()
}

fn evaluation(id: &str) -> Value {
    json!({
        "ComplianceResourceType": "AWS::IAM::User",
        "ComplianceResourceId": id,
        "ComplianceType": "COMPLIANT",
        "Annotation": "fine",
        "OrderingTimestamp": 1_772_446_664.587,
    })
}

fn put(double: &AwsDouble, token: &str, evaluations: &[Value]) -> (u16, Value) {
    config(double, "PutEvaluations", &json!({"Evaluations": evaluations, "ResultToken": token}))
}

#[track_caller]
fn assert_refused((status, body): (u16, Value), code: &str) {
    assert_eq!((status, body["__type"].as_str()), (400, Some(code)), "{body}");
}

#[test]
fn lists_in_short_pages() {
    let key = |number| format!("AKIAPAGES{number:011}");
    let user = (0..5).fold(User::new("alice", CREATED), |user, number| user.key(&key(number), number));
    let double = AwsDouble::with_users([user]);
    double.set_page_size(2);

    let mut listed = Vec::new();
    let mut form = "Action=ListAccessKeys&UserName=ALICE".to_owned();
    loop {
        let (status, page) = iam(&double, &form);
        assert_eq!(status, 200, "{page}");
        listed.extend(page.split("<AccessKeyId>").skip(1).map(|rest| rest[..20].to_owned()));
        if element(&page, "IsTruncated") == "false" {
            break;
        }
        let marker: String = form_urlencoded::byte_serialize(element(&page, "Marker").as_bytes()).collect();
        form = format!("Action=ListAccessKeys&UserName=alice&Marker={marker}");
    }
    assert_eq!(listed, (0..5).map(key).collect::<Vec<_>>());
    assert_eq!(double.count("iam", "ListAccessKeys"), 3);

    assert_eq!(element(&iam(&double, "Action=ListUsers&MaxItems=0").1, "Code"), "ValidationError");
    assert_eq!(element(&iam(&double, "Action=ListUsers&MaxItems=1001").1, "Code"), "ValidationError");
    let user = iam(&double, "Action=ListUsers&MaxItems=1000").1;
    assert_eq!(element(&user, "Arn"), "arn:aws:iam::111122223333:user/alice");
}

#[test]
fn answers_about_a_user() {
    let key = Key::new("AKIAUSED000000000001", time(CREATED)).last_used(time("2026-03-05T08:00:00Z"));
    let alice = User::new("alice", CREATED).with_key(key).key("AKIAUNUSED0000000001", 4).tag("team", "R&D <1>");
    let double = AwsDouble::with_users([alice]);

    let (status, alice) = iam(&double, "Action=GetUser&UserName=alice");
    assert_eq!((status, element(&alice, "Value")), (200, "R&amp;D &lt;1&gt;"));
    let unused = iam(&double, "Action=GetAccessKeyLastUsed&AccessKeyId=AKIAUNUSED0000000001").1;
    assert_eq!((element(&unused, "LastUsedDate"), element(&unused, "Region")), ("", "N/A"));
    let used = iam(&double, "Action=GetAccessKeyLastUsed&AccessKeyId=AKIAUSED000000000001").1;
    assert_eq!(element(&used, "LastUsedDate"), "2026-03-05T08:00:00Z");

    let refused = |form: &str| {
        let (status, body) = iam(&double, form);
        format!("{status} {}: {}", element(&body, "Code"), element(&body, "Message"))
    };
    assert_eq!(
        refused("Action=GetLoginProfile&UserName=alice"),
        "404 NoSuchEntity: Login Profile for User alice cannot be found."
    );
    assert_eq!(
        refused("Action=ListAccessKeys&UserName=bob"),
        "404 NoSuchEntity: The user with name bob cannot be found."
    );
    assert_eq!(
        refused("Action=CreateUser&UserName=bob"),
        "400 InvalidAction: Could not find operation CreateUser for version 2010-05-08"
    );
}

#[test]
fn generates_a_report_of_the_past() {
    let double = AwsDouble::with_users([User::new("zoe", CREATED).password(), User::new("Adam", CREATED)]);
    double.take_report_snapshot(time("2026-03-02T11:00:00Z"));
    double.add(User::new("later", "2026-03-02T12:00:00Z"));

    assert_eq!(element(&iam(&double, "Action=GetCredentialReport").1, "Code"), "ReportNotPresent");
    assert_eq!(element(&iam(&double, "Action=GenerateCredentialReport").1, "State"), "STARTED");
    assert_eq!(iam(&double, "Action=GetCredentialReport").0, 404);
    assert_eq!(element(&iam(&double, "Action=GenerateCredentialReport").1, "State"), "COMPLETE");
    let report = iam(&double, "Action=GetCredentialReport").1;
    assert_eq!(element(&report, "GeneratedTime"), "2026-03-02T11:00:00Z");
    let content = base64::Engine::decode(&base64::prelude::BASE64_STANDARD, element(&report, "Content"));
    let mut rows = csv::Reader::from_reader(std::io::Cursor::new(content.expect("base64")));
    assert_eq!(rows.headers().expect("a header").len(), 22);
    let users: Vec<_> = rows.records().map(|row| row.expect("a row")[0].to_owned()).collect();
    assert_eq!(users, ["<root_account>", "Adam", "zoe"]);
}

#[test]
fn refuses_evaluations_as_config_does() {
    let double = AwsDouble::start();
    let token = double.issue_token(RULE);
    let with = |member: &str, value: Value| {
        let mut evaluation = evaluation("AIDAONE");
        evaluation[member] = value;
        put(&double, &token, &[evaluation])
    };

    let many: Vec<_> = (0..101).map(|number| evaluation(&format!("AIDA{number}"))).collect();
    assert_refused(put(&double, &token, &many), "ValidationException");
    assert_refused(with("Annotation", json!("")), "ValidationException");
    assert_refused(with("Annotation", json!("é".repeat(257))), "ValidationException");
    assert_refused(with("ComplianceType", json!("INSUFFICIENT_DATA")), "ValidationException");
    assert_refused(with("OrderingTimestamp", Value::Null), "ValidationException");
    assert_refused(with("OrderingTimestamp", json!("2026-03-02T10:17:44Z")), "SerializationException");
    assert_refused(put(&double, "forged", &[evaluation("AIDAONE")]), "InvalidResultTokenException");
    assert!(double.put_entries().is_empty());

    assert_eq!(put(&double, &token, &many[..100]).0, 200);
    assert_eq!(with("Annotation", json!("é".repeat(256))).0, 200);
    assert_eq!(double.put_entries().len(), 101);
    let test = json!({"Evaluations": [evaluation("AIDATEST")], "ResultToken": "any", "TestMode": true});
    assert_eq!(config(&double, "PutEvaluations", &test).0, 200);
    assert!(!double.stored_results(RULE).contains_key("AIDATEST"));
}

#[test]
fn newest_evaluation_wins() {
    let double = AwsDouble::start();
    let token = double.issue_token(RULE);
    let put_as = |compliance_type: &str, ordering: f64| {
        let mut evaluation = evaluation("AIDAONE");
        evaluation["ComplianceType"] = json!(compliance_type);
        evaluation["OrderingTimestamp"] = json!(ordering);
        assert_eq!(put(&double, &token, &[evaluation]).0, 200);
        double.stored_results(RULE).get("AIDAONE").map(|(compliance_type, _)| compliance_type.clone())
    };
    assert_eq!(put_as("NON_COMPLIANT", 2.5).as_deref(), Some("NON_COMPLIANT"));
    assert_eq!(put_as("COMPLIANT", 1.0).as_deref(), Some("NON_COMPLIANT"));
    assert_eq!(put_as("NOT_APPLICABLE", 3.0), None);
    assert_eq!(put_as("COMPLIANT", 2.9), None);

    double.account(|account| account.config.hand_back("AIDAONE", Times::N(1)));
    let failed = |(_, body): (u16, Value)| body["FailedEvaluations"].as_array().map(Vec::len);
    assert_eq!(failed(put(&double, &token, &[evaluation("AIDAONE")])), Some(1));
    assert_eq!(failed(put(&double, &token, &[evaluation("AIDAONE")])), Some(0));
}

#[test]
fn shows_results_in_pages() {
    let double = AwsDouble::start();
    double.account(|account| {
        for number in 0..150 {
            let compliance_type = if number < 130 { "COMPLIANT" } else { "NON_COMPLIANT" };
            let id = format!("AIDA{number:03}");
            account.config.store_result(RULE, &id, compliance_type, "fine", time(CREATED));
        }
    });
    let page = |extra: Value| {
        let mut body = json!({"ConfigRuleName": RULE});
        body.as_object_mut().expect("an object").extend(extra.as_object().cloned().unwrap_or_default());
        config(&double, "GetComplianceDetailsByConfigRule", &body)
    };
    let count = |body: &Value| body["EvaluationResults"].as_array().map_or(0, Vec::len);
    let first = page(json!({"Limit": 100, "ComplianceTypes": ["COMPLIANT"]})).1;
    let second = page(json!({"Limit": 100, "ComplianceTypes": ["COMPLIANT"], "NextToken": first["NextToken"]})).1;
    assert_eq!((count(&first), count(&second), &second["NextToken"]), (100, 30, &Value::Null));
    assert_refused(page(json!({"ConfigRuleName": "x".repeat(65)})), "ValidationException");
    assert_refused(page(json!({"ConfigRuleName": "other"})), "NoSuchConfigRuleException");
    assert_refused(page(json!({"Limit": 101})), "ValidationException");
    assert_refused(config(&double, "DeleteConfigRule", &json!({})), "UnknownOperationException");
}

#[test]
fn fails_as_asked() {
    let double = AwsDouble::with_users([User::new("alice", CREATED), User::new("bob", CREATED)]);
    double.fail(Fault::new("ListAccessKeys", FaultKind::Throttle).on("alice").after(1).times(1));
    let list = |user: &str| {
        let (status, body) = iam(&double, &format!("Action=ListAccessKeys&UserName={user}"));
        format!("{status} {}", element(&body, "Code"))
    };
    assert_eq!([list("alice"), list("bob"), list("alice"), list("alice")], ["200 ", "200 ", "400 Throttling", "200 "]);

    double.fail(Fault::new("GetUser", FaultKind::Reset).times(1));
    double.fail(Fault::new("GetUser", FaultKind::TruncatedBody).times(1));
    let get = || query(&double, ("iam", "2010-05-08"), "Action=GetUser&UserName=alice").map(|(status, _)| status);
    assert_eq!([get(), get(), get()], [None, None, Some(200)]);

    double.set_rate_limit(0.001);
    assert_eq!([list("bob"), list("bob")], ["200 ", "400 Throttling"]);
}

#[test]
fn refuses_calls_without_credentials() {
    let double = AwsDouble::with_users([User::new("alice", CREATED)]);
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let (status, body) =
        post(&double, &form, "Action=GetUser&UserName=alice&Version=2010-05-08").expect("a whole answer");
    assert_eq!((status, element(&body, "Code")), (403, "MissingAuthenticationToken"));
    let (status, body) =
        query(&double, ("sts", "2010-05-08"), "Action=GetUser&UserName=alice").expect("a whole answer");
    assert_eq!((status, element(&body, "Code")), (403, "SignatureDoesNotMatch"));
}

#[test]
fn assumed_role_works_in_its_account() {
    let double = AwsDouble::with_users([User::new("alice", CREATED)]);
    double.account_of("444455556666", |account| {
        account.allow_role("reader", Some("secret"));
        account.add(User::new("bob", CREATED));
    });
    let assume = |external_id: &str| {
        let role = "arn%3Aaws%3Aiam%3A%3A444455556666%3Arole%2Freader";
        let form = format!("Action=AssumeRole&RoleArn={role}&RoleSessionName=test&ExternalId={external_id}");
        query(&double, ("sts", "2011-06-15"), &form).expect("a whole answer")
    };
    assert_eq!(assume("guess").0, 403);
    let (status, session) = assume("secret");
    assert_eq!(status, 200, "{session}");

    let authorization = authorization("iam", element(&session, "AccessKeyId"));
    let headers = [
        ("content-type", "application/x-www-form-urlencoded"),
        ("x-amz-date", "20260302T101501Z"),
        ("authorization", &authorization),
        ("x-amz-security-token", element(&session, "SessionToken")),
    ];
    let get = |headers: &[(&str, &str)]| {
        let answer = post(&double, headers, "Action=GetUser&UserName=bob&Version=2010-05-08");
        let (_, body) = answer.expect("a whole answer");
        format!("{}{}", element(&body, "Arn"), element(&body, "Code"))
    };
    assert_eq!(get(&headers), "arn:aws:iam::444455556666:user/bob");
    assert_eq!(get(&headers[..3]), "InvalidClientTokenId");
    double.expire_sessions();
    assert_eq!(get(&headers), "ExpiredToken");
}

#[test]
fn evaluator_judges_a_created_user() {
    let user = User::new("alice", CREATED).password().key("AKIASETUP00000000001", 4).key("AKIASETUP00000000002", 60);
    let double = AwsDouble::with_users([user.clone()]);
    let lambda = Lambda::start(EVALUATOR, &double);
    let token = double.issue_token(RULE);
    lambda.invoke(events::created(ACCOUNT, &user).token(&token)).expect_success();

    let (compliance_type, annotation) = double.stored_results(RULE).remove(&user.user_id).expect("a result");
    assert_eq!(compliance_type, "NON_COMPLIANT");
    assert!(annotation.contains("…0001") && annotation.contains("…0002"), "{annotation}");
    let ordering: Vec<_> = double.put_entries().iter().map(|entry| entry["OrderingTimestamp"].clone()).collect();
    assert_eq!(ordering, [json!(1_772_446_664.587)]);
    let mut calls = double.action_names();
    // Before that, each depends on the one before.
    calls[3..].sort();
    let last_used = "iam:GetAccessKeyLastUsed";
    assert_eq!(
        calls,
        ["iam:ListAccessKeys", "iam:GetLoginProfile", "iam:GetUser", "config:PutEvaluations", last_used, last_used]
    );
    assert!(!lambda.log().contains(&token));
    assert!(!lambda.log_objects().is_empty());
    assert!(lambda.peak_memory_kib() > 1024);
}

#[test]
fn evaluator_fails_with_the_call_that_failed() {
    let user = User::new("alice", CREATED).password().key("AKIASETUP00000000001", 4);
    let double = AwsDouble::with_users([user.clone()]);
    double.fail(Fault::new("ListAccessKeys", FaultKind::AccessDenied));
    let lambda = Lambda::launch(EVALUATOR, &double).runtime_api_prefix("/.rt/evaluator").start();
    let event = events::created(ACCOUNT, &user).token(double.issue_token(RULE));
    let (error_type, error_message) = lambda.invoke_with(Duration::from_secs(30), event).expect_failure();
    assert_eq!(error_type, "AccessDenied", "{error_message}");
    assert_eq!(double.action_names(), ["iam:ListAccessKeys"]);
}

#[test]
fn process_that_ends_is_noticed() {
    let double = AwsDouble::start();
    let lambda = Lambda::launch(EVALUATOR, &double).without_env("AWS_LAMBDA_FUNCTION_NAME").start();
    let Outcome::Exited(status) = lambda.invoke("{}") else { panic!("it should have ended") };
    assert_eq!(status, lambda.wait_for_exit());
    assert_eq!(status.code(), Some(2), "{}", lambda.log());
}

#[test]
fn process_is_ended_at_its_deadline() {
    let double = AwsDouble::start();
    let lambda = Lambda::start(EVALUATOR, &double);
    assert_eq!(lambda.invoke_with(Duration::ZERO, "{}"), Outcome::TimedOut);
    let Outcome::Exited(status) = lambda.invoke("{}") else { panic!("it should have ended") };
    assert_eq!(status.code(), None);
}
