//! Alerts that a gap has caused, counted. The figures of `docs/detectors.md`.
//!
//! `cargo bench --bench gaps -- READINGS.csv.gz TIME_ZONE [SEEDS]`: readings as they are, and the same with days lost as in
//! Tokyo's trial, late, twice, shuffled and in batches, each for SEEDS seeds (3). An inactivity alert is caused by a gap if
//! it is raised without one measured reading in its dry spell, or, where readings were lost, in a spell touched by the
//! loss in which the same engine says nothing when given all readings. Where readings are late and none was lost, every alert
//! is counted that the same engine does not raise in that spell when given them in order.

// It reads a file.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use jiff::tz::TimeZone;
use tapwatch::backtest::{Backtest, Outcome};
use tapwatch::history::{History, Row, SortSpace, arrival};
use tapwatch::model::{AlertKind, AlertState, EventTime, Measure};
use tapwatch::partition::Rules;
use tapwatch::simulate::Injection;

/// Of each home: where readings begin and end, and whether water flowed.
type Water = BTreeMap<Arc<str>, Vec<(EventTime, EventTime, bool)>>;
fn main() {
    let arguments: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with("--"))
        .collect();
    let [file, zone, seeds @ ..] = &arguments[..] else {
        println!("gaps: needs a file of readings and a time zone, and measures nothing without");
        return;
    };
    let seeds: u64 = seeds
        .first()
        .map_or(3, |seeds| seeds.parse().expect("a number of seeds"));
    let mut history = History::read(&[Path::new(file).to_path_buf()]).expect("readings");
    history.sort_by_arrival();
    let rules = Arc::new(Rules {
        time_zone: TimeZone::get(zone).expect("a time zone"),
        ..Rules::default()
    });
    let all = water(&history);
    let complete = raised(&run(&history, &rules));
    println!("all readings, in order: {} inactivity alerts raised", complete.len());
    for ways in [
        &["gaps"][..],
        &["gaps", "uploads:24"],
        &["gaps", "late", "duplicates"],
        &["late"],
        &["duplicates"],
        &["shuffled"],
        &["uploads:6"],
        &["uploads:24"],
        &["uploads:24", "late", "duplicates"],
    ] {
        let (mut alerts, mut without, mut caused, mut lost) = (0, 0, 0, 0);
        for seed in 1..=seeds {
            let mut delivered = history.clone();
            let injection = Injection {
                seed,
                scenarios: Vec::new(),
                every: 1,
                deliveries: ways.iter().map(|way| way.parse().expect("a way of delivery")).collect(),
            };
            injection.apply(&mut delivered, &[], &[]).expect("no incidents");
            delivered.rows.sort_by_key(arrival);
            let (known, outcome) = (water(&delivered), run(&delivered, &rules));
            let raised = raised(&outcome);
            alerts += raised.len();
            for (home, since, at) in &raised {
                let spell = spell(&all[home], *at);
                let seen = |water: &Water| {
                    let rows = water.get(home).map_or(&[][..], Vec::as_slice);
                    rows.iter()
                        .filter(|(start, end, _)| spell.0.min(*since) <= *start && *end <= *at)
                        .count()
                };
                without += usize::from(seen(&known) == 0);
                // Without a loss it is readings that were not there yet.
                let is_touched = !ways.contains(&"gaps") || seen(&known) < seen(&all);
                let is_said = complete
                    .iter()
                    .any(|(of, _, said)| of == home && spell.0 < *said && *said <= spell.1);
                caused += usize::from(is_touched && !is_said);
            }
            lost += usize::from(ways.contains(&"gaps"))
                * (history.rows.len() - delivered.rows.len().min(history.rows.len()));
        }
        println!(
            "{}: {lost} readings lost, {alerts} inactivity alerts raised, {without} without a reading, {caused} caused by a gap or by what had not come yet",
            ways.join(" + ")
        );
    }
}

fn run(history: &History, rules: &Arc<Rules>) -> Outcome {
    let space = SortSpace {
        memory_bytes: 1 << 30,
        folder: std::env::temp_dir(),
    };
    let backtest = Backtest::of_history(history, Vec::new(), 4, rules, "/gaps", &space).expect("room");
    backtest.run(&[Arc::clone(rules)], |_| {}).expect("room").remove(0)
}

fn raised(outcome: &Outcome) -> Vec<(Arc<str>, EventTime, EventTime)> {
    let alerts = outcome.alerts.iter().map(|event| &event.data);
    let raised = alerts.filter(|alert| alert.kind == AlertKind::Inactivity && alert.state == AlertState::Raised);
    raised
        .map(|alert| (alert.household_id.as_str().into(), alert.since, alert.detected_at))
        .collect()
}

fn water(history: &History) -> Water {
    let mut water = Water::new();
    let mut registers = BTreeMap::new();
    let mut rows: Vec<&Row> = history.rows.iter().collect();
    rows.sort_by_key(|row| (row.start, row.meter));
    for row in rows {
        let flowed = match row.measure {
            Some(Measure::Volume(litres)) => litres > 0.0,
            Some(Measure::Register(index)) => registers.insert(row.meter, index).is_some_and(|before| index > before),
            None => continue,
        };
        let home = Arc::clone(&history.name(row).household);
        water.entry(home).or_default().push((row.start, row.end(), flowed));
    }
    water.values_mut().for_each(|rows| rows.dedup());
    water
}

/// From the end of the use before a moment to the start of the use after it.
fn spell(rows: &[(EventTime, EventTime, bool)], at: EventTime) -> (EventTime, EventTime) {
    let uses = || rows.iter().filter(|(_, _, flowed)| *flowed);
    let before = uses().rfind(|(_, end, _)| *end <= at).map(|(_, end, _)| *end);
    let after = uses().find(|(_, end, _)| *end > at).map(|(start, _, _)| *start);
    (
        before.or(rows.first().map(|first| first.0)).unwrap_or(at),
        after.unwrap_or(EventTime::MAX).max(at),
    )
}
