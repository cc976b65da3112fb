//! `setup-keys remediate`: gets setup keys out of the way, and brings them back.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use clap::{ArgGroup, Args, ValueEnum};
use serde::{Deserialize, Serialize};

use super::parameters::RuleOptions;
use super::progress::Progress;
use super::{Failure, Outcome, complain, write_to};
use crate::aws::iam::ListedUser;
use crate::aws::{self, Live};
use crate::clock;
use crate::remediator::{
    Action, KeyActionKind, Mode, Remedy, Response, Restored, UsedKeys, in_question, remediate_listed, restore,
};
use crate::report::table;
use crate::rule::facts::KeyStatus;
use crate::text::count;

/// Deactivate setup keys, delete those that stayed inactive, or undo that
///
/// Shows what it would do; with --yes it does it. Each user is judged again from fresh reads right before. Keys that were
/// used are kept: their owners rotate them. Before anything is changed, the ids and the old statuses are written to a file,
/// which --undo plays back; what is deleted cannot be brought back.
///
/// Exit status: 0 if no active setup key is left, 1 if some are (also in a dry run), 2 if something failed. With --undo: 1 if a
/// key was left as it is, since it or its user is gone or was changed by somebody else.
#[derive(Args)]
#[command(group(ArgGroup::new("whom").required(true).args(["user", "all", "undo"])))]
pub(super) struct Remediate {
    /// A user, by name; may be given more than once
    #[arg(long, value_name = "NAME")]
    user: Vec<String>,

    /// Every user of the account
    #[arg(long)]
    all: bool,

    /// Give keys back the status that this file says
    #[arg(long, value_name = "FILE")]
    undo: Option<PathBuf>,

    /// What to do
    #[arg(long, value_enum, default_value_t = WhatToDo::Deactivate, conflicts_with = "undo")]
    action: WhatToDo,

    /// What to do about active keys that were used
    #[arg(long, value_enum, default_value_t = AboutUsed::Keep, conflicts_with = "undo")]
    used_keys: AboutUsed,

    /// Act, instead of showing what would be done
    #[arg(long)]
    yes: bool,

    /// Where to write what --undo needs [default: setup-keys-undo-ACCOUNT-TIME.json]
    #[arg(long, value_name = "FILE", conflicts_with = "undo")]
    undo_file: Option<PathBuf>,

    #[command(flatten)]
    parameters: RuleOptions,
}

#[derive(Clone, Copy, ValueEnum)]
enum WhatToDo {
    /// Active keys that were never used become inactive
    Deactivate,
    /// Keys that are inactive and were never used are deleted
    DeleteInactive,
}

#[derive(Clone, Copy, ValueEnum)]
enum AboutUsed {
    /// They stay
    Keep,
    /// They become inactive as well
    Deactivate,
}

/// What is needed to undo: written before anything is changed.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Undo {
    account: String,
    written: DateTime<Utc>,
    keys: Vec<UndoKey>,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct UndoKey {
    user_name: String,
    user_id: String,
    access_key_id: String,
    status: String,
}

impl Remediate {
    pub(super) async fn run(self) -> Result<Outcome, Failure> {
        let settings = aws::sdk_config().await;
        let account = aws::session::caller_account(&settings).await?;
        let aws = Live::new(&settings);
        match &self.undo {
            Some(file) => self.undo(file, &account, &aws).await,
            None => self.remediate(&account, &aws).await,
        }
    }

    async fn remediate(&self, account: &str, aws: &Live) -> Result<Outcome, Failure> {
        let now = clock::now();
        let (users, mut failed) = self.users(aws, now).await?;
        let plan = self.each(&users, &Mode::DryRun, aws, now).await;
        print(&plan.responses)?;
        failed |= plan.failed;
        let planned: BTreeSet<String> = plan.responses.iter().flat_map(Response::changed_keys).collect();
        let mut responses = plan.responses;
        if !planned.is_empty() && self.yes {
            let undo = UndoFile::create(self.undo_file.clone(), account, now, &responses)?;
            // Only what the plan showed, and what can be undone by its file.
            let acted = self.each(&users, &Mode::ActOn(planned), aws, now).await;
            failed |= acted.failed || acted.responses.iter().any(Response::has_failed);
            responses = acted.responses;
            print(&responses)?;
            if let Some(undo) = undo {
                undo.end(&responses)?;
            }
        } else if !planned.is_empty() {
            say(&format!("Dry run: nothing was changed. --yes acts on {}.", count(planned.len(), "key")));
            say("A key that Terraform or CloudFormation made comes back: remove it there first.");
        }
        let remaining: usize = responses.iter().map(|response| response.remaining).sum();
        say(&format!("{} left active.", count(remaining, "setup key")));
        Ok(if failed {
            Outcome::Incomplete
        } else if remaining > 0 {
            Outcome::Found
        } else {
            Outcome::Clean
        })
    }

