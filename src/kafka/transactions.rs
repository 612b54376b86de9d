//! The transactional producer, call by call.

use std::collections::VecDeque;
use std::sync::mpsc::channel;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::TopicPartitionList;
use rdkafka::consumer::ConsumerGroupMetadata;
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode as Code};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseRecord, Producer, ThreadedProducer};
use rdkafka::topic_partition_list::Offset;

use super::deliveries::{Deliveries, OnTheirWay};
use super::membership::Membership;
use super::name::InstanceName;
use super::settings::KafkaSettings;
use super::warnings::{Warnings, name_of};
use crate::engine::{CommitOffset, OutRecord, TransactionClient, TransactionError};
use crate::telemetry::Metrics;

/// How long one call waits before it says that nothing is known yet. The same call goes on.
const CALL: Duration = Duration::from_secs(1);
/// Records that are refused with one that is too large are told in this time.
const REFUSED_TOGETHER: Duration = Duration::from_millis(100);
/// Offsets cannot be gone on with: a call that gives up aborts the transaction.
const OFFSETS_CALL: Duration = Duration::from_secs(3);
/// The call that adds offsets may not come back in its time, or ever: it heeds none while it waits for the group's coordinator, and where
/// that is gone, with its broker, it may be long until something wakes it (librdkafka's issues 5456 and 5511). After this long it is given
/// up, with its producer.
const OFFSETS_GIVEN_UP: Duration = Duration::from_secs(4);
/// So many such calls at a time are left to themselves, each with a producer; one more, and only a new process helps.
const MOST_GIVEN_UP: usize = 20;
/// More replacements by a producer of the same name than this, in a [`MINUTE`], are no accident.
const MOST_FENCINGS: usize = 3;
const MINUTE: Duration = Duration::from_secs(60);

type TransactionalProducer = ThreadedProducer<Deliveries>;

/// A transactional producer under the name of its instance.
pub struct KafkaTransactions {
    settings: KafkaSettings,
    name: InstanceName,
    warnings: Arc<Warnings>,
    producer: Option<TransactionalProducer>,
    /// The producer has been opened: to open again takes a new one.
    is_open: bool,
    /// When the transaction under way began.
    began: Option<Instant>,
    /// When producers of this one's name shut it out.
    fencings: VecDeque<Instant>,
    /// Calls that were given up; each holds one until it comes back.
    given_up: Arc<()>,
}

impl KafkaTransactions {
    /// A producer that is not open yet.
    pub fn new(settings: &KafkaSettings, name: &InstanceName, metrics: &Metrics) -> Self {
        Self {
            settings: settings.clone(),
            name: name.clone(),
            warnings: Arc::new(Warnings::new(metrics)),
            producer: None,
            is_open: false,
            began: None,
            fencings: VecDeque::new(),
            given_up: Arc::default(),
        }
    }

    fn producer(&self) -> Result<&TransactionalProducer, TransactionError> {
        let missing = || TransactionError::Fatal("there is no producer".into());
        self.producer.as_ref().ok_or_else(missing)
    }

    /// Adds offsets to the transaction, on a thread that can be left behind; `None` if it was. What is left so can do no harm: a new
    /// producer of this name ends the transaction, and nobody commits it before.
    fn add_offsets(
        &self,
        offsets: TopicPartitionList,
        metadata: &Arc<ConsumerGroupMetadata>,
    ) -> Result<Option<KafkaResult<()>>, TransactionError> {
        let (tell, told) = channel();
        let (producer, metadata, held) = (
            self.producer()?.clone(),
            Arc::clone(metadata),
            Arc::clone(&self.given_up),
        );
        let call = move || {
            let added = producer.send_offsets_to_transaction(&offsets, &metadata, OFFSETS_CALL);
            // Whoever has given it up does not listen.
            drop(tell.send(added));
            drop((producer, held));
        };
        let thread = std::thread::Builder::new().name("offsets".into()).spawn(call);
        thread.map_err(|error| TransactionError::Again(format!("no thread to add offsets: {error}")))?;
        Ok(told.recv_timeout(OFFSETS_GIVEN_UP).ok())
    }

