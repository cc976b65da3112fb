//! A stand-in for AWS: IAM, STS and AWS Config on one port of this machine, as strict as they are, with accounts that a
//! test fills, faults that it asks for, and a record of every call.

mod account;
mod config;
mod fault;
mod iam;
mod report;
mod sts;
mod wire;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use serde_json::Value;

pub use account::{Account, Key, Role, User};
pub use config::{Config, Rule, pack_rule_arn};
pub use fault::{Fault, FaultKind, Times};
pub use report::CredentialReport;

use super::http::{Reply, Request, Response, Server};
use super::{ACCOUNT, lock};
use config::ConfigCall;
use fault::RateLimit;
use iam::IamCall;
use sts::{Caller, Credentials};
use wire::{Incoming, Protocol, ServiceError};

/// The access key id that the functions under test have; it belongs to [`ACCOUNT`].
pub const ACCESS_KEY_ID: &str = "AKIADOUBLEEVALUATOR0";

/// Its secret.
pub const SECRET_ACCESS_KEY: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYDOUBLEKEY0";

/// One call, whatever became of it.
#[derive(Debug, Clone)]
pub struct Call {
    /// `iam`, `config` or `sts`; `unknown` for anything else.
    pub service: &'static str,
    /// Action: `ListAccessKeys`.
    pub action: String,
    /// What it is for: access key id, else user name; rule name; resource id; role ARN; empty for the account.
    pub resource: String,
    /// Whose credentials made it; empty without any.
    pub access_key_id: String,
    /// The members of the request; with IAM and STS all of them strings.
    pub body: Value,
    /// When it had arrived.
    pub at: Instant,
    /// How many calls were being answered then, this one included. A call whose client gave up counts until its delay
    /// is over.
    pub in_flight: usize,
}

impl Call {
    /// `iam:ListAccessKeys`
    pub fn name(&self) -> String {
        format!("{}:{}", self.service, self.action)
    }

    /// Everything that a fault may name.
    fn resources(&self) -> impl Iterator<Item = &str> {
        let user_name = self.body["UserName"].as_str();
        std::iter::once(self.resource.as_str()).chain(user_name)
    }
}

/// The stand-in for AWS. It has one account, [`ACCOUNT`], and may have more.
pub struct AwsDouble {
    server: Server,
    state: Arc<Mutex<State>>,
}

struct State {
    accounts: BTreeMap<String, Account>,
    credentials: Credentials,
    calls: Vec<Call>,
    faults: Vec<Fault>,
    changes: Vec<Change>,
    latency: Duration,
    rate_limit: Option<RateLimit>,
    page_size: Option<usize>,
}

/// What somebody else does meanwhile.
struct Change {
    action: Option<String>,
    calls_left: usize,
    make: Box<dyn FnOnce(&mut Account) + Send>,
}

impl Change {
    /// Whether its time has come with this call.
    fn is_due(&mut self, action: &str) -> bool {
        if self.action.as_deref().is_none_or(|wanted| wanted == action) {
            self.calls_left -= 1;
        }
        self.calls_left == 0
    }
}

impl AwsDouble {
    /// Starts it, with nothing in its account.
    pub fn start() -> Self {
        let state = Arc::new(Mutex::new(State {
            accounts: BTreeMap::from([(ACCOUNT.to_owned(), Account::new(ACCOUNT))]),
            credentials: Credentials::default(),
            calls: Vec::new(),
            faults: Vec::new(),
            changes: Vec::new(),
            latency: Duration::ZERO,
            rate_limit: None,
            page_size: None,
        }));
        let server = Server::start({
            let state = Arc::clone(&state);
            move |request| lock(&state).reply(request, setup_keys::clock::now())
        });
        Self { server, state }
    }

    /// Starts it with these users in its account.
    pub fn with_users(users: impl IntoIterator<Item = User>) -> Self {
        let double = Self::start();
        double.account(|account| users.into_iter().for_each(|user| account.add(user)));
        double
    }

    /// The value of `AWS_ENDPOINT_URL`.
    pub fn url(&self) -> String {
        format!("http://{}", self.server.address())
    }

    /// Looks at, or changes, what is in [`ACCOUNT`].
    pub fn account<T>(&self, look: impl FnOnce(&mut Account) -> T) -> T {
        self.account_of(ACCOUNT, look)
    }

