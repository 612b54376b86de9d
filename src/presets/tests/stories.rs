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
            let contact = alert
                .contact
                .as_ref()
                .map(|contact| format!(" [{contact}]"))
                .unwrap_or_default();
            format!(
                "{told}{at} {} {} {}{stage}{contact}: {}\n",
                alert.kind.name(),
                alert.state.name(),
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
    story(
        "shanghai-changning",
        hours,
        expect![[r#"
            Tue 07:00 inactivity raised changning-under-10l-in-12h to visit [street-platform]: Only 0 L in the last 12 h; the programme expects 10 L.
            Tue 07:00 inactivity escalated changning-under-10l-in-12h to visit [paired-volunteer]: Only 0 L in the last 12 h; the programme expects 10 L. Nobody has acknowledged this alert.
        "#]],
    );
}

#[test]
fn shanghai_jingan() {
    let hours = day(20.0, &[7, 12])
        .chain(day(3.0, &[7, 8, 20]))
        .chain(day(5.0, &[7, 9]));
    story(
        "shanghai-jingan",
        hours,
        expect![[r#"
            Wed 00:00 inactivity raised jingan-under-10l-a-day to contact [emergency-contact]: Only 9 L on 2024-03-05; the programme expects 10 L.
            Wed 00:00 inactivity escalated jingan-under-10l-a-day to contact [street]: Only 9 L on 2024-03-05; the programme expects 10 L. Nobody has acknowledged this alert.
            Wed 00:00 inactivity escalated jingan-under-10l-a-day to contact [community]: Only 9 L on 2024-03-05; the programme expects 10 L. Nobody has acknowledged this alert.
            Wed 00:00 inactivity escalated jingan-under-10l-a-day to contact [volunteer]: Only 9 L on 2024-03-05; the programme expects 10 L. Nobody has acknowledged this alert.
            Wed 10:00 inactivity resolved jingan-under-10l-a-day to contact: Enough water is used again: 10 L on 2024-03-06; the programme expects 10 L.
        "#]],
    );
}

#[test]
fn shenzhen_longgang() {
    let hours = day(20.0, &[7, 12, 18]).chain(day(4.0, &[7, 8, 20, 21]));
    story(
        "shenzhen-longgang",
        hours,
        expect![[r#"
            Tue 07:00 inactivity raised longgang-under-10l-in-12h to visit [platform]: Only 0 L in the last 12 h; the programme expects 10 L.
            Tue 07:00 inactivity escalated longgang-under-10l-in-12h to visit [community-worker]: Only 0 L in the last 12 h; the programme expects 10 L. Nobody has acknowledged this alert.
            Tue 07:00 inactivity escalated longgang-under-10l-in-12h to visit [family]: Only 0 L in the last 12 h; the programme expects 10 L. Nobody has acknowledged this alert.
        "#]],
    );
}

#[test]
fn zhuhai_shishan() {
    let hours = day(20.0, &[7, 12, 18]).chain(day(0.2, &[9]));
    story(
        "zhuhai-shishan",
        hours,
        expect![[r#"
            Tue 07:00 inactivity raised shishan-no-use-12h to visit [community-social-worker]: No water since 19:00, 12 h. The longest within a day was 5 h in 1 days.
            Tue 10:00 inactivity resolved shishan-no-use-12h to visit: Water is used again, by 10:00; it was dry since 19:00, for at most 15 h.
            Tue 22:00 inactivity raised shishan-no-use-12h to visit [community-social-worker]: No water since 10:00, 12 h. The longest within a day was 14 h in 2 days.
        "#]],
    );
}

#[test]
fn taicang() {
    let hours = day(20.0, &[7, 12, 18]).chain(day(4.0, &[9])).chain(day(6.0, &[7]));
    story(
        "taicang",
        hours,
        expect![[r#"
            Tue 19:00 inactivity raised taicang-under-10l-in-24h to visit [civil-affairs]: Only 4 L in the last 24 h; the programme expects 10 L.
            Tue 19:00 inactivity escalated taicang-under-10l-in-24h to visit [water-group]: Only 4 L in the last 24 h; the programme expects 10 L. Nobody has acknowledged this alert.
            Wed 08:00 inactivity resolved taicang-under-10l-in-24h to visit: Enough water is used again: 10 L in the last 24 h; the programme expects 10 L.
            Wed 10:00 inactivity raised taicang-under-10l-in-24h to visit [civil-affairs]: Only 6 L in the last 24 h; the programme expects 10 L.
            Wed 10:00 inactivity escalated taicang-under-10l-in-24h to visit [water-group]: Only 6 L in the last 24 h; the programme expects 10 L. Nobody has acknowledged this alert.
        "#]],
    );
}

#[test]
fn ningbo_haishu() {
    let hours = day(20.0, &[7, 12, 18])
        .chain(day(4.0, &[9, 17]))
        .chain(day(6.0, &[7, 8]));
    story(
        "ningbo-haishu",
        hours,
        expect![[r#"
            Tue 19:00 inactivity raised haishu-at-most-8l-in-24h to contact [relatives]: Only 8 L in the last 24 h; the programme expects more than 8 L.
            Tue 19:00 inactivity escalated haishu-at-most-8l-in-24h to contact [grid-worker]: Only 8 L in the last 24 h; the programme expects more than 8 L. Nobody has acknowledged this alert.
            Wed 08:00 inactivity resolved haishu-at-most-8l-in-24h to contact: Enough water is used again: 14 L in the last 24 h; the programme expects more than 8 L.
        "#]],
    );
}

#[test]
fn ningbo_zhenhai() {
    let hours = day(20.0, &[7, 12, 18]).chain(day(3.0, &[9, 17])).chain(day(2.9, &[7]));
    story(
        "ningbo-zhenhai",
        hours,
        expect![[r#"
            Wed 10:00 inactivity raised zhenhai-under-6l-in-24h to contact [named-contact]: Only 5.9 L in the last 24 h; the programme expects 6 L.
            Wed 10:00 inactivity escalated zhenhai-under-6l-in-24h to contact [social-worker]: Only 5.9 L in the last 24 h; the programme expects 6 L. Nobody has acknowledged this alert.
        "#]],
    );
}

#[test]
fn liaocheng() {
    let hours = day(20.0, &[7, 12, 18]).chain(day(3.0, &[9, 17])).chain(day(5.0, &[7]));
    story(
        "liaocheng",
        hours,
        expect![[r#"
            Tue 19:00 inactivity raised liaocheng-under-10l-in-24h to contact [grid-worker]: Only 6 L in the last 24 h; the programme expects 10 L.
            Wed 08:00 inactivity resolved liaocheng-under-10l-in-24h to contact: Enough water is used again: 11 L in the last 24 h; the programme expects 10 L.
            Wed 10:00 inactivity raised liaocheng-under-10l-in-24h to contact [grid-worker]: Only 8 L in the last 24 h; the programme expects 10 L.
        "#]],
    );
}

#[test]
fn sakaki_kizuki() {
    let hours = day(20.0, &[6, 12, 18, 23]).chain(day(1.0, &[9, 17]));
    story(
        "sakaki-kizuki",
        hours,
        expect![[r#"
            Mon 07:00 well_today raised well-today: First sign of life today, by 07:00.
            Tue 08:00 inactivity raised kizuki-no-use-8h to contact [family]: No water since 00:00, 8 h. The longest within a day was 5 h in 1 days.
            Tue 08:00 inactivity escalated kizuki-no-use-8h to contact [welfare-commissioner]: No water since 00:00, 8 h. The longest within a day was 5 h in 1 days. Nobody has acknowledged this alert.
            Tue 10:00 inactivity resolved kizuki-no-use-8h to contact: Water is used again, by 10:00; it was dry since 00:00, for at most 10 h.
            Tue 10:00 well_today raised well-today: First sign of life today, by 10:00.
        "#]],
    );
}

#[test]
fn tokyo_2007() {
    // Dry for two mornings: a mail for each.
    let hours = day(20.0, &[7, 12])
        .chain([0.0; 24])
        .chain(day(20.0, &[12]))
        .chain(day(20.0, &[9]));
    story(
        "tokyo-2007",
        hours,
        expect![[r#"
            Tue 10:00 inactivity raised tokyo-no-use-in-band to contact [family]: No water since 06:00, 4 h. The last use ended at 13:00. The programme expects use in the hours 06-10 of the day. The longest within a day was 4 h in 1 days.
            Wed 10:00 inactivity resolved tokyo-no-use-in-band to contact: No sign of life since; the band that began at 06:00 was dry too and is told on its own.
            Wed 10:00 inactivity raised tokyo-no-use-in-band to contact [family]: No water since 06:00, 4 h. The last use ended at 2024-03-04 13:00. The programme expects use in the hours 06-10 of the day. The longest within a day was 4 h in 2 days.
            Wed 13:00 inactivity resolved tokyo-no-use-in-band to contact: Water is used again, by 13:00; it was dry since 06:00, for at most 7 h.
        "#]],
    );
}

#[test]
fn k_water() {
    // A dry evening is nothing, a dry evening and a dry morning are.
    let hours = day(20.0, &[7, 12, 18]).chain(day(20.0, &[7, 13])).chain([0.0; 24]);
    story(
        "k-water",
        hours,
        expect![[r#"
            Wed 09:00 inactivity raised k-water-both-bands to contact [social-worker]: No water since 14:00, 19 h. The programme expects use in the hours 05-09, 17-21 of the day. The longest within a day was 12 h in 2 days.
            Wed 09:00 inactivity escalated k-water-both-bands to contact [guardian]: No water since 14:00, 19 h. The programme expects use in the hours 05-09, 17-21 of the day. The longest within a day was 12 h in 2 days. Nobody has acknowledged this alert.
            Wed 14:00 inactivity escalated k-water-no-use-24h to visit: No water since 2024-03-05 14:00, 24 h. The longest within a day was 12 h in 3 days. No answer came to the stage before.
        "#]],
    );
}

#[test]
fn kepco() {
    // Sixty days with spells of 3, 4 and 6 hours and nights of 8, one in ten of 9; then nothing.
    let days =
        (0..60).flat_map(|number| day(20.0, &[if number % 10 == 0 { 8 } else { 7 }, 11, 16, 22]).collect::<Vec<_>>());
    story(
        "kepco",
        days.chain(day(20.0, &[7])),
        expect![[r#"
            Fri 17:00 inactivity raised kepco-level-1 to ask [municipality]: No water since 08:00, 9 h. 90 % of this home's dry spells of the last 60 days were no longer than 8 h. At this hour 100 % of this home's dry spells have ended (59 of 59). The longest within a day was 9 h in 60 days.
            Fri 18:00 inactivity escalated kepco-level-2 to contact: No water since 08:00, 10 h. 97.5 % of this home's dry spells of the last 60 days were no longer than 8 h. At this hour 100 % of this home's dry spells have ended (59 of 59). The longest within a day was 9 h in 60 days. No answer came to the stage before.
            Fri 20:00 inactivity escalated kepco-level-3 to visit: No water since 08:00, 12 h. 99.5 % of this home's dry spells of the last 60 days were no longer than 9 h. At this hour 100 % of this home's dry spells have ended (59 of 59). The longest within a day was 9 h in 60 days. No answer came to the stage before.
        "#]],
    );
}

#[test]
fn malaga() {
    let hours = || day(20.0, &[7, 12, 18]).chain([0.0; 20]);
    story(
        "malaga",
        hours(),
        expect![[r#"
            Tue 19:00 inactivity raised malaga-hours-of-the-person to contact [telecare-centre]: No water since 2024-03-04 19:00, 24 h. The longest within a day was 5 h in 2 days.
            Tue 19:00 inactivity escalated malaga-hours-of-the-person to contact [emergency-social-unit]: No water since 2024-03-04 19:00, 24 h. The longest within a day was 5 h in 2 days. Nobody has acknowledged this alert.
        "#]],
    );
    let record = HomeRecord {
        household_id: "h".into(),
        no_use_hours: Some(14.5),
        ..HomeRecord::default()
    };
    story_of(
        "malaga",
        3_600,
        hours(),
        record,
        expect![[r#"
            Tue 09:30 inactivity raised malaga-hours-of-the-person to contact [telecare-centre]: No water since 19:00, 15 h. The longest within a day was 5 h in 1 days.
            Tue 09:30 inactivity escalated malaga-hours-of-the-person to contact [emergency-social-unit]: No water since 19:00, 15 h. The longest within a day was 5 h in 1 days. Nobody has acknowledged this alert.
        "#]],
    );
}

#[test]
fn much_in_a_day() {
    let hours = || {
        day(20.0, &[7, 12])
            .chain(day(300.0, &[6, 7, 8, 9]))
            .chain(day(300.0, &[6, 7, 8]).chain(day(20.0, &[7])))
    };
    story(
        "liaocheng",
        hours(),
        expect![[r#"
        Tue 10:00 leak raised liaocheng-over-1000l-in-24h: 1220 L were used in 24 h, more than 1000 L.
        Thu 07:00 leak resolved liaocheng-over-1000l-in-24h: The use is within the rule again; it had run since 2024-03-04 10:00, for at most 2 d 21 h.
    "#]],
    );
    let hours = || hours().map(|litres| litres * 2.0);
    story(
        "shanghai-jingan",
        hours(),
        expect![[r#"
        Tue 10:00 leak raised jingan-over-2000l-in-24h: 2440 L were used in 24 h, more than 2000 L.
        Thu 07:00 leak resolved jingan-over-2000l-in-24h: The use is within the rule again; it had run since 2024-03-04 10:00, for at most 2 d 21 h.
    "#]],
    );
    story(
        "ningbo-zhenhai",
        hours(),
        expect![[r#"
        Tue 10:00 leak raised zhenhai-over-2000l-in-24h: 2440 L were used in 24 h, more than 2000 L.
        Thu 07:00 leak resolved zhenhai-over-2000l-in-24h: The use is within the rule again; it had run since 2024-03-04 10:00, for at most 2 d 21 h.
    "#]],
    );
}

/// A flow of so many litres an hour for so long, a dry hour, and two hours more.
fn flow(litres: f64, hours: usize) -> impl Iterator<Item = f64> {
    [0.0; 2]
        .into_iter()
        .chain(vec![litres; hours])
        .chain([0.0, litres, litres])
}

#[test]
fn a_flow_that_does_not_stop() {
    story(
        "ningbo-haishu",
        flow(2.0, 30),
        expect![[r#"
        Tue 02:00 inactivity raised haishu-at-most-8l-in-24h to contact [relatives]: Only 0 L in the last 24 h; the programme expects more than 8 L.
        Tue 02:00 leak raised haishu-no-dry-hour-24h: Water has not stopped since 2024-03-04 02:00, 24 h. At least 2 L/h flow all the time, 48 L a day.
        Tue 02:00 inactivity escalated haishu-at-most-8l-in-24h to contact [grid-worker]: Only 0 L in the last 24 h; the programme expects more than 8 L. Nobody has acknowledged this alert.
        Tue 09:00 inactivity resolved haishu-at-most-8l-in-24h to contact: Enough water is used again: 46 L in the last 24 h; the programme expects more than 8 L.
        Tue 09:00 leak resolved haishu-no-dry-hour-24h: The flow has stopped; it had run since 2024-03-04 02:00, for at most 30 h.
    "#]],
    );
    story(
        "kamstrup",
        flow(2.0, 30),
        expect![[r#"
        Tue 02:00 leak raised kamstrup-no-dry-hour-24h: Water has not stopped since 2024-03-04 02:00, 24 h. At least 2 L/h flow all the time, 48 L a day.
        Tue 09:00 leak resolved kamstrup-no-dry-hour-24h: The flow has stopped; it had run since 2024-03-04 02:00, for at most 30 h.
    "#]],
    );
    story(
        "badger-eyeonwater",
        flow(3.8, 30),
        expect![[r#"
        Tue 02:00 leak raised eyeonwater-1gal-an-hour-24h: Water has not stopped since 2024-03-04 02:00, 24 h. At least 3.8 L/h flow all the time, 91 L a day.
        Tue 09:00 leak resolved eyeonwater-1gal-an-hour-24h: The flow has stopped; it had run since 2024-03-04 02:00, for at most 30 h.
    "#]],
    );
    story("badger-eyeonwater", flow(3.7, 30), expect![[""]]);
    story(
        "sfpuc",
        flow(28.4, 50),
        expect![[r#"
        Wed 02:00 leak raised sfpuc-28l-an-hour-48h: Water has not stopped since 2024-03-04 02:00, 2 d. At least 28.4 L/h flow all the time, 682 L a day.
        Wed 05:00 leak resolved sfpuc-28l-an-hour-48h: The flow has stopped; it had run since 2024-03-04 02:00, for at most 2 d 2 h.
    "#]],
    );
    story("sfpuc", flow(28.3, 50), expect![[""]]);
    story(
        "seoul",
        flow(2.0, 80),
        expect![[r#"
        Thu 02:00 leak raised seoul-no-dry-hour-72h: Water has not stopped since 2024-03-04 02:00, 3 d. At least 2 L/h flow all the time, 48 L a day.
        Thu 11:00 leak resolved seoul-no-dry-hour-72h: The flow has stopped; it had run since 2024-03-04 02:00, for at most 3 d 8 h.
    "#]],
    );
}

#[test]
fn slots_of_a_day() {
    let quarters = |litres: [f64; 4]| {
        let day = std::iter::repeat_n(litres, 26).flatten();
        [0.0; 4].into_iter().chain(day).chain([0.0; 8])
    };
    let record = HomeRecord::default;
    story_of(
        "shenzhen-longgang",
        900,
        quarters([1.0, 0.0, 0.0, 1.0]),
        record(),
        expect![[r#"
            Tue 01:00 inactivity raised longgang-under-10l-in-12h to visit [platform]: Only 0 L in the last 12 h; the programme expects 10 L.
            Tue 01:00 inactivity escalated longgang-under-10l-in-12h to visit [community-worker]: Only 0 L in the last 12 h; the programme expects 10 L. Nobody has acknowledged this alert.
            Tue 01:00 inactivity escalated longgang-under-10l-in-12h to visit [family]: Only 0 L in the last 12 h; the programme expects 10 L. Nobody has acknowledged this alert.
            Tue 01:00 leak raised longgang-every-half-hour-of-a-day: Water has not stopped since 2024-03-04 01:00, 24 h. At least 2 L/h flow all the time, 48 L a day.
            Tue 04:00 inactivity resolved longgang-under-10l-in-12h to visit: Enough water is used again: 22 L in the last 12 h; the programme expects 10 L.
            Tue 04:00 leak resolved longgang-every-half-hour-of-a-day: The flow has stopped; it had run since 2024-03-04 01:00, for at most 26 h.
        "#]],
    );
    story_of(
        "neptune",
        900,
        quarters([1.0; 4]),
        record(),
        expect![[r#"
        Tue 00:00 leak raised neptune-intermittent: Water flowed in 92 of the last 96 quarter-hours.
        Tue 01:00 leak updated neptune-continuous: Water has not stopped since 2024-03-04 00:00, 25 h. At least 4 L/h flow all the time, 96 L a day.
    "#]],
    );
    story_of(
        "neptune",
        900,
        quarters([1.0, 1.0, 0.0, 1.0]).chain([0.0; 4 * 40]),
        record(),
        expect![[r#"
            Tue 00:00 leak raised neptune-intermittent: Water flowed in 69 of the last 96 quarter-hours.
            Tue 14:00 leak resolved neptune-intermittent: The use is within the rule again; it had run since 2024-03-04 00:00, for at most 38 h.
        "#]],
    );
}
