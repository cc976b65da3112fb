//! Facts and parameters worth judging: what IAM holds, the edges of every bound, and what hostile hands could write.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use proptest::collection::vec;
use proptest::option::weighted;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::json;
use setup_keys::rule::facts::{AccessKey, Facts, Identity, KeyName, KeyStatus, Keys, LastUse, LoginProfile};
use setup_keys::rule::parameters::{GivenParameters, Parameters};

use crate::oracle::{self, PROFILES, Rule, Settings};

/// A user to judge.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    pub(crate) facts: Facts,
    pub(crate) settings: Settings,
    pub(crate) now: DateTime<Utc>,
}

impl Case {
    pub(crate) fn rule(&self) -> Rule {
        Rule::of(&self.settings)
    }

    pub(crate) fn parameters(&self) -> Parameters {
        GivenParameters::from_json(&json!(self.settings)).expect("settings within their bounds").resolve()
    }

    /// The same case with one parameter set.
    pub(crate) fn with(&self, name: &'static str, value: &str) -> Self {
        let mut case = self.clone();
        case.settings.insert(name, value.to_owned());
        case
    }
}

/// A user of whom everything is known.
pub(crate) fn known() -> impl Strategy<Value = Case> {
    let user = (user_name(), any::<[bool; 3]>(), moment());
    let keys = vec((key_name(), status(), gap(), last_use()), 0..=6);
    let password = prop_oneof![4 => Just(LoginProfile::Present), 1 => Just(LoginProfile::Absent)];
    (settings(), user, keys, password, holder(), now(), tag_plan()).prop_map(
        |(
            settings,
            (user_name, [id_known, arn_known, unknown_date], created),
            keys,
            login_profile,
            holder,
            now,
            tags,
        )| {
            let rule = Rule::of(&settings);
            let now = now.from(created);
            let user_id = "AIDAEXAMPLEUSERID000".to_owned();
            let identity = match holder {
                Holder::Same | Holder::Other => Identity::Read {
                    user_id: if matches!(holder, Holder::Same) {
                        user_id.clone()
                    } else {
                        "AIDAEXAMPLEOTHERID00".to_owned()
                    },
                    created,
                    tags: tags.write(&rule, now),
                },
                Holder::Gone => Identity::Gone,
                Holder::Unavailable => Identity::Unavailable,
            };
            let date_unknown = unknown_date && matches!(identity, Identity::Read { .. });
            let arn = arn_known.then(|| format!("arn:aws:iam::111122223333:user/ops/{user_name}"));
            let keys = distinct(keys.into_iter().map(|(name, status, gap, last_use)| AccessKey {
                name,
                status,
                created: gap.after(created, &rule),
                last_use,
            }));
            let facts = Facts {
                user_name,
                user_id: id_known.then_some(user_id),
                arn,
                created: (!date_unknown).then_some(created),
                keys: Keys::All(keys),
                login_profile,
                identity,
            };
            Case { facts, settings, now }
        },
    )
}

/// A user of whom any fact may be unread, and of whose keys there may be more than are known.
pub(crate) fn partly_known() -> impl Strategy<Value = Case> {
    (known(), any::<[bool; 5]>(), any::<[bool; 6]>(), 0..3_u8).prop_map(|(mut case, unread, unread_use, keys)| {
        let facts = &mut case.facts;
        let [user_id, arn, created, login_profile, identity] = unread;
        facts.user_id.take_if(|_| user_id);
        facts.arn.take_if(|_| arn);
        facts.created.take_if(|_| created);
        if login_profile {
            facts.login_profile = LoginProfile::Unread;
        }
        if identity {
            facts.identity = Identity::Unread;
        }
        for (key, unread) in facts.keys.known_mut().iter_mut().zip(unread_use) {
            if unread {
                key.last_use = LastUse::Unread;
            }
        }
        facts.keys = match keys {
            0 => Keys::Unread,
            1 => Keys::Some(facts.keys.known().to_vec()),
            _ => Keys::All(facts.keys.known().to_vec()),
        };
        case
    })
}

