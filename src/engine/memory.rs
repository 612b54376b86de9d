//! A log in memory with the semantics of the real one: offsets that leave gaps, retention, committed offsets of a
//! group, fencing of members that lost a partition, records that are lost with a crash before they are written.
//!
//! [`MemoryLog`] is the cluster; [`MemorySource`], [`MemoryRestorer`] and [`MemoryCommits`] are one instance's three
//! ports on it. Everything happens in the order of the calls, so a story or a seed repeats exactly.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::sync::Arc;

use super::ledger::{Ledger, Ticket};
use super::ports::{
    Answer, CommitError, CommitMetadata, Commits, GroupEvent, LogRecord, Observer, RestoreEvent, Restorer, Source,
    SourceError, Step,
};
use super::{Engine, home_record};
use crate::model::{Alert, DeadLetter, EventTime, RawRecord};
use crate::partition::{Partition, Rules};

/// A record in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredRecord {
    /// Kafka's timestamp.
    pub timestamp: Option<EventTime>,
    /// The key.
    pub key: Option<Vec<u8>>,
    /// The payload.
    pub value: Option<Vec<u8>>,
}

#[derive(Debug, Default)]
struct TopicPartition {
    /// The first offset that retention has left.
    start: i64,
    /// `None` where an offset holds no record: a transaction's marker, or a record compacted away.
    entries: Vec<Option<StoredRecord>>,
}

impl TopicPartition {
    fn end(&self) -> i64 {
        self.entries.len() as i64
    }

    fn read(&self, from: i64, most: usize) -> impl Iterator<Item = (i64, &StoredRecord)> {
        let from = from.clamp(self.start, self.end());
        let entries = self.entries[from as usize..].iter().enumerate();
        entries
            .filter_map(move |(index, entry)| Some((from + index as i64, entry.as_ref()?)))
            .take(most)
    }
}

/// What one instance wrote to the output topics.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// A record of the alerts topic, from this partition of readings.
    Alert(i32, Box<Alert>),
    /// A record of the dead-letter topic.
    DeadLetter(i32, DeadLetter),
}

#[derive(Debug, Default)]
struct Member {
    owns: Vec<i32>,
    events: VecDeque<(bool, Vec<i32>)>,
}

#[derive(Debug, Default)]
struct Cluster {
    readings: Vec<TopicPartition>,
    homes: Vec<TopicPartition>,
    outputs: Vec<Output>,
    committed: BTreeMap<i32, (i64, CommitMetadata)>,
    members: BTreeMap<u32, Member>,
    next_member: u32,
}

impl Cluster {
    /// Shares the partitions out anew; members that keep one are not troubled (cooperative rebalancing).
    fn rebalance(&mut self) {
        let ids: Vec<u32> = self.members.keys().copied().collect();
        for (place, id) in ids.iter().enumerate() {
            let Some(member) = self.members.get_mut(id) else {
                continue;
            };
            let target: Vec<i32> = (0..self.readings.len() as i32)
                .filter(|p| *p as usize % ids.len() == place)
                .collect();
            let lost: Vec<i32> = member.owns.iter().copied().filter(|p| !target.contains(p)).collect();
            let gained: Vec<i32> = target.iter().copied().filter(|p| !member.owns.contains(p)).collect();
            member.owns = target;
            for (is_gain, partitions) in [(false, lost), (true, gained)] {
                if !partitions.is_empty() {
                    member.events.push_back((is_gain, partitions));
                }
            }
        }
    }
}

/// A cluster in memory with one group.
#[derive(Clone, Debug)]
pub struct MemoryLog {
    cluster: Rc<RefCell<Cluster>>,
    rules: Arc<Rules>,
}

/// An engine on a log in memory.
pub type MemoryEngine<O = ()> = Engine<MemorySource, MemoryRestorer, MemoryCommits, O>;

