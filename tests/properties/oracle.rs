//! A second reading of the rule, as plain as it can be written: integers, strings and loops.
//!
//! It takes the facts in the types of the library, since both sides are handed those, but decides nothing with it,
//! and has its own table of profiles and its own calendar. Where the two disagree, one misreads the specification.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use setup_keys::rule::facts::{AccessKey, Facts, Identity, KeyName, KeyStatus, LastUse, LoginProfile};

/// Rule parameters as a user writes them; what is absent follows from the profile.
pub(crate) type Settings = BTreeMap<&'static str, String>;

/// A profile: name, window in seconds (`any` spelled out), console password, key status, key usage.
type Profile = (&'static str, &'static str, &'static str, &'static str, &'static str);

pub(crate) const PROFILES: [Profile; 6] = [
    ("cis", "60", "required", "active", "any"),
    ("check-point", "59", "required", "any", "any"),
    ("trend-micro", "60", "required", "active", "never-used"),
    ("kertos", "60", "required", "any", "never-used"),
    ("panther", "6", "ignored", "any", "any"),
    ("cyscale", "any", "required", "active", "never-used"),
];

/// The parameters in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rule {
    /// Seconds between user and key, both ends included; `None` for any number.
    pub(crate) window: Option<i64>,
    pub(crate) password_required: bool,
    pub(crate) active_only: bool,
    pub(crate) never_used_only: bool,
    pub(crate) tag_prefix: String,
    pub(crate) max_exception_days: i64,
}

/// What the oracle makes of a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ruling {
    pub(crate) compliance: &'static str,
    /// Whether it would be NON_COMPLIANT without its exception.
    pub(crate) excepted: bool,
    /// The keys that count against it or are excepted, with the seconds after the user, sorted by name.
    pub(crate) setup_keys: Vec<(KeyName, i64)>,
}

/// Every parameter with the value in force: what was set, else what the profile sets, else the common default.
pub(crate) fn in_force(settings: &Settings) -> BTreeMap<&'static str, String> {
    let profile = settings.get("profile").map_or("cis", String::as_str);
    let (_, window, password, status, usage) =
        PROFILES.into_iter().find(|(name, ..)| *name == profile).expect("one of the six profiles");
    let mut values: BTreeMap<&'static str, String> = [
        ("profile", profile),
        ("setupWindowSeconds", window),
        ("consolePassword", password),
        ("keyStatus", status),
        ("keyUsage", usage),
        ("exceptionTagPrefix", "setup-keys:exception-"),
        ("maxExceptionDays", "365"),
        ("sweepReports", "all"),
    ]
    .map(|(name, value)| (name, value.to_owned()))
    .into();
    values.extend(settings.clone());
    values
}

impl Rule {
    pub(crate) fn of(settings: &Settings) -> Self {
        let values = in_force(settings);
        let number = |name| values[name].parse::<i64>().expect("a whole number");
        Self {
            window: (values["setupWindowSeconds"] != "any").then(|| number("setupWindowSeconds")),
            password_required: values["consolePassword"] == "required",
            active_only: values["keyStatus"] == "active",
            never_used_only: values["keyUsage"] == "never-used",
            tag_prefix: values["exceptionTagPrefix"].clone(),
            max_exception_days: number("maxExceptionDays"),
        }
    }

    /// Judges a user of whom everything is known that can be known.
    pub(crate) fn judge(&self, facts: &Facts, now: DateTime<Utc>) -> Ruling {
        let nothing = |compliance| Ruling { compliance, excepted: false, setup_keys: Vec::new() };
        if is_root(facts) || !holds_its_name(facts) {
            return nothing("NOT_APPLICABLE");
        }
        if !self.password_condition(facts) {
            return nothing("COMPLIANT");
        }
        let mut setup_keys = Vec::new();
        for key in self.keys_in_question(facts) {
            if !self.never_used_only || key.last_use == LastUse::Never {
                setup_keys.push((key.name.clone(), seconds_between(created(facts), key.created)));
            }
        }
        setup_keys.sort();
        if setup_keys.is_empty() {
            return nothing("COMPLIANT");
        }
        let excepted = match &facts.identity {
            Identity::Read { tags, .. } => self.excepts(tags, now),
            _ => false,
        };
        Ruling { compliance: if excepted { "COMPLIANT" } else { "NON_COMPLIANT" }, excepted, setup_keys }
    }

