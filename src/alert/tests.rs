use jiff::tz::TimeZone;
use proptest::prelude::*;

use super::*;
use crate::model::{AlertKind, AlertState, EventTime, Finding, MINUTE, Response, Severity, Stage};

fn at(seconds: u32) -> EventTime {
    // 2024-03-01T00:00:00Z, so that there is room before it.
    EventTime::from_seconds(1_709_251_200 + seconds)
}

fn finding(since: u32, severity: Severity) -> Finding {
    Finding {
        since: at(since),
        detected_at: at(since + 10),
        severity,
        rule: "rule".into(),
        stages: None,
    }
}

fn ladder(steps: &[(&str, u32, Option<&str>)]) -> PolicySettings {
    let step = |(contact, after_minutes, duty): &(&str, u32, Option<&str>)| LadderStep {
        contact: (*contact).into(),
        after_minutes: *after_minutes,
        duty: duty.map(|duty| serde_json::from_value(duty.into()).expect("a band")),
    };
    PolicySettings {
        ladder: steps.iter().map(step).collect(),
        ..PolicySettings::default()
    }
}

fn care(policy: &PolicySettings, now: u32) -> Care<'_> {
    static UTC: TimeZone = TimeZone::UTC;
    Care {
        kind: AlertKind::Inactivity,
        policy,
        time_zone: &UTC,
        now: at(now),
    }
}

fn states(case: &mut Option<Case>, finding: Option<&Finding>) -> Vec<(AlertState, u32)> {
    let policy = PolicySettings::default();
    let transitions = care(&policy, 0).decide(case.as_ref(), finding);
    if let Some(last) = transitions.last() {
        *case = Some(last.case.clone());
    }
    transitions.iter().map(|t| (t.state, t.case.revision)).collect()
}

#[test]
fn an_episode_is_raised_updated_and_resolved_once() {
    let mut case = None;
    let (high, critical) = (finding(100, Severity::High), finding(100, Severity::Critical));
    assert_eq!(states(&mut case, None), []);
    assert_eq!(states(&mut case, Some(&high)), [(AlertState::Raised, 1)]);
    assert_eq!(states(&mut case, Some(&high)), []);
    assert_eq!(states(&mut case, Some(&critical)), [(AlertState::Updated, 2)]);
    assert_eq!(states(&mut case, Some(&high)), []);
    assert_eq!(states(&mut case, None), [(AlertState::Resolved, 3)]);
    assert_eq!(states(&mut case, None), []);
    // The same episode again goes on counting; another begins at 1.
    assert_eq!(states(&mut case, Some(&high)), [(AlertState::Raised, 4)]);
    assert_eq!(
        states(&mut case, Some(&finding(500, Severity::High))),
        [(AlertState::Resolved, 5), (AlertState::Raised, 1)]
    );
    assert_eq!(
        states(&mut case, Some(&finding(400, Severity::High))),
        [(AlertState::Updated, 2)]
    );
}

#[test]
fn a_later_stage_escalates_and_is_never_taken_back() {
    let staged = |stage: Stage| Finding {
        stages: Some(stage.into()),
        ..finding(100, Severity::High)
    };
    let mut case = None;
    assert_eq!(states(&mut case, Some(&staged(Stage::Ask))), [(AlertState::Raised, 1)]);
    assert_eq!(
        states(&mut case, Some(&staged(Stage::Visit))),
        [(AlertState::Escalated, 2)]
    );
    assert_eq!(states(&mut case, Some(&staged(Stage::Contact))), []);
    assert_eq!(case.expect("a case").stage, Some(Stage::Visit));
}

/// The contacts that are told until `until`, with the minute.
fn told(policy: &PolicySettings, raised_at: u32, until: u32) -> Vec<(String, u32)> {
    let mut told = Vec::new();
    let minute = |time: EventTime| time.since(at(0)) / MINUTE;
    let found = finding(raised_at - 10, Severity::High);
    let mut transition = care(policy, raised_at).decide(None, Some(&found)).remove(0);
    loop {
        let case = &transition.case;
        told.extend(transition.contact.as_ref().map(|contact| {
            let told_at = if case.revision == 1 { raised_at } else { 0 };
            (contact.to_string(), told_at / MINUTE)
        }));
        let next = care(policy, until).next(case);
        match care(policy, until).escalate(case) {
            Some(following) => {
                let next = next.expect("who is told was announced");
                assert_eq!(following.contact.as_ref(), Some(&next.contact));
                assert_eq!(following.state, AlertState::Escalated);
                told.push((next.contact.to_string(), minute(next.at)));
                transition = Transition {
                    contact: None,
                    ..following
                };
            }
            None => return told,
        }
    }
}

