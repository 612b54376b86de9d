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
            Tue 07:00 inactivity escalated changning-under-10l-in-12h to visit [paired-volunteer]: Only 0 L in the last 12 h; the programme expects 10 L. Nobody has acknowledged this alert since it was raised or became graver.
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
            Wed 00:00 inactivity escalated jingan-under-10l-a-day to contact [street]: Only 9 L on 2024-03-05; the programme expects 10 L. Nobody has acknowledged this alert since it was raised or became graver.
            Wed 00:00 inactivity escalated jingan-under-10l-a-day to contact [community]: Only 9 L on 2024-03-05; the programme expects 10 L. Nobody has acknowledged this alert since it was raised or became graver.
            Wed 00:00 inactivity escalated jingan-under-10l-a-day to contact [volunteer]: Only 9 L on 2024-03-05; the programme expects 10 L. Nobody has acknowledged this alert since it was raised or became graver.
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
            Tue 07:00 inactivity escalated longgang-under-10l-in-12h to visit [community-worker]: Only 0 L in the last 12 h; the programme expects 10 L. Nobody has acknowledged this alert since it was raised or became graver.
            Tue 07:00 inactivity escalated longgang-under-10l-in-12h to visit [family]: Only 0 L in the last 12 h; the programme expects 10 L. Nobody has acknowledged this alert since it was raised or became graver.
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
            Tue 19:00 inactivity escalated taicang-under-10l-in-24h to visit [water-group]: Only 4 L in the last 24 h; the programme expects 10 L. Nobody has acknowledged this alert since it was raised or became graver.
            Wed 08:00 inactivity resolved taicang-under-10l-in-24h to visit: Enough water is used again: 10 L in the last 24 h; the programme expects 10 L.
            Wed 10:00 inactivity raised taicang-under-10l-in-24h to visit [civil-affairs]: Only 6 L in the last 24 h; the programme expects 10 L.
            Wed 10:00 inactivity escalated taicang-under-10l-in-24h to visit [water-group]: Only 6 L in the last 24 h; the programme expects 10 L. Nobody has acknowledged this alert since it was raised or became graver.
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
            Tue 19:00 inactivity escalated haishu-at-most-8l-in-24h to contact [grid-worker]: Only 8 L in the last 24 h; the programme expects more than 8 L. Nobody has acknowledged this alert since it was raised or became graver.
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
            Wed 10:00 inactivity escalated zhenhai-under-6l-in-24h to contact [social-worker]: Only 5.9 L in the last 24 h; the programme expects 6 L. Nobody has acknowledged this alert since it was raised or became graver.
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
            Mon 07:00 well_today raised well-today [family]: First sign of life today, by 07:00.
            Tue 08:00 inactivity raised kizuki-no-use-8h to contact [family]: No water since 00:00, 8 h. The longest within a day was 5 h in 1 days.
            Tue 08:00 inactivity escalated kizuki-no-use-8h to contact [welfare-commissioner]: No water since 00:00, 8 h. The longest within a day was 5 h in 1 days. Nobody has acknowledged this alert since it was raised or became graver.
            Tue 10:00 inactivity resolved kizuki-no-use-8h to contact: Water is used again, by 10:00; it was dry since 00:00, for at most 10 h.
            Tue 10:00 well_today raised well-today [family]: First sign of life today, by 10:00.
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
            Wed 09:00 inactivity escalated k-water-both-bands to contact [guardian]: No water since 14:00, 19 h. The programme expects use in the hours 05-09, 17-21 of the day. The longest within a day was 12 h in 2 days. Nobody has acknowledged this alert since it was raised or became graver.
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
            Fri 17:00 inactivity raised kepco-level-1 to ask [automatic-call]: No water since 08:00, 9 h. 90 % of this home's dry spells of the last 60 days were no longer than 8 h. At this hour 100 % of this home's dry spells have ended (59 of 59). Half of them had ended by 11:00. The longest within a day was 9 h in 60 days.
            Fri 17:00 inactivity escalated kepco-level-1 to ask [municipality]: No water since 08:00, 9 h. 90 % of this home's dry spells of the last 60 days were no longer than 8 h. At this hour 100 % of this home's dry spells have ended (59 of 59). Half of them had ended by 11:00. The longest within a day was 9 h in 60 days. Nobody has acknowledged this alert since it was raised or became graver.
            Fri 18:00 inactivity escalated kepco-level-2 to visit: No water since 08:00, 10 h. 97.5 % of this home's dry spells of the last 60 days were no longer than 8 h. At this hour 100 % of this home's dry spells have ended (59 of 59). Half of them had ended by 11:00. The longest within a day was 9 h in 60 days. No answer came to the stage before.
            Fri 20:00 inactivity updated kepco-level-3 to visit: No water since 08:00, 12 h. 99.5 % of this home's dry spells of the last 60 days were no longer than 9 h. At this hour 100 % of this home's dry spells have ended (59 of 59). Half of them had ended by 11:00. The longest within a day was 9 h in 60 days.
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
            Tue 19:00 inactivity escalated malaga-hours-of-the-person to contact [emergency-social-unit]: No water since 2024-03-04 19:00, 24 h. The longest within a day was 5 h in 2 days. Nobody has acknowledged this alert since it was raised or became graver.
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
            Tue 09:30 inactivity escalated malaga-hours-of-the-person to contact [emergency-social-unit]: No water since 19:00, 15 h. The longest within a day was 5 h in 1 days. Nobody has acknowledged this alert since it was raised or became graver.
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
            Tue 10:00 leak raised liaocheng-over-1000l-in-24h [grid-worker]: 1220 L were used in 24 h, more than 1000 L.
            Thu 07:00 leak resolved liaocheng-over-1000l-in-24h: The use is within the rule again; it had run since 2024-03-04 10:00, for at most 2 d 21 h.
        "#]],
    );
    let hours = || hours().map(|litres| litres * 2.0);
    story(
        "shanghai-jingan",
        hours(),
        expect![[r#"
            Tue 10:00 leak raised jingan-over-2000l-in-24h [emergency-contact]: 2440 L were used in 24 h, more than 2000 L.
            Tue 10:00 leak escalated jingan-over-2000l-in-24h [street]: 2440 L were used in 24 h, more than 2000 L. Nobody has acknowledged this alert since it was raised or became graver.
            Tue 10:00 leak escalated jingan-over-2000l-in-24h [community]: 2440 L were used in 24 h, more than 2000 L. Nobody has acknowledged this alert since it was raised or became graver.
            Tue 10:00 leak escalated jingan-over-2000l-in-24h [volunteer]: 2440 L were used in 24 h, more than 2000 L. Nobody has acknowledged this alert since it was raised or became graver.
            Thu 07:00 leak resolved jingan-over-2000l-in-24h: The use is within the rule again; it had run since 2024-03-04 10:00, for at most 2 d 21 h.
        "#]],
    );
    story(
        "ningbo-zhenhai",
        hours(),
        expect![[r#"
            Tue 10:00 leak raised zhenhai-over-2000l-in-24h [named-contact]: 2440 L were used in 24 h, more than 2000 L.
            Tue 10:00 leak escalated zhenhai-over-2000l-in-24h [social-worker]: 2440 L were used in 24 h, more than 2000 L. Nobody has acknowledged this alert since it was raised or became graver.
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
            Tue 02:00 leak raised haishu-no-dry-hour-24h [relatives]: Water has not stopped since 2024-03-04 02:00, 24 h. At least 2 L/h flowed in the last day, 48 L a day at that rate.
            Tue 02:00 leak escalated haishu-no-dry-hour-24h [grid-worker]: Water has not stopped since 2024-03-04 02:00, 24 h. At least 2 L/h flowed in the last day, 48 L a day at that rate. Nobody has acknowledged this alert since it was raised or became graver.
            Tue 09:00 leak resolved haishu-no-dry-hour-24h: The flow has stopped; it had run since 2024-03-04 02:00, for at most 30 h.
        "#]],
    );
    story(
        "kamstrup",
        flow(2.0, 30),
        expect![[r#"
            Tue 02:00 leak raised kamstrup-no-dry-hour-24h: Water has not stopped since 2024-03-04 02:00, 24 h. At least 2 L/h flowed in the last day, 48 L a day at that rate.
            Tue 09:00 leak resolved kamstrup-no-dry-hour-24h: The flow has stopped; it had run since 2024-03-04 02:00, for at most 30 h.
        "#]],
    );
    story(
        "badger-eyeonwater",
        flow(3.8, 30),
        expect![[r#"
            Tue 02:00 leak raised eyeonwater-1gal-an-hour-24h: Water has not stopped since 2024-03-04 02:00, 24 h. At least 3.8 L/h flowed in the last day, 91 L a day at that rate.
            Tue 09:00 leak resolved eyeonwater-1gal-an-hour-24h: The flow has stopped; it had run since 2024-03-04 02:00, for at most 30 h.
        "#]],
    );
    story("badger-eyeonwater", flow(3.7, 30), expect![[""]]);
    story(
        "sfpuc",
        flow(28.4, 50),
        expect![[r#"
            Wed 02:00 leak raised sfpuc-28l-an-hour-48h: Water has not stopped since 2024-03-04 02:00, 2 d. At least 28.4 L/h flowed in the last day, 682 L a day at that rate.
            Wed 05:00 leak resolved sfpuc-28l-an-hour-48h: The flow has stopped; it had run since 2024-03-04 02:00, for at most 2 d 2 h.
        "#]],
    );
    story("sfpuc", flow(28.3, 50), expect![[""]]);
    story(
        "seoul",
        flow(2.0, 80),
        expect![[r#"
            Thu 02:00 leak raised seoul-no-dry-hour-72h: Water has not stopped since 2024-03-04 02:00, 3 d. At least 2 L/h flowed in the last day, 48 L a day at that rate.
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
            Tue 01:00 leak raised longgang-every-half-hour-of-a-day [platform]: Water flowed in every hour since 2024-03-04 01:00, 24 h. At least 2 L/h flowed in the last day, 48 L a day at that rate.
            Tue 01:00 leak escalated longgang-every-half-hour-of-a-day [community-worker]: Water flowed in every hour since 2024-03-04 01:00, 24 h. At least 2 L/h flowed in the last day, 48 L a day at that rate. Nobody has acknowledged this alert since it was raised or became graver.
            Tue 01:00 leak escalated longgang-every-half-hour-of-a-day [family]: Water flowed in every hour since 2024-03-04 01:00, 24 h. At least 2 L/h flowed in the last day, 48 L a day at that rate. Nobody has acknowledged this alert since it was raised or became graver.
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
            Tue 01:00 leak updated neptune-continuous: Water flowed in 96 of the last 96 quarter-hours.
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

/// So many minutes with so many litres each, and so many dry ones.
fn minutes(litres: f64, flowing: usize, dry: usize) -> impl Iterator<Item = f64> {
    [vec![litres; flowing], vec![0.0; dry]].concat().into_iter()
}

#[test]
fn a_use_that_lasts() {
    // An hour and 59 minutes are not two hours; two readings of an hour do not show that water ran all the time.
    let hours = minutes(0.5, 119, 121).chain(minutes(0.5, 130, 110));
    story_of(
        "sakaki-kizuki",
        60,
        hours,
        HomeRecord::default(),
        expect![[r#"
            Mon 04:01 well_today raised well-today [family]: First sign of life today, by 04:01.
            Mon 06:00 prolonged_draw raised kizuki-use-2h to contact [family]: One use of water goes on since 04:00, 2 h; 60 L so far.
            Mon 06:11 prolonged_draw resolved kizuki-use-2h to contact: The water has stopped; it had run since 04:00, for at most 2 h 11 min.
        "#]],
    );
    let hours = day(20.0, &[6, 7, 8, 12, 18, 23]);
    story(
        "sakaki-kizuki",
        hours,
        expect![[r#"
        Mon 07:00 well_today raised well-today [family]: First sign of life today, by 07:00.
    "#]],
    );
}

#[test]
fn phyn() {
    // 21 days of learning, in which a use as long as that says nothing; then one at a high flow, and one at a low one.
    // No two days are alike: the same draw at the same minute would be an appliance's.
    let learning = (0..21).flat_map(|day| {
        let (late, lasts) = (day % 5 * 60, 20 + day % 9);
        minutes(0.0, late, 0).chain(minutes(2.0, lasts, 24 * 60 - late - lasts))
    });
    let days = learning
        .chain(minutes(20.0, 4, 600))
        .chain(minutes(1.2, 21, 600))
        .chain(minutes(1.2, 18, 60));
    story_of(
        "phyn",
        60,
        days,
        HomeRecord::default(),
        expect![[r#"
            Mon 00:03 prolonged_draw raised phyn-high-flow to contact [household]: One use of water goes on since 00:00, 3 min; 60 L so far.
            Mon 00:05 prolonged_draw resolved phyn-high-flow to contact: The water has stopped; it had run since 00:00, for at most 5 min.
            Mon 10:24 prolonged_draw raised phyn-low-flow to contact [household]: One use of water goes on since 10:04, 20 min; 24 L so far.
            Mon 10:26 prolonged_draw resolved phyn-low-flow to contact: The water has stopped; it had run since 10:04, for at most 22 min.
        "#]],
    );
}

#[test]
fn kamstrup_burst() {
    let hours = |litres: f64| [0.0; 8].into_iter().chain([litres; 3]).chain([0.0; 8]);
    // 600 L/h for three quarters of an hour are above 20 % of Q3, 400 L/h above 10 %, 200 L/h above 5 %.
    for (preset, litres, expected) in [
        (
            "kamstrup",
            150.0,
            expect![[r#"
            Mon 02:30 burst raised kamstrup-burst: Since 02:00 water flows at 500 L/h or more, 30 min.
            Mon 04:00 burst resolved kamstrup-burst: The great flow since 02:00 is over, after at most 2 h.
        "#]],
        ),
        (
            "kamstrup-10",
            100.0,
            expect![[r#"
            Mon 02:30 burst raised kamstrup-burst-10: Since 02:00 water flows at 250 L/h or more, 30 min.
            Mon 04:00 burst resolved kamstrup-burst-10: The great flow since 02:00 is over, after at most 2 h.
        "#]],
        ),
        (
            "kamstrup-5",
            50.0,
            expect![[r#"
            Mon 02:30 burst raised kamstrup-burst-5: Since 02:00 water flows at 125 L/h or more, 30 min.
            Mon 04:00 burst resolved kamstrup-burst-5: The great flow since 02:00 is over, after at most 2 h.
        "#]],
        ),
    ] {
        story_of(preset, 900, hours(litres), HomeRecord::default(), expected);
    }
    story_of("kamstrup", 900, hours(100.0), HomeRecord::default(), expect![[""]]);
}

#[test]
fn neptune_day_of_zero_use() {
    let days = day(20.0, &[7, 12]).chain([0.0; 24]).chain(day(0.2, &[9]));
    story(
        "neptune",
        days,
        expect![[r#"
        Wed 00:00 inactivity raised neptune-day-of-zero-use to contact: Only 0 L on 2024-03-05; the programme expects 0.1 L.
        Wed 10:00 inactivity resolved neptune-day-of-zero-use to contact: Enough water is used again: 0.2 L on 2024-03-06; the programme expects 0.1 L.
    "#]],
    );
}

#[test]
fn quarter_hours_that_begin_at_seven_past() {
    let start: EventTime = "2024-03-03T16:07:00Z".parse().expect("a time");
    let rules = |litres: f64| {
        let litres: Vec<Option<f64>> = (0..200)
            .map(|place| Some(if place % 4 == 3 { litres } else { 1.0 }))
            .collect();
        let alerts = alerts("neptune", start, 900, &litres, &HomeRecord::default());
        let raised = alerts.iter().map(|alert| alert.rule.to_string());
        raised.collect::<Vec<_>>()
    };
    assert_eq!(rules(0.0), ["neptune-intermittent"]);
    assert!(rules(1.0).contains(&"neptune-continuous".to_owned()));
}

#[test]
fn a_leak_blinds_the_rules_in_use() {
    // Two litres an hour for three days, and the person used nothing else after the first.
    let hours = || {
        let lived = day(20.0, &[7, 12, 18]).map(|litres| litres + 2.0);
        lived.chain([2.0; 60]).map(Some).collect::<Vec<_>>()
    };
    let start: EventTime = "2024-03-03T16:00:00Z".parse().expect("a time");
    let found = |name: &str| {
        let alerts = alerts(name, start, 3_600, &hours(), &HomeRecord::default());
        alerts
            .iter()
            .any(|alert| alert.kind == crate::model::AlertKind::Inactivity)
    };
    for preset in PRESETS {
        assert!(
            !found(preset.name),
            "{}: the programme's own rule sees use",
            preset.name
        );
    }
}

#[test]
fn a_reading_of_a_day_says_how_much_it_was() {
    let days = [120.0, 9.0, 9.5, 120.0, 0.0, 10.0];
    story_of(
        "shanghai-jingan",
        86_400,
        days,
        HomeRecord::default(),
        expect![[r#"
            Wed 00:00 inactivity raised jingan-under-10l-a-day to contact [emergency-contact]: Too few litres on 2024-03-05; the programme expects 10 L.
            Wed 00:00 inactivity escalated jingan-under-10l-a-day to contact [street]: Too few litres on 2024-03-05; the programme expects 10 L. Nobody has acknowledged this alert since it was raised or became graver.
            Wed 00:00 inactivity escalated jingan-under-10l-a-day to contact [community]: Too few litres on 2024-03-05; the programme expects 10 L. Nobody has acknowledged this alert since it was raised or became graver.
            Wed 00:00 inactivity escalated jingan-under-10l-a-day to contact [volunteer]: Too few litres on 2024-03-05; the programme expects 10 L. Nobody has acknowledged this alert since it was raised or became graver.
            Fri 00:00 inactivity resolved jingan-under-10l-a-day to contact: Enough water is used again on 2024-03-07; the programme expects 10 L.
            Sat 00:00 inactivity raised jingan-under-10l-a-day to contact [emergency-contact]: Only 0 L on 2024-03-08; the programme expects 10 L.
            Sat 00:00 inactivity escalated jingan-under-10l-a-day to contact [street]: Only 0 L on 2024-03-08; the programme expects 10 L. Nobody has acknowledged this alert since it was raised or became graver.
            Sat 00:00 inactivity escalated jingan-under-10l-a-day to contact [community]: Only 0 L on 2024-03-08; the programme expects 10 L. Nobody has acknowledged this alert since it was raised or became graver.
            Sat 00:00 inactivity escalated jingan-under-10l-a-day to contact [volunteer]: Only 0 L on 2024-03-08; the programme expects 10 L. Nobody has acknowledged this alert since it was raised or became graver.
            Sun 00:00 inactivity resolved jingan-under-10l-a-day to contact: Enough water is used again on 2024-03-09; the programme expects 10 L.
        "#]],
    );
    story_of(
        "liaocheng",
        86_400,
        days,
        HomeRecord::default(),
        expect![[r#"
        Wed 00:00 inactivity raised liaocheng-under-10l-in-24h to contact [grid-worker]: Too few litres in the last 24 h; the programme expects 10 L.
        Fri 00:00 inactivity resolved liaocheng-under-10l-in-24h to contact: Enough water is used again in the last 24 h; the programme expects 10 L.
        Sat 00:00 inactivity raised liaocheng-under-10l-in-24h to contact [grid-worker]: Only 0 L in the last 24 h; the programme expects 10 L.
        Sun 00:00 inactivity resolved liaocheng-under-10l-in-24h to contact: Enough water is used again in the last 24 h; the programme expects 10 L.
    "#]],
    );
    story_of(
        "shanghai-changning",
        86_400,
        days,
        HomeRecord::default(),
        expect![[r#"
            Wed 00:00 inactivity raised changning-under-10l-in-12h to visit [street-platform]: Too few litres in the last 12 h; the programme expects 10 L.
            Wed 00:00 inactivity escalated changning-under-10l-in-12h to visit [paired-volunteer]: Too few litres in the last 12 h; the programme expects 10 L. Nobody has acknowledged this alert since it was raised or became graver.
        "#]],
    );
}

#[test]
fn half_an_hour_off_the_full_hour() {
    // Hourly readings by the clock of Kolkata, five and a half hours before UTC: a day of 30 L and one of 6.
    let record = || HomeRecord {
        household_id: "h".into(),
        time_zone: Some("Asia/Kolkata".into()),
        ..HomeRecord::default()
    };
    let midnight: EventTime = "2024-03-03T18:30:00Z".parse().expect("a time");
    let litres: Vec<Option<f64>> = day(10.0, &[7, 12, 23])
        .chain(day(3.0, &[0, 5]))
        .chain(day(10.0, &[6, 12]))
        .map(Some)
        .collect();
    let told = |name: &str| {
        let alerts = alerts(name, midnight, 3_600, &litres, &record());
        let raised = alerts.into_iter().filter(|alert| alert.state == AlertState::Raised);
        raised
            .map(|alert| alert.detected_at.since(midnight) / 1_800)
            .collect::<Vec<_>>()
    };
    // At the end of the second day, and of the band from 6 to 10 in it, each in the UTC hour that begins in it.
    assert_eq!(told("shanghai-jingan"), [2 * 48 + 1]);
    assert_eq!(told("tokyo-2007"), [48 + 21]);
}

#[test]
fn neptune_backflow() {
    let mut partition = Partition::new(rules_of("neptune"));
    partition.set_home("h", Some(&HomeRecord::default())).expect("a home");
    let start: EventTime = "2024-03-03T16:00:00Z".parse().expect("a time");
    let mut told = String::new();
    for (hour, litres) in (1_u32..).zip([1_000.0, 1_010.0, 1_003.0, 1_020.0]) {
        let ends = start.plus(hour * 3_600);
        let value = format!(
            r#"{{"household_id":"h","timestamp":"{}","interval_seconds":3600,"register_litres":{litres}}}"#,
            ends.minus(3_600)
        );
        let effects = partition.apply([RawRecord {
            offset: i64::from(hour),
            timestamp: Some(ends),
            key: Some(b"h"),
            value: Some(value.as_bytes()),
        }]);
        for decided in effects.alerts {
            let alert = decided.alert;
            told += &format!(
                "{hour} {} {} {}: {}\n",
                alert.kind.name(),
                alert.state.name(),
                alert.rule,
                alert.text.en
            );
        }
    }
    expect![[r#"
        3 meter_trouble raised reverse-flow: Water ran backwards through the meter (1 times, last at 03:00).
    "#]]
    .assert_eq(&told);
}
