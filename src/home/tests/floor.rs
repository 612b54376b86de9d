use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::*;

#[test]
fn a_leak_raises_the_floor_after_a_day_and_its_end_lowers_it_at_once() {
    let mut home = Home::default();
    home.hours(0, [0.0, 12.0, 0.0]);
    home.hours(3, [5.0; 23]);
    assert_eq!(home.usage().floor().litres_per_hour(), 0.0);
    assert_eq!(home.dry_hours(), None, "until then the leak looks like use");
    home.hours(26, [5.0]);
    assert_eq!(home.usage().floor().litres_per_hour(), 5.0);
    // The signs are read again: the last use was the 12 L of hour 1.
    assert_eq!(home.usage().dry_since(), Some(at(2)));
    assert!((3..27).all(|hour| home.used(hour) == Some(false)));
    assert_eq!(home.used(1), Some(true));
    home.hours(27, [5.0, 5.2, 30.0, 5.0]);
    assert_eq!(
        home.usage().last_sign(),
        Some(at(30)),
        "use above the leak is a sign of life"
    );
    home.hours(31, [0.0, 0.3]);
    assert_eq!(home.usage().floor().litres_per_hour(), 0.0);
    assert_eq!(home.usage().last_sign(), Some(at(33)));
}

#[test]
fn a_cistern_that_fills_again_and_again_is_no_sign_of_life_and_a_use_above_it_is() {
    let mut home = Home::default();
    // 8 L every 25 minutes; the last use is the 40 L of hour 20.
    let refills = |hour: u32| [16.0, 24.0, 24.0, 16.0, 24.0][hour as usize % 5];
    home.hours(
        0,
        (0..60).map(|hour| match hour {
            0 => 1.0, // the step of this meter
            20 => refills(hour) + 40.0,
            _ => refills(hour),
        }),
    );
    assert_eq!(home.usage().last_sign(), Some(at(21)));
    home.hours(60, [refills(60) + 11.0, refills(61)]);
    assert_eq!(home.usage().last_sign(), Some(at(61)));
}

#[test]
fn a_leak_that_goes_with_the_pressure_or_grows_is_no_sign_of_life_and_a_flush_above_it_is() {
    let day = |hour: u32| (f64::from(hour) * std::f64::consts::TAU / 24.0).cos();
    let with_pressure = |hour: u32| 20.0 * (1.0 + 0.2 * day(hour));
    let grows = |hour: u32| 3.0 + f64::from(hour) / 24.0;
    for leak in [&with_pressure as &dyn Fn(u32) -> f64, &grows] {
        let mut home = Home::default();
        let mut counted = 0.0;
        home.hours(
            0,
            (0..200_u32).map(|hour| {
                let before = f64::floor(counted);
                counted += leak(hour) + if [2, 100, 190].contains(&hour) { 6.0 } else { 0.0 };
                counted.floor() - before
            }),
        );
        let used = |home: &Home| {
            (48..200)
                .filter(|hour| home.used(*hour) == Some(true))
                .collect::<Vec<_>>()
        };
        assert_eq!(used(&home), [100, 190]);
        assert_eq!(home.usage().dry_since(), Some(at(191)));
    }
}

#[test]
fn a_leak_that_comes_irregularly_is_no_sign_of_life_and_a_flush_above_it_is() {
    const MOST: usize = 20;
    // A tenth more or less in each hour, without order.
    let tenth = |hour: u32| f64::from(hour.wrapping_mul(2_654_435_761) >> 16 & 0xff) / 1_275.0 - 0.1;
    for litres in [5.0, 10.0, 20.0] {
        let mut home = Home::default();
        let mut counted = 0.0;
        home.hours(
            0,
            (0..400_u32).map(|hour| {
                let before = f64::floor(counted);
                let flush = if [2, 100, 250].contains(&hour) { 9.0 } else { 0.0 };
                counted += litres * (1.0 + tenth(hour)) + flush;
                counted.floor() - before
            }),
        );
        let used: Vec<u32> = (72..400).filter(|hour| home.used(*hour) == Some(true)).collect();
        assert!(used.contains(&100) && used.contains(&250), "{litres} L/h: {used:?}");
        // Some hours are taken for small uses all the same: it was one in five.
        assert!(used.len() <= MOST, "{litres} L/h: {used:?}");
    }
}

