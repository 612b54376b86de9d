//! The engine's ports on a real Apache Kafka, by rdkafka.
//!
//! Constraints: the thread that polls is never blocked for longer than a poll; a rebalance callback pauses and notes what
//! happened, and waits for nothing.
//! Form: [`KafkaSource`] is the consumer group and proof of [`Membership`] in it, [`KafkaRestorer`] rebuilds partitions on
//! threads and clients of their own, [`KafkaCommits`] publishes and commits on a thread of its own by
//! [`KafkaTransactions`], under the [`InstanceName`]. [`Feeder`] puts readings into a topic, for replays and simulations.
//! Operation: alerts, dead letters, states of homes and offsets become visible in one transaction, or not at all.

// A shell: clocks, threads and sockets are its trade.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

mod beside;
mod commits;
mod deliveries;
mod feeder;
mod inspect;
mod membership;
mod name;
mod reader;
mod restore;
mod settings;
mod source;
mod topics;
mod transactions;
mod warnings;

pub use commits::KafkaCommits;
pub use feeder::{FeedError, Feeder, Pace};
pub use inspect::InspectError;
pub use membership::Membership;
pub use name::InstanceName;
pub use restore::KafkaRestorer;
pub use settings::{KafkaSettings, TopicNames};
pub use source::{GroupContext, GroupMember, KafkaSource, join};
pub use topics::{
    TopicReport, TopicsError, check_removal, check_topics, cluster_id, create_topics, deployment, missing_topics,
    wait_for_topics,
};
pub use transactions::KafkaTransactions;
