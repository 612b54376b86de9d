//! Every metric of tapwatch: its name, help, unit, labels and buckets. No other file names a metric.
//!
//! Constraints: no label ever holds a home. Label values are `&'static str` given by the core, a partition number, or
//! the name of a Kafka error, so the number of series is bounded by the code and the number of partitions.
//!
//! Format: Prometheus conventions (prefix, base units, `_total` for what only grows). As the text format has no line
//! for a unit, each help line ends with it.
//!
//! Operation: counters take the number to add; adding 0 makes a series appear, so that its first real step is seen by
//! `rate()`. What a gauge shows is set whole. [`Metrics::drop_partition`] takes away what a revoked partition showed.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use prometheus::core::{Collector, MetricVec, MetricVecBuilder};
use prometheus::{
    GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGaugeVec, Opts, Registry,
    TextEncoder,
};

const PARTITION: &str = "partition";

const MINUTE: f64 = 60.0;
const HOUR: f64 = 60.0 * MINUTE;
const DAY: f64 = 24.0 * HOUR;

/// From what happened in the home to the alert: rules wait for hours, and meters upload once a day.
const EVENT_TO_ALERT: [f64; 15] = [
    MINUTE,
    5.0 * MINUTE,
    15.0 * MINUTE,
    30.0 * MINUTE,
    HOUR,
    2.0 * HOUR,
    4.0 * HOUR,
    6.0 * HOUR,
    9.0 * HOUR,
    12.0 * HOUR,
    18.0 * HOUR,
    DAY,
    1.5 * DAY,
    2.0 * DAY,
    3.0 * DAY,
];

/// From the arrival of the deciding record to the alert: milliseconds in operation, hours after an outage.
const ARRIVAL_TO_ALERT: [f64; 15] = [
    0.001,
    0.005,
    0.01,
    0.05,
    0.1,
    0.5,
    1.0,
    5.0,
    15.0,
    MINUTE,
    5.0 * MINUTE,
    15.0 * MINUTE,
    HOUR,
    6.0 * HOUR,
    DAY,
];

const BATCH_RECORDS: [f64; 11] = [
    1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1_000.0, 3_000.0, 10_000.0, 30_000.0, 100_000.0,
];

const BATCH_DURATION: [f64; 12] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0];

/// The metrics of one engine, with a registry of their own. Cheap to clone: all clones are one.
#[derive(Clone, Debug)]
pub struct Metrics(Arc<Families>);

#[derive(Debug)]
struct Families {
    registry: Registry,
    readings: IntCounterVec,
    meter_events: IntCounterVec,
    dead_letters: IntCounterVec,
    misplaced_records: IntCounterVec,
    input_lost_records: IntCounterVec,
    homes: IntGaugeVec,
    silent_homes: IntGaugeVec,
    alerts: IntCounterVec,
    welfare_alerts: IntCounterVec,
    false_alerts: IntCounterVec,
    watched_seconds: IntCounterVec,
    budget: GaugeVec,
    shadow_findings: IntCounterVec,
    signs: IntCounter,
    responses: IntCounterVec,
    withdrawals: IntCounter,
    visit_lists: IntCounter,
    open_alerts: IntGaugeVec,
    event_to_alert: HistogramVec,
    arrival_to_alert: HistogramVec,
    batch_records: Histogram,
    batch_duration: Histogram,
    transactions: IntCounterVec,
    state_bytes: IntCounter,
    replay_distance: IntGaugeVec,
    unsaved_homes: IntGaugeVec,
    unreadable_states: IntCounter,
    invariant_breaches: IntCounterVec,
    partitions: IntGaugeVec,
    consumer_lag: IntGaugeVec,
    replay_progress: GaugeVec,
    replayed_records: IntCounter,
    rebalances: IntCounterVec,
    kafka_errors: IntCounterVec,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// Metrics that all stand at their beginning.
    pub fn new() -> Self {
        Self(Arc::new(Families::new()))
    }

    /// Readings that the core found in this state: `zero`, `use`, `late`, `estimated`, `missing` …
    pub fn readings(&self, state: &'static str, n: u64) {
        self.0.readings.with_label_values(&[state]).inc_by(n);
    }

    /// Things of this class that meters did: `rollover`, `swapped_meter`, `reset`, `reverse_flow`, and so on.
    pub fn meter_events(&self, class: &'static str, n: u64) {
        self.0.meter_events.with_label_values(&[class]).inc_by(n);
    }

    /// Records sent to the dead-letter topic for this reason.
    pub fn dead_letters(&self, reason: &'static str, n: u64) {
        self.0.dead_letters.with_label_values(&[reason]).inc_by(n);
    }

    /// Records of this topic in another partition than their keys belong to.
    pub fn misplaced_records(&self, topic: &'static str, n: u64) {
        self.0.misplaced_records.with_label_values(&[topic]).inc_by(n);
    }

