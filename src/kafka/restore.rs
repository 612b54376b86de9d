//! A partition rebuilt beside the stream: what is stored of its homes, and the readings since.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use rdkafka::TopicPartitionList;
use rdkafka::consumer::Consumer;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Message};
use rdkafka::topic_partition_list::Offset;

use super::reader::Reader;
use super::settings::KafkaSettings;
use super::source::as_raw;
use super::warnings::{OpenTransaction, Warnings};
use crate::engine::{BesideChange, Deployment, Rebuild, RebuildError, Rebuilt, RestoreEvent, Restorer};
use crate::model::{InputTopic, RawRecord};
use crate::partition::Rules;
use crate::telemetry::Metrics;

/// How long one question may take; it is asked again for [`PATIENCE`].
const QUESTION: Duration = Duration::from_secs(2);
const PATIENCE: Duration = Duration::from_secs(60);
/// Between two questions whose answer is not there yet.
const MOMENT: Duration = Duration::from_millis(100);
/// A restore that failed is told after this long, so that trying again does not spin.
const BREATH: Duration = Duration::from_secs(2);
/// Progress is told this often.
const TELL: Duration = Duration::from_secs(1);
const BATCH: usize = 5_000;

/// The restorer port on Kafka: a thread and a client for each restore.
pub struct KafkaRestorer {
    shared: Arc<Shared>,
    sender: Sender<RestoreEvent>,
    receiver: Receiver<RestoreEvent>,
    cancelled: BTreeMap<u64, Arc<AtomicBool>>,
}

struct Shared {
    settings: KafkaSettings,
    rules: Arc<Rules>,
    deployment: Deployment,
    warnings: Warnings,
}

impl KafkaRestorer {
    /// Restores under `rules` what belongs to `deployment`.
    pub fn new(settings: &KafkaSettings, rules: Arc<Rules>, deployment: Deployment, metrics: &Metrics) -> Self {
        let (sender, receiver) = channel();
        let shared = Arc::new(Shared {
            settings: settings.clone(),
            rules,
            deployment,
            warnings: Warnings::new(metrics),
        });
        Self {
            shared,
            sender,
            receiver,
            cancelled: BTreeMap::new(),
        }
    }
}

