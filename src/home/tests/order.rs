use proptest::prelude::*;

use super::*;
use crate::home::Placement::{AfterGap, Duplicate, InOrder, Late, Overlapping, TooLate};

#[test]
fn volumes_say_nothing_of_a_gap() {
    let mut home = Home::default();
    home.hours(0, [5.0, 0.0, 0.0]);
    assert_eq!(home.offer(volume(6, 0.0)), AfterGap);
    assert_eq!(home.dry_hours(), Some(1.0));
    assert_eq!(home.used(4), None);
    assert_eq!(home.usage().last_sign(), Some(at(1)));
}

#[test]
fn a_late_reading_fills_its_hole_as_if_it_had_come_in_time() {
    let mut home = Home::default();
    home.hours(0, [5.0, 0.0]);
    assert_eq!(home.offer(volume(3, 0.0)), AfterGap);
    assert_eq!(home.ordered.pending(), 1);
    assert_eq!(home.offer(volume(2, 0.0)), Late);
    assert_eq!((home.dry_hours(), home.ordered.pending()), (Some(3.0), 0));
    assert_eq!(home.offer(volume(2, 0.0)), Duplicate);
    assert_eq!(home.offer(volume(3, 0.0)), Duplicate);
}

#[test]
fn what_comes_too_late_is_told_from_what_was_there() {
    let mut home = Home::default();
    home.hours(0, [0.0; 4]);
    home.hours(5, [0.0; 80]);
    assert_eq!(home.ordered.pending(), 0, "the hole was given up after three days");
    assert_eq!(home.offer(volume(4, 9.0)), TooLate);
    assert_eq!(home.offer(volume(3, 0.0)), Duplicate);
    assert_eq!(home.offer(volume(80, 0.0)), Duplicate);
    assert_eq!(home.usage().last_sign(), None);
}

#[test]
fn a_reading_as_old_as_is_allowed_still_finds_its_place() {
    let mut home = Home::default();
    home.hours(0, [0.0; 4]);
    home.hours(5, [0.0; 71]);
    assert_eq!(home.offer(volume(4, 9.0)), Late);
    assert_eq!(home.usage().last_sign(), Some(at(5)));
}

#[test]
fn an_overlap_is_kept_out_where_its_litres_cannot_be_told_apart() {
    let mut home = Home::default();
    home.hours(0, [0.0, 0.0]);
    let half_past = |litres| reading(0, HOUR + 1_800, HOUR, Measure::Volume(litres));
    assert_eq!(home.offer(half_past(4.0)), Overlapping);
    assert_eq!(
        home.offer(half_past(0.0)),
        InOrder,
        "a dry one says the same of each part"
    );
    assert_eq!(home.dry_hours(), Some(2.5));
    // And where something lies behind a hole.
    home.hours(5, [0.0]);
    assert_eq!(
        home.offer(reading(0, 4 * HOUR + 1_800, HOUR, Measure::Volume(4.0))),
        Overlapping
    );
    assert_eq!(
        home.offer(reading(0, 2 * HOUR, HOUR, Measure::Volume(4.0))),
        Overlapping
    );
    assert_eq!(home.usage().last_sign(), None);
}

#[test]
fn clocks_of_meters_jitter_and_the_spell_goes_on() {
    let mut home = Home::default();
    home.hours(0, [1.0]);
    for (index, jitter) in (1u32..).zip([0, 4, 0, 9, 2, 30, 0]) {
        let placed = home.offer(reading(0, index * 900 + 2_700 + jitter, 900, Measure::Volume(0.0)));
        assert_eq!(placed, InOrder, "{jitter} s");
    }
    assert_eq!(home.usage().dry_since(), Some(at(1)));
    assert_eq!(home.ordered.pending(), 0);
}

#[test]
fn a_late_reading_whose_clock_jitters_fills_its_hole_whole() {
    let mut home = Home::default();
    home.hours(0, [1.0]);
    let quarter = |index: u32, jitter: u32| reading(0, HOUR + index * 900 + jitter, 900, Measure::Volume(0.0));
    home.offer(quarter(0, 0));
    home.offer(quarter(2, 7));
    assert_eq!(home.offer(quarter(1, 3)), Late);
    assert_eq!(home.usage().dry_since(), Some(at(1)));
    assert_eq!(home.ordered.pending(), 0);
}

