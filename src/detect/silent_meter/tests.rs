use expect_test::expect;

use super::*;
use crate::detect::tests::{Watched, with_rules};

#[test]
fn silence_is_told_once_and_ends_with_the_next_reading() {
    let mut home = Watched::new(with_rules(Vec::new()), "Europe/Madrid", "2024-03-04T08:00:00Z");
    home.with_words = true;
    home.hours([0.0]);
    for hours in 20..40 {
        home.speak(home.next.plus(hours * HOUR));
    }
    home.lose(45);
    home.hours([0.0]);
    expect![[r#"
        Tue 13:00 silent_meter Raised (Medium, silent-meter) since Mon 10:00: no_readings
            No measured reading has arrived since 2024-03-04 10:00, 27 h. Whether water is used is not known; the home cannot be watched until readings return.
            自2024-03-04 10:00起27小时未收到实测读数，用水情况不明；读数恢复前无法守护该户。
        Wed 08:00 silent_meter Resolved (Medium, silent-meter) since Mon 10:00: readings_resumed
            Readings arrive again, after 46 h of silence since 2024-03-04 10:00.
            读数已恢复，自2024-03-04 10:00起静默46小时。
    "#]].assert_eq(&home.told);
}

#[test]
fn the_deadline_itself_is_in_time() {
    let mut home = Watched::new(with_rules(Vec::new()), "Europe/Madrid", "2024-03-04T08:00:00Z");
    let settings = SilentMeterSettings::default();
    assert_eq!(
        SilentMeter::next_deadline(&settings, &(), &home.view(home.next)),
        None,
        "never heard"
    );
    home.hours([0.0]);
    let deadline = home.next.plus(26 * HOUR);
    let at = |now| {
        let view = home.view(now);
        let finding = SilentMeter::finding(&settings, &(), &view);
        (
            SilentMeter::next_deadline(&settings, &(), &view),
            finding.map(|finding| finding.detected_at),
        )
    };
    assert_eq!(at(deadline.minus(1)), (Some(deadline), None));
    assert_eq!(at(deadline), (Some(deadline), None));
    assert_eq!(at(deadline.plus(1)), (None, Some(deadline)));
    let off = SilentMeterSettings {
        enabled: false,
        ..settings.clone()
    };
    assert_eq!(SilentMeter::finding(&off, &(), &home.view(deadline.plus(1))), None);
    assert_eq!(SilentMeter::next_deadline(&off, &(), &home.view(home.next)), None);
}

#[test]
fn mistakes_are_named() {
    for (hours, mistakes) in [(0, 3), (1, 0), (1_440, 0), (1_441, 3)] {
        let settings = SilentMeterSettings {
            after_hours: hours,
            at_least_hours: hours,
            at_most_hours: hours,
            ..SilentMeterSettings::default()
        };
        assert_eq!(settings.mistakes().len(), mistakes, "{hours}");
    }
}

#[test]
fn the_slack_goes_with_the_rhythm_within_bounds() {
    let settings = SilentMeterSettings::default();
    let mut home = Watched::new(with_rules(Vec::new()), "UTC", "2024-03-04T08:00:00Z");
    let hours = |home: &Watched| allowed(&settings, &home.view(home.next)) / HOUR;
    assert_eq!(hours(&home), 26, "nothing is known");
    let deliver = |home: &mut Watched, every: u32, times: u32| {
        for _ in 0..times {
            let heard = home.next;
            home.next = heard.plus(every * HOUR);
            home.rhythm.hear(heard, home.next, 0);
        }
    };
    deliver(&mut home, 1, 167);
    assert_eq!(hours(&home), 26, "a week is needed");
    deliver(&mut home, 1, 1);
    assert_eq!(hours(&home), 6, "the least that is reported");
    deliver(&mut home, 24, 10);
    assert_eq!(hours(&home), 32);
    deliver(&mut home, 48, 10);
    assert_eq!(hours(&home), 62);
    deliver(&mut home, 12 * 24, 5);
    assert_eq!(hours(&home), 12 * 24, "the most");
    home.circumstances.upload_seconds = Some(30 * 24 * HOUR);
    assert_eq!(hours(&home), 30 * 24 * 5 / 4 + 2, "as it was told");
}
