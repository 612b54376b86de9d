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

#[test]
fn the_homes_own_peak_is_the_measure_and_a_pool_teaches() {
    let mut home = home(Vec::new());
    let day = || (0..24).map(|hour| if [7, 12, 19].contains(&hour) { 90.0 } else { 0.0 });
    (0..3).for_each(|_| home.hours(day()));
    home.hours([400.0, 0.0]);
    assert!(!home.is_open(AlertKind::Burst), "below what counts at all");
    home.hours([900.0]);
    assert!(home.is_open(AlertKind::Burst), "{}", home.told);
    home.hours([900.0, 0.0, 0.0]);
    assert!(!home.is_open(AlertKind::Burst));
    // It ended by itself within the day: the next like it is ordinary.
    (0..3).for_each(|_| home.hours(day()));
    home.hours([950.0, 0.0]);
    let raised = home.told.lines().filter(|line| line.contains("burst Raised")).count();
    assert_eq!(raised, 1, "{}", home.told);
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
}
