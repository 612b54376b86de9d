use proptest::prelude::*;

use super::*;
use crate::detect::tests::{Watched, with_rules};
use crate::model::DAY;

fn home(rules: Vec<(&str, Condition)>) -> Watched {
    let mut settings = with_rules(Vec::new());
    settings.leak.enabled = false;
    settings.burst.enabled = false;
    settings.prolonged_draw.learn_days = 1;
    settings.prolonged_draw.rules = rules
        .into_iter()
        .map(|(name, when)| Rule {
            name: name.into(),
            ..Rule {
                when,
                ..ProlongedDrawSettings::default().rules.remove(0)
            }
        })
        .collect();
    Watched::new(settings, "UTC", "2024-03-04T00:00:00Z")
}

fn minutes(home: &mut Watched, litres: f64, count: usize) {
    (0..count).for_each(|_| home.read(MINUTE, litres));
}

fn own() -> Vec<(&'static str, Condition)> {
    vec![(
        "own",
        Condition::Own {
            factor: 1.5,
            at_least_minutes: 20,
            at_least_litres_per_hour: 0.0,
        },
    )]
}

#[test]
fn a_tap_left_on_is_found_by_the_homes_own_longest_draw_and_does_not_teach() {
    let mut home = home(own());
    for _ in 0..3 {
        minutes(&mut home, 0.0, 600);
        minutes(&mut home, 8.0, 16);
    }
    assert!(!home.is_open(AlertKind::ProlongedDraw));
    minutes(&mut home, 0.0, 60);
    minutes(&mut home, 6.0, 23);
    assert!(
        !home.is_open(AlertKind::ProlongedDraw),
        "shorter than one and a half of 16 minutes"
    );
    minutes(&mut home, 6.0, 1);
    assert!(home.is_open(AlertKind::ProlongedDraw));
    // A gap ends nothing.
    home.lose(2);
    assert!(home.is_open(AlertKind::ProlongedDraw));
    minutes(&mut home, 0.0, 1);
    assert!(!home.is_open(AlertKind::ProlongedDraw));
    assert!(
        home.told.contains("water_left_running") && home.told.contains("draw_ended"),
        "{}",
        home.told
    );
    // It lasted two hours and a half, and taught nothing.
    minutes(&mut home, 6.0, 23);
    assert!(!home.is_open(AlertKind::ProlongedDraw));
    minutes(&mut home, 6.0, 1);
    assert!(home.is_open(AlertKind::ProlongedDraw));
}

#[test]
fn a_tap_left_on_is_found_by_a_meter_that_counts_in_coarse_steps() {
    for (step, flow) in [(3.785, 130.0), (5.0, 200.0), (10.0, 200.0), (10.0, 400.0)] {
        let mut home = home(vec![(
            "own",
            Condition::Own {
                factor: 1.5,
                at_least_minutes: 45,
                at_least_litres_per_hour: 120.0,
            },
        )]);
        let mut flowed = 0.0;
        let mut run = |home: &mut Watched, per_hour: f64, count: usize| {
            for _ in 0..count {
                let before = f64::floor(flowed / step);
                flowed += per_hour / 60.0;
                home.read(MINUTE, (f64::floor(flowed / step) - before) * step);
            }
        };
        for _ in 0..3 {
            run(&mut home, 0.0, 600);
            run(&mut home, flow, 20);
        }
        run(&mut home, 0.0, 600);
        run(&mut home, flow, 40);
        assert!(!home.is_open(AlertKind::ProlongedDraw), "{step} L, {flow} L/h");
        run(&mut home, flow, 20);
        assert!(home.is_open(AlertKind::ProlongedDraw), "{step} L, {flow} L/h");
        run(&mut home, 0.0, 10);
        assert!(!home.is_open(AlertKind::ProlongedDraw), "{step} L, {flow} L/h");
        // Less than the rule asks for, at steps as regular.
        run(&mut home, 40.0, 300);
        assert_eq!(raised(&home), 1, "{step} L, {flow} L/h");
    }
}

fn raised(home: &Watched) -> usize {
    home.raised(AlertKind::ProlongedDraw).lines().count()
}

