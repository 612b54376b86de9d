//! Partitions one after the other, and in step.

use std::sync::atomic::{AtomicU64, Ordering};

use proptest::prelude::*;
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::*;
use crate::area::Cause;
use crate::history::MeterName;
use crate::model::{AlertKind, AlertState, HOUR, InputTopic, Measure, Quality};
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
    let space = SortSpace {
        memory_bytes: usize::MAX,
        folder: PathBuf::new(),
    };
    outcomes(history, partitions, is_watched, &space, 2).1.remove(0)
}

/// Under the defaults and under rules that judge nothing, with what the first comes to.
fn outcomes(
    history: &History,
    partitions: u32,
    is_watched: bool,
    space: &SortSpace,
    threads: usize,
) -> (String, Vec<Outcome>) {
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
    let mut quiet = rules.clone();
    quiet.programmes[0].detectors.inactivity.rules.clear();
    let backtest = Backtest::of_history(history, homes, partitions, &rules, "/tapwatch", space);
    let backtest = backtest.expect("the disk works").with_threads(threads);
    let done = AtomicU64::new(0);
    let outcomes = backtest.run(&[Arc::new(rules), Arc::new(quiet)], |more| {
        done.fetch_add(more, Ordering::Relaxed);
    });
    assert_eq!(done.into_inner(), 2 * history.rows.len() as u64);
    let outcomes = outcomes.expect("the disk works");
    let timelines = backtest.timelines(&[]).expect("the disk works");
    let summary = outcomes[0].summary(&timelines, &[], Answers::default());
    (serde_json::to_string(&summary).expect("figures"), outcomes)
}

fn letters(outcome: &Outcome) -> String {
    let mut letters = Vec::new();
    outcome.dead_letters.write(&mut letters).expect("the disk works");
    String::from_utf8(letters).expect("JSON")
}

/// All that is written of an outcome.
fn lines(outcome: &Outcome) -> String {
    let alerts = outcome.alerts.iter().map(serde_json::to_string);
    let areas = outcome.area_alerts.iter().map(serde_json::to_string);
    let lines: Result<Vec<_>, _> = alerts.chain(areas).collect();
    lines.expect("JSON").join("\n") + &letters(outcome)
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
        assert_eq!(letters(&apart), letters(&together));
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

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn memory_threads_and_the_order_of_the_file_change_nothing(
        seed in any::<u64>(),
        rows_in_memory in 50..4_000_usize,
        partitions in 1..6_u32,
        is_watched in any::<bool>(),
    ) {
        let mut history = history(270..282);
        history.rows.retain(|row| row.meter < 9);
        // Some come at once with others, some again and some again with another value.
        for place in (0..history.rows.len()).step_by(7) {
            let row = &mut history.rows[place];
            row.received_at = Some(EventTime::from_hour(row.end().hour().next_multiple_of(6)));
            let mut again = *row;
            if place % 2 == 0 {
                again.measure = Some(Measure::Volume(1.0));
            }
            history.rows.push(again);
        }
        history.rows.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
        let folder = tempfile::tempdir().expect("a folder");
        let space = |memory_bytes| SortSpace { memory_bytes, folder: folder.path().to_owned() };
        let (summary, held) = outcomes(&history, partitions, is_watched, &space(usize::MAX), 1);
        prop_assert!(held[0].alerts.len() > held[1].alerts.len(), "two sets of rules");
        for (memory, threads) in [(120 * rows_in_memory, 1), (120 * rows_in_memory, 3), (usize::MAX, 3)] {
            let (of_spilled, spilled) = outcomes(&history, partitions, is_watched, &space(memory), threads);
            prop_assert_eq!(&of_spilled, &summary);
            for (spilled, held) in spilled.iter().zip(&held) {
                prop_assert_eq!(lines(spilled), lines(held));
            }
        }
    }
}

#[test]
fn the_order_of_a_file_changes_nothing_and_partitions_only_when_a_meter_is_silent() {
    let mut history = history(270..282);
    for row in &mut history.rows {
        row.received_at = Some(EventTime::from_hour(row.end().hour().next_multiple_of(6)));
    }
    let in_order = outcome(&history, 3, false).alerts;
    history.rows.shuffle(&mut ChaCha8Rng::seed_from_u64(1));
    let shuffled = outcome(&history, 3, false).alerts;
    assert!(in_order.len() > 10);
    assert_eq!(shuffled, in_order);
    let of_water = |alerts: Vec<CloudEvent>| {
        let is_of_water = |event: &CloudEvent| event.data.kind != AlertKind::SilentMeter;
        alerts.into_iter().filter(is_of_water).collect::<Vec<_>>()
    };
    let alone = outcome(&history, 1, false).alerts;
    assert_eq!(of_water(alone), of_water(in_order));
}

#[test]
fn signs_and_answers_are_taken_when_they_happened() {
    // Home 0 is silent from the fifth day on; home 1 has use to the end.
    let mut history = history(0..0);
    history.rows.retain(|row| row.meter < 2);
    for hour in 5 * 24 + 1..DAYS * 24 {
        let dry = Row {
            start: at(hour),
            measure: Some(Measure::Volume(0.0)),
            ..history.rows[0]
        };
        history.rows.push(Row { meter: 0, ..dry });
    }
    history.sort_by_arrival();
    let rules = Rules {
        consent: ConsentRule::Assumed,
        ..Rules::default()
    };
    let records = |beside: Vec<BesideRecord>, partitions: u32| {
        let space = SortSpace {
            memory_bytes: usize::MAX,
            folder: PathBuf::new(),
        };
        let backtest = Backtest::of_history(&history, Vec::new(), partitions, &rules, "/tapwatch", &space);
        let backtest = backtest.expect("all is in memory").with_beside(beside);
        let outcome = backtest
            .run(&[Arc::new(rules.clone())], |_| {})
            .expect("in memory")
            .remove(0);
        let said = outcome
            .alerts
            .iter()
            .filter(|event| event.data.kind == AlertKind::Inactivity);
        let said: Vec<_> = said
            .map(|event| (event.data.state, event.data.decided_at, event.data.alert_id.clone()))
            .collect();
        (said, letters(&outcome).lines().count())
    };
    let (alone, _) = records(Vec::new(), 3);
    let (AlertState::Raised, raised_at, id) = alone[0].clone() else {
        panic!("{alone:?}");
    };
    let record = |topic, at: EventTime, words: String| BesideRecord {
        topic,
        household: "h0".to_owned(),
        at,
        json: format!(r#"{{"household_id":"h0","at":"{at}",{words}}}"#),
    };
    let answered_at = raised_at.plus(1_800);
    let answer = record(
        InputTopic::Responses,
        answered_at,
        format!(r#""alert_id":"{id}","response":"safe""#),
    );
    let sign = record(InputTopic::Signs, raised_at.minus(1_800), r#""sign":"back""#.to_owned());
    for partitions in [1, 3] {
        let (answered, letters) = records(vec![answer.clone()], partitions);
        assert_eq!(answered[0], alone[0], "it is raised as without the answer");
        assert!(
            answered[1..].iter().all(|(_, decided_at, _)| *decided_at >= raised_at)
                && answered[1].0 == AlertState::Resolved,
            "{answered:?}"
        );
        assert_eq!(letters, 0);
        let (heard, letters) = records(vec![answer.clone(), sign.clone()], partitions);
        assert!(heard.is_empty() || heard[0].1 > raised_at, "{heard:?}");
        assert_eq!(letters, 1, "there is no alert to be answered");
    }
}
