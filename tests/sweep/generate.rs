//! Accounts with a past: what they were when the credential report was made, and what they are now.

use std::collections::BTreeMap;

use chrono::{DateTime, Days, DurationRound as _, TimeDelta, Utc};
use proptest::collection::vec;
use proptest::option::weighted;
use proptest::prelude::*;
use proptest::sample::select;

use super::kinds::key_id;
use crate::support::ACCOUNT;
use crate::support::aws::{Account, Key, User};

/// An account with a past, and the parameters of the rule.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    pub(crate) parameters: BTreeMap<&'static str, String>,
    report_age: TimeDelta,
    /// Whether the report has what was made in the second in which it was made.
    has_last_second: bool,
    users: Vec<UserPlan>,
}

/// A user. All times are relative, so that the bounds of the rule's window are hit.
#[derive(Debug, Clone)]
struct UserPlan {
    /// How long before the report it was made.
    age: Span,
    keys: Vec<KeyPlan>,
    /// Whether it had a password when the report was made, and whether it has one now.
    password: [bool; 2],
    exception: Exception,
    row: Row,
    fate: Fate,
}

#[derive(Debug, Clone)]
struct KeyPlan {
    /// How long after its user it was made.
    after_user: Span,
    /// Status when the report was made, and now.
    status: [&'static str; 2],
    is_used: bool,
    is_deleted: bool,
}

/// A length of time: so many seconds more than some multiple of the window, or than the age of the user at the report.
#[derive(Debug, Clone, Copy)]
enum Span {
    Seconds(i64),
    /// The window once, or (`-1`) once the other way.
    Windows(i64, i64),
    /// Until the report was made: only for keys.
    ToReport(i64),
}

/// What the tags of a user make of it.
#[derive(Debug, Clone, Copy)]
enum Exception {
    None,
    InForce,
    Expired,
    WithoutOwner,
}

/// What the report has of a user that existed when it was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Row {
    Whole,
    Missing,
    /// Its active keys have no date.
    Undated,
}

/// What became of a user since the report was made.
#[derive(Debug, Clone)]
enum Fate {
    Stayed,
    Deleted,
    /// Deleted, and another was made under its name.
    Replaced(Box<UserPlan>),
    Renamed,
    Moved,
}

/// The users of an account now, and those that are gone.
pub(crate) struct Population {
    pub(crate) users: Vec<User>,
    pub(crate) gone: Vec<User>,
}

impl Case {
    /// Makes `account` what the case says, its credential report included.
    pub(crate) fn set_up(&self, account: &mut Account) -> Population {
        let now = setup_keys::clock::now().duration_trunc(TimeDelta::seconds(1)).expect("a time near the present");
        let report = now - self.report_age;
        let moments = Moments { window: self.window(), report, has_last_second: self.has_last_second, now };
        let mut then = Vec::new();
        let mut undated = Vec::new();
        let mut population = Population { users: Vec::new(), gone: Vec::new() };
        for (number, plan) in self.users.iter().enumerate() {
            let name = format!("user{number}");
            let made = plan.made(moments);
            if moments.is_reported(made) && plan.row != Row::Missing {
                then.push(plan.user(&name, moments, Moment::Report));
                if plan.row == Row::Undated {
                    undated.push(name.clone());
                }
            }
            let user = plan.user(&name, moments, Moment::Now);
            match &plan.fate {
                Fate::Stayed => population.users.push(user),
                Fate::Deleted => population.gone.push(user),
                Fate::Replaced(by) => {
                    let id = format!("AIDANEWUSER{number:010}");
                    population.gone.push(user);
                    population.users.push(by.user(&name, moments, Moment::Now).id(&id));
                }
                Fate::Renamed => population.users.push(User { name: format!("renamed{number}"), ..user }),
                Fate::Moved => population.users.push(user.path("/moved/")),
            }
        }

        *account = Account::new(ACCOUNT);
        account.report.polls = 0;
        // IAM documents that column for users with more keys than the others hold.
        account.report.additional_column = then.iter().any(|user| user.keys.len() > 2);
        account.users = then;
        account.take_report_snapshot(moments.report);
        if !undated.is_empty() {
            account.edit_report(|report| without_dates(&report, &undated));
        }
        account.users.clone_from(&population.users);
        population
    }

    /// The window in seconds; where there is none, any length will do.
    fn window(&self) -> i64 {
        let by_profile = match self.parameters.get("profile").map(String::as_str) {
            Some("check-point") => 59,
            Some("panther") => 6,
            _ => 60,
        };
        self.parameters.get("setupWindowSeconds").and_then(|window| window.parse().ok()).unwrap_or(by_profile)
    }
}

/// Takes the dates of active keys out of the rows of these users.
fn without_dates(report: &str, users: &[String]) -> String {
    const SLOTS: [usize; 2] = [8, 13];
    let rows = report.lines().map(|row| {
        let mut cells: Vec<_> = row.split(',').collect();
        if users.iter().any(|user| user == cells[0]) {
            for slot in SLOTS {
                if cells[slot] == "true" {
                    cells[slot + 1] = "N/A";
                }
            }
        }
        cells.join(",")
    });
    rows.collect::<Vec<_>>().join("\n")
}

#[derive(Debug, Clone, Copy)]
struct Moments {
    window: i64,
    report: DateTime<Utc>,
    has_last_second: bool,
    now: DateTime<Utc>,
}

