//! The consumer group: readings in, partitions coming and going.

use std::collections::BTreeMap;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext, Rebalance};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Message, Timestamp};
use rdkafka::topic_partition_list::Offset;
use rdkafka::{ClientContext, Statistics, TopicPartitionList};

use super::beside::Beside;
use super::membership::{Handovers, Membership};
use super::name::InstanceName;
use super::reader::{is_end, say_quietly};
use super::settings::KafkaSettings;
use super::warnings::{Warnings, name_of};
use crate::engine::{Answer, Batch, BesideOffsets, GroupEvent, Source, SourceError};
use crate::model::{EventTime, InputTopic, RawRecord};
use crate::telemetry::Metrics;

/// How long librdkafka may take to answer a question about itself.
const QUESTION: Duration = Duration::from_secs(1);
/// How long one poll waits for something to happen.
const PATIENCE: Duration = Duration::from_millis(50);

/// Readings taken in the first turn.
const FIRST_TURN: usize = 1_000;
/// After a turn that took longer, fewer are taken. Late readings may each bring a thousand times the work of others.
const LONG_TURN: Duration = Duration::from_secs(1);

/// What happens in librdkafka's callbacks, which run inside the polls of the engine's own thread.
pub struct GroupContext {
    topic: String,
    warnings: Warnings,
    happened: Mutex<Happened>,
    handovers: Handovers,
}

#[derive(Default)]
struct Happened {
    rebalances: VecDeque<(Change, Vec<i32>)>,
    ends: BTreeMap<i32, i64>,
    /// Offsets that were passed over, from and to, and how often the statistics have been asked why.
    gaps: BTreeMap<i32, (i64, i64, u8)>,
}

/// The statistics may be older than a gap; the second after it are not.
const LOOKS: u8 = 2;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Change {
    Assigned,
    Revoked,
    Lost,
}

