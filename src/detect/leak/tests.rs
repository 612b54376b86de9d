use expect_test::expect;

use super::*;
use crate::detect::tests::{Watched, with_rules};

/// A home under the rule of the meters in the field alone.
fn home() -> Watched {
    let mut home = under(vec![("no-dry-hour-24h", Condition::continuous(24))]);
    home.settings.leak.rules[0].skip_unknown_hours = 6;
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
    if !rules.is_empty() {
        settings.leak.rules = rules.into_iter().map(|(name, when)| Rule::new(name, when)).collect();
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
            Water has not stopped since 2024-03-05 04:00, 24 h. At least 6 L/h flowed in the last day, 144 L a day at that rate.
            自2024-03-05 04:00起24小时水流未曾停止。近一日流量至少6升/小时，以此计每天144升。
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
            skip_unknown_hours: 241,
            clear_after_dry_hours: 0,
            ..Rule::new("", Condition::continuous(1))
        }],
    };
    let keys: Vec<_> = settings.mistakes().into_iter().map(|mistake| mistake.key).collect();
    assert_eq!(
        keys,
        [
            "rules[0]",
            "rules[0]",
            "rules[0].clear_after_dry_hours",
            "rules[0].skip_unknown_hours"
        ]
    );
    assert_eq!(LeakSettings::default().mistakes(), []);
}

fn hours_until_found(home: &mut Watched, most: u32, mut hour: impl FnMut(&mut Watched, u32)) -> Option<u32> {
    (0..most).find(|at| {
        hour(home, *at);
        home.is_open(AlertKind::Leak)
    })
}

#[test]
fn the_default_rules_find_a_leak_though_an_hour_of_each_day_is_lost() {
    for leak in [2.0, 30.0] {
        let mut home = fresh(Vec::new());
        home.hours((0..24 * 28).map(ordinary));
        let found = hours_until_found(&mut home, 72, |home, hour| {
            if hour % 24 == 17 {
                home.lose(1);
            } else {
                home.hours([ordinary(hour) + leak]);
            }
        });
        assert!(
            found.is_some_and(|hour| hour <= 25),
            "{leak} L/h is found after {found:?} hours"
        );
    }
}

#[test]
fn a_lost_day_does_not_hide_a_leak_and_does_not_make_one() {
    // Ordinary use, one day in fifty without readings, and single lost hours: 98 % of days as in Tokyo.
    let lost = |hour: u32| hour / 24 % 50 == 30 || hour % 41 == 7;
    let mut home = fresh(Vec::new());
    for hour in 0..24 * 100 {
        if lost(hour) {
            home.lose(1);
        } else {
            home.hours([ordinary(hour)]);
        }
    }
    assert!(!home.told.contains("leak"), "{}", home.told);
    // One that begins six hours before a day is lost.
    let found = hours_until_found(&mut home, 24 * 4, |home, hour| {
        if (6..30).contains(&hour) {
            home.lose(1);
        } else {
            home.hours([ordinary(hour) + 2.0]);
        }
    });
    assert!(found.is_some_and(|hour| hour <= 30 + 24), "{found:?}");
}

#[test]
fn two_rules_may_count_from_different_flows_and_skip_differently() {
    let rule = |name: &str, hours, litres, skips| Rule {
        skip_unknown_hours: skips,
        clear_after_dry_hours: 1,
        ..Rule::new(
            name,
            Condition::Continuous {
                hours,
                at_least_litres_per_hour: litres,
                slot_minutes: 60,
            },
        )
    };
    let mut settings = with_rules(Vec::new());
    settings.burst.enabled = false;
    settings.prolonged_draw.enabled = false;
    // The third and the fourth kind of run are kept apart from the first two.
    settings.leak.rules = vec![
        rule("any-30h", 30, 0.0, 0),
        rule("any-30h-gaps", 30, 0.0, 2),
        rule("four-litres-24h", 24, 3.785, 24),
        rule("28-litres-12h", 12, 28.4, 0),
    ];
    assert_eq!(settings.leak.mistakes(), []);
    let mut home = Watched::new(settings, "Asia/Shanghai", "2024-03-04T16:00:00Z");
    home.hours([0.0, 5.0, 0.0]);
    home.hours([5.0; 12]);
    home.lose(20);
    assert!(!home.is_open(AlertKind::Leak));
    home.hours([5.0; 12]);
    let opened = home.told.clone();
    assert!(opened.contains("four-litres-24h"), "{opened}");
    // Three litres go on: that is over, and the next one that is met is of any flow.
    home.hours([3.0; 9]);
    assert!(!home.is_open(AlertKind::Leak), "{}", home.told);
    home.lose(2);
    home.hours([3.0; 10]);
    assert!(home.told.contains("any-30h-gaps"), "{}", home.told);
    home.hours([0.0]);
    home.hours([30.0; 12]);
    assert!(home.told.contains("28-litres-12h"), "{}", home.told);
    home.hours([20.0]);
    assert!(!home.is_open(AlertKind::Leak));
}

