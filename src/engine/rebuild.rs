//! A partition rebuilt up to its committed offset, whoever reads the topics for it.
//!
//! Operation, for a shell: [`Rebuild::plan`] from what the group has committed; [`Rebuild::stored`] for each record of
//! the partition's state topic up to the end that it has now; [`Rebuild::home`] for the homes topic where
//! [`Rebuild::homes_until`] asks for it; [`Rebuild::zone`] for the zones topic up to [`Rebuild::zones_until`];
//! [`Rebuild::replay`] for the readings of [`Rebuild::range`]; [`Rebuild::finish`].
//!
//! Limits: a home that is rebuilt from the readings gets its record of the homes topic and the last outages of its zone
//! again, and nothing of the other topics beside the readings: past signs and responses spoke of what was going on then.
//!
//! Where nothing was committed the zones topic is followed from its beginning like the others, and what it holds of the past is
//! said again like the alerts. A status of an outage that is over says no more than that lack of use until its end meant
//! nothing, which is still true; one without an end whose watch has lost what it said holds for
//! [`crate::area::AreaSettings::forgotten_after`] at most.

use std::ops::Range;
use std::sync::Arc;

use thiserror::Error;

use super::beside::BesideOffsets;
use super::deployment::Deployment;
use super::metadata::{CommitMetadata, MetadataError};
use super::mutation::Mutation;
use crate::home::SnapshotError;
use crate::model::{EventTime, InputTopic, RawRecord};
use crate::partition::{Effects, Partition, Recovered, Recovery, ReplayPoint, Rules, StoredOutcome};

/// A partition cannot be rebuilt from what is there.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RebuildError {
    /// The log is shorter than what was read of it.
    #[error(
        "the committed offset {committed} lies beyond the end of {topic}/{partition} ({end}): the topic was made anew, or \
         this is another cluster; take another group, or set this group's offsets"
    )]
    BeyondEnd {
        /// The topic.
        topic: Arc<str>,
        /// The partition.
        partition: i32,
        /// The offset committed.
        committed: i64,
        /// The end of the log.
        end: i64,
    },
    /// Offsets were copied from another cluster.
    #[error(
        "the group's offsets are of cluster {found}, and this is cluster {here}: offsets of one cluster mean nothing in \
         another; take another group and let it read the topic from the beginning"
    )]
    OtherCluster {
        /// The cluster of the offsets.
        found: Arc<str>,
        /// The cluster of the connection.
        here: Arc<str>,
    },
    /// The topic has more partitions than it had.
    #[error(
        "the group's offsets are of a topic of {found} partitions, and {topic} has {here}: homes have moved away from their \
         history; see \"Changing the number of partitions\" in docs/operations.md"
    )]
    OtherPartitions {
        /// The topic.
        topic: Arc<str>,
        /// Its partitions at the last commit.
        found: i32,
        /// Its partitions now.
        here: i32,
    },
    /// The state topic is that of another deployment.
    #[error(
        "the state topic holds states of another cluster, group, readings topic or number of partitions (deployment \
         {found:08x}, not {here:08x}): give this group a state topic of its own (kafka.topics.state)"
    )]
    ForeignState {
        /// The deployment found.
        found: u32,
        /// This one.
        here: u32,
    },
    /// States are stored, and no commit says up to where they hold.
    #[error(
        "the state topic holds states, and the group has committed no offset of this version for them: offsets were reset \
         or have expired, the readings topic was made anew, or an older version ran since; delete the state topic \
         (kafka.topics.state) and make it anew by `tapwatch topics --create`"
    )]
    StateWithoutOffset,
    /// States that were stored are gone.
    #[error("{found} of the {expected} homes that were stored at the last commit are in the state topic")]
    StateMissing {
        /// Homes stored at the last commit.
        expected: u64,
        /// Homes found.
        found: u64,
    },
    /// A mistake in tapwatch.
    #[error("a rebuilt home cannot be moved: {0}")]
    Snapshot(#[from] SnapshotError),
}

/// What became of a topic beside the readings since it was taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BesideChange {
    /// It ends before what was taken in of it: another log, which is taken in from its beginning.
    MadeAnew,
    /// Retention removed so many offsets before they were taken in.
    Lost(u64),
}

/// What was rebuilt.
pub struct Rebuilt {
    /// The partition at its committed offset.
    pub state: Box<Partition>,
    /// What it has to say because its rules are others now.
    pub effects: Box<Effects>,
    /// Where it goes on: at the committed offset, or at the first retained one where that is later.
    pub offset: i64,
    /// The next offsets of the topics beside the readings.
    pub beside: BesideOffsets,
    /// Readings that retention removed before they were judged.
    pub lost: u64,
    /// Readings that retention removed before every home's stored state included them.
    pub lost_to_state: u64,
    /// Homes whose stored state could not be read and that were rebuilt from the readings.
    pub unreadable: usize,
    /// Whether everything was rebuilt from the first retained reading.
    pub from_scratch: bool,
}