    /// The users in question: those named, or those of all that are NON_COMPLIANT; and whether some could not be judged.
    async fn users(&self, aws: &Live, now: DateTime<Utc>) -> Result<(Vec<ListedUser>, bool), Failure> {
        if !self.all {
            let all = aws.iam.users().await.map_err(|error| error.chain())?;
            let mut users: Vec<ListedUser> = Vec::new();
            for name in &self.user {
                let found = all.iter().find(|user| user.name.eq_ignore_ascii_case(name));
                let user = found.ok_or_else(|| Failure(format!("no user is called `{name}`")))?;
                // Named twice, perhaps in another case, its keys would be counted twice.
                if !users.contains(user) {
                    users.push(user.clone());
                }
            }
            return Ok((users, false));
        }
        let progress = Progress::start("Reading the credential report and the users");
        let question =
            in_question(&self.remedy(&Mode::DryRun), aws, now, |done, total| progress.show(done, total)).await;
        progress.end();
        let question = question.map_err(|error| error.chain())?;
        question.unjudged.iter().for_each(|why| complain(why));
        Ok((question.users, !question.unjudged.is_empty()))
    }

    fn remedy(&self, mode: &Mode) -> Remedy {
        Remedy {
            action: match self.action {
                WhatToDo::Deactivate => Action::Deactivate,
                WhatToDo::DeleteInactive => Action::DeleteInactive,
            },
            used_keys: match self.used_keys {
                AboutUsed::Keep => UsedKeys::Keep,
                AboutUsed::Deactivate => UsedKeys::Deactivate,
            },
            mode: mode.clone(),
            parameters: self.parameters.0.clone().resolve(),
        }
    }

    /// One user after the other, each judged again.
    async fn each(&self, users: &[ListedUser], mode: &Mode, aws: &Live, now: DateTime<Utc>) -> Each {
        let mut each = Each { responses: Vec::new(), failed: false };
        let remedy = self.remedy(mode);
        let progress = Progress::over_users(if *mode == Mode::DryRun { "Judging" } else { "Changing keys" });
        for (done, user) in users.iter().enumerate() {
            progress.show(done, users.len());
            match remediate_listed(user, &remedy, aws, now).await {
                Ok(response) => each.responses.push(response),
                Err(error) => {
                    each.failed = true;
                    progress.suspend(|| complain(&format!("user `{}`: {}", user.name, error.chain())));
                }
            }
        }
        progress.end();
        each
    }

    async fn undo(&self, path: &Path, account: &str, aws: &Live) -> Result<Outcome, Failure> {
        let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
        let undo: Undo = serde_json::from_str(&text)
            .map_err(|error| format!("{}:{}:{}: {error}", path.display(), error.line(), error.column()))?;
        if undo.account != account {
            let theirs = &undo.account;
            return Err(Failure(format!(
                "{}: account `{theirs}` is not that of the credentials, `{account}`",
                path.display()
            )));
        }
        let mut rows = Vec::new();
        let (mut failed, mut left) = (false, false);
        for key in undo.keys {
            let UndoKey { user_name, user_id, access_key_id, status } = key;
            let outcome = if self.yes {
                let wanted = KeyStatus::from(status.as_str());
                match restore(aws, &user_name, &user_id, &access_key_id, &wanted).await {
                    Ok(restored) => {
                        left |= matches!(restored, Restored::Left(_));
                        restored.to_string()
                    }
                    Err(error) => {
                        failed = true;
                        error.chain()
                    }
                }
            } else {
                "Planned".to_owned()
            };
            rows.push([user_name, access_key_id, status, outcome]);
        }
        write_to(None, |output| {
            table::write_rows(["USER", "KEY", "STATUS", "OUTCOME"], rows, table::terminal_width(), output)
        })?;
        if !self.yes {
            say("Dry run: nothing was changed. --yes acts.");
        }
        Ok(match (failed, left) {
            (true, _) => Outcome::Incomplete,
            (false, true) => Outcome::Found,
            (false, false) => Outcome::Clean,
        })
    }
}

