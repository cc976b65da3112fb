//! Every way in which a call can fail, at every call of a run: it ends with the one key changed that is to be changed, or it
//! fails with a stable error type; no other key is ever touched, and the next run puts all right.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use super::*;
use crate::support::aws::{SECRET_ACCESS_KEY, Times};
use crate::support::process::Lambda;

/// How many runs are under way at once: some of them wait.
const AT_ONCE: usize = 32;

const LATER: &str = "AKIALATER00000000001";

/// What a run is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    Deactivate,
    DeleteInactive,
}
use What::{Deactivate, DeleteInactive};

/// A call of a run: heading, action, how many calls of that action go well before, and what the run is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place(What, &'static str, &'static str, usize);

/// All calls of both runs, in their order. Lists have two pages.
const PLACES: [Place; 25] = [
    Place(Deactivate, "name", "ListDiscoveredResources", 0),
    Place(Deactivate, "users", "ListUsers", 0),
    Place(Deactivate, "page 2", "ListUsers", 1),
    Place(Deactivate, "user", "GetUser", 0),
    Place(Deactivate, "keys", "ListAccessKeys", 0),
    Place(Deactivate, "page 2", "ListAccessKeys", 1),
    Place(Deactivate, "password", "GetLoginProfile", 0),
    Place(Deactivate, "last use", "GetAccessKeyLastUsed", 0),
    Place(Deactivate, "look: key", "ListAccessKeys", 2),
    Place(Deactivate, "look: use", "GetAccessKeyLastUsed", 2),
    Place(Deactivate, "deactivate", "UpdateAccessKey", 0),
    Place(Deactivate, "see", "ListAccessKeys", 4),
    Place(DeleteInactive, "name", "ListDiscoveredResources", 0),
    Place(DeleteInactive, "users", "ListUsers", 0),
    Place(DeleteInactive, "user", "GetUser", 0),
    Place(DeleteInactive, "keys", "ListAccessKeys", 0),
    Place(DeleteInactive, "page 2", "ListAccessKeys", 1),
    Place(DeleteInactive, "password", "GetLoginProfile", 0),
    Place(DeleteInactive, "last use", "GetAccessKeyLastUsed", 0),
    Place(DeleteInactive, "look: key", "ListAccessKeys", 2),
    Place(DeleteInactive, "look: use", "GetAccessKeyLastUsed", 2),
    Place(DeleteInactive, "look again", "ListAccessKeys", 4),
    Place(DeleteInactive, "page 2", "ListAccessKeys", 5),
    Place(DeleteInactive, "delete", "DeleteAccessKey", 0),
    Place(DeleteInactive, "see", "ListAccessKeys", 6),
];

impl Place {
    /// Whether the run has judged by then, and may have changed a key.
    fn acts(self) -> bool {
        let Place(_, heading, action, skip) = self;
        heading.starts_with("look") || skip >= 4 || matches!(action, "UpdateAccessKey" | "DeleteAccessKey")
    }

    fn changes(self) -> bool {
        matches!(self.2, "UpdateAccessKey" | "DeleteAccessKey")
    }
}

/// What goes wrong there.
#[derive(Debug, Clone)]
struct Trouble {
    name: String,
    kind: FaultKind,
    times: Times,
    /// Whether a run must cope with it.
    passes: bool,
}

/// What goes wrong at every place.
fn troubles() -> Vec<Trouble> {
    use FaultKind::{
        AccessDenied, CutText, EmptyBody, ExpiredToken, InternalError, NoSuchEntity, Reset, Throttle, TruncatedBody,
        Unavailable, WrongBody,
    };
    let trouble = |name, kind: &FaultKind, often, times, passes| Trouble {
        name: format!("{name} {often}"),
        kind: kind.clone(),
        times,
        passes,
    };
    let mut troubles = Vec::new();
    for (name, kind, passes) in [
        ("throttled", Throttle, true),
        ("500", InternalError, true),
        ("503", Unavailable, true),
        ("reset", Reset, true),
        ("cut answer", TruncatedBody, true),
        ("half an answer", CutText, true),
        ("wrong answer", WrongBody, true),
        ("empty answer", EmptyBody, true),
        ("denied", AccessDenied, false),
        ("not found", NoSuchEntity, false),
    ] {
        troubles.push(trouble(name, &kind, "once", Times::N(1), passes));
        troubles.push(trouble(name, &kind, "for ever", Times::Forever, false));
    }
    troubles.push(trouble("expired credentials", &ExpiredToken, "for ever", Times::Forever, false));
    troubles
}

/// Alice with one key to act on and two to leave, and others with keys that are none of her business.
fn users(what: What) -> Vec<User> {
    let acted_on = if what == Deactivate { "Active" } else { "Inactive" };
    let left = if what == Deactivate { used(key(SECOND, "Active")) } else { key(SECOND, "Active") };
    let later = Key::new(LATER, time("2026-03-03T10:15:01Z")).status(acted_on);
    let others = ["bob", "carol", "dave"].map(|name| {
        let key = key(&format!("AKIASETUPOF{:0<9}", name.to_uppercase()), acted_on);
        User::new(name, CREATED).password().with_key(key)
    });
    let alice = alice().with_key(key(FIRST, acted_on)).with_key(left).with_key(later);
    others[..2].iter().cloned().chain([alice, others[2].clone()]).collect()
}