#[test]
fn a_meter_that_joins_while_a_hole_is_open_joins_in_its_place() {
    let of = |meter, hour: u32| reading(meter, hour * HOUR, HOUR, Measure::Volume(f64::from(hour)));
    let run = |arrivals: &[(MeterIndex, u32)]| {
        let mut home = Home::default();
        home.hours(0, [1.0; 3]);
        for (meter, hour) in arrivals {
            home.offer(of(*meter, *hour));
        }
        home
    };
    let late = run(&[(0, 5), (1, 4), (1, 5), (0, 6), (1, 6)]);
    let straight = run(&[(1, 4), (0, 5), (1, 5), (0, 6), (1, 6)]);
    assert_eq!(late.usage(), straight.usage());
}

/// What one home's meters measure in turn.
#[derive(Clone, Debug)]
struct Story {
    readings: Vec<MeterReading>,
    /// The readings that set every meter going, and come first.
    first: usize,
}

fn stories() -> impl Strategy<Value = Story> {
    let step = prop_oneof![6 => Just(Some(0.0f64)), 3 => (0.1f64..40.0).prop_map(Some), 1 => Just(None)];
    let lane = move || {
        (
            prop_oneof![Just(900u32), Just(HOUR)],
            any::<bool>(),
            prop::collection::vec(step.clone(), 4..60),
        )
    };
    (prop::collection::vec(lane(), 1..3), 0u32..12).prop_map(|(lanes, jitter)| {
        let mut readings = Vec::new();
        let mut first = Vec::new();
        for (meter, (seconds, is_register, steps)) in (0u8..).zip(lanes) {
            let mut index = 77_000.0;
            for (place, litres) in (0u32..).zip(steps) {
                index += litres.unwrap_or(3.0);
                let Some(litres) = litres.or((place == 0).then_some(0.0)) else {
                    continue;
                };
                let measure = if is_register {
                    Measure::Register(index)
                } else {
                    Measure::Volume(litres)
                };
                let start = place * seconds + if place % 3 == 1 { jitter } else { 0 };
                let made = reading(meter, start, seconds, measure);
                if place == 0 {
                    first.push(made)
                } else {
                    readings.push(made)
                }
            }
        }
        readings.sort_by_key(|reading| (reading.start, reading.meter));
        let count = first.len();
        Story {
            readings: [first, readings].concat(),
            first: count,
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    /// Whatever way readings come within the allowed lateness, and however often: the home is the same in the end.
    #[test]
    fn the_order_of_arrival_leaves_no_trace(
        story in stories(),
        delays in prop::collection::vec(0u32..40, 130),
        again in prop::collection::vec(0usize..130, 0..20),
    ) {
        let mut straight = Home::default();
        for reading in &story.readings {
            straight.offer(*reading);
        }
        let (first, rest) = story.readings.split_at(story.first);
        let mut arrivals: Vec<(u32, MeterReading)> = rest
            .iter()
            .zip(&delays)
            .map(|(reading, delay)| (reading.start.seconds() + delay * 900, *reading))
            .collect();
        let twice: Vec<_> = again.iter().filter_map(|at| arrivals.get(*at)).map(|(at, reading)| (at + 5_000, *reading)).collect();
        arrivals.extend(twice);
        arrivals.sort_by_key(|(at, _)| *at);
        let mut mixed = Home::default();
        for reading in first.iter().chain(arrivals.iter().map(|(_, reading)| reading)) {
            mixed.offer(*reading);
        }
        prop_assert_eq!(mixed.usage(), straight.usage());

        // A day later than anything can be late, nothing is left waiting, and both are the same still.
        for home in [&mut straight, &mut mixed] {
            for meter in 0..story.first as u8 {
                home.offer(reading(meter, 200 * HOUR, HOUR, Measure::Volume(0.0)));
                home.offer(reading(meter, 201 * HOUR, HOUR, Measure::Volume(0.0)));
            }
            for meter in 0..story.first as u8 {
                home.offer(reading(meter, 290 * HOUR, HOUR, Measure::Volume(0.0)));
                home.offer(reading(meter, 291 * HOUR, HOUR, Measure::Volume(0.0)));
            }
            for meter in 0..story.first as u8 {
                for hour in 292..366 {
                    home.offer(reading(meter, hour * HOUR, HOUR, Measure::Volume(0.0)));
                }
            }
            prop_assert_eq!(home.ordered.pending(), 0);
        }
        prop_assert_eq!(mixed.usage(), straight.usage());
        let (mut a, mut b) = (mixed.events, straight.events);
        a.sort_unstable();
        b.sort_unstable();
        prop_assert_eq!(a, b);
    }
}
