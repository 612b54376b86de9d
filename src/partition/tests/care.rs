//! The life of alerts with everything that comes from beside the readings: other signs, absences, responses, consent.

use proptest::prelude::*;

use super::*;
use crate::alert::{LadderStep, PolicySettings, alert_id};
use crate::model::{Response, Stage};

/// An input of a partition.
#[derive(Clone, Debug)]
pub enum Input {
    Reading(Record),
    Beside(InputTopic, Record),
    Time(EventTime),
}

/// Takes inputs one by one, with offsets of their own for each topic.
pub fn take(partition: &mut Partition, inputs: &[Input]) -> Effects {
    let mut all = Effects::default();
    for (place, input) in inputs.iter().enumerate() {
        let effects = match input {
            Input::Reading(record) => apply(partition, std::slice::from_ref(record)),
            Input::Beside(topic, record) => partition.take_beside(
                *topic,
                &RawRecord {
                    offset: place as i64,
                    timestamp: record.timestamp,
                    key: Some(&record.key),
                    value: (!record.value.is_empty()).then_some(&record.value),
                },
            ),
            Input::Time(now) => partition.advance(*now),
        };
        all.alerts.extend(effects.alerts);
        all.dead_letters.extend(effects.dead_letters);
        all.withdrawals.extend(effects.withdrawals);
        all.visit_lists.extend(effects.visit_lists);
        all.counts.add(&effects.counts);
    }
    all
}

