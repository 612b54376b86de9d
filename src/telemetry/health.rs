//! Whether the engine moves (liveness) and whether it watches all that it should (readiness).
//!
//! The two answer different questions: an engine that restores its partitions is live and not ready, and restarting it
//! would only make it begin again.

use std::borrow::Cow;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use thiserror::Error;

/// The health of the process. Cheap to clone: all clones are one.
#[derive(Clone, Debug)]
pub struct Health(Arc<State>);

#[derive(Debug)]
struct State {
    started: Instant,
    limit: Duration,
    /// Milliseconds from `started` to the latest heartbeat.
    last_heartbeat: AtomicU64,
    /// `None` when ready.
    not_ready: Mutex<Option<Cow<'static, str>>>,
}

/// The engine's loop has not come round for longer than it may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("no heartbeat for {} s, the limit is {} s", .age.as_secs(), .limit.as_secs())]
pub struct NotLive {
    /// The time since the last heartbeat, or since the start if there was none.
    pub age: Duration,
    /// The longest time allowed between two heartbeats.
    pub limit: Duration,
}

impl Health {
    /// Live from `started` on, for as long as no more than `limit` passes without a heartbeat; not ready yet.
    pub fn new(started: Instant, limit: Duration) -> Self {
        Self(Arc::new(State {
            started,
            limit,
            last_heartbeat: AtomicU64::new(0),
            not_ready: Mutex::new(Some(Cow::Borrowed("starting"))),
        }))
    }

    /// The engine's loop came round at `at`. Heartbeats may be reported out of order; the latest counts.
    pub fn heartbeat(&self, at: Instant) {
        let millis = at.saturating_duration_since(self.0.started).as_millis();
        self.0
            .last_heartbeat
            .fetch_max(u64::try_from(millis).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Whether the engine's loop still moves, as seen at `now`.
    pub fn liveness(&self, now: Instant) -> Result<(), NotLive> {
        let last = Duration::from_millis(self.0.last_heartbeat.load(Ordering::Relaxed));
        let age = now.saturating_duration_since(self.0.started).saturating_sub(last);
        if age > self.0.limit {
            Err(NotLive {
                age,
                limit: self.0.limit,
            })
        } else {
            Ok(())
        }
    }

    /// Not ready, for this reason: "connecting to Kafka", "restoring partitions 3 of 8".
    pub fn set_not_ready(&self, reason: impl Into<Cow<'static, str>>) {
        *self.not_ready() = Some(reason.into());
    }

    /// Ready: every partition assigned is live.
    pub fn set_ready(&self) {
        *self.not_ready() = None;
    }

    /// Why the engine is not ready; `Ok` when it is.
    pub fn readiness(&self) -> Result<(), Cow<'static, str>> {
        self.not_ready().clone().map_or(Ok(()), Err)
    }

    /// A thread that panicked while it held the lock cannot have left half a reason behind, so poison is no matter.
    fn not_ready(&self) -> MutexGuard<'_, Option<Cow<'static, str>>> {
        self.0.not_ready.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(30);

    #[test]
    fn live_until_the_limit_passes_without_a_heartbeat() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let health = Health::new(start, LIMIT);

        assert_eq!(health.liveness(at(30)), Ok(()), "the start counts as a heartbeat");
        assert_eq!(
            health.liveness(at(31)),
            Err(NotLive {
                age: Duration::from_secs(31),
                limit: LIMIT
            })
        );

        health.heartbeat(at(100));
        health.heartbeat(at(90));
        assert_eq!(
            health.liveness(at(130)),
            Ok(()),
            "an older heartbeat does not replace a newer one"
        );
        assert_eq!(
            health.liveness(at(99)),
            Ok(()),
            "a clock read before the heartbeat is no reason for alarm"
        );
        let late = health.liveness(at(142)).unwrap_err();
        assert_eq!(late.to_string(), "no heartbeat for 42 s, the limit is 30 s");
    }

    #[test]
    fn ready_only_when_the_caller_says_so() {
        let health = Health::new(Instant::now(), LIMIT);
        assert_eq!(health.readiness(), Err("starting".into()));
        health
            .clone()
            .set_not_ready(format!("restoring partitions {} of {}", 3, 8));
        assert_eq!(
            health.readiness(),
            Err("restoring partitions 3 of 8".into()),
            "clones are one"
        );
        health.set_ready();
        assert_eq!(health.readiness(), Ok(()));
        health.set_not_ready("connecting to Kafka");
        assert_eq!(health.readiness(), Err("connecting to Kafka".into()));
    }
}