#[test]
fn small_uses_beside_a_steady_leak_do_not_hide_one_another() {
    for litres in [10.0, 20.0] {
        let mut home = Home::default();
        let mut random = ChaCha8Rng::seed_from_u64(1);
        // 4 to 8 L in half of the hours by day, from the fourth day on.
        let uses: Vec<f64> = (0..400)
            .map(|hour| match hour {
                0 => 1.0 - litres, // the step of this meter
                2 => 9.0,
                73.. if (7..23).contains(&(hour % 24)) && random.random_bool(0.5) => random.random_range(4..=8).into(),
                _ => 0.0,
            })
            .collect();
        home.hours(0, uses.iter().map(|used| litres + used));
        let used = (73..400_u32).filter(|hour| uses[*hour as usize] > 0.0);
        let missed = used.clone().filter(|hour| home.used(*hour) != Some(true));
        let (missed, all) = (missed.count(), used.count());
        assert!(missed * 8 < all, "{litres} L/h: {missed} of {all} missed");
    }
}

#[test]
fn a_flush_is_seen_above_whatever_leak() {
    let mut home = Home::default();
    home.hours(0, [1.0, 12.0]);
    home.hours(2, (2..60).map(|hour| 150.0 + if hour == 50 { 4.0 } else { 0.0 }));
    assert_eq!(home.usage().last_sign(), Some(at(51)));
}

#[test]
fn a_great_leak_does_not_unmake_the_uses_before_it() {
    let mut home = Home::default();
    home.hours(0, [0.0, 12.0, 0.0, 30.0, 0.0]);
    home.hours(5, [1500.0; 26]);
    assert_eq!(home.usage().floor().litres_per_hour(), 1500.0);
    assert_eq!(home.usage().dry_since(), Some(at(4)));
    assert_eq!([1, 3].map(|hour| home.used(hour)), [Some(true); 2]);
}

/// 0.4 L/h by a meter that counts litres.
fn drips(hour: u32) -> f64 {
    f64::from((2 * (hour + 1) / 5) - 2 * hour / 5)
}

#[test]
fn a_leak_too_slow_to_show_in_every_hour_is_no_sign_of_life_and_a_use_above_its_step_is() {
    let mut home = Home::default();
    home.hours(
        0,
        (0..60).map(|hour| drips(hour) + if hour == 20 || hour == 30 { 14.0 } else { 0.0 }),
    );
    assert_eq!(home.usage().floor().litres_per_hour(), 0.0);
    assert_eq!(home.usage().floor().pulses(), Some((1.0, 3)));
    assert_eq!(home.usage().dry_since(), Some(at(31)));
    assert!((31..60).all(|hour| home.used(hour) == Some(false)));
    home.hours(60, [2.0, drips(61)]);
    assert_eq!(home.usage().last_sign(), Some(at(61)));
}

#[test]
fn a_part_of_a_longer_reading_does_not_unmake_a_meter_that_counts_in_steps() {
    let mut home = Home::default();
    let use_at = |hour: u32| match hour {
        5 | 15 => 9.0,
        20 => 3.5,
        25 => 14.0,
        _ => 0.0,
    };
    home.hours(0, (0..60).map(|hour| drips(hour) + use_at(hour)));
    assert_eq!(home.usage().floor().pulses(), Some((1.0, 3)));
}

#[test]
fn a_slow_leak_is_forgotten_when_its_next_step_does_not_come() {
    for missing in [Some([0.0; 4]), None] {
        let mut home = Home::default();
        home.hours(0, (0..60).map(|hour| drips(hour) + if hour == 50 { 14.0 } else { 0.0 }));
        assert!(home.usage().floor().pulses().is_some());
        home.hours(60, missing.into_iter().flatten());
        home.hours(64, [1.0]);
        assert_eq!(home.usage().floor().pulses(), None, "{missing:?}");
        assert_eq!(home.usage().last_sign(), Some(at(65)), "{missing:?}");
    }
}

