use super::*;
use crate::model::DAY;

fn hour_of(meter: MeterIndex, hour: u32, litres: f64) -> MeterReading {
    reading(meter, hour * HOUR, HOUR, Measure::Volume(litres))
}

#[test]
fn a_home_is_dry_where_all_its_meters_are() {
    let mut home = Home::default();
    home.offer(hour_of(0, 0, 0.0));
    home.offer(hour_of(1, 0, 0.0));
    for hour in 1..6 {
        home.offer(hour_of(0, hour, 0.0));
        assert_eq!(home.usage().frontier(), at(hour), "it waits for the other");
        home.offer(hour_of(1, hour, if hour == 2 { 5.0 } else { 0.0 }));
        assert_eq!(home.usage().frontier(), at(hour + 1));
    }
    assert_eq!(home.usage().last_sign(), Some(at(3)));
    assert_eq!(home.dry_hours(), Some(3.0));
    assert_eq!(home.usage().litres(at(2).hour()), Some(5.0));
}

#[test]
fn what_one_meter_does_not_say_the_home_does_not_know() {
    let mut home = Home::default();
    home.offer(hour_of(0, 0, 0.0));
    home.offer(hour_of(1, 0, 0.0));
    home.hours(1, [0.0, 0.0, 4.0, 0.0]);
    home.offer(hour_of(1, 1, 0.0));
    home.offer(hour_of(1, 4, 0.0));
    assert_eq!(
        [home.used(1), home.used(2), home.used(4)],
        [Some(false), None, Some(false)]
    );
    assert_eq!(
        home.usage().last_sign(),
        Some(at(4)),
        "the use of the one is known all the same"
    );
}

#[test]
fn meters_on_different_grids_add_up() {
    let mut home = Home::default();
    home.offer(hour_of(0, 0, 0.0));
    home.offer(reading(1, 0, 900, Measure::Volume(0.0)));
    for quarter in 1..16 {
        home.offer(reading(
            1,
            quarter * 900,
            900,
            Measure::Volume(if quarter == 9 { 2.0 } else { 0.0 }),
        ));
    }
    home.hours(1, [0.0, 8.0, 0.0]);
    assert_eq!(home.usage().frontier(), at(4));
    assert_eq!(home.usage().litres(at(2).hour()), Some(10.0));
    assert_eq!(home.dry_hours(), Some(1.0));
}

#[test]
fn a_day_of_one_meter_is_not_a_use_in_each_hour_of_the_other() {
    let mut home = Home::default();
    for day in 0..4 {
        home.offer(reading(1, day * DAY, DAY, Measure::Volume(48.0)));
        home.hours(day * 24, [0.0; 24]);
    }
    assert_eq!(home.usage().floor().litres_per_hour(), 0.0, "that is no leak");
    let used = (24..96).filter(|hour| home.used(*hour) == Some(true)).count();
    assert_eq!(used, 0);
    assert_eq!(home.usage().last_sign(), Some(at(96)));
}

#[test]
fn a_meter_that_stops_holds_the_home_up_for_the_allowed_lateness_only() {
    let mut home = Home::default();
    home.offer(hour_of(0, 0, 0.0));
    home.offer(hour_of(1, 0, 0.0));
    home.hours(1, [0.0; 71]);
    assert_eq!(home.usage().frontier(), at(1));
    home.hours(72, [0.0; 4]);
    assert_eq!(home.usage().frontier(), at(76));
    // It comes back, and is waited for again.
    home.offer(hour_of(1, 76, 0.0));
    home.hours(76, [0.0, 0.0]);
    assert_eq!(home.usage().frontier(), at(77));
}

#[test]
fn a_new_meter_takes_the_place_of_the_one_that_ended() {
    let mut home = Home::default();
    home.hours(0, [0.0; 5]);
    for hour in 5..9 {
        home.offer(hour_of(1, hour, 0.0));
        assert_eq!(home.usage().frontier(), at(hour + 1), "nobody waits for the old one");
    }
    assert!(home.usage().replaced(0) && !home.usage().replaced(1));
    assert_eq!(home.dry_hours(), Some(9.0));
}

#[test]
fn what_a_replaced_meter_says_late_of_before_holds_nothing_up() {
    let mut home = Home::default();
    home.hours(0, [4.0, 0.0]);
    for hour in 5..10 {
        home.offer(hour_of(1, hour, 0.0));
    }
    assert_eq!(home.usage().frontier(), at(10));
    for hour in 2..5 {
        home.offer(hour_of(0, hour, 0.0));
    }
    home.offer(hour_of(1, 10, 0.0));
    assert_eq!(home.usage().frontier(), at(11));
    // It is in use after all.
    home.offer(hour_of(0, 11, 3.0));
    home.offer(hour_of(1, 11, 0.0));
    assert_eq!(home.usage().last_sign(), Some(at(12)));
    home.offer(hour_of(1, 12, 0.0));
    assert_eq!(home.usage().frontier(), at(12));
}

#[test]
fn a_home_whose_first_named_meter_measured_nothing_begins_with_the_second() {
    let mut home = Home::default();
    home.offer(hour_of(1, 0, 0.0));
    home.offer(hour_of(1, 1, 0.0));
    assert_eq!(home.emitted.first().map(|interval| interval.start), Some(T0));
    assert_eq!(home.usage().routine().first_hour(), T0.hour());
    assert_eq!(home.dry_hours(), Some(2.0));
}
