use expect_test::expect;
use proptest::prelude::*;

use super::*;
use crate::detect::inactivity::Condition;
use crate::detect::tests::{Watched, rule, with_rules};
use crate::model::{Absence, Outage, Sign, SignKind};

const KIND: AlertKind = AlertKind::NoReturn;

/// Friday 12:00 in Madrid, two days before the clocks change; away until Sunday 09:00.
fn home() -> Watched {
    let mut home = Watched::new(with_rules(Vec::new()), "Europe/Madrid", "2024-03-29T11:00:00Z");
    home.hours([5.0]);
    home.circumstances.absence = Some(Absence {
        from: home.next,
        to: "2024-03-31T07:00:00Z".parse().ok(),
    });
    home.hours([0.0; 43]);
    home
}

fn end(home: &Watched) -> EventTime {
    home.circumstances
        .absence
        .and_then(|absence| absence.to)
        .expect("an end")
}

#[test]
fn who_does_not_come_back_is_missed_and_water_ends_it() {
    let mut home = home();
    home.with_words = true;
    assert_eq!(home.next, end(&home));
    home.hours([0.0; 11]);
    assert!(!home.is_open(KIND));
    home.hours([0.0; 10]);
    home.hours([3.0]);
    expect![[r#"
        Sun 21:00 no_return Raised (Medium, no-return) since Sun 09:00: not_back
            The absence was to end at 09:00, and there has been no sign of life in the 12 h since. They may be staying longer: please ask them, or a contact.
            登记的外出应于09:00结束，此后12小时仍无任何用水等生命迹象。住户可能延期未归，请联系本人或其联系人核实。
        Mon 07:00 no_return Resolved (Medium, no-return) since Sun 09:00: use_returned
            Water is used again. The absence was to end at 09:00.
            已恢复用水。该次外出原定09:00结束。
    "#]].assert_eq(&home.told);
}

#[test]
fn beside_inactivity_it_is_due_no_later_and_begins_at_the_same_moment() {
    let mut home = home();
    let no_use = |name: &str, hours| rule(name, Severity::High, Condition::NoUse { hours });
    home.settings.inactivity.rules = vec![no_use("no-use-14h", 14.0)];
    home.hours([0.0; 14]);
    expect![[r#"
        Sun 21:00 no_return Raised (Medium, no-return) since Sun 09:00: not_back
        Sun 23:00 inactivity Raised (High, no-use-14h) since Sun 09:00: no_sign_of_life
    "#]]
    .assert_eq(&home.told);
}

#[test]
fn an_absence_extended_replaced_or_taken_back_ends_it() {
    let change = |absence: Option<Absence>| {
        let mut home = home();
        home.hours([0.0; 12]);
        assert!(home.is_open(KIND));
        home.circumstances.absence = absence;
        home.speak(home.next);
        assert!(!home.is_open(KIND));
        home
    };
    let end = end(&home());
    change(None);
    change(Some(Absence {
        from: end.plus(HOUR),
        to: None,
    }));
    let mut extended = change(Some(Absence {
        from: end.minus(43 * HOUR),
        to: Some(end.plus(24 * HOUR)),
    }));
    extended.hours([0.0; 23]);
    assert!(!extended.is_open(KIND));
    extended.hours([0.0]);
    expect![[r#"
        Sun 21:00 no_return Raised (Medium, no-return) since Sun 09:00: not_back
        Sun 21:00 no_return Resolved (Medium, no-return) since Sun 09:00: absence_changed
        Mon 21:00 no_return Raised (Medium, no-return) since Mon 09:00: not_back
    "#]]
    .assert_eq(&extended.told);
}

#[test]
fn another_sign_of_life_ends_it_and_one_before_the_end_does_not() {
    for (after, open) in [(0, true), (3 * HOUR, false)] {
        let mut home = home();
        let at = end(&home).plus(after);
        home.circumstances.sign = Some(Sign {
            kind: SignKind::Door,
            at,
            until: at,
        });
        home.hours([0.0; 12]);
        assert_eq!(home.is_open(KIND), open, "{after}");
        home.hours([0.0; 12]);
        assert_eq!(home.is_open(KIND), open, "{after}: somebody was there");
    }
}

#[test]
fn a_gap_neither_raises_nor_clears() {
    let mut home = home();
    home.hours([0.0; 8]);
    home.lose(30);
    home.hours([0.0; 11]);
    assert!(!home.is_open(KIND), "what was dry before the gap does not count");
    home.hours([0.0]);
    assert!(home.is_open(KIND));
    home.lose(100);
    home.hours([0.0]);
    assert!(home.is_open(KIND));
}

#[test]
fn an_outage_begins_it_anew() {
    let mut home = home();
    let back = end(&home).plus(20 * HOUR);
    home.hours([0.0; 13]);
    assert!(home.is_open(KIND));
    home.circumstances.outage = Some(Outage {
        from: end(&home).plus(10 * HOUR),
        to: Some(back),
    });
    home.hours([0.0; 18]);
    assert!(!home.is_open(KIND));
    home.hours([0.0]);
    assert!(home.is_open(KIND));
    let since = home
        .states
        .findings(&home.settings, &home.view(home.next))
        .into_iter()
        .flatten()
        .next();
    assert_eq!(
        since.map(|finding| (finding.since, finding.detected_at)),
        Some((end(&home), back.plus(12 * HOUR)))
    );
}

#[test]
fn without_an_end_or_when_off_nobody_is_missed() {
    let mut home = home();
    home.circumstances.absence = home
        .circumstances
        .absence
        .map(|absence| Absence { to: None, ..absence });
    home.hours([0.0; 100]);
    assert_eq!(home.told, "");
    let mut home = self::home();
    home.settings.no_return.enabled = false;
    home.hours([0.0; 100]);
    assert_eq!(home.told, "");
}

#[test]
fn it_is_met_within_the_interval_in_which_its_hours_end() {
    let mut home = home();
    home.settings.no_return.after_hours = 9.5;
    home.read(24 * HOUR, 0.0);
    let finding = home
        .states
        .findings(&home.settings, &home.view(home.next))
        .into_iter()
        .flatten()
        .next();
    assert_eq!(
        finding.map(|finding| finding.detected_at),
        Some(end(&home).plus(9 * HOUR + 1_800))
    );
}

proptest! {
    /// It is open exactly where so many measured hours in a row are dry after the end, and none since the end is used.
    #[test]
    fn it_follows_from_the_hours_after_the_end(
        hours in prop::collection::vec(prop_oneof![12 => Just(Some(false)), 1 => Just(Some(true)), 1 => Just(None)], 1..90)
    ) {
        let mut home = home();
        home.settings.no_return.after_hours = 5.0;
        let (mut dry, mut met, mut used) = (0, false, false);
        for known in &hours {
            match known {
                Some(is_used) => home.hours([if *is_used { 4.0 } else { 0.0 }]),
                None => home.lose(1),
            }
            dry = if *known == Some(false) { dry + 1 } else { 0 };
            used |= *known == Some(true);
            met |= dry >= 5;
            prop_assert_eq!(home.is_open(KIND), met && !used, "{:?}", hours);
        }
    }
}

#[test]
fn mistakes_are_named() {
    for (hours, mistakes) in [(0.4, 1), (0.5, 0), (240.0, 0), (240.5, 1), (f32::NAN, 1)] {
        let settings = NoReturnSettings {
            enabled: true,
            after_hours: hours,
        };
        assert_eq!(settings.mistakes().len(), mistakes, "{hours}");
    }
}
