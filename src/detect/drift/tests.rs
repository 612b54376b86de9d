use jiff::tz::TimeZone;
use proptest::prelude::*;

use super::trend::{kendall, p_value};
use super::*;
use crate::home::{HomeSettings, MeterReading, Usage};
use crate::model::{HOUR, Measure as Measured, Quality};

/// All orders of the values.
fn orders(values: &[f64]) -> Vec<Vec<f64>> {
    let Some(first) = values.first() else {
        return vec![Vec::new()];
    };
    let rest = orders(&values[1..]);
    rest.iter()
        .flat_map(|order| {
            (0..=order.len()).map(|place| {
                let mut order = order.clone();
                order.insert(place, *first);
                order
            })
        })
        .collect()
}

fn known(values: &[f64]) -> Vec<Option<f64>> {
    values.iter().copied().map(Some).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    /// The variance with ties is that of the score over all orders of the values.
    #[test]
    fn the_variance_is_that_of_all_orders(values in prop::collection::vec(0u8..4, 2..7)) {
        let values: Vec<f64> = values.into_iter().map(f64::from).collect();
        let scores: Vec<f64> = orders(&values).iter().map(|order| kendall(&known(order)).0 as f64).collect();
        let mean = scores.iter().sum::<f64>() / scores.len() as f64;
        let variance = scores.iter().map(|score| score * score).sum::<f64>() / scores.len() as f64;
        prop_assert!(mean.abs() < 1e-9);
        prop_assert!((variance - kendall(&known(&values)).1).abs() < 1e-6, "{variance}");
    }

    /// Score and slope turn their sign with time, gaps add nothing, and what keeps the order keeps the score.
    #[test]
    fn a_trend_is_the_same_seen_backwards(values in prop::collection::vec(prop::option::of(-50i32..50), 2..60)) {
        let values: Vec<Option<f64>> = values.into_iter().map(|value| value.map(f64::from)).collect();
        let backwards: Vec<_> = values.iter().rev().copied().collect();
        let (score, variance) = kendall(&values);
        prop_assert_eq!(kendall(&backwards), (-score, variance));
        let cubes: Vec<_> = values.iter().map(|value| value.map(|value| value.powi(3) + 7.0)).collect();
        prop_assert_eq!(kendall(&cubes), (score, variance));
        let without_gaps: Vec<_> = values.iter().copied().filter(Option::is_some).collect();
        prop_assert_eq!(kendall(&without_gaps), (score, variance));
        match (sen_slope(&values), sen_slope(&backwards)) {
            (Some(slope), Some(back)) => prop_assert!((slope + back).abs() < 1e-9),
            (slope, back) => prop_assert_eq!(slope, back),
        }
        prop_assert!((0.0..=1.0).contains(&p_value(score, variance)));
    }

    /// As many slopes between pairs lie above Sen's as below it; a line has its own.
    #[test]
    fn sen_is_the_median_of_slopes(
        values in prop::collection::vec(prop::option::of(-50.0f64..50.0), 2..12),
        line in -5.0f64..5.0,
    ) {
        let Some(slope) = sen_slope(&values) else {
            prop_assert!(values.iter().flatten().count() < 2);
            return Ok(());
        };
        let (mut above, mut below) = (0i32, 0i32);
        for (at, value) in values.iter().enumerate() {
            for (later, then) in values.iter().enumerate().skip(at + 1) {
                if let (Some(value), Some(then)) = (value, then) {
                    let pair = (then - value) / (later - at) as f64;
                    above += i32::from(pair > slope + 1e-12);
                    below += i32::from(pair < slope - 1e-12);
                }
            }
        }
        prop_assert_eq!(above, below);
        let straight: Vec<_> = (0..).zip(&values).map(|(at, value)| value.map(|_| line * f64::from(at) + 3.0)).collect();
        prop_assert!((sen_slope(&straight).unwrap_or(f64::NAN) - line).abs() < 1e-9);
    }
}

#[test]
fn the_normal_distribution_is_near_the_exact_one() {
    // Ten values: each score's exact probability, by the number of orders with so many inversions.
    let mut inversions = vec![1.0f64];
    for size in 2..=10usize {
        let mut next = vec![0.0; inversions.len() + size - 1];
        for (at, count) in inversions.iter().enumerate() {
            (0..size).for_each(|more| next[at + more] += count / size as f64);
        }
        inversions = next;
    }
    let variance = kendall(&known(&(0..10).map(f64::from).collect::<Vec<_>>())).1;
    for (inverted, _) in inversions.iter().enumerate().take(18) {
        let exact = 2.0 * inversions[..=inverted].iter().sum::<f64>();
        let near = p_value(45 - 2 * inverted as i64, variance);
        assert!((near - exact).abs() < 0.01, "{inverted}: {near} for {exact}");
    }
}

