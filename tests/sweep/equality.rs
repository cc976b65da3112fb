//! A sweep says of every user what a change event for it would say at the same moment, however old the report is and
//! whatever happened since; and it says the same whether it reports all results or only those that changed.

use proptest::prelude::*;
use proptest::test_runner::{TestCaseError, TestRunner};

use super::generate::{Case, Population, cases};
use super::*;
use crate::support::seeded::seeded;

/// The rule that change events belong to, so that their results stand beside those of the sweep.
const CHANGED: &str = "judged-by-change-events";

/// A double and an evaluator that serve many cases.
struct Bench {
    aws: AwsDouble,
    lambda: Lambda,
}

impl Bench {
    fn start() -> Self {
        let aws = AwsDouble::start();
        let lambda = Lambda::start(EVALUATOR, &aws);
        Self { aws, lambda }
    }

    fn set_up(&self, case: &Case) -> Population {
        self.aws.forget_calls();
        self.aws.account(|account| case.set_up(account))
    }

    /// The results of a sweep for this rule.
    fn sweep(&self, rule: &str, parameters: &BTreeMap<&str, String>) -> Results {
        let event = scheduled_for(&self.aws, rule).parameters(&json!(parameters));
        self.lambda.invoke(event).expect_success();
        self.aws.stored_results(rule)
    }

    /// The results of a change event for each of these users.
    fn judge_each<'a>(&self, users: impl Iterator<Item = &'a User>, parameters: &BTreeMap<&str, String>) -> Results {
        for user in users {
            let event = events::created(ACCOUNT, user).rule(CHANGED).parameters(&json!(parameters));
            self.lambda.invoke(event.token(self.aws.issue_token(CHANGED))).expect_success();
        }
        self.aws.stored_results(CHANGED)
    }
}

/// Checks a property on so many cases, with a seed that does not change unless `PROPTEST_RNG_SEED` says so.
fn holds(number: u32, property: impl Fn(&Bench, &Case) -> Result<(), TestCaseError>) {
    let bench = Bench::start();
    let outcome = TestRunner::new(seeded(number)).run(&cases(), |case| property(&bench, &case));
    outcome.unwrap_or_else(|error| panic!("{error}"));
}

/// The results of a sweep and of change events for the same users.
fn both_ways(bench: &Bench, case: &Case) -> (Results, Results) {
    let Population { users, gone } = bench.set_up(case);
    // Of a user whose name is taken, a change event tells that it is gone only where it would be NON_COMPLIANT.
    let name_is_free = |user: &&User| users.iter().all(|other| other.name != user.name);
    let swept = bench.sweep(RULE, &case.parameters);
    let judged = bench.judge_each(users.iter().chain(gone.iter().filter(name_is_free)), &case.parameters);
    (swept, judged)
}

fn verdicts(results: Results) -> BTreeMap<String, String> {
    results.into_iter().map(|(id, (compliance_type, _))| (id, compliance_type)).collect()
}

#[test]
fn a_sweep_gives_the_verdicts_of_change_events() {
    holds(80, |bench, case| {
        let (swept, judged) = both_ways(bench, case);
        prop_assert_eq!(verdicts(swept), verdicts(judged));
        Ok(())
    });
}

/// Of a COMPLIANT user without a password the report may be old: its key was active then, or is now, so either reason for
/// the verdict may be given. Reading the key again to tell which would cost a call and change no verdict.
#[test]
fn a_sweep_gives_the_annotations_of_change_events() {
    const NO_PASSWORD: &str = "No console password.";
    holds(80, |bench, case| {
        let (swept, judged) = both_ways(bench, case);
        prop_assert_eq!(swept.len(), judged.len());
        for (id, (_, by_sweep)) in &swept {
            let (_, by_change) = &judged[id];
            let no_key = |annotation: &str| annotation.starts_with("No ") && annotation != NO_PASSWORD;
            let either =
                (by_sweep == NO_PASSWORD && no_key(by_change)) || (no_key(by_sweep) && by_change == NO_PASSWORD);
            prop_assert!(by_sweep == by_change || either, "{}: {:?}, {:?}", id, by_sweep, by_change);
        }
        Ok(())
    });
}

/// The parameters of a case with `sweepReports = changes`.
fn changes_only(case: &Case) -> BTreeMap<&'static str, String> {
    let mut parameters = case.parameters.clone();
    parameters.insert("sweepReports", "changes".to_owned());
    parameters
}

/// Earlier results of every kind: right or wrong, of users that exist and that do not.
fn store_some_earlier(bench: &Bench, rule: &str, right: &Results, gone: &[User]) {
    let at = time("2026-03-02T12:00:00Z");
    bench.aws.account(|account| {
        for (number, (id, (compliance_type, annotation))) in right.iter().enumerate() {
            match number % 4 {
                0 => account.config.store_result(rule, id, compliance_type, annotation, at),
                1 => account.config.store_result(rule, id, compliance_type, "said otherwise", at),
                2 => account.config.store_result(rule, id, "NON_COMPLIANT", "said otherwise", at),
                _ => {}
            }
        }
        for user in gone {
            account.config.store_result(rule, &user.user_id, "NON_COMPLIANT", "was there", at);
        }
    });
}

#[test]
fn either_kind_of_sweep_leaves_the_same_results() {
    const CHANGES: &str = "reports-changes";
    holds(60, |bench, case| {
        let Population { gone, .. } = bench.set_up(case);
        let all = bench.sweep(RULE, &case.parameters);
        store_some_earlier(bench, CHANGES, &all, &gone);
        let parameters = changes_only(case);
        prop_assert_eq!(&bench.sweep(CHANGES, &parameters), &all);

        bench.aws.forget_calls();
        prop_assert_eq!(&bench.sweep(CHANGES, &parameters), &all);
        let put = bench.aws.calls().into_iter().filter(|call| call.action == "PutEvaluations");
        let put: Vec<_> = put.map(|call| call.body["Evaluations"].clone()).collect();
        prop_assert_eq!(put, vec![json!([])], "nothing changed since the sweep before");
        Ok(())
    });
}

/// The report has no unique ids: its row of this name and creation time may be about somebody else.
#[test]
fn a_user_that_took_the_name_of_one_made_in_the_same_second_is_read() {
    let (alice, bob) = (kinds::keyless("alice"), kinds::violator("bob"));
    let aws = AwsDouble::with_users([alice, bob.clone()]);
    aws.account(|account| account.take_report_snapshot(setup_keys::clock::now()));
    aws.account(|account| {
        account.remove("alice");
        account.user("bob").name = "alice".to_owned();
    });
    sweep(&aws);
    assert_eq!(aws.stored_results(RULE)[&bob.user_id].0, "NON_COMPLIANT");
}