impl MemoryLog {
    /// An empty log of so many partitions.
    pub fn new(partitions: usize, rules: Arc<Rules>) -> Self {
        let topic = || (0..partitions).map(|_| TopicPartition::default()).collect();
        let cluster = Cluster {
            readings: topic(),
            homes: topic(),
            ..Cluster::default()
        };
        Self {
            cluster: Rc::new(RefCell::new(cluster)),
            rules,
        }
    }

    /// Appends a reading.
    pub fn append(&self, partition: i32, record: StoredRecord) {
        self.cluster.borrow_mut().readings[partition as usize]
            .entries
            .push(Some(record));
    }

    /// Appends an offset without a record, as a transaction's marker leaves one.
    pub fn append_marker(&self, partition: i32) {
        self.cluster.borrow_mut().readings[partition as usize]
            .entries
            .push(None);
    }

    /// Appends a record of the homes topic.
    pub fn append_home(&self, partition: i32, record: StoredRecord) {
        self.cluster.borrow_mut().homes[partition as usize]
            .entries
            .push(Some(record));
    }

    /// Lets retention remove what lies before `offset`.
    pub fn retain_from(&self, partition: i32, offset: i64) {
        let mut cluster = self.cluster.borrow_mut();
        let topic = &mut cluster.readings[partition as usize];
        topic.start = topic.start.max(offset.min(topic.end()));
    }

    /// The offset committed for a partition.
    pub fn committed(&self, partition: i32) -> Option<i64> {
        self.cluster
            .borrow()
            .committed
            .get(&partition)
            .map(|(offset, _)| *offset)
    }

    /// What has been written to the output topics.
    pub fn outputs(&self) -> Vec<Output> {
        self.cluster.borrow().outputs.clone()
    }

    /// A new instance in the group; partitions are shared out anew.
    pub fn join(&self, settings: super::EngineSettings) -> (u32, MemoryEngine) {
        self.join_observed(settings, ())
    }

    /// The same, with somebody to tell.
    pub fn join_observed<O: Observer>(&self, settings: super::EngineSettings, observer: O) -> (u32, MemoryEngine<O>) {
        let id = {
            let mut cluster = self.cluster.borrow_mut();
            let id = cluster.next_member;
            cluster.next_member += 1;
            cluster.members.insert(id, Member::default());
            cluster.rebalance();
            id
        };
        let ledger = Rc::new(RefCell::new(InFlight::default()));
        let (cluster, rules) = (Rc::clone(&self.cluster), Arc::clone(&self.rules));
        let source = MemorySource {
            cluster: Rc::clone(&cluster),
            id,
            positions: BTreeMap::new(),
            homes: BTreeMap::new(),
            ledger: Rc::clone(&ledger),
        };
        let restorer = MemoryRestorer {
            cluster: Rc::clone(&cluster),
            rules: Arc::clone(&rules),
            jobs: Vec::new(),
        };
        let commits = MemoryCommits { cluster, id, ledger };
        (id, Engine::new(rules, settings, source, restorer, commits, observer))
    }

    /// An instance leaves, or crashes: what it had not written is lost with it.
    pub fn leave(&self, id: u32) {
        let mut cluster = self.cluster.borrow_mut();
        cluster.members.remove(&id);
        if !cluster.members.is_empty() {
            cluster.rebalance();
        }
    }
}

/// The source port.
pub struct MemorySource {
    cluster: Rc<RefCell<Cluster>>,
    id: u32,
    /// Where reading goes on, for partitions that are not paused.
    positions: BTreeMap<i32, i64>,
    homes: BTreeMap<i32, i64>,
    ledger: Rc<RefCell<InFlight>>,
}

/// Records a batch holds at most.
const BATCH: usize = 16;

