//! A consumer of the simulated group.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::Shared;
use crate::engine::{Answer, GroupEvent, LogRecord, Source, SourceError};
use crate::model::RawRecord;
use crate::verify::faults::cluster::{Content, Entry, GroupRefusal, Membership, Topic};

/// What a consumer keeps of one partition.
#[derive(Clone, Debug, Default)]
struct Fetch {
    running: bool,
    position: Option<i64>,
    end_told: bool,
    homes: Option<i64>,
}

/// The part of a consumer that lives on while the engine is busy: it can leave, or show a sign of life.
#[derive(Clone, Default)]
pub struct Follower(Rc<RefCell<Member>>);

#[derive(Default)]
struct Member {
    id: Option<u64>,
    generation: Option<i32>,
    owned: BTreeSet<i32>,
}

impl Follower {
    /// The member's number, while it is one.
    pub fn member(&self) -> Option<u64> {
        self.0.borrow().id
    }

    /// Proof of its membership.
    pub fn membership(&self, instance: Option<String>) -> Option<Membership> {
        let member = self.0.borrow();
        Some(Membership {
            member: member.id?,
            generation: member.generation?,
            instance,
        })
    }
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
        let mut member = self.follower.0.borrow_mut();
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
                    visit(GroupEvent::Revoked(&word.revoke));
                    for partition in &word.revoke {
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
                *member = Member::default();
                Ok(())
            }
        }
    }

    /// Hands out records of the homes topic, up to the end that it has now or `most` of them.
    fn homes(&mut self, partition: i32, most: usize, visit: &mut dyn FnMut(GroupEvent<'_>) -> Answer) {
        let Some(fetch) = self.fetches.get_mut(&partition) else {
            return;
        };
        let Some(position) = fetch.homes else { return };
        let (batch, next) = self
            .shared
            .cluster
            .borrow_mut()
            .log(Topic::Homes, partition)
            .read(position, most);
        fetch.homes = Some(next);
        for entry in &batch {
            visit(GroupEvent::Home(partition, entry.offset, log_record(&entry.content)));
        }
    }

    fn readings(&mut self, partition: i32, visit: &mut dyn FnMut(GroupEvent<'_>) -> Answer) {
        let Some(fetch) = self.fetches.get_mut(&partition).filter(|fetch| fetch.running) else {
            return;
        };
        let Some(position) = fetch.position else { return };
        let most = self.shared.between(1, self.max_batch);
        let (batch, next, end) = {
            let mut cluster = self.shared.cluster.borrow_mut();
            let log = cluster.log(Topic::Readings, partition);
            let (batch, next) = log.read(position.max(log.first()), most);
            (batch, next, log.last_stable())
        };
        let is_at_end = next >= end;
        fetch.position = Some(next);
        let tells_end = is_at_end && (!batch.is_empty() || !fetch.end_told);
        fetch.end_told = is_at_end;
        if !batch.is_empty() {
            let records: Vec<RawRecord<'_>> = batch.iter().map(raw_record).collect();
            if visit(GroupEvent::Records(partition, &records, false)) == Answer::HomesFirst {
                self.homes(partition, usize::MAX, visit);
                visit(GroupEvent::Records(partition, &records, true));
            }
        }
        if tells_end {
            visit(GroupEvent::End(partition));
        }
    }
}

/// A reading as the core takes it.
pub fn raw_record(entry: &Entry) -> RawRecord<'_> {
    RawRecord {
        offset: entry.offset,
        timestamp: entry.content.timestamp,
        key: entry.content.key.as_deref(),
        value: entry.content.value.as_deref(),
    }
}

/// A record that is not a reading.
pub fn log_record(content: &Content) -> LogRecord<'_> {
    LogRecord {
        key: content.key.as_deref(),
        value: content.value.as_deref(),
    }
}

impl Source for SimulatedSource {
    type Membership = Membership;

    fn poll(&mut self, visit: &mut dyn FnMut(GroupEvent<'_>) -> Answer) -> Result<(), SourceError> {
        if self.shared.cluster.borrow().is_down() {
            return Ok(());
        }
        self.group(visit)?;
        for partition in self.fetches.keys().copied().collect::<Vec<_>>() {
            let homes_before_readings = self.shared.percent(30);
            if homes_before_readings {
                let most = self.shared.between(1, 4);
                self.homes(partition, most, visit);
            }
            if self.shared.percent(80) {
                self.readings(partition, visit);
            }
            if !homes_before_readings && self.shared.percent(50) {
                let most = self.shared.between(1, 4);
                self.homes(partition, most, visit);
            }
        }
        Ok(())
    }

    fn pause(&mut self, partition: i32) {
        if let Some(fetch) = self.fetches.get_mut(&partition) {
            fetch.running = false;
        }
    }

    fn resume(&mut self, partition: i32, offset: Option<i64>) {
        if let Some(fetch) = self.fetches.get_mut(&partition) {
            fetch.running = true;
            fetch.end_told = false;
            fetch.position = offset.or(fetch.position);
        }
    }

    fn follow_homes(&mut self, partition: i32, offset: i64) {
        if let Some(fetch) = self.fetches.get_mut(&partition) {
            fetch.homes = Some(offset);
        }
    }

    fn lag(&self, partition: i32, next_offset: i64) -> Option<u64> {
        let end = self
            .shared
            .cluster
            .borrow_mut()
            .log(Topic::Readings, partition)
            .last_stable();
        u64::try_from(end - next_offset).ok()
    }

    fn membership(&self) -> Option<Membership> {
        self.follower.membership(self.instance.clone())
    }
}
