//! What each detector costs, and what a home takes in memory, with everything on.
//!
//! `cargo bench --bench cost` for the time of a reading from bytes to effects: nothing on, each detector alone, the defaults,
//! everything; hourly readings and quarter-hours. The cases take turns, medians are given, and only time on a processor
//! counts, because machines have good and bad minutes. `cargo bench --bench cost -- READINGS.csv.gz`: the same for the homes of a file.
//! `cargo bench --bench cost -- memory` for the memory: sixty days of hourly readings of 8,000 homes, as the partition counts it and as the process
//! grows by it.

mod support;

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;

use rand::RngExt;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use tapwatch::detect::DetectorSettings;
use tapwatch::history::{History, HistoryError};
use tapwatch::model::{Consent, DAY, EventTime, HOUR, HomeRecord, RawRecord};
use tapwatch::partition::{ConsentRule, Partition, Rules, Stamp};

use support::Log;

const ROUNDS: usize = 3;

/// Nanoseconds a reading under each of the rules, medians of rounds in which they take turns.
fn times(log: &Log, cases: &[Rules]) -> Vec<f64> {
    let cases: Vec<_> = cases.iter().map(|rules| Arc::new(rules.clone())).collect();
    let mut times = vec![Vec::new(); cases.len()];
    for _ in 0..ROUNDS {
        for (rules, times) in cases.iter().zip(&mut times) {
            let mut partition = Partition::new(Arc::clone(rules));
            let begun = on_cpu();
            black_box(partition.apply(log.records()));
            times.push((on_cpu() - begun) / log.history.rows.len() as f64);
        }
    }
    let median = |times: &mut Vec<f64>| {
        times.sort_by(f64::total_cmp);
        times[times.len() / 2]
    };
    times.iter_mut().map(median).collect()
}

/// Nanoseconds that this thread has been on a processor: what else the machine does counts little then.
fn on_cpu() -> f64 {
    let figures = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let first = figures.split(' ').next();
    first.and_then(|first| first.parse().ok()).unwrap_or_default()
}

type Change = fn(&mut DetectorSettings, &DetectorSettings);

/// Each detector, switched on as the defaults have it.
const DETECTORS: [(&str, Change); 11] = [
    ("inactivity", |on, default| on.inactivity = default.inactivity.clone()),
    ("leak", |on, default| on.leak = default.leak.clone()),
    ("burst", |on, default| on.burst = default.burst.clone()),
    ("prolonged draw", |on, default| {
        on.prolonged_draw = default.prolonged_draw.clone()
    }),
    ("silent meter", |on, _| on.silent_meter.enabled = true),
    ("meter trouble", |on, _| on.meter_trouble.enabled = true),
    ("well today", |on, _| on.well_today.enabled = true),
    ("use while away", |on, _| on.use_while_away.enabled = true),
    ("no return", |on, _| on.no_return.enabled = true),
    ("night drift", |on, _| on.night_drift.enabled = true),
    ("routine drift", |on, _| on.routine_drift.enabled = true),
];

fn rules(change: impl FnOnce(&mut DetectorSettings)) -> Rules {
    let mut rules = Rules::default();
    change(&mut rules.programmes[0].detectors);
    rules
}

/// Nothing is judged.
fn bare(on: &mut DetectorSettings) {
    on.inactivity.rules.clear();
    on.leak.rules.clear();
    on.burst.rules.clear();
    on.prolonged_draw.rules.clear();
    on.silent_meter.enabled = false;
    on.meter_trouble.enabled = false;
    on.well_today.enabled = false;
    on.use_while_away.enabled = false;
    on.no_return.enabled = false;
}

fn everything() -> Rules {
    rules(|on| {
        on.well_today.enabled = true;
        on.night_drift.enabled = true;
        on.routine_drift.enabled = true;
    })
}

/// Of simulated homes, or of the homes of a file of readings.
fn time(readings: Option<&Path>) -> Result<(), HistoryError> {
    let default = DetectorSettings::default();
    let mut names = vec!["nothing"];
    let mut cases = vec![rules(bare)];
    for (name, change) in DETECTORS {
        names.push(name);
        cases.push(rules(|on| {
            bare(on);
            change(on, &default);
        }));
    }
    names.extend(["the defaults", "everything"]);
    cases.extend([Rules::default(), everything()]);
    let logs = match readings {
        Some(path) => {
            let mut history = History::read(&[path.to_owned()])?;
            // As they would come: the homes in turns.
            history.sort_by_arrival();
            vec![("as they are", Log::of(history))]
        }
        None => vec![
            ("hourly", Log::new(300, 20, 3_600)),
            ("quarter-hours", Log::new(75, 20, 900)),
        ],
    };
    let measured: Vec<_> = logs.iter().map(|(_, log)| times(log, &cases)).collect();
    for (name, _) in &logs {
        print!("| {name}, ns a reading | more than nothing ");
    }
    println!("| on |");
    for (place, name) in names.iter().enumerate() {
        for times in &measured {
            print!("| {:.0} | {:+.0} ", times[place], times[place] - times[0]);
        }
        println!("| {name} |");
    }
    Ok(())
}