impl Source for MemorySource {
    fn poll(&mut self, visit: &mut dyn FnMut(GroupEvent<'_>) -> Answer) -> Result<(), SourceError> {
        let events = {
            let mut cluster = self.cluster.borrow_mut();
            cluster
                .members
                .get_mut(&self.id)
                .map(|member| std::mem::take(&mut member.events))
        };
        for (is_gain, partitions) in events.into_iter().flatten() {
            if is_gain {
                visit(GroupEvent::Assigned(&partitions));
            } else {
                for partition in &partitions {
                    self.positions.remove(partition);
                    self.homes.remove(partition);
                    self.ledger.borrow_mut().forget(*partition);
                }
                visit(GroupEvent::Revoked(&partitions));
            }
        }
        let cluster = self.cluster.borrow();
        for (partition, position) in &mut self.homes {
            let topic = &cluster.homes[*partition as usize];
            for (offset, record) in topic.read(*position, usize::MAX) {
                *position = offset + 1;
                let record = LogRecord {
                    key: record.key.as_deref(),
                    value: record.value.as_deref(),
                };
                visit(GroupEvent::Home(*partition, record));
            }
        }
        for (partition, position) in &mut self.positions {
            let topic = &cluster.readings[*partition as usize];
            let raw = |(offset, record): (i64, &'_ StoredRecord)| (offset, record.clone());
            let batch: Vec<(i64, StoredRecord)> = topic.read(*position, BATCH).map(raw).collect();
            match batch.last() {
                Some((last, _)) => {
                    *position = last + 1;
                    let records: Vec<RawRecord<'_>> =
                        batch.iter().map(|(offset, record)| as_raw(*offset, record)).collect();
                    // The homes topic has been read to its end above.
                    visit(GroupEvent::Records(*partition, &records, true));
                }
                None => {
                    visit(GroupEvent::End(*partition));
                }
            }
        }
        Ok(())
    }

    fn pause(&mut self, partition: i32) {
        self.positions.remove(&partition);
    }

    fn resume(&mut self, partition: i32, offset: Option<i64>) {
        self.positions.insert(partition, offset.unwrap_or(0));
    }

    fn follow_homes(&mut self, partition: i32, offset: i64) {
        self.homes.insert(partition, offset);
    }

    fn lag(&self, partition: i32, next_offset: i64) -> Option<u64> {
        u64::try_from(self.cluster.borrow().readings[partition as usize].end() - next_offset).ok()
    }
}

fn as_raw(offset: i64, record: &StoredRecord) -> RawRecord<'_> {
    let StoredRecord { timestamp, key, value } = record;
    RawRecord {
        offset,
        timestamp: *timestamp,
        key: key.as_deref(),
        value: value.as_deref(),
    }
}

/// The restorer port: a slice of each restore at every poll.
pub struct MemoryRestorer {
    cluster: Rc<RefCell<Cluster>>,
    rules: Arc<Rules>,
    jobs: Vec<RestoreJob>,
}

struct RestoreJob {
    partition: i32,
    epoch: u64,
    state: Box<Partition>,
    until: i64,
    metadata: CommitMetadata,
    homes_offset: i64,
    lost: u64,
}

impl Restorer for MemoryRestorer {
    fn start(&mut self, partition: i32, epoch: u64) {
        let cluster = self.cluster.borrow();
        let (topic, homes) = (
            &cluster.readings[partition as usize],
            &cluster.homes[partition as usize],
        );
        let mut state = Box::new(Partition::new(Arc::clone(&self.rules)));
        for (_, record) in homes.read(0, usize::MAX) {
            let record = LogRecord {
                key: record.key.as_deref(),
                value: record.value.as_deref(),
            };
            if let Ok((household, record)) = home_record(record) {
                // As on a real broker, a record that names what does not exist leaves the home as it was.
                let _ = state.set_home(&household, record.as_ref());
            }
        }
        let (until, metadata) = cluster
            .committed
            .get(&partition)
            .copied()
            .unwrap_or((topic.start, CommitMetadata::default()));
        let lost = u64::try_from(topic.start - until).unwrap_or(0);
        state.begin_at(topic.start);
        let job = RestoreJob {
            partition,
            epoch,
            state,
            until,
            metadata,
            homes_offset: homes.end(),
            lost,
        };
        drop(cluster);
        self.jobs.push(job);
    }