/// What came of a run over users.
struct Each {
    responses: Vec<Response>,
    failed: bool,
}

/// The file from which a run can be undone, while the run goes on.
struct UndoFile {
    path: PathBuf,
    undo: Undo,
}

impl UndoFile {
    /// Writes the keys that are about to become inactive, as they are now; `None` if there are none.
    fn create(
        path: Option<PathBuf>,
        account: &str,
        now: DateTime<Utc>,
        plan: &[Response],
    ) -> Result<Option<Self>, Failure> {
        let keys = plan.iter().flat_map(|response| {
            let planned = response.actions.iter().filter(|action| action.action == KeyActionKind::Deactivate);
            planned.map(|action| UndoKey {
                user_name: response.user_name.clone().unwrap_or_default(),
                user_id: response.user_id.clone(),
                access_key_id: action.access_key_id.clone(),
                status: KeyStatus::Active.as_str().to_owned(),
            })
        });
        let undo = Undo { account: account.to_owned(), written: now, keys: keys.collect() };
        if undo.keys.is_empty() {
            return Ok(None);
        }
        let name = || format!("setup-keys-undo-{account}-{}.json", now.format("%Y%m%dT%H%M%SZ")).into();
        let path: PathBuf = path.unwrap_or_else(name);
        // Never over another run's file: that would be the only way back lost.
        let file = OpenOptions::new().write(true).create_new(true).open(&path);
        let written = file.and_then(|file| write_undo(file, &undo));
        written.map_err(|error| format!("{}: {error}; nothing was changed", path.display()))?;
        Ok(Some(Self { path, undo }))
    }

    /// Leaves only keys that were changed, or may have been: what somebody else did meanwhile is not this run's to undo.
    fn end(self, responses: &[Response]) -> Result<(), Failure> {
        let Self { path, mut undo } = self;
        let touched: BTreeSet<_> = responses.iter().flat_map(Response::touched_keys).collect();
        undo.keys.retain(|key| touched.contains(&key.access_key_id));
        let ended = if undo.keys.is_empty() {
            fs::remove_file(&path)
        } else {
            // Beside it first: a file cut short would be the way back lost.
            let beside = path.with_extension("json.new");
            let written = File::create(&beside).and_then(|file| write_undo(file, &undo));
            written.and_then(|()| fs::rename(&beside, &path))
        };
        ended.map_err(|error| format!("{}: {error}; it still lists every key of the plan", path.display()))?;
        if !undo.keys.is_empty() {
            say(&format!("To undo: setup-keys remediate --undo {} --yes", path.display()));
        }
        Ok(())
    }
}

fn write_undo(mut file: File, undo: &Undo) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut file, undo)?;
    writeln!(file)?;
    file.sync_all()
}

fn print(responses: &[Response]) -> Result<(), Failure> {
    let rows = responses.iter().flat_map(|response| {
        let user = response.user_name.clone().unwrap_or_default();
        let nothing = response.actions.is_empty().then(|| {
            [user.clone(), String::new(), "None".to_owned(), "Skipped".to_owned(), response.annotation.clone()]
        });
        let actions = response.actions.iter().map(move |action| {
            let (what, outcome) = (format!("{:?}", action.action), format!("{:?}", action.outcome));
            [user.clone(), action.access_key_id.clone(), what, outcome, action.reason.clone()]
        });
        nothing.into_iter().chain(actions)
    });
    let header = ["USER", "KEY", "ACTION", "OUTCOME", "REASON"];
    write_to(None, |output| table::write_rows(header, rows, table::terminal_width(), output))
}

/// A line of the result.
fn say(line: &str) {
    let _ = write_to(None, |output| writeln!(output, "{line}"));
}
