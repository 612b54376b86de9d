//! What exactness costs, measured with the release binary on a real Kafka broker of one node.
//!
//! `cargo bench --bench exactness` takes about three minutes for a little of everything;
//! `cargo bench --bench exactness -- cost`, `trade`, `latency`, `restart` or `rules` measures one part at length.
//! Compare figures of one run only: machines differ, so do days, and the broker works on the same machine.

// It measures by the wall clock, and starts processes.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

mod load;
mod rules;
#[path = "../../tests/support/mod.rs"]
mod support;

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use rdkafka::TopicPartitionList;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message;
use rdkafka::producer::Producer;
use rdkafka::topic_partition_list::Offset;
use tapwatch::model::EventTime;

use load::{Group, HANGS, Load, keep_pace, producer, send};
use support::broker::Broker;
use support::process::Instance;
use support::service::Deployment;

fn main() {
    let part = std::env::args().skip(1).find(|argument| !argument.starts_with("--"));
    let broker = Broker::start(&[]);
    match part.as_deref() {
        None => {
            let rate = cost(&broker, 1_000, 40, &["lz4"], &[0.0, 0.01]);
            trade(&broker, &[(5_000, 8, &[(0.04, 100_000)])]);
            latency(&broker, rate, &[100], 10);
            restart(&broker, 3);
        }
        Some("cost") => {
            cost(&broker, 2_000, 70, &["lz4", "zstd"], &[0.0, 0.01, 0.02, 0.04, 0.1]);
        }
        Some("trade") => trade(
            &broker,
            &[
                (
                    10_000,
                    10,
                    &[(0.01, 2_000_000), (0.04, 2_000_000), (0.1, 2_000_000), (0.01, 500_000)],
                ),
                (100_000, 2, &[(0.01, 2_000_000), (0.04, 2_000_000), (0.1, 2_000_000)]),
            ],
        ),
        Some("latency") => {
            let rate = cost(&broker, 1_000, 60, &["lz4"], &[0.01, 0.01, 0.01]);
            latency(&broker, rate, &[20, 100, 250], 20);
        }
        Some("restart") => restart(&broker, 10),
        Some("rules") => rules::rules(&broker, 1_000, 60),
        Some(other) => panic!("{other} is none of cost, trade, latency, restart, rules"),
    }
}

/// Bytes read and written while a backlog is caught up with; answers the median rate, in readings a second.
fn cost(broker: &Broker, homes: u32, days: u32, codecs: &[&str], shares: &[f64]) -> f64 {
    println!("\n# Cost: {homes} homes, {days} days of hourly readings, caught up with in one go");
    println!(
        "{:>5} {:>6} | {:>9} {:>9} {:>7} {:>7} | {:>8} {:>8} {:>7} | {:>7} {:>7} | {:>7} {:>9} {:>8}",
        "codec",
        "share",
        "read",
        "written",
        "states",
        "B/state",
        "ratio",
        "log",
        "states",
        "offsets",
        "txn",
        "ratio",
        "readings/s",
        "s"
    );
    let mut rates = Vec::new();
    for codec in codecs {
        let load = Load::of_district(broker, &format!("cost-{codec}"), 4, codec, homes, days);
        for (number, share) in shares.iter().enumerate() {
            let deployment = load.deployment(broker, &format!("cost-{codec}-{number}"));
            let other_logs =
                |broker| ["__consumer_offsets", "__transaction_state"].map(|topic| log_bytes(broker, topic));
            let before = other_logs(broker);
            let share_set = format!("engine.checkpoint_share={share}");
            let mut instance = deployment.start_with(&[&share_set]);
            instance.wait_until_ready();
            let began = Instant::now();
            let group = Group::of(broker, &deployment, &load);
            group.wait_until(load.records);
            let took = began.elapsed().as_secs_f64();
            let rate = load.records as f64 / took;
            rates.push(rate);
            let written = instance_metric(&instance, "tapwatch_state_bytes_total");
            instance.stop();
            let after = other_logs(broker);
            let state_log = log_bytes(broker, &deployment.topic("state"));
            let [offsets, transactions] = [0, 1].map(|at| after[at] - before[at]);
            let readings_log = log_bytes(broker, &load.topic);
            let states = deployment.records("state");
            let state_bytes: usize = states
                .iter()
                .map(|state| state.value.as_ref().map_or(0, Vec::len))
                .sum();
            println!(
                "{codec:>5} {share:>6} | {:>9} {:>9} {:>7} {:>7.0} | {:>7.2}% {:>8} {:>7} | {:>7} {:>7} | {:>6.2}% {rate:>9.0} {took:>8.1}",
                megabytes(load.bytes),
                megabytes(written as u64),
                states.len(),
                state_bytes as f64 / states.len().max(1) as f64,
                100.0 * written / load.bytes as f64,
                megabytes(readings_log),
                megabytes(state_log),
                megabytes(offsets),
                megabytes(transactions),
                100.0 * (state_log + offsets) as f64 / readings_log as f64,
            );
        }
    }
    median(&mut rates)
}