impl GroupContext {
    fn happened(&self) -> MutexGuard<'_, Happened> {
        self.happened.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ClientContext for GroupContext {
    fn log(&self, _: RDKafkaLogLevel, facility: &str, message: &str) {
        say_quietly(facility, message);
    }

    fn stats(&self, statistics: Statistics) {
        let Some(topic) = statistics.topics.get(&self.topic) else {
            return;
        };
        let known = topic.partitions.iter().filter(|(partition, _)| **partition >= 0);
        let mut happened = self.happened();
        happened.ends = known
            .clone()
            .map(|(partition, figures)| (*partition, figures.ls_offset))
            .collect();
        for (partition, figures) in known {
            let Some((from, to, looks)) = happened.gaps.remove(partition) else {
                continue;
            };
            // Offsets without a record are no loss; those that retention has taken are.
            let lost = figures.lo_offset.min(to) - from;
            if lost > 0 {
                self.warnings.lost(*partition, lost.unsigned_abs());
            } else if looks + 1 < LOOKS {
                happened.gaps.insert(*partition, (from, to, looks + 1));
            }
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        if is_end(&error) {
            return;
        }
        let text = format!("Kafka: {reason}; tapwatch goes on trying");
        self.warnings.warn(&name_of(error.rdkafka_error_code()), &text);
    }
}

impl ConsumerContext for GroupContext {
    fn pre_rebalance(&self, consumer: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        if let Rebalance::Revoke(list) = rebalance {
            // Before the group hears that they are free.
            self.handovers.begin();
            let change = if consumer.assignment_lost() {
                Change::Lost
            } else {
                Change::Revoked
            };
            let partitions = of_topic(list, &self.topic);
            self.happened().rebalances.push_back((change, partitions));
        }
    }

    fn post_rebalance(&self, consumer: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        match rebalance {
            Rebalance::Assign(list) => {
                // Nothing is read before the state is there.
                if let Err(error) = consumer.pause(list) {
                    tracing::error!(%error, "partitions could not be paused; their records are dropped until they are live");
                }
                let partitions = of_topic(list, &self.topic);
                self.happened().rebalances.push_back((Change::Assigned, partitions));
            }
            Rebalance::Revoke(_) => {}
            Rebalance::Error(error) => self.warnings.warn("rebalance", &format!("a rebalance failed: {error}")),
        }
    }
}

fn of_topic(list: &TopicPartitionList, topic: &str) -> Vec<i32> {
    list.elements_for_topic(topic)
        .iter()
        .map(rdkafka::topic_partition_list::TopicPartitionListElem::partition)
        .collect()
}

/// A member of the group.
pub type GroupMember = Arc<BaseConsumer<GroupContext>>;

/// Joins the group under a name, reading the readings topic.
///
/// # Errors
/// A property that librdkafka refuses.
pub fn join(settings: &KafkaSettings, name: &InstanceName, metrics: &Metrics) -> Result<GroupMember, KafkaError> {
    let context = GroupContext {
        topic: settings.topics.readings.clone(),
        warnings: Warnings::new(metrics),
        happened: Mutex::default(),
        handovers: Handovers::default(),
    };
    let consumer: BaseConsumer<GroupContext> = settings.consumer(name.member()).create_with_context(context)?;
    consumer.subscribe(&[&settings.topics.readings])?;
    Ok(Arc::new(consumer))
}

/// The source port on Kafka.
pub struct KafkaSource {
    member: GroupMember,
    /// The topics beside the readings, in the order of [`InputTopic::BESIDE`].
    beside: Vec<Beside>,
    /// Partitions that are to run, and from where, and that librdkafka has not let run yet.
    resuming: BTreeMap<i32, Option<i64>>,
    /// The next offset of each partition that runs.
    expected: BTreeMap<i32, i64>,
    settings: KafkaSettings,
    pace: Pace,
}

/// How many readings are taken in a turn: few at first, and more as long as that takes no time. An instance that took so long
/// that it was put out of the group reads the same again, and must not take as many at once.
struct Pace {
    most: usize,
    limit: usize,
}

impl Pace {
    fn new(limit: usize) -> Self {
        Self {
            most: limit.min(FIRST_TURN),
            limit,
        }
    }

    fn took(&mut self, time: Duration, records: usize) {
        if time > LONG_TURN {
            self.most = (self.most / 2).max(1);
        } else if records >= self.most {
            self.most = (self.most * 2).min(self.limit);
        }
    }
}

impl KafkaSource {
    /// Reads as `member`.
    ///
    /// # Errors
    /// A property that librdkafka refuses.
    pub fn new(settings: &KafkaSettings, member: GroupMember) -> Result<Self, KafkaError> {
        let beside = InputTopic::BESIDE.map(|topic| Beside::new(settings, topic));
        Ok(Self {
            member,
            beside: beside.into_iter().collect::<Result<_, _>>()?,
            resuming: BTreeMap::new(),
            expected: BTreeMap::new(),
            settings: settings.clone(),
            pace: Pace::new(settings.max_batch),
        })
    }

    fn list(&self, partition: i32) -> TopicPartitionList {
        let mut list = TopicPartitionList::with_capacity(1);
        list.add_partition(&self.settings.topics.readings, partition);
        list
    }

    /// Sets a partition to where its state stands, and lets it run.
    fn let_run(&self, partition: i32, offset: Option<i64>) -> Result<(), KafkaError> {
        if let Some(offset) = offset {
            // What was fetched before the pause is dropped.
            let topic = &self.settings.topics.readings;
            self.member.seek(topic, partition, Offset::Offset(offset), QUESTION)?;
        }
        self.member.resume(&self.list(partition))
    }

    /// Lets partitions run that are to. librdkafka refuses while it still asks for their committed offsets; a partition
    /// that ran from there without its seek could leave out readings, so it stays paused and the next poll tries again.
    fn let_all_run(&mut self) {
        let mut resuming = std::mem::take(&mut self.resuming);
        let mut expected = std::mem::take(&mut self.expected);
        resuming.retain(|partition, offset| match self.let_run(*partition, *offset) {
            Ok(()) => {
                expected.extend(offset.map(|offset| (*partition, offset)));
                false
            }
            Err(error) => {
                let text = format!("partition {partition} does not run yet: {error}; tried again");
                self.member.context().warnings.warn("resume", &text);
                true
            }
        });
        (self.resuming, self.expected) = (resuming, expected);
    }

    /// Gathers what can be had without waiting, after waiting a little for the first record.
    fn gather<'a>(
        member: &'a BaseConsumer<GroupContext>,
        most: usize,
        ends: &mut Vec<i32>,
    ) -> Result<Vec<BorrowedMessage<'a>>, SourceError> {
        let mut messages = Vec::new();
        let mut patience = PATIENCE;
        while messages.len() < most {
            match member.poll(patience) {
                None => break,
                Some(Ok(message)) => messages.push(message),
                Some(Err(KafkaError::PartitionEOF(partition))) => ends.push(partition),
                Some(Err(error)) => note_error(member, &error)?,
            }
            patience = Duration::ZERO;
        }
        Ok(messages)
    }
}

