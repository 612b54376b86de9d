use expect_test::expect;

use super::*;
use crate::detect::tests::{Watched, with_rules};

/// A home under the rule of the meters in the field alone.
fn home() -> Watched {
    let mut home = under(vec![("no-dry-hour-24h", Condition::continuous(24))]);
    home.settings.leak.skip_unknown_hours = 6;
    home
}

fn under(rules: Vec<(&str, Condition)>) -> Watched {
    let mut home = fresh(rules);
    home.hours([0.0, 30.0, 0.0, 0.0]);
    home
}

fn fresh(rules: Vec<(&str, Condition)>) -> Watched {
    let mut settings = with_rules(Vec::new());
    settings.burst.enabled = false;
    settings.prolonged_draw.enabled = false;
    let rule = |(name, when): (&str, Condition)| Rule {
        name: name.into(),
        severity: None,
        when,
    };
    if !rules.is_empty() {
        settings.leak.rules = rules.into_iter().map(rule).collect();
    }
    Watched::new(settings, "Asia/Shanghai", "2024-03-04T16:00:00Z")
}

/// Litres of an ordinary hour: up at seven, lunch, supper, and somewhat different each day.
fn ordinary(hour: u32) -> f64 {
    let (day, hour) = (hour / 24, hour % 24);
    match hour {
        7 | 8 => 12.0 + f64::from(day % 5) * 3.0,
        12 | 13 | 18 if (day + hour) % 4 > 0 => 6.0 + f64::from((day + hour) % 7),
        20 | 22 => 9.0,
        _ => 0.0,
    }
}

#[test]
fn our_own_rule_finds_a_steady_leak_in_a_working_day_of_hours_and_no_habit() {
    for leak in [1.0, 2.0, 5.0, 10.0, 30.0] {
        let mut home = fresh(Vec::new());
        home.hours((0..24 * 28).map(ordinary));
        assert!(!home.told.contains("leak"), "habits: {}", home.told);
        let found = (0..24).find(|hour| {
            home.hours([ordinary(*hour) + leak]);
            home.is_open(AlertKind::Leak)
        });
        assert!(
            found.is_some_and(|hour| hour < 16),
            "{leak} L/h is found after {found:?} hours"
        );
        home.hours([0.0; 3]);
        assert!(!home.is_open(AlertKind::Leak));
    }
}

#[test]
fn a_toilet_that_runs_for_twenty_minutes_of_each_hour_is_found_within_a_day() {
    let mut home = fresh(Vec::new());
    for slot in 0..24 * 4 * 21 {
        home.read(900, ordinary(slot / 4) / 4.0);
    }
    assert!(!home.told.contains("leak"), "{}", home.told);
    let found = (0..24 * 4).find(|slot| {
        let runs = if slot % 4 < 2 { 20.0 } else { 0.0 };
        home.read(900, ordinary(slot / 4) / 4.0 + runs);
        home.is_open(AlertKind::Leak)
    });
    assert!(
        found.is_some_and(|slot| slot < 24 * 4),
        "found after {found:?} quarter-hours"
    );
}

#[test]
fn flow_in_many_quarter_hours_but_not_in_all_is_intermittent() {
    let rule = Condition::Intermittent {
        at_least: 50,
        at_most: 95,
        of: 96,
    };
    let mut home = fresh(vec![("intermittent", rule)]);
    for slot in 0..96 {
        home.read(900, f64::from(u8::from(slot % 2 == 0)));
    }
    assert!(!home.is_open(AlertKind::Leak), "48 of 96: {}", home.told);
    for slot in 0..12 {
        home.read(900, f64::from(u8::from(slot % 4 != 3)));
    }
    assert!(home.is_open(AlertKind::Leak), "{}", home.told);
}

#[test]
fn litres_of_a_day_are_counted_when_all_its_hours_are_known() {
    let mut home = fresh(vec![(
        "daily",
        Condition::Daily {
            above_litres: 2_000.0,
            hours: 24,
        },
    )]);
    home.hours((0..24).map(|hour| if hour % 2 == 0 { 166.0 } else { 0.0 }));
    assert!(!home.is_open(AlertKind::Leak), "1992 L");
    home.hours([180.0]);
    assert!(home.is_open(AlertKind::Leak), "{}", home.told);
}

