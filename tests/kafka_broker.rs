//! The Kafka broker that the other tests rely on: it serves, keeps its records when killed, refuses whom it should, and
//! is gone when its test is.

// A test of processes: it waits for them by the wall clock, and tells its child process apart by the environment.
#![allow(clippy::disallowed_methods)]

mod support;

use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use rdkafka::ClientContext;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::Message;
use rdkafka::producer::{BaseProducer, BaseRecord, FutureProducer, FutureRecord, Producer};

use support::broker::{ADMIN, Broker, Credentials, GUEST, block_on, is_running};
use support::cluster::Cluster;
use support::service::Deployment;

const LIMIT: Duration = Duration::from_secs(60);

const GROUP: &str = "kafka-broker-test";

#[test]
fn records_outlive_a_killed_broker() {
    let broker = Broker::start(&[]);
    broker.create_topic("readings", 2, &[("cleanup.policy", "compact")]);
    let written: Vec<String> = (0..1000).map(|number| format!("reading {number}")).collect();
    produce(&broker.client(), "readings", &written).expect("the broker takes records");
    assert_eq!(
        consume(&broker.client(), "readings", written.len()),
        Ok(sorted(&written))
    );

    let killed = broker.process_id().expect("the broker runs");
    broker.kill();
    assert!(!is_running(killed));
    assert_eq!(broker.process_id(), None);

    broker.restart();
    assert_ne!(broker.process_id(), Some(killed));
    assert_eq!(
        consume(&broker.client(), "readings", written.len()),
        Ok(sorted(&written))
    );
}

#[test]
fn the_shared_broker_takes_topic_settings_and_runs_kafkas_tools() {
    let broker = Broker::shared();
    broker.create_topic(
        "with-settings",
        3,
        &[("cleanup.policy", "compact"), ("segment.ms", "600000")],
    );

    let class = "org.apache.kafka.tools.TopicCommand";
    let bootstrap = broker.bootstrap();
    let output = broker.tool(&[
        class,
        "--bootstrap-server",
        &bootstrap,
        "--describe",
        "--topic",
        "with-settings",
    ]);

    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{output:?}");
    assert!(text.contains("PartitionCount: 3"), "{text}");
    assert!(
        text.contains("cleanup.policy=compact") && text.contains("segment.ms=600000"),
        "{text}"
    );
    assert!(std::ptr::eq(broker, Broker::shared()));
}

#[test]
fn a_cluster_of_three_goes_on_without_any_one_of_them() {
    let cluster = Cluster::start(3);
    let client = cluster.client();
    let admin: AdminClient<DefaultClientContext> = client.create().expect("an admin client");
    let topic = NewTopic::new("readings", 3, TopicReplication::Fixed(3));
    let made = block_on(admin.create_topics([&topic], &AdminOptions::new())).expect("the cluster answers");
    assert_eq!(made, [Ok("readings".to_owned())]);
    let first: Vec<String> = (0..1000).map(|number| format!("first {number}")).collect();
    produce(&client, "readings", &first).expect("the cluster takes records");

    let dead = cluster.leader_of("readings", 0);
    cluster.kill(dead);
    wait_until("another broker leads", || cluster.leader_of("readings", 0) != dead);
    let second: Vec<String> = (0..1000).map(|number| format!("second {number}")).collect();
    produce(&client, "readings", &second).expect("two of three take records");
    cluster.restart(dead);

    let frozen = cluster.leader_of("readings", 0);
    assert_ne!(frozen, dead);
    cluster.stop(frozen);
    wait_until("yet another broker leads", || {
        cluster.leader_of("readings", 0) != frozen
    });
    let all: Vec<String> = first.into_iter().chain(second).collect();
    assert_eq!(consume(&client, "readings", all.len()), Ok(sorted(&all)));
    cluster.resume(frozen);
}

