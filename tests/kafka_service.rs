//! tapwatch as a service on a real broker: real processes, real topics. What it says is compared, alert for alert, with
//! what `tapwatch backtest` says of the same files.

// A test of processes: it waits for them by the wall clock.
#![allow(clippy::disallowed_methods)]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;
use std::thread;
use std::time::Duration;

use rdkafka::producer::{BaseRecord, Producer, ThreadedProducer};
use serde_json::{Value, json};
use tapwatch::engine::CommitMetadata;
use tapwatch::history::History;
use tapwatch::model::InputTopic;
use tapwatch::simulate::sample;

use support::broker::Broker;
use support::process::{in_repository, success, tapwatch, wait_until};
use support::said::{Said, backtest};
use support::service::{Deployment, PARTITIONS, Stored};

/// Simulated homes with the routines and incidents of many, made once; `truth.csv` is of no use here.
struct District {
    readings: PathBuf,
    homes: PathBuf,
    count: usize,
    /// What the backtest says of them without the file of homes.
    said: Said,
    _folder: tempfile::TempDir,
}

const DAYS: u32 = 45;

static DISTRICT: LazyLock<District> = LazyLock::new(|| {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().to_string_lossy();
    let days = DAYS.to_string();
    let what = [
        "--homes",
        "60",
        "--days",
        &days,
        "--incidents",
        "1",
        "--start",
        "2025-01-01",
    ];
    success(&tapwatch(["simulate", "--out", &out].iter().chain(&what)));
    let readings = folder.path().join("readings.csv.gz");
    let said = backtest(&["--readings", &readings.to_string_lossy()]);
    for kind in ["inactivity", "leak"] {
        for state in ["raised", "resolved"] {
            assert!(said.sorts().contains(&format!("{kind} {state}")), "{:?}", said.sorts());
        }
    }
    District {
        count: count(&readings),
        homes: folder.path().join("homes.csv"),
        readings,
        said,
        _folder: folder,
    }
});

