//! Mistakes that can be switched on, so that `tapwatch verify faults` can show that it would find them.

use serde::{Deserialize, Serialize};

/// One mistake in the code that keeps the promise of exactly once. Nothing but a test sets it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mutation {
    /// Offsets are committed in a transaction of their own, before the records.
    CommitBeforePublish,
    /// The offset committed is that of the last record, not the one after it.
    OffsetOffByOne,
    /// The offset committed leaves out a record that was not yet applied.
    OffsetTooFar,
    /// A checkpoint does not say which offset it holds, so that a restart replays onto it what it holds already.
    CheckpointWithoutOffset,
    /// A transaction that cannot be committed is not aborted.
    ForgottenAbort,
    /// What was decided before a partition was revoked is published after it.
    ZombiePublishes,
    /// The metadata of one partition is committed with the offset of another.
    MetadataOfWrongPartition,
    /// Replay begins at the committed offset, whatever the checkpoints hold.
    ReplayFromCommit,
    /// What an aborted transaction carried is not published again.
    ForgetAborted,
    /// What a committed transaction carried is published again.
    RepeatCommitted,
    /// A transaction whose end is in doubt is taken to be aborted.
    DoubtMeansAborted,
    /// A transaction whose end is in doubt is taken to be committed.
    DoubtMeansCommitted,
    /// A home that was spoken of is not checkpointed with it.
    AlertWithoutCheckpoint,
    /// A home whose own record changed is not checkpointed with it.
    ProfileWithoutCheckpoint,
    /// The homes topic is followed again from its beginning.
    ForgetHomesOffset,
    /// The stream's time at which replay begins is taken to be that of the commit.
    ReplayClockOfCommit,
    /// The state topic is read up to the last stable offset that happens to be seen, not to its end.
    StateUpToLastStable,
    /// A restore of an assignment that is over is taken for the present one.
    StaleRestore,
    /// Offsets are committed with the membership of that moment, not with that under which the readings were taken.
    MembershipOfLater,
    /// Offsets are committed with a membership from before partitions were given back, if the group lets it pass.
    OffsetsAfterHandover,
    /// Committed offsets are taken while a transaction may still change them.
    OffsetsWhileUnstable,
    /// A jump of the log's clock that awaits confirmation is forgotten in a restart.
    ForgetJump,
    /// The clock that silence had moved is forgotten in a restart.
    ForgetClock,
    /// The homes topic is followed from one record too far on.
    HomesOffsetTooFar,
    /// The signs topic is followed again from its beginning.
    ForgetSignsOffset,
    /// The responses topic is followed from one record too far on.
    ResponsesOffsetTooFar,
    /// A record beside the readings that must wait is left out.
    ForgetLater,
    /// What was said of a zone is not stored with it.
    ForgetZoneState,
    /// What was taken in of the zones topic is forgotten in a restart.
    ForgetZoneReports,
    /// The stored state of a home that withdrew its consent stays.
    ForgetTombstone,
    /// A list of homes to visit is not published.
    ForgetVisits,
    /// That consent was withdrawn is not published.
    ForgetWithdrawal,
}

impl Mutation {
    /// All of them.
    pub const ALL: [Self; 32] = [
        Self::CommitBeforePublish,
        Self::OffsetOffByOne,
        Self::OffsetTooFar,
        Self::CheckpointWithoutOffset,
        Self::ForgottenAbort,
        Self::ZombiePublishes,
        Self::MetadataOfWrongPartition,
        Self::ReplayFromCommit,
        Self::ForgetAborted,
        Self::RepeatCommitted,
        Self::DoubtMeansAborted,
        Self::DoubtMeansCommitted,
        Self::AlertWithoutCheckpoint,
        Self::ProfileWithoutCheckpoint,
        Self::ForgetHomesOffset,
        Self::ReplayClockOfCommit,
        Self::StateUpToLastStable,
        Self::StaleRestore,
        Self::MembershipOfLater,
        Self::OffsetsAfterHandover,
        Self::OffsetsWhileUnstable,
        Self::ForgetJump,
        Self::ForgetClock,
        Self::HomesOffsetTooFar,
        Self::ForgetSignsOffset,
        Self::ResponsesOffsetTooFar,
        Self::ForgetLater,
        Self::ForgetZoneState,
        Self::ForgetZoneReports,
        Self::ForgetTombstone,
        Self::ForgetVisits,
        Self::ForgetWithdrawal,
    ];
}
