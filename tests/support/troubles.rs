//! What can go wrong with a call, for runs in which every trouble comes at every place; and what holds however they end.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{Debug, Write as _};
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use serde_json::Value;

use super::aws::{AwsDouble, Fault, FaultKind, SECRET_ACCESS_KEY, Times};
use super::bench::{Bench, Launcher};
use super::{RULE, lock};

/// How many runs are under way at once: most of them wait.
const AT_ONCE: usize = 60;

/// Longer than the SDK waits for an answer, which is 5 s.
pub const TOO_SLOW: Duration = Duration::from_millis(5_500);

/// What a rule says of each user: id to compliance type and annotation.
pub type Results = BTreeMap<String, (String, String)>;

/// A call of a run: which run, heading, action, and how many calls of that action go well before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place<R>(pub R, pub &'static str, pub &'static str, pub usize);

/// What goes wrong there.
#[derive(Debug, Clone)]
pub struct Trouble {
    pub name: String,
    pub what: What,
    pub times: Times,
    /// How long AWS Lambda lets the function run.
    pub deadline: Duration,
}

#[derive(Debug, Clone)]
pub enum What {
    Fault(FaultKind),
    /// AWS Config takes the call and hands the evaluation of this resource back.
    HandBack(String),
    /// The credential report is never ready.
    NeverReady,
}

/// What goes wrong at every place; what takes longest first.
fn troubles() -> Vec<Trouble> {
    use FaultKind::{
        AccessDenied, CutText, EmptyBody, ExpiredToken, InternalError, NoSuchEntity, Reset, Slow, Throttle,
        TruncatedBody, Unavailable, WrongBody,
    };
    let kinds = [
        ("slow", Slow(TOO_SLOW)),
        ("throttled", Throttle),
        ("500", InternalError),
        ("503", Unavailable),
        ("reset", Reset),
        ("cut answer", TruncatedBody),
        ("half an answer", CutText),
        ("wrong answer", WrongBody),
        ("empty answer", EmptyBody),
        ("expired credentials", ExpiredToken),
        ("denied", AccessDenied),
        ("not found", NoSuchEntity),
    ];
    let often = |times| kinds.iter().map(move |(name, kind)| Trouble::new(name, What::Fault(kind.clone()), times));
    let throttled = [2, 5].map(|times| Trouble::new("throttled", What::Fault(Throttle), Times::N(times)));
    often(Times::Forever).chain(throttled).chain(often(Times::N(1))).collect()
}

impl Trouble {
    pub fn new(name: &str, what: What, times: Times) -> Self {
        let often = match times {
            Times::N(1) => "once".to_owned(),
            Times::N(number) => format!("{number} times"),
            Times::Forever => "for ever".to_owned(),
        };
        // Throttling by IAM is waited out until the deadline; a fifth of the time is left to say so.
        let is_waited_out = matches!((&what, times), (What::Fault(FaultKind::Throttle), Times::Forever));
        let deadline = if is_waited_out { Duration::from_secs(10) } else { Duration::from_mins(1) };
        Self { name: format!("{name} {often}"), what, times, deadline }
    }

    pub fn within(self, deadline: Duration) -> Self {
        Self { deadline, ..self }
    }

    /// From now on it goes wrong.
    pub fn befall<R>(&self, aws: &AwsDouble, Place(_, _, action, skip): &Place<R>) {
        match &self.what {
            What::Fault(kind) => {
                let mut fault = Fault::new(action, kind.clone()).after(*skip);
                fault.times = self.times;
                aws.fail(fault);
            }
            What::HandBack(resource) => aws.account(|account| account.config.hand_back(resource, self.times)),
            What::NeverReady => aws.account(|account| account.report.polls = usize::MAX),
        }
    }

    /// Nothing goes wrong any more.
    pub fn end(&self, bench: &mut Bench) {
        bench.aws.forget_faults();
        match &self.what {
            What::HandBack(resource) => bench.aws.account(|account| account.config.hand_back(resource, Times::N(0))),
            What::NeverReady => bench.aws.account(|account| account.report.polls = 0),
            What::Fault(FaultKind::Throttle) => bench.restart(),
            What::Fault(_) => {}
        }
    }