/// Holds a batch against the offset that was to come next.
///
/// # Errors
/// When the log goes back: it is another log.
fn follow(
    expected: &mut BTreeMap<i32, i64>,
    context: &GroupContext,
    partition: i32,
    first: i64,
    last: i64,
) -> Result<(), SourceError> {
    let Some(expected) = expected.get_mut(&partition) else {
        return Ok(());
    };
    if first < *expected {
        return Err(SourceError(format!(
            "{}/{partition} goes back from offset {expected} to {first}: the topic was made anew under this instance, and \
             what is committed and stored is of the old one; take another group and state topic",
            context.topic
        )));
    }
    if first > *expected {
        let gap = (*expected, first, 0);
        context.happened().gaps.entry(partition).or_insert(gap);
    }
    *expected = last + 1;
    Ok(())
}

/// Tells trouble that passes from trouble that does not.
fn note_error(member: &BaseConsumer<GroupContext>, error: &KafkaError) -> Result<(), SourceError> {
    let fatal = member.client().fatal_error();
    let code = fatal
        .as_ref()
        .map(|(code, _)| *code)
        .or_else(|| error.rdkafka_error_code());
    let text = fatal.map_or_else(|| error.to_string(), |(_, text)| text);
    if let Some(reason) = lasting(code, &text, &member.context().topic) {
        return Err(SourceError(reason));
    }
    let text = format!("reading: {text}; tapwatch goes on trying");
    member.context().warnings.warn(&name_of(code), &text);
    Ok(())
}

/// Why reading cannot go on, if it cannot.
fn lasting(code: Option<RDKafkaErrorCode>, text: &str, topic: &str) -> Option<String> {
    use RDKafkaErrorCode as Code;
    match code? {
        Code::TopicAuthorizationFailed => Some(format!("no permission to read topic {topic}")),
        Code::GroupAuthorizationFailed => Some("no permission to join the consumer group".to_owned()),
        Code::UnknownTopicOrPartition | Code::UnknownTopic => Some(format!(
            "topic {topic} does not exist (any more): `tapwatch topics --create` makes it"
        )),
        Code::FencedInstanceId => Some(format!(
            "another process runs under kafka.instance_id of this one; give each its own ({text})"
        )),
        Code::UnreleasedInstanceId => Some(format!(
            "the group still holds kafka.instance_id of this one: for another process that runs, which wants a name of its own, \
             or for one that died, until its session ends; start again then ({text})"
        )),
        Code::Fatal => Some(format!("this member of the group cannot go on: {text}")),
        _ => None,
    }
}

/// A message as the core reads it.
pub(super) fn as_raw(message: &impl Message) -> RawRecord<'_> {
    let timestamp = match message.timestamp() {
        Timestamp::NotAvailable => None,
        Timestamp::CreateTime(millis) | Timestamp::LogAppendTime(millis) => EventTime::from_millis(millis),
    };
    RawRecord {
        offset: message.offset(),
        timestamp,
        key: message.key(),
        value: message.payload(),
    }
}

impl Source for KafkaSource {
    type Membership = Membership;

