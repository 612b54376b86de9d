//! Transactions on a real broker: whole or not at all, and by the one whose turn it is.

// A test of clients: it waits for them by the wall clock.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

mod support;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{Headers, Message};
use rdkafka::topic_partition_list::Offset;
use rdkafka::{ClientConfig, TopicPartitionList};

use support::broker::Broker;
use support::service::wait_until_decided;
use tapwatch::engine::{
    Answer, BesideOffsets, CommitMetadata, CommitOffset, Commits, Engine, EngineSettings, GroupEvent, Now, Observation,
    Observer, OutRecord, Progress, Source, Transaction, TransactionClient, TransactionError, Transactor, Verdict,
};
use tapwatch::kafka::{
    Feeder, InstanceName, KafkaCommits, KafkaRestorer, KafkaSettings, KafkaSource, KafkaTransactions, Membership,
    cluster_id, deployment, join,
};
use tapwatch::model::{EventTime, InputTopic, Output};
use tapwatch::partition::{ReplayPoint, Rules};
use tapwatch::telemetry::Metrics;

const PARTITIONS: usize = 2;
const LIMIT: Duration = Duration::from_secs(60);
/// What a topic for dead letters takes in these tests.
const SMALL: usize = 100_000;

/// Topics and a group of one test's own.
fn deployed(name: &str) -> KafkaSettings {
    deployed_on(Broker::shared(), name)
}

fn deployed_on(broker: &Broker, name: &str) -> KafkaSettings {
    let mut settings = KafkaSettings {
        bootstrap_servers: broker.bootstrap(),
        group_id: name.into(),
        instance_id: "one".into(),
        transaction_timeout_ms: 60_000,
        ..KafkaSettings::default()
    };
    let topics = &mut settings.topics;
    for topic in [
        &mut topics.readings,
        &mut topics.homes,
        &mut topics.signs,
        &mut topics.responses,
        &mut topics.zones,
        &mut topics.alerts,
        &mut topics.area_alerts,
        &mut topics.visits,
        &mut topics.dead_letter,
        &mut topics.state,
    ] {
        *topic = format!("{name}.{topic}");
    }
    let small = SMALL.to_string();
    for topic in InputTopic::ALL {
        broker.create_topic(topics.input(topic), PARTITIONS, &[]);
    }
    broker.create_topic(&topics.alerts, PARTITIONS, &[]);
    broker.create_topic(&topics.dead_letter, PARTITIONS, &[("max.message.bytes", &small)]);
    for topic in [&topics.visits, &topics.area_alerts] {
        broker.create_topic(topic, PARTITIONS, &[]);
    }
    broker.create_topic(&topics.state, PARTITIONS, &[("cleanup.policy", "compact")]);
    settings
}

fn client(settings: &KafkaSettings) -> KafkaTransactions {
    KafkaTransactions::new(settings, &InstanceName::claim(settings), &Metrics::new())
}

/// Makes a call until it is answered.
fn call(mut call: impl FnMut() -> Result<(), TransactionError>) -> Result<(), TransactionError> {
    let deadline = Instant::now() + LIMIT;
    loop {
        match call() {
            Err(TransactionError::Again(reason)) => assert!(Instant::now() < deadline, "waited in vain: {reason}"),
            answer => return answer,
        }
    }
}

fn open(settings: &KafkaSettings) -> KafkaTransactions {
    let mut client = client(settings);
    call(|| client.open()).expect("it opens");
    client
}

fn record(output: Output, partition: i32, key: &str, value: &[u8]) -> OutRecord {
    OutRecord {
        output,
        partition,
        to: (output == Output::State).then_some(partition),
        key: Some(key.into()),
        value: Some(value.to_vec()),
        headers: vec![("about", key.to_owned())],
    }
}

fn send_all(client: &mut KafkaTransactions, records: &[OutRecord]) {
    call(|| client.begin()).expect("it begins");
    for (place, record) in records.iter().enumerate() {
        call(|| client.send(place, record)).expect("it takes a record");
    }
    call(|| client.flush()).expect("all arrive");
}

