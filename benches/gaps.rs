//! Alerts of inactivity that gaps or the manner of delivery have caused, counted by the definitions of the judge
//! (`backtest::judge`). The figures of `docs/detectors.md`.
//!
//! `cargo bench --bench gaps -- READINGS.csv.gz TIME_ZONE [SEEDS] [WAYS]`: readings with days lost as in Tokyo's trial, late,
//! twice, shuffled, in batches and several of these together, each for SEEDS seeds (3); WAYS, such as `gaps+late`, for one of
//! them. Each delivery is compared with all readings as they were measured (what did the loss cause?), and with the same
//! readings as they were measured (what did the manner of delivery cause?). Of the latter each alert is looked at again: an
//! alert is *early* if the readings that had come when it was decided, in order, say it too. What was caused is listed on the
//! standard error.

// It reads a file.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use jiff::tz::TimeZone;
use tapwatch::backtest::judge::{Answers, JudgedAlert, cases, delivery_caused, gap_caused};
use tapwatch::backtest::{Backtest, Timelines};
use tapwatch::history::{History, SortSpace, arrival};
use tapwatch::model::{AlertKind, AlertState};
use tapwatch::partition::Rules;
use tapwatch::simulate::Injection;

const WAYS: [&str; 10] = [
    "gaps",
    "gaps+gaps+gaps",
    "late",
    "duplicates",
    "shuffled",
    "uploads:6",
    "uploads:24",
    "uploads:24+late+duplicates",
    "gaps+uploads:24",
    "gaps+gaps+late+duplicates",
];

fn main() {
    let arguments: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with("--"))
        .collect();
    let [file, zone, rest @ ..] = &arguments[..] else {
        println!("gaps: needs a file of readings and a time zone, and measures nothing without");
        return;
    };
    let seeds: u64 = rest
        .first()
        .map_or(3, |seeds| seeds.parse().expect("a number of seeds"));
    let ways: Vec<&str> = rest.get(1).map_or(WAYS.to_vec(), |ways| vec![ways]);
    let mut history = History::read(&[Path::new(file).to_path_buf()]).expect("readings");
    history.sort_by_arrival();
    let rules = Arc::new(Rules {
        time_zone: TimeZone::get(zone).expect("a time zone"),
        ..Rules::default()
    });
    let complete = Run::new(&history, &rules);
    println!("all readings, in order: {} inactivity alerts raised", complete.raised());
    println!(
        "| Delivery | readings lost | alerts raised | without a reading | caused by the loss | by the manner of delivery | of these early |"
    );
    println!("|---|---|---|---|---|---|---|");
    for way in ways {
        let mut sums = [0; 6];
        for seed in 1..=seeds {
            let mut delivered = history.clone();
            let injection = Injection {
                seed,
                scenarios: Vec::new(),
                every: 1,
                deliveries: way
                    .split('+')
                    .map(|way| way.parse().expect("a way of delivery"))
                    .collect(),
            };
            injection.apply(&mut delivered, &[], &[]).expect("no incidents");
            delivered.rows.sort_by_key(arrival);
            let ordered = in_order(&delivered);
            let run = Run::new(&delivered, &rules);
            let same = Run::new(&ordered, &rules);
            let by_delivery = delivery_caused(&run.timelines, &run.alerts, &same.alerts);
            let by_loss = gap_caused(&run.timelines, &run.alerts, &complete.timelines, &complete.alerts, &[]);
            for alert in by_loss.iter().chain(&by_delivery) {
                let (home, at) = (&alert.household, alert.detected_at);
                eprintln!("caused by {way}, seed {seed}: {home} at {at}");
            }
            let early = by_delivery.iter().filter(|alert| is_early(alert, &delivered, &rules));
            let found = [
                history.rows.len() - ordered.rows.len(),
                run.raised(),
                run.without_readings(),
                by_loss.len(),
                by_delivery.len(),
                early.count(),
            ];
            sums.iter_mut().zip(found).for_each(|(sum, found)| *sum += found);
        }
        println!("| {way} | {} |", sums.map(|sum| sum.to_string()).join(" | "));
    }
}

/// What the rules say to readings.
struct Run {
    alerts: Vec<JudgedAlert>,
    timelines: Timelines,
}

impl Run {
    fn new(history: &History, rules: &Arc<Rules>) -> Self {
        let space = SortSpace {
            memory_bytes: 1 << 30,
            folder: std::env::temp_dir(),
        };
        let backtest = Backtest::of_history(history, Vec::new(), 4, rules, "/gaps", &space).expect("room");
        let outcome = backtest.run(&[Arc::clone(rules)], |_| {}).expect("room").remove(0);
        Self {
            alerts: outcome.judged(),
            timelines: backtest.timelines(&[]).expect("room"),
        }
    }

    fn raised(&self) -> usize {
        self.alerts.iter().filter(|alert| is_raised(alert)).count()
    }

    fn without_readings(&self) -> usize {
        let homes = cases(&self.timelines, &[], &self.alerts, Answers::default());
        homes.iter().map(|home| home.alerts_without_readings).sum()
    }
}

fn is_raised(alert: &JudgedAlert) -> bool {
    alert.kind == AlertKind::Inactivity && alert.state == AlertState::Raised
}

/// Each reading once, as soon as it is measured.
fn in_order(delivered: &History) -> History {
    let mut ordered = delivered.clone();
    let mut seen = BTreeSet::new();
    ordered.rows.retain(|row| seen.insert((row.meter, row.start)));
    ordered.rows.iter_mut().for_each(|row| row.received_at = None);
    ordered.rows.sort_by_key(arrival);
    ordered
}

/// Whether the readings that had come when an alert was decided say it too, in order.
fn is_early(alert: &JudgedAlert, delivered: &History, rules: &Arc<Rules>) -> bool {
    let mut known = delivered.clone();
    let is_known = |row: &_| delivered.name(row).household == alert.household && arrival(row) <= alert.decided_at;
    known.rows.retain(is_known);
    let mut alerts = Run::new(&in_order(&known), rules).alerts.into_iter();
    alerts.any(|other| is_raised(&other) && other.alert_id == alert.alert_id && other.detected_at == alert.detected_at)
}
