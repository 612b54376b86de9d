//! History through the core: the same records, the same function, the same answer as on the stream.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use std::sync::Arc;

use serde::Serialize;

use super::judge::{Answers, JudgedAlert, Score, judge};
use crate::alert::CloudEvent;
use crate::area::{AreaAlert, ZoneRecord};
use crate::history::{History, Incident, Row, arrival};
use crate::model::{Alert, DeadLetter, HomeRecord, RawRecord, partition_of};
use crate::partition::{Counts, Effects, Partition, Rules};

/// Records applied in one batch.
const BATCH: usize = 4_096;

/// What a backtest gives.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The records of the alerts topic, by the time at which they were decided.
    pub alerts: Vec<CloudEvent>,
    /// The records of the area-alerts topic, by the time at which they were decided.
    pub area_alerts: Vec<CloudEvent<AreaAlert>>,
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
///
/// Partitions go one after the other, so that one at a time is in memory. Where zones are watched all go in step, and what
/// one says of a zone the others hear at once: the stream takes some seconds for that.
pub fn run(
    history: &History,
    homes: &[HomeRecord],
    rules: &Arc<Rules>,
    source: &str,
    partitions: u32,
    mut progress: impl FnMut(u64),
) -> Outcome {
    let partitions = partitions.max(1);
    let number_of_meter: Vec<u32> = history
        .meters
        .iter()
        .map(|meter| partition_of(meter.household.as_bytes(), partitions))
        .collect();
    let has_zones = rules.zone.is_some() || homes.iter().any(|home| home.zone.is_some());
    let (at_once, batch) = match rules.area.enabled && has_zones {
        true => (partitions, 1),
        false => (1, BATCH),
    };
    let mut lanes = Vec::new();
    for first in (0..partitions).step_by(at_once as usize) {
        let numbers = first..first + at_once;
        let mut town = Town::new(numbers.clone(), partitions, homes, rules);
        let number_of = |row: &&Row| number_of_meter[row.meter as usize];
        let mut rows = history
            .rows
            .iter()
            .filter(|row| numbers.contains(&number_of(row)))
            .peekable();
        let mut done = 0;
        while rows.peek().is_some() {
            let part: Vec<&Row> = rows.by_ref().take(batch).collect();
            town.apply(number_of(&part[0]), &part, history);
            done += part.len() as u64;
            if done >= BATCH as u64 || rows.peek().is_none() {
                progress(std::mem::take(&mut done));
            }
        }
        lanes.extend(town.lanes.into_iter().map(|lane| lane.said));
    }
    Outcome::of(lanes, source)
}

/// What a partition has said.
#[derive(Default)]
struct Said {
    alerts: Vec<Alert>,
    area_alerts: Vec<AreaAlert>,
    dead_letters: Vec<(u32, DeadLetter)>,
    bad_homes: Vec<String>,
    counts: Counts,
    homes: usize,
}

/// A partition on its way through the readings.
struct Lane {
    number: u32,
    partition: Partition,
    offset: i64,
    said: Said,
}

/// Partitions that go in step.
struct Town {
    first: u32,
    partitions: u32,
    lanes: Vec<Lane>,
    payloads: Vec<u8>,
}

impl Town {
    fn new(numbers: Range<u32>, partitions: u32, homes: &[HomeRecord], rules: &Arc<Rules>) -> Self {
        let lane = |number| {
            let mut partition = Partition::new(Arc::clone(rules));
            partition.set_place(number, partitions);
            Lane {
                number,
                partition,
                offset: 0,
                said: Said::default(),
            }
        };
        let mut town = Self {
            first: numbers.start,
            partitions,
            lanes: numbers.clone().map(lane).collect(),
            payloads: Vec::new(),
        };
        for home in homes {
            let number = partition_of(home.household_id.as_bytes(), partitions);
            if !numbers.contains(&number) {
                continue;
            }
            let lane = town.lane(number);
            if let Err(error) = lane.partition.set_home(&home.household_id, Some(home)) {
                lane.said.bad_homes.push(format!("{}: {error}", home.household_id));
            }
            lane.said.homes = lane.partition.arena().len();
        }
        town
    }

    fn lane(&mut self, number: u32) -> &mut Lane {
        &mut self.lanes[(number - self.first) as usize]
    }

    /// Applies readings of one partition.
    fn apply(&mut self, number: u32, rows: &[&Row], history: &History) {
        let mut payloads = std::mem::take(&mut self.payloads);
        payloads.clear();
        let mut ends = Vec::with_capacity(rows.len());
        for row in rows {
            history.json(row, &mut payloads);
            ends.push(payloads.len());
        }
        let lane = self.lane(number);
        let offset = lane.offset;
        let mut start = 0;
        let records = rows.iter().zip(&ends).enumerate().map(|(index, (row, end))| {
            let value = &payloads[start..*end];
            start = *end;
            RawRecord {
                offset: offset + index as i64,
                timestamp: Some(arrival(row)),
                key: Some(history.name(row).household.as_bytes()),
                value: Some(value),
            }
        });
        let effects = lane.partition.apply(records);
        lane.offset += rows.len() as i64;
        self.payloads = payloads;
        self.hear(number, effects);
    }

