use expect_test::expect;
use jiff::tz::TimeZone;

use super::*;
use crate::detect::DetectorSettings;
use crate::detect::local_hours::LocalHours;
use crate::detect::tests::{Watched, few_litres, in_bands, rule, with_rules};
use crate::model::{Measure, Outage, Response, Severity, Sign, SignKind};

const SHANGHAI: &str = "Asia/Shanghai";
const MADRID: &str = "Europe/Madrid";

fn no_use(hours: f64) -> DetectorSettings {
    with_rules(vec![rule("no-use", Severity::High, Condition::NoUse { hours })])
}

fn bands(names: &[&str], all: bool) -> DetectorSettings {
    let band = |name: &&str| serde_json::from_value(serde_json::json!(name)).expect("a band");
    let bands = names.iter().map(band).collect();
    with_rules(vec![rule("bands", Severity::High, in_bands(bands, all))])
}

/// A day from local midnight: use in these hours.
fn day(used: &[usize]) -> impl Iterator<Item = f64> {
    (0..24).map(|hour| if used.contains(&hour) { 10.0 } else { 0.0 })
}

#[test]
fn no_use_for_twelve_hours_then_a_day_then_water_again() {
    let settings = with_rules(vec![
        rule("no-use-12h", Severity::High, Condition::NoUse { hours: 12.0 }),
        rule("no-use-24h", Severity::Critical, Condition::NoUse { hours: 24.0 }),
    ]);
    let mut home = Watched::new(settings, SHANGHAI, "2024-03-03T16:00:00Z");
    home.with_words = true;
    for _ in 0..6 {
        home.hours(day(&[7, 12, 19, 21]));
    }
    home.hours(day(&[7]).chain(day(&[9])));
    expect![[r#"
        Sun 20:00 inactivity Raised (High, no-use-12h) since Sun 08:00: no_sign_of_life
            No water since 08:00, 12 h. At this hour 100 % of this home's dry spells have ended (6 of 6). Half of them had ended by 12:00. The longest within a day was 9 h in 7 days.
            自08:00起12小时无用水。此时段该户100%的无用水时段此刻已结束（6次中的6次）。其中半数在12:00前结束。近7天一日内最长为9小时。
        Mon 08:00 inactivity Updated (Critical, no-use-24h) since Sun 08:00: still_no_sign_of_life
            No water since 2024-03-10 08:00, 24 h. Half of this home's dry spells begun at about this hour had ended by 12:00. The longest within a day was 9 h in 7 days.
            自2024-03-10 08:00起24小时无用水。该户此时段开始的无用水时段半数在12:00前结束。近7天一日内最长为9小时。
        Mon 10:00 inactivity Resolved (Critical, no-use-24h) since Sun 08:00: use_returned
            Water is used again, by 10:00; it was dry since 2024-03-10 08:00, for at most 26 h.
            10:00前已恢复用水；此前自2024-03-10 08:00起无用水，至多26小时。
        Mon 22:00 inactivity Raised (High, no-use-12h) since Mon 10:00: no_sign_of_life
            No water since 10:00, 12 h. The longest within a day was 9 h in 8 days. Not counted: 1 of a day and longer, the longest 25 h.
            自10:00起12小时无用水。近8天一日内最长为9小时。另有1次达一天以上（未计入），最长25小时。
    "#]].assert_eq(&home.told);
}

#[test]
fn a_rule_is_met_within_the_interval_in_which_its_hours_end() {
    let mut home = Watched::new(no_use(2.5), SHANGHAI, "2024-03-03T16:00:00Z");
    home.hours([5.0, 0.0, 0.0]);
    assert!(!home.is_open(AlertKind::Inactivity));
    home.hours([0.0]);
    let case = home.cases[0].as_ref().expect("a case");
    assert_eq!(case.detected_at.since(case.since), 9_000);
}

#[test]
fn few_litres_in_a_day() {
    let settings = with_rules(vec![rule("few", Severity::Medium, few_litres(15.0, 24))]);
    let mut home = Watched::new(settings, MADRID, "2024-03-03T23:00:00Z");
    home.with_words = true;
    home.hours(day(&[8, 20]).chain(day(&[8])).chain(day(&[6, 7])));
    expect![[r#"
        Tue 21:00 inactivity Raised (Medium, few) since Mon 21:00: few_litres
            Only 10 L in the last 24 h; the programme expects 15 L.
            近24小时仅用水10升，低于15升。
        Wed 07:00 inactivity Resolved (Medium, few) since Mon 21:00: use_returned
            Enough water is used again: 20 L in the last 24 h; the programme expects 15 L.
            用水已恢复：近24小时用水20升，达到15升。
    "#]]
    .assert_eq(&home.told);
}

#[test]
fn any_dry_band_or_only_all_of_them() {
    let mut any = Watched::new(bands(&["05-09", "18-22"], false), MADRID, "2024-03-03T23:00:00Z");
    any.with_words = true;
    any.hours(day(&[7, 19]).chain(day(&[12, 19])));
    expect![[r#"
        Tue 09:00 inactivity Raised (High, bands) since Mon 20:00: no_sign_of_life
            No water since 20:00, 13 h. The programme expects use in the hours 05-09, 18-22 of the day. The longest within a day was 11 h in 1 days.
            自20:00起13小时无用水。该计划要求每日05-09、18-22时段有用水。近1天一日内最长为11小时。
        Tue 13:00 inactivity Resolved (High, bands) since Mon 20:00: use_returned
            Water is used again, by 13:00; it was dry since 20:00, for at most 17 h.
            13:00前已恢复用水；此前自20:00起无用水，至多17小时。
    "#]].assert_eq(&any.told);

    let mut all = Watched::new(bands(&["05-09", "18-22"], true), MADRID, "2024-03-03T23:00:00Z");
    all.hours(
        day(&[7, 19])
            .chain(day(&[12, 19]))
            .chain(day(&[6, 12]))
            .chain(day(&[12])),
    );
    expect![[r#"
        Thu 09:00 inactivity Raised (High, bands) since Wed 13:00: no_sign_of_life
        Thu 13:00 inactivity Resolved (High, bands) since Wed 13:00: use_returned
        Thu 22:00 inactivity Raised (High, bands) since Thu 13:00: no_sign_of_life
    "#]]
    .assert_eq(&all.told);
}

#[test]
fn bands_keep_to_the_clock_when_it_changes() {
    // Spring: the hour from 2 to 3 does not exist. Autumn: it comes twice. Use is always just before the band.
    for (start, dry_hours) in [("2024-03-29T23:00:00Z", [4, 3, 4]), ("2024-10-25T22:00:00Z", [4, 5, 4])] {
        let mut home = Watched::new(bands(&["01-05"], false), MADRID, start);
        for hours in dry_hours {
            home.hours([9.0]);
            home.hours(vec![0.0; hours]);
            assert!(home.is_open(AlertKind::Inactivity), "{start}: {}", home.told);
            home.hours([9.0; 19]);
            assert!(!home.is_open(AlertKind::Inactivity));
        }
        assert!(
            home.told
                .lines()
                .filter(|line| line.contains("inactivity Raised"))
                .all(|line| line.contains(" 05:00 ")),
            "{}",
            home.told
        );
    }
}

#[test]
fn a_band_past_midnight_and_one_that_does_not_exist_that_day() {
    let mut home = Watched::new(bands(&["23-02"], false), MADRID, "2024-03-30T20:00:00Z");
    home.hours([9.0, 9.0, 0.0, 0.0, 0.0]);
    expect![[r#"
        Sun 03:00 inactivity Raised (High, bands) since Sat 23:00: no_sign_of_life
    "#]]
    .assert_eq(&home.told);
    let mut home = Watched::new(bands(&["02-03"], false), MADRID, "2024-03-30T20:00:00Z");
    home.hours([0.0; 12]);
    assert_eq!(home.told, "", "no hour, no dry hour");
}

#[test]
fn a_gap_neither_raises_nor_clears() {
    let mut home = Watched::new(no_use(6.0), SHANGHAI, "2024-03-03T16:00:00Z");
    home.hours([5.0, 0.0, 0.0, 0.0, 0.0]);
    home.lose(9);
    home.hours([0.0; 5]);
    assert_eq!(home.told, "", "the dry hours count from the end of the gap");
    home.hours([0.0]);
    home.lose(30);
    home.hours([0.0]);
    assert_eq!(
        home.told.lines().filter(|line| line.contains("inactivity")).count(),
        1,
        "{}",
        home.told
    );
    assert!(home.is_open(AlertKind::Inactivity));
    home.hours([5.0]);
    assert!(!home.is_open(AlertKind::Inactivity));
}

#[test]
fn a_register_proves_a_gap_dry_or_used() {
    let run = |last: f64| {
        let mut home = Watched::new(no_use(6.0), SHANGHAI, "2024-03-03T16:00:00Z");
        for litres in [900.0, 905.0, 905.0] {
            home.measure(HOUR, Measure::Register(litres), |_, _, _| {});
        }
        home.lose(9);
        home.measure(HOUR, Measure::Register(last), |_, _, _| {});
        home.is_open(AlertKind::Inactivity)
    };
    assert!(run(905.0));
    assert!(!run(906.0));
}

#[test]
fn an_emergency_is_seen_through_a_leak() {
    let mut home = Watched::new(no_use(12.0), SHANGHAI, "2024-03-03T16:00:00Z");
    home.with_words = true;
    for _ in 0..3 {
        home.hours(day(&[7, 12, 19, 21]).map(|litres| litres + 5.0));
    }
    assert!(!home.is_open(AlertKind::Inactivity));
    home.hours([5.0; 12]);
    let told: String = home
        .told
        .split_inclusive('\n')
        .skip_while(|line| !line.contains("inactivity"))
        .collect();
    expect![[r#"
        Thu 10:00 inactivity Raised (High, no-use) since Wed 22:00: no_sign_of_life
            No water since 22:00, 12 h. The longest within a day was 9 h in 3 days. A leak of about 5 L/h runs; it is not counted as use.
            自22:00起12小时无用水。近3天一日内最长为9小时。存在约5升/小时的漏水，不计为用水。
    "#]].assert_eq(&told);
}

#[test]
fn use_in_an_interval_that_passes_the_end_of_a_band_is_a_sign_of_life() {
    let mut home = Watched::new(bands(&["05-09"], false), SHANGHAI, "2024-03-03T20:30:00Z");
    // 04:30 to 08:30 local time is dry; between 08:30 and 09:30 there is use.
    home.hours([0.0, 0.0, 0.0, 0.0, 20.0]);
    assert!(!home.is_open(AlertKind::Inactivity), "{}", home.told);
}

#[test]
fn a_rule_may_hold_only_until_the_learned_ones_speak() {
    let mut settings = with_rules(vec![
        // So patient that it never speaks within this story.
        rule("learned", Severity::High, Condition::Learned(Learned::with_lambda(1e6))),
        Rule {
            until_learned: true,
            ..rule("no-use-6h", Severity::High, Condition::NoUse { hours: 6.0 })
        },
    ]);
    settings.inactivity.learn_hours = 48;
    let mut home = Watched::new(settings, SHANGHAI, "2024-03-03T16:00:00Z");
    for _ in 0..4 {
        home.hours(day(&[0, 4, 8, 12, 23]));
    }
    let raised: Vec<_> = home.told.lines().filter(|line| line.contains("Raised")).collect();
    assert_eq!(raised.len(), 2, "one on each of the first two days: {}", home.told);
}

#[test]
fn the_learned_rule_knows_this_homes_hours() {
    let learned = |lambda| {
        let settings = with_rules(vec![rule(
            "learned",
            Severity::High,
            Condition::Learned(Learned::with_lambda(lambda)),
        )]);
        let mut home = Watched::new(settings, SHANGHAI, "2024-03-03T16:00:00Z");
        for _ in 0..30 {
            // Water every two hours by day; the night is dry for ten.
            home.hours(day(&[8, 10, 12, 14, 16, 18, 20]));
        }
        let before = home.told.clone();
        let start = home.next;
        home.hours(day(&[8, 10, 12]));
        home.hours(day(&[]));
        let case = home.cases[0].clone().expect("a case");
        let _ = start;
        (before, case.detected_at.since(case.since) / HOUR)
    };
    let (eager, patient) = (learned(20.0), learned(2_000.0));
    assert_eq!(patient.0, "", "no alert in thirty ordinary days");
    assert!((2..24).contains(&eager.1), "{eager:?}");
    assert!(eager.1 <= patient.1 && patient.1 <= 24, "{eager:?} {patient:?}");
}

/// By readings of a quarter of an hour it is known when the use ended: some twenty minutes earlier than hours would show.
#[test]
fn after_another_sign_of_life_a_learned_rule_waits_as_after_a_use() {
    let settings = with_rules(vec![rule(
        "learned",
        Severity::High,
        Condition::Learned(Learned::with_lambda(20.0)),
    )]);
    let mut home = Watched::new(settings, "UTC", "2024-03-04T00:00:00Z");
    for hour in 0..21 * 24 + 13 {
        let used = [8, 10, 12, 14, 16, 18, 20].contains(&(hour % 24));
        (0..4).for_each(|_| home.read(900, if used { 3.0 } else { 0.0 }));
    }
    while !home.is_open(AlertKind::Inactivity) {
        home.read(900, 0.0);
    }
    (0..4 * 30).for_each(|_| home.read(900, 0.0));
    let state = &home.states.inactivity;
    let needed = state.threshold(&home.settings.inactivity, 0).expect("a threshold");
    assert_eq!(needed % HOUR, 4 * TENTH, "22.5 minutes beyond whole hours");
    // Heard of a day ago: the alert goes on by what has passed since.
    let at = home.next.minus(26 * HOUR);
    home.circumstances.sign = Some(Sign {
        kind: SignKind::Phone,
        at,
        until: at,
    });
    let found = Inactivity::finding(&home.settings.inactivity, state, &home.view(home.next)).expect("it goes on");
    assert_eq!((found.since, found.detected_at), (at, at.plus(needed)));
}

#[test]
fn local_hours_follow_the_clock() {
    for zone in [SHANGHAI, MADRID, "Asia/Kolkata", "Australia/Lord_Howe"] {
        let zone = TimeZone::get(zone).expect("a time zone");
        let mut hours = LocalHours::new(&zone);
        for hour in 474_000..474_000 + 24 * 400 {
            let naive = zone.to_datetime(EventTime::from_hour(hour).to_jiff()).hour();
            assert_eq!(hours.at(hour), usize::try_from(naive).expect("an hour"), "{hour}");
        }
    }
}

#[test]
fn exactly_so_many_litres_are_few_only_where_the_rule_says_so() {
    let told = |inclusive| {
        let few = Condition::FewLitres {
            below: 8.0,
            hours: 24,
            inclusive,
        };
        let mut settings = with_rules(vec![rule("few", Severity::High, few)]);
        settings.leak.enabled = false;
        let mut home = Watched::new(settings, SHANGHAI, "2024-03-03T16:00:00Z");
        // Eighty tenths, which add up to more than eight in binary.
        let day: Vec<f64> = [0.4; 20].into_iter().chain([0.0; 4]).collect();
        home.with_words = true;
        home.hours(day.iter().copied());
        home.hours([0.4; 3]);
        home.hours([0.5]);
        home.told
    };
    assert_eq!(told(false), "");
    expect![[r#"
        Tue 00:00 inactivity Raised (High, few) since Mon 00:00: few_litres
            Only 8 L in the last 24 h; the programme expects more than 8 L.
            近24小时仅用水8升，未超过8升。
        Tue 04:00 inactivity Resolved (High, few) since Mon 00:00: use_returned
            Enough water is used again: 8.1 L in the last 24 h; the programme expects more than 8 L.
            用水已恢复：近24小时用水8.1升，超过8升。
    "#]]
    .assert_eq(&told(true));
}

#[test]
fn few_litres_in_a_calendar_day() {
    let settings = || {
        with_rules(vec![rule(
            "day",
            Severity::High,
            Condition::FewLitresADay { below: 15.0 },
        )])
    };
    let mut home = Watched::new(settings(), MADRID, "2024-03-03T23:00:00Z");
    home.with_words = true;
    // 10 L on Monday, on Tuesday from 06:00 on enough; on Wednesday 10 L again, whose last 24 hours hold 20 L at 06:00.
    home.hours(day(&[20]).chain(day(&[6, 7])).chain(day(&[5])));
    expect![[r#"
        Tue 00:00 inactivity Raised (High, day) since Mon 00:00: few_litres
            Only 10 L on 2024-03-04; the programme expects 15 L.
            2024-03-04仅用水10升，低于15升。
        Tue 08:00 inactivity Resolved (High, day) since Mon 00:00: use_returned
            Enough water is used again: 20 L on 2024-03-05; the programme expects 15 L.
            用水已恢复：2024-03-05用水20升，达到15升。
        Thu 00:00 inactivity Raised (High, day) since Wed 00:00: few_litres
            Only 10 L on 2024-03-06; the programme expects 15 L.
            2024-03-06仅用水10升，低于15升。
    "#]]
    .assert_eq(&home.told);
    // Days of 23 and of 25 hours, one hour of each without a reading: nothing is said of that day.
    for (start, hours) in [("2024-03-30T23:00:00Z", 23), ("2024-10-26T22:00:00Z", 25)] {
        let mut home = Watched::new(settings(), MADRID, start);
        home.hours(vec![0.0; hours]);
        assert!(
            home.told
                .starts_with("Mon 00:00 inactivity Raised (High, day) since Sun 00:00"),
            "{}",
            home.told
        );
        let mut home = Watched::new(settings(), MADRID, start);
        home.hours(vec![0.0; 10]);
        home.lose(1);
        home.hours(vec![0.0; hours - 11]);
        assert_eq!(home.told, "");
    }
}

#[test]
fn hours_are_set_for_each_person() {
    let settings = || {
        with_rules(vec![rule(
            "person",
            Severity::High,
            Condition::PerPerson { default_hours: 12.0 },
        )])
    };
    for (set, hours) in [
        (None, 12.0),
        (Some(6.0), 6.0),
        (Some(30.5), 30.5),
        (Some(-3.0), 0.5),
        (Some(1e9), 240.0),
    ] {
        let mut home = Watched::new(settings(), SHANGHAI, "2024-03-03T16:00:00Z");
        home.circumstances.no_use_hours = set;
        home.hours([5.0]);
        home.hours([0.0; 250]);
        let case = home.cases[0].as_ref().expect("a case");
        assert_eq!(
            f64::from(case.detected_at.since(case.since)) / f64::from(HOUR),
            hours,
            "{set:?}"
        );
    }
}

#[test]
fn a_spell_is_measured_by_the_homes_own() {
    let level = |name, severity, percent| {
        rule(
            name,
            severity,
            Condition::OwnSpells {
                percent,
                at_least_hours: 4.0,
            },
        )
    };
    let mut settings = with_rules(vec![
        level("ask", Severity::Medium, 95.0),
        level("visit", Severity::High, 100.0),
    ]);
    settings.inactivity.learn_hours = 24 * 9;
    let mut home = Watched::new(settings, SHANGHAI, "2024-03-03T16:00:00Z");
    home.with_words = true;
    // Nine days: a spell of eight hours once, spells of five and two hours every day; then two days away, which teach nothing.
    let evening = [13, 19, 20, 21, 22, 23, 0, 1, 2, 3, 4, 5, 6, 7];
    home.hours(day(&[&evening[1..], &[16]].concat()));
    for _ in 0..8 {
        home.hours(day(&[&evening[..], &[10]].concat()));
    }
    home.hours([0.0; 48]);
    home.hours([20.0]);
    home.hours([0.0; 10]);
    let told: String = home
        .told
        .split_inclusive('\n')
        .filter(|line| line.contains("inactivity") || line.contains('%'))
        .collect();
    expect![[r#"
        Wed 06:00 inactivity Raised (Medium, ask) since Wed 00:00: no_sign_of_life
            No water since 00:00, 6 h. 95 % of this home's dry spells of the last 60 days were no longer than 5 h. The longest within a day was 8 h in 9 days.
            自00:00起6小时无用水。近60天该户95%的无用水时段不超过5小时。近9天一日内最长为8小时。
        Wed 09:00 inactivity Updated (High, visit) since Wed 00:00: still_no_sign_of_life
            No water since 00:00, 9 h. 100 % of this home's dry spells of the last 60 days were no longer than 8 h. The longest within a day was 8 h in 9 days.
            自00:00起9小时无用水。近60天该户100%的无用水时段不超过8小时。近9天一日内最长为8小时。
        Fri 01:00 inactivity Resolved (High, visit) since Wed 00:00: use_returned
        Fri 07:00 inactivity Raised (Medium, ask) since Fri 01:00: no_sign_of_life
            No water since 01:00, 6 h. 95 % of this home's dry spells of the last 60 days were no longer than 5 h. The longest within a day was 8 h in 11 days. Not counted: 1 of a day and longer, the longest 2 d.
            自01:00起6小时无用水。近60天该户95%的无用水时段不超过5小时。近11天一日内最长为8小时。另有1次达一天以上（未计入），最长2天。
        Fri 10:00 inactivity Updated (High, visit) since Fri 01:00: still_no_sign_of_life
            No water since 01:00, 9 h. 100 % of this home's dry spells of the last 60 days were no longer than 8 h. The longest within a day was 8 h in 11 days. Not counted: 1 of a day and longer, the longest 2 d.
            自01:00起9小时无用水。近60天该户100%的无用水时段不超过8小时。近11天一日内最长为8小时。另有1次达一天以上（未计入），最长2天。
    "#]].assert_eq(&told);
}

#[test]
fn a_band_may_be_told_every_day_and_keep_to_weekdays() {
    let settings = |days, each_day| {
        let when = Condition::Bands {
            bands: vec![Band { from: 6, to: 10 }],
            all: false,
            days,
            each_day,
        };
        with_rules(vec![rule("band", Severity::High, when)])
    };
    let story = |settings| {
        let mut home = Watched::new(settings, SHANGHAI, "2024-03-06T16:00:00Z");
        home.with_words = true;
        // From Thursday on: used in the band, dry to Sunday evening, then again.
        home.hours(
            day(&[7])
                .chain([0.0; 24])
                .chain([0.0; 24])
                .chain(day(&[20]))
                .chain([0.0; 24]),
        );
        home.told
            .lines()
            .filter(|line| !line.contains("silent"))
            .fold(String::new(), |told, line| told + line + "\n")
    };
    expect![[r#"
        Fri 10:00 inactivity Raised (High, band) since Fri 06:00: no_sign_of_life
            No water since 06:00, 4 h. The last use ended at 2024-03-07 08:00. The programme expects use in the hours 06-10 of the day.
            自06:00起4小时无用水。最近一次用水止于2024-03-07 08:00。该计划要求每日06-10时段有用水。
        Sat 10:00 inactivity Resolved (High, band) since Fri 06:00: told_again_with_the_next_band
            No sign of life since; the band that began at 06:00 was dry too and is told on its own.
            此后仍无用水；06:00开始的时段同样无用水，另行告知。
        Sat 10:00 inactivity Raised (High, band) since Sat 06:00: no_sign_of_life
            No water since 06:00, 4 h. The last use ended at 2024-03-07 08:00. The programme expects use in the hours 06-10 of the day.
            自06:00起4小时无用水。最近一次用水止于2024-03-07 08:00。该计划要求每日06-10时段有用水。
        Sun 10:00 inactivity Resolved (High, band) since Sat 06:00: told_again_with_the_next_band
            No sign of life since; the band that began at 06:00 was dry too and is told on its own.
            此后仍无用水；06:00开始的时段同样无用水，另行告知。
        Sun 10:00 inactivity Raised (High, band) since Sun 06:00: no_sign_of_life
            No water since 06:00, 4 h. The last use ended at 2024-03-07 08:00. The programme expects use in the hours 06-10 of the day.
            自06:00起4小时无用水。最近一次用水止于2024-03-07 08:00。该计划要求每日06-10时段有用水。
        Sun 21:00 inactivity Resolved (High, band) since Sun 06:00: use_returned
            Water is used again, by 21:00; it was dry since 06:00, for at most 15 h.
            21:00前已恢复用水；此前自06:00起无用水，至多15小时。
        Mon 10:00 inactivity Raised (High, band) since Mon 06:00: no_sign_of_life
            No water since 06:00, 4 h. The last use ended at 21:00. The programme expects use in the hours 06-10 of the day. Not counted: 1 of a day and longer, the longest 3 d 12 h.
            自06:00起4小时无用水。最近一次用水止于21:00。该计划要求每日06-10时段有用水。另有1次达一天以上（未计入），最长3天12小时。
    "#]].assert_eq(&story(settings(Vec::new(), true)));
    expect![[r#"
        Sat 10:00 inactivity Raised (High, band) since Thu 08:00: no_sign_of_life
            No water since 2024-03-07 08:00, 2 d 2 h. The programme expects use in the hours 06-10 of the day.
            自2024-03-07 08:00起2天2小时无用水。该计划要求每日06-10时段有用水。
        Sun 21:00 inactivity Resolved (High, band) since Thu 08:00: use_returned
            Water is used again, by 21:00; it was dry since 2024-03-07 08:00, for at most 3 d 13 h.
            21:00前已恢复用水；此前自2024-03-07 08:00起无用水，至多3天13小时。
        Mon 10:00 inactivity Raised (High, band) since Sun 21:00: no_sign_of_life
            No water since 21:00, 13 h. The programme expects use in the hours 06-10 of the day. Not counted: 1 of a day and longer, the longest 3 d 12 h.
            自21:00起13小时无用水。该计划要求每日06-10时段有用水。另有1次达一天以上（未计入），最长3天12小时。
    "#]]
    .assert_eq(&story(settings(vec![Weekday::Sat, Weekday::Mon], false)));
}

#[test]
fn severity_rises_with_the_chance_of_harm_and_never_falls_while_it_lasts() {
    let story = |high_from_percent: f64| {
        let mut settings = with_rules(vec![rule("10h", Severity::Low, Condition::NoUse { hours: 10.0 })]);
        settings.inactivity.harm = HarmSettings {
            high_from_percent,
            ..HarmSettings::default()
        };
        let mut home = Watched::new(settings, "UTC", "2024-03-04T00:00:00Z");
        // Dry for 3, 5, 2 and 8 hours a day; then for two days and a half, with a day lost in between.
        for _ in 0..21 {
            home.hours(day(&[7, 8, 12, 18, 19, 22]));
        }
        home.hours([0.0; 30]);
        home.lose(24);
        home.hours([0.0; 6]);
        home.hours([9.0]);
        let lines = home.told.lines().filter(|line| line.contains(" inactivity "));
        lines.map(|line| format!("{line}\n")).collect::<String>()
    };
    // 84 spells in 21 days are 121.75 a home-month, of 21 begun about 23 o'clock none lasted ten hours, and after few uses of this
    // kind people were away: 0.00225 / (0.00225 + absences + 121.75 · 0.5 / 22) is 0.08 %, and more than 0.3 % after a day.
    expect![[r#"
        Mon 09:00 inactivity Raised (Low, 10h) since Sun 23:00: no_sign_of_life
        Mon 23:00 inactivity Updated (Critical, 10h) since Sun 23:00: still_no_sign_of_life
        Wed 13:00 inactivity Resolved (Critical, 10h) since Sun 23:00: use_returned
    "#]]
    .assert_eq(&story(0.1));
    expect![[r#"
        Mon 09:00 inactivity Raised (High, 10h) since Sun 23:00: no_sign_of_life
        Mon 23:00 inactivity Updated (Critical, 10h) since Sun 23:00: still_no_sign_of_life
        Wed 13:00 inactivity Resolved (Critical, 10h) since Sun 23:00: use_returned
    "#]]
    .assert_eq(&story(0.07));
}

/// What is said of an absence is said of the last use that is known: the hour after a gap followed none.
#[test]
fn a_gap_does_not_make_people_go_away() {
    let absence = |lost: bool, heard: bool| {
        let mut home = Watched::new(no_use(10.0), "UTC", "2024-03-04T00:00:00Z");
        for _ in 0..21 {
            home.hours(day(&[7, 8, 12, 18, 19, 22]));
        }
        home.hours([0.0; 6]);
        if lost {
            home.lose(1);
        } else {
            home.hours([0.0]);
        }
        home.hours([0.0; 12]);
        if heard {
            let at = home.next.minus(11 * HOUR);
            home.circumstances.sign = Some(Sign {
                kind: SignKind::Door,
                at,
                until: at,
            });
        }
        let view = home.view(home.next);
        let settings = &home.settings.inactivity;
        let since = view.dry_since().expect("it is dry");
        let chance = chance_of_harm(settings, &view, since, 11).expect("a table");
        let mut words = Explanation {
            reason: "",
            evidence: serde_json::Map::new(),
            text: crate::model::BothLanguages {
                en: String::new(),
                zh: String::new(),
            },
        };
        chance.add_to(&settings.harm, &mut words);
        ["absence_expected_percent", "absence_usual_percent", "likely_away"].map(|name| words.evidence[name].clone())
    };
    let whole = absence(false, false);
    assert_eq!(absence(true, false), whole, "the last use is the same");
    let [expected, usual, is_likely] = absence(false, true);
    assert_eq!(
        (expected, is_likely),
        (usual, false.into()),
        "somebody was heard of since"
    );
}

#[test]
fn an_outage_takes_nothing_from_what_was_met_before_it() {
    let settings = with_rules(vec![
        rule("no-use-12h", Severity::High, Condition::NoUse { hours: 12.0 }),
        rule("no-use-24h", Severity::Critical, Condition::NoUse { hours: 24.0 }),
    ]);
    let story = |hours_ago: u32| {
        let mut home = Watched::new(settings.clone(), SHANGHAI, "2024-03-03T16:00:00Z");
        home.with_words = true;
        home.hours(day(&[7, 12, 19, 21]).chain(day(&[7])));
        let from = EventTime::from_hour(home.next.hour() - hours_ago);
        home.circumstances.outage = Some(Outage { from, to: None });
        home.hours([0.0; 8]);
        let to = Some(home.next);
        home.circumstances.outage = Some(Outage { from, to });
        home.hours([0.0; 24]);
        home.hours([9.0]);
        home.told
    };
    expect![[r#"
        Tue 20:00 inactivity Raised (High, no-use-12h) since Tue 08:00: no_sign_of_life
            No water since 08:00, 12 h. The longest within a day was 9 h in 2 days.
            自08:00起12小时无用水。近2天一日内最长为9小时。
        Thu 08:00 inactivity Updated (Critical, no-use-24h) since Tue 08:00: still_no_sign_of_life
            No water since 2024-03-05 08:00, 2 d. The zone was without water from 2024-03-06 00:00 until 2024-03-06 08:00; the alert is of before. The longest within a day was 9 h in 3 days.
            自2024-03-05 08:00起2天无用水。该片区自2024-03-06 00:00至2024-03-06 08:00停水，告警在停水之前已成立。近3天一日内最长为9小时。
        Thu 09:00 inactivity Resolved (Critical, no-use-24h) since Tue 08:00: use_returned
            Water is used again, by 09:00; it was dry since 2024-03-05 08:00, for at most 2 d 1 h.
            09:00前已恢复用水；此前自2024-03-05 08:00起无用水，至多2天1小时。
    "#]].assert_eq(&story(0));
    expect![[r#"
        Tue 20:00 inactivity Raised (High, no-use-12h) since Tue 08:00: no_sign_of_life
            No water since 08:00, 12 h. The longest within a day was 9 h in 2 days.
            自08:00起12小时无用水。近2天一日内最长为9小时。
        Wed 01:00 inactivity Resolved (High, no-use-12h) since Tue 08:00: supply_interrupted
            The zone was without water; it counts from the return of supply.
            该片区停水，自恢复供水起重新计时。
        Wed 20:00 inactivity Raised (High, no-use-12h) since Wed 08:00: no_sign_of_life
            Supply returned at 08:00. No water has been used since, 12 h. The last use ended at 2024-03-05 08:00. The longest within a day was 9 h in 3 days.
            08:00恢复供水。此后12小时无用水。最近一次用水止于2024-03-05 08:00。近3天一日内最长为9小时。
        Thu 08:00 inactivity Updated (Critical, no-use-24h) since Wed 08:00: still_no_sign_of_life
            Supply returned at 2024-03-06 08:00. No water has been used since, 24 h. The last use ended at 2024-03-05 08:00. The longest within a day was 9 h in 3 days.
            2024-03-06 08:00恢复供水。此后24小时无用水。最近一次用水止于2024-03-05 08:00。近3天一日内最长为9小时。
        Thu 09:00 inactivity Resolved (Critical, no-use-24h) since Wed 08:00: use_returned
            Water is used again, by 09:00; it was dry since 2024-03-06 08:00, for at most 25 h.
            09:00前已恢复用水；此前自2024-03-06 08:00起无用水，至多25小时。
    "#]].assert_eq(&story(5));
}

#[test]
fn who_leaves_every_week_is_said_to_be_away_and_how_often_it_was_so() {
    let mut home = Watched::new(with_rules(Vec::new()), SHANGHAI, "2024-03-03T16:00:00Z");
    home.settings.inactivity = InactivitySettings::default();
    for week in 0..7 {
        // From Friday evening to Sunday at five.
        let is_there = |hour: u32| (4 * 24 + 18..6 * 24 + 17 + week % 2).contains(&hour);
        let used = |hour: u32| is_there(hour) && [7, 8, 9, 12, 15, 16, 17, 18, 20, 22].contains(&(hour % 24));
        home.hours((0..7 * 24).map(|hour| if used(hour) { 9.0 } else { 0.0 }));
    }
    home.with_words = true;
    home.told.clear();
    home.hours((0..5 * 24).map(|_| 0.0));
    expect![[r#"
        Mon 17:00 inactivity Updated (Critical, no-use-24h) since Sun 17:00: still_no_sign_of_life
            No water since 2024-04-21 17:00, 24 h. The longest within a day was 8 h in 50 days. Not counted: 6 of a day and longer, the longest 5 d 1 h. They may be away: after uses like the last one people were gone for a day or longer in 37.5 of 100 cases (0.2 of 100 after any).
            自2024-04-21 17:00起24小时无用水。近50天一日内最长为8小时。另有6次达一天以上（未计入），最长5天1小时。可能外出：类似的最后一次用水之后，100次中约37.5次离家一天以上（一般为0.2次）。
    "#]].assert_eq(&home.told);
}

#[test]
fn an_alert_that_was_held_over_a_use_does_not_say_that_it_was_dry() {
    let mut home = Watched::new(
        with_rules(vec![
            rule("no-use-12h", Severity::Critical, Condition::NoUse { hours: 12.0 }),
            rule("few", Severity::High, few_litres(10.0, 12)),
        ]),
        SHANGHAI,
        "2024-03-03T16:00:00Z",
    );
    home.hours(day(&[7, 12, 19, 21]).chain(day(&[7, 19])));
    home.told.clear();
    home.with_words = true;
    home.hours([0.0; 12]);
    let mut taken_on = home.clone();
    home.hours([2.0, 0.0, 0.0, 30.0]);
    expect![[r#"
        Wed 08:00 inactivity Raised (Critical, no-use-12h) since Tue 20:00: no_sign_of_life
            No water since 20:00, 12 h. The longest within a day was 11 h in 2 days.
            自20:00起12小时无用水。近2天一日内最长为11小时。
        Wed 13:00 inactivity Updated (Critical, few) since Tue 20:00: few_litres
            Only 2 L in the last 12 h; the programme expects 10 L.
            近12小时仅用水2升，低于10升。
        Wed 16:00 inactivity Resolved (Critical, few) since Tue 20:00: use_returned
            Enough water is used again: 32 L in the last 12 h; the programme expects 10 L.
            用水已恢复：近12小时用水32升，达到10升。
    "#]]
    .assert_eq(&home.told);

    // Whoever has taken it on hears no more of it until its end, which has both.
    let cases = taken_on.cases.iter_mut().flatten().filter(|case| case.open);
    cases.for_each(|case| case.response = Some(Response::Acknowledged));
    taken_on.told.clear();
    taken_on.hours([2.0, 0.0, 0.0, 30.0]);
    expect![[r#"
        Wed 16:00 inactivity Resolved (Critical, no-use-12h) since Tue 20:00: use_returned
            Water is used again, by 16:00, and some was by 13:00 already; it was dry since 20:00, for at most 17 h.
            16:00前已恢复用水（13:00前已有少量用水）；此前自20:00起无用水，至多17小时。
    "#]]
    .assert_eq(&taken_on.told);
}

#[test]
fn of_a_window_that_lacks_an_hour_what_is_known_is_told() {
    let mut home = Watched::new(
        with_rules(vec![
            rule("no-use-12h", Severity::High, Condition::NoUse { hours: 12.0 }),
            rule("few", Severity::High, few_litres(10.0, 12)),
        ]),
        "UTC",
        "2024-03-04T00:00:00Z",
    );
    home.hours(day(&[7, 12, 19, 21]));
    home.hours([0.0; 12]);
    home.lose(1);
    home.told.clear();
    home.with_words = true;
    home.hours([60.0]);
    home.hours([4.0; 12]);
    expect![[r#"
        Tue 14:00 inactivity Updated (High, few) since Mon 22:00: few_litres
            There were too few litres; since then readings are missing: 60 L are known in the last 12 h; the programme expects 10 L.
            此前用水过少；其后读数缺失，近12小时已知用水60升（应达到10升）。
        Wed 01:00 inactivity Resolved (High, few) since Mon 22:00: use_returned
            Enough water is used again: 104 L in the last 12 h; the programme expects 10 L.
            用水已恢复：近12小时用水104升，达到10升。
        Wed 02:00 leak Raised (Low, steady-flow) since Tue 13:00: steady_flow
            Water has not stopped since 13:00, 13 h. 12 of these hours show the same small flow. At least 4 L/h flowed in each of the last 13 h, 96 L a day at that rate.
            自13:00起13小时水流未曾停止。其中12小时流量相同。近13小时每小时流量至少4升/小时，以此计每天96升。
    "#]].assert_eq(&home.told);
}

#[test]
fn a_day_of_few_litres_is_named_by_its_date_whenever_it_is_said() {
    let mut home = Watched::new(
        with_rules(vec![
            rule("no-use-12h", Severity::High, Condition::NoUse { hours: 12.0 }),
            rule("a-day", Severity::High, Condition::FewLitresADay { below: 20.0 }),
        ]),
        "UTC",
        "2024-03-04T00:00:00Z",
    );
    home.hours(day(&[7, 12, 19, 21]).chain(day(&[])));
    home.told.clear();
    home.with_words = true;
    home.hours([0.0, 0.0, 1.0, 0.0, 30.0]);
    expect![[r#"
        Wed 03:00 inactivity Updated (High, a-day) since Mon 22:00: few_litres
            Only 0 L on 2024-03-05; the programme expects 20 L.
            2024-03-05仅用水0升，低于20升。
        Wed 05:00 inactivity Resolved (High, a-day) since Mon 22:00: use_returned
            Enough water is used again: 31 L on 2024-03-06; the programme expects 20 L.
            用水已恢复：2024-03-06用水31升，达到20升。
    "#]]
    .assert_eq(&home.told);
}
