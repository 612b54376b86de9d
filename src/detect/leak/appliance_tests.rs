//! Stories of homes with appliances that draw water by themselves: neither people nor leaks.

use crate::detect::tests::{Watched, rule, with_rules};
use crate::detect::{inactivity, leak};
use crate::model::{AlertKind, Appliance, EventTime, Severity};

/// A home under a rule of inactivity of 20 h and all kinds of rules on leaks, from a local midnight on.
fn home() -> Watched {
    let mut settings = with_rules(vec![rule(
        "no-use-20h",
        Severity::High,
        inactivity::Condition::NoUse { hours: 20.0 },
    )]);
    settings.leak.rules.push(leak::Rule::new(
        "intermittent",
        leak::Condition::Intermittent {
            at_least: 40,
            at_most: 95,
            of: 96,
        },
    ));
    Watched::new(settings, "Europe/Madrid", "2024-01-14T23:00:00Z")
}

fn declared(from: &str, to: &str, litres_at_most: f32) -> Appliance {
    let time = |text: &str| text.to_owned().try_into().expect("a time of the day");
    Appliance {
        from: time(from),
        to: time(to),
        litres_at_most,
    }
}

/// Litres of a quarter-hour of somebody who lives there: different every day.
fn person(day: u32, quarter: u32) -> f64 {
    match (quarter / 4, quarter % 4) {
        (7, at) if at == day % 4 => 9.0 + f64::from(day % 7) * 4.0,
        (8, 1) => 6.0,
        (13, at) if at == (day / 2) % 4 => 8.0 + f64::from(day % 3) * 5.0,
        (19, 2) => 12.0 + f64::from(day % 5),
        (22, at) if at < 2 => 6.0,
        _ => 0.0,
    }
}

/// Irrigation at five: 120 L in three quarters of an hour.
fn irrigation(quarter: u32) -> f64 {
    if (20..23).contains(&quarter) { 40.0 } else { 0.0 }
}

/// Days of quarter-hours, or of hours.
fn days(home: &mut Watched, days: std::ops::Range<u32>, by_hour: bool, litres: impl Fn(u32, u32) -> f64) {
    for day in days {
        for hour in 0..24 {
            let quarters = (0..4).map(|at| litres(day, hour * 4 + at));
            if by_hour {
                home.read(3_600, quarters.sum());
            } else {
                quarters.for_each(|litres| home.read(900, litres));
            }
        }
    }
}

#[test]
fn a_person_who_fell_is_found_though_a_declared_irrigation_runs_every_morning() {
    for by_hour in [false, true] {
        let mut home = home();
        home.usage.declare_appliances(&[declared("05:00", "05:45", 121.0)]);
        days(&mut home, 0..10, by_hour, |day, quarter| {
            person(day, quarter) + irrigation(quarter)
        });
        assert_eq!(home.told, "", "neither a person nor a leak nor a burst");
        days(&mut home, 10..12, by_hour, |_, quarter| irrigation(quarter));
        assert!(home.is_open(AlertKind::Inactivity), "{}", home.told);
        // Found twenty hours after the last use, half past ten in the evening, and not after the irrigation.
        assert!(
            home.told.contains("Thu 18:30") || home.told.contains("Thu 19:00"),
            "{}",
            home.told
        );
    }
}

#[test]
fn without_being_declared_an_irrigation_is_learnt_and_no_longer_hides_that_somebody_fell() {
    for by_hour in [false, true] {
        let mut home = home();
        days(&mut home, 0..20, by_hour, |day, quarter| {
            person(day, quarter) + irrigation(quarter)
        });
        assert_eq!(home.told, "");
        let learnt = home.usage.learnt_appliance().expect("a machine");
        assert_eq!((learnt.every_days, learnt.minute), (1, 300));
        let five = home.next.minus(19 * 3_600).hour();
        assert_eq!(
            home.usage.routine().used(five),
            Some(false),
            "its past runs are no habit of people"
        );
        days(&mut home, 20..22, by_hour, |_, quarter| irrigation(quarter));
        assert!(home.is_open(AlertKind::Inactivity), "{}", home.told);
    }
}

#[test]
fn a_softener_of_every_third_night_is_learnt() {
    let mut home = home();
    // Two in the morning: 90 L in an hour, on a meter of 1 L: 89 to 91.
    let softener = |day: u32, quarter: u32| match quarter {
        8..12 if day.is_multiple_of(3) => 22.5 + f64::from(u8::from(quarter == 9)) * (f64::from(day % 2) - 0.5),
        _ => 0.0,
    };
    days(&mut home, 0..45, false, |day, quarter| {
        person(day, quarter) + softener(day, quarter)
    });
    let learnt = home.usage.learnt_appliance().expect("a machine");
    assert_eq!((learnt.every_days, learnt.minute), (3, 120));
    // Somebody who uses as much at the same time of another night is a person.
    days(&mut home, 45..46, false, |day, quarter| {
        person(day, quarter) + softener(day, quarter)
    });
    days(&mut home, 46..47, false, |day, quarter| softener(day - 1, quarter));
    let sign = home.usage.last_sign().expect("a sign");
    assert_eq!(sign, home.next.minus(21 * 3_600));
    assert!(
        !home.told.contains("leak") && !home.told.contains("burst"),
        "{}",
        home.told
    );
}