fn request_of(what: What) -> Value {
    request(json!({"action": format!("{what:?}")}))
}

/// What there is, and what is answered, when nothing goes wrong.
struct Expected {
    before: Keys,
    after: Keys,
    response: Value,
}

type Keys = Vec<(String, Vec<Key>)>;

impl Expected {
    fn of(what: What) -> Self {
        let bench = Bench::start();
        bench.set_up(&users(what));
        let before = bench.keys();
        let response = bench.answer(&request_of(what));
        let after = bench.keys();
        // One key and nothing else, by what was to be done.
        let mut by_hand = before.clone();
        let keys = &mut by_hand.iter_mut().find(|(id, _)| id == "AIDAEXAMPLEALICE00001").unwrap().1;
        match what {
            Deactivate => "Inactive".clone_into(&mut keys[0].status),
            DeleteInactive => drop(keys.remove(0)),
        }
        assert_eq!(after, by_hand);
        Self { before, after, response }
    }
}

/// Runs with a trouble at a place, and then without; how the first ended, or what is wrong with that.
fn run(bench: &mut Bench, place: Place, trouble: &Trouble, expected: &Expected) -> Result<String, String> {
    let Place(what, _, action, skip) = place;
    bench.set_up(&users(what));
    bench.aws.set_page_size(2);
    if action == "ListUsers" {
        // Else nobody asks.
        bench.aws.fail(Fault::new("ListDiscoveredResources", FaultKind::AccessDenied));
    }
    let mut fault = Fault::new(action, trouble.kind.clone()).after(skip);
    fault.times = trouble.times;
    bench.aws.fail(fault);
    let throttled = matches!(trouble.kind, FaultKind::Throttle);
    // Throttling by IAM is waited out until the deadline; a fifth of the time is left to say so.
    let waits = throttled && !trouble.passes && action != "ListDiscoveredResources";
    let deadline = if waits { Duration::from_secs(8) } else { Duration::from_mins(1) };
    let outcome = bench.lambda.invoke_with(deadline, request_of(what).to_string());
    let ended = judge(&outcome, place, trouble, expected, &bench.keys())?;
    only_that_key_was_changed(&bench.aws, what)?;
    if bench.lambda.log().contains(SECRET_ACCESS_KEY) {
        return Err("the log tells a secret".to_owned());
    }

    bench.aws.forget_faults();
    if throttled {
        // The pace that it learned would make the next runs slow.
        bench.lambda = Lambda::start(REMEDIATOR, &bench.aws);
    }
    let nothing_left = bench.keys() == expected.after;
    bench.aws.forget_calls();
    let outcome = bench.run(&request_of(what));
    if !matches!(outcome, Outcome::Success(_)) || bench.keys() != expected.after {
        return Err(format!("the next run did not put it right: {outcome:?}, {:?}", bench.keys()));
    }
    let written = writes(&bench.aws);
    if nothing_left && !written.is_empty() {
        return Err(format!("a run with nothing left to do did {written:?}"));
    }
    Ok(ended)
}

/// Whether a run may end so.
fn judge(
    outcome: &Outcome,
    place: Place,
    trouble: &Trouble,
    expected: &Expected,
    keys: &Keys,
) -> Result<String, String> {
    let untouched = *keys == expected.before;
    match outcome {
        Outcome::Success(response) => {
            let response: Value = serde_json::from_str(response).map_err(|error| error.to_string())?;
            // What AWS says is gone is left alone.
            let gone = matches!(trouble.kind, FaultKind::NoSuchEntity)
                && response["complianceBefore"] == "NOT_APPLICABLE"
                && untouched;
            if response == expected.response && *keys == expected.after {
                Ok("ok".to_owned())
            } else if gone {
                Ok("untouched".to_owned())
            } else {
                Err(format!("it succeeded with {response}, {keys:?}"))
            }
        }
        Outcome::Failure { error_message, .. } if trouble.passes => {
            Err(format!("it should have coped with it: {error_message}"))
        }
        Outcome::Failure { error_type, error_message } if error_type == "ActionsFailed" && place.acts() => {
            tells_no_less_than_is_left(error_message, expected, keys)?;
            (untouched || *keys == expected.after)
                .then(|| error_type.clone())
                .ok_or_else(|| format!("after {error_message}: {keys:?}"))
        }
        Outcome::Failure { error_type, error_message } => {
            let known = ["AccessDenied", "CredentialsRefused", "NoAnswer", "ServiceError", "Throttled"];
            let right = known.contains(&error_type.as_str()) && !place.acts() && untouched;
            right.then(|| error_type.clone()).ok_or_else(|| format!("{error_type}: {error_message}: {keys:?}"))
        }
        other => Err(format!("{other:?}")),
    }
}