#[test]
fn one_hose_before_the_home_is_known_teaches_little_and_fades() {
    let mut home = home(own());
    // At another hour each day: what draws as much at the same hour is a machine.
    let mut number = 0;
    let mut day = |home: &mut Watched, draw: usize| {
        number += 1;
        let before = number * 7 % 13 * 60;
        minutes(home, 0.0, before);
        minutes(home, 6.0, draw);
        minutes(home, 0.0, 24 * 60 - before - draw);
    };
    home.settings.prolonged_draw.learn_days = 3;
    day(&mut home, 15);
    day(&mut home, 600);
    day(&mut home, 15);
    assert_eq!(raised(&home), 0, "it is learning");
    day(&mut home, 46);
    assert_eq!(raised(&home), 1, "ten hours have taught thirty minutes: {}", home.told);
    // Weeks of short draws: of thirty minutes twenty are left.
    (0..56).for_each(|_| day(&mut home, 10));
    assert_eq!(raised(&home), 1);
    day(&mut home, 36);
    assert_eq!(raised(&home), 2, "{}", home.told);
}

#[test]
fn a_habit_is_learnt_when_it_comes_for_the_fourth_time_at_its_hour() {
    let story = |later_each_day: usize| {
        let mut home = home(own());
        let mut day = |draw: usize| {
            minutes(&mut home, 6.0, draw);
            minutes(&mut home, 0.0, 24 * 60 + later_each_day - draw);
            raised(&home)
        };
        (0..3).for_each(|_| assert_eq!(day(20), 0));
        [50; 6].map(day)
    };
    assert_eq!(story(0), [1, 2, 3, 4, 4, 4]);
    assert_eq!(story(150), [1, 2, 3, 4, 5, 6], "at any hour of the day it is none");
}

#[test]
fn water_that_runs_for_days_has_not_stopped_though_the_floor_has_risen_over_it() {
    let rules = vec![(
        "4h",
        Condition::Lasting {
            minutes: 240,
            at_least_litres_per_hour: 0.0,
        },
    )];
    let mut home = home(rules);
    // A drip: nobody can tell it from a tap before it has run for a day.
    home.hours([2.0; 30]);
    let leaks = |home: &Watched| home.told.matches("goes_on_as_leak").count();
    assert!(!home.is_open(AlertKind::ProlongedDraw));
    assert_eq!((raised(&home), leaks(&home)), (1, 1), "{}", home.told);
    // A tap beside the drip.
    home.hours([300.0; 5]);
    assert!(home.is_open(AlertKind::ProlongedDraw), "{}", home.told);
    home.hours([2.0]);
    assert!(!home.is_open(AlertKind::ProlongedDraw));
    assert_eq!((raised(&home), leaks(&home)), (2, 1), "{}", home.told);
    assert_eq!(home.told.matches("draw_ended").count(), 1);
    // One that nobody closes.
    home.hours([300.0; 80]);
    assert_eq!((raised(&home), leaks(&home)), (3, 2), "{}", home.told);
    assert_eq!(home.told.matches("draw_ended").count(), 1);
}

#[test]
fn by_the_hour_a_draw_must_be_three_hours_longer_than_the_longest() {
    let mut home = home(own());
    home.settings.prolonged_draw.rules[0].when = Condition::Own {
        factor: 1.5,
        at_least_minutes: 45,
        at_least_litres_per_hour: 60.0,
    };
    for _ in 0..10 {
        home.hours([0.0, 90.0, 80.0, 20.0, 70.0, 0.0]);
    }
    home.hours([90.0; 4]);
    assert!(!home.is_open(AlertKind::ProlongedDraw), "{}", home.told);
    home.hours([90.0]);
    assert!(home.is_open(AlertKind::ProlongedDraw), "{}", home.told);
    home.hours([30.0]);
    assert!(home.told.contains("flow_fell"), "{}", home.told);
}