pub(crate) fn one_of(values: &'static [&'static str]) -> impl Strategy<Value = String> {
    select(values).prop_map(str::to_owned)
}

/// Names are unique among the keys of a user.
fn distinct(keys: impl Iterator<Item = AccessKey>) -> Vec<AccessKey> {
    let mut distinct: Vec<AccessKey> = Vec::new();
    for key in keys {
        if distinct.iter().all(|other| other.name != key.name) {
            distinct.push(key);
        }
    }
    distinct
}

pub(crate) fn settings() -> impl Strategy<Value = Settings> {
    let of =
        |name: &'static str, values: BoxedStrategy<String>| weighted(0.35, values.prop_map(move |value| (name, value)));
    let profile = select(PROFILES.map(|(name, ..)| name).to_vec()).prop_map(str::to_owned);
    (
        weighted(0.8, profile.prop_map(|value| ("profile", value))),
        of("setupWindowSeconds", window().boxed()),
        of("consolePassword", one_of(&["required", "ignored"]).boxed()),
        of("keyStatus", one_of(&["active", "any"]).boxed()),
        of("keyUsage", one_of(&["any", "never-used"]).boxed()),
        of("exceptionTagPrefix", prefix().boxed()),
        of(
            "maxExceptionDays",
            prop_oneof![select(vec![1, 2, 365, 3650]), 1..=3650_u32].prop_map(|days| days.to_string()).boxed(),
        ),
        of("sweepReports", one_of(&["all", "changes"]).boxed()),
    )
        .prop_map(|(a, b, c, d, e, f, g, h)| [a, b, c, d, e, f, g, h].into_iter().flatten().collect())
}

pub(crate) fn window() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => one_of(&["0", "1", "6", "59", "60", "61", "86399", "86400", "any"]),
        1 => (0..=86_400_u32).prop_map(|seconds| seconds.to_string()),
    ]
}

fn prefix() -> impl Strategy<Value = String> {
    let short = one_of(&["setup-keys:exception-", "x", "Exception/", " ", "équipe 中: ", "aws"]);
    prop_oneof![6 => short, 1 => Just("p".repeat(100))]
}

/// User names: what IAM allows, and what a forged event could hold.
fn user_name() -> impl Strategy<Value = String> {
    prop_oneof![
        2 => one_of(&["alice", "root", "a+b=c,d.e@f-g_h", "-", "@", "=cmd|' /C calc'!A0", "<root_account> "]),
        2 => "[A-Za-z0-9+=,.@_-]{1,64}",
        1 => hostile(),
    ]
}

/// Names of keys. Those of eight characters or more begin so that no other text can hold one by chance.
fn key_name() -> impl Strategy<Value = KeyName> {
    prop_oneof![
        6 => "AKIA[A-Z2-7]{16}".prop_map(KeyName::Id),
        1 => "[A-Z0-9]{0,7}".prop_map(KeyName::Id),
        1 => "KEY[A-Z0-9]{5,125}".prop_map(KeyName::Id),
        1 => ("KEY[A-Z0-9]{9}", hostile()).prop_map(|(start, rest)| KeyName::Id(start + &rest)),
        1 => (1..=2_u8).prop_map(KeyName::Slot),
    ]
}

fn status() -> impl Strategy<Value = KeyStatus> {
    prop_oneof![
        5 => Just(KeyStatus::Active),
        2 => Just(KeyStatus::Inactive),
        1 => select(vec!["Expired", "active", "ACTIVE", " Active", ""]).prop_map(KeyStatus::from),
        1 => hostile().prop_map(|status| KeyStatus::from(status.as_str())),
    ]
}

fn last_use() -> impl Strategy<Value = LastUse> {
    prop_oneof![2 => Just(LastUse::Never), 1 => moment().prop_map(LastUse::At)]
}