fn offset(partition: i32, next_offset: i64) -> CommitOffset {
    CommitOffset {
        partition,
        next_offset,
        metadata: CommitMetadata {
            clock: EventTime::ZERO,
            beside: BesideOffsets::default(),
            replay: ReplayPoint::default(),
            homes: 3,
            stored: 0,
            partitions: PARTITIONS as i32,
            cluster: "a-cluster".into(),
        },
        inputs: Vec::new(),
    }
}

/// The payloads in a topic by partition and key, as they are seen under an isolation level.
fn seen_by(isolation: &str, topic: &str) -> BTreeMap<(i32, String), Vec<u8>> {
    seen_on(Broker::shared(), isolation, topic)
}

fn seen_on(broker: &Broker, isolation: &str, topic: &str) -> BTreeMap<(i32, String), Vec<u8>> {
    let mut config = broker.client();
    config.set("group.id", "onlooker").set("enable.auto.commit", "false");
    config
        .set("isolation.level", isolation)
        .set("enable.partition.eof", "true");
    let consumer: BaseConsumer = config.create().expect("a consumer");
    let mut list = TopicPartitionList::new();
    for partition in 0..PARTITIONS as i32 {
        list.add_partition_offset(topic, partition, Offset::Beginning)
            .expect("an offset");
    }
    consumer.assign(&list).expect("an assignment");
    let (mut found, mut ends, deadline) = (BTreeMap::new(), 0, Instant::now() + LIMIT);
    while ends < PARTITIONS {
        assert!(Instant::now() < deadline, "{ends} partitions of {topic} are read");
        match consumer.poll(Duration::from_millis(100)) {
            Some(Ok(message)) => {
                let key = String::from_utf8_lossy(message.key().unwrap_or_default()).into_owned();
                if let Some(headers) = message.headers() {
                    assert_eq!(headers.get(0).value, Some(key.as_bytes()));
                }
                found.insert(
                    (message.partition(), key),
                    message.payload().unwrap_or_default().to_vec(),
                );
            }
            Some(Err(KafkaError::PartitionEOF(_))) => ends += 1,
            Some(Err(error)) => panic!("{topic}: {error}"),
            None => {}
        }
    }
    found
}

fn committed_in(topic: &str) -> BTreeMap<(i32, String), Vec<u8>> {
    wait_until_decided(&Broker::shared().client(), topic, PARTITIONS as i32);
    seen_by("read_committed", topic)
}

/// The group's offset of a partition of the readings.
fn group_offset(settings: &KafkaSettings, partition: i32) -> (Offset, String) {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", &settings.bootstrap_servers)
        .set("group.id", &settings.group_id)
        .set("isolation.level", "read_committed");
    let consumer: BaseConsumer = config.create().expect("a consumer");
    let mut list = TopicPartitionList::new();
    list.add_partition(&settings.topics.readings, partition);
    let list = consumer.committed_offsets(list, LIMIT).expect("an answer");
    let element = list
        .find_partition(&settings.topics.readings, partition)
        .expect("the partition");
    (element.offset(), element.metadata().to_owned())
}

/// A member of the group.
struct Member {
    source: KafkaSource,
    owned: Vec<i32>,
}

impl Member {
    fn join(settings: &KafkaSettings, instance: &str) -> Self {
        let settings = KafkaSettings {
            instance_id: instance.into(),
            ..settings.clone()
        };
        let group = join(&settings, &InstanceName::claim(&settings), &Metrics::new()).expect("a member");
        Self {
            source: KafkaSource::new(&settings, group).expect("a source"),
            owned: Vec::new(),
        }
    }

