//! Random accounts, random requests, and somebody who changes the account between any two calls: what the remediator does is
//! held against a second reading of the rule, and against what it had read when it did it.
//!
//! The seed is fixed; `PROPTEST_RNG_SEED` and `PROPTEST_CASES` explore further. A failure prints the seed and the smallest
//! case found that shows it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use chrono::{DateTime, TimeDelta, Utc};
use proptest::collection::{btree_set, vec};
use proptest::option::weighted;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::{TestCaseError, TestRunner};
use setup_keys::rule::facts::{AccessKey, Facts, Identity, KeyName, KeyStatus, Keys, LastUse, LoginProfile};

use super::*;
use crate::oracle::{Rule, Settings, today};
use crate::support::aws::{Account, Call};
use crate::support::seeded::{has_default_cases, seeded};

const CASES: u32 = 160;

/// The user that requests are about.
const ID: &str = "AIDAEXAMPLETARGET0001";

/// More calls than any run here makes.
const MOST_CALLS: usize = 80;

#[derive(Debug, Clone)]
struct Case {
    settings: Settings,
    target: Plan,
    others: Vec<Plan>,
    /// The name by which AWS Config knows the target, if it is not its name now.
    known_as: Option<String>,
    deletes: bool,
    used_too: bool,
    dry_run: bool,
    /// After which call of the run somebody does what.
    meddling: Vec<(usize, Meddling)>,
}

#[derive(Debug, Clone)]
struct Plan {
    name: String,
    path: String,
    created: i64,
    password: bool,
    keys: Vec<KeyPlan>,
    owner: Option<&'static str>,
    /// Days from today, or a text that is no date.
    expires: Option<Result<i64, &'static str>>,
}

#[derive(Debug, Clone)]
struct KeyPlan {
    /// Seconds after the user: so many windows and so many seconds.
    made: (i64, i64),
    status: &'static str,
    used: bool,
}

