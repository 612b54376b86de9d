//! History through the core: the same records, the same function, the same answer as on the stream.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use serde::Serialize;

use super::about::About;
use super::analysis::Analysis;
use super::judge::{Answers, JudgedAlert, Score, judge};
use super::letters::{DeadLetters, Spool};
use super::timeline::Timelines;
use crate::alert::CloudEvent;
use crate::area::{AreaAlert, ZoneRecord};
use crate::history::{BesideRecord, History, HistoryError, Incident, Row, SortSpace, SortedReadings, arrival};
use crate::ingest::IngestSettings;
use crate::model::{Alert, EventTime, HomeRecord, RawRecord, partition_of};
use crate::parallel::{all_processors, in_parallel};
use crate::partition::{Counts, Effects, Partition, Rules};

/// Records applied in one batch.
const BATCH: usize = 4_096;

/// What a backtest gives.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// The records of the alerts topic, by the time at which they were decided.
    pub alerts: Vec<CloudEvent>,
    /// The records of the area-alerts topic, by the time at which they were decided.
    pub area_alerts: Vec<CloudEvent<AreaAlert>>,
    /// What was kept out.
    pub dead_letters: DeadLetters,
    /// Homes records that were refused.
    pub bad_homes: Vec<String>,
    /// Readings by what became of them.
    pub counts: Counts,
    /// Homes seen.
    pub homes: usize,
}

/// Readings, and how they go through the partitions of the core.
///
/// Partitions go apart, some at a time, each on a thread of its own. Where zones are watched all go in step, and what one
/// says of a zone the others hear at once: the stream takes some seconds for that.
pub struct Backtest {
    readings: SortedReadings,
    homes: Vec<HomeRecord>,
    /// What is followed beside the readings, in the order of time.
    beside: Vec<BesideRecord>,
    course: Course,
    /// What CloudEvents name as their source.
    source: String,
    /// Which readings are heeded.
    ingest: IngestSettings,
    threads: usize,
}

/// How partitions go.
#[derive(Clone, Copy)]
struct Course {
    partitions: u32,
    in_step: bool,
}

impl Course {
    fn new(partitions: u32, homes: &[HomeRecord], rules: &Rules) -> Self {
        let has_zones = rules.zone.is_some() || homes.iter().any(|home| home.zone.is_some());
        Self {
            partitions: partitions.max(1),
            in_step: rules.area.enabled && has_zones,
        }
    }

    fn partition(self, household: &str) -> u32 {
        partition_of(household.as_bytes(), self.partitions)
    }

    /// The lane of readings that a home is in: its partition, or one for all that go in step.
    fn lane(self, household: &str) -> u32 {
        if self.in_step { 0 } else { self.partition(household) }
    }

    fn lanes(self) -> u32 {
        if self.in_step { 1 } else { self.partitions }
    }
}

impl Backtest {
    /// Reads files. Zones are watched if `rules` watch them; all rules that are run afterwards must be alike in this. `progress`
    /// hears of bytes read.
    ///
    /// # Errors
    /// What is wrong with a file, or with the disk.
    pub fn read(
        files: &[PathBuf],
        homes: Vec<HomeRecord>,
        partitions: u32,
        rules: &Rules,
        source: &str,
        space: &SortSpace,
        progress: impl FnMut(u64),
    ) -> Result<Self, HistoryError> {
        let course = Course::new(partitions, &homes, rules);
        let readings = SortedReadings::read(files, space, |household| course.lane(household), progress)?;
        Ok(Self::new(readings, homes, course, rules, source))
    }

    /// From readings that are in memory.
    ///
    /// # Errors
    /// [`HistoryError::Io`] where `space` does not suffice and the disk is in trouble.
    pub fn of_history(
        history: &History,
        homes: Vec<HomeRecord>,
        partitions: u32,
        rules: &Rules,
        source: &str,
        space: &SortSpace,
    ) -> Result<Self, HistoryError> {
        let course = Course::new(partitions, &homes, rules);
        let readings = SortedReadings::of_history(history, space, |household| course.lane(household))?;
        Ok(Self::new(readings, homes, course, rules, source))
    }