    /// Whether a run must cope with it.
    pub fn must_pass<R>(&self, Place(_, _, action, _): &Place<R>) -> bool {
        use FaultKind::{
            CutText, EmptyBody, Error, InternalError, Reset, Slow, Throttle, TruncatedBody, Unavailable, WrongBody,
        };
        match (&self.what, self.times) {
            (What::NeverReady, _)
            | (What::HandBack(_), Times::N(..=3))
            | (What::Fault(Throttle), Times::N(..=2))
            | (What::Fault(InternalError | Unavailable | Reset | TruncatedBody | Slow(_)), Times::N(1)) => true,
            (What::Fault(Error(_, code, _)), _) => *code == "LimitExceeded",
            // The SDK, which tries the calls of other services again, does not for an answer that it cannot read.
            (What::Fault(CutText | WrongBody | EmptyBody), Times::N(1)) => is_of_iam(action),
            _ => false,
        }
    }

    /// The `error_type` that it leads to by itself.
    pub fn code(&self) -> &'static str {
        match &self.what {
            What::Fault(kind) => code(kind),
            What::HandBack(_) => "EvaluationsNotTaken",
            What::NeverReady => "",
        }
    }

    /// Whether AWS says that what is asked for is not there, which is an answer and no failure.
    pub fn is_not_found(&self) -> bool {
        matches!(self.what, What::Fault(FaultKind::NoSuchEntity))
    }
}

/// The `error_type` that a fault leads to.
pub fn code(kind: &FaultKind) -> &'static str {
    match kind {
        FaultKind::Throttle => "Throttled",
        FaultKind::AccessDenied => "AccessDenied",
        FaultKind::ExpiredToken => "CredentialsRefused",
        FaultKind::InternalError | FaultKind::Unavailable | FaultKind::NoSuchEntity | FaultKind::Error(..) => {
            "ServiceError"
        }
        FaultKind::Reset
        | FaultKind::TruncatedBody
        | FaultKind::CutText
        | FaultKind::WrongBody
        | FaultKind::EmptyBody
        | FaultKind::Slow(_) => "NoAnswer",
    }
}

fn is_of_iam(action: &str) -> bool {
    !action.contains("Compliance")
        && !action.contains("Config")
        && !["AssumeRole", "ListDiscoveredResources", "PutEvaluations"].contains(&action)
}

/// What is wrong with the results of the rule, or with what was put: each is to be the right one, or as it was before.
/// `may_be_gone`: AWS said of somebody who is there that it is not.
pub fn nothing_wrong_is_stored(
    aws: &AwsDouble,
    earlier: &Results,
    right: &Results,
    may_be_gone: bool,
) -> Result<(), String> {
    let results = aws.stored_results(RULE);
    for (id, result) in &results {
        if right.get(id) != Some(result) && earlier.get(id) != Some(result) {
            return Err(format!("stored wrongly: {id}, {result:?}"));
        }
    }
    let vanished = earlier.keys().find(|id| right.contains_key(*id) && !results.contains_key(*id));
    if let (Some(id), false) = (vanished, may_be_gone) {
        return Err(format!("the result of {id} vanished"));
    }
    for entry in aws.put_entries() {
        let of = |member: &str| entry[member].as_str().unwrap_or_default();
        let is_of_nobody = of("ComplianceType") == "NOT_APPLICABLE";
        let is_right = match right.get(of("ComplianceResourceId")) {
            None => is_of_nobody,
            Some((compliance_type, annotation)) => {
                (of("ComplianceType") == compliance_type && of("Annotation") == annotation)
                    || (is_of_nobody && may_be_gone)
            }
        };
        is_right.then_some(()).ok_or_else(|| format!("put wrongly: {entry}"))?;
    }
    Ok(())
}

/// The log of the function tells neither its secret nor the result token.
pub fn tells_no_secret(bench: &Bench, token: &str) -> Result<(), String> {
    let log = bench.lambda.log();
    let told = [SECRET_ACCESS_KEY, token].into_iter().any(|secret| !secret.is_empty() && log.contains(secret));
    (!told).then_some(()).ok_or_else(|| format!("the log tells a secret: {log}"))
}