    /// Takes in what a partition has done, and lets the others hear what it says of zones.
    fn hear(&mut self, number: u32, effects: Effects) {
        let mut waiting = VecDeque::from([(number, effects)]);
        while let Some((number, mut effects)) = waiting.pop_front() {
            let reports = std::mem::take(&mut effects.zone_reports).into_iter();
            let mut told: Vec<(Range<u32>, ZoneRecord)> = reports
                .map(|report| {
                    let responsible = partition_of(report.zone.as_bytes(), self.partitions);
                    (responsible..responsible + 1, ZoneRecord::Report(report))
                })
                .collect();
            let statuses = std::mem::take(&mut effects.zone_statuses).into_iter();
            told.extend(statuses.map(|status| (0..self.partitions, ZoneRecord::Status(status))));
            self.lane(number).add(effects);
            for (to, record) in told {
                for number in to {
                    waiting.push_back((number, self.lane(number).partition.take_zone_record(&record)));
                }
            }
        }
    }
}

impl Lane {
    fn add(&mut self, effects: Effects) {
        let said = &mut self.said;
        said.counts.add(&effects.counts);
        said.alerts
            .extend(effects.alerts.into_iter().map(|decided| decided.alert));
        said.area_alerts.extend(effects.area_alerts);
        let letters = effects.dead_letters.into_iter();
        said.dead_letters.extend(letters.map(|letter| (self.number, letter)));
        said.homes = self.partition.arena().len();
    }
}

impl Outcome {
    /// Puts together what all partitions have said, in the order of their numbers.
    fn of(lanes: Vec<Said>, source: &str) -> Self {
        let mut outcome = Self {
            alerts: Vec::new(),
            area_alerts: Vec::new(),
            dead_letters: Vec::new(),
            bad_homes: Vec::new(),
            counts: Counts::default(),
            homes: 0,
        };
        for said in lanes {
            let alerts = said.alerts.into_iter();
            outcome
                .alerts
                .extend(alerts.map(|alert| CloudEvent::new(alert, source)));
            let areas = said.area_alerts.into_iter();
            outcome.area_alerts.extend(areas.map(|alert| alert.event(source)));
            outcome.dead_letters.extend(said.dead_letters);
            outcome.bad_homes.extend(said.bad_homes);
            outcome.counts.add(&said.counts);
            outcome.homes += said.homes;
        }
        // Stable: what a home said stays in the order in which it said it.
        outcome.alerts.sort_by_key(|event| event.time);
        outcome.area_alerts.sort_by_key(|event| event.time);
        outcome
    }
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
    /// Records of the alerts and area-alerts topics by kind and state.
    pub alerts: BTreeMap<String, u64>,
    /// Records of the homes file that were refused.
    pub bad_homes: Vec<String>,
    /// Shares of answers that were assumed.
    #[serde(skip_serializing_if = "Answers::are_none")]
    pub answers: Answers,
    /// Delay and false alerts by the judge's definitions; emergencies and leaks are those of the truth file.
    pub score: Score,
    /// Sets of rules that were compared, by name; empty where only one was run.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub rule_sets: BTreeMap<String, RuleSetSummary>,
}

/// What one of several sets of rules is worth.
#[derive(Clone, Debug, Serialize)]
pub struct RuleSetSummary {
    /// Records of the alerts and area-alerts topics by kind and state.
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
    pub fn summary(&self, history: &History, truth: &[Incident], answers: Answers) -> Summary {
        let judged: Vec<JudgedAlert> = self.alerts.iter().map(as_judged).collect();
        let mut alerts = BTreeMap::new();
        for event in &self.alerts {
            let state = serde_json::to_value(event.data.state).ok();
            let state = state.as_ref().and_then(serde_json::Value::as_str).unwrap_or("unknown");
            *alerts.entry(format!("{}.{state}", event.data.kind.name())).or_default() += 1;
        }
        for event in &self.area_alerts {
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
            answers,
            score: judge(history, truth, &judged, answers, 1),
            rule_sets: BTreeMap::new(),
        }
    }
}

fn as_judged(event: &CloudEvent) -> JudgedAlert {
    JudgedAlert {
        household: event.data.household_id.as_str().into(),
        kind: event.data.kind,
        state: event.data.state,
        stage: event.data.stage,
        alert_id: event.data.alert_id.as_str().into(),
        detected_at: event.data.detected_at,
        decided_at: event.data.decided_at,
    }
}

#[cfg(test)]
#[path = "run_tests.rs"]
mod tests;
