//! What the engine asks of the world.

use std::str::FromStr;

use thiserror::Error;

use crate::model::{DeadLetter, EventTime, RawRecord};
use crate::partition::{Decided, Effects, Partition};

/// Something that happened in the consumer group.
#[derive(Debug)]
pub enum GroupEvent<'a> {
    /// These partitions are this instance's from now on. They are paused until [`Source::resume`].
    Assigned(&'a [i32]),
    /// These are no longer. What was submitted for them has been settled as far as it could be.
    Revoked(&'a [i32]),
    /// Records of one partition, in the order of their offsets, and whether the homes topic has been read up to the end
    /// that it had when they came.
    Records(i32, &'a [RawRecord<'a>], bool),
    /// The end of a partition has been reached.
    End(i32),
    /// A record of the homes topic: its partition, key and payload.
    Home(i32, LogRecord<'a>),
}

/// What the engine says to an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It is done with.
    Taken,
    /// The records hold a home that is new here, and its own record may wait in the homes topic: that one first.
    HomesFirst,
}

/// Key and payload of a record that is not a reading.
#[derive(Clone, Copy, Debug)]
pub struct LogRecord<'a> {
    /// The key.
    pub key: Option<&'a [u8]>,
    /// The payload; `None` for a tombstone.
    pub value: Option<&'a [u8]>,
}

/// The input cannot go on.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct SourceError(pub String);

/// The consumer group and its topics.
pub trait Source {
    /// Waits a little for something to happen and hands it to `visit`. Records that are answered with
    /// [`Answer::HomesFirst`] are handed over again, after what the homes topic holds by then.
    ///
    /// # Errors
    /// Only what waiting does not mend; an unreachable broker is waited for.
    fn poll(&mut self, visit: &mut dyn FnMut(GroupEvent<'_>) -> Answer) -> Result<(), SourceError>;
    /// Stops the delivery of a partition's records.
    fn pause(&mut self, partition: i32);
    /// Starts it, at `offset` where nothing was delivered yet.
    fn resume(&mut self, partition: i32, offset: Option<i64>);
    /// Follows a partition's record in the homes topic from `offset`.
    fn follow_homes(&mut self, partition: i32, offset: i64);
    /// How many records of a partition are known to wait; `None` when not known.
    fn lag(&self, partition: i32, next_offset: i64) -> Option<u64>;
}

/// What a restore tells.
pub enum RestoreEvent {
    /// Records replayed so far, of how many.
    Progress {
        /// Which assignment.
        epoch: u64,
        /// The partition.
        partition: i32,
        /// Records done.
        done: u64,
        /// Records in all.
        total: u64,
    },
    /// The state at the committed offset.
    Done {
        /// Which assignment.
        epoch: u64,
        /// The partition's number.
        partition: i32,
        /// Its state.
        state: Box<Partition>,
        /// Where the homes topic is to be followed from.
        homes_offset: i64,
        /// Readings that retention removed before they were read.
        lost: u64,
    },
    /// It could not be done, and will be tried again.
    Failed {
        /// Which assignment.
        epoch: u64,
        /// The partition.
        partition: i32,
        /// Why.
        reason: String,
    },
}

/// Rebuilds the state of a partition beside the stream, without holding it up.
pub trait Restorer {
    /// Begins to rebuild a partition for assignment `epoch`, up to its committed offset.
    fn start(&mut self, partition: i32, epoch: u64);
    /// Gives up a restore; events of its epoch may still come.
    fn cancel(&mut self, epoch: u64);
    /// What has happened since.
    fn poll(&mut self) -> Vec<RestoreEvent>;
}

/// What belongs together: records to publish and the offset that they follow from.
#[derive(Clone, Debug)]
pub struct Step {
    /// The partition of the readings.
    pub partition: i32,
    /// Which assignment of it.
    pub epoch: u64,
    /// Records for the alerts topic.
    pub alerts: Vec<Decided>,
    /// Records for the dead-letter topic.
    pub dead_letters: Vec<DeadLetter>,
    /// The next offset to read.
    pub next_offset: i64,
    /// What a restart must know besides the offset.
    pub metadata: CommitMetadata,
}

/// What is written beside a committed offset: the stream's time, which silence may have moved past the last record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CommitMetadata {
    /// The partition's clock.
    pub clock: EventTime,
}

impl std::fmt::Display for CommitMetadata {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "tapwatch/1 clock={}", self.clock.seconds())
    }
}

impl FromStr for CommitMetadata {
    type Err = String;

    /// Reads what `Display` writes. Text of another program or version is refused.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let clock = text
            .strip_prefix("tapwatch/1 clock=")
            .and_then(|clock| clock.parse().ok());
        let clock = clock.ok_or_else(|| format!("the committed offset's metadata {text:?} is not of tapwatch/1"))?;
        Ok(Self {
            clock: EventTime::from_seconds(clock),
        })
    }
}

/// A step can never be committed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct CommitError(pub String);

/// The one place where records and offsets become durable.
pub trait Commits {
    /// Takes a step. Steps of one partition become durable in the order they were submitted.
    ///
    /// # Errors
    /// What waiting does not mend: the instance must stop, and its successor repeats what was not committed.
    fn submit(&mut self, step: Step) -> Result<(), CommitError>;
    /// Goes on with what was submitted.
    ///
    /// # Errors
    /// As [`Commits::submit`].
    fn poll(&mut self) -> Result<(), CommitError>;
    /// Records submitted and not yet confirmed.
    fn in_flight(&self) -> usize;
}

/// Something worth a metric or a line in the log.
pub enum Observation<'a> {
    /// A batch is about to be applied.
    BatchBegins,
    /// A batch was applied.
    Applied {
        /// Its partition.
        partition: i32,
        /// What it did.
        effects: &'a Effects,
        /// The partition after it.
        state: &'a Partition,
    },
    /// A partition that is live, after a turn, whether or not anything came for it.
    Standing {
        /// The partition.
        partition: i32,
        /// Its state.
        state: &'a Partition,
        /// How many records are known to wait for it; `None` when not known.
        lag: Option<u64>,
    },
    /// Partitions came or went.
    Rebalanced {
        /// Whether they came.
        assigned: bool,
        /// Which.
        partitions: &'a [i32],
    },
    /// The number of partitions in each state of life changed.
    Lives {
        /// Waiting for their restore to begin.
        waiting: usize,
        /// Being restored.
        restoring: usize,
        /// Live.
        live: usize,
    },
    /// A restore made progress.
    Restoring {
        /// Its partition.
        partition: i32,
        /// Records done.
        done: u64,
        /// Records in all.
        total: u64,
    },
    /// A partition went live.
    Live {
        /// Its number.
        partition: i32,
        /// Its state.
        state: &'a Partition,
        /// Readings that retention removed before they were read.
        lost: u64,
    },
    /// A restore failed and is tried again.
    RestoreFailed {
        /// Its partition.
        partition: i32,
        /// Why.
        reason: &'a str,
    },
    /// Homes were seen that live in another partition of this instance too.
    Misplaced {
        /// The partition in which they appeared second.
        partition: i32,
        /// How many.
        homes: usize,
    },
    /// A record of the homes topic was refused; the home keeps what it had.
    BadHome {
        /// Its partition.
        partition: i32,
        /// Why.
        reason: &'a str,
    },
    /// Consumption stops or goes on because of what is in flight.
    BackPressure(bool),
}

/// Is told what happens. It must not fail and must not change anything.
pub trait Observer {
    /// Something happened.
    fn observe(&mut self, observation: &Observation<'_>);
}

impl Observer for () {
    fn observe(&mut self, _: &Observation<'_>) {}
}
