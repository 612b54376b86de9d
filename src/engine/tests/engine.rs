use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;

use super::super::*;
use super::rebuild::deployment;
use crate::model::{EventTime, HOUR, InputTopic, Output, RawRecord};
use crate::partition::{Partition, Rules};

/// What the source brings in one poll.
enum Script {
    Assigned(i32),
    Revoked(i32),
    Lost(i32),
    /// So many hours of a dry home, from an offset on.
    Dry(i32, i64, i64),
    /// The same of several partitions, handed over together.
    Together(Vec<i32>, i64, i64),
    End(i32),
    /// A record of its home in a topic beside the readings, at an offset.
    Beside(InputTopic, i32, i64),
}

/// What the ports were asked and what they answer, shared with the test.
#[derive(Default)]
struct World {
    polls: VecDeque<Vec<Script>>,
    membership: Option<u32>,
    paused: Vec<i32>,
    resumed: Vec<(i32, Option<i64>)>,
    started: Vec<(i32, u64)>,
    cancelled: Vec<u64>,
    restored: Vec<RestoreEvent>,
    transactions: Vec<Transaction<u32>>,
    verdicts: VecDeque<Verdict>,
    is_busy: bool,
    held: Vec<bool>,
    /// Records in the wrong partition, by topic and partition.
    misplaced: Vec<(InputTopic, i32, usize)>,
    /// Batches that were to wait for the homes topic.
    homes_first: usize,
    /// What was said to records beside the readings.
    answers: Vec<Answer>,
    followed: Vec<(i32, BesideOffsets)>,
}

#[derive(Clone, Default)]
struct Port(Rc<RefCell<World>>);

const FIRST: EventTime = EventTime::from_seconds(1_767_225_600);

impl Port {
    fn hand_out(&self, partitions: &[i32], from: i64, count: i64, visit: &mut dyn FnMut(GroupEvent<'_>) -> Answer) {
        let rows = partitions.iter().map(|partition| {
            let home = format!("home-{partition}");
            let row = |offset: i64| {
                let start = FIRST.plus(offset as u32 * HOUR);
                let value = format!(
                    r#"{{"household_id":"{home}","timestamp":"{start}","interval_seconds":3600,"volume_litres":0}}"#
                );
                (offset, start.plus(HOUR), home.clone(), value)
            };
            (from..from + count).map(row).collect()
        });
        let rows: Vec<Vec<_>> = rows.collect();
        let records = rows.iter().map(|rows| {
            let all = rows.iter().map(|(offset, timestamp, home, value)| RawRecord {
                offset: *offset,
                timestamp: Some(*timestamp),
                key: Some(home.as_bytes()),
                value: Some(value.as_bytes()),
            });
            all.collect()
        });
        let records: Vec<Vec<RawRecord<'_>>> = records.collect();
        let of = |(partition, records)| Batch { partition, records };
        let numbers = partitions.iter().copied();
        let batches: Vec<Batch<'_>> = numbers.zip(records.iter().map(Vec::as_slice)).map(of).collect();
        for batch in &batches {
            if visit(GroupEvent::Ahead(*batch)) == Answer::HomesFirst {
                self.0.borrow_mut().homes_first += 1;
            }
        }
        visit(GroupEvent::Readings(&batches));
    }
}

impl Source for Port {
    type Membership = u32;

