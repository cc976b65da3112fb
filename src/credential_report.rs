//! The IAM credential report: its rows as [`Facts`], and as a source of facts without network.
//!
//! Columns are found by the name in the header, in any order; unknown ones are ignored. Rows are read one at a time, so a
//! report may be larger than memory. What a report cannot tell: unique ids, access key ids, tags (so no exceptions), and
//! whatever happened since it was generated, up to four hours ago.
//!
//! Source: IAM User Guide, "Generate credential reports for your AWS account".

use std::collections::{HashMap, HashSet};
use std::io::{self, BufRead, Cursor, Read};
use std::mem;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use chrono::{DateTime, NaiveDate, Utc};
use csv::{ByteRecord, Position};
use serde::Deserialize;

use crate::error::Error;
use crate::event::{ChangedUser, partition_and_account};
use crate::judge::FactSource;
use crate::rule::facts::{AccessKey, Facts, Identity, KeyName, KeyStatus, Keys, LastUse, LoginProfile};
use crate::rule::parameters::Parameters;
use crate::rule::verdict::Verdict;
use crate::rule::{Need, Step, decide};
use crate::text;

/// A credential report that cannot be read, or a row of it. The text says which column, not which file.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The file cannot be read.
    #[error("cannot be read: {0}")]
    Unreadable(#[from] io::Error),
    /// The file is not a credential report.
    #[error("not a credential report: {0}")]
    NotAReport(String),
    /// One row cannot be used; the others can.
    #[error("{problem}")]
    Row {
        /// The line on which the row starts, from 1.
        line: u64,
        /// What is wrong with it.
        problem: String,
    },
}

impl ReportError {
    /// The line concerned, from 1.
    #[must_use]
    pub const fn line(&self) -> Option<u64> {
        match self {
            Self::Row { line, .. } => Some(*line),
            Self::NotAReport(_) => Some(1),
            Self::Unreadable(_) => None,
        }
    }
}

/// A row of a credential report: an IAM user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The line on which the row starts, from 1.
    pub line: u64,
    /// What the row says. [`Identity::Unavailable`]: a report has neither ids nor tags.
    pub facts: Facts,
    /// Why the row does not say which keys there are, when each was made, or whether there is a password.
    gaps: Vec<(Need, String)>,
}

impl Row {
    /// Judges the user by this row alone.
    ///
    /// # Errors
    ///
    /// - [`ReportError::Row`] if a fact that decides is not in the row.
    pub fn judge(&self, parameters: &Parameters, now: DateTime<Utc>) -> Result<Verdict, ReportError> {
        match decide(&self.facts, parameters, now) {
            Step::Verdict(verdict) => Ok(verdict),
            Step::Need(needs) => {
                let user = text::excerpt(&self.facts.user_name, 64);
                let problem = format!("user `{user}` cannot be judged: {}", self.missing(&needs));
                Err(ReportError::Row { line: self.line, problem })
            }
        }
    }

    fn missing(&self, needs: &[Need]) -> &str {
        let gap = self.gaps.iter().find(|(need, _)| needs.contains(need));
        gap.map_or("the report does not tell enough", |(_, gap)| gap)
    }
}

/// The rows of a credential report, without the root user and without repeated users. One without any row, not even that of
/// the root user, is [none](ReportError::NotAReport).
#[derive(Debug)]
pub struct Rows<R> {
    records: csv::Reader<R>,
    record: ByteRecord,
    columns: Columns,
    seen: HashSet<Box<str>>,
    /// No row was read yet, and that there is none was not told.
    is_empty: bool,
    generated: Option<DateTime<Utc>>,
    account: Option<String>,
    /// The first ARN up to its resource: one that starts the same is of the same account.
    arn_start: String,
}

/// What IAM allows an account by default: no set of so many users has to grow.
const USERS: usize = 5000;

/// Bytes read at once: a report is up to some megabytes, and the reader's own 8 KiB would mean a call for every 30 rows.
const BUFFER: usize = 64 * 1024;