    /// Records that retention deleted before they were judged (`alerts`), or before the stored state of their homes
    /// included them (`state`).
    pub fn input_lost_records(&self, lost_to: &'static str, n: u64) {
        self.0.input_lost_records.with_label_values(&[lost_to]).inc_by(n);
    }

    /// The homes of a partition, and how many of them deliver nothing.
    pub fn set_homes(&self, partition: i32, homes: u64, silent: u64) {
        let partition = partition.to_string();
        self.0.homes.with_label_values(&[&partition]).set(whole(homes));
        self.0.silent_homes.with_label_values(&[&partition]).set(whole(silent));
    }

    /// Alert records published of this kind and state.
    pub fn alerts(&self, kind: &'static str, state: &'static str, n: u64) {
        self.0.alerts.with_label_values(&[kind, state]).inc_by(n);
    }

    /// Inactivity raised, or brought to this stage, in a programme: what its budget is spent on.
    pub fn welfare_alert(&self, programme: &str, stage: &'static str) {
        self.0.welfare_alerts.with_label_values(&[programme, stage]).inc();
    }

    /// Inactivity of a programme that had come to this stage, and turned out to be false.
    pub fn false_alert(&self, programme: &str, stage: &'static str) {
        self.0.false_alerts.with_label_values(&[programme, stage]).inc();
    }

    /// Measured time of the homes of a programme.
    pub fn watched(&self, programme: &str, seconds: u64) {
        self.0.watched_seconds.with_label_values(&[programme]).inc_by(seconds);
    }

    /// The false alerts that a programme accepts a home-month, at a stage.
    pub fn set_budget(&self, programme: &str, stage: &'static str, budget: f64) {
        self.0.budget.with_label_values(&[programme, stage]).set(budget);
    }

    /// Findings of rules of a programme that have not learnt their home yet.
    pub fn shadow_findings(&self, programme: &str, n: u64) {
        self.0.shadow_findings.with_label_values(&[programme]).inc_by(n);
    }

    /// Other signs of life taken in.
    pub fn signs(&self, n: u64) {
        self.0.signs.inc_by(n);
    }

    /// Responses taken in that said this.
    pub fn responses(&self, response: &'static str, n: u64) {
        self.0.responses.with_label_values(&[response]).inc_by(n);
    }

    /// Homes that withdrew their consent and were erased.
    pub fn withdrawals(&self, n: u64) {
        self.0.withdrawals.inc_by(n);
    }

    /// Lists of homes to visit.
    pub fn visit_lists(&self, n: u64) {
        self.0.visit_lists.inc_by(n);
    }

    /// The alerts of this kind that are open in a partition.
    pub fn set_open_alerts(&self, kind: &'static str, partition: i32, open: u64) {
        self.0
            .open_alerts
            .with_label_values(&[kind, &partition.to_string()])
            .set(whole(open));
    }

    /// From the event time at which a rule was met to when that could be known.
    pub fn event_to_alert(&self, kind: &'static str, delay: Duration) {
        self.0
            .event_to_alert
            .with_label_values(&[kind])
            .observe(delay.as_secs_f64());
    }

    /// From the arrival of the record that decided it to an alert's first record.
    pub fn arrival_to_alert(&self, kind: &'static str, delay: Duration) {
        self.0
            .arrival_to_alert
            .with_label_values(&[kind])
            .observe(delay.as_secs_f64());
    }

    /// A batch was taken through the core: its size.
    pub fn batch(&self, records: u64) {
        self.0.batch_records.observe(records as f64);
    }

    /// How long a batch took, or several side by side.
    pub fn applying(&self, took: Duration) {
        self.0.batch_duration.observe(took.as_secs_f64());
    }

    /// A transaction ended this way: `committed`, `aborted` or `unknown`; it carried so many bytes of states and offsets.
    pub fn transaction(&self, outcome: &'static str, state_bytes: u64) {
        self.0.transactions.with_label_values(&[outcome]).inc();
        self.0.state_bytes.inc_by(state_bytes);
    }

    /// How many records a restart would replay, to bring how many homes up to date.
    pub fn set_replay_distance(&self, partition: i32, records: u64, homes: u64) {
        let partition = partition.to_string();
        self.0
            .replay_distance
            .with_label_values(&[&partition])
            .set(whole(records));
        self.0.unsaved_homes.with_label_values(&[&partition]).set(whole(homes));
    }

    /// Stored states that could not be read; their homes were rebuilt from the readings.
    pub fn unreadable_states(&self, n: u64) {
        self.0.unreadable_states.inc_by(n);
    }

    /// The engine's invariant of this number was found broken.
    pub fn invariant_breach(&self, invariant: u8, n: u64) {
        let series = self.0.invariant_breaches.with_label_values(&[invariant.to_string()]);
        series.inc_by(n);
    }

