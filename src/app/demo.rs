//! The demo: a broker inside the process, real homes streamed through the very pipeline of `run`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{Headers, Message};
use rdkafka::mocking::MockCluster;

use super::service::Service;
use crate::history::{History, Incident, arrival};
use crate::kafka::{Feeder, KafkaSettings, Pace};
use crate::model::{Alert, AlertState, EventTime, HOUR, HomeRecord, format_span};
use crate::settings::{Settings, Validated};

/// Partitions of the demo's topics.
const PARTITIONS: i32 = 2;
/// How long the last alerts may take after the last reading.
const PATIENCE: Duration = Duration::from_secs(60);

/// What is streamed.
pub struct Stage {
    /// Readings, sorted by arrival.
    pub history: History,
    /// What was put into them.
    pub truth: Vec<Incident>,
    /// The homes.
    pub homes: Vec<HomeRecord>,
    /// How long the stream is to take; the speed follows from it.
    pub length: Duration,
    /// Whether to go on after the last reading until somebody stops it.
    pub stay: bool,
}

/// What was seen.
#[derive(Default)]
struct Seen {
    alerts: Vec<Alert>,
}

/// Runs the demo; `print` gets every line for the person before it.
///
/// # Errors
/// If a part cannot be started.
pub async fn play(stage: Stage, base: Settings, service_stop: Arc<AtomicBool>, print: fn(&str)) -> anyhow::Result<()> {
    let cluster = MockCluster::new(1).context("the broker inside the process does not start")?;
    let mut settings = base;
    settings.kafka.bootstrap_servers = cluster.bootstrap_servers();
    settings.kafka.partitions = PARTITIONS;
    settings.kafka.instance_id = "none".into();
    settings.source = "/tapwatch/demo".into();
    // The stream is history at high speed; the wall clock has nothing to say in it.
    settings.engine.idle_max_behind_seconds = 60;
    settings.engine.idle_grace_seconds = 0;
    for topic in settings.kafka.topic_names() {
        cluster
            .create_topic(topic, PARTITIONS, 1)
            .with_context(|| format!("topic {topic} is not made"))?;
    }
    let validated = validate(settings)?;
    let kafka = validated.settings.kafka.clone();
    let service = Service::new(validated);
    let page = service.open_page().await?;
    let homes = stage
        .history
        .meters
        .iter()
        .map(|meter| &meter.household)
        .collect::<std::collections::BTreeSet<_>>()
        .len();
    let first = stage.history.rows.first().map(arrival).unwrap_or_default();
    let last = stage.history.rows.last().map(arrival).unwrap_or_default();
    print(&format!(
        "Streaming {} readings of {homes} homes, {} days ({first} to {last}), with {} labelled incidents, in about {} s.",
        stage.history.rows.len(),
        last.since(first) / (24 * HOUR),
        stage.truth.len(),
        stage.length.as_secs()
    ));
    print(&format!("Metrics:  http://{page}/metrics"));
    print(&format!(
        "Alerts:   kcat -b {} -t {} -C -f '%k %h\\n%s\\n\\n'\n",
        kafka.bootstrap_servers, kafka.topics.alerts
    ));
    let seen = Arc::new(Mutex::new(Seen::default()));
    let is_fed = Arc::new(AtomicBool::new(false));
    let is_over = Arc::new(AtomicBool::new(false));
    let stay = stage.stay;
    let stage = Arc::new(stage);

    let feeder = {
        let (stage, kafka, is_fed, stop) = (
            Arc::clone(&stage),
            kafka.clone(),
            Arc::clone(&is_fed),
            Arc::clone(&service_stop),
        );
        tokio::task::spawn_blocking(move || feed(&stage, &kafka, &is_fed, &stop))
    };
    let watcher = {
        let (stage, kafka, is_over, seen) = (
            Arc::clone(&stage),
            kafka.clone(),
            Arc::clone(&is_over),
            Arc::clone(&seen),
        );
        tokio::task::spawn_blocking(move || watch(&stage, &kafka, &is_over, &seen, print))
    };
    let engine = {
        let (is_fed, stop) = (Arc::clone(&is_fed), Arc::clone(&service_stop));
        tokio::task::spawn_blocking(move || {
            let mut fed_at: Option<Instant> = None;
            service.run(|engine| {
                if is_fed.load(Ordering::SeqCst) && fed_at.is_none() {
                    fed_at = Some(Instant::now());
                }
                let is_done = fed_at.is_some_and(|at| engine.is_caught_up() || at.elapsed() > PATIENCE);
                stop.load(Ordering::SeqCst) || (is_done && !stay)
            })
        })
    };
    let ran = engine.await.context("the engine's thread")?;
    service_stop.store(true, Ordering::SeqCst);
    let fed = feeder.await.context("the feeder's thread")?;
    is_over.store(true, Ordering::SeqCst);
    watcher.await.context("the watcher's thread")??;
    ran?;
    fed?;
    let seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
    print(&summary(&stage, &seen.alerts));
    Ok(())
}

fn validate(settings: Settings) -> anyhow::Result<Validated> {
    Ok(settings.validate(&crate::settings::Origins::default())?)
}

