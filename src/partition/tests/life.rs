//! The life of an alert, told as stories of homes: stages, acknowledgements, outcomes, corrections, absences, signs.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::care::*;
use super::*;
use crate::home::Counts;
use crate::model::{Alert, AlertKind, InputTopic, MINUTE, Response, SignKind, Stage};

/// Ask after 6 hours, tell a contact after 9, go there after 12; with a ladder.
fn staged() -> Arc<Rules> {
    let rule = |stage: Stage, severity, hours| Rule {
        name: stage.name().into(),
        severity,
        stage,
        until_learned: false,
        learn_hours: None,
        counts: Counts::AboveLeak,
        when: Condition::NoUse { hours },
    };
    let mut rules = Rules::clone(&with_ladder());
    rules.programmes[0].detectors.inactivity.rules = vec![
        rule(Stage::Ask, Severity::High, 6.0),
        rule(Stage::Contact, Severity::High, 9.0),
        rule(Stage::Visit, Severity::Critical, 12.0),
    ];
    Arc::new(rules)
}

/// Stage, state, reason, hour and revision of each record of inactivity.
fn stages(effects: &Effects) -> Vec<String> {
    let of_inactivity = effects.alerts.iter().map(|decided| &decided.alert);
    of_inactivity
        .filter(|alert| alert.kind == AlertKind::Inactivity)
        .map(|alert| {
            let hours = f64::from(alert.decided_at.since(T0)) / f64::from(HOUR);
            let stage = alert.stage.map_or("-", Stage::name);
            format!(
                "{hours} {stage} {} {} {}",
                alert.state.name(),
                alert.reason,
                alert.revision
            )
        })
        .collect()
}

/// A day that is delivered at once, an hour after it is over.
fn delivered_at_once(home: &str, hours: std::ops::Range<u32>, litres: f64) -> Vec<Input> {
    let received = hours.end + 1;
    let record = |place| {
        let fields = format!(
            r#""meter_id":"{home}","volume_litres":{litres},"received_at":"{}""#,
            at(received)
        );
        Input::Reading(Record {
            timestamp: Some(at(received)),
            ..with(home, place, &fields)
        })
    };
    hours.map(record).collect()
}