#[test]
fn by_a_coarse_meter_more_steps_are_needed_for_they_may_be_uses() {
    let every_third = |home: &mut Home, hours: std::ops::Range<u32>| {
        home.hours(hours.start, hours.map(|hour| if hour % 3 == 0 { 10.0 } else { 0.0 }));
    };
    let mut home = Home::default();
    home.hours(
        0,
        [
            20.0, 10.0, 0.0, 0.0, 0.0, 10.0, 20.0, 0.0, 0.0, 0.0, 10.0, 10.0, 0.0, 0.0, 10.0, 20.0,
        ],
    );
    home.hours(16, [0.0, 0.0]);
    every_third(&mut home, 18..28);
    assert_eq!(home.usage().floor().pulses(), None, "four steps");
    every_third(&mut home, 28..31);
    assert_eq!(home.usage().floor().pulses(), Some((10.0, 3)));
}

#[test]
fn small_uses_are_no_leak_where_people_sleep() {
    let mut home = Home::default();
    let by_day = |hour: u32| {
        if hour % 24 < 7 { 0.0 } else { f64::from(hour % 2) }
    };
    home.hours(0, (0..93).map(by_day));
    assert_eq!(home.usage().floor().pulses(), None);
    assert_eq!(home.usage().last_sign(), Some(at(92)));
}

#[test]
fn the_least_use_is_no_step_of_a_meter_that_counts_more_finely() {
    let mut home = Home::default();
    // Somebody flushes every few hours, also in the night, and washes by day.
    home.hours(
        0,
        (0..60).map(|hour| 6.0 * drips(hour) + if hour % 24 == 20 { 41.3 } else { 0.0 }),
    );
    assert_eq!(home.usage().floor().pulses(), None);
}

#[test]
fn what_a_refill_may_bring_into_a_minute_it_does_not_bring_into_each() {
    let mut home = Home::default();
    let minute = |minute: u32, litres: f64| reading(0, minute * 60, 60, Measure::Volume(litres));
    // 8 L every 25 minutes; then a shower of 6 L a minute.
    let refill = |at: u32| match at {
        7 => 1.0, // the step of this meter
        at if at.is_multiple_of(25) => 8.0,
        _ => 0.0,
    };
    for at in 0..3600 {
        let shower = if (3305..3313).contains(&at) { 6.0 } else { 0.0 };
        home.offer(minute(at, refill(at) + shower));
    }
    let last = home.usage().last_sign().expect("a shower");
    assert!(T0.plus(3305 * 60) < last && last <= T0.plus(3313 * 60), "{last:?}");
}

#[test]
fn one_refill_more_in_few_hours_is_no_sign_of_life_and_another_use_is() {
    // 8 L every 28, 50 and 19 minutes, and the last use in hour 40.
    for minutes in [28, 50, 19] {
        let filled = |minute: u32| minute / minutes * 8;
        let refills = |hour: u32| f64::from(filled(hour * 60 + 60) - filled(hour * 60));
        let mut home = Home::default();
        home.hours(0, [1.0, 9.0]);
        home.hours(
            2,
            (2..96).map(|hour| refills(hour) + if hour == 40 { 31.0 } else { 0.0 }),
        );
        assert_eq!(home.usage().last_sign(), Some(at(41)), "{minutes}");
        home.hours(96, [refills(96) + 14.0, refills(97)]);
        assert_eq!(home.usage().last_sign(), Some(at(97)), "{minutes}");
    }
}

#[test]
fn what_a_person_flushes_beside_a_steady_leak_is_a_use_whatever_the_leak() {
    for leak in 1..60 {
        let mut home = Home::default();
        home.hours(0, [1.0, 9.0]);
        // Nine times a day, as much as may go into the leak a whole number of times.
        let flushes = |hour: u32| match hour % 24 {
            7 | 10 | 12 | 14 | 16 | 18 | 20 | 22 => [6.0, 7.0, 6.0, 6.0, 10.0][(hour * 5 + hour / 24) as usize % 5],
            _ => 0.0,
        };
        home.hours(2, (2..240).map(|hour| f64::from(leak) + flushes(hour)));
        let seen: Vec<u32> = (216..240).filter(|hour| home.used(*hour) == Some(true)).collect();
        assert_eq!(seen, [223, 226, 228, 230, 232, 234, 236, 238], "{leak} L/h");
    }
}

