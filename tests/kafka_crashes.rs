//! `tapwatch verify crashes` against real brokers: nothing is lost, said twice, or in another order, whatever dies.

// A test of processes: it waits for them by the wall clock, and reads the files they write.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

mod support;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::producer::{BaseRecord, Producer, ThreadedProducer};
use serde_json::Value;

use support::broker::{ADMIN, Broker};
use support::cluster::Cluster;
use support::process::{last_lines, wait_until};
use support::service::Deployment;

/// It ends a run that hangs, and measures nothing.
const HANGS: Duration = Duration::from_secs(900);

/// Runs measure times and share few cores: one at a time.
static TURN: Mutex<()> = Mutex::new(());

fn turn() -> MutexGuard<'static, ()> {
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A run of the command. Dropping one that goes on asks it to end, so that it ends its instances.
struct Verification {
    child: std::process::Child,
    out: tempfile::TempDir,
}

impl Verification {
    fn start(bootstrap: &str, arguments: &[&str]) -> Self {
        let out = tempfile::tempdir().expect("a folder");
        let said = fs::File::create(out.path().join("said")).expect("the folder takes files");
        let child = Command::new(env!("CARGO_BIN_EXE_tapwatch"))
            .args(["verify", "crashes", "--brokers", bootstrap])
            .args(["--set", "kafka.properties.session.timeout.ms=6000", "--out"])
            .arg(out.path())
            .args(arguments)
            .stdin(std::process::Stdio::null())
            .stdout(said.try_clone().expect("a file"))
            .stderr(said)
            .spawn()
            .expect("the binary runs");
        Self { child, out }
    }

    fn folder(&self) -> &Path {
        self.out.path()
    }

    fn said(&self) -> String {
        fs::read_to_string(self.folder().join("said")).unwrap_or_default()
    }

    fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("a child can be waited for").is_none()
    }

    fn wait_for(&mut self, words: &str) {
        let deadline = Instant::now() + HANGS;
        while !self.said().contains(words) {
            assert!(self.is_running(), "it has ended without {words:?}:\n{}", self.said());
            assert!(
                Instant::now() < deadline,
                "waited in vain for {words:?}:\n{}",
                self.said()
            );
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// Waits for its end; its exit code and its report.
    fn end(&mut self) -> (Option<i32>, Value) {
        let deadline = Instant::now() + HANGS;
        while self.is_running() {
            assert!(Instant::now() < deadline, "it does not end:\n{}", self.said());
            thread::sleep(Duration::from_millis(50));
        }
        let code = self.child.wait().expect("a child can be waited for").code();
        let report = fs::read(self.folder().join("report.json"));
        let report = report.unwrap_or_else(|error| panic!("no report: {error}\n{}", self.said()));
        println!("{}", self.said());
        (code, serde_json::from_slice(&report).expect("a report is JSON"))
    }

    /// The folder is gone with the test: what its instances said last is wanted, if something was wrong.
    fn print_ends_of_logs(&self) {
        let files = fs::read_dir(self.folder()).into_iter().flatten().flatten();
        for log in files
            .map(|file| file.path())
            .filter(|path| path.extension().is_some_and(|end| end == "log"))
        {
            let text = String::from_utf8_lossy(&fs::read(&log).unwrap_or_default()).into_owned();
            println!("{} ends with:\n{}", log.display(), last_lines(&text));
        }
    }

    fn ask_to_end(&self) {
        let id = self.child.id().to_string();
        let status = Command::new("kill").args(["-TERM", &id]).status();
        assert!(status.expect("kill runs").success());
    }
}

impl Drop for Verification {
    fn drop(&mut self) {
        if thread::panicking() {
            self.print_ends_of_logs();
        }
        if self.is_running() {
            self.ask_to_end();
            let deadline = Instant::now() + Duration::from_secs(20);
            while self.is_running() && Instant::now() < deadline {
                thread::sleep(Duration::from_millis(50));
            }
            drop(self.child.kill());
        }
        drop(self.child.wait());
    }
}

/// Everything there once, after as many kills as were asked for, and enough of it to say something.
fn assert_exactly_once(report: &Value, kills: u64) {
    assert_eq!(
        report["pauses"], 12,
        "pauses in which something is sent beside the readings"
    );
    for (topic, at_least) in [
        ("alerts", 200),
        ("dead_letters", 200),
        ("visits", 200),
        ("zones", 200),
        // Three outages that begin and end.
        ("area_alerts", 6),
    ] {
        let comparison = &report[topic];
        for kind in ["missing", "doubled", "invented", "reordered", "different"] {
            let tally = &comparison["differences"][kind];
            assert_eq!(tally["count"], 0, "{topic}, {kind}: {}", tally["first"]);
        }
        assert_eq!(comparison["expected"], comparison["found"], "{topic}");
        assert!(
            comparison["expected"].as_u64() >= Some(at_least),
            "{topic}: too few to say something"
        );
    }
    assert_eq!(report["problems"], serde_json::json!([]));
    assert_eq!(report["passed"], true);
    // One that has just ended by itself cannot be killed.
    assert!(
        report["kills"].as_u64() >= Some(kills - kills.div_ceil(10)),
        "{}",
        report["kills"]
    );
}

fn topics_of(client: &rdkafka::ClientConfig, prefix: &str) -> Vec<String> {
    let consumer: BaseConsumer = client.create().expect("a consumer");
    let metadata = consumer
        .fetch_metadata(None, Duration::from_secs(30))
        .expect("the broker answers");
    let names = metadata.topics().iter().map(|topic| topic.name().to_owned());
    names.filter(|name| name.starts_with(prefix)).collect()
}

#[test]
fn thirty_kills_lose_nothing_and_say_nothing_twice() {
    let _turn = turn();
    let broker = Broker::start(&[]);
    let mut run = Verification::start(&broker.bootstrap(), &["--kills", "30", "--every", "4"]);
    let (code, report) = run.end();
    assert_exactly_once(&report, 30);
    assert_eq!(code, Some(0));
    let prefix = report["prefix"].as_str().expect("a prefix");
    wait_until("its topics are gone", || topics_of(&broker.client(), prefix).is_empty());
}

#[test]
fn nothing_is_lost_or_said_twice_when_leaders_die_too() {
    let _turn = turn();
    let cluster = Cluster::start(3);
    let mut run = Verification::start(
        &cluster.bootstrap(),
        &["--replication", "3", "--kills", "8", "--every", "6"],
    );
    run.wait_for("Kill:");
    for partition in [0, 3] {
        let topic = cluster.topic_ending_in("tapwatch.readings");
        let leader = cluster.leader_of(&topic, partition);
        cluster.kill(leader);
        // Another leads it before the dead one is back.
        wait_until("another broker leads", || {
            cluster.leader_of(&topic, partition) != leader
        });
        thread::sleep(Duration::from_secs(3));
        cluster.restart(leader);
        let is_in_time = run.is_running() && !run.said().contains("stopping the instances");
        assert!(is_in_time, "the brokers were killed too late:\n{}", run.said());
        thread::sleep(Duration::from_secs(5));
    }
    let (code, report) = run.end();
    assert_exactly_once(&report, 8);
    assert_eq!(code, Some(0));
}

/// What the tool is for: somebody else's records on the topics do not pass.
#[test]
fn a_record_too_many_and_a_record_lost_fail_the_run() {
    let _turn = turn();
    let broker = Broker::start(&[]);
    let mut run = Verification::start(&broker.bootstrap(), &["--kills", "1", "--every", "10", "--homes", "40"]);
    run.wait_for("Kill");
    let prefix = topics_of(&broker.client(), "tapwatch-verify-")
        .into_iter()
        .find_map(|topic| Some(topic.strip_suffix(".tapwatch.alerts")?.to_owned()))
        .expect("its topics are there");
    let deployment = Deployment::named(&broker, &format!("{prefix}.tapwatch"));
    wait_until("alerts are there", || deployment.records("alerts").len() > 1);
    let first = &deployment.records("alerts")[0];
    let producer: ThreadedProducer<rdkafka::producer::DefaultProducerContext> =
        broker.client().create().expect("a producer");
    let send = |value: &[u8]| {
        let headers = first
            .headers
            .iter()
            .fold(rdkafka::message::OwnedHeaders::new(), |headers, (key, value)| {
                let value = Some(value.as_bytes());
                headers.insert(rdkafka::message::Header { key, value })
            });
        let topic = deployment.topic("alerts");
        let record = BaseRecord::to(&topic)
            .partition(first.partition)
            .key(first.key.as_deref().unwrap_or_default())
            .payload(value)
            .headers(headers);
        producer
            .send(record)
            .map_err(|(error, _)| error)
            .expect("room for a record");
        producer.flush(Duration::from_secs(30)).expect("the broker takes it");
    };
    send(b"{}");
    // And the topic of dead letters loses what it has so far.
    wait_until("dead letters are there", || deployment.records("dead-letter").len() > 1);
    let letters = deployment.records("dead-letter");
    let last = letters.iter().map(|letter| (letter.partition, letter.offset + 1)).max();
    let (partition, offset) = last.expect("a dead letter");
    delete_before(&broker, &deployment.topic("dead-letter"), partition, offset);
    let lost = letters.iter().filter(|letter| letter.partition == partition).count();

    let (code, report) = run.end();
    assert_eq!((code, &report["passed"]), (Some(1), &Value::Bool(false)));
    let count = |topic: &str, kind: &str| report[topic]["differences"][kind]["count"].as_u64().expect("a count");
    assert!(
        count("alerts", "doubled") >= 1 && count("alerts", "different") >= 1,
        "{}",
        run.said()
    );
    assert!(count("dead_letters", "missing") >= lost as u64, "{}", run.said());
    // What failed stays to be looked at.
    assert!(!topics_of(&broker.client(), &prefix).is_empty());
}

fn delete_before(broker: &Broker, topic: &str, partition: i32, offset: i64) {
    use rdkafka::admin::{AdminClient, AdminOptions};
    let admin: AdminClient<rdkafka::client::DefaultClientContext> = broker.client().create().expect("an admin client");
    let mut list = rdkafka::TopicPartitionList::new();
    list.add_partition_offset(topic, partition, rdkafka::Offset::Offset(offset))
        .expect("an offset");
    let deleted = support::broker::block_on(admin.delete_records(&list, &AdminOptions::new()));
    for element in deleted.expect("the broker answers").elements() {
        element.error().expect("records may be deleted");
    }
}

/// It can tell right from wrong: where nothing happens to anybody, nothing differs.
#[test]
fn without_blows_it_finds_nothing() {
    let _turn = turn();
    let broker = Broker::start(&[]);
    let mut run = Verification::start(&broker.bootstrap(), &["--kills", "0", "--every", "15"]);
    let (code, report) = run.end();
    assert_exactly_once(&report, 0);
    assert_eq!((code, &report["blows"]), (Some(0), &serde_json::json!([])));
    let prefix = report["prefix"].as_str().expect("a prefix");
    wait_until("its topics are gone", || topics_of(&broker.client(), prefix).is_empty());
}

/// A broker that lets nobody in without a login: it reaches every client and every instance, and stays nowhere.
#[test]
fn logins_reach_its_clients_and_its_instances() {
    let _turn = turn();
    let broker = Broker::start_with_sasl();
    let login = [
        "kafka.properties.security.protocol=SASL_PLAINTEXT".to_owned(),
        "kafka.properties.sasl.mechanism=PLAIN".to_owned(),
        format!("kafka.properties.sasl.username={}", ADMIN.user),
        format!("kafka.properties.sasl.password={}", ADMIN.password),
    ];
    let mut arguments = vec!["--kills", "1", "--every", "3", "--homes", "20", "--days", "40"];
    arguments.extend(login.iter().flat_map(|setting| ["--set", setting]));
    let mut run = Verification::start(&broker.bootstrap(), &arguments);
    let (_, report) = run.end();
    for topic in ["alerts", "dead_letters", "visits"] {
        assert_eq!(report[topic]["differences"]["missing"]["count"], 0);
        assert!(report[topic]["expected"].as_u64() > Some(20));
    }
    assert_eq!(report["problems"], serde_json::json!([]));
    for file in fs::read_dir(run.folder()).expect("a folder") {
        let path = file.expect("a file").path();
        let text = String::from_utf8_lossy(&fs::read(&path).expect("a file")).into_owned();
        assert!(!text.contains(ADMIN.password), "the password is in {}", path.display());
    }
}

#[test]
fn asked_to_end_it_leaves_neither_instances_nor_topics() {
    let _turn = turn();
    let broker = Broker::start(&[]);
    let mut run = Verification::start(&broker.bootstrap(), &["--kills", "50"]);
    run.wait_for(" kills\n");
    let prefix = topics_of(&broker.client(), "tapwatch-verify-");
    assert!(!prefix.is_empty());
    run.ask_to_end();
    wait_until("it ends", || !run.is_running());
    assert!(run.said().contains("stopped before its end"), "{}", run.said());
    wait_until("its topics are gone", || {
        topics_of(&broker.client(), "tapwatch-verify-").is_empty()
    });
    let out = run.folder().to_string_lossy().into_owned();
    let processes = fs::read_dir("/proc").expect("a list of processes");
    let instances = processes.filter_map(|process| {
        let line = fs::read(process.ok()?.path().join("cmdline")).ok()?;
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        line.contains(&out).then_some(line)
    });
    assert_eq!(instances.collect::<Vec<_>>(), Vec::<String>::new());
}
