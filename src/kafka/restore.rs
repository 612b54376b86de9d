//! Silent replay: the state of a partition from its first retained reading up to the committed offset.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use rdkafka::TopicPartitionList;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::Message;
use rdkafka::topic_partition_list::Offset;

use super::quiet::Quiet;
use super::settings::KafkaSettings;
use super::source::{as_raw, metadata_of};
use crate::engine::{LogRecord, RestoreEvent, Restorer, home_record};
use crate::model::RawRecord;
use crate::partition::{Partition, Rules};

const QUESTION: Duration = Duration::from_secs(10);
/// A restore that failed is told after this long, so that trying again does not spin.
const BREATH: Duration = Duration::from_secs(2);
const BATCH: usize = 5_000;

/// The restorer port on Kafka: a thread and a client for each restore.
pub struct KafkaRestorer {
    settings: KafkaSettings,
    rules: Arc<Rules>,
    sender: Sender<RestoreEvent>,
    receiver: Receiver<RestoreEvent>,
    cancelled: BTreeMap<u64, Arc<AtomicBool>>,
}

impl KafkaRestorer {
    /// Restores under `rules`.
    pub fn new(settings: &KafkaSettings, rules: Arc<Rules>) -> Self {
        let (sender, receiver) = channel();
        Self {
            settings: settings.clone(),
            rules,
            sender,
            receiver,
            cancelled: BTreeMap::new(),
        }
    }
}

impl Restorer for KafkaRestorer {
    fn start(&mut self, partition: i32, epoch: u64) {
        let cancelled = Arc::new(AtomicBool::new(false));
        self.cancelled.insert(epoch, Arc::clone(&cancelled));
        let (settings, rules) = (self.settings.clone(), Arc::clone(&self.rules));
        let job = Job {
            settings,
            rules,
            sender: self.sender.clone(),
            cancelled,
            partition,
            epoch,
        };
        let spawned = std::thread::Builder::new()
            .name(format!("restore-{partition}"))
            .spawn(move || job.run());
        if let Err(error) = spawned {
            let reason = format!("no thread for the restore: {error}");
            // The receiver is ours: sending cannot fail.
            let _ = self.sender.send(RestoreEvent::Failed {
                epoch,
                partition,
                reason,
            });
        }
    }

    fn cancel(&mut self, epoch: u64) {
        if let Some(cancelled) = self.cancelled.remove(&epoch) {
            cancelled.store(true, Ordering::Relaxed);
        }
    }

    fn poll(&mut self) -> Vec<RestoreEvent> {
        self.receiver.try_iter().collect()
    }
}

impl Drop for KafkaRestorer {
    fn drop(&mut self) {
        self.cancelled
            .values()
            .for_each(|cancelled| cancelled.store(true, Ordering::Relaxed));
    }
}

struct Job {
    settings: KafkaSettings,
    rules: Arc<Rules>,
    sender: Sender<RestoreEvent>,
    cancelled: Arc<AtomicBool>,
    partition: i32,
    epoch: u64,
}

impl Job {
    fn run(self) {
        let (epoch, partition) = (self.epoch, self.partition);
        let event = match self.restore() {
            Ok(Some(done)) => done,
            Ok(None) => return,
            Err(reason) => {
                std::thread::sleep(BREATH);
                RestoreEvent::Failed {
                    epoch,
                    partition,
                    reason,
                }
            }
        };
        // Nobody listens when the instance is going down.
        let _ = self.sender.send(event);
    }

    fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }

    fn restore(&self) -> Result<Option<RestoreEvent>, String> {
        let ask = |error: KafkaError| format!("asking Kafka: {error}");
        let consumer: BaseConsumer<Quiet> = self
            .settings
            .reader()
            .create_with_context(Quiet::default())
            .map_err(ask)?;
        let (readings, homes) = (&self.settings.topics.readings, &self.settings.topics.homes);
        let mut list = TopicPartitionList::with_capacity(1);
        list.add_partition(readings, self.partition);
        let committed = consumer.committed_offsets(list, QUESTION).map_err(ask)?;
        let element = committed
            .find_partition(readings, self.partition)
            .ok_or("no answer about the committed offset")?;
        let (low, high) = consumer
            .fetch_watermarks(readings, self.partition, QUESTION)
            .map_err(ask)?;
        let metadata = metadata_of(element.metadata(), self.partition);
        let (until, lost) = match element.offset() {
            Offset::Offset(offset) if offset > high => {
                return Err(format!(
                    "the committed offset {offset} lies beyond the end of {readings}/{} ({high}): the topic was made anew, \
                     or this is another cluster; set the group's offsets, or take another group",
                    self.partition
                ));
            }
            Offset::Offset(offset) => (offset, u64::try_from(low - offset).unwrap_or(0)),
            _ => (low, 0),
        };
        let mut state = Box::new(Partition::new(Arc::clone(&self.rules)));
        let Some(homes_offset) = self.read_homes(&consumer, homes, &mut state)? else {
            return Ok(None);
        };
        state.begin_at(low);
        if until > low && !self.replay(&consumer, &mut state, low, until)? {
            return Ok(None);
        }
        state.begin_at(until);
        state.advance(metadata.clock);
        let (epoch, partition) = (self.epoch, self.partition);
        Ok(Some(RestoreEvent::Done {
            epoch,
            partition,
            state,
            homes_offset,
            lost,
        }))
    }

    /// Reads the homes topic to its end; answers where to go on.
    fn read_homes(
        &self,
        consumer: &BaseConsumer<Quiet>,
        topic: &str,
        state: &mut Partition,
    ) -> Result<Option<i64>, String> {
        let ask = |error: KafkaError| format!("reading {topic}: {error}");
        let (low, high) = consumer
            .fetch_watermarks(topic, self.partition, QUESTION)
            .map_err(ask)?;
        if high <= low {
            return Ok(Some(high.max(0)));
        }
        self.assign(consumer, topic, low).map_err(ask)?;
        let mut next = low;
        while next < high {
            if self.is_cancelled() {
                return Ok(None);
            }
            match consumer.poll(Duration::from_millis(100)) {
                None => {}
                Some(Ok(message)) => {
                    next = message.offset() + 1;
                    let record = LogRecord {
                        key: message.key(),
                        value: message.payload(),
                    };
                    let taken = home_record(record).and_then(|(household, record)| {
                        state
                            .set_home(&household, record.as_ref())
                            .map_err(|error| error.to_string())
                    });
                    if let Err(reason) = taken {
                        tracing::warn!(
                            partition = self.partition,
                            offset = message.offset(),
                            reason,
                            "a record of the homes topic is refused"
                        );
                    }
                }
                Some(Err(KafkaError::PartitionEOF(_))) => break,
                Some(Err(error)) => return Err(ask(error)),
            }
        }
        Ok(Some(high))
    }

    fn assign(&self, consumer: &BaseConsumer<Quiet>, topic: &str, offset: i64) -> Result<(), KafkaError> {
        let mut list = TopicPartitionList::with_capacity(1);
        list.add_partition_offset(topic, self.partition, Offset::Offset(offset))?;
        consumer.assign(&list)
    }

    /// Applies the readings from `low` up to `until`, dropping the effects; false when it was cancelled.
    fn replay(
        &self,
        consumer: &BaseConsumer<Quiet>,
        state: &mut Partition,
        low: i64,
        until: i64,
    ) -> Result<bool, String> {
        let ask = |error: KafkaError| format!("reading {}: {error}", self.settings.topics.readings);
        self.assign(consumer, &self.settings.topics.readings, low)
            .map_err(ask)?;
        let mut told = Instant::now();
        let mut is_over = false;
        while !is_over {
            if self.is_cancelled() {
                return Ok(false);
            }
            let mut messages = Vec::new();
            let mut patience = Duration::from_millis(100);
            while messages.len() < BATCH && !is_over {
                match consumer.poll(patience) {
                    None => break,
                    // The topic was assigned anew; a record of the homes topic may still be on its way.
                    Some(Ok(message)) if message.topic() != self.settings.topics.readings => {}
                    Some(Ok(message)) => {
                        is_over = message.offset() + 1 >= until;
                        if message.offset() < until {
                            messages.push(message);
                        }
                    }
                    // The last offsets before the committed one may hold no record.
                    Some(Err(KafkaError::PartitionEOF(_))) => is_over = true,
                    Some(Err(error)) => return Err(ask(error)),
                }
                patience = Duration::ZERO;
            }
            let records: Vec<RawRecord<'_>> = messages.iter().map(as_raw).collect();
            state.apply(records);
            if told.elapsed() > Duration::from_secs(1) || is_over {
                told = Instant::now();
                let (done, total) = ((state.next_offset() - low).unsigned_abs(), (until - low).unsigned_abs());
                let (epoch, partition) = (self.epoch, self.partition);
                let _ = self.sender.send(RestoreEvent::Progress {
                    epoch,
                    partition,
                    done: done.min(total),
                    total,
                });
            }
        }
        Ok(true)
    }
}
