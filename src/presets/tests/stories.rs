//! A home for each preset, in which its rules are met and end.

use expect_test::{Expect, expect};

use super::*;

/// What is said of a home whose hours begin at midnight in Shanghai, on Monday 2024-03-04.
fn story(name: &str, hours: impl IntoIterator<Item = f64>, expected: Expect) {
    story_of(name, 3_600, hours, HomeRecord::default(), expected);
}

fn story_of(name: &str, step: u32, litres: impl IntoIterator<Item = f64>, record: HomeRecord, expected: Expect) {
    let start: EventTime = "2024-03-03T16:00:00Z".parse().expect("a time");
    let litres: Vec<Option<f64>> = litres.into_iter().map(Some).collect();
    let zone = TimeZone::get("Asia/Shanghai").expect("a time zone");
    let local = |time: EventTime| zone.to_datetime(time.to_jiff()).strftime("%a %H:%M").to_string();
    let told = alerts(name, start, step, &litres, &record)
        .iter()
        .fold(String::new(), |told, alert| {
            let stage = alert
                .stage
                .map(|stage| format!(" to {}", stage.name()))
                .unwrap_or_default();
            let at = local(if alert.state == AlertState::Resolved {
                alert.decided_at
            } else {
                alert.detected_at
            });
            let state = if alert.state == AlertState::Raised || alert.state == AlertState::Resolved {
                alert.state.name()
            } else {
                "graver"
            };
            format!(
                "{told}{at} {} {state} {}{stage}: {}\n",
                alert.kind.name(),
                alert.rule,
                alert.text.en
            )
        });
    expected.assert_eq(&told);
}

/// A day with so many litres in these hours.
fn day(litres: f64, hours: &[usize]) -> impl Iterator<Item = f64> {
    (0..24).map(move |hour| if hours.contains(&hour) { litres } else { 0.0 })
}

#[test]
fn shanghai_changning() {
    let hours = day(20.0, &[7, 12, 18]).chain(day(4.0, &[7, 8, 20, 21]));
    story("shanghai-changning", hours, expect![[""]]);
}

#[test]
fn shanghai_jingan() {
    let hours = day(20.0, &[7, 12])
        .chain(day(3.0, &[7, 8, 20]))
        .chain(day(5.0, &[7, 9]));
    story("shanghai-jingan", hours, expect![[""]]);
}

#[test]
fn shenzhen_longgang() {
    let hours = day(20.0, &[7, 12, 18]).chain(day(4.0, &[7, 8, 20, 21]));
    story("shenzhen-longgang", hours, expect![[""]]);
}

#[test]
fn zhuhai_shishan() {
    let hours = day(20.0, &[7, 12, 18]).chain(day(0.2, &[9]));
    story("zhuhai-shishan", hours, expect![[""]]);
}

#[test]
fn taicang() {
    let hours = day(20.0, &[7, 12, 18]).chain(day(4.0, &[9])).chain(day(6.0, &[7]));
    story("taicang", hours, expect![[""]]);
}

#[test]
fn ningbo_haishu() {
    let hours = day(20.0, &[7, 12, 18])
        .chain(day(4.0, &[9, 17]))
        .chain(day(6.0, &[7, 8]));
    story("ningbo-haishu", hours, expect![[""]]);
}

#[test]
fn ningbo_zhenhai() {
    let hours = day(20.0, &[7, 12, 18]).chain(day(3.0, &[9, 17])).chain(day(2.9, &[7]));
    story("ningbo-zhenhai", hours, expect![[""]]);
}

#[test]
fn liaocheng() {
    let hours = day(20.0, &[7, 12, 18]).chain(day(3.0, &[9, 17])).chain(day(5.0, &[7]));
    story("liaocheng", hours, expect![[""]]);
}

#[test]
fn sakaki_kizuki() {
    let hours = day(20.0, &[6, 12, 18, 23]).chain(day(1.0, &[9, 17]));
    story("sakaki-kizuki", hours, expect![[""]]);
}

#[test]
fn tokyo_2007() {
    // Dry for two mornings: a mail for each.
    let hours = day(20.0, &[7, 12])
        .chain([0.0; 24])
        .chain(day(20.0, &[12]))
        .chain(day(20.0, &[9]));
    story("tokyo-2007", hours, expect![[""]]);
}

#[test]
fn k_water() {
    // A dry evening is nothing, a dry evening and a dry morning are.
    let hours = day(20.0, &[7, 12, 18]).chain(day(20.0, &[7, 13])).chain([0.0; 24]);
    story("k-water", hours, expect![[""]]);
}

#[test]
fn kepco() {
    // Sixty days with spells of 3, 4 and 6 hours and nights of 8, one in ten of 9; then nothing.
    let days =
        (0..60).flat_map(|number| day(20.0, &[if number % 10 == 0 { 8 } else { 7 }, 11, 16, 22]).collect::<Vec<_>>());
    story("kepco", days.chain(day(20.0, &[7])), expect![[""]]);
}

#[test]
fn malaga() {
    let hours = || day(20.0, &[7, 12, 18]).chain([0.0; 20]);
    story("malaga", hours(), expect![[""]]);
    let record = HomeRecord {
        household_id: "h".into(),
        no_use_hours: Some(14.5),
        ..HomeRecord::default()
    };
    story_of("malaga", 3_600, hours(), record, expect![[""]]);
}
