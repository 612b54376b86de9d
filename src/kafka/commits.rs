//! Publishing: records out, and offsets after them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;

use rdkafka::ClientContext;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Header, Message, OwnedHeaders};
use rdkafka::producer::{BaseRecord, Producer, ProducerContext, ThreadedProducer};

use super::outbox::{Outbox, as_list};
use super::settings::KafkaSettings;
use super::source::GroupContext;
use crate::alert::CloudEvent;
use crate::engine::{CommitError, Commits, Committable, Step, Ticket};
use crate::model::DeadLetter;
use crate::telemetry::Metrics;

/// A dead letter whose payload no topic takes is sent with so many of its first bytes.
const CUT_PAYLOAD_BYTES: usize = 64 * 1024;

/// The commits port on Kafka.
pub struct KafkaCommits {
    producer: ThreadedProducer<Deliveries>,
    consumer: Arc<BaseConsumer<GroupContext>>,
    outbox: Outbox,
    settings: KafkaSettings,
    event_source: String,
    metrics: Metrics,
    committed_at: Instant,
    /// Commits in the background: `commit` without waiting tells nobody whether it was done (rdkafka 0.39 hands
    /// librdkafka no callback for it), and waiting would hold up the thread that polls.
    committer: Option<Committer>,
}

/// A thread that commits what it is given, one batch of offsets at a time.
struct Committer {
    offsets: SyncSender<Vec<Committable>>,
    thread: JoinHandle<()>,
}

impl Committer {
    fn start(topic: String, consumer: Arc<BaseConsumer<GroupContext>>, outbox: Outbox, metrics: Metrics) -> Self {
        let (offsets, given) = sync_channel::<Vec<Committable>>(0);
        let thread = std::thread::spawn(move || {
            for ready in given {
                commit_now(&topic, &consumer, &outbox, &metrics, ready);
            }
        });
        Self { offsets, thread }
    }
}

/// Commits and waits for the answer; what failed is put back, to be tried again with the next.
fn commit_now(
    topic: &str,
    consumer: &BaseConsumer<GroupContext>,
    outbox: &Outbox,
    metrics: &Metrics,
    ready: Vec<Committable>,
) -> bool {
    match consumer.commit(&as_list(topic, &ready), CommitMode::Sync) {
        Ok(()) => {
            metrics.commit("ok");
            true
        }
        Err(error) => {
            metrics.commit("failed");
            consumer.context().warn(
                "commit",
                &format!("offsets were not committed: {error}; they are tried again"),
            );
            let mut state = outbox.lock();
            ready.into_iter().for_each(|offset| state.ledger.put_back(offset));
            false
        }
    }
}

/// A record on its way: to which step it belongs, and what to do when the broker finds it too large.
pub struct OnItsWay {
    ticket: Ticket,
    is_cut: bool,
}

/// Hears of deliveries, on the producer's own thread.
pub struct Deliveries {
    outbox: Outbox,
    too_large: std::sync::Mutex<Vec<(Ticket, String, DeadLetterRecord)>>,
    dead_letter_topic: String,
}

/// A dead letter as it is sent.
struct DeadLetterRecord {
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    headers: OwnedHeaders,
}

impl ClientContext for Deliveries {
    fn error(&self, error: KafkaError, reason: &str) {
        tracing::warn!(%error, reason, "the producer has trouble");
    }
}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = Box<OnItsWay>;

    fn delivery(&self, result: &DeliveryResult<'_>, record: Box<OnItsWay>) {
        match result {
            Ok(_) => self.outbox.lock().ledger.confirm(record.ticket),
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::MessageSizeTooLarge), message))
                if message.topic() == self.dead_letter_topic && !record.is_cut =>
            {
                let cut = DeadLetterRecord::cut_from(message);
                let topic = message.topic().to_owned();
                self.too_large
                    .lock()
                    .unwrap_or_else(std::sync::PoisonError::into_inner)
                    .push((record.ticket, topic, cut));
            }
            Err((error, message)) => {
                let failure = format!("a record for {} cannot be delivered: {error}", message.topic());
                self.outbox.lock().failure.get_or_insert(failure);
            }
        }
        self.outbox.notify();
    }
}

