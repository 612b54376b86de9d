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
    Home {
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
    Home {
        step,
        tenths,
        no_use_hours: None,
    }
}

/// Midnight in Shanghai.
fn start() -> EventTime {
    "2024-03-03T16:00:00Z".parse().expect("a time")
}

/// What the core says: kind, rule, and the second since the start at which it was met, of every record that opens an alert
/// or, of inactivity, makes it graver (how grave a leak is, its size says).
fn said(name: &str, home: &Home) -> Vec<Said> {
    let record = HomeRecord {
        household_id: "h".into(),
        no_use_hours: home.no_use_hours.map(|hours| hours as f32),
        ..HomeRecord::default()
    };
    let litres: Vec<Option<f64>> = home
        .tenths
        .iter()
        .map(|tenths| tenths.map(|tenths| f64::from(tenths) / 10.0))
        .collect();
    let alerts = alerts(name, start(), home.step, &litres, &record);
    let mut said = Vec::new();
    let mut open: BTreeMap<AlertKind, &Alert> = BTreeMap::new();
    for alert in alerts.iter().filter(|alert| alert.state != AlertState::Resolved) {
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
                at: alert.detected_at.since(start()),
            });
        }
    }
    sorted(said)
}

#[test]
fn presets_do_as_their_words_say_on_random_homes() {
    for (name, programme) in naive::PROGRAMMES {
        let days = if *name == "kepco" { 80 } else { 30 };
        let (mut told, mut leaks) = (0, 0);
        for seed in 0..HOMES {
            for step in STEPS {
                let home = random_home(seed, days, step);
                let expected = sorted(programme(&home));
                told += expected.len();
                assert_eq!(said(name, &home), expected, "{name}, seed {seed}, readings of {step} s");
                // Above the floor of a leak, litres and signs of life are others: of these homes only leaks are compared.
                let home = leaky_home(seed, 30, step);
                let expected = of_leaks(programme(&home));
                leaks += expected.len();
                assert_eq!(
                    of_leaks(said(name, &home)),
                    expected,
                    "{name}, leaky seed {seed}, readings of {step} s"
                );
            }
        }
        let table = Preset::find(name).expect("a preset").table();
        assert!(
            told > 20 || !table.contains_key("inactivity"),
            "{name}: only {told} records are no proof"
        );
        assert!(
            leaks > 12 || !table.contains_key("leak"),
            "{name}: only {leaks} leaks are no proof"
        );
    }
    let tried: Vec<&str> = naive::PROGRAMMES.iter().map(|(name, _)| *name).collect();
    assert_eq!(tried, PRESETS.iter().map(|preset| preset.name).collect::<Vec<_>>());
}

fn of_leaks(mut said: Vec<Said>) -> Vec<Said> {
    said.retain(|said| matches!(said.kind, "leak" | "burst"));
    said
}

fn sorted(mut said: Vec<Said>) -> Vec<Said> {
    said.sort_by_key(|said| said.kind);
    said
}
