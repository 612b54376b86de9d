//! Which offsets may be committed: those all of whose records, and all records before them, are confirmed.

use std::collections::{BTreeMap, VecDeque};

use super::ports::{CommitMetadata, Step};

/// A step's place in the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket {
    partition: i32,
    epoch: u64,
    number: u64,
}

/// An offset that may be committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Committable {
    /// The partition of the readings.
    pub partition: i32,
    /// The next offset to read.
    pub next_offset: i64,
    /// What is written beside it.
    pub metadata: CommitMetadata,
}

#[derive(Debug)]
struct Entry {
    number: u64,
    unconfirmed: usize,
    next_offset: i64,
    metadata: CommitMetadata,
}

#[derive(Debug, Default)]
struct Lane {
    epoch: u64,
    next_number: u64,
    open: VecDeque<Entry>,
    ready: Option<Committable>,
    /// The latest that was taken to be committed.
    taken: Option<Committable>,
}

/// Steps in flight, by partition.
#[derive(Debug, Default)]
pub struct Ledger {
    lanes: BTreeMap<i32, Lane>,
    unconfirmed: usize,
}

impl Ledger {
    /// Enters a step of so many records. A step of a newer assignment forgets what is open of the older one.
    pub fn enter(&mut self, step: &Step, records: usize) -> Ticket {
        let lane = self.lanes.entry(step.partition).or_default();
        if lane.epoch != step.epoch {
            self.unconfirmed -= lane.open.iter().map(|entry| entry.unconfirmed).sum::<usize>();
            *lane = Lane {
                epoch: step.epoch,
                ..Lane::default()
            };
        }
        let number = lane.next_number;
        lane.next_number += 1;
        let (next_offset, metadata) = (step.next_offset, step.metadata);
        lane.open.push_back(Entry {
            number,
            unconfirmed: records,
            next_offset,
            metadata,
        });
        self.unconfirmed += records;
        lane.settle(step.partition);
        Ticket {
            partition: step.partition,
            epoch: step.epoch,
            number,
        }
    }

    /// Confirms one record of a step. A ticket of an assignment that is gone is nothing to anybody.
    pub fn confirm(&mut self, ticket: Ticket) {
        let Some(lane) = self
            .lanes
            .get_mut(&ticket.partition)
            .filter(|lane| lane.epoch == ticket.epoch)
        else {
            return;
        };
        let Some(entry) = lane.open.iter_mut().find(|entry| entry.number == ticket.number) else {
            return;
        };
        if entry.unconfirmed > 0 {
            entry.unconfirmed -= 1;
            self.unconfirmed -= 1;
            lane.settle(ticket.partition);
        }
    }

    /// Records entered and not confirmed.
    pub fn unconfirmed(&self) -> usize {
        self.unconfirmed
    }

    /// Whether everything entered for a partition is confirmed.
    pub fn is_settled(&self, partition: i32) -> bool {
        self.lanes.get(&partition).is_none_or(|lane| lane.open.is_empty())
    }

    /// Takes the offsets that may be committed and were not taken before, each partition's latest.
    pub fn take_committable(&mut self) -> Vec<Committable> {
        let take = |lane: &mut Lane| {
            lane.taken = lane.ready.or(lane.taken);
            lane.ready.take()
        };
        self.lanes.values_mut().filter_map(take).collect()
    }

    /// Puts back an offset whose commit failed, unless a later one is ready or on its way, or its assignment is over:
    /// a commit must never go back.
    pub fn put_back(&mut self, offset: Committable) {
        let lane = self.lanes.get_mut(&offset.partition);
        if let Some(lane) = lane.filter(|lane| lane.taken == Some(offset)) {
            lane.ready.get_or_insert(offset);
        }
    }

    /// Forgets a partition that was revoked.
    pub fn forget(&mut self, partition: i32) {
        if let Some(lane) = self.lanes.remove(&partition) {
            self.unconfirmed -= lane.open.iter().map(|entry| entry.unconfirmed).sum::<usize>();
        }
    }
}

impl Lane {
    fn settle(&mut self, partition: i32) {
        while let Some(entry) = self.open.pop_front_if(|entry| entry.unconfirmed == 0) {
            let (next_offset, metadata) = (entry.next_offset, entry.metadata);
            self.ready = Some(Committable {
                partition,
                next_offset,
                metadata,
            });
        }
    }
}