#[test]
fn refills_are_no_signs_of_life_though_they_are_no_whole_litres_and_come_at_whatever_distance() {
    for refill in [4.5, 5.5, 6.0, 7.3, 7.8] {
        for minutes in [20, 25, 33, 35, 45, 52, 70, 100, 200] {
            let home = by_steps(3600, 1.0, 5 * 24 * 60, |minute| {
                let filled = |minute: u32| f64::from(minute / minutes) * refill;
                let person = match minute {
                    30 => return 1.0, // the step of this meter
                    0..60 => return 0.0,
                    60..4320 if minute % 240 == 0 => 9.0,
                    _ => 0.0,
                };
                filled(minute + 1) - filled(minute) + person
            });
            let since = home.usage().dry_since().expect("dry");
            assert!(since <= at(70), "{refill} L every {minutes} minutes: {since:?}");
        }
    }
}

#[test]
fn what_somebody_flushes_every_few_hours_by_day_and_night_is_a_use() {
    let mut home = Home::default();
    home.hours(0, [1.0]);
    // 6 or 7 L every three or four hours, and a meal twice a day.
    let (mut next, mut is_long) = (1, false);
    home.hours(
        1,
        (1..600).map(|hour| {
            let meal = if matches!(hour % 24, 8 | 18) { 11.0 } else { 0.0 };
            if hour < next {
                return meal;
            }
            (next, is_long) = (next + if is_long { 4 } else { 3 }, !is_long);
            meal + f64::from(6 + hour % 2)
        }),
    );
    assert!(
        home.usage().last_sign() >= Some(at(597)),
        "{:?}",
        home.usage().last_sign()
    );
    assert_eq!(home.usage().floor().pulses(), None);
}

/// What a meter of `step` litres shows of readings of so many seconds when minute i brings `litres(i)`.
fn by_steps(seconds: u32, step: f64, count: u32, litres: impl Fn(u32) -> f64) -> Home {
    let mut home = Home::default();
    let mut flowed = 0.0;
    let minutes = seconds / 60;
    for index in 0..count / minutes {
        let before = f64::floor(flowed / step + 1e-9);
        flowed += (index * minutes..(index + 1) * minutes).map(&litres).sum::<f64>();
        let steps = f64::floor(flowed / step + 1e-9) - before;
        home.offer(reading(0, index * seconds, seconds, Measure::Volume(steps * step)));
    }
    home
}

#[test]
fn a_cistern_that_runs_every_hour_hides_nobody_from_readings_finer_than_an_hour() {
    let toilet = |minute: u32| if (7..27).contains(&(minute % 60)) { 1.0 } else { 0.0 };
    let refills = |minute: u32| if minute.is_multiple_of(15) { 6.0 } else { 0.0 };
    for flow in [&toilet as &dyn Fn(u32) -> f64, &refills] {
        for seconds in [60, 300, 900, 1800] {
            // A shower in hour 40 and nothing since, and the same with a flush of 9 L in hour 70.
            for (flush, hour) in [(0.0, 40), (9.0, 70)] {
                let home = by_steps(seconds, 0.5, 96 * 60, |minute| {
                    let shower = if (2_400..2_405).contains(&minute) { 8.0 } else { 0.0 };
                    match minute {
                        30 => 0.5, // the step of this meter
                        0..120 => 0.0,
                        4_210 => flow(minute) + flush,
                        _ => flow(minute) + shower,
                    }
                });
                let last = home.usage().last_sign().expect("a shower");
                assert!(at(hour) < last && last <= at(hour + 1), "{last:?} by {seconds} s");
            }
        }
    }
}

#[test]
fn by_coarse_steps_read_by_the_minute_a_use_beside_a_leak_is_seen_and_the_leak_alone_raises_no_doubt() {
    // 50 L/h by 10 L, and 40 L within four minutes of hour 70.
    let home = by_steps(60, 10.0, 96 * 60, |minute| {
        50.0 / 60.0 + if (4_210..4_214).contains(&minute) { 10.0 } else { 0.0 }
    });
    let last = home.usage().last_sign().expect("a use");
    assert!(at(70) < last && last <= at(71), "{last:?}");
    assert!(
        home.usage().last_doubt() <= Some(at(71)),
        "{:?}",
        home.usage().last_doubt()
    );
}

#[test]
fn a_step_of_the_leak_across_lost_readings_raises_no_doubt() {
    let mut home = Home::default();
    // 50 L/h by a register of 10 L, beside 30 L in hour 20; from the third day on every seventh minute is lost.
    let counted = |minute: u32| (f64::from(minute) / 12.0).floor() * 10.0 + if minute > 1_205 { 30.0 } else { 0.0 };
    for minute in (0..72 * 60).filter(|minute| *minute < 48 * 60 || minute % 7 != 0) {
        home.offer(reading(0, minute * 60, 60, Measure::Register(counted(minute + 1))));
    }
    assert!(
        home.usage().last_doubt() <= Some(at(25)),
        "{:?}",
        home.usage().last_doubt()
    );
}

