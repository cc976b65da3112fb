//! Whatever state the credential report is in, the verdicts are the same; only the number of calls differs.

use chrono::TimeDelta;

use super::*;
use crate::support::aws::{Fault, FaultKind, Key};

/// Whose keys are read with a report that shows all of [`one_of_each`].
const IN_QUESTION: [&str; 4] = ["cleared", "excepted", "twokeys", "violator"];

/// Everybody's are without one.
const EVERYBODY: [&str; 6] = ["cleared", "excepted", "keyless", "machine", "twokeys", "violator"];

/// Sweeps the account once, `spoil` having been at the report, and looks at whose keys were read and what was warned of.
#[track_caller]
fn judges_all(spoil: impl FnOnce(&AwsDouble), keys_read: &[&str], warning: Option<&str>) -> AwsDouble {
    let aws = AwsDouble::with_users(one_of_each());
    spoil(&aws);
    let lambda = sweep(&aws);
    assert_eq!(aws.stored_results(RULE), results_of(&one_of_each()));
    assert_eq!(users_read(&aws, "ListAccessKeys"), keys_read);
    let warnings = lambda.log_objects().into_iter().filter(|line| line["level"] == "WARN");
    let warnings: Vec<_> = warnings.map(|line| line["message"].as_str().unwrap_or_default().to_owned()).collect();
    match warning {
        None => assert!(warnings.is_empty(), "{warnings:?}"),
        Some(text) => assert!(warnings.iter().any(|warning| warning.contains(text)), "{warnings:?}"),
    }
    aws
}

/// An answer of `GetCredentialReport` to a caller that came too early or too late.
const fn report_error(status: u16, code: &'static str) -> FaultKind {
    FaultKind::Error(status, code, "There is no report to be had now.")
}

#[test]
fn a_report_that_is_still_to_be_made_is_waited_for() {
    let aws = judges_all(|aws| aws.account(|account| account.report.polls = 4), &IN_QUESTION, None);
    assert_eq!(aws.count("iam", "GenerateCredentialReport"), 5, "STARTED, three times INPROGRESS, COMPLETE");
    assert_eq!(aws.count("iam", "GetCredentialReport"), 1);
}

#[test]
fn a_report_that_expired_is_made_anew() {
    let aws = AwsDouble::with_users(one_of_each());
    let lambda = sweep(&aws);
    aws.account(|account| account.report.expire());
    aws.forget_calls();
    lambda.invoke(scheduled(&aws)).expect_success();
    assert_eq!(aws.count("iam", "GenerateCredentialReport"), 2, "STARTED, COMPLETE");
    assert_eq!(users_read(&aws, "ListAccessKeys"), IN_QUESTION);
}

#[test]
fn a_report_that_expires_before_it_is_got_is_asked_for_again() {
    let expired = Fault::new("GetCredentialReport", report_error(410, "ReportExpired")).times(1);
    let aws = judges_all(|aws| aws.fail(expired), &IN_QUESTION, None);
    assert_eq!(aws.count("iam", "GetCredentialReport"), 2);
}

#[test]
fn a_report_that_is_in_progress_when_it_is_got_is_waited_for() {
    let in_progress = Fault::new("GetCredentialReport", report_error(404, "ReportInProgress")).times(2);
    judges_all(|aws| aws.fail(in_progress), &IN_QUESTION, None);
}

#[test]
fn a_report_that_is_not_there_when_it_is_got_is_asked_for_again() {
    let not_present = Fault::new("GetCredentialReport", report_error(410, "ReportNotPresent")).times(1);
    judges_all(|aws| aws.fail(not_present), &IN_QUESTION, None);
}

#[test]
fn a_limit_on_reports_for_a_while_is_waited_out() {
    let limited = Fault::new("GenerateCredentialReport", report_error(409, "LimitExceeded")).times(3);
    judges_all(|aws| aws.fail(limited), &IN_QUESTION, None);
}

#[test]
fn without_permission_to_make_a_report_everybody_is_read() {
    let denied = Fault::new("GenerateCredentialReport", FaultKind::AccessDenied);
    judges_all(|aws| aws.fail(denied), &EVERYBODY, Some("no credential report, so every user is read: iam:GenerateC"));
}

#[test]
fn without_permission_to_get_the_report_everybody_is_read() {
    let denied = Fault::new("GetCredentialReport", FaultKind::AccessDenied);
    judges_all(|aws| aws.fail(denied), &EVERYBODY, Some("no credential report, so every user is read: iam:GetCredent"));
}

#[test]
fn without_the_report_service_everybody_is_read() {
    let failure = Fault::new("GetCredentialReport", FaultKind::InternalError);
    judges_all(|aws| aws.fail(failure), &EVERYBODY, Some("ServiceFailure"));
}