    fn poll(&mut self, visit: &mut dyn FnMut(GroupEvent<'_>) -> Answer) -> Result<(), SourceError> {
        let script = self.0.borrow_mut().polls.pop_front().unwrap_or_default();
        for event in script {
            match event {
                Script::Assigned(partition) => drop(visit(GroupEvent::Assigned(&[partition]))),
                Script::Revoked(partition) => drop(visit(GroupEvent::Revoked(&[partition]))),
                Script::Lost(partition) => drop(visit(GroupEvent::Lost(&[partition]))),
                Script::End(partition) => drop(visit(GroupEvent::End(partition))),
                Script::Beside(topic, partition, offset) => {
                    let home = format!("home-{partition}");
                    // For any topic but that of the homes it says too little.
                    let value = format!(r#"{{"household_id":"{home}"}}"#);
                    let record = RawRecord {
                        offset,
                        timestamp: None,
                        key: Some(home.as_bytes()),
                        value: Some(value.as_bytes()),
                    };
                    let answer = visit(GroupEvent::Beside(topic, partition, record));
                    self.0.borrow_mut().answers.push(answer);
                }
                Script::Dry(partition, from, count) => self.hand_out(&[partition], from, count, visit),
                Script::Together(partitions, from, count) => self.hand_out(&partitions, from, count, visit),
            }
        }
        Ok(())
    }

    fn pause(&mut self, partition: i32) {
        self.0.borrow_mut().paused.push(partition);
    }

    fn resume(&mut self, partition: i32, offset: Option<i64>) {
        self.0.borrow_mut().resumed.push((partition, offset));
    }

    fn follow(&mut self, partition: i32, offsets: &BesideOffsets) {
        self.0.borrow_mut().followed.push((partition, offsets.clone()));
    }

    fn lag(&self, _: i32, _: i64) -> Option<u64> {
        None
    }

    fn membership(&self) -> Option<u32> {
        self.0.borrow().membership
    }
}

impl Restorer for Port {
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

impl Commits<u32> for Port {
    fn is_idle(&self) -> bool {
        !self.0.borrow().is_busy
    }

    fn start(&mut self, transaction: Transaction<u32>) {
        let mut world = self.0.borrow_mut();
        world.is_busy = true;
        world.transactions.push(transaction);
    }

    fn poll(&mut self) -> Result<Option<Verdict>, CommitError> {
        let mut world = self.0.borrow_mut();
        let verdict = world.verdicts.pop_front();
        world.is_busy &= verdict.is_none();
        Ok(verdict)
    }
}

impl Observer for Port {
    fn observe(&mut self, observation: &Observation<'_>) {
        // A breach of an invariant stops a debug build by itself.
        let mut world = self.0.borrow_mut();
        match observation {
            Observation::BackPressure(on) => world.held.push(*on),
            Observation::Misplaced {
                topic,
                partition,
                records,
            } => world.misplaced.push((*topic, *partition, *records)),
            _ => {}
        }
    }
}

struct Bench {
    world: Port,
    engine: Engine<Port, Port, Port, Port>,
    millis: u64,
}

impl Bench {
    fn new(settings: EngineSettings) -> Self {
        let world = Port::default();
        world.0.borrow_mut().membership = Some(1);
        let (source, restorer, commits, observer) = (world.clone(), world.clone(), world.clone(), world.clone());
        let engine = Engine::new(deployment(), settings, source, restorer, commits, observer);
        Self {
            world,
            engine,
            millis: 0,
        }
    }

    fn turn(&mut self, script: Vec<Script>) {
        self.world.0.borrow_mut().polls.push_back(script);
        self.millis += 10_000;
        let now = Now {
            wall: EventTime::ZERO,
            millis: self.millis,
        };
        self.engine.turn(now).expect("nothing is wrong for good");
    }

    fn restored(&mut self, partition: i32, epoch: u64, offset: i64) {
        let mut state = Partition::new(Arc::new(Rules::default()));
        state.begin_at(offset);
        let rebuilt = Rebuilt {
            state: Box::new(state),
            effects: Box::default(),
            offset,
            beside: super::metadata::metadata().beside,
            lost: 0,
            lost_to_state: 0,
            unreadable: 0,
            from_scratch: false,
        };
        self.world.0.borrow_mut().restored.push(RestoreEvent::Done {
            epoch,
            partition,
            rebuilt,
        });
    }

    /// With this partition live at offset 0, in its first assignment.
    fn live(&mut self, partition: i32) {
        self.turn(vec![Script::Assigned(partition)]);
        let (of, epoch) = *self.world.0.borrow().started.last().expect("a restore");
        assert_eq!(of, partition);
        self.restored(partition, epoch, 0);
        self.turn(vec![]);
    }

    fn answer(&mut self, verdict: Verdict) {
        self.world.0.borrow_mut().verdicts.push_back(verdict);
    }

    /// Partition and offset of the latest transaction, and how many records of each partition are in it.
    fn latest(&self) -> (Vec<(i32, i64)>, Vec<i32>) {
        let world = self.world.0.borrow();
        let latest = world.transactions.last().expect("a transaction");
        let offsets = latest
            .offsets
            .iter()
            .map(|offset| (offset.partition, offset.next_offset));
        (
            offsets.collect(),
            latest.records.iter().map(|record| record.partition).collect(),
        )
    }

    fn count(&self) -> usize {
        self.world.0.borrow().transactions.len()
    }
}

#[test]
fn one_transaction_carries_all_partitions_and_the_next_waits_for_its_end() {
    let mut bench = Bench::new(EngineSettings::default());
    bench.live(0);
    bench.live(1);
    bench.turn(vec![Script::Dry(0, 0, 5), Script::Dry(1, 0, 7)]);
    assert_eq!(bench.latest().0, [(0, 5), (1, 7)]);
    bench.turn(vec![Script::Dry(0, 5, 5)]);
    assert_eq!(bench.count(), 1);
    bench.answer(Verdict::Committed);
    bench.turn(vec![]);
    assert_eq!((bench.count(), bench.latest().0), (2, vec![(0, 10)]));
    bench.answer(Verdict::Committed);
    bench.turn(vec![]);
    assert_eq!(bench.count(), 2, "nothing is left to commit");
}

#[test]
fn many_threads_do_what_one_does() {
    let transactions = |threads| {
        let mut bench = Bench::new(EngineSettings {
            threads,
            ..EngineSettings::default()
        });
        let partitions = 0..5;
        partitions.clone().for_each(|partition| bench.live(partition));
        // The last of them is not live yet.
        bench.turn(vec![Script::Assigned(5), Script::Together((0..6).collect(), 0, 400)]);
        bench.answer(Verdict::Committed);
        bench.turn(vec![Script::Together(partitions.collect(), 400, 20)]);
        bench.turn(vec![]);
        std::mem::take(&mut bench.world.0.borrow_mut().transactions)
    };
    let of_one = transactions(1);
    assert_eq!(of_one.len(), 2);
    let spoken = of_one.iter().flat_map(|transaction| &transaction.records);
    assert!(spoken.count() >= 5, "four hundred dry hours raise an alert in each");
    for threads in [2, 3, 8] {
        assert_eq!(transactions(threads), of_one, "{threads} threads");
    }
}

#[test]
fn records_where_their_keys_do_not_belong_are_told_of() {
    let home = "home-0".as_bytes();
    for partitions in [1, 8] {
        let mut bench = Bench::new(EngineSettings::default());
        bench.engine.deployment.partitions = partitions;
        bench.live(0);
        bench.turn(vec![
            Script::Beside(InputTopic::Homes, 0, 12),
            Script::Dry(0, 0, 5),
            // Zones have keys of their own: what is said of one goes to every partition.
            Script::Beside(InputTopic::Zones, 0, 4),
        ]);
        let told = std::mem::take(&mut bench.world.0.borrow_mut().misplaced);
        if bench.engine.deployment.place(home) == 0 {
            assert_eq!((partitions, told), (1, vec![]));
        } else {
            let all = vec![(InputTopic::Homes, 0, 1), (InputTopic::Readings, 0, 5)];
            assert_eq!((partitions, told), (8, all));
        }
    }
}

#[test]
fn what_was_aborted_comes_first_in_the_next() {
    let mut bench = Bench::new(EngineSettings {
        checkpoint_share: 0.0,
        ..EngineSettings::default()
    });
    bench.live(0);
    bench.turn(vec![Script::Dry(0, 0, 60)]);
    let first = bench.world.0.borrow().transactions[0].records.clone();
    assert!(!first.is_empty(), "sixty dry hours raise an alert");
    bench.answer(Verdict::Aborted("a rebalance".into()));
    bench.turn(vec![Script::Dry(0, 60, 1)]);
    assert_eq!(bench.latest().0, [(0, 61)]);
    let second = bench.world.0.borrow().transactions[1].records.clone();
    assert_eq!(second, first);
}

#[test]
fn nothing_of_a_revoked_partition_is_committed_and_what_is_under_way_ends_as_it_may() {
    for verdict in [
        Verdict::Committed,
        Verdict::Aborted("a rebalance".into()),
        Verdict::Unknown("fenced".into()),
    ] {
        for is_lost in [false, true] {
            let mut bench = Bench::new(EngineSettings::default());
            bench.live(0);
            bench.live(1);
            bench.turn(vec![Script::Dry(0, 0, 60), Script::Dry(1, 0, 60)]);
            bench.turn(vec![Script::Dry(0, 60, 1)]);
            let gone = if is_lost { Script::Lost(0) } else { Script::Revoked(0) };
            bench.turn(vec![gone, Script::Dry(0, 61, 9), Script::Dry(1, 60, 1)]);
            bench.answer(verdict.clone());
            bench.turn(vec![Script::Dry(1, 61, 1)]);
            let (offsets, records) = bench.latest();
            if !matches!(verdict, Verdict::Unknown(_)) {
                assert_eq!(offsets, [(1, 62)]);
            }
            assert!(bench.count() == 1 || records.iter().all(|partition| *partition == 1));
            assert!(bench.engine.readiness().1 == 1);
        }
    }
}

#[test]
fn a_transaction_in_doubt_means_a_restore_of_what_it_carried() {
    let mut bench = Bench::new(EngineSettings::default());
    bench.live(0);
    bench.live(1);
    bench.turn(vec![Script::Dry(0, 0, 60)]);
    bench.answer(Verdict::Unknown("the producer was replaced".into()));
    bench.turn(vec![Script::Dry(1, 0, 3)]);
    assert_eq!(bench.world.0.borrow().paused, [0]);
    let (partition, epoch) = *bench.world.0.borrow().started.last().expect("a restore");
    assert_eq!((partition, epoch), (0, 3), "a new assignment of its own");
    bench.restored(0, epoch, 60);
    bench.answer(Verdict::Committed);
    bench.turn(vec![]);
    bench.turn(vec![Script::Dry(0, 60, 2)]);
    assert_eq!(bench.latest().0, [(0, 62)]);
    assert_eq!(bench.world.0.borrow().resumed.last(), Some(&(0, Some(60))));
}

#[test]
fn without_proof_of_membership_nothing_is_committed() {
    let mut bench = Bench::new(EngineSettings::default());
    bench.live(0);
    bench.world.0.borrow_mut().membership = None;
    bench.turn(vec![Script::Dry(0, 0, 60)]);
    assert_eq!(bench.count(), 0);
    bench.world.0.borrow_mut().membership = Some(2);
    bench.turn(vec![]);
    assert_eq!(bench.world.0.borrow().transactions[0].membership, 2);
}

#[test]
fn a_restore_of_an_assignment_that_is_over_is_not_taken() {
    let mut bench = Bench::new(EngineSettings::default());
    bench.turn(vec![Script::Assigned(0)]);
    bench.turn(vec![Script::Revoked(0), Script::Assigned(0)]);
    assert_eq!(bench.world.0.borrow().cancelled, [1]);
    bench.restored(0, 1, 500);
    bench.turn(vec![]);
    assert_eq!(bench.engine.live().count(), 0);
    bench.restored(0, 2, 7);
    bench.turn(vec![]);
    let live: Vec<_> = bench
        .engine
        .live()
        .map(|(partition, state)| (partition, state.next_offset()))
        .collect();
    assert_eq!(live, [(0, 7)]);
}

#[test]
fn no_more_is_restored_at_once_than_the_settings_say_and_what_failed_comes_last() {
    let mut bench = Bench::new(EngineSettings {
        restores_at_once: 1,
        ..EngineSettings::default()
    });
    bench.turn((0..3).map(Script::Assigned).collect());
    assert_eq!(bench.world.0.borrow().started, [(0, 1)]);
    bench.world.0.borrow_mut().restored.push(RestoreEvent::Failed {
        epoch: 1,
        partition: 0,
        reason: "no answer".into(),
    });
    bench.turn(vec![]);
    bench.restored(1, 2, 0);
    bench.turn(vec![]);
    // The first that is live is read while the others wait.
    bench.turn(vec![Script::Dry(1, 0, 3)]);
    assert_eq!(bench.latest().0, [(1, 3)]);
    bench.restored(2, 3, 0);
    bench.turn(vec![]);
    assert_eq!(bench.world.0.borrow().started, [(0, 1), (1, 2), (2, 3), (0, 1)]);
}

#[test]
fn too_much_to_commit_stops_reading_and_half_of_it_lets_it_go_on() {
    let mut bench = Bench::new(EngineSettings {
        max_in_flight: 1,
        ..EngineSettings::default()
    });
    bench.live(0);
    bench.turn(vec![Script::Dry(0, 0, 60)]);
    assert_eq!(bench.world.0.borrow().held, [true]);
    assert_eq!(bench.world.0.borrow().paused, [0]);
    bench.answer(Verdict::Committed);
    bench.turn(vec![]);
    assert_eq!(bench.world.0.borrow().held, [true, false]);
    assert_eq!(bench.world.0.borrow().resumed.last(), Some(&(0, Some(60))));
}

#[test]
fn at_the_end_all_is_committed_unless_a_transaction_is_aborted() {
    for (verdict, transactions, settled) in [
        (Verdict::Committed, 2, Settled::Whole),
        (Verdict::Aborted("a rebalance".into()), 1, Settled::InPart),
        (Verdict::Unknown("no answer".into()), 1, Settled::InPart),
    ] {
        let mut bench = Bench::new(EngineSettings::default());
        bench.live(0);
        bench.turn(vec![Script::Dry(0, 0, 60), Script::End(0)]);
        bench.turn(vec![Script::Dry(0, 60, 1)]);
        let now = Now::default();
        assert_eq!(bench.engine.settle(now), Ok(None));
        bench.answer(verdict);
        let mut turns = 0;
        let found = loop {
            if let Some(found) = bench.engine.settle(now).expect("nothing is wrong for good") {
                break found;
            }
            turns += 1;
            assert!(turns < 5, "it comes to no end");
            bench.answer(Verdict::Committed);
        };
        assert_eq!(found, settled);
        assert_eq!(bench.count(), transactions);
    }
}

#[test]
fn the_homes_topic_is_read_to_its_end_before_the_first_reading_even_of_a_home_that_it_named_before() {
    let mut bench = Bench::new(EngineSettings::default());
    bench.live(0);
    bench.turn(vec![Script::Beside(InputTopic::Homes, 0, 12)]);
    bench.turn(vec![Script::Dry(0, 0, 1)]);
    assert_eq!(bench.world.0.borrow().homes_first, 1);
    bench.turn(vec![Script::Dry(0, 1, 1)]);
    assert_eq!(bench.world.0.borrow().homes_first, 1, "it has been heard now");
}

#[test]
fn what_comes_beside_the_readings_is_taken_once_and_committed_with_what_it_brought() {
    let mut bench = Bench::new(EngineSettings::default());
    bench.live(0);
    let known = super::metadata::metadata().beside;
    assert_eq!(bench.world.0.borrow().followed, [(0, known.clone())]);
    // Homes stand at 12 and responses at 9: what is before that was taken in an earlier life.
    bench.turn(vec![
        Script::Beside(InputTopic::Homes, 0, 11),
        Script::Beside(InputTopic::Homes, 0, 12),
        Script::Beside(InputTopic::Responses, 0, 8),
        Script::Beside(InputTopic::Responses, 0, 9),
        Script::Beside(InputTopic::Responses, 0, 9),
        Script::Beside(InputTopic::Signs, 1, 0),
    ]);
    let transaction = bench.world.0.borrow().transactions[0].clone();
    let outputs: Vec<_> = transaction.records.iter().map(|record| record.output).collect();
    assert_eq!(outputs, [Output::DeadLetters, Output::State]);
    let header = |name: &str| {
        let headers = &transaction.records[0].headers;
        headers.iter().find(|(key, _)| *key == name).map(|(_, value)| &**value)
    };
    assert_eq!(
        (header("tapwatch_topic"), header("tapwatch_offset")),
        (Some("responses"), Some("9"))
    );
    let mut next = known;
    next.set(InputTopic::Homes, 13);
    next.set(InputTopic::Responses, 10);
    assert_eq!(transaction.offsets[0].metadata.beside, next);
    assert_eq!(transaction.offsets[0].inputs.len(), 2);
}

#[test]
fn while_too_much_waits_signs_and_responses_wait_and_homes_do_not() {
    let mut bench = Bench::new(EngineSettings {
        max_in_flight: 1,
        ..EngineSettings::default()
    });
    bench.live(0);
    bench.turn(vec![Script::Dry(0, 0, 60)]);
    let script = || {
        let beside = |topic| Script::Beside(topic, 0, 12);
        [InputTopic::Homes, InputTopic::Signs, InputTopic::Responses].map(beside)
    };
    bench.turn(script().into());
    assert_eq!(
        bench.world.0.borrow().answers,
        [Answer::Taken, Answer::Later, Answer::Later]
    );
    bench.answer(Verdict::Committed);
    bench.turn(vec![]);
    bench.answer(Verdict::Committed);
    bench.turn(vec![]);
    bench.turn(script().into());
    assert_eq!(bench.world.0.borrow().answers[3..], [Answer::Taken; 3]);
}

/// A broker that is away for long does not make every meter silent.
#[test]
fn time_stands_still_while_nothing_can_be_committed_and_for_a_while_after() {
    let mut bench = Bench::new(EngineSettings::default());
    bench.live(0);
    bench.turn(vec![Script::Dry(0, 0, 1), Script::End(0)]);
    bench.answer(Verdict::Committed);
    bench.turn(vec![]);
    let clock = |bench: &Bench| bench.engine.live().next().map(|(_, state)| state.clock());
    let turn = |bench: &mut Bench, hours: u32, millis: u64| {
        let now = Now {
            wall: FIRST.plus(hours * HOUR),
            millis,
        };
        bench.engine.turn(now).expect("nothing is wrong for good");
    };
    let five_minutes_before = |hours: u32| Some(FIRST.plus(hours * HOUR - 300));
    turn(&mut bench, 2, 1_000_000);
    assert_eq!(clock(&bench), five_minutes_before(2));
    // Its commit is under way for a day.
    assert_eq!(bench.count(), 2);
    turn(&mut bench, 26, 90_000_000);
    assert_eq!(clock(&bench), five_minutes_before(2));
    bench.answer(Verdict::Committed);
    turn(&mut bench, 26, 90_000_001);
    assert_eq!(clock(&bench), five_minutes_before(2));
    turn(&mut bench, 26, 90_061_000);
    assert_eq!(clock(&bench), five_minutes_before(26));
}