/// Puts the homes, then the readings, into their topics, at a speed that makes the stream last as long as it should.
fn feed(stage: &Stage, kafka: &KafkaSettings, is_fed: &AtomicBool, stop: &AtomicBool) -> anyhow::Result<()> {
    let feeder = Feeder::new(kafka)?;
    let first = stage.history.rows.first().map(arrival).unwrap_or_default();
    let last = stage.history.rows.last().map(arrival).unwrap_or_default();
    feeder.send_homes(&kafka.topics.homes, &stage.homes, first)?;
    let speed = f64::from(last.since(first)) / stage.length.as_secs_f64().max(0.001);
    let (pace, mut payload) = (Pace::default(), Vec::new());
    for row in &stage.history.rows {
        pace.wait(Duration::from_secs_f64(f64::from(arrival(row).since(first)) / speed));
        if stop.load(Ordering::SeqCst) {
            return Ok(());
        }
        feeder.send_reading(&kafka.topics.readings, &stage.history, row, &mut payload)?;
    }
    feeder.finish()?;
    // A moment for the engine to see the last of them before it may call itself caught up.
    std::thread::sleep(Duration::from_secs(1));
    is_fed.store(true, Ordering::SeqCst);
    Ok(())
}

/// Reads the alerts topic as any subscriber would, and prints what comes.
fn watch(
    stage: &Stage,
    kafka: &KafkaSettings,
    is_over: &AtomicBool,
    seen: &Mutex<Seen>,
    print: fn(&str),
) -> anyhow::Result<()> {
    let mut config = rdkafka::ClientConfig::new();
    config
        .set("bootstrap.servers", &kafka.bootstrap_servers)
        .set("group.id", "tapwatch-demo-watcher");
    config
        .set("auto.offset.reset", "earliest")
        .set("fetch.wait.max.ms", "50");
    let consumer: BaseConsumer = config.create()?;
    let mut list = rdkafka::TopicPartitionList::new();
    for partition in 0..PARTITIONS {
        list.add_partition_offset(&kafka.topics.alerts, partition, rdkafka::Offset::Beginning)?;
    }
    consumer.assign(&list)?;
    loop {
        match consumer.poll(Duration::from_millis(200)) {
            Some(Ok(message)) => {
                debug_assert!(message.headers().is_some_and(|headers| headers.count() > 0));
                let alert: Alert = serde_json::from_slice(message.payload().unwrap_or_default())?;
                print(&line(stage, &alert));
                seen.lock().unwrap_or_else(PoisonError::into_inner).alerts.push(alert);
            }
            Some(Err(error)) => tracing::debug!(%error, "watching the alerts"),
            None if is_over.load(Ordering::SeqCst) => return Ok(()),
            None => {}
        }
    }
}

/// One alert on one line, with the truth beside it.
fn line(stage: &Stage, alert: &Alert) -> String {
    let state = match alert.state {
        AlertState::Raised => "RAISED  ",
        AlertState::Updated => "updated ",
        AlertState::Escalated => "ESCALATE",
        AlertState::Acknowledged => "taken on",
        AlertState::Resolved => "resolved",
    };
    let mut line = format!(
        "{}  {state} {:<12} {:<12} {}",
        alert.decided_at,
        alert.kind.name(),
        alert.household_id,
        alert.text.en
    );
    if alert.state == AlertState::Raised {
        match cause(&stage.truth, alert) {
            Some((incident, delay)) => {
                let _ = write!(
                    line,
                    "  [truth: {} since {}, found after {}]",
                    incident.kind,
                    incident.start,
                    format_span(delay)
                );
            }
            None => line.push_str("  [not a labelled incident]"),
        }
    }
    line
}

/// The incident that an alert is about, and how long after its start it was found.
fn cause<'a>(truth: &'a [Incident], alert: &Alert) -> Option<(&'a Incident, u32)> {
    let kind = match alert.kind.name() {
        "inactivity" => "emergency",
        other => other,
    };
    let is_cause = |incident: &&Incident| {
        incident.kind == kind
            && *incident.household == *alert.household_id.as_str()
            && alert.detected_at > incident.start
            && alert.detected_at <= incident.end.plus(24 * HOUR)
    };
    truth
        .iter()
        .find(is_cause)
        .map(|incident| (incident, alert.detected_at.since(incident.start)))
}

fn summary(stage: &Stage, alerts: &[Alert]) -> String {
    let mut text = String::from("\nSummary\n");
    let raised = || alerts.iter().filter(|alert| alert.state == AlertState::Raised);
    let mut found: BTreeMap<(&str, EventTime), u32> = BTreeMap::new();
    for alert in raised() {
        if let Some((incident, delay)) = cause(&stage.truth, alert) {
            found.entry((&incident.household, incident.start)).or_insert(delay);
        }
    }
    for incident in stage.truth.iter().take(40) {
        let told = match found.get(&(&*incident.household, incident.start)) {
            Some(delay) => format!("found after {}", format_span(*delay)),
            None => "not found".to_owned(),
        };
        let _ = writeln!(
            text,
            "  {:<13} {:<12} {}  {told}",
            incident.kind, incident.household, incident.start
        );
    }
    let other = raised().filter(|alert| cause(&stage.truth, alert).is_none()).count();
    let _ = writeln!(
        text,
        "  {} of {} incidents found; {other} other alerts raised; {} records on the alerts topic.",
        found.len(),
        stage.truth.len(),
        alerts.len()
    );
    text
}
