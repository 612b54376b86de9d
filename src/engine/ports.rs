//! What the engine asks of the world.

use thiserror::Error;

use super::beside::BesideOffsets;
use super::life::Stage;
use super::rebuild::Rebuilt;
use super::transaction::{Transaction, Verdict};
use crate::model::{AlertKind, EventTime, InputTopic, RawRecord};
use crate::partition::{Effects, Partition};

/// Readings of one partition, in the order of their offsets.
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a> {
    /// The partition.
    pub partition: i32,
    /// The readings.
    pub records: &'a [RawRecord<'a>],
}

/// Something that happened in the consumer group.
#[derive(Debug)]
pub enum GroupEvent<'a> {
    /// These partitions are this instance's from now on. They are paused until [`Source::resume`].
    Assigned(&'a [i32]),
    /// These are no longer. They may be another's as soon as the source is polled again.
    Revoked(&'a [i32]),
    /// These are no longer, and may be another's already.
    Lost(&'a [i32]),
    /// A batch that is about to be handed over in [`Self::Readings`], once what the answer asks for has been.
    Ahead(Batch<'a>),
    /// Batches that were announced, each of another partition.
    Readings(&'a [Batch<'a>]),
    /// The end of a partition has been reached.
    End(i32),
    /// A record of a topic beside the readings, and its partition.
    Beside(InputTopic, i32, RawRecord<'a>),
}

/// What the engine says to an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It is done with.
    Taken,
    /// The records hold a home that is new here, and its own record may wait in the homes topic: that one first.
    HomesFirst,
    /// Too much waits to be committed: this record is to be handed over again, and nothing that comes after it.
    Later,
}

/// What the clocks say, as the shell reads them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// The wall clock. It may be set back.
    pub wall: EventTime,
    /// Milliseconds since some moment; they never go back.
    pub millis: u64,
}

/// The input cannot go on.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct SourceError(pub String);

/// The consumer group and its topics.
pub trait Source {
    /// Proof that partitions are this instance's, as a broker wants it.
    type Membership;
    /// Waits a little for something to happen and hands it to `visit`. Readings are announced first; those whose announcement is
    /// answered with [`Answer::HomesFirst`] come after what the homes topic holds by then. A record beside them that is
    /// answered with [`Answer::Later`] is handed over again in a later poll.
    ///
    /// # Errors
    /// Only what waiting does not mend; an unreachable broker is waited for.
    fn poll(&mut self, visit: &mut dyn FnMut(GroupEvent<'_>) -> Answer) -> Result<(), SourceError>;
    /// Stops the delivery of a partition's records.
    fn pause(&mut self, partition: i32);
    /// Starts it, at `offset` where nothing was delivered yet.
    fn resume(&mut self, partition: i32, offset: Option<i64>);
    /// Follows the partition of this number in every topic beside the readings, each from its offset.
    fn follow(&mut self, partition: i32, offsets: &BesideOffsets);
    /// How many records of a partition are known to wait; `None` when not known.
    fn lag(&self, partition: i32, next_offset: i64) -> Option<u64>;
    /// Proof of membership that held when the last poll ended; `None` when this instance is no member then.
    fn membership(&self) -> Option<Self::Membership>;
}

/// What a restore tells.
pub enum RestoreEvent {
    /// Everything stored is read, and the readings since are being replayed.
    Replaying {
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
        /// What was rebuilt.
        rebuilt: Rebuilt,
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

/// Output cannot go on.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct CommitError(pub String);

/// The one place where records and offsets become durable: one transaction at a time.
pub trait Commits<M> {
    /// Whether a transaction may be given.
    fn is_idle(&self) -> bool;
    /// Takes a transaction.
    fn start(&mut self, transaction: Transaction<M>);
    /// Goes on with it, without waiting; tells when it is over.
    ///
    /// # Errors
    /// What waiting does not mend: the instance must stop, and its successor repeats what was not committed.
    fn poll(&mut self) -> Result<Option<Verdict>, CommitError>;
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
        /// `assigned`, `revoked` or `lost`.
        how: &'static str,
        /// Which.
        partitions: &'a [i32],
    },
    /// The number of partitions in each stage of life, in the order of [`Stage::ALL`].
    Lives([usize; Stage::ALL.len()]),
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
        /// What was rebuilt.
        rebuilt: &'a Rebuilt,
    },
    /// A restore failed and is tried again.
    RestoreFailed {
        /// Its partition.
        partition: i32,
        /// Why.
        reason: &'a str,
    },
    /// Records of homes came from another partition than Kafka's own partitioner puts their keys into.
    Misplaced {
        /// Their topic.
        topic: InputTopic,
        /// The partition in which they lie.
        partition: i32,
        /// How many.
        records: usize,
    },
    /// Consumption stops or goes on because of what is not yet committed.
    BackPressure(bool),
    /// A transaction is over.
    Over {
        /// What became of it.
        verdict: &'a Verdict,
        /// Bytes of states and offsets: what exactness costs.
        state_bytes: usize,
        /// Alerts raised in it, with the Kafka timestamps of the readings that brought them.
        raised: &'a [(AlertKind, Option<EventTime>)],
    },
    /// How far a restart would have to replay after the latest commit, in records, and over how many homes.
    ReplayDistance {
        /// The partition.
        partition: i32,
        /// Records.
        records: u64,
        /// Homes.
        homes: usize,
    },
    /// One of the engine's invariants does not hold: a mistake in tapwatch.
    Breach {
        /// Its number in `engine/invariants.rs`.
        invariant: u8,
        /// What was found.
        found: &'a str,
    },
}

/// Is told what happens. It must not fail and must not change anything.
pub trait Observer {
    /// Something happened.
    fn observe(&mut self, observation: &Observation<'_>);
}

impl Observer for () {
    fn observe(&mut self, _: &Observation<'_>) {}
}
