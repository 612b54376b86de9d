use expect_test::expect;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::*;
use crate::detect::tests::{Watched, with_rules};
use crate::model::DAY;

const KIND: AlertKind = AlertKind::NightDrift;

/// From a Monday's midnight in Madrid; the clocks change in the eighth week.
fn home() -> Watched {
    let mut settings = with_rules(Vec::new());
    settings.night_drift.enabled = true;
    Watched::new(settings, "Europe/Madrid", "2024-02-04T23:00:00Z")
}

/// Days from eight to ten, and each hour of the night with the probability of its day.
fn nights(restless: impl Fn(u32) -> f64) -> impl FnMut(u32, i8) -> f64 {
    let mut random = ChaCha8Rng::seed_from_u64(5);
    move |day, hour| {
        let used = matches!(hour, 8 | 13 | 20) || hour < 5 && random.random_bool(restless(day));
        if used { 6.0 } else { 0.0 }
    }
}

#[test]
fn restless_nights_are_told_once_and_again_when_they_grow() {
    let mut home = home();
    home.with_words = true;
    // From the fifth week on more from week to week, in the twelfth steady, from the fifteenth much more.
    let restless = |day: u32| match day / 7 {
        0..=4 => 0.1,
        week @ 5..=9 => 0.1 + 0.06 * f64::from(week - 4),
        10..=13 => 0.4,
        week => 0.4 + 0.25 * f64::from((week - 13).min(2)),
    };
    home.local_days(0..23 * 7, nights(restless));
    expect![[r#"
        Mon 00:00 night_drift Raised (Low, night-use) since Mon 00:00: night_use_changed
            Use of water at night (0 to 5 o'clock) has risen over the eight weeks from 2024-02-12: in the first two of them that are known 8.6 % of these hours had use, in the last two 33.2 %. No alarm; worth asking about.
            自2024-02-12起八周内夜间（0至5时）用水增多：最初有数据的两周8.6%的夜间小时有用水，最近两周为33.2%。非告警，宜询问近况。
        Mon 00:00 night_drift Raised (Low, night-use) since Mon 00:00: night_use_changed
            Use of water at night (0 to 5 o'clock) has risen over the eight weeks from 2024-04-08: in the first two of them that are known 40 % of these hours had use, in the last two 87.1 %. No alarm; worth asking about.
            自2024-04-08起八周内夜间（0至5时）用水增多：最初有数据的两周40%的夜间小时有用水，最近两周为87.1%。非告警，宜询问近况。
    "#]].assert_eq(&home.raised(KIND));
}

#[test]
fn a_home_that_stays_as_it_is_and_one_that_is_off_are_not_told() {
    for (enabled, change) in [(true, 0.0), (false, 0.1)] {
        let mut home = home();
        home.settings.night_drift.enabled = enabled;
        home.local_days(0..20 * 7, nights(|day| 0.2 + change * f64::from((day / 7).min(7))));
        assert_eq!(home.raised(KIND), "");
    }
}

#[test]
fn weeks_away_are_no_quiet_nights() {
    let away = |away: bool| {
        let mut home = home();
        let mut nights = nights(|_| 0.4);
        home.local_days(0..12 * 7, |day, hour| {
            let litres = nights(day, hour);
            if away && day >= 63 { 0.0 } else { litres }
        });
        home.raised(KIND)
    };
    assert_eq!(away(true), "");
    assert_eq!(away(false), "");
}

#[test]
fn a_week_that_ends_in_a_gap_is_judged_by_the_first_reading_after_it() {
    let rising = |day: u32| 0.1 + 0.25 * f64::from((day / 7).saturating_sub(4));
    let mut home = home();
    home.settings.night_drift.p_below = 1e-4; // Not before the eighth week.
    home.local_days(0..54, nights(rising));
    assert_eq!(home.raised(KIND), "");
    let monday = home.next.plus(2 * DAY - 3600); // The Sunday has 23 hours.
    home.lose(3 * 24);
    home.speak(home.next);
    assert_eq!(home.raised(KIND), "");
    home.hours([0.0]);
    expect![[r#"
        Tue 02:00 night_drift Raised (Low, night-use) since Mon 00:00: night_use_changed
    "#]]
    .assert_eq(&home.raised(KIND));
    let finding = home.states.findings(&home.settings, &home.view(home.next));
    let finding = finding
        .into_iter()
        .flatten()
        .find(|finding| &*finding.rule == "night-use");
    assert_eq!(finding.map(|finding| finding.detected_at), Some(monday));
}

#[test]
fn a_home_with_too_little_known_is_not_judged() {
    let mut home = home();
    let mut nights = nights(|day| 0.1 * f64::from((day / 7).min(9)));
    for day in 0..70 {
        if day % 7 < 4 {
            home.lose(24); // Three days a week remain.
        } else {
            home.hours((0..24).map(|hour| nights(day, hour)));
        }
    }
    assert_eq!(home.raised(KIND), "");
}

#[test]
fn mistakes_are_named() {
    let settings = NightDriftSettings {
        enabled: true,
        p_below: 0.0,
        least_change_percent: 101.0,
    };
    let keys: Vec<_> = settings.mistakes().into_iter().map(|mistake| mistake.key).collect();
    assert_eq!(keys, ["p_below", "least_change_percent"]);
    assert_eq!(NightDriftSettings::default().mistakes(), []);
}
