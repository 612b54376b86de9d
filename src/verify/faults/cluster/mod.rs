//! A Kafka cluster in memory, as far as exactness hangs on it: logs with markers and gaps, last stable offsets, producers
//! with epochs, commits in two phases, a consumer group, compaction and retention.
//!
//! Constraints: it must not be kinder than a real one. A commit is decided at once and marked partition by partition,
//! whenever the scheduler pleases; whoever holds current membership may commit any partition's offset.
//! Limits: brokers lose nothing that they acknowledged (`acks=all` and enough replicas); there is no clock but `now`.

mod group;
mod log;
mod transactions;

#[cfg(test)]
mod cluster_tests;

pub use group::{Group, GroupRefusal, Membership, Protocol};
pub use log::Entry;
pub use log::{Content, Log};
pub use transactions::{Place, ProducerId, Refusal, Transactions};

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::engine::{CommitOffset, OutRecord, SideInput};
use crate::model::{InputTopic, Output};

/// A topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Topic {
    /// One that is read.
    Input(InputTopic),
    /// One that is only written.
    Output(Output),
}

impl Topic {
    /// Where a record goes.
    pub fn of(output: Output) -> Self {
        match output {
            Output::Zones => Self::Input(InputTopic::Zones),
            output => Self::Output(output),
        }
    }
}

/// An offset that the group has committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    /// The next to read.
    pub offset: i64,
    /// What is written beside it.
    pub metadata: String,
    /// Where a restart begins to replay.
    pub replay: i64,
}

/// A partition and a key in it.
type Keyed = (i32, Option<Arc<[u8]>>);

/// The cluster.
#[derive(Clone, Debug)]
pub struct Cluster {
    /// Milliseconds since it began.
    pub now: u64,
    /// Until when nobody reaches it.
    pub down_until: u64,
    /// The group.
    pub group: Group,
    /// The transactions.
    pub transactions: Transactions,
    /// The largest record the topic of dead letters takes, in bytes.
    pub max_record_bytes: usize,
    logs: BTreeMap<(Topic, i32), Log>,
    committed: BTreeMap<i32, Committed>,
    /// What committed transactions say they took in from beside the readings: what an oracle must repeat.
    inputs: BTreeMap<i32, Vec<SideInput>>,
    /// All records of topics that are read, whatever compaction and retention did since.
    written: BTreeMap<(InputTopic, i32), BTreeMap<i64, Content>>,
    /// The first record in the readings under each key, and the end of the homes topic at that time.
    first: BTreeMap<Keyed, (i64, i64)>,
}

impl Cluster {
    /// An empty cluster.
    pub fn new(group: Group, max_record_bytes: usize) -> Self {
        Self {
            now: 0,
            down_until: 0,
            group,
            transactions: Transactions::default(),
            max_record_bytes,
            logs: BTreeMap::new(),
            committed: BTreeMap::new(),
            inputs: BTreeMap::new(),
            written: BTreeMap::new(),
            first: BTreeMap::new(),
        }
    }

    /// Whether nobody reaches it.
    pub fn is_down(&self) -> bool {
        self.now < self.down_until
    }

    /// One partition of a topic.
    pub fn log(&mut self, topic: Topic, partition: i32) -> &mut Log {
        self.logs.entry((topic, partition)).or_default()
    }

    /// Appends a record that comes from outside.
    pub fn append(&mut self, topic: InputTopic, partition: i32, content: Content) {
        let offset = self.log(Topic::Input(topic), partition).append(content.clone());
        if topic == InputTopic::Readings {
            let homes = self.log(Topic::Input(InputTopic::Homes), partition).end();
            let key = (partition, content.key.clone());
            self.first.entry(key).or_insert((offset, homes));
        }
        self.keep(topic, partition, offset, content);
    }

    fn keep(&mut self, topic: InputTopic, partition: i32, offset: i64, content: Content) {
        let written = self.written.entry((topic, partition)).or_default();
        written.insert(offset, content);
    }