#[test]
fn a_count_that_hovers_about_its_bound_is_one_leak() {
    let rule = Condition::Intermittent {
        at_least: 50,
        at_most: 95,
        of: 96,
    };
    let mut home = fresh(vec![("intermittent", rule)]);
    // 50 of 96, then 49 and 50 in turn.
    let mut used: std::collections::VecDeque<bool> = (0..96).map(|slot| slot * 50 % 96 < 50).collect();
    used.iter().for_each(|used| home.read(900, f64::from(u8::from(*used))));
    for _ in 0..960 {
        let count = used.iter().filter(|used| **used).count();
        let leaves = used.pop_front().expect("96 of them");
        let flows = match (count, leaves) {
            (50, true) => false,
            (49, false) => true,
            _ => leaves,
        };
        used.push_back(flows);
        home.read(900, f64::from(u8::from(flows)));
    }
    assert_eq!(home.raised(AlertKind::Leak).lines().count(), 1, "{}", home.told);
    assert!(home.is_open(AlertKind::Leak));
    for _ in 0..96 {
        home.read(900, 0.0);
    }
    assert_eq!(home.told.matches("Resolved").count(), 1, "{}", home.told);
}

#[test]
fn a_few_unknown_quarter_hours_do_not_hide_that_water_comes_and_goes() {
    let rule = Condition::Intermittent {
        at_least: 50,
        at_most: 95,
        of: 96,
    };
    let with_lost = |lost: u32| {
        let mut home = fresh(vec![("intermittent", rule.clone())]);
        for slot in 0..96 {
            if slot % 10 == 9 && slot / 10 < lost {
                home.next = home.next.plus(QUARTER);
            } else {
                home.read(900, f64::from(u8::from(slot % 3 > 0)));
            }
        }
        home.is_open(AlertKind::Leak)
    };
    assert!(with_lost(1));
    assert!(with_lost(8));
    assert!(!with_lost(9), "too little is known");
}

#[test]
fn litres_of_a_day_that_hover_about_the_bound_are_one_leak_and_the_bound_itself_is_none() {
    let rule = Condition::Daily {
        above_litres: 2_000.0,
        hours: 24,
    };
    // Tenths that have no exact binary form: 24 hours of 83.3 and 0.8 more are 2,000.0 L.
    let mut exact = fresh(vec![("daily", rule.clone())]);
    exact.hours((0..24).map(|hour| if hour == 5 { 84.1 } else { 83.3 }));
    assert!(!exact.is_open(AlertKind::Leak), "{}", exact.told);
    exact.hours([83.4]);
    assert!(exact.is_open(AlertKind::Leak), "2,000.1 L");

    let mut hovers = fresh(vec![("daily", rule)]);
    for hour in 0..24 * 10 {
        hovers.hours([if hour / 24 % 2 == 0 { 84.0 } else { 82.5 }]);
    }
    assert_eq!(hovers.raised(AlertKind::Leak).lines().count(), 1, "{}", hovers.told);
    assert!(hovers.is_open(AlertKind::Leak));
    hovers.hours([10.0; 24]);
    assert!(!hovers.is_open(AlertKind::Leak));
}

#[test]
fn what_a_leak_shows_while_it_is_open_does_not_make_the_next_one_wait() {
    let found = |mended: u32| {
        let mut home = fresh(Vec::new());
        home.hours((0..24 * 28).map(ordinary));
        let leak = |home: &mut Watched, hour| home.hours([ordinary(hour) + 2.0]);
        let first = hours_until_found(&mut home, 24, leak).expect("found");
        assert!(first < mended);
        home.hours((first + 1..mended).map(|hour| ordinary(hour) + 2.0));
        home.hours((mended..24 * 5).map(ordinary));
        hours_until_found(&mut home, 24, leak).expect("found again")
    };
    assert_eq!(found(16), found(22), "mended soon, or late");
    assert!(found(22) < 23, "and before the rule of a day");
}

