use super::*;
use crate::history::{History, MeterName, Row};
use crate::model::{Flags, Measure, Quality};

const DAYS: u32 = 90;

fn hour(day: u32, hour: u32) -> EventTime {
    EventTime::from_hour((10 + day) * 24 + hour)
}

/// Hourly readings of a home over ninety days, by day and hour; `None` where there is no reading.
fn home(history: &mut History, name: &str, litres: impl Fn(u32, u32) -> Option<f64>) {
    let meter = history.meters.len() as u32;
    history.meters.push(MeterName {
        household: name.into(),
        meter: name.into(),
    });
    for (day, at) in (0..DAYS).flat_map(|day| (0..24).map(move |hour| (day, hour))) {
        if let Some(litres) = litres(day, at) {
            history.rows.push(Row {
                meter,
                start: hour(day, at),
                seconds: HOUR,
                measure: Some(Measure::Volume(litres)),
                quality: Quality::Measured,
                received_at: None,
                flags: Flags::NONE,
            });
        }
    }
}

/// Ten litres at 6, 12 and 18 o'clock.
fn ordinary(at: u32) -> f64 {
    if [6, 12, 18].contains(&at) { 10.0 } else { 0.0 }
}

fn incident(kind: &str, start: EventTime, hours: u32) -> Incident {
    Incident {
        household: "h".into(),
        kind: kind.to_owned(),
        start,
        end: start.plus(hours * HOUR),
        litres_per_hour: None,
        detail: None,
    }
}

fn alert(kind: AlertKind, state: AlertState, id: &str, detected_at: EventTime) -> JudgedAlert {
    let (household, alert_id, decided_at) = ("h".into(), id.into(), detected_at.plus(2 * HOUR));
    JudgedAlert {
        household,
        kind,
        state,
        stage: None,
        alert_id,
        is_likely_away: false,
        is_under_slow_leak: false,
        detected_at,
        decided_at,
    }
}

fn raised(at: EventTime) -> JudgedAlert {
    alert(AlertKind::Inactivity, AlertState::Raised, &at.to_string(), at)
}

fn judge(history: &History, truth: &[Incident], alerts: &[JudgedAlert], answers: Answers, seed: u64) -> Score {
    let timelines = Timelines::of_history(history, truth);
    super::judge(&timelines, truth, alerts, answers, seed)
}

/// The score of one home with these readings.
fn judged(litres: impl Fn(u32, u32) -> Option<f64>, truth: &[Incident], alerts: &[JudgedAlert]) -> Score {
    let mut history = History::default();
    home(&mut history, "h", litres);
    judge(&history, truth, alerts, Answers::default(), 1)
}

/// An ordinary home in which nobody uses water for 72 hours after the use at noon of day 40.
fn with_emergency(day: u32, at: u32) -> Option<f64> {
    let is_dry = hour(day, at) >= hour(40, 13) && hour(day, at) < hour(43, 13);
    Some(if is_dry { 0.0 } else { ordinary(at) })
}

#[test]
fn an_emergency_is_detected_by_the_first_word_within_it() {
    let truth = [incident("emergency", hour(40, 13), 72)];
    let score = |alerts: &[JudgedAlert]| judged(with_emergency, &truth, alerts);
    let found = score(&[raised(hour(41, 1)), raised(hour(42, 0))]);
    assert_eq!((found.emergencies, found.first.detected), (1, 1));
    assert_eq!(
        (found.first.delay.mean_hours.value, found.first.delay.median_hours.value),
        (Some(12.0), Some(12.0))
    );
    assert_eq!(found.first.arrival_delay.mean_hours.value, Some(14.0));
    // Words within an emergency are neither false nor of absence, but two in one dry spell are a flap.
    assert_eq!(
        (
            found.first.false_alerts,
            found.first.absence_alerts,
            found.unclear_alerts,
            found.flaps
        ),
        (0, 0, 0, 1)
    );
    // The moment it begins is too early, its last one is not too late.
    assert_eq!(score(&[raised(hour(40, 13))]).first.detected, 0);
    assert_eq!(score(&[raised(hour(43, 13))]).first.delay.mean_hours.value, Some(72.0));
    let missed = score(&[raised(hour(43, 14))]);
    assert_eq!(
        (missed.first.detected, missed.first.delay.mean_hours.value),
        (0, Some(72.0))
    );
    assert_eq!(missed.first.arrival_delay.mean_hours.value, Some(72.0));
    // Other alerts, and the end of one, tell nobody of it.
    let other = alert(AlertKind::SilentMeter, AlertState::Raised, "s", hour(41, 0));
    assert_eq!(
        score(&[
            other,
            alert(AlertKind::Inactivity, AlertState::Resolved, "r", hour(41, 0))
        ])
        .first
        .detected,
        0
    );
}

