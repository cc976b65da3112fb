//! The README, the threat model and the licence list, held to the code: what a command prints, tables, names of tests.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use setup_keys::rule::parameters::{GivenParameters, ParameterName, Profile};

const README: &str = include_str!("../README.md");
const THREAT_MODEL: &str = include_str!("../docs/threat-model.md");

/// Cells of the rows of the table that has this header.
fn table(header: &str) -> Vec<Vec<&'static str>> {
    let (_, after) = README.split_once(&format!("\n{header}\n")).unwrap_or_else(|| panic!("no table `{header}`"));
    let rows = after.lines().skip(1).take_while(|line| line.starts_with('|'));
    rows.map(|row| row.trim_matches('|').split('|').map(str::trim).collect()).collect()
}

#[test]
fn commands_print_what_it_shows() {
    let blocks = README.split("```console\n$ ").skip(1).map(|rest| rest.split("```").next().unwrap());
    let mut checked = 0;
    for (command, shown) in blocks.filter_map(|block| block.split_once('\n')) {
        let Some(arguments) = command.strip_prefix("cargo run -q -- ") else { continue };
        let output = Command::new(env!("CARGO_BIN_EXE_setup-keys")).args(arguments.split(' ')).output().unwrap();
        assert_eq!(String::from_utf8(output.stdout).unwrap(), shown, "{command}");
        checked += 1;
    }
    assert_eq!(checked, 2);
}

#[test]
fn parameters_are_those_of_the_rule() {
    let rows = table("| parameter | values | default |");
    let names: Vec<_> = rows.iter().map(|row| row[0].trim_matches('`')).collect();
    assert_eq!(names, ParameterName::ALL.iter().map(|name| name.as_str()).collect::<Vec<_>>());
    let defaults = GivenParameters::default().resolve().to_pairs();
    for (row, (name, default)) in rows.iter().zip(defaults) {
        assert!(row[2] == "by profile" || row[2] == format!("`{default}`"), "{}: {}", name.as_str(), row[2]);
    }
}

#[test]
fn profiles_are_those_of_the_rule() {
    let rows = table("| profile | window | password | status | use | whose rule |");
    assert_eq!(rows.len(), Profile::ALL.len());
    for (row, profile) in rows.iter().zip(Profile::ALL) {
        let rule = GivenParameters { profile: Some(*profile), ..GivenParameters::default() }.resolve();
        let expected = [
            format!("`{profile}`"),
            rule.setup_window.to_string(),
            rule.console_password.to_string(),
            rule.key_status.to_string(),
            rule.key_usage.to_string(),
        ];
        assert_eq!(row[..5], expected);
        assert_eq!(row[5], profile.origin().to_string());
    }
}

/// What stands between marks of code.
fn quoted(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

#[test]
fn failures_are_those_that_an_invocation_can_end_with() {
    let rows = table("| `error_type` | meaning | what to do |");
    let listed: Vec<_> = rows.iter().map(|row| row[0].trim_matches('`')).collect();
    let names: BTreeSet<_> = listed.iter().copied().collect();
    assert_eq!(names.len(), listed.len(), "{listed:?}");
    assert!(rows.iter().all(|row| row.len() == 3 && row.iter().all(|cell| !cell.is_empty())));

    // Each of both functions is one match from kind to name.
    let source = fs::read_to_string("src/error.rs").unwrap();
    let codes = source.split("fn code(").skip(1).map(|rest| rest.split("\n    }\n").next().unwrap());
    let in_code: BTreeSet<_> = codes.flat_map(|body| body.split('"').skip(1).step_by(2)).collect();
    // A replay of the tool, which is no invocation.
    let in_code: BTreeSet<_> = in_code.into_iter().filter(|code| *code != "ScheduledOffline").collect();
    assert_eq!(names, in_code);
}

#[test]
fn alarms_are_those_of_the_stack() {
    let rows = table("| alarm | meaning | what to do |");
    let listed: BTreeSet<_> = rows.iter().map(|row| row[0].trim_matches('`')).collect();
    let template = fs::read_to_string("cloudformation/member.yaml").unwrap();
    let resources = template.split_once("\nResources:\n").unwrap().1;
    let alarms = resources.split("\n    Type: AWS::CloudWatch::Alarm\n").map(|before| before.lines().last().unwrap());
    let mut made: Vec<_> = alarms.map(|line| line.trim().trim_end_matches(':')).collect();
    made.pop();
    assert_eq!(listed, made.into_iter().collect());
}

/// A file of tests and its modules.
fn with_modules(file: &str) -> String {
    let modules = fs::read_dir(file.trim_end_matches(".rs")).into_iter().flatten().map(|entry| entry.unwrap().path());
    let files = modules.filter(|path| path.is_file()).chain([file.into()]);
    files.map(|path| fs::read_to_string(path).unwrap()).collect()
}

#[test]
fn threats_are_met_by_tests_that_exist() {
    let (_, after) = THREAT_MODEL.split_once("\n| threat | control | shown by |\n").unwrap();
    let rows: Vec<_> = after.lines().skip(1).take_while(|line| line.starts_with('|')).collect();
    assert!(rows.len() >= 12);
    for row in rows {
        let shown_by = row.trim_matches('|').rsplit('|').next().unwrap();
        let (mut source, mut tests) = (String::new(), 0);
        for name in quoted(shown_by) {
            if fs::exists(name).unwrap() {
                source = with_modules(name);
            } else if !name.starts_with("make ") {
                let found = source.contains(&format!("fn {name}(")) || source.contains(&format!("        {name}\n"));
                assert!(found || source.contains(&format!(" {name} => ")), "no test {name}: {row}");
                tests += 1;
            }
        }
        assert!(tests > 0 || shown_by.contains("`make deny`"), "{row}");
    }
}