/// Homes, days, and shares of the bytes read with the most that may be replayed.
type TradePoint<'a> = (u32, u32, &'a [(f64, u64)]);

/// Replay distance, bytes and restart time for some numbers of homes in one partition, some shares, and the most that may
/// be replayed.
fn trade(broker: &Broker, points: &[TradePoint<'_>]) {
    println!("\n# Trade: homes in one partition, their states' share of the bytes read, and what a restart takes");
    println!(
        "{:>7} {:>5} {:>8} | {:>7} {:>7} | {:>9} {:>9} {:>9} {:>8} {:>7} | {:>9} {:>8} | {:>8} {:>9}",
        "homes",
        "share",
        "most",
        "B/read",
        "B/state",
        "backlog",
        "distance",
        "formula",
        "B/s",
        "ratio",
        "live",
        "B/s",
        "restart",
        "replayed"
    );
    for (homes, days, settings) in points {
        let mut load = Load::of_district(broker, &format!("trade-{homes}"), 1, "lz4", *homes, *days);
        for (number, (share, most)) in settings.iter().enumerate() {
            let deployment = load
                .deployment(broker, &format!("trade-{homes}-{number}"))
                .with("kafka.instance_id=one")
                .with(&format!("engine.checkpoint_share={share}"))
                .with(&format!("engine.max_replay_records={most}"));
            let mut instance = deployment.start();
            instance.wait_until_ready();
            let began = Instant::now();
            Group::of(broker, &deployment, &load).wait_until(load.records);
            let took = began.elapsed().as_secs_f64();
            let written = instance_metric(&instance, "tapwatch_state_bytes_total");
            let distance = distance(&instance);
            let (backlog, read) = (load.records, load.bytes);
            let states = deployment.records("state");
            let state_bytes: usize = states
                .iter()
                .map(|state| state.value.as_ref().map_or(0, Vec::len))
                .sum();
            let state_size = state_bytes as f64 / states.len().max(1) as f64;
            let reading_size = load.bytes as f64 / load.records as f64;
            // As it comes in: some more, while the end of the partition is in sight.
            let began = Instant::now();
            load.feed_day(60_000, 3_000.0);
            Group::of(broker, &deployment, &load).wait_until(load.records);
            let live_took = began.elapsed().as_secs_f64();
            let live_written = instance_metric(&instance, "tapwatch_state_bytes_total") - written;
            let live_distance = self::distance(&instance);
            instance.process.kill();
            let (mut times, mut replayed) = (Vec::new(), 0.0);
            for _ in 0..3 {
                let began = Instant::now();
                let mut instance = deployment.start();
                ready_in_a_moment(&mut instance);
                times.push(began.elapsed().as_secs_f64());
                replayed = instance_metric(&instance, "tapwatch_replayed_records_total");
                instance.process.kill();
            }
            println!(
                "{homes:>7} {share:>5} {most:>8} | {reading_size:>7.0} {state_size:>7.0} | {backlog:>9} {distance:>9.0} {:>9.0} {:>8.0} {:>6.2}% | {live_distance:>9.0} {:>8.0} | {:>6.2} s {replayed:>9.0}",
                f64::from(*homes) * state_size / (share * reading_size),
                written / took,
                100.0 * written / read as f64,
                live_written / live_took,
                median(&mut times),
            );
        }
    }
}

/// From a reading's Kafka timestamp to the alert it causes in the hands of a `read_committed` consumer, at half of `most`
/// readings a second.
fn latency(broker: &Broker, most: f64, intervals: &[u64], seconds: u64) {
    println!(
        "\n# Latency: at {:.0} readings a second, half of the rate of catching up",
        most / 2.0
    );
    println!(
        "{:>11} | {:>8} {:>8} {:>8} {:>8} {:>8} | {:>9} {:>8} {:>8} {:>8}",
        "interval ms", "alerts", "p50 ms", "p90 ms", "p99 ms", "max ms", "sent/s", "txn/s", "written", "ratio"
    );
    let folder = tempfile::tempdir().expect("a folder");
    let config = folder.path().join("tapwatch.toml");
    fs::write(&config, DRY_TWO_HOURS).expect("the folder takes files");
    for interval in intervals {
        let name = format!("latency-{interval}");
        let deployment = Deployment::new(broker, &name).with(&format!("engine.commit_interval_ms={interval}"));
        let config = config.to_string_lossy();
        let mut instance = Instance::start(&deployment.arguments(&["run", "--config", &config]));
        instance.wait_until_ready();
        let stop = Arc::new(AtomicBool::new(false));
        let listener = {
            let (consumer, stop) = (listen(broker, &deployment.topic("alerts")), Arc::clone(&stop));
            thread::spawn(move || hear(&consumer, &stop))
        };
        let fed = feed_dry_homes(broker, &deployment.topic("readings"), most / 2.0, seconds);
        let expected: usize = fed.due.iter().map(VecDeque::len).sum();
        // All that was sent is followed by what it causes, soon or never.
        let group = Group::new(broker, &deployment, deployment.topic("readings"), 4);
        group.wait_until(fed.records);
        thread::sleep(Duration::from_secs(1));
        stop.store(true, Ordering::Relaxed);
        let heard = listener.join().expect("the listener does not panic");
        let written = instance_metric(&instance, "tapwatch_state_bytes_total");
        let transactions = instance_metric(&instance, "tapwatch_transactions_total");
        instance.stop();
        assert_eq!(heard.len(), expected, "alerts heard and alerts that must follow");
        let mut due = fed.due;
        let mut waits: Vec<f64> = heard
            .iter()
            .filter_map(|(home, at)| {
                let sent = due[*home].pop_front().expect("an alert for each that is due");
                (sent >= fed.measured_from).then(|| at.saturating_sub(sent) as f64)
            })
            .collect();
        waits.sort_by(f64::total_cmp);
        let at = |share: f64| waits[((waits.len() - 1) as f64 * share) as usize];
        println!(
            "{interval:>11} | {:>8} {:>8.0} {:>8.0} {:>8.0} {:>8.0} | {:>9.0} {:>8.1} {:>8} {:>7.2}%",
            waits.len(),
            at(0.5),
            at(0.9),
            at(0.99),
            at(1.0),
            fed.records as f64 / fed.seconds,
            transactions / fed.seconds,
            megabytes(written as u64),
            100.0 * written / fed.bytes as f64,
        );
    }
}

/// From kill -9 to live under the same name, with little state.
fn restart(broker: &Broker, times: usize) {
    println!("\n# Restart: kill -9, and the same name again, with 200 homes in four partitions");
    let load = Load::of_district(broker, "restart", 4, "lz4", 200, 10);
    let deployment = load.deployment(broker, "restart-1").with("kafka.instance_id=one");
    let mut instance = deployment.start();
    instance.wait_until_ready();
    Group::of(broker, &deployment, &load).wait_until(load.records);
    let mut took = Vec::new();
    for _ in 0..times {
        instance.process.kill();
        let began = Instant::now();
        instance = deployment.start();
        ready_in_a_moment(&mut instance);
        took.push(began.elapsed().as_secs_f64());
        print!("{:.2} ", took[took.len() - 1]);
    }
    let most = took.iter().copied().fold(0.0, f64::max);
    println!("\nmedian {:.2} s, longest {most:.2} s", median(&mut took));
}

/// Rules under which two dry hours are an alert, and nothing else is.
const DRY_TWO_HOURS: &str = r#"
[programmes.default.inactivity]
rules = [{ name = "no-use-2h", severity = "high", when = { no_use = { hours = 2.0 } } }]

[programmes.default.leak]
enabled = false

[programmes.default.silent_meter]
enabled = false
"#;

/// What was sent to be answered by alerts.
struct Fed {
    records: i64,
    bytes: u64,
    seconds: f64,
    /// For each home, when the readings were sent that cause its alerts, in milliseconds.
    due: Vec<VecDeque<u64>>,
    /// Before, homes were made, and a process that has just started found its pace.
    measured_from: u64,
}

/// Homes that use water seven hours of eight, and now and then are dry for three: an alert is due at the second of them, and
/// its end at the first use. An hour of theirs passes in a fraction of a second; Kafka's timestamps are those of the wall clock.
fn feed_dry_homes(broker: &Broker, topic: &str, rate: f64, seconds: u64) -> Fed {
    const HOMES: usize = 20_000;
    const WARM_UP: u64 = 3;
    let producer = producer(broker, "lz4");
    let total = (rate * (seconds + WARM_UP) as f64) as usize;
    let hours = total.div_ceil(HOMES);
    let start = now_millis() / 1_000 / 3_600 - hours as u64;
    // Dry hours in a row so far, and to come.
    let mut dry = vec![(0_u8, 0_u8); HOMES];
    let mut fed = Fed {
        records: 0,
        bytes: 0,
        seconds: 0.0,
        due: vec![VecDeque::new(); HOMES],
        measured_from: now_millis() + WARM_UP * 1_000,
    };
    let (mut key, mut payload) = (String::new(), String::new());
    let began = Instant::now();
    let mut timestamp = now_millis();
    for number in 0..total {
        if number.is_multiple_of(64) {
            keep_pace(began, number, rate);
            timestamp = now_millis();
        }
        let (home, hour) = (number % HOMES, number / HOMES);
        let drawn = mix((home * 1_000_003 + hour) as u64);
        let (so_far, to_come) = &mut dry[home];
        if hour > 0 && (hour + home).is_multiple_of(8) {
            *to_come = if drawn.is_multiple_of(125) { 3 } else { 1 };
        }
        let is_dry = *to_come > 0;
        if matches!((is_dry, *so_far), (true, 1) | (false, 2..)) {
            fed.due[home].push_back(timestamp);
        }
        (*so_far, *to_come) = if is_dry { (*so_far + 1, *to_come - 1) } else { (0, 0) };
        let litres = if is_dry {
            0.0
        } else {
            (drawn >> 32) as f64 % 600.0 / 10.0 + 0.1
        };
        key.clear();
        payload.clear();
        let time = EventTime::from_unix(((start + hour as u64) * 3_600) as i64).expect("a time of today");
        // Writing into a text cannot fail.
        let _ = write!(key, "h-{home:06}");
        let _ = write!(
            payload,
            r#"{{"household_id":"{key}","timestamp":"{time}","interval_seconds":3600,"volume_litres":{litres:.1}}}"#
        );
        send(&producer, topic, key.as_bytes(), payload.as_bytes(), timestamp as i64);
        fed.records += 1;
        fed.bytes += (key.len() + payload.len()) as u64;
    }
    producer.flush(HANGS).expect("the broker takes the readings");
    fed.seconds = began.elapsed().as_secs_f64();
    fed
}

/// A consumer of all that is committed to a topic from now on.
fn listen(broker: &Broker, topic: &str) -> BaseConsumer {
    let mut config = broker.client();
    config
        .set("group.id", "listener")
        .set("enable.auto.commit", "false")
        .set("isolation.level", "read_committed")
        .set("fetch.queue.backoff.ms", "5");
    let consumer: BaseConsumer = config.create().expect("a consumer");
    let mut list = TopicPartitionList::new();
    for partition in 0..4 {
        list.add_partition_offset(topic, partition, Offset::Beginning)
            .expect("an offset");
    }
    consumer.assign(&list).expect("an assignment");
    consumer
}

/// The home of each alert, and when it was heard.
fn hear(consumer: &BaseConsumer, stop: &AtomicBool) -> Vec<(usize, u64)> {
    let mut heard = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        if let Some(Ok(message)) = consumer.poll(Duration::from_millis(10)) {
            let home = message.key().and_then(|key| std::str::from_utf8(key).ok());
            let home = home.and_then(|home| home.strip_prefix("h-")?.parse().ok());
            heard.push((home.expect("a home of this bench"), now_millis()));
        }
    }
    heard
}