fn count(readings: &Path) -> usize {
    History::read(&[readings.to_owned()]).expect("a sound file").rows.len()
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// What the partitions say to each other of a zone comes when it comes in a replay as fast as it goes, and in step in a
/// backtest. `kafka_zones` compares zones.
const NO_ZONES: &str = "area.enabled=false";

/// Through the topics and back: all of it, once, and in each home's order.
fn assert_same_as_backtest(deployment: &Deployment, readings: &Path, homes: &Path) {
    let (count, readings, homes) = (count(readings), text(readings), text(homes));
    let files = ["--readings", &readings, "--homes", &homes];
    let expected = backtest(&[&files[..], &["--set", NO_ZONES]].concat());
    let mut instance = deployment.start();
    deployment.run(&[&["replay"], &files[..]].concat());
    deployment.wait_until_done(count);
    instance.stop();
    assert!(
        expected.alerts.len() > 10,
        "{} alerts compare nothing",
        expected.alerts.len()
    );
    assert_eq!(deployment.alerts(), expected);
}

#[test]
fn real_homes_through_kafka_give_the_alerts_of_the_backtest() {
    let folder = tempfile::tempdir().expect("a folder");
    let readings = folder.path().join("readings.csv.gz");
    let sample = sample().expect("the bundled sample is sound");
    sample.history.write(&readings).expect("the folder takes files");
    let deployment = Deployment::new(Broker::shared(), "sample").with("defaults.time_zone=Europe/Madrid");
    assert_same_as_backtest(&deployment, &readings, &in_repository("tests/data/sample_homes.csv"));

    for record in deployment.records("alerts") {
        let data: Value = serde_json::from_slice(record.value.as_deref().expect("data")).expect("JSON");
        let word = |field: &str| data[field].as_str().expect("a text").to_owned();
        assert_eq!(record.key, Some(word("household_id").into_bytes()));
        let expected = BTreeMap::from([
            ("ce_specversion".to_owned(), "1.0".to_owned()),
            ("ce_type".to_owned(), "tapwatch.alert.v1".to_owned()),
            ("ce_source".to_owned(), "/tapwatch".to_owned()),
            ("ce_id".to_owned(), format!("{}/{}", word("alert_id"), data["revision"])),
            ("ce_subject".to_owned(), word("household_id")),
            ("ce_time".to_owned(), word("decided_at")),
            ("content-type".to_owned(), "application/json".to_owned()),
        ]);
        assert_eq!(record.headers, expected);
    }
}

#[test]
fn simulated_homes_through_kafka_give_the_alerts_of_the_backtest() {
    let deployment = Deployment::new(Broker::shared(), "district")
        .with("defaults.time_zone=Europe/Madrid")
        .with(NO_ZONES);
    assert_same_as_backtest(&deployment, &DISTRICT.readings, &DISTRICT.homes);
}

#[test]
fn an_instance_joins_and_another_leaves_and_nothing_is_lost() {
    let deployment = Deployment::new(Broker::shared(), "two-instances");
    let mut first = deployment.start();
    first.wait_until_ready();
    let mut replay = deployment.start_replay(&DISTRICT.readings, DAYS, 15);
    wait_until("a part is done", || deployment.progress().0 > 10_000);
    let mut second = deployment.start();
    second.wait_until_ready();
    wait_until("both own partitions", || owns(&first) > 0 && owns(&second) > 0);
    assert_eq!(owns(&first) + owns(&second), i64::from(PARTITIONS));
    wait_until("more is done", || deployment.progress().0 > 35_000);
    first.stop();
    replay.wait_for_success();
    deployment.wait_until_done(DISTRICT.count);
    second.stop();
    assert_eq!(deployment.alerts(), DISTRICT.said);
}

/// Partitions that are live in an instance, by its metrics.
fn owns(instance: &support::process::Instance) -> i64 {
    let page = instance.get("/metrics").expect("the page answers").1;
    let live = page
        .lines()
        .find_map(|line| line.strip_prefix("tapwatch_partitions{state=\"live\"} "));
    live.map_or(0, |number| number.parse().expect("a number"))
}

#[test]
fn the_instance_that_outlives_another_commits_all_of_it() {
    let deployment = Deployment::new(Broker::shared(), "survivor").with("kafka.properties.session.timeout.ms=6000");
    let mut first = deployment.start();
    let mut second = deployment.start();
    first.wait_until_ready();
    second.wait_until_ready();
    wait_until("both own partitions", || owns(&first) > 0 && owns(&second) > 0);
    let mut replay = deployment.start_replay(&DISTRICT.readings, DAYS, 12);
    wait_until("a part is done", || deployment.progress().0 > 15_000);
    second.process.kill();
    replay.wait_for_success();
    // Commits on their way while the group takes the dead one out fail; nothing comes after them that would cover it.
    deployment.wait_until_done(DISTRICT.count);
    first.stop();
    assert_eq!(deployment.alerts(), DISTRICT.said);
}

#[test]
fn killed_or_stopped_in_mid_stream_it_goes_on_where_it_was() {
    // The name lets the broker take the new process for the old one, without waiting for the old one's session to end.
    let deployment = Deployment::new(Broker::shared(), "killed").with("kafka.instance_id=one");
    let mut replay = deployment.start_replay(&DISTRICT.readings, DAYS, 15);
    let mut instance = deployment.start();
    wait_until("a part is done", || deployment.progress().0 > 8_000);
    instance.process.kill();

    let mut instance = deployment.start();
    instance.wait_until_ready();
    wait_until("more is done", || deployment.progress().0 > 25_000);
    assert!(replay.is_running(), "the stop comes after the stream");
    instance.stop();
    assert!(
        instance
            .process
            .said()
            .contains("everything read is published and committed")
    );

    let (committed, _) = deployment.progress();
    let mut instance = deployment.start();
    replay.wait_for_success();
    deployment.wait_until_done(DISTRICT.count);
    assert!(committed > 25_000);
    instance.stop();
    assert_eq!(deployment.alerts(), DISTRICT.said);
}

#[test]
fn what_is_no_reading_goes_to_the_dead_letters_and_the_stream_goes_on() {
    let deployment = Deployment::new(Broker::shared(), "dead-letters");
    let large = format!("{{\"household_id\":\"home\",\"note\":\"{}\"}}", "x".repeat(900_000));
    let good =
        br#"{"household_id":"home","timestamp":"2025-01-01T00:00:00Z","interval_seconds":3600,"volume_litres":7}"#;
    type Bad<'a> = (&'a str, Option<&'a [u8]>, Option<&'a [u8]>);
    let bad: [Bad<'_>; 6] = [
        ("not_json", Some(b"home"), Some(b"garbage")),
        ("not_utf8", Some(b"home"), Some(b"{\"household_id\":\"\xff\xfe\"}")),
        ("wrong_key", Some(b"another"), Some(good)),
        ("no_key", None, Some(good)),
        ("no_payload", Some(b"home"), None),
        ("too_large", Some(b"home"), Some(large.as_bytes())),
    ];
    let producer: ThreadedProducer<rdkafka::producer::DefaultProducerContext> = Broker::shared()
        .client()
        .set("message.max.bytes", "2000000")
        .create()
        .expect("a producer");
    let topic = deployment.topic("readings");
    let send = |key: Option<&[u8]>, value: Option<&[u8]>| {
        let mut record: BaseRecord<'_, [u8], [u8]> = BaseRecord::to(&topic).partition(2);
        (record.key, record.payload) = (key, value);
        producer
            .send(record)
            .map_err(|(error, _)| error)
            .expect("room for a record");
    };
    for (_, key, value) in bad {
        send(key, value);
    }
    send(Some(b"home"), Some(good));
    producer.flush(Duration::from_secs(60)).expect("the broker takes them");

    let mut instance = deployment.start();
    deployment.wait_until_done(bad.len() + 1);
    assert_eq!(sample_of(&instance, "tapwatch_readings_total{state=\"use\"}"), 1.0);
    let letters = deployment.records("dead-letter");
    let by_offset: BTreeMap<&str, &Stored> = letters
        .iter()
        .map(|letter| (&*letter.headers["tapwatch_offset"], letter))
        .collect();
    assert_eq!((letters.len(), by_offset.len()), (bad.len(), bad.len()));
    for (offset, (reason, key, value)) in bad.into_iter().enumerate() {
        let letter = by_offset[&*offset.to_string()];
        let header = |name: &str| letter.headers.get(name).map(String::as_str);
        assert_eq!(header("tapwatch_reason"), Some(reason));
        assert_eq!(header("tapwatch_topic"), Some(&*topic));
        assert_eq!(header("tapwatch_partition"), Some("2"));
        assert!(header("tapwatch_detail").is_some_and(|detail| !detail.is_empty()));
        assert_eq!(letter.key.as_deref(), key, "{reason}");
        assert!(letter.value.as_deref() == value, "{reason}: other bytes");
        let metric = format!("tapwatch_dead_letters_total{{reason=\"{reason}\"}}");
        assert_eq!(sample_of(&instance, &metric), 1.0);
    }
    instance.stop();
}

