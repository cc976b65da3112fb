//! Every way in which a call can fail, at every call of a sweep: it ends with all results right, or it fails with a stable
//! error type, has stored nothing wrong, and the next sweep puts all right.

use std::time::Duration;

use super::*;
use crate::support::aws::{FaultKind, Times};
use crate::support::bench::Bench;
use crate::support::process::Outcome;
use crate::support::troubles::{self, Place, Trouble, What, at_every_place};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Sweep;

/// All calls, in the order of a sweep. Lists have several pages.
const PLACES: [Place<Sweep>; 12] = [
    Place(Sweep, "stored results", "GetComplianceDetailsByConfigRule", 0),
    Place(Sweep, "their page 2", "GetComplianceDetailsByConfigRule", 1),
    Place(Sweep, "make report", "GenerateCredentialReport", 0),
    Place(Sweep, "make again", "GenerateCredentialReport", 1),
    Place(Sweep, "get report", "GetCredentialReport", 0),
    Place(Sweep, "users", "ListUsers", 0),
    Place(Sweep, "their page 2", "ListUsers", 1),
    Place(Sweep, "keys", "ListAccessKeys", 0),
    Place(Sweep, "password", "GetLoginProfile", 0),
    Place(Sweep, "user", "GetUser", 0),
    Place(Sweep, "last use", "GetAccessKeyLastUsed", 0),
    Place(Sweep, "put", "PutEvaluations", 0),
];

/// What can go wrong at one place only.
fn special_troubles() -> Vec<(Place<Sweep>, Trouble)> {
    let [.., make_report, _, _, _, _, _, _, _, _, put] = PLACES;
    let hand_back = |times| Trouble::new("handed back", What::HandBack(kinds::violator("violator").user_id), times);
    let limit =
        FaultKind::Error(409, "LimitExceeded", "The request was rejected because it attempted to make too many.");
    let half_a_minute = Duration::from_secs(30);
    let limit = |times| Trouble::new("limit exceeded", What::Fault(limit.clone()), times).within(half_a_minute);
    vec![
        (make_report, Trouble::new("not ready", What::NeverReady, Times::Forever).within(half_a_minute)),
        (make_report, limit(Times::Forever)),
        (make_report, limit(Times::N(2))),
        (put, hand_back(Times::Forever)),
        (put, hand_back(Times::N(3))),
        (put, hand_back(Times::N(1))),
    ]
}

/// Users of all kinds, and results of an earlier sweep: one wrong now, two of users that are gone.
fn set_up(bench: &Bench) -> Results {
    bench.set_up(&one_of_each());
    bench.aws.set_page_size(2);
    store_earlier(&bench.aws, "AIDAGONE0000000000001", "COMPLIANT", "was there");
    store_earlier(&bench.aws, "AIDAGONE0000000000002", "NON_COMPLIANT", "was there");
    store_earlier(&bench.aws, &kinds::violator("violator").user_id, "COMPLIANT", "was fine");
    bench.aws.stored_results(RULE)
}

/// Sweeps with a trouble at a place, and then without; how the first ended, or what is wrong with that.
fn run(bench: &mut Bench, place: Place<Sweep>, trouble: &Trouble, right: &Results) -> Result<String, String> {
    let earlier = set_up(bench);
    trouble.befall(&bench.aws, &place);
    let token = bench.aws.issue_token(RULE);
    let outcome = bench.lambda.invoke_with(trouble.deadline, events::scheduled(ACCOUNT).token(&token));
    let results = bench.aws.stored_results(RULE);
    let ended = match outcome {
        Outcome::Success(_) if results == *right => "ok".to_owned(),
        Outcome::Success(_) if trouble.is_not_found() => "gone".to_owned(),
        Outcome::Success(_) => return Err(format!("it succeeded with wrong results: {results:?}")),
        Outcome::Failure { error_message, .. } if trouble.must_pass(&place) => {
            return Err(format!("it should have coped with it: {error_message}"));
        }
        Outcome::Failure { error_type, .. } if [trouble.code(), "SweepIncomplete"].contains(&error_type.as_str()) => {
            error_type
        }
        other => return Err(format!("{other:?}")),
    };
    troubles::nothing_wrong_is_stored(&bench.aws, &earlier, right, trouble.is_not_found())
        .map_err(|wrong| format!("{wrong}, after {ended}"))?;
    troubles::tells_no_secret(bench, &token)?;

    trouble.end(bench);
    match bench.lambda.invoke(scheduled(&bench.aws)) {
        Outcome::Success(_) if bench.aws.stored_results(RULE) == *right => Ok(ended),
        other => Err(format!("the next sweep did not put it right: {other:?}, {:?}", bench.aws.stored_results(RULE))),
    }
}

#[test]
fn every_fault_at_every_call() {
    let right = results_of(&one_of_each());
    at_every_place(
        |aws| Lambda::start(EVALUATOR, aws),
        &PLACES,
        &special_troubles(),
        |bench, place, trouble| run(bench, place, trouble, &right),
    );
}
