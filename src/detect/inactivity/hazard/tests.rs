use proptest::prelude::*;

use super::features::{NAMES, OF_SPELL};
use super::model::{About, Absences, Forest, MAX_BINS, MAX_LEAVES, Split, Tree};
use super::*;
use crate::home::Routine;
use crate::model::EventTime;

const ZONE: &str = "Europe/Madrid";

fn zone() -> TimeZone {
    TimeZone::get(ZONE).expect("a time zone")
}

/// The hours of a home that uses water at these local hours of winter days, the latest last.
fn habits(days: usize, used: &[usize]) -> impl Iterator<Item = Option<bool>> {
    (0..days * 24).map(|hour| Some(used.contains(&(hour % 24))))
}

/// Hours that a [`Past`] looks back on, with those given at the end.
fn past(hours: impl Iterator<Item = Option<bool>>) -> Past {
    let mut all: Vec<Option<bool>> = hours.collect();
    let known = all.split_off(all.len().saturating_sub(PAST_HOURS));
    Past::of_hours((known.len()..PAST_HOURS).map(|_| None).chain(known.clone()))
}

/// A local midnight of winter, as a UTC hour: 58 days before it the clock was the same.
fn midnight() -> u32 {
    let time: EventTime = "2024-03-01T23:00:00Z".parse().expect("a time");
    time.hour()
}

fn feature(rows: &Rows, hour: usize, name: &str) -> f32 {
    let place = NAMES.iter().position(|known| *known == name).expect("a feature");
    rows[hour][place]
}

fn told(past: &Past, start: u32) -> Rows {
    let mut told: Rows = [[0.0; COUNT]; ABSENCE_HOURS];
    rows(past, start, &zone(), &mut told);
    told
}

#[test]
fn features_say_what_they_are_called() {
    // Water at 8, 12 and 20 o'clock, every day; the spell begins at 9 o'clock of the last day.
    let hours = habits(59, &[8, 12, 20]).take(58 * 24 + 9);
    let told = told(&past(hours), midnight() + 9);
    for (hour, name, expected) in [
        (0, "start_hour", 9.0),
        (0, "use_run", 1.0),
        (0, "used_of_3", 1.0),
        (0, "used_of_24", 3.0),
        (0, "used_share_28_days", 0.125),
        (0, "previous_dry", 11.0),
        (0, "awake", 1.0),
        (0, "longest_7_days", 11.0),
        (0, "days_since_absence", 58.0),
        (0, "long_11", 58.0),
        (0, "long_14", 0.0),
        (0, "wake_mean", 8.0),
        (0, "wake_spread", 0.0),
        (0, "woke_today", 8.0),
        (0, "bed_mean", 20.0),
        (0, "own_80_percent", 4.0),
        (3, "elapsed", 3.0),
        (3, "hour", 12.0),
        (3, "hour_share_28_days", 1.0),
        (2, "hour_share_28_days", 0.0),
        (2, "still_dry_28_days", 1.0),
        (3, "still_dry_28_days", 0.0),
        (3, "next_use_28_days", 1.0),
        (3, "from_wake", 4.0),
        (3, "from_bed", -8.0),
    ] {
        assert_eq!(feature(&told, hour, name), expected, "{name} of hour {hour}");
    }
    // 58 spells begun at nine, each of three dry hours, stand against one that never was.
    assert_eq!(feature(&told, 3, "own_at_risk"), 58.0);
    assert!((feature(&told, 3, "own_hazard") - 58.0 / 59.0).abs() < 1e-6);
    assert_eq!(feature(&told, 4, "own_at_risk"), 0.0);
}

#[test]
fn spells_of_a_day_do_not_teach() {
    let usual = |days| habits(days, &[8, 12, 20]);
    let away = usual(30).chain(habits(14, &[])).chain(usual(14));
    let (with, without) = (past(away), past(usual(58)));
    let gap = past(usual(30).chain((0..14 * 24).map(|_| None)).chain(usual(14)));
    let [with, without, gap] = [with, without, gap].map(|past| told(&past, midnight()));
    for name in [
        "hour_share_all_days",
        "own_hazard",
        "used_share_28_days",
        "longest_28_days",
    ] {
        for hour in 0..24 {
            // As if nothing were known of it, but for the edges of the absence.
            let difference = (feature(&with, hour, name) - feature(&gap, hour, name)).abs();
            assert!(difference < 0.06, "{name} of hour {hour}: {difference}");
        }
    }
    assert_eq!(feature(&without, 0, "days_since_absence"), 58.0);
    assert!((13.0..15.0).contains(&feature(&with, 0, "days_since_absence")));
}