#[test]
fn days_that_resemble_each_other_are_worth_less() {
    // The same values, alternating and in runs of a week, with the same slow rise.
    let rise = |day: i32| f64::from(day) * 0.02;
    let value = |is_high: bool, day| Some(f64::from(u8::from(is_high)) + rise(day));
    let alternating = Trend::of(&(0..56).map(|day| value(day % 2 == 0, day)).collect::<Vec<_>>(), 4);
    let runs = Trend::of(&(0..56).map(|day| value(day / 7 % 2 == 0, day)).collect::<Vec<_>>(), 4);
    let (alternating, runs) = (alternating.expect("a trend"), runs.expect("a trend"));
    assert_eq!(alternating.autocorrelation, 0.0);
    assert!(runs.autocorrelation > 0.6, "{runs:?}");
    assert!(runs.p_value > 10.0 * alternating.p_value, "{runs:?} {alternating:?}");
}

fn fed(start: &str, hours: u32, mut used: impl FnMut(u32) -> Option<bool>) -> Usage {
    let start: EventTime = start.parse().expect("a time");
    let mut usage = Usage::default();
    for hour in 0..hours {
        if let Some(used) = used(hour) {
            let litres = Measured::Volume(if used { 5.0 } else { 0.0 });
            let at = start.plus(hour * HOUR);
            let reading = MeterReading::new(0, at, HOUR, Some(litres), Quality::Measured);
            usage.apply(&reading, &HomeSettings::default(), |_| {}, |_, _| {});
        }
    }
    usage
}

#[test]
fn weeks_begin_on_monday_by_the_clock_on_the_wall() {
    // In Kolkata Monday begins at half past six in the evening: the hour that holds midnight is Sunday's.
    for (zone, start) in [
        ("Europe/Madrid", "2024-03-31T22:00:00Z"),
        ("Asia/Shanghai", "2024-03-31T16:00:00Z"),
        ("America/Los_Angeles", "2024-04-01T07:00:00Z"),
        ("Pacific/Kiritimati", "2024-03-31T10:00:00Z"),
        ("Asia/Kolkata", "2024-03-31T19:00:00Z"),
    ] {
        let (zone, start): (_, EventTime) = (TimeZone::get(zone).expect("a zone"), start.parse().expect("a time"));
        let week = last_complete_week(start.hour(), &zone);
        assert_eq!(last_complete_week(start.hour() - 1, &zone), week - 1, "{zone:?}");
        assert_eq!(week_start(week + 1, &zone), start);
        assert!(earliest_end(week) <= start.hour());
        assert!(earliest_end(week + 1) > start.hour());
    }
}

#[test]
fn days_of_23_and_25_hours_are_days() {
    let zone = TimeZone::get("Europe/Madrid").expect("a zone");
    // Weeks that end with the Sundays on which the clocks change; use at seven in the morning by the clock.
    for (start, end, sunday_known) in [
        ("2024-02-04T23:00:00Z", "2024-03-31T22:00:00Z", 23),
        ("2024-09-01T22:00:00Z", "2024-10-27T23:00:00Z", 24),
    ] {
        let (from, end): (EventTime, EventTime) = (start.parse().expect("a time"), end.parse().expect("a time"));
        let local = |hour: u32| zone.to_datetime(from.plus(hour * HOUR).to_jiff()).hour();
        let usage = fed(start, end.hour() - from.hour(), |hour| Some(local(hour) == 7));
        let week = last_complete_week(end.hour(), &zone);
        assert_eq!(week_start(week + 1 - WEEKS, &zone), from);
        let days = days(usage.routine(), week, &zone);
        for (place, day) in days.iter().enumerate() {
            let known = if place == DAYS - 1 { sunday_known } else { 24 };
            assert_eq!(
                (day.known.count_ones(), day.used),
                (known, 1 << 7),
                "day {place} from {start}"
            );
        }
    }
}

#[test]
fn what_is_not_known_is_no_day_without_use() {
    let zone = TimeZone::UTC;
    let start = "2024-01-01T00:00:00Z";
    // The second of the eight weeks is missing, but for its Sunday's evening.
    let usage = fed(start, 56 * 24, |hour| {
        (hour / 168 != 1 || hour % 168 >= 162).then_some(hour % 24 == 9)
    });
    let week = last_complete_week(usage.next_hour(), &zone);
    let days = days(usage.routine(), week, &zone);
    assert!(days[7..13].iter().all(|day| day.known == 0 && day.used == 0));
    assert_eq!(days[13].known, 0b1111_1100 << 16);
    assert_eq!((days[6].count(0, 24), days[14].count(8, 10)), ((24, 1), (2, 1)));
}
