//! A consumer of the simulated group.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::Shared;
use crate::engine::{Answer, Batch, BesideOffsets, GroupEvent, Source, SourceError};
use crate::model::{InputTopic, RawRecord};
use crate::verify::faults::cluster::{Content, Entry, GroupRefusal, Membership, Topic};

/// What a consumer keeps of one partition.
#[derive(Clone, Debug, Default)]
struct Fetch {
    running: bool,
    position: Option<i64>,
    end_told: bool,
    /// The next offsets beside the readings, where they are followed.
    beside: Option<BesideOffsets>,
}

/// The part of a consumer that lives on while the engine is busy: it can leave, or show a sign of life.
#[derive(Clone, Default)]
pub struct Follower {
    member: Rc<RefCell<Member>>,
    /// How often it has given partitions back.
    handovers: Rc<Cell<u64>>,
    watch: Rc<RefCell<Watch>>,
}

/// What is held against the engine.
#[derive(Default)]
struct Watch {
    /// Partitions of which the end was told, with nothing handed out and no pause since.
    ended: BTreeSet<i32>,
    /// The same as it was when the latest poll was over: what the engine knew in the rest of that turn.
    ended_by_poll: BTreeSet<i32>,
    /// The engine has said that it takes nothing more for now.
    is_held: bool,
    broken: Vec<String>,
}

#[derive(Default)]
struct Member {
    id: Option<u64>,
    generation: Option<i32>,
    owned: BTreeSet<i32>,
}

impl Follower {
    /// The member's number, while it is one.
    pub fn member(&self) -> Option<u64> {
        self.member.borrow().id
    }

    /// Whether the end of a partition was told, and nothing of it handed out since, when the latest poll was over.
    pub fn has_ended(&self, partition: i32) -> bool {
        self.watch.borrow().ended_by_poll.contains(&partition)
    }

    /// The engine says whether it takes readings.
    pub fn hold(&self, is_held: bool) {
        self.watch.borrow_mut().is_held = is_held;
    }

    /// What the engine did that it must not, since this was last asked.
    pub fn broken(&self) -> Vec<String> {
        std::mem::take(&mut self.watch.borrow_mut().broken)
    }

    fn over(&self) {
        let mut watch = self.watch.borrow_mut();
        watch.ended_by_poll = watch.ended.clone();
    }

    fn end(&self, partition: i32, is_told: bool) {
        let mut watch = self.watch.borrow_mut();
        if is_told {
            watch.ended.insert(partition);
        } else {
            watch.ended.remove(&partition);
        }
    }

    /// Proof of its membership.
    pub fn proof(&self, instance: Option<String>) -> Option<Proof> {
        let member = self.member.borrow();
        let membership = Membership {
            member: member.id?,
            generation: member.generation?,
            instance,
        };
        Some(Proof {
            membership,
            handovers: self.handovers.get(),
        })
    }

    /// Whether no partition was given back since.
    pub fn holds(&self, proof: &Proof) -> bool {
        self.handovers.get() == proof.handovers
    }
}

/// Proof of membership, and how often the member had given partitions back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// What the group is shown.
    pub membership: Membership,
    handovers: u64,
}

/// A consumer.
pub struct SimulatedSource {
    shared: Shared,
    instance: Option<String>,
    max_batch: usize,
    follower: Follower,
    fetches: BTreeMap<i32, Fetch>,
}

impl SimulatedSource {
    /// A consumer that has not joined.
    pub fn new(shared: Shared, instance: Option<String>, max_batch: usize, follower: Follower) -> Self {
        Self {
            shared,
            instance,
            max_batch,
            follower,
            fetches: BTreeMap::new(),
        }
    }

