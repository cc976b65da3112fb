//! CSV (RFC 4180), for spreadsheets: one row a user, written as it is judged.
//!
//! The columns and their order are stable; more may be added at the end. All setup keys of a user stand in one cell, each as
//! `name|seconds after the user|status|last use`, joined by `; `. The name is the access key id, or `slot N` where the
//! source is a credential report; the last use is a time or `never`.
//!
//! A spreadsheet takes a cell that starts with `=`, `+`, `-`, `@`, a tab or a carriage return for a formula, and names of IAM
//! users may start so. Such a cell gets an apostrophe in front, and is quoted (OWASP, "CSV Injection"). Control characters
//! and those that turn the text around are replaced by U+FFFD, as everywhere: IAM allows none.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io;
use std::sync::Arc;

use super::{JudgedAccount, JudgedUser, Output, Settings, Sink, iso};
use crate::rule::facts::KeyName;
use crate::rule::verdict::SetupKey;
use crate::text;

/// The first line.
pub const HEADER: &str = "account,userName,userId,arn,complianceType,annotation,remediation,setupKeys,exceptionOwner,\
    exceptionExpires,exceptionReason,profile,origin";

/// Writes one row a user.
pub struct Csv<'a> {
    output: Output<'a>,
    row: Vec<u8>,
    /// The cells that are the same in every row, with what comes before and after them.
    end: Vec<u8>,
    /// The cells of the last verdict without keys, by its annotation: those of most users are the same.
    without_keys: (Arc<str>, Vec<u8>),
    has_header: bool,
}

impl<'a> Csv<'a> {
    /// Writes to this output.
    pub fn new(settings: &Settings, output: Output<'a>) -> Self {
        let profile = settings.parameters.profile;
        let mut end = Vec::new();
        push_cells(&mut end, &[profile.as_str(), &profile.origin().to_string()]);
        end.extend_from_slice(b"\r\n");
        Self { output, row: Vec::new(), end, without_keys: (Arc::from(""), Vec::new()), has_header: false }
    }

    /// Only with the first row or the end: what fails before leaves the output alone.
    fn header(&mut self) -> io::Result<()> {
        if self.has_header {
            return Ok(());
        }
        self.has_header = true;
        write!(self.output, "{HEADER}\r\n")
    }
}

impl Sink for Csv<'_> {
    fn user(&mut self, user: JudgedUser) -> io::Result<()> {
        self.header()?;
        let row = &mut self.row;
        row.clear();
        push_cell(row, user.account.as_deref().unwrap_or_default());
        push_cells(
            row,
            &[&user.user_name, user.user_id.as_deref().unwrap_or_default(), user.arn.as_deref().unwrap_or_default()],
        );
        let (annotation, cells) = &mut self.without_keys;
        if !user.verdict.setup_keys().is_empty() {
            push_verdict(row, &user);
        } else if *annotation == user.annotation {
            row.extend_from_slice(cells);
        } else {
            let start = row.len();
            push_verdict(row, &user);
            row[start..].clone_into(cells);
            *annotation = user.annotation;
        }
        row.extend_from_slice(&self.end);
        self.output.write_all(row)
    }

    fn error(&mut self, _message: &str) {}

    fn end(mut self: Box<Self>, _accounts: Vec<JudgedAccount>) -> io::Result<()> {
        self.header()
    }
}

fn push_verdict(row: &mut Vec<u8>, user: &JudgedUser) {
    let exception = user.verdict.exception();
    push_cells(
        row,
        &[
            user.verdict.compliance_type().as_str(),
            &user.annotation,
            &user.verdict.remediation().unwrap_or_default(),
            &setup_keys(user.verdict.setup_keys()),
            exception.map(|exception| exception.owner.as_str()).unwrap_or_default(),
            &exception.map(|exception| exception.expires.to_string()).unwrap_or_default(),
            exception.and_then(|exception| exception.reason.as_deref()).unwrap_or_default(),
        ],
    );
}

/// `AKIA…|4|Active|never; slot 2|…`
fn setup_keys(keys: &[SetupKey]) -> String {
    let mut cell = String::new();
    for key in keys {
        if !cell.is_empty() {
            cell.push_str("; ");
        }
        let name = match &key.name {
            KeyName::Id(id) => Cow::Borrowed(id.as_str()),
            KeyName::Slot(slot) => Cow::Owned(format!("slot {slot}")),
        };
        let last_used = key.last_used.map_or(Cow::Borrowed("never"), |time| Cow::Owned(iso(time)));
        // Writing to a text does not fail.
        let _ = write!(cell, "{name}|{}|{}|{last_used}", key.seconds_after_user, key.status.as_str());
    }
    cell
}

/// Cells after others.
fn push_cells(row: &mut Vec<u8>, cells: &[&str]) {
    for cell in cells {
        row.push(b',');
        push_cell(row, cell);
    }
}

fn push_cell(row: &mut Vec<u8>, cell: &str) {
    if is_plain(cell.as_bytes()) {
        row.extend_from_slice(cell.as_bytes());
        return;
    }
    row.push(b'"');
    if cell.starts_with(FORMULA) {
        row.push(b'\'');
    }
    row.extend_from_slice(text::printable(cell).replace('"', "\"\"").as_bytes());
    row.push(b'"');
}

/// What a formula starts with; the wide forms are those of East Asian keyboards.
const FORMULA: [char; 10] = ['=', '+', '-', '@', '\t', '\r', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}'];

/// Whether a cell can stand as it is: ASCII without control characters, quotes and commas, and no formula.
fn is_plain(cell: &[u8]) -> bool {
    let [first, ..] = cell else { return true };
    if matches!(first, b'=' | b'+' | b'-' | b'@') {
        return false;
    }
    // Eight bytes at once: this looks at every byte that is written, which is most of the work of a row.
    let (words, rest) = cell.as_chunks::<8>();
    words.iter().all(|word| is_plain_word(u64::from_ne_bytes(*word))) && rest.iter().all(|byte| is_plain_byte(*byte))
}

const fn is_plain_byte(byte: u8) -> bool {
    matches!(byte, b' '..=b'~') && byte != b'"' && byte != b','
}

/// [`is_plain_byte`] of each byte of a word; it may say no where a byte is fine, never yes where one is not.
const fn is_plain_word(word: u64) -> bool {
    const ONES: u64 = u64::MAX / 255;
    const HIGHS: u64 = ONES << 7;
    // The high bit of each byte of `below` tells that the byte is less than `limit`, itself at most 0x80.
    const fn below(word: u64, limit: u64) -> u64 {
        word.wrapping_sub(ONES * limit) & !word
    }
    const fn equal(word: u64, byte: u64) -> u64 {
        below(word ^ (ONES * byte), 1)
    }
    let marks = word | below(word, 0x20) | equal(word, 0x22) | equal(word, 0x2c) | equal(word, 0x7f);
    marks & HIGHS == 0
}

#[cfg(test)]
mod tests {
    use super::{is_plain, is_plain_byte};

    #[test]
    fn a_word_is_plain_when_all_its_bytes_are() {
        for byte in 0..=u8::MAX {
            for place in 0..8 {
                let mut word = *b"a plain ";
                word[place] = byte;
                let is_formula = place == 0 && b"=+-@".contains(&byte);
                assert_eq!(is_plain(&word), is_plain_byte(byte) && !is_formula, "{byte:#x} at {place}");
            }
        }
    }
}