#[test]
fn what_comes_beside_the_readings_is_taken_in_once_and_what_is_wrong_is_a_dead_letter() {
    let deployment = Deployment::new(Broker::shared(), "beside");
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str, lines: &[Value]| {
        let path = folder.path().join(name);
        let lines: Vec<String> = lines.iter().map(Value::to_string).collect();
        fs::write(&path, lines.join("\n")).expect("the folder takes files");
        text(&path)
    };
    let at = "2025-01-01T08:00:00Z";
    let sign = |sign: &str| json!({"household_id": "home", "sign": sign, "at": at});
    let response = |response: &str| json!({"household_id": "home", "alert_id": "0", "response": response, "at": at});
    let home = |programme: &str| json!({"household_id": "home", "programme": programme});

    // The command sends what is right, or nothing.
    let wrong = file("wrong", &[sign("door"), sign("smoke")]);
    let said = deployment.refused(&["send", "--topic", "signs", &wrong]);
    assert!(said.contains("line 2") && said.contains("nothing is sent"), "{said}");
    let right = file("right", &[sign("out"), sign("back")]);
    assert!(
        deployment
            .run(&["send", "--topic", "signs", &right])
            .contains("2 records are in beside.signs")
    );
    let right = file("right", &[home("default")]);
    deployment.run(&["send", "--topic", "homes", &right]);

    let producer: ThreadedProducer<rdkafka::producer::DefaultProducerContext> = Broker::shared()
        .client()
        .set("partitioner", "murmur2_random")
        .create()
        .expect("a producer");
    let put = |purpose: &str, value: &Value| {
        let (topic, value) = (deployment.topic(purpose), value.to_string());
        let record: BaseRecord<'_, str, str> = BaseRecord::to(&topic).key("home").payload(&value);
        producer
            .send(record)
            .map_err(|(error, _)| error)
            .expect("room for a record");
        producer.flush(Duration::from_secs(60)).expect("the broker takes it");
    };
    let taken = || {
        let committed = deployment.committed();
        let metadata = committed
            .iter()
            .filter_map(|(_, text)| text.parse::<CommitMetadata>().ok());
        metadata.fold([0; 3], |sums, metadata| {
            let next = |topic| metadata.beside.next(topic);
            let more = [InputTopic::Homes, InputTopic::Signs, InputTopic::Responses].map(next);
            [0, 1, 2].map(|place| sums[place] + more[place])
        })
    };
    put("signs", &sign("smoke"));
    put("responses", &response("asleep"));
    put("homes", &home("nobody's"));
    let letters = || {
        let letters = deployment.records("dead-letter");
        let mut of: Vec<_> = letters
            .iter()
            .map(|letter| {
                let header = |name: &str| letter.headers[name].clone();
                assert_eq!(letter.key.as_deref(), Some(b"home".as_slice()));
                let value: Value = serde_json::from_slice(letter.value.as_deref().expect("a payload")).expect("JSON");
                assert_eq!(value["household_id"], "home");
                [
                    header("tapwatch_topic"),
                    header("tapwatch_offset"),
                    header("tapwatch_reason"),
                ]
            })
            .collect();
        of.sort();
        of
    };
    let expected = |lines: &[[&str; 3]]| -> Vec<[String; 3]> {
        let line = |[topic, offset, reason]: &[&str; 3]| [deployment.topic(topic), (*offset).into(), (*reason).into()];
        lines.iter().map(line).collect()
    };

    let mut instance = deployment.start();
    wait_until("all of it is taken in", || taken() == [2, 3, 1]);
    let first = [
        ["homes", "1", "bad_home"],
        ["responses", "0", "bad_value"],
        ["signs", "2", "bad_value"],
    ];
    assert_eq!(letters(), expected(&first));
    for [_, _, reason] in first {
        let metric = format!("tapwatch_dead_letters_total{{reason=\"{reason}\"}}");
        let count = first.iter().filter(|[.., known]| *known == reason).count();
        assert_eq!(sample_of(&instance, &metric), count as f64);
    }

    // A restart goes on where the commit said.
    instance.process.kill();
    let mut instance = deployment.start();
    instance.wait_until_ready();
    put("signs", &sign("fire"));
    wait_until("the rest is taken in", || taken() == [2, 4, 1]);
    let [home, response, first_sign] = first;
    let all = [home, response, first_sign, ["signs", "3", "bad_value"]];
    assert_eq!(letters(), expected(&all));
    instance.stop();
}

