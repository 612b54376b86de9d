use rand::RngExt;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

use super::*;
use crate::model::{Consent, HouseholdKind};

/// The defaults with every detector on.
fn everything() -> Arc<Rules> {
    let mut rules = Rules::default();
    let detectors = &mut rules.programmes[0].detectors;
    detectors.well_today.enabled = true;
    detectors.night_drift.enabled = true;
    detectors.routine_drift.enabled = true;
    rules.consent = ConsentRule::Required;
    Arc::new(rules)
}

fn consenting(home: &str) -> HomeRecord {
    HomeRecord {
        household_id: home.to_owned(),
        time_zone: Some("Europe/Madrid".into()),
        zone: Some("zone-17".into()),
        programme: Some("default".into()),
        kind: Some(HouseholdKind::OnePerson),
        consent: Some(Consent {
            purpose: "welfare".into(),
            given_at: T0.minus(40 * DAY + 12_345),
            withdrawn_at: None,
        }),
        ..HomeRecord::default()
    }
}

/// Sixty days of hourly readings, 98 % of days delivered, losses of days in clusters, a leak in every fiftieth home. All
/// detectors are on, every home has told of its morning, and its last day is not stored yet.
#[test]
fn a_home_takes_at_most_400_bytes() {
    const HOMES: usize = 200;
    let mut random = ChaCha8Rng::seed_from_u64(7);
    let mut partition = Partition::new(everything());
    let names: Vec<_> = (0..HOMES).map(|home| format!("home-{home:07}")).collect();
    for name in &names {
        partition
            .set_home(name, Some(&consenting(name)))
            .expect("a right record");
    }
    let mut lost = vec![false; HOMES];
    let (mut messages, mut alerts) = (0, 0);
    for day in 0..60u32 {
        partition.checkpoints(Stamp::default(), 1 << 20);
        partition.replay_point();
        for lost in &mut lost {
            // A day is lost after a lost one in half of the cases: 1 in 50 over all.
            *lost = random.random_bool(if *lost { 0.5 } else { 0.0102 });
        }
        for place in day * 24..day * 24 + 24 {
            let used = if (5..22).contains(&(place % 24)) { 0.4 } else { 0.08 };
            let hours = (0..HOMES).filter(|home| !lost[*home]).map(|home| {
                let leak = if home % 50 == 0 && day > 50 { 4.5 } else { 0.0 };
                let litres = [0.5, 3.0, 6.5, 12.5, 45.0, 81.5].choose(&mut random).copied();
                let litres = litres.filter(|_| random.random_bool(used)).unwrap_or_default();
                hour(&names[home], place, leak + litres)
            });
            let batch: Vec<_> = hours.collect();
            let effects = apply(&mut partition, &batch);
            let said = effects
                .alerts
                .iter()
                .partition::<Vec<_>, _>(|said| said.alert.kind.is_message());
            (messages, alerts) = (messages + said.0.len(), alerts + said.1.len());
        }
    }
    assert_eq!(partition.arena().len(), HOMES);
    assert!(
        messages > 50 * HOMES && alerts > HOMES / 50,
        "{messages} messages, {alerts} alerts"
    );
    let bytes = partition.bytes() / HOMES;
    let stored = (0..HOMES as u32)
        .map(|home| partition.snapshot(home).len())
        .sum::<usize>()
        / HOMES;
    println!(
        "{bytes} bytes a home all in, of which homes and index {}, open alerts {}; {stored} bytes stored",
        partition.arena.bytes() / HOMES,
        super::super::cases::heap_bytes(&partition.cases) / HOMES
    );
    assert!(bytes <= 400, "{bytes} bytes a home");
}

/// Weeks of two homes with gaps, late readings, leaks, flags, registers and responses: homes that stay open, and homes that are
/// packed after every record.
#[test]
fn a_home_at_rest_loses_nothing() {
    for seed in 0..6 {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut open = Partition::new(everything());
        let mut packed = Partition::new(everything());
        for partition in [&mut open, &mut packed] {
            for home in ["home", "dial", "other"] {
                partition
                    .set_home(home, Some(&consenting(home)))
                    .expect("a right record");
            }
        }
        let other = packed.arena.find("other").expect("known");
        let mut index = 1_234.5;
        let mut records = Vec::new();
        for place in 0..900u32 {
            if place % 200 > 180 && seed % 2 == 0 {
                continue;
            }
            let litres = match random.random_range(0..12) {
                0..=2 => random.random_range(1..900) as f64 / 10.0,
                3 if place % 50 == 3 => 4_000.0,
                4 if place % 40 == 4 => -20.0,
                _ if place % 300 > 240 => 7.3,
                _ => 0.0,
            };
            index += litres.max(0.0);
            let flags = if place % 97 == 0 { r#","flags":["tamper"]"# } else { "" };
            records.push(with(
                "home",
                place,
                &format!(r#""meter_id":"home","volume_litres":{litres}{flags}"#),
            ));
            records.push(with(
                "dial",
                place,
                &format!(r#""meter_id":"dial","register_litres":{index}"#),
            ));
        }
        for _ in 0..records.len() / 20 {
            let (from, to) = (random.random_range(0..records.len()), random.random_range(0..90));
            let late = records.remove(from);
            let to = (from + to).min(records.len());
            let timestamp = records[to - 1].timestamp.max(late.timestamp);
            records.insert(to, Record { timestamp, ..late });
        }
        for record in &records {
            let one = apply(&mut open, std::slice::from_ref(record));
            let two = apply(&mut packed, std::slice::from_ref(record));
            assert_eq!(one, two);
            packed.arena.slot_mut(other);
        }
        for home in 0..3 {
            assert_eq!(open.arena.slot(home), packed.arena.slot(home), "seed {seed}");
            assert_eq!(open.snapshot(home), packed.snapshot(home));
        }
    }
}

/// A meter of one-minute readings behind a hole keeps more readings than are packed.
#[test]
fn a_home_with_very_many_readings_behind_a_hole_stays_open() {
    let mut partition = Partition::new(rules());
    let minute = |home: &str, minute: u32| {
        let start = T0.plus(minute * 60);
        let value = format!(
            r#"{{"household_id":"{home}","meter_id":"{home}","timestamp":"{start}","interval_seconds":60,"volume_litres":0.5}}"#
        );
        Record {
            key: home.as_bytes().to_vec(),
            value: value.into_bytes(),
            timestamp: Some(start.plus(60)),
        }
    };
    let late: Vec<_> = (10..20).map(|place| minute("a", place)).collect();
    let mut records: Vec<_> = (0..10)
        .chain(20..600)
        .flat_map(|place| [minute("a", place), minute("b", place)])
        .collect();
    apply(&mut partition, &records);
    let behind = partition.bytes();
    apply(&mut partition, &late);
    apply(&mut partition, &[minute("b", 600)]);
    assert!(
        partition.bytes() + 10_000 < behind,
        "{} after {behind}",
        partition.bytes()
    );
    records.splice(20..20, late);
    let mut ordered = Partition::new(rules());
    apply(&mut ordered, &records);
    apply(&mut ordered, &[minute("b", 600)]);
    assert_eq!(*partition.arena().usage(0), *ordered.arena().usage(0));
}