/// Opens a credential report in any of the forms it comes in: CSV, the JSON object that `aws iam get-credential-report`
/// prints, or the bare base64 text of its `Content`. A byte-order mark is skipped.
///
/// # Errors
///
/// - [`ReportError::Unreadable`] if reading fails;
/// - [`ReportError::NotAReport`] if the text is none of these or the CSV lacks a column.
pub fn open<'a>(mut input: impl BufRead + 'a) -> Result<Rows<Box<dyn Read + 'a>>, ReportError> {
    const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();
    let mut start = Vec::new();
    (&mut input).take(BYTE_ORDER_MARK.len() as u64).read_to_end(&mut start)?;
    if start == BYTE_ORDER_MARK {
        start.clear();
    }
    // The first line tells the forms apart; no form but CSV has a comma before its first quote.
    let mut first_line = start;
    (&mut input).take(64 * 1024).read_until(b'\n', &mut first_line)?;
    let text_start = first_line.trim_ascii_start();
    if text_start.is_empty() && input.fill_buf()?.is_empty() {
        return Err(ReportError::NotAReport("it is empty".to_owned()));
    }
    if text_start.starts_with(b"{") {
        let mut whole = first_line;
        input.read_to_end(&mut whole)?;
        return from_json(&whole);
    }
    let is_base64 = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/=\r\n \t\"".contains(byte);
    if !text_start.is_empty() && text_start.iter().all(is_base64) {
        let mut whole = first_line;
        input.read_to_end(&mut whole)?;
        return Rows::new(Box::new(Cursor::new(from_base64(&whole)?)), None);
    }
    Rows::new(Box::new(Cursor::new(first_line).chain(input)), None)
}

/// The report that IAM `GetCredentialReport` answers with, its `Content` already decoded.
///
/// # Errors
///
/// - [`ReportError::NotAReport`] if the CSV lacks a column.
pub fn from_content(content: Vec<u8>, generated: DateTime<Utc>) -> Result<Rows<Cursor<Vec<u8>>>, ReportError> {
    Rows::new(Cursor::new(content), Some(generated))
}

fn from_json<'a>(text: &[u8]) -> Result<Rows<Box<dyn Read + 'a>>, ReportError> {
    /// The answer of IAM `GetCredentialReport` as the AWS CLI prints it.
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Answer {
        content: String,
        generated_time: Option<DateTime<Utc>>,
    }
    let answer: Answer = serde_json::from_slice(text)
        .map_err(|error| ReportError::NotAReport(format!("JSON without a credential report: {error}")))?;
    Rows::new(Box::new(Cursor::new(from_base64(answer.content.as_bytes())?)), answer.generated_time)
}

fn from_base64(text: &[u8]) -> Result<Vec<u8>, ReportError> {
    let compact: Vec<u8> = text.iter().copied().filter(|byte| !byte.is_ascii_whitespace() && *byte != b'"').collect();
    let error = |error| ReportError::NotAReport(format!("neither CSV nor base64: {error}"));
    BASE64_STANDARD.decode(compact).map_err(error)
}

/// Where the columns are.
#[derive(Debug)]
struct Columns {
    user: usize,
    arn: usize,
    created: usize,
    password: usize,
    slots: Vec<SlotColumns>,
    additional: Option<usize>,
    names: Vec<String>,
}

/// Where the columns of one key slot are.
#[derive(Debug)]
struct SlotColumns {
    slot: u8,
    active: usize,
    created: usize,
    last_used: usize,
}

