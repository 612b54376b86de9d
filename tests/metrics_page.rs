//! The metrics page as Prometheus sees it.

use std::collections::BTreeSet;
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

use expect_test::expect;
use tapwatch::telemetry::Metrics;

/// Metrics in which every family shows something.
fn filled() -> Metrics {
    let metrics = Metrics::new();
    metrics.readings("accepted_zero", 40);
    metrics.readings("late", 2);
    metrics.meter_events("rollover", 1);
    metrics.dead_letters("bad_json", 3);
    metrics.misplaced_records("homes", 1);
    metrics.input_lost_records("alerts", 17);
    metrics.alerts("inactivity", "raised", 2);
    metrics.welfare_alert("default", "ask");
    metrics.false_alert("default", "ask");
    metrics.watched("default", 3_600);
    metrics.set_budget("default", "visit", 0.5);
    metrics.shadow_findings("default", 3);
    metrics.signs(2);
    metrics.responses("safe", 1);
    metrics.withdrawals(1);
    metrics.visit_lists(4);
    metrics.event_to_alert("inactivity", Duration::from_secs(11 * 3600));
    metrics.arrival_to_alert("inactivity", Duration::from_millis(12));
    metrics.batch(500);
    metrics.applying(Duration::from_millis(7));
    metrics.transaction("committed", 1_200);
    metrics.set_replay_distance(3, 900, 40);
    metrics.unreadable_states(1);
    metrics.invariant_breach(5, 0);
    metrics.set_partitions("live", 2);
    metrics.replayed_records(10_000);
    metrics.rebalance("assigned");
    metrics.kafka_error("BrokerTransportFailure");
    for partition in [1, 11] {
        metrics.set_homes(partition, 1_000, 4);
        metrics.set_consumer_lag(partition, 250);
        metrics.set_replay_progress(partition, 1, 4);
        metrics.set_open_alerts("inactivity", partition, 2);
        metrics.set_open_alerts("leak", partition, 9);
    }
    metrics
}

/// The lines of a page that hold samples, not descriptions.
fn samples(page: &str) -> impl Iterator<Item = &str> {
    page.lines().filter(|line| !line.starts_with('#'))
}

#[test]
fn promtool_has_no_complaint() {
    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("this test needs promtool (`apt-get install prometheus`): {error}"));
    let mut input = promtool.stdin.take().unwrap();
    input.write_all(filled().page().as_bytes()).unwrap();
    drop(input);
    let output = promtool.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&said));
    assert_eq!(String::from_utf8_lossy(&said), "");
}

#[test]
fn every_metric_that_is_defined_is_on_the_filled_page() {
    let source = include_str!("../src/telemetry/metrics.rs");
    let defined: BTreeSet<&str> = source.split('"').filter(|text| text.starts_with("tapwatch_")).collect();
    let page = filled().page();
    let shown: BTreeSet<&str> = page
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next())
        .collect();
    assert_eq!(defined, shown);
}

#[test]
fn labels_name_no_home() {
    let page = filled().page();
    let labels: BTreeSet<&str> = samples(&page)
        .filter_map(|line| Some(line.split_once('{')?.1.split_once('}')?.0))
        .flat_map(|labels| labels.split(','))
        .filter_map(|label| Some(label.split_once('=')?.0))
        .collect();
    let allowed = [
        "class",
        "code",
        "event",
        "invariant",
        "kind",
        "le",
        "lost_to",
        "outcome",
        "partition",
        "programme",
        "reason",
        "response",
        "stage",
        "state",
        "topic",
        "version",
    ];
    assert_eq!(labels, BTreeSet::from(allowed));
}