    /// The keys that could be setup keys by their date and status, whatever their use.
    pub(crate) fn keys_in_question<'a>(&self, facts: &'a Facts) -> Vec<&'a AccessKey> {
        let in_window = |key: &AccessKey| {
            self.window.is_none_or(|window| seconds_between(created(facts), key.created).abs() <= window)
        };
        let counts = |key: &AccessKey| !self.active_only || key.status == KeyStatus::Active;
        facts.keys.known().iter().filter(|key| in_window(key) && counts(key)).collect()
    }

    pub(crate) fn password_condition(&self, facts: &Facts) -> bool {
        !self.password_required || facts.login_profile == LoginProfile::Present
    }

    /// Whether the tags make a valid exception today.
    fn excepts(&self, tags: &BTreeMap<String, String>, now: DateTime<Utc>) -> bool {
        let tag = |name: &str| tags.get(&format!("{}{name}", self.tag_prefix));
        let owned = tag("owner").is_some_and(|owner| owner.chars().any(|c| !c.is_whitespace()));
        let Some(expires) = tag("expires").and_then(|text| parse_day(text)) else {
            return false;
        };
        let days_ahead = expires - today(now);
        owned && (0..=self.max_exception_days).contains(&days_ahead)
    }
}

pub(crate) fn is_root(facts: &Facts) -> bool {
    facts.user_name == "<root_account>" || facts.arn.iter().any(|arn| arn.ends_with(":root"))
}

/// Whether the user still exists under its name, as far as ids tell.
pub(crate) fn holds_its_name(facts: &Facts) -> bool {
    match (&facts.identity, &facts.user_id) {
        (Identity::Gone, _) => false,
        (Identity::Read { user_id, .. }, Some(known)) => user_id == known,
        _ => true,
    }
}

fn created(facts: &Facts) -> DateTime<Utc> {
    match (&facts.created, &facts.identity) {
        (Some(created), _) | (None, Identity::Read { created, .. }) => *created,
        _ => panic!("no creation time in {facts:?}"),
    }
}

/// Seconds from one moment to another by the dates that IAM gives, which are whole seconds: a fraction that another
/// source adds to a date must not change the verdict.
fn seconds_between(from: DateTime<Utc>, to: DateTime<Utc>) -> i64 {
    to.timestamp() - from.timestamp()
}

/// Days since 1970-01-01 in UTC.
pub(crate) fn today(now: DateTime<Utc>) -> i64 {
    now.timestamp().div_euclid(86_400)
}

/// Days since 1970-01-01 of a real date written as `YYYY-MM-DD`, in ASCII digits and nothing around it.
pub(crate) fn parse_day(text: &str) -> Option<i64> {
    let bytes = text.as_bytes();
    if bytes.len() != 10 || bytes[4] != b'-' || bytes[7] != b'-' {
        return None;
    }
    let number = |range: std::ops::Range<usize>| {
        bytes[range].iter().try_fold(0, |sum, b| b.is_ascii_digit().then(|| sum * 10 + i64::from(b - b'0')))
    };
    let (year, month, day) = (number(0..4)?, number(5..7)?, number(8..10)?);
    if !(1..=12).contains(&month) || day < 1 || day > days_in_month(year, month) {
        return None;
    }
    let mut days = day - 1;
    for earlier in 1..month {
        days += days_in_month(year, earlier);
    }
    Some(days + days_before_year(year) - days_before_year(1970))
}

