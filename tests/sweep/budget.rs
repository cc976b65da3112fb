//! The calls that a sweep may make, to the last one.

use std::time::{Duration, Instant};

use super::*;
use crate::support::aws::{Fault, FaultKind};

/// How many users there are of each kind.
#[derive(Debug, Clone, Copy)]
struct Census {
    keyless: usize,
    machines: usize,
    cleared: usize,
    machines_in_question: usize,
    violators: usize,
}

impl Census {
    /// So many users, of all kinds in turn.
    fn mixed(total: usize) -> Self {
        let one_in_five = |first: usize| (total + 4 - first) / 5;
        Self {
            keyless: one_in_five(0),
            machines: one_in_five(1),
            cleared: one_in_five(2),
            machines_in_question: one_in_five(3),
            violators: one_in_five(4),
        }
    }

    fn total(&self) -> usize {
        self.keyless + self.machines + self.cleared + self.machines_in_question + self.violators
    }

    fn users(&self) -> Vec<User> {
        let mut users = Vec::new();
        let mut add = |kind: &str, number: usize, user: fn(&str) -> User| {
            users.extend((0..number).map(|n| user(&format!("{kind}{n}"))));
        };
        add("keyless", self.keyless, kinds::keyless);
        add("machine", self.machines, kinds::machine);
        add("cleared", self.cleared, kinds::cleared);
        add("question", self.machines_in_question, kinds::machine_in_question);
        add("violator", self.violators, kinds::violator);
        users
    }

    /// The budget of a sweep with so many earlier results, where the report is ready when asked for the nth time.
    fn budget(&self, report_polls: usize, earlier_results: usize) -> BTreeMap<String, usize> {
        let mut budget = self.budget_of_all(earlier_results);
        budget.extend([
            ("iam:GenerateCredentialReport", report_polls),
            ("iam:GetCredentialReport", 1),
            ("iam:ListAccessKeys", self.cleared + self.violators),
            ("iam:GetLoginProfile", self.machines_in_question + self.violators),
        ]);
        called(budget)
    }

    /// The budget without a report: every user costs as much as in a change event.
    fn budget_without_report(&self, earlier_results: usize) -> BTreeMap<String, usize> {
        let mut budget = self.budget_of_all(earlier_results);
        budget.extend([
            ("iam:GenerateCredentialReport", 1),
            ("iam:ListAccessKeys", self.total()),
            ("iam:GetLoginProfile", self.machines_in_question + self.violators),
        ]);
        called(budget)
    }

    fn budget_of_all(&self, earlier_results: usize) -> BTreeMap<&'static str, usize> {
        let at_least_one = |entries: usize, page: usize| entries.div_ceil(page).max(1);
        BTreeMap::from([
            ("iam:ListUsers", at_least_one(self.total(), 1000)),
            ("iam:GetUser", self.violators),
            ("iam:GetAccessKeyLastUsed", self.violators),
            ("config:GetComplianceDetailsByConfigRule", at_least_one(earlier_results, 100)),
            ("config:PutEvaluations", at_least_one(self.total(), 100)),
        ])
    }

    #[track_caller]
    fn assert_judged(&self, results: &Results) {
        let violators = results.values().filter(|(compliance_type, _)| compliance_type == "NON_COMPLIANT").count();
        assert_eq!((results.len(), violators), (self.total(), self.violators));
    }
}

/// The calls that are made at all.
fn called(budget: BTreeMap<&'static str, usize>) -> BTreeMap<String, usize> {
    budget.into_iter().filter(|(_, calls)| *calls > 0).map(|(action, calls)| (action.to_owned(), calls)).collect()
}

/// A first sweep, and another in a new process with the results of the first.
#[track_caller]
fn keeps_to_the_budget(total: usize) {
    let census = Census::mixed(total);
    assert_eq!(census.total(), total);
    let aws = AwsDouble::with_users(census.users());
    sweep(&aws);
    assert_eq!(counts(&aws), census.budget(2, 0), "first sweep of {total} users");
    let first = aws.stored_results(RULE);
    census.assert_judged(&first);

    aws.forget_calls();
    sweep(&aws);
    assert_eq!(counts(&aws), census.budget(1, total), "second sweep of {total} users");
    assert_eq!(aws.stored_results(RULE), first);
}

#[test]
fn an_empty_account() {
    keeps_to_the_budget(0);
}

#[test]
fn one_user() {
    keeps_to_the_budget(1);
}

#[test]
fn one_less_than_a_page() {
    keeps_to_the_budget(99);
}

#[test]
fn a_page_exactly() {
    keeps_to_the_budget(100);
}

#[test]
fn one_more_than_a_page() {
    keeps_to_the_budget(101);
}

#[test]
fn two_and_a_half_pages() {
    keeps_to_the_budget(250);
}

#[test]
fn an_empty_account_is_closed_with_an_empty_list() {
    let aws = AwsDouble::start();
    sweep(&aws);
    let put = aws.calls().pop().unwrap();
    assert_eq!((put.name().as_str(), &put.body["Evaluations"]), ("config:PutEvaluations", &json!([])));
}

/// The largest account that IAM allows by default; 2,250 users have both a password and a key.
const LARGEST: Census = Census { keyless: 2000, machines: 690, cleared: 2210, machines_in_question: 60, violators: 40 };

/// One sweep of the largest account by a new process, and what it took.
fn measured(aws: &AwsDouble, rule: &str) -> (Duration, u64) {
    aws.forget_calls();
    let lambda = Lambda::start(EVALUATOR, aws);
    let start = Instant::now();
    lambda.invoke_with(Duration::from_mins(2), scheduled_for(aws, rule)).expect_success();
    (start.elapsed(), lambda.peak_memory_kib())
}

#[test]
fn five_thousand_users_with_and_without_a_report() {
    let aws = AwsDouble::with_users(LARGEST.users());
    for user in LARGEST.users() {
        store_earlier(&aws, &user.user_id, "COMPLIANT", "as of yesterday");
    }
    aws.account(|account| account.report.polls = 0);
    let (with_report, memory_with) = measured(&aws, RULE);
    let calls_with = counts(&aws);
    assert_eq!(calls_with, LARGEST.budget(1, 5000));
    let results = aws.stored_results(RULE);
    LARGEST.assert_judged(&results);

    aws.fail(Fault::new("GenerateCredentialReport", FaultKind::AccessDenied));
    let (without_report, memory_without) = measured(&aws, "another-rule");
    let calls_without = counts(&aws);
    assert_eq!(calls_without, LARGEST.budget_without_report(0));
    assert_eq!(aws.stored_results("another-rule"), results, "the report makes no difference to any verdict");

    let most = memory_with.max(memory_without);
    assert!(most <= 32 * 1024, "{most} KiB, debug profile; an optimized build takes less");

    println!("5,000 users: 2,250 with password and key, 40 of them violators; 60 with a key in question");
    println!("{:<42} {:>11} {:>14}", "calls", "with report", "without report");
    for action in calls_with.keys() {
        println!("{action:<42} {:>11} {:>14}", calls_with[action], calls_without.get(action).unwrap_or(&0));
    }
    println!("{:<42} {with_report:>11.1?} {without_report:>14.1?}", "wall time");
    println!("{:<42} {memory_with:>7} KiB {memory_without:>10} KiB", "peak memory");
}
