//! The scripts as text: their syntax, what a linter says, and that the help is complete.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::python_support::python_file;
use crate::{Aws, script_command};

const SCRIPTS: [&str; 5] = ["preflight.sh", "deploy-account.sh", "deploy-organization.sh", "status.sh", "remove.sh"];

fn all_scripts() -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts");
    let files = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|path| path.extension().is_some_and(|extension| extension == "sh")).collect()
}

/// The settings that the scripts have, by what their library reads.
pub(crate) fn settings() -> BTreeSet<String> {
    let library = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/lib.sh")).unwrap();
    library
        .lines()
        .filter_map(|line| line.split_once("=${"))
        .filter(|(name, rest)| {
            name.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_') && rest.starts_with(name)
        })
        .map(|(name, _)| name.to_owned())
        .collect()
}

#[test]
fn bash_takes_them() {
    for script in all_scripts() {
        let output = Command::new("bash").arg("-n").arg(&script).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn shellcheck_finds_nothing() {
    let shellcheck = python_file("bin/shellcheck");
    if !cfg!(target_arch = "x86_64") && !shellcheck.exists() {
        return; // There is no package of it for this machine.
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let output = Command::new(shellcheck).arg("-x").args(all_scripts()).current_dir(root).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn help_lists_every_setting_that_a_script_uses() {
    let settings = settings();
    assert!(settings.len() >= 15, "{settings:?}");
    let mut helped = BTreeSet::new();
    for script in SCRIPTS {
        let output = script_command(script).arg("--help").output().unwrap();
        assert!(output.status.success(), "{script}");
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{script}");
        let help = String::from_utf8(output.stdout).unwrap();
        assert!(help.starts_with(&format!("usage: scripts/{script} ")), "{help}");
        assert!(help.lines().all(|line| line.len() <= 120), "{help}");
        let own = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts").join(script)).unwrap();
        for setting in &settings {
            let described = help.contains(&format!("\n  {setting} "));
            let used = own.contains(&format!("${setting}")) || own.contains(&format!("${{{setting}"));
            assert!(described || !used, "{script} --help lacks {setting}");
            if described {
                helped.insert(setting.clone());
            }
        }
    }
    assert_eq!(helped, settings);
}

#[test]
fn wrong_usage_is_told_before_anything_is_run() {
    let aws = Aws::organization();
    for (script, arguments, settings, said) in [
        ("preflight.sh", &["everything"][..], &[][..], "unknown argument 'everything'"),
        ("status.sh", &["--fast"], &[], "unknown argument '--fast'"),
        ("remove.sh", &[], &[], "say which: account or organization"),
        ("remove.sh", &["account", "--force"], &[], "unknown argument '--force'"),
        ("deploy-account.sh", &["fast"], &[], "unknown argument 'fast': parameters are given as NAME=VALUE"),
        ("deploy-account.sh", &["Window=60"], &[], "there is no parameter Window. The rule has Frequency, Profile, "),
        ("deploy-account.sh", &["Profile=best"], &[], "Profile is 'best', and can be one of [cis, check-point,"),
        ("deploy-account.sh", &["KeyStatus=Active"], &[], "KeyStatus is 'Active', and can be one of ['', active, any]"),
        (
            "deploy-account.sh",
            &["SetupWindowSeconds=86401"],
            &[],
            "SetupWindowSeconds is '86401', which does not match",
        ),
        ("deploy-account.sh", &["MaxExceptionDays=0"], &[], "MaxExceptionDays is '0', which does not match"),
        ("deploy-account.sh", &["LogLevel=ERROR"], &[], "LogLevel is 'ERROR', and can be one of [TRACE, DEBUG, INFO]"),
        ("deploy-account.sh", &["Profile=cis", "Profile=kertos"], &[], "Profile is given twice"),
        ("deploy-account.sh", &["EvaluatorKey=x.zip"], &[], "EvaluatorKey is set by this script"),
        ("deploy-organization.sh", &["CallAs=SELF"], &[], "CallAs is set by this script"),
        ("deploy-organization.sh", &[], &[("ORG_UNITS", "ou-ab12-11111111,sandbox")], "ORG_UNITS is 'sandbox', which"),
        ("deploy-organization.sh", &[], &[("EXCLUDED_ACCOUNTS", "12345")], "has '12345', which is no account id"),
        ("deploy-organization.sh", &[], &[("MANAGEMENT_PROFILE", "x")], "MANAGEMENT_PROFILE is for CALL_AS=DELEGATED"),
        ("deploy-organization.sh", &[], &[("CALL_AS", "DELEGATED_ADMIN")], "set MANAGEMENT_PROFILE, or EXCLUDE_"),
        ("deploy-organization.sh", &[], &[("CALL_AS", "delegated")], "CALL_AS is 'delegated', and can be: SELF DELEG"),
        ("deploy-account.sh", &[], &[("ARCHITECTURE", "arm")], "ARCHITECTURE is 'arm', and can be: x86_64 arm64"),
        ("status.sh", &[], &[("PACK_NAME", "1st")], "PACK_NAME is '1st', and can be 1 to 58 letters"),
        ("status.sh", &[], &[("WAIT_SECONDS", "1.5")], "WAIT_SECONDS is '1.5', and can be a whole number"),
        ("status.sh", &[], &[("WAIT_TRIES", "0")], "WAIT_TRIES is '0', and can be a whole number from 1"),
        ("status.sh", &[], &[("DRY_RUN", "yes")], "DRY_RUN is 'yes', and can be: 0 1"),
    ] {
        let run = aws.fail(2, said, script, arguments, settings);
        assert_eq!(run.calls, <[Vec<String>; 0]>::default(), "{script}");
    }
}

#[test]
fn region_is_the_one_that_the_aws_cli_has() {
    let aws = Aws::account();
    let run = aws.succeed("preflight.sh", &[], &[("AWS_REGION", "")]);
    assert_eq!(run.commands()[0], "configure get");
    assert!(run.stderr.contains("+ export AWS_REGION=eu-west-1\n"), "{}", run.stderr);
    let run = aws.succeed("preflight.sh", &[], &[("AWS_REGION", ""), ("AWS_DEFAULT_REGION", "eu-west-1")]);
    assert_eq!(run.commands()[0], "sts get-caller-identity");
}