fn away(home: &str, hours: f64, from: u32, to: u32) -> Input {
    let fields = format!(r#"{GIVEN},"absence":{{"from":"{}","to":"{}"}}"#, at(from), at(to));
    beside(InputTopic::Homes, home, hours, &fields)
}

fn out_until(home: &str, hours: f64, until: f64) -> Input {
    let fields = format!(r#""sign":"out","at":"{}","until":"{}""#, moment(hours), moment(until));
    beside(InputTopic::Signs, home, hours, &fields)
}

#[test]
fn a_day_delivered_at_once_asks_first_and_waits_for_an_answer() {
    let day = [used("h1"), delivered_at_once("h1", 1..24, 0.0)];
    let expected = [
        "25 ask raised no_sign_of_life 1",
        "25.5 contact escalated no_answer 2",
        "26.5 visit escalated no_answer 3",
    ];
    let (_, effects) = story(staged(), &[day.concat(), vec![Input::Time(at(40))]]);
    let told: Vec<_> = stages(&effects)
        .into_iter()
        .filter(|line| !line.contains("not_acknowledged") && !line.contains("updated"))
        .collect();
    assert_eq!(told.len(), 3, "{told:?}");
    for (told, expected) in told.iter().zip(expected) {
        assert_eq!(
            told.rsplit_once(' ').map(|line| line.0),
            expected.rsplit_once(' ').map(|line| line.0)
        );
    }
    // An answer in time ends it there.
    let answered = vec![sign("h1", 25.25, "answer"), Input::Time(at(40))];
    let (_, effects) = story(rules_with(staged(), |_| {}), &[day.concat(), answered]);
    assert_eq!(
        effects.alerts.last().map(|last| last.alert.stage),
        Some(Some(Stage::Ask))
    );
}

/// The same rules with a change of the first programme's policy.
fn rules_with(rules: Arc<Rules>, change: impl FnOnce(&mut crate::alert::PolicySettings)) -> Arc<Rules> {
    let mut rules = Rules::clone(&rules);
    change(&mut rules.programmes[0].policy);
    Arc::new(rules)
}

#[test]
fn an_outcome_counts_after_the_alert_has_ended_of_itself() {
    let (_, effects) = story(
        rules(),
        &[
            used("h1"),
            readings("h1", 1..8, 0.0),
            readings("h1", 8..9, 2.0),
            vec![response("h1", 9.5, 1, "hospital"), response("h1", 9.6, 1, "fall")],
            readings("h1", 9..40, 0.0),
        ],
    );
    assert_eq!(
        lines(&effects),
        [
            "7 raised no_sign_of_life (-, then -)",
            "9 resolved use_returned (-, then -)",
            "9 resolved outcome_hospital (-, then -)"
        ]
    );
    assert_eq!(effects.alerts[2].alert.response, Some(Response::Hospital));
    assert_eq!(effects.dead_letters.len(), 1);
    assert!(
        effects.dead_letters[0].detail.contains("hospital"),
        "{:?}",
        effects.dead_letters[0].detail
    );
}

#[test]
fn a_sign_heard_late_that_explains_too_little_moves_the_alert() {
    let (_, effects) = story(
        with_ladder(),
        &[
            used("h1"),
            readings("h1", 1..11, 0.0),
            vec![response("h1", 11.0, 1, "acknowledged"), sign("h1", 3.0, "door")],
            readings("h1", 11..12, 0.0),
        ],
    );
    let states: Vec<_> = effects
        .alerts
        .iter()
        .map(|decided| decided.alert.state.name())
        .collect();
    assert_eq!(states, ["raised", "escalated", "acknowledged", "updated"]);
    let last = &effects.alerts[3].alert;
    assert_eq!((last.since, last.response, &last.contact), (at(3), None, &None));
    assert_eq!(
        (&last.evidence["sign_of_life"], &last.evidence["last_use_ended_at"]),
        (&serde_json::json!("door"), &serde_json::json!(at(1)))
    );
    assert!(
        last.text
            .en
            .starts_with("The last sign of life was at 03:00: a door was opened."),
        "{}",
        last.text.en
    );
    assert!(!last.text.en.contains("No water since 03:00"));
    assert_eq!(effects.alerts[0].alert.alert_id, last.alert_id);
}

#[test]
fn time_never_runs_back_in_what_is_said_of_a_home() {
    let (_, effects) = story(
        with_ladder(),
        &[
            used("h1"),
            readings("h1", 1..8, 0.0),
            vec![Input::Time(at(20)), response("h1", 20.0, 1, "acknowledged")],
            readings("h1", 8..9, 3.0),
            vec![beside(InputTopic::Homes, "h1", 21.0, WITHDRAWN)],
        ],
    );
    let decided: Vec<_> = effects.alerts.iter().map(|decided| decided.alert.decided_at).collect();
    assert!(decided.is_sorted(), "{:?}", lines(&effects));
    assert_eq!(decided.last(), Some(&at(20)), "{:?}", lines(&effects));
}

#[test]
fn whoever_took_an_alert_on_and_is_not_heard_of_is_followed_by_the_next() {
    let parts = [
        used("h1"),
        readings("h1", 1..8, 0.0),
        vec![response("h1", 8.0, 1, "acknowledged"), Input::Time(at(19))],
    ];
    let (_, effects) = story(with_ladder(), &parts);
    assert_eq!(
        lines(&effects),
        [
            "7 raised no_sign_of_life (family, then warden 8.5)",
            "8 acknowledged acknowledged (-, then warden 20)"
        ]
    );
    // By time alone, though the meter says nothing more.
    let (_, effects) = story(with_ladder(), &[parts.concat(), vec![Input::Time(at(40))]]);
    assert!(
        lines(&effects).contains(&"20 escalated no_outcome (warden, then -)".to_owned()),
        "{:?}",
        lines(&effects)
    );
    // What becomes graver is told before that; and nothing else is.
    let (_, effects) = story(
        with_ladder(),
        &[
            parts[..2].concat(),
            vec![response("h1", 8.0, 1, "acknowledged")],
            readings("h1", 8..16, 0.0),
        ],
    );
    assert_eq!(
        lines(&effects)[2..],
        ["13 escalated still_no_sign_of_life (warden, then -)"]
    );
}

#[test]
fn whoever_comes_home_early_counts_again() {
    let told = |parts: &[Vec<Input>]| {
        let (_, effects) = story(rules(), &[vec![away("h1", 0.0, 2, 300)], used("h1"), parts.concat()]);
        let of_inactivity = stages(&effects);
        of_inactivity
            .into_iter()
            .map(|line| line.split(' ').step_by(2).take(2).collect::<Vec<_>>().join(" "))
            .collect::<Vec<_>>()
    };
    let dry = readings("h1", 1..72, 0.0);
    // Nobody came.
    assert_eq!(told(&[dry.clone(), readings("h1", 72..96, 0.0)]), [""; 0]);
    // Somebody came in once; water in two hours of a day; the person themself.
    let once = readings("h1", 72..73, 4.0);
    assert_eq!(told(&[dry.clone(), once.clone(), readings("h1", 73..96, 0.0)]), [""; 0]);
    let twice = [once.clone(), readings("h1", 73..75, 0.0), readings("h1", 75..76, 4.0)].concat();
    assert_eq!(told(&[dry.clone(), twice, readings("h1", 76..84, 0.0)]), ["82 raised"]);
    let door = vec![sign("h1", 75.0, "door")];
    assert_eq!(
        told(&[
            dry.clone(),
            once,
            readings("h1", 73..75, 0.0),
            door.clone(),
            readings("h1", 75..84, 0.0)
        ]),
        ["81 raised"]
    );
    assert_eq!(told(&[dry.clone(), door, readings("h1", 72..96, 0.0)]), [""; 0]);
    let button = vec![sign("h1", 72.0, "button")];
    assert_eq!(told(&[dry.clone(), button, readings("h1", 72..80, 0.0)]), ["78 raised"]);
    // Who said so is not away again because the home's record says so once more.
    let back = vec![sign("h1", 72.0, "back"), away("h1", 72.5, 2, 300)];
    assert_eq!(told(&[dry, back, readings("h1", 72..80, 0.0)]), ["78 raised"]);
}

#[test]
fn a_sign_of_life_ends_an_absence_of_unknown_end() {
    for what in ["door", "button", "visit", "electricity"] {
        let (_, effects) = story(
            rules(),
            &[
                used("h1"),
                vec![sign("h1", 1.0, "out"), sign("h1", 6.0, what)],
                readings("h1", 1..14, 0.0),
            ],
        );
        assert_eq!(lines(&effects), ["12 raised no_sign_of_life (-, then -)"], "{what}");
    }
}

#[test]
fn out_and_back_hold_in_whatever_order_they_are_heard() {
    let back_first = vec![sign("h1", 5.0, "back"), out_until("h1", 1.0, 48.0)];
    let (_, effects) = story(rules(), &[used("h1"), back_first, readings("h1", 1..14, 0.0)]);
    assert_eq!(lines(&effects), ["11 raised no_sign_of_life (-, then -)"]);
    assert!(
        effects.alerts[0].alert.text.en.contains("back"),
        "{}",
        effects.alerts[0].alert.text.en
    );
    // Signs run ahead of readings: a later absence does not put an earlier one out.
    let twice = vec![out_until("h1", 1.0, 20.0), sign("h1", 30.0, "out")];
    let (_, effects) = story(rules(), &[used("h1"), twice, readings("h1", 1..50, 0.0)]);
    assert_eq!(
        lines(&effects),
        [
            "26 raised no_sign_of_life (-, then -)",
            "30 resolved declared_away (-, then -)"
        ]
    );
    assert!(
        effects.alerts[0]
            .alert
            .text
            .en
            .starts_with("The people were to be away until")
    );
}

#[test]
fn signs_end_or_suspend_a_spell_as_the_policy_says() {
    let with_signs = |end: &[SignKind], suspend: &[SignKind]| {
        rules_with(rules(), |policy| {
            (policy.signs.end, policy.signs.suspend) = (end.to_vec(), suspend.to_vec());
            policy.signs.suspend_hours = 3;
        })
    };
    let told = |rules, what| {
        let parts = [
            used("h1"),
            readings("h1", 1..8, 0.0),
            vec![what],
            readings("h1", 8..18, 0.0),
        ];
        story(rules, &parts).1
    };
    let door = || sign("h1", 8.0, "door");
    assert_eq!(
        lines(&told(with_signs(&[SignKind::Door], &[]), door()))
            .last()
            .map(|l| &l[..9]),
        Some("14 raised")
    );
    let suspended = told(with_signs(&[], &[SignKind::Door]), door());
    assert_eq!(lines(&suspended).last().map(|l| &l[..9]), Some("17 raised"));
    assert!(
        suspended.alerts[1].alert.text.en.contains("it counts anew from 11:00"),
        "{}",
        suspended.alerts[1].alert.text.en
    );
    assert!(
        suspended.alerts[2]
            .alert
            .text
            .en
            .contains("at 08:00: a door was opened. It counts from 11:00")
    );
    // One that the policy leaves out changes nothing, but for what a person has said.
    assert_eq!(
        lines(&told(with_signs(&[], &[]), door())).last().map(|l| &l[..10]),
        Some("13 updated")
    );
    for said in [sign("h1", 8.0, "back"), response("h1", 8.0, 1, "safe")] {
        assert_eq!(
            lines(&told(with_signs(&[], &[]), said)).last().map(|l| &l[..9]),
            Some("14 raised")
        );
    }
}

#[test]
fn of_inactivity_and_a_missed_return_one_has_people_told() {
    let rules = rules_with(with_ladder(), |policy| policy.ladder[1].after_minutes = 12 * 60);
    let parts = [
        vec![away("h1", 0.0, 2, 20)],
        used("h1"),
        readings("h1", 1..60, 0.0),
        vec![Input::Time(at(90))],
    ];
    let (_, effects) = story(rules, &parts);
    let both: BTreeSet<_> = effects.alerts.iter().map(|decided| decided.alert.kind).collect();
    assert!(
        both.contains(&AlertKind::NoReturn) && both.contains(&AlertKind::Inactivity),
        "{both:?}"
    );
    let raised = effects
        .alerts
        .iter()
        .find(|decided| decided.alert.kind == AlertKind::Inactivity);
    let since = raised.expect("it was raised").alert.decided_at;
    let told = effects
        .alerts
        .iter()
        .filter(|decided| decided.alert.contact.is_some() && decided.alert.decided_at >= since);
    let kinds: Vec<_> = told.map(|decided| decided.alert.kind).collect();
    assert_eq!(kinds, [AlertKind::Inactivity; 2]);
}

/// What is open of one kind in one home.
struct Open {
    stage: Option<Stage>,
    staged_at: EventTime,
    severity: Severity,
    acknowledged_at: Option<EventTime>,
}

/// Holds the records of a partition against what every life of an alert keeps to.
#[derive(Default)]
struct Lives {
    open: BTreeMap<(String, AlertKind), Open>,
    ended: BTreeMap<(String, AlertKind), Alert>,
    seen: BTreeSet<(String, u32)>,
    decided: BTreeMap<String, EventTime>,
}

impl Lives {
    fn hear(&mut self, alert: &Alert) -> Result<(), TestCaseError> {
        if alert.kind.is_message() {
            return Ok(());
        }
        prop_assert!(
            self.seen.insert((alert.alert_id.clone(), alert.revision)),
            "{:?} is said twice",
            alert
        );
        let home = alert.household_id.to_string();
        let last = self.decided.insert(home.clone(), alert.decided_at);
        prop_assert!(
            last.is_none_or(|last| last <= alert.decided_at) && alert.detected_at <= alert.decided_at,
            "{alert:?} after {last:?}"
        );
        let key = (home, alert.kind);
        let before = self.open.remove(&key);
        let ended = self.ended.remove(&key);
        if alert.state == AlertState::Resolved {
            let is_outcome = alert.response.is_some() && ended.as_ref().is_some_and(|ended| ended.response.is_none());
            prop_assert!(before.is_some() || is_outcome, "{alert:?}");
            self.ended.insert(key, alert.clone());
            return Ok(());
        }
        prop_assert_eq!(before.is_some(), alert.state != AlertState::Raised, "{:?}", alert);
        let Some(before) = before else {
            // What ended of itself does not begin again at once, but for an absence that was said and taken back,
            // and a meter that delivers readings of long ago after time has gone on without it.
            prop_assert!(
                ended.is_none_or(|ended| ended.response.is_some()
                    || alert.kind == AlertKind::SilentMeter
                    || ended.decided_at < alert.decided_at
                    || ended.alert_id != alert.alert_id
                    || [
                        "corrected_by_late_readings",
                        "declared_away",
                        "absence_over",
                        "absence_withdrawn"
                    ]
                    .contains(&ended.reason.as_str())),
                "{alert:?}"
            );
            let open = Open {
                stage: alert.stage,
                staged_at: alert.decided_at,
                severity: alert.severity,
                acknowledged_at: None,
            };
            self.open.insert(key, open);
            return Ok(());
        };
        prop_assert!(before.stage <= alert.stage && before.severity <= alert.severity);
        let climbs = before.stage != alert.stage;
        let graver = before.severity < alert.severity;
        if climbs {
            let waits = if before.stage == Some(Stage::Ask) { 30 } else { 60 };
            let next = Stage::ALL.into_iter().find(|stage| Some(*stage) > before.stage);
            prop_assert_eq!(alert.stage, next);
            prop_assert!(
                alert.decided_at.since(before.staged_at) >= waits * MINUTE,
                "{:?}",
                alert
            );
        }
        let limit = before.acknowledged_at.map(|taken| taken.plus(12 * HOUR));
        if limit.is_some_and(|limit| alert.decided_at < limit) && !graver {
            prop_assert!(!climbs && alert.contact.is_none(), "{alert:?}");
        }
        let goes_on = alert.state == AlertState::Updated && !graver;
        let open = Open {
            stage: alert.stage,
            staged_at: if climbs { alert.decided_at } else { before.staged_at },
            severity: alert.severity,
            acknowledged_at: match alert.state {
                AlertState::Acknowledged => Some(alert.decided_at),
                _ if goes_on => before.acknowledged_at,
                _ => None,
            },
        };
        self.open.insert(key, open);
        Ok(())
    }
}

proptest! {
    /// Readings in any order, late ones, signs, absences, responses and time, with stages and where consent is required:
    /// no record is doubled, time never runs back, raised and ended alternate, nothing ends and begins at once, stages
    /// come one by one after the time for an answer, nobody is troubled within the limit of an acknowledgement; with a
    /// silent meter afterwards nobody keeps an alert for himself; and with use nothing stays open.
    #[test]
    fn lives_of_alerts_are_whole_whatever_comes(inputs in prop::collection::vec(any_input(), 0..150)) {
        let mut rules = Rules::clone(&staged());
        rules.consent = ConsentRule::Required;
        let mut partition = Partition::new(Arc::new(rules));
        let mut lives = Lives::default();
        let mut inputs: Vec<_> = inputs.into_iter().filter(|input| !withdraws(input)).collect();
        inputs.splice(0..0, ["h1", "h2"].map(|home| beside(InputTopic::Homes, home, 0.0, GIVEN)));
        inputs.push(Input::Time(at(80)));
        for decided in take(&mut partition, &inputs).alerts {
            lives.hear(&decided.alert)?;
        }
        for (key, open) in &lives.open {
            let is_urgent = matches!(key.1, AlertKind::Inactivity | AlertKind::NoReturn | AlertKind::ProlongedDraw);
            prop_assert!(!is_urgent || open.acknowledged_at.is_none_or(|taken| taken.plus(12 * HOUR) >= at(80)), "{key:?}");
        }
        for home in ["h1", "h2"] {
            let mut ending = vec![beside(InputTopic::Homes, home, 99.0, GIVEN), sign(home, 100.0, "back")];
            // Beyond the allowed lateness, so that holes are given up, too.
            ending.extend((100..180).map(|place| Input::Reading(hour(home, place, f64::from(place % 2 * (4 + place * 5 % 13))))));
            for decided in take(&mut partition, &ending).alerts {
                lives.hear(&decided.alert)?;
            }
        }
        prop_assert!(lives.open.is_empty(), "{:?} stay open", lives.open.keys());
    }
}

fn withdraws(input: &Input) -> bool {
    matches!(input, Input::Beside(InputTopic::Homes, record) if record.value.windows(9).any(|part| part == b"withdrawn"))
}

#[test]
fn a_daily_upload_states_its_own_limit() {
    let mut partition = Partition::new(rules());
    let mut raised = Vec::new();
    for day in 0..10 {
        let readings: Vec<Record> = (0..24)
            .map(|of_day| {
                let is_dry = day == 9 && of_day > 8;
                let litres = if of_day % 4 == 0 && !is_dry { 5.0 } else { 0.0 };
                let start = at(24 * day + of_day);
                let came = at(24 * day + 30);
                let value = format!(
                    r#"{{"household_id":"h","timestamp":"{start}","interval_seconds":3600,"volume_litres":{litres},"received_at":"{came}"}}"#
                );
                Record {
                    key: b"h".to_vec(),
                    value: value.into_bytes(),
                    timestamp: Some(came),
                }
            })
            .collect();
        let effects = apply(&mut partition, &readings);
        let alerts = effects.alerts.into_iter().map(|decided| decided.alert);
        raised.extend(alerts.filter(|alert| alert.kind == AlertKind::Inactivity && alert.state == AlertState::Raised));
    }
    let [alert] = &raised[..] else { panic!("{raised:?}") };
    assert_eq!(
        (alert.detected_at, alert.decided_at),
        (at(9 * 24 + 15), at(10 * 24 + 6))
    );
    assert_eq!(alert.evidence["readings_came_late_hours"], 15.0);
    assert_eq!(alert.evidence["readings_come_every_hours"], 24.0);
    let said = "The readings up to 2024-03-10 15:00 came only at 06:00: it could not be known before. They come up to 24 h apart.";
    assert!(alert.text.en.ends_with(said), "{}", alert.text.en);
}