#[test]
fn an_alert_that_was_open_detects_by_news_only() {
    let truth = [incident("emergency", hour(40, 13), 72)];
    let open = alert(AlertKind::Inactivity, AlertState::Raised, "a", hour(40, 10));
    let news = |id: &str| alert(AlertKind::Inactivity, AlertState::Updated, id, hour(41, 1));
    assert_eq!(
        judged(with_emergency, &truth, std::slice::from_ref(&open))
            .first
            .detected,
        0
    );
    let score = judged(with_emergency, &truth, &[open.clone(), news("a")]);
    assert_eq!(
        (score.first.detected, score.first.delay.mean_hours.value),
        (1, Some(12.0))
    );
    assert_eq!(judged(with_emergency, &truth, &[open, news("b")]).first.detected, 0);
}

#[test]
fn alerts_are_false_of_absence_or_unclear() {
    // Away on days 50 to 52; no readings on days 60 to 62.
    let litres = |day: u32, at: u32| match day {
        50..=52 => Some(0.0),
        60..=62 => None,
        _ => Some(ordinary(at)),
    };
    let score = |at: EventTime| judged(litres, &[], &[raised(at)]);
    let counts = |score: &Score| {
        (
            score.first.false_alerts,
            score.first.absence_alerts,
            score.unclear_alerts,
        )
    };
    // From 19 to 6 o'clock is a dry spell of eleven hours; at noon people use water.
    assert_eq!(counts(&score(hour(45, 4))), (1, 0, 0));
    assert_eq!(counts(&score(hour(45, 6))), (1, 0, 0), "right before the use");
    assert_eq!(counts(&score(hour(45, 13))), (1, 0, 0), "people used water");
    assert_eq!(counts(&score(hour(50, 9))), (0, 1, 0));
    // Of an absence and of a false alert that say people may be away, and one absence more that does not.
    let away = |at: EventTime| JudgedAlert {
        is_likely_away: true,
        ..raised(at)
    };
    let alerts = [away(hour(50, 9)), raised(hour(50, 10)), away(hour(45, 4))];
    let under_leak = JudgedAlert {
        is_under_slow_leak: true,
        ..raised(hour(45, 4))
    };
    let slow = |alert| judged(litres, &[], &[alert]).first;
    assert_eq!(
        slow(under_leak).false_under_slow_leak_per_home_month,
        slow(raised(hour(45, 4))).false_per_home_month
    );
    let share = judged(litres, &[], &alerts).first.likely_away;
    assert_eq!(
        (
            share.absence_alerts.value,
            share.false_alerts.value,
            share.emergencies.value
        ),
        (Some(0.5), Some(1.0), None)
    );
    // From 19 o'clock of day 59 to 6 o'clock of day 63, of which eleven hours were measured.
    let unclear = score(hour(60, 9));
    assert_eq!((counts(&unclear), unclear.alerts_without_readings), ((0, 0, 1), 0));
    // Nothing is judged before day 30.
    assert_eq!(counts(&score(hour(29, 4))), (0, 0, 0));
    assert_eq!(counts(&score(hour(30, 4))), (1, 0, 0));
    let blind = |day: u32, at: u32| {
        if (day, at) >= (59, 19) && day < 63 {
            None
        } else {
            litres(day, at)
        }
    };
    assert_eq!(judged(blind, &[], &[raised(hour(60, 9))]).alerts_without_readings, 1);
}