/// A partition on its way back.
pub struct Rebuild {
    /// The number of the deployment.
    number: u32,
    recovery: Recovery,
    metadata: Option<CommitMetadata>,
    first: i64,
    until: i64,
    /// Up to where the topics beside the readings are in what is committed.
    beside: BesideOffsets,
    /// Whether that is known. Something was committed, in words of another version, if it is not.
    knows_beside: bool,
    /// What is stored is known not to do.
    stored_is_void: bool,
    begun: bool,
    mutation: Option<Mutation>,
}

impl Rebuild {
    /// Decides where to begin. `committed` is the group's offset with its metadata; `retained` the readings from the
    /// first retained one to the end. Metadata of another program or an older version is told to `warn`, and everything
    /// is rebuilt from the first retained reading.
    ///
    /// # Errors
    /// Every way in which offsets and log do not belong together.
    pub fn plan(
        rules: Arc<Rules>,
        deployment: &Deployment,
        partition: i32,
        committed: Option<(i64, &str)>,
        retained: Range<i64>,
        mut warn: impl FnMut(&MetadataError),
    ) -> Result<Self, RebuildError> {
        if partition >= deployment.partitions {
            // The topic was enlarged under a running instance.
            return Err(RebuildError::OtherPartitions {
                topic: Arc::clone(deployment.readings()),
                found: deployment.partitions,
                here: partition + 1,
            });
        }
        if let Some((committed, _)) = committed
            && committed > retained.end
        {
            return Err(RebuildError::BeyondEnd {
                topic: Arc::clone(deployment.readings()),
                partition,
                committed,
                end: retained.end,
            });
        }
        let metadata = committed.and_then(|(_, text)| {
            let metadata: Result<CommitMetadata, _> = text.parse();
            metadata.inspect_err(|error| warn(error)).ok()
        });
        if let Some(metadata) = &metadata {
            if metadata.cluster != deployment.cluster {
                return Err(RebuildError::OtherCluster {
                    found: Arc::clone(&metadata.cluster),
                    here: Arc::clone(&deployment.cluster),
                });
            }
            if metadata.partitions != deployment.partitions {
                return Err(RebuildError::OtherPartitions {
                    topic: Arc::clone(deployment.readings()),
                    found: metadata.partitions,
                    here: deployment.partitions,
                });
            }
        }
        Ok(Self {
            number: deployment.number(),
            recovery: Recovery::new(rules).of(partition.unsigned_abs(), deployment.partitions.unsigned_abs()),
            knows_beside: committed.is_none() || metadata.is_some(),
            beside: metadata
                .as_ref()
                .map_or_else(BesideOffsets::default, |metadata| metadata.beside.clone()),
            metadata,
            first: retained.start,
            until: committed.map_or(retained.start, |(offset, _)| offset),
            stored_is_void: false,
            begun: false,
            mutation: None,
        })
    }

    /// The same, with a mistake.
    #[must_use]
    pub fn mutated(mut self, mutation: Option<Mutation>) -> Self {
        self.mutation = mutation;
        self
    }

    /// Holds what was taken in of a topic beside the readings against the offsets that are `retained` of it. To be told of every
    /// such topic before anything is read.
    pub fn beside(&mut self, topic: InputTopic, retained: Range<i64>) -> Option<BesideChange> {
        let next = self.beside.next(topic);
        if retained.end < next {
            self.beside.set(topic, retained.start);
            return Some(BesideChange::MadeAnew);
        }
        let lost = u64::try_from(retained.start - next).ok().filter(|lost| *lost > 0)?;
        // A group that begins now begins with what is there.
        self.metadata.is_some().then_some(BesideChange::Lost(lost))
    }

    /// Does without what is stored: everything is rebuilt from the first retained reading.
    #[must_use]
    pub fn from_scratch(mut self) -> Self {
        self.metadata = None;
        self.stored_is_void = true;
        self
    }

    /// Takes a record of the state topic.
    ///
    /// # Errors
    /// [`RebuildError::ForeignState`]; [`RebuildError::StateWithoutOffset`]. A state that cannot be read is told to `warn`, and its home is rebuilt.
    pub fn stored(&mut self, record: &RawRecord<'_>, mut warn: impl FnMut(&SnapshotError)) -> Result<(), RebuildError> {
        if self.stored_is_void || self.metadata.is_none() && record.value.is_none() {
            return Ok(());
        }
        let Some(household) = record.key.and_then(|key| std::str::from_utf8(key).ok()) else {
            warn(&SnapshotError::NotASnapshot);
            return Ok(());
        };
        let here = self.number;
        match self.recovery.stored(household, record.value, here) {
            StoredOutcome::Taken if self.metadata.is_none() => Err(RebuildError::StateWithoutOffset),
            StoredOutcome::Taken => Ok(()),
            StoredOutcome::Foreign { deployment: found } => Err(RebuildError::ForeignState { found, here }),
            StoredOutcome::Unreadable(error) => {
                warn(&error);
                Ok(())
            }
        }
    }

