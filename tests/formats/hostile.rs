//! Texts of others that would be more than text: markup, formulas, control characters, text that turns around.

use std::fs;

use super::*;

/// Names as no IAM user may have them, but a file may.
const NAMES: [&str; 14] = [
    "=cmd|' /C calc'!A0",
    "+1+1",
    "-2+3",
    "@SUM(1)",
    "＝1+1",
    "<script>alert(1)</script>",
    "[a](https://example.com) {0} \\ *b* `c`",
    "\"quoted\"",
    "two\nlines",
    "al\u{1b}[2Jice",
    "\u{9b}31mred",
    "abc\u{202e}fdp.exe",
    "\u{2066}isolated\u{2069}",
    "häßlich 日本語",
];

/// The account id, too: nothing says that what a file calls an ARN is one.
fn report(test: &str) -> String {
    let mut writer = csv::Writer::from_path(directory(test).join("report.csv")).unwrap();
    let example = fs::read_to_string(REPORT).unwrap();
    let mut records = csv::Reader::from_reader(example.as_bytes());
    writer.write_record(records.headers().unwrap()).unwrap();
    let alice = records.records().nth(1).unwrap().unwrap();
    for name in NAMES {
        let arn = format!("arn:aws:iam::111122223333:user/{name}");
        let cells = [name, &arn].into_iter().chain(alice.iter().skip(2));
        writer.write_record(cells).unwrap();
    }
    drop(writer);
    text(&Path::new(env!("CARGO_TARGET_TMPDIR")).join("formats").join(test).join("report.csv")).to_owned()
}

fn is_harmless(c: char) -> bool {
    c == '\n' || c == '\r' || !setup_keys::text::is_hostile(c)
}

#[track_caller]
fn audit(test: &str, format: &str) -> String {
    let file = report(test);
    let output = run(&["audit", "--credential-report", &file, "--format", format]);
    assert_eq!((status(&output), stderr(&output)), (1, ""));
    let shown = stdout(&output);
    assert!(shown.chars().all(is_harmless), "{shown:?}");
    shown.to_owned()
}

#[test]
fn csv_has_no_formula_and_loses_no_user() {
    let shown = audit("hostile_csv", "csv");
    let rows = rows(&shown);
    let harmless = |name: &&str| {
        let printable = setup_keys::text::printable(name);
        if printable.starts_with(['=', '+', '-', '@', '＝']) { format!("'{printable}") } else { printable }
    };
    let names: Vec<_> = rows.iter().map(|row| row["userName"].clone()).collect();
    assert_eq!(names, NAMES.iter().map(harmless).collect::<Vec<_>>());
    for cell in rows.iter().flat_map(|row| row.values()) {
        assert!(!cell.starts_with(['=', '+', '-', '@', '\t', '\r']), "{cell}");
    }
    let ends = shown.matches("\r\n").count();
    assert_eq!(ends, NAMES.len() + 1, "each row ends as RFC 4180 has it");
    assert!(shown.contains("\"\"\"quoted\"\"\""));
}

#[test]
fn json_keeps_every_name_as_it_is() {
    let audit: Value = serde_json::from_str(&audit("hostile_json", "json")).unwrap();
    let names: Vec<_> = audit["users"].as_array().unwrap().iter().map(|user| user["userName"].clone()).collect();
    assert_eq!(names, NAMES);
}

#[test]
fn json_lines_keep_every_name_as_it_is() {
    let names: Vec<_> = lines(&audit("hostile_jsonl", "jsonl")).iter().map(|user| user["userName"].clone()).collect();
    assert_eq!(names, NAMES);
}

#[test]
fn sarif_has_no_link_and_no_placeholder_of_theirs() {
    let shown = audit("hostile_sarif", "sarif");
    is_valid("sarif", shown.as_bytes());
    let log: Value = serde_json::from_str(&shown).unwrap();
    let results = log["runs"][0]["results"].as_array().unwrap();
    let names: Vec<_> =
        results.iter().map(|user| user["locations"][0]["logicalLocations"][0]["name"].clone()).collect();
    assert_eq!(names, NAMES);
    let message = results[6]["message"]["text"].as_str().unwrap();
    assert!(message.starts_with("IAM user \\[a\\](https://example.com) {{0}} \\\\ *b* `c`: 1 setup key"), "{message}");
}

#[test]
fn ocsf_keeps_every_name_as_it_is() {
    let shown = audit("hostile_ocsf", "ocsf");
    is_valid("ocsf", shown.as_bytes());
    let names: Vec<_> = lines(&shown).iter().map(|finding| finding["resources"][0]["name"].clone()).collect();
    assert_eq!(names, NAMES);
}

#[test]
fn a_table_replaces_what_a_terminal_would_obey() {
    let shown = audit("hostile_table", "table");
    assert!(shown.contains("al\u{fffd}[2Jice") && shown.contains("abc\u{fffd}fdp.exe"), "{shown}");
    assert!(shown.contains("two\u{fffd}lines") && shown.contains("häßlich 日本語"), "{shown}");
}

#[test]
fn file_names_are_shown_and_encoded_harmlessly() {
    let directory = directory("hostile_file");
    let path = directory.join("a b:ü\u{202e}\u{1b}[2J.csv");
    fs::write(&path, report_of("111122223333", |report| report)).unwrap();
    let mut command = tool(&["audit", "--credential-report", ".", "--format", "sarif"]);
    let output = command.current_dir(&directory).output().unwrap();
    is_valid("sarif", &output.stdout);
    let log: Value = serde_json::from_slice(&output.stdout).unwrap();
    let uri = &log["runs"][0]["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"];
    assert_eq!(uri, "./a%20b%3A%C3%BC%E2%80%AE%1B%5B2J.csv");
    fs::write(&path, "nonsense").unwrap();
    let output = tool(&["audit", "--credential-report", "."]).current_dir(&directory).output().unwrap();
    assert_eq!(status(&output), 2);
    assert!(stderr(&output).chars().all(is_harmless), "{:?}", stderr(&output));
}
