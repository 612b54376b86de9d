//! One place for each thing that happens: its metric and its line in the log move together.

use std::time::{Duration, Instant};

use crate::app::wall_clock;
use crate::detect::KINDS;
use crate::engine::{Observation, Observer};
use crate::model::{Alert, AlertKind, AlertState, EventTime};
use crate::partition::{Effects, Partition, ReadingState};
use crate::telemetry::Metrics;

/// How often the figures that need a look at all homes are taken.
const SURVEY: Duration = Duration::from_secs(1);

/// Moves metrics and writes logs. No home is named above the level `debug`.
pub struct Telemetry {
    metrics: Metrics,
    began: Instant,
    surveyed: std::collections::BTreeMap<i32, Instant>,
}

impl Telemetry {
    /// Tells `metrics`.
    pub fn new(metrics: Metrics) -> Self {
        // From the start: a rate over a series that is not there yet says nothing.
        for state in ReadingState::ALL {
            metrics.readings(state.name(), 0);
        }
        Self {
            metrics,
            began: Instant::now(),
            surveyed: std::collections::BTreeMap::new(),
        }
    }

    fn applied(&mut self, partition: i32, effects: &Effects, state: &Partition) {
        let metrics = &self.metrics;
        metrics.batch(
            usize::try_from(effects.records).unwrap_or(usize::MAX),
            self.began.elapsed(),
        );
        effects
            .counts
            .readings()
            .filter(|(_, n)| *n > 0)
            .for_each(|(state, n)| metrics.readings(state, n));
        effects
            .counts
            .meter_events()
            .filter(|(_, n)| *n > 0)
            .for_each(|(class, n)| metrics.meter_events(class, n));
        for letter in &effects.dead_letters {
            metrics.dead_letters(letter.reason, 1);
            tracing::debug!(
                partition,
                offset = letter.offset,
                reason = letter.reason,
                detail = letter.detail,
                "a record is kept out"
            );
        }
        for decided in &effects.alerts {
            self.alert(&decided.alert, decided.record_timestamp);
        }
        self.survey(partition, state, !effects.alerts.is_empty());
    }

    fn alert(&self, alert: &Alert, record_timestamp: Option<EventTime>) {
        let kind = alert.kind.name();
        self.metrics.alerts(kind, name_of(alert.state), 1);
        tracing::debug!(home = %alert.household_id, kind, rule = %alert.rule, text = alert.text.en, "alert {}", name_of(alert.state));
        if alert.state == AlertState::Raised {
            let seconds = |n: u32| Duration::from_secs(u64::from(n));
            self.metrics
                .event_to_alert(kind, seconds(alert.decided_at.since(alert.detected_at)));
            if let Some(timestamp) = record_timestamp {
                self.metrics
                    .arrival_to_alert(kind, seconds(wall_clock().since(timestamp)));
            }
        }
    }

    fn survey(&mut self, partition: i32, state: &Partition, at_once: bool) {
        let due = self
            .surveyed
            .get(&partition)
            .is_none_or(|last| last.elapsed() >= SURVEY);
        if !(due || at_once) {
            return;
        }
        self.surveyed.insert(partition, Instant::now());
        let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
        let silent = state.open_alerts(AlertKind::SilentMeter);
        self.metrics
            .set_homes(partition, count(state.arena().len()), count(silent));
        for kind in KINDS {
            self.metrics
                .set_open_alerts(kind.name(), partition, count(state.open_alerts(*kind)));
        }
    }
}

fn name_of(state: AlertState) -> &'static str {
    match state {
        AlertState::Raised => "raised",
        AlertState::Updated => "updated",
        AlertState::Resolved => "resolved",
    }
}

impl Observer for Telemetry {
    fn observe(&mut self, observation: &Observation<'_>) {
        let metrics = &self.metrics;
        match *observation {
            Observation::BatchBegins => self.began = Instant::now(),
            Observation::Applied {
                partition,
                effects,
                state,
            } => self.applied(partition, effects, state),
            Observation::Standing { partition, state, lag } => {
                if let Some(records) = lag {
                    metrics.set_consumer_lag(partition, records);
                }
                self.survey(partition, state, false);
            }
            Observation::Rebalanced { assigned, partitions } => {
                metrics.rebalance(if assigned { "assigned" } else { "revoked" });
                if !assigned {
                    partitions
                        .iter()
                        .for_each(|partition| metrics.drop_partition(*partition));
                }
                tracing::info!(
                    ?partitions,
                    "partitions {}",
                    if assigned { "assigned" } else { "revoked" }
                );
            }
            Observation::Lives {
                waiting,
                restoring,
                live,
            } => {
                for (name, n) in [("waiting", waiting), ("restoring", restoring), ("live", live)] {
                    metrics.set_partitions(name, u64::try_from(n).unwrap_or(u64::MAX));
                }
            }
            Observation::Restoring { partition, done, total } => {
                metrics.set_replay_progress(partition, done, total);
                tracing::info!(partition, done, total, "replaying silently up to the committed offset");
            }
            Observation::Live { partition, state, lost } => {
                metrics.set_replay_progress(partition, 1, 1);
                metrics.replayed_records(state.applied());
                if lost > 0 {
                    metrics.input_lost_records(lost);
                    tracing::error!(
                        partition,
                        lost,
                        "retention removed readings before they were read; raise the topic's retention"
                    );
                }
                tracing::info!(
                    partition,
                    homes = state.arena().len(),
                    offset = state.next_offset(),
                    "partition is live"
                );
                self.survey(partition, state, true);
            }
            Observation::RestoreFailed { partition, reason } => {
                metrics.kafka_error("restore");
                tracing::warn!(partition, reason, "a restore failed; it is tried again");
            }
            Observation::Misplaced { partition, homes } => {
                metrics.misplaced_homes(u64::try_from(homes).unwrap_or(u64::MAX));
                tracing::error!(
                    partition,
                    homes,
                    "homes have readings in two partitions: their producers partition by another key or hash, and no \
                     partition sees the whole home"
                );
            }
            Observation::BadHome { partition, reason } => {
                metrics.dead_letters("bad_home", 1);
                tracing::warn!(
                    partition,
                    reason,
                    "a record of the homes topic is refused; the home keeps what it had"
                );
            }
            Observation::BackPressure(on) => {
                tracing::warn!(
                    "{}",
                    if on {
                        "too much is unconfirmed: reading stops"
                    } else {
                        "reading goes on"
                    }
                );
            }
        }
    }
}