    /// A call was given up, and its producer with it.
    fn give_up(&mut self) -> TransactionError {
        let seconds = OFFSETS_GIVEN_UP.as_secs();
        let reason = format!("adding offsets: no answer in {seconds} s; another producer takes over");
        self.warnings.warn("offsets_given_up", &reason);
        // One is held here.
        if Arc::strong_count(&self.given_up) > 1 + MOST_GIVEN_UP {
            return TransactionError::Stop(format!("{reason}, after {MOST_GIVEN_UP} that still wait for one"));
        }
        TransactionError::Fatal(reason)
    }

    /// What an error of a call means.
    fn judge(&mut self, call: &str, error: &KafkaError) -> TransactionError {
        let trouble = Trouble::of(error);
        self.warnings.count(&name_of(trouble.code));
        if trouble.is_fenced() && self.fenced_too_often() {
            return TransactionError::Stop(format!(
                "another instance runs under the name {}; give each its own kafka.instance_id",
                self.name.transactional()
            ));
        }
        trouble.means(call, &self.settings)
    }

    fn fenced_too_often(&mut self) -> bool {
        // A transaction that has outlived its time was ended by the broker, which looks much the same.
        let limit = Duration::from_millis(self.settings.transaction_timeout_ms.into());
        if self.began.is_some_and(|began| began.elapsed() >= limit) {
            return false;
        }
        let now = Instant::now();
        self.fencings.push_back(now);
        while self.fencings.front().is_some_and(|at| now.duration_since(*at) > MINUTE) {
            self.fencings.pop_front();
        }
        self.fencings.len() > MOST_FENCINGS
    }

    /// The producer's own fatal error, where it has one; what failed after it failed because of it.
    fn fatal(&mut self, call: &str) -> Option<TransactionError> {
        let (code, text) = self.producer.as_ref()?.client().fatal_error()?;
        let trouble = Trouble {
            code: Some(code),
            is_fatal: true,
            text,
            ..Trouble::default()
        };
        if trouble.is_fenced() {
            return Some(self.judge(call, &KafkaError::Global(code)));
        }
        Some(trouble.means(call, &self.settings))
    }

    /// Waits while records are on their way and `still`, for `limit` at most.
    fn wait(&self, limit: Duration, still: fn(&OnTheirWay) -> bool) -> Result<(), TransactionError> {
        let deliveries = self.producer()?.context();
        let waits = |on_their_way: &mut OnTheirWay| on_their_way.left > 0 && still(on_their_way);
        let waited = deliveries.arrived.wait_timeout_while(deliveries.lock(), limit, waits);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
        Ok(())
    }

    /// Ends the transaction under way, if that can be done in a moment: nobody who reads what is committed shall wait for
    /// the broker to do it.
    pub fn close(&mut self) {
        if let (Some(producer), Some(_)) = (&self.producer, self.began)
            && let Err(error) = producer.abort_transaction(CALL)
        {
            tracing::debug!(%error, "a transaction is left to the broker, or to the next producer of this name");
        }
        self.began = None;
    }
}

impl TransactionClient for KafkaTransactions {
    type Membership = Membership;

    fn open(&mut self) -> Result<(), TransactionError> {
        if std::mem::take(&mut self.is_open) {
            self.producer = None;
        }
        let producer = match self.producer.take() {
            Some(opening) => opening,
            None => {
                let deliveries = Deliveries::new(Arc::clone(&self.warnings));
                let config = self.settings.transactional(self.name.transactional());
                let made = config.create_with_context(deliveries);
                made.map_err(|error| TransactionError::Stop(format!("the producer: {error}")))?
            }
        };
        match producer.init_transactions(CALL) {
            Ok(()) => {
                (self.producer, self.is_open, self.began) = (Some(producer), true, None);
                Ok(())
            }
            Err(error) => {
                let judged = self.judge("opening", &error);
                if matches!(judged, TransactionError::Again(_)) {
                    self.producer = Some(producer);
                }
                Err(judged)
            }
        }
    }

