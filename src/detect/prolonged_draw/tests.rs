use proptest::prelude::*;

use super::*;
use crate::detect::tests::{Watched, with_rules};

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
fn a_tap_left_on_is_found_by_the_homes_own_longest_draw_and_does_not_teach_much() {
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
    // It lasted two hours and a half, and taught as much as twice the longest.
    minutes(&mut home, 6.0, 47);
    assert!(!home.is_open(AlertKind::ProlongedDraw));
    minutes(&mut home, 6.0, 2);
    assert!(home.is_open(AlertKind::ProlongedDraw));
}

#[test]
fn coarse_readings_say_nothing_of_the_homes_own_longest() {
    let mut home = home(own());
    home.hours((0..200).map(|hour| if hour % 5 == 0 { 0.0 } else { 20.0 + f64::from(hour % 3) }));
    home.hours([0.0]);
    home.hours([300.0; 8]);
    assert!(!home.is_open(AlertKind::ProlongedDraw));
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
