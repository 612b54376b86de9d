//! A log with a few homes, the core's answer to it, and the comparison of what was published with that answer.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use crate::detect::DetectorSettings;
use crate::detect::inactivity::{Condition, Rule};
use crate::engine::memory::{MemoryEngine, MemoryLog, Output, StoredRecord};
use crate::engine::{EngineSettings, Observation, Observer};
use crate::model::{Alert, AlertKind, AlertState, DeadLetter, EventTime, HOUR, RawRecord, Severity};
use crate::partition::{Partition, Programme, Rules};

/// Turns after which a story that does not end has failed.
const PATIENCE: usize = 5_000;

/// Hour `n` of the story.
pub fn hour(n: u32) -> EventTime {
    EventTime::from_seconds(1_709_251_200).plus(n * HOUR) // 2024-03-01T00:00:00Z
}

/// The home with this number in a partition.
pub fn home(partition: i32, number: u32) -> String {
    format!("p{partition}-h{number}")
}

/// What the meter of `household` reports for the `hours` from `from` on, put into the log at their end.
pub fn reading(household: &str, from: u32, hours: u32, litres: f64) -> StoredRecord {
    let payload = serde_json::json!({
        "household_id": household, "timestamp": hour(from), "interval_seconds": hours * HOUR, "volume_litres": litres,
    });
    StoredRecord {
        timestamp: Some(hour(from + hours)),
        key: Some(household.as_bytes().to_vec()),
        value: Some(payload.to_string().into_bytes()),
    }
}

/// A record that is no reading.
pub fn garbage() -> StoredRecord {
    StoredRecord {
        timestamp: None,
        key: Some(b"somebody".to_vec()),
        value: Some(b"no reading".to_vec()),
    }
}

/// A record of the homes topic that enrols `household` in `programme`.
pub fn enrolment(household: &str, programme: &str) -> StoredRecord {
    let payload = serde_json::json!({"household_id": household, "programme": programme});
    StoredRecord {
        timestamp: None,
        key: Some(household.as_bytes().to_vec()),
        value: Some(payload.to_string().into_bytes()),
    }
}

/// Two programmes: the default rules, and `patient`, which waits for two days without use.
pub fn rules() -> Arc<Rules> {
    let mut patient = DetectorSettings::default();
    patient.inactivity.rules = vec![Rule {
        name: "no-use-48h".into(),
        severity: Severity::High,
        until_learned: false,
        when: Condition::NoUse { hours: 48.0 },
    }];
    let mut rules = Rules::default();
    rules.programmes.push(Programme {
        name: "patient".into(),
        detectors: patient,
    });
    Arc::new(rules)
}

/// What an observer saw, as far as the stories ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    Applied {
        partition: i32,
        records: u64,
        alerts: usize,
    },
    Live {
        partition: i32,
        homes: usize,
        lost: u64,
    },
    Rebalanced {
        assigned: bool,
        partitions: Vec<i32>,
    },
    RestoreFailed(i32),
    Misplaced {
        partition: i32,
        homes: usize,
    },
    BadHome(i32),
    BackPressure(bool),
}

/// Notes what it is told.
#[derive(Clone, Debug, Default)]
pub struct Notes(Rc<RefCell<Vec<Seen>>>);

impl Notes {
    pub fn all(&self) -> Vec<Seen> {
        self.0.borrow().clone()
    }

    pub fn place(&self, which: impl Fn(&Seen) -> bool) -> Option<usize> {
        self.0.borrow().iter().position(which)
    }
}

impl Observer for Notes {
    fn observe(&mut self, observation: &Observation<'_>) {
        let seen = match observation {
            Observation::Applied { partition, effects, .. } => Seen::Applied {
                partition: *partition,
                records: effects.records,
                alerts: effects.alerts.len(),
            },
            Observation::Live { partition, state, lost } => Seen::Live {
                partition: *partition,
                homes: state.arena().len(),
                lost: *lost,
            },
            Observation::Rebalanced { assigned, partitions } => Seen::Rebalanced {
                assigned: *assigned,
                partitions: partitions.to_vec(),
            },
            Observation::RestoreFailed { partition, .. } => Seen::RestoreFailed(*partition),
            Observation::Misplaced { partition, homes } => Seen::Misplaced {
                partition: *partition,
                homes: *homes,
            },
            Observation::BadHome { partition, .. } => Seen::BadHome(*partition),
            Observation::BackPressure(held) => Seen::BackPressure(*held),
            _ => return,
        };
        self.0.borrow_mut().push(seen);
    }
}

/// One instance in a story.
pub struct Instance {
    pub id: u32,
    pub engine: MemoryEngine<Notes>,
    pub notes: Notes,
}

/// What had been committed for a partition when so many records had been written to the output topics.
struct Mark {
    partition: i32,
    committed: i64,
    outputs: usize,
}