#[test]
fn a_register_that_moved_by_no_more_than_the_leak_across_a_lost_reading_leaves_the_spell_as_it_is() {
    for (more, is_dry_since) in [(0.0, 3), (9.0, 61)] {
        let mut home = Home::default();
        let leak = |quarter: u32| f64::from(quarter) * 5.0 + if quarter > 8 { 40.0 } else { 0.0 };
        for quarter in (0..300).filter(|quarter| *quarter != 242) {
            let litres = leak(quarter + 1) + if quarter > 242 { more } else { 0.0 };
            home.offer(reading(0, quarter * 900, 900, Measure::Register(litres)));
        }
        let since = home.usage().dry_since().expect("dry");
        assert!(
            at(is_dry_since - 1) < since && since <= at(is_dry_since),
            "{more}: {since:?}"
        );
    }
}

#[test]
fn behind_a_burst_use_is_seen_at_once() {
    let mut home = Home::default();
    home.hours(0, [1.0]);
    home.hours(1, [3.0; 29]);
    home.hours(30, [400.0; 30]);
    home.hours(60, [3.0, 9.0, 3.0]);
    assert_eq!(home.usage().last_sign(), Some(at(62)));
}

#[test]
fn a_spell_is_as_long_as_it_is_however_few_litres_are_kept() {
    let mut home = Home::default();
    home.hours(0, [0.0, 12.0]);
    // Dry for twelve hours, then a leak for a day: litres are kept of 32 hours.
    home.hours(2, [0.0; 12]);
    home.hours(14, [5.0; 24]);
    assert_eq!(home.usage().floor().litres_per_hour(), 5.0);
    assert_eq!(home.usage().dry_since(), Some(at(2)));
}

#[test]
fn a_gap_does_not_raise_the_floor() {
    let mut home = Home::default();
    home.hours(0, [0.0; 4]);
    home.hours(4, [5.0; 20]);
    // In the gap the dry hours leave the day that is looked at; after it, too little of the day is known.
    home.hours(33, [6.0]);
    assert_eq!(home.usage().floor().litres_per_hour(), 0.0);
}

#[test]
fn a_day_of_use_is_no_leak() {
    let mut home = Home::default();
    home.hours(0, (0..200).map(|hour| if hour % 24 == 3 { 0.0 } else { 9.0 }));
    assert_eq!(home.usage().floor().litres_per_hour(), 0.0);
}

#[test]
fn with_too_little_known_the_floor_does_not_rise() {
    let mut home = Home::default();
    for hour in (0..96).filter(|hour| hour % 3 != 0) {
        home.offer(volume(hour, 5.0));
    }
    assert_eq!(home.usage().floor().litres_per_hour(), 0.0);
}

#[test]
fn use_in_an_hour_that_is_not_over_stays_a_sign_of_life_when_the_floor_rises() {
    // Intervals of half past to half past: the one that completes the leak's first day holds a shower.
    let mut home = Home::default();
    for hour in 0..25 {
        let litres = if hour == 0 { 0.0 } else { 5.0 };
        home.offer(reading(0, hour * HOUR + 1_800, HOUR, Measure::Volume(litres)));
    }
    assert_eq!(home.usage().floor().litres_per_hour(), 0.0);
    home.offer(reading(0, 25 * HOUR + 1_800, HOUR, Measure::Volume(100.0)));
    assert_eq!(home.usage().floor().litres_per_hour(), 5.0);
    assert_eq!(home.usage().last_sign(), Some(at(26).plus(1_800)));
}

#[test]
fn use_that_has_no_hour_stays_a_sign_of_life_when_the_floor_rises() {
    // One catch-up reading of four hours among hours of a leak.
    let mut home = Home::default();
    home.hours(0, [0.0; 10]);
    home.offer(reading(0, 10 * HOUR, 4 * HOUR, Measure::Volume(200.0)));
    home.hours(14, [5.0; 21]);
    assert_eq!(home.usage().floor().litres_per_hour(), 5.0);
    assert_eq!(home.usage().dry_since(), Some(at(14)));
}