#[test]
fn two_alerts_in_two_spells_are_no_flap() {
    let litres = |_: u32, at: u32| Some(ordinary(at));
    assert_eq!(
        judged(litres, &[], &[raised(hour(45, 4)), raised(hour(46, 4))]).flaps,
        0
    );
    assert_eq!(
        judged(litres, &[], &[raised(hour(45, 4)), raised(hour(45, 5))]).flaps,
        1
    );
    // A leak whose first hour looked like a use.
    let leak = [incident("leak", hour(45, 4), 1)];
    assert_eq!(
        judged(litres, &leak, &[raised(hour(45, 4)), raised(hour(45, 5))]).flaps,
        0
    );
}

#[test]
fn only_what_is_accepted_and_what_came_first_is_judged() {
    let mut history = History::default();
    home(&mut history, "h", |day, at| {
        Some(if (45..47).contains(&day) { 0.0 } else { ordinary(at) })
    });
    let alerts = [raised(hour(45, 20))];
    let sound = judge(&history, &[], &alerts, Answers::default(), 1);
    let mut absurd = history.rows[45 * 24];
    (absurd.start, absurd.seconds) = (absurd.start.plus(60), u32::MAX);
    // Copies that came later say that there was water.
    let copies: Vec<Row> = history.rows[46 * 24..46 * 24 + 4]
        .iter()
        .map(|row| Row {
            measure: Some(Measure::Volume(9.0)),
            received_at: Some(row.end().plus(10 * HOUR)),
            ..*row
        })
        .collect();
    history.rows.push(absurd);
    history.rows.extend(copies);
    let judged = judge(&history, &[], &alerts, Answers::default(), 1);
    assert_eq!(sound.first.absence_alerts, 1);
    assert_eq!(
        (judged.home_months, judged.first.absence_alerts),
        (sound.home_months, 1)
    );
}

#[test]
fn home_months_are_delivered_hours_outside_emergencies() {
    let months = |score: Score| (score.home_months * 730.5).round() as u32;
    assert_eq!(months(judged(|_, at| Some(ordinary(at)), &[], &[])), 60 * 24);
    assert_eq!(
        months(judged(|day, at| (day != 50).then(|| ordinary(at)), &[], &[])),
        59 * 24
    );
    let truth = [incident("emergency", hour(40, 13), 72)];
    let twice = [
        incident("emergency", hour(40, 13), 72),
        incident("emergency", hour(41, 13), 72),
    ];
    assert_eq!(
        months(judged(|_, at| Some(ordinary(at)), &twice, &[])),
        56 * 24,
        "what two have in common counts once"
    );
    let score = judged(with_emergency, &truth, &[raised(hour(50, 4))]);
    assert_eq!(score.first.false_per_home_month.value, Some(1.0 / score.home_months));
    assert_eq!(months(score), 57 * 24);
}

#[test]
fn a_leak_is_found_within_it_and_hides_nobody() {
    // Five litres an hour from day 40 to 43; an emergency from noon of day 41 on.
    let litres = |day: u32, at: u32| {
        let leaks = if (40..44).contains(&day) { 5.0 } else { 0.0 };
        let is_dry = hour(day, at) >= hour(41, 13) && hour(day, at) < hour(44, 13);
        Some(leaks + if is_dry { 0.0 } else { ordinary(at) })
    };
    let truth = [
        incident("leak", hour(40, 0), 96),
        incident("emergency", hour(41, 13), 72),
    ];
    let leak = |at| alert(AlertKind::Leak, AlertState::Raised, "leak", at);
    let score = judged(
        litres,
        &truth,
        &[leak(hour(41, 0)), leak(hour(42, 0)), raised(hour(42, 1))],
    );
    assert_eq!(
        (score.leaks, score.leaks_found, score.leak_delay.mean_hours.value),
        (1, 1, Some(24.0))
    );
    assert_eq!(
        (
            score.false_leaks,
            score.first.detected,
            score.first.delay.mean_hours.value
        ),
        (0, 1, Some(12.0))
    );
    assert_eq!(judged(litres, &truth, &[leak(hour(50, 0))]).false_leaks, 1);
    assert_eq!(
        judged(litres, &truth, &[leak(hour(20, 0))]).false_leaks,
        0,
        "not judged yet"
    );
    // Dry spells are seen through the leak: the one before the use at 6 o'clock of day 41 ended by itself.
    assert_eq!(judged(litres, &truth, &[raised(hour(41, 5))]).first.false_alerts, 1);
}