    /// The same with another account, which is made if it is not there.
    pub fn account_of<T>(&self, account_id: &str, look: impl FnOnce(&mut Account) -> T) -> T {
        let mut state = lock(&self.state);
        look(state.accounts.entry(account_id.to_owned()).or_insert_with(|| Account::new(account_id)))
    }

    /// Adds a user to [`ACCOUNT`].
    pub fn add(&self, user: User) {
        self.account(|account| account.add(user));
    }

    /// From now on the credential report of [`ACCOUNT`] says what is in it now, and that it was generated then.
    pub fn take_report_snapshot(&self, generated: DateTime<Utc>) {
        self.account(|account| account.take_report_snapshot(generated));
    }

    /// A result token of a rule in [`ACCOUNT`].
    pub fn issue_token(&self, rule: &str) -> String {
        self.account(|account| account.config.issue_token(rule))
    }

    /// Every evaluation that AWS Config took in [`ACCOUNT`], in order, as it was sent.
    pub fn put_entries(&self) -> Vec<Value> {
        self.account(|account| account.config.put_entries().to_vec())
    }

    /// The results of a rule in [`ACCOUNT`]: resource id to compliance type and annotation.
    pub fn stored_results(&self, rule: &str) -> BTreeMap<String, (String, String)> {
        self.account(|account| account.config.stored_results(rule))
    }

    /// Every call so far, in the order of arrival.
    pub fn calls(&self) -> Vec<Call> {
        lock(&self.state).calls.clone()
    }

    /// `service:Action` of every call so far, in the order of arrival.
    pub fn action_names(&self) -> Vec<String> {
        lock(&self.state).calls.iter().map(Call::name).collect()
    }

    /// How often an action was called so far.
    pub fn count(&self, service: &str, action: &str) -> usize {
        lock(&self.state).calls.iter().filter(|call| call.service == service && call.action == action).count()
    }

    /// The most calls of a service that were under way at once.
    pub fn most_in_flight(&self, service: &str) -> usize {
        let state = lock(&self.state);
        state.calls.iter().filter(|call| call.service == service).map(|call| call.in_flight).max().unwrap_or(0)
    }

    /// Forgets the calls so far.
    pub fn forget_calls(&self) {
        lock(&self.state).calls.clear();
    }

    /// Adds a fault. Of several that fit a call, the first hits.
    pub fn fail(&self, fault: Fault) {
        lock(&self.state).faults.push(fault);
    }

    /// Nothing goes wrong any more.
    pub fn forget_faults(&self) {
        lock(&self.state).faults.clear();
    }

    /// Somebody changes [`ACCOUNT`] once so many calls (of an action, where one is named) are carried out, before the
    /// last of them is answered.
    pub fn after_calls(&self, action: Option<&str>, calls: usize, change: impl FnOnce(&mut Account) + Send + 'static) {
        assert!(calls > 0, "before the first call there is nothing to wait for");
        let change = Change { action: action.map(str::to_owned), calls_left: calls, make: Box::new(change) };
        lock(&self.state).changes.push(change);
    }

    /// Nobody changes anything any more.
    pub fn forget_changes(&self) {
        lock(&self.state).changes.clear();
    }

    /// Every answer takes so long.
    pub fn set_latency(&self, latency: Duration) {
        lock(&self.state).latency = latency;
    }

    /// IAM throttles above so many calls a second, after one second's worth at once.
    pub fn set_rate_limit(&self, calls_per_second: f64) {
        lock(&self.state).rate_limit = Some(RateLimit::new(calls_per_second));
    }

    /// No page of a list has more entries than this, whatever is asked for.
    pub fn set_page_size(&self, page_size: usize) {
        lock(&self.state).page_size = Some(page_size);
    }

    /// Sessions of `AssumeRole` last so long, whatever is asked for.
    pub fn set_session_duration(&self, duration: Duration) {
        lock(&self.state).credentials.session_duration = Some(duration);
    }

    /// Ends the sessions of `AssumeRole` so far.
    pub fn expire_sessions(&self) {
        lock(&self.state).credentials.expire_sessions(setup_keys::clock::now());
    }
}

