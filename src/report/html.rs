//! One page for auditors: whole in itself, nothing is fetched, readable without its script, fit to print.
//!
//! Everything that others wrote goes through [`printable`] and through the template's escaping; the page's own policy
//! allows its one style sheet and its one script by their hashes, and nothing else.

mod chart;

use std::io::{self, Write};

use askama::Template;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, TimeDelta, Utc};
use sha2::{Digest as _, Sha256};

use self::chart::{Chart, Kind, Point, Range, in_numbers};
use super::{AuditReport, JudgedUser, NO_EXCEPTIONS, Source, rank};
use crate::RULE_NAME;
use crate::rule::exception::EXPIRING_DAYS;
use crate::rule::facts::{KeyName, KeyStatus, LastUse};
use crate::rule::parameters::{
    ConsolePassword, GivenParameters, KeyStatusFilter, KeyUsage, ParameterName, Parameters, Profile, SetupWindow,
};
use crate::rule::verdict::{ComplianceType, Summary, Verdict, distance};
use crate::text::{count, mask_key_ids, printable};

const STYLE: &str = include_str!("html/page.css");
const SCRIPT: &str = include_str!("html/page.js");

/// Widths of the chart, in pixels: for a window or a sheet of paper, and for a phone.
const WIDE: f64 = 960.0;
const NARROW: f64 = 340.0;

#[derive(Template)]
#[template(path = "page.html")]
struct Page<'a> {
    style: &'static str,
    script: &'static str,
    style_hash: String,
    script_hash: String,
    version: &'static str,
    rule: &'static str,
    account: String,
    judged: String,
    source: String,
    source_age: String,
    exceptions_seen: bool,
    no_exceptions: &'static str,
    outcome: Outcome,
    summary: Summary,
    expiring_days: u32,
    rule_in_words: String,
    profile: Profile,
    whose: String,
    options: String,
    tag_prefix: String,
    parameters: Vec<(&'static str, &'static str, String)>,
    charts: Vec<Chart<'a>>,
    numbers: Vec<Range>,
    unknown_keys: Option<String>,
    rows: Vec<Row>,
    to_fix: bool,
    exceptions: Vec<Excepted>,
    invalid_exceptions: Vec<(String, String)>,
    accounts: Vec<Account>,
    errors: Vec<String>,
}

/// The verdict on the account.
struct Outcome {
    class: &'static str,
    word: &'static str,
    sentence: String,
}

/// One of several accounts.
struct Account {
    id: String,
    source: String,
    age: String,
    summary: Summary,
    not_judged: usize,
}

/// A user in the table.
struct Row {
    name: String,
    id: String,
    class: &'static str,
    verdict: &'static str,
    keys: Vec<Key>,
    /// What the columns of the keys are sorted by: of the first key shown, and the latest of all.
    seconds: Option<i64>,
    last_used: String,
    advice: String,
}

/// A key in the table.
struct Key {
    kind: Kind,
    name: String,
    status: String,
    seconds_after_user: i64,
    distance: String,
    last_used: String,
}

/// A user with an exception in force.
struct Excepted {
    user: String,
    owner: String,
    expires: String,
    days_left: u32,
    ends_soon: bool,
    reason: String,
    keys: String,
}

/// Writes the audit as one HTML page.
///
/// # Errors
///
/// - [`io::Error`] of the output.
pub fn write(report: &AuditReport, output: &mut dyn Write) -> io::Result<()> {
    let users = report.ranked_users();
    let rows: Vec<Row> = users.iter().map(|user| row(user)).collect();

    let points: Vec<Point> = rows.iter().flat_map(points).collect();
    let window = report.parameters.setup_window;
    let drawings = [("wide", WIDE), ("narrow", NARROW)];
    let charts = drawings.into_iter().filter_map(|(name, width)| Chart::draw(&points, window, name, width)).collect();
    let numbers = if points.is_empty() { Vec::new() } else { in_numbers(&points, window) };
    let unknown = report.users.iter().filter(|user| user.keys.is_none()).count();

    let summary = report.summary();
    let (source, source_age) = source(&report.source, report.generated);
    let page = Page {
        style: STYLE,
        script: SCRIPT,
        style_hash: hash(STYLE),
        script_hash: hash(SCRIPT),
        version: env!("CARGO_PKG_VERSION"),
        rule: RULE_NAME,
        account: match report.accounts.len() {
            ..=1 => format!("Account {}", report.account.as_deref().map_or_else(|| "not known".to_owned(), printable)),
            several => count(several, "account"),
        },
        judged: moment(report.generated),
        source,
        source_age,
        exceptions_seen: matches!(report.source, Source::Live { .. }),
        no_exceptions: NO_EXCEPTIONS,
        outcome: outcome(summary, report.not_judged()),
        summary,
        expiring_days: EXPIRING_DAYS,
        rule_in_words: rule_in_words(&report.parameters),
        profile: report.parameters.profile,
        whose: report.parameters.profile.origin().to_string(),
        options: options(&report.parameters),
        tag_prefix: printable(report.parameters.exception_tag_prefix.as_str()),
        parameters: parameters(&report.parameters),
        charts,
        numbers,
        unknown_keys: (unknown > 0).then(|| count(unknown, "user")),
        to_fix: rows.iter().any(|row| row.keys.iter().any(|key| key.kind != Kind::Other)),
        exceptions: exceptions(&users),
        invalid_exceptions: invalid_exceptions(&users),
        accounts: if report.accounts.len() > 1 { accounts(report) } else { Vec::new() },
        errors: report.errors.iter().map(|error| printable(error)).collect(),
        rows,
    };
    page.write_into(&mut &mut *output)
}

