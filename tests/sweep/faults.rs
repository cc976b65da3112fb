//! Every way in which a call can fail, at every call of a sweep: it ends with all results right, or it fails with a stable
//! error type, has stored nothing wrong, and the next sweep puts all right.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use super::*;
use crate::support::aws::{Fault, FaultKind, SECRET_ACCESS_KEY, Times};
use crate::support::process::Outcome;

/// How many sweeps run at once: most of them wait.
const AT_ONCE: usize = 40;

/// A call of the sweep: heading, action, and how many calls of that action go well before.
#[derive(Debug, Clone, Copy)]
struct Place(&'static str, &'static str, usize);

/// All of them, in the order of a sweep. Lists have several pages.
const PLACES: [Place; 12] = [
    Place("stored results", "GetComplianceDetailsByConfigRule", 0),
    Place("their page 2", "GetComplianceDetailsByConfigRule", 1),
    Place("make report", "GenerateCredentialReport", 0),
    Place("make again", "GenerateCredentialReport", 1),
    Place("get report", "GetCredentialReport", 0),
    Place("users", "ListUsers", 0),
    Place("their page 2", "ListUsers", 1),
    Place("keys", "ListAccessKeys", 0),
    Place("password", "GetLoginProfile", 0),
    Place("user", "GetUser", 0),
    Place("last use", "GetAccessKeyLastUsed", 0),
    Place("put", "PutEvaluations", 0),
];

/// What goes wrong there.
#[derive(Debug, Clone)]
struct Trouble {
    name: String,
    what: What,
    times: Times,
    /// How long AWS Lambda lets the function run.
    deadline: Duration,
    /// Whether a sweep must cope with it.
    passes: bool,
}

#[derive(Debug, Clone)]
enum What {
    Fault(FaultKind),
    /// AWS Config takes the call and hands an evaluation back.
    HandBack,
    /// The report is never ready.
    NeverReady,
}

impl Trouble {
    fn new(name: &str, kind: FaultKind, times: Times) -> Self {
        let often = match times {
            Times::N(1) => "once".to_owned(),
            Times::N(number) => format!("{number} times"),
            Times::Forever => "for ever".to_owned(),
        };
        let name = format!("{name} {often}");
        Self { name, what: What::Fault(kind), times, deadline: Duration::from_mins(1), passes: false }
    }

    fn that_passes(self) -> Self {
        Self { passes: true, ..self }
    }

    fn within(self, deadline: Duration) -> Self {
        Self { deadline, ..self }
    }
}

/// What goes wrong at every place.
fn troubles() -> Vec<Trouble> {
    use FaultKind::{
        AccessDenied, EmptyBody, ExpiredToken, InternalError, Reset, Slow, Throttle, TruncatedBody, Unavailable,
        WrongBody,
    };
    let once = |name, kind| Trouble::new(name, kind, Times::N(1));
    let forever = |name, kind| Trouble::new(name, kind, Times::Forever);
    vec![
        once("throttled", Throttle).that_passes(),
        Trouble::new("throttled", Throttle, Times::N(2)).that_passes(),
        Trouble::new("throttled", Throttle, Times::N(5)),
        // It is waited out until the deadline.
        forever("throttled", Throttle).within(Duration::from_secs(10)),
        once("500", InternalError).that_passes(),
        forever("500", InternalError),
        once("503", Unavailable).that_passes(),
        forever("503", Unavailable),
        once("reset", Reset).that_passes(),
        forever("reset", Reset),
        once("cut answer", TruncatedBody).that_passes(),
        forever("cut answer", TruncatedBody),
        once("wrong answer", WrongBody),
        forever("wrong answer", WrongBody),
        once("empty answer", EmptyBody),
        forever("empty answer", EmptyBody),
        once("slow", Slow(Duration::from_secs(7))).that_passes(),
        once("denied", AccessDenied),
        forever("denied", AccessDenied),
        forever("expired credentials", ExpiredToken),
    ]
}