#[test]
fn a_ladder_tells_one_contact_after_the_other() {
    let policy = ladder(&[("family", 0, None), ("warden", 30, None), ("emergency", 60, None)]);
    let all = [("family", 10), ("warden", 40), ("emergency", 100)].map(|(who, when)| (who.to_owned(), when));
    assert_eq!(told(&policy, 600, 1_000_000), all);
    assert_eq!(told(&policy, 600, 40 * MINUTE), all[..1]);
    assert_eq!(told(&policy, 600, 40 * MINUTE + 1), all[..2]);
    // The first may have to wait, too.
    let policy = ladder(&[("family", 15, None)]);
    assert_eq!(told(&policy, 600, 1_000_000), [("family".to_owned(), 25)]);
    assert_eq!(told(&ladder(&[]), 600, 1_000_000), []);
}

#[test]
fn who_is_off_duty_is_passed_over_but_somebody_is_told() {
    let policy = ladder(&[
        ("office", 0, Some("08-18")),
        ("warden", 30, Some("22-06")),
        ("family", 0, None),
    ]);
    // At 00:10 the office is closed, and the warden is awake.
    let names = |raised_at| -> Vec<String> {
        told(&policy, raised_at, 10_000_000)
            .into_iter()
            .map(|(who, _)| who)
            .collect()
    };
    assert_eq!(names(600), ["warden", "family"]);
    assert_eq!(names(10 * 3_600), ["office", "family"]);
    assert_eq!(names(20 * 3_600), ["family"]);
    let nobody = ladder(&[("office", 0, Some("08-18")), ("desk", 0, Some("08-18"))]);
    assert_eq!(told(&nobody, 600, 10_000_000), [("desk".to_owned(), 10)]);
}

#[test]
fn whoever_acknowledges_stops_the_ladder_and_an_outcome_ends_the_episode() {
    let policy = ladder(&[("family", 0, None), ("warden", 30, None)]);
    let found = finding(0, Severity::High);
    let raised = care(&policy, 10).decide(None, Some(&found)).remove(0);
    let taken = care(&policy, 60)
        .respond(&raised.case, Response::Acknowledged)
        .expect("open");
    assert_eq!((taken.state, taken.case.revision), (AlertState::Acknowledged, 2));
    assert_eq!(care(&policy, 1_000_000).escalate(&taken.case), None);
    assert_eq!(care(&policy, 1_000_000).next(&taken.case), None);
    let again = care(&policy, 70).respond(&taken.case, Response::Acknowledged);
    assert_eq!(again, Err(Contradiction::AcknowledgedAlready));
    let over = care(&policy, 80).respond(&taken.case, Response::Leak).expect("open");
    assert_eq!((over.state, over.case.open), (AlertState::Resolved, false));
    for response in Response::ALL {
        let late = care(&policy, 90).respond(&over.case, response);
        assert_eq!(late, Err(Contradiction::Over));
    }
    // The same episode goes on: it is not raised again unless it becomes graver.
    assert_eq!(care(&policy, 90).decide(Some(&over.case), Some(&found)), []);
    let graver = finding(0, Severity::Critical);
    let raised = care(&policy, 90).decide(Some(&over.case), Some(&graver));
    assert_eq!(raised.iter().map(|t| t.state).collect::<Vec<_>>(), [AlertState::Raised]);
    let next = finding(500, Severity::High);
    assert_eq!(
        care(&policy, 90).decide(Some(&over.case), Some(&next))[0].case.revision,
        1
    );
}