    /// Where a home's first record is in the readings, if the record of the homes topic at `offset` was there before it.
    pub fn first_after(&self, partition: i32, offset: i64) -> Option<i64> {
        let key = self.written_at(InputTopic::Homes, partition, offset)?.key.clone()?;
        let (first, homes) = self.first.get(&(partition, Some(key)))?;
        (offset < *homes).then_some(*first)
    }

    /// Everything that was ever appended to a partition.
    pub fn written(&self, topic: InputTopic, partition: i32) -> impl Iterator<Item = (i64, &Content)> {
        let records = self.written.get(&(topic, partition));
        records
            .into_iter()
            .flatten()
            .map(|(offset, content)| (*offset, content))
    }

    /// What was once appended at this offset.
    pub fn written_at(&self, topic: InputTopic, partition: i32, offset: i64) -> Option<&Content> {
        self.written.get(&(topic, partition))?.get(&offset)
    }

    /// Time passes.
    pub fn tick(&mut self, millis: u64) {
        self.now += millis;
        if !self.is_down() {
            self.group.tick(self.now);
            self.transactions.tick(self.now);
        }
    }

    /// Writes one of the markers that are due.
    pub fn write_marker(&mut self, pick: u64) -> bool {
        let due = self.transactions.unmarked();
        if due.is_empty() {
            return false;
        }
        let (id, place) = due[usize::try_from(pick % due.len() as u64).unwrap_or(0)];
        let Some((commits, offset)) = self.transactions.marked(id, place) else {
            return false;
        };
        if let Place::Log(topic, partition) = place {
            self.log(topic, partition).mark(id, commits);
        }
        if let Some(offset) = offset.filter(|_| commits) {
            self.inputs.entry(offset.partition).or_default().extend(offset.inputs);
            let committed = Committed {
                offset: offset.next_offset,
                metadata: offset.metadata.to_string(),
                replay: offset.metadata.replay.offset,
            };
            self.committed.insert(offset.partition, committed);
        }
        true
    }

    /// Writes a record within a transaction.
    ///
    /// # Errors
    /// Every [`Refusal`].
    pub fn produce(&mut self, who: ProducerId, record: &OutRecord) -> Result<(), Refusal> {
        // Where nobody says where to, the key of a home is at home in the partition of its readings.
        let partition = record.to.unwrap_or(record.partition);
        let (topic, now) = (Topic::of(record.output), self.now);
        self.transactions.touch(who, Place::Log(topic, partition), now)?;
        let content = Content {
            key: record.key.as_deref().map(Into::into),
            value: record.value.as_deref().map(Into::into),
            headers: record.headers.clone(),
            timestamp: None,
        };
        let offset = self.log(topic, partition).append_in(who.id, content.clone());
        if let Topic::Input(topic) = topic {
            self.keep(topic, partition, offset, content);
        }
        Ok(())
    }

    /// Adds an offset to a transaction.
    ///
    /// # Errors
    /// Every [`Refusal`].
    pub fn hold_offset(&mut self, who: ProducerId, offset: CommitOffset) -> Result<(), Refusal> {
        self.transactions
            .touch(who, Place::Offsets(offset.partition), self.now)?;
        self.transactions.hold_offsets(who, offset);
        Ok(())
    }

    /// The committed offset, as a fetch gets it that waits while a transaction may still change it.
    ///
    /// # Errors
    /// As long as it may.
    pub fn fetch_committed(&self, partition: i32) -> Result<Option<Committed>, Refusal> {
        if self.transactions.is_unstable(partition) {
            return Err(Refusal::Concurrent);
        }
        Ok(self.committed.get(&partition).cloned())
    }

    /// The same, whatever is pending.
    pub fn committed(&self, partition: i32) -> Option<&Committed> {
        self.committed.get(&partition)
    }

    /// What committed transactions say they took in from beside the readings, in order.
    pub fn inputs(&self, partition: i32) -> &[SideInput] {
        self.inputs.get(&partition).map_or(&[], Vec::as_slice)
    }
}