#[test]
fn use_in_an_hour_with_a_hole_stays_a_sign_of_life_when_the_floor_rises() {
    let mut home = Home::default();
    home.hours(0, [0.0; 10]);
    home.offer(reading(0, 10 * HOUR + 900, 2_700, Measure::Volume(100.0)));
    home.hours(11, [5.0; 24]);
    assert_eq!(home.usage().floor().litres_per_hour(), 5.0);
    assert_eq!(home.usage().dry_since(), Some(at(11)));
}

#[test]
fn a_register_that_moved_by_the_leak_alone_is_no_sign_of_life() {
    let mut home = Home::default();
    let mut litres = 1_000.0;
    for hour in 0..30 {
        home.offer(register(hour, litres));
        litres += 5.0;
    }
    let sign = home.usage().last_sign();
    home.offer(register(33, litres + 15.0));
    assert_eq!(home.usage().last_sign(), sign, "three hours of the leak");
    assert_eq!(home.dry_hours(), None, "and no proof that nobody used water besides");
    home.offer(register(37, litres + 100.0));
    assert_eq!(home.usage().last_sign(), Some(at(38)));
}

#[test]
fn a_coarser_meter_in_the_place_of_a_fine_one_is_known_for_it_within_two_weeks() {
    let mut home = Home::default();
    home.hours(0, (0..48).map(|hour| if hour % 6 == 0 { 0.37 } else { 0.0 }));
    assert_eq!(home.usage().floor().resolution(), Some(0.37));
    home.hours(48, (0..24 * 15).map(|hour| if hour % 6 == 0 { 10.0 } else { 0.0 }));
    assert_eq!(home.usage().floor().resolution(), Some(10.0));
    // A leak of 11 L/h shows as 10 L, and as 20 L now and then: no sign of life.
    let next = 48 + 24 * 15;
    home.hours(next, (0..60).map(|hour| if hour % 10 == 9 { 20.0 } else { 10.0 }));
    assert_eq!(home.usage().floor().litres_per_hour(), 10.0);
    assert!(home.usage().last_sign() < Some(at(next + 1)));
    home.hours(next + 60, [30.0]);
    assert_eq!(home.usage().last_sign(), Some(at(next + 61)));
}

#[test]
fn a_leak_of_weeks_is_no_coarse_meter() {
    let mut home = Home::default();
    home.hours(0, (0..48).map(|hour| if hour % 6 == 0 { 1.0 } else { 0.0 }));
    home.hours(48, [20.0; 24 * 40]);
    assert_eq!(home.usage().floor().resolution(), Some(1.0));
    home.hours(48 + 24 * 40, [25.0]);
    assert_eq!(
        home.usage().last_sign(),
        Some(at(49 + 24 * 40)),
        "five litres above it are a use"
    );
}

#[test]
fn a_leak_from_the_first_reading_on_is_no_step_of_the_meter() {
    let mut home = Home::default();
    let used = |hour: u32| match hour % 24 {
        7 => 8.0,
        12 => 1.0,
        16 => 3.0,
        _ => 0.0,
    };
    home.hours(0, (0..24 * 10).map(|hour| 10.0 + used(hour)));
    assert_eq!(home.usage().floor().resolution(), Some(1.0));
    home.hours(24 * 10, [10.0, 10.0, 13.0, 10.0]);
    assert_eq!(
        home.usage().last_sign(),
        Some(at(24 * 10 + 3)),
        "three litres above it are a use"
    );
}

#[test]
fn a_home_without_use_for_weeks_keeps_its_meters_step() {
    let mut home = Home::default();
    home.hours(0, [0.0, 0.5, 2.0]);
    home.hours(3, [0.0; 24 * 40]);
    assert_eq!(home.usage().floor().resolution(), Some(0.5));
}

#[test]
fn parts_of_readings_of_two_meters_are_no_step_of_a_meter() {
    let mut home = Home::default();
    for hour in 0..48 {
        let litres = if hour % 5 == 0 { 10.0 } else { 0.0 };
        home.offer(reading(0, hour * HOUR, HOUR, Measure::Volume(litres)));
        home.offer(reading(1, hour * HOUR + 700, HOUR, Measure::Volume(litres)));
    }
    assert_eq!(home.usage().floor().resolution(), Some(10.0));
}
