//! One remediator and one account, for many runs: to start a process costs more than to run it.

use serde_json::Value;

use super::REMEDIATOR;
use crate::support::ACCOUNT;
use crate::support::aws::{Account, AwsDouble, Key, User};
use crate::support::process::{Lambda, Outcome};

pub(crate) struct Bench {
    pub(crate) aws: AwsDouble,
    pub(crate) lambda: Lambda,
}

impl Bench {
    pub(crate) fn start() -> Self {
        let aws = AwsDouble::start();
        let lambda = Lambda::start(REMEDIATOR, &aws);
        Self { aws, lambda }
    }

    /// From now on these users are all that there is, nothing goes wrong, and nothing was called.
    pub(crate) fn set_up(&self, users: &[User]) {
        self.aws.forget_faults();
        self.aws.forget_changes();
        self.aws.account(|account| {
            *account = Account::new(ACCOUNT);
            for user in users {
                account.add(user.clone());
            }
        });
        self.aws.forget_calls();
    }

    pub(crate) fn run(&self, request: &Value) -> Outcome {
        self.lambda.invoke(request.to_string())
    }

    /// The response of a run that must succeed.
    #[track_caller]
    pub(crate) fn answer(&self, request: &Value) -> Value {
        serde_json::from_str(&self.run(request).expect_success()).unwrap()
    }

    /// The keys of every user, by its unique id.
    pub(crate) fn keys(&self) -> Vec<(String, Vec<Key>)> {
        self.aws.account(|account| account.users.iter().map(|user| (user.user_id.clone(), user.keys.clone())).collect())
    }
}
