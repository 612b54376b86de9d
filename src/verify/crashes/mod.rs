//! Exactly once, or not: instances are killed, frozen and moved about on a real cluster while readings stream in, and
//! what lies on every topic that they write is compared afterwards, record for record, with what the core says of the very
//! logs that they read.
//!
//! Constraints: instances are processes of the real binary, met from outside only (signals, their log, their topics);
//! topics and group are the run's own. What decides is pure and has tests: the `schedule`, how soon partitions were live
//! again (`recovery`), what should have been said (`oracle`), and what differs (`compare`).
//! Form: `cluster` asks Kafka, `feed` sends homes and readings with poison among them, `aside` what comes beside them,
//! `fleet` holds the processes, `run` brings them together, `report` says what came of it.
//! Operation: no log says between which readings a record from beside them was taken in. So the readings pause now and
//! then until all is committed; what is sent then is taken in before they go on, and the oracle knows where.
//! Limits: what crosses partitions has no order against the readings at any time, so no zone is judged by its homes'
//! reports here (these are compared, too); outages come from reports and statuses that are sent in pauses.
//! `verify faults` has the rest.

// A shell: clocks, threads, processes and files are its trade.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

mod aside;
mod cluster;
mod compare;
mod feed;
mod fleet;
mod oracle;
mod recovery;
mod report;
mod run;
mod schedule;
mod settings;

pub use report::Report;
pub use run::run;

use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;

use crate::kafka::{FeedError, TopicsError};

/// What is to be done.
#[derive(Clone, Debug)]
pub struct Order {
    /// How many times an instance is killed.
    pub kills: u32,
    /// How many instances run.
    pub instances: u32,
    /// Partitions of the topics.
    pub partitions: i32,
    /// Replicas of the topics.
    pub replication: i32,
    /// Simulated homes.
    pub homes: u32,
    /// Days of their readings.
    pub days: u32,
    /// Equal seeds give equal homes, poison and schedule.
    pub seed: u64,
    /// The mean time between two blows.
    pub every: Duration,
    /// The folder of report and logs.
    pub out: PathBuf,
    /// Whether topics and group stay.
    pub keep: bool,
}

#[cfg(test)]
impl Order {
    fn of_tests() -> Self {
        Self {
            kills: 1,
            instances: 3,
            partitions: 6,
            replication: 3,
            homes: 2,
            days: 2,
            seed: 3,
            every: Duration::from_secs(5),
            out: "out".into(),
            keep: false,
        }
    }
}

/// The verification itself could not be done.
#[derive(Debug, Error)]
pub enum CrashesError {
    /// The topics cannot be made.
    #[error(transparent)]
    Topics(#[from] TopicsError),
    /// The readings cannot be sent.
    #[error("the readings cannot be sent: {0}")]
    Feed(#[from] FeedError),
    /// Kafka does not answer, or refuses.
    #[error("Kafka: {0}")]
    Kafka(#[from] rdkafka::error::KafkaError),
    /// A file or a process.
    #[error("{what}: {error}")]
    System {
        /// Which.
        what: String,
        /// Why.
        error: std::io::Error,
    },
    /// The settings do not bear what the run must change in them.
    #[error("the settings of the instances: {0}")]
    Settings(String),
    /// Instances end by themselves over and over.
    #[error("instance {name} ends by itself again and again; the last it said:\n{said}")]
    WillNotRun {
        /// Which.
        name: String,
        /// Its last lines.
        said: String,
    },
    /// Instances run, and do not come to judge their partitions.
    #[error("after {seconds} s only {live} of {partitions} partitions are live: see the logs in {}", .folder.display())]
    NotLive {
        /// After how long.
        seconds: u64,
        /// How many are.
        live: usize,
        /// How many should be.
        partitions: i32,
        /// Where the logs are.
        folder: PathBuf,
    },
    /// Somebody asked for an end.
    #[error("stopped before its end; nothing is known")]
    Stopped,
}

impl CrashesError {
    fn system(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let what = what.into();
        move |error| Self::System { what, error }
    }
}