impl DeadLetterRecord {
    fn new(letter: DeadLetter, topic: &str, partition: i32) -> Self {
        let numbers = [
            ("tapwatch_reason", letter.reason.to_owned()),
            ("tapwatch_detail", letter.detail),
            ("tapwatch_topic", topic.to_owned()),
            ("tapwatch_partition", partition.to_string()),
            ("tapwatch_offset", letter.offset.to_string()),
        ];
        let mut headers = OwnedHeaders::new();
        for (key, value) in &numbers {
            headers = headers.insert(Header {
                key,
                value: Some(value),
            });
        }
        if let Some(timestamp) = letter.timestamp {
            headers = headers.insert(Header {
                key: "tapwatch_timestamp",
                value: Some(&timestamp.to_string()),
            });
        }
        Self {
            key: letter.key,
            value: letter.value,
            headers,
        }
    }

    /// The same with the first bytes of its payload, and a header that says so. The whole is where it came from.
    fn cut_from(message: &impl Message<Headers = rdkafka::message::BorrowedHeaders>) -> Self {
        let payload = message.payload().unwrap_or_default();
        let note = format!("the first {CUT_PAYLOAD_BYTES} of {} bytes", payload.len());
        let headers = message
            .headers()
            .map(rdkafka::message::BorrowedHeaders::detach)
            .unwrap_or_default();
        Self {
            key: message.key().map(|key| key[..key.len().min(1_024)].to_vec()),
            value: Some(payload[..payload.len().min(CUT_PAYLOAD_BYTES)].to_vec()),
            headers: headers.insert(Header {
                key: "tapwatch_cut",
                value: Some(&note),
            }),
        }
    }
}

impl KafkaCommits {
    /// Publishes by a producer of its own, and commits for the member `consumer`.
    ///
    /// # Errors
    /// A property that librdkafka refuses.
    pub fn new(
        settings: &KafkaSettings,
        event_source: &str,
        consumer: Arc<BaseConsumer<GroupContext>>,
        outbox: Outbox,
        metrics: Metrics,
    ) -> Result<Self, KafkaError> {
        let context = Deliveries {
            outbox: outbox.clone(),
            too_large: std::sync::Mutex::default(),
            dead_letter_topic: settings.topics.dead_letter.clone(),
        };
        Ok(Self {
            producer: settings.producer().create_with_context(context)?,
            committer: Some(Committer::start(
                settings.topics.readings.clone(),
                Arc::clone(&consumer),
                outbox.clone(),
                metrics.clone(),
            )),
            consumer,
            outbox,
            settings: settings.clone(),
            event_source: event_source.to_owned(),
            metrics,
            committed_at: Instant::now(),
        })
    }

    /// Waits until everything submitted is confirmed and committed; false when that takes longer than `limit`.
    pub fn finish(&mut self, partitions: &[i32], limit: Duration) -> bool {
        let deadline = Instant::now() + limit;
        let settled = loop {
            let slice = Duration::from_millis(100).min(deadline.saturating_duration_since(Instant::now()));
            if self.outbox.settle(partitions, slice) {
                break true;
            }
            if self.resend_too_large().is_err() || Instant::now() >= deadline || self.outbox.lock().failure.is_some() {
                break false;
            }
        };
        self.commit_last() && settled
    }

    /// Gives what may be committed to the thread that does it, unless that is still busy.
    fn commit_soon(&mut self) {
        self.committed_at = Instant::now();
        let ready = self.outbox.lock().ledger.take_committable();
        let Some(committer) = self.committer.as_ref().filter(|_| !ready.is_empty()) else {
            return;
        };
        if let Err(TrySendError::Full(ready) | TrySendError::Disconnected(ready)) = committer.offsets.try_send(ready) {
            let mut state = self.outbox.lock();
            ready.into_iter().for_each(|offset| state.ledger.put_back(offset));
        }
    }