#[test]
fn a_leak_cut_by_lost_hours_does_not_make_the_next_one_wait() {
    let found = |is_cut: bool| {
        let mut home = fresh(Vec::new());
        home.hours((0..24 * 28).map(ordinary));
        let leak = |home: &mut Watched, hour| home.hours([ordinary(hour) + 2.0]);
        // Two days and a half; what is lost is less than a day before its end.
        home.hours((0..24 * 2).map(|hour| ordinary(hour) + 2.0));
        match is_cut {
            true => home.lose(4),
            false => home.hours((24 * 2..24 * 2 + 4).map(|hour| ordinary(hour) + 2.0)),
        }
        home.hours((24 * 2 + 4..24 * 2 + 12).map(|hour| ordinary(hour) + 2.0));
        home.hours((24 * 2 + 12..24 * 8).map(ordinary));
        assert!(!home.is_open(AlertKind::Leak));
        hours_until_found(&mut home, 24, leak).expect("found again")
    };
    assert_eq!(found(true), found(false));
}

#[test]
fn a_floor_that_grows_is_told_with_its_interval_and_stays_one_at_its_peak() {
    let rule = Condition::Growing {
        days: 8,
        by_litres_per_hour: 1.0,
    };
    let mut home = fresh(vec![("growing", rule)]);
    home.with_words = true;
    let day =
        |home: &mut Watched, day: u32, leak: f64| home.hours((0..24).map(|hour| ordinary(day * 24 + hour) + leak));
    for at in 0..8 {
        day(&mut home, at, 1.0);
    }
    assert_eq!(home.told, "", "a floor that stays the same");
    for at in 8..16 {
        day(&mut home, at, 1.0 + f64::from(at - 7) * 0.5);
    }
    assert!(home.is_open(AlertKind::Leak), "{}", home.told);
    let view = home.view(home.next);
    let finding = home.states.findings(&home.settings, &view)[1]
        .clone()
        .expect("a finding");
    let said = home.states.explain(
        &home.settings,
        &view,
        &crate::detect::OpenAlert {
            kind: AlertKind::Leak,
            rule: &finding.rule,
            since: finding.since,
            detected_at: finding.detected_at,
            severity: finding.severity,
            stage: None,
        },
        crate::model::AlertState::Raised,
    );
    let figure = |name: &str| said.evidence[name].as_f64().expect(name);
    assert!(figure("growth_litres_per_hour_from") >= 1.0);
    assert!(figure("growth_litres_per_hour_from") <= figure("growth_litres_per_hour"));
    assert!(figure("growth_litres_per_hour") <= figure("growth_litres_per_hour_to"));
    assert!(figure("p_value") < 0.01);
    // At its peak for longer than the days that are looked at, with days somewhat less: one leak.
    for at in 16..46 {
        day(&mut home, at, 5.0 - f64::from(at % 3) * 0.5);
    }
    assert!(home.is_open(AlertKind::Leak), "{}", home.told);
    assert_eq!(home.raised(AlertKind::Leak).matches("Raised").count(), 1);
    day(&mut home, 46, 1.0);
    assert!(!home.is_open(AlertKind::Leak), "{}", home.told);
}

#[test]
fn a_leak_is_called_by_its_size_and_by_whether_it_pauses() {
    let called = |quarter: &dyn Fn(u32) -> f64| {
        let mut home = fresh(vec![("no-dry-hour-24h", Condition::continuous(24))]);
        (0..4 * 25).for_each(|slot| home.read(900, quarter(slot)));
        let view = home.view(home.next);
        let finding = home.states.findings(&home.settings, &view)[1].clone().expect("a leak");
        let alert = crate::detect::OpenAlert {
            kind: AlertKind::Leak,
            rule: &finding.rule,
            since: finding.since,
            detected_at: finding.detected_at,
            severity: finding.severity,
            stage: None,
        };
        let said = home
            .states
            .explain(&home.settings, &view, &alert, crate::model::AlertState::Raised);
        (
            said.evidence["leak_kind"].as_str().expect("a kind").to_owned(),
            finding.severity,
        )
    };
    assert_eq!(called(&|_| 0.5), ("drip".into(), Severity::Low), "2 L/h");
    assert_eq!(called(&|_| 3.0), ("toilet".into(), Severity::Medium), "12 L/h");
    // A cistern that fills for a quarter of an hour of each hour.
    let pausing = |slot: u32| if slot % 4 == 1 { 60.0 } else { 0.0 };
    assert_eq!(
        called(&pausing),
        ("toilet".into(), Severity::High),
        "60 L/h, not all the time"
    );
    assert_eq!(called(&|_| 15.0), ("continuous".into(), Severity::High), "60 L/h");
    assert_eq!(called(&|_| 200.0), ("burst".into(), Severity::High), "800 L/h");
}

