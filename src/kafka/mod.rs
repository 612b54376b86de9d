//! The engine's ports on a real Apache Kafka, by rdkafka.
//!
//! Constraints: the thread that polls is never blocked for longer than a poll, but for the moments in which partitions
//! are handed over; a rebalance callback assigns, pauses and settles, and leaves everything else to the engine's turn.
//! Form: [`KafkaSource`] is the consumer group, [`KafkaRestorer`] rebuilds partitions on threads and clients of their
//! own, [`KafkaCommits`] publishes and commits. [`Feeder`] puts readings into a topic, for replays and simulations.
//! Operation: offsets are committed only after every record that follows from them was acknowledged by all in-sync
//! replicas.

// A shell: clocks, threads and sockets are its trade.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

#[cfg(any())]
mod commits;
mod feeder;
#[cfg(any())]
mod outbox;
mod reader;
#[cfg(any())]
mod restore;
mod settings;
#[cfg(any())]
mod source;
mod topics;

#[cfg(any())]
pub use commits::KafkaCommits;
pub use feeder::{FeedError, Feeder};
#[cfg(any())]
pub use outbox::Outbox;
#[cfg(any())]
pub use restore::KafkaRestorer;
pub use settings::{KafkaSettings, TopicNames};
#[cfg(any())]
pub use source::{GroupContext, GroupMember, KafkaSource, join};
pub use topics::{TopicReport, TopicsError, check_topics, create_topics, wait_for_topics};
