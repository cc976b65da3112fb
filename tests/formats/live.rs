//! Live audits: exceptions in every format, and the credential report kept as evidence.

use support::aws::{AwsDouble, Fault, FaultKind, User};
use support::{ACCOUNT, time};

use super::*;

const CREATED: &str = "2026-03-02T10:15:01Z";
/// Of the double; the exception is in force.
const OWNER: &str = "=ops+team@example.com";

fn account() -> AwsDouble {
    let frank = User::new("frank", CREATED).path("/a/b/").id("AIDAEXAMPLEFRANK00001").password();
    let frank = frank.key("AKIAFRANK00000000001", 4).tag("setup-keys:exception-owner", OWNER);
    let frank =
        frank.tag("setup-keys:exception-expires", "2026-03-20").tag("setup-keys:exception-reason", "till \"May\"");
    let alice = User::new("alice", CREATED).password().key("AKIAALICE00000000001", 4);
    AwsDouble::with_users([alice, frank, User::new("carol", CREATED).password()])
}

#[track_caller]
fn audit(aws: &AwsDouble, arguments: &[&str]) -> Output {
    let output = run_live(aws, &[&["audit", "--now", "2026-03-10T00:00:00Z"], arguments].concat());
    assert_eq!((status(&output), stderr(&output)), (1, ""));
    output
}

#[test]
fn sarif_suppresses_who_is_excepted() {
    let output = audit(&account(), &["--format", "sarif"]);
    is_valid("sarif", &output.stdout);
    let log: Value = serde_json::from_slice(&output.stdout).unwrap();
    let results = log["runs"][0]["results"].as_array().unwrap();
    assert_eq!(results.len(), 2);
    assert_eq!(results[0].get("suppressions"), None);
    assert_eq!(results[0]["properties"]["setupKeys"][0]["accessKeyId"], "AKIAALICE00000000001");
    let justification = format!("Exception until 2026-03-20 (UTC), owner {OWNER}: till \"May\"");
    assert_eq!(
        results[1]["suppressions"],
        json!([{"kind": "external", "status": "accepted", "justification": justification}])
    );
    let place = &results[1]["locations"][0];
    assert_eq!(place["physicalLocation"]["artifactLocation"]["uri"], format!("iam/{ACCOUNT}/user/a/b/frank"));
    assert_eq!(place["logicalLocations"][0]["fullyQualifiedName"], format!("arn:aws:iam::{ACCOUNT}:user/a/b/frank"));
}

#[test]
fn ocsf_suppresses_who_is_excepted() {
    let output = audit(&account(), &["--format", "ocsf"]);
    is_valid("ocsf", &output.stdout);
    let findings = lines(stdout(&output));
    let said = |name: &str| {
        let finding = findings.iter().find(|finding| finding["resources"][0]["name"] == name).unwrap();
        (
            finding["compliance"]["status"].as_str().unwrap(),
            finding["status"].as_str().unwrap(),
            finding["severity_id"].as_i64().unwrap(),
        )
    };
    assert_eq!(said("alice"), ("Fail", "New", 3));
    assert_eq!(said("frank"), ("Pass", "Suppressed", 1));
    assert_eq!(said("carol"), ("Pass", "New", 1));
    assert_eq!(findings[0]["time"], time("2026-03-10T00:00:00Z").timestamp_millis());
    let frank = findings.iter().find(|finding| finding["resources"][0]["uid_alt"] == "AIDAEXAMPLEFRANK00001");
    assert_eq!(frank.unwrap()["unmapped"]["exception"]["owner"], OWNER);
}

#[test]
fn csv_tells_the_exception_without_a_formula() {
    let output = audit(&account(), &["--format", "csv"]);
    let rows = rows(stdout(&output));
    let frank = rows.iter().find(|row| row["userName"] == "frank").unwrap();
    let cells =
        ["exceptionOwner", "exceptionExpires", "exceptionReason", "setupKeys"].map(|column| frank[column].clone());
    assert_eq!(cells, [&format!("'{OWNER}"), "2026-03-20", "till \"May\"", "AKIAFRANK00000000001|4|Active|never"]);
}

#[test]
fn the_credential_report_is_kept_as_iam_gave_it() {
    let aws = account();
    aws.account(|account| account.edit_report(|report| report + "\n\r\n"));
    let path = directory("kept").join("evidence.csv");
    fs::write(&path, "old").unwrap();
    audit(&aws, &["--save-report", text(&path)]);
    let kept = fs::read_to_string(&path).unwrap();
    let given = aws.account(|account| account.report.content.clone());
    assert!(kept.starts_with("user,arn,user_creation_time") && kept.contains("/a/b/frank"), "{kept}");
    assert_eq!(Some(kept), given);
    let output = run(&["audit", "--credential-report", text(&path)]);
    assert!(stdout(&output).contains(&format!("Account {ACCOUNT}: 3 users, 2 NON_COMPLIANT")), "{}", stdout(&output));
}

#[test]
fn evidence_that_is_not_to_be_had_is_an_error_beside_the_verdicts() {
    let aws = account();
    aws.fail(Fault::new("GenerateCredentialReport", FaultKind::AccessDenied));
    let path = directory("not_kept").join("evidence.csv");
    let output = run_live(&aws, &["audit", "--quiet", "--save-report", text(&path)]);
    assert_eq!(status(&output), 2);
    let message = format!("error: {}: not written: there is no credential report to keep\n", path.display());
    assert_eq!(stderr(&output), message, "and no warning, which --quiet leaves out");
    assert!(stdout(&output).contains("3 users") && !path.exists(), "{}", stdout(&output));

    let output = run_live(&account(), &["audit", "--save-report", "src"]);
    assert_eq!((status(&output), stderr(&output)), (2, "error: src: Is a directory (os error 21)\n"));
    assert!(stdout(&output).contains("3 users"));
}
