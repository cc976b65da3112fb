//! All users of the account, one after the other.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::{Outcome, Remedy, Response, remediate_listed};
use crate::aws::Live;
use crate::aws::iam::ListedUser;
use crate::error::Error;
use crate::rule::verdict::Verdict;
use crate::sweep::{judge_account, verdict_on};

/// How many users a response tells of, and how many errors: a step of SSM Automation takes 200 KB of output (Systems
/// Manager User Guide, "aws:invokeLambdaFunction"). The log tells of all.
const MOST_TOLD: usize = 100;

/// What became of a request about all users.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AccountResponse {
    /// Users of the account.
    pub users: usize,
    /// Those that were NON_COMPLIANT.
    pub non_compliant: usize,
    /// Users that could not be judged, or not be judged again.
    pub unjudged: usize,
    /// Setup keys by what became of them.
    pub keys: Keys,
    /// Setup keys that are still there and active.
    pub remaining: usize,
    /// Why users could not be judged, for the first 100.
    pub errors: Vec<String>,
    /// The users of whom a key was changed, or was to be; the first 100.
    pub responses: Vec<Response>,
}

/// How many keys each [`Outcome`] had.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Keys {
    /// Changed, and seen to be so.
    pub done: usize,
    /// To be changed, were this no dry run.
    pub planned: usize,
    /// Left alone on purpose.
    pub skipped: usize,
    /// Not changed, or not seen to be so.
    pub failed: usize,
}

impl AccountResponse {
    /// Whether every user was judged and no action failed.
    #[must_use]
    pub const fn is_complete(&self) -> bool {
        self.unjudged == 0 && self.keys.failed == 0
    }

    fn add(&mut self, response: Response) {
        for action in &response.actions {
            match action.outcome {
                Outcome::Done => self.keys.done += 1,
                Outcome::Planned => self.keys.planned += 1,
                Outcome::Skipped => self.keys.skipped += 1,
                Outcome::Failed => self.keys.failed += 1,
            }
        }
        self.remaining += response.remaining;
        let tells = response.actions.iter().any(|action| action.outcome != Outcome::Skipped);
        if tells && self.responses.len() < MOST_TOLD {
            self.responses.push(response);
        }
    }

    fn unjudged(&mut self, why: String) {
        self.unjudged += 1;
        if self.errors.len() < MOST_TOLD {
            self.errors.push(why);
        }
    }
}

/// The users of an account that a remedy is about.
#[derive(Debug)]
pub struct InQuestion {
    /// How many users the account has.
    pub total: usize,
    /// Those that are NON_COMPLIANT.
    pub users: Vec<ListedUser>,
    /// Why others could not be judged, a line each.
    pub unjudged: Vec<String>,
}

/// Judges every user of the account by the parameters of a remedy. `progress` is told how many of how many are done.
///
/// # Errors
///
/// - [`Error::Call`] if the users cannot be listed.
pub async fn in_question(
    remedy: &Remedy,
    aws: &Live,
    now: DateTime<Utc>,
    progress: impl Fn(usize, usize),
) -> Result<InQuestion, Error> {
    let account = judge_account(aws, &remedy.judging_parameters(), now, progress).await?;
    let mut question = InQuestion { total: account.users.len(), users: Vec::new(), unjudged: Vec::new() };
    for (user, outcome) in account.users {
        match verdict_on(&user, outcome) {
            Ok(Verdict::NonCompliant { .. }) => question.users.push(user),
            Ok(_) => {}
            Err(why) => question.unjudged.push(why),
        }
    }
    Ok(question)
}

/// Judges every user of the account, then each that is NON_COMPLIANT once more, and acts on its keys. `log` is told of each.
///
/// # Errors
///
/// - [`Error::Call`] if the users cannot be listed: nothing was touched.
pub(super) async fn remediate_all(
    remedy: &Remedy,
    aws: &Live,
    now: DateTime<Utc>,
    log: impl Fn(&Response),
) -> Result<AccountResponse, Error> {
    let InQuestion { total, users, unjudged } = in_question(remedy, aws, now, |_, _| {}).await?;
    let mut account = AccountResponse { users: total, non_compliant: users.len(), ..AccountResponse::default() };
    for why in unjudged {
        account.unjudged(why);
    }
    for user in users {
        // Else AWS Lambda might end the function before it can tell what it did.
        if !aws.has_time(Duration::ZERO) {
            account.unjudged(format!("user `{}` was not reached in time", user.name));
            continue;
        }
        match remediate_listed(&user, remedy, aws, now).await {
            Ok(response) => {
                log(&response);
                account.add(response);
            }
            Err(error) => account.unjudged(format!("user `{}`: {}", user.name, error.chain())),
        }
    }
    Ok(account)
}