#[test]
fn names_types_and_help() {
    let page = filled().page();
    let described: String = page
        .lines()
        .filter(|line| line.starts_with('#'))
        .map(|line| format!("{line}\n"))
        .collect();
    expect![[r#"
        # HELP tapwatch_alerts_total Records published on the alert topic, by the kind and state of the alert (unit: records).
        # TYPE tapwatch_alerts_total counter
        # HELP tapwatch_arrival_to_alert_seconds From the arrival of the record that decided it to the alert (unit: seconds).
        # TYPE tapwatch_arrival_to_alert_seconds histogram
        # HELP tapwatch_batch_duration_seconds Time to take a batch, or batches side by side, through the core (unit: seconds).
        # TYPE tapwatch_batch_duration_seconds histogram
        # HELP tapwatch_batch_records Size of the batches read (unit: records).
        # TYPE tapwatch_batch_records histogram
        # HELP tapwatch_build_info The version that runs; always 1 (unit: none).
        # TYPE tapwatch_build_info gauge
        # HELP tapwatch_consumer_lag_records Input between what is committed and the end of the partition (unit: records).
        # TYPE tapwatch_consumer_lag_records gauge
        # HELP tapwatch_dead_letters_total Input that could not be used and was set aside, by reason (unit: records).
        # TYPE tapwatch_dead_letters_total counter
        # HELP tapwatch_event_to_alert_seconds From the event time at which the rule was met to the stream's time at which it could be known (unit: seconds).
        # TYPE tapwatch_event_to_alert_seconds histogram
        # HELP tapwatch_false_alert_budget False alerts accepted, by programme and stage (unit: alerts a home-month).
        # TYPE tapwatch_false_alert_budget gauge
        # HELP tapwatch_homes Homes known (unit: homes).
        # TYPE tapwatch_homes gauge
        # HELP tapwatch_inactivity_alerts_total Inactivity raised, or brought to this stage, by programme (unit: alerts).
        # TYPE tapwatch_inactivity_alerts_total counter
        # HELP tapwatch_inactivity_false_alerts_total Inactivity that had come to this stage and turned out to be false: a sign of life within a day of its beginning, or a correction (unit: alerts).
        # TYPE tapwatch_inactivity_false_alerts_total counter
        # HELP tapwatch_input_lost_records_total Input that retention deleted before it was judged, or before a stored state held it (unit: records).
        # TYPE tapwatch_input_lost_records_total counter
        # HELP tapwatch_invariant_breaches_total Mistakes that the engine found in itself, by the number of the invariant (unit: breaches).
        # TYPE tapwatch_invariant_breaches_total counter
        # HELP tapwatch_kafka_errors_total Errors that Kafka reported, by code (unit: errors).
        # TYPE tapwatch_kafka_errors_total counter
        # HELP tapwatch_meter_events_total What meters did other than count water, by class (unit: events).
        # TYPE tapwatch_meter_events_total counter
        # HELP tapwatch_misplaced_records_total Records in another partition than their keys belong to, by topic (unit: records).
        # TYPE tapwatch_misplaced_records_total counter
        # HELP tapwatch_open_alerts Alerts raised and not resolved (unit: alerts).
        # TYPE tapwatch_open_alerts gauge
        # HELP tapwatch_partitions Partitions of this instance, by state (unit: partitions).
        # TYPE tapwatch_partitions gauge
        # HELP tapwatch_readings_total What came in, or did not, by the state in which the core counted it (unit: readings).
        # TYPE tapwatch_readings_total counter
        # HELP tapwatch_rebalances_total What rebalances of the group did to this instance (unit: events).
        # TYPE tapwatch_rebalances_total counter
        # HELP tapwatch_replay_distance_records What a restart would replay (unit: records).
        # TYPE tapwatch_replay_distance_records gauge
        # HELP tapwatch_replay_progress_ratio Share of the replay that is done; 1 when complete (unit: ratio).
        # TYPE tapwatch_replay_progress_ratio gauge
        # HELP tapwatch_replayed_records_total Input read again to restore state (unit: records).
        # TYPE tapwatch_replayed_records_total counter
        # HELP tapwatch_responses_total Responses to alerts taken in, by what they say (unit: responses).
        # TYPE tapwatch_responses_total counter
        # HELP tapwatch_shadow_findings_total Findings of rules that had not learnt their home, and were not sent, by programme (unit: findings).
        # TYPE tapwatch_shadow_findings_total counter
        # HELP tapwatch_signs_total Other signs of life taken in (unit: signs).
        # TYPE tapwatch_signs_total counter
        # HELP tapwatch_silent_homes Homes whose meter delivers nothing (unit: homes).
        # TYPE tapwatch_silent_homes gauge
        # HELP tapwatch_state_bytes_total Written for a restart: states of homes, and offsets (unit: bytes).
        # TYPE tapwatch_state_bytes_total counter
        # HELP tapwatch_transactions_total Transactions, by outcome (unit: transactions).
        # TYPE tapwatch_transactions_total counter
        # HELP tapwatch_unreadable_states_total Stored states that could not be read, whose homes were rebuilt from the readings (unit: states).
        # TYPE tapwatch_unreadable_states_total counter
        # HELP tapwatch_unsaved_homes Homes that a restart would bring up to date by replay (unit: homes).
        # TYPE tapwatch_unsaved_homes gauge
        # HELP tapwatch_visit_lists_total Lists of homes to visit (unit: lists).
        # TYPE tapwatch_visit_lists_total counter
        # HELP tapwatch_watched_seconds_total Measured time of homes, by programme; 2629800 are a home-month (unit: seconds).
        # TYPE tapwatch_watched_seconds_total counter
        # HELP tapwatch_withdrawals_total Homes that withdrew their consent and were erased (unit: homes).
        # TYPE tapwatch_withdrawals_total counter
    "#]].assert_eq(&described);
}

#[test]
fn a_revoked_partition_leaves_no_series() {
    let metrics = filled();
    let series_of = |partition: &str| {
        let label = format!("partition=\"{partition}\"");
        samples(&metrics.page()).filter(|line| line.contains(&label)).count()
    };
    assert_eq!((series_of("1"), series_of("11")), (6, 6));
    metrics.drop_partition(1);
    metrics.drop_partition(1);
    assert_eq!((series_of("1"), series_of("11")), (0, 6));
    assert!(
        metrics
            .page()
            .contains("\ntapwatch_alerts_total{kind=\"inactivity\",state=\"raised\"} 2\n")
    );
    metrics.set_homes(1, 5, 0);
    assert_eq!(series_of("1"), 2, "a partition may come back");
}

#[test]
fn samples_carry_what_was_told() {
    let metrics = filled();
    metrics.clone().readings("accepted_zero", 2);
    metrics.set_homes(1, 7, 3);
    metrics.set_replay_progress(2, 0, 0);
    metrics.set_replay_progress(3, 9, 8);
    let page = metrics.page();
    for sample in [
        r#"tapwatch_readings_total{state="accepted_zero"} 42"#,
        r#"tapwatch_homes{partition="1"} 7"#,
        r#"tapwatch_silent_homes{partition="1"} 3"#,
        r#"tapwatch_replay_progress_ratio{partition="1"} 0.25"#,
        r#"tapwatch_replay_progress_ratio{partition="2"} 1"#,
        r#"tapwatch_replay_progress_ratio{partition="3"} 1"#,
        r#"tapwatch_open_alerts{kind="leak",partition="11"} 9"#,
        r#"tapwatch_event_to_alert_seconds_bucket{kind="inactivity",le="32400"} 0"#,
        r#"tapwatch_event_to_alert_seconds_bucket{kind="inactivity",le="43200"} 1"#,
        r#"tapwatch_event_to_alert_seconds_sum{kind="inactivity"} 39600"#,
        r#"tapwatch_arrival_to_alert_seconds_bucket{kind="inactivity",le="0.01"} 0"#,
        r#"tapwatch_arrival_to_alert_seconds_bucket{kind="inactivity",le="0.05"} 1"#,
        r#"tapwatch_batch_records_sum 500"#,
        r#"tapwatch_batch_duration_seconds_sum 0.007"#,
        concat!("tapwatch_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"} 1"),
    ] {
        assert!(page.lines().any(|line| line == sample), "{sample} is not in\n{page}");
    }
}