    fn begin(&mut self) -> Result<(), TransactionError> {
        let producer = self.producer()?;
        *producer.context().lock() = OnTheirWay::default();
        let begun = producer.begin_transaction();
        begun.map_err(|error| self.judge("beginning", &error))?;
        self.began = Some(Instant::now());
        Ok(())
    }

    fn send(&mut self, place: usize, record: &OutRecord) -> Result<(), TransactionError> {
        let topic = self.settings.topics.output(record.output);
        let mut message: BaseRecord<'_, [u8], [u8], usize> = BaseRecord::with_opaque_to(topic, place);
        message.key = record.key.as_deref();
        message.payload = record.value.as_deref();
        message.partition = record.to;
        if !record.headers.is_empty() {
            let headers = OwnedHeaders::new_with_capacity(record.headers.len());
            let with = |headers: OwnedHeaders, (key, value): &(&'static str, String)| {
                headers.insert(Header {
                    key,
                    value: Some(value),
                })
            };
            message.headers = Some(record.headers.iter().fold(headers, with));
        }
        let producer = self.producer()?;
        producer.context().lock().add(place, record.bytes());
        let Err((error, _)) = producer.send(message) else {
            return Ok(());
        };
        producer.context().lock().left -= 1;
        match error.rdkafka_error_code() {
            Some(Code::QueueFull) => Err(TransactionError::Again("the producer's queue is full".into())),
            Some(Code::MessageSizeTooLarge) => Err(TransactionError::TooLarge {
                record: place,
                reason: error.to_string(),
            }),
            Some(code) => {
                let reason = format!("a record for {topic} is refused: {error}");
                let lasting = lasting(code, &reason);
                Err(self
                    .fatal("sending")
                    .unwrap_or_else(|| lasting.unwrap_or(TransactionError::Abort(reason))))
            }
            // A name that cannot be one.
            None => Err(TransactionError::Stop(format!(
                "a record for {topic} is refused: {error}"
            ))),
        }
    }

    fn flush(&mut self) -> Result<(), TransactionError> {
        self.wait(CALL, |on_their_way| {
            on_their_way.failure.is_none() && on_their_way.too_large.is_empty()
        })?;
        if !self.producer()?.context().lock().too_large.is_empty() {
            // Of the others some are refused with it, and some are not even sent until the transaction is aborted.
            self.wait(REFUSED_TOGETHER, |on_their_way| on_their_way.failure.is_none())?;
        }
        let (failure, too_large, left) = {
            let mut on_their_way = self.producer()?.context().lock();
            let too_large = on_their_way.largest_refused();
            (on_their_way.failure.take(), too_large, on_their_way.left)
        };
        let stop = failure.as_ref().and_then(|(code, reason)| lasting(*code, reason));
        if let Some((code, _)) = &failure {
            self.warnings.count(&name_of(Some(*code)));
        }
        match (stop, too_large, failure) {
            (Some(stop), ..) => Err(stop),
            (None, Some(record), _) => Err(TransactionError::TooLarge {
                record,
                reason: "the broker finds it larger than max.message.bytes of its topic".into(),
            }),
            (None, None, Some((_, reason))) => Err(self.fatal("publishing").unwrap_or(TransactionError::Abort(reason))),
            (None, None, None) if left > 0 => Err(TransactionError::Again(format!(
                "{left} records are not acknowledged yet"
            ))),
            (None, None, None) => Ok(()),
        }
    }

    fn send_offsets(&mut self, offsets: &[CommitOffset], membership: &Membership) -> Result<(), TransactionError> {
        let topic = &self.settings.topics.readings;
        let mut list = TopicPartitionList::with_capacity(offsets.len());
        for offset in offsets {
            let mut element = list.add_partition(topic, offset.partition);
            element.set_metadata(offset.metadata.to_string());
            let set = element.set_offset(Offset::Offset(offset.next_offset));
            set.map_err(|error| TransactionError::Stop(format!("offset {}: {error}", offset.next_offset)))?;
        }
        let sent = membership
            .while_it_holds(|metadata| self.add_offsets(list, metadata))
            .ok_or_else(|| TransactionError::Abort("partitions were given back meanwhile".into()))??;
        match sent {
            Some(added) => added.map_err(|error| self.judge("adding offsets", &error)),
            None => Err(self.give_up()),
        }
    }