/// The `error_type`s of the README.
pub fn documented_codes() -> BTreeSet<&'static str> {
    let (_, table) = include_str!("../../README.md").split_once("\n| `error_type` |").expect("the table of failures");
    let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
    rows.filter_map(|row| row.split('`').nth(1)).collect()
}

/// Runs the function that `launch` starts with every trouble at every place, and with special ones, and prints how the runs
/// ended. `run` says that, or what is wrong with it.
#[track_caller]
pub fn at_every_place<R: Copy + PartialEq + Debug + Sync>(
    launch: Launcher,
    places: &[Place<R>],
    special: &[(Place<R>, Trouble)],
    run: impl Fn(&mut Bench, Place<R>, &Trouble) -> Result<String, String> + Sync,
) {
    let troubles = troubles();
    let everywhere = troubles.iter().flat_map(|trouble| places.iter().map(|place| (*place, trouble.clone())));
    let cells: Vec<_> = special.iter().cloned().chain(everywhere).collect();
    let ended = in_parallel(
        &cells,
        || Bench::start(launch),
        |bench, (place, trouble)| {
            let ended = run(bench, *place, trouble);
            if ended.is_err() {
                // It may have been ended at its deadline.
                bench.restart();
            }
            ended
        },
    );
    let ended: Vec<_> = cells.iter().zip(ended).collect();
    let mut runs: Vec<R> = places.iter().map(|place| place.0).collect();
    runs.dedup();
    for run in runs {
        let places: Vec<_> = places.iter().filter(|place| place.0 == run).copied().collect();
        println!("{}\n", table(&format!("{run:?}"), &places, &ended));
    }
    let wrong = ended.iter().filter_map(|((Place(run, _, action, skip), trouble), ended)| {
        let wrong = ended.as_ref().err()?;
        Some(format!("{run:?}, {} at {action} {}: {wrong}", trouble.name, skip + 1))
    });
    let wrong: Vec<_> = wrong.collect();
    assert!(wrong.is_empty(), "{} of {} went wrong:\n{}", wrong.len(), ended.len(), wrong.join("\n"));
}

type Ended<'a, R> = (&'a (Place<R>, Trouble), Result<String, String>);

/// A row for each trouble, a column for each place.
fn table<R: PartialEq>(title: &str, places: &[Place<R>], ended: &[Ended<R>]) -> String {
    let here: Vec<_> = ended.iter().filter(|((place, _), _)| places.contains(place)).collect();
    let mut names: Vec<&str> = here.iter().map(|((_, trouble), _)| trouble.name.as_str()).collect();
    names.dedup();
    let mut table = format!("{title:<29}");
    for Place(_, heading, ..) in places {
        write!(table, "{heading:<20}").unwrap();
    }
    for name in names {
        write!(table, "\n{name:<29}").unwrap();
        for place in places {
            let end = match here.iter().find(|((at, trouble), _)| at == place && trouble.name == name) {
                None => "-",
                Some((_, Ok(end))) => end,
                Some((_, Err(_))) => "WRONG",
            };
            write!(table, "{end:<20}").unwrap();
        }
    }
    table
}

/// What `run` makes of each case, in their order; each worker has a bench of its own.
pub fn in_parallel<B, T: Sync, R: Send>(
    cases: &[T],
    bench: impl Fn() -> B + Sync,
    run: impl Fn(&mut B, &T) -> R + Sync,
) -> Vec<R> {
    let queue = Mutex::new(cases.iter().enumerate());
    let ended = Mutex::new(BTreeMap::new());
    thread::scope(|scope| {
        for _ in 0..AT_ONCE.min(cases.len()) {
            scope.spawn(|| {
                let mut bench = bench();
                loop {
                    let Some((number, case)) = lock(&queue).next() else { break };
                    let end = run(&mut bench, case);
                    lock(&ended).insert(number, end);
                }
            });
        }
    });
    ended.into_inner().unwrap().into_values().collect()
}