#[test]
fn a_message_is_said_once() {
    let policy = PolicySettings::default();
    let care = Care {
        kind: AlertKind::WellToday,
        ..care(&policy, 0)
    };
    let first = care.decide(None, Some(&finding(0, Severity::Low)));
    assert_eq!(
        (first.len(), first[0].state, first[0].case.open),
        (1, AlertState::Raised, false)
    );
    let case = &first[0].case;
    assert_eq!(care.decide(Some(case), Some(&finding(0, Severity::Low))), []);
    assert_eq!(care.decide(Some(case), None), []);
    let tomorrow = care.decide(Some(case), Some(&finding(24 * 3_600, Severity::Low)));
    assert_eq!(tomorrow[0].case.revision, 1);
    assert_eq!(
        care.decide(Some(&tomorrow[0].case), Some(&finding(0, Severity::Low))),
        []
    );
}

#[test]
fn ids_are_stable_and_apart() {
    let since = EventTime::from_seconds(1_700_000_000);
    let id = alert_id("h1", AlertKind::Inactivity, since);
    assert_eq!(id, "90f41edc-4bd0-514f-8f4d-a944ca1ebd39");
    assert_ne!(id, alert_id("h2", AlertKind::Inactivity, since));
    assert_ne!(id, alert_id("h1", AlertKind::Leak, since));
    assert_ne!(id, alert_id("h1", AlertKind::Inactivity, since.plus(1)));
}

/// What may happen to a case.
#[derive(Clone, Debug)]
enum Step {
    Finding(Option<(u32, u8, u8)>),
    Time(u32),
    Response(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        prop::option::of((0u32..6, 0u8..3, 0u8..3)).prop_map(Step::Finding),
        (1u32..4_000).prop_map(Step::Time),
        (0..Response::ALL.len()).prop_map(Step::Response),
    ];
    prop::collection::vec(step, 0..80)
}

proptest! {
    /// However findings, time and responses come: raised and resolved alternate, revisions of one id never repeat,
    /// nobody is told twice at one step or after an acknowledgement, and what is open at the end is what holds and was
    /// not ended by an outcome.
    #[test]
    fn no_order_of_events_leaves_a_case_open_or_doubles_a_record(steps in steps()) {
        let policy = ladder(&[("family", 0, None), ("warden", 20, Some("08-18")), ("office", 10, None)]);
        let (mut case, mut now, mut holds): (Option<Case>, u32, Option<Finding>) = (None, 1_000, None);
        let mut open = false;
        let mut seen = std::collections::BTreeSet::new();
        for step in steps {
            let transitions = match step {
                Step::Finding(found) => {
                    holds = found.map(|(since, severity, stage)| Finding {
                        stages: Some(Stage::ALL[stage as usize].into()),
                        ..finding(since * 100, [Severity::Low, Severity::High, Severity::Critical][severity as usize])
                    });
                    care(&policy, now).decide(case.as_ref(), holds.as_ref())
                }
                Step::Time(seconds) => {
                    now += seconds;
                    case.as_ref().and_then(|case| care(&policy, now).escalate(case)).into_iter().collect()
                }
                Step::Response(which) => {
                    let response = Response::ALL[which];
                    let before = case.clone();
                    match case.as_ref().map(|case| care(&policy, now).respond(case, response)) {
                        Some(Ok(transition)) => vec![transition],
                        Some(Err(_)) => {
                            prop_assert!(!open || before.is_some_and(|case| case.response == Some(response)));
                            Vec::new()
                        }
                        None => Vec::new(),
                    }
                }
            };
            for transition in transitions {
                prop_assert_eq!(transition.state != AlertState::Raised, open);
                open = transition.state != AlertState::Resolved;
                prop_assert_eq!(transition.case.open, open);
                prop_assert!(seen.insert((transition.case.identity_since, transition.case.revision)));
                if transition.case.response == Some(Response::Acknowledged) {
                    prop_assert_eq!(transition.contact, None);
                }
                case = Some(transition.case);
            }
            let is_ended = case.as_ref().is_some_and(|case| !case.open && case.response.is_some());
            prop_assert!(!open || holds.is_some());
            prop_assert!(open || holds.is_none() || is_ended);
        }
        // With nothing left to say, nothing is open.
        let end = care(&policy, now).decide(case.as_ref(), None);
        prop_assert_eq!(end.len(), usize::from(open));
    }
}