/// A log, its instances, and what is needed to judge them.
pub struct Story {
    pub log: MemoryLog,
    pub settings: EngineSettings,
    pub instances: Vec<Instance>,
    /// The wall clock; at its default it is behind the stream, and time moves with readings alone.
    pub wall: EventTime,
    rules: Arc<Rules>,
    written: Vec<Vec<Option<StoredRecord>>>,
    marks: Vec<Mark>,
}

impl Story {
    pub fn new(partitions: usize) -> Self {
        let rules = rules();
        Self {
            log: MemoryLog::new(partitions, Arc::clone(&rules)),
            settings: EngineSettings::default(),
            instances: Vec::new(),
            wall: EventTime::ZERO,
            rules,
            written: vec![Vec::new(); partitions],
            marks: Vec::new(),
        }
    }

    /// As many partitions, each with two homes over `hours` hours: home 0 uses water by day, home 1 stops after the
    /// first day, and comes back for an hour every fortieth.
    pub fn with_homes(partitions: usize, hours: u32) -> Self {
        let mut story = Self::new(partitions);
        story.live_on(0, hours);
        story
    }

    /// The same homes from one hour to another.
    pub fn live_on(&mut self, from: u32, to: u32) {
        for at in from..to {
            for partition in 0..self.written.len() as i32 {
                let by_day = (7..22).contains(&(at % 24));
                let (first, second) = (by_day, (by_day && at < 24) || at % 40 == 39);
                self.append(
                    partition,
                    reading(&home(partition, 0), at, 1, if first { 9.5 } else { 0.0 }),
                );
                self.append(
                    partition,
                    reading(&home(partition, 1), at, 1, if second { 4.0 } else { 0.0 }),
                );
            }
        }
    }

    pub fn append(&mut self, partition: i32, record: StoredRecord) {
        self.written[partition as usize].push(Some(record.clone()));
        self.log.append(partition, record);
    }

    pub fn append_marker(&mut self, partition: i32) {
        self.written[partition as usize].push(None);
        self.log.append_marker(partition);
    }

    /// The offset after the last record of a partition, be it a reading or not.
    pub fn end_of_records(&self, partition: i32) -> i64 {
        let written = &self.written[partition as usize];
        written
            .iter()
            .rposition(Option::is_some)
            .map_or(0, |last| last as i64 + 1)
    }

    pub fn join(&mut self) -> &mut Instance {
        let notes = Notes::default();
        let (id, engine) = self.log.join_observed(self.settings.clone(), notes.clone());
        self.instances.push(Instance { id, engine, notes });
        self.instances.last_mut().expect("just added")
    }

    /// The instance ends without a word: nothing of what it has in flight is written.
    pub fn crash(&mut self, index: usize) {
        let instance = self.instances.remove(index);
        self.log.leave(instance.id);
    }

    /// One turn of one instance.
    pub fn turn(&mut self, index: usize) {
        self.instances[index]
            .engine
            .turn(self.wall)
            .expect("a turn in memory does not fail");
        self.mark();
    }

    fn mark(&mut self) {
        let outputs = self.log.outputs().len();
        for partition in 0..self.written.len() as i32 {
            if let Some(committed) = self.log.committed(partition) {
                self.marks.push(Mark {
                    partition,
                    committed,
                    outputs,
                });
            }
        }
    }

    /// One turn of everybody.
    pub fn turns(&mut self, count: usize) {
        for _ in 0..count {
            (0..self.instances.len()).for_each(|index| self.turn(index));
        }
    }

    /// Turns until all partitions are owned by somebody who has caught up, and what follows from it is committed.
    pub fn run(&mut self) {
        for _ in 0..PATIENCE {
            self.turns(1);
            let owned: usize = self
                .instances
                .iter()
                .map(|instance| instance.engine.readiness().1)
                .sum();
            let is_done = |instance: &Instance| instance.engine.readiness().1 == 0 || instance.engine.is_caught_up();
            if owned == self.written.len() && self.instances.iter().all(is_done) {
                return self.turns(2);
            }
        }
        panic!("the instances do not catch up");
    }