    fn new(readings: SortedReadings, homes: Vec<HomeRecord>, course: Course, rules: &Rules, source: &str) -> Self {
        Self {
            readings,
            homes,
            beside: Vec::new(),
            course,
            source: source.to_owned(),
            ingest: rules.ingest.clone(),
            threads: all_processors(),
        }
    }

    /// With so many threads, instead of one for each processor. They change nothing but the time it takes.
    #[must_use]
    pub fn with_threads(mut self, threads: usize) -> Self {
        self.threads = threads.max(1);
        self
    }

    /// With signs of life and answers, each taken when it happened: after the readings that had arrived by then.
    #[must_use]
    pub fn with_beside(mut self, mut beside: Vec<BesideRecord>) -> Self {
        beside.sort_by_key(|record| record.at);
        self.beside = beside;
        self
    }

    /// The readings.
    pub fn readings(&self) -> &SortedReadings {
        &self.readings
    }

    /// The records of homes.
    pub fn homes(&self) -> &[HomeRecord] {
        &self.homes
    }

    /// What the readings tell of each home's use, cleared of the leaks that `truth` says were put into them.
    ///
    /// # Errors
    /// [`HistoryError::Io`] where readings are on disk and cannot be read.
    pub fn timelines(&self, truth: &[Incident]) -> Result<Timelines, HistoryError> {
        Timelines::new(&self.readings, truth, &self.ingest, self.threads)
    }

    /// Runs the readings under each set of rules; `progress` hears of readings done, once for each set.
    ///
    /// # Errors
    /// [`HistoryError::Io`] where readings are on disk and cannot be read.
    pub fn run(&self, sets: &[Arc<Rules>], progress: impl Fn(u64) + Sync) -> Result<Vec<Outcome>, HistoryError> {
        let spool = Arc::new(Spool::new(self.readings.folder().to_owned()));
        let said = self.run_keeping::<Alert>(sets, &spool, progress)?;
        let outcomes = said.into_iter().map(|said| Outcome::of(said, &self.source, &spool));
        let outcomes: io::Result<_> = outcomes.collect();
        outcomes.map_err(|source| self.readings.disk_error(source))
    }

    /// The same, of which only what the judge looks at is kept: a twentieth of the memory.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub fn judged(
        &self,
        sets: &[Arc<Rules>],
        progress: impl Fn(u64) + Sync,
    ) -> Result<Vec<Vec<JudgedAlert>>, HistoryError> {
        let spool = Arc::new(Spool::new(self.readings.folder().to_owned()));
        let said = self.run_keeping::<JudgedAlert>(sets, &spool, progress)?;
        let in_order = |lanes: Vec<Said<JudgedAlert>>| {
            let mut alerts: Vec<JudgedAlert> = lanes.into_iter().flat_map(|said| said.alerts).collect();
            // Stable, as in an outcome.
            alerts.sort_by(|one, other| (one.decided_at, &one.household).cmp(&(other.decided_at, &other.household)));
            alerts
        };
        Ok(said.into_iter().map(in_order).collect())
    }

    /// What the lanes say under each set of rules, with their alerts in the form that is kept.
    fn run_keeping<A: From<Alert> + Send>(
        &self,
        sets: &[Arc<Rules>],
        spool: &Arc<Spool>,
        progress: impl Fn(u64) + Sync,
    ) -> Result<Vec<Vec<Said<A>>>, HistoryError> {
        let sets: Vec<_> = sets.iter().map(without_visit_lists).collect();
        let (count, lanes) = (sets.len() as u32, self.course.lanes());
        // Sets take turns at a lane, so that its readings are read while they are near.
        let said = in_parallel(self.threads, count * lanes, |job| {
            let (lane, set) = (job / count, job % count);
            self.run_lane(lane, &sets[set as usize], spool, &progress)
        })?;
        let mut of_sets: Vec<Vec<Said<A>>> = sets.iter().map(|_| Vec::new()).collect();
        for (job, said) in said.into_iter().enumerate() {
            of_sets[job % sets.len()].extend(said);
        }
        Ok(of_sets)
    }

    /// Runs one lane of readings through its partition, or through all in step.
    fn run_lane<A: From<Alert>>(
        &self,
        lane: u32,
        rules: &Arc<Rules>,
        spool: &Arc<Spool>,
        progress: impl Fn(u64),
    ) -> Result<Vec<Said<A>>, HistoryError> {
        let on_disk = |source| self.readings.disk_error(source);
        let Course { partitions, in_step } = self.course;
        let (numbers, batch) = match in_step {
            true => (0..partitions, 1),
            false => (lane..lane + 1, BATCH),
        };
        let mut town = Town::new(numbers, partitions, &self.homes, rules, spool);
        let partition_of_meter: Vec<u32> = match in_step {
            true => {
                let meters = self.readings.meters().iter();
                meters.map(|meter| self.course.partition(&meter.household)).collect()
            }
            false => Vec::new(),
        };
        let of_lane = |record: &&BesideRecord| self.course.lane(&record.household) == lane;
        let mut beside = self.beside.iter().filter(of_lane).peekable();
        let mut rows = self.readings.lane(lane, self.threads)?.peekable();
        let (mut part, mut done) = (Vec::with_capacity(batch), 0);
        loop {
            part.clear();
            let until = beside.peek().map_or(EventTime::MAX, |record| record.at);
            let is_due = |row: &Result<Row, HistoryError>| row.as_ref().map_or(true, |row| arrival(row) <= until);
            while part.len() < batch
                && let Some(row) = rows.next_if(is_due)
            {
                part.push(row?);
            }
            if let Some(first) = part.first() {
                let number = partition_of_meter.get(first.meter as usize).copied().unwrap_or(lane);
                town.apply(number, &part, &self.readings).map_err(on_disk)?;
            } else if let Some(record) = beside.next() {
                let number = self.course.partition(&record.household);
                town.apply_beside(number, record).map_err(on_disk)?;
            } else {
                break;
            }
            done += part.len() as u64;
            if done >= BATCH as u64 {
                progress(std::mem::take(&mut done));
            }
        }
        progress(done);
        Ok(town.lanes.into_iter().map(|lane| lane.said).collect())
    }
}

