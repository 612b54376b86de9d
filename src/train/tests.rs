use std::collections::BTreeSet;

use proptest::prelude::*;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::boost::{Cases, Growth, boost};
use super::lesson::{Lesson, Spell};
use super::*;
use crate::detect::inactivity::hazard::features::COUNT;
use crate::detect::inactivity::hazard::model::{Forest, UNIT, logistic};
use jiff::tz::TimeZone;

fn growth(trees: usize, leaves: usize) -> Growth {
    Growth {
        trees,
        leaves,
        rate: 0.1,
        least_weight: 0.5,
        smoothing: 1.0,
        threads: 1,
    }
}

/// Cases whose features of the same small number of values are drawn, and of which some make it likelier.
fn drawn(count: usize, features: usize, values: u8, seed: u64) -> Cases {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut cases = Cases::default();
    for _ in 0..count {
        let mut bins = [0; COUNT];
        for bin in &mut bins[..features] {
            *bin = random.random_range(0..values);
        }
        let odds = 2.0 * (f64::from(bins[0]) / f64::from(values) - 0.5) + if bins[1] > bins[2] { 1.0 } else { -1.0 };
        cases.happened.push(random.random_bool(1.0 / (1.0 + (-odds).exp())));
        cases.bins.push(bins);
    }
    cases
}

/// The sums that a tree of two leaves would have, by going through all rows for every split there is.
fn best_by_trying_all(cases: &Cases, base: i32, growth: &Growth) -> (f64, BTreeSet<(usize, u8)>) {
    let chance = logistic(base as f32 / UNIT);
    let slope = |row: usize| chance - if cases.happened[row] { 1.0 } else { 0.0 };
    let worth = |rows: &[usize]| {
        let sum: f64 = rows.iter().map(|row| slope(*row)).sum();
        sum * sum / (rows.len() as f64 * chance * (1.0 - chance) + growth.smoothing)
    };
    let all: Vec<usize> = (0..cases.happened.len()).collect();
    let mut best = (0.0, BTreeSet::new());
    for feature in 0..COUNT {
        for bin in 0..63 {
            let (left, right): (Vec<usize>, Vec<usize>) = all.iter().partition(|row| cases.bins[**row][feature] <= bin);
            let weight = |rows: &[usize]| rows.len() as f64 * chance * (1.0 - chance);
            if weight(&left).min(weight(&right)) < growth.least_weight {
                continue;
            }
            let gain = worth(&left) + worth(&right) - worth(&all);
            if gain > best.0 + 1e-9 {
                best = (gain, BTreeSet::new());
            }
            if (gain - best.0).abs() <= 1e-9 {
                best.1.insert((feature, bin));
            }
        }
    }
    best
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn the_first_split_is_the_best_there_is(count in 20..120_usize, values in 2..8_u8, seed in any::<u64>()) {
        let cases = drawn(count, 5, values, seed);
        let growth = growth(1, 2);
        let Forest { base, trees } = boost(&cases, &growth);
        let (gain, splits) = best_by_trying_all(&cases, base, &growth);
        match trees.first() {
            Some(tree) => {
                let split = tree.splits[0];
                // Bins that nobody is in make splits that are the same.
                let same = |bin: u8| cases.bins.iter().all(|row| {
                    let value = row[usize::from(split.feature)];
                    (value <= split.bin) == (value <= bin)
                });
                let is_best = splits.iter().any(|(feature, bin)| *feature == usize::from(split.feature) && same(*bin));
                prop_assert!(is_best, "{split:?} is none of {splits:?}, which gain {gain}");
            }
            None => prop_assert!(gain < 1e-5, "nothing found, but {splits:?} gain {gain}"),
        }
    }

    #[test]
    fn threads_change_nothing(seed in any::<u64>()) {
        let cases = drawn(12_000, 6, 9, seed);
        let alone = boost(&cases, &growth(4, 8));
        for threads in [2, 5] {
            prop_assert_eq!(&boost(&cases, &Growth { threads, ..growth(4, 8) }), &alone);
        }
    }

    #[test]
    fn more_trees_fit_better(seed in any::<u64>()) {
        let cases = drawn(600, 6, 9, seed);
        let losses: Vec<f64> = [1, 5, 20, 60].map(|trees| loss(&cases, &boost(&cases, &growth(trees, 8)))).into();
        prop_assert!(losses.is_sorted_by(|a, b| a > b), "{losses:?}");
    }
}

/// Mean log-loss.
fn loss(cases: &Cases, Forest { base, trees }: &Forest) -> f64 {
    let of_row = |(row, happened): (&[u8; COUNT], &bool)| {
        let sum: i32 = trees.iter().map(|tree| i32::from(tree.leaves[tree.leaf(row)])).sum();
        let chance = logistic((base + sum) as f32 / UNIT);
        -(if *happened { chance } else { 1.0 - chance }).ln()
    };
    cases.bins.iter().zip(&cases.happened).map(of_row).sum::<f64>() / cases.happened.len() as f64
}

/// People who get up at some time of their own, use water at hours of their own, and are away from time to time.
fn people(homes: usize, days: usize) -> Vec<Lesson> {
    let mut random = ChaCha8Rng::seed_from_u64(5);
    let first = 473_352; // The first hour of 2024.
    (0..homes)
        .map(|home| {
            let wakes = random.random_range(6..10);
            let out = random.random_range(2..7);
            let mut hours = Vec::new();
            for day in 0..days {
                let away = day % 23 == 20;
                let late = usize::from(random.random_bool(0.2));
                for hour in 0..24 {
                    let is_up = hour >= wakes + late && hour < 22;
                    let is_out = day % 7 < 5 && (wakes + 3..wakes + 3 + out).contains(&hour);
                    let used = is_up && !is_out && !away && random.random_bool(0.6);
                    hours.push(Some(used).filter(|_| !random.random_bool(0.005)));
                }
            }
            Lesson {
                household: format!("home-{home}").into(),
                zone: TimeZone::UTC,
                first,
                hours,
            }
        })
        .collect()
}

