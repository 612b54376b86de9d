//! A flow under a leak that may have been a use, or the leak's own step.

use expect_test::expect;

use super::*;
use crate::detect::tests::{Watched, rule, with_rules};

/// What people use is not always as much.
fn used(hour: u32) -> f64 {
    f64::from(9 + hour * 5 % 13)
}

/// A home whose leak of 5 L/h has run for two days beside use, by a meter of 1 L.
fn leaking() -> Watched {
    let hours = Condition::NoUse { hours: 8.0 };
    let settings = with_rules(vec![rule("no-use-8h", Severity::High, hours)]);
    let mut home = Watched::new(settings, "Europe/Madrid", "2024-03-03T23:00:00Z");
    for _ in 0..2 {
        home.hours(
            (0..24).map(|hour| if hour % 4 == 0 { used(hour) } else { 1.0 } * f64::from(u8::from(hour % 2 == 0))),
        );
    }
    home.hours((0..48).map(|hour| if hour % 4 == 0 { used(hour) } else { 5.0 }));
    home
}

/// An open alert says so again when it has been dry for as long as the rule asks since a flow that may have been a use. It neither ends nor
/// begins anew for it: the leak alone may show such a step.
#[test]
fn an_open_alert_waits_anew_from_a_flow_that_may_have_been_a_use() {
    let mut home = leaking();
    home.with_words = true;
    home.told.clear();
    // Dry but for the leak, a step more at 18 o'clock, and one within the wait that follows.
    home.hours((0..48).map(|hour| if matches!(hour, 18 | 24) { 6.0 } else { 5.0 }));
    home.hours([12.0]);
    expect![[r#"
        Fri 05:00 inactivity Raised (High, no-use-8h) since Thu 21:00: no_sign_of_life
            No water since 21:00, 8 h. The longest within a day was 3 h in 4 days. A leak of about 5 L/h runs; it is not counted as use.
            自21:00起8小时无用水。近4天一日内最长为3小时。存在约5升/小时的漏水，不计为用水。
        Sat 09:00 inactivity Updated (High, no-use-8h) since Thu 21:00: still_no_sign_of_life
            No water since 2024-03-07 21:00, 36 h. The longest within a day was 3 h in 5 days. A leak of about 5 L/h runs; it is not counted as use. By 01:00 a little more than the leak had flowed, perhaps a use; nothing since.
            自2024-03-07 21:00起36小时无用水。近5天一日内最长为3小时。存在约5升/小时的漏水，不计为用水。截至01:00流量略多于漏水，或为用水，此后再无。
        Sun 01:00 inactivity Resolved (High, no-use-8h) since Thu 21:00: use_returned
            By 01:00 more than the leak of about 5 L/h flowed: water is used again, or the leak brings more; it was dry since 2024-03-07 21:00, for at most 2 d 4 h.
            01:00前流量超过约5升/小时的漏水：已恢复用水，或漏水增大；此前自2024-03-07 21:00起无用水，至多2天4小时。
    "#]].assert_eq(&home.told);
}

#[test]
fn without_a_leak_there_is_no_doubt() {
    let mut home = leaking();
    home.hours((0..72).map(|hour| if hour % 4 == 0 { used(hour) } else { 0.0 }));
    home.hours((0..48).map(|hour| if hour == 20 { 1.0 } else { 0.0 }));
    let told = home.told.lines().rev().take(3).collect::<Vec<_>>();
    assert!(told.iter().all(|line| !line.contains("Updated")), "{}", home.told);
    assert_eq!(
        home.usage
            .last_doubt()
            .filter(|doubt| *doubt > home.next.minus(48 * HOUR)),
        None
    );
}

/// What flowed while a leak ran is named even where the leak is over.
#[test]
fn water_of_a_leak_that_is_over_is_named() {
    let mut home = leaking();
    home.with_words = true;
    home.told.clear();
    // The floor falls with the first hour that has less; it was dry of use since before.
    home.hours([5.0, 5.0, 5.0, 5.0, 0.0, 0.0]);
    expect![[r#"
        Fri 05:00 inactivity Raised (High, no-use-8h) since Thu 21:00: no_sign_of_life
            No water since 21:00, 8 h. The longest within a day was 3 h in 4 days. 35 L flowed in this time as a leak does; they are not counted as use.
            自21:00起8小时无用水。近4天一日内最长为3小时。其间有35升水如漏水般流出，不计为用水。
    "#]].assert_eq(&home.told);
}