    /// The partitions of this instance in this state: `restoring`, `live` … A state that none is in is set to 0.
    pub fn set_partitions(&self, state: &'static str, n: u64) {
        self.0.partitions.with_label_values(&[state]).set(whole(n));
    }

    /// The records between what is committed and the end of the partition.
    pub fn set_consumer_lag(&self, partition: i32, records: u64) {
        self.0
            .consumer_lag
            .with_label_values(&[partition.to_string()])
            .set(whole(records));
    }

    /// How far the replay of a partition has come, as `done` of `total` records. A replay of nothing is complete.
    pub fn set_replay_progress(&self, partition: i32, done: u64, total: u64) {
        let ratio = if total == 0 { 1.0 } else { done as f64 / total as f64 };
        self.0
            .replay_progress
            .with_label_values(&[partition.to_string()])
            .set(ratio.min(1.0));
    }

    /// Records read again, silently, to restore state.
    pub fn replayed_records(&self, n: u64) {
        self.0.replayed_records.inc_by(n);
    }

    /// The group was rebalanced, and this happened to the instance: `assigned`, `revoked`, `lost` …
    pub fn rebalance(&self, event: &'static str) {
        self.0.rebalances.with_label_values(&[event]).inc();
    }

    /// Kafka reported an error. `code` is the name of the error code, never a message: names are a closed set.
    pub fn kafka_error(&self, code: &str) {
        self.0.kafka_errors.with_label_values(&[code]).inc();
    }

    /// Takes away every series of a partition that is no longer this instance's; whoever owns it now shows them.
    /// Counters stay: what was done was done.
    pub fn drop_partition(&self, partition: i32) {
        let families = &*self.0;
        for gauges in [
            &families.homes,
            &families.silent_homes,
            &families.open_alerts,
            &families.consumer_lag,
            &families.replay_distance,
            &families.unsaved_homes,
        ] {
            drop_series(gauges, partition);
        }
        drop_series(&families.replay_progress, partition);
    }

    /// All metrics in the Prometheus text format, version 0.0.4.
    pub fn page(&self) -> String {
        TextEncoder
            .encode_to_string(&self.0.registry.gather())
            .expect("families gathered from a registry have series")
    }
}

impl Families {
    #[rustfmt::skip] // A table to look things up in: name, help, unit, labels.
    fn new() -> Self {
        let registry = Registry::new();
        let counter = |name, help, unit| register(&registry, IntCounter::with_opts(Opts::new(name, describe(help, unit))));
        let counters = |name, help, unit, labels: &[&str]|
            register(&registry, IntCounterVec::new(Opts::new(name, describe(help, unit)), labels));
        let gauges = |name, help, unit, labels: &[&str]|
            register(&registry, IntGaugeVec::new(Opts::new(name, describe(help, unit)), labels));
        let ratios = |name, help, labels: &[&str]|
            register(&registry, GaugeVec::new(Opts::new(name, describe(help, "ratio")), labels));
        let histogram = |name, help, unit, buckets: &[f64]|
            register(&registry, Histogram::with_opts(distribution(name, help, unit, buckets)));
        let histograms = |name, help, unit, buckets: &[f64], labels: &[&str]|
            register(&registry, HistogramVec::new(distribution(name, help, unit, buckets), labels));

        gauges("tapwatch_build_info", "The version that runs; always 1", "none", &["version"])
            .with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);