/// Moments that IAM could give, days around leap days and year ends, and the ends of what can be represented.
pub(crate) fn moment() -> impl Strategy<Value = DateTime<Utc>> {
    let at = |seconds, nanoseconds| DateTime::from_timestamp(seconds, nanoseconds).expect("a moment within range");
    let notable = select(vec![
        1_772_446_501, // 2026-03-02T10:15:01Z
        1_709_164_799, // 2024-02-28T23:59:59Z
        1_709_251_199, // 2024-02-29T23:59:59Z
        1_767_225_599, // 2025-12-31T23:59:59Z
        4_107_542_399, // 2100-02-28T23:59:59Z
    ]);
    prop_oneof![
        6 => (notable, fraction()).prop_map(move |(seconds, fraction)| at(seconds, fraction)),
        4 => (1_270_000_000..2_000_000_000_i64, fraction()).prop_map(move |(seconds, fraction)| at(seconds, fraction)),
        1 => select(vec![DateTime::<Utc>::MIN_UTC, DateTime::<Utc>::MAX_UTC, at(0, 0), at(-1, 999_999_999)]),
    ]
}

/// Nanoseconds of a second; IAM gives whole ones.
fn fraction() -> impl Strategy<Value = u32> {
    prop_oneof![6 => Just(0), 1 => select(vec![1, 499_999_999, 500_000_000, 999_999_999]), 1 => 0..1_000_000_000_u32]
}

fn shifted(moment: DateTime<Utc>, by: TimeDelta) -> DateTime<Utc> {
    let end = if by < TimeDelta::zero() { DateTime::<Utc>::MIN_UTC } else { DateTime::<Utc>::MAX_UTC };
    moment.checked_add_signed(by).unwrap_or(end)
}

/// How long after its user a key is made.
#[derive(Debug, Clone, Copy)]
enum Gap {
    /// At an edge of the window in force, give or take.
    Edge { before: bool, seconds: i64, nanoseconds: i64 },
    /// So many seconds, whatever the window.
    Seconds(i64),
    /// At the ends of what can be represented.
    End { first: bool },
}

impl Gap {
    fn after(self, user: DateTime<Utc>, rule: &Rule) -> DateTime<Utc> {
        match self {
            Self::Edge { before, seconds, nanoseconds } => {
                let edge = rule.window.unwrap_or(60) + seconds;
                shifted(
                    user,
                    TimeDelta::seconds(if before { -edge } else { edge }) + TimeDelta::nanoseconds(nanoseconds),
                )
            }
            Self::Seconds(seconds) => shifted(user, TimeDelta::seconds(seconds)),
            Self::End { first: true } => DateTime::<Utc>::MIN_UTC,
            Self::End { first: false } => DateTime::<Utc>::MAX_UTC,
        }
    }
}

fn gap() -> impl Strategy<Value = Gap> {
    let nanoseconds = prop_oneof![4 => Just(0_i64), 1 => select(vec![-1, 1, -999_999_999, 999_999_999, 500_000_000])];
    prop_oneof![
        6 => (any::<bool>(), -1..=1_i64, nanoseconds)
            .prop_map(|(before, seconds, nanoseconds)| Gap::Edge { before, seconds, nanoseconds }),
        2 => select(vec![0, 1, 6, 7, 59, 60, 61, 86_400, 86_401]).prop_map(Gap::Seconds),
        2 => (-200_000_000..200_000_000_i64).prop_map(Gap::Seconds),
        1 => any::<bool>().prop_map(|first| Gap::End { first }),
    ]
}

/// When a user is judged.
#[derive(Debug, Clone, Copy)]
enum Now {
    /// Days after the creation of the user, at this second of the day.
    Day { days: i64, second: i64, nanosecond: u32 },
    /// Whenever.
    At(DateTime<Utc>),
}

impl Now {
    fn from(self, created: DateTime<Utc>) -> DateTime<Utc> {
        match self {
            Self::Day { days, second, nanosecond } => {
                let midnight = created.timestamp().div_euclid(86_400) * 86_400;
                DateTime::from_timestamp(midnight + days * 86_400 + second, nanosecond).unwrap_or(created)
            }
            Self::At(moment) => moment,
        }
    }
}

