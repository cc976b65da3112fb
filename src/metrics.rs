//! What an invocation did, as CloudWatch metrics: a line of the log in CloudWatch's embedded metric format, from which
//! CloudWatch makes the metrics without any call.
//!
//! Source: Amazon CloudWatch User Guide, "Specification: Embedded metric format".

use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};

use crate::rule::verdict::Summary;

/// The namespace of the metrics.
pub const NAMESPACE: &str = "SetupKeys";

/// The only dimension: the account whose users were judged.
pub const DIMENSION: &str = "AccountId";

/// Every metric with its unit.
pub const METRICS: [(&str, &str); 8] = [
    ("UsersJudged", "Count"),
    ("NonCompliantUsers", "Count"),
    ("ExceptedUsers", "Count"),
    ("ExpiringExceptions", "Count"),
    ("Calls", "Count"),
    ("Throttles", "Count"),
    ("Failures", "Count"),
    ("Duration", "Milliseconds"),
];

/// Counts the calls of a process. One invocation runs at a time, so what was added meanwhile is the invocation's.
#[derive(Debug, Default)]
pub struct Meter {
    calls: AtomicU64,
    throttles: AtomicU64,
}

impl Meter {
    /// A call is sent, also one that is tried again.
    pub fn call(&self) {
        self.calls.fetch_add(1, Ordering::Relaxed);
    }

    /// A call was throttled.
    pub fn throttle(&self) {
        self.throttles.fetch_add(1, Ordering::Relaxed);
    }

    /// Calls and throttled calls so far.
    #[must_use]
    pub fn read(&self) -> (u64, u64) {
        (self.calls.load(Ordering::Relaxed), self.throttles.load(Ordering::Relaxed))
    }
}

/// What one invocation did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Done {
    /// The users that were judged.
    pub users: Summary,
    /// Calls that were sent.
    pub calls: u64,
    /// Calls that were throttled.
    pub throttles: u64,
    /// Whether the invocation failed.
    pub failed: bool,
    /// How long it took.
    pub duration: Duration,
}

impl Done {
    /// The line of the log: one JSON object.
    #[must_use]
    pub fn to_line(&self, account_id: &str, now: DateTime<Utc>) -> String {
        let values = [
            json!(self.users.total),
            json!(self.users.non_compliant),
            json!(self.users.excepted),
            json!(self.users.expiring),
            json!(self.calls),
            json!(self.throttles),
            json!(u8::from(self.failed)),
            json!(self.duration.as_millis()),
        ];
        let definitions: Vec<_> = METRICS.iter().map(|(name, unit)| json!({ "Name": name, "Unit": unit })).collect();
        let directive = json!({ "Namespace": NAMESPACE, "Dimensions": [[DIMENSION]], "Metrics": definitions });
        let mut line = Map::new();
        line.insert(
            "_aws".to_owned(),
            json!({ "Timestamp": now.timestamp_millis(), "CloudWatchMetrics": [directive] }),
        );
        line.insert(DIMENSION.to_owned(), Value::from(account_id));
        line.extend(METRICS.iter().zip(values).map(|((name, _), value)| ((*name).to_owned(), value)));
        Value::Object(line).to_string()
    }

    /// Writes the line to standard output, where CloudWatch Logs takes it from.
    pub fn log(&self, account_id: &str, now: DateTime<Utc>) {
        // Without a log there is nobody to tell that there is none.
        let _ = writeln!(io::stdout().lock(), "{}", self.to_line(account_id, now));
    }
}