/// A sample of the metrics page, which must be there.
fn sample_of(instance: &support::process::Instance, name: &str) -> f64 {
    let page = instance.get("/metrics").expect("the page answers").1;
    let value = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    value
        .unwrap_or_else(|| panic!("no {name} in\n{page}"))
        .parse()
        .expect("a number")
}

#[test]
fn a_broker_that_is_away_is_waited_for_at_the_start_and_in_mid_stream() {
    let broker = Broker::start(&[]);
    let deployment = Deployment::new(&broker, "away").with("kafka.properties.session.timeout.ms=6000");
    broker.kill();

    let mut instance = deployment.start();
    let unreachable = format!("Kafka at {} does not answer", broker.bootstrap());
    instance.process.wait_for(&unreachable);
    let (status, body) = instance.get("/health/ready").expect("the page answers");
    let body: Value = serde_json::from_str(&body).expect("JSON");
    let reason = format!("connecting to Kafka at {}", broker.bootstrap());
    assert_eq!((status, body), (503, json!({"ready": false, "reason": reason})));
    assert_eq!(instance.get("/health/live").map(|(status, _)| status), Some(200));
    let mut impatient = deployment.start();
    impatient.process.wait_for(&unreachable);
    impatient.stop();
    broker.restart();
    instance.wait_until_ready();

    let mut replay = deployment.start_replay(&DISTRICT.readings, DAYS, 12);
    wait_until("a part is done", || deployment.progress().0 > 15_000);
    broker.kill();
    // Longer than the session of the group, so that the partitions are taken away and given again.
    thread::sleep(Duration::from_secs(7));
    assert!(instance.process.is_running() && replay.is_running());
    broker.restart();
    replay.wait_for_success();
    deployment.wait_until_done(DISTRICT.count);
    assert_eq!(instance.get("/health/live").map(|(status, _)| status), Some(200));
    instance.stop();
    let written = deployment.progress().1;
    deployment
        .alerts()
        .assert_is_but_for(written, DISTRICT.count, &DISTRICT.said);

    // Nothing is in flight: an instance whose broker is away ends when it is told to.
    let mut instance = deployment.start();
    instance.wait_until_ready();
    broker.kill();
    thread::sleep(Duration::from_secs(1));
    instance.process.ask_to_end();
    assert!(instance.process.wait().code().is_some(), "it ends by itself");
}

