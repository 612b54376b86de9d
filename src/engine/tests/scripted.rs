//! Ports that say what they are told to: what no log in memory does, but a real one may.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use super::support::{Notes, Seen, home, reading, rules};
use crate::engine::memory::StoredRecord;
use crate::engine::{
    Answer, CommitError, Commits, Engine, EngineError, EngineSettings, GroupEvent, RestoreEvent, Restorer, Source,
    SourceError, Step,
};
use crate::model::{EventTime, RawRecord};
use crate::partition::Partition;

enum Script {
    Assigned(Vec<i32>),
    Revoked(Vec<i32>),
    Records(i32, i64, Vec<StoredRecord>),
    Broken,
}

#[derive(Default)]
struct World {
    script: VecDeque<Vec<Script>>,
    /// Restores begun: partition and epoch.
    started: Vec<(i32, u64)>,
    cancelled: Vec<u64>,
    restored: Vec<RestoreEvent>,
    resumed: Vec<(i32, Option<i64>)>,
    steps: Vec<Step>,
    refuse: bool,
}

#[derive(Clone, Default)]
struct Ports(Rc<RefCell<World>>);

impl Source for Ports {
    fn poll(&mut self, visit: &mut dyn FnMut(GroupEvent<'_>) -> Answer) -> Result<(), SourceError> {
        let events = self.0.borrow_mut().script.pop_front().unwrap_or_default();
        for event in events {
            match event {
                Script::Assigned(partitions) => drop(visit(GroupEvent::Assigned(&partitions))),
                Script::Revoked(partitions) => drop(visit(GroupEvent::Revoked(&partitions))),
                Script::Records(partition, from, records) => {
                    let raw = |(index, record): (usize, &'_ StoredRecord)| (from + index as i64, record.clone());
                    let records: Vec<(i64, StoredRecord)> = records.iter().enumerate().map(raw).collect();
                    let records: Vec<RawRecord<'_>> = records
                        .iter()
                        .map(|(offset, record)| RawRecord {
                            offset: *offset,
                            timestamp: record.timestamp,
                            key: record.key.as_deref(),
                            value: record.value.as_deref(),
                        })
                        .collect();
                    visit(GroupEvent::Records(partition, &records, true));
                }
                Script::Broken => return Err(SourceError("the topic is gone".into())),
            }
        }
        Ok(())
    }

    fn pause(&mut self, _: i32) {}

    fn resume(&mut self, partition: i32, offset: Option<i64>) {
        self.0.borrow_mut().resumed.push((partition, offset));
    }

    fn follow_homes(&mut self, _: i32, _: i64) {}

    fn lag(&self, _: i32, _: i64) -> Option<u64> {
        None
    }
}

impl Restorer for Ports {
    fn start(&mut self, partition: i32, epoch: u64) {
        self.0.borrow_mut().started.push((partition, epoch));
    }

    fn cancel(&mut self, epoch: u64) {
        self.0.borrow_mut().cancelled.push(epoch);
    }

    fn poll(&mut self) -> Vec<RestoreEvent> {
        std::mem::take(&mut self.0.borrow_mut().restored)
    }
}

impl Commits for Ports {
    fn submit(&mut self, step: Step) -> Result<(), CommitError> {
        let mut world = self.0.borrow_mut();
        if world.refuse {
            return Err(CommitError("fenced".into()));
        }
        world.steps.push(step);
        Ok(())
    }

    fn poll(&mut self) -> Result<(), CommitError> {
        Ok(())
    }

    fn in_flight(&self) -> usize {
        0
    }
}

struct Stage {
    ports: Ports,
    notes: Notes,
    engine: Engine<Ports, Ports, Ports, Notes>,
}

impl Stage {
    fn new(restores_at_once: usize) -> Self {
        let (ports, notes) = (Ports::default(), Notes::default());
        let settings = EngineSettings {
            restores_at_once,
            ..EngineSettings::default()
        };
        let [source, restorer, commits] = [ports.clone(), ports.clone(), ports.clone()];
        let engine = Engine::new(rules(), settings, source, restorer, commits, notes.clone());
        Self { ports, notes, engine }
    }

    fn turn(&mut self, events: Vec<Script>) -> Result<(), EngineError> {
        self.ports.0.borrow_mut().script.push_back(events);
        self.engine.turn(EventTime::ZERO)
    }

    /// The restore of a partition for an epoch ends with the state after `next_offset`.
    fn restored(&self, partition: i32, epoch: u64, next_offset: i64) {
        let mut state = Box::new(Partition::new(rules()));
        state.begin_at(next_offset);
        let done = RestoreEvent::Done {
            epoch,
            partition,
            state,
            homes_offset: 0,
            lost: 0,
        };
        self.ports.0.borrow_mut().restored.push(done);
    }

    fn failed(&self, partition: i32, epoch: u64) {
        let reason = "no answer".into();
        let failed = RestoreEvent::Failed {
            epoch,
            partition,
            reason,
        };
        self.ports.0.borrow_mut().restored.push(failed);
    }

    fn started(&self) -> Vec<(i32, u64)> {
        std::mem::take(&mut self.ports.0.borrow_mut().started)
    }

    fn steps(&self) -> Vec<(i32, u64, i64)> {
        let world = self.ports.0.borrow();
        world
            .steps
            .iter()
            .map(|step| (step.partition, step.epoch, step.next_offset))
            .collect()
    }
}

fn one(partition: i32, offset: i64) -> Script {
    Script::Records(
        partition,
        offset,
        vec![reading(&home(partition, 0), offset as u32, 1, 1.0)],
    )
}

#[test]
fn a_batch_that_arrives_before_its_state_or_after_its_revocation_is_dropped() {
    let mut stage = Stage::new(2);
    stage
        .turn(vec![one(0, 0), Script::Assigned(vec![0]), one(0, 0)])
        .expect("a turn");
    let started = stage.started();
    stage.restored(0, started[0].1, 0);
    stage.turn(vec![one(0, 0)]).expect("a turn");
    assert_eq!(stage.ports.0.borrow().resumed, [(0, Some(0))]);
    stage.turn(vec![one(0, 0)]).expect("a turn");
    let live = [(0, started[0].1, 1)];
    assert_eq!(stage.steps(), live);
    stage.turn(vec![Script::Revoked(vec![0]), one(0, 1)]).expect("a turn");
    stage.turn(vec![one(0, 2)]).expect("a turn");
    assert_eq!(stage.steps(), live);
    assert_eq!(stage.engine.readiness(), (true, 0));
}

#[test]
fn a_restore_of_an_assignment_that_is_gone_is_not_taken() {
    let mut stage = Stage::new(2);
    stage.turn(vec![Script::Assigned(vec![0])]).expect("a turn");
    let first = stage.started()[0].1;
    stage
        .turn(vec![Script::Revoked(vec![0]), Script::Assigned(vec![0])])
        .expect("a turn");
    assert_eq!(stage.ports.0.borrow().cancelled, [first]);
    let second = stage.started()[0].1;
    assert_ne!(first, second);
    stage.restored(0, first, 5);
    stage.failed(0, first);
    stage.turn(Vec::new()).expect("a turn");
    assert_eq!(stage.engine.readiness(), (false, 1));
    assert!(stage.started().is_empty() && stage.notes.place(|seen| *seen == Seen::RestoreFailed(0)).is_none());
    stage.restored(0, second, 7);
    stage.turn(Vec::new()).expect("a turn");
    assert_eq!(stage.engine.readiness(), (true, 1));
    assert_eq!(stage.ports.0.borrow().resumed, [(0, Some(7))]);
}

/// One partition that can never be restored is one partition lost, not all that come after it.
#[test]
fn a_restore_that_failed_is_tried_again_after_those_that_wait() {
    let mut stage = Stage::new(1);
    stage.turn(vec![Script::Assigned(vec![0, 1, 2])]).expect("a turn");
    let mut begun = Vec::new();
    for _ in 0..8 {
        let (partition, epoch) = stage.started()[0];
        begun.push(partition);
        match partition {
            0 => stage.failed(0, epoch),
            _ => stage.restored(partition, epoch, 0),
        }
        stage.turn(Vec::new()).expect("a turn");
        if stage.engine.live().count() == 2 && begun.len() > 3 {
            break;
        }
    }
    assert_eq!(begun, [0, 1, 2, 0]);
}

#[test]
fn what_waiting_does_not_mend_stops_the_instance() {
    let mut stage = Stage::new(1);
    let gone = EngineError::Source(SourceError("the topic is gone".into()));
    assert_eq!(stage.turn(vec![Script::Broken]), Err(gone));
    stage.turn(vec![Script::Assigned(vec![0])]).expect("a turn");
    stage.restored(0, stage.started()[0].1, 0);
    stage.turn(Vec::new()).expect("a turn");
    stage.ports.0.borrow_mut().refuse = true;
    let refused = EngineError::Commit(CommitError("fenced".into()));
    assert_eq!(stage.turn(vec![one(0, 0)]), Err(refused));
}
