//! Random homes, and the presets held against the plain reading of their words.

use std::collections::BTreeMap;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::naive::{Home, Said};
use super::*;
use crate::model::AlertKind;

/// Homes that are tried for each preset.
const HOMES: u64 = 16;

/// A home of `days` days: dry spells of up to half a day, now and then of two days, use of up to three hours, gaps. Every
/// use is followed by a dry hour, so that no flow looks like a leak.
fn random_home(seed: u64, days: u32, step: u32) -> Home {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let a_step = 3_600 / step as usize;
    let (mut tenths, length) = (Vec::new(), days as usize * 24 * a_step);
    // Some homes use so little that litres decide.
    let most = [20, 60, 400, 4_000][random.random_range(0..4)];
    while tenths.len() < length {
        let steps = random.random_range(1..=3 * a_step);
        tenths.extend((0..steps).map(|_| Some(random.random_range(1..=most))));
        let hours = match random.random_range(0..100) {
            0..70 => random.random_range(1..7),
            70..96 => random.random_range(6..13),
            _ => random.random_range(13..50),
        };
        tenths.extend(vec![Some(0); hours * a_step + random.random_range(0..a_step)]);
        if random.random_range(0..25) == 0 {
            tenths.extend(vec![None; random.random_range(1..10 * a_step)]);
            tenths.extend(vec![Some(0); random.random_range(0..5 * a_step)]);
        }
    }
    tenths.truncate(length);
    lose_quarters(step, &mut tenths);
    let (zone, start) = place(seed);
    Home {
        start,
        zone,
        step,
        tenths,
        no_use_hours: random
            .random_range(0..2)
            .eq(&0)
            .then(|| f64::from(random.random_range(8..40)) / 2.0),
    }
}

/// A home in which water flows for hours or days on end, with dry stretches of a step to some hours and gaps between them.
fn leaky_home(seed: u64, days: u32, step: u32) -> Home {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let a_step = 3_600 / step as usize;
    let (mut tenths, length) = (Vec::new(), days as usize * 24 * a_step);
    while tenths.len() < length {
        // Drops, about a gallon an hour, a tap left running, a burst pipe.
        let (least, most) = [(1, 9), (36, 60), (270, 900), (900, 3_000_u32)][random.random_range(0..4)];
        let longest = [8, 30, 90][random.random_range(0..3)];
        let steps = random.random_range(1..=longest * a_step);
        tenths.extend((0..steps).map(|_| Some(random.random_range(least..=most).div_ceil(a_step as u32))));
        tenths.extend(vec![Some(0); random.random_range(0..6 * a_step)]);
        if random.random_range(0..8) == 0 {
            tenths.extend(vec![None; random.random_range(1..10 * a_step)]);
        }
    }
    tenths.truncate(length);
    lose_quarters(step, &mut tenths);
    let (zone, start) = place(seed);
    Home {
        start,
        zone,
        step,
        tenths,
        no_use_hours: None,
    }
}

/// Readings of a minute are lost a quarter of an hour at a time: what a quarter with a hole in it says is another matter.
fn lose_quarters(step: u32, tenths: &mut [Option<u32>]) {
    for quarter in tenths.chunks_mut((900 / step).max(1) as usize) {
        if quarter.contains(&None) {
            quarter.fill(None);
        }
    }
}

/// Where a home lies, and a local midnight there: with one clock all year, and before each change of the clocks.
fn place(seed: u64) -> (TimeZone, EventTime) {
    let (zone, start) = [
        ("Asia/Shanghai", "2024-03-03T16:00:00Z"),
        ("Europe/Madrid", "2024-03-15T23:00:00Z"),
        ("Europe/Madrid", "2024-10-11T22:00:00Z"),
    ][seed as usize % 3];
    (
        TimeZone::get(zone).expect("a time zone"),
        start.parse().expect("a time"),
    )
}

