//! One function and one account, for many runs: to start a process costs more than to run it.

use serde_json::Value;

use super::ACCOUNT;
use super::aws::{Account, AwsDouble, Key, User};
use super::process::{Lambda, Outcome};

/// A function with an AWS of its own.
pub struct Bench {
    pub aws: AwsDouble,
    pub lambda: Lambda,
    launch: Launcher,
}

/// Starts the function.
pub type Launcher = fn(&AwsDouble) -> Lambda;

impl Bench {
    /// A bench of the function that this starts.
    pub fn start(launch: Launcher) -> Self {
        let aws = AwsDouble::start();
        let lambda = launch(&aws);
        Self { aws, lambda, launch }
    }

    /// A new process: what the last one learned of the pace of IAM would make the next runs slow.
    pub fn restart(&mut self) {
        self.lambda = (self.launch)(&self.aws);
    }

    /// From now on these users are all that there is, nothing goes wrong, and nothing was called.
    pub fn set_up(&self, users: &[User]) {
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

    pub fn run(&self, request: &Value) -> Outcome {
        self.lambda.invoke(request.to_string())
    }

    /// The response of a run that must succeed.
    #[track_caller]
    pub fn answer(&self, request: &Value) -> Value {
        serde_json::from_str(&self.run(request).expect_success()).unwrap()
    }

    /// The keys of every user, by its unique id.
    pub fn keys(&self) -> Vec<(String, Vec<Key>)> {
        self.aws.account(|account| account.users.iter().map(|user| (user.user_id.clone(), user.keys.clone())).collect())
    }
}