/// What can go wrong at one place only.
fn special_troubles() -> Vec<(Place, Trouble)> {
    let [.., make_report, _, _, _, _, _, _, _, _, put] = PLACES;
    let hand_back = |name: &str, times| Trouble {
        what: What::HandBack,
        name: name.to_owned(),
        ..Trouble::new("", FaultKind::Reset, times)
    };
    let limit =
        FaultKind::Error(409, "LimitExceeded", "The request was rejected because it attempted to make too many.");
    let limit =
        |times| Trouble::new("limit exceeded", limit.clone(), times).that_passes().within(Duration::from_secs(30));
    let never_ready = Trouble { what: What::NeverReady, name: "never ready".to_owned(), ..limit(Times::Forever) };
    vec![
        (make_report, never_ready),
        (make_report, limit(Times::Forever)),
        (make_report, limit(Times::N(2))),
        (put, hand_back("handed back once", Times::N(1)).that_passes()),
        (put, hand_back("handed back 3 times", Times::N(3)).that_passes()),
        (put, hand_back("handed back for ever", Times::Forever)),
    ]
}

/// Users of all kinds, and results of an earlier sweep: one wrong now, two of users that are gone.
fn account() -> (AwsDouble, Results) {
    let aws = AwsDouble::with_users(one_of_each());
    aws.set_page_size(2);
    store_earlier(&aws, "AIDAGONE0000000000001", "COMPLIANT", "was there");
    store_earlier(&aws, "AIDAGONE0000000000002", "NON_COMPLIANT", "was there");
    store_earlier(&aws, &kinds::violator("violator").user_id, "COMPLIANT", "was fine");
    let earlier = aws.stored_results(RULE);
    (aws, earlier)
}

/// Sweeps with a trouble at a place, and then without; how the first ended, or what is wrong with that.
fn run(place: Place, trouble: &Trouble, expected: &Results) -> Result<String, String> {
    let (aws, earlier) = account();
    let Place(_, action, skip) = place;
    match &trouble.what {
        What::Fault(kind) => {
            let mut fault = Fault::new(action, kind.clone()).after(skip);
            fault.times = trouble.times;
            aws.fail(fault);
        }
        What::HandBack => {
            aws.account(|account| account.config.hand_back(&kinds::violator("violator").user_id, trouble.times));
        }
        What::NeverReady => aws.account(|account| account.report.polls = usize::MAX),
    }
    let lambda = Lambda::start(EVALUATOR, &aws);
    let token = aws.issue_token(RULE);
    let outcome = lambda.invoke_with(trouble.deadline, events::scheduled(ACCOUNT).token(&token));
    let results = aws.stored_results(RULE);
    let ended = match outcome {
        Outcome::Success(_) if results == *expected => "ok".to_owned(),
        Outcome::Success(_) => return Err(format!("it succeeded with wrong results: {results:?}")),
        Outcome::Failure { error_message, .. } if trouble.passes => {
            return Err(format!("it should have coped with it: {error_message}"));
        }
        Outcome::Failure { error_type, error_message } => {
            is_stable(&error_type).then_some(()).ok_or_else(|| format!("unknown error type: {error_type}"))?;
            nothing_is_wrong(&results, &earlier, expected)
                .map_err(|wrong| format!("{wrong}, after {error_message}"))?;
            error_type
        }
        other => return Err(format!("{other:?}")),
    };
    every_entry_was_right(&aws.put_entries(), expected)?;
    tells_no_secret(&lambda.log(), &token)?;

    aws.forget_faults();
    aws.account(|account| {
        account.report.polls = 0;
        account.config.hand_back(&kinds::violator("violator").user_id, Times::N(0));
    });
    match lambda.invoke(scheduled(&aws)) {
        Outcome::Success(_) if aws.stored_results(RULE) == *expected => Ok(ended),
        other => Err(format!("the next sweep did not put it right: {other:?}, {:?}", aws.stored_results(RULE))),
    }
}

