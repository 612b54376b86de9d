//! Partitions one after the other, and in step.

use std::sync::atomic::{AtomicU64, Ordering};

use super::*;
use crate::area::Cause;
use crate::history::MeterName;
use crate::model::{AlertKind, AlertState, EventTime, HOUR, Measure, Quality};
use crate::partition::ConsentRule;

const HOMES: u32 = 40;
const DAYS: u32 = 13;
const FIRST_HOUR: u32 = 24 * 20_000;

fn at(hour: u32) -> EventTime {
    EventTime::from_hour(FIRST_HOUR + hour)
}

/// Homes that use water in two hours of three, but none in `dry`; the first of them falls silent on the fifth day.
fn history(dry: Range<u32>) -> History {
    let mut history = History::default();
    for home in 0..HOMES {
        let name: Arc<str> = format!("h{home}").into();
        history.meters.push(MeterName {
            household: Arc::clone(&name),
            meter: name,
        });
        for hour in 0..DAYS * 24 {
            if home == 0 && hour > 5 * 24 {
                continue;
            }
            let is_dry = (hour + home).is_multiple_of(3) || dry.contains(&hour);
            history.rows.push(Row {
                meter: home,
                start: at(hour),
                seconds: HOUR,
                measure: Some(Measure::Volume(if is_dry { 0.0 } else { 7.0 })),
                quality: Quality::Measured,
                received_at: None,
                flags: Default::default(),
            });
        }
    }
    history.sort_by_arrival();
    history
}

fn outcome(history: &History, partitions: u32, is_watched: bool) -> Outcome {
    let homes: Vec<HomeRecord> = (0..HOMES)
        .map(|home| HomeRecord {
            household_id: format!("h{home}"),
            zone: Some("z".into()),
            upload_seconds: Some(HOUR),
            ..HomeRecord::default()
        })
        .collect();
    let mut rules = Rules {
        consent: ConsentRule::Assumed,
        ..Rules::default()
    };
    rules.area.enabled = is_watched;
    let space = SortSpace {
        memory_bytes: usize::MAX,
        folder: PathBuf::new(),
    };
    let backtest =
        Backtest::of_history(history, homes, partitions, &rules, "/tapwatch", &space).expect("all is in memory");
    let done = AtomicU64::new(0);
    let outcomes = backtest.run(&[Arc::new(rules)], |more| {
        done.fetch_add(more, Ordering::Relaxed);
    });
    assert_eq!(done.into_inner(), history.rows.len() as u64);
    outcomes.expect("all is in memory").remove(0)
}

#[test]
fn going_in_step_changes_nothing_where_no_zone_has_an_outage() {
    let history = history(0..0);
    for partitions in [1, 3] {
        let (apart, together) = (
            outcome(&history, partitions, false),
            outcome(&history, partitions, true),
        );
        assert!(
            apart
                .alerts
                .iter()
                .any(|event| event.data.kind == AlertKind::SilentMeter)
        );
        assert_eq!(apart.alerts, together.alerts);
        assert_eq!(apart.dead_letters, together.dead_letters);
        assert_eq!((apart.counts, apart.homes), (together.counts, together.homes));
        assert!(together.area_alerts.is_empty());
    }
}

#[test]
fn an_outage_is_found_by_all_partitions_together_however_many_they_are() {
    let history = history(270..282);
    let alone = outcome(&history, 1, true).area_alerts;
    let said: Vec<_> = alone
        .iter()
        .map(|event| (event.data.state, event.data.cause, event.data.since, event.data.until))
        .collect();
    assert_eq!(
        said,
        [
            (AlertState::Raised, Cause::Dry, at(270), None),
            (AlertState::Resolved, Cause::Dry, at(270), Some(at(282))),
        ]
    );
    assert_eq!(alone[0].event_type, "tapwatch.area-alert.v1");
    for partitions in [2, 5, 64] {
        assert_eq!(
            outcome(&history, partitions, true).area_alerts,
            alone,
            "{partitions} partitions"
        );
    }
    assert!(outcome(&history, 5, false).area_alerts.is_empty());
}