#[test]
fn the_page_of_a_running_instance_is_sound_and_names_no_home() {
    let deployment = Deployment::new(Broker::shared(), "page");
    deployment.run(&["replay", "--readings", &text(&DISTRICT.readings)]);
    let mut instance = deployment.start();
    deployment.wait_until_done(DISTRICT.count);
    let sum = |page: &str, name: &str| -> Option<f64> {
        let values = page.lines().filter_map(|line| {
            let (series, value) = line.rsplit_once(' ')?;
            let family = series.split('{').next()?;
            (family == name).then(|| value.parse::<f64>().expect("a number"))
        });
        values.reduce(|a, b| a + b)
    };
    // The gauges are looked after now and then.
    wait_until("the page knows all homes", || {
        let page = instance.get("/metrics").expect("the page answers").1;
        sum(&page, "tapwatch_homes") == Some(60.0) && sum(&page, "tapwatch_consumer_lag_records") == Some(0.0)
    });
    let (status, page) = instance.get("/metrics").expect("the page answers");
    assert_eq!(status, 200);
    let kept_out = sum(&page, "tapwatch_dead_letters_total").unwrap_or_default();
    assert_eq!(kept_out, DISTRICT.said.dead_letters.len() as f64);
    assert_eq!(
        sum(&page, "tapwatch_readings_total"),
        Some(DISTRICT.count as f64 - kept_out)
    );
    assert_eq!(
        sum(&page, "tapwatch_alerts_total"),
        Some(DISTRICT.said.alerts.len() as f64)
    );
    let open = |kind: &str| {
        let last: BTreeMap<&str, &str> = DISTRICT
            .said
            .by_home
            .values()
            .flatten()
            .filter_map(|id| {
                let data = &DISTRICT.said.alerts[id];
                (data["kind"] == kind).then(|| Some((data["alert_id"].as_str()?, data["state"].as_str()?)))?
            })
            .collect();
        last.values().filter(|state| **state != "resolved").count() as f64
    };
    for kind in ["inactivity", "leak", "silent_meter"] {
        let series = format!("tapwatch_open_alerts{{kind=\"{kind}\"");
        let shown: f64 = page
            .lines()
            .filter(|line| line.starts_with(&series))
            .filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok())
            .sum();
        assert_eq!(shown, open(kind), "{kind}");
    }
    for home in DISTRICT.said.by_home.keys() {
        assert!(!page.contains(home.as_str()), "{home} is on the page");
        assert!(!instance.process.said().contains(home.as_str()), "{home} is in the log");
    }

    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("this test needs promtool (`apt-get install prometheus`): {error}"));
    let mut input = promtool.stdin.take().expect("a pipe");
    input.write_all(page.as_bytes()).expect("promtool reads");
    drop(input);
    let output = promtool.wait_with_output().expect("promtool ends");
    let said = [output.stdout, output.stderr].concat();
    assert_eq!((output.status.code(), &*String::from_utf8_lossy(&said)), (Some(0), ""));
    instance.stop();
}

