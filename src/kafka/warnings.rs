//! Trouble that waiting mends: counted each time, said once in a while.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::error::RDKafkaErrorCode;

use crate::telemetry::Metrics;

/// Trouble of the same kind is said again after this long.
const REPEAT: Duration = Duration::from_secs(30);

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

/// The name under which an error is counted.
pub(super) fn name_of(code: Option<RDKafkaErrorCode>) -> String {
    code.map_or_else(|| "unknown".to_owned(), |code| format!("{code:?}"))
}