#[test]
fn a_person_of_regular_habits_is_no_machine() {
    // At the same minute every day; the shower takes what it takes, within a tenth.
    let shower = |day: u32| 40.0 + f64::from(day * 7 % 9) - 4.0;
    for (name, minute_of) in [("early", 5 * 4), ("night", 2 * 4)] {
        for by_hour in [false, true] {
            let mut home = home();
            days(&mut home, 0..40, by_hour, |day, quarter| {
                person(day, quarter) + if quarter == minute_of { shower(day) } else { 0.0 }
            });
            assert_eq!(home.usage.learnt_appliance(), None, "{name}");
        }
    }
    // The cistern takes the same each time, at night, every night; it is smaller than any machine.
    let mut home = home();
    days(&mut home, 0..40, true, |day, quarter| {
        person(day, quarter) + if quarter == 12 { 9.0 } else { 0.0 }
    });
    assert_eq!(home.usage.learnt_appliance(), None);
    // Coffee at seven, and a bath of the same litres at half past six: not at night.
    days(
        &mut home,
        40..80,
        false,
        |_, quarter| if quarter == 26 { 100.0 } else { 0.0 },
    );
    assert_eq!(home.usage.learnt_appliance(), None);
}

#[test]
fn more_than_an_appliance_may_draw_is_a_person_and_what_is_not_declared_any_more_is_too() {
    let mut home = home();
    home.usage.declare_appliances(&[declared("23:30", "00:30", 50.0)]);
    days(&mut home, 0..3, false, person);
    let before = home.usage.last_sign();
    // Its window crosses midnight: 50 L are its own, whichever way they fall.
    days(
        &mut home,
        3..4,
        false,
        |_, quarter| if quarter == 94 { 30.0 } else { 0.0 },
    );
    home.read(900, 20.0);
    assert_eq!(home.usage.last_sign(), before);
    home.read(900, 8.0);
    assert_eq!(home.usage.last_sign(), Some(home.next), "eight more");
    home.usage.declare_appliances(&[]);
    assert_eq!(home.usage.declared_appliances().count(), 0);
    days(
        &mut home,
        5..6,
        false,
        |_, quarter| if quarter == 92 { 30.0 } else { 0.0 },
    );
    assert!(home.usage.last_sign() > Some(home.next.minus(2 * 3_600)));
    assert!(!home.usage.may_have_appliance(), "nothing is kept of it");
}

#[test]
fn a_leak_is_found_under_an_irrigation() {
    for by_hour in [false, true] {
        let mut home = home();
        home.usage.declare_appliances(&[declared("05:00", "05:45", 130.0)]);
        days(&mut home, 0..8, by_hour, |day, quarter| {
            person(day, quarter) + irrigation(quarter)
        });
        days(&mut home, 8..10, by_hour, |day, quarter| {
            person(day, quarter) + irrigation(quarter) + 1.0
        });
        assert!(home.is_open(AlertKind::Leak), "{}", home.told);
        assert_eq!(home.usage.floor().litres_per_hour(), 4.0);
        days(&mut home, 10..14, by_hour, |day, quarter| {
            person(day, quarter) + irrigation(quarter) + 1.0
        });
        assert_eq!(
            home.usage.floor().litres_per_hour(),
            4.0,
            "the irrigation does not hide it"
        );
        assert_eq!(home.raised(AlertKind::Leak).lines().count(), 1, "{}", home.told);
        assert!(home.is_open(AlertKind::Leak), "{}", home.told);
    }
}

#[test]
fn the_learnt_rule_learns_the_window_by_the_local_clock_over_a_change_of_the_clocks() {
    let mut home = home();
    home.next = "2024-03-19T23:00:00Z".parse::<EventTime>().expect("a time");
    home.local_days(0..25, |day, hour| {
        let at_seven = if hour == 7 {
            20.0 + f64::from(day % 5) * 4.0
        } else {
            0.0
        };
        at_seven + if hour == 4 { 120.0 } else { 0.0 }
    });
    let learnt = home.usage.learnt_appliance().expect("a machine");
    assert_eq!((learnt.every_days, learnt.minute), (1, 240));
    let before = home.usage.last_sign();
    home.local_days(25..26, |_, hour| if hour == 4 { 120.0 } else { 0.0 });
    assert_eq!(home.usage.last_sign(), before);
}
