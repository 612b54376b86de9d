//! The transaction coordinator: who may write under a name, and what is decided and not yet marked.

use std::collections::{BTreeMap, BTreeSet};

use super::Topic;
use crate::engine::CommitOffset;

/// Where a marker is still to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// In a partition of a topic.
    Log(Topic, i32),
    /// In the partition of the offsets topic that holds the group, here split by partition of the readings.
    Offsets(i32),
}

/// Why the coordinator refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// A younger producer has the name, or the transaction took too long.
    Fenced,
    /// The transaction before it is not marked everywhere yet.
    Concurrent,
    /// There is no such transaction to end in this way.
    InvalidState,
}

/// Who writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProducerId {
    /// The number that belongs to the name.
    pub id: u64,
    /// Its epoch.
    pub epoch: u32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Stage {
    Empty,
    Ongoing {
        since: u64,
    },
    /// Decided; the markers follow.
    Prepared {
        commits: bool,
    },
}

#[derive(Clone, Debug)]
struct Producer {
    epoch: u32,
    stage: Stage,
    time_out_ms: u64,
    /// How the last transaction of this epoch ended.
    last: Option<bool>,
    touched: BTreeSet<Place>,
    offsets: BTreeMap<i32, CommitOffset>,
}

/// Transactions by producer.
#[derive(Clone, Debug, Default)]
pub struct Transactions {
    names: BTreeMap<String, u64>,
    producers: BTreeMap<u64, Producer>,
}

impl Transactions {
    /// Opens a name: what its predecessor left is ended first, and the predecessor is shut out.
    ///
    /// # Errors
    /// [`Refusal::Concurrent`] until that is marked everywhere.
    pub fn open(&mut self, name: &str, time_out_ms: u64) -> Result<ProducerId, Refusal> {
        let fresh = self.names.len() as u64 + 1;
        let id = *self.names.entry(name.to_owned()).or_insert(fresh);
        let producer = self.producers.entry(id).or_insert(Producer {
            epoch: 0,
            stage: Stage::Empty,
            time_out_ms,
            last: None,
            touched: BTreeSet::new(),
            offsets: BTreeMap::new(),
        });
        match producer.stage {
            Stage::Ongoing { .. } => {
                producer.abort();
                Err(Refusal::Concurrent)
            }
            Stage::Prepared { .. } => Err(Refusal::Concurrent),
            Stage::Empty => {
                producer.epoch += 1;
                producer.last = None;
                producer.time_out_ms = time_out_ms;
                Ok(ProducerId {
                    id,
                    epoch: producer.epoch,
                })
            }
        }
    }

    /// The producer is about to write at `place`, within its transaction.
    ///
    /// # Errors
    /// Every [`Refusal`].
    pub fn touch(&mut self, who: ProducerId, place: Place, now: u64) -> Result<(), Refusal> {
        let producer = self.present(who)?;
        match producer.stage {
            Stage::Prepared { .. } => return Err(Refusal::Concurrent),
            Stage::Empty => producer.stage = Stage::Ongoing { since: now },
            Stage::Ongoing { .. } => {}
        }
        producer.touched.insert(place);
        Ok(())
    }

    /// Adds offsets to the transaction.
    pub fn hold_offsets(&mut self, who: ProducerId, offset: CommitOffset) {
        if let Some(producer) = self.producers.get_mut(&who.id) {
            producer.offsets.insert(offset.partition, offset);
        }
    }

    /// Decides the transaction; said again, it is decided already.
    ///
    /// # Errors
    /// Every [`Refusal`].
    pub fn end(&mut self, who: ProducerId, commits: bool) -> Result<(), Refusal> {
        let producer = self.present(who)?;
        match producer.stage {
            Stage::Ongoing { .. } => {
                producer.stage = Stage::Prepared { commits };
                Ok(())
            }
            Stage::Prepared { commits: decided } if decided == commits => Ok(()),
            Stage::Empty if producer.last == Some(commits) => Ok(()),
            Stage::Prepared { .. } | Stage::Empty => Err(Refusal::InvalidState),
        }
    }

    /// Transactions that take too long are aborted, and their producers shut out.
    pub fn tick(&mut self, now: u64) {
        for producer in self.producers.values_mut() {
            if let Stage::Ongoing { since } = producer.stage
                && now.saturating_sub(since) > producer.time_out_ms
            {
                producer.abort();
            }
        }
    }

    /// Markers that are to be written, with the number of their producer.
    pub fn unmarked(&self) -> Vec<(u64, Place)> {
        let prepared = self
            .producers
            .iter()
            .filter(|(_, producer)| matches!(producer.stage, Stage::Prepared { .. }));
        prepared
            .flat_map(|(id, producer)| producer.touched.iter().map(move |place| (*id, *place)))
            .collect()
    }

    /// A marker is written: whether it commits, and the offset it makes the group's, for a place of offsets.
    pub fn marked(&mut self, id: u64, place: Place) -> Option<(bool, Option<CommitOffset>)> {
        let producer = self.producers.get_mut(&id)?;
        let Stage::Prepared { commits } = producer.stage else {
            return None;
        };
        producer.touched.remove(&place);
        let offset = match place {
            Place::Offsets(partition) => producer.offsets.remove(&partition),
            Place::Log(..) => None,
        };
        if producer.touched.is_empty() {
            producer.stage = Stage::Empty;
            producer.last = Some(commits);
            producer.offsets.clear();
        }
        Some((commits, offset))
    }

    /// Whether an offset of this partition waits for the end of a transaction.
    pub fn is_unstable(&self, partition: i32) -> bool {
        self.producers
            .values()
            .any(|producer| producer.offsets.contains_key(&partition))
    }

    /// Whether any transaction is open or not marked everywhere.
    pub fn is_quiet(&self) -> bool {
        self.producers.values().all(|producer| producer.stage == Stage::Empty)
    }

    fn present(&mut self, who: ProducerId) -> Result<&mut Producer, Refusal> {
        self.producers
            .get_mut(&who.id)
            .filter(|producer| producer.epoch == who.epoch)
            .ok_or(Refusal::Fenced)
    }
}

impl Producer {
    fn abort(&mut self) {
        self.epoch += 1;
        self.last = None;
        self.stage = Stage::Prepared { commits: false };
        if self.touched.is_empty() {
            self.stage = Stage::Empty;
        }
    }
}
