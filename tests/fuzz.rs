//! The inputs that fuzzing found to go different ways, kept in `fuzz/corpus`, as ordinary tests.

#[path = "../fuzz/targets.rs"]
mod targets;

use std::fs;
use std::path::Path;

fn run(target: &str, check: impl Fn(&[u8])) {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let inputs: Vec<_> = fs::read_dir(corpus).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(inputs.len() >= 10, "{target}: {} inputs", inputs.len());
    for input in inputs {
        println!("{}", input.display());
        check(&fs::read(input).unwrap());
    }
}

#[test]
fn events() {
    run("event", targets::event);
}

#[test]
fn rule_parameters() {
    run("parameters", targets::parameters);
}

#[test]
fn credential_reports() {
    run("report", targets::report);
}

#[test]
fn exceptions() {
    run("exception", targets::exception);
}

#[test]
fn annotations() {
    run("annotation", targets::annotation);
}
