use super::*;
use crate::detect::tests::{Watched, with_rules};
use crate::model::{Absence, MINUTE, Measure, Sign, SignKind};

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
fn holes_that_never_leave_half_a_day_between_them_are_told_after_three_days_and_over_after_it() {
    let mut often = home();
    for turn in 0..13 {
        assert!(!is_open(&often), "after {turn}: {}", often.told);
        often.lose(1);
        often.hours([1.0, 0.0, 0.0, 0.0, 0.0]);
    }
    assert!(is_open(&often), "{}", often.told);
    assert!(
        often.told.contains("meter_trouble Raised (Medium, holes)"),
        "{}",
        often.told
    );
    often.hours([0.0; 6]);
    assert!(!is_open(&often), "{}", often.told);
    let mut seldom = home();
    for _ in 0..20 {
        seldom.lose(1);
        seldom.hours([1.0, 0.0, 0.0, 0.0, 0.0, 0.0].repeat(2));
    }
    assert!(!is_open(&seldom), "{}", seldom.told);
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
fn whoever_is_heard_of_without_water_makes_a_stuck_register_more_likely_and_an_absence_excuses_it() {
    let story = |sign: Option<u32>, away: bool| {
        let mut home = home();
        let start = home.next;
        home.circumstances.absence = away.then_some(Absence { from: start, to: None });
        for day in 0..20 {
            if let Some(every) = sign.filter(|every| day % every == 0) {
                let at = home.next.plus(every * HOUR / 8);
                home.circumstances.sign = Some(Sign {
                    kind: SignKind::Door,
                    at,
                    until: at,
                });
            }
            home.hours([0.0; 24]);
        }
        home.raised(AlertKind::MeterTrouble)
    };
    assert!(story(None, false).contains("(Low, stuck)"));
    assert!(story(Some(1), false).contains("(Medium, stuck)"));
    assert_eq!(story(None, true), "");
}

#[test]
fn water_that_the_meter_cannot_pass_is_told_where_its_q3_is_known() {
    let mut home = home();
    home.read(HOUR, 2_000.0);
    assert!(!is_open(&home), "nobody said what meter it is");
    home.circumstances.q3_litres_per_hour = Some(1_600.0);
    home.read(HOUR, 1_990.0);
    home.read(MINUTE, 600.0);
    assert!(!is_open(&home), "{}", home.told);
    home.read(HOUR, 2_010.0);
    assert!(home.told.contains("(Medium, impossible-flow)"), "{}", home.told);
}

#[test]
fn one_alert_bears_the_name_of_the_worst_trouble_and_does_not_flap() {
    let mut home = home();
    let flag = |home: &mut Watched, event| {
        MeterTrouble::on_meter_event(
            &home.settings.meter_trouble,
            &mut home.states.meter_trouble,
            event,
            home.next,
        );
        home.speak(home.next);
    };
    for week in 0..5 {
        flag(&mut home, MeterEvent::LowBattery);
        if week == 2 {
            flag(&mut home, MeterEvent::Tamper);
        }
        home.hours([3.0, 0.0].repeat(84));
    }
    home.hours([3.0, 0.0].repeat(9 * 12));
    assert!(!is_open(&home));
    let lines: Vec<_> = home
        .told
        .lines()
        .filter(|line| line.contains("meter_trouble"))
        .collect();
    let states: Vec<_> = lines.iter().map(|line| line.split_whitespace().nth(3)).collect();
    assert_eq!(
        states,
        [Some("Raised"), Some("Updated"), Some("Resolved")],
        "{lines:#?}"
    );
    assert!(lines[1].contains("(Medium, tamper)"));
}

#[test]
fn flags_are_heard_and_mistakes_are_named() {
    let mut state = MeterTroubleState::default();
    let settings = MeterTroubleSettings::default();
    let at = EventTime::from_seconds(1_709_251_200);
    let worst = |state: &MeterTroubleState| state.noted.as_ref()?.worst().map(|(trouble, _)| trouble);
    for (event, found) in [
        (MeterEvent::Rollover, None),
        (MeterEvent::ClockDrift, None),
        (MeterEvent::LowBattery, Some(Trouble::LowBattery)),
        (MeterEvent::SwappedMeter, Some(Trouble::OtherIndex)),
        (MeterEvent::LeakFlag, Some(Trouble::SaysLeak)),
        (MeterEvent::ImpossibleFlow, Some(Trouble::ImpossibleFlow)),
        (MeterEvent::Tamper, Some(Trouble::Tamper)),
    ] {
        MeterTrouble::on_meter_event(&settings, &mut state, event, at);
        assert_eq!(worst(&state), found, "{event:?}");
    }
    assert_eq!(settings.mistakes(), []);
    let wrong = MeterTroubleSettings {
        repeated: 0,
        quiet_hours: 0,
        flag_quiet_hours: 0,
        stuck_days: 1_000,
        ..settings
    };
    assert_eq!(wrong.mistakes().len(), 4);
}