#[test]
fn habits_follow_the_clock_when_it_changes() {
    // Spring forward on 31 March 2024: by UTC the habits move, by the wall they do not.
    let first: EventTime = "2024-02-10T00:00:00Z".parse().expect("a time");
    let start: EventTime = "2024-04-08T07:00:00Z".parse().expect("a time");
    let zone = zone();
    let local = |hour: u32| zone.to_datetime(EventTime::from_hour(hour).to_jiff()).hour();
    let hours = (first.hour()..start.hour()).map(|hour| Some(matches!(local(hour), 8 | 12 | 20)));
    let told = told(&past(hours), start.hour());
    assert_eq!(feature(&told, 0, "start_hour"), 9.0);
    assert_eq!(feature(&told, 3, "hour_share_all_days"), 1.0);
    assert_eq!(feature(&told, 0, "wake_spread"), 0.0);
    assert_eq!(feature(&told, 0, "bed_mean"), 20.0);
}

/// Trees of one and of two splits, from what a strategy draws.
fn small(leaves: [i16; 5], feature: u8) -> Model {
    let split = |left, right| Split {
        feature,
        bin: 0,
        left,
        right,
    };
    let one = Tree {
        splits: vec![split(!0, !1)],
        leaves: leaves[..2].to_vec(),
    };
    let two = Tree {
        splits: vec![split(!0, 1), split(!1, !2)],
        leaves: leaves[2..].to_vec(),
    };
    Model {
        about: About {
            provenance: "nobody".into(),
            licence: "none".into(),
            homes: 3,
            rows: 7,
            curve: vec![],
            absences: Absences {
                usual: 0.002,
                likely_from: 0.01,
            },
        },
        borders: (0..COUNT)
            .map(|feature| vec![feature as f32, feature as f32 + 0.5])
            .collect(),
        returns: Forest {
            base: -9,
            trees: vec![one.clone(), two],
        },
        absence: Forest {
            base: 5,
            trees: vec![one],
        },
    }
}

/// A tree that grows by one split at a time where a strategy says: a leaf, a feature and a bin.
fn grown(splits: &[(usize, u8, u8)]) -> Tree {
    let mut tree = Tree {
        splits: Vec::new(),
        leaves: Vec::new(),
    };
    let mut open = Vec::new();
    let lead = |tree: &mut Tree, (parent, is_left): (usize, bool), to: i8| {
        let split = &mut tree.splits[parent];
        *(if is_left { &mut split.left } else { &mut split.right }) = to;
    };
    for (place, (leaf, feature, bin)) in splits.iter().enumerate() {
        if place > 0 {
            let from = open.swap_remove(leaf % open.len());
            lead(&mut tree, from, place as i8);
        }
        tree.splits.push(Split {
            feature: *feature,
            bin: *bin,
            left: 0,
            right: 0,
        });
        open.extend([(place, true), (place, false)]);
    }
    for (leaf, from) in open.into_iter().enumerate() {
        lead(&mut tree, from, !(leaf as i8));
        tree.leaves.push(leaf as i16 * 37 - 500);
    }
    tree
}

fn written(model: &Model) -> Vec<u8> {
    let mut bytes = Vec::new();
    model.write(&mut bytes).expect("memory");
    bytes
}