#[derive(Debug, Clone)]
enum Meddling {
    UseKey(Index),
    SetStatus(Index, &'static str),
    DeleteKey(Index),
    MakeKey,
    SetPassword(bool),
    Except,
    EndException,
    Rename,
    Remove,
    /// Another user of the same name, with a setup key.
    Remake,
}

fn case() -> impl Strategy<Value = Case> {
    let request = (any::<bool>(), any::<bool>(), prop::bool::weighted(0.1));
    let meddling = vec((1..14_usize, meddling()), 0..=3);
    let names = btree_set("[A-Za-z0-9+=,.@_-]{1,12}|[A-Za-z0-9+=,.@_-]{60,64}", 4);
    let plans = vec(plan(), 1..=3);
    (settings(), names, plans, prop::bool::weighted(0.15), request, meddling).prop_map(
        |(settings, names, mut plans, renamed, (deletes, used_too, dry_run), meddling)| {
            // IAM compares names without regard to case.
            let distinct: BTreeMap<_, _> = names.into_iter().map(|name| (name.to_lowercase(), name)).collect();
            let mut names = distinct.into_values().chain((0..4).map(|number| format!("spare.{number}")));
            plans.iter_mut().zip(&mut names).for_each(|(plan, name)| plan.name = name);
            let target = plans.remove(0);
            let known_as = renamed.then(|| names.next().unwrap_or_default());
            Case { settings, target, others: plans, known_as, deletes, used_too, dry_run, meddling }
        },
    )
}

fn settings() -> impl Strategy<Value = Settings> {
    let of = |name: &'static str, values: &'static [&'static str]| {
        weighted(0.15, select(values).prop_map(move |value| (name, value.to_owned())))
    };
    (
        of("profile", &["check-point", "trend-micro", "kertos", "panther", "cyscale"]),
        of("setupWindowSeconds", &["0", "7", "86400", "any"]),
        of("consolePassword", &["required", "ignored"]),
        of("keyStatus", &["active", "any"]),
        of("keyUsage", &["any", "never-used"]),
        of("exceptionTagPrefix", &["accepted/", "x"]),
        of("maxExceptionDays", &["10", "3650"]),
    )
        .prop_map(|(a, b, c, d, e, f, g)| [a, b, c, d, e, f, g].into_iter().flatten().collect())
}

fn plan() -> impl Strategy<Value = Plan> {
    let path = select(vec!["/", "/engineering/", "/division_abc/x!~,y/"]);
    let made = prop_oneof![
        3 => (Just(0), 0..=5_i64),
        3 => (select(vec![-1, 1]), -1..=1_i64),
        1 => (Just(0), -90_000..90_000_i64),
    ];
    let status = prop_oneof![6 => Just("Active"), 6 => Just("Inactive"), 1 => select(vec!["Expired", "Suspended"])];
    let key = (made, status, prop::bool::weighted(0.3));
    let key = key.prop_map(|(made, status, used)| KeyPlan { made, status, used });
    // Never so near to a bound that it matters when today ends.
    let expires = prop_oneof![
        4 => select(vec![2, 8, 300]).prop_map(Ok),
        2 => select(vec![-400, -2, 400, 4000]).prop_map(Ok),
        1 => select(vec!["", "soon", "2026-02-30", "2099-1-1"]).prop_map(Err),
    ];
    (
        path,
        1_500_000_000..1_770_000_000_i64,
        prop::bool::weighted(0.9),
        prop_oneof![1 => Just(vec![]), 9 => vec(key, 1..=4)],
        weighted(0.25, select(vec!["ops", "team@example.com", "", " "])),
        weighted(0.25, expires),
    )
        .prop_map(|(path, created, password, keys, owner, expires)| Plan {
            name: String::new(),
            path: path.to_owned(),
            created,
            password,
            keys,
            owner,
            expires,
        })
}

fn meddling() -> impl Strategy<Value = Meddling> {
    prop_oneof![
        3 => any::<Index>().prop_map(Meddling::UseKey),
        4 => (any::<Index>(), select(vec!["Active", "Inactive", "Expired"]))
            .prop_map(|(key, status)| Meddling::SetStatus(key, status)),
        1 => any::<Index>().prop_map(Meddling::DeleteKey),
        1 => Just(Meddling::MakeKey),
        1 => any::<bool>().prop_map(Meddling::SetPassword),
        1 => Just(Meddling::Except),
        1 => Just(Meddling::EndException),
        1 => Just(Meddling::Rename),
        1 => Just(Meddling::Remove),
        1 => Just(Meddling::Remake),
    ]
}

impl Plan {
    /// The user; `number` tells its keys from those of others.
    fn user(&self, id: &str, number: usize, rule: &Rule, now: DateTime<Utc>) -> User {
        let created = DateTime::from_timestamp(self.created, 0).unwrap();
        let mut user = User { created, ..User::new(&self.name, CREATED).id(id).path(&self.path) };
        user.login_profile = self.password.then_some(created);
        for (place, KeyPlan { made: (windows, seconds), status, used }) in self.keys.iter().enumerate() {
            let seconds = windows * rule.window.unwrap_or(1_000_000) + seconds;
            let mut key = Key::new(&format!("AKIAUSER{number}KEY{place}000000"), created + TimeDelta::seconds(seconds));
            key.last_used = used.then(|| created + TimeDelta::days(3));
            user = user.with_key(key.status(status));
        }
        let tag = |name: &str| format!("{}{name}", rule.tag_prefix);
        if let Some(owner) = self.owner {
            user = user.tag(&tag("owner"), owner);
        }
        match self.expires {
            Some(Ok(days)) => user.tag(&tag("expires"), &day(now, days)),
            Some(Err(text)) => user.tag(&tag("expires"), text),
            None => user,
        }
    }
}

fn day(now: DateTime<Utc>, days_ahead: i64) -> String {
    (now + TimeDelta::days(days_ahead)).date_naive().to_string()
}

impl Meddling {
    fn meddle(&self, account: &mut Account, rule: &Rule, now: DateTime<Utc>) {
        let Some(place) = account.users.iter().position(|user| user.user_id == ID) else { return };
        let user = &mut account.users[place];
        let of = |key: &Index, user: &User| (!user.keys.is_empty()).then(|| key.index(user.keys.len()));
        let tag = |name: &str| format!("{}{name}", rule.tag_prefix);
        match self {
            Self::UseKey(key) => {
                // Only an active key can be used.
                if let Some(key) = of(key, user).map(|key| &mut user.keys[key]).filter(|key| key.status == "Active") {
                    key.last_used = Some(now);
                }
            }
            Self::SetStatus(key, status) => {
                if let Some(key) = of(key, user) {
                    (*status).clone_into(&mut user.keys[key].status);
                }
            }
            Self::DeleteKey(key) => drop(of(key, user).map(|key| user.keys.remove(key))),
            Self::MakeKey => user.keys.push(Key::new("AKIAMADEMEANWHILE000", user.created)),
            Self::SetPassword(given) => user.login_profile = given.then_some(now),
            Self::Except => {
                user.tags.insert(tag("owner"), "ops".to_owned());
                user.tags.insert(tag("expires"), day(now, 5));
            }
            Self::EndException => user.tags.clear(),
            Self::Rename => "renamed-meanwhile".clone_into(&mut user.name),
            Self::Remove => drop(account.users.remove(place)),
            Self::Remake => {
                let name = account.users.remove(place).name;
                let remade = User::new(&name, CREATED).id("AIDAEXAMPLEREMADE0001").password();
                account.users.push(remade.key("AKIAREMADE0000000001", 1));
            }
        }
    }
}

impl Case {
    /// The rule by which keys are acted on: what is deleted is inactive.
    fn rule(&self) -> Rule {
        let rule = Rule::of(&self.settings);
        Rule { active_only: rule.active_only && !self.deletes, ..rule }
    }