impl State {
    fn reply(&mut self, request: &Request, now: DateTime<Utc>) -> Reply {
        let incoming = Incoming::parse(request);
        let call = Call {
            service: incoming.service,
            action: incoming.action.clone(),
            resource: self.resource(&incoming),
            access_key_id: sts::access_key_id(request),
            body: incoming.parameters.clone(),
            at: request.at,
            in_flight: request.in_flight,
        };
        self.calls.push(call.clone());
        let reply = match self.admit(request, &incoming, now) {
            Ok(caller) => self.carry_out(&incoming, &caller, &call, now),
            Err(error) => wire::error_response(incoming.protocol, error).into(),
        };
        self.change_accounts(&call.action);
        reply.delayed(self.latency)
    }

    /// Makes the changes whose time has come.
    fn change_accounts(&mut self, action: &str) {
        for change in self.changes.extract_if(.., |change| change.is_due(action)) {
            let account = self.accounts.get_mut(ACCOUNT).expect("the account is always there");
            (change.make)(account);
        }
    }

    fn admit(&self, request: &Request, incoming: &Incoming, now: DateTime<Utc>) -> Result<Caller, ServiceError> {
        match &incoming.problem {
            Some(problem) => Err(problem.clone()),
            None => self.credentials.caller(request, incoming, now),
        }
    }

    /// Carries a call out, unless a fault comes in between.
    fn carry_out(&mut self, incoming: &Incoming, caller: &Caller, call: &Call, now: DateTime<Utc>) -> Reply {
        let Some(fault) = fault::strike(&mut self.faults, call) else {
            return self.respond(incoming, caller, call.at, now).into();
        };
        if let Some(error) = fault.error(incoming.protocol, call, &caller.arn) {
            return wire::error_response(incoming.protocol, error).into();
        }
        match fault {
            FaultKind::Reset => Reply::Reset,
            FaultKind::WrongBody => {
                Response::new(200, "text/html", "upstream connect error or disconnect/reset before headers").into()
            }
            FaultKind::EmptyBody => Response::new(200, "text/html", "").into(),
            FaultKind::CutText => {
                let mut response = self.respond(incoming, caller, call.at, now);
                response.body.truncate(response.body.len() / 2);
                response.into()
            }
            FaultKind::TruncatedBody => Reply::Truncated(self.respond(incoming, caller, call.at, now)),
            FaultKind::Slow(delay) => Reply::from(self.respond(incoming, caller, call.at, now)).delayed(delay),
            other => unreachable!("{other:?} is an error"),
        }
    }

    fn respond(&mut self, incoming: &Incoming, caller: &Caller, at: Instant, now: DateTime<Utc>) -> Response {
        let (action, parameters, page_size) = (incoming.action.as_str(), &incoming.parameters, self.page_size);
        let account_id = &caller.account_id;
        let account = self.accounts.entry(account_id.clone()).or_insert_with(|| Account::new(account_id));
        let Protocol::Query(namespace) = incoming.protocol else {
            return wire::json_response(ConfigCall { account, action, parameters, page_size }.answer());
        };
        let answer = if incoming.service == "sts" {
            self.credentials.answer(caller, &self.accounts, action, parameters, now)
        } else if self.rate_limit.as_mut().is_some_and(|limit| !limit.admits(at)) {
            Err(fault::throttled(incoming.protocol))
        } else {
            IamCall { account, action, parameters, page_size, caller: &caller.arn, now }.answer()
        };
        wire::xml_response(namespace, action, answer)
    }

    /// See [`Call::resource`].
    fn resource(&self, incoming: &Incoming) -> String {
        let member = |name: &str| incoming.parameters[name].as_str();
        let rule_of_token = |token| {
            let mut configs = self.accounts.values().map(|account| &account.config);
            configs.find_map(|config| config.rule_of_token(token))
        };
        let resource = if incoming.service == "config" {
            let named = ["ConfigRuleName", "ResourceId", "resourceId"].into_iter().find_map(member);
            named.or_else(|| member("ResultToken").and_then(rule_of_token))
        } else {
            ["AccessKeyId", "UserName", "RoleArn"].into_iter().find_map(member)
        };
        resource.unwrap_or_default().to_owned()
    }
}