#[test]
fn high_and_low_flow_are_told_apart_after_the_days_of_learning() {
    let rules = || {
        vec![
            (
                "high",
                Condition::HighFlow {
                    minutes: 3,
                    litres: 189.0,
                    above_litres_per_hour: 900.0,
                },
            ),
            (
                "low",
                Condition::LowFlow {
                    minutes: 20,
                    litres: 22.7,
                },
            ),
        ]
    };
    let mut home = home(rules());
    minutes(&mut home, 20.0, 10);
    assert!(!home.is_open(AlertKind::ProlongedDraw), "it is learning");
    minutes(&mut home, 0.0, 24 * 60);
    minutes(&mut home, 20.0, 2);
    assert!(!home.is_open(AlertKind::ProlongedDraw));
    minutes(&mut home, 20.0, 1);
    assert!(
        home.is_open(AlertKind::ProlongedDraw) && home.told.contains("high"),
        "{}",
        home.told
    );
    minutes(&mut home, 0.0, 5);
    minutes(&mut home, 1.0, 22);
    assert!(!home.is_open(AlertKind::ProlongedDraw), "not enough litres");
    minutes(&mut home, 1.0, 1);
    assert!(
        home.is_open(AlertKind::ProlongedDraw) && home.told.contains("low"),
        "{}",
        home.told
    );
}

/// The rule of two hours in its own words: the latest run of intervals with flow is at least so long.
fn naive_lasting(litres: &[f64], step: usize, minutes: usize) -> Vec<bool> {
    let mut run = 0;
    let step = |value: &f64| {
        run = if *value > 0.0 { run + step } else { 0 };
        run >= minutes
    };
    litres.iter().map(step).collect()
}

proptest! {
    #[test]
    fn a_use_that_lasts_is_what_the_plain_words_say(
        wet in prop::collection::vec(prop::sample::select(vec![0.0, 3.0, 3.5, 9.0]), 1..70),
    ) {
        let mut home = home(vec![("2h", Condition::Lasting { minutes: 120, at_least_litres_per_hour: 0.0 })]);
        // Beyond eighteen hours a flow that never stops is a leak, and no use.
        for (litres, expected) in wet.iter().zip(naive_lasting(&wet, 15, 120)) {
            home.read(15 * MINUTE, *litres);
            prop_assert_eq!(home.is_open(AlertKind::ProlongedDraw), expected, "{}", home.told);
        }
    }
}

#[test]
fn mistakes_are_named() {
    let mut settings = ProlongedDrawSettings::default();
    assert_eq!(settings.mistakes(), []);
    settings.rules[0].when = Condition::Lasting {
        minutes: 0,
        at_least_litres_per_hour: 0.0,
    };
    settings.rules.push(settings.rules[0].clone());
    settings.learn_days = 61;
    assert_eq!(settings.mistakes().len(), 4);
}

#[test]
fn a_home_that_never_drew_so_much_is_told_of_all_the_same() {
    for (seconds, needed) in [(HOUR, 3), (900, 4)] {
        let mut settings = with_rules(Vec::new());
        settings.leak.enabled = false;
        settings.burst.enabled = false;
        let mut home = Watched::new(settings, "UTC", "2024-03-04T00:00:00Z");
        for _ in 0..15 * DAY / seconds / 4 {
            [2.0, 0.0, 0.0, 0.0]
                .iter()
                .for_each(|litres| home.read(seconds, *litres));
        }
        let litres = 150.0 * f64::from(seconds) / f64::from(HOUR);
        (1..needed).for_each(|_| home.read(seconds, litres));
        assert!(!home.is_open(AlertKind::ProlongedDraw));
        home.read(seconds, litres);
        assert!(home.is_open(AlertKind::ProlongedDraw));
    }
}

#[test]
fn a_tap_that_has_become_a_leak_is_told_once_however_it_swings() {
    let mut home = home(own());
    home.hours([0.0, 20.0, 0.0, 30.0, 0.0, 0.0]);
    let swings = |hour: u32| 600.0 * (1.0 + 0.25 * (f64::from(hour) * std::f64::consts::TAU / 24.0).sin());
    home.hours([0.0; 24]);
    home.hours((0..96).map(swings));
    home.hours([0.0; 2]);
    assert_eq!(raised(&home), 1, "{}", home.told);
}