/// A producer that sends what it has, home after home, stamped by Kafka with the present.
#[test]
fn readings_in_no_order_of_time_give_the_same_inactivity_and_leaks() {
    let deployment = Deployment::new(Broker::shared(), "careless");
    let mut history = History::read(std::slice::from_ref(&DISTRICT.readings)).expect("a sound file");
    history.rows.sort_by_key(|row| (row.meter, row.start));
    let producer: ThreadedProducer<rdkafka::producer::DefaultProducerContext> = Broker::shared()
        .client()
        .set("partitioner", "murmur2_random")
        .set("queue.buffering.max.messages", "1000000")
        .create()
        .expect("a producer");
    let topic = deployment.topic("readings");
    for row in &history.rows {
        let mut payload = Vec::new();
        history.json(row, &mut payload);
        let record = BaseRecord::to(&topic)
            .key(&*history.name(row).household)
            .payload(&payload);
        producer
            .send(record)
            .map_err(|(error, _)| error)
            .expect("room for a record");
    }
    producer.flush(Duration::from_secs(60)).expect("the broker takes them");
    let mut instance = deployment.start();
    deployment.wait_until_done(DISTRICT.count);
    instance.stop();
    // Decided at the stream's time, which other homes' readings have carried ahead; the words name days as seen from then, and say by
    // how much that was late.
    let said = |said: &Said| -> BTreeMap<String, Value> {
        let of_kinds = said.of_kinds(&["inactivity", "leak"]);
        let mut of_kinds: BTreeMap<_, _> = of_kinds
            .into_iter()
            .map(|(id, data)| (id.clone(), data.clone()))
            .collect();
        for alert in of_kinds.values_mut() {
            let alert = alert.as_object_mut().expect("an alert");
            alert.retain(|field, _| !["decided_at", "text"].contains(&field.as_str()));
            let evidence = alert["evidence"].as_object_mut().expect("evidence");
            evidence.retain(|figure, _| !figure.starts_with("readings_come_") && !figure.starts_with("readings_came_"));
        }
        of_kinds
    };
    assert_eq!(said(&deployment.alerts()), said(&DISTRICT.said));
}

#[test]
fn time_zone_zone_and_programme_come_from_the_homes_topic() {
    let folder = tempfile::tempdir().expect("a folder");
    let (homes, config) = (folder.path().join("homes.csv"), folder.path().join("tapwatch.toml"));
    let named: BTreeSet<String> = {
        let history = History::read(std::slice::from_ref(&DISTRICT.readings)).expect("a sound file");
        history.meters.iter().map(|meter| meter.household.to_string()).collect()
    };
    let mut table = "household_id,time_zone,zone,programme\n".to_owned();
    for (index, home) in named.iter().enumerate() {
        table += &match index % 3 {
            0 => format!("{home},Asia/Shanghai,north,\n"),
            1 => format!("{home},,,early\n"),
            _ => continue,
        };
    }
    fs::write(&homes, table).expect("the folder takes files");
    fs::write(
        &config,
        "[[programmes.early.inactivity.rules]]\nname = \"nine-hours\"\nwhen = { no_use = { hours = 9 } }\n",
    )
    .expect("the folder takes files");
    let (readings, homes, config) = (text(&DISTRICT.readings), text(&homes), text(&config));
    let expected = backtest(&["--config", &config, "--readings", &readings, "--homes", &homes]);
    let has = |field: &str, value: &str| expected.alerts.values().any(|data| data[field] == value);
    assert!(has("zone", "north") && has("programme", "early") && has("rule", "nine-hours"));
    assert_ne!(expected, DISTRICT.said);

    let deployment = Deployment::new(Broker::shared(), "homes");
    deployment.run(&["replay", "--readings", &readings, "--homes", &homes]);
    let mut instance = support::process::Instance::start(&deployment.arguments(&["run", "--config", &config]));
    deployment.wait_until_done(DISTRICT.count);
    instance.stop();
    assert_eq!(deployment.alerts(), expected);
}