    fn poll(&mut self) {
        let owned = &mut self.owned;
        let polled = self.source.poll(&mut |event| {
            match event {
                GroupEvent::Assigned(partitions) => owned.extend(partitions),
                GroupEvent::Revoked(gone) | GroupEvent::Lost(gone) => owned.retain(|own| !gone.contains(own)),
                _ => {}
            }
            Answer::Taken
        });
        polled.expect("the group goes on");
    }

    fn membership_with(&mut self, partitions: usize) -> Membership {
        let deadline = Instant::now() + LIMIT;
        loop {
            self.poll();
            if let Some(membership) = self.source.membership().filter(|_| self.owned.len() == partitions) {
                return membership;
            }
            assert!(Instant::now() < deadline, "{:?}", self.owned);
        }
    }
}

fn verdict(transactor: &mut Transactor<KafkaTransactions>) -> Verdict {
    let deadline = Instant::now() + LIMIT;
    loop {
        match transactor.step().expect("it goes on") {
            Progress::Done(verdict) => return verdict,
            progress => assert!(Instant::now() < deadline, "{progress:?}"),
        }
    }
}

#[test]
fn a_transaction_commits_whole() {
    let settings = deployed("whole");
    let mut member = Member::join(&settings, "one");
    assert!(member.source.membership().is_none(), "before the first assignment");
    let membership = member.membership_with(PARTITIONS);
    let mut client = open(&settings);
    send_all(
        &mut client,
        &[
            record(Output::Alerts, 0, "home-1", b"alert"),
            record(Output::DeadLetters, 0, "home-2", b"letter"),
            record(Output::State, 0, "home-3", b"state"),
            record(Output::State, 1, "home-3", b"other state"),
        ],
    );
    call(|| client.send_offsets(&[offset(0, 11), offset(1, 22)], &membership)).expect("the group takes offsets");
    let topics = &settings.topics;
    for topic in [&topics.alerts, &topics.dead_letter, &topics.state] {
        let seen = seen_by("read_committed", topic);
        assert_eq!(seen, BTreeMap::new(), "{topic} before the commit");
    }
    call(|| client.commit()).expect("it commits");

    let values = |topic: &str| committed_in(topic).into_values().collect::<Vec<_>>();
    assert_eq!(values(&topics.alerts), [b"alert"]);
    assert_eq!(values(&topics.dead_letter), [b"letter"]);
    let state = |partition, value: &[u8]| ((partition, "home-3".to_owned()), value.to_vec());
    assert_eq!(
        committed_in(&topics.state).into_iter().collect::<Vec<_>>(),
        [state(0, b"state"), state(1, b"other state")]
    );
    for (partition, next) in [(0, 11), (1, 22)] {
        let (at, metadata) = group_offset(&settings, partition);
        assert_eq!(at, Offset::Offset(next));
        assert_eq!(metadata.parse(), Ok(offset(partition, next).metadata));
    }
}

#[test]
fn an_aborted_transaction_is_invisible_and_the_next_one_is_not() {
    let settings = deployed("aborted");
    let mut member = Member::join(&settings, "one");
    let membership = member.membership_with(PARTITIONS);
    let mut client = open(&settings);
    send_all(&mut client, &[record(Output::Alerts, 0, "never", b"1")]);
    call(|| client.send_offsets(&[offset(0, 11)], &membership)).expect("the group takes offsets");
    call(|| client.abort()).expect("it aborts");
    send_all(&mut client, &[record(Output::Alerts, 0, "then", b"2")]);
    call(|| client.commit()).expect("it commits");

    let keys = |found: BTreeMap<(i32, String), _>| found.into_keys().map(|(_, key)| key).collect::<Vec<_>>();
    assert_eq!(keys(committed_in(&settings.topics.alerts)), ["then"]);
    let mut all = keys(seen_by("read_uncommitted", &settings.topics.alerts));
    all.sort();
    assert_eq!(all, ["never", "then"], "it had been written");
    assert_eq!(group_offset(&settings, 0).0, Offset::Invalid);
}

