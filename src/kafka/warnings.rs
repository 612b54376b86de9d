//! Trouble that waiting mends: counted each time, said once in a while.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::error::RDKafkaErrorCode;

use crate::engine::BesideChange;
use crate::model::InputTopic;
use crate::telemetry::Metrics;

/// Trouble of the same kind is said again after this long.
const REPEAT: Duration = Duration::from_secs(30);
/// An open transaction is spoken of this often.
const SAY: Duration = Duration::from_secs(10);
/// A broker looks every ten seconds for transactions that have outlived their time. One that is still open so long after is
/// one that no broker knows of.
const OVERDUE: Duration = Duration::from_secs(30);

/// What was said, and when.
pub(super) struct Warnings {
    metrics: Metrics,
    said: Mutex<BTreeMap<String, Instant>>,
}

impl Warnings {
    pub fn new(metrics: &Metrics) -> Self {
        Self {
            metrics: metrics.clone(),
            said: Mutex::default(),
        }
    }

    /// Counts trouble that somebody else speaks of.
    pub fn count(&self, code: &str) {
        self.metrics.kafka_error(code);
    }

    /// Says that retention took readings before they were read.
    pub fn lost(&self, partition: i32, readings: u64) {
        self.metrics.input_lost_records("alerts", readings);
        tracing::error!(
            partition,
            lost = readings,
            "retention removed readings before they were judged; raise the topic's retention"
        );
    }

    /// Says what became of a topic beside the readings.
    pub fn beside_changed(&self, partition: i32, topic: &str, input: InputTopic, change: BesideChange) {
        match change {
            BesideChange::MadeAnew => {
                self.count("topic_made_anew");
                tracing::error!(
                    partition,
                    topic,
                    "the topic ends before what was taken in of it: it was made anew, and is taken in from its beginning"
                );
            }
            BesideChange::Lost(offsets) => {
                self.metrics.input_lost_records(input.name(), offsets);
                tracing::error!(
                    partition,
                    topic,
                    lost = offsets,
                    "retention removed offsets before they were taken in; raise the topic's retention"
                );
            }
        }
    }

    /// Says that there is trouble, unless it was said a moment ago.
    pub fn warn(&self, code: &str, text: &str) {
        self.count(code);
        let now = Instant::now();
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        if said.get(code).is_none_or(|at| now.duration_since(*at) > REPEAT) {
            said.insert(code.to_owned(), now);
            tracing::warn!(code, "{text}");
        }
    }
}

/// A transaction that somebody left open, while it is waited for.
pub(super) struct OpenTransaction<'a> {
    warnings: &'a Warnings,
    partition: i32,
    /// The longest that it is known to its broker.
    lives: Duration,
    since: Instant,
    said: Instant,
}

impl<'a> OpenTransaction<'a> {
    pub fn new(warnings: &'a Warnings, partition: i32, lives: Duration) -> Self {
        let since = Instant::now();
        Self {
            warnings,
            partition,
            lives,
            since,
            said: since,
        }
    }

    /// Says so once in a while, and louder when the broker should long have ended it.
    pub fn say(&mut self, what: &str) {
        if self.said.elapsed() <= SAY {
            return;
        }
        self.said = Instant::now();
        let partition = self.partition;
        if self.since.elapsed() <= self.lives + OVERDUE {
            tracing::info!(partition, "waiting for the end of a transaction: {what}");
            return;
        }
        let text = format!(
            "partition {partition} waits for a transaction that nobody ends: {what}; its homes are not watched until it is \
             ended (\"A transaction that nobody ends\" in docs/operations.md)"
        );
        self.warnings.warn("open_transaction", &text);
    }
}

/// The name under which an error is counted.
pub(super) fn name_of(code: Option<RDKafkaErrorCode>) -> String {
    code.map_or_else(|| "unknown".to_owned(), |code| format!("{code:?}"))
}