    fn raw(&self, partition: i32) -> impl Iterator<Item = RawRecord<'_>> {
        let written = self.written[partition as usize].iter().enumerate();
        written.filter_map(|(offset, record)| {
            record.as_ref().map(|record| RawRecord {
                offset: offset as i64,
                timestamp: record.timestamp,
                key: record.key.as_deref(),
                value: record.value.as_deref(),
            })
        })
    }

    /// What the core says of a partition's log in one go.
    pub fn oracle(&self, partition: i32) -> (Vec<Alert>, Vec<DeadLetter>) {
        let effects = Partition::new(Arc::clone(&self.rules)).apply(self.raw(partition));
        let alerts = effects.alerts.into_iter().map(|decided| decided.alert).collect();
        (alerts, effects.dead_letters)
    }

    /// What was published of a partition, in the order in which it was.
    pub fn published(&self, partition: i32) -> (Vec<Alert>, Vec<DeadLetter>) {
        published(&self.log.outputs(), partition)
    }

    /// The alerts published of a partition, in short.
    pub fn told(&self, partition: i32) -> Vec<(String, AlertKind, AlertState)> {
        let alerts = self.published(partition).0.into_iter();
        alerts
            .map(|alert| (alert.household_id.to_string(), alert.kind, alert.state))
            .collect()
    }

    /// Every partition was published as the core says it, record for record and once.
    pub fn assert_exactly_once(&self) {
        for partition in 0..self.written.len() as i32 {
            assert_eq!(
                self.published(partition),
                self.oracle(partition),
                "partition {partition}"
            );
            assert_eq!(self.log.committed(partition), Some(self.end_of_records(partition)));
        }
        self.assert_commits_follow();
    }

    /// Everything that the core says was published at least once, nothing else was, the first time in order, and
    /// again only to the byte.
    pub fn assert_at_least_once(&self) {
        for partition in 0..self.written.len() as i32 {
            let (alerts, _) = self.oracle(partition);
            let (told, _) = self.published(partition);
            let mut first: BTreeMap<(String, u32), String> = BTreeMap::new();
            let mut by_home: BTreeMap<String, Vec<Alert>> = BTreeMap::new();
            for alert in told {
                let text = serde_json::to_string(&alert).expect("an alert is JSON");
                let id = (alert.alert_id.clone(), alert.revision);
                match first.get(&id) {
                    Some(before) => assert_eq!(*before, text, "a repeated record differs from its first"),
                    None => {
                        first.insert(id, text);
                        by_home.entry(alert.household_id.to_string()).or_default().push(alert);
                    }
                }
            }
            let mut expected: BTreeMap<String, Vec<Alert>> = BTreeMap::new();
            for alert in alerts {
                expected.entry(alert.household_id.to_string()).or_default().push(alert);
            }
            assert_eq!(by_home, expected, "partition {partition}");
            let end = self.end_of_records(partition);
            assert!(end == 0 || self.log.committed(partition) == Some(end));
        }
        self.assert_dead_letters(&vec![0; self.written.len()]);
        self.assert_commits_follow();
    }

    /// Every bad record from `from` of its partition on was kept, and nothing but bad records.
    pub fn assert_dead_letters(&self, from: &[i64]) {
        for (partition, from) in from.iter().enumerate() {
            let (_, expected) = self.oracle(partition as i32);
            let (_, kept) = self.published(partition as i32);
            for letter in &kept {
                assert!(expected.contains(letter), "nobody asked for {letter:?}");
            }
            for letter in expected.iter().filter(|letter| letter.offset >= *from) {
                assert!(kept.contains(letter), "{letter:?} is lost");
            }
        }
    }

    /// No offset was ever committed while a record that follows from what lies before it was not written.
    pub fn assert_commits_follow(&self) {
        let outputs = self.log.outputs();
        for partition in 0..self.written.len() as i32 {
            let mut state = Partition::new(Arc::clone(&self.rules));
            let mut due: Vec<(i64, Output)> = Vec::new();
            for record in self.raw(partition) {
                let effects = state.apply([record]);
                let alerts = effects.alerts.into_iter();
                due.extend(alerts.map(|decided| (record.offset, Output::Alert(partition, Box::new(decided.alert)))));
                let letters = effects.dead_letters.into_iter();
                due.extend(letters.map(|letter| (record.offset, Output::DeadLetter(partition, letter))));
            }
            let written_at: Vec<(i64, Option<usize>)> = due
                .iter()
                .map(|(offset, output)| (*offset, outputs.iter().position(|written| written == output)))
                .collect();
            for mark in self.marks.iter().filter(|mark| mark.partition == partition) {
                for (offset, written) in written_at.iter().filter(|(offset, _)| *offset < mark.committed) {
                    assert!(
                        written.is_some_and(|written| written < mark.outputs),
                        "{} was committed before what follows from {offset} was written",
                        mark.committed
                    );
                }
            }
        }
    }
}

fn published(outputs: &[Output], partition: i32) -> (Vec<Alert>, Vec<DeadLetter>) {
    let (mut alerts, mut letters) = (Vec::new(), Vec::new());
    for output in outputs {
        match output {
            Output::Alert(of, alert) if *of == partition => alerts.push((**alert).clone()),
            Output::DeadLetter(of, letter) if *of == partition => letters.push(letter.clone()),
            _ => {}
        }
    }
    (alerts, letters)
}
