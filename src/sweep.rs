//! The whole account: a credential report to find who can be in question, live reads of those, and the clean-up of old
//! results.
//!
//! The verdict on every user is the one that a change event for it would give at the same moment.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::StreamExt;
use futures_util::stream;
use tokio::time::{Instant, timeout_at};

use crate::aws::Live;
use crate::aws::config::StoredResult;
use crate::aws::iam::ListedUser;
use crate::credential_report::ReportError;
use crate::error::{CallError, CallFailure, Error};
use crate::evaluation::{Answer, Evaluation};
use crate::judge::{FactSource, judge_keeping};
use crate::rule::facts::{Facts, KeyAge, LoginProfile};
use crate::rule::parameters::{Parameters, SweepReports};
use crate::rule::screening::{Screening, screen};
use crate::rule::verdict::{NotApplicable, Verdict};
use crate::rule::{Need, Step, decide, key_ages};
use crate::text::printable;

/// How many users are read at once. IAM throttles by calls a second; this only bounds how many wait for an answer.
const USERS_AT_ONCE: usize = 16;

/// How long a sweep waits at most for the credential report, or for the earlier results.
const MOST_FOR_A_PART: Duration = Duration::from_mins(1);

/// A report this old is not the one that IAM generates on demand: worth a warning, not an error.
const FRESH_REPORT: TimeDelta = TimeDelta::hours(4);

/// The most characters that the name of a rule may have to be asked for its results (Config API Reference,
/// `GetComplianceDetailsByConfigRule`), although a rule's name may have 128.
const MAX_ASKABLE_RULE_NAME: usize = 64;

/// How many reasons a failed sweep names.
const REASONS_TOLD: usize = 3;

/// The users of an account, judged as far as possible.
#[derive(Debug)]
pub struct JudgedAccount {
    /// Every user of the account with the verdict on it; `None` for a user that the deadline left out.
    pub users: Vec<(ListedUser, Option<Result<Verdict, Error>>)>,
    /// The keys of the judged users by unique id, from the reads that the verdicts took or from the credential report; a
    /// user whose keys are not known is not in it.
    pub keys: HashMap<String, Vec<KeyAge>>,
    /// When the credential report was generated that was used; `None` if none was to be had and every user was read.
    pub report_generated: Option<DateTime<Utc>>,
}

/// The verdict on a user of a [`JudgedAccount`], or why there is none, in a line for a person.
///
/// # Errors
///
/// - the reason: a read that failed, or the deadline.
pub fn verdict_on(user: &ListedUser, outcome: Option<Result<Verdict, Error>>) -> Result<Verdict, String> {
    match outcome {
        Some(Ok(verdict)) => Ok(verdict),
        Some(Err(error)) => Err(format!("user `{}`: {}", printable(&user.name), error.chain())),
        None => Err(format!("user `{}` was not read in time", printable(&user.name))),
    }
}

