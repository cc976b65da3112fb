//! Which credential reports the command line means: files, directories, patterns, standard input.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::{Failure, Input};

/// The extensions that a report may have in a directory.
const EXTENSIONS: [&str; 2] = ["csv", "json"];

/// The reports that were asked for, each once, in the order of the command line; those of a directory or a pattern sorted.
///
/// # Errors
///
/// - [`Failure`] if a directory has no report, a pattern fits no file, or either cannot be read.
pub(super) fn expand(named: &[Input]) -> Result<Vec<Input>, Failure> {
    let mut seen = HashSet::new();
    let mut reports = Vec::new();
    for input in named {
        reports.extend(files(input)?.into_iter().filter(|report| seen.insert(report.0.clone())));
    }
    Ok(reports)
}

fn files(input: &Input) -> Result<Vec<Input>, Failure> {
    let path = &input.0;
    if path.is_dir() {
        return in_directory(path);
    }
    // A file of just this name is meant, whatever characters are in it.
    let pattern = path.to_str().filter(|text| text.contains(['*', '?', '[']) && !path.exists());
    let Some(pattern) = pattern else { return Ok(vec![input.clone()]) };
    let matches = glob::glob(pattern).map_err(|error| format!("{input}: not a pattern: {error}"))?;
    let mut found = Vec::new();
    for entry in matches {
        let path = entry.map_err(|error| format!("{}: {}", error.path().display(), error.error()))?;
        if !path.is_dir() {
            found.push(Input(path));
        }
    }
    if found.is_empty() {
        return Err(Failure(format!("{input}: no file fits this pattern")));
    }
    Ok(found)
}

fn in_directory(directory: &Path) -> Result<Vec<Input>, Failure> {
    let failure = |error| format!("{}: {error}", directory.display());
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).map_err(failure)? {
        let path: PathBuf = entry.map_err(failure)?.path();
        let is_report = path
            .extension()
            .is_some_and(|extension| EXTENSIONS.iter().any(|known| extension.eq_ignore_ascii_case(known)));
        if is_report && path.is_file() {
            found.push(path);
        }
    }
    if found.is_empty() {
        return Err(Failure(format!("{}: no *.csv or *.json in this directory", directory.display())));
    }
    found.sort();
    Ok(found.into_iter().map(Input).collect())
}