/// What the policy of the page allows: `sha256-…` of the text between the tags.
fn hash(text: &str) -> String {
    format!("sha256-{}", STANDARD.encode(Sha256::digest(text)))
}

fn row(user: &JudgedUser) -> Row {
    let keys = keys(user);
    let dates = keys.iter().map(|key| key.last_used.as_str());
    let dates = dates.filter(|date| date.starts_with(|c: char| c.is_ascii_digit()));
    let class = ["bad", "exc", "good"][usize::from(rank(&user.verdict))];
    Row {
        name: printable(&user.user_name),
        id: printable(user.arn.as_deref().or(user.user_id.as_deref()).unwrap_or_default()),
        class,
        verdict: match user.verdict.compliance_type() {
            ComplianceType::Compliant if class == "exc" => "COMPLIANT by exception",
            kind => kind.as_str(),
        },
        seconds: keys.first().map(|key| key.seconds_after_user),
        last_used: dates.max().unwrap_or_default().to_owned(),
        advice: user.annotation.to_string(),
        keys,
    }
}

/// The keys of a user: setup keys first, then what else is known.
fn keys(user: &JudgedUser) -> Vec<Key> {
    let kind = if user.verdict.exception().is_some() { Kind::Excepted } else { Kind::Setup };
    let setup_keys = user.verdict.setup_keys();
    let setup = setup_keys.iter().map(|key| {
        let last_use = key.last_used.map_or(LastUse::Never, LastUse::At);
        Key::new(kind, &key.name, &key.status, key.seconds_after_user, last_use)
    });
    let others = user.keys.iter().flatten().filter(|key| setup_keys.iter().all(|setup| setup.name != key.name));
    let others = others.map(|key| Key::new(Kind::Other, &key.name, &key.status, key.seconds_after_user, key.last_use));
    setup.chain(others).collect()
}

impl Key {
    fn new(kind: Kind, name: &KeyName, status: &KeyStatus, seconds_after_user: i64, last_use: LastUse) -> Self {
        Self {
            kind,
            name: printable(&name.masked()),
            status: printable(status.as_str()),
            seconds_after_user,
            distance: distance(seconds_after_user),
            last_used: match last_use {
                LastUse::At(time) => time.date_naive().to_string(),
                LastUse::Never => "never".to_owned(),
                LastUse::Unread => "not read".to_owned(),
            },
        }
    }
}

fn points(row: &Row) -> impl Iterator<Item = Point> {
    row.keys.iter().map(|key| Point {
        kind: key.kind,
        seconds_after_user: key.seconds_after_user,
        label: format!("{}, {}: {} the user, {}", row.name, key.name, key.distance, key.status),
    })
}

fn outcome(summary: Summary, (unjudged, unread): (usize, usize)) -> Outcome {
    let Summary { compliant, non_compliant, excepted, total, .. } = summary;
    let users = |number: usize| if number == 1 { "1 user".to_owned() } else { format!("{} users", thousands(number)) };
    let errors = unjudged + unread;
    let unjudged = if unjudged > 0 { format!(" {} could not be judged.", users(unjudged)) } else { String::new() };
    let unread =
        if unread > 0 { format!(" {} could not be read or kept.", count(unread, "report")) } else { String::new() };
    let unjudged = unjudged + &unread;
    if non_compliant > 0 {
        let verb = if non_compliant == 1 { "has" } else { "have" };
        let sentence = format!(
            "{} of {} {verb} access keys from user setup that nothing excuses.{unjudged}",
            thousands(non_compliant),
            users(total)
        );
        return Outcome { class: "bad", word: "NON_COMPLIANT", sentence };
    }
    if errors > 0 {
        let sentence =
            format!("No verdict on the account.{unjudged} None of the other {} is NON_COMPLIANT.", users(total));
        return Outcome { class: "exc", word: "INCOMPLETE", sentence };
    }
    if total == 0 {
        return Outcome {
            class: "none",
            word: "NO USERS",
            sentence: "The source has no IAM user to judge.".to_owned(),
        };
    }
    let by_exception =
        if excepted > 0 { format!(", {} of them by exception", thousands(excepted)) } else { String::new() };
    let all = if compliant == 1 { "The one user is".to_owned() } else { format!("All {} are", users(compliant)) };
    Outcome { class: "good", word: "COMPLIANT", sentence: format!("{all} compliant{by_exception}.") }
}