#[test]
fn a_leak_that_grows_to_twice_its_size_is_told_anew_of_when_that_is_known() {
    let mut home = fresh(Vec::new());
    home.hours((0..24 * 21).map(ordinary));
    home.hours((0..24 * 3).map(|hour| ordinary(hour) + 2.0));
    home.told.clear();
    home.with_words = true;
    home.hours((0..24 * 5).map(|hour| ordinary(hour) + 4.5));
    expect![[r#"
        Sat 00:00 leak Updated (Low, steady-flow) since Tue 00:00: leak_grew
            Water has not stopped since 2024-03-26 00:00, 4 d. 18 of these hours show the same small flow. At least 4.5 L/h flowed in the last day, 108 L a day at that rate. It was 2 L/h before; another may have come to it.
            自2024-03-26 00:00起4天水流未曾停止。其中18小时流量相同。近一日流量至少4.5升/小时，以此计每天108升。此前为2升/小时，可能另有漏水。
    "#]].assert_eq(&home.told);
}

#[test]
fn a_leak_that_sways_about_a_severity_becomes_graver_once_and_has_not_grown() {
    let mut home = fresh(Vec::new());
    home.hours((0..24 * 21).map(ordinary));
    home.told.clear();
    // By turns a day and a half just below 5 L/h, and just above.
    home.hours((0..24 * 12).map(|hour| ordinary(hour) + if hour / 36 % 2 == 0 { 4.6 } else { 5.4 }));
    expect![[r#"
        Tue 10:00 leak Raised (Low, steady-flow) since Tue 00:00: steady_flow
        Thu 12:00 leak Updated (Medium, steady-flow) since Tue 00:00: steady_flow
    "#]]
    .assert_eq(&home.told);
}

#[test]
fn a_leak_beside_which_nobody_would_be_missed_says_so_once() {
    let mut home = fresh(Vec::new());
    home.hours((0..24 * 21).map(ordinary));
    home.told.clear();
    home.with_words = true;
    // On for some part of each hour, another every time.
    let unsteady = |hour: u32| f64::from(2 + (hour * 7 + hour / 5 * 3) % 11);
    home.hours((0..24 * 3).map(|hour| ordinary(hour) + unsteady(hour)));
    expect![[r#"
        Wed 00:00 leak Raised (Low, no-dry-hour-24h) since Tue 00:00: flow_never_stopped
            Water has not stopped since 2024-03-26 00:00, 24 h. At least 2 L/h flowed in the last day, 48 L a day at that rate.
            自2024-03-26 00:00起24小时水流未曾停止。近一日流量至少2升/小时，以此计每天48升。
        Fri 00:00 leak Updated (Low, no-dry-hour-24h) since Tue 00:00: hides_uses
            Water has not stopped since 2024-03-26 00:00, 3 d. At least 2 L/h flowed in the last day, 48 L a day at that rate. More than a steady leak flowed by day and night, 48 h with no pause of more than 2 h: people's use cannot be told from it, and nobody would be missed.
            自2024-03-26 00:00起3天水流未曾停止。近一日流量至少2升/小时，以此计每天48升。近48小时昼夜流量均超过稳定漏水，间歇不超过2小时：无法与居民用水区分，即使无人用水也无法察觉。
    "#]].assert_eq(&home.told);
}

#[test]
fn of_a_steady_leak_in_a_busy_home_nothing_is_told_anew() {
    for leak in [2.0, 6.0, 15.0] {
        let mut home = fresh(Vec::new());
        // Somebody is up at nearly every hour but from one to five.
        let busy = |hour: u32| match hour % 24 {
            1..=5 => 0.0,
            _ if hour.is_multiple_of(5) => 0.0,
            _ => f64::from(1 + hour * 5 % 9),
        };
        home.hours((0..24 * 21).map(busy));
        home.told.clear();
        home.hours((0..24 * 12).map(|hour| busy(hour) + leak));
        assert_eq!(home.raised(AlertKind::Leak).lines().count(), 1, "{}", home.told);
        assert!(
            !home.told.contains("leak_grew") && !home.told.contains("hides_uses"),
            "{leak} L/h: {}",
            home.told
        );
    }
}