#[test]
fn a_second_client_of_the_same_name_fences_the_first() {
    let settings = deployed("fenced");
    let mut first = open(&settings);
    send_all(&mut first, &[record(Output::Alerts, 0, "first", b"1")]);
    let mut second = open(&settings);
    let refused = call(|| first.commit());
    assert!(matches!(refused, Err(TransactionError::Fatal(_))), "{refused:?}");
    send_all(&mut second, &[record(Output::Alerts, 0, "second", b"2")]);
    call(|| second.commit()).expect("it commits");
    let keys: Vec<String> = committed_in(&settings.topics.alerts)
        .into_keys()
        .map(|(_, key)| key)
        .collect();
    assert_eq!(keys, ["second"]);

    // The first one comes back by a new producer, and then the second one is shut out.
    call(|| first.open()).expect("it opens");
    send_all(&mut first, &[record(Output::Alerts, 0, "third", b"3")]);
    call(|| first.commit()).expect("it commits");
    call(|| second.begin()).expect("nobody has told it");
    let refused = call(|| second.send(0, &record(Output::Alerts, 0, "fourth", b"4")))
        .and_then(|()| call(|| second.flush()))
        .and_then(|()| call(|| second.commit()));
    assert!(
        matches!(refused, Err(TransactionError::Fatal(_) | TransactionError::Abort(_))),
        "{refused:?}"
    );
}

/// What librdkafka makes possible (issues 5456 and 5511): the call may have no answer for ever.
#[test]
fn offsets_that_have_no_answer_are_left_behind_and_come_to_nothing() {
    // One that its controller takes the partitions from when it wakes may lose the end of the transaction that was left, which the next
    // one's end then decides ("A transaction that nobody ends" in docs/operations.md): it happened in one of three runs.
    let broker = Broker::start(&[("broker.session.timeout.ms", "60000")]);
    let settings = deployed_on(&broker, "left-behind");
    let mut member = Member::join(&settings, "one");
    let membership = member.membership_with(PARTITIONS);
    let mut client = open(&settings);
    send_all(&mut client, &[record(Output::Alerts, 0, "first", b"1")]);
    broker.freeze();
    let left = client.send_offsets(&[offset(0, 10)], &membership);
    broker.thaw();
    assert!(matches!(left, Err(TransactionError::Fatal(_))), "{left:?}");
    // What was sent of it is with the broker before the next is, or late.
    call(|| client.open()).expect("it opens");
    send_all(&mut client, &[record(Output::Alerts, 0, "second", b"2")]);
    call(|| client.send_offsets(&[offset(0, 20)], &membership)).expect("it takes offsets");
    call(|| client.commit()).expect("it commits");
    let topic = &settings.topics.alerts;
    wait_until_decided(&broker.client(), topic, PARTITIONS as i32);
    let seen = seen_on(&broker, "read_committed", topic);
    assert_eq!(seen.into_keys().collect::<Vec<_>>(), [(0, "second".to_owned())]);
    assert_eq!(group_offset(&settings, 0).0, Offset::Offset(20));
}

#[test]
fn membership_of_an_earlier_generation_aborts() {
    let settings = deployed("stale");
    let mut one = Member::join(&settings, "one");
    let earlier = one.membership_with(PARTITIONS);
    let mut other = Member::join(&settings, "other");
    let deadline = Instant::now() + LIMIT;
    while (one.owned.len(), other.owned.len()) != (1, 1) {
        one.poll();
        other.poll();
        assert!(Instant::now() < deadline, "{:?} {:?}", one.owned, other.owned);
    }
    let current = one.membership_with(1);

    let mut client = open(&settings);
    send_all(&mut client, &[record(Output::Alerts, 0, "stale", b"1")]);
    let refused = call(|| client.send_offsets(&[offset(0, 11)], &earlier));
    assert!(matches!(refused, Err(TransactionError::Abort(_))), "{refused:?}");
    call(|| client.abort()).expect("it aborts");
    assert_eq!(group_offset(&settings, 0).0, Offset::Invalid);

    send_all(&mut client, &[record(Output::Alerts, 0, "current", b"2")]);
    call(|| client.send_offsets(&[offset(0, 12)], &current)).expect("the group takes offsets");
    call(|| client.commit()).expect("it commits");
    assert_eq!(group_offset(&settings, 0).0, Offset::Offset(12));
    let keys: Vec<String> = committed_in(&settings.topics.alerts)
        .into_keys()
        .map(|(_, key)| key)
        .collect();
    assert_eq!(keys, ["current"]);
}