/// As a broker's own: it says that a transaction is committed before the partitions know of it.
#[test]
fn whoever_reads_waits_for_transactions_under_way() {
    let deployment = Deployment::named(Broker::shared(), "under-way");
    let topic = deployment.topic("alerts");
    Broker::shared().create_topic(&topic, 2, &[]);
    let producer: BaseProducer = Broker::shared()
        .client()
        .set("transactional.id", "under-way")
        .create()
        .expect("a producer");
    producer.init_transactions(LIMIT).expect("the broker answers");
    producer.begin_transaction().expect("a transaction");
    let record = BaseRecord::to(&topic).partition(1).key("home").payload("{}");
    producer
        .send(record)
        .map_err(|(error, _)| error)
        .expect("room for a record");
    producer.flush(LIMIT).expect("the broker takes it");
    let records = thread::scope(|scope| {
        scope.spawn(|| {
            thread::sleep(Duration::from_secs(2));
            producer.commit_transaction(LIMIT).expect("the broker answers");
        });
        deployment.records("alerts")
    });
    let found: Vec<_> = records.iter().map(|record| (record.partition, record.offset)).collect();
    assert_eq!(found, [(1, 0)]);
}

#[test]
fn properties_replace_the_defaults() {
    let broker = Broker::start(&[("auto.create.topics.enable", "true"), ("num.partitions", "7")]);
    let consumer: BaseConsumer = broker
        .client()
        .set("allow.auto.create.topics", "true")
        .create()
        .expect("a consumer");
    wait_until("the topic has 7 partitions", || {
        let metadata = consumer
            .fetch_metadata(Some("made-by-asking"), LIMIT)
            .expect("the broker answers");
        metadata.topics()[0].partitions().len() == 7
    });
}

#[test]
#[should_panic(expected = "process.roles")]
fn a_broker_that_cannot_start_says_why() {
    Broker::start(&[("process.roles", "postman")]);
}

#[test]
fn a_dropped_broker_leaves_nothing_behind() {
    let broker = Broker::start(&[]);
    let (process_id, folder) = (
        broker.process_id().expect("the broker runs"),
        broker.folder().to_owned(),
    );
    assert!(is_running(process_id) && folder.join("data/meta.properties").exists());

    drop(broker);

    assert!(!is_running(process_id));
    assert!(!folder.exists());
}

/// The test starts itself a second time, as a process that has a broker, and kills that process.
#[test]
fn a_killed_test_process_leaves_nothing_behind() {
    const CHILD: &str = "TAPWATCH_TEST_TO_BE_KILLED";
    if std::env::var(CHILD).is_ok() {
        let broker = Broker::start(&[]);
        println!(
            "\nbroker {} {}",
            broker.process_id().expect("the broker runs"),
            broker.folder().display()
        );
        std::io::stdout().flush().expect("the parent reads");
        // The end of standard input would be the end of the parent.
        std::io::stdin()
            .read_to_end(&mut Vec::new())
            .expect("the parent's pipe");
        return;
    }

    let mut child = Command::new(std::env::current_exe().expect("a path"))
        .args(["--exact", "a_killed_test_process_leaves_nothing_behind", "--nocapture"])
        .env(CHILD, "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the test starts itself");
    let lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    let line = lines
        .map_while(Result::ok)
        .find(|line| line.starts_with("broker "))
        .expect("the child has a broker");
    let mut words = line.split(' ').skip(1);
    let process_id = words.next().and_then(|word| word.parse().ok()).expect("a process id");
    let folder = Path::new(words.next().expect("a folder"));
    assert!(is_running(process_id) && folder.exists());

    child.kill().expect("the child is there to be killed");
    child.wait().expect("the child has ended");

    wait_until("the broker of the killed process is gone", || {
        !is_running(process_id) && !folder.exists()
    });
}