pub fn beside(topic: InputTopic, home: &str, hours: f64, fields: &str) -> Input {
    let comma = if fields.is_empty() { "" } else { "," };
    let record = Record {
        key: home.as_bytes().to_vec(),
        value: format!(r#"{{"household_id":"{home}"{comma}{fields}}}"#).into_bytes(),
        timestamp: Some(moment(hours)),
    };
    Input::Beside(topic, record)
}

pub fn moment(hours: f64) -> EventTime {
    T0.plus((hours * f64::from(HOUR)) as u32)
}

pub fn readings(home: &str, hours: std::ops::Range<u32>, litres: f64) -> Vec<Input> {
    hours.map(|place| Input::Reading(hour(home, place, litres))).collect()
}

pub fn sign(home: &str, hours: f64, sign: &str) -> Input {
    let fields = format!(r#""sign":"{sign}","at":"{}""#, moment(hours));
    beside(InputTopic::Signs, home, hours, &fields)
}

pub fn response(home: &str, hours: f64, since: u32, said: &str) -> Input {
    let id = alert_id(home, AlertKind::Inactivity, at(since));
    let fields = format!(r#""alert_id":"{id}","response":"{said}","at":"{}""#, moment(hours));
    beside(InputTopic::Responses, home, hours, &fields)
}

/// The rules of the other tests, with a ladder.
pub fn with_ladder() -> Arc<Rules> {
    let step = |contact: &str, after_minutes| LadderStep {
        contact: contact.into(),
        after_minutes,
        duty: None,
        duty_days: Vec::new(),
    };
    let mut rules = Rules::clone(&rules());
    rules.programmes[0].policy = PolicySettings {
        ladder: vec![step("family", 0), step("warden", 90)],
        ..PolicySettings::default()
    };
    Arc::new(rules)
}

pub fn story(rules: Arc<Rules>, parts: &[Vec<Input>]) -> (Partition, Effects) {
    let mut partition = Partition::new(rules);
    let effects = take(&mut partition, &parts.concat());
    (partition, effects)
}

pub fn used(home: &str) -> Vec<Input> {
    readings(home, 0..1, 10.0)
}

/// Reason, state, contact and next contact of each record.
pub fn lines(effects: &Effects) -> Vec<String> {
    let line = |decided: &Decided| {
        let alert = &decided.alert;
        let hours = f64::from(alert.decided_at.since(T0)) / f64::from(HOUR);
        let contact = alert.contact.as_deref().unwrap_or("-");
        let next = alert.next.as_ref().map_or("-".to_owned(), |next| {
            format!("{} {}", next.contact, f64::from(next.at.since(T0)) / f64::from(HOUR))
        });
        format!(
            "{hours} {} {} ({contact}, then {next})",
            alert.state.name(),
            alert.reason
        )
    };
    effects.alerts.iter().map(line).collect()
}

#[test]
fn nobody_answers_and_the_ladder_goes_on_by_time_alone() {
    let (_, effects) = story(
        with_ladder(),
        &[used("h1"), readings("h1", 1..8, 0.0), vec![Input::Time(at(20))]],
    );
    assert_eq!(
        lines(&effects),
        [
            "7 raised no_sign_of_life (family, then warden 8.5)",
            "8.5 escalated not_acknowledged (warden, then -)"
        ]
    );
}

#[test]
fn an_acknowledgement_stops_the_ladder_and_use_ends_the_alert() {
    let (_, effects) = story(
        with_ladder(),
        &[
            used("h1"),
            readings("h1", 1..8, 0.0),
            vec![
                response("h1", 8.1, 1, "acknowledged"),
                response("h1", 8.2, 1, "acknowledged"),
            ],
            readings("h1", 8..10, 0.0),
            readings("h1", 10..11, 5.0),
        ],
    );
    assert_eq!(
        lines(&effects),
        [
            "7 raised no_sign_of_life (family, then warden 8.5)",
            "8 acknowledged acknowledged (-, then warden 20)",
            "11 resolved use_returned (-, then -)"
        ]
    );
    let reasons: Vec<_> = effects
        .dead_letters
        .iter()
        .map(|letter| (letter.topic, letter.reason))
        .collect();
    assert_eq!(reasons, [(InputTopic::Responses, "contradiction")]);
}

#[test]
fn an_outcome_ends_the_alert_and_the_spell_counts_anew_from_it() {
    let parts = |outcome| {
        [
            used("h1"),
            readings("h1", 1..8, 0.0),
            vec![response("h1", 8.0, 1, outcome)],
            readings("h1", 8..16, 0.0),
        ]
    };
    let (_, effects) = story(rules(), &parts("safe"));
    let told = lines(&effects);
    assert_eq!(told[1], "8 resolved outcome_safe (-, then -)");
    assert_eq!(told[2], "14 raised no_sign_of_life (-, then -)");
    let (_, effects) = story(rules(), &parts("hospital"));
    assert_eq!(lines(&effects).len(), 2, "{:?}", lines(&effects));
    let (_, effects) = story(rules(), &parts("nobody_found"));
    assert_eq!(lines(&effects).len(), 3, "{:?}", lines(&effects));
}

#[test]
fn a_sign_of_life_resolves_with_its_name_and_begins_the_spell_anew() {
    let (_, effects) = story(
        rules(),
        &[
            used("h1"),
            readings("h1", 1..8, 0.0),
            vec![sign("h1", 7.5, "door")],
            readings("h1", 8..15, 0.0),
        ],
    );
    assert_eq!(
        lines(&effects),
        [
            "7 raised no_sign_of_life (-, then -)",
            "8 resolved other_sign_of_life (-, then -)",
            "14 raised no_sign_of_life (-, then -)"
        ]
    );
    assert_eq!(effects.alerts[1].alert.evidence["sign_of_life"], "door");
    // Without any sign nothing is different: its absence is no evidence.
    let (_, effects) = story(rules(), &[used("h1"), readings("h1", 1..8, 0.0)]);
    assert_eq!(lines(&effects), ["7 raised no_sign_of_life (-, then -)"]);
}

#[test]
fn who_is_out_is_not_missed_and_counts_from_the_return() {
    let (_, effects) = story(
        rules(),
        &[
            used("h1"),
            vec![sign("h1", 1.0, "out")],
            readings("h1", 1..20, 0.0),
            vec![sign("h1", 20.0, "back")],
            readings("h1", 20..27, 0.0),
        ],
    );
    assert_eq!(lines(&effects), ["26 raised no_sign_of_life (-, then -)"]);
    // Whoever forgets to say so is back when water is used.
    let (_, effects) = story(
        rules(),
        &[
            used("h1"),
            vec![sign("h1", 1.0, "out")],
            readings("h1", 1..20, 0.0),
            readings("h1", 20..21, 3.0),
            readings("h1", 21..28, 0.0),
        ],
    );
    assert!(
        lines(&effects).contains(&"27 raised no_sign_of_life (-, then -)".to_owned()),
        "{:?}",
        lines(&effects)
    );
}

#[test]
fn what_cannot_be_is_a_dead_letter_with_its_reason() {
    let unknown = beside(
        InputTopic::Responses,
        "h1",
        8.0,
        &format!(r#""alert_id":"none","response":"safe","at":"{}""#, moment(8.0)),
    );
    let inputs = vec![
        unknown,
        response("h1", 8.0, 1, "dancing"),
        sign("h1", 8.0, "yodel"),
        beside(
            InputTopic::Signs,
            "h1",
            1.0,
            &format!(r#""sign":"door","at":"{}""#, moment(9.0)),
        ),
        beside(InputTopic::Homes, "h1", 1.0, r#""time_zone":"Mars/Olympus""#),
        beside(InputTopic::Homes, "h1", 1.0, r#""no_use_hours":0.1"#),
        Input::Beside(
            InputTopic::Signs,
            Record {
                key: b"h2".to_vec(),
                value: br#"{"household_id":"h1","sign":"door","at":"2024-03-01T00:00:00Z"}"#.to_vec(),
                timestamp: None,
            },
        ),
    ];
    let (_, effects) = story(rules(), &[used("h1"), readings("h1", 1..8, 0.0), inputs]);
    let reasons: Vec<_> = effects.dead_letters.iter().map(|letter| letter.reason).collect();
    assert_eq!(
        reasons,
        [
            "unknown_alert",
            "bad_value",
            "bad_value",
            "in_the_future",
            "bad_home",
            "bad_home",
            "wrong_key"
        ]
    );
}

pub fn consenting() -> Arc<Rules> {
    let mut rules = Rules::clone(&rules());
    rules.consent = ConsentRule::Required;
    rules.consent_purposes = vec!["welfare".to_owned()];
    Arc::new(rules)
}

pub const GIVEN: &str = r#""consent":{"purpose":"welfare","given_at":"2024-02-01T00:00:00Z"}"#;
pub const WITHDRAWN: &str =
    r#""consent":{"purpose":"welfare","given_at":"2024-02-01T00:00:00Z","withdrawn_at":"2024-03-01T08:00:00Z"}"#;

/// Whether anything of a home is left in what a partition keeps and stores.
fn is_left(partition: &mut Partition, home: &str) -> bool {
    let slots: Vec<u32> = partition.arena().occupied().collect();
    let contains = |bytes: &[u8]| bytes.windows(home.len()).any(|part| part == home.as_bytes());
    let named = slots.iter().any(|slot| partition.arena().id(*slot) == home);
    named || slots.iter().any(|slot| contains(&partition.snapshot(*slot)))
}

#[test]
fn without_consent_nothing_is_judged_or_kept() {
    let broken = Input::Reading(Record {
        key: b"h1".to_vec(),
        value: b"no reading".to_vec(),
        timestamp: None,
    });
    let dry = readings("h1", 1..9, 0.0);
    let (mut partition, effects) = story(consenting(), &[used("h1"), vec![broken], dry.clone()]);
    assert_eq!((effects.alerts.len(), effects.dead_letters.len()), (0, 0));
    assert_eq!((effects.counts.not_watched, partition.arena().len()), (10, 0));
    assert!(!is_left(&mut partition, "h1"));
    let (_, effects) = story(
        consenting(),
        &[vec![beside(InputTopic::Homes, "h1", 0.0, GIVEN)], used("h1"), dry],
    );
    assert_eq!(lines(&effects), ["7 raised no_sign_of_life (-, then -)"]);
    // A record that forgets it takes nothing away.
    let (partition, effects) = story(
        consenting(),
        &[
            vec![
                beside(InputTopic::Homes, "h1", 0.0, GIVEN),
                beside(InputTopic::Homes, "h1", 0.0, ""),
            ],
            used("h1"),
        ],
    );
    assert_eq!(
        (effects.dead_letters[0].reason, partition.arena().len()),
        ("bad_home", 1)
    );
    let strange = beside(InputTopic::Homes, "h1", 0.0, &GIVEN.replace("welfare", "advertising"));
    let (_, effects) = story(consenting(), &[vec![strange]]);
    assert_eq!(effects.dead_letters[0].reason, "bad_home");
}

#[test]
fn a_withdrawal_ends_what_is_open_and_leaves_nothing() {
    for rules in [consenting(), rules()] {
        let (mut partition, effects) = story(
            Arc::clone(&rules),
            &[
                vec![
                    beside(InputTopic::Homes, "h1", 0.0, GIVEN),
                    beside(InputTopic::Homes, "h2", 0.0, GIVEN),
                ],
                used("h1"),
                readings("h1", 1..8, 0.0),
                vec![beside(InputTopic::Homes, "h1", 8.0, WITHDRAWN)],
                readings("h1", 8..30, 0.0),
                vec![
                    sign("h1", 20.0, "door"),
                    beside(InputTopic::Homes, "h1", 21.0, WITHDRAWN),
                ],
            ],
        );
        assert_eq!(
            lines(&effects),
            [
                "7 raised no_sign_of_life (-, then -)",
                "8 resolved consent_withdrawn (-, then -)"
            ]
        );
        let gone: Vec<_> = effects
            .withdrawals
            .iter()
            .map(|withdrawal| &*withdrawal.household)
            .collect();
        assert_eq!(gone, ["h1"]);
        let stored = partition.checkpoints(Stamp::default(), 1 << 20);
        if rules.consent == ConsentRule::Required {
            assert!(!is_left(&mut partition, "h1"));
            let tombstones: Vec<_> = stored.iter().filter(|stored| stored.bytes.is_none()).collect();
            assert_eq!(tombstones.len(), 1, "{stored:?}");
        } else {
            // That it was withdrawn is all that is kept.
            let slot = partition.arena().find("h1").expect("its name");
            assert_eq!(*partition.arena().usage(slot), Default::default());
        }
        // Another home of a name as long takes the place; the old one comes back with nothing.
        take(&mut partition, &[beside(InputTopic::Homes, "h3", 31.0, GIVEN)]);
        take(&mut partition, &[beside(InputTopic::Homes, "h1", 32.0, GIVEN)]);
        let slot = partition.arena().find("h1").expect("it is watched again");
        assert_eq!(*partition.arena().usage(slot), Default::default());
        assert_eq!(partition.arena().len(), 3);
        let names: Vec<_> = partition
            .arena()
            .occupied()
            .map(|slot| partition.arena().id(slot))
            .collect();
        assert!(["h1", "h2", "h3"].iter().all(|home| names.contains(home)), "{names:?}");
    }
}

#[test]
fn the_list_of_visits_is_made_once_a_day_with_the_gravest_first() {
    let mut inputs = [used("h1"), used("h2"), used("h3")].concat();
    for place in 1..32 {
        inputs.push(Input::Reading(hour("h1", place, 0.0)));
        inputs.push(Input::Reading(hour("h2", place, if place == 24 { 3.0 } else { 0.0 })));
        inputs.push(Input::Reading(hour("h3", place, f64::from(place % 2 * place))));
    }
    let mut partition = Partition::new(rules());
    let effects = take(&mut partition, &inputs);
    let list: Vec<_> = effects
        .visit_lists
        .iter()
        .map(|list| (&*list.day, list.made_at))
        .collect();
    assert_eq!(list, [("2024-03-01", at(7)), ("2024-03-02", at(31))]);
    let homes: Vec<_> = effects.visit_lists[1]
        .homes
        .iter()
        .map(|visit| visit.household_id.as_str())
        .collect();
    assert_eq!(homes, ["h1", "h2"]);
    assert_eq!(effects.visit_lists[1].homes[0].severity, Some(Severity::Critical));
    assert_eq!(effects.visit_lists[1].homes[0].open[0].since, at(1));
}

pub fn any_input() -> impl Strategy<Value = Input> {
    let home = prop_oneof![Just("h1"), Just("h2")];
    let words = prop::sample::select(vec!["door", "phone", "out", "back", "answer", "visit"]);
    let said = prop::sample::select(Response::ALL.map(Response::name).to_vec());
    let place = 0u32..60;
    prop_oneof![
        6 => (home.clone(), place.clone(), prop::sample::select(vec![0.0, 0.0, 0.0, 4.0]))
            .prop_map(|(home, place, litres)| Input::Reading(hour(home, place, litres))),
        2 => (home.clone(), place.clone(), words).prop_map(|(home, place, word)| sign(home, f64::from(place), word)),
        2 => (home.clone(), place.clone(), place.clone(), said)
            .prop_map(|(home, place, since, said)| response(home, f64::from(place), since, said)),
        1 => (home.clone(), place.clone(), prop::sample::select(vec![GIVEN, WITHDRAWN, "",
            r#""absence":{"from":"2024-03-01T10:00:00Z","to":"2024-03-02T03:00:00Z"}"#]))
            .prop_map(|(home, place, fields)| beside(InputTopic::Homes, home, f64::from(place), fields)),
        1 => place.prop_map(|place| Input::Time(at(place))),
    ]
}

/// The homes of which everything was erased, as often as it was: by a withdrawal, or by a consent that is later than what is kept.
fn erasures(inputs: &[Input]) -> Vec<&'static str> {
    let mut partition = Partition::new(with_ladder());
    let kept = |partition: &Partition, home: &str| {
        let slot = partition.arena().find(home);
        slot.is_some_and(|slot| *partition.arena().usage(slot) != Default::default())
    };
    let mut erased = Vec::new();
    for input in inputs {
        let before = ["h1", "h2"].map(|home| (home, kept(&partition, home)));
        take(&mut partition, std::slice::from_ref(input));
        let gone = before.into_iter().filter(|(home, was)| *was && !kept(&partition, home));
        erased.extend(gone.map(|(home, _)| home));
    }
    erased
}

proptest! {
    /// Readings in any order, late ones, signs, responses, absences, consent and time: raised and ended alternate, no
    /// record is doubled, a stage never falls while an alert is open, nobody is told after an acknowledgement, and with
    /// use in every other hour at the end nothing stays open.
    #[test]
    fn no_order_of_inputs_leaves_an_alert_open_or_says_it_twice(inputs in prop::collection::vec(any_input(), 0..120)) {
        let mut partition = Partition::new(with_ladder());
        let mut effects = take(&mut partition, &inputs);
        let mut all = inputs;
        for home in ["h1", "h2"] {
            let mut ending = vec![
                beside(InputTopic::Homes, home, 69.0, GIVEN),
                sign(home, 70.0, "back"),
            ];
            // Beyond the allowed lateness, so that holes are given up, too.
            ending.extend((70..150).map(|place| Input::Reading(hour(home, place, f64::from(place % 2 * (4 + place * 5 % 13))))));
            effects.alerts.extend(take(&mut partition, &ending).alerts);
            all.extend(ending);
        }
        let erasures = erasures(&all);
        let mut open = std::collections::BTreeMap::new();
        let mut said = std::collections::BTreeMap::<_, usize>::new();
        for decided in &effects.alerts {
            let alert = &decided.alert;
            if alert.kind.is_message() {
                continue;
            }
            // Of a home that was erased nothing is known: what comes of the same readings, sent again, is said again.
            let erased = erasures.iter().filter(|home| ***home == *alert.household_id.to_string());
            let times = said.entry((alert.alert_id.clone(), alert.revision)).or_default();
            *times += 1;
            prop_assert!(*times <= 1 + erased.count(), "{:?} is said twice", alert);
            let key = (alert.household_id.to_string(), alert.kind);
            let before: Option<Option<Stage>> = open.remove(&key);
            prop_assert_eq!(before.is_some(), alert.state != AlertState::Raised, "{:?}", alert);
            prop_assert!(before.flatten() <= alert.stage);
            if alert.state != AlertState::Resolved {
                open.insert(key, alert.stage);
            }
        }
        prop_assert!(open.is_empty(), "{open:?} stay open");
    }
}

/// What was noted is the warden's turn by then, which lies behind the deadline of the second silence: a quarter and two hours
/// more than the first.
#[test]
fn a_meter_that_falls_silent_again_is_told_of_though_a_step_of_the_first_alert_was_yet_to_come() {
    let mut rules = Rules::clone(&with_ladder());
    rules.programmes[0].policy.ladder_kinds = vec![AlertKind::SilentMeter];
    rules.programmes[0].policy.ladder[1].after_minutes = 48 * 60;
    let story = [
        used("h1"),
        vec![Input::Time(at(30))],
        readings("h1", 30..31, 10.0),
        vec![Input::Time(at(90))],
    ];
    let (_, effects) = self::story(Arc::new(rules), &story);
    assert_eq!(
        told(&effects),
        [
            "h1 silent_meter Raised at 27 h",
            "h1 silent_meter Resolved at 31 h",
            "h1 silent_meter Raised at 70.5 h"
        ]
    );
}

/// The step that was due next is not on the ladder of the new programme, and time goes on all the same.
#[test]
fn a_ladder_that_another_programme_cuts_short_ends_there() {
    let mut rules = Rules::clone(&with_ladder());
    rules.programmes[0].policy.ladder_kinds = vec![AlertKind::SilentMeter];
    rules.programmes[0].policy.ladder[1].after_minutes = 24 * 60;
    rules.programmes[1].detectors = rules.programmes[0].detectors.clone();
    let silence = vec![Input::Time(moment(150.0))];
    let (mut partition, before) = story(Arc::new(rules), &[readings("h1", 0..100, 10.0), silence]);
    assert_eq!(partition.open_alerts(AlertKind::SilentMeter), 1);
    let mut told = before
        .alerts
        .iter()
        .filter_map(|decided| decided.alert.contact.as_deref());
    assert_eq!(told.next_back(), Some("family"));
    let moved = beside(InputTopic::Homes, "h1", 151.0, r#""programme":"patient""#);
    let after = take(&mut partition, &[moved, Input::Time(moment(300.0))]);
    assert_eq!(partition.open_alerts(AlertKind::SilentMeter), 1);
    assert!(after.alerts.iter().all(|decided| decided.alert.contact.is_none()));
}