impl Columns {
    fn of(header: &ByteRecord) -> Result<Self, ReportError> {
        let names: Vec<String> =
            header.iter().map(|name| String::from_utf8_lossy(name).trim().to_ascii_lowercase()).collect();
        let mut places = HashMap::new();
        for (place, name) in names.iter().enumerate() {
            if places.insert(name.as_str(), place).is_some() && !name.is_empty() {
                return Err(ReportError::NotAReport(format!("column `{}` stands twice", text::excerpt(name, 64))));
            }
        }
        let place = |name: &str| {
            let error = || ReportError::NotAReport(format!("its first line has no column `{name}`"));
            places.get(name).copied().ok_or_else(error)
        };
        let mut slots = Vec::new();
        for slot in 1..=u8::MAX {
            // IAM documents two slots, which must be there; should it add more, they count.
            if slot > 2 && !places.contains_key(format!("access_key_{slot}_active").as_str()) {
                break;
            }
            slots.push(SlotColumns {
                slot,
                active: place(&format!("access_key_{slot}_active"))?,
                created: place(&format!("access_key_{slot}_last_rotated"))?,
                last_used: place(&format!("access_key_{slot}_last_used_date"))?,
            });
        }
        Ok(Self {
            user: place("user")?,
            arn: place("arn")?,
            created: place("user_creation_time")?,
            password: place("password_enabled")?,
            slots,
            additional: places.get("additional_credentials_info").copied(),
            names,
        })
    }
}

impl<R: Read> Rows<R> {
    fn new(input: R, generated: Option<DateTime<Utc>>) -> Result<Self, ReportError> {
        let mut records = csv::ReaderBuilder::new().buffer_capacity(BUFFER).from_reader(input);
        let header = records.byte_headers().map_err(|error| match error.into_kind() {
            csv::ErrorKind::Io(error) => ReportError::Unreadable(error),
            other => ReportError::NotAReport(format!("{other:?}")),
        })?;
        let columns = Columns::of(header)?;
        Ok(Self {
            records,
            record: ByteRecord::new(),
            columns,
            seen: HashSet::with_capacity(USERS),
            is_empty: true,
            generated,
            account: None,
            arn_start: String::new(),
        })
    }

    /// When the report was generated, where its form tells (the JSON object of the AWS CLI does).
    #[must_use]
    pub const fn generated(&self) -> Option<DateTime<Utc>> {
        self.generated
    }

    /// The account of the rows so far, 12 digits.
    #[must_use]
    pub fn account(&self) -> Option<&str> {
        self.account.as_deref()
    }

    /// The next user; `None` for the root user and for a user that was there before.
    fn row(&mut self, line: u64) -> Result<Option<Row>, String> {
        let cells = Cells { columns: &self.columns, record: &self.record };
        let user_name = cells.text(self.columns.user)?;
        let arn = cells.text(self.columns.arn)?;
        if user_name.is_empty() {
            return Err("column `user` is empty".to_owned());
        }
        let resource = match arn.strip_prefix(self.arn_start.as_str()) {
            Some(resource) if !self.arn_start.is_empty() => resource,
            _ => {
                let Some((_, account)) = partition_and_account(arn) else {
                    return Err(format!("column `arn`: `{}` is not an ARN", text::excerpt(arn, 64)));
                };
                match &self.account {
                    None => {
                        self.account = Some(account.to_owned());
                        self.arn_start = arn.split_inclusive(':').take(5).collect();
                        &arn[self.arn_start.len()..]
                    }
                    Some(first) if first != account => {
                        let problem = format!("account `{account}` is not that of the rows before, `{first}`");
                        return Err(format!("column `arn`: {problem}"));
                    }
                    // Another partition: no resource starts like an ARN.
                    Some(_) => arn,
                }
            }
        };
        if !self.seen.insert(resource.into()) {
            return Ok(None);
        }
        let mut facts =
            Facts { arn: Some(arn.to_owned()), identity: Identity::Unavailable, ..Facts::unread(user_name) };
        if facts.is_root() {
            return Ok(None);
        }

        let mut gaps = Vec::new();
        facts.created = cells.time(self.columns.created)?;
        if facts.created.is_none() {
            gaps.push((Need::Identity, cells.quote(self.columns.created)));
        }
        match cells.flag(self.columns.password)? {
            Some(true) => facts.login_profile = LoginProfile::Present,
            Some(false) => facts.login_profile = LoginProfile::Absent,
            None => gaps.push((Need::LoginProfile, cells.quote(self.columns.password))),
        }
        let mut keys = Vec::new();
        let mut incomplete = false;
        for slot in &self.columns.slots {
            let active = cells.flag(slot.active)?;
            // An inactive key keeps its date; only where there is no key there is none.
            match (cells.time(slot.created)?, active) {
                (Some(_), None) | (None, Some(true)) => {
                    incomplete = true;
                    let gap = format!("{}, but {}", cells.quote(slot.active), cells.quote(slot.created));
                    gaps.push((Need::Keys, gap));
                }
                (None, Some(false) | None) => {}
                (Some(created), Some(active)) => keys.push(AccessKey {
                    name: KeyName::Slot(slot.slot),
                    status: if active { KeyStatus::Active } else { KeyStatus::Inactive },
                    created,
                    last_use: cells.time(slot.last_used)?.map_or(LastUse::Never, LastUse::At),
                }),
            }
        }
        let additional = self.columns.additional.filter(|place| !cells.is_blank(*place));
        facts.keys = match additional {
            _ if incomplete => Keys::Unread,
            None => Keys::All(keys),
            Some(place) => {
                gaps.push((Need::Keys, format!("it may have keys beside those listed: {}", cells.quote(place))));
                Keys::Some(keys)
            }
        };
        Ok(Some(Row { line, facts, gaps }))
    }
}

