//! What is said of zones, on its way out and back.

use std::sync::Arc;

use super::super::pending::{Pending, SideInput};
use super::super::*;
use super::metadata::metadata;
use super::rebuild::deployment;
use crate::area::{AreaStatus, Cause, Silence, ZoneRecord, ZoneReport};
use crate::model::{EventTime, HOUR, InputTopic, Outage, Output, RawRecord, partition_of};
use crate::partition::{Effects, Partition, Rules};

fn report(zone: &str, partition: u32) -> ZoneReport {
    ZoneReport {
        zone: zone.into(),
        partition,
        at: EventTime::from_hour(480_000),
        hours: Vec::new(),
        silence: Silence::default(),
    }
}

fn status(zone: &str) -> AreaStatus {
    AreaStatus {
        zone: zone.into(),
        cause: Cause::Dry,
        from: EventTime::from_hour(480_000),
        to: None,
    }
}

#[test]
fn a_report_goes_to_the_partition_of_its_zone_and_a_status_to_every_one() {
    let mut pending = Pending::default();
    let effects = Effects {
        zone_reports: vec![report("harbour", 3), report("hill", 3)],
        zone_statuses: vec![status("harbour")],
        ..Effects::default()
    };
    assert!(effects.speaks());
    pending.add(effects, &deployment(), 3);
    assert!(pending.speaks());
    let places: Vec<_> = pending
        .records(3)
        .map(|record| {
            assert_eq!((record.output, record.partition), (Output::Zones, 3));
            let key = record.key.expect("a key");
            (String::from_utf8(key).expect("a text"), record.to.expect("a partition"))
        })
        .collect();
    let responsible = |zone: &str| partition_of(zone.as_bytes(), 8) as i32;
    let mut due = vec![
        ("harbour/3".to_owned(), responsible("harbour")),
        ("hill/3".to_owned(), responsible("hill")),
    ];
    due.extend((0..8).map(|partition| ("harbour/dry".to_owned(), partition)));
    assert_eq!(places, due);
}

#[test]
fn moments_at_which_something_was_said_stay_apart() {
    let at = |hour: u32| EventTime::from_hour(480_000 + hour);
    let clock = |before, hour: u32| SideInput::Clock { before, to: at(hour) };
    let mut pending = Pending::default();
    for (before, hour, spoke) in [(5, 0, false), (5, 1, true), (5, 2, false), (5, 3, false), (6, 4, false)] {
        pending.note_time(before, at(hour), spoke);
    }
    assert_eq!(pending.inputs(), [clock(5, 1), clock(5, 3), clock(6, 4)]);
    let carried = std::mem::take(&mut pending);
    pending.put_back(carried);
    pending.note_time(6, at(5), false);
    // What an aborted transaction carried may have spoken.
    assert_eq!(pending.inputs()[2..], [clock(6, 4), clock(6, 5)]);
}

#[test]
fn a_rebuild_takes_of_the_zones_topic_what_is_in_the_commit() {
    let mut metadata = metadata();
    (metadata.homes, metadata.stored) = (0, 0);
    metadata.beside.set(InputTopic::Zones, 8);
    let rules = || Arc::new(Rules::default());
    let outage_with = |offset| {
        let text = metadata.to_string();
        let committed = Some((40, text.as_str()));
        let plan = Rebuild::plan(rules(), &deployment(), 3, committed, 0..50, |error| panic!("{error}"));
        let mut rebuild = plan.expect("nothing is wrong");
        assert_eq!(rebuild.zones_until(), 8);
        let said = ZoneRecord::Status(status("hill"));
        let (key, value) = (said.key(), said.value());
        rebuild.zone(&RawRecord {
            offset,
            timestamp: None,
            key: Some(key.as_bytes()),
            value: Some(&value),
        });
        let rebuilt = rebuild.finish().expect("no home is missing");
        assert_eq!(rebuilt.beside.next(InputTopic::Zones), 8);
        assert!(!rebuilt.effects.speaks());
        rebuilt.state.outage("hill", Cause::Dry)
    };
    let from = status("hill").from;
    assert_eq!(outage_with(7), Some(Outage { from, to: None }));
    assert_eq!(outage_with(8), None);
    // Where nothing was committed, nothing is remembered: the topic is followed from its beginning.
    let plan = Rebuild::plan(rules(), &deployment(), 3, None, 0..50, |error| panic!("{error}"));
    assert_eq!(plan.expect("nothing is wrong").zones_until(), 0);
}

#[test]
fn a_partition_made_for_a_rebuild_knows_its_place() {
    let text = metadata().to_string();
    let zones: Vec<String> = (0..100).map(|number| format!("block-{number}")).collect();
    let is_ours = |zone: &&String| partition_of(zone.as_bytes(), 8) == 3;
    let ours = zones.iter().find(is_ours).expect("one of them");
    let plan = Rebuild::plan(
        Arc::new(Rules::default()),
        &deployment(),
        3,
        Some((40, &text)),
        0..50,
        |error| panic!("{error}"),
    );
    let rebuilt = plan.expect("nothing is wrong").from_scratch().finish();
    let mut state: Box<Partition> = rebuilt.expect("without what is stored").state;
    let mut letters = |zone: &str| {
        let said = ZoneRecord::Report(ZoneReport {
            at: EventTime::from_hour(480_000).plus(HOUR),
            ..report(zone, 3)
        });
        let (key, value) = (said.key(), said.value());
        let record = RawRecord {
            offset: 0,
            timestamp: None,
            key: Some(key.as_bytes()),
            value: Some(&value),
        };
        state.take_beside(InputTopic::Zones, &record).dead_letters.len()
    };
    assert_eq!(letters(ours), 0);
    let theirs = zones.iter().find(|zone| !is_ours(zone));
    assert_eq!(letters(theirs.expect("one of them")), 1);
}