    fn commit(&mut self) -> Result<(), TransactionError> {
        let committed = self.producer()?.commit_transaction(CALL);
        committed.map_err(|error| self.judge("committing", &error))?;
        self.began = None;
        Ok(())
    }

    fn abort(&mut self) -> Result<(), TransactionError> {
        let aborted = self.producer()?.abort_transaction(CALL);
        aborted.map_err(|error| self.judge("aborting", &error))?;
        self.began = None;
        Ok(())
    }
}

/// What librdkafka says of an error.
#[derive(Clone, Debug, Default)]
struct Trouble {
    code: Option<Code>,
    is_fatal: bool,
    must_abort: bool,
    may_try_again: bool,
    text: String,
}

impl Trouble {
    fn of(error: &KafkaError) -> Self {
        let text = error.to_string();
        match error {
            KafkaError::Transaction(error) => Self {
                code: Some(error.code()),
                is_fatal: error.is_fatal(),
                must_abort: error.txn_requires_abort(),
                may_try_again: error.is_retriable(),
                text,
            },
            // Records are still on their way: the commit goes on.
            KafkaError::Flush(code) => Self {
                code: Some(*code),
                may_try_again: true,
                text,
                ..Self::default()
            },
            other => Self {
                code: other.rdkafka_error_code(),
                text,
                ..Self::default()
            },
        }
    }

    fn is_fenced(&self) -> bool {
        matches!(
            self.code,
            Some(Code::Fenced | Code::ProducerFenced | Code::InvalidProducerEpoch)
        )
    }

    /// What follows from it. What cannot be told apart asks for a new producer, which is never wrong: what the last one
    /// carried is in doubt then, and looked up.
    fn means(&self, call: &str, settings: &KafkaSettings) -> TransactionError {
        let reason = format!("{call} failed: {}", self.text);
        match self.code {
            Some(Code::InvalidTransactionTimeout) => TransactionError::Stop(format!(
                "kafka.transaction_timeout_ms = {} is more than the broker allows (transaction.max.timeout.ms)",
                settings.transaction_timeout_ms
            )),
            Some(
                Code::TransactionalIdAuthorizationFailed
                | Code::ClusterAuthorizationFailed
                | Code::TopicAuthorizationFailed
                | Code::GroupAuthorizationFailed
                | Code::UnsupportedFeature
                | Code::UnsupportedVersion,
            ) => TransactionError::Stop(reason),
            // The group has moved on.
            Some(
                Code::IllegalGeneration
                | Code::UnknownMemberId
                | Code::FencedInstanceId
                | Code::FencedMemberEpoch
                | Code::StaleMemberEpoch
                | Code::RebalanceInProgress,
            ) if !self.is_fatal => TransactionError::Abort(reason),
            _ if self.is_fatal => TransactionError::Fatal(reason),
            _ if self.must_abort => TransactionError::Abort(reason),
            _ if self.may_try_again => TransactionError::Again(reason),
            Some(
                Code::OperationTimedOut
                | Code::TimedOutQueue
                | Code::RequestTimedOut
                | Code::BrokerTransportFailure
                | Code::AllBrokersDown
                | Code::CoordinatorNotAvailable
                | Code::CoordinatorLoadInProgress
                | Code::NotCoordinator
                | Code::ConcurrentTransactions
                | Code::PreviousInProgress
                | Code::Conflict,
            ) => TransactionError::Again(reason),
            _ => TransactionError::Fatal(reason),
        }
    }
}