/// Waits for it without the pauses that tests make between two looks.
fn ready_in_a_moment(instance: &mut Instance) {
    let deadline = Instant::now() + HANGS;
    while instance.get("/health/ready").is_none_or(|(status, _)| status != 200) {
        assert!(instance.process.is_running(), "it has ended instead");
        assert!(Instant::now() < deadline, "it does not become ready");
        thread::sleep(Duration::from_millis(5));
    }
}

/// The sum of a metric over its labels.
fn instance_metric(instance: &Instance, name: &str) -> f64 {
    let (_, page) = instance.get("/metrics").expect("the page answers");
    let values = page.lines().filter_map(|line| {
        let rest = line.strip_prefix(name)?;
        rest.starts_with(['{', ' '])
            .then(|| rest.rsplit_once(' '))??
            .1
            .parse::<f64>()
            .ok()
    });
    values.sum()
}

/// What a restart would replay, once it is told: the broker knows a moment earlier what was committed.
fn distance(instance: &Instance) -> f64 {
    thread::sleep(Duration::from_millis(200));
    instance_metric(instance, "tapwatch_replay_distance_records")
}

/// Size of a topic's log on the broker's disk, of all its partitions, without the indexes.
fn log_bytes(broker: &Broker, topic: &str) -> u64 {
    let is_of_topic = |folder: &Path| {
        let name = folder.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        name.rsplit_once('-').is_some_and(|(of, _)| of == topic)
    };
    let data = fs::read_dir(broker.folder().join("data")).expect("the broker's data");
    let folders = data
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .filter(|path| is_of_topic(path));
    let files = folders.flat_map(|folder| fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok));
    let logs = files.filter(|file| file.path().extension().is_some_and(|extension| extension == "log"));
    logs.filter_map(|file| Some(file.metadata().ok()?.len())).sum()
}

fn megabytes(bytes: u64) -> String {
    format!("{:.2}M", bytes as f64 / 1e6)
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn now_millis() -> u64 {
    let since_epoch = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .expect("a clock after 1970");
    since_epoch.as_millis() as u64
}

/// A number that looks drawn (Steele et al., SplitMix64, 2014).
fn mix(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}