#[test]
fn flow_without_a_dry_hour_for_a_day_is_a_leak_of_its_own() {
    let runs = |hours: u32| move |day: u32, at: u32| Some(if day == 50 && at < hours { 2.0 } else { 0.0 });
    let leak = [alert(AlertKind::Leak, AlertState::Raised, "leak", hour(50, 20))];
    assert_eq!(judged(runs(24), &[], &leak).false_leaks, 0);
    assert_eq!(judged(runs(23), &[], &leak).false_leaks, 1);
}

#[test]
fn a_register_tells_use_by_its_steps() {
    let mut history = History::default();
    home(&mut history, "h", |_, at| Some(ordinary(at)));
    let by_volume = judge(
        &history,
        &[],
        &[raised(hour(45, 4)), raised(hour(45, 13))],
        Answers::default(),
        1,
    );
    let mut index = 500.0;
    for row in &mut history.rows {
        if let Some(Measure::Volume(litres)) = row.measure {
            index += litres;
        }
        row.measure = Some(Measure::Register(index));
    }
    assert_eq!(
        judge(
            &history,
            &[],
            &[raised(hour(45, 4)), raised(hour(45, 13))],
            Answers::default(),
            1
        ),
        by_volume
    );
    assert_eq!(by_volume.first.false_alerts, 2);
}

#[test]
fn intervals_come_from_resampling_homes() {
    let (mut history, mut alerts) = (History::default(), Vec::new());
    for number in 0..20 {
        let name = format!("h{number}");
        home(&mut history, &name, |_, at| Some(ordinary(at)));
        // Half of the homes raise two false alerts, the others none.
        for day in 40..if number % 2 == 0 { 42 } else { 40 } {
            alerts.push(JudgedAlert {
                household: name.as_str().into(),
                ..raised(hour(day, 4))
            });
        }
    }
    let score = judge(&history, &[], &alerts, Answers::default(), 1);
    let Figure {
        value: Some(value),
        low: Some(low),
        high: Some(high),
    } = score.first.false_per_home_month
    else {
        panic!("no interval: {:?}", score.first.false_per_home_month);
    };
    let months = 60.0 * 24.0 / 730.5;
    assert!((value - 1.0 / months).abs() < 1e-9);
    // The mean of twenty draws of 0 or 2 has a standard deviation of 0.22; 1.645 of it on either side make 90 %.
    assert!(
        (low * months - 0.63).abs() < 0.11 && (high * months - 1.37).abs() < 0.11,
        "{low} to {high}"
    );
    assert_eq!(judge(&history, &[], &alerts, Answers::default(), 1), score);
    assert_eq!(score.first.delay, Delay::default());
    let json = serde_json::to_value(&score).unwrap();
    assert_eq!((&json["homes"], &json["false_alerts"]), (&20.into(), &20.into()));
    assert!(json["delay"]["mean_hours"]["value"].is_null());
}

/// A record of stage `stage` of the alert `id`.
fn at_stage(id: &str, state: AlertState, stage: Stage, at: EventTime) -> JudgedAlert {
    JudgedAlert {
        stage: Some(stage),
        ..alert(AlertKind::Inactivity, state, id, at)
    }
}

