use super::*;
use crate::detect::tests::{Watched, with_rules};
use crate::model::{HOUR, Sign, SignKind};

fn home(zone: &str, start: &str) -> Watched {
    let mut settings = with_rules(Vec::new());
    settings.well_today.enabled = true;
    Watched::new(settings, zone, start)
}

fn told(home: &Watched) -> Vec<String> {
    let lines = home.told.lines().filter(|line| line.contains("well_today"));
    lines.map(str::to_owned).collect()
}

#[test]
fn the_first_use_after_four_is_told_once_a_day() {
    let mut home = home("Europe/Madrid", "2024-03-04T23:00:00Z");
    // Tuesday from midnight: use at 2, at 7 and at 9; Wednesday at 8.
    home.hours((0..48).map(|hour| if [2, 7, 9, 32].contains(&hour) { 5.0 } else { 0.0 }));
    assert_eq!(told(&home).len(), 2, "{}", home.told);
    assert!(
        told(&home)[0].contains("since Tue 04:00: first_sign_of_the_day"),
        "{}",
        home.told
    );
    assert!(told(&home)[1].contains("since Wed 04:00"), "{}", home.told);
}

#[test]
fn days_of_23_and_25_hours_have_one_morning() {
    for (start, zone) in [
        ("2024-03-30T23:00:00Z", "Europe/Madrid"),
        ("2024-10-26T22:00:00Z", "Europe/Madrid"),
    ] {
        let mut home = home(zone, start);
        home.hours((0..49).map(|hour| f64::from(hour % 2) * 3.0));
        let days = told(&home).len();
        assert!((2..=3).contains(&days), "{}", home.told);
    }
}

#[test]
fn another_sign_counts_and_disabled_nothing_does() {
    let mut home = home("UTC", "2024-03-04T00:00:00Z");
    let at: EventTime = "2024-03-04T06:30:00Z".parse().expect("a time");
    home.circumstances.sign = Some(Sign {
        kind: SignKind::Door,
        at,
        until: at,
    });
    home.hours([0.0; 8]);
    assert_eq!(told(&home).len(), 1, "{}", home.told);
    home.settings.well_today.enabled = false;
    home.read(HOUR, 4.0);
    assert_eq!(told(&home).len(), 1);
    assert_eq!(
        WellTodaySettings {
            from_hour: 24,
            ..Default::default()
        }
        .mistakes()
        .len(),
        1
    );
}

#[test]
fn a_button_is_heard_at_once_and_not_again_with_the_next_interval() {
    let mut home = home("Europe/Madrid", "2024-03-04T23:00:00Z");
    home.hours([0.0; 2]);
    let at: EventTime = "2024-03-05T06:30:00Z".parse().expect("a time");
    home.circumstances.sign = Some(Sign {
        kind: SignKind::Button,
        at,
        until: at,
    });
    home.speak(at.plus(1));
    assert_eq!(told(&home).len(), 1, "{}", home.told);
    assert!(told(&home)[0].starts_with("Tue 07:30"), "{}", home.told);
    home.hours([0.0; 7]);
    home.hours([5.0]);
    assert_eq!(told(&home).len(), 1, "{}", home.told);
}

#[test]
fn what_comes_with_a_later_upload_says_which_day_it_tells_of() {
    let mut home = home("Europe/Madrid", "2024-03-04T23:00:00Z");
    home.hours((0..8).map(|hour| f64::from(hour / 7) * 5.0));
    let text = |home: &Watched, now: EventTime| {
        let about = OpenAlert {
            kind: AlertKind::WellToday,
            rule: "well-today",
            since: now,
            detected_at: now,
            severity: Severity::Low,
            stage: None,
        };
        let settings = &home.settings.well_today;
        let said = WellToday::explain(
            settings,
            &home.states.well_today,
            &home.view(now),
            &about,
            AlertState::Raised,
        );
        said.text.en
    };
    assert_eq!(text(&home, home.next), "First sign of life today, by 08:00.");
    let next_day = home.next.plus(20 * HOUR);
    assert_eq!(
        text(&home, next_day),
        "First sign of life on 2024-03-05, by 08:00; its readings came later."
    );
}