fn is_stable(error_type: &str) -> bool {
    let known = [
        "AccessDenied",
        "CredentialsRefused",
        "EvaluationsNotTaken",
        "NoAnswer",
        "ServiceError",
        "SweepIncomplete",
        "Throttled",
    ];
    known.contains(&error_type)
}

/// Each result is the right one or as it was before, and none vanished but those of users that are gone.
fn nothing_is_wrong(results: &Results, earlier: &Results, expected: &Results) -> Result<(), String> {
    for (id, result) in results {
        if expected.get(id) != Some(result) && earlier.get(id) != Some(result) {
            return Err(format!("stored wrongly: {id}, {result:?}"));
        }
    }
    let vanished = earlier.keys().find(|id| expected.contains_key(*id) && !results.contains_key(*id));
    vanished.map_or(Ok(()), |id| Err(format!("the result of {id} vanished")))
}

fn every_entry_was_right(entries: &[Value], expected: &Results) -> Result<(), String> {
    for entry in entries {
        let of = |member: &str| entry[member].as_str().unwrap_or_default();
        let is_right = match expected.get(of("ComplianceResourceId")) {
            None => of("ComplianceType") == "NOT_APPLICABLE",
            Some((compliance_type, annotation)) => {
                of("ComplianceType") == compliance_type && of("Annotation") == annotation
            }
        };
        is_right.then_some(()).ok_or_else(|| format!("put wrongly: {entry}"))?;
    }
    Ok(())
}

fn tells_no_secret(log: &str, token: &str) -> Result<(), String> {
    let told = [SECRET_ACCESS_KEY, token].into_iter().any(|secret| log.contains(secret));
    (!told).then_some(()).ok_or_else(|| format!("the log tells a secret: {log}"))
}

#[test]
fn every_fault_at_every_call() {
    let expected = results_of(&one_of_each());
    let mut cells = special_troubles();
    for trouble in troubles() {
        cells.extend(PLACES.map(|place| (place, trouble.clone())));
    }
    let ended = in_parallel(&cells, |(place, trouble)| run(*place, trouble, &expected));
    print_table(&cells, &ended);
    let wrong: Vec<_> = cells
        .iter()
        .zip(&ended)
        .filter_map(|((place, trouble), ended)| ended.as_ref().err().map(|wrong| (place, trouble, wrong)))
        .map(|(Place(_, action, skip), trouble, wrong)| format!("{} at {action} {}: {wrong}", trouble.name, skip + 1))
        .collect();
    assert!(wrong.is_empty(), "{} of {} went wrong:\n{}", wrong.len(), cells.len(), wrong.join("\n"));
}

/// What `run` makes of each cell, in their order.
fn in_parallel<T: Sync, R: Send>(cells: &[T], run: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let queue = Mutex::new(cells.iter().enumerate());
    let ended = Mutex::new(BTreeMap::new());
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let Some((number, cell)) = queue.lock().unwrap().next() else { break };
                    let end = run(cell);
                    ended.lock().unwrap().insert(number, end);
                }
            });
        }
    });
    ended.into_inner().unwrap().into_values().collect()
}

fn print_table(cells: &[(Place, Trouble)], ended: &[Result<String, String>]) {
    let headings = || PLACES.iter().map(|Place(heading, ..)| *heading);
    let names: BTreeSet<_> = cells.iter().map(|(_, trouble)| trouble.name.as_str()).collect();
    let mut table = format!("{:<29}", "fault");
    headings().for_each(|heading| write!(table, "{heading:<19}").unwrap());
    for name in names {
        write!(table, "\n{name:<29}").unwrap();
        for Place(_, action, skip) in PLACES {
            let is_it = |((place, trouble), _): &(&(Place, Trouble), _)| {
                trouble.name == name && (place.1, place.2) == (action, skip)
            };
            let end = match cells.iter().zip(ended).find(is_it) {
                None => "-",
                Some((_, Ok(end))) => end,
                Some((_, Err(_))) => "WRONG",
            };
            write!(table, "{end:<19}").unwrap();
        }
    }
    println!("{table}");
}