#[test]
fn a_dead_letter_that_is_too_large_is_shortened_and_the_rest_is_published() {
    let settings = deployed("too-large");
    let mut member = Member::join(&settings, "one");
    let membership = member.membership_with(PARTITIONS);
    let mut transactor = Transactor::new(client(&settings), None);
    let deadline = Instant::now() + LIMIT;
    while !transactor.is_idle() {
        assert_ne!(transactor.step(), Ok(Progress::Idle));
        assert!(Instant::now() < deadline);
    }
    // What cannot be compressed.
    let large: Vec<u8> = (0..3 * SMALL).map(|_| rand::random()).collect();
    transactor.start(Transaction {
        records: vec![
            record(Output::Alerts, 0, "alert", b"1"),
            record(Output::DeadLetters, 0, "small", b"2"),
            record(Output::DeadLetters, 0, "large", &large),
            record(Output::DeadLetters, 0, "small too", b"3"),
        ],
        offsets: vec![offset(0, 11)],
        membership,
    });
    assert_eq!(verdict(&mut transactor), Verdict::Committed);
    let letters: BTreeMap<String, Vec<u8>> = committed_in(&settings.topics.dead_letter)
        .into_iter()
        .map(|((_, key), value)| (key, value))
        .collect();
    assert_eq!(letters.keys().collect::<Vec<_>>(), ["large", "small", "small too"]);
    assert_eq!(letters["large"], large[..64 * 1024]);
    assert_eq!(committed_in(&settings.topics.alerts).len(), 1);
    assert_eq!(group_offset(&settings, 0).0, Offset::Offset(11));
}

#[test]
fn a_successor_ends_the_open_transaction_of_one_that_died_at_once() {
    let settings = deployed("died");
    let mut member = Member::join(&settings, "one");
    let membership = member.membership_with(PARTITIONS);
    let mut dead = open(&settings);
    send_all(&mut dead, &[record(Output::Alerts, 0, "open", b"1")]);
    call(|| dead.send_offsets(&[offset(0, 11)], &membership)).expect("the group takes offsets");
    // A process that is gone closes nothing.
    std::mem::forget(dead);

    let began = Instant::now();
    let mut successor = open(&settings);
    send_all(&mut successor, &[record(Output::Alerts, 0, "next", b"2")]);
    call(|| successor.commit()).expect("it commits");
    let keys: Vec<String> = committed_in(&settings.topics.alerts)
        .into_keys()
        .map(|(_, key)| key)
        .collect();
    assert_eq!(keys, ["next"]);
    assert_eq!(group_offset(&settings, 0).0, Offset::Invalid);
    assert!(
        began.elapsed() < Duration::from_millis(settings.transaction_timeout_ms.into()) / 2,
        "it waited for the broker to end it: {:?}",
        began.elapsed()
    );
}

#[test]
fn the_consumer_protocol_gives_proof_of_membership_too() {
    let mut settings = deployed("consumer-protocol");
    settings.properties.insert("group.protocol".into(), "consumer".into());
    let mut member = Member::join(&settings, "one");
    let membership = member.membership_with(PARTITIONS);
    let mut client = open(&settings);
    send_all(&mut client, &[record(Output::Alerts, 0, "key", b"1")]);
    call(|| client.send_offsets(&[offset(1, 22)], &membership)).expect("the group takes offsets");
    call(|| client.commit()).expect("it commits");
    assert_eq!(group_offset(&settings, 1).0, Offset::Offset(22));
}

