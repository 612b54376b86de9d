//! Whose offsets and states these are.

use std::sync::Arc;

/// One deployment: what its instances share, and what tells its state from that of another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deployment {
    /// The cluster's own id.
    pub cluster: Arc<str>,
    /// The consumer group.
    pub group: Arc<str>,
    /// The readings topic.
    pub readings: Arc<str>,
    /// Its partitions.
    pub partitions: i32,
    /// The `source` of its alerts.
    pub source: Arc<str>,
}

impl Deployment {
    /// A number that marks its stored states: the CRC-32 of cluster, group, topic and number of partitions.
    pub fn number(&self) -> u32 {
        let Self {
            cluster,
            group,
            readings,
            partitions,
            ..
        } = self;
        crc32fast::hash(format!("{cluster}\n{group}\n{readings}\n{partitions}").as_bytes())
    }
}
