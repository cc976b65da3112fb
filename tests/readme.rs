//! The README, held to the code: what it says a command prints, and its tables.

use std::process::Command;

use setup_keys::rule::parameters::{GivenParameters, ParameterName, Profile};

const README: &str = include_str!("../README.md");

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