    /// Everything stored has been taken: the homes topic is to be read up to this offset, `None` for its end, before
    /// the readings; an empty range where what is stored holds all of it, or nothing was committed.
    pub fn homes_until(&self) -> Option<i64> {
        if self.metadata.is_some() && self.recovery.unreadable() == 0 {
            return Some(0);
        }
        self.knows_beside.then(|| self.beside.next(InputTopic::Homes))
    }

    /// Takes a record of the homes topic. One that was refused leaves the home as it was.
    pub fn home(&mut self, record: &RawRecord<'_>) {
        self.begin();
        if !self.knows_beside {
            self.beside.set(InputTopic::Homes, record.offset + 1);
        }
        self.recovery.home(record);
    }

    /// The zones topic is to be read up to this offset, before the readings: up to where it is in what is committed. Where
    /// nothing was committed it is followed from its beginning.
    pub fn zones_until(&self) -> i64 {
        self.beside.next(InputTopic::Zones)
    }

    /// Takes a record of the zones topic; those from [`Rebuild::zones_until`] on are left.
    pub fn zone(&mut self, record: &RawRecord<'_>) {
        self.begin();
        if record.offset < self.zones_until() && self.mutation != Some(Mutation::ForgetZoneReports) {
            self.recovery.zone(record);
        }
    }

    /// The readings to replay.
    pub fn range(&mut self) -> Range<i64> {
        self.begin();
        self.recovery.from()..self.until
    }

    /// Takes readings, in the order of their offsets; those beyond the range are left.
    pub fn replay<'a>(&mut self, batch: impl IntoIterator<Item = RawRecord<'a>>) {
        self.begin();
        let until = self.until;
        self.recovery
            .replay(batch.into_iter().filter(|record| record.offset < until));
    }

    /// The partition as it was at its last commit.
    ///
    /// # Errors
    /// [`RebuildError::StateMissing`] when stored states are gone: [`Rebuild::from_scratch`] is left then.
    pub fn finish(mut self) -> Result<Rebuilt, RebuildError> {
        self.begin();
        let from_scratch = self.metadata.is_none();
        let expected = self.metadata.as_ref().map_or(0, |metadata| metadata.stored);
        let found = self.recovery.stored_homes();
        if found < expected {
            // Homes that are among the readings to replay would be there, without what they had learnt before.
            return Err(RebuildError::StateMissing { expected, found });
        }
        let unreadable = self.recovery.unreadable();
        let replayed_from = self
            .metadata
            .as_ref()
            .map_or(self.first, |metadata| metadata.replay.offset);
        let clock = match (&self.metadata, self.mutation) {
            (None, _) | (_, Some(Mutation::ForgetClock)) => EventTime::ZERO,
            (Some(metadata), _) => metadata.clock,
        };
        let Recovered { state, effects } = self.recovery.finish(self.until, clock)?;
        let lost_to_state = u64::try_from(self.first.min(self.until) - replayed_from).unwrap_or(0);
        let mut beside = self.beside;
        let too_far = |topic| (topic, beside.next(topic) + 1);
        let mistaken = match self.mutation {
            Some(Mutation::ForgetHomesOffset) => Some((InputTopic::Homes, 0)),
            Some(Mutation::ForgetSignsOffset) => Some((InputTopic::Signs, 0)),
            Some(Mutation::HomesOffsetTooFar) => Some(too_far(InputTopic::Homes)),
            Some(Mutation::ResponsesOffsetTooFar) => Some(too_far(InputTopic::Responses)),
            _ => None,
        };
        if let Some((topic, next)) = mistaken {
            beside.set(topic, next);
        }
        Ok(Rebuilt {
            state: Box::new(state),
            effects: Box::new(effects),
            offset: self.until.max(self.first),
            beside,
            lost: u64::try_from(self.first - self.until).unwrap_or(0),
            lost_to_state,
            unreadable,
            from_scratch,
        })
    }

    fn begin(&mut self) {
        if std::mem::replace(&mut self.begun, true) {
            return;
        }
        let point = self.metadata.as_ref().map(|metadata| match self.mutation {
            Some(Mutation::ReplayFromCommit) => ReplayPoint {
                offset: self.until,
                ..metadata.replay
            },
            Some(Mutation::ReplayClockOfCommit) => ReplayPoint {
                log_clock: metadata.clock,
                ..metadata.replay
            },
            Some(Mutation::ForgetJump) => ReplayPoint {
                jump: EventTime::ZERO,
                ..metadata.replay
            },
            _ => metadata.replay,
        });
        self.recovery.begin(point, self.first);
    }
}