/// An alert that asks at 2 o'clock, comes to a contact at 4 and to a visit at 5.
fn climbs(id: &str, day: u32, last: Stage) -> Vec<JudgedAlert> {
    let hours = [(Stage::Ask, 2), (Stage::Contact, 4), (Stage::Visit, 5)];
    let records = hours.into_iter().filter(|(stage, _)| *stage <= last);
    let record = |(stage, at)| {
        let state = if stage == Stage::Ask {
            AlertState::Raised
        } else {
            AlertState::Escalated
        };
        at_stage(id, state, stage, hour(day, at))
    };
    records.map(record).collect()
}

#[test]
fn each_stage_has_a_delay_and_false_alerts_of_its_own() {
    let truth = [incident("emergency", hour(40, 13), 72)];
    let within = |stage, hours: u32| {
        let state = if stage == Stage::Ask {
            AlertState::Raised
        } else {
            AlertState::Escalated
        };
        at_stage("e", state, stage, hour(40, 13).plus(hours * HOUR))
    };
    let mut alerts = vec![
        within(Stage::Ask, 8),
        within(Stage::Contact, 9),
        within(Stage::Visit, 14),
    ];
    // False nights, of which one comes to the door; one before the thirtieth day does not count.
    alerts.extend(climbs("a", 45, Stage::Visit));
    alerts.extend(climbs("b", 46, Stage::Contact));
    alerts.extend(climbs("c", 47, Stage::Ask));
    alerts.extend(climbs("d", 20, Stage::Visit));
    let score = judged(with_emergency, &truth, &alerts);
    let of = |stage: Stage| &score.stages[&stage];
    for (stage, delay, false_alerts) in [(Stage::Ask, 8.0, 3), (Stage::Contact, 9.0, 2), (Stage::Visit, 14.0, 1)] {
        let found = of(stage);
        assert_eq!(
            (found.detected, found.delay.mean_hours.value),
            (1, Some(delay)),
            "{stage:?}"
        );
        assert_eq!(found.arrival_delay.mean_hours.value, Some(delay + 2.0));
        assert_eq!(found.false_alerts, false_alerts);
        let rate = f64::from(u32::try_from(false_alerts).expect("few")) / score.home_months;
        assert_eq!(found.false_per_home_month.value, Some(rate));
        assert_eq!(found.false_per_home_month_with_answers, None);
    }
    assert_eq!(
        (score.first.false_alerts, score.first.delay),
        (3, of(Stage::Ask).delay),
        "the first word"
    );
    // What was said before a stage is not its delay; a stage that is not reached is a miss.
    let score = judged(with_emergency, &truth, &[within(Stage::Ask, 8)]);
    assert_eq!(score.stages.len(), 1, "a programme without later stages has none");
    let mut alerts = climbs("a", 45, Stage::Visit);
    alerts.push(within(Stage::Ask, 8));
    let missed = judged(with_emergency, &truth, &alerts);
    assert_eq!(missed.stages[&Stage::Visit].delay.mean_hours.value, Some(72.0));
}

#[test]
fn assumed_answers_leave_less_to_the_later_stages() {
    let mut history = History::default();
    home(&mut history, "h", |_, at| Some(ordinary(at)));
    // Twice as far as a visit; and once to a visit without an ask before.
    let mut alerts = [climbs("a", 45, Stage::Visit), climbs("b", 46, Stage::Visit)].concat();
    alerts.push(at_stage("c", AlertState::Raised, Stage::Contact, hour(47, 2)));
    alerts.push(at_stage("c", AlertState::Escalated, Stage::Visit, hour(47, 4)));
    let answers = Answers {
        ask: Some(0.75),
        contact: Some(0.5),
    };
    let score = judge(&history, &[], &alerts, answers, 1);
    let left = |stage: Stage| {
        let of = &score.stages[&stage];
        let rate = of.false_per_home_month_with_answers.and_then(|figure| figure.value);
        (
            of.false_alerts,
            rate.map(|rate| (rate * score.home_months * 1e6).round() / 1e6),
        )
    };
    // All that reach `ask` or a later stage reach it; two are left a quarter by the ask, and the contacts clear a half.
    assert_eq!(left(Stage::Ask), (3, Some(3.0)));
    assert_eq!(left(Stage::Contact), (3, Some(2.0 * 0.25 + 1.0)));
    assert_eq!(left(Stage::Visit), (3, Some(2.0 * 0.25 * 0.5 + 0.5)));
}