/// What the core says: kind, rule, and the second since the start at which it was met, of every record that opens an alert
/// or, of inactivity, makes it graver (how grave a leak is, its size says).
fn said(name: &str, home: &Home) -> Vec<Said> {
    let record = HomeRecord {
        household_id: "h".into(),
        time_zone: home.zone.iana_name().map(str::to_owned),
        no_use_hours: home.no_use_hours.map(|hours| hours as f32),
        ..HomeRecord::default()
    };
    let litres: Vec<Option<f64>> = home
        .tenths
        .iter()
        .map(|tenths| tenths.map(|tenths| f64::from(tenths) / 10.0))
        .collect();
    let alerts = alerts(name, home.start, home.step, &litres, &record);
    let mut said = Vec::new();
    let mut open: BTreeMap<AlertKind, &Alert> = BTreeMap::new();
    for alert in alerts.iter().filter(|alert| alert.state != AlertState::Resolved) {
        if alert.state == AlertState::Raised {
            assert_eq!(
                alert.contact.as_deref(),
                told_first(name, alert.kind),
                "{name}: {}",
                alert.kind.name()
            );
        }
        if alert.kind != AlertKind::Inactivity && alert.state != AlertState::Raised {
            continue;
        }
        // The next contact is told of the same thing.
        let is_news = open.insert(alert.kind, alert).is_none_or(|open| {
            (&open.alert_id, &open.rule, open.detected_at) != (&alert.alert_id, &alert.rule, alert.detected_at)
        });
        if is_news {
            said.push(Said {
                kind: alert.kind.name(),
                rule: alert.rule.to_string(),
                at: alert.detected_at.since(home.start),
            });
        }
    }
    sorted(said)
}

fn told_first(name: &str, kind: AlertKind) -> Option<&'static str> {
    let of = |(preset, kinds, _): &&(&str, &[&str], &str)| *preset == name && kinds.contains(&kind.name());
    naive::TOLD_FIRST.iter().find(of).map(|(_, _, contact)| *contact)
}

#[test]
fn presets_do_as_their_words_say_on_random_homes() {
    for (name, programme) in naive::PROGRAMMES {
        let days = if *name == "kepco" { 80 } else { 30 };
        let mut told: BTreeMap<&str, usize> = BTreeMap::new();
        for (seed, step) in (0..HOMES).flat_map(|seed| STEPS.map(|step| (seed, step))) {
            // Minutes take long.
            if step == 60 && (seed >= 1 || *name == "kepco") {
                continue;
            }
            let ordinary = random_home(seed, days, step);
            let expected = sorted(programme(&ordinary));
            expected
                .iter()
                .for_each(|said| *told.entry(said.kind).or_default() += 1);
            assert_eq!(
                said(name, &ordinary),
                expected,
                "{name}, seed {seed}, readings of {step} s"
            );
            // What learns, what lasts and what is well are told above the floor of a leak, and a burst is over at it: that is not
            // their words.
            let leaky = leaky_home(seed, 30, step);
            let of_words = |mut said: Vec<Said>| {
                said.retain(|said| match said.kind {
                    "leak" => true,
                    "inactivity" => *name != "kepco",
                    _ => false,
                });
                said
            };
            let expected = of_words(sorted(programme(&leaky)));
            expected
                .iter()
                .for_each(|said| *told.entry(said.kind).or_default() += 1);
            assert_eq!(
                of_words(said(name, &leaky)),
                expected,
                "{name}, leaky seed {seed}, readings of {step} s"
            );
        }
        let table = Preset::find(name).expect("a preset").table();
        for kind in ["inactivity", "leak", "burst", "prolonged_draw", "well_today"] {
            let told = told.get(kind).copied().unwrap_or(0);
            assert!(
                told > 12 || !table.contains_key(kind),
                "{name}: only {told} of {kind} are no proof"
            );
        }
    }
    let tried: Vec<&str> = naive::PROGRAMMES.iter().map(|(name, _)| *name).collect();
    assert_eq!(tried, PRESETS.iter().map(|preset| preset.name).collect::<Vec<_>>());
}

fn sorted(mut said: Vec<Said>) -> Vec<Said> {
    said.sort_by_key(|said| said.kind);
    said
}
