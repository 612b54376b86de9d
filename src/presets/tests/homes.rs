//! Random homes, and the presets held against the plain reading of their words.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::naive::{Home, Said};
use super::*;

/// Homes that are tried for each preset.
const HOMES: u64 = 24;

/// A home of `days` days: dry spells of up to half a day, now and then of two days, use of up to three hours, gaps. Every
/// use is followed by a dry hour, so that no flow looks like a leak.
fn random_home(seed: u64, days: u32, step: u32) -> Home {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let a_step = 3_600 / step as usize;
    let (mut tenths, length) = (Vec::new(), days as usize * 24 * a_step);
    // Some homes use so little that litres decide.
    let most = [20, 60, 400][random.random_range(0..3)];
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

/// Midnight in Shanghai.
fn start() -> EventTime {
    "2024-03-03T16:00:00Z".parse().expect("a time")
}

/// What the core says of inactivity: rule and the second since the start at which it was met, of every record that opens
/// an alert or makes it graver.
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
    let mut open: Option<&Alert> = None;
    for alert in alerts.iter().filter(|alert| alert.state != AlertState::Resolved) {
        // The next contact is told of the same thing.
        let is_news = open.is_none_or(|open| {
            (&open.alert_id, &open.rule, open.detected_at) != (&alert.alert_id, &alert.rule, alert.detected_at)
        });
        open = Some(alert);
        if is_news {
            said.push(Said {
                rule: alert.rule.to_string(),
                at: alert.detected_at.since(start()),
            });
        }
    }
    said
}

#[test]
fn presets_do_as_their_words_say_on_random_homes() {
    for (name, programme) in naive::PROGRAMMES {
        let days = if *name == "kepco" { 80 } else { 30 };
        let mut told = 0;
        for seed in 0..HOMES {
            for step in STEPS {
                let home = random_home(seed, days, step);
                let expected = programme(&home);
                told += expected.len();
                assert_eq!(said(name, &home), expected, "{name}, seed {seed}, readings of {step} s");
            }
        }
        assert!(told > 20, "{name}: only {told} records in {HOMES} homes are no proof");
    }
    let tried: Vec<&str> = naive::PROGRAMMES.iter().map(|(name, _)| *name).collect();
    assert_eq!(tried, PRESETS.iter().map(|preset| preset.name).collect::<Vec<_>>());
}
