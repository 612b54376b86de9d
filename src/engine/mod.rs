//! The life of partitions: assigned, restored, live, revoked; and what is committed for them.
//!
//! Constraints: no socket, no thread, no clock. What the engine needs of the world are three ports ([`Source`],
//! [`Restorer`], [`Commits`]) and somebody to tell ([`Observer`]); `kafka/` implements them on a real broker and
//! [`memory`] on a log in memory, and the engine cannot tell them apart.
//! Form: one [`Engine`] an instance; one [`crate::partition::Partition`] for each partition that is live.
//! Operation: [`Engine::turn`] takes what the source has, applies it, and submits the effects with the offset they
//! belong to as one [`Step`]. Today a step is delivered, confirmed, and its offset committed after it (at least once;
//! a replay gives the same ids); a transaction takes the same place behind the same port.

mod instance;
mod ledger;
pub mod memory;
mod ports;

#[cfg(test)]
mod tests;

pub use instance::{Engine, EngineError, EngineSettings, home_record};
pub use ledger::{Committable, Ledger, Ticket};
pub use ports::{
    Answer, CommitError, CommitMetadata, Commits, GroupEvent, LogRecord, Observation, Observer, RestoreEvent, Restorer,
    Source, SourceError, Step,
};
