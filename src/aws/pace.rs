//! How fast IAM is called: one pace for all calls of a process, so that throttling slows them down together.
//!
//! IAM publishes no rate limits, and what is left of an account's limit depends on everybody else who uses it. So calls
//! start unpaced, bounded only by how many run at once. When IAM throttles, the pace becomes a little less than what
//! just succeeded, and from there it rises slowly until IAM throttles again. A throttled call waits for its turn at the new
//! pace and is not an error before the deadline; other failures are tried again a few times.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use crate::metrics::Meter;

/// How often a call that fails for a passing reason (not throttling) is made in all.
const ATTEMPTS: u32 = 4;

/// Over how long the rate of successful calls is measured.
const MEASURED: Duration = Duration::from_secs(1);

/// What the pace is set to when IAM throttles, in parts of what succeeded.
const CUT: f64 = 0.95;

/// How much the pace rises in a second, in parts of itself: slowly near what was throttled, fast once that is long ago.
const RISE: f64 = 0.03;
const RISE_LATER: f64 = 0.5;
const LATER: Duration = Duration::from_secs(5);

/// How long a call is throttled before it fails although its deadline, if it has one, is still ahead.
const PATIENCE: Duration = Duration::from_mins(5);

/// The slowest pace, in calls a second.
const SLOWEST: f64 = 1.0;

/// The fastest pace that is worth keeping, in calls a second; beyond it calls are unpaced.
const FASTEST: f64 = 10_000.0;

/// How a failed call is to be treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Failure {
    /// Asked for fewer calls: wait for a turn at a slower pace.
    Throttled,
    /// Passing: a server error, a connection that broke, an answer that did not come or was cut.
    Transient,
    /// Final.
    Final,
}

/// The pace of all calls to a service.
#[derive(Debug)]
pub(super) struct Pace {
    state: Mutex<State>,
    meter: Arc<Meter>,
}

#[derive(Debug)]
struct State {
    /// Calls a second; `None` while nothing was throttled.
    rate: Option<f64>,
    /// When the next call may start.
    next: Instant,
    /// When calls succeeded, over the last [`MEASURED`].
    successes: VecDeque<Instant>,
    /// When the pace was last cut, so that calls that were under way together cut it once.
    cut: Option<Instant>,
}

impl Pace {
    pub(super) fn new(meter: Arc<Meter>) -> Self {
        let state = State { rate: None, next: Instant::now(), successes: VecDeque::new(), cut: None };
        Self { state: Mutex::new(state), meter }
    }

    /// Makes a call, and makes it again while `classify` says that it may help and there is time.
    pub(super) async fn call<T, E>(
        &self,
        deadline: Option<Instant>,
        call: impl AsyncFn() -> Result<T, E>,
        classify: impl Fn(&E) -> Failure,
    ) -> Result<T, E> {
        let mut attempt = 1;
        let mut not_before = Instant::now();
        let mut failed = None;
        let patience = not_before + PATIENCE;
        let deadline = deadline.map_or(patience, |deadline| deadline.min(patience));
        loop {
            let turn = self.state().turn().max(not_before);
            match failed {
                Some(error) if turn >= deadline => return Err(error),
                _ => sleep_until(turn).await,
            }
            let started = Instant::now();
            // On the heap: the futures of the SDK are large, and there may be many at once.
            let error = match Box::pin(call()).await {
                Ok(answer) => {
                    self.state().succeeded(Instant::now());
                    return Ok(answer);
                }
                Err(error) => error,
            };
            let now = Instant::now();
            not_before = match classify(&error) {
                Failure::Throttled => {
                    self.meter.throttle();
                    self.state().throttled(started, now)
                }
                Failure::Transient if attempt < ATTEMPTS => {
                    attempt += 1;
                    now + backoff(attempt - 1)
                }
                Failure::Transient | Failure::Final => return Err(error),
            };
            failed = Some(error);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing in here can be left half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// When the caller may start, its place in the queue taken.
    fn turn(&mut self) -> Instant {
        let now = Instant::now();
        let Some(rate) = self.rate else { return now };
        let turn = self.next.max(now);
        // Jitter, so that the functions of many accounts do not fall into step.
        self.next = turn + Duration::from_secs_f64((0.9 + 0.2 * fastrand::f64()) / rate);
        turn
    }

    fn succeeded(&mut self, now: Instant) {
        self.forget_before(now);
        self.successes.push_back(now);
        if let Some(rate) = self.rate {
            let later = self.cut.is_none_or(|cut| now.duration_since(cut) > LATER);
            // Once a call, so in a second of `rate` calls by as many parts of the rate.
            let faster = rate + if later { RISE_LATER } else { RISE };
            self.rate = (faster < FASTEST).then_some(faster);
        }
    }

    /// Cuts the pace, once for all calls that were under way; the caller may try again from the time returned.
    fn throttled(&mut self, started: Instant, now: Instant) -> Instant {
        if self.cut.is_none_or(|cut| started > cut) {
            self.forget_before(now);
            #[expect(clippy::cast_precision_loss, reason = "thousands of calls at most")]
            let measured = self.successes.len() as f64 / MEASURED.as_secs_f64();
            // What succeeded may have been a burst that the limit allows once: never faster than before.
            let current = self.rate.unwrap_or(f64::INFINITY);
            self.rate = Some((measured * CUT).min(current * CUT).max(SLOWEST));
            self.cut = Some(now);
        }
        // A pause, but never before the turn that the pace allows.
        self.next = self.next.max(now + backoff(1));
        self.next
    }

    fn forget_before(&mut self, now: Instant) {
        while self.successes.front().is_some_and(|success| now.duration_since(*success) > MEASURED) {
            self.successes.pop_front();
        }
    }
}

/// At most 0.1 s, 0.2 s, 0.4 s …, drawn from the upper half so that many accounts do not come back at once.
pub(crate) fn backoff(attempt: u32) -> Duration {
    let most = 50 << attempt.min(10);
    Duration::from_millis(fastrand::u64(most / 2..=most))
}