#[test]
fn a_broker_with_logins_refuses_strangers_and_users_without_rights() {
    let broker = Broker::start_with_sasl();
    broker.create_topic("private", 1, &[]);
    let written = vec!["one".to_owned(), "two".to_owned()];

    // The right password of a user with rights.
    produce(&broker.client(), "private", &written).expect("the administrator may write");
    assert_eq!(consume(&broker.client_as(ADMIN), "private", 2), Ok(sorted(&written)));

    // A wrong password.
    let impostor = Credentials {
        user: ADMIN.user,
        password: "wrong",
    };
    let (log, client) = (ErrorLog::default(), broker.client_as(impostor));
    let consumer: BaseConsumer<ErrorLog> = client.create_with_context(log).expect("a consumer");
    wait_until("the login is refused", || {
        let refusal = consumer
            .poll(Duration::from_millis(100))
            .map(|result| result.map(|_| ()));
        assert!(!matches!(refusal, Some(Ok(()))), "a record for an impostor");
        consumer.context().has(RDKafkaErrorCode::Authentication)
    });

    // The right password of a user who may join the group, but has no right to the topic; then has it.
    let guest = broker.client_as(GUEST);
    let no_right = RDKafkaErrorCode::TopicAuthorizationFailed;
    assert_eq!(
        produce(&guest, "private", &written),
        Err(KafkaError::MessageProduction(no_right))
    );
    grant_read_to_guest(&broker, &["--group", GROUP]);
    assert_eq!(
        consume(&guest, "private", 2),
        Err(KafkaError::MessageConsumption(no_right))
    );
    grant_read_to_guest(&broker, &["--topic", "private"]);
    assert_eq!(consume(&guest, "private", 2), Ok(sorted(&written)));
}

fn grant_read_to_guest(broker: &Broker, resource: &[&str]) {
    let (bootstrap, login) = (broker.bootstrap(), broker.admin_properties().display().to_string());
    let principal = format!("User:{}", GUEST.user);
    let class = "org.apache.kafka.tools.AclCommand";
    let connect = [class, "--bootstrap-server", &bootstrap, "--command-config", &login];
    let grant = ["--add", "--allow-principal", &principal, "--operation", "Read"];
    let output = broker.tool(&[&connect[..], &grant[..], resource].concat());
    assert!(output.status.success(), "{output:?}");
}

/// Writes all records, and returns the first failure to deliver one.
fn produce(client: &ClientConfig, topic: &str, payloads: &[String]) -> KafkaResult<()> {
    let producer: FutureProducer = client.clone().set("message.timeout.ms", "60000").create()?;
    let deliveries: Vec<_> = payloads
        .iter()
        .map(|payload| {
            let record = FutureRecord::to(topic).key(payload).payload(payload);
            producer.send_result(record).map_err(|(error, _)| error)
        })
        .collect::<KafkaResult<_>>()?;
    for delivery in deliveries {
        block_on(delivery)
            .expect("the producer lives")
            .map_err(|(error, _)| error)?;
    }
    Ok(())
}

/// Reads the topic from its start until `count` records are there, or an error; the payloads, in order of the text.
fn consume(client: &ClientConfig, topic: &str, count: usize) -> KafkaResult<Vec<String>> {
    let mut client = client.clone();
    // Commits nothing: every call starts at the start.
    client
        .set("group.id", GROUP)
        .set("enable.auto.commit", "false")
        .set("auto.offset.reset", "earliest");
    let consumer: BaseConsumer = client.create()?;
    consumer.subscribe(&[topic])?;
    let deadline = Instant::now() + LIMIT;
    let mut payloads = Vec::new();
    while payloads.len() < count {
        assert!(
            Instant::now() < deadline,
            "{} of {count} records have come",
            payloads.len()
        );
        match consumer.poll(Duration::from_millis(100)) {
            Some(Ok(message)) => payloads.push(String::from_utf8_lossy(message.payload().unwrap_or(b"")).into_owned()),
            // The client goes on by itself when its connection breaks.
            Some(Err(KafkaError::MessageConsumption(
                RDKafkaErrorCode::BrokerTransportFailure | RDKafkaErrorCode::AllBrokersDown,
            )))
            | None => {}
            Some(Err(error)) => return Err(error),
        }
    }
    Ok(sorted(&payloads))
}

fn sorted(payloads: &[String]) -> Vec<String> {
    let mut sorted = payloads.to_vec();
    sorted.sort();
    sorted
}

fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + LIMIT;
    while !condition() {
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// Keeps what librdkafka tells a client about errors.
#[derive(Default)]
struct ErrorLog(Mutex<Vec<KafkaError>>);

impl ErrorLog {
    fn has(&self, code: RDKafkaErrorCode) -> bool {
        let errors = self.0.lock().expect("no panic while locked");
        errors.iter().any(|error| error.rdkafka_error_code() == Some(code))
    }
}

impl ClientContext for ErrorLog {
    fn error(&self, error: KafkaError, _reason: &str) {
        self.0.lock().expect("no panic while locked").push(error);
    }
}

impl ConsumerContext for ErrorLog {}