    fn cancel(&mut self, epoch: u64) {
        self.jobs.retain(|job| job.epoch != epoch);
    }

    fn poll(&mut self) -> Vec<RestoreEvent> {
        let cluster = self.cluster.borrow();
        let mut events = Vec::new();
        let mut going_on = Vec::new();
        for mut job in std::mem::take(&mut self.jobs) {
            let (partition, epoch) = (job.partition, job.epoch);
            let topic = &cluster.readings[partition as usize];
            let batch = topic
                .read(job.state.next_offset(), BATCH)
                .take_while(|(offset, _)| *offset < job.until);
            let batch: Vec<RawRecord<'_>> = batch.map(|(offset, record)| as_raw(offset, record)).collect();
            if batch.is_empty() {
                job.state.begin_at(job.until);
                job.state.advance(job.metadata.clock);
                let RestoreJob {
                    state,
                    homes_offset,
                    lost,
                    ..
                } = job;
                events.push(RestoreEvent::Done {
                    epoch,
                    partition,
                    state,
                    homes_offset,
                    lost,
                });
            } else {
                job.state.apply(batch);
                let done = (job.state.next_offset() - topic.start).unsigned_abs();
                let total = (job.until - topic.start).unsigned_abs();
                events.push(RestoreEvent::Progress {
                    epoch,
                    partition,
                    done,
                    total,
                });
                going_on.push(job);
            }
        }
        drop(cluster);
        self.jobs = going_on;
        events
    }
}

#[derive(Debug, Default)]
struct InFlight {
    ledger: Ledger,
    records: VecDeque<(Ticket, i32, Output)>,
}

impl InFlight {
    fn forget(&mut self, partition: i32) {
        self.ledger.forget(partition);
        self.records.retain(|(_, of, _)| *of != partition);
    }
}

/// The commits port: a few records are written at every poll, and offsets follow what is written.
pub struct MemoryCommits {
    cluster: Rc<RefCell<Cluster>>,
    id: u32,
    ledger: Rc<RefCell<InFlight>>,
}

impl Commits for MemoryCommits {
    fn submit(&mut self, step: Step) -> Result<(), CommitError> {
        let mut in_flight = self.ledger.borrow_mut();
        let ticket = in_flight
            .ledger
            .enter(&step, step.alerts.len() + step.dead_letters.len());
        let partition = step.partition;
        let alerts = step
            .alerts
            .into_iter()
            .map(|decided| Output::Alert(partition, Box::new(decided.alert)));
        let letters = step
            .dead_letters
            .into_iter()
            .map(|letter| Output::DeadLetter(partition, letter));
        in_flight
            .records
            .extend(alerts.chain(letters).map(|output| (ticket, partition, output)));
        Ok(())
    }

    fn poll(&mut self) -> Result<(), CommitError> {
        let mut cluster = self.cluster.borrow_mut();
        let mut in_flight = self.ledger.borrow_mut();
        // Offsets first: what is written in this poll is committed in the next, so a crash may fall between.
        for ready in in_flight.ledger.take_committable() {
            let is_owner = cluster
                .members
                .get(&self.id)
                .is_some_and(|member| member.owns.contains(&ready.partition));
            if is_owner {
                cluster
                    .committed
                    .insert(ready.partition, (ready.next_offset, ready.metadata));
            }
        }
        let count = in_flight.records.len().min(3);
        for (ticket, _, output) in in_flight.records.drain(..count).collect::<Vec<_>>() {
            cluster.outputs.push(output);
            in_flight.ledger.confirm(ticket);
        }
        Ok(())
    }

    fn in_flight(&self) -> usize {
        self.ledger.borrow().ledger.unconfirmed()
    }
}
