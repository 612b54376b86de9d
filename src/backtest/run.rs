//! History through the core: the same records, the same function, the same answer as on the stream.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;

use super::judge::{JudgedAlert, Score, judge};
use crate::alert::CloudEvent;
use crate::history::{History, Incident, arrival};
use crate::model::partition_of;
use crate::model::{DeadLetter, HomeRecord, RawRecord};
use crate::partition::{Counts, Partition, Rules};

/// Records applied in one batch.
const BATCH: usize = 4_096;

/// What a backtest gives.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The records of the alerts topic, by the time at which they were decided.
    pub alerts: Vec<CloudEvent>,
    /// What was kept out, with its partition.
    pub dead_letters: Vec<(u32, DeadLetter)>,
    /// Homes records that were refused.
    pub bad_homes: Vec<String>,
    /// Readings by what became of them.
    pub counts: Counts,
    /// Homes seen.
    pub homes: usize,
}

/// Runs readings that are sorted by arrival through `partitions` partitions of the core. `progress` hears of readings
/// done.
pub fn run(
    history: &History,
    homes: &[HomeRecord],
    rules: &Arc<Rules>,
    source: &str,
    partitions: u32,
    mut progress: impl FnMut(u64),
) -> Outcome {
    let mut outcome = Outcome {
        alerts: Vec::new(),
        dead_letters: Vec::new(),
        bad_homes: Vec::new(),
        counts: Counts::default(),
        homes: 0,
    };
    let lane_of_meter: Vec<u32> = history
        .meters
        .iter()
        .map(|meter| partition_of(meter.household.as_bytes(), partitions))
        .collect();
    for lane in 0..partitions.max(1) {
        let mut partition = Partition::new(Arc::clone(rules));
        for home in homes
            .iter()
            .filter(|home| partition_of(home.household_id.as_bytes(), partitions) == lane)
        {
            if let Err(error) = partition.set_home(&home.household_id, Some(home)) {
                outcome.bad_homes.push(format!("{}: {error}", home.household_id));
            }
        }
        let mut rows = history
            .rows
            .iter()
            .filter(|row| lane_of_meter[row.meter as usize] == lane)
            .peekable();
        let mut offset = 0;
        let mut payloads = Vec::new();
        while rows.peek().is_some() {
            payloads.clear();
            let mut ends = Vec::with_capacity(BATCH);
            for row in rows.by_ref().take(BATCH) {
                history.json(row, &mut payloads);
                ends.push((row, payloads.len()));
            }
            let mut start = 0;
            let records = ends.iter().enumerate().map(|(index, (row, end))| {
                let value = &payloads[start..*end];
                start = *end;
                RawRecord {
                    offset: offset + index as i64,
                    timestamp: Some(arrival(row)),
                    key: Some(history.name(row).household.as_bytes()),
                    value: Some(value),
                }
            });
            let effects = partition.apply(records);
            offset += ends.len() as i64;
            outcome.counts.add(&effects.counts);
            outcome.alerts.extend(
                effects
                    .alerts
                    .into_iter()
                    .map(|decided| CloudEvent::new(decided.alert, source)),
            );
            outcome
                .dead_letters
                .extend(effects.dead_letters.into_iter().map(|letter| (lane, letter)));
            progress(ends.len() as u64);
        }
        outcome.homes += partition.arena().len();
    }
    // Stable: what a home said stays in the order in which it said it.
    outcome.alerts.sort_by_key(|event| event.time);
    outcome
}

/// The figures of a backtest, as `summary.json` holds them.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    /// The version of tapwatch.
    pub version: &'static str,
    /// Readings by what became of them.
    pub readings: BTreeMap<&'static str, u64>,
    /// Readings that came after a hole.
    pub gaps: u64,
    /// Classed steps of registers and backward volumes.
    pub meter_events: BTreeMap<&'static str, u64>,
    /// Records kept out, by reason.
    pub dead_letters: BTreeMap<&'static str, u64>,
    /// Homes seen.
    pub homes: usize,
    /// Records of the alerts topic by kind and state.
    pub alerts: BTreeMap<String, u64>,
    /// Records of the homes file that were refused.
    pub bad_homes: Vec<String>,
    /// Delay and false alerts by the judge's definitions; emergencies and leaks are those of the truth file.
    pub score: Score,
    /// Sets of rules that were compared, by name; empty where only one was run.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub rule_sets: BTreeMap<String, RuleSetSummary>,
}

/// What one of several sets of rules is worth.
#[derive(Clone, Debug, Serialize)]
pub struct RuleSetSummary {
    /// Records of the alerts topic by kind and state.
    pub alerts: BTreeMap<String, u64>,
    /// Delay and false alerts.
    pub score: Score,
}

impl RuleSetSummary {
    /// That part of a summary in which sets of rules differ.
    pub fn of(summary: &Summary) -> Self {
        Self {
            alerts: summary.alerts.clone(),
            score: summary.score.clone(),
        }
    }
}

impl Outcome {
    /// Judges the alerts against `truth` and adds up the rest.
    pub fn summary(&self, history: &History, truth: &[Incident]) -> Summary {
        let judged: Vec<JudgedAlert> = self.alerts.iter().map(as_judged).collect();
        let mut alerts = BTreeMap::new();
        for event in &self.alerts {
            let state = serde_json::to_value(event.data.state).ok();
            let state = state.as_ref().and_then(serde_json::Value::as_str).unwrap_or("unknown");
            *alerts.entry(format!("{}.{state}", event.data.kind.name())).or_default() += 1;
        }
        let mut dead_letters = BTreeMap::new();
        for (_, letter) in &self.dead_letters {
            *dead_letters.entry(letter.reason).or_default() += 1;
        }
        Summary {
            version: env!("CARGO_PKG_VERSION"),
            readings: self.counts.readings().collect(),
            gaps: self.counts.gaps,
            meter_events: self.counts.meter_events().collect(),
            dead_letters,
            homes: self.homes,
            alerts,
            bad_homes: self.bad_homes.clone(),
            score: judge(history, truth, &judged, 1),
            rule_sets: BTreeMap::new(),
        }
    }
}

fn as_judged(event: &CloudEvent) -> JudgedAlert {
    JudgedAlert {
        household: event.data.household_id.as_str().into(),
        kind: event.data.kind,
        state: event.data.state,
        alert_id: event.data.alert_id.as_str().into(),
        detected_at: event.data.detected_at,
        decided_at: event.data.decided_at,
    }
}