#[test]
fn publishing_ends_soon_while_no_broker_answers() {
    let settings = KafkaSettings {
        bootstrap_servers: "127.0.0.1:1".into(),
        instance_id: "none".into(),
        ..KafkaSettings::default()
    };
    let mut commits = KafkaCommits::new(&settings, &InstanceName::claim(&settings), &Metrics::new()).expect("a thread");
    assert_eq!(commits.poll(), Ok(None));
    let began = Instant::now();
    drop(commits);
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}

#[test]
fn an_unknown_topic_stops_and_says_so() {
    let mut settings = deployed("no-topic");
    settings.transaction_timeout_ms = 60_000;
    settings
        .properties
        .insert("topic.metadata.propagation.max.ms".into(), "500".into());
    settings.topics.alerts = "nowhere".into();
    let mut client = open(&settings);
    call(|| client.begin()).expect("it begins");
    let refused =
        call(|| client.send(0, &record(Output::Alerts, 0, "key", b"1"))).and_then(|()| call(|| client.flush()));
    let Err(TransactionError::Stop(text)) = refused else {
        panic!("{refused:?}");
    };
    assert!(text.contains("nowhere"), "{text}");
}

#[test]
fn a_deployment_is_what_the_cluster_says() {
    let settings = deployed("deployment");
    let found = deployment(&settings, "a source").expect("an answer");
    assert_eq!(found.partitions, PARTITIONS as i32);
    assert_eq!(*found.cluster, *cluster_id(&settings).expect("an answer"));
    assert_eq!(*found.cluster, *"dGFwd2F0Y2gtdGVzdHMtMQ");
    assert_eq!((&*found.group, &*found.source), ("deployment", "a source"));
}

/// An engine on these ports.
fn engine(settings: &KafkaSettings, seen: &Seen) -> Engine<KafkaSource, KafkaRestorer, KafkaCommits, Seen> {
    let (name, metrics) = (InstanceName::claim(settings), Metrics::new());
    let deployment = deployment(settings, "test").expect("the topics are there");
    let member = join(settings, &name, &metrics).expect("a member");
    let source = KafkaSource::new(settings, member).expect("a source");
    let restorer = KafkaRestorer::new(settings, Arc::new(Rules::default()), deployment.clone(), &metrics);
    let commits = KafkaCommits::new(settings, &name, &metrics).expect("a thread");
    let engine = EngineSettings {
        checkpoint_share: 1_000.0,
        max_replay_records: 1,
        ..EngineSettings::default()
    };
    Engine::new(deployment, engine, source, restorer, commits, seen.clone())
}

/// A partition that went live: its next offset, its homes, and whether it was rebuilt from the first reading.
type Live = (i64, usize, bool);

/// What restores came to.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Vec<Live>>>);

impl Observer for Seen {
    fn observe(&mut self, observation: &Observation<'_>) {
        match observation {
            Observation::Live { rebuilt, .. } => self.0.lock().expect("no panic").push((
                rebuilt.state.next_offset(),
                rebuilt.state.arena().len(),
                rebuilt.from_scratch,
            )),
            Observation::RestoreFailed { reason, .. } => panic!("{reason}"),
            Observation::Breach { invariant, found } => panic!("invariant {invariant}: {found}"),
            _ => {}
        }
    }
}

fn turn_until_caught_up(
    engine: &mut Engine<KafkaSource, KafkaRestorer, KafkaCommits, Seen>,
    mut is_over: impl FnMut() -> bool,
) {
    let began = Instant::now();
    while !(engine.is_caught_up() && engine.readiness() == (true, PARTITIONS) && is_over()) {
        let wall = EventTime::from_unix(1_709_500_000).expect("a time");
        let millis = began.elapsed().as_millis() as u64;
        engine.turn(Now { wall, millis }).expect("it goes on");
        assert!(began.elapsed() < LIMIT, "{:?}", engine.readiness());
    }
}