    fn request(&self) -> Value {
        json!({
            "userId": ID,
            "action": if self.deletes { "DeleteInactive" } else { "Deactivate" },
            "usedKeys": if self.used_too { "Deactivate" } else { "Keep" },
            "dryRun": self.dry_run,
            "parameters": self.settings,
        })
    }

    fn users(&self, now: DateTime<Utc>) -> Vec<User> {
        let rule = self.rule();
        let others = self
            .others
            .iter()
            .enumerate()
            .map(|(number, plan)| plan.user(&format!("AIDAEXAMPLEOTHER000{number}"), number + 1, &rule, now));
        others.chain([self.target.user(ID, 0, &rule, now)]).collect()
    }

    /// Whether a setup key of this status and use is to be changed.
    fn changes(&self, key: &Key) -> bool {
        match (self.deletes, key.status.as_str()) {
            (false, "Active") => self.used_too || key.last_used.is_none(),
            (true, "Inactive") => key.last_used.is_none(),
            _ => false,
        }
    }
}

/// What is known of a user that is looked for by its id.
fn facts(user: Option<&User>) -> Facts {
    let identity = user.map_or(Identity::Gone, |user| Identity::Read {
        user_id: user.user_id.clone(),
        created: user.created,
        tags: user.tags.clone(),
    });
    let keys = user.into_iter().flat_map(|user| &user.keys).map(|key| AccessKey {
        name: KeyName::Id(key.id.clone()),
        status: KeyStatus::from(key.status.as_str()),
        created: key.created,
        last_use: key.last_used.map_or(LastUse::Never, LastUse::At),
    });
    let password = user.is_some_and(|user| user.login_profile.is_some());
    Facts {
        user_id: Some(ID.to_owned()),
        identity,
        keys: Keys::All(keys.collect()),
        login_profile: if password { LoginProfile::Present } else { LoginProfile::Absent },
        ..Facts::unread(user.map_or("", |user| &user.name))
    }
}

/// The account after each call of a run.
type History = Arc<Mutex<Vec<Vec<User>>>>;

fn target(users: &[User]) -> Option<&User> {
    users.iter().find(|user| user.user_id == ID)
}

/// Runs while somebody meddles, then twice with nobody there; says what must not have been.
fn check(bench: &Bench, case: &Case, seen: &Seen) -> Result<(), TestCaseError> {
    let now = setup_keys::clock::now();
    let users = case.users(now);
    bench.set_up(&users);
    if let Some(known_as) = &case.known_as {
        let before = User { name: known_as.clone(), ..users.last().unwrap().clone() };
        bench.aws.account(|account| account.config.record(&before, before.created));
    }

    for (call, meddling) in case.meddling.clone() {
        let rule = case.rule();
        bench.aws.after_calls(None, call, move |account| meddling.meddle(account, &rule, now));
    }
    let history = History::new(Mutex::new(vec![users.clone()]));
    for call in 1..=MOST_CALLS {
        let history = Arc::clone(&history);
        bench.aws.after_calls(None, call, move |account| history.lock().unwrap().push(account.users.clone()));
    }
    let outcome = bench.run(&case.request());
    bench.aws.forget_changes();
    let calls = bench.aws.calls();
    note(seen, &outcome, !writes(&bench.aws).is_empty());
    prop_assert!(calls.len() < MOST_CALLS, "{} calls", calls.len());
    acted_on_what_it_read(case, &calls, &history.lock().unwrap(), now)?;
    if case.meddling.is_empty() {
        prop_assert!(matches!(outcome, Outcome::Success(_)), "{:?}", outcome);
    }
    if let Outcome::Failure { error_type, error_message } = &outcome {
        prop_assert_eq!(error_type, "ActionsFailed", "{}", error_message);
    }

    did_what_the_rule_says(bench, case, now)?;
    let left = did_what_the_rule_says(bench, case, now)?;
    prop_assert!(left == 0 || case.dry_run, "a run with nothing left to do changed {} keys", left);
    // Exceptions end at midnight: what was judged across it proves nothing.
    let now_again = setup_keys::clock::now();
    if today(now) == today(now_again) { Ok(()) } else { Err(TestCaseError::reject("midnight")) }
}

/// Each change was of a setup key by what was read last before it.
fn acted_on_what_it_read(
    case: &Case,
    calls: &[Call],
    history: &[Vec<User>],
    now: DateTime<Utc>,
) -> Result<(), TestCaseError> {
    let is_write = |call: &Call| !["Get", "List"].iter().any(|read| call.action.starts_with(read));
    for (place, call) in calls.iter().enumerate().filter(|(_, call)| is_write(call)) {
        let told = format!("{} {}", call.action, call.body);
        prop_assert!(!case.dry_run, "in a dry run: {}", told);
        let name = call.body["UserName"].as_str().unwrap_or_default();
        let read = |action: &str, of: &str| {
            let before = calls[..place].iter().rposition(|it| it.action == action && it.resource == of);
            // What a call shows is the account as the call before it left it.
            before.map(|before| (before, &history[before]))
        };
        let named = |users: &[User]| users.iter().find(|user| user.name.eq_ignore_ascii_case(name)).cloned();
        let key_of = |user: &User| user.keys.iter().find(|key| key.id == call.resource).cloned();

        let (_, seen) = read("GetUser", name).ok_or_else(|| TestCaseError::fail(told.clone()))?;
        let mut user = named(seen).ok_or_else(|| TestCaseError::fail(told.clone()))?;
        let (looked, seen) = read("ListAccessKeys", name).ok_or_else(|| TestCaseError::fail(told.clone()))?;
        let key = named(seen).and_then(|user| key_of(&user));
        let mut key = key.ok_or_else(|| TestCaseError::fail(format!("of no such key: {told}")))?;
        if let Some((_, seen)) = read("GetAccessKeyLastUsed", &call.resource) {
            key.last_used = seen.iter().find_map(&key_of).and_then(|key| key.last_used);
        } else {
            prop_assert!(false, "its last use was not read: {}", told);
        }
        prop_assert!(case.changes(&key), "{} of {:?}", told, key);
        if let Some((_, seen)) = read("GetLoginProfile", name) {
            user.login_profile = named(seen).and_then(|user| user.login_profile);
        } else {
            prop_assert!(!case.rule().password_required, "its password was not read: {}", told);
        }
        let wanted = if case.deletes { ("DeleteAccessKey", None) } else { ("UpdateAccessKey", Some("Inactive")) };
        prop_assert_eq!((call.action.as_str(), call.body["Status"].as_str()), wanted);
        prop_assert!(!case.deletes || looked + 1 == place, "something came between look and {}", told);
        user.keys = vec![key];
        let ruling = case.rule().judge(&facts(Some(&user)), now);
        prop_assert_eq!(ruling.compliance, "NON_COMPLIANT", "{} of {:?}", told, user);
    }
    Ok(())
}

/// Runs with nobody else there; how many keys it changed, which must be those that the rule says, and no others.
fn did_what_the_rule_says(bench: &Bench, case: &Case, now: DateTime<Utc>) -> Result<usize, TestCaseError> {
    let before = bench.aws.account(|account| account.users.clone());
    let user = target(&before);
    let ruling = case.rule().judge(&facts(user), now);
    let setup_keys: BTreeSet<_> = ruling.setup_keys.iter().map(|(name, _)| name.clone()).collect();
    let is_setup_key = |key: &Key| setup_keys.contains(&KeyName::Id(key.id.clone()));
    let is_changed = |key: &Key| ruling.compliance == "NON_COMPLIANT" && is_setup_key(key) && case.changes(key);
    let changed: BTreeSet<_> =
        user.into_iter().flat_map(|user| &user.keys).filter(|key| is_changed(key)).map(|key| key.id.clone()).collect();

    let mut expected: Vec<(String, Vec<Key>)> =
        before.iter().map(|user| (user.user_id.clone(), user.keys.clone())).collect();
    for (_, keys) in expected.iter_mut().filter(|(id, _)| id == ID && !case.dry_run) {
        if case.deletes {
            keys.retain(|key| !changed.contains(&key.id));
        }
        keys.iter_mut().filter(|key| changed.contains(&key.id)).for_each(|key| "Inactive".clone_into(&mut key.status));
    }
    bench.aws.forget_calls();
    let outcome = bench.run(&case.request());
    let Outcome::Success(response) = &outcome else {
        return Err(TestCaseError::fail(format!("{outcome:?}")));
    };
    let response: Value = serde_json::from_str(response).unwrap();
    prop_assert_eq!(bench.keys(), expected.clone(), "{}", response);

    prop_assert_eq!(&response["complianceBefore"], ruling.compliance);
    let outcome = if case.dry_run { "Planned" } else { "Done" };
    let told: BTreeSet<_> = response["actions"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|it| it["outcome"] == outcome)
        .map(|it| it["accessKeyId"].as_str().unwrap_or_default().to_owned())
        .collect();
    prop_assert_eq!(&told, &changed, "{}", response);
    let left = expected.iter().filter(|(id, _)| id == ID).flat_map(|(_, keys)| keys);
    let left = left.filter(|key| is_setup_key(key) && key.status == "Active").count();
    prop_assert_eq!(&response["remaining"], left, "{}", response);
    let written = writes(&bench.aws).len();
    prop_assert_eq!(written, if case.dry_run { 0 } else { changed.len() }, "{}", response);
    Ok(written)
}

#[test]
fn whatever_happens_meanwhile_only_setup_keys_are_changed_and_never_an_active_one_deleted() {
    let config = ProptestConfig { max_shrink_iters: 300, ..seeded(CASES) };
    let seed = config.rng_seed;
    let bench = Bench::start(remediator);
    let became = Mutex::new(BTreeMap::new());
    let checked = TestRunner::new(config).run(&case(), |case| check(&bench, &case, &became));
    if let Err(failure) = checked {
        panic!("with {seed:?}: {failure}");
    }
    // What never happened is not tested.
    println!("{seed:?}: {:?}", became.lock().unwrap());
    for what in ["changed", "failed", "gone", "kept for a change meanwhile", "nothing to do"] {
        assert!(!has_default_cases() || became.lock().unwrap().contains_key(what), "no case in which it was: {what}");
    }
}

/// What became of runs with somebody else there, and how often.
type Seen = Mutex<BTreeMap<&'static str, usize>>;

fn note(seen: &Seen, outcome: &Outcome, changed: bool) {
    let text = format!("{outcome:?}");
    let what = match outcome {
        Outcome::Failure { .. } => "failed",
        _ if text.contains("meanwhile.") || text.contains("meanwhile:") || text.contains("The key is gone") => {
            "kept for a change meanwhile"
        }
        _ if changed => "changed",
        _ if text.contains("NOT_APPLICABLE") => "gone",
        _ => "nothing to do",
    };
    *seen.lock().unwrap().entry(what).or_default() += 1;
}