impl<R: Read> Iterator for Rows<R> {
    type Item = Result<Row, ReportError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let read = self.records.read_byte_record(&mut self.record);
            let line = self.record.position().map_or(0, Position::line);
            self.is_empty &= matches!(read, Ok(false));
            match read {
                // An account always has its root user, so this is a part of a report.
                Ok(false) if mem::take(&mut self.is_empty) => {
                    let problem = "it has no rows, not even that of the root user".to_owned();
                    return Some(Err(ReportError::NotAReport(problem)));
                }
                Ok(false) => return None,
                Ok(true) => {}
                Err(error) => {
                    let error = match error.into_kind() {
                        csv::ErrorKind::Io(error) => ReportError::Unreadable(error),
                        csv::ErrorKind::UnequalLengths { expected_len, len, pos } => ReportError::Row {
                            line: pos.as_ref().map_or(line, Position::line),
                            problem: format!("the row has {len} columns, the first line has {expected_len}"),
                        },
                        other => ReportError::Row { line, problem: format!("{other:?}") },
                    };
                    return Some(Err(error));
                }
            }
            match self.row(line) {
                Ok(None) => {}
                Ok(Some(row)) => return Some(Ok(row)),
                Err(problem) => return Some(Err(ReportError::Row { line, problem })),
            }
        }
    }
}

/// The cells of one row, read by column.
struct Cells<'a> {
    columns: &'a Columns,
    record: &'a ByteRecord,
}

impl<'a> Cells<'a> {
    fn text(&self, place: usize) -> Result<&'a str, String> {
        let bytes = self.bytes(place);
        let text =
            std::str::from_utf8(bytes).map_err(|_| format!("column `{}` is not UTF-8", self.columns.names[place]))?;
        // As good as every cell starts and ends with what is no space.
        match bytes {
            [first, .., last] if first.is_ascii_graphic() && last.is_ascii_graphic() => Ok(text),
            _ => Ok(text.trim()),
        }
    }

    fn bytes(&self, place: usize) -> &'a [u8] {
        self.record.get(place).unwrap_or_default()
    }

    /// Whether the cell says that there is nothing.
    fn is_blank(&self, place: usize) -> bool {
        self.text(place).is_ok_and(says_nothing)
    }

    fn time(&self, place: usize) -> Result<Option<DateTime<Utc>>, String> {
        // What IAM writes comes first; text of another form goes the general way.
        let bytes = self.bytes(place);
        if bytes == b"N/A" {
            return Ok(None);
        }
        if let Some(time) = utc_time(bytes) {
            return Ok(Some(time));
        }
        let Ok(text) = self.text(place) else { return Err(format!("{}, which is not a time", self.quote(place))) };
        if says_nothing(text) {
            return Ok(None);
        }
        let time = DateTime::parse_from_rfc3339(text);
        time.map(|time| Some(time.to_utc())).map_err(|_| format!("{}, which is not a time", self.quote(place)))
    }

    fn flag(&self, place: usize) -> Result<Option<bool>, String> {
        match self.bytes(place) {
            b"true" => return Ok(Some(true)),
            b"false" => return Ok(Some(false)),
            _ => {}
        }
        match self.text(place)? {
            text if text.eq_ignore_ascii_case("true") => Ok(Some(true)),
            text if text.eq_ignore_ascii_case("false") => Ok(Some(false)),
            text if says_nothing(text) => Ok(None),
            _ => Err(format!("{}, neither true nor false", self.quote(place))),
        }
    }

    /// ``column `password_enabled` is `maybe` ``
    fn quote(&self, place: usize) -> String {
        let value =
            self.text(place).map_or_else(|_| "not UTF-8".to_owned(), |text| format!("`{}`", text::excerpt(text, 64)));
        format!("column `{}` is {value}", self.columns.names[place])
    }
}