fn now() -> impl Strategy<Value = Now> {
    let second = prop_oneof![select(vec![0, 1, 86_399]), 0..86_400_i64];
    prop_oneof![
        8 => (0..1500_i64, second, fraction())
            .prop_map(|(days, second, nanosecond)| Now::Day { days, second, nanosecond }),
        1 => moment().prop_map(Now::At),
    ]
}

/// Who has the user name when it is looked at again.
#[derive(Debug, Clone, Copy)]
enum Holder {
    Same,
    Other,
    Gone,
    Unavailable,
}

fn holder() -> impl Strategy<Value = Holder> {
    prop_oneof![
        12 => Just(Holder::Same),
        1 => Just(Holder::Other),
        1 => Just(Holder::Gone),
        2 => Just(Holder::Unavailable),
    ]
}

/// Tags of a user, to be written for a prefix and a day.
#[derive(Debug, Clone)]
pub(crate) struct TagPlan {
    owner: Option<(Spelling, String)>,
    expires: Option<(Spelling, Expiry)>,
    reason: Option<(Spelling, String)>,
    others: Vec<(String, String)>,
}

#[derive(Debug, Clone, Copy)]
enum Spelling {
    Exact,
    Upper,
    Capital,
    Spaced,
    WithoutPrefix,
}

impl Spelling {
    fn key(self, prefix: &str, name: &str) -> String {
        match self {
            Self::Exact => format!("{prefix}{name}"),
            Self::Upper => format!("{prefix}{name}").to_uppercase(),
            Self::Capital => format!("{prefix}{}{}", name[..1].to_uppercase(), &name[1..]),
            Self::Spaced => format!("{prefix}{name} "),
            Self::WithoutPrefix => name.to_owned(),
        }
    }
}

impl TagPlan {
    pub(crate) fn write(self, rule: &Rule, now: DateTime<Utc>) -> BTreeMap<String, String> {
        let mut tags: BTreeMap<_, _> = self.others.into_iter().collect();
        let mut put = |(spelling, value): (Spelling, String), name| {
            tags.insert(spelling.key(&rule.tag_prefix, name), value);
        };
        let expires = self.expires.map(|(spelling, expiry)| (spelling, expiry.write(rule, now)));
        for (tag, name) in [(self.owner, "owner"), (expires, "expires"), (self.reason, "reason")] {
            if let Some(tag) = tag {
                put(tag, name);
            }
        }
        tags
    }
}

pub(crate) fn tag_plan() -> impl Strategy<Value = TagPlan> {
    let spelling = || {
        prop_oneof![
            16 => Just(Spelling::Exact),
            1 => Just(Spelling::Upper),
            1 => Just(Spelling::Capital),
            1 => Just(Spelling::Spaced),
            1 => Just(Spelling::WithoutPrefix),
        ]
    };
    (
        weighted(0.75, (spelling(), owner())),
        weighted(0.75, (spelling(), expiry())),
        weighted(0.3, (spelling(), hostile())),
        other_tags(),
    )
        .prop_map(|(owner, expires, reason, others)| TagPlan { owner, expires, reason, others })
}

/// Tags of other tools.
fn other_tags() -> impl Strategy<Value = Vec<(String, String)>> {
    vec((prop_oneof![one_of(&["Name", "owner", "cost centre"]), hostile()], hostile()), 0..3)
}

fn owner() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => one_of(&["team@example.com", "x", "Équipe 中", " padded "]),
        1 => one_of(&["", " ", "\t", "\u{a0}", "\u{3000}\u{2003}", "\u{2028}", "\r\n"]),
        3 => hostile(),
    ]
}

/// What an `expires` tag says.
#[derive(Debug, Clone)]
enum Expiry {
    /// Days from today.
    Ahead(i64),
    /// Days past the last one that may be asked for.
    PastMost(i64),
    /// Tomorrow, in another notation than the one asked for.
    Mangled(fn(&str) -> String),
    /// Anything.
    Text(String),
}