/// Answers a scheduled event: an evaluation for every user, and NOT_APPLICABLE for every earlier result whose user is gone.
///
/// # Errors
///
/// - [`Error::Call`] if the users cannot be listed. All else that fails is the [`Answer`]'s shortfall.
pub async fn sweep(
    aws: &Live,
    rule_name: Option<&str>,
    parameters: &Parameters,
    ordering: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Result<Answer, Error> {
    // Earlier results come before the list of users: a user made in between is in the list, not among the vanished.
    let stored = stored_results(aws, rule_name);
    let stored = before(Some(share_of_time(aws)), stored).await.unwrap_or_else(|| {
        let detail = "there was no time left to read the earlier results".to_owned();
        let operation = "config:GetComplianceDetailsByConfigRule";
        Err(CallError { operation, resource: String::new(), kind: CallFailure::NoAnswer, detail }.into())
    });
    let account = judge_account(aws, parameters, now, |_, _| {}).await?;

    let mut evaluations = Vec::new();
    let judged = account.users.iter().filter_map(|(_, outcome)| outcome.as_ref()?.as_ref().ok());
    let summary = judged.collect();
    let mut shortfall = Shortfall { total: account.users.len(), ..Shortfall::default() };
    let mut existing = BTreeSet::new();
    for (user, outcome) in &account.users {
        existing.insert(user.id.as_str());
        match outcome {
            Some(Ok(verdict)) => evaluations.push(Evaluation::new(&user.id, verdict, parameters, ordering)),
            Some(Err(error)) => shortfall.unread(error),
            None => shortfall.not_reached += 1,
        }
    }
    match stored {
        Ok(Some(stored)) => {
            if parameters.sweep_reports == SweepReports::Changes {
                evaluations
                    .retain(|evaluation| stored.get(&evaluation.resource_id).is_none_or(|old| !old.says(evaluation)));
            }
            let gone = Verdict::NotApplicable(NotApplicable::Gone);
            let vanished = stored.keys().filter(|id| !existing.contains(id.as_str()));
            evaluations.extend(vanished.map(|id| Evaluation::new(id, &gone, parameters, ordering)));
        }
        Ok(None) => {}
        Err(error) => shortfall.not_cleaned(&error),
    }
    Ok(Answer { evaluations, summary, shortfall: shortfall.into_error() })
}

/// The results that AWS Config holds for the rule; `None` if it cannot be asked by this name.
async fn stored_results(aws: &Live, rule_name: Option<&str>) -> Result<Option<BTreeMap<String, StoredResult>>, Error> {
    match rule_name {
        Some(name) if name.chars().count() <= MAX_ASKABLE_RULE_NAME => aws.config.stored_results(name).await.map(Some),
        _ => {
            tracing::warn!(
                ruleName = rule_name,
                "the rule's name is missing or over {MAX_ASKABLE_RULE_NAME} characters, so AWS Config cannot be asked for \
                 earlier results: results of deleted users stay until the rule is deleted"
            );
            Ok(None)
        }
    }
}

/// Judges every user of the account. `progress` is told how many of how many are done.
///
/// # Errors
///
/// - [`Error::Call`] if the users cannot be listed.
pub async fn judge_account(
    aws: &Live,
    parameters: &Parameters,
    now: DateTime<Utc>,
    progress: impl Fn(usize, usize),
) -> Result<JudgedAccount, Error> {
    judge_account_with_report(aws, parameters, now, progress, |_| {}).await
}

/// The same; `keep` is shown the credential report as IAM gave it, if there is one.
///
/// # Errors
///
/// - [`Error::Call`] if the users cannot be listed.
pub async fn judge_account_with_report(
    aws: &Live,
    parameters: &Parameters,
    now: DateTime<Utc>,
    progress: impl Fn(usize, usize),
    keep: impl FnOnce(&[u8]),
) -> Result<JudgedAccount, Error> {
    let report = Report::read(&aws.until(Some(share_of_time(aws))), now, keep).await;
    let listed = before(aws.deadline(), aws.iam.users()).await.unwrap_or_else(|| {
        Err(CallError {
            operation: "iam:ListUsers",
            resource: String::new(),
            kind: CallFailure::Throttled,
            detail: "there was no time left to list the users".to_owned(),
        }
        .into())
    })?;
    let report = report.map(|report| report.without_moved_names(&listed));
    let total = listed.len();
    let mut users: Vec<_> = listed.into_iter().map(|user| (user, None)).collect();
    let mut keys = HashMap::new();
    let mut live = Vec::new();
    for (place, (user, outcome)) in users.iter_mut().enumerate() {
        match report.as_ref().map_or((Screening::Live, None), |report| report.screen(user, parameters, now)) {
            (Screening::Verdict(verdict), row) => {
                *outcome = Some(Ok(verdict));
                keys.extend(row.as_ref().and_then(key_ages).map(|ages| (user.id.clone(), ages)));
            }
            (Screening::LoginProfile, row) => live.push((place, user.clone(), row)),
            (Screening::Live, _) => live.push((place, user.clone(), None)),
        }
    }

    let mut done = total - live.len();
    progress(done, total);
    let judged = live
        .into_iter()
        .map(|(place, user, row)| async move { (place, judge_listed(aws, &user, row, parameters, now).await) });
    let mut judged = stream::iter(judged).buffer_unordered(USERS_AT_ONCE);
    let read_all = async {
        while let Some((place, outcome)) = judged.next().await {
            let (verdict, ages) =
                outcome.map_or_else(|error| (Err(error), None), |(verdict, ages)| (Ok(verdict), ages));
            let (user, outcome) = &mut users[place];
            keys.extend(ages.map(|ages| (user.id.clone(), ages)));
            *outcome = Some(verdict);
            done += 1;
            progress(done, total);
        }
    };
    // Who is not reached by then is told by the outcome that is missing.
    before(aws.deadline(), read_all).await;
    drop(judged);
    Ok(JudgedAccount { users, keys, report_generated: report.map(|report| report.generated) })
}

/// Until when one part of a sweep may take: there must be time left for the others, first of all to read every user.
fn share_of_time(aws: &Live) -> Instant {
    let left = |deadline: Instant| deadline.saturating_duration_since(Instant::now());
    Instant::now() + aws.deadline().map_or(MOST_FOR_A_PART, |deadline| (left(deadline) / 4).min(MOST_FOR_A_PART))
}

/// What a future comes to before a deadline; `None` if it does not.
async fn before<T>(deadline: Option<Instant>, future: impl Future<Output = T>) -> Option<T> {
    match deadline {
        Some(deadline) => timeout_at(deadline, future).await.ok(),
        None => Some(future.await),
    }
}

/// Judges a user from live reads. With a row, its password is read first: without one, the row decides. Returns its keys
/// as well, where what decided shows them.
async fn judge_listed(
    aws: &Live,
    user: &ListedUser,
    row: Option<Facts>,
    parameters: &Parameters,
    now: DateTime<Utc>,
) -> Result<(Verdict, Option<Vec<KeyAge>>), Error> {
    let mut facts = Facts {
        user_id: Some(user.id.clone()),
        arn: Some(user.arn.clone()),
        created: Some(user.created),
        ..Facts::unread(user.name.clone())
    };
    if let Some(row) = row {
        aws.read(&mut facts, &[Need::LoginProfile]).await?;
        if facts.login_profile == LoginProfile::Absent {
            let row = Facts { login_profile: LoginProfile::Absent, ..row };
            if let Step::Verdict(verdict) = decide(&row, parameters, now) {
                return Ok((verdict, key_ages(&row)));
            }
        }
    }
    let verdict = judge_keeping(&mut facts, aws, parameters, now).await?;
    Ok((verdict, key_ages(&facts)))
}

/// A credential report, its rows by ARN.
struct Report {
    generated: DateTime<Utc>,
    rows: HashMap<String, Facts>,
}

impl Report {
    /// The report, or `None` with a warning: then every user is read live.
    async fn read(aws: &Live, now: DateTime<Utc>, keep: impl FnOnce(&[u8])) -> Option<Self> {
        let mut rows = match aws.iam.credential_report(keep).await {
            Ok(rows) => rows,
            Err(error) => {
                tracing::warn!(
                    errorType = error.code(),
                    "no credential report, so every user is read: {}",
                    error.chain()
                );
                return None;
            }
        };
        let generated = rows.generated()?;
        if now - generated > FRESH_REPORT {
            tracing::warn!(%generated, "the credential report is over four hours old; who is newer than it is read live");
        }
        let mut by_arn = HashMap::new();
        for row in &mut rows {
            match row {
                Ok(row) => {
                    by_arn.insert(row.facts.arn.clone().unwrap_or_default(), row.facts);
                }
                Err(error @ ReportError::NotAReport(_)) => {
                    tracing::warn!("the credential report is not usable, so every user is read: {error}");
                    return None;
                }
                // That user is read live.
                Err(error) => {
                    tracing::warn!(line = error.line(), "a row of the credential report is not usable: {error}");
                }
            }
        }
        Some(Self { generated, rows: by_arn })
    }

    /// The same report without the rows of users made in the same second as one whose row fits no user any more: one of
    /// these may have taken the other's name, and rows have no ids to tell.
    fn without_moved_names(mut self, users: &[ListedUser]) -> Self {
        let existing: HashSet<_> = users.iter().map(|user| (user.arn.as_str(), Some(user.created))).collect();
        let fits = |arn: &str, row: &Facts| existing.contains(&(arn, row.created));
        let moved: HashSet<_> =
            self.rows.iter().filter(|(arn, row)| !fits(arn, row)).map(|(_, row)| row.created).collect();
        self.rows.retain(|_, row| !moved.contains(&row.created));
        self
    }

    fn screen(&self, user: &ListedUser, parameters: &Parameters, now: DateTime<Utc>) -> (Screening, Option<Facts>) {
        // A row of another creation time is about an earlier user of the same name.
        let row = self.rows.get(&user.arn).filter(|row| row.created == Some(user.created));
        let Some(row) = row else { return (Screening::Live, None) };
        let facts = Facts { user_id: Some(user.id.clone()), ..row.clone() };
        (screen(&facts, self.generated, parameters, now), Some(facts))
    }
}

/// What a sweep did not get done.
#[derive(Default)]
struct Shortfall {
    total: usize,
    unread: usize,
    not_reached: usize,
    not_cleaned: bool,
    reasons: Vec<String>,
}

impl Shortfall {
    fn unread(&mut self, error: &Error) {
        self.unread += 1;
        self.reason(error.chain());
    }

    fn not_cleaned(&mut self, error: &Error) {
        self.not_cleaned = true;
        self.reason(format!("results of users that are gone were not cleaned up: {}", error.chain()));
    }

    fn reason(&mut self, reason: String) {
        if self.reasons.len() < REASONS_TOLD && !self.reasons.contains(&reason) {
            self.reasons.push(reason);
        }
    }

    fn into_error(self) -> Option<Error> {
        let Self { total, unread, not_reached, not_cleaned, reasons } = self;
        let judged = total - unread - not_reached;
        (judged < total || not_cleaned).then_some(Error::SweepIncomplete {
            judged,
            total,
            unread,
            not_reached,
            reasons,
        })
    }
}