impl Restorer for KafkaRestorer {
    fn start(&mut self, partition: i32, epoch: u64) {
        let cancelled = Arc::new(AtomicBool::new(false));
        self.cancelled.retain(|_, job| Arc::strong_count(job) > 1);
        self.cancelled.insert(epoch, Arc::clone(&cancelled));
        let job = Job {
            shared: Arc::clone(&self.shared),
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

/// Why a restore did not come to its end.
enum Stopped {
    /// It was given up.
    Cancelled,
    /// It is to be told, and tried again.
    Failed(String),
    /// What is stored does not do.
    StateMissing(RebuildError),
}

/// What was read, for the log.
#[derive(Default)]
struct Figures {
    states: u64,
    bytes: usize,
    stored_ms: u128,
    replayed: u64,
    replay_ms: u128,
}

struct Job {
    shared: Arc<Shared>,
    sender: Sender<RestoreEvent>,
    cancelled: Arc<AtomicBool>,
    partition: i32,
    epoch: u64,
}

impl Job {
    fn run(self) {
        let (epoch, partition) = (self.epoch, self.partition);
        let mut outcome = self.restore(false);
        if let Err(Stopped::StateMissing(error)) = &outcome {
            let text = format!("partition {partition}: {error}; everything is rebuilt from the first retained reading");
            self.shared.warnings.count("state_missing");
            tracing::error!(partition, "{text}");
            outcome = self.restore(true);
        }
        let event = match outcome {
            Ok(rebuilt) => RestoreEvent::Done {
                epoch,
                partition,
                rebuilt,
            },
            Err(Stopped::Cancelled) => return,
            Err(Stopped::Failed(reason)) => {
                let told = Instant::now();
                while told.elapsed() < BREATH && self.go_on().is_ok() {
                    std::thread::sleep(MOMENT);
                }
                RestoreEvent::Failed {
                    epoch,
                    partition,
                    reason,
                }
            }
            Err(Stopped::StateMissing(error)) => RestoreEvent::Failed {
                epoch,
                partition,
                reason: error.to_string(),
            },
        };
        // Nobody listens when the instance is going down.
        let _ = self.sender.send(event);
    }

    fn go_on(&self) -> Result<(), Stopped> {
        match self.cancelled.load(Ordering::Relaxed) {
            true => Err(Stopped::Cancelled),
            false => Ok(()),
        }
    }

    fn restore(&self, from_scratch: bool) -> Result<Rebuilt, Stopped> {
        let settings = &self.shared.settings;
        let topics = &settings.topics;
        let reader = settings.open_reader().map_err(failed("a client"))?;
        let (rules, partition) = (Arc::clone(&self.shared.rules), self.partition);
        let committed = self.committed(&reader)?;
        let committed = committed
            .as_ref()
            .map(|(offset, metadata)| (*offset, metadata.as_str()));
        let (first, end) = self.watermarks(&reader, &topics.readings)?;
        let warn = |error: &dyn std::fmt::Display| {
            tracing::warn!(
                partition,
                "{error}; everything is rebuilt from the first retained reading"
            );
        };
        let planned = Rebuild::plan(
            rules,
            &self.shared.deployment,
            partition,
            committed,
            first..end,
            |error| warn(error),
        );
        let mut rebuild = planned.map_err(|error| Stopped::Failed(error.to_string()))?;
        let changes = self.compare_beside(&reader, &mut rebuild)?;
        if from_scratch {
            rebuild = rebuild.from_scratch();
        }
        let mut figures = Figures::default();
        let began = Instant::now();
        if !from_scratch {
            self.read_stored(&reader, &mut rebuild, &mut figures)?;
        }
        self.read_homes(&reader, &mut rebuild)?;
        self.read_zones(&reader, &mut rebuild)?;
        figures.stored_ms = began.elapsed().as_millis();
        let began = Instant::now();
        self.replay(&mut rebuild, &mut figures)?;
        figures.replay_ms = began.elapsed().as_millis();
        let rebuilt = rebuild.finish().map_err(|error| match error {
            RebuildError::StateMissing { .. } => Stopped::StateMissing(error),
            other => Stopped::Failed(other.to_string()),
        })?;
        // Not before: a restore that fails is tried again, and would count anew what was lost.
        for (input, change) in changes {
            let topic = topics.input(input);
            self.shared.warnings.beside_changed(partition, topic, input, change);
        }
        tracing::info!(
            partition,
            offset = rebuilt.state.next_offset(),
            states = figures.states,
            state_bytes = figures.bytes,
            states_ms = figures.stored_ms,
            replayed = figures.replayed,
            replay_ms = figures.replay_ms,
            "restored"
        );
        Ok(rebuilt)
    }

    /// One that may have to be waited for.
    fn open_transaction(&self) -> OpenTransaction<'_> {
        let Shared { settings, warnings, .. } = &*self.shared;
        let lives = Duration::from_millis(settings.transaction_timeout_ms.into());
        OpenTransaction::new(warnings, self.partition, lives)
    }

    /// Asks until there is an answer.
    fn ask<T>(&self, what: &str, mut question: impl FnMut() -> Result<T, KafkaError>) -> Result<T, Stopped> {
        let (began, mut open) = (Instant::now(), self.open_transaction());
        loop {
            self.go_on()?;
            let error = match question() {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            let is_held = error.rdkafka_error_code() == Some(RDKafkaErrorCode::UnstableOffsetCommit);
            if is_held {
                open.say("it holds the offsets of the group");
            }
            let may_pass = is_held || passes(&error) && began.elapsed() < PATIENCE;
            if !may_pass {
                return Err(failed(what)(error));
            }
            std::thread::sleep(MOMENT);
        }
    }

    fn watermarks(&self, reader: &Reader, topic: &str) -> Result<(i64, i64), Stopped> {
        self.ask(topic, || reader.fetch_watermarks(topic, self.partition, QUESTION))
    }

    /// The group's offset and what was written beside it.
    fn committed(&self, reader: &Reader) -> Result<Option<(i64, String)>, Stopped> {
        let mut all = None;
        self.ask("the committed offset", || {
            let committed = self.committed_for(reader);
            let timed_out =
                |error: &KafkaError| error.rdkafka_error_code() == Some(RDKafkaErrorCode::OperationTimedOut);
            if committed.as_ref().is_err_and(timed_out) {
                // librdkafka waits for offsets that a transaction holds, and says no more than that it has waited in vain.
                let all = match &all {
                    Some(all) => all,
                    None => all.insert(self.shared.settings.open_impatient_reader()?),
                };
                self.committed_for(all)?;
                return Err(KafkaError::OffsetFetch(RDKafkaErrorCode::UnstableOffsetCommit));
            }
            committed
        })
    }

    fn committed_for(&self, reader: &Reader) -> Result<Option<(i64, String)>, KafkaError> {
        let topic = &self.shared.settings.topics.readings;
        let mut list = TopicPartitionList::with_capacity(1);
        list.add_partition(topic, self.partition);
        let list = reader.committed_offsets(list, QUESTION)?;
        let missing = KafkaError::OffsetFetch(RDKafkaErrorCode::UnknownPartition);
        let element = list.find_partition(topic, self.partition).ok_or(missing)?;
        element.error()?;
        Ok(match element.offset() {
            Offset::Offset(offset) => Some((offset, element.metadata().to_owned())),
            _ => None,
        })
    }

    /// What became of the topics beside the readings.
    fn compare_beside(
        &self,
        reader: &Reader,
        rebuild: &mut Rebuild,
    ) -> Result<Vec<(InputTopic, BesideChange)>, Stopped> {
        let mut changes = Vec::new();
        for input in InputTopic::BESIDE {
            let (first, end) = self.watermarks(reader, self.shared.settings.topics.input(input))?;
            changes.extend(rebuild.beside(input, first..end).map(|change| (input, change)));
        }
        Ok(changes)
    }

    /// Reads all that is committed of the partition's state topic.
    fn read_stored(&self, reader: &Reader, rebuild: &mut Rebuild, figures: &mut Figures) -> Result<(), Stopped> {
        let topic = &self.shared.settings.topics.state;
        let begin = self.wait_until_stable(reader, topic)?;
        let mut outcome = Ok(());
        let mut warned = 0_u32;
        self.read(topic, begin, |messages| {
            for message in messages {
                figures.states += 1;
                figures.bytes += message.payload_len();
                outcome = rebuild.stored(&as_raw(message), |error| {
                    warned += 1;
                    if warned <= 3 {
                        let (partition, offset) = (self.partition, message.offset());
                        tracing::warn!(partition, offset, %error, "a stored state cannot be read; its home is rebuilt");
                    }
                });
                if outcome.is_err() {
                    return Reading::Over;
                }
            }
            Reading::Wanted
        })?;
        outcome.map_err(|error| Stopped::Failed(error.to_string()))
    }

    /// Waits until everything written to the topic by now is decided, committed or aborted, and answers its first offset.
    /// What was committed just before the last instance died may not be marked so yet, and would be left out.
    fn wait_until_stable(&self, reader: &Reader, topic: &str) -> Result<i64, Stopped> {
        let all = self
            .shared
            .settings
            .open_impatient_reader()
            .map_err(failed("a client"))?;
        let (_, end) = self.watermarks(&all, topic)?;
        let mut open = self.open_transaction();
        loop {
            let (begin, stable) = self.watermarks(reader, topic)?;
            if stable >= end {
                return Ok(begin);
            }
            open.say(&format!(
                "it holds offsets {stable} to {end} of partition {} of {topic}",
                self.partition
            ));
            std::thread::sleep(MOMENT);
        }
    }

    fn read_homes(&self, reader: &Reader, rebuild: &mut Rebuild) -> Result<(), Stopped> {
        let until = rebuild.homes_until();
        if until == Some(0) {
            return Ok(());
        }
        let topic = &self.shared.settings.topics.homes;
        let (begin, _) = self.watermarks(reader, topic)?;
        self.read(topic, begin, |messages| {
            for message in messages {
                if until.is_none_or(|until| message.offset() < until) {
                    rebuild.home(&as_raw(message));
                }
            }
            Reading::Wanted
        })
    }

    /// Reads what was taken in of the zones topic.
    fn read_zones(&self, reader: &Reader, rebuild: &mut Rebuild) -> Result<(), Stopped> {
        let until = rebuild.zones_until();
        let topic = &self.shared.settings.topics.zones;
        let (begin, _) = self.watermarks(reader, topic)?;
        if begin >= until {
            return Ok(());
        }
        self.read(topic, begin, |messages| {
            messages.iter().for_each(|message| rebuild.zone(&as_raw(message)));
            match messages.last() {
                Some(last) if last.offset() + 1 >= until => Reading::Over,
                _ => Reading::Wanted,
            }
        })
    }

    /// Applies the readings that the stored states do not include.
    fn replay(&self, rebuild: &mut Rebuild, figures: &mut Figures) -> Result<(), Stopped> {
        let range = rebuild.range();
        let total = u64::try_from(range.end - range.start).unwrap_or(0);
        self.tell(0, total);
        if total == 0 {
            return Ok(());
        }
        let mut told = Instant::now();
        self.read(&self.shared.settings.topics.readings, range.start, |messages| {
            let wanted = messages.iter().filter(|message| message.offset() < range.end);
            let records: Vec<RawRecord<'_>> = wanted.map(as_raw).collect();
            figures.replayed += records.len() as u64;
            rebuild.replay(records);
            let next = messages.last().map_or(range.start, |message| message.offset() + 1);
            if told.elapsed() > TELL {
                told = Instant::now();
                self.tell(u64::try_from(next - range.start).unwrap_or(0).min(total), total);
            }
            if next >= range.end {
                Reading::Over
            } else {
                Reading::Wanted
            }
        })?;
        self.tell(total, total);
        Ok(())
    }

    fn tell(&self, done: u64, total: u64) {
        // Nobody listens when the instance is going down.
        let _ = self.sender.send(RestoreEvent::Replaying {
            epoch: self.epoch,
            partition: self.partition,
            done,
            total,
        });
    }

    /// Hands over the records of a topic's partition in batches, from an offset to its end or until no more are wanted.
    fn read(
        &self,
        topic: &str,
        from: i64,
        mut take: impl FnMut(&[BorrowedMessage<'_>]) -> Reading,
    ) -> Result<(), Stopped> {
        // Records that retention removes while they are wanted are an error, not something to leave out. The client is of
        // this topic alone: the end of a partition is told without a topic's name.
        let reader = self.shared.settings.open_reader_that_leaves_nothing_out();
        let reader = reader.map_err(failed("a client"))?;
        let mut list = TopicPartitionList::with_capacity(1);
        list.add_partition_offset(topic, self.partition, Offset::Offset(from))
            .map_err(failed(topic))?;
        reader.assign(&list).map_err(failed(topic))?;
        let mut is_over = false;
        let mut heard = Instant::now();
        while !is_over {
            self.go_on()?;
            let mut messages = Vec::new();
            let mut patience = MOMENT;
            while messages.len() < BATCH && !is_over {
                match reader.poll(patience) {
                    None => break,
                    Some(Ok(message)) => messages.push(message),
                    Some(Err(KafkaError::PartitionEOF(_))) => is_over = true,
                    Some(Err(error)) if passes(&error) && heard.elapsed() < PATIENCE => {}
                    Some(Err(error)) => return Err(failed(topic)(error)),
                }
                patience = Duration::ZERO;
            }
            if messages.is_empty() {
                if heard.elapsed() > PATIENCE {
                    return Err(Stopped::Failed(format!(
                        "{topic}: nothing came for {} s",
                        PATIENCE.as_secs()
                    )));
                }
                continue;
            }
            heard = Instant::now();
            is_over |= take(&messages) == Reading::Over;
        }
        Ok(())
    }
}

/// Whether more of a topic is wanted.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reading {
    Wanted,
    Over,
}

fn failed(what: &str) -> impl Fn(KafkaError) -> Stopped + '_ {
    move |error| Stopped::Failed(format!("{what}: {error}"))
}

/// Whether an error may be gone at the next try.
pub(super) fn passes(error: &KafkaError) -> bool {
    use RDKafkaErrorCode as Code;
    matches!(
        error.rdkafka_error_code(),
        Some(
            Code::OperationTimedOut
                | Code::RequestTimedOut
                | Code::BrokerTransportFailure
                | Code::AllBrokersDown
                | Code::DestroyBroker
                | Code::Resolve
                | Code::LeaderNotAvailable
                | Code::NotLeaderForPartition
                | Code::NotCoordinator
                | Code::CoordinatorNotAvailable
                | Code::CoordinatorLoadInProgress
                | Code::OffsetNotAvailable
                | Code::WaitingForCoordinator
        )
    )
}