impl Expiry {
    fn write(self, rule: &Rule, now: DateTime<Utc>) -> String {
        let today = oracle::today(now);
        match self {
            Self::Ahead(days) => oracle::format_day(today + days),
            Self::PastMost(days) => oracle::format_day(today + rule.max_exception_days + days),
            Self::Mangled(mangle) => mangle(&oracle::format_day(today + 1)),
            Self::Text(text) => text,
        }
    }
}

/// Days of no calendar, leap days, and other forms of dates.
const DAYS: &[&str] = &[
    "",
    "never",
    "2026-02-30",
    "2026-02-29",
    "2024-02-29",
    "2100-02-29",
    "2000-02-29",
    "2026-04-31",
    "2026-13-01",
    "2026-00-10",
    "2026-01-00",
    "2026-01-32",
    "+2026-01-01",
    "+2026",
    "-001-01-01",
    "0000-01-01",
    "9999-12-31",
    "99999-12-31",
    "2026-W01-1",
];

fn expiry() -> impl Strategy<Value = Expiry> {
    let mangled: Vec<fn(&str) -> String> = vec![
        |date| format!(" {date}"),
        |date| format!("{date} "),
        |date| format!("{date}\n"),
        |date| format!("+{date}"),
        |date| format!("0{date}"),
        |date| format!("{date}T00:00:00Z"),
        |date| date.replace('-', "/"),
        |date| date.replace('-', ""),
        |date| date.replace('-', "\u{2010}"),
        |date| date.replace("-0", "-"),
        |date| date.replace("-0", "- "),
        |date| date.replace("-0", "-+"),
        |date| date.split('-').rev().collect::<Vec<_>>().join("-"),
        |date| date.get(2..).unwrap_or_default().to_owned(),
        |date| digits_from('٠', date),
        |date| digits_from('０', date),
    ];
    prop_oneof![
        8 => (0..=1_i64).prop_map(Expiry::Ahead),
        2 => (-2..=-1_i64).prop_map(Expiry::Ahead),
        2 => (-400..4000_i64).prop_map(Expiry::Ahead),
        4 => (-1..=1_i64).prop_map(Expiry::PastMost),
        3 => select(mangled).prop_map(Expiry::Mangled),
        2 => one_of(DAYS).prop_map(Expiry::Text),
        1 => hostile().prop_map(Expiry::Text),
    ]
}

/// A date in the digits of another script.
fn digits_from(zero: char, date: &str) -> String {
    let digit = |c: char| c.to_digit(10).and_then(|digit| char::from_u32(u32::from(zero) + digit));
    date.chars().map(|c| digit(c).unwrap_or(c)).collect()
}

/// What terminals, logs, tables and cuts stumble over.
const HOSTILE: &[&str] = &[
    "a",
    " ",
    "\0",
    "\n",
    "\r\n",
    "\t",
    "\u{1b}[31m",
    "\u{7f}",
    "\u{85}",
    "\u{9b}2J",
    "e\u{301}",
    "\u{301}",
    "🙂",
    "👩\u{200d}👩\u{200d}👧",
    "\u{202e}",
    "\u{2066}",
    "\u{2028}",
    "\u{feff}",
    "\u{200b}",
    "…",
    "\"",
    "`",
    "<b>",
    "${jndi:x}",
    "中文",
    "\u{10ffff}",
    "\u{fffd}",
];

/// Text that someone with a right to name or tag a user could write.
pub(crate) fn hostile() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => vec(select(HOSTILE), 0..12).prop_map(|pieces| pieces.concat()),
        2 => vec(any::<char>(), 0..40).prop_map(String::from_iter),
        1 => (one_of(&["𝔘", "中", "\u{301}", "\n", " ", "x"]), 250..=260_usize)
            .prop_map(|(piece, length)| piece.repeat(length)),
    ]
}
