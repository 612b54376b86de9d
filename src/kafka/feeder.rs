//! Puts records into a topic: readings of a replay or a simulation.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::ClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Message};
use rdkafka::producer::{BaseRecord, Producer, ProducerContext, ThreadedProducer};
use thiserror::Error;

use super::settings::KafkaSettings;
use crate::history::{History, Row, arrival};
use crate::model::{EventTime, HomeRecord};

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

/// A stream in step with the clock.
pub struct Pace(Instant);

impl Default for Pace {
    /// It begins now.
    fn default() -> Self {
        Self(Instant::now())
    }
}

impl Pace {
    /// Sleeps until `due` has passed since the beginning. A few milliseconds are not worth it.
    pub fn wait(&self, due: Duration) {
        let early = due.checked_sub(self.0.elapsed());
        if let Some(early) = early.filter(|early| *early > Duration::from_millis(2)) {
            std::thread::sleep(early);
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
        self.put(BaseRecord::to(topic).timestamp(timestamp.millis()), key, value)
    }

    /// Puts one record into a partition of a topic, whatever its key, stamped by the wall clock as what instances write is.
    ///
    /// # Errors
    /// As [`Feeder::send`].
    pub fn send_to(&self, topic: &str, partition: i32, key: &[u8], value: Option<&[u8]>) -> Result<(), FeedError> {
        self.put(BaseRecord::to(topic).partition(partition), key, value)
    }

    fn put<'r>(
        &self,
        place: BaseRecord<'r, [u8], [u8]>,
        key: &'r [u8],
        value: Option<&'r [u8]>,
    ) -> Result<(), FeedError> {
        if let Some(failure) = self.failure() {
            return Err(FeedError::Undelivered(failure));
        }
        let mut record = place.key(key);
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

    /// Puts the records of homes into their topic and waits until they are there: what their time zone and programme are
    /// should be known before their readings.
    ///
    /// # Errors
    /// As [`Feeder::send`] and [`Feeder::finish`].
    pub fn send_homes(&self, topic: &str, homes: &[HomeRecord], at: EventTime) -> Result<(), FeedError> {
        for home in homes {
            // A record of plain texts always has a JSON form.
            let value = serde_json::to_vec(home).unwrap_or_default();
            self.send(topic, home.household_id.as_bytes(), Some(&value), at)?;
        }
        self.finish().map(drop)
    }

    /// Puts a reading into its topic, stamped with its arrival; `payload` is a buffer, and holds it afterwards.
    ///
    /// # Errors
    /// As [`Feeder::send`].
    pub fn send_reading(
        &self,
        topic: &str,
        history: &History,
        row: &Row,
        payload: &mut Vec<u8>,
    ) -> Result<(), FeedError> {
        payload.clear();
        history.json(row, payload);
        let key = history.name(row).household.as_bytes();
        self.send(topic, key, Some(payload), arrival(row))
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