/// Why a record was refused, if it will be again.
fn lasting(code: Code, reason: &str) -> Option<TransactionError> {
    let stop = |what: &str| Some(TransactionError::Stop(format!("{reason}: {what}")));
    match code {
        Code::TopicAuthorizationFailed | Code::ClusterAuthorizationFailed => stop("tapwatch may not write there"),
        Code::TransactionalIdAuthorizationFailed => stop("tapwatch may not use its transactional id"),
        Code::UnknownTopic | Code::UnknownTopicOrPartition | Code::UnknownPartition => {
            stop("the topic or the partition is not there (any more): `tapwatch topics` says what should be")
        }
        Code::PolicyViolation | Code::InvalidRequiredAcks | Code::InvalidRecord => {
            stop("the topic takes no such record")
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use rdkafka::mocking::{MockCluster, MockCoordinator};

    use super::super::membership::Handovers;
    use super::*;
    use crate::engine::{BesideOffsets, CommitMetadata};
    use crate::model::EventTime;
    use crate::partition::ReplayPoint;

    fn means(trouble: &Trouble) -> TransactionError {
        trouble.means("a call", &KafkaSettings::default())
    }

    fn plain(code: Code) -> Trouble {
        Trouble {
            code: Some(code),
            text: "text".into(),
            ..Trouble::default()
        }
    }

    #[test]
    fn what_librdkafka_marks_is_taken_at_its_word_and_the_worst_mark_counts() {
        let mut trouble = plain(Code::OperationTimedOut);
        trouble.may_try_again = true;
        assert_eq!(means(&trouble), TransactionError::Again("a call failed: text".into()));
        trouble.must_abort = true;
        assert!(matches!(means(&trouble), TransactionError::Abort(_)));
        trouble.is_fatal = true;
        assert!(matches!(means(&trouble), TransactionError::Fatal(_)));
    }

    #[test]
    fn a_group_that_moved_on_aborts() {
        for code in [
            Code::IllegalGeneration,
            Code::UnknownMemberId,
            Code::FencedInstanceId,
            Code::FencedMemberEpoch,
            Code::StaleMemberEpoch,
        ] {
            assert!(matches!(means(&plain(code)), TransactionError::Abort(_)), "{code:?}");
        }
    }

    #[test]
    fn no_permission_stops_however_it_is_marked() {
        let mut trouble = plain(Code::TransactionalIdAuthorizationFailed);
        trouble.is_fatal = true;
        assert!(matches!(means(&trouble), TransactionError::Stop(_)));
        let mut trouble = plain(Code::GroupAuthorizationFailed);
        trouble.must_abort = true;
        assert!(matches!(means(&trouble), TransactionError::Stop(_)));
        let mut trouble = plain(Code::InvalidTransactionTimeout);
        trouble.is_fatal = true;
        let TransactionError::Stop(text) = means(&trouble) else {
            panic!("{trouble:?}");
        };
        assert!(text.contains("kafka.transaction_timeout_ms = 10000"), "{text}");
    }

    #[test]
    fn an_unanswered_call_goes_on_and_an_unknown_error_asks_for_a_new_producer() {
        for code in [
            Code::OperationTimedOut,
            Code::BrokerTransportFailure,
            Code::CoordinatorNotAvailable,
        ] {
            assert!(matches!(means(&plain(code)), TransactionError::Again(_)), "{code:?}");
        }
        for code in [Code::State, Code::Fatal, Code::Unknown, Code::OutOfOrderSequenceNumber] {
            assert!(matches!(means(&plain(code)), TransactionError::Fatal(_)), "{code:?}");
        }
        let flushed = Trouble::of(&KafkaError::Flush(Code::OperationTimedOut));
        assert!(matches!(means(&flushed), TransactionError::Again(_)));
    }

    #[test]
    fn records_that_no_topic_will_take_stop_and_others_abort() {
        for code in [
            Code::TopicAuthorizationFailed,
            Code::UnknownTopic,
            Code::UnknownPartition,
        ] {
            assert!(
                matches!(lasting(code, "r"), Some(TransactionError::Stop(_))),
                "{code:?}"
            );
        }
        for code in [Code::MessageTimedOut, Code::PurgeQueue, Code::NotLeaderForPartition] {
            assert_eq!(lasting(code, "r"), None, "{code:?}");
        }
    }

    /// Calls again while nothing is known yet.
    fn until_it_is<T>(mut call: impl FnMut() -> Result<T, TransactionError>) -> T {
        let deadline = Instant::now() + MINUTE;
        loop {
            match call() {
                Ok(done) => return done,
                Err(TransactionError::Again(_)) if Instant::now() < deadline => {}
                Err(error) => panic!("{error}"),
            }
        }
    }

    #[test]
    fn a_call_that_does_not_come_back_is_given_up_with_its_producer() {
        let cluster = MockCluster::new(2).expect("a cluster");
        let settings = KafkaSettings {
            bootstrap_servers: cluster.bootstrap_servers(),
            instance_id: "one".into(),
            ..KafkaSettings::default()
        };
        let name = InstanceName::claim(&settings);
        let topic = &settings.topics.readings;
        cluster.create_topic(topic, 1, 2).expect("a topic");
        // What the producer itself needs is at the first broker, and the group at the second.
        let coordinators = [
            (MockCoordinator::Transaction(name.transactional().to_owned()), 1),
            (MockCoordinator::Group("nobody".to_owned()), 2),
        ];
        for (coordinator, broker) in coordinators {
            cluster.coordinator(coordinator, broker).expect("a broker");
        }
        let membership = Membership::of_nobody(&Handovers::default(), 0);
        let offsets = [CommitOffset {
            partition: 0,
            next_offset: 7,
            metadata: CommitMetadata {
                clock: EventTime::ZERO,
                beside: BesideOffsets::default(),
                replay: ReplayPoint::default(),
                homes: 0,
                stored: 0,
                partitions: 1,
                cluster: "mock".into(),
            },
            inputs: Vec::new(),
        }];
        let mut client = KafkaTransactions::new(&settings, &name, &Metrics::new());
        until_it_is(|| client.open());
        client.begin().expect("a transaction");
        cluster.broker_down(2).expect("a broker");
        let given_up = client.send_offsets(&offsets, &membership);
        assert!(
            matches!(&given_up, Err(TransactionError::Fatal(reason)) if reason.contains("no answer")),
            "{given_up:?}"
        );
        assert_eq!(Arc::strong_count(&client.given_up), 2);
        cluster.broker_up(2).expect("a broker");
        until_it_is(|| client.open());
        client.begin().expect("a transaction");
        client
            .send_offsets(&offsets, &membership)
            .expect("its coordinator is back");
        until_it_is(|| client.commit());
    }

    #[test]
    fn one_call_too_many_that_does_not_come_back_stops() {
        let settings = KafkaSettings::default();
        let name = InstanceName::claim(&settings);
        let mut client = KafkaTransactions::new(&settings, &name, &Metrics::new());
        let mut left: Vec<Arc<()>> = vec![Arc::clone(&client.given_up); MOST_GIVEN_UP];
        assert!(matches!(client.give_up(), TransactionError::Fatal(_)));
        left.push(Arc::clone(&client.given_up));
        assert!(matches!(client.give_up(), TransactionError::Stop(_)));
    }

    #[test]
    fn a_name_that_two_use_stops_and_a_broker_that_ends_old_transactions_does_not() {
        let settings = KafkaSettings {
            instance_id: "one".into(),
            ..KafkaSettings::default()
        };
        let client = || {
            let name = InstanceName::claim(&settings);
            KafkaTransactions::new(&settings, &name, &Metrics::new())
        };
        let fenced = KafkaError::Global(Code::Fenced);
        let mut twice = client();
        for _ in 0..MOST_FENCINGS {
            assert!(matches!(twice.judge("committing", &fenced), TransactionError::Fatal(_)));
        }
        let TransactionError::Stop(text) = twice.judge("committing", &fenced) else {
            panic!("it goes on");
        };
        assert!(
            text.contains("tapwatch-one") && text.contains("kafka.instance_id"),
            "{text}"
        );

        let mut slow = client();
        slow.settings.transaction_timeout_ms = 0;
        slow.began = Some(Instant::now());
        for _ in 0..10 {
            assert!(matches!(slow.judge("committing", &fenced), TransactionError::Fatal(_)));
        }
    }
}