#[test]
fn an_engine_goes_on_from_what_the_one_before_it_stored() {
    let settings = deployed("engine");
    let homes: Vec<String> = (0..20).map(|home| format!("home-{home}")).collect();
    let feed = |hours: std::ops::Range<i64>| {
        let feeder = Feeder::new(&settings).expect("a producer");
        for (hour, home) in hours.flat_map(|hour| homes.iter().map(move |home| (hour, home))) {
            let at = EventTime::from_unix(1_709_251_200 + hour * 3_600).expect("a time");
            let payload = serde_json::json!({
                "household_id": home, "timestamp": at, "interval_seconds": 3_600, "volume_litres": 12.5,
            });
            let payload = payload.to_string();
            let key = home.as_bytes();
            feeder
                .send(&settings.topics.readings, key, Some(payload.as_bytes()), at)
                .expect("it is taken");
        }
        feeder.finish().expect("all arrive");
    };
    let next_offsets = || (0..PARTITIONS as i32).map(|partition| group_offset(&settings, partition).0);
    let committed = || {
        next_offsets()
            .map(|offset| offset.to_raw().unwrap_or(0).max(0))
            .sum::<i64>()
    };

    feed(0..10);
    let mut first = engine(&settings, &Seen::default());
    turn_until_caught_up(&mut first, || committed() == 200);
    drop(first);
    assert_eq!(committed_in(&settings.topics.state).len(), homes.len(), "states");

    let seen = Seen::default();
    let mut second = engine(&settings, &seen);
    feed(10..20);
    turn_until_caught_up(&mut second, || committed() == 400);
    let seen = seen.0.lock().expect("no panic").clone();
    assert_eq!(seen.iter().map(|(next, ..)| next).sum::<i64>(), 200, "{seen:?}");
    assert_eq!(
        seen.iter().map(|(_, homes, _)| homes).sum::<usize>(),
        homes.len(),
        "{seen:?}"
    );
    assert!(seen.iter().all(|(.., from_scratch)| !from_scratch), "{seen:?}");
}

/// The thread that publishes, end to end, and how long a transaction takes.
#[test]
fn transactions_one_after_another_take_milliseconds() {
    const ROUNDS: usize = 200;
    let settings = deployed("latency");
    let mut member = Member::join(&settings, "one");
    let membership = member.membership_with(PARTITIONS);
    let mut commits = KafkaCommits::new(&settings, &InstanceName::claim(&settings), &Metrics::new()).expect("a thread");
    let deadline = Instant::now() + LIMIT;
    while !commits.is_idle() {
        assert_eq!(commits.poll(), Ok(None));
        assert!(Instant::now() < deadline);
        std::thread::yield_now();
    }
    let mut took: Vec<Duration> = Vec::new();
    for round in 0..ROUNDS {
        let records = (0..10).map(|n| record(Output::Alerts, 0, &format!("home-{round}-{n}"), &[b'x'; 600]));
        let transaction = Transaction {
            records: records.collect(),
            offsets: vec![offset(0, round as i64), offset(1, round as i64)],
            membership: membership.clone(),
        };
        let began = Instant::now();
        commits.start(transaction);
        let verdict = loop {
            match commits.poll().expect("it goes on") {
                Some(verdict) => break verdict,
                None => std::thread::sleep(Duration::from_micros(100)),
            }
        };
        assert_eq!(verdict, Verdict::Committed);
        took.push(began.elapsed());
        member.poll();
    }
    took.sort();
    let (half, most) = (took[ROUNDS / 2], took[ROUNDS * 99 / 100]);
    println!("a transaction of 10 records: p50 {half:?}, p99 {most:?}");
    // Far above what it takes, and below what it costs to wait for acknowledgements in librdkafka's own rhythm.
    assert!(half < Duration::from_millis(90), "p50 {half:?}");
    assert_eq!(committed_in(&settings.topics.alerts).len(), ROUNDS * 10);
}
