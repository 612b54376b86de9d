//! Zones on a real broker: instances that share the homes of a zone find its outage together, and say it once.

// A test of processes: it waits for them by the wall clock.
#![allow(clippy::disallowed_methods)]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use serde_json::Value;
use tapwatch::engine::CommitMetadata;
use tapwatch::history::{History, MeterName, People, Row, write_homes};
use tapwatch::model::{EventTime, HOUR, HomeRecord, InputTopic, Measure, Quality};

use support::broker::Broker;
use support::process::{success, tapwatch, wait_until};
use support::service::{Deployment, PARTITIONS};

const HOMES: u32 = 40;
/// A week of past, and more.
const HOURS: u32 = 290;
/// From here on partitions are fed in step.
const IN_STEP: u32 = 268;
const DRY: std::ops::Range<u32> = 270..282;
const FIRST_HOUR: u32 = 24 * 20_000;

/// Homes that use water in two hours of three, but none in [`DRY`].
fn readings(hours: std::ops::Range<u32>, path: &Path) -> usize {
    let mut history = History::default();
    for home in 0..HOMES {
        let name: Arc<str> = format!("h{home}").into();
        history.meters.push(MeterName {
            household: Arc::clone(&name),
            meter: name,
        });
        history.rows.extend(hours.clone().map(|hour| Row {
            meter: home,
            start: EventTime::from_hour(FIRST_HOUR + hour),
            seconds: HOUR,
            measure: Some(Measure::Volume(
                if (hour + home).is_multiple_of(3) || DRY.contains(&hour) {
                    0.0
                } else {
                    7.0
                },
            )),
            quality: Quality::Measured,
            received_at: None,
            flags: Default::default(),
        }));
    }
    history.sort_by_arrival();
    history.write(path).expect("the folder takes files");
    history.rows.len()
}

/// Identity and data of the alerts of zones that a backtest gives.
fn expected(folder: &Path, homes: &str) -> Vec<(String, Value)> {
    let all = folder.join("all.csv");
    readings(0..HOURS, &all);
    let (all, out, partitions) = (all.to_string_lossy(), folder.to_string_lossy(), PARTITIONS.to_string());
    let of = [
        "--readings",
        &all,
        "--homes",
        homes,
        "--out",
        &out,
        "--partitions",
        &partitions,
    ];
    success(&tapwatch(["backtest", "--sweep", "0"].iter().chain(&of)));
    let text = fs::read_to_string(folder.join("area-alerts.jsonl")).expect("the backtest writes it");
    text.lines()
        .map(|line| {
            let event: Value = serde_json::from_str(line).expect("JSON");
            (event["id"].as_str().expect("an id").to_owned(), event["data"].clone())
        })
        .collect()
}

fn said(deployment: &Deployment) -> Vec<(String, Value)> {
    let records = deployment.records("area-alerts").into_iter();
    records
        .map(|record| {
            assert_eq!(record.headers["ce_type"], "tapwatch.area-alert.v1");
            assert_eq!(record.key.as_deref(), Some(record.headers["ce_subject"].as_bytes()));
            let data = serde_json::from_slice(record.value.as_deref().expect("data")).expect("JSON");
            (record.headers["ce_id"].clone(), data)
        })
        .collect()
}

/// Whether all that was said of zones is in what is committed.
fn is_heard(deployment: &Deployment) -> bool {
    let mut last = BTreeMap::new();
    for record in deployment.records("zones") {
        last.insert(record.partition, record.offset);
    }
    let committed = deployment.committed();
    last.into_iter().all(|(partition, offset)| {
        let metadata = &committed[usize::try_from(partition).expect("a partition")].1;
        let metadata: Result<CommitMetadata, _> = metadata.parse();
        metadata.is_ok_and(|metadata| offset < metadata.beside.next(InputTopic::Zones))
    })
}

#[test]
fn instances_that_share_a_zone_find_its_outage_together_and_say_it_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let homes: Vec<HomeRecord> = (0..HOMES)
        .map(|home| HomeRecord {
            household_id: format!("h{home}"),
            zone: Some("z".into()),
            ..HomeRecord::default()
        })
        .collect();
    let (homes_file, part) = (folder.path().join("homes.csv"), folder.path().join("part.csv"));
    write_homes(&homes_file, &homes, &People::default()).expect("the folder takes files");
    let (homes_file, part_file) = (homes_file.to_string_lossy(), part.to_string_lossy());
    let expected = expected(folder.path(), &homes_file);
    let states: Vec<_> = expected.iter().map(|(_, data)| data["state"].as_str()).collect();
    assert_eq!(states, [Some("raised"), Some("resolved")]);

    let deployment = Deployment::new(Broker::shared(), "zones").with("kafka.properties.session.timeout.ms=6000");
    let mut done = readings(0..IN_STEP, &part);
    deployment.run(&["replay", "--readings", &part_file, "--homes", &homes_file]);
    let mut instances = vec![deployment.start(), deployment.start()];
    for instance in &mut instances {
        instance.wait_until_ready();
    }
    deployment.wait_until_done(done);
    for hour in IN_STEP..HOURS {
        done += readings(hour..hour + 1, &part);
        deployment.run(&["replay", "--readings", &part_file]);
        deployment.wait_until_done(done);
        wait_until("what was said of zones is heard", || is_heard(&deployment));
        // In the midst of the outage, each of them in turn dies.
        if [275, 277].contains(&hour) {
            assert_eq!(said(&deployment), expected[..1]);
            let mut killed = instances.remove(0);
            killed.process.kill();
            instances.push(deployment.start());
        }
    }
    assert_eq!(said(&deployment), expected);
    for instance in &mut instances {
        instance.stop();
    }
    let zones = deployment.records("state").into_iter().filter_map(|record| record.key);
    assert!(zones.into_iter().any(|key| key == b"\0zone/z"));
    let shown = deployment.run(&["state", "check"]);
    assert!(shown.contains("deployment"), "{shown}");
}
