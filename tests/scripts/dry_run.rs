//! `DRY_RUN=1`: every command is printed and none is run.

use std::fs;
use std::path::Path;

use crate::{ACCOUNT, Aws, REGION, Run, script_command};

/// What a script prints in a dry run, hashes of contents left out.
fn plan(script: &str, arguments: &[&str], settings: &[(&str, &str)]) -> String {
    // Neither an AWS CLI nor a region nor a package is needed.
    let mut command = script_command(script);
    command.args(arguments).envs(settings.iter().copied()).env("DRY_RUN", "1").env("PATH", "/usr/bin:/bin");
    command.env_remove("AWS_REGION").env_remove("FAKE_AWS_PORT");
    // Whether there is a package on this machine must make no difference.
    let nowhere = concat!(env!("CARGO_MANIFEST_DIR"), "/target/not-packaged");
    command.env("PACKAGE_DIR", nowhere);
    let output = command.output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{script}");
    assert!(output.status.success(), "{script}");
    without_hashes(&String::from_utf8(output.stdout).unwrap()).replace(nowhere, "target/package")
}

/// `<sha256>` for each 64 hexadecimal digits in a row.
fn without_hashes(text: &str) -> String {
    let mut result = String::new();
    for part in text.split_inclusive(|character: char| !character.is_ascii_hexdigit()) {
        let word = part.trim_end_matches(|character: char| !character.is_ascii_hexdigit());
        result += &if word.len() == 64 { part.replace(word, "<sha256>") } else { part.to_owned() };
    }
    result
}

/// Compares with a file of `tests/scripts/expected`; with `UPDATE_EXPECTED` set, writes it.
#[track_caller]
fn assert_plan(name: &str, script: &str, arguments: &[&str], settings: &[(&str, &str)]) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scripts/expected").join(name).with_extension("txt");
    let plan = plan(script, arguments, settings);
    if std::env::var_os("UPDATE_EXPECTED").is_some() {
        fs::write(&path, &plan).unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap();
    for (number, (line, expected)) in plan.lines().zip(expected.lines()).enumerate() {
        assert_eq!(line, expected, "{}, line {}", path.display(), number + 1);
    }
    assert_eq!(plan.len(), expected.len(), "{}", path.display());
}

#[test]
fn plans_are_as_expected() {
    assert_plan("preflight-account", "preflight.sh", &[], &[]);
    assert_plan("preflight-organization", "preflight.sh", &["organization"], &[]);
    assert_plan("deploy-account", "deploy-account.sh", &["SetupWindowSeconds=120", "LogLevel=DEBUG"], &[]);
    assert_plan(
        "deploy-account-remediation",
        "deploy-account.sh",
        &["Automatic=true"],
        &[("REMEDIATION", "1"), ("SKIP_PREFLIGHT", "1")],
    );
    let existing = [("ARTIFACT_BUCKET", "artifacts"), ("AWS_REGION", "us-east-1"), ("SKIP_PREFLIGHT", "1")];
    assert_plan("deploy-account-bucket", "deploy-account.sh", &[], &existing);
    assert_plan("deploy-organization", "deploy-organization.sh", &["Profile=check-point"], &[]);
    let delegated = [
        ("CALL_AS", "DELEGATED_ADMIN"),
        ("MANAGEMENT_PROFILE", "management"),
        ("ORG_UNITS", "ou-ab12-11111111"),
        ("EXCLUDED_ACCOUNTS", "333344445555"),
    ];
    assert_plan("deploy-organization-delegated", "deploy-organization.sh", &[], &delegated);
    assert_plan("status-account", "status.sh", &[], &[]);
    assert_plan("status-organization-fix", "status.sh", &["organization", "--fix"], &[]);
    assert_plan("remove-account", "remove.sh", &["account"], &[]);
    assert_plan("remove-organization", "remove.sh", &["organization", "--yes"], &[]);
}

/// The commands in what a script prints, and those that a dry run prints with its placeholders filled in.
#[track_caller]
fn assert_runs_what_it_plans(run: &Run, plan: &str, package_directory: &Path) {
    let shown = |text: &str| -> Vec<String> {
        text.lines().filter(|line| line.starts_with("+ ")).map(|line| line.replace('\'', "")).collect()
    };
    let mut plan = plan.replace("target/package/", &format!("{}/", package_directory.display()));
    for (placeholder, value) in [
        ("<account>", ACCOUNT),
        ("<region>", REGION),
        ("<recorder>", "default"),
        ("<organization>", "o-exampleorg1"),
        ("<root-id>", "r-ab12"),
        ("<bucket>", "setup-keys-organization-artifacts-1a2b3c4d5e6f"),
    ] {
        plan = plan.replace(placeholder, value);
    }
    assert_eq!(shown(&without_hashes(&run.stderr)), shown(&plan));
}

#[test]
fn first_deployment_runs_what_a_dry_run_shows() {
    let aws = Aws::account();
    let run = aws.succeed("deploy-account.sh", &["SetupWindowSeconds=120"], &[]);
    assert_runs_what_it_plans(&run, &plan("deploy-account.sh", &["SetupWindowSeconds=120"], &[]), &aws.directory);

    let aws = Aws::organization();
    let run = aws.succeed("deploy-organization.sh", &[], &[]);
    assert_runs_what_it_plans(&run, &plan("deploy-organization.sh", &[], &[]), &aws.directory);
}

#[test]
fn nothing_is_run() {
    let aws = Aws::organization();
    for (script, arguments) in [
        ("preflight.sh", &["organization"][..]),
        ("deploy-account.sh", &[]),
        ("deploy-organization.sh", &[]),
        ("status.sh", &["organization", "--fix"]),
        ("remove.sh", &["organization", "--yes"]),
    ] {
        let run = aws.succeed(script, arguments, &[("DRY_RUN", "1")]);
        assert_eq!(run.commands(), <[String; 0]>::default());
        assert_eq!(run.stderr, "");
    }
}