    /// Commits what may be, after whatever the thread is still at; false if that failed.
    fn commit_last(&mut self) -> bool {
        if let Some(Committer { offsets, thread }) = self.committer.take() {
            drop(offsets);
            if thread.join().is_err() {
                tracing::error!("the committing thread has failed");
            }
        }
        let ready = self.outbox.lock().ledger.take_committable();
        let topic = &self.settings.topics.readings;
        ready.is_empty() || commit_now(topic, &self.consumer, &self.outbox, &self.metrics, ready)
    }

    fn send(
        &self,
        topic: &str,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: OwnedHeaders,
        record: OnItsWay,
    ) -> Result<(), CommitError> {
        let mut message: BaseRecord<'_, [u8], [u8], Box<OnItsWay>> =
            BaseRecord::with_opaque_to(topic, Box::new(record)).headers(headers);
        message.key = key;
        message.payload = value;
        loop {
            match self.producer.send(message) {
                Ok(()) => return Ok(()),
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) => {
                    message = back;
                    std::thread::sleep(Duration::from_millis(5));
                }
                Err((error, _)) => return Err(CommitError(format!("a record for {topic} is refused: {error}"))),
            }
        }
    }

    fn send_dead_letter(&self, ticket: Ticket, letter: DeadLetterRecord, is_cut: bool) -> Result<(), CommitError> {
        let record = OnItsWay { ticket, is_cut };
        let (topic, key) = (&self.settings.topics.dead_letter, letter.key.as_deref());
        self.send(topic, key, letter.value.as_deref(), letter.headers, record)
    }

    fn resend_too_large(&self) -> Result<(), CommitError> {
        let refused = {
            let mut too_large = self
                .producer
                .context()
                .too_large
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner);
            std::mem::take(&mut *too_large)
        };
        for (ticket, topic, letter) in refused {
            tracing::warn!(
                topic,
                "a dead letter is too large for its topic; its first bytes are kept"
            );
            self.send_dead_letter(ticket, letter, true)?;
        }
        Ok(())
    }
}

impl Commits for KafkaCommits {
    fn submit(&mut self, step: Step) -> Result<(), CommitError> {
        let ticket = self
            .outbox
            .lock()
            .ledger
            .enter(&step, step.alerts.len() + step.dead_letters.len());
        for decided in step.alerts {
            let event = CloudEvent::new(decided.alert, &self.event_source);
            let mut headers = OwnedHeaders::new();
            for (key, value) in &event.headers() {
                headers = headers.insert(Header {
                    key,
                    value: Some(value),
                });
            }
            let data = serde_json::to_vec(&event.data).map_err(|error| CommitError(error.to_string()))?;
            let (topic, key) = (&self.settings.topics.alerts, event.subject.as_bytes());
            self.send(
                topic,
                Some(key),
                Some(&data),
                headers,
                OnItsWay { ticket, is_cut: false },
            )?;
        }
        for letter in step.dead_letters {
            let letter = DeadLetterRecord::new(letter, &self.settings.topics.readings, step.partition);
            self.send_dead_letter(ticket, letter, false)?;
        }
        Ok(())
    }

    fn poll(&mut self) -> Result<(), CommitError> {
        if let Some(failure) = self.outbox.lock().failure.clone() {
            return Err(CommitError(failure));
        }
        self.resend_too_large()?;
        if self.committed_at.elapsed() >= Duration::from_millis(self.settings.commit_interval_ms) {
            self.commit_soon();
        }
        Ok(())
    }

    fn in_flight(&self) -> usize {
        self.outbox.lock().ledger.unconfirmed()
    }
}

impl Drop for KafkaCommits {
    fn drop(&mut self) {
        // What is not confirmed now is repeated by the next instance: do not wait for a broker that may be away.
        if self.producer.flush(Duration::from_millis(500)).is_err() {
            tracing::warn!("records were still on their way at the end; they will be published again");
        }
    }
}
