//! Readings through the core: a batch of each partition at a time, side by side.
//!
//! Partitions know nothing of each other, so what they do is the same on one thread and on many.

use std::collections::BTreeMap;

use super::commit::{Owned, Work};
use super::deployment::Deployment;
use super::ports::Batch;
use crate::model::RawRecord;
use crate::parallel::each_in_parallel;
use crate::partition::{Arena, Effects, Partition};

/// Homes without consent that are remembered to have been asked for, in one partition.
const MOST_ASKED: usize = 1 << 20;
/// With fewer readings in hand than this a second thread takes longer to begin than it spares.
const WORTH_A_THREAD: usize = 256;

/// What became of a batch.
pub(super) struct Applied {
    pub partition: i32,
    pub effects: Effects,
    /// Records of it that lie in another partition than their keys belong to.
    pub misplaced: usize,
}

/// How batches are applied.
#[derive(Clone, Copy)]
pub(super) struct How<'a> {
    pub deployment: &'a Deployment,
    pub threads: usize,
    pub checkpoint_share: f64,
}

/// Takes batches through the core, in the order of their partitions; those whose partition is not live are left out.
pub(super) fn apply(owned: &mut BTreeMap<i32, Owned>, batches: &[Batch<'_>], how: How<'_>) -> Vec<Applied> {
    let of = |partition| batches.iter().find(|batch| batch.partition == partition);
    let live = owned
        .iter_mut()
        .filter_map(|(partition, owned)| Some((of(*partition)?, owned.work.as_mut()?)));
    let jobs: Vec<_> = live.collect();
    let records: usize = jobs.iter().map(|(batch, _)| batch.records.len()).sum();
    let threads = if records < WORTH_A_THREAD { 1 } else { how.threads };
    each_in_parallel(threads, jobs, |(batch, work)| Applied {
        partition: batch.partition,
        effects: work.apply(batch.records, how.checkpoint_share),
        misplaced: misplaced(batch, how.deployment),
    })
}

/// Records that lie in another partition than Kafka's own partitioner puts their keys into: whoever wrote the home's other
/// records may not have put them here.
pub(super) fn misplaced(batch: &Batch<'_>, deployment: &Deployment) -> usize {
    let keys = batch.records.iter().filter_map(|record| record.key);
    keys.filter(|key| deployment.place(key) != batch.partition).count()
}

impl Work {
    /// Whether a batch holds a home that is new here, and for whose sake the homes topic is yet to be read.
    pub fn asks_for_homes(&mut self, records: &[RawRecord<'_>]) -> bool {
        let mut new = records.iter().filter_map(|record| new_home(&self.state, record));
        self.is_asking = new.any(|home| !self.asked.contains(&home));
        self.is_asking
    }

    fn apply(&mut self, records: &[RawRecord<'_>], checkpoint_share: f64) -> Effects {
        let bytes: usize = records.iter().map(size).sum();
        self.credit += checkpoint_share * bytes as f64;
        self.at_end = false;
        let effects = self.state.apply(records.iter().copied());
        if std::mem::take(&mut self.is_asking) {
            if self.asked.len() > MOST_ASKED {
                self.asked.clear();
            }
            let still_new = records.iter().filter_map(|record| new_home(&self.state, record));
            self.asked.extend(still_new);
        }
        effects
    }
}

/// The hash of the record's home, if it may be its first reading here. What the homes topic has said of it before is no
/// reading, and nor are those of homes that are not watched.
fn new_home(state: &Partition, record: &RawRecord<'_>) -> Option<u64> {
    let home = record.key.and_then(|key| std::str::from_utf8(key).ok())?;
    (!state.has_heard(home)).then(|| Arena::hash(home))
}

fn size(record: &RawRecord<'_>) -> usize {
    record.key.map_or(0, <[u8]>::len) + record.value.map_or(0, <[u8]>::len)
}