#[test]
fn an_alert_that_was_over_tells_nobody_by_news() {
    let truth = [incident("emergency", hour(40, 13), 72)];
    let of = |state, at| JudgedAlert {
        decided_at: at,
        ..alert(AlertKind::Inactivity, state, "a", at)
    };
    let (raised, news) = (
        of(AlertState::Raised, hour(40, 4)),
        of(AlertState::Updated, hour(41, 1)),
    );
    let over = of(AlertState::Resolved, hour(40, 7));
    let detected = |alerts: &[JudgedAlert]| judged(with_emergency, &truth, alerts).first.detected;
    assert_eq!(detected(&[raised.clone(), news.clone()]), 1, "still open");
    assert_eq!(detected(&[raised.clone(), over, news.clone()]), 0);
    // Over only within the emergency, by an outcome: what came before that was news.
    let later = of(AlertState::Resolved, hour(41, 2));
    assert_eq!(detected(&[raised.clone(), news, later]), 1);
    let escalated = of(AlertState::Escalated, hour(41, 3));
    assert_eq!(detected(&[raised, escalated]), 1);
}

#[test]
fn whoever_lies_longer_than_three_days_is_missed_after_them() {
    let truth = [incident("emergency", hour(40, 13), 120)];
    let litres = |day: u32, at: u32| Some(if (41..46).contains(&day) { 0.0 } else { ordinary(at) });
    assert_eq!(judged(litres, &truth, &[raised(hour(43, 13))]).first.detected, 1);
    let late = judged(litres, &truth, &[raised(hour(43, 14))]);
    assert_eq!(
        (late.first.detected, late.first.delay.mean_hours.value),
        (0, Some(72.0))
    );
    assert_eq!(late.first.recall.value, Some(0.0));
}

#[test]
fn a_burst_that_is_said_finds_a_leak_and_may_be_false() {
    let litres = |day: u32, at: u32| Some(ordinary(at) + if day == 40 { 300.0 } else { 0.0 });
    let burst = |at| alert(AlertKind::Burst, AlertState::Raised, "b", at);
    let draw = |at| alert(AlertKind::ProlongedDraw, AlertState::Raised, "d", at);
    let found = |kind: &str, alerts: &[JudgedAlert]| {
        let mut history = History::default();
        home(&mut history, "h", litres);
        let truth = [incident(kind, hour(40, 0), 24)];
        let cases = cases(
            &Timelines::of_history(&history, &truth),
            &truth,
            alerts,
            Answers::default(),
        );
        let leak = &cases[0].leaks[0];
        assert_eq!(leak.litres_per_hour, Some(300.0));
        (
            leak.delay,
            judge(&history, &truth, alerts, Answers::default(), 1).leaks_found,
        )
    };
    assert_eq!(found("leak", &[burst(hour(40, 5))]), (Some(5.0), 1));
    assert_eq!(found("leak", &[draw(hour(40, 5))]), (None, 0));
    // Bursts and draws are not counted among the leaks.
    assert_eq!(found("burst", &[burst(hour(40, 1))]), (Some(1.0), 0));
    assert_eq!(found("prolonged_draw", &[draw(hour(40, 2))]), (Some(2.0), 0));
    let truth = [incident("burst", hour(40, 0), 24)];
    let false_leaks = |at| judged(litres, &truth, &[burst(at)]).false_leaks;
    assert_eq!((false_leaks(hour(40, 9)), false_leaks(hour(50, 9))), (0, 1));
}