/// The answer in the error of a failed action: that key failed, the others are told of as ever, and no active setup key is
/// left out.
fn tells_no_less_than_is_left(message: &str, expected: &Expected, keys: &Keys) -> Result<(), String> {
    let (_, response) = message.split_once("some keys were not acted on: ").ok_or(message)?;
    let response: Value = serde_json::from_str(response).map_err(|error| error.to_string())?;
    let active = |key: &&Key| key.id != LATER && key.status == "Active";
    let alice = &keys.iter().find(|(id, _)| id == "AIDAEXAMPLEALICE00001").ok_or("alice is gone")?.1;
    let remaining = response["remaining"].as_u64().unwrap_or_default();
    let right = response["actions"][0]["outcome"] == "Failed"
        && response["actions"][0]["accessKeyId"] == FIRST
        && response["actions"][1] == expected.response["actions"][1]
        && remaining >= alice.iter().filter(active).count() as u64;
    right.then_some(()).ok_or_else(|| format!("the answer is wrong: {response}"))
}

fn only_that_key_was_changed(aws: &AwsDouble, what: What) -> Result<(), String> {
    let wanted = if what == Deactivate { "UpdateAccessKey" } else { "DeleteAccessKey" };
    let is_write = |name: &str| !["Get", "List"].iter().any(|read| name.starts_with(read));
    for call in aws.calls().iter().filter(|call| is_write(&call.action)) {
        let right = call.action == wanted
            && (call.resource.as_str(), call.body["UserName"].as_str()) == (FIRST, Some("alice"))
            && call.body["Status"].as_str().is_none_or(|status| status == "Inactive");
        right.then_some(()).ok_or_else(|| format!("{} {}", call.name(), call.body))?;
    }
    Ok(())
}

#[test]
fn every_fault_at_every_call() {
    let expected = [Expected::of(Deactivate), Expected::of(DeleteInactive)];
    let mut cells = Vec::new();
    for trouble in troubles() {
        cells.extend(PLACES.map(|place| (place, trouble.clone())));
    }
    // The change is made, and its answer comes too late: the SDK waits 5 s.
    let slow = Trouble {
        name: "slow once".to_owned(),
        kind: FaultKind::Slow(Duration::from_secs(6)),
        times: Times::N(1),
        passes: true,
    };
    cells.extend(PLACES.into_iter().filter(|place| place.changes()).map(|place| (place, slow.clone())));

    let ended = in_parallel(&cells, |bench, (place, trouble)| {
        run(bench, *place, trouble, &expected[usize::from(place.0 == DeleteInactive)])
    });
    for what in [Deactivate, DeleteInactive] {
        print_table(what, &cells, &ended);
    }
    let wrong: Vec<_> = cells
        .iter()
        .zip(&ended)
        .filter_map(|((place, trouble), ended)| ended.as_ref().err().map(|wrong| (place, trouble, wrong)))
        .map(|(Place(what, _, action, skip), trouble, wrong)| {
            format!("{what:?}, {} at {action} {}: {wrong}", trouble.name, skip + 1)
        })
        .collect();
    assert!(wrong.is_empty(), "{} of {} went wrong:\n{}", wrong.len(), cells.len(), wrong.join("\n"));
}

/// What `run` makes of each cell, in their order; each worker has a bench of its own.
fn in_parallel<T: Sync, R: Send>(cells: &[T], run: impl Fn(&mut Bench, &T) -> R + Sync) -> Vec<R> {
    let queue = Mutex::new(cells.iter().enumerate());
    let ended = Mutex::new(BTreeMap::new());
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                let mut bench = Bench::start();
                loop {
                    let Some((number, cell)) = queue.lock().unwrap().next() else { break };
                    let end = run(&mut bench, cell);
                    ended.lock().unwrap().insert(number, end);
                }
            });
        }
    });
    ended.into_inner().unwrap().into_values().collect()
}

fn print_table(what: What, cells: &[(Place, Trouble)], ended: &[Result<String, String>]) {
    let places = || PLACES.into_iter().filter(|place| place.0 == what);
    let mut names: Vec<&str> = cells.iter().map(|(_, trouble)| trouble.name.as_str()).collect();
    names.dedup();
    let mut table = format!("{:<29}", format!("{what:?}"));
    places().for_each(|Place(_, heading, ..)| write!(table, "{heading:<19}").unwrap());
    for name in names {
        write!(table, "\n{name:<29}").unwrap();
        for place in places() {
            let cell = cells.iter().zip(ended).find(|((at, trouble), _)| *at == place && trouble.name == name);
            let end = match cell {
                None => "-",
                Some((_, Ok(end))) => end,
                Some((_, Err(_))) => "WRONG",
            };
            write!(table, "{end:<19}").unwrap();
        }
    }
    println!("{table}\n");
}