#[test]
fn a_text_that_is_no_report_is_not_believed() {
    for content in ["", "\n", "<html>503</html>", "user,arn\nalice,arn:aws:iam::111122223333:user/alice", "\0\0\0"] {
        let garbage = |aws: &AwsDouble| aws.account(|account| account.report.content = Some(content.to_owned()));
        judges_all(garbage, &EVERYBODY, Some("no credential report, so every user is read"));
    }
}

/// Leaves so many lines of the report.
fn cut_after(lines: usize) -> impl Fn(&AwsDouble) {
    let cut = move |report: String| report.lines().take(lines).collect::<Vec<_>>().join("\n");
    move |aws| aws.account(|account| account.edit_report(cut))
}

#[test]
fn users_without_a_row_are_read() {
    judges_all(cut_after(2), &EVERYBODY, None);
}

#[test]
fn a_report_without_any_row_is_not_believed() {
    judges_all(cut_after(1), &EVERYBODY, Some("the credential report is not usable, so every user is read"));
}

/// The user of a row that cannot be used is read, and the log says which line that is.
#[test]
fn a_row_that_cannot_be_used_costs_the_reads_of_its_user() {
    let spoilt: [fn(&str) -> String; 3] = [
        |row| row.replace("2026-03-02T10:15:01+00:00", "yesterday"),
        |row| row.replace(",true,", ",perhaps,"),
        |row| format!("{row},and,more"),
    ];
    for spoil in spoilt {
        let spoil_row = |aws: &AwsDouble| {
            aws.account(|account| {
                account.edit_report(|report| {
                    let rows =
                        report.lines().map(|row| if row.starts_with("keyless,") { spoil(row) } else { row.to_owned() });
                    rows.collect::<Vec<_>>().join("\n")
                });
            });
        };
        let read = ["cleared", "excepted", "keyless", "twokeys", "violator"];
        judges_all(spoil_row, &read, Some("a row of the credential report is not usable"));
    }
}

#[test]
fn active_keys_without_a_date_are_read() {
    let without_date = |aws: &AwsDouble| {
        aws.account(|account| {
            account.edit_report(|report| {
                let row = |row: &str| {
                    let undated = row.replace("true,2026-03-02T10:15:02+00:00", "true,N/A");
                    if row.starts_with("machine,") { undated } else { row.to_owned() }
                };
                report.lines().map(row).collect::<Vec<_>>().join("\n")
            });
        });
    };
    judges_all(without_date, &["cleared", "excepted", "machine", "twokeys", "violator"], None);
}

#[test]
fn a_23rd_column_that_tells_of_no_more_keys_changes_nothing() {
    judges_all(|aws| aws.account(|account| account.report.additional_column = true), &IN_QUESTION, None);
}

#[test]
fn keys_that_the_report_only_counts_are_read() {
    let late = |number: usize| kinds::key_id("many", number);
    let user = kinds::machine("many").key(&late(2), 90_000).key(&late(3), 3);
    let aws =
        AwsDouble::with_users([user.clone().password(), User { name: "few".to_owned(), ..kinds::machine("few") }]);
    aws.account(|account| account.report.additional_column = true);
    sweep(&aws);
    assert_eq!(users_read(&aws, "ListAccessKeys"), ["many"]);
    assert_eq!(aws.stored_results(RULE)[&user.user_id].0, "NON_COMPLIANT");
}

/// What the report is too old for is read, and the log says how old it is.
#[test]
fn a_report_over_four_hours_old_is_used_with_a_warning() {
    let hours_ago = |hours| setup_keys::clock::now() - TimeDelta::hours(hours);
    let new = hours_ago(2);
    let key = Key::new(&kinds::key_id("newcomer", 1), new);
    let newcomer = User::new("newcomer", &new.to_rfc3339()).password().with_key(key);

    let aws = AwsDouble::with_users(one_of_each());
    aws.take_report_snapshot(hours_ago(5));
    aws.add(newcomer.clone());
    let lambda = sweep(&aws);
    let mut results = aws.stored_results(RULE);
    assert_eq!(results.remove(&newcomer.user_id).unwrap().0, "NON_COMPLIANT");
    assert_eq!(results, results_of(&one_of_each()));
    assert_eq!(users_read(&aws, "ListAccessKeys"), ["cleared", "excepted", "newcomer", "twokeys", "violator"]);
    let warns = |line: &Value| line["message"].as_str().is_some_and(|text| text.contains("over four hours old"));
    let warnings: Vec<_> = lambda.log_objects().into_iter().filter(warns).collect();
    assert!(warnings.len() == 1 && warnings[0]["generated"].is_string(), "{warnings:?}");
}

#[test]
fn a_report_of_the_last_four_hours_is_used_without_a_warning() {
    let recently = setup_keys::clock::now() - TimeDelta::minutes(239);
    judges_all(|aws| aws.take_report_snapshot(recently), &IN_QUESTION, None);
}
