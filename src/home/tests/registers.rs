use super::*;
use crate::home::MeterEvent::{BadRead, LargeReverseFlow, Reset, ReverseFlow, Rollover, SwappedMeter};

/// Registers hour by hour: the classes heard, and the flows of the stretches.
fn story(registers: &[f64]) -> (Vec<MeterEvent>, Vec<Flow>) {
    let mut home = Home::default();
    for (hour, litres) in (0..).zip(registers) {
        home.offer(register(hour, *litres));
    }
    // Late readings can no longer move anything: every class has been heard.
    home.settings.allowed_lateness_seconds = 0;
    let end = registers.len() as u32;
    home.offer(register(end, registers[registers.len() - 1]));
    let flows = home.emitted.iter().map(|interval| interval.flow).collect();
    (home.events, flows)
}

fn litres(flow: &Flow) -> Option<f32> {
    match flow {
        Flow::Measured(litres) => Some(*litres),
        _ => None,
    }
}

#[test]
fn the_first_index_says_nothing_and_steps_say_litres() {
    let (events, flows) = story(&[1_000.0, 1_000.0, 1_012.5]);
    assert_eq!(events, []);
    assert_eq!(flows[..3], [Flow::Unknown, Flow::Measured(0.0), Flow::Measured(12.5)]);
}

#[test]
fn a_dial_that_rolls_over_counts_on() {
    for (before, after, step) in [
        (99_990.0, 5.0, 15.0),
        (9_999_990.0, 5.0, 15.0),
        (4_294_967_290.0, 4.0, 10.0),
    ] {
        let (events, flows) = story(&[before, after, after + 1.0]);
        assert_eq!(events, [Rollover], "{before}");
        assert_eq!(litres(&flows[1]), Some(step), "{before}");
        assert_eq!(litres(&flows[2]), Some(1.0));
    }
    // Too few digits for a dial.
    assert!(!story(&[9_990.0, 5.0, 6.0]).0.contains(&Rollover));
}

#[test]
fn another_meter_or_a_new_start_is_believed_at_its_second_index() {
    for (registers, class) in [
        ([50_000.0, 1_200.0, 1_203.0, 1_204.0], SwappedMeter),
        ([50_000.0, 0.0, 3.0, 4.0], Reset),
        ([50_000.0, 900_000.0, 900_003.0, 900_004.0], SwappedMeter),
    ] {
        let (events, flows) = story(&registers);
        assert_eq!(events, [class], "{registers:?}");
        assert_eq!(flows[1], Flow::Unknown);
        assert_eq!(litres(&flows[2]), Some(1.0), "it counts on from there");
    }
}

#[test]
fn water_that_runs_back_is_no_use_and_no_new_meter() {
    for (back, class) in [(4_960.0, LargeReverseFlow), (4_995.0, ReverseFlow)] {
        let (events, flows) = story(&[5_000.0, back, back]);
        assert_eq!(events, [class]);
        assert_eq!(flows[1..3], [Flow::Unknown, Flow::Measured(0.0)]);
    }
    // More than that may be a bad read; the next index tells.
    for back in [4_940.0, 4_100.0] {
        assert_eq!(story(&[5_000.0, back, back + 2.0]).0, [LargeReverseFlow], "{back}");
        assert_eq!(story(&[5_000.0, back, 5_001.0]).0, [BadRead], "{back}");
    }
    assert_eq!(story(&[5_000.0, 3_900.0, 3_901.0]).0, [SwappedMeter]);
}

#[test]
fn pressure_that_moves_the_index_to_and_fro_is_no_use_and_no_gap() {
    let (events, flows) = story(&[5_000.0, 4_999.0, 5_000.0, 4_999.6, 4_999.6, 5_003.0, 5_001.9, 5_002.9]);
    assert_eq!(events, [ReverseFlow]);
    let dry = Flow::Measured(0.0);
    assert_eq!(flows[1..6], [dry, dry, dry, dry, Flow::Measured(3.0)]);
    assert_eq!(
        flows[6..8],
        [Flow::Unknown, Flow::Measured(1.0)],
        "more than to and fro"
    );
    let mut home = Home::default();
    home.hours(0, [4.0, 0.0, -0.1, 0.0, -1.0, 0.0]);
    assert_eq!(home.events, [ReverseFlow, ReverseFlow]);
    assert_eq!(home.dry_hours(), Some(5.0));
    home.hours(6, [-1.1, 0.0]);
    assert_eq!(home.dry_hours(), Some(1.0));
}

#[test]
fn a_bad_read_is_passed_over_in_both_directions() {
    for bad in [0.0, 99.0, 900_000.0] {
        let (events, flows) = story(&[5_000.0, bad, 5_000.0, 5_002.0]);
        assert_eq!(events, [BadRead], "{bad}");
        assert_eq!(flows[1], Flow::Measured(0.0), "the time of the bad read was dry");
        assert_eq!(litres(&flows[2]), Some(2.0));
        // It moved meanwhile: when, is not known.
        assert_eq!(story(&[5_000.0, bad, 5_004.0]).1[1], Flow::UsedSomewhere(4.0));
    }
}

#[test]
fn a_bad_read_that_is_sent_twice_does_not_confirm_itself() {
    let mut home = Home::default();
    for reading in [
        register(0, 5_000.0),
        register(1, 0.0),
        register(1, 0.0),
        register(2, 5_001.0),
    ] {
        home.offer(reading);
    }
    home.settings.allowed_lateness_seconds = 0;
    home.offer(register(3, 5_001.0));
    assert_eq!(home.events, [BadRead]);
    assert_eq!(home.dry_hours(), Some(1.0));
}

#[test]
fn an_index_that_has_not_moved_proves_a_gap_dry() {
    let mut home = Home::default();
    for (hour, litres) in [(0, 100.0), (1, 104.0), (2, 104.0), (9, 104.0)] {
        home.offer(register(hour, litres));
    }
    assert_eq!(home.dry_hours(), Some(8.0));
    assert_eq!(home.used(5), Some(false));
}

#[test]
fn an_index_that_has_moved_proves_a_use_somewhere_in_the_gap() {
    let mut home = Home::default();
    for (hour, litres) in [(0, 100.0), (1, 100.0), (9, 103.0), (10, 103.0)] {
        home.offer(register(hour, litres));
    }
    assert_eq!(home.usage().last_sign(), Some(at(10)));
    assert_eq!(home.dry_hours(), Some(1.0));
    assert_eq!(home.used(5), None);
    assert!(home.emitted.contains(&Interval {
        start: at(2),
        end: at(10),
        flow: Flow::UsedSomewhere(3.0)
    }));
}

#[test]
fn negative_volumes_are_classed_and_say_nothing() {
    let mut home = Home::default();
    home.hours(0, [0.0, -3.0, 0.0, -300.0, 0.0]);
    assert_eq!(
        home.events,
        [ReverseFlow, LargeReverseFlow],
        "the more it is, the graver"
    );
    assert_eq!(home.dry_hours(), Some(1.0));
    assert_eq!(home.usage().last_sign(), None);
}