impl Moments {
    fn is_reported(&self, made: DateTime<Utc>) -> bool {
        made < self.report || (made == self.report && self.has_last_second)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Moment {
    Report,
    Now,
}

impl UserPlan {
    fn made(&self, moments: Moments) -> DateTime<Utc> {
        (moments.report - self.age.length(moments, moments.report)).min(moments.now)
    }

    /// The user as it is at a moment.
    fn user(&self, name: &str, moments: Moments, moment: Moment) -> User {
        let created = self.made(moments);
        let mut user = User::new(name, &created.to_rfc3339());
        if self.password[usize::from(moment == Moment::Now)] {
            user = user.password();
        }
        for (number, key) in self.keys.iter().enumerate() {
            let id = key_id(&format!("{name}{}", if user.created > moments.report { "N" } else { "" }), number);
            let made = created + key.after_user.length(moments, created);
            let is_there = match moment {
                Moment::Report => moments.is_reported(made),
                Moment::Now => made <= moments.now && !key.is_deleted,
            };
            if is_there {
                let mut made = Key::new(&id, made).status(key.status[usize::from(moment == Moment::Now)]);
                made.last_used = key.is_used.then_some(moments.report - TimeDelta::days(1));
                user = user.with_key(made);
            }
        }
        let today = moments.now.date_naive();
        let expires = match self.exception {
            Exception::None => return user,
            Exception::InForce | Exception::WithoutOwner => today + Days::new(30),
            Exception::Expired => today - Days::new(30),
        };
        let owner = if matches!(self.exception, Exception::WithoutOwner) { " " } else { "ops" };
        user.tag("setup-keys:exception-owner", owner).tag("setup-keys:exception-expires", &expires.to_string())
    }
}

impl Span {
    fn length(self, moments: Moments, user_created: DateTime<Utc>) -> TimeDelta {
        match self {
            Self::Seconds(seconds) => TimeDelta::seconds(seconds),
            Self::Windows(times, more) => TimeDelta::seconds(times * moments.window + more),
            Self::ToReport(more) => moments.report - user_created + TimeDelta::seconds(more),
        }
    }
}

pub(crate) fn cases() -> impl Strategy<Value = Case> {
    let report_age = select(vec![5, 3_600, 4 * 3_600 + 60, 3 * 86_400]).prop_map(TimeDelta::seconds);
    (parameters(), report_age, any::<bool>(), vec(user(fate()), 1..=8)).prop_map(
        |(parameters, report_age, has_last_second, users)| Case { parameters, report_age, has_last_second, users },
    )
}

fn parameters() -> impl Strategy<Value = BTreeMap<&'static str, String>> {
    let of = |name: &'static str, share: f64, values: &'static [&'static str]| {
        weighted(share, select(values).prop_map(move |value| (name, value.to_owned())))
    };
    (
        of("profile", 0.8, &["cis", "check-point", "trend-micro", "kertos", "panther", "cyscale"]),
        of("setupWindowSeconds", 0.4, &["0", "1", "59", "3600", "86400", "any"]),
        of("consolePassword", 0.3, &["required", "ignored"]),
        of("keyStatus", 0.3, &["active", "any"]),
        of("keyUsage", 0.2, &["any", "never-used"]),
    )
        .prop_map(|(a, b, c, d, e)| [a, b, c, d, e].into_iter().flatten().collect())
}

fn user(fate: impl Strategy<Value = Fate>) -> impl Strategy<Value = UserPlan> {
    let age = prop_oneof![
        4 => (-2..=2_i64).prop_map(|more| Span::Windows(1, more)),
        4 => select(vec![86_400, 40 * 86_400]).prop_map(Span::Seconds),
        2 => (-30..=1_i64).prop_map(Span::Seconds),
    ];
    let password = prop_oneof![
        3 => Just([true, true]), 3 => Just([false, false]), 2 => Just([false, true]), 1 => Just([true, false])
    ];
    let exception = prop_oneof![
        6 => Just(Exception::None),
        1 => Just(Exception::InForce),
        1 => Just(Exception::Expired),
        1 => Just(Exception::WithoutOwner),
    ];
    let row = prop_oneof![8 => Just(Row::Whole), 1 => Just(Row::Missing), 1 => Just(Row::Undated)];
    (age, vec(key(), 0..=3), password, exception, row, fate)
        .prop_map(|(age, keys, password, exception, row, fate)| UserPlan { age, keys, password, exception, row, fate })
}

fn key() -> impl Strategy<Value = KeyPlan> {
    let after_user = prop_oneof![
        3 => (-1..=1_i64).prop_map(|more| Span::Windows(1, more)),
        2 => (-1..=1_i64).prop_map(|more| Span::Windows(-1, more)),
        3 => (0..=5_i64).prop_map(Span::Seconds),
        2 => select(vec![-3 * 86_400, 3 * 86_400]).prop_map(Span::Seconds),
        2 => (-1..=2_i64).prop_map(Span::ToReport),
    ];
    let status = prop_oneof![
        4 => Just(["Active", "Active"]),
        1 => Just(["Active", "Inactive"]),
        1 => Just(["Inactive", "Active"]),
        1 => Just(["Inactive", "Inactive"]),
        1 => Just(["Active", "Expired"]),
    ];
    (after_user, status, any::<bool>(), prop::bool::weighted(0.15))
        .prop_map(|(after_user, status, is_used, is_deleted)| KeyPlan { after_user, status, is_used, is_deleted })
}

fn fate() -> impl Strategy<Value = Fate> {
    // Whoever took the name was made when it was free, so after the report.
    let later = user(Just(Fate::Stayed)).prop_map(|plan| UserPlan { age: Span::Seconds(-3), ..plan });
    prop_oneof![
        10 => Just(Fate::Stayed),
        1 => Just(Fate::Deleted),
        2 => later.prop_map(|plan| Fate::Replaced(Box::new(plan))),
        1 => Just(Fate::Renamed),
        1 => Just(Fate::Moved),
    ]
}
