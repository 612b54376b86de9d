use super::*;
use crate::detect::tests::{Watched, with_rules};
use crate::model::Measure;

fn home() -> Watched {
    let mut settings = with_rules(Vec::new());
    settings.meter_trouble.quiet_hours = 10;
    let mut home = Watched::new(settings, "UTC", "2024-03-04T00:00:00Z");
    home.hours([5.0, 0.0, 5.0, 0.0]);
    home
}

fn is_open(home: &Watched) -> bool {
    home.is_open(AlertKind::MeterTrouble)
}

#[test]
fn a_large_backward_flow_is_told_at_once_and_small_ones_when_they_repeat() {
    let mut large = home();
    large.read(HOUR, -40.0);
    assert!(is_open(&large), "{}", large.told);
    large.hours([1.0, 0.0].repeat(6));
    assert!(!is_open(&large), "{}", large.told);
    let mut small = home();
    for (count, litres) in [-2.0, 1.0, -2.0, 1.0, -2.0].into_iter().enumerate() {
        assert!(!is_open(&small), "after {count}: {}", small.told);
        small.read(HOUR, litres);
    }
    assert!(is_open(&small));
    assert!(
        small.told.contains("meter_trouble Raised (Medium, reverse-flow)"),
        "{}",
        small.told
    );
}

#[test]
fn signs_that_lie_far_apart_are_no_trouble() {
    let mut home = home();
    for _ in 0..5 {
        home.read(HOUR, -2.0);
        home.hours([1.0, 0.0].repeat(8));
        assert!(!is_open(&home));
    }
}

#[test]
fn a_gap_ends_no_trouble() {
    let mut home = home();
    home.read(HOUR, -40.0);
    home.lose(300);
    assert!(is_open(&home));
}

#[test]
fn a_register_that_does_not_move_for_two_weeks_may_be_stuck() {
    let mut home = home();
    home.settings.inactivity.rules.clear();
    let mut index = 1_000.0;
    for hour in 0..14 * 24 + 1 {
        if hour == 0 {
            index += 3.0;
        }
        home.measure(HOUR, Measure::Register(index), |_, _, _| {});
        assert_eq!(is_open(&home), hour >= 14 * 24, "hour {hour}");
    }
    home.measure(HOUR, Measure::Register(index + 5.0), |_, _, _| {});
    assert!(!is_open(&home), "{}", home.told);
    assert!(home.told.contains("(Low, stuck)"), "{}", home.told);
}

#[test]
fn flags_are_heard_and_mistakes_are_named() {
    let mut state = MeterTroubleState::default();
    let settings = MeterTroubleSettings::default();
    let at = EventTime::from_seconds(1_709_251_200);
    for (event, is_enough) in [
        (MeterEvent::LeakFlag, false),
        (MeterEvent::SwappedMeter, false),
        (MeterEvent::ClockDrift, false),
        (MeterEvent::LowBattery, true),
        (MeterEvent::Tamper, true),
    ] {
        MeterTrouble::on_meter_event(&settings, &mut state, event, at);
        assert_eq!(state.worst().is_some(), is_enough, "{event:?}");
    }
    assert_eq!(state.worst().map(|(trouble, _)| trouble), Some(Trouble::Tamper));
    assert_eq!(settings.mistakes(), []);
    let wrong = MeterTroubleSettings {
        repeated: 0,
        quiet_hours: 0,
        stuck_days: 1_000,
        ..settings
    };
    assert_eq!(wrong.mistakes().len(), 3);
}
