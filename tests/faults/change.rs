//! Every way in which a call can fail, at every call for one user: it ends with the right verdict stored (or, told by
//! CloudTrail, the right rule started), or it fails with the error type that the fault leads to; nothing wrong is ever stored,
//! and the same event sent again puts all right.

use serde_json::{Value, json};

use super::{CREATED, a_month_ahead, evaluator};
use crate::support::aws::{AwsDouble, Key, Times, User};
use crate::support::bench::Bench;
use crate::support::events;
use crate::support::process::{Lambda, Outcome};
use crate::support::troubles::{self, Place, Results, Trouble, What, at_every_place};
use crate::support::{ACCOUNT, RULE, time};

const ROLE: &str = "setup-keys-reader";

/// What the function is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Run {
    /// A NON_COMPLIANT user changed.
    Change,
    /// The same of one with an exception in force.
    Excepted,
    /// The same in a summary that lacks the user's name and date.
    Oversized,
    /// Somebody made the user a key.
    Prompt,
    /// A NON_COMPLIANT user of a member account changed.
    Central,
}
use Run::{Central, Change, Excepted, Oversized, Prompt};

/// All calls, in their order, but those that are made and answered as for the first run. Lists have two pages.
const PLACES: [Place<Run>; 23] = [
    Place(Change, "keys", "ListAccessKeys", 0),
    Place(Change, "page 2", "ListAccessKeys", 1),
    Place(Change, "password", "GetLoginProfile", 0),
    Place(Change, "user", "GetUser", 0),
    Place(Change, "last use", "GetAccessKeyLastUsed", 0),
    Place(Change, "of the other key", "GetAccessKeyLastUsed", 1),
    Place(Change, "put", "PutEvaluations", 0),
    Place(Excepted, "user", "GetUser", 0),
    Place(Excepted, "last use", "GetAccessKeyLastUsed", 0),
    Place(Excepted, "put", "PutEvaluations", 0),
    Place(Oversized, "history", "GetResourceConfigHistory", 0),
    Place(Oversized, "page 2", "GetResourceConfigHistory", 1),
    Place(Prompt, "user", "GetUser", 0),
    Place(Prompt, "results", "GetComplianceDetailsByResource", 0),
    Place(Prompt, "page 2", "GetComplianceDetailsByResource", 1),
    Place(Prompt, "rules", "DescribeConfigRules", 0),
    Place(Prompt, "page 2", "DescribeConfigRules", 1),
    Place(Prompt, "keys", "ListAccessKeys", 0),
    Place(Prompt, "page 2", "ListAccessKeys", 1),
    Place(Prompt, "password", "GetLoginProfile", 0),
    Place(Prompt, "last use", "GetAccessKeyLastUsed", 0),
    Place(Prompt, "by the other rule", "ListAccessKeys", 2),
    Place(Prompt, "start", "StartConfigRulesEvaluation", 0),
];

/// What there is in the end.
#[derive(Debug, PartialEq, Eq)]
struct State {
    results: Results,
    /// Each once: AWS Config starts a rule that runs already no second time.
    started: Vec<String>,
}

impl State {
    fn of(aws: &AwsDouble) -> Self {
        let mut started = aws.account(|account| account.config.started_rules.clone());
        started.dedup();
        Self { results: aws.stored_results(RULE), started }
    }
}

/// With two setup keys, one of them used, and another key.
fn alice(run: Run) -> User {
    let second = Key::new("AKIASETUP00000000002", time("2026-03-02T10:16:01Z"));
    let second = second.last_used(time("2026-03-05T08:00:00Z"));
    let alice = User::new("alice", CREATED).password().key("AKIASETUP00000000001", 4).with_key(second);
    let alice = alice.key("AKIALATER00000000001", 9000);
    if run != Excepted {
        return alice;
    }
    alice.tag("setup-keys:exception-owner", "ops").tag("setup-keys:exception-expires", &a_month_ahead())
}

/// What AWS Config is to hold for a user without exception.
const FOUND: (&str, &str) = (
    "NON_COMPLIANT",
    "2 setup keys: …0001 made 4 s after the user, never used: deactivate, then delete; …0002 made 60 s after the user, used: \
     rotate.",
);

/// An account with the user, an old result of it, and rules of which only the one is to be started.
fn set_up(bench: &Bench, run: Run) -> Results {
    let user = alice(run);
    bench.set_up(std::slice::from_ref(&user));
    bench.aws.set_page_size(2);
    bench.aws.account(|account| {
        account.allow_role(ROLE, None);
        account.config.record(&user, time("2026-03-02T10:17:42Z"));
        account.config.empty_history_pages = 1;
        account.config.store_result(RULE, &user.user_id, "COMPLIANT", "was fine", time(CREATED));
        account.config.add_rule("not-ours").function_arn = format!("arn:aws:lambda:us-east-1:{ACCOUNT}:function:other");
        account.config.store_result("not-ours", &user.user_id, "COMPLIANT", "was fine", time(CREATED));
        account.config.store_result("ours-too", &user.user_id, FOUND.0, FOUND.1, time(CREATED));
    });
    bench.aws.stored_results(RULE)
}

