use expect_test::expect;
use proptest::prelude::*;

use super::*;
use crate::detect::tests::{Watched, with_rules};
use crate::model::Measure;

const KIND: AlertKind = AlertKind::UseWhileAway;

/// Monday 08:00 in Shanghai; away from Monday 12:00, until Friday 12:00 or without an end.
fn home(ends: bool) -> Watched {
    let mut settings = with_rules(Vec::new());
    settings.no_return.enabled = false;
    let mut home = Watched::new(settings, "Asia/Shanghai", "2024-03-04T00:00:00Z");
    let from = home.next.plus(4 * HOUR);
    home.circumstances.absence = Some(Absence {
        from,
        to: ends.then(|| from.plus(96 * HOUR)),
    });
    home.hours([5.0, 5.0, 0.0, 20.0]);
    home
}

#[test]
fn use_in_an_absence_is_told_until_the_absence_ends() {
    let mut home = home(true);
    home.with_words = true;
    home.hours([9.0, 9.0]); // They leave late.
    home.hours([0.0; 20]);
    home.hours([1.9, 0.0, 3.0, 0.0, 12.0]);
    for _ in 0..4 {
        home.hours([0.0; 16]);
        home.hours([4.0]);
    }
    home.hours([0.0; 5]);
    expect![[r#"
        Tue 13:00 use_while_away Raised (Medium, use-while-away) since Tue 12:00: water_used_while_away
            Nobody is to be at home from 2024-03-04 12:00 to 2024-03-08 12:00, but water has been used since 12:00, at least 3 L. They may have come home early; if not, there is a leak, or somebody is there who should not be.
            该户登记自2024-03-04 12:00至2024-03-08 12:00外出，但自12:00起有用水，至少3升。住户可能已提前回家；若未回家，则可能漏水或有他人进入。
        Fri 12:00 use_while_away Resolved (Medium, use-while-away) since Tue 12:00: absence_over
            The absence is over. (Water was used since 2024-03-05 12:00 in a declared absence.)
            登记的外出已结束。（自2024-03-05 12:00起在已登记外出期间曾有用水。）
    "#]].assert_eq(&home.told);
}

#[test]
fn a_day_without_use_ends_it_and_a_gap_does_not() {
    let mut home = home(false);
    home.hours([0.0; 10]);
    home.hours([5.0]);
    home.hours([0.0; 23]);
    home.lose(40);
    home.hours([0.0; 23]);
    assert!(home.is_open(KIND), "{}", home.told);
    home.hours([0.0]);
    assert!(!home.is_open(KIND));
    home.hours([5.0]);
    expect![[r#"
        Mon 23:00 use_while_away Raised (Medium, use-while-away) since Mon 22:00: water_used_while_away
        Fri 14:00 use_while_away Resolved (Medium, use-while-away) since Mon 22:00: use_stopped
        Fri 15:00 use_while_away Raised (Medium, use-while-away) since Fri 14:00: water_used_while_away
    "#]]
    .assert_eq(&home.told);
}

#[test]
fn an_absence_taken_back_takes_back_what_was_found_in_it() {
    let mut home = home(true);
    home.hours([0.0; 10]);
    home.hours([5.0]);
    let declared = home.circumstances.absence.take();
    home.speak(home.next);
    home.circumstances.absence = declared;
    home.speak(home.next);
    // Declared from a later hour on, the use was before it.
    home.circumstances.absence = declared.map(|absence| Absence {
        from: absence.from.plus(10 * HOUR),
        ..absence
    });
    home.speak(home.next);
    expect![[r#"
        Mon 23:00 use_while_away Raised (Medium, use-while-away) since Mon 22:00: water_used_while_away
        Mon 23:00 use_while_away Resolved (Medium, use-while-away) since Mon 22:00: absence_withdrawn
        Mon 23:00 use_while_away Raised (Medium, use-while-away) since Mon 22:00: water_used_while_away
        Mon 23:00 use_while_away Resolved (Medium, use-while-away) since Mon 22:00: absence_withdrawn
    "#]]
    .assert_eq(&home.told);
}

#[test]
fn litres_may_come_in_several_hours_or_in_one_short_interval() {
    let told = |within_hours: u32, litres: &[f64]| {
        let mut home = home(true);
        home.settings.use_while_away.within_hours = within_hours;
        home.hours([0.0, 0.0]);
        home.hours(litres.iter().copied());
        home.is_open(KIND)
    };
    assert!(!told(1, &[1.0, 1.0, 1.0]));
    assert!(!told(2, &[1.0, 0.0, 1.0]));
    assert!(told(3, &[1.0, 0.0, 1.0]));
    let mut home = home(true);
    home.hours([0.0, 0.0]);
    home.read(60, 2.5);
    assert!(home.is_open(KIND), "at once");
}

#[test]
fn a_leak_that_was_there_before_is_no_use_and_one_that_begins_is() {
    let mut home = home(false);
    home.hours([0.0, 0.0, 0.0]);
    home.hours([3.0; 60]);
    expect![[r#"
        Mon 16:00 use_while_away Raised (Medium, use-while-away) since Mon 15:00: water_used_while_away
        Tue 04:00 leak Raised (Low, steady-flow) since Mon 15:00: steady_flow
        Tue 15:00 use_while_away Resolved (Medium, use-while-away) since Mon 15:00: leak
    "#]]
    .assert_eq(&home.told);
    home.circumstances.absence = Some(Absence {
        from: home.next,
        to: None,
    });
    home.hours([3.0; 30]);
    assert!(!home.is_open(KIND));
}

#[test]
fn long_intervals_count_where_they_lie_in_the_absence() {
    let mut home = home(true);
    home.read(24 * HOUR, 50.0); // It holds the time of grace.
    assert!(!home.is_open(KIND));
    home.read(24 * HOUR, 50.0);
    assert!(home.is_open(KIND));
    // A register that moved across a gap says nothing of when.
    let mut home = self::home(true);
    home.measure(HOUR, Measure::Register(100.0), |_, _, _| {});
    home.lose(30);
    home.measure(HOUR, Measure::Register(160.0), |_, _, _| {});
    assert!(!home.is_open(KIND));
}

proptest! {
    /// Never outside the absence and its grace, never when off, and `since` is an hour in which water was used.
    #[test]
    fn only_use_in_the_absence_is_found(
        hours in prop::collection::vec(prop_oneof![3 => Just(Some(0.0)), 1 => (0.1f64..6.0).prop_map(Some), 1 => Just(None)], 1..120),
        from in 0u32..100, lasts in prop::option::of(1u32..100),
    ) {
        let mut home = Watched::new(with_rules(Vec::new()), "Europe/Madrid", "2024-03-30T00:00:00Z");
        let start = home.next;
        let absence = Absence { from: start.plus(from * HOUR), to: lasts.map(|lasts| start.plus((from + lasts) * HOUR)) };
        home.circumstances.absence = Some(absence);
        for litres in &hours {
            match litres {
                Some(litres) => home.hours([*litres]),
                None => home.lose(1),
            }
            let finding = home.states.findings(&home.settings, &home.view(home.next)).into_iter().flatten()
                .find(|finding| &*finding.rule == "use-while-away");
            if let Some(finding) = finding {
                prop_assert!(absence.covers(finding.since.minus(2 * HOUR)) && absence.covers(home.usage.frontier()));
                let hour = finding.since.hour() - start.hour();
                prop_assert!(hours[hour as usize].is_some_and(|litres| litres >= 1.95));
                prop_assert_eq!(finding.detected_at, finding.since.plus(HOUR));
            }
        }
    }
}

#[test]
fn mistakes_are_named() {
    let settings = UseWhileAwaySettings {
        enabled: true,
        at_least_litres: 0.0,
        within_hours: 25,
        grace_hours: -1.0,
        clear_after_dry_hours: 0,
    };
    let keys: Vec<_> = settings.mistakes().into_iter().map(|mistake| mistake.key).collect();
    assert_eq!(
        keys,
        [
            "at_least_litres",
            "within_hours",
            "grace_hours",
            "clear_after_dry_hours"
        ]
    );
    assert_eq!(UseWhileAwaySettings::default().mistakes(), []);
}