#[test]
fn a_leak_is_told_with_its_size_and_its_end() {
    let mut home = home();
    home.with_words = true;
    home.hours([6.0; 30]);
    home.hours([0.0; 3]);
    expect![[r#"
        Wed 04:00 leak Raised (Medium, no-dry-hour-24h) since Tue 04:00: flow_never_stopped
            Water has not stopped since 2024-03-05 04:00, 24 h. At least 6 L/h flow all the time, 144 L a day.
            自2024-03-05 04:00起24小时水流未曾停止。持续流量至少6升/小时，即每天144升。
        Wed 13:00 leak Resolved (Medium, no-dry-hour-24h) since Tue 04:00: flow_stopped
            The flow has stopped; it had run since 2024-03-05 04:00, for at most 30 h.
            持续流水已停止，自2024-03-05 04:00起至多30小时。
    "#]]
    .assert_eq(&home.told);
}

#[test]
fn a_leak_that_pauses_stays_one_and_is_over_after_three_dry_hours() {
    let mut home = home();
    home.hours([2.0; 24]);
    for _ in 0..2 {
        home.hours([0.0, 0.0]);
        home.hours([2.0; 24]);
        assert!(home.is_open(AlertKind::Leak));
    }
    home.hours([0.0, 0.0]);
    home.hours([2.0; 10]);
    home.hours([0.0]);
    expect![[r#"
        Wed 04:00 leak Raised (Low, no-dry-hour-24h) since Tue 04:00: flow_never_stopped
        Fri 21:00 leak Resolved (Low, no-dry-hour-24h) since Tue 04:00: flow_stopped
    "#]]
    .assert_eq(&home.told);
}

#[test]
fn a_leak_that_grows_is_told_again_and_one_that_shrinks_is_not() {
    let mut home = home();
    home.hours([2.0; 30]);
    home.hours([8.0; 30]);
    home.hours([50.0; 30]);
    home.hours([8.0; 30]);
    expect![[r#"
        Wed 04:00 leak Raised (Low, no-dry-hour-24h) since Tue 04:00: flow_never_stopped
        Thu 10:00 leak Updated (Medium, no-dry-hour-24h) since Tue 04:00: leak_grew
        Fri 16:00 leak Updated (High, no-dry-hour-24h) since Tue 04:00: leak_grew
    "#]]
    .assert_eq(&home.told);
}

#[test]
fn a_few_lost_hours_are_skipped_and_many_begin_the_run_anew() {
    let run = |lost: u32| {
        let mut home = home();
        home.hours([2.0; 12]);
        home.lose(lost);
        home.hours([2.0; 11]);
        let before = home.is_open(AlertKind::Leak);
        home.hours([2.0]);
        (before, home.is_open(AlertKind::Leak))
    };
    assert_eq!(run(6), (false, true), "twelve and twelve measured hours");
    assert_eq!(run(7), (false, false));
    assert_eq!(run(200), (false, false));
}

#[test]
fn a_gap_does_not_end_a_leak() {
    let mut home = home();
    home.hours([2.0; 24]);
    home.lose(300);
    home.hours([2.0, 0.0, 2.0, 0.0]);
    assert!(home.is_open(AlertKind::Leak));
    home.hours([0.0]);
    assert!(!home.is_open(AlertKind::Leak));
}

#[test]
fn flow_below_what_counts_is_no_leak() {
    let mut home = home();
    home.settings.leak.rules[0].when = Condition::Continuous {
        hours: 24,
        at_least_litres_per_hour: 3.0,
        slot_minutes: 60,
    };
    home.settings.leak.rules.truncate(1);
    home.hours([2.9; 60]);
    assert!(!home.is_open(AlertKind::Leak));
    home.hours([3.1; 24]);
    assert!(home.is_open(AlertKind::Leak));
    home.settings.leak.enabled = false;
    home.hours([3.1]);
    assert!(!home.is_open(AlertKind::Leak));
}

#[test]
fn mistakes_are_named() {
    let settings = LeakSettings {
        enabled: true,
        rules: vec![Rule {
            name: "".into(),
            severity: None,
            when: Condition::continuous(1),
        }],
        skip_unknown_hours: 241,
        clear_after_dry_hours: 0,
    };
    let keys: Vec<_> = settings.mistakes().into_iter().map(|mistake| mistake.key).collect();
    assert_eq!(
        keys,
        ["rules[0]", "rules[0]", "clear_after_dry_hours", "skip_unknown_hours"]
    );
    assert_eq!(LeakSettings::default().mistakes(), []);
}
