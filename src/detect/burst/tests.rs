use super::*;
use crate::detect::tests::{Watched, with_rules};

fn home(rules: Vec<Rule>) -> Watched {
    let mut settings = with_rules(Vec::new());
    settings.leak.enabled = false;
    settings.prolonged_draw.enabled = false;
    settings.burst.learn_hours = 24;
    if !rules.is_empty() {
        settings.burst.rules = rules;
    }
    Watched::new(settings, "UTC", "2024-03-04T00:00:00Z")
}

fn kamstrup() -> Vec<Rule> {
    let rule = |name: &str, percent| Rule {
        name: name.into(),
        severity: crate::model::Severity::High,
        when: Condition::ShareOfQ3 { percent, minutes: 30 },
    };
    vec![rule("q3-10", 10.0)]
}

#[test]
fn half_an_hour_above_a_share_of_q3_is_a_burst_until_a_dry_hour() {
    let mut home = home(kamstrup());
    home.hours([0.0; 2]);
    home.read(15 * MINUTE, 70.0);
    assert!(!home.is_open(AlertKind::Burst));
    home.read(15 * MINUTE, 70.0);
    assert!(home.is_open(AlertKind::Burst), "{}", home.told);
    home.lose(1);
    assert!(home.is_open(AlertKind::Burst), "a gap ends nothing");
    for _ in 0..10 {
        home.read(15 * MINUTE, 0.0);
    }
    assert!(!home.is_open(AlertKind::Burst), "{}", home.told);
    // A pause begins it anew.
    for litres in [70.0, 0.0, 70.0, 0.0, 70.0] {
        home.read(15 * MINUTE, litres);
    }
    assert!(!home.is_open(AlertKind::Burst), "{}", home.told);
}

const DAILY: [f64; 24] = {
    let mut day = [0.0; 24];
    (day[7], day[12], day[19]) = (90.0, 90.0, 90.0);
    day
};

fn raised(home: &Watched) -> usize {
    home.raised(AlertKind::Burst).lines().count()
}

#[test]
fn the_homes_own_peak_is_the_measure_and_a_garden_at_its_hour_raises_it() {
    let mut home = home(Vec::new());
    (0..3).for_each(|_| home.hours(DAILY));
    home.hours([500.0, 0.0]);
    assert!(!home.is_open(AlertKind::Burst), "below what counts at all");
    home.hours([0.0; 22]);
    for times in 1..5 {
        home.hours([900.0]);
        assert!(home.is_open(AlertKind::Burst), "{}", home.told);
        home.hours([900.0]);
        home.hours(DAILY[2..].iter().copied());
        assert!(!home.is_open(AlertKind::Burst));
        (0..3).for_each(|_| home.hours(DAILY));
        assert_eq!(raised(&home), times, "{}", home.told);
    }
    home.hours([1_200.0, 1_200.0, 0.0]);
    assert_eq!(raised(&home), 4, "the garden is watered: {}", home.told);
    home.hours([1_500.0]);
    assert_eq!(raised(&home), 5, "more than that is none: {}", home.told);
}

#[test]
fn bursts_at_any_hour_are_no_habit_however_many_there_are() {
    let mut home = home(Vec::new());
    (0..3).for_each(|_| home.hours(DAILY));
    for times in 1..=20 {
        // Three days and five hours later each.
        (0..3).for_each(|_| home.hours(DAILY));
        home.hours([0.0, 0.0, 1_500.0, 1_500.0, 0.0]);
        assert_eq!(raised(&home), times, "{}", home.told);
    }
}

#[test]
fn one_glitch_teaches_nothing_and_a_habit_is_known_on_its_second_day() {
    let story = |greatest: [f64; 3]| {
        let mut home = home(Vec::new());
        home.settings.burst.learn_hours = 72;
        for litres in greatest {
            home.hours([litres, litres, 0.0]);
            home.hours(DAILY[3..].iter().copied());
        }
        home.hours([1_400.0]);
        raised(&home)
    };
    assert_eq!(story([90.0, 90.0, 90.0]), 1);
    assert_eq!(story([1_300.0, 90.0, 90.0]), 1, "two hours of one day are one event");
    assert_eq!(
        story([1_000.0, 1_000.0, 90.0]),
        0,
        "while it learns nothing is reported, and it is a habit"
    );
    assert_eq!(story([15_000.0, 15_000.0, 90.0]), 0, "no more than Q3 is believed");
    let mut wild = home(Vec::new());
    wild.settings.burst.learn_hours = 72;
    for _ in 0..3 {
        wild.hours([15_000.0, 0.0]);
        wild.hours(DAILY[2..].iter().copied());
    }
    wild.hours([3_800.0]);
    assert_eq!(raised(&wild), 1, "one and a half of Q3: {}", wild.told);
}

#[test]
fn with_readings_of_a_minute_half_an_hour_is_thirty_minutes() {
    let mut home = home(kamstrup());
    for minute in 1..=31 {
        home.read(MINUTE, 5.0);
        assert_eq!(home.is_open(AlertKind::Burst), minute >= 30, "minute {minute}");
    }
}

#[test]
fn a_burst_is_over_though_a_drip_goes_on_and_is_not_while_it_runs_for_days() {
    let mut rules = kamstrup();
    rules[0].when = Condition::ShareOfQ3 {
        percent: 5.0,
        minutes: 30,
    };
    let mut home = home(rules);
    home.settings.burst.dry_percent = 0.0;
    home.hours([3.0; 30]);
    home.hours([400.0; 40]);
    assert!(home.is_open(AlertKind::Burst), "{}", home.told);
    home.hours([3.0; 2]);
    assert!(!home.is_open(AlertKind::Burst), "{}", home.told);
    assert_eq!(raised(&home), 1);
}

#[test]
fn the_share_is_of_the_meters_own_q3_where_it_is_known() {
    let mut home = home(kamstrup());
    home.circumstances.q3_litres_per_hour = Some(4_000.0);
    home.read(HOUR / 2, 195.0);
    assert!(!home.is_open(AlertKind::Burst));
    home.read(HOUR / 2, 205.0);
    assert!(home.is_open(AlertKind::Burst), "{}", home.told);
}

#[test]
fn mistakes_are_named() {
    assert_eq!(BurstSettings::default().mistakes(), []);
    let mut settings = BurstSettings {
        q3_litres_per_hour: -1.0,
        ..BurstSettings::default()
    };
    settings.rules.push(settings.rules[0].clone());
    assert!(settings.mistakes().len() >= 2, "{:?}", settings.mistakes());
    for dry_percent in [-1.0, 101.0, f32::NAN] {
        let settings = BurstSettings {
            dry_percent,
            ..BurstSettings::default()
        };
        assert_eq!(settings.mistakes().len(), 1, "{dry_percent}");
    }
}

#[test]
fn a_burst_that_swings_for_days_is_one() {
    let mut home = home(Vec::new());
    (0..3).for_each(|_| home.hours(DAILY));
    let swings = |hour: u32| 750.0 * (1.0 + 0.25 * (f64::from(hour) * std::f64::consts::TAU / 24.0).sin());
    home.hours((0..96).map(swings));
    assert!(home.is_open(AlertKind::Burst), "{}", home.told);
    home.hours([0.0]);
    assert!(!home.is_open(AlertKind::Burst), "{}", home.told);
    assert_eq!(raised(&home), 1, "{}", home.told);
}