/// Bytes of the process that are in memory.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<usize>().ok());
    kib.unwrap_or_default() * 1_024
}

fn memory(seconds: u32) {
    const HOMES: usize = 8_000;
    let start = EventTime::from_seconds(1_767_225_600);
    let mut random = ChaCha8Rng::seed_from_u64(7);
    let names: Vec<String> = (0..HOMES).map(|home| format!("home-{home:07}")).collect();
    let mut rules = everything();
    rules.consent = ConsentRule::Required;
    let mut partition = Partition::new(Arc::new(rules));
    let mut payloads = vec![String::with_capacity(256); HOMES];
    let mut lost = vec![false; HOMES];
    let mut given = vec![0u32; HOMES];
    let before = resident();
    for (name, given) in names.iter().zip(&mut given) {
        *given = random.random_range(0..100 * DAY);
        let record = HomeRecord {
            household_id: name.clone(),
            zone: Some(format!("zone-{}", *given % 97)),
            consent: Some(Consent {
                purpose: "welfare".into(),
                given_at: start.minus(*given),
                withdrawn_at: None,
            }),
            ..HomeRecord::default()
        };
        if let Err(error) = partition.set_home(name, Some(&record)) {
            return println!("{error}");
        }
    }
    let mut offset = 0;
    for day in 0..60 {
        // Little at a time: what the process takes for effects and stored states is not to count.
        while !partition.checkpoints(Stamp::default(), 1 << 16).is_empty() {}
        partition.replay_point();
        for lost in &mut lost {
            // A day is lost after a lost one in half of the cases: 1 in 50 over all.
            *lost = random.random_bool(if *lost { 0.5 } else { 0.0102 });
        }
        let an_hour = f64::from(seconds) / f64::from(HOUR);
        for place in 0..DAY / seconds {
            let at = start.plus(day * DAY + place * seconds);
            let awake = (5..22).contains(&(place * seconds / HOUR));
            let used = if awake { 0.4 } else { 0.08 } * an_hour.sqrt();
            for (home, payload) in payloads.iter_mut().enumerate() {
                let leak = if home % 50 == 0 && day > 50 { 4.5 * an_hour } else { 0.0 };
                let litres = [0.5, 3.0, 6.5, 12.5, 45.0, 81.5].choose(&mut random).copied();
                let litres = leak + litres.filter(|_| random.random_bool(used)).unwrap_or_default();
                payload.clear();
                let name = &names[home];
                use std::fmt::Write;
                let _ = write!(
                    payload,
                    r#"{{"household_id":"{name}","meter_id":"{name}","timestamp":"{at}","interval_seconds":{seconds},"volume_litres":{litres}}}"#
                );
            }
            let there = (0..HOMES).filter(|home| !lost[*home]);
            let mut batch: Vec<_> = there
                .map(|home| RawRecord {
                    offset: 0,
                    timestamp: Some(at.plus(seconds + home as u32 % 600)),
                    key: Some(names[home].as_bytes()),
                    value: Some(payloads[home].as_bytes()),
                })
                .collect();
            batch.sort_by_key(|record| record.timestamp);
            for record in &mut batch {
                record.offset = offset;
                offset += 1;
            }
            for few in batch.chunks(200) {
                black_box(partition.apply(few.iter().copied()));
            }
        }
    }
    let grown = resident().saturating_sub(before);
    let stored: usize = (0..1_000).map(|home| partition.snapshot(home).len()).sum();
    println!(
        "readings of {seconds} s: {} bytes a home as counted, {} as the process has grown, {} stored",
        partition.bytes() / HOMES,
        grown / HOMES,
        stored / 1_000,
    );
}

fn main() -> Result<(), HistoryError> {
    let argument = std::env::args().skip(1).find(|argument| !argument.starts_with("--"));
    match argument.as_deref() {
        Some("memory") => {
            memory(HOUR);
            Ok(())
        }
        readings => time(readings.map(Path::new)),
    }
}
