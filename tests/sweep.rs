//! The scheduled sweep as a process: which calls it makes, that its verdicts are those of change events, and that whatever
//! goes wrong it never stores a wrong result and never hides a missing one.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a step that fails is a test that fails")]

mod support;

#[path = "sweep/budget.rs"]
mod budget;
#[path = "sweep/changes.rs"]
mod changes;
#[path = "sweep/cleanup.rs"]
mod cleanup;
#[path = "sweep/equality.rs"]
mod equality;
#[path = "sweep/faults.rs"]
mod faults;
#[path = "sweep/generate.rs"]
mod generate;
#[path = "sweep/partial.rs"]
mod partial;
#[path = "sweep/reports.rs"]
mod reports;
#[path = "sweep/throttling.rs"]
mod throttling;

use std::collections::BTreeMap;

use serde_json::{Value, json};
use support::aws::{AwsDouble, User};
use support::events::{self, Event};
use support::process::Lambda;
use support::troubles::Results;
use support::{ACCOUNT, RULE, time};

const EVALUATOR: &str = env!("CARGO_BIN_EXE_evaluator");
const CREATED: &str = "2026-03-02T10:15:01Z";

/// A scheduled event of the rule [`RULE`].
fn scheduled(aws: &AwsDouble) -> Event {
    scheduled_for(aws, RULE)
}

fn scheduled_for(aws: &AwsDouble, rule: &str) -> Event {
    events::scheduled(ACCOUNT).rule(rule).token(aws.issue_token(rule))
}

/// Sweeps the account with a new evaluator, which must succeed.
#[track_caller]
fn sweep(aws: &AwsDouble) -> Lambda {
    let lambda = Lambda::start(EVALUATOR, aws);
    lambda.invoke(scheduled(aws)).expect_success();
    lambda
}

/// What a sweep in which nothing goes wrong says of these users.
fn results_of(users: &[User]) -> Results {
    let aws = AwsDouble::with_users(users.to_vec());
    sweep(&aws);
    aws.stored_results(RULE)
}

/// How often each action was called.
fn counts(aws: &AwsDouble) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for action in aws.action_names() {
        *counts.entry(action).or_default() += 1;
    }
    counts
}

/// Gives the rule a result that was put before the sweep.
fn store_earlier(aws: &AwsDouble, user_id: &str, compliance_type: &str, annotation: &str) {
    let at = time("2026-03-02T12:00:00Z");
    aws.account(|account| account.config.store_result(RULE, user_id, compliance_type, annotation, at));
}

/// The users for whom an action was called, each once.
fn users_read(aws: &AwsDouble, action: &str) -> Vec<String> {
    let calls = aws.calls().into_iter().filter(|call| call.action == action);
    let mut users: Vec<_> = calls.map(|call| call.resource).collect();
    users.sort();
    users.dedup();
    users
}

/// Users of all kinds that a sweep tells apart. What their names say is how they are judged.
mod kinds {
    use chrono::TimeDelta;

    use super::{CREATED, User};
    use crate::support::aws::Key;

    /// Without a key: the report suffices.
    pub(crate) fn keyless(name: &str) -> User {
        User::new(name, CREATED).password()
    }

    /// With a password and a key made a day later: live reads clear it.
    pub(crate) fn cleared(name: &str) -> User {
        keyless(name).key(&key_id(name, 1), 86_400)
    }

    /// With a key made a day later and no password: the report suffices.
    pub(crate) fn machine(name: &str) -> User {
        User::new(name, CREATED).key(&key_id(name, 1), 86_400)
    }

    /// With a key made at once and no password: whether it has one now must be asked.
    pub(crate) fn machine_in_question(name: &str) -> User {
        User::new(name, CREATED).key(&key_id(name, 1), 1)
    }

    /// With a password and a key made at once.
    pub(crate) fn violator(name: &str) -> User {
        keyless(name).key(&key_id(name, 1), 4)
    }

    /// The same, with a second such key, which was used.
    pub(crate) fn violator_with_two_keys(name: &str) -> User {
        let user = violator(name);
        let (made, last_used) = (user.created + TimeDelta::seconds(60), user.created + TimeDelta::days(30));
        user.with_key(Key::new(&key_id(name, 2), made).last_used(last_used))
    }

    /// A violator with an exception in force.
    pub(crate) fn excepted(name: &str) -> User {
        let expires = (setup_keys::clock::now() + TimeDelta::days(30)).date_naive().to_string();
        violator(name).tag("setup-keys:exception-owner", "ops").tag("setup-keys:exception-expires", &expires)
    }

    /// An access key id of 20 characters, another for every user.
    pub(crate) fn key_id(name: &str, number: usize) -> String {
        let name: String = name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_uppercase();
        format!("AKIA{name:0>14}{number:02}")
    }
}

/// One user of each kind.
fn one_of_each() -> Vec<User> {
    vec![
        kinds::keyless("keyless"),
        kinds::cleared("cleared"),
        kinds::machine_in_question("machine"),
        kinds::violator("violator"),
        kinds::violator_with_two_keys("twokeys"),
        kinds::excepted("excepted"),
    ]
}