fn event(run: Run, token: &str) -> String {
    let user = alice(run);
    match run {
        Change | Excepted | Central => events::created(ACCOUNT, &user).token(token).to_string(),
        Oversized => {
            let lacks = ["resourceName", "ARN", "resourceCreationTime"].into_iter();
            let event = events::oversized(ACCOUNT, &user).token(token);
            lacks.fold(event, |event, member| event.with_item(member, Value::Null)).to_string()
        }
        Prompt => events::call("CreateAccessKey", &json!({})).to_string(),
    }
}

/// What there is in the end when nothing goes wrong; the verdict is held to one that is written here.
fn right(bench: &Bench, run: Run) -> State {
    set_up(bench, run);
    let token = bench.aws.issue_token(RULE);
    bench.lambda.invoke(event(run, &token)).expect_success();
    let right = State::of(&bench.aws);
    let (compliance_type, annotation) = &right.results[&alice(run).user_id];
    match run {
        Change | Oversized | Central => assert_eq!((compliance_type.as_str(), annotation.as_str()), FOUND),
        Excepted => assert!(compliance_type == "COMPLIANT" && annotation.starts_with("Exception until "), "{right:?}"),
        Prompt => {
            let found = (annotation.as_str(), &right.started);
            assert_eq!(found, ("was fine", &vec![RULE.to_owned()]), "{}", bench.lambda.log());
        }
    }
    right
}

/// Sends an event with a trouble at a place, and then without; how the first ended, or what is wrong with that.
fn run(bench: &mut Bench, place: Place<Run>, trouble: &Trouble, right: &State) -> Result<String, String> {
    let earlier = set_up(bench, place.0);
    if place.0 == Central {
        // Else it has a session still.
        bench.restart();
    }
    trouble.befall(&bench.aws, &place);
    let token = bench.aws.issue_token(RULE);
    let event = event(place.0, &token);
    let outcome = bench.lambda.invoke_with(trouble.deadline, event.clone());
    let state = State::of(&bench.aws);
    let ended = match outcome {
        Outcome::Success(_) if state == *right => "ok".to_owned(),
        Outcome::Success(_) if trouble.is_not_found() => "gone".to_owned(),
        Outcome::Failure { error_message, .. } if trouble.must_pass(&place) => {
            return Err(format!("it should have coped with it: {error_message}"));
        }
        Outcome::Failure { error_type, .. } if error_type == trouble.code() => error_type,
        other => return Err(format!("{other:?}, {state:?}")),
    };
    troubles::nothing_wrong_is_stored(&bench.aws, &earlier, &right.results, trouble.is_not_found())
        .map_err(|wrong| format!("{wrong}, after {ended}"))?;
    troubles::tells_no_secret(bench, &token)?;
    if !right.started.starts_with(&state.started) {
        return Err(format!("started wrongly: {:?}", state.started));
    }

    trouble.end(bench);
    let outcome = bench.lambda.invoke(event);
    match (outcome, State::of(&bench.aws)) {
        (Outcome::Success(_), state) if state == *right => Ok(ended),
        (outcome, state) => Err(format!("the event sent again did not put it right: {outcome:?}, {state:?}")),
    }
}

#[test]
fn every_fault_at_every_call_for_one_user() {
    let bench = Bench::start(evaluator);
    let rights = [Change, Excepted, Oversized, Prompt].map(|run| (run, right(&bench, run)));
    let put = Place(Change, "put", "PutEvaluations", 0);
    let hand_back = |times| (put, Trouble::new("handed back", What::HandBack(alice(Change).user_id), times));
    let special = [Times::Forever, Times::N(3), Times::N(1)].map(hand_back);
    at_every_place(evaluator, &PLACES, &special, |bench, place, trouble| {
        let (_, right) = rights.iter().find(|(run, _)| *run == place.0).ok_or("a run that is not known")?;
        run(bench, place, trouble, right)
    });
}

#[test]
fn every_fault_where_the_central_function_assumes_its_role() {
    let central =
        |aws: &AwsDouble| Lambda::launch(env!("CARGO_BIN_EXE_evaluator"), aws).env("MEMBER_ROLE_NAME", ROLE).start();
    let right = right(&Bench::start(central), Central);
    let places = [Place(Central, "role", "AssumeRole", 0), Place(Central, "keys", "ListAccessKeys", 0)];
    at_every_place(central, &places, &[], |bench, place, trouble| run(bench, place, trouble, &right));
}