/// The words that IAM uses where there is nothing.
fn says_nothing(text: &str) -> bool {
    matches!(text, "" | "N/A" | "not_supported" | "no_information")
}

/// Exactly `2026-03-02T10:15:01Z` or `2026-03-02T10:15:01+00:00`, a time of the calendar.
fn utc_time(text: &[u8]) -> Option<DateTime<Utc>> {
    let (&[c1, c2, y1, y2, b'-', o1, o2, b'-', d1, d2, b'T', h1, h2, b':', m1, m2, b':', s1, s2], b"Z" | b"+00:00") =
        text.split_first_chunk()?
    else {
        return None;
    };
    let digit = |byte: u8| char::from(byte).to_digit(10);
    let number = |tens, ones| Some(digit(tens)? * 10 + digit(ones)?);
    let year = number(c1, c2)? * 100 + number(y1, y2)?;
    let day = NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, number(o1, o2)?, number(d1, d2)?)?;
    Some(day.and_hms_opt(number(h1, h2)?, number(m1, m2)?, number(s1, s2)?)?.and_utc())
}

/// A credential report in place of live IAM, to replay an event offline.
#[derive(Debug)]
pub struct ReportSource {
    rows: HashMap<String, Row>,
    account: Option<String>,
}

impl ReportSource {
    /// Reads a whole report.
    ///
    /// # Errors
    ///
    /// - [`ReportError`] of the first row that cannot be read.
    pub fn read(mut rows: Rows<impl Read>) -> Result<Self, ReportError> {
        let mut by_name = HashMap::new();
        for row in &mut rows {
            let row = row?;
            by_name.insert(row.facts.user_name.clone(), row);
        }
        Ok(Self { rows: by_name, account: rows.account })
    }

    /// The account of the report, 12 digits.
    #[must_use]
    pub fn account(&self) -> Option<&str> {
        self.account.as_deref()
    }
}

impl FactSource for ReportSource {
    async fn read(&self, facts: &mut Facts, needs: &[Need]) -> Result<(), Error> {
        let missing = |problem: String| Error::FactMissing { user: facts.user_name.clone(), problem };
        let Some(row) = self.rows.get(&facts.user_name) else {
            return Err(missing("the credential report has no such user; it may be up to four hours old".to_owned()));
        };
        if facts.keys == row.facts.keys {
            return Err(missing(row.missing(needs).to_owned()));
        }
        if let (Some(expected), Some(created)) = (facts.created, row.facts.created)
            && expected.timestamp() != created.timestamp()
        {
            let problem = format!("the event's user was created {expected}, that of the credential report {created}");
            return Err(missing(problem));
        }
        // The id is the event's; everything else is the row's.
        *facts = Facts { user_id: facts.user_id.take(), ..row.facts.clone() };
        Ok(())
    }

    async fn recorded(&self, user: ChangedUser) -> Result<ChangedUser, Error> {
        // The row tells the creation time; a name cannot be looked up.
        Ok(user)
    }
}