#[test]
fn a_table_of_another_kind_is_refused_by_name() {
    let bytes = written(&small([1, 2, 3, 4, 5], 7));
    let body = bytes.iter().position(|byte| *byte == b'\n').expect("a line");
    let changed = |from: &str, to: &str| {
        let line = std::str::from_utf8(&bytes[..body]).expect("text");
        assert!(line.contains(from));
        let mut changed = line.replace(from, to).into_bytes();
        changed.extend(&bytes[body..]);
        Model::read(&changed).expect_err("it is another").to_string()
    };
    let mut said = [
        changed("tapwatch hazard", "weather"),
        changed("\"version\":2", "\"version\":1"),
        changed("own_hazard\"", "own_temper\""),
        changed(",\"clock_longest\"", ""),
        changed("\"likely_from\":0.01", "\"likely_from\":0.91"),
        Model::read(b"PK").expect_err("no table").to_string(),
        Model::read(&bytes[..bytes.len() - 1])
            .expect_err("too short")
            .to_string(),
    ];
    said.iter_mut().for_each(|line| line.push('\n'));
    expect_test::expect![[r#"
        no table of hazards: it calls itself "weather"
        a table of hazards of version 1; this tapwatch reads version 2: teach it again with `tapwatch train`
        feature 39 of the table is "own_temper", of this tapwatch "own_hazard": teach it again with `tapwatch train`
        feature 50 of the table is "", of this tapwatch "clock_longest": teach it again with `tapwatch train`
        the table is damaged: its checksum is another
        no table of hazards: it has no first line
        the table is damaged: its checksum is another
    "#]]
    .assert_eq(&said.concat());
}

#[test]
fn trees_that_lead_nowhere_are_refused() {
    let mut damaged = 0;
    for (left, right) in [(0, !1), (2, !1), (!0, !0), (!0, !5), (1, 1)] {
        let mut model = small([1, 2, 3, 4, 5], 7);
        let split = &mut model.returns.trees[1].splits[0];
        *split = Split { left, right, ..*split };
        let found = Model::read(&written(&model));
        damaged += usize::from(matches!(found, Err(ModelError::Damaged(_))));
    }
    assert_eq!(damaged, 5);
}

proptest! {
    #[test]
    fn a_table_reads_as_it_was_written(leaves in any::<[i16; 5]>(), feature in 0..COUNT as u8) {
        let model = small(leaves, feature);
        prop_assert_eq!(&Model::read(&written(&model)).expect("its own bytes"), &model);
        // A tree adds the leaf that its splits lead to.
        let mut row = [0.0; COUNT];
        row[usize::from(feature)] = f32::from(feature) + 0.25;
        let hazards = model.hazards(&[row; ABSENCE_HOURS]);
        let sum = model.returns.base + i32::from(leaves[1]) + i32::from(leaves[4]);
        prop_assert_eq!(hazards[5], model::logistic(sum as f32 / model::UNIT));
        let sum = model.absence.base + i32::from(leaves[1]);
        prop_assert_eq!(model.absence(&row), model::logistic(sum as f32 / model::UNIT));
    }

    #[test]
    fn all_hours_together_come_to_the_leaves_of_each(
        of_spell in prop::collection::vec((0..MAX_BINS, any::<bool>()), OF_SPELL),
        of_hours in prop::collection::vec((0..MAX_BINS, any::<bool>()), ABSENCE_HOURS * (COUNT - OF_SPELL)),
    ) {
        let hazard = Hazard::default();
        let model = hazard.model().expect("the shipped table");
        // On a border, or a little above it, or above them all.
        let value = |feature: usize, (place, is_above): (usize, bool)| {
            let border = model.borders[feature].get(place).copied().unwrap_or(1e9);
            if is_above { border + 1e-3 } else { border }
        };
        let row = |of_hour: &[(usize, bool)]| -> [f32; COUNT] {
            std::array::from_fn(|feature| match feature.checked_sub(OF_SPELL) {
                None => value(feature, of_spell[feature]),
                Some(place) => value(feature, of_hour[place]),
            })
        };
        let mut told: Rows = [[0.0; COUNT]; ABSENCE_HOURS];
        told.iter_mut().zip(of_hours.chunks(COUNT - OF_SPELL)).for_each(|(told, of_hour)| *told = row(of_hour));
        prop_assert_eq!(Descent::new(&model.borders, &model.returns).hazards(&told), model.hazards(&told));
    }

    #[test]
    fn trees_of_any_shape_are_gone_down_alike(
        trees in prop::collection::vec(prop::collection::vec((any::<usize>(), 0..COUNT as u8, 0..2u8), 1..MAX_LEAVES), 1..40),
        above in prop::collection::vec(0u8..3, COUNT * ABSENCE_HOURS),
    ) {
        let mut model = small([1, 2, 3, 4, 5], 7);
        model.returns.trees = trees.iter().map(|splits| grown(splits)).collect();
        prop_assert_eq!(&Model::read(&written(&model)).expect("sound trees"), &model);
        let mut told: Rows = [[0.0; COUNT]; ABSENCE_HOURS];
        let of_spell = &above[..OF_SPELL];
        for (told, above) in told.iter_mut().zip(above.chunks(COUNT)) {
            for (feature, told) in told.iter_mut().enumerate() {
                // What is told of the spell is the same in all hours.
                let above = if feature < OF_SPELL { of_spell[feature] } else { above[feature] };
                *told = feature as f32 + 0.4 * f32::from(above);
            }
        }
        prop_assert_eq!(Descent::new(&model.borders, &model.returns).hazards(&told), model.hazards(&told));
    }

    #[test]
    fn whatever_bytes_come_nothing_breaks(bytes in prop::collection::vec(any::<u8>(), 0..300), at in any::<prop::sample::Index>(), to in any::<u8>()) {
        let _ = Model::read(&bytes);
        let mut own = written(&small([1, 2, 3, 4, 5], 7));
        let at = at.index(own.len());
        own[at] = to;
        let _ = Model::read(&own);
    }

    #[test]
    fn a_past_is_the_same_from_bits_and_from_hours(
        hours in prop::collection::vec(prop::option::weighted(0.97, any::<bool>()), 1..2_500),
        before in 0..30u32,
    ) {
        let first = 400_000;
        let mut routine = Routine::default();
        for (hour, used) in (first..).zip(&hours) {
            routine.push(hour, *used);
        }
        let start = routine.next_hour() - before.min(hours.len() as u32 - 1);
        let mut known: Vec<_> = (start - PAST_HOURS as u32..start).map(|hour| routine.used(hour)).collect();
        // The spell begins where this ends.
        known.last_mut().expect("hours").get_or_insert(true);
        prop_assert_eq!(Past::of_routine(&routine, start), Past::of_hours(known.into_iter()));
    }

    #[test]
    fn a_hole_shortly_before_a_spell_is_filled_both_ways(hole in 1u32..30, used in any::<bool>()) {
        let first = 400_000;
        let end = first + PAST_HOURS as u32;
        let routine = |of_hole: Option<bool>| {
            let mut routine = Routine::default();
            let of = |hour| if hour == end - 1 - hole { of_hole } else { Some(hour % 3 == 0 || hour == end - 1) };
            (first..end).for_each(|hour| routine.push(hour, of(hour)));
            routine
        };
        let of = |routine: &Routine| Past::with_holes_filled(routine, end).collect::<Vec<_>>();
        let whole = of(&routine(Some(used)));
        prop_assert_eq!(whole.len(), 1);
        let holed = of(&routine(None));
        prop_assert_eq!(holed.len(), if hole < 12 { 3 } else { 1 });
        prop_assert_eq!(holed.contains(&whole[0]), hole < 12);
    }

    #[test]
    fn stopping_is_the_least_cost(hazards in prop::collection::vec(0.0f64..1.0, ABSENCE_HOURS), lambda in 1.0f64..5_000.0) {
        let mut chances = [1.0; ABSENCE_HOURS + 1];
        for (hour, hazard) in hazards.iter().enumerate() {
            chances[hour + 1] = chances[hour] * (1.0 - hazard);
        }
        // The chance that the spell ends in hour h, summed over the hours from T to the day's end.
        let cost = |from: usize| from as f64 + lambda * (from..ABSENCE_HOURS).map(|h| chances[h] * hazards[h]).sum::<f64>();
        let found = stopping_hours(&chances, lambda);
        prop_assert!((FIRST_HOURS..=ABSENCE_HOURS).contains(&found));
        for other in FIRST_HOURS..=ABSENCE_HOURS {
            prop_assert!(cost(found) <= cost(other) + 1e-6, "{found}: {}, {other}: {}", cost(found), cost(other));
        }
        prop_assert!(stopping_hours(&chances, lambda * 2.0) >= found, "more patience does not stop earlier");
    }
}
