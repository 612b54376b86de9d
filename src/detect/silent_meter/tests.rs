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
    for (hours, mistakes) in [(0, 1), (1, 0), (1_440, 0), (1_441, 1)] {
        let settings = SilentMeterSettings {
            after_hours: hours,
            ..SilentMeterSettings::default()
        };
        assert_eq!(settings.mistakes().len(), mistakes, "{hours}");
        assert!(settings.mistakes().iter().all(|mistake| mistake.key == "after_hours"));
    }
}
