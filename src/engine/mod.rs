//! The life of partitions: assigned, restored, live, revoked; and what is committed for them.
//!
//! Constraints: no socket, no clock, and no thread but while batches of several partitions are applied side by side. What the engine needs of the world are three ports ([`Source`],
//! [`Restorer`], [`Commits`]) and somebody to tell ([`Observer`]); `kafka/` implements them on a real broker and
//! `verify/faults` on a simulated cluster, and the engine cannot tell them apart.
//! Form: one [`Engine`] an instance; one [`crate::partition::Partition`] for each partition that is live.
//! Operation: [`Engine::turn`] takes what the source has, applies it, and commits what follows: alerts, dead letters,
//! messages, states of homes and offsets in one [`Transaction`] at a time. [`Transactor`] makes the calls of a transaction,
//! [`Rebuild`] puts a partition together again; both stand here, and shells only lend them a client.

mod apply;
mod beside;
mod commit;
mod deployment;
mod instance;
mod invariants;
mod life;
mod metadata;
mod mutation;
mod outgoing;
mod pending;
mod ports;
mod rebuild;
mod transaction;

#[cfg(test)]
mod tests;

pub use beside::BesideOffsets;
pub use deployment::Deployment;
pub use instance::{Engine, EngineError, EngineSettings, Settled};
pub use invariants::INVARIANTS;
pub use life::Stage;
pub use metadata::{CommitMetadata, MetadataError};
pub use mutation::Mutation;
pub use outgoing::OutRecord;
pub use pending::SideInput;
pub use ports::{
    Answer, Batch, CommitError, Commits, GroupEvent, Now, Observation, Observer, RestoreEvent, Restorer, Source,
    SourceError,
};
pub use rebuild::{BesideChange, Rebuild, RebuildError, Rebuilt};
pub use transaction::{CommitOffset, Progress, Transaction, TransactionClient, TransactionError, Transactor, Verdict};
