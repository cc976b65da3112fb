//! Every kind of user and every action: the whole answer, what is left, and exactly the calls that it takes.

use super::*;
use crate::support::aws::Account;

const ALICE: &str = "AIDAEXAMPLEALICE00001";
const LATER: &str = "AKIALATER00000000001";

/// The actions, in the order of the columns.
const ACTIONS: [(&str, &str); 3] = [("Deactivate", "Keep"), ("Deactivate", "Deactivate"), ("DeleteInactive", "Keep")];

/// The calls by one letter each; the small ones change a key.
const CALLS: [(char, &str); 8] = [
    ('D', "config:ListDiscoveredResources"),
    ('L', "iam:ListUsers"),
    ('U', "iam:GetUser"),
    ('K', "iam:ListAccessKeys"),
    ('P', "iam:GetLoginProfile"),
    ('T', "iam:GetAccessKeyLastUsed"),
    ('u', "iam:UpdateAccessKey"),
    ('x', "iam:DeleteAccessKey"),
];

/// What becomes of a setup key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Deactivated,
    DeactivatedThoughUsed,
    InUse,
    Deleted,
    WasUsed,
    IsActive,
    NotActive,
}
use Fate::{Deactivated, DeactivatedThoughUsed, Deleted, InUse, IsActive, NotActive, WasUsed};

impl Fate {
    /// Action, outcome when it is carried out, and reason.
    fn told(self) -> [&'static str; 3] {
        match self {
            Deactivated => ["Deactivate", "Done", "The key was made at user setup and never used."],
            DeactivatedThoughUsed => {
                let reason = "The key was made at user setup and used; used keys are to be deactivated as well.";
                ["Deactivate", "Done", reason]
            }
            InUse => ["None", "Skipped", "The key is in use: have its owner rotate it."],
            Deleted => ["Delete", "Done", "The key was made at user setup, never used, and is inactive."],
            WasUsed => ["None", "Skipped", "The key was used, so it is not deleted."],
            IsActive => ["None", "Skipped", "The key is active, so it is not deleted."],
            NotActive => ["None", "Skipped", "The key is not active already."],
        }
    }
}