#[test]
fn habits_that_are_taught_find_an_emergency_sooner() {
    let lessons = people(10, 90);
    let taught = teach(&lessons, ("people who do not exist", "none"), growth(25, 15), 2, || {}).expect("ten homes");
    for budget in [1.0, 0.5] {
        let (delay, lambda) = taught.curve.at(budget).expect("a budget within the curve");
        let (constant, _) = taught.constant.at(budget).expect("a budget within the curve");
        assert!(
            delay.value < 0.9 * constant.value,
            "{budget}: {delay:?}, fixed hours {constant:?}"
        );
        assert!(
            delay.interval.0 <= delay.value && delay.value <= delay.interval.1,
            "{delay:?}"
        );
        assert!(lambda.value > 25.0);
    }
    let rates: Vec<f64> = taught
        .curve
        .points()
        .iter()
        .map(|point| point.false_per_home_month)
        .collect();
    assert!(
        rates.is_sorted_by(|more, fewer| more >= fewer),
        "more patience, fewer false alerts: {rates:?}"
    );
    assert_eq!(taught.model.about.curve, taught.curve.points());
    assert_eq!(taught.model.about.homes, 10);
    let (again, _) = (
        teach(&lessons, ("people who do not exist", "none"), growth(25, 15), 1, || {}),
        (),
    );
    assert_eq!(
        again.expect("ten homes").model,
        taught.model,
        "the same, whatever the number of threads"
    );
    // They are away every three weeks.
    let apart = taught.apart.at(0.05);
    assert!(
        apart.value > 0.2 && apart.interval.0 <= apart.value && apart.value <= apart.interval.1,
        "{apart:?}"
    );
    assert_eq!(taught.model.about.absences, taught.apart.absences());
    let card = card::card(&taught);
    for words in [
        "people who do not exist",
        "10 that are lived in",
        "2024-01-01",
        "| 0.5 |",
    ] {
        assert!(card.contains(words), "{words} is not in\n{card}");
    }
    let few = teach(&lessons[..4], ("", ""), growth(1, 2), 1, || {})
        .err()
        .expect("too few");
    assert!(few.to_string().starts_with("4 homes are lived in"), "{few}");
}

#[test]
fn spells_are_counted_up_to_what_is_known() {
    let lesson = |text: &str| Lesson {
        household: "home".into(),
        zone: TimeZone::UTC,
        first: 0,
        hours: text
            .chars()
            .map(|hour| match hour {
                'u' => Some(true),
                '.' => Some(false),
                _ => None,
            })
            .collect(),
    };
    let spells = |text: &str| lesson(text).spells().collect::<Vec<_>>();
    let spell = |start, dry, is_ended| Spell { start, dry, is_ended };
    assert_eq!(spells("..uu..u"), [spell(3, 0, true), spell(4, 2, true)]);
    assert_eq!(spells("u.?.u"), [spell(1, 1, false)], "a gap hides how it ended");
    assert_eq!(spells("u..."), [spell(1, 3, false)], "it goes on");
    let away = format!("u{}u", ".".repeat(24));
    assert!(!lesson(&away).spells().next().expect("a spell").teaches());
    assert!(!lesson(&"u...".repeat(10)).teaches(), "too few hours");
    assert!(lesson(&"u...".repeat(100)).teaches());
    let empty = format!("u{}", ".".repeat(400));
    assert!(!lesson(&empty).teaches(), "hardly lived in");
}

/// Figures of another implementation: LightGBM 4.7.0 on the same rows, with `num_leaves` 8, `learning_rate` 0.1,
/// `min_sum_hessian_in_leaf` 5, `lambda_l2` 1, `min_data_in_leaf` 1, `min_data_in_bin` 1.
#[test]
fn it_fits_as_lightgbm_does() {
    let mut state = 1_u64;
    let mut next = |of: u64| {
        state = (state * 1_103_515_245 + 12_345) % (1 << 31);
        (state >> 16) % of
    };
    let mut cases = Cases::default();
    for _ in 0..3_000 {
        let mut bins = [0; COUNT];
        for bin in &mut bins[..5] {
            *bin = next(16) as u8;
        }
        let [first, second, third] = [0, 1, 2].map(|feature| i64::from(bins[feature]));
        let thousandths = 100 + 40 * first + if third > 7 { 500 - 60 * second } else { 0 };
        cases.bins.push(bins);
        cases.happened.push((next(1_000) as i64) < thousandths.clamp(50, 950));
    }
    assert_eq!(
        cases.happened.iter().filter(|happened| **happened).count(),
        1_324,
        "the same rows"
    );
    for (trees, theirs) in [(1, 0.667_241_8), (10, 0.586_433_0), (60, 0.525_399_1)] {
        let growth = Growth {
            least_weight: 5.0,
            ..growth(trees, 8)
        };
        let ours = loss(&cases, &boost(&cases, &growth));
        assert!(
            (ours - theirs).abs() < 0.001,
            "{trees} trees: {ours}, LightGBM {theirs}"
        );
    }
}
