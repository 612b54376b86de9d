//! Whose offsets and states these are.

use std::sync::Arc;

use crate::model::{InputTopic, partition_of};

/// One deployment: what its instances share, and what tells its state from that of another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deployment {
    /// The cluster's own id.
    pub cluster: Arc<str>,
    /// The consumer group.
    pub group: Arc<str>,
    /// The topics that are read, in the order of [`InputTopic::ALL`].
    pub topics: [Arc<str>; InputTopic::ALL.len()],
    /// Partitions of each of them.
    pub partitions: i32,
    /// The `source` of its alerts.
    pub source: Arc<str>,
}

impl Deployment {
    /// The name of a topic that is read.
    pub fn topic(&self, topic: InputTopic) -> &Arc<str> {
        &self.topics[topic as usize]
    }

    /// The readings topic.
    pub fn readings(&self) -> &Arc<str> {
        self.topic(InputTopic::Readings)
    }

    /// The partition of each of them that a key belongs to.
    pub fn place(&self, key: &[u8]) -> i32 {
        i32::try_from(partition_of(key, self.partitions.unsigned_abs())).unwrap_or(0)
    }

    /// A number that marks its stored states: the CRC-32 of cluster, group, readings topic and number of partitions.
    pub fn number(&self) -> u32 {
        let Self {
            cluster,
            group,
            partitions,
            ..
        } = self;
        let readings = self.readings();
        crc32fast::hash(format!("{cluster}\n{group}\n{readings}\n{partitions}").as_bytes())
    }
}
