//! Puts records into a topic: readings of a replay or a simulation.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rdkafka::ClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Message};
use rdkafka::producer::{BaseRecord, Producer, ProducerContext, ThreadedProducer};
use thiserror::Error;

use super::settings::KafkaSettings;
use crate::model::EventTime;

/// A record could not be put into its topic.
#[derive(Debug, Error)]
pub enum FeedError {
    /// A property that librdkafka refuses, or a record it does not take.
    #[error("librdkafka: {0}")]
    Client(#[from] KafkaError),
    /// The broker refused a record for good.
    #[error("{0}")]
    Undelivered(String),
}

/// A producer that counts.
pub struct Feeder {
    producer: ThreadedProducer<Counting>,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    delivered: AtomicU64,
    failure: Mutex<Option<String>>,
}

struct Counting(Arc<Shared>);

impl ClientContext for Counting {
    fn error(&self, error: KafkaError, reason: &str) {
        tracing::warn!(%error, reason, "the producer has trouble");
    }
}

impl ProducerContext for Counting {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        match result {
            Ok(_) => {
                self.0.delivered.fetch_add(1, Ordering::Relaxed);
            }
            Err((error, message)) => {
                let failure = format!("a record for {} was not delivered: {error}", message.topic());
                self.0
                    .failure
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .get_or_insert(failure);
            }
        }
    }
}

impl Feeder {
    /// A producer to the cluster of the settings.
    ///
    /// # Errors
    /// A property that librdkafka refuses.
    pub fn new(settings: &KafkaSettings) -> Result<Self, FeedError> {
        let shared = Arc::new(Shared::default());
        let mut config = settings.producer();
        // A replay has somebody before it who would rather know than wait for ever.
        config.set("message.timeout.ms", "60000");
        Ok(Self {
            producer: config.create_with_context(Counting(Arc::clone(&shared)))?,
            shared,
        })
    }

    /// Puts one record into a topic, waiting while the producer's queue is full.
    ///
    /// # Errors
    /// If an earlier record was refused for good, or this one is.
    pub fn send(&self, topic: &str, key: &[u8], value: Option<&[u8]>, timestamp: EventTime) -> Result<(), FeedError> {
        if let Some(failure) = self.failure() {
            return Err(FeedError::Undelivered(failure));
        }
        let mut record: BaseRecord<'_, [u8], [u8]> = BaseRecord::to(topic).key(key).timestamp(timestamp.millis());
        record.payload = value;
        loop {
            match self.producer.send(record) {
                Ok(()) => return Ok(()),
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) => {
                    record = back;
                    std::thread::sleep(Duration::from_millis(5));
                }
                Err((error, _)) => return Err(error.into()),
            }
        }
    }

    /// Waits until every record is acknowledged; answers how many were since the beginning.
    ///
    /// # Errors
    /// If one was refused for good, or the broker stays away for a minute.
    pub fn finish(&self) -> Result<u64, FeedError> {
        self.producer.flush(Duration::from_secs(70))?;
        match self.failure() {
            Some(failure) => Err(FeedError::Undelivered(failure)),
            None => Ok(self.shared.delivered.load(Ordering::Relaxed)),
        }
    }

    fn failure(&self) -> Option<String> {
        self.shared
            .failure
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}