/// Nobody is sent out over history, and the lists of many homes of every day are many.
fn without_visit_lists(rules: &Arc<Rules>) -> Arc<Rules> {
    let mut rules = Rules::clone(rules);
    for programme in &mut rules.programmes {
        programme.policy.visit_list.enabled = false;
    }
    Arc::new(rules)
}

/// What a partition has said.
struct Said<A> {
    alerts: Vec<A>,
    area_alerts: Vec<AreaAlert>,
    dead_letters: DeadLetters,
    bad_homes: Vec<String>,
    counts: Counts,
    homes: usize,
}

impl<A> Default for Said<A> {
    fn default() -> Self {
        Self {
            alerts: Vec::new(),
            area_alerts: Vec::new(),
            dead_letters: DeadLetters::default(),
            bad_homes: Vec::new(),
            counts: Counts::default(),
            homes: 0,
        }
    }
}

/// A partition on its way through the readings.
struct Lane<A> {
    number: u32,
    partition: Partition,
    offset: i64,
    offset_beside: i64,
    said: Said<A>,
}

/// Partitions that go in step.
struct Town<A> {
    first: u32,
    partitions: u32,
    lanes: Vec<Lane<A>>,
    payloads: Vec<u8>,
    spool: Arc<Spool>,
}

impl<A: From<Alert>> Town<A> {
    fn new(numbers: Range<u32>, partitions: u32, homes: &[HomeRecord], rules: &Arc<Rules>, spool: &Arc<Spool>) -> Self {
        let lane = |number| {
            let mut partition = Partition::new(Arc::clone(rules));
            partition.set_place(number, partitions);
            Lane {
                number,
                partition,
                offset: 0,
                offset_beside: 0,
                said: Said::default(),
            }
        };
        let mut town = Self {
            first: numbers.start,
            partitions,
            lanes: numbers.clone().map(lane).collect(),
            payloads: Vec::new(),
            spool: Arc::clone(spool),
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

    fn lane(&mut self, number: u32) -> &mut Lane<A> {
        &mut self.lanes[(number - self.first) as usize]
    }

    /// Applies readings of one partition.
    fn apply(&mut self, number: u32, rows: &[Row], readings: &SortedReadings) -> io::Result<()> {
        let mut payloads = std::mem::take(&mut self.payloads);
        payloads.clear();
        let mut ends = Vec::with_capacity(rows.len());
        for row in rows {
            readings.name(row).json(row, &mut payloads);
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
                key: Some(readings.name(row).household.as_bytes()),
                value: Some(value),
            }
        });
        let effects = lane.partition.apply(records);
        lane.offset += rows.len() as i64;
        self.payloads = payloads;
        self.hear(number, effects)
    }

