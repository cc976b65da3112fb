//! The CloudFormation templates and the conformance packs: clean by the tools that judge such files, in agreement with the
//! code and with each other, and deployed for real as far as moto goes.
//!
//! The templates are read by cfn-lint (`tests/python/templates.py`), so that no reading of ours hides a fault of theirs.

#[path = "templates/deployed.rs"]
mod deployed;
#[path = "templates/observed.rs"]
mod observed;
#[path = "templates/pack.rs"]
mod pack;
#[path = "templates/policies.rs"]
mod policies;
#[path = "templates/preventive.rs"]
mod preventive;
#[path = "templates/prompt.rs"]
mod prompt;
#[allow(dead_code, reason = "these tests use a part of it")]
mod python_support;
#[path = "templates/remediation.rs"]
mod remediation;
#[path = "templates/render.rs"]
mod render;
#[path = "templates/settings.rs"]
mod settings;

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::LazyLock;

use serde_json::{Map, Value};

use python_support::{isolated, python_file};
use render::Stack;

const MEMBER: &str = "cloudformation/member.yaml";
const ORGANIZATION: &str = "cloudformation/organization.yaml";
const CENTRAL: &str = "cloudformation/central.yaml";
const MEMBER_READ_ROLE: &str = "cloudformation/member-read-role.yaml";
const FORWARD: &str = "cloudformation/forward-iam-events.yaml";
const PACK: &str = "conformance-pack/iam-user-no-setup-access-keys.yaml";
const REMEDIATION_PACK: &str = "conformance-pack/iam-user-no-setup-access-keys-with-remediation.yaml";
const TEMPLATES: [&str; 7] = [MEMBER, FORWARD, ORGANIZATION, CENTRAL, MEMBER_READ_ROLE, PACK, REMEDIATION_PACK];

/// The account and region in which the tests render and deploy. It is moto's account.
const ACCOUNT: &str = "123456789012";
const REGION: &str = "eu-central-1";

/// A template, intrinsic functions in their long form.
fn template(file: &str) -> &'static Value {
    static ALL: LazyLock<Value> = LazyLock::new(|| templates_py("read", &TEMPLATES, &Value::Null));
    &ALL[file]
}

/// The members of an object.
#[track_caller]
fn members(object: &Value) -> &Map<String, Value> {
    object.as_object().unwrap_or_else(|| panic!("not an object: {object}"))
}

/// A value that is one string, or a list of them.
#[track_caller]
fn strings(value: &Value) -> Vec<&str> {
    let list = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
    list.iter().map(|it| it.as_str().unwrap_or_else(|| panic!("not a string: {it}"))).collect()
}

/// What a template makes with the parameters that have no default, and these.
fn stack(file: &str, given: &[(&str, &str)]) -> Stack<'static> {
    let mut parameters = required(file);
    parameters.extend_from_slice(given);
    Stack::new(template(file), &parameters)
}

/// Values for the parameters of a template that have no default.
fn required(file: &str) -> Vec<(&'static str, &'static str)> {
    let artifact = [("ArtifactBucket", "artifacts"), ("EvaluatorKey", "evaluator-0123.zip")];
    let external_id = ("MemberRoleExternalId", "external-id");
    match file {
        MEMBER => artifact.to_vec(),
        FORWARD => vec![("HomeRegion", REGION)],
        ORGANIZATION => vec![("OrganizationId", "o-a1b2c3d4e5"), ("OrganizationalUnitIds", "ou-a1b2-c3d4e5f6,r-a1b2")],
        CENTRAL => {
            let accounts = ("SourceAccounts", "111122223333,444455556666");
            [&artifact[..], &[external_id, accounts, ("OrganizationId", "o-a1b2c3d4e5")]].concat()
        }
        MEMBER_READ_ROLE => vec![
            ("EvaluatorArn", "arn:aws:lambda:eu-central-1:444455556666:function:setup-keys-evaluator"),
            ("EvaluatorRoleArn", "arn:aws:iam::444455556666:role/central"),
            external_id,
        ],
        _ => Vec::new(),
    }
}