    fn group(&mut self, visit: &mut dyn FnMut(GroupEvent<'_>) -> Answer) -> Result<(), SourceError> {
        let mut member = self.follower.member.borrow_mut();
        let mut cluster = self.shared.cluster.borrow_mut();
        let now = cluster.now;
        let instance = self.instance.as_deref();
        let Some(id) = member.id else {
            member.id = cluster.group.join(instance, now);
            return Ok(());
        };
        match cluster.group.report(id, instance, &member.owned, now) {
            Ok(word) => {
                drop(cluster);
                member.generation = word.generation;
                if !word.revoke.is_empty() {
                    self.follower.handovers.update(|count| count + 1);
                    visit(GroupEvent::Revoked(&word.revoke));
                    for partition in &word.revoke {
                        self.follower.end(*partition, false);
                        member.owned.remove(partition);
                        self.fetches.remove(partition);
                    }
                }
                if !word.assign.is_empty() {
                    visit(GroupEvent::Assigned(&word.assign));
                    member.owned.extend(&word.assign);
                    let fresh = word.assign.iter().map(|partition| (*partition, Fetch::default()));
                    self.fetches.extend(fresh);
                }
                Ok(())
            }
            Err(GroupRefusal::FencedInstance) => Err(SourceError("another member has this static name".into())),
            Err(GroupRefusal::UnknownMember | GroupRefusal::IllegalGeneration) => {
                drop(cluster);
                let lost: Vec<i32> = std::mem::take(&mut member.owned).into_iter().collect();
                if !lost.is_empty() {
                    visit(GroupEvent::Lost(&lost));
                }
                self.fetches.clear();
                self.follower.watch.borrow_mut().ended.clear();
                *member = Member::default();
                Ok(())
            }
        }
    }

    /// Hands out records of a topic beside the readings, up to the end that it has now or `most` of them.
    fn beside(
        &mut self,
        topic: InputTopic,
        partition: i32,
        most: usize,
        visit: &mut dyn FnMut(GroupEvent<'_>) -> Answer,
    ) {
        let fetch = self.fetches.get_mut(&partition);
        let Some(offsets) = fetch.and_then(|fetch| fetch.beside.as_mut()) else {
            return;
        };
        let position = offsets.next(topic);
        let again = self.shared.again();
        let (batch, next) = self
            .shared
            .cluster
            .borrow_mut()
            .log(Topic::Input(topic), partition)
            .read(position - again, most);
        let waiting = batch.iter().find(|entry| {
            let record = raw_record(entry.offset, &entry.content);
            visit(GroupEvent::Beside(topic, partition, record)) == Answer::Later
        });
        offsets.set(topic, waiting.map_or(next, |entry| entry.offset).max(position));
    }

    /// Hands out some of each of them, or not.
    fn all_beside(&mut self, partition: i32, visit: &mut dyn FnMut(GroupEvent<'_>) -> Answer) {
        for topic in InputTopic::BESIDE {
            if self.shared.percent(40) {
                let most = self.shared.between(1, 4);
                self.beside(topic, partition, most, visit);
            }
        }
    }

    /// Reads on in a partition.
    fn fetch(&mut self, partition: i32) -> Option<Fetched> {
        let fetch = self.fetches.get_mut(&partition).filter(|fetch| fetch.running)?;
        let position = fetch.position?;
        let most = self.shared.between(1, self.max_batch);
        let again = self.shared.again();
        let (entries, next, end) = {
            let mut cluster = self.shared.cluster.borrow_mut();
            let log = cluster.log(Topic::Input(InputTopic::Readings), partition);
            let (entries, next) = log.read((position - again).max(log.first()), most);
            (entries, next.max(position), log.last_stable())
        };
        let is_at_end = next >= end;
        fetch.position = Some(next);
        let tells_end = is_at_end && (!entries.is_empty() || !fetch.end_told);
        fetch.end_told = is_at_end;
        if !entries.is_empty() {
            self.follower.end(partition, false);
            let mut watch = self.follower.watch.borrow_mut();
            if watch.is_held {
                let what = format!("readings of partition {partition} are taken while too much waits to be committed");
                watch.broken.push(what);
            }
        }
        Some(Fetched {
            partition,
            entries,
            tells_end,
        })
    }

    /// Announces and hands out what was read.
    fn hand_out(&mut self, fetched: &[Fetched], visit: &mut dyn FnMut(GroupEvent<'_>) -> Answer) {
        let records: Vec<Vec<RawRecord<'_>>> = fetched.iter().map(Fetched::records).collect();
        let all = fetched.iter().zip(&records).filter(|(_, records)| !records.is_empty());
        let batches: Vec<Batch<'_>> = all
            .map(|(fetched, records)| Batch {
                partition: fetched.partition,
                records,
            })
            .collect();
        for batch in &batches {
            if visit(GroupEvent::Ahead(*batch)) == Answer::HomesFirst {
                self.beside(InputTopic::Homes, batch.partition, usize::MAX, visit);
            }
        }
        visit(GroupEvent::Readings(&batches));
        for fetched in fetched.iter().filter(|fetched| fetched.tells_end) {
            self.follower.end(fetched.partition, true);
            visit(GroupEvent::End(fetched.partition));
        }
    }
}

/// What was read of a partition.
struct Fetched {
    partition: i32,
    entries: Vec<Entry>,
    /// The end of the partition is behind it, which nobody was told of yet.
    tells_end: bool,
}

impl Fetched {
    fn records(&self) -> Vec<RawRecord<'_>> {
        let entries = self.entries.iter();
        entries.map(|entry| raw_record(entry.offset, &entry.content)).collect()
    }
}

/// A record as the core takes it.
pub fn raw_record(offset: i64, content: &Content) -> RawRecord<'_> {
    RawRecord {
        offset,
        timestamp: content.timestamp,
        key: content.key.as_deref(),
        value: content.value.as_deref(),
    }
}

impl Source for SimulatedSource {
    type Membership = Proof;

    fn poll(&mut self, visit: &mut dyn FnMut(GroupEvent<'_>) -> Answer) -> Result<(), SourceError> {
        self.follower.over();
        if self.shared.cluster.borrow().is_down() {
            return Ok(());
        }
        self.group(visit)?;
        let mut fetched = Vec::new();
        for partition in self.fetches.keys().copied().collect::<Vec<_>>() {
            let is_beside_first = self.shared.percent(40);
            if is_beside_first {
                self.all_beside(partition, visit);
            }
            if self.shared.percent(80) {
                fetched.extend(self.fetch(partition));
            }
            // Of one partition or of several at a time, before what is beside them or after it.
            if self.shared.percent(50) {
                self.hand_out(&std::mem::take(&mut fetched), visit);
            }
            if !is_beside_first {
                self.all_beside(partition, visit);
            }
        }
        self.hand_out(&fetched, visit);
        self.follower.over();
        Ok(())
    }

    fn pause(&mut self, partition: i32) {
        self.follower.end(partition, false);
        if let Some(fetch) = self.fetches.get_mut(&partition) {
            fetch.running = false;
        }
    }

    fn resume(&mut self, partition: i32, offset: Option<i64>) {
        self.follower.end(partition, false);
        if let Some(fetch) = self.fetches.get_mut(&partition) {
            fetch.running = true;
            fetch.end_told = false;
            fetch.position = offset.or(fetch.position);
        }
    }

    fn follow(&mut self, partition: i32, offsets: &BesideOffsets) {
        if let Some(fetch) = self.fetches.get_mut(&partition) {
            fetch.beside = Some(offsets.clone());
        }
    }

    fn lag(&self, partition: i32, next_offset: i64) -> Option<u64> {
        let end = self
            .shared
            .cluster
            .borrow_mut()
            .log(Topic::Input(InputTopic::Readings), partition)
            .last_stable();
        u64::try_from(end - next_offset).ok()
    }

    fn membership(&self) -> Option<Proof> {
        self.follower.proof(self.instance.clone())
    }
}