#[test]
fn alerts_are_decided_neither_before_what_they_say_nor_long_after() {
    let decided = |seconds: i64, received: Option<u32>| {
        let mut history = History::default();
        home(&mut history, "h", |_, at| Some(ordinary(at)));
        history.rows[0].received_at = received.map(|late| history.rows[0].end().plus(late));
        let at = hour(45, 4);
        let decided_at = EventTime::from_unix(i64::from(at.seconds()) + seconds).expect("in range");
        let alert = JudgedAlert {
            decided_at,
            ..raised(at)
        };
        judge(&history, &[], &[alert], Answers::default(), 1).back_dated
    };
    assert_eq!((decided(0, None), decided(3_600, None)), (0, 0));
    assert_eq!((decided(-1, None), decided(3_601, None)), (1, 1));
    assert_eq!(
        (decided(3_601, Some(0)), decided(3_601, Some(1))),
        (1, 0),
        "readings came late"
    );
    assert_eq!(decided(-1, Some(1)), 1);
}

#[test]
fn a_gap_causes_what_all_readings_would_not_have_said() {
    let (mut lossy, mut complete) = (History::default(), History::default());
    let is_lost = |day: u32, at: u32| day == 50 && (10..16).contains(&at);
    home(&mut lossy, "h", |day, at| (!is_lost(day, at)).then(|| ordinary(at)));
    home(&mut complete, "h", |_, at| Some(ordinary(at)));
    let [lossy, complete] = [lossy, complete].map(|history| Timelines::of_history(&history, &[]));
    let caused = |at, of_complete: &[JudgedAlert]| gap_caused(&lossy, &[raised(at)], &complete, of_complete, &[]).len();
    // From 7 to 18 o'clock nothing is seen, because noon was lost.
    assert_eq!(caused(hour(50, 17), &[]), 1);
    assert_eq!(caused(hour(50, 9), &[]), 0, "before the loss");
    assert_eq!(caused(hour(51, 4), &[]), 0, "another spell");
    assert_eq!(
        caused(hour(50, 17), &[raised(hour(50, 11))]),
        0,
        "said with all readings too"
    );
    let resolved = |at| JudgedAlert {
        state: AlertState::Resolved,
        decided_at: at,
        ..raised(hour(49, 11))
    };
    let before = |until| [raised(hour(49, 11)), resolved(until)];
    assert_eq!(
        caused(hour(50, 17), &before(hour(50, 8))),
        1,
        "another, which had ended"
    );
    assert_eq!(caused(hour(50, 17), &before(hour(50, 18))), 0, "one that was open");
    let again = [&before(hour(49, 15))[..], &before(hour(50, 18))].concat();
    assert_eq!(caused(hour(50, 17), &again), 0, "one that was raised again");
    assert_eq!(caused(hour(50, 17), &again[..2]), 1);
}

#[test]
fn the_manner_of_delivery_causes_what_the_same_readings_in_order_do_not_say() {
    let mut history = History::default();
    home(&mut history, "h", |_, at| Some(ordinary(at)));
    let timelines = Timelines::of_history(&history, &[]);
    let caused = |at, in_order: &[JudgedAlert]| delivery_caused(&timelines, &[raised(at)], in_order).len();
    assert_eq!(caused(hour(50, 3), &[]), 1);
    assert_eq!(caused(hour(50, 3), &[raised(hour(50, 5))]), 0, "in the same spell");
    assert_eq!(caused(hour(50, 3), &[raised(hour(51, 3))]), 1, "in another");
}

#[test]
fn incidents_before_and_after_the_readings_are_not_judged() {
    let mut history = History::default();
    home(&mut history, "h", |_, at| Some(ordinary(at)));
    let timelines = Timelines::of_history(&history, &[]);
    let before = incident("emergency", hour(0, 0).minus(72 * HOUR), 72);
    let cut = incident("emergency", hour(DAYS - 1, 23), 72);
    let after = incident("emergency", hour(DAYS, 0), 72);
    let elsewhere = Incident {
        household: "nobody".into(),
        ..cut.clone()
    };
    let (within, outside) = timelines.within_readings(vec![before, cut.clone(), after, elsewhere]);
    assert_eq!((within, outside), (vec![cut], 3));
}