/// Parameters of the organization's stack in its second step.
const SECOND_STEP: [(&str, &str); 2] = [("TemplateKey", "member-4567.yaml"), ("EvaluatorKey", "evaluator-0123.zip")];

/// Parameters with which the member stack has everything that it can have.
const EVERYTHING: [(&str, &str); 3] = [
    ("RemediatorKey", "remediator-89ab.zip"),
    ("DeleteInactiveSchedule", "cron(0 3 ? * SUN#1 *)"),
    ("PromptVerdicts", "on"),
];

/// The source files of a directory, and of those below it.
fn sources(directory: impl AsRef<Path>) -> Vec<String> {
    let paths = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let source = |path: PathBuf| if path.is_dir() { sources(path) } else { vec![fs::read_to_string(path).unwrap()] };
    paths.flat_map(source).collect()
}

/// Runs a command of `tests/python/templates.py`.
#[track_caller]
fn templates_py(command: &str, arguments: &[&str], input: &Value) -> Value {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut python = isolated(python_file("bin/python"));
    python.current_dir(root).arg("-I").arg("tests/python/templates.py").arg(command).args(arguments);
    let mut process = python.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    process.stdin.take().unwrap().write_all(input.to_string().as_bytes()).unwrap();
    let output = process.wait_with_output().unwrap();
    assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn cfn_lint_finds_nothing() {
    // The central mode needs a resource type that is not known in the other partitions.
    let everywhere = [MEMBER, FORWARD, ORGANIZATION, MEMBER_READ_ROLE, PACK, REMEDIATION_PACK];
    for (regions, files) in
        [("us-east-1,us-gov-west-1,cn-north-1", &everywhere[..]), ("us-east-1,eu-central-1", &[CENTRAL])]
    {
        let findings = templates_py("lint", &[&[regions], files].concat(), &Value::Null);
        assert_eq!(findings, Value::Array(Vec::new()));
    }
    let findings = templates_py("lint", &["cn-north-1", CENTRAL], &Value::Null);
    assert!(
        findings.to_string().contains("'AWS::Lambda::ResourcePolicy' does not exist in 'cn-north-1'"),
        "{findings}"
    );
}

#[test]
fn templates_are_within_the_limits_of_cloudformation() {
    for file in TEMPLATES {
        // As `--template-body`; a StackSet and a pack in a bucket may have more.
        assert!(fs::metadata(file).unwrap().len() <= 51_200, "{file}");
        assert!(template(file)["Description"].as_str().is_none_or(|text| text.len() <= 1024), "{file}");
        assert!(members(&template(file)["Parameters"]).len() <= 200, "{file}");
    }
}

#[test]
fn templates_name_no_partition_region_or_account() {
    for file in TEMPLATES {
        // Where AWS Config takes no function, and where CloudTrail knows one region.
        let text = fs::read_to_string(file).unwrap();
        let text = match file {
            MEMBER | ORGANIZATION | FORWARD => text
                .replace("Regions: [us-east-1]", "")
                .replace(" in us-east-1", "")
                .replace(" from us-east-1", "")
                .replace(" outside us-east-1", ""),
            REMEDIATION_PACK => text.replace(remediation::ROLE_ARN, "").replace(remediation::PLACEHOLDER, ""),
            _ => text,
        };
        for (number, line) in text.lines().enumerate() {
            let literal = ["arn:aws:", "arn:aws-", "us-east-1", "eu-central-1"].iter().any(|it| line.contains(it));
            let account = line.split(|c: char| !c.is_ascii_digit()).any(|digits| digits.len() == 12);
            // The names of services as principals are the same in all partitions.
            let host = line.contains(".amazonaws.com") && !line.contains("Principal: ");
            assert!(!literal && !account && !host, "{file}:{}: {line}", number + 1);
        }
    }
}