fn accounts(report: &AuditReport) -> Vec<Account> {
    let each = report.accounts.iter().map(|account| {
        let (source, age) = source(&account.source, report.generated);
        let name = account.account.as_deref().map_or_else(|| "not known".to_owned(), printable);
        Account { id: name, source, age, summary: account.summary, not_judged: account.not_judged }
    });
    each.collect()
}

/// Where the facts come from, and how old they are.
fn source(source: &Source, judged: DateTime<Utc>) -> (String, String) {
    let age = |generated: DateTime<Utc>| {
        format!("{}, {} when the users were judged", moment(generated), old(judged - generated))
    };
    match source {
        Source::CredentialReport { file, generated } => {
            let unknown = "the file does not tell; IAM may hand out a report that is up to four hours old";
            (format!("Credential report {}", printable(file)), generated.map_or_else(|| unknown.to_owned(), age))
        }
        Source::Live { report_generated: None } => {
            ("IAM, read live".to_owned(), "every user was read live: no credential report was to be had".to_owned())
        }
        Source::Live { report_generated: Some(generated) } => {
            let who = "users whom a credential report clears for sure were taken from it, all others read live";
            (format!("IAM, read live; {who}"), format!("live; the credential report: {}", age(*generated)))
        }
    }
}

/// `2 h 10 min old`
fn old(age: TimeDelta) -> String {
    let minutes = age.num_minutes();
    match (minutes / (24 * 60), minutes / 60, minutes % 60) {
        (0, 0, ..1) => "less than a minute old".to_owned(),
        (0, 0, minutes) => format!("{minutes} min old"),
        (0, hours, minutes) => format!("{hours} h {minutes} min old"),
        (days, ..) if days < 0 => "less than a minute old".to_owned(),
        (days, hours, _) => format!("{days} d {} h old", hours % 24),
    }
}

/// `2026-03-02 10:15:01 UTC`
fn moment(time: DateTime<Utc>) -> String {
    time.format("%Y-%m-%d %H:%M:%S UTC").to_string()
}

fn rule_in_words(parameters: &Parameters) -> String {
    let who = match parameters.console_password {
        ConsolePassword::Required => "An IAM user with a console password",
        ConsolePassword::Ignored => "An IAM user, with or without a console password,",
    };
    let status = match parameters.key_status {
        KeyStatusFilter::Active => "active ",
        KeyStatusFilter::Any => "",
    };
    let article = if status.is_empty() { "an" } else { "an active" };
    let window = match parameters.setup_window {
        SetupWindow::Seconds(seconds) => {
            format!(" made at most {} after or before the user", count(seconds as usize, "second"))
        }
        SetupWindow::Any => String::new(),
    };
    let usage = match parameters.key_usage {
        KeyUsage::NeverUsed => " that was never used",
        KeyUsage::Any => "",
    };
    format!("{who} is NON_COMPLIANT with {article} access key{window}{usage}, unless an exception is in force.")
}

/// The options that give `setup-keys remediate` the same parameters, each after a space.
fn options(parameters: &Parameters) -> String {
    let given = GivenParameters { profile: Some(parameters.profile), ..GivenParameters::default() };
    let by_profile = given.resolve().to_pairs();
    let by_default = Parameters::default().to_pairs();
    let mut options = Vec::new();
    for pair in parameters.to_pairs() {
        let known = if pair.0 == ParameterName::Profile { &by_default } else { &by_profile };
        if !known.contains(&pair) {
            options.push(format!(" --{} '{}'", pair.0.option(), printable(&pair.1)));
        }
    }
    options.concat()
}

fn parameters(parameters: &Parameters) -> Vec<(&'static str, &'static str, String)> {
    let pairs = parameters.to_pairs().into_iter();
    pairs.map(|(name, value)| (name.as_str(), name.summary(), printable(&value))).collect()
}

fn exceptions(users: &[&JudgedUser]) -> Vec<Excepted> {
    let mut excepted: Vec<_> = users.iter().filter_map(|user| Some((user, user.verdict.exception()?))).collect();
    excepted.sort_by_key(|(_, exception)| exception.expires);
    let each = excepted.into_iter().map(|(user, exception)| Excepted {
        user: printable(&user.user_name),
        owner: printable(&mask_key_ids(&exception.owner)),
        expires: exception.expires.to_string(),
        days_left: exception.days_left,
        ends_soon: exception.is_expiring(),
        reason: printable(&mask_key_ids(exception.reason.as_deref().unwrap_or("none given"))),
        keys: count(user.verdict.setup_keys().len(), "setup key"),
    });
    each.collect()
}

/// Users whose exception tags make no exception, and what is wrong with them.
fn invalid_exceptions(users: &[&JudgedUser]) -> Vec<(String, String)> {
    let invalid = users.iter().filter_map(|user| match &user.verdict {
        Verdict::NonCompliant { invalid_exception: Some(invalid), .. } => {
            Some((printable(&user.user_name), mask_key_ids(&invalid.to_string())))
        }
        _ => None,
    });
    invalid.collect()
}

/// `5,000`
fn thousands(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