    /// Applies a record of a topic that is followed beside the readings.
    fn apply_beside(&mut self, number: u32, record: &BesideRecord) -> io::Result<()> {
        let lane = self.lane(number);
        let raw = RawRecord {
            offset: lane.offset_beside,
            timestamp: Some(record.at),
            key: Some(record.household.as_bytes()),
            value: Some(record.json.as_bytes()),
        };
        lane.offset_beside += 1;
        let effects = lane.partition.take_beside(record.topic, &raw);
        self.hear(number, effects)
    }

    /// Takes in what a partition has done, and lets the others hear what it says of zones.
    fn hear(&mut self, number: u32, effects: Effects) -> io::Result<()> {
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
            let spool = Arc::clone(&self.spool);
            self.lane(number).add(effects, &spool)?;
            for (to, record) in told {
                for number in to {
                    waiting.push_back((number, self.lane(number).partition.take_zone_record(&record)));
                }
            }
        }
        Ok(())
    }
}

impl<A: From<Alert>> Lane<A> {
    fn add(&mut self, effects: Effects, spool: &Spool) -> io::Result<()> {
        let said = &mut self.said;
        said.counts.add(&effects.counts);
        said.alerts
            .extend(effects.alerts.into_iter().map(|decided| A::from(decided.alert)));
        said.area_alerts.extend(effects.area_alerts);
        said.homes = self.partition.arena().len();
        for letter in &effects.dead_letters {
            said.dead_letters.push(self.number, letter, spool)?;
        }
        Ok(())
    }
}

impl Outcome {
    /// Puts together what all partitions have said, in the order of their numbers.
    fn of(lanes: Vec<Said<Alert>>, source: &str, spool: &Spool) -> io::Result<Self> {
        let mut outcome = Self::default();
        for said in lanes {
            let alerts = said.alerts.into_iter();
            outcome
                .alerts
                .extend(alerts.map(|alert| CloudEvent::new(alert, source)));
            let areas = said.area_alerts.into_iter();
            outcome.area_alerts.extend(areas.map(|alert| alert.event(source)));
            outcome.dead_letters.append(said.dead_letters, spool)?;
            outcome.bad_homes.extend(said.bad_homes);
            outcome.counts.add(&said.counts);
            outcome.homes += said.homes;
        }
        // By home where times are equal, whatever partition it is in; stable: what a home said stays in the order in which it
        // said it.
        outcome
            .alerts
            .sort_by(|one, other| (one.time, &one.subject).cmp(&(other.time, &other.subject)));
        outcome
            .area_alerts
            .sort_by(|one, other| (one.time, &one.subject).cmp(&(other.time, &other.subject)));
        Ok(outcome)
    }
}

/// The figures of a backtest, as `summary.json` holds them.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    /// The version of tapwatch.
    pub version: &'static str,
    /// What it is of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub about: Option<About>,
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
    /// Curves, bounds and figures of parts of the homes; absent where they were not asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub analysis: Option<Analysis>,
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
    /// The records of the alerts topic as far as they are judged.
    pub fn judged(&self) -> Vec<JudgedAlert> {
        self.alerts.iter().map(|event| JudgedAlert::from(&event.data)).collect()
    }

    /// Judges the alerts against `truth` and adds up the rest.
    pub fn summary(&self, timelines: &Timelines, truth: &[Incident], answers: Answers) -> Summary {
        let judged = self.judged();
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
        Summary {
            version: env!("CARGO_PKG_VERSION"),
            about: None,
            readings: self.counts.readings().collect(),
            gaps: self.counts.gaps,
            meter_events: self.counts.meter_events().collect(),
            dead_letters: self.dead_letters.reasons().clone(),
            homes: self.homes,
            alerts,
            bad_homes: self.bad_homes.clone(),
            answers,
            score: judge(timelines, truth, &judged, answers, 1),
            analysis: None,
            rule_sets: BTreeMap::new(),
        }
    }
}

#[cfg(test)]
#[path = "run_tests.rs"]
mod tests;
