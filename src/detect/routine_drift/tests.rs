use expect_test::expect;
use proptest::prelude::*;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::*;
use crate::detect::tests::{Watched, with_rules};

const KIND: AlertKind = AlertKind::RoutineDrift;

/// From a Monday's midnight in Madrid; the clocks change back in the eighth week.
fn home() -> Watched {
    let mut settings = with_rules(Vec::new());
    settings.routine_drift.enabled = true;
    let mut home = Watched::new(settings, "Europe/Madrid", "2024-09-01T22:00:00Z");
    home.with_words = true;
    home
}

/// A home that rises at `waking`, then uses water in so many other hours, chosen anew each day or the same ones.
fn feed(
    home: &mut Watched,
    weeks: u32,
    waking: impl Fn(u32) -> f64,
    hours: impl Fn(u32) -> u32,
    chosen: impl Fn(u32) -> f64,
) {
    let mut random = ChaCha8Rng::seed_from_u64(3);
    let mut used = 0u32;
    home.local_days(0..weeks * 7, |day, hour| {
        if hour == 0 {
            let first = (waking(day / 7) + random.random_range(-0.8..0.8)).round() as u32;
            used = 1 << first;
            let count = hours(day / 7) + random.random_range(0..2);
            for place in 0..count {
                // Regular hours are 10, 12, 14 and so on; the others lie anywhere after ten.
                let regular = 10 + 2 * place % 14;
                let any = random.random_range(10..24);
                used |= 1
                    << if random.random_bool(chosen(day / 7)) {
                        any
                    } else {
                        regular
                    };
            }
        }
        if used & 1 << hour != 0 { 6.0 } else { 0.0 }
    });
}

#[test]
fn mornings_that_begin_later_are_told() {
    let mut home = home();
    let later = |week: u32| 7.0 + 0.3 * f64::from(week.saturating_sub(5).min(6));
    feed(&mut home, 14, later, |_| 4, |_| 0.2);
    expect![[r#"
        Mon 00:00 routine_drift Raised (Low, waking-hour) since Mon 00:00: waking_hour_changed
            The day begins later than eight weeks ago: on average the first use from 4 o'clock on fell into the hour from 07:04 in the first two weeks that are known from 2024-09-16 on, and 07:56 in the last two. No alarm; worth asking about.
            自2024-09-16起八周内每日首次用水时间推迟：4时后首次用水所在小时平均始于07:04（最初有数据的两周），最近两周为07:56。非告警，宜询问近况。
    "#]].assert_eq(&home.raised(KIND));
}

#[test]
fn fewer_hours_with_use_are_told() {
    let mut home = home();
    feed(
        &mut home,
        11,
        |_| 7.0,
        |week| 7 - (week.saturating_sub(4)).min(5),
        |_| 0.1,
    );
    expect![[r#"
        Mon 00:00 routine_drift Raised (Low, active-hours) since Mon 00:00: active_hours_changed
            Water is used in fewer hours of the day than eight weeks ago: on average there was use in 7.9 hours in the first two weeks that are known from 2024-09-02 on, and 5.9 hours in the last two. No alarm; worth asking about.
            自2024-09-02起八周内每日有用水的小时数减少：有用水的小时数平均为7.9小时（最初有数据的两周），最近两周为5.9小时。非告警，宜询问近况。
        Mon 00:00 routine_drift Raised (Low, active-hours) since Mon 00:00: active_hours_changed
            Water is used in fewer hours of the day than eight weeks ago: on average there was use in 7.9 hours in the first two weeks that are known from 2024-09-16 on, and 4 hours in the last two. No alarm; worth asking about.
            自2024-09-16起八周内每日有用水的小时数减少：有用水的小时数平均为7.9小时（最初有数据的两周），最近两周为4小时。非告警，宜询问近况。
    "#]].assert_eq(&home.raised(KIND));
}

#[test]
fn days_that_become_irregular_are_told() {
    let mut home = home();
    feed(
        &mut home,
        11,
        |_| 7.0,
        |_| 5,
        |week| 0.12 * f64::from(week.saturating_sub(3).min(7)),
    );
    expect![[r#"
        Mon 00:00 routine_drift Raised (Low, day-likeness) since Mon 00:00: day_likeness_changed
            The days have become less regular than eight weeks ago: on average hours with use agreed with those of the day before by 84.1 % in the first two weeks that are known from 2024-08-19 on, and 57.6 % in the last two. No alarm; worth asking about.
            自2024-08-19起八周内每日用水作息不如以前规律：用水小时与前一日的重合度平均为84.1%（最初有数据的两周），最近两周为57.6%。非告警，宜询问近况。
    "#]].assert_eq(&home.raised(KIND));
}

#[test]
fn a_steady_home_is_not_told_though_the_clocks_change() {
    let mut home = home();
    feed(&mut home, 20, |_| 7.0, |_| 4, |_| 0.3);
    assert_eq!(home.raised(KIND), "");
}

#[test]
fn off_by_default() {
    let mut home = home();
    home.settings.routine_drift = RoutineDriftSettings::default();
    feed(&mut home, 12, |week| 7.0 + 0.4 * f64::from(week), |_| 4, |_| 0.1);
    assert_eq!(home.raised(KIND), "");
}

proptest! {
    /// Each measure against its words: hour by hour, with what is not known in between.
    #[test]
    fn values_of_a_day_are_as_described(hours in prop::collection::vec(prop::option::weighted(0.97, prop::bool::weighted(0.3)), 48)) {
        let day = |hours: &[Option<bool>]| hours.iter().enumerate().fold(Day::default(), |day, (hour, known)| Day {
            known: day.known | u32::from(known.is_some()) << hour,
            used: day.used | u32::from(*known == Some(true)) << hour,
        });
        let (before, today) = hours.split_at(24);
        let mut waking = None;
        for (hour, known) in today.iter().enumerate().skip(4) {
            match known {
                Some(true) => { waking = Some(hour as f64); break }
                Some(false) => {}
                None => break,
            }
        }
        prop_assert_eq!(waking_hour(&day(today), None), waking);
        let known: Vec<bool> = today.iter().flatten().copied().collect();
        let used = known.iter().filter(|used| **used).count();
        let active = (known.len() >= 22 && used > 0).then(|| 24.0 * used as f64 / known.len() as f64);
        prop_assert_eq!(active_hours(&day(today), None), active);
        let both: Vec<(bool, bool)> = before.iter().zip(today).filter_map(|(a, b)| Some(((*a)?, (*b)?))).collect();
        let (same, either) = (both.iter().filter(|(a, b)| *a && *b).count(), both.iter().filter(|(a, b)| *a || *b).count());
        let lives = both.iter().any(|(a, _)| *a) && both.iter().any(|(_, b)| *b);
        let likeness = (both.len() >= 22 && lives).then(|| same as f64 / either as f64);
        prop_assert_eq!(day_likeness(&day(today), Some(&day(before))), likeness);
        prop_assert_eq!(day_likeness(&day(today), None), None);
    }
}

#[test]
fn mistakes_are_named() {
    let settings = RoutineDriftSettings {
        enabled: true,
        p_below: f64::NAN,
        least_waking_hours: 12.5,
        least_active_hours: -1.0,
        least_likeness_percent: 100.5,
    };
    let keys: Vec<_> = settings.mistakes().into_iter().map(|mistake| mistake.key).collect();
    assert_eq!(
        keys,
        [
            "p_below",
            "least_waking_hours",
            "least_active_hours",
            "least_likeness_percent"
        ]
    );
    assert_eq!(RoutineDriftSettings::default().mistakes(), []);
}