    fn poll(&mut self, visit: &mut dyn FnMut(GroupEvent<'_>) -> Answer) -> Result<(), SourceError> {
        let mut ends = Vec::new();
        self.let_all_run();
        let mut messages = Self::gather(&self.member, self.pace.most, &mut ends)?;
        let rebalances = std::mem::take(&mut self.member.context().happened().rebalances);
        for (change, partitions) in &rebalances {
            visit(match change {
                Change::Assigned => GroupEvent::Assigned(partitions),
                Change::Revoked => GroupEvent::Revoked(partitions),
                Change::Lost => GroupEvent::Lost(partitions),
            });
            self.expected.retain(|partition, _| !partitions.contains(partition));
            if *change != Change::Assigned {
                self.resuming.retain(|partition, _| !partitions.contains(partition));
                self.beside.iter_mut().for_each(|topic| topic.leave(partitions));
            }
        }
        messages.sort_by_key(Message::partition);
        for batch in messages.chunk_by(|a, b| a.partition() == b.partition()) {
            let (first, last) = (batch[0].offset(), batch[batch.len() - 1].offset());
            follow(
                &mut self.expected,
                self.member.context(),
                batch[0].partition(),
                first,
                last,
            )?;
        }
        let warnings = &self.member.context().warnings;
        let records: Vec<RawRecord<'_>> = messages.iter().map(as_raw).collect();
        let mut rest = records.as_slice();
        let mut batches = Vec::new();
        for of_one in messages.chunk_by(|a, b| a.partition() == b.partition()) {
            let (records, others) = rest.split_at(of_one.len());
            rest = others;
            let partition = of_one[0].partition();
            batches.push(Batch { partition, records });
        }
        let mut announced = batches.clone();
        loop {
            let asks = |batch: &Batch<'_>| visit(GroupEvent::Ahead(*batch)) == Answer::HomesFirst;
            let (first, others): (Vec<_>, Vec<_>) = announced.into_iter().partition(asks);
            for batch in &first {
                let homes = |beside: &&mut Beside| beside.topic() == InputTopic::Homes;
                for topic in self.beside.iter_mut().filter(homes) {
                    topic.read_to_end(batch.partition, warnings, visit)?;
                }
            }
            // What came of other partitions on the way may have made a home new there.
            announced = others;
            if first.is_empty() || announced.is_empty() {
                break;
            }
        }
        if !batches.is_empty() {
            let began = Instant::now();
            visit(GroupEvent::Readings(&batches));
            self.pace.took(began.elapsed(), records.len());
        }
        for partition in ends {
            visit(GroupEvent::End(partition));
        }
        for topic in &mut self.beside {
            topic.hand_over(warnings, visit)?;
        }
        Ok(())
    }

    fn pause(&mut self, partition: i32) {
        self.resuming.remove(&partition);
        if let Err(error) = self.member.pause(&self.list(partition)) {
            tracing::warn!(partition, %error, "a partition could not be paused");
        }
    }

    fn resume(&mut self, partition: i32, offset: Option<i64>) {
        self.resuming.insert(partition, offset);
        self.let_all_run();
    }

    fn follow(&mut self, partition: i32, offsets: &BesideOffsets) {
        for topic in &mut self.beside {
            topic.follow(partition, offsets.next(topic.topic()));
        }
    }

    fn lag(&self, partition: i32, next_offset: i64) -> Option<u64> {
        let end = self
            .member
            .context()
            .happened()
            .ends
            .get(&partition)
            .copied()
            .filter(|end| *end >= 0)?;
        Some(u64::try_from(end - next_offset).unwrap_or(0))
    }

    fn membership(&self) -> Option<Membership> {
        // Asked on the thread that polls: what a rebalance in the background takes away is still to be polled, and until
        // then the group does not give it to another member of this generation.
        Membership::of(&self.member, &self.member.context().handovers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_grow_while_they_take_no_time_and_shrink_when_they_do() {
        let mut pace = Pace::new(5_000);
        let took = |pace: &mut Pace, millis, records| {
            pace.took(Duration::from_millis(millis), records);
            pace.most
        };
        assert_eq!(pace.most, 1_000);
        assert_eq!(took(&mut pace, 10, 999), 1_000, "there was no more to take");
        assert_eq!(took(&mut pace, 10, 1_000), 2_000);
        assert_eq!(took(&mut pace, 10, 2_000), 4_000);
        assert_eq!(took(&mut pace, 10, 4_000), 5_000);
        assert_eq!(took(&mut pace, 1_001, 5_000), 2_500);
        let least = (0..20).map(|_| took(&mut pace, 9_000, 1)).last();
        assert_eq!(least, Some(1));
        assert_eq!(took(&mut pace, 10, 1), 2);
        assert_eq!(Pace::new(7).most, 7);
    }

    #[test]
    fn what_passes_is_told_from_what_does_not() {
        use RDKafkaErrorCode as Code;
        let said = |code| lasting(Some(code), "text", "readings");
        assert!(said(Code::FencedInstanceId).is_some_and(|text| text.contains("kafka.instance_id")));
        assert!(said(Code::UnknownTopicOrPartition).is_some_and(|text| text.contains("topics --create")));
        for code in [
            Code::TopicAuthorizationFailed,
            Code::GroupAuthorizationFailed,
            Code::Fatal,
        ] {
            assert!(said(code).is_some(), "{code:?}");
        }
        for code in [Code::AllBrokersDown, Code::BrokerTransportFailure, Code::Resolve] {
            assert_eq!(said(code), None, "{code:?}");
        }
        assert_eq!(lasting(None, "text", "readings"), None);
    }
    #[test]
    fn a_log_that_goes_back_is_another_one_and_a_gap_is_looked_into() {
        let settings = KafkaSettings::default();
        let metrics = Metrics::new();
        let context = GroupContext {
            topic: settings.topics.readings,
            warnings: Warnings::new(&metrics),
            happened: Mutex::default(),
            handovers: Handovers::default(),
        };
        let mut expected = BTreeMap::from([(3, 10)]);
        // A partition that does not run yet is not followed.
        assert_eq!(follow(&mut expected, &context, 1, 5, 5), Ok(()));
        assert_eq!(follow(&mut expected, &context, 3, 10, 14), Ok(()));
        assert!(context.happened().gaps.is_empty());
        assert_eq!(follow(&mut expected, &context, 3, 18, 20), Ok(()));
        assert_eq!(context.happened().gaps, BTreeMap::from([(3, (15, 18, 0))]));
        let error = follow(&mut expected, &context, 3, 4, 9).expect_err("it goes back");
        assert!(error.0.contains("/3 goes back from offset 21 to 4"), "{error}");
    }
}