        Self {
            readings: counters("tapwatch_readings_total",
                "What came in, or did not, by the state in which the core counted it", "readings", &["state"]),
            meter_events: counters("tapwatch_meter_events_total",
                "What meters did other than count water, by class", "events", &["class"]),
            dead_letters: counters("tapwatch_dead_letters_total",
                "Input that could not be used and was set aside, by reason", "records", &["reason"]),
            misplaced_records: counters("tapwatch_misplaced_records_total",
                "Records in another partition than their keys belong to, by topic", "records", &["topic"]),
            input_lost_records: counters("tapwatch_input_lost_records_total",
                "Input that retention deleted before it was judged, or before a stored state held it", "records", &["lost_to"]),
            homes: gauges("tapwatch_homes", "Homes known", "homes", &[PARTITION]),
            silent_homes: gauges("tapwatch_silent_homes", "Homes whose meter delivers nothing", "homes", &[PARTITION]),

            alerts: counters("tapwatch_alerts_total",
                "Records published on the alert topic, by the kind and state of the alert", "records", &["kind", "state"]),
            welfare_alerts: counters("tapwatch_inactivity_alerts_total",
                "Inactivity raised, or brought to this stage, by programme", "alerts", &["programme", "stage"]),
            false_alerts: counters("tapwatch_inactivity_false_alerts_total",
                "Inactivity that had come to this stage and turned out to be false: a sign of life within a day of its beginning, or a correction",
                "alerts", &["programme", "stage"]),
            watched_seconds: counters("tapwatch_watched_seconds_total",
                "Measured time of homes, by programme; 2629800 are a home-month", "seconds", &["programme"]),
            budget: register(&registry, GaugeVec::new(Opts::new("tapwatch_false_alert_budget",
                describe("False alerts accepted, by programme and stage", "alerts a home-month")), &["programme", "stage"])),
            shadow_findings: counters("tapwatch_shadow_findings_total",
                "Findings of rules that had not learnt their home, and were not sent, by programme", "findings", &["programme"]),
            signs: counter("tapwatch_signs_total", "Other signs of life taken in", "signs"),
            responses: counters("tapwatch_responses_total", "Responses to alerts taken in, by what they say", "responses", &["response"]),
            withdrawals: counter("tapwatch_withdrawals_total", "Homes that withdrew their consent and were erased", "homes"),
            visit_lists: counter("tapwatch_visit_lists_total", "Lists of homes to visit", "lists"),
            open_alerts: gauges("tapwatch_open_alerts", "Alerts raised and not resolved", "alerts", &["kind", PARTITION]),
            event_to_alert: histograms("tapwatch_event_to_alert_seconds",
                "From the event time at which the rule was met to the stream's time at which it could be known", "seconds", &EVENT_TO_ALERT, &["kind"]),
            arrival_to_alert: histograms("tapwatch_arrival_to_alert_seconds",
                "From the arrival of the record that decided it to the alert", "seconds", &ARRIVAL_TO_ALERT, &["kind"]),

            batch_records: histogram("tapwatch_batch_records", "Size of the batches read", "records", &BATCH_RECORDS),
            batch_duration: histogram("tapwatch_batch_duration_seconds",
                "Time to take a batch, or batches side by side, through the core", "seconds", &BATCH_DURATION),
            transactions: counters("tapwatch_transactions_total", "Transactions, by outcome", "transactions", &["outcome"]),
            state_bytes: counter("tapwatch_state_bytes_total", "Written for a restart: states of homes, and offsets", "bytes"),
            replay_distance: gauges("tapwatch_replay_distance_records",
                "What a restart would replay", "records", &[PARTITION]),
            unsaved_homes: gauges("tapwatch_unsaved_homes",
                "Homes that a restart would bring up to date by replay", "homes", &[PARTITION]),
            unreadable_states: counter("tapwatch_unreadable_states_total",
                "Stored states that could not be read, whose homes were rebuilt from the readings", "states"),
            invariant_breaches: counters("tapwatch_invariant_breaches_total",
                "Mistakes that the engine found in itself, by the number of the invariant", "breaches", &["invariant"]),
            partitions: gauges("tapwatch_partitions", "Partitions of this instance, by state", "partitions", &["state"]),
            consumer_lag: gauges("tapwatch_consumer_lag_records",
                "Input between what is committed and the end of the partition", "records", &[PARTITION]),
            replay_progress: ratios("tapwatch_replay_progress_ratio",
                "Share of the replay that is done; 1 when complete", &[PARTITION]),
            replayed_records: counter("tapwatch_replayed_records_total", "Input read again to restore state", "records"),
            rebalances: counters("tapwatch_rebalances_total",
                "What rebalances of the group did to this instance", "events", &["event"]),
            kafka_errors: counters("tapwatch_kafka_errors_total", "Errors that Kafka reported, by code", "errors", &["code"]),
            registry,
        }
    }
}

fn describe(help: &str, unit: &str) -> String {
    format!("{help} (unit: {unit}).")
}

fn distribution(name: &str, help: &str, unit: &str, buckets: &[f64]) -> HistogramOpts {
    HistogramOpts::new(name, describe(help, unit)).buckets(buckets.to_vec())
}

/// The table above is all that can fail here, and it fails in every test that makes a [`Metrics`].
fn register<C: Collector + Clone + 'static>(registry: &Registry, made: prometheus::Result<C>) -> C {
    let family = made.expect("the name and labels of a metric are well formed");
    registry
        .register(Box::new(family.clone()))
        .expect("the names of metrics are distinct");
    family
}

/// Gauges are signed in the library; a count beyond its range shows as the largest there is.
fn whole(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

/// Removes the series of a partition, whatever their other labels are.
fn drop_series<B: MetricVecBuilder>(family: &MetricVec<B>, partition: i32) {
    let partition = partition.to_string();
    for series in family.collect().iter().flat_map(|collected| collected.get_metric()) {
        let labels: HashMap<&str, &str> = series
            .get_label()
            .iter()
            .map(|label| (label.name(), label.value()))
            .collect();
        if labels.get(PARTITION) == Some(&partition.as_str()) {
            // The only other remover is another call for this same partition, and then the series is gone as well.
            let _ = family.remove(&labels);
        }
    }
}