/// The date of a day since 1970-01-01, as `YYYY-MM-DD` (more digits, or a sign, outside the years 0 to 9999).
pub(crate) fn format_day(day: i64) -> String {
    let day = day + days_before_year(1970);
    let mut year = (day * 400).div_euclid(146_097) - 2; // Not after the year sought.
    while days_before_year(year + 1) <= day {
        year += 1;
    }
    let mut left = day - days_before_year(year);
    let mut month = 1;
    while left >= days_in_month(year, month) {
        left -= days_in_month(year, month);
        month += 1;
    }
    format!("{year:04}-{month:02}-{:02}", left + 1)
}

/// Days from 0000-01-01 to the first of January of a year.
fn days_before_year(year: i64) -> i64 {
    let last = year - 1;
    365 * year + last.div_euclid(4) - last.div_euclid(100) + last.div_euclid(400) + 1
}

fn days_in_month(year: i64, month: i64) -> i64 {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Whether a value may be given for a parameter; `None` where the specification leaves it open.
pub(crate) fn accepts(name: &str, value: &serde_json::Value) -> Option<bool> {
    use serde_json::Value;
    let numeric = match name {
        "setupWindowSeconds" => Some(0..=86_400),
        "maxExceptionDays" => Some(1..=3650),
        _ => None,
    };
    match (value, numeric) {
        (Value::Number(number), Some(range)) => match number.as_i64() {
            Some(number) => Some(range.contains(&number)),
            // A fraction is no whole number. Whether `60.0` is one is a matter of taste.
            None => (number.as_f64().is_none_or(|number| number.fract() != 0.0 || number.abs() > 1e6)).then_some(false),
        },
        (Value::String(text), Some(range)) => {
            let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            if digits && text.len() > 1 && text.starts_with('0') {
                return None; // Leading zeros.
            }
            let number = digits && text.parse().is_ok_and(|number: i64| range.contains(&number));
            Some(number || (name == "setupWindowSeconds" && text == "any"))
        }
        (Value::String(text), None) => match name {
            "profile" => Some(PROFILES.iter().any(|(profile, ..)| profile == text)),
            "consolePassword" => Some(text == "required" || text == "ignored"),
            "keyStatus" => Some(text == "active" || text == "any"),
            "keyUsage" => Some(text == "any" || text == "never-used"),
            "sweepReports" => Some(text == "all" || text == "changes"),
            "exceptionTagPrefix" => accepts_prefix(text),
            _ => Some(false),
        },
        _ => Some(false),
    }
}

/// Letters, numbers and separators that IAM allows in a tag key, one of each kind.
pub(crate) const TAG_KEY_SAMPLES: &[char] = &[
    'a', 'Z', '0', ' ', '_', '.', ':', '/', '=', '+', '-', '@', 'é', 'ª', 'ʰ', '中', '٣', 'Ⅷ', '½', '\u{a0}',
    '\u{3000}', '\u{2028}',
];

/// Characters that IAM does not allow in a tag key: controls, marks, symbols, punctuation, formats.
pub(crate) const NO_TAG_KEY_SAMPLES: &[char] = &[
    '\0', '\t', '\n', '\u{7f}', '\u{85}', '\u{301}', '!', '#', '*', '\\', '"', '`', '€', '—', '👍', '\u{200b}',
    '\u{202e}',
];

/// The prefix of exception tags; `None` for characters whose kind the oracle does not know and for a capital `AWS:`.
fn accepts_prefix(text: &str) -> Option<bool> {
    let length = text.chars().count();
    if length == 0 || length > 100 || text.starts_with("aws:") || text.contains(NO_TAG_KEY_SAMPLES) {
        return Some(false);
    }
    let known = text.chars().all(|c| c.is_ascii_alphanumeric() || TAG_KEY_SAMPLES.contains(&c));
    let reserved = text.to_ascii_lowercase().starts_with("aws:");
    (known && !reserved).then_some(true)
}
