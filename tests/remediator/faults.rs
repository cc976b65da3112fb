//! Every way in which a call can fail, at every call of a run: it ends with the one key changed that is to be changed, or it
//! fails with a stable error type; no other key is ever touched, and the next run puts all right.

use super::*;
use crate::support::troubles::{self, Trouble, at_every_place};

const LATER: &str = "AKIALATER00000000001";

/// What a run is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    Deactivate,
    DeleteInactive,
}
use What::{Deactivate, DeleteInactive};

type Place = troubles::Place<What>;

/// All calls of both runs, in their order. Lists have two pages.
const PLACES: [Place; 25] = [
    troubles::Place(Deactivate, "name", "ListDiscoveredResources", 0),
    troubles::Place(Deactivate, "users", "ListUsers", 0),
    troubles::Place(Deactivate, "page 2", "ListUsers", 1),
    troubles::Place(Deactivate, "user", "GetUser", 0),
    troubles::Place(Deactivate, "keys", "ListAccessKeys", 0),
    troubles::Place(Deactivate, "page 2", "ListAccessKeys", 1),
    troubles::Place(Deactivate, "password", "GetLoginProfile", 0),
    troubles::Place(Deactivate, "last use", "GetAccessKeyLastUsed", 0),
    troubles::Place(Deactivate, "look: key", "ListAccessKeys", 2),
    troubles::Place(Deactivate, "look: use", "GetAccessKeyLastUsed", 2),
    troubles::Place(Deactivate, "deactivate", "UpdateAccessKey", 0),
    troubles::Place(Deactivate, "see", "ListAccessKeys", 4),
    troubles::Place(DeleteInactive, "name", "ListDiscoveredResources", 0),
    troubles::Place(DeleteInactive, "users", "ListUsers", 0),
    troubles::Place(DeleteInactive, "user", "GetUser", 0),
    troubles::Place(DeleteInactive, "keys", "ListAccessKeys", 0),
    troubles::Place(DeleteInactive, "page 2", "ListAccessKeys", 1),
    troubles::Place(DeleteInactive, "password", "GetLoginProfile", 0),
    troubles::Place(DeleteInactive, "last use", "GetAccessKeyLastUsed", 0),
    troubles::Place(DeleteInactive, "look: key", "ListAccessKeys", 2),
    troubles::Place(DeleteInactive, "look: use", "GetAccessKeyLastUsed", 2),
    troubles::Place(DeleteInactive, "look again", "ListAccessKeys", 4),
    troubles::Place(DeleteInactive, "page 2", "ListAccessKeys", 5),
    troubles::Place(DeleteInactive, "delete", "DeleteAccessKey", 0),
    troubles::Place(DeleteInactive, "see", "ListAccessKeys", 6),
];

/// Whether the run has judged by then, and may have changed a key.
fn acts(troubles::Place(_, heading, action, skip): Place) -> bool {
    heading.starts_with("look") || skip >= 4 || matches!(action, "UpdateAccessKey" | "DeleteAccessKey")
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
        let bench = Bench::start(remediator);
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
    let troubles::Place(what, _, action, _) = place;
    bench.set_up(&users(what));
    bench.aws.set_page_size(2);
    if action == "ListUsers" {
        // Else nobody asks.
        bench.aws.fail(Fault::new("ListDiscoveredResources", FaultKind::AccessDenied));
    }
    trouble.befall(&bench.aws, &place);
    let outcome = bench.lambda.invoke_with(trouble.deadline, request_of(what).to_string());
    let ended = judge(&outcome, place, trouble, expected, &bench.keys())?;
    only_that_key_was_changed(&bench.aws, what)?;
    troubles::tells_no_secret(bench, "")?;

    trouble.end(bench);
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
            let gone = trouble.is_not_found() && response["complianceBefore"] == "NOT_APPLICABLE" && untouched;
            if response == expected.response && *keys == expected.after {
                Ok("ok".to_owned())
            } else if gone {
                Ok("gone".to_owned())
            } else {
                Err(format!("it succeeded with {response}, {keys:?}"))
            }
        }
        Outcome::Failure { error_message, .. } if trouble.must_pass(&place) => {
            Err(format!("it should have coped with it: {error_message}"))
        }
        Outcome::Failure { error_type, error_message } if error_type == "ActionsFailed" && acts(place) => {
            tells_no_less_than_is_left(error_message, expected, keys)?;
            (untouched || *keys == expected.after)
                .then(|| error_type.clone())
                .ok_or_else(|| format!("after {error_message}: {keys:?}"))
        }
        Outcome::Failure { error_type, error_message } => {
            let right = error_type == trouble.code() && !acts(place) && untouched;
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
    at_every_place(remediator, &PLACES, &[], |bench, place, trouble| {
        run(bench, place, trouble, &expected[usize::from(place.0 == DeleteInactive)])
    });
}