/// What one action comes to.
#[derive(Debug, Clone)]
struct Cell {
    compliance: &'static str,
    /// What becomes of the setup keys that count, in the order in which they were made.
    fates: Vec<(&'static str, Fate)>,
    /// Active setup keys that an exception covers.
    covered: usize,
    /// The calls that judge, and those that act.
    calls: [&'static str; 2],
}

fn untouched(compliance: &'static str, calls: &'static str) -> Cell {
    Cell { compliance, fates: vec![], covered: 0, calls: [calls, ""] }
}

fn excepted(covered: usize, calls: &'static str) -> Cell {
    Cell { covered, ..untouched("COMPLIANT", calls) }
}

fn keys(fates: &[(&'static str, Fate)], judging: &'static str, acting: &'static str) -> Cell {
    Cell { compliance: "NON_COMPLIANT", fates: fates.to_vec(), covered: 0, calls: [judging, acting] }
}

fn first(fate: Fate, judging: &'static str, acting: &'static str) -> Cell {
    keys(&[(FIRST, fate)], judging, acting)
}

/// An account, the rule parameters, and what the actions on alice come to.
struct Row {
    account: Box<dyn Fn(&mut Account)>,
    parameters: Value,
    cells: [Cell; 3],
}

fn user(user: User, cells: [Cell; 3]) -> Row {
    Row { account: Box::new(move |account| account.add(user.clone())), parameters: json!({}), cells }
}

impl Row {
    /// The same with AWS Config behind: it knows the user as it was, and as it is no more.
    fn known_as(self, before: User) -> Self {
        let account = Box::new(move |account: &mut Account| {
            (self.account)(account);
            account.config.record(&before, time(CREATED));
        });
        Self { account, ..self }
    }

    fn by(self, parameters: Value) -> Self {
        Self { parameters, ..self }
    }
}

/// Runs each action dry, for real, and for real once more.
#[track_caller]
fn comes_to(row: Row) {
    let bench = Bench::start(remediator);
    for ((action, used_keys), cell) in ACTIONS.into_iter().zip(&row.cells) {
        bench.set_up(&[]);
        bench.aws.account(|account| (row.account)(account));
        let before = bench.keys();
        let mut request = json!({
            "userId": ALICE, "action": action, "usedKeys": used_keys, "dryRun": true, "parameters": row.parameters
        });

        let planned = bench.answer(&request);
        let what = format!("{action}, {used_keys}: {planned}");
        check(&planned, cell, true, &before, &what);
        assert_eq!((bench.keys(), calls(&bench)), (before.clone(), cell.calls[0].to_owned()), "dry {what}");

        request["dryRun"] = json!(false);
        let done = bench.answer(&request);
        let what = format!("{action}, {used_keys}: {done}");
        check(&done, cell, false, &before, &what);
        assert_eq!((bench.keys(), calls(&bench)), (after(&before, cell), cell.calls.concat()), "{what}");

        let again = bench.answer(&request);
        let changed = calls(&bench).contains(char::is_lowercase);
        assert_eq!((bench.keys(), changed), (after(&before, cell), false), "a second time, {action}: {again}");
    }
}

/// The keys that are left when all is done.
fn after(before: &[(String, Vec<Key>)], cell: &Cell) -> Vec<(String, Vec<Key>)> {
    let mut after = before.to_vec();
    for keys in after.iter_mut().filter(|(id, _)| id == ALICE).map(|(_, keys)| keys) {
        for (id, fate) in &cell.fates {
            match fate {
                Deleted => keys.retain(|key| key.id != *id),
                Deactivated | DeactivatedThoughUsed => {
                    keys.iter_mut().filter(|key| key.id == *id).for_each(|key| "Inactive".clone_into(&mut key.status));
                }
                InUse | WasUsed | IsActive | NotActive => {}
            }
        }
    }
    after
}

/// The calls since the last time, by their letters.
#[track_caller]
fn calls(bench: &Bench) -> String {
    let letter = |name: &String| CALLS.iter().find(|(_, known)| known == name).unwrap_or_else(|| panic!("{name}")).0;
    let calls = bench.aws.action_names().iter().map(letter).collect();
    bench.aws.forget_calls();
    calls
}

#[track_caller]
fn check(response: &Value, cell: &Cell, dry_run: bool, before: &[(String, Vec<Key>)], what: &str) {
    let told = |(id, fate): &(&str, Fate)| {
        let [action, outcome, reason] = fate.told();
        let outcome = if dry_run && outcome == "Done" { "Planned" } else { outcome };
        json!({"accessKeyId": id, "action": action, "outcome": outcome, "reason": reason})
    };
    let left = if dry_run { before.to_vec() } else { after(before, cell) };
    let is_active = |id: &str| left.iter().flat_map(|(_, keys)| keys).any(|key| key.id == id && key.status == "Active");
    let remaining = cell.covered + cell.fates.iter().filter(|(id, _)| is_active(id)).count();
    assert_eq!(
        (&response["userId"], &response["complianceBefore"], &response["actions"], &response["remaining"]),
        (&json!(ALICE), &json!(cell.compliance), &cell.fates.iter().map(told).collect(), &json!(remaining)),
        "dry run: {dry_run}, {what}"
    );
    let is_gone = cell.compliance == "NOT_APPLICABLE";
    assert_eq!(response["userName"].is_null(), is_gone, "{what}");
    assert!(response["annotation"].as_str().is_some_and(|annotation| !annotation.is_empty()), "{what}");
}

fn with(key: Key) -> User {
    alice().with_key(key)
}

fn violator() -> User {
    with(key(FIRST, "Active"))
}

/// With an exception that ends so many days ahead: never so few that it matters when today ends.
fn tagged(owner: &str, days_ahead: i64) -> User {
    let expires = (setup_keys::clock::now() + chrono::TimeDelta::days(days_ahead)).date_naive().to_string();
    violator().tag("setup-keys:exception-owner", owner).tag("setup-keys:exception-expires", &expires)
}

fn without_password(user: User) -> User {
    User { login_profile: None, ..user }
}

fn named(name: &str, user: User) -> User {
    User { name: name.to_owned(), ..user }
}

fn another() -> User {
    violator().id("AIDAANOTHERALICE00001")
}

/// Like [`violator`], whatever it takes to find it.
fn acts(judging: &'static str) -> [Cell; 3] {
    [first(Deactivated, judging, "KTuK"), first(Deactivated, judging, "KTuK"), first(IsActive, judging, "")]
}

/// No action does anything.
fn nothing(compliance: &'static str, calls: &'static str) -> [Cell; 3] {
    [(); 3].map(|()| untouched(compliance, calls))
}

/// Only that one does anything which asks for every status.
fn only_deletion(fate: Fate, acting: &'static str) -> [Cell; 3] {
    [untouched("COMPLIANT", "DUK"), untouched("COMPLIANT", "DUK"), first(fate, "DUKPT", acting)]
}

cases! { comes_to:
    a_user_without_keys => (user(alice(), nothing("COMPLIANT", "DUK")));
    a_key_made_later => (user(alice().key(LATER, 61), nothing("COMPLIANT", "DUK")));
    a_key_dated_long_before_its_user => (user(alice().key(LATER, -61), nothing("COMPLIANT", "DUK")));
    a_setup_key_without_password => (user(without_password(violator()), nothing("COMPLIANT", "DUKP")));
    an_inactive_setup_key_without_password => (user(without_password(with(key(FIRST, "Inactive"))), [
        untouched("COMPLIANT", "DUK"), untouched("COMPLIANT", "DUK"), untouched("COMPLIANT", "DUKP")]));

    an_active_key_never_used => (user(violator(), acts("DUKPT")));
    an_active_key_at_the_end_of_the_window => (user(alice().key(FIRST, 60), acts("DUKPT")));
    an_active_key_that_was_used => (user(with(used(key(FIRST, "Active"))), [
        first(InUse, "DUKPT", ""), first(DeactivatedThoughUsed, "DUKPT", "KuK"), first(IsActive, "DUKPT", "")]));
    an_inactive_key_never_used => (user(with(key(FIRST, "Inactive")), only_deletion(Deleted, "KTKxK")));
    an_inactive_key_that_was_used => (user(with(used(key(FIRST, "Inactive"))), only_deletion(WasUsed, "")));
    an_expired_key_never_used => (user(with(key(FIRST, "Expired")), only_deletion(NotActive, "")));
    a_key_of_a_status_that_is_not_known_yet => (user(with(used(key(FIRST, "Suspended"))), only_deletion(NotActive, "")));

    keys_of_all_kinds => (user(
        alice().key(LATER, 86_400).with_key(key("AKIASETUP00000000003", "Inactive")).with_key(used(key(SECOND, "Active")))
            .with_key(key(FIRST, "Active")).with_key(key("AKIASETUP00000000004", "Inactive")),
        [
            keys(&[(FIRST, Deactivated), (SECOND, InUse)], "DUKPTT", "KTuK"),
            keys(&[(FIRST, Deactivated), (SECOND, DeactivatedThoughUsed)], "DUKPTT", "KTuKKuK"),
            keys(&[(FIRST, IsActive), (SECOND, IsActive), ("AKIASETUP00000000003", Deleted), ("AKIASETUP00000000004", Deleted)],
                "DUKPTTTT", "KTKxKKTKxK"),
        ]));

    a_valid_exception => (user(tagged("ops", 30), [(); 3].map(|()| excepted(1, "DUKPT"))));
    an_exception_that_ended_yesterday => (user(tagged("ops", -1), acts("DUKPT")));
    an_exception_too_far_ahead => (user(tagged("ops", 400), acts("DUKPT")));
    an_exception_of_nobody => (user(tagged(" ", 30), acts("DUKPT")));
    an_exception_for_an_inactive_key => (user(
        User { keys: vec![key(FIRST, "Inactive")], ..tagged("ops", 30) },
        [untouched("COMPLIANT", "DUK"), untouched("COMPLIANT", "DUK"), excepted(0, "DUKPT")]));

    a_user_that_is_gone => (Row { account: Box::new(|_| {}), ..user(alice(), nothing("NOT_APPLICABLE", "DL")) });
    a_user_that_is_gone_and_still_known
        => (Row { account: Box::new(|_| {}), ..user(alice(), nothing("NOT_APPLICABLE", "DUL")) }.known_as(violator()));
    another_user_of_its_name => (user(another(), nothing("NOT_APPLICABLE", "DL")));
    another_user_of_its_name_where_it_is_still_known
        => (user(another(), nothing("NOT_APPLICABLE", "DUL")).known_as(violator()));
    a_user_that_was_renamed => (user(named("alice.smith", violator()), acts("DULUKPT")).known_as(violator()));

    inactive_where_every_status_counts => (user(with(key(FIRST, "Inactive")), [
        first(NotActive, "DUKPT", ""), first(NotActive, "DUKPT", ""), first(Deleted, "DUKPT", "KTKxK")
    ]).by(json!({"profile": "check-point"})));
    used_where_only_unused_ones_count
        => (user(with(used(key(FIRST, "Active"))), nothing("COMPLIANT", "DUKPT")).by(json!({"profile": "trend-micro"})));
    without_password_where_none_is_asked_for
        => (user(without_password(violator()), acts("DUKT")).by(json!({"profile": "panther"})));
    made_long_after_where_no_window_is_asked_for
        => (user(alice().key(FIRST, 86_400), acts("DUKPT")).by(json!({"profile": "cyscale"})));
    outside_a_shorter_window => (user(alice().key(LATER, 11), nothing("COMPLIANT", "DUK")).by(json!({"setupWindowSeconds": 10})));
    an_exception_by_other_tags => (user(tagged("ops", 30), acts("DUKPT")).by(json!({"exceptionTagPrefix": "other:"})));
    an_exception_longer_than_allowed_here => (user(tagged("ops", 40), acts("DUKPT")).by(json!({"maxExceptionDays": "29"})));
}
