//! What is written beside a committed offset, so that a restart knows where and when to begin.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use thiserror::Error;

use super::beside::BesideOffsets;
use crate::model::EventTime;
use crate::partition::ReplayPoint;

/// Beside the offset: the stream's time, where replay begins, and whose offset it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitMetadata {
    /// The partition's clock, which silence may have moved past the last record.
    pub clock: EventTime,
    /// The next offsets of the topics beside the readings.
    pub beside: BesideOffsets,
    /// Where a restart begins to replay.
    pub replay: ReplayPoint,
    /// Homes of the partition.
    pub homes: u64,
    /// Those of them that have a stored state: a restart that finds fewer has lost some.
    pub stored: u64,
    /// Partitions of the readings topic.
    pub partitions: i32,
    /// The cluster's own id.
    pub cluster: Arc<str>,
}

impl fmt::Display for CommitMetadata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ReplayPoint {
            offset,
            log_clock,
            jump,
        } = self.replay;
        write!(
            f,
            "tapwatch/3 clock={} {} replay={offset} replay_clock={} replay_jump={} homes={} stored={} partitions={} \
             cluster={}",
            self.clock.seconds(),
            self.beside,
            log_clock.seconds(),
            jump.seconds(),
            self.homes,
            self.stored,
            self.partitions,
            self.cluster
        )
    }
}

/// The metadata of a committed offset cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum MetadataError {
    /// Another program wrote it, or an older version whose state is not kept.
    #[error("the committed offset's metadata {0:?} is not of tapwatch/3")]
    Foreign(String),
}

impl FromStr for CommitMetadata {
    type Err = MetadataError;

    /// Reads what `Display` writes. Fields may be added behind; text of another program or version is refused.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let foreign = || MetadataError::Foreign(text.to_owned());
        let fields = text.strip_prefix("tapwatch/3 ").ok_or_else(foreign)?;
        let field = |name: &str| {
            let mut all = fields.split(' ').filter_map(|field| field.split_once('='));
            all.find(|(key, _)| *key == name)
                .map(|(_, value)| value)
                .ok_or_else(foreign)
        };
        let number = |name: &str| field(name)?.parse::<i64>().map_err(|_| foreign());
        let time = |name: &str| EventTime::from_unix(number(name)?).ok_or_else(foreign);
        Ok(Self {
            clock: time("clock")?,
            beside: BesideOffsets::read(|topic| number(&format!("{}_offset", topic.name())))?,
            replay: ReplayPoint {
                offset: number("replay")?,
                log_clock: time("replay_clock")?,
                jump: time("replay_jump")?,
            },
            homes: u64::try_from(number("homes")?).map_err(|_| foreign())?,
            // Versions before this one did not say it.
            stored: number("stored").map_or(Ok(0), |stored| u64::try_from(stored).map_err(|_| foreign()))?,
            partitions: i32::try_from(number("partitions")?).map_err(|_| foreign())?,
            cluster: field("cluster")?.into(),
        })
    }
}
